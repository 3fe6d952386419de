// Package cluster is a cluster of real servers and Sentinels on this machine, every
// connection of which passes a proxy: what `torntail splitbrain` runs on redis-server,
// and what `torntail topology` keeps up for other people's clients.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/network"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/proxy"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/redisconf"
)

// Options say what a cluster is made of, besides its scenario.
type Options struct {
	Binary string // "" is redis-server; the same program is started as Sentinel
	Seed   uint64
	// Anybody lets the last client stand for whoever connects from another address.
	Anybody bool
	// Clients is how many client nodes there are; 0: the scenario's.
	Clients int
}

// Cluster implements splitbrain.Cluster on real processes.
type Cluster struct {
	o     Options
	s     *splitbrain.Scenario
	dir   string
	at    addresses
	nodes []proxy.Node
	net   *proxy.Net
	env   *osenv.Env
	start time.Time

	conducted bool // whoever strikes is a task of an experiment
	stopping  atomic.Bool
	forget    func() // takes the directory off the watchdog's list

	mu        sync.Mutex
	processes map[string]*process.Redis
	configs   map[string]string
	version   string
}

var _ splitbrain.Cluster = (*Cluster)(nil)

// networkTries bounds how often other addresses are drawn when some are taken.
const networkTries = 20

// Start starts the cluster of a scenario in a temporary directory. All its
// processes have answered when it returns; they need not have found each other.
func Start(ctx context.Context, s *splitbrain.Scenario, o Options) (_ *Cluster, err error) {
	if o.Clients == 0 {
		o.Clients = len(s.Clients)
	}
	watchdog, err := guard.Default()
	if err != nil {
		return nil, err
	}
	c := &Cluster{o: o, s: s, processes: map[string]*process.Redis{}, configs: map[string]string{}, start: time.Now()}
	if c.dir, err = os.MkdirTemp("", "torntail-cluster-"); err != nil {
		return nil, fmt.Errorf("the cluster's directory: %w", err)
	}
	c.forget = watchdog.Dir(c.dir)
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	c.env = osenv.NewAt(splitbrain.Admin, o.Seed, c.start)
	for try := 1; ; try++ {
		c.at = draw()
		c.nodes = c.at.nodes(s.Topology, o.Clients, o.Anybody)
		c.net, err = proxy.Start(proxy.Options{Nodes: c.nodes, Source: c.at.ip(proxySource)})
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EADDRINUSE) || try == networkTries {
			return nil, err
		}
	}
	// The master first: a replica that does not find it tries again only after a second.
	for i, name := range s.Topology.ServerNames() {
		if i > 0 && !s.Topology.Chain {
			break
		}
		if err := c.startServer(ctx, name, i); err != nil {
			return nil, err
		}
	}
	var all errgroup.Group
	all.SetLimit(4) // more only make each of them slower
	if !s.Topology.Chain {
		for i, name := range s.Topology.ServerNames()[1:] {
			all.Go(func() error { return c.startServer(ctx, name, i+1) })
		}
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	for _, name := range s.Topology.SentinelNames() {
		all.Go(func() error { return c.startSentinel(ctx, name) })
	}
	return c, all.Wait()
}

func (c *Cluster) startServer(ctx context.Context, name string, i int) error {
	return c.configure(ctx, name, "redis.conf", func(f *redisconf.File) { serverConfig(f, c.s, i, c.nodes) })
}

func (c *Cluster) startSentinel(ctx context.Context, name string) error {
	return c.configure(ctx, name, sentinelConf, func(f *redisconf.File) { sentinelConfig(f, c.s, name, c.nodes) })
}

// sentinelConf is the name of the files with which Sentinels are started.
const sentinelConf = "sentinel.conf"

// configure starts a node for the first time, in a directory of its own.
func (c *Cluster) configure(ctx context.Context, name, file string, lines func(f *redisconf.File)) error {
	dir := filepath.Join(c.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	var f redisconf.File
	f.Line("dir", dir)
	f.Linef("protected-mode no")
	lines(&f)
	config := filepath.Join(dir, file)
	if err := os.WriteFile(config, []byte(f.String()), 0o600); err != nil {
		return err
	}
	return c.startNode(ctx, name, config)
}

func (c *Cluster) startNode(ctx context.Context, name, config string) error {
	sentinel := filepath.Base(config) == sentinelConf
	target := c.node(name).Target
	r, err := machine.Launch(ctx, process.RedisSpec{Binary: c.o.Binary, Addr: target.Addr().String(), Port: int(target.Port()),
		Config: config, Sentinel: sentinel, Clock: func() time.Duration { return time.Since(c.start) }})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.processes[name], c.configs[name] = r, config
	if !sentinel {
		c.version = r.Version
	}
	return nil
}

// Close ends everything and removes the directory.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.processes { // any order: all are killed
		p.KillTree()
	}
	for _, p := range c.processes { // any order: all are awaited
		machine.End(p)
	}
	if c.net != nil {
		c.net.Close()
	}
	err := guard.RemoveDir(c.dir)
	c.forget()
	return err
}

// Stop makes an experiment under way end soon.
func (c *Cluster) Stop() { c.stopping.Store(true) }

// Stopping reports whether Stop was called.
func (c *Cluster) Stopping() bool { return c.stopping.Load() }

// Version is the servers' version.
func (c *Cluster) Version() string { return c.version }

func (c *Cluster) node(name string) proxy.Node {
	for _, n := range c.nodes {
		if n.Name == name {
			return n
		}
	}
	panic("cluster: no node " + name)
}

// SetLink implements plan.Network.
func (c *Cluster) SetLink(from, to string, l network.Link) { c.net.SetLink(from, to, l) }

// Env implements splitbrain.Cluster.
func (c *Cluster) Env(node string) env.Env {
	from := c.at.ip(adminSource)
	if node != splitbrain.Admin {
		from = c.node(node).From
	}
	if from == (netip.Addr{}) {
		return c.env
	}
	return c.env.As(node, from)
}

// Addr implements splitbrain.Cluster.
func (c *Cluster) Addr(node string) string { return c.node(node).Listen.String() }

// AdminAddr implements splitbrain.Cluster.
func (c *Cluster) AdminAddr(node string) string { return c.node(node).Target.String() }

// NodeAt implements splitbrain.Cluster.
func (c *Cluster) NodeAt(addr string) string {
	for _, n := range c.nodes {
		if n.Listen.IsValid() && n.Listen.String() == addr {
			return n.Name
		}
	}
	return ""
}

// Data implements splitbrain.Cluster.
func (c *Cluster) Data(server string) vfs.FS { return osfs.New(filepath.Join(c.dir, server)) }

// Run runs one experiment on a cluster of its own. An error is torntail's own, the
// environment's, or says that the cluster could not be set up.
func Run(ctx context.Context, s *splitbrain.Scenario, o Options) (out *splitbrain.Outcome, version string, err error) {
	c, err := Start(ctx, s, o)
	if err != nil {
		return nil, "", err
	}
	stop := context.AfterFunc(ctx, c.Stop)
	c.conducted = true
	c.env.Enter()
	out, err = splitbrain.Conduct(c, s, o.Seed)
	c.env.Leave()
	stop()
	if closed := c.Close(); err == nil {
		err = closed
	}
	if errors.Is(err, splitbrain.ErrInterrupted) {
		err = context.Cause(ctx)
	}
	return out, c.Version(), err
}
