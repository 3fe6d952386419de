package splitbrain

import (
	"strconv"

	"github.com/torntail/torntail/internal/redisconf"
)

// The configuration of servers and Sentinels is in files and not on the command
// line, in simulation as with processes: a Sentinel that gives a server another
// role has its file rewritten, so that it comes back in that role after a restart,
// and a Sentinel keeps its own state in its file.

// Address is where a node is reached by others.
type Address struct {
	Host string // a name in a simulated world, where there are no numbers
	Port int
}

func (a Address) args() []string { return []string{a.Host, strconv.Itoa(a.Port)} }

// Network is what a backend knows of the nodes of a scenario.
type Network struct {
	// Of is where a node is reached, by its name.
	Of func(node string) Address
	// ID is the run id of a Sentinel, by its name.
	ID func(sentinel string) string
}

// ServerConf adds to the redis.conf of the i-th server what the scenario says of it.
func (s *Scenario) ServerConf(f *redisconf.File, i int, n Network) {
	if of := s.Topology.MasterOf(i); of != "" {
		f.Line("replicaof", n.Of(of).args()...)
	}
	for _, d := range s.ServerDirectives() {
		f.Directive(d.Name, d.Value)
	}
}

// SentinelConf adds to a Sentinel's sentinel.conf whom it watches, and how. It
// names the replicas and the other Sentinels, which would else be found only in
// the course of seconds.
func (s *Scenario) SentinelConf(f *redisconf.File, sentinel string, n Network) {
	f.Line("sentinel monitor", append(append([]string{Master}, n.Of(Server(0)).args()...), strconv.Itoa(s.Quorum))...)
	f.Linef("sentinel down-after-milliseconds %s %d", Master, s.Timing.DownAfter.Milliseconds())
	f.Linef("sentinel failover-timeout %s %d", Master, s.Timing.FailoverTimeout.Milliseconds())
	f.Linef("sentinel parallel-syncs %s %d", Master, s.ParallelSyncs())
	for i := 1; i <= s.Topology.Known(); i++ {
		f.Line("sentinel known-replica", append([]string{Master}, n.Of(Server(i)).args()...)...)
	}
	for i := range s.Topology.Sentinels {
		if name := Sentinel(i); name != sentinel {
			f.Line("sentinel known-sentinel", append(append([]string{Master}, n.Of(name).args()...), n.ID(name))...)
		}
	}
}
