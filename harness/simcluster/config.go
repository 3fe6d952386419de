package simcluster

import (
	"fmt"
	"strconv"

	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/redisconf"
)

// Ports of every node: each is a machine of its own.
const (
	serverPort   = 6379
	sentinelPort = 26379
)

// names say how nodes of a simulated world are reached: they have names and no
// numbers.
var names = splitbrain.Network{
	Of: func(node string) splitbrain.Address {
		if isSentinel(node) {
			return splitbrain.Address{Host: node, Port: sentinelPort}
		}
		return splitbrain.Address{Host: node, Port: serverPort}
	},
	ID: func(sentinel string) string {
		i, _ := strconv.Atoi(sentinel[1:]) // it is one of ours
		return id(i - 1)
	},
}

func isSentinel(node string) bool { return node[0] == splitbrain.Sentinel(0)[0] }

// serverConfig is a server's redis.conf.
func serverConfig(s *splitbrain.Scenario, i int) string {
	var f redisconf.File
	f.Linef("port %d", serverPort)
	s.ServerConf(&f, i, names)
	return f.String()
}

// sentinelConfig is a Sentinel's sentinel.conf.
func sentinelConfig(s *splitbrain.Scenario, i int) string {
	var f redisconf.File
	f.Linef("port %d", sentinelPort)
	f.Linef("sentinel resolve-hostnames yes")
	f.Linef("sentinel announce-hostnames yes")
	f.Linef("sentinel myid %s", id(i))
	f.Linef("sentinel announce-ip %s", splitbrain.Sentinel(i))
	f.Linef("sentinel announce-port %d", sentinelPort)
	s.SentinelConf(&f, splitbrain.Sentinel(i), names)
	return f.String()
}

// id is the run id of the i-th Sentinel.
func id(i int) string { return fmt.Sprintf("%040x", 0xc0ffee00+i) }
