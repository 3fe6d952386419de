package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/conduct"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/seeding"
)

// engineAddr is where the server of a simulated machine listens that stands alone.
const engineAddr = Node + ":6379"

// Simulated is a machine of the simulated world with the embedded engine on it, one
// setup after the other in the memory of the one before. The zero value is not
// ready: see NewSimulated.
type Simulated struct {
	world   *sim.World
	spare   *disk.Disk
	configs map[string]*config.Config // by directives
	setup   *Setup
	engine  Engine
	conf    *config.Config

	node    *sim.Node
	control *sim.Node // of whoever drives
	clients *sim.Node // nil: none yet
	env     env.Env   // of whoever drives
	wake    env.Cond  // something that the driver may wait for has happened

	server  *engine.Server
	config  *config.Config // of this life
	again   bool           // it has had data before: see LimitMemory
	serving bool
	exited  bool
	refusal error
	refused func()        // what Begin was given; nil: nothing, or it has been called
	begun   bool          // by Begin, and nobody has waited for it
	began   time.Duration // of the last start

	conductor *conduct.Conductor
	armed     time.Duration // time for which a callback is pending, plus 1; 0: none

	life   lifeOf // that goes on
	termed bool   // asked to terminate
	midway bool   // of the strike under way
	said   string // the server's last line
	// toolSaid is what the repair tool said, which is no word of a store's to be understood:
	// the engine's own files are known better.
	toolSaid string
	account
	uncrashed *disk.Disk // the disk before the cut, for the plant that reopens it
}

// NewSimulated makes a machine in a world of its own. Close it when done.
func NewSimulated() *Simulated { return SimulatedIn(sim.New(sim.Options{})) }

// SimulatedIn makes one of several machines of a world, which is whoever's who made it:
// see Join.
func SimulatedIn(w *sim.World) *Simulated {
	m := &Simulated{world: w, configs: make(map[string]*config.Config)}
	m.engine = Engine{
		Config: m.configuration, Keyspace: keyspace.New(),
		Made: func(s *engine.Server) { m.server = s },
		Serving: func() {
			m.serving = true
			m.wake.Signal()
		},
	}
	return m
}

// Close ends what is left of the last setup.
func (m *Simulated) Close() error {
	m.world.Close()
	return nil
}

// configuration is that of the life to come.
func (m *Simulated) configuration(fsys vfs.FS) (*config.Config, error) {
	c := *m.conf
	m.config = &c
	if m.setup.Conf == "" {
		if m.again {
			c.Maxmemory = 0
		}
		m.again = true
		return &c, nil
	}
	if m.setup.Sentinel {
		c.MakeSentinel()
	}
	return &c, c.ParseFile(m.setup.file(), func(name string) ([]byte, error) { return vfs.ReadFile(fsys, name) })
}

// LimitMemory has the server keep to its limit of memory from now on. One that has been
// started again does not until then: it is read, and what it would evict for those who
// read is not what it came back with.
func (m *Simulated) LimitMemory() { m.config.Maxmemory = m.conf.Maxmemory }

// Reset implements Machine. Clients' tasks have a machine of their own, named c1.
func (m *Simulated) Reset(s *Setup) error {
	if err := m.empty(s, true); err != nil {
		return err
	}
	if err := m.ResetOn(s, m.spare, 3); err != nil {
		return err
	}
	m.again = false
	m.clients = m.world.Node("c1", nil)
	return nil
}

// empty makes the spare disk an empty one.
func (m *Simulated) empty(s *Setup, log bool) error {
	personality, err := disk.PersonalityByName(s.Personality)
	if err != nil {
		return err
	}
	options := disk.Options{Personality: personality, KeepLog: log, Plant: s.DiskPlant}
	if m.spare == nil {
		m.spare = disk.New(options)
	} else {
		m.spare.Reset(options)
	}
	return nil
}

// Join makes it a fresh machine with an empty disk, of which no log is kept, beside others
// in its world, which has been reset and does not run yet. See DrivenBy and Begin.
func (m *Simulated) Join(s *Setup) error {
	if err := m.empty(s, false); err != nil {
		return err
	}
	return m.place(s, m.spare)
}

// DrivenBy says from which environment it is driven, together with others.
func (m *Simulated) DrivenBy(e env.Env) { m.env, m.wake = e, e.NewCond() }

// ResetOn makes it a machine without clients whose disk holds an image. stream tells the world's draws
// from those of others with the same seed; 0: the seed is the world's own.
func (m *Simulated) ResetOn(s *Setup, image *disk.Disk, stream uint64) error {
	profile, err := sim.ProfileByName(s.Profile)
	if err != nil {
		return err
	}
	seed := s.Seed
	if stream > 0 {
		seed = seeding.Derive(seed, stream)
	}
	options := sim.Options{Seed: seed, Profile: profile, Trace: s.Trace}
	if s.Watch.Call != nil {
		options.Hook = func(n *sim.Node, c *disk.Call) disk.Decision {
			if n != m.node {
				return disk.Decision{}
			}
			return s.Watch.Call(c)
		}
	}
	m.world.Reset(options)
	return m.place(s, image)
}

// place puts it into its world.
func (m *Simulated) place(s *Setup, image *disk.Disk) error {
	if err := m.Configure(s.Mode); err != nil {
		return err
	}
	m.setup = s
	m.engine.Bugs, m.engine.Log, m.engine.Listen, m.engine.ConfigFile = s.Bugs, nil, m.Addr(), ""
	if says := s.Watch.Says; says != nil {
		m.engine.Log = func(at time.Duration, _ byte, msg string) {
			m.said = msg
			says(at, msg)
		}
	}
	m.again, m.engine.Evicted = true, nil
	if told := s.Watch.Evicted; told != nil {
		m.engine.Evicted = func(_ int, key []byte) func() { return told(string(key)) }
	}
	m.node, m.clients, m.control = m.world.Node(s.name(), image), nil, nil
	m.node.OnExit(m.onExit)
	m.serving, m.exited, m.refusal, m.life, m.termed = false, false, nil, lifeOf{}, false
	m.refused, m.begun = nil, false
	m.account, m.uncrashed = account{}, nil
	if s.Conf == "" {
		return nil
	}
	m.engine.ConfigFile = s.file()
	return install(image.FS(nil), s.file(), s.Conf)
}

// Configure implements Machine.
func (m *Simulated) Configure(mode *product.Mode) (err error) {
	m.conf, err = m.configFor(mode)
	return err
}

// configFor is a mode's configuration, parsed once.
func (m *Simulated) configFor(mode *product.Mode) (*config.Config, error) {
	key := fmt.Sprint(mode.Directives)
	if c := m.configs[key]; c != nil {
		return c, nil
	}
	c, err := redis.Config(mode)
	if err == nil {
		if len(m.configs) >= mostConfigs {
			clear(m.configs)
		}
		m.configs[key] = c
	}
	return c, err
}

// mostConfigs bounds what a machine remembers when the directives of each setup are others.
const mostConfigs = 64

// Server is the server of this life, or of the last one.
func (m *Simulated) Server() *engine.Server { return m.server }

// World is the world that the machine is in.
func (m *Simulated) World() *sim.World { return m.world }

// OnDisk implements plan.Disks.
func (m *Simulated) OnDisk(_ string, f func(*disk.Disk)) (why string, err error) {
	f(m.node.Disk())
	return "", nil
}

// Disk is the server's disk as it is now.
func (m *Simulated) Disk() *disk.Disk { return m.node.Disk() }

// WorldLimit bounds in virtual time how long a machine is driven: beyond it
// something never ends.
const WorldLimit = time.Hour

// Drive implements Machine.
func (m *Simulated) Drive(_ context.Context, f func() error) error {
	return m.DriveFrom("c0", WorldLimit, f)
}

// DriveFrom is Drive from a machine of that name, for so long at most.
func (m *Simulated) DriveFrom(name string, limit time.Duration, f func() error) error {
	m.control = m.world.Node(name, nil)
	var failed error
	done := false
	m.control.Go("control", func(e env.Env) {
		m.env, m.wake = e, e.NewCond()
		failed = f()
		done = true
		m.world.Stop()
	})
	switch err := m.world.Run(limit); {
	case err != nil:
		return err
	case !done:
		return fmt.Errorf("not done after %s of virtual time", limit)
	}
	return failed
}

// Wanted implements Machine: virtual time takes no time.
func (*Simulated) Wanted(context.Context) bool { return true }

// Env implements Machine.
func (m *Simulated) Env() env.Env { return m.env }

// Clients implements Machine.
func (m *Simulated) Clients() env.Env { return m.clients.Env() }

// Addr implements Machine.
func (m *Simulated) Addr() string {
	if m.setup.Listen == "" {
		return engineAddr
	}
	return m.setup.Listen
}

// Begin begins a start, and does not wait. refused, when not nil, is called by the scheduler
// when the server has refused; Start, the next time, is the end of this one.
func (m *Simulated) Begin(refused func()) {
	m.life, m.termed = lifeOf{}, false
	m.serving, m.exited, m.refusal = false, false, nil
	m.refused, m.begun = refused, true
	m.began = m.world.Now()
	m.node.Start(func(e env.Env, fs vfs.FS) {
		if err := m.engine.Main(e, fs); err != nil {
			m.refusal = err
		}
	})
}

// Start implements Machine.
func (m *Simulated) Start(context.Context) error {
	if !m.begun {
		m.Begin(nil)
	}
	m.begun = false
	for !m.serving && !m.exited && m.env.Now()-m.began < StartLimit {
		m.wake.WaitFor(StartLimit)
	}
	if m.serving {
		m.took = m.env.Now() - m.began
		return nil
	}
	m.hurry()
	return &Refusal{Words: fmt.Sprint(m.refusal)}
}

// Repair implements Machine: the tool is a process of the machine, too.
func (m *Simulated) Repair(ctx context.Context) (fixed bool, said string, err error) {
	failed := errors.New("the tool did not end")
	m.exited, m.toolSaid = false, ""
	m.node.Start(func(e env.Env, fs vfs.FS) { m.toolSaid, failed = m.engine.Fix(ctx, e, fs) })
	for from := m.env.Now(); !m.exited && m.env.Now()-from < StartLimit; {
		m.wake.WaitFor(StartLimit)
	}
	m.hurry()
	return failed == nil, "", nil
}

// ToolSaid is what the repair tool said when it was called last.
func (m *Simulated) ToolSaid() string { return m.toolSaid }

// hurry ends a process that has had its time, so that another can be started.
func (m *Simulated) hurry() {
	if m.node.Running() && !m.exited {
		m.node.Kill(true)
	}
}

// onExit is called by the scheduler when a process of the machine has returned.
func (m *Simulated) onExit() {
	m.exited = true
	if exits := m.setup.Watch.Exits; exits != nil && m.serving {
		exits()
	}
	switch {
	case !m.serving && m.refused != nil:
		tell := m.refused
		m.refused = nil
		tell()
	case !m.serving || m.life.how != "":
	case m.termed || m.engine.Status == 0:
		m.exit = Exit{Words: "exit status 0"}
		m.over(history.Terminated, true)
	default:
		m.exit = Exit{Words: fmt.Sprintf("exit status %d, after %q", m.engine.Status, m.said)}
		m.over(history.Exited, true)
	}
	m.wake.Signal()
}

// over notes that the server's life has ended, now.
func (m *Simulated) over(how history.EventKind, late bool) {
	m.life = lifeOf{how, m.world.Now()}
	m.last = m.life
	if tell := m.setup.Watch.Down; tell != nil {
		tell(how, m.life.at, late)
	}
	m.wake.Signal()
}

// AwaitDown implements Machine.
func (m *Simulated) AwaitDown(_ context.Context, until time.Duration) bool {
	for m.life.how == "" && m.env.Now() < until {
		m.wake.WaitFor(until - m.env.Now())
	}
	return m.life.how != ""
}

// Running implements Machine: a server that is being started runs.
func (m *Simulated) Running() bool { return m.isDown() == "" }

// AwaitExit implements Machine: a process that is killed has ended, and one that is asked to
// end does so in its own time.
func (*Simulated) AwaitExit() {}

// Settle implements Machine.
func (m *Simulated) Settle() error {
	if m.last.how != history.PowerCut {
		m.env.Sleep(quiet)
		m.AwaitGone(10 * time.Millisecond)
	}
	if m.clients != nil {
		m.clients.Kill(true)
	}
	return nil
}

// GiveUp implements Machine: nothing goes on when nobody drives.
func (m *Simulated) GiveUp() (over bool) { return m.life.how != "" }

// AwaitGone implements Machine.
func (m *Simulated) AwaitGone(every time.Duration) error {
	for from := m.env.Now(); m.node.Children() > 0 && m.env.Now()-from < ChildLimit; {
		m.env.Sleep(every)
	}
	return nil
}

// AtRestNow implements Machine: nothing has to wait, for one thing happens at a time.
func (*Simulated) AtRestNow(func()) {}

// Files implements Machine.
func (m *Simulated) Files(f func(fsys vfs.FS)) error {
	f(m.node.Disk().FS(nil))
	return nil
}

// Calls implements Machine.
func (m *Simulated) Calls() (log []disk.Record, seen bool) { return m.node.Disk().Log(), true }

// Hash implements Machine.
func (m *Simulated) Hash() uint64 { return m.node.Disk().Hash() }

// LastWords implements Machine.
func (*Simulated) LastWords() string { return "" }

// Resident implements Machine.
func (*Simulated) Resident() int64 { return 0 }

// GiveWay implements Machine.
func (*Simulated) GiveWay(f func()) { f() }

// Exclusively implements Machine: one task runs at a time.
func (*Simulated) Exclusively(f func()) { f() }

// Mark implements Machine.
func (m *Simulated) Mark(what string, n uint64) { m.world.Mark(what, n) }

// Trace implements Machine.
func (m *Simulated) Trace() uint64 { return m.world.Hash() }

// Slack implements Machine.
func (*Simulated) Slack() time.Duration { return 0 }

// Waits implements Machine.
func (*Simulated) Waits() []history.Wait { return nil }

var simulated = Kind{System: (*Simulated)(nil)} // asked for with the engine, as the target

// Name implements plan.System.
func (*Simulated) Name() string { return string(plan.Sim) }

// Lacks implements plan.System.
func (*Simulated) Lacks(n plan.Need) string {
	if n == plan.NeedLinks {
		return oneServer
	}
	return ""
}

// oneServer is why faults of links cannot strike in an experiment with one server.
const oneServer = "an experiment with one server has no links between nodes; torntail splitbrain has"

// CountsAcks implements plan.Acks.
func (*Simulated) CountsAcks() {}

// Unseen implements plan.Calls.
func (*Simulated) Unseen(p plan.CallPattern) string {
	if p.Op == "symlink" || p.Op == "syncfs" {
		return "no simulated server makes that call"
	}
	return ""
}

// Conducted implements Machine.
func (m *Simulated) Conducted(by *conduct.Conductor) { m.conductor, m.armed = by, 0 }

// Lock implements conduct.World: one task runs at a time.
func (*Simulated) Lock() {}

// Unlock implements conduct.World.
func (*Simulated) Unlock() {}

// Now implements conduct.World.
func (m *Simulated) Now() time.Duration { return m.world.Now() }

// Outside implements conduct.World.
func (m *Simulated) Outside(f func()) { m.world.Outside(f) }

// Wake implements conduct.World: the scheduler calls at the plan's next instant.
func (m *Simulated) Wake(next time.Duration) {
	if next == conduct.Never || m.armed == next+1 {
		return
	}
	m.armed = next + 1
	m.world.At(next, func() {
		m.armed = 0
		m.conductor.Due(m.world.Now())
	})
}

// KeepTime implements Machine.
func (m *Simulated) KeepTime() { m.conductor.Arm() }

// Strike implements Machine. A sync that is about to return has done its work; any
// other in flight has something left to do.
func (m *Simulated) Strike(t plan.Trigger) (end func(), ok bool) {
	m.midway = !t.InCall || t.Place != disk.PlaceReturn
	return func() {}, true
}

// isDown is why a statement about a running server misses; "" when it runs.
func (m *Simulated) isDown() string {
	if !m.node.Running() || m.life.how != "" {
		return down
	}
	return ""
}

// Kill implements plan.Processes.
func (m *Simulated) Kill(_ string, tree bool) (why string, err error) {
	if why = m.isDown(); why == "" {
		m.node.Kill(tree)
		m.over(history.ProcessKill, true)
	}
	return why, nil
}

// noChild is why a statement about a child misses.
const noChild = "no child process was running"

// KillChildren implements plan.Children.
func (m *Simulated) KillChildren(string) (why string, err error) {
	if why = m.isDown(); why == "" && m.node.KillChildren() == 0 {
		why = noChild
	}
	return why, nil
}

// RefuseForks implements plan.Forks.
func (m *Simulated) RefuseForks(_ string, on bool) (why string, err error) {
	m.node.RefuseForks(on)
	return "", nil
}

// Terminate implements plan.Processes.
func (m *Simulated) Terminate(string) (why string, err error) {
	if why = m.isDown(); why == "" {
		m.termed = true
		m.node.Go("signal", func(env.Env) { m.server.Terminate("SIGTERM") })
	}
	return why, nil
}

// Pause implements plan.Processes.
func (m *Simulated) Pause(string) (why string, err error) {
	if !m.node.Running() {
		return down, nil
	}
	m.node.Pause()
	return "", nil
}

// Resume implements plan.Processes.
func (m *Simulated) Resume(string) (why string, err error) {
	if !m.node.Paused() {
		why = pausedIsGone
	}
	m.node.Resume()
	return why, nil
}

// Restart implements plan.Restarts: whoever drives restarts the server.
func (m *Simulated) Restart(string) (why string, err error) {
	if why = m.isDown(); why == "" {
		why = noRestart
	}
	return why, nil
}

// PowerCut implements plan.Power.
func (m *Simulated) PowerCut(_ []string, keep *disk.Choice) (why string, err error) {
	if why = m.isDown(); why != "" {
		return why, nil
	}
	choice := kept(keep, m.setup.Seed)
	at, before := m.world.Now(), m.node.Disk()
	if frozen := m.setup.Watch.Frozen; frozen != nil {
		frozen(before, at, m.midway)
	}
	if m.setup.ReopenUncrashed {
		m.uncrashed = before.Clone()
	}
	m.cut = PowerLoss{Cut: m.node.PowerCut(choice), Asked: choice}
	m.expected = m.cut.Image
	if m.uncrashed != nil {
		m.node.SetDisk(m.uncrashed)
	}
	m.over(history.PowerCut, true)
	return "", nil
}

// kept is what survives a power cut.
func kept(keep *disk.Choice, seed uint64) disk.Choice {
	if keep == nil {
		return disk.Choice{Mode: disk.KeepRandom, Seed: seeding.Derive(seed, 4)}
	}
	return *keep
}

// MoveClock implements plan.Clocks.
func (m *Simulated) MoveClock(_ string, by time.Duration) (why string, err error) {
	m.node.SetClock(by)
	return "", nil
}

// ReleaseCalls implements plan.HeldCalls.
func (m *Simulated) ReleaseCalls(string) (why string, err error) {
	m.node.ReleaseStalled()
	return "", nil
}

// AtRest implements plan.AtRest.
func (m *Simulated) AtRest(_ string, damage func(*disk.Disk, string) (int, string)) (why string, err error) {
	if m.node.Running() {
		return notAtRest, nil
	}
	return m.damage(m.node.Disk(), damage), nil
}

// Wipe implements plan.Directories.
func (m *Simulated) Wipe(string) (why string, err error) { return m.onFiles(m.setup.wipe) }

// AddLines implements plan.Configured.
func (m *Simulated) AddLines(_ string, lines []string) (why string, err error) {
	if m.setup.Conf == "" {
		return noConf, nil
	}
	return m.onFiles(func(fsys vfs.FS) error { return m.setup.addLines(fsys, lines) })
}

// Backup implements plan.Directories.
func (m *Simulated) Backup(string) (why string, err error) {
	m.copy, err = copied(m.node.Disk().FS(nil))
	return "", err
}

// Restore implements plan.Directories.
func (m *Simulated) Restore(string) (why string, err error) {
	if m.copy == nil {
		return noBackup, nil
	}
	return m.onFiles(func(fsys vfs.FS) error { return m.setup.restore(fsys, m.copy) })
}

// onFiles changes files while nobody uses them.
func (m *Simulated) onFiles(do func(fsys vfs.FS) error) (why string, err error) {
	if m.node.Running() {
		return notAtRest, nil
	}
	return m.changed(m.node.Disk(), do), nil
}

// Command implements plan.Commands. Whether it did anything shows in the disk's log.
func (m *Simulated) Command(_ string, args []string, answered func(history.Outcome, string)) (why string, err error) {
	if why = m.isDown(); why != "" {
		return why, nil
	}
	m.control.Go("do", func(e env.Env) {
		answered(send(e, m.Addr(), m.setup.Mode.Store, args))
	})
	return "", nil
}
