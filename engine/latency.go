package engine

import (
	"slices"
	"time"
)

// spikes are the samples of one kind of event that took long: "command", "fast-command"
// or "expire-cycle", as redis 7.0.15 latency.c keeps them. What else that watches, such as
// forks and the log, is not sampled here.
type spikes struct {
	event   string
	max     int64 // ms, of all there ever were
	samples []spike
}

// spike is the worst of one second.
type spike struct{ unix, ms int64 }

// mostSpikes is how many samples of an event are kept (LATENCY_TS_LEN).
const mostSpikes = 160

var latencyCommands = []entry{
	{name: "latency|latest", run: func(s *Server, c *Session, _ [][]byte) {
		c.array(len(s.spikes))
		for _, e := range s.spikes {
			last := e.samples[len(e.samples)-1]
			c.array(4)
			c.bulkText(e.event)
			c.int(last.unix)
			c.int(last.ms)
			c.int(e.max)
		}
	}},
	{name: "latency|history", run: func(s *Server, c *Session, argv [][]byte) {
		e := s.spikesOf(argv[2])
		if e == nil {
			c.array(0)
			return
		}
		c.array(len(e.samples))
		for _, sample := range e.samples {
			c.array(2)
			c.int(sample.unix)
			c.int(sample.ms)
		}
	}},
	{name: "latency|reset", run: func(s *Server, c *Session, argv [][]byte) {
		before := len(s.spikes)
		s.spikes = slices.DeleteFunc(s.spikes, func(e *spikes) bool {
			return len(argv) == 2 || slices.ContainsFunc(argv[2:], func(a []byte) bool { return same(a, e.event) })
		})
		c.int(int64(before - len(s.spikes)))
	}},
	{name: "latency|graph", run: latencyGraph},
	{name: "latency|doctor", run: latencyDoctor},
	{name: "latency|histogram", run: latencyHistogram},
	{name: "latency|help", run: help("LATENCY",
		"DOCTOR", "    Return a human readable latency analysis report.",
		"GRAPH <event>", "    Return an ASCII latency graph for the <event> class.",
		"HISTORY <event>", "    Return time-latency samples for the <event> class.",
		"LATEST", "    Return the latest latency samples for all events.",
		"RESET [<event> ...]", "    Reset latency data of one or more <event> classes.", "    (default: reset all data for all event classes)",
		"HISTOGRAM [COMMAND ...]", "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.", "    If no commands are specified then all histograms are replied.")},
}

// noteSpike samples a command.
func (s *Server) noteSpike(cmd *command, took time.Duration) {
	event := "command"
	if s.cfg.LatencyMonitorThreshold > 0 && cmd.spec.Has("fast") {
		event = "fast-command"
	}
	s.sampleSpike(event, took)
}

// sampleSpike samples what took as long as the configuration wants to hear of.
func (s *Server) sampleSpike(event string, took time.Duration) {
	ms := took.Milliseconds()
	if s.cfg.LatencyMonitorThreshold == 0 || ms < s.cfg.LatencyMonitorThreshold {
		return
	}
	e := s.spikesOf([]byte(event))
	if e == nil {
		e = &spikes{event: event}
		s.spikes = append(s.spikes, e)
	}
	unix := s.env.Wall().Unix()
	e.max = max(e.max, ms)
	if n := len(e.samples); n > 0 && e.samples[n-1].unix == unix {
		e.samples[n-1].ms = max(e.samples[n-1].ms, ms)
		return
	}
	e.samples = append(e.samples, spike{unix, ms})
	if n := len(e.samples); n > mostSpikes {
		e.samples = slices.Delete(e.samples, 0, n-mostSpikes)
	}
}
