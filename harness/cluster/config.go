package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/torntail/torntail/faults/proxy"
	"github.com/torntail/torntail/harness/splitbrain"
)

// The configuration is in files, not on the command line: a Sentinel that promotes
// or demotes a server lets it rewrite its file, so that it comes back in its new
// role after a restart, and a Sentinel keeps its own state in its file.

// serverConfig writes a server's redis.conf. Every address that it announces is
// its proxy's, and its own connections come from its own address: without either a
// connection would pass by the proxies.
func serverConfig(dir string, s *splitbrain.Scenario, i int, nodes []proxy.Node) (path string, err error) {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	self := nodes[i]
	line("dir %s", quoted(dir))
	line("protected-mode no")
	line("bind-source-addr %s", self.From)
	line("replica-announce-ip %s", self.Listen.Addr())
	line("replica-announce-port %d", self.Listen.Port())
	if of := s.Topology.MasterOf(i); of != "" {
		for _, n := range nodes {
			if n.Name == of {
				line("replicaof %s %d", n.Listen.Addr(), n.Listen.Port())
			}
		}
	}
	for _, d := range s.ServerDirectives() {
		value := d.Value
		if value == "" {
			value = `""`
		}
		line("%s %s", d.Name, value)
	}
	path = filepath.Join(dir, "redis.conf")
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

// sentinelConfig writes a Sentinel's sentinel.conf. It names the replicas and the
// other Sentinels, which would else be found only in the course of seconds.
func sentinelConfig(dir string, s *splitbrain.Scenario, name string, nodes []proxy.Node) (path string, err error) {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("dir %s", quoted(dir))
	line("protected-mode no")
	line("sentinel myid %s", id(name))
	for _, n := range nodes {
		if n.Name == name {
			line("bind-source-addr %s", n.From)
			line("sentinel announce-ip %s", n.Listen.Addr())
			line("sentinel announce-port %d", n.Listen.Port())
		}
	}
	master := nodes[0].Listen
	line("sentinel monitor %s %s %d %d", splitbrain.Master, master.Addr(), master.Port(), s.Quorum)
	line("sentinel down-after-milliseconds %s %d", splitbrain.Master, s.Timing.DownAfter.Milliseconds())
	line("sentinel failover-timeout %s %d", splitbrain.Master, s.Timing.FailoverTimeout.Milliseconds())
	line("sentinel parallel-syncs %s %d", splitbrain.Master, s.ParallelSyncs())
	for i := 1; i <= s.Topology.Known(); i++ {
		line("sentinel known-replica %s %s %d", splitbrain.Master, nodes[i].Listen.Addr(), nodes[i].Listen.Port())
	}
	for _, n := range nodes[s.Topology.Servers : s.Topology.Servers+s.Topology.Sentinels] {
		if n.Name != name {
			line("sentinel known-sentinel %s %s %d %s", splitbrain.Master, n.Listen.Addr(), n.Listen.Port(), id(n.Name))
		}
	}
	path = filepath.Join(dir, "sentinel.conf")
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

// quoted is a path as an argument of a configuration file.
func quoted(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}
