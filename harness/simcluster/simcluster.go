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
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/network"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/splitbrain"
)

// Options say in which world a scenario runs.
type Options struct {
	Seed        uint64
	Profile     string // of latencies; "" is nvme
	Personality string // of the disks; "" is ext4
	Bugs        bugs.Set
	Trace       io.Writer // receives the run's events as text; nil for none
	// Expiry has keys with a short life written and read everywhere beside the
	// clients' writes, in database 1.
	Expiry bool
	// Log receives the lines of all servers and Sentinels; nil for none.
	Log func(at time.Duration, node string, level byte, text string)
}

// Simulator runs experiments one after the other, each in the memory of the one
// before. It is used by one goroutine at a time.
type Simulator struct {
	world *sim.World
	spare []*disk.Disk
	keys  map[string]*keyspace.Keyspace

	// The experiment under way.
	s        *splitbrain.Scenario
	o        Options
	disks    int
	nodes    []*node
	machines map[string]*sim.Node // all, by name
	over     bool
	found    []splitbrain.Finding // while it ran
}

// node is a server or Sentinel.
type node struct {
	*sim.Node
	sentinel bool
	port     int
	process  machine.Engine
	server   *engine.Server // of the process that runs
	refused  error          // why the last start failed
}

// file is the name of a node's configuration file on its disk.
func (n *node) file() string {
	if n.sentinel {
		return "sentinel.conf"
	}
	return "redis.conf"
}

var _ splitbrain.Cluster = (*Simulator)(nil)

// New makes a simulator. Close it when done.
func New() *Simulator {
	return &Simulator{world: sim.New(sim.Options{}), keys: map[string]*keyspace.Keyspace{}, machines: map[string]*sim.Node{}}
}

// Close ends what is left of the last experiment.
func (c *Simulator) Close() { c.world.Close() }

// limit bounds an experiment in virtual time: beyond it something never ends.
const limit = time.Hour

// Run runs one experiment and returns what happened, with the hash of everything
// that happened in the world.
func (c *Simulator) Run(s *splitbrain.Scenario, o Options) (out *splitbrain.Outcome, trace uint64, err error) {
	if err := s.Check(System()); err != nil {
		return nil, 0, err
	}
	profile, err := sim.ProfileByName(orElse(o.Profile, "nvme"))
	if err != nil {
		return nil, 0, err
	}
	personality, err := disk.PersonalityByName(orElse(o.Personality, "ext4"))
	if err != nil {
		return nil, 0, err
	}
	c.s, c.o, c.disks, c.over, c.found = s, o, 0, false, nil
	c.nodes = c.nodes[:0]
	clear(c.machines)
	c.world.Reset(sim.Options{Seed: o.Seed, Profile: profile, Trace: o.Trace})
	for i, name := range s.Topology.ServerNames() {
		c.addNode(name, false, serverConfig(s, i), personality)
	}
	for i, name := range s.Topology.SentinelNames() {
		c.addNode(name, true, sentinelConfig(s, i), personality)
	}
	for i := range s.Clients {
		c.machine(splitbrain.Client(i), nil)
	}
	for _, n := range c.nodes {
		c.start(n)
	}
	admin := c.machine(splitbrain.Admin, nil)
	admin.Go("conduct", func(env.Env) {
		if o.Expiry {
			admin.Go("expiry", c.watchExpiry)
		}
		out, err = splitbrain.Conduct(c, s, o.Seed)
		c.over = true
		c.world.Stop()
	})
	if failed := c.world.Run(limit); failed != nil {
		return nil, 0, fmt.Errorf("seed %d: %w", o.Seed, failed)
	}
	if err != nil {
		for _, n := range c.nodes {
			if n.refused != nil {
				return nil, 0, fmt.Errorf("seed %d: %s does not start: %w", o.Seed, n.Name(), n.refused)
			}
		}
		return nil, 0, fmt.Errorf("seed %d: %w", o.Seed, err)
	}
	return out, c.world.Hash(), nil
}

func orElse(v, otherwise string) string {
	if v == "" {
		return otherwise
	}
	return v
}

func (c *Simulator) machine(name string, d *disk.Disk) *sim.Node {
	n := c.world.Node(name, d)
	c.machines[name] = n
	return n
}

// addNode makes a machine with its configuration file on its disk.
func (c *Simulator) addNode(name string, sentinel bool, conf string, p *disk.Personality) {
	if c.disks == len(c.spare) {
		c.spare = append(c.spare, disk.New(disk.Options{Personality: p}))
	}
	d := c.spare[c.disks]
	c.disks++
	d.Reset(disk.Options{Personality: p})
	n := &node{Node: c.machine(name, d), sentinel: sentinel, port: serverPort}
	if sentinel {
		n.port = sentinelPort
	}
	if err := vfs.WriteFile(d.FS(nil), n.file(), []byte(conf)); err != nil {
		panic("simcluster: an empty disk takes no file: " + err.Error())
	}
	n.process = machine.Engine{Config: n.config, ConfigFile: n.file(), Listen: ":" + strconv.Itoa(n.port),
		Bugs: c.o.Bugs, Made: func(s *engine.Server) { n.server = s }}
	if !sentinel {
		if c.keys[name] == nil {
			c.keys[name] = keyspace.New()
		}
		n.process.Keyspace = c.keys[name]
	}
	if c.o.Log != nil {
		n.process.Log = func(at time.Duration, level byte, text string) { c.o.Log(at, name, level, text) }
	}
	c.nodes = append(c.nodes, n)
}

// config reads a node's configuration file.
func (n *node) config(fs vfs.FS) (*config.Config, error) {
	c := config.Default()
	if n.sentinel {
		c.MakeSentinel()
	}
	return c, c.ParseFile(n.file(), func(name string) ([]byte, error) { return vfs.ReadFile(fs, name) })
}

// start starts the process of a node.
func (c *Simulator) start(n *node) {
	n.refused = nil
	n.Start(func(e env.Env, fs vfs.FS) { n.refused = n.process.Main(e, fs) })
}

// node finds a server or Sentinel; nil when there is none of that name.
func (c *Simulator) node(name string) *node {
	i := slices.IndexFunc(c.nodes, func(n *node) bool { return n.Name() == name })
	if i < 0 {
		return nil
	}
	return c.nodes[i]
}

// SetLink implements plan.Network.
func (c *Simulator) SetLink(from, to string, l network.Link) { c.world.SetLink(from, to, l) }

// Env implements splitbrain.Cluster.
func (c *Simulator) Env(name string) env.Env { return c.machines[name].Env() }

// Addr implements splitbrain.Cluster.
func (c *Simulator) Addr(name string) string {
	return name + ":" + strconv.Itoa(c.node(name).port)
}

// AdminAddr implements splitbrain.Cluster: the same address, from a machine whose
// links are never cut.
func (c *Simulator) AdminAddr(name string) string { return c.Addr(name) }

// NodeAt implements splitbrain.Cluster.
func (c *Simulator) NodeAt(addr string) string {
	name, port, _ := strings.Cut(addr, ":")
	if n := c.node(name); n != nil && port == strconv.Itoa(n.port) {
		return name
	}
	return ""
}

// Data implements splitbrain.Cluster.
func (c *Simulator) Data(server string) vfs.FS { return c.node(server).Disk().FS(nil) }
