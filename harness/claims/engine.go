package claims

import (
	"fmt"
	"io"
	"time"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
)

// engineMachine is a machine of the simulated world with the embedded engine.
type engineMachine struct {
	world   *sim.World
	node    *sim.Node
	control env.Env
	hook    disk.Hook
	latency time.Duration
	plants  bugs.Set
	conf    []string

	server  *engine.Server
	serving bool
	down    bool
	ended   time.Duration
	loadErr error
	wake    env.Cond
}

const engineAddr = "n1:6379"

// onEngine runs f against a fresh simulated machine.
func onEngine(seed uint64, plants bugs.Set, o machineOptions, f func(m machine) error) error {
	o = o.withDefaults()
	personality, err := disk.PersonalityByName(o.personality)
	if err != nil {
		return err
	}
	profile, err := sim.ProfileByName(o.profile)
	if err != nil {
		return err
	}
	m := &engineMachine{latency: o.latency, plants: plants}
	m.world = sim.New(sim.Options{Seed: seed, Profile: profile, Hook: m.ask})
	defer m.world.Close()
	m.node = m.world.Node("n1", disk.New(disk.Options{Personality: personality, KeepLog: true}))
	m.node.OnExit(func() {
		m.down = true
		m.wake.Broadcast()
	})
	done := false
	result := fmt.Errorf("not done after %s of virtual time", o.limit)
	m.world.Node("c1", nil).Go("measure", func(e env.Env) {
		m.control, m.wake = e, e.NewCond()
		result = f(m)
		done = true
		m.world.Stop()
	})
	if err := m.world.Run(o.limit); err != nil && !done {
		return err
	}
	return result
}

func (m *engineMachine) ask(_ *sim.Node, c *disk.Call) disk.Decision {
	var d disk.Decision
	if m.hook != nil {
		d = m.hook(c)
	}
	if c.Kind.IsSync() {
		d.Delay += m.latency
	}
	return d
}

func (m *engineMachine) env() env.Env          { return m.control }
func (m *engineMachine) addr() string          { return engineAddr }
func (m *engineMachine) onCall(h disk.Hook)    { m.hook = h }
func (m *engineMachine) running() bool         { return m.node.Running() && m.serving }
func (m *engineMachine) resident() int64       { return 0 }
func (m *engineMachine) downAt() time.Duration { return m.ended }

func (m *engineMachine) start(conf ...string) error {
	m.conf = conf
	return m.again()
}

func (m *engineMachine) again() error {
	c := config.Default()
	for _, line := range m.conf {
		name, args := directive(line)
		if err := c.Set(name, args...); err != nil {
			return fmt.Errorf("directive %q: %w", line, err)
		}
	}
	m.serving, m.down, m.loadErr = false, false, nil
	m.node.Start(func(e env.Env, fsys vfs.FS) {
		m.server = engine.New(engine.Options{Env: e, FS: fsys, Config: c, Bugs: m.plants})
		if m.loadErr = m.server.Load(); m.loadErr != nil {
			return
		}
		l, err := e.Listen(engineAddr)
		if err != nil {
			m.loadErr = err
			return
		}
		e.Go("accept", func() { m.server.Serve(l) })
		m.serving = true
		m.wake.Broadcast()
		m.server.Run()
	})
	for !m.serving && !m.down {
		m.wake.WaitFor(replyLimit)
	}
	if m.serving {
		return nil
	}
	return &refusal{fmt.Sprint(m.loadErr)}
}

// gone waits for the children that outlive their parent.
func (m *engineMachine) gone() {
	for m.node.Children() > 0 {
		m.control.Sleep(time.Millisecond)
	}
	m.down, m.serving = true, false
}

func (m *engineMachine) kill() {
	m.ended = m.world.Now()
	m.node.Kill(false)
	m.gone()
}

func (m *engineMachine) term() {
	m.node.Go("signal", func(env.Env) { m.server.Terminate("SIGTERM") })
	m.awaitDown(replyLimit)
	m.gone()
}

func (m *engineMachine) powerCut(keep disk.Choice) {
	m.ended = m.world.Now()
	m.node.PowerCut(keep)
	m.down, m.serving = true, false
}

func (m *engineMachine) cutAt(place disk.Place, keep disk.Choice) disk.Decision {
	return disk.Decision{Place: place, Fraction: 0.5, Strike: func() {
		m.ended = m.world.Now()
		m.node.PowerCut(keep)
		m.down = true
		m.wake.Broadcast()
	}}
}

func (m *engineMachine) awaitDown(limit time.Duration) bool {
	for from := m.control.Now(); !m.down; {
		left := limit - (m.control.Now() - from)
		if left <= 0 {
			return false
		}
		m.wake.WaitFor(left)
	}
	m.gone()
	return true
}

func (m *engineMachine) files(f func(d *disk.Disk)) { f(m.node.Disk()) }

func (m *engineMachine) repair() (bool, error) {
	err := aof.Check(aof.CheckOptions{
		FS: m.node.Disk().FS(nil), Path: "appendonlydir/appendonly.aof.manifest",
		Fix: true, Confirm: func(string) bool { return true }, Out: io.Discard, NowMs: m.control.Wall().UnixMilli(),
	})
	return err == nil, nil
}
