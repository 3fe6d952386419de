package harness

import (
	"errors"
	"fmt"
	"io"
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
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/workloads"
)

// serverAddr is where the simulated server listens.
const serverAddr = server + ":6379"

// How long, in virtual time, the harness waits for things that must happen.
const (
	startLimit = 60 * time.Second // a start, loading included
	childLimit = 60 * time.Second // snapshot children that outlive their parent
	// quiet is how long after a crash replies that were under way still arrive.
	quiet = 50 * time.Millisecond
	// overtime is how long after the span a fault that waits for a disk call
	// (the next fsync, say) may take to strike.
	overtime = 5 * time.Second
)

// Simulator runs experiments in the simulated world, one at a time, in the
// memory of the one before.
type Simulator struct {
	world   *sim.World
	disk    *disk.Disk
	run     workloads.Run
	rec     workloads.Recorder
	hist    *history.History
	plan    plan.Runner
	facts   facts
	judging judging
	config  map[string]*config.Config // by mode
	keys    *keyspace.Keyspace

	// The run under way.
	x       *Experiment
	out     *Outcome
	log     product.Log
	node    *sim.Node
	control *sim.Node
	clients *sim.Node
	wake    env.Cond // of the control task: something it may wait for has happened
	planAt  time.Duration
	planOn  bool
	armed   time.Duration // time for which a callback is pending

	serving   bool // the server accepts connections
	exited    bool
	loadErr   error
	crashed   history.EventKind // "" while the server lives
	tc        time.Duration
	logFrom   int        // first record of the current life in the disk's log
	uncrashed *disk.Disk // the disk as it was before the cut, for the plant that reopens it
	server    *engine.Server
	midway    bool // no sync in flight has done all its work when the power cut strikes
	termed    bool // asked to terminate
	hadAOF    bool // there was something to load before the cut

	watcher func(m *Moment) // nil: nobody watches
	moment  Moment
	moments int
}

// NewSimulator makes a simulator. Close it when done.
func NewSimulator() *Simulator {
	return &Simulator{world: sim.New(sim.Options{}), hist: new(history.History), config: make(map[string]*config.Config), keys: keyspace.New()}
}

// Close ends what is left of the last run.
func (s *Simulator) Close() { s.world.Close() }

// Run runs one experiment. trace, when not nil, receives the run's events as
// text. The outcome's History is the simulator's own and lasts until the next Run.
func (s *Simulator) Run(x *Experiment, trace io.Writer) (*Outcome, error) {
	personality, err := disk.PersonalityByName(x.Personality)
	if err != nil {
		return nil, err
	}
	profile, err := sim.ProfileByName(x.Profile)
	if err != nil {
		return nil, err
	}
	conf, err := s.configFor(&x.Mode)
	if err != nil {
		return nil, err
	}
	options := disk.Options{Personality: personality, KeepLog: true, Plant: x.Plants.Disk}
	if s.disk == nil {
		s.disk = disk.New(options)
	} else {
		s.disk.Reset(options)
	}
	s.reset(x)
	s.world.Reset(sim.Options{Seed: seeding.Derive(x.Seed, 3), Profile: profile, Trace: trace, Hook: s.onCall})
	s.node = s.world.Node(server, s.disk)
	s.clients = s.world.Node("c1", nil)
	s.control = s.world.Node("c0", nil)
	s.node.OnExit(s.onExit)
	s.control.Go("control", func(e env.Env) {
		s.wake = e.NewCond()
		s.experiment(e, conf)
		s.world.Stop()
	})
	if err := s.world.Run(time.Hour); err != nil {
		return nil, fmt.Errorf("seed %d: %w", x.Seed, err)
	}
	s.out.Trace = s.world.Hash()
	s.judging.run(x, s.out)
	return s.out, nil
}

func (s *Simulator) reset(x *Experiment) {
	h := s.hist
	s.x, s.out = x, &Outcome{Seed: x.Seed, History: h}
	clear(h.Ops)
	*h = history.History{Ops: h.Ops[:0], Events: h.Events[:0], Epochs: h.Epochs[:0], States: h.States[:0]}
	s.rec.Reset(h)
	s.rec.OnAck = s.onAck
	if x.Plants.ClientLies {
		s.rec.PlantLie(func(id int) bool { return id%20 == 19 })
	}
	s.plan.Reset(x.Plan)
	s.plan.Seed = seeding.Derive(x.Seed, 7)
	s.log.Reset()
	s.serving, s.exited, s.loadErr, s.crashed = false, false, nil, ""
	s.moments = 0
	s.planOn, s.armed, s.logFrom, s.uncrashed, s.termed, s.hadAOF = false, 0, 0, nil, false, false
}

// experiment is the control task: one life of the server after the other, as
// the plan has them.
func (s *Simulator) experiment(e env.Env, conf *config.Config) {
	if !s.start(e, conf) {
		s.out.Why = fmt.Sprintf("the server did not start on an empty disk: %v", s.loadErr)
		return
	}
	began := e.Now()
	s.planAt, s.planOn = began, true
	s.run.Reset(s.clients.Env(), serverAddr, s.x.Workload, &s.rec)
	for life := 0; ; life++ {
		s.hist.Epochs = append(s.hist.Epochs, history.Epoch{Began: e.Now(), Ended: history.Never, DiskSeen: true})
		s.rec.Unseal()
		s.run.Resume(s.clients.Env(), s.x.Mode.Span)
		for _, c := range s.run.Clients() {
			s.clients.Go("client", func(env.Env) { c.Run() })
		}
		s.arm()
		if !s.awaitCrash(e) {
			s.out.Why = "the crash did not strike: " + whyNoCrash(&s.plan, s.x.Plan)
			return
		}
		s.out.Span = s.tc - began
		s.afterCrash(e)
		if !s.restart(e, conf) || !s.dump(e) {
			return
		}
		if !crashPending(&s.plan, s.x.Plan) {
			return
		}
	}
}

// start starts the server's process and waits until it serves, or has exited.
func (s *Simulator) start(e env.Env, conf *config.Config) bool {
	s.serving, s.exited, s.loadErr = false, false, nil
	from := e.Now()
	s.node.Start(func(e env.Env, fs vfs.FS) { s.serverMain(e, fs, conf) })
	for !s.serving && !s.exited && e.Now()-from < startLimit {
		s.wake.WaitFor(startLimit)
	}
	if s.serving {
		s.out.Took = e.Now() - from
	}
	return s.serving
}

// serverMain is the server's process.
func (s *Simulator) serverMain(e env.Env, fs vfs.FS, conf *config.Config) {
	c := *conf
	srv := engine.New(engine.Options{Env: e, FS: fs, Config: &c, Bugs: s.x.Plants.Engine, Keyspace: s.keys,
		Log: func(_ byte, msg string) { s.log.Line(e.Now(), msg) }})
	s.server = srv
	if err := srv.Load(); err != nil {
		s.loadErr = err
		return
	}
	l, err := e.Listen(serverAddr)
	if err != nil {
		s.loadErr = err
		return
	}
	e.Go("accept", func() { srv.Serve(l) })
	s.serving = true
	s.wake.Signal()
	srv.Run()
}

// onExit is called by the scheduler when the server's main task has returned.
func (s *Simulator) onExit() {
	s.exited = true
	if s.serving {
		s.watch(MomentExit, nil, 0)
	}
	switch {
	case !s.serving || s.crashed != "":
	case s.termed:
		s.crash(history.Terminated)
	default:
		s.crash(history.Exited)
	}
	s.wake.Signal()
}

// crash notes that the server's life has ended, now.
func (s *Simulator) crash(how history.EventKind) {
	s.crashed, s.tc = how, s.world.Now()
	s.rec.Cut(s.tc)
	s.run.Stop()
	s.hist.Events = append(s.hist.Events, history.Event{At: s.tc, Kind: how, Node: server})
	s.wake.Signal()
}

// awaitCrash waits until the server's life has ended and reports whether it has.
func (s *Simulator) awaitCrash(e env.Env) bool {
	limit := s.planAt + s.x.Mode.Span + overtime
	for s.crashed == "" && e.Now() < limit {
		s.wake.WaitFor(limit - e.Now())
	}
	return s.crashed != ""
}

// afterCrash lets what outlives the server end: replies under way, snapshot
// children. It closes the life's record.
func (s *Simulator) afterCrash(e env.Env) {
	if s.crashed != history.PowerCut {
		e.Sleep(quiet)
		for from := e.Now(); s.node.Children() > 0 && e.Now()-from < childLimit; {
			e.Sleep(10 * time.Millisecond)
		}
	}
	s.clients.Kill(true)
	s.rec.Seal()
	epoch := &s.hist.Epochs[len(s.hist.Epochs)-1]
	epoch.Ended, epoch.How = s.tc, s.crashed
	s.readFacts(epoch)
}

// readFacts takes from the disk's log what it says of the life that has ended.
func (s *Simulator) readFacts(epoch *history.Epoch) {
	if s.crashed == history.PowerCut {
		return // taken in powerCut: the image has no log
	}
	log := s.node.Disk().Log()
	s.takeFacts(log[s.logFrom:], epoch)
	s.logFrom = len(log)
}

func (s *Simulator) takeFacts(log []disk.Record, epoch *history.Epoch) {
	s.facts.carries = commitsCarryData(s.x.Personality)
	s.facts.read(log, s.log.Forks, epoch)
	s.log.Children(&s.x.Mode, epoch)
	s.out.OldIncrUnsynced, s.out.unsynced = s.facts.oldIncrUnsynced(), s.facts.unsynced(s.tc, s.midway)
	s.out.ManifestAhead = s.facts.ahead
	s.out.InFsync = syncInFlight(log, s.tc)
	if s.log.Working {
		s.out.CrashPoint = crashPoint(log, s.tc)
	}
}

// powerCut cuts the power of the server's machine.
func (s *Simulator) powerCut(choice disk.Choice) {
	d := s.node.Disk()
	epoch := &s.hist.Epochs[len(s.hist.Epochs)-1]
	s.tc = s.world.Now()
	s.hadAOF = product.HasData(d.FS(nil), &s.x.Mode)
	s.takeFacts(d.Log()[s.logFrom:], epoch)
	s.out.before, s.out.asked = d.Hash(), choice
	if s.x.Plants.ReopenUncrashed {
		s.uncrashed = d.Clone()
	}
	s.out.Cut = s.node.PowerCut(choice)
	s.out.image = s.out.Cut.Image
	s.logFrom = 0
	if s.uncrashed != nil {
		s.node.SetDisk(s.uncrashed)
	}
	s.crash(history.PowerCut)
}

// restart brings the server back on what the crash left, with its own repair
// tool if it refuses.
func (s *Simulator) restart(e env.Env, conf *config.Config) bool {
	if s.out.Distrust = audit(s.out, s.node.Disk().Hash(), s.run.Replies()); s.out.Distrust != "" {
		return false
	}
	s.out.WholeAOFVanished = s.hadAOF && !product.HasData(s.node.Disk().FS(nil), &s.x.Mode)
	s.log.Reset()
	s.crashed, s.termed = "", false
	s.hist.Events = append(s.hist.Events, history.Event{At: e.Now(), Kind: history.Restarted, Node: server})
	if s.start(e, conf) {
		s.out.Recovery = ByItself
		return s.ready(e)
	}
	s.hist.Events = append(s.hist.Events, history.Event{At: e.Now(), Kind: history.Refused, Node: server, Text: fmt.Sprint(s.loadErr)})
	s.out.Recovery = RefusedToStart
	if !s.x.Mode.AOF {
		return false
	}
	s.out.NULBytes = product.HasStrayBytes(s.node.Disk().FS(nil))
	fixed := errors.New("the tool did not end")
	s.exited = false
	s.node.Start(func(e env.Env, fs vfs.FS) { fixed = product.FixAOF(fs, conf, e) })
	for from := e.Now(); !s.exited && e.Now()-from < startLimit; {
		s.wake.WaitFor(startLimit)
	}
	if fixed != nil || !s.start(e, conf) {
		return false
	}
	s.out.Recovery = Repaired
	s.hist.Events = append(s.hist.Events, history.Event{At: e.Now(), Kind: history.Repaired, Node: server})
	return s.ready(e)
}

func (s *Simulator) ready(e env.Env) bool {
	s.hist.Events = append(s.hist.Events, history.Event{At: e.Now(), Kind: history.Ready, Node: server})
	return true
}

// dump reads the whole recovered state and, when no further crash is to come,
// tries one write: it is no part of the workload, and would be a phantom later.
func (s *Simulator) dump(e env.Env) bool {
	conn, err := workloads.Dial(e, serverAddr)
	if err != nil {
		s.out.Why = "no connection after the restart: " + err.Error()
		return false
	}
	defer conn.Close()
	state, err := s.run.Dump(conn, product.ReplyLimit)
	if err != nil {
		s.out.Why = err.Error()
		return false
	}
	state.Node, state.Epoch = server, len(s.hist.Epochs)
	s.hist.States = append(s.hist.States, state)
	if s.x.Mode.AOF && !s.out.NULBytes {
		s.out.NULBytes = product.HasStrayBytes(s.node.Disk().FS(nil))
	}
	if crashPending(&s.plan, s.x.Plan) {
		return true
	}
	s.out.Refusal, err = product.Probe(conn)
	if err != nil {
		s.out.Why = err.Error()
	}
	return err == nil
}

// onCall is asked about every disk call as it enters.
func (s *Simulator) onCall(n *sim.Node, c *disk.Call) disk.Decision {
	if !s.planOn || n != s.node {
		return disk.Decision{}
	}
	now := s.world.Now() - s.planAt
	var strike func()
	var place disk.Place
	var fraction float64
	for _, t := range s.plan.OnCall(server, c, now) {
		then := strike
		strike = func() {
			if then != nil {
				then()
			}
			s.carryOut(t)
		}
		place, fraction = t.Place, t.Fraction
	}
	d := s.plan.Decide(server, c, now)
	s.arm() // a fault that the plan put in place itself may be what the next one counts from
	if strike != nil {
		d.Strike, d.Place, d.Fraction = strike, place, fraction
	}
	return s.observed(c, d)
}

// onAck is told of each acknowledgement.
func (s *Simulator) onAck(n int) {
	s.world.Mark("ack", uint64(n))
	for _, t := range s.plan.OnAck(n, s.world.Now()-s.planAt) {
		s.world.Outside(func() { s.carryOut(t) })
	}
	s.arm()
	// The value of a read is not on record yet, and its reply promises nothing.
	if s.hist.Ops[s.rec.LastAcked()].Writes() {
		s.watch(MomentAck, nil, n)
	}
}

// arm asks the scheduler to call at the plan's next instant.
func (s *Simulator) arm() {
	next, ok := s.plan.NextTime()
	if !ok || s.armed == next+1 {
		return
	}
	s.armed = next + 1
	s.world.At(s.planAt+next, func() {
		s.armed = 0
		for _, t := range s.plan.Due(s.world.Now() - s.planAt) {
			s.carryOut(t)
		}
		s.arm()
	})
}

// carryOut makes a statement of the plan happen. It runs outside all tasks.
func (s *Simulator) carryOut(t plan.Trigger) {
	now := s.world.Now() - s.planAt
	if s.plan.Arm(t, now) {
		return
	}
	if why := s.act(t); why != "" {
		s.plan.Missed(t, now, why)
	} else {
		s.plan.Struck(t, now)
		s.hist.Events = append(s.hist.Events, history.Event{At: s.world.Now(), Kind: history.FaultStruck, Node: server, Text: t.Statement.String()})
	}
	s.arm()
}

// act does what a statement says; "" or why it had nothing to strike.
func (s *Simulator) act(t plan.Trigger) string {
	switch a := t.Statement.Action.(type) {
	case *plan.Stall:
		s.node.ReleaseStalled()
		return ""
	case *plan.TruncateAtRest, *plan.CorruptAtRest:
		if s.node.Running() {
			return "the server runs, so its files are not at rest"
		}
		return s.out.damage(s.node.Disk(), t)
	case *plan.Pause:
		if t.End {
			s.node.Resume()
			return ""
		}
		if !s.node.Running() {
			return "the server was down already"
		}
		s.node.Pause()
		return ""
	case *plan.Clock:
		s.node.SetClock(a.By)
		return ""
	case *plan.Full, *plan.ReadOnly:
		_, why := t.Apply(s.node.Disk(), server)
		return why
	}
	if !s.node.Running() || s.crashed != "" {
		return "the server was down already"
	}
	switch a := t.Statement.Action.(type) {
	case *plan.Kill:
		s.node.Kill(a.Tree)
		s.crash(history.ProcessKill)
	case *plan.PowerCut:
		choice := a.Keep
		if !a.HasKeep {
			choice = disk.Choice{Mode: disk.KeepRandom, Seed: seeding.Derive(s.x.Seed, 4)}
		}
		// A sync that is about to return has done its work; any other in flight has
		// something left to do.
		s.midway = t.Statement.At.Kind != plan.AtCall || t.Place != disk.PlaceReturn
		s.powerCut(choice)
	case *plan.Term:
		s.termed = true
		s.node.Go("signal", func(env.Env) { s.server.Terminate("SIGTERM") })
	case *plan.Do:
		s.command(a.Args...)
	default:
		return fmt.Sprintf("%q has no effect in an experiment with one server", a.Verb())
	}
	return ""
}

// command sends a command to the server on a connection of its own.
func (s *Simulator) command(args ...string) {
	s.control.Go("do", func(e env.Env) {
		conn, err := workloads.Dial(e, serverAddr)
		if err != nil {
			return // the server is gone, and the plan's next statement will say so
		}
		defer conn.Close()
		conn.Do(product.ReplyLimit, args...) // whether it did anything shows in the disk's log
	})
}

// configFor is a mode's configuration, parsed once.
func (s *Simulator) configFor(m *product.Mode) (*config.Config, error) {
	key := fmt.Sprint(m.Directives)
	if c := s.config[key]; c != nil {
		return c, nil
	}
	c, err := m.Config()
	if err == nil {
		s.config[key] = c
	}
	return c, err
}
