package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
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
	// 2 replicas; each Sentinel to 3 servers, twice, and to 2 Sentinels. On a busy machine one
	// may be making a connection again.
	const links = 2 + 3*3*2 + 3*2
	within(t, func() string {
		byProxy, toProxy, seen := connections(t, c)
		return waiting(byProxy >= links && toProxy >= links && len(seen) == 5, fmt.Sprintf("%d connections by proxies, %d to them, from %v", byProxy, toProxy, seen))
	})
}

// connections are those of a cluster: by proxies to nodes, by nodes to proxies, and from which
// nodes. None may pass by the proxies.
func connections(t *testing.T, c *Cluster) (byProxy, toProxy int, seen map[string]bool) {
	sockets, err := os.ReadFile("/proc/net/tcp")
	require.NoError(t, err)
	seen = map[string]bool{}
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
	return byProxy, toProxy, seen
}

// TestAServerLeftDownIsNotWaitedFor: the others are judged, as in simulation.
func TestAServerLeftDownIsNotWaitedFor(t *testing.T) {
	needs.Program(t, "redis-server")
	p, err := plan.Parse("plan 1\nat 300ms: kill n3\nat 400ms: kill s1\n")
	require.NoError(t, err)
	// Nobody has to fail over here, and on a busy machine no server that is starved for half
	// a second must look dead.
	s, err := splitbrain.New(splitbrain.Options{Plan: p, Span: time.Second, Sentinel: []splitbrain.Directive{{Name: "down-after-milliseconds", Value: "60000"}}})
	require.NoError(t, err)
	out, err := Run(t.Context(), s, Options{Seed: 1})
	require.NoError(t, err)
	r := splitbrain.Judge(s, out)
	require.Equal(t, []string{"n3", "s1"}, r.LeftDown)
	require.True(t, out.Converged, out.Why)
	require.Equal(t, result.Holds, r.Verdict, r.Why+r.Story)
}

// TestWhatDoesNotHoldIsKeptWhole: the logs and files of real servers, taken before they go.
func TestWhatDoesNotHoldIsKeptWhole(t *testing.T) {
	needs.Program(t, "redis-server")
	p, err := plan.Parse("plan 1\nat 300ms: kill n2\nat 30s: restart n2\n") // which is never
	require.NoError(t, err)
	s, err := splitbrain.New(splitbrain.Options{Topology: splitbrain.Topology{Servers: 2}, Plan: p, Span: time.Second})
	require.NoError(t, err)
	out, err := Run(t.Context(), s, Options{Seed: 1})
	require.NoError(t, err)
	r := splitbrain.Judge(s, out)
	require.Equal(t, result.Unknown, r.Verdict)
	dir := t.TempDir()
	require.NoError(t, splitbrain.Save(dir, s, out, r))
	for _, node := range []string{"n1", "n2"} {
		log, err := os.ReadFile(filepath.Join(dir, splitbrain.NodesDir, node, "log.txt"))
		require.NoError(t, err)
		require.Contains(t, string(log), "Ready to accept connections")
		require.FileExists(t, filepath.Join(dir, splitbrain.NodesDir, node, "files", "appendonlydir", "appendonly.aof.manifest"))
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
	for _, sentinel := range c.s.Topology.SentinelNames() {
		c.await(t, sentinel, "another master", func(reply string) bool { return !strings.Contains(reply, c.Address("n1").Host) },
			"SENTINEL", "GET-MASTER-ADDR-BY-NAME", splitbrain.Master)
	}
	c.strike(t, links, "restart n1")
	c.await(t, "n1", "a replica that follows", func(reply string) bool {
		return strings.Contains(reply, "slave") && strings.Contains(reply, "connected")
	}, "ROLE")
}

// await waits until a node answers a command as is wanted.
func (c *Cluster) await(t *testing.T, node, what string, wanted func(reply string) bool, command ...string) {
	t.Helper()
	var last string
	for from := c.env.Now(); c.env.Now()-from < time.Minute; c.env.Sleep(20 * time.Millisecond) {
		reply, err := splitbrain.Command(c, node, command...)
		if last = string(reply.Raw); err == nil && wanted(last) {
			return
		}
	}
	require.Fail(t, "it does not become so", "%s: want %s, have %q", node, what, last)
}

// TestWhoKilledAServerThatStarts: one that gives up has refused, and the statement
// missed; one that was killed from outside, as for lack of memory, says nothing about
// itself, and the experiment with it.
func TestWhoKilledAServerThatStarts(t *testing.T) {
	c := start(t, splitbrain.Options{})
	c.env.Enter()
	defer c.env.Leave()
	why, err := c.Kill("n1", true)
	require.NoError(t, err)
	require.Empty(t, why)
	script := filepath.Join(t.TempDir(), "redis-server")
	c.rig.Binary = script
	for end, refuses := range map[string]bool{"exit 1": true, "kill -SEGV $$": true, "kill -KILL $$": false} {
		require.NoError(t, os.WriteFile(script, []byte(`#!/bin/sh
[ "$1" = --version ] && echo "Redis server v=7.0.15" && exit
echo "cannot go on"
`+end+"\n"), 0o700))
		why, err := c.Restart("n1")
		if refuses {
			require.NoError(t, err, end)
			require.Contains(t, why, "cannot go on", end)
		} else {
			require.Empty(t, why, end)
			require.ErrorContains(t, err, "cannot go on", end)
		}
	}
}

// TestANodeThatRefusesIsRepaired, as an operator would, with the server's own tool.
func TestANodeThatRefusesIsRepaired(t *testing.T) {
	needs.Program(t, "redis-check-aof")
	c := start(t, splitbrain.Options{Directives: []splitbrain.Directive{{Name: "aof-load-truncated", Value: "no"}}})
	c.env.Enter()
	defer c.env.Leave()
	for _, key := range []string{"kept", "cut"} {
		_, err := splitbrain.Command(c, "n1", "SET", key, "value")
		require.NoError(t, err)
	}
	_, err := c.Kill("n1", true)
	require.NoError(t, err)
	var cut error
	require.NoError(t, c.Files("n1", func(fsys vfs.FS) {
		var f vfs.File
		if f, cut = fsys.Open(redis.AOFDir+"/appendonly.aof.1.incr.aof", vfs.ReadWrite); cut == nil {
			info, err := f.Stat()
			cut = errors.Join(err, f.Truncate(info.Size-3), f.Close())
		}
	}))
	require.NoError(t, cut)
	why, err := c.Restart("n1")
	require.NoError(t, err)
	require.Empty(t, why)
	reply, err := splitbrain.Command(c, "n1", "EXISTS", "kept", "cut")
	require.NoError(t, err)
	require.EqualValues(t, 1, reply.Int())
}
