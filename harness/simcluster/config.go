package simcluster

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/harness/splitbrain"
)

// Ports of every node: each is a machine of its own.
const (
	serverPort   = 6379
	sentinelPort = 26379
)

// serverConfig is a server's redis.conf. As on real machines the configuration is
// a file: a Sentinel that gives a server another role has it rewritten, so that the
// server comes back in that role after a restart.
func serverConfig(s *splitbrain.Scenario, i int) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("port %d", serverPort)
	if of := s.Topology.MasterOf(i); of != "" {
		line("replicaof %s %d", of, serverPort)
	}
	for _, d := range s.ServerDirectives() {
		value := d.Value
		if value == "" {
			value = `""`
		}
		line("%s %s", d.Name, value)
	}
	return b.String()
}

// sentinelConfig is a Sentinel's sentinel.conf. Nodes of a simulated world have
// names and no numbers, so names are announced.
func sentinelConfig(s *splitbrain.Scenario, i int) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("port %d", sentinelPort)
	line("sentinel resolve-hostnames yes")
	line("sentinel announce-hostnames yes")
	line("sentinel myid %s", id(i))
	line("sentinel announce-ip %s", splitbrain.Sentinel(i))
	line("sentinel announce-port %d", sentinelPort)
	line("sentinel monitor %s %s %d %d", splitbrain.Master, splitbrain.Server(0), serverPort, s.Quorum)
	line("sentinel down-after-milliseconds %s %d", splitbrain.Master, s.Timing.DownAfter.Milliseconds())
	line("sentinel failover-timeout %s %d", splitbrain.Master, s.Timing.FailoverTimeout.Milliseconds())
	line("sentinel parallel-syncs %s %d", splitbrain.Master, s.ParallelSyncs())
	for n := 1; n <= s.Topology.Known(); n++ {
		line("sentinel known-replica %s %s %d", splitbrain.Master, splitbrain.Server(n), serverPort)
	}
	for n := range s.Topology.Sentinels {
		if n != i {
			line("sentinel known-sentinel %s %s %d %s", splitbrain.Master, splitbrain.Sentinel(n), sentinelPort, id(n))
		}
	}
	return b.String()
}

// id is the run id of the i-th Sentinel.
func id(i int) string { return fmt.Sprintf("%040x", 0xc0ffee00+i) }
