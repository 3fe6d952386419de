package cluster

import (
	"github.com/torntail/torntail/faults/proxy"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/redisconf"
)

// proxies say how nodes are reached by others: at their proxies.
func proxies(nodes []proxy.Node) splitbrain.Network {
	return splitbrain.Network{ID: id, Of: func(node string) (a splitbrain.Address) {
		for _, n := range nodes {
			if n.Name == node {
				a = splitbrain.Address{Host: n.Listen.Addr().String(), Port: int(n.Listen.Port())}
			}
		}
		return a
	}}
}

// serverConfig is a server's redis.conf. Every address that it announces is
// its proxy's, and its own connections come from its own address: without either a
// connection would pass by the proxies.
func serverConfig(f *redisconf.File, s *splitbrain.Scenario, i int, nodes []proxy.Node) {
	self := nodes[i]
	f.Linef("bind-source-addr %s", self.From)
	f.Linef("replica-announce-ip %s", self.Listen.Addr())
	f.Linef("replica-announce-port %d", self.Listen.Port())
	s.ServerConf(f, i, proxies(nodes))
}

// sentinelConfig is a Sentinel's sentinel.conf.
func sentinelConfig(f *redisconf.File, s *splitbrain.Scenario, name string, nodes []proxy.Node) {
	f.Linef("sentinel myid %s", id(name))
	for _, n := range nodes {
		if n.Name == name {
			f.Linef("bind-source-addr %s", n.From)
			f.Linef("sentinel announce-ip %s", n.Listen.Addr())
			f.Linef("sentinel announce-port %d", n.Listen.Port())
		}
	}
	s.SentinelConf(f, name, proxies(nodes))
}
