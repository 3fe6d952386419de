package cluster

import (
	"math/rand/v2"
	"net/netip"

	"github.com/torntail/torntail/faults/proxy"
	"github.com/torntail/torntail/harness/splitbrain"
)

// addresses are those of one cluster: a loopback network of its own, 127.A.B.0/24,
// in which every node has an address. Servers and Sentinels announce port, where
// their proxies listen, and really listen on real.
type addresses struct {
	a, b       byte
	port, real uint16
}

// Last bytes of addresses.
const (
	firstServer   = 1
	firstSentinel = 101
	firstClient   = 201
	proxySource   = 250
	adminSource   = 251
)

// Ranges to draw from: below the ephemeral ports, so that no connection of
// somebody else's holds one.
const (
	firstPort = 10000
	ports     = 10000
)

// draw takes a network and ports at random. Which ones matters to nobody, as long
// as two clusters, of whatever process, hardly ever meet.
func draw() addresses {
	port := uint16(firstPort + rand.IntN(ports))
	return addresses{a: byte(64 + rand.IntN(128)), b: byte(rand.IntN(256)), port: port, real: port + ports}
}

func (a addresses) ip(last int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, a.a, a.b, byte(last)})
}

// nodes are the nodes of a scenario as proxies know them. The last client is also
// whoever connects from an address that is no node's.
func (a addresses) nodes(t splitbrain.Topology, clients int, anybody bool) []proxy.Node {
	var list []proxy.Node
	served := func(name string, last int) {
		list = append(list, proxy.Node{Name: name, From: a.ip(last),
			Listen: netip.AddrPortFrom(a.ip(last), a.port), Target: netip.AddrPortFrom(a.ip(last), a.real)})
	}
	for i, name := range t.ServerNames() {
		served(name, firstServer+i)
	}
	for i, name := range t.SentinelNames() {
		served(name, firstSentinel+i)
	}
	for i := range clients {
		n := proxy.Node{Name: splitbrain.Client(i), From: a.ip(firstClient + i)}
		if anybody && i == clients-1 {
			n.From = netip.Addr{}
		}
		list = append(list, n)
	}
	return list
}
