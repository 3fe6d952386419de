package splitbrain

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
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

func (a Address) String() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) }

func (a Address) args() []string { return []string{a.Host, strconv.Itoa(a.Port)} }

// Network is what a world knows of the nodes of a scenario.
type Network interface {
	// Address is where a node is reached, by its name.
	Address(node string) Address
	// Place adds to a node's configuration file what gives it its place in the network.
	Place(f *redisconf.File, node string)
}

// Setup is what a scenario says of the machine of a node.
func (s *Scenario) Setup(node string, n Network) *machine.Setup {
	m := &machine.Setup{Name: node, Mode: &product.Mode{Store: redis.Store}}
	var f redisconf.File
	n.Place(&f, node)
	if i := slices.Index(s.Topology.ServerNames(), node); i >= 0 {
		m.Mode = s.mode(node)
		s.serverConf(&f, i, n)
	} else {
		m.Sentinel = true
		s.sentinelConf(&f, slices.Index(s.Topology.SentinelNames(), node), n)
	}
	m.Conf = f.String()
	return m
}

// serverConf adds to the redis.conf of the i-th server what the scenario says of it.
func (s *Scenario) serverConf(f *redisconf.File, i int, n Network) {
	if of := s.Topology.MasterOf(i); of != "" {
		f.Line("replicaof", n.Address(of).args()...)
	}
	if s.Password != "" {
		f.Directive("requirepass", s.Password)
		f.Directive("masterauth", s.Password)
	}
	for _, d := range s.ServerDirectives(Server(i)) {
		f.Directive(d.Name, d.Value)
	}
}

// RunID is the run id of the i-th Sentinel: known beforehand, so that each can be told of
// the others.
func RunID(i int) string { return fmt.Sprintf("%040x", 0xc0ffee00+i) }

// sentinelConf adds to the sentinel.conf of the i-th Sentinel who it is, whom it watches,
// and how. It names the replicas and the other Sentinels, which would else be found only
// in the course of seconds.
func (s *Scenario) sentinelConf(f *redisconf.File, i int, n Network) {
	at := n.Address(Sentinel(i))
	timing, quorum, err := s.watching(Sentinel(i))
	if err != nil {
		panic(fmt.Sprintf("splitbrain: settings that were checked: %v", err))
	}
	f.Linef("sentinel myid %s", RunID(i))
	f.Linef("sentinel announce-ip %s", at.Host)
	f.Linef("sentinel announce-port %d", at.Port)
	f.Line("sentinel monitor", append(append([]string{Master}, n.Address(Server(0)).args()...), strconv.Itoa(quorum))...)
	if s.Password != "" {
		f.Directive("requirepass", s.Password)
		f.Linef("sentinel sentinel-pass %s", s.Password)
		f.Linef("sentinel auth-pass %s %s", Master, s.Password)
	}
	f.Linef("sentinel down-after-milliseconds %s %d", Master, timing.DownAfter.Milliseconds())
	f.Linef("sentinel failover-timeout %s %d", Master, timing.FailoverTimeout.Milliseconds())
	f.Linef("sentinel parallel-syncs %s %d", Master, cmp.Or(timing.ParallelSyncs, max(1, s.Topology.Servers-1)))
	if s.Discover {
		return
	}
	for i := 1; i <= s.Topology.Known(); i++ {
		f.Line("sentinel known-replica", append([]string{Master}, n.Address(Server(i)).args()...)...)
	}
	for other := range s.Topology.Sentinels {
		if other != i {
			f.Line("sentinel known-sentinel", append(append([]string{Master}, n.Address(Sentinel(other)).args()...), RunID(other))...)
		}
	}
}
