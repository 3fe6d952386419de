package engine

import (
	"fmt"
	"slices"
	"strings"
)

// spikesOf are the samples of an event; nil: there are none.
func (s *Server) spikesOf(event []byte) *spikes {
	if i := slices.IndexFunc(s.spikes, func(e *spikes) bool { return e.event == string(event) }); i >= 0 {
		return s.spikes[i]
	}
	return nil
}

// graphColumns and graphRows are how large LATENCY GRAPH draws, a row having as many
// steps as there are characters for it.
const (
	graphColumns = 80
	graphRows    = 4
	graphSteps   = "_o#"
)

// latencyGraph follows redis 7.0.15 latency.c latencyCommandGenSparkline and sparkline.c.
func latencyGraph(s *Server, c *Session, argv [][]byte) {
	e := s.spikesOf(argv[2])
	if e == nil {
		c.error("ERR No samples available for event '" + clip(argv[2], len(argv[2])) + "'")
		return
	}
	low, high := e.samples[0].ms, e.samples[0].ms
	for _, one := range e.samples {
		low, high = min(low, one.ms), max(high, one.ms)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s - high %d ms, low %d ms (all time high %d ms)\n%s\n", e.event, high, low, e.max, strings.Repeat("-", graphColumns))
	now := s.env.Wall().Unix()
	for i, part := range slices.Collect(slices.Chunk(e.samples, graphColumns)) {
		if i > 0 {
			b.WriteByte('\n')
		}
		drawGraph(&b, part, low, max(high-low, 1), now)
	}
	c.verbatim(b.String())
}

// drawGraph draws samples as columns, and below each, letter by letter, how long ago it was.
func drawGraph(b *strings.Builder, samples []spike, low, span, now int64) {
	const steps = graphRows * len(graphSteps)
	rows := make([][]byte, graphRows+1) // the last keeps the labels apart
	for i := range rows {
		rows[i] = []byte(strings.Repeat(" ", len(samples)))
	}
	for column, one := range samples {
		height := min((one.ms-low)*int64(steps)/span, int64(steps)-1)
		for row := range graphRows {
			switch step := int(height) - (graphRows-row-1)*len(graphSteps); {
			case step >= len(graphSteps):
				rows[row][column] = '|'
			case step >= 0:
				rows[row][column] = graphSteps[step]
			}
		}
		for i, letter := range []byte(ago(now - one.unix)) {
			if graphRows+1+i == len(rows) {
				rows = append(rows, []byte(strings.Repeat(" ", len(samples))))
			}
			rows[graphRows+1+i][column] = letter
		}
	}
	for _, row := range rows {
		b.Write(append(row, '\n'))
	}
}

// ago is a number of seconds in its largest unit.
func ago(seconds int64) string {
	switch {
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%dm", seconds/60)
	case seconds < 24*3600:
		return fmt.Sprintf("%dh", seconds/3600)
	}
	return fmt.Sprintf("%dd", seconds/(24*3600))
}

// latencyDoctor follows redis 7.0.15 latency.c createLatencyReport, as far as events are
// sampled here.
func latencyDoctor(s *Server, c *Session, _ [][]byte) {
	threshold := s.cfg.LatencyMonitorThreshold
	switch {
	case len(s.spikes) == 0 && threshold == 0:
		c.verbatim("I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You may use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it. If we weren't in a deep space mission I'd suggest to take a look at https://redis.io/topics/latency-monitor.\n")
		return
	case len(s.spikes) == 0:
		c.verbatim("Dave, no latency spike was observed during the lifetime of this Redis instance, not in the slightest bit. I honestly think you ought to sit down calmly, take a stress pill, and think things over.\n")
		return
	}
	var b strings.Builder
	b.WriteString("Dave, I have observed latency spikes in this Redis instance. You don't mind talking about it, do you Dave?\n\n")
	now := s.env.Wall().Unix()
	for i, e := range s.spikes {
		n := int64(len(e.samples))
		sum, apart := int64(0), int64(0)
		for _, one := range e.samples {
			sum += one.ms
		}
		average := sum / n
		for _, one := range e.samples {
			apart += max(average-one.ms, one.ms-average)
		}
		period := max(now-e.samples[0].unix, 1)
		fmt.Fprintf(&b, "%d. %s: %d latency spikes (average %dms, mean deviation %dms, period %.2f sec). Worst all time event %dms.\n", i+1, e.event, n, average, apart/n, float64(period)/float64(n), e.max)
	}
	b.WriteString("\nI have a few advices for you:\n\n")
	slow, slower := s.spikesOf([]byte("command")) != nil, s.cfg.SlowlogLogSlowerThan
	expires := s.spikesOf([]byte("expire-cycle")) != nil
	switch {
	case !slow:
	case slower < 0:
		fmt.Fprintf(&b, "- There are latency issues with potentially slow commands you are using. Try to enable the Slow Log Redis feature using the command 'CONFIG SET slowlog-log-slower-than %d'. If the Slow log is disabled Redis is not able to log slow commands execution for you.\n", threshold*1000)
	case slower/1000 > threshold:
		fmt.Fprintf(&b, "- Your current Slow Log configuration only logs events that are slower than your configured latency monitor threshold. Please use 'CONFIG SET slowlog-log-slower-than %d'.\n", threshold*1000)
	}
	if slow {
		b.WriteString("- Check your Slow Log to understand what are the commands you are running which are too slow to execute. Please check https://redis.io/commands/slowlog for more information.\n")
	}
	if s.spikesOf([]byte("fast-command")) != nil {
		b.WriteString("- The system is slow to execute Redis code paths not containing system calls. This usually means the system does not provide Redis CPU time to run for long periods. You should try to:\n" +
			"  1) Lower the system load.\n  2) Use a computer / VM just for Redis if you are running other software in the same system.\n  3) Check if you have a \"noisy neighbour\" problem.\n" +
			"  4) Check with 'redis-cli --intrinsic-latency 100' what is the intrinsic latency in your system.\n" +
			"  5) Check if the problem is allocator-related by recompiling Redis with MALLOC=libc, if you are using Jemalloc. However this may create fragmentation problems.\n")
	}
	if expires && s.cfg.Hz < 100 {
		b.WriteString("- In order to make the Redis keys expiring process more incremental, try to set the 'hz' configuration parameter to 100 using 'CONFIG SET hz 100'.\n")
	}
	if slow || expires {
		b.WriteString("- Deleting, expiring or evicting (because of maxmemory policy) large objects is a blocking operation. If you have very large objects that are often deleted, expired, or evicted, try to fragment those objects into multiple smaller objects.\n")
	}
	c.verbatim(b.String())
}
