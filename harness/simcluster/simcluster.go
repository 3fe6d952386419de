// Package simcluster is a cluster of embedded engines and Sentinels in the
// simulated world: what an experiment of harness/splitbrain runs on when it is to
// be run thousands of times, each time replayable from its seed.
//
// Every server and Sentinel is a machine with a disk and a place in the network;
// clients are machines without a disk, and the experiment is conducted from one
// more, whose links no fault touches.
package simcluster

import (
	"fmt"
	"slices"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/network"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/redisconf"
)

// Options say in which world a scenario runs.
type Options struct {
	Seed uint64
	Bugs bugs.Set
}

// Simulator runs experiments one after the other, each in the memory of the one
// before. It is used by one goroutine at a time.
type Simulator struct {
	splitbrain.Nodes
	splitbrain.OnDisks
	world *sim.World
	spare []*machine.Simulated

	// The experiment under way.
	s       *splitbrain.Scenario
	o       Options
	admin   *sim.Node
	clients map[string]*sim.Node
	returns map[string]machine.Return // of nodes that refused to start, the last
	over    bool
	ended   func(n string, s *engine.Server)              // is shown each life of a server as it is over; nil: nobody is
	onCall  func(node string, c *disk.Call) disk.Decision // nil: nobody hears of calls
	onPower func(node string, before vfs.FS)              // nil: nobody hears of power cuts
	found   []splitbrain.Finding                          // while it ran
	logs    *splitbrain.Logs                              // nil: nobody reads them
}

var _ splitbrain.Cluster = (*Simulator)(nil)

// New makes a simulator. Close it when done.
func New() *Simulator {
	c := &Simulator{world: sim.New(sim.Options{}), clients: map[string]*sim.Node{}, returns: map[string]machine.Return{}}
	c.Start, c.Of = c.start, &c.Nodes
	return c
}

// Close ends what is left of the last experiment.
func (c *Simulator) Close() { c.world.Close() }

// limit bounds an experiment in virtual time: beyond it something never ends.
const limit = time.Hour

// Run runs one experiment and returns what happened.
func (c *Simulator) Run(s *splitbrain.Scenario, o Options) (out *splitbrain.Outcome, err error) {
	if err := s.Check(System()); err != nil {
		return nil, err
	}
	profile, err := sim.ProfileByName("nvme")
	if err != nil {
		return nil, err
	}
	c.s, c.o, c.over, c.onCall, c.onPower, c.found, c.All = s, o, false, nil, nil, nil, c.All[:0]
	clear(c.clients)
	clear(c.returns)
	c.Refused = map[string]string{}
	options := sim.Options{Seed: o.Seed, Profile: profile}
	if s.Plan.SeesCalls() {
		options.Hook = func(n *sim.Node, call *disk.Call) disk.Decision {
			if c.onCall == nil {
				return disk.Decision{}
			}
			return c.onCall(n.Name(), call)
		}
	}
	c.world.Reset(options)
	if err := c.place(); err != nil {
		return nil, err
	}
	c.admin.Go("conduct", func(env.Env) {
		if s.Expiry {
			c.admin.Go("expiry", c.watchExpiry)
		}
		out, err = splitbrain.Conduct(c, s, o.Seed)
		c.over = true
		c.world.Stop()
	})
	if failed := c.world.Run(limit); failed != nil {
		return nil, fmt.Errorf("seed %d: %w", o.Seed, failed)
	}
	if err != nil {
		for _, n := range c.All {
			if back := c.returns[n.Name]; back.How == machine.RefusedToStart {
				return nil, fmt.Errorf("seed %d: %s does not start: %s", o.Seed, n.Name, back.Refusal)
			}
		}
		return nil, fmt.Errorf("seed %d: %w", o.Seed, err)
	}
	out.Trace, out.Version = c.world.Hash(), "as redis "+engine.RedisVersion
	return out, nil
}

// place makes the machines of the experiment, each with what it reuses of those before.
func (c *Simulator) place() error {
	for _, name := range slices.Concat(c.s.Topology.ServerNames(), c.s.Topology.SentinelNames()) {
		i := len(c.All)
		if i == len(c.spare) {
			c.spare = append(c.spare, machine.SimulatedIn(c.world))
		}
		at := names{}.Address(name)
		setup := c.s.Setup(name, names{})
		setup.Listen, setup.Profile, setup.Personality, setup.Bugs = at.String(), "nvme", "ext4", c.o.Bugs
		setup.Watch.Frozen = func(before *disk.Disk, _ time.Duration, _ bool) {
			if c.onPower != nil {
				c.onPower(name, before.FS(nil))
			}
		}
		if c.logs != nil {
			setup.Watch.Says = c.logs.Of(name)
		}
		if c.ended != nil {
			m := c.spare[i]
			setup.Watch.Down = func(history.EventKind, time.Duration, bool) { c.ended(name, m.Server()) }
		}
		if err := c.spare[i].Join(setup); err != nil {
			return err
		}
		c.All = append(c.All, &splitbrain.Node{Machine: c.spare[i], Name: name, Mode: setup.Mode, Announced: setup.Listen, Reached: setup.Listen})
	}
	for i := range c.s.Clients {
		c.clients[splitbrain.Client(i)] = c.world.Node(splitbrain.Client(i), nil)
	}
	for _, n := range c.All {
		c.start(n)
	}
	c.admin = c.world.Node(splitbrain.Admin, nil)
	for _, n := range c.spare[:len(c.All)] {
		n.DrivenBy(c.admin.Env())
	}
	return nil
}

// Ports of every node: each is a machine of its own.
const (
	serverPort   = 6379
	sentinelPort = 26379
)

// names say how nodes of a simulated world are reached: they have names and no numbers.
type names struct{}

func (names) Address(node string) splitbrain.Address {
	if isSentinel(node) {
		return splitbrain.Address{Host: node, Port: sentinelPort}
	}
	return splitbrain.Address{Host: node, Port: serverPort}
}

func (n names) Place(f *redisconf.File, node string) {
	f.Linef("port %d", n.Address(node).Port)
	if isSentinel(node) {
		f.Linef("sentinel resolve-hostnames yes")
		f.Linef("sentinel announce-hostnames yes")
	}
}

func isSentinel(node string) bool { return node[0] == splitbrain.Sentinel(0)[0] }

// WatchCalls implements splitbrain.Watched.
func (c *Simulator) WatchCalls(f func(node string, call *disk.Call) disk.Decision) { c.onCall = f }

// WatchPower implements splitbrain.Watched.
func (c *Simulator) WatchPower(f func(node string, before vfs.FS)) { c.onPower = f }

// Lock implements splitbrain.Watched, as do the next three: one task runs at a time.
func (*Simulator) Lock()                      {}
func (*Simulator) Unlock()                    {}
func (*Simulator) Wake(f func())              { f() }
func (*Simulator) Striking(bool) (end func()) { return func() {} }

// SetLink implements plan.Network.
func (c *Simulator) SetLink(from, to string, l network.Link) { c.world.SetLink(from, to, l) }

// Acknowledged implements splitbrain.Cluster by what the replicas themselves know to have
// said. One that is down, or has said nothing of that history since it started, may have
// said anything before.
func (c *Simulator) Acknowledged(master string, offset int64) (replicas int, known bool) {
	of := c.Node(master)
	if of == nil || !of.Running() {
		return 0, false
	}
	is := of.Machine.(*machine.Simulated).Server().Replicated()
	for _, n := range c.All[:c.s.Topology.Servers] {
		if n == of {
			continue
		}
		said, ever := int64(0), false
		if n.Running() {
			said, ever = n.Machine.(*machine.Simulated).Server().Replicated().Said[is.ID]
		}
		if !ever || said >= offset {
			replicas++
		}
	}
	return replicas, is.Master
}

// At is the offset at which a server is in its history; known is false when it does not run.
func (c *Simulator) At(server string) (offset int64, known bool) {
	n := c.Node(server)
	if !n.Running() {
		return 0, false
	}
	s := n.Machine.(*machine.Simulated).Server()
	if s == nil {
		return 0, false
	}
	return s.Replicated().Offset, true
}

// Env implements splitbrain.Cluster.
func (c *Simulator) Env(name string) env.Env {
	if name == splitbrain.Admin {
		return c.admin.Env()
	}
	return c.clients[name].Env()
}
