package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/workloads"
)

func TestMain(m *testing.M) {
	guard.Main()
	os.Exit(m.Run())
}

// start starts a cluster for tests that use it without an experiment.
func start(t *testing.T, o splitbrain.Options) *Cluster {
	t.Helper()
	needs.Program(t, "redis-server")
	s, err := splitbrain.New(o)
	require.NoError(t, err)
	c, err := Start(context.Background(), s, Options{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// strike carries out a statement, as an experiment does.
func (c *Cluster) strike(t *testing.T, links *plan.LinkFaults, text string) {
	t.Helper()
	s, err := plan.ParseStatement("at 0s: " + text)
	require.NoError(t, err)
	trigger := plan.Trigger{Statement: &s}
	why, err := s.Action.Do(trigger, strike{&Control{c: c, links: links}})
	require.NoError(t, err)
	require.Empty(t, why)
}

// TestNoLinkEscapesTheProxies looks at every connection of a cluster in which all
// have found each other: a server's or Sentinel's real port is reached by proxies
// and by administration only, and nobody connects from a node's address to anything
// but a proxy.
func TestNoLinkEscapesTheProxies(t *testing.T) {
	c := start(t, splitbrain.Options{})
	c.env.Enter()
	err := splitbrain.AwaitReady(c, c.s)
	c.env.Leave()
	require.NoError(t, err)
	sockets, err := os.ReadFile("/proc/net/tcp")
	require.NoError(t, err)
	byProxy, toProxy := 0, 0
	seen := map[string]bool{} // nodes from which somebody has connected
	for line := range strings.Lines(string(sockets)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != "01" { // established
			continue
		}
		local, remote := socketAddr(t, f[1]), socketAddr(t, f[2])
		if of := local.Addr().As4(); of[1] != c.at.a || of[2] != c.at.b {
			continue
		}
		switch last := local.Addr().As4()[3]; {
		case local.Port() == c.at.real:
			from := remote.Addr().As4()[3]
			require.Contains(t, []byte{proxySource, adminSource}, from, "%v is reached from %v", local, remote)
			byProxy++
		case local.Port() == c.at.port: // the proxy's own end
		case last != proxySource && last != adminSource:
			require.Equal(t, c.at.port, remote.Port(), "%v connects to %v", local, remote)
			seen[c.net.NodeOf(local.Addr())] = true
			toProxy++
		}
	}
	// 2 replicas; each Sentinel to 3 servers, twice, and to 2 Sentinels.
	require.GreaterOrEqual(t, byProxy, 2+3*3*2+3*2)
	require.GreaterOrEqual(t, toProxy, 2+3*3*2+3*2)
	for _, node := range []string{"n2", "n3", "s1", "s2", "s3"} {
		require.True(t, seen[node], "no connection comes from the address of %s", node)
	}
}

// socketAddr reads "0100007F:1F90" of /proc/net/tcp.
func socketAddr(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	var ip uint32
	var port uint16
	_, err := fmt.Sscanf(text, "%08X:%04X", &ip, &port)
	require.NoError(t, err)
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(ip), byte(ip >> 8), byte(ip >> 16), byte(ip >> 24)}), port)
}

// TestAServerComesBackInTheRoleThatSentinelsGaveIt: its file is rewritten.
func TestAServerComesBackInTheRoleThatSentinelsGaveIt(t *testing.T) {
	c := start(t, splitbrain.Options{})
	links := plan.NewLinkFaults(c)
	c.env.Enter()
	defer c.env.Leave()
	require.NoError(t, splitbrain.AwaitReady(c, c.s))
	c.strike(t, links, "kill n1")
	require.NoError(t, splitbrain.AwaitMaster(c, c.s, func(node string) bool { return node != "n1" && node != "" }))
	c.strike(t, links, "restart n1")
	require.NoError(t, splitbrain.AwaitConverged(c, c.s))
	conn, err := workloads.Dial(c.Env(splitbrain.Admin), c.AdminAddr("n1"))
	require.NoError(t, err)
	defer conn.Close()
	reply, err := conn.Do(0, "ROLE")
	require.NoError(t, err)
	require.Contains(t, string(reply.Raw), "slave")
}
