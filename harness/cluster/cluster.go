// Package cluster is a cluster of real servers and Sentinels on this machine, every
// connection of which passes a proxy: what `torntail splitbrain` runs on redis-server,
// and what `torntail topology` keeps up for other people's clients.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/network"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/proxy"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/redisconf"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
)

// Options say what a cluster is made of, besides its scenario.
type Options struct {
	// Server is what is started, as Sentinel too; nil: redis-server.
	Server machine.Opener
	Seed   uint64
	Host   bool // their files are on the host's disk, also where there can be fault disks
	// Name is by what a topology that stays is told from others; "": drawn.
	Name string
	// Anybody lets the last client stand for whoever connects from another address: it is
	// not torntail's, and what it writes is recorded.
	Anybody bool
}

// Cluster implements splitbrain.Cluster on real processes: machines of one rig, in one
// environment.
type Cluster struct {
	splitbrain.Nodes
	o     Options
	s     *splitbrain.Scenario
	rig   *machine.Rig
	at    addresses
	ends  []proxy.Node // of links: the nodes and the clients
	net   *proxy.Net
	acks  acknowledged
	logs  splitbrain.Logs
	heard *standing // what is known of somebody else's clients; nil: they are torntail's
	calls watching
	// onFaultDisks: each node has one of its own; else a directory of the host's.
	onFaultDisks bool
	env          *osenv.Env
	stopping     atomic.Bool
}

var _ splitbrain.Cluster = (*Cluster)(nil)

// networkTries bounds how often other addresses are drawn when some are taken.
const networkTries = 20

// Start starts the cluster of a scenario in a temporary directory. All its
// processes have answered when it returns; they need not have found each other.
func Start(ctx context.Context, s *splitbrain.Scenario, o Options) (_ *Cluster, err error) {
	c := &Cluster{o: o, s: s}
	if o.Server == nil {
		o.Server = machine.Serving(redis.Store, "redis-server")
	}
	if c.rig, err = o.Server(c.disksOf(o.Host)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if s.Password != "" {
		c.rig.Enter(s.Password)
	}
	c.acks.servers, c.acks.upTo = s.Topology.ServerNames(), map[[2]string]int64{}
	tap := c.acks.tap
	if o.Anybody {
		c.heard = newStanding(c)
		tap = c.heard.tap
	}
	c.env = c.rig.Env(splitbrain.Admin, o.Seed)
	c.rig.Shared = c.env
	for try := 1; ; try++ {
		c.at = draw()
		c.ends = c.at.nodes(s.Topology, len(s.Clients), o.Anybody)
		c.net, err = proxy.Start(proxy.Options{Nodes: c.ends, Source: c.at.ip(proxySource), Tap: tap})
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EADDRINUSE) || try == networkTries {
			return nil, err
		}
	}
	c.Nodes.Start, c.Ended, c.Refused = c.recover, c.ended, map[string]string{}
	c.Later = func(f func()) { go f() }
	for _, name := range slices.Concat(s.Topology.ServerNames(), s.Topology.SentinelNames()) {
		n := &splitbrain.Node{Machine: c.rig.Machine(), Name: name, Announced: c.end(name).Listen.String(), Reached: c.end(name).Target.String()}
		setup := s.Setup(name, c)
		setup.Mode.Store = c.rig.Store
		setup.Listen, setup.Profile, setup.Personality = n.Reached, "nvme", "ext4"
		setup.Seed = seeding.Derive(o.Seed, uint64(len(c.All)))
		if c.onFaultDisks {
			setup.Watch.Frozen, setup.Forget = c.calls.frozen(name), o.Anybody
			if s.Plan.SeesCalls() {
				setup.Watch.Call = c.calls.call(name)
			}
		}
		if !o.Anybody {
			setup.Watch.Says = c.logs.Of(name)
		}
		n.Mode = setup.Mode
		c.All = append(c.All, n)
		if err = n.Reset(setup); err != nil {
			return nil, err
		}
	}
	return c, c.startAll(ctx)
}

// startAll starts the servers, and then the Sentinels. The master comes first: a replica
// that does not find it tries again only after a second.
func (c *Cluster) startAll(ctx context.Context) error {
	servers, sentinels := c.All[:c.s.Topology.Servers], c.All[c.s.Topology.Servers:]
	first := 1
	if c.s.Topology.Chain {
		first = len(servers)
	}
	for _, n := range servers[:first] {
		if err := c.start(ctx, n); err != nil {
			return err
		}
	}
	for _, list := range [][]*splitbrain.Node{servers[first:], sentinels} {
		var all errgroup.Group
		all.SetLimit(4) // more only make each of them slower
		for _, n := range list {
			all.Go(func() error { return c.start(ctx, n) })
		}
		if err := all.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// start starts a node for the first time.
func (c *Cluster) start(ctx context.Context, n *splitbrain.Node) error {
	c.env.Enter()
	defer c.env.Leave()
	if err := n.Start(ctx); err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	return nil
}

// Address implements splitbrain.Network: nodes are reached by others at their proxies.
func (c *Cluster) Address(node string) splitbrain.Address {
	at := c.end(node).Listen
	return splitbrain.Address{Host: at.Addr().String(), Port: int(at.Port())}
}

// Place implements splitbrain.Network. Every address that a server announces is its
// proxy's, as those of Sentinels are, and its own connections come from its own address:
// without either a connection would pass by the proxies.
func (c *Cluster) Place(f *redisconf.File, node string) {
	f.Linef("protected-mode no")
	f.Linef("bind-source-addr %s", c.end(node).From)
	if slices.Contains(c.s.Topology.ServerNames(), node) {
		f.Linef("replica-announce-ip %s", c.Address(node).Host)
		f.Linef("replica-announce-port %d", c.Address(node).Port)
	}
}

// Close ends everything and removes the directory.
func (c *Cluster) Close() (err error) {
	if on, ok := c.world().(*OnFaultDisks); ok {
		on.Heal() // a call that is held up keeps its process from dying
	}
	for _, n := range c.All {
		_, killed := n.Machine.Kill(n.Name, true) // all of them, before the first is awaited
		err = errors.Join(err, killed)
	}
	for _, n := range c.All {
		n.AwaitExit()
		err = errors.Join(err, n.Close())
	}
	if c.net != nil {
		c.net.Close()
	}
	return errors.Join(err, c.rig.Close())
}

// Stop makes an experiment under way end soon.
func (c *Cluster) Stop() { c.stopping.Store(true) }

// Stopping reports whether Stop was called.
func (c *Cluster) Stopping() bool { return c.stopping.Load() }

// end is the end of links that a node or client is.
func (c *Cluster) end(name string) proxy.Node {
	i := slices.IndexFunc(c.ends, func(n proxy.Node) bool { return n.Name == name })
	if i < 0 {
		panic("cluster: no node " + name)
	}
	return c.ends[i]
}

// ended says to the proxies that a node's process has.
func (c *Cluster) ended(node string) { c.net.Ended(node) }

// SetLink implements plan.Network.
func (c *Cluster) SetLink(from, to string, l network.Link) { c.net.SetLink(from, to, l) }

// Env implements splitbrain.Cluster.
func (c *Cluster) Env(node string) env.Env {
	from := c.at.ip(adminSource)
	if node != splitbrain.Admin {
		from = c.end(node).From
	}
	if from == (netip.Addr{}) {
		return c.env
	}
	return c.env.As(node, from)
}

// Run runs one experiment on a cluster of its own. An error is torntail's own, the
// environment's, or says that the cluster could not be set up.
func Run(ctx context.Context, s *splitbrain.Scenario, o Options) (out *splitbrain.Outcome, err error) {
	c, err := Start(ctx, s, o)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, c.Stop)
	version := c.All[0].Machine.(interface{ Redis() *process.Redis }).Redis().Version
	c.env.Enter()
	out, err = splitbrain.Conduct(c.world(), s, o.Seed)
	if err == nil && splitbrain.Judge(s, out).Verdict != result.Holds {
		nodes := c.Evidence(&c.logs)
		out.Evidence = func() ([]splitbrain.Evidence, error) { return nodes, nil }
	}
	c.env.Leave()
	stop()
	if closed := c.Close(); err == nil {
		err = closed
	}
	if errors.Is(err, splitbrain.ErrInterrupted) {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	out.Version = version
	return out, nil
}
