package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// noteTime counts how long a command took, for LATENCY HISTOGRAM and INFO latencystats.
func (s *Server) noteTime(one *commandStats, took time.Duration) {
	if s.cfg.LatencyTracking {
		one.times.add(took.Microseconds() * 1000)
	}
}

// latencyHistogram follows redis 7.0.15 latency.c latencyCommand: of the commands that are
// named, with what they contain, or of all.
func latencyHistogram(s *Server, c *Session, argv [][]byte) {
	var of []*command
	with := func(cmd *command) {
		for _, cmd := range append([]*command{cmd}, cmd.sub...) {
			if one := s.stats.counted(cmd); one != nil && one.times.total > 0 {
				of = append(of, cmd)
			}
		}
	}
	if len(argv) == 2 {
		for _, cmd := range s.commands() {
			with(cmd)
		}
	}
	for _, name := range argv[2:] {
		if cmd := s.commandByName(name); cmd != nil {
			with(cmd)
		}
	}
	c.mapOf(len(of))
	for _, cmd := range of {
		times := &s.stats.counted(cmd).times
		c.bulkText(cmd.fullName)
		c.mapOf(2)
		c.bulkText("calls")
		c.int(times.total)
		c.bulkText("histogram_usec")
		c.mapOf(times.cumulative(nil))
		times.cumulative(func(us, count int64) {
			c.int(us)
			c.int(count)
		})
	}
}

// infoLatencyStats is INFO's section.
func (s *Server) infoLatencyStats(t *infoText) {
	if !t.named("Latencystats") || !s.cfg.LatencyTracking {
		return
	}
	for _, top := range s.commands() {
		for _, cmd := range append([]*command{top}, top.sub...) {
			one := s.stats.counted(cmd)
			if one == nil || one.times.total == 0 {
				continue
			}
			var shares []string
			for word := range strings.FieldsSeq(s.cfg.LatencyPercentiles) {
				share, err := strconv.ParseFloat(word, 64)
				if err == nil { // the configuration lets nothing else in
					shares = append(shares, fmt.Sprintf("p%s=%.3f", word, float64(one.times.percentile(share))/1000))
				}
			}
			t.text("latency_percentiles_usec_"+safeInfo.Replace(cmd.fullName), strings.Join(shares, ","))
		}
	}
}
