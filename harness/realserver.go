package harness

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/workloads"
)

// Rig is what experiments with real servers share: one FUSE mount, one clock.
type Rig struct {
	binary  string
	tool    string // the server's repair tool; "" when there is none
	mount   *fusefs.Mount
	start   time.Time
	volumes atomic.Uint64
}

// NewRig mounts the fault disk for experiments with a server binary. Close it when done.
func NewRig(binary string) (*Rig, error) {
	r := &Rig{binary: binary, start: time.Now(), tool: repairTool(binary)}
	mount, err := fusefs.Serve("", fusefs.Options{Clock: r.clock})
	if err != nil {
		return nil, err
	}
	r.mount = mount
	return r, nil
}

// Close unmounts the disk.
func (r *Rig) Close() error { return r.mount.Close() }

func (r *Rig) clock() time.Duration { return time.Since(r.start) }

// repairTool is the name of the tool that belongs to a server binary:
// redis-server's is redis-check-aof, valkey-server's valkey-check-aof.
func repairTool(binary string) string {
	dir, name := filepath.Split(binary)
	product, _, ok := strings.Cut(name, "-server")
	if !ok {
		return ""
	}
	return dir + product + "-check-aof"
}

// ServerRunner runs experiments with a real server on the fault disk, one at a
// time. Several of one Rig may run side by side.
type ServerRunner struct {
	rig     *Rig
	run     workloads.Run
	rec     workloads.Recorder
	facts   facts
	judging judging

	// The experiment under way. mu covers the plan and what follows it; it may be
	// taken while a volume's lock is held (the disk's hook is), never the other
	// way round.
	x       *Experiment
	out     *Outcome
	hist    *history.History
	env     *osenv.Env
	volume  *fusefs.Volume
	redis   *process.Redis
	draws   draws
	mu      sync.Mutex
	plan    plan.Runner
	planAt  time.Duration
	planOn  bool
	log     serverLog
	crashed history.EventKind
	tc      time.Duration
	over    chan struct{} // closed when the server's life has ended
	news    chan struct{} // the plan has something new to wait for
	logFrom int
	hadAOF  bool // appendonlydir was there before the cut
	clients []env.Task
	workers sync.WaitGroup // commands of the plan under way
}

// NewRunner makes a runner.
func (r *Rig) NewRunner() *ServerRunner { return &ServerRunner{rig: r} }

// Close ends nothing: a runner holds nothing between its experiments.
func (s *ServerRunner) Close() {}

// Run runs one experiment. An error is torntail's own failure or the
// environment's; what the server does is the outcome's.
func (s *ServerRunner) Run(x *Experiment) (*Outcome, error) {
	personality, err := disk.PersonalityByName(x.Personality)
	if err != nil {
		return nil, err
	}
	profile, err := sim.ProfileByName(x.Profile)
	if err != nil {
		return nil, err
	}
	s.x, s.out, s.hist = x, &Outcome{Seed: x.Seed}, new(history.History)
	s.out.History = s.hist
	s.draws = draws{state: mix(x.Seed, 5)}
	s.plan.Reset(x.Plan)
	s.planOn, s.logFrom, s.hadAOF = false, 0, false
	s.env = osenv.NewAt("c1", mix(x.Seed, 6), s.rig.start)
	s.rec.Reset(s.hist)
	s.rec.OnAck = s.onAck
	if x.Plants.ClientLies {
		s.rec.PlantLie(func(id int) bool { return id%20 == 19 })
	}
	d := disk.New(disk.Options{Personality: personality, KeepLog: true, Plant: x.Plants.Disk})
	s.volume, err = s.rig.mount.Attach("v"+strconv.FormatUint(s.rig.volumes.Add(1), 10), d, fusefs.VolumeOptions{
		Hook: s.onCall,
		SyncLatency: func(c *disk.Call) time.Duration {
			return profile.SyncTime(uint32(s.draws.next()), 0)
		},
	})
	if err != nil {
		return nil, err
	}
	defer s.volume.Detach()
	err = s.experiment()
	s.stopServer()
	s.cutClients()
	s.awaitClients()
	s.workers.Wait()
	if err != nil {
		return nil, err
	}
	s.judging.run(x, s.out)
	return s.out, nil
}

// stopServer ends the server if it still runs, and whatever it has started.
func (s *ServerRunner) stopServer() {
	if s.redis == nil {
		return
	}
	s.volume.Resume()
	s.redis.KillTree()
	s.redis.WaitTree()
	s.redis = nil
}

// experiment is one life of the server after the other, as the plan has them.
func (s *ServerRunner) experiment() error {
	if refusal, err := s.startServer(); err != nil {
		return err
	} else if refusal != nil {
		return fmt.Errorf("on an empty disk: %w", refusal)
	}
	began := s.rig.clock()
	s.mu.Lock()
	s.planAt, s.planOn = began, true
	s.mu.Unlock()
	s.env.Enter()
	s.run.Reset(s.env, s.redis.Addr, s.x.Workload, &s.rec)
	s.env.Leave()
	for {
		s.life()
		if !s.awaitCrash() {
			s.out.Why = "the crash did not strike: " + s.whyNot()
			return nil
		}
		s.out.Span = s.tc - began
		s.afterCrash()
		if back, err := s.restart(); err != nil || !back {
			return err
		}
		if err := s.dump(); err != nil {
			s.out.Why = err.Error()
			return nil
		}
		if !crashPending(&s.plan, s.x.Plan) {
			return nil
		}
	}
}

// life begins a life: clients start, and the plan's clock runs.
func (s *ServerRunner) life() {
	s.mu.Lock()
	s.crashed, s.over, s.news = "", make(chan struct{}), make(chan struct{}, 1)
	s.mu.Unlock()
	s.env.Enter()
	s.hist.Epochs = append(s.hist.Epochs, history.Epoch{Began: s.env.Now(), Ended: history.Never, DiskSeen: true})
	s.rec.Unseal()
	s.run.Resume(s.env, s.x.Mode.Span)
	s.clients = s.clients[:0]
	for _, c := range s.run.Clients() {
		s.clients = append(s.clients, s.env.Go("client", c.Run))
	}
	s.env.Leave()
	redis, over := s.redis, s.over
	s.workers.Add(2)
	go func() {
		defer s.workers.Done()
		s.keepTime(over)
	}()
	go func() {
		defer s.workers.Done()
		exit := redis.Wait()
		how := history.Exited
		if exit.Signal == 0 && exit.Code == 0 {
			how = history.Terminated
		}
		if s.claim(how, exit.At) {
			close(over)
		}
	}()
}

// keepTime carries out what the plan has at given times, until the life ends.
func (s *ServerRunner) keepTime(over chan struct{}) {
	for {
		s.mu.Lock()
		next, ok := s.plan.NextTime()
		s.mu.Unlock()
		wait := time.Hour
		if ok {
			wait = s.planAt + next - s.rig.clock()
		}
		timer := time.NewTimer(wait)
		select {
		case <-over:
			timer.Stop()
			return
		case <-s.news:
			timer.Stop()
		case <-timer.C:
		}
		s.mu.Lock()
		due := append([]plan.Trigger(nil), s.plan.Due(s.rig.clock()-s.planAt)...)
		s.mu.Unlock()
		for _, t := range due {
			s.carryOut(t)
		}
	}
}

// claim notes how and when the server's life ends; the first claim counts, and
// whoever made it closes s.over when the end is complete.
func (s *ServerRunner) claim(how history.EventKind, at time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crashed != "" {
		return false
	}
	s.crashed, s.tc = how, at
	return true
}

// server returns the running server; nil when it is down.
func (s *ServerRunner) running() *process.Redis {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.redis == nil || s.redis.Exited() {
		return nil
	}
	return s.redis
}

// awaitClients waits until the clients' tasks have ended. The server must be
// gone, and with it their connections.
func (s *ServerRunner) awaitClients() {
	s.env.Enter()
	defer s.env.Leave()
	for _, c := range s.clients {
		c.Wait()
	}
	s.clients = s.clients[:0]
}

// cutClients ends the clients' record: that instant is the crash, and whatever
// a client hears later does not count.
func (s *ServerRunner) cutClients() time.Duration {
	s.env.Enter()
	defer s.env.Leave()
	s.rec.Seal()
	s.run.Stop()
	return s.env.Now()
}

func (s *ServerRunner) awaitCrash() bool {
	limit := s.x.Mode.Span + overtime
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-s.over:
		return true
	case <-timer.C:
		if s.claim(history.Exited, s.cutClients()) {
			close(s.over)
			return false
		}
		<-s.over
		return true
	}
}

// afterCrash waits for what outlives the server and closes the life's record.
func (s *ServerRunner) afterCrash() {
	s.cutClients()
	if s.redis != nil {
		s.redis.Wait()
		s.redis.WaitChildren(childLimit)
		s.mu.Lock()
		s.redis = nil
		s.mu.Unlock()
	}
	s.awaitClients()
	s.env.Enter()
	defer s.env.Leave()
	epoch := &s.hist.Epochs[len(s.hist.Epochs)-1]
	epoch.Ended, epoch.How = s.tc, s.crashed
	s.hist.Events = append(s.hist.Events, history.Event{At: s.tc, Kind: s.crashed, Node: server})
	if s.crashed != history.PowerCut {
		s.volume.With(func(d *disk.Disk) {
			s.takeFacts(d.Log(), epoch)
			s.logFrom = len(d.Log())
		})
	}
}

func (s *ServerRunner) takeFacts(log []disk.Record, epoch *history.Epoch) {
	s.facts.read(log[s.logFrom:], s.log.forks, epoch)
	s.out.oldIncrUnsynced, s.out.unsynced = s.facts.oldIncrUnsynced(), s.facts.unsynced()
	s.out.inFsync = syncInFlight(log[s.logFrom:], s.tc)
	if s.log.working {
		s.out.CrashPoint = crashPoint(log[s.logFrom:], s.tc)
	}
}

// startServer starts the server on the volume. A refusal is the server's own
// word that it will not start; an error is ours.
func (s *ServerRunner) startServer() (refusal *process.StartError, err error) {
	var directives []process.Directive
	for _, d := range s.x.Mode.Directives {
		directives = append(directives, process.Directive{Name: d.Name, Args: d.arguments()})
	}
	redis, err := process.StartRedis(context.Background(), process.RedisSpec{
		Binary: s.rig.binary, Dir: s.volume.Path(), Directives: directives, Clock: s.rig.clock, Output: s.onLine,
	})
	if errors.As(err, &refusal) {
		return refusal, nil
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.redis = redis
	s.mu.Unlock()
	s.out.Took = redis.Took
	return nil, nil
}

// onLine follows the server's log: "PID:ROLE DD Mon YYYY HH:MM:SS.mmm LEVEL text".
// The stamp is the server's own, cut to the millisecond, so it is not later
// than what it speaks of; the moment at which we read the line would be.
func (s *ServerRunner) onLine(l process.Line) {
	_, rest, ok := strings.Cut(l.Text, " ")
	const layout = "02 Jan 2006 15:04:05.000"
	if !ok || len(rest) < len(layout)+3 {
		return
	}
	at, err := time.ParseInLocation(layout, rest[:len(layout)], time.Local)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.line(min(at.Sub(s.rig.start.Round(0)), l.At), rest[len(layout)+3:])
}

// restart brings the server back on what the crash left, with its own repair
// tool if it refuses.
func (s *ServerRunner) restart() (back bool, err error) {
	if s.crashed == history.PowerCut {
		image := s.volume.Disk()
		if s.out.Distrust = audit(s.out, image.Hash(), s.run.Replies()); s.out.Distrust != "" {
			return false, nil
		}
		s.out.wholeAOFVanished = s.hadAOF && !hasAOF(image.FS(nil))
	}
	s.mu.Lock()
	s.log.reset()
	s.mu.Unlock()
	s.event(history.Restarted, "")
	refusal, err := s.startServer()
	if err != nil {
		return false, err
	}
	if refusal == nil {
		s.out.Recovery = ByItself
		s.event(history.Ready, "")
		return true, nil
	}
	s.event(history.Refused, lastWords(refusal))
	s.out.Recovery = RefusedToStart
	s.volume.With(func(d *disk.Disk) { s.out.nulBytes = nulBytes(d.FS(nil)) })
	if !s.x.Mode.AOF || s.rig.tool == "" {
		return false, nil
	}
	// The tool asks before it cuts; nobody is there to answer but yes.
	manifest := path.Join(s.volume.Path(), "appendonlydir", "appendonly.aof.manifest")
	_, exit, err := process.Run(process.Spec{Path: "sh", Args: []string{"-c", `yes | "$0" --fix "$1"`, s.rig.tool, manifest}, Clock: s.rig.clock})
	if err != nil || exit.Code != 0 {
		return false, err
	}
	if refusal, err = s.startServer(); err != nil || refusal != nil {
		return false, err
	}
	s.out.Recovery = Repaired
	s.event(history.Repaired, "")
	s.event(history.Ready, "")
	return true, nil
}

func (s *ServerRunner) event(kind history.EventKind, text string) {
	s.hist.Events = append(s.hist.Events, history.Event{At: s.rig.clock(), Kind: kind, Node: server, Text: text})
}

// dump reads the whole recovered state and tries one write.
func (s *ServerRunner) dump() error {
	s.env.Enter()
	defer s.env.Leave()
	conn, err := workloads.Dial(s.env, s.redis.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	state, err := s.run.Dump(conn, replyLimit)
	if err != nil {
		return err
	}
	state.Node, state.Epoch = server, len(s.hist.Epochs)
	s.hist.States = append(s.hist.States, state)
	if holdsNUL(&state) {
		s.volume.With(func(d *disk.Disk) { s.out.nulBytes = nulBytes(d.FS(nil)) })
	}
	s.out.refused, err = probe(conn)
	return err
}

// onCall is asked about every disk call as it enters, under the volume's lock.
func (s *ServerRunner) onCall(c *disk.Call) disk.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.planOn {
		return disk.Decision{}
	}
	now := s.rig.clock() - s.planAt
	triggers := append([]plan.Trigger(nil), s.plan.OnCall(server, c, now)...)
	d := s.plan.Decide(server, c, now)
	if len(triggers) > 0 {
		last := triggers[len(triggers)-1]
		d.Place, d.Fraction = last.Place, last.Fraction
		d.Strike = func() {
			for _, t := range triggers {
				s.carryOut(t)
			}
		}
	}
	return d
}

// onAck is told of each acknowledgement, under the clients' exclusion.
func (s *ServerRunner) onAck(n int) {
	s.mu.Lock()
	triggers := append([]plan.Trigger(nil), s.plan.OnAck(n, s.rig.clock()-s.planAt)...)
	s.mu.Unlock()
	if len(triggers) == 0 {
		return
	}
	s.workers.Add(1)
	go func() {
		defer s.workers.Done()
		for _, t := range triggers {
			s.carryOut(t)
		}
	}()
}

// carryOut makes a statement of the plan happen. It is called without any lock.
func (s *ServerRunner) carryOut(t plan.Trigger) {
	s.mu.Lock()
	own := s.plan.Arm(t, s.rig.clock()-s.planAt)
	s.mu.Unlock()
	if !own {
		why := s.act(t)
		s.mu.Lock()
		if now := s.rig.clock() - s.planAt; why != "" {
			s.plan.Missed(t, now, why)
		} else {
			s.plan.Struck(t, now)
		}
		s.mu.Unlock()
	}
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// act does what a statement says; "" or why it had nothing to strike.
func (s *ServerRunner) act(t plan.Trigger) string {
	switch a := t.Statement.Action.(type) {
	case *plan.Stall:
		s.volume.Resume()
		return ""
	case *plan.TruncateAtRest, *plan.CorruptAtRest:
		return s.damageAtRest(a)
	}
	redis := s.running()
	if redis == nil {
		return "the server was down already"
	}
	switch a := t.Statement.Action.(type) {
	case *plan.Kill:
		if !s.claim(history.ProcessKill, s.cutClients()) {
			return "the server was down already"
		}
		defer close(s.over)
		redis.Kill(a.Tree)
	case *plan.PowerCut:
		return s.powerCut(a, redis)
	case *plan.Term:
		redis.Term()
	case *plan.Pause:
		if t.End {
			redis.Resume()
		} else {
			redis.Pause()
		}
	case *plan.Do:
		s.command(redis.Addr, a.Args)
	default:
		return fmt.Sprintf("%q has no effect in an experiment with one server", a.Verb())
	}
	return ""
}

func (s *ServerRunner) powerCut(a *plan.PowerCut, redis *process.Redis) string {
	if !s.claim(history.PowerCut, s.cutClients()) {
		return "the server was down already"
	}
	defer close(s.over)
	choice := a.Keep
	if !a.HasKeep {
		choice = disk.Choice{Mode: disk.KeepRandom, Seed: mix(s.x.Seed, 4)}
	}
	var before *disk.Disk
	s.volume.With(func(d *disk.Disk) {
		before = d
		s.out.before, s.out.asked = d.Hash(), choice
		s.hadAOF = hasAOF(d.FS(nil))
	})
	cut, err := s.volume.PowerCut(choice, redis)
	if err != nil {
		return err.Error()
	}
	s.out.Cut = cut
	s.env.Enter()
	s.takeFacts(before.Log(), &s.hist.Epochs[len(s.hist.Epochs)-1])
	s.env.Leave()
	s.logFrom = 0
	return ""
}

func (s *ServerRunner) damageAtRest(a plan.Action) (why string) {
	if s.running() != nil {
		return "the server runs, so its files are not at rest"
	}
	s.volume.With(func(d *disk.Disk) {
		var files int
		files, why = damage(d, server, a)
		s.out.cutFiles += files
	})
	return why
}

// command sends a command to the server on a connection of its own; whether it
// did anything shows in the disk's log.
func (s *ServerRunner) command(addr string, args []string) {
	s.workers.Add(1)
	go func() {
		defer s.workers.Done()
		s.env.Enter()
		defer s.env.Leave()
		conn, err := workloads.Dial(s.env, addr)
		if err != nil {
			return
		}
		defer conn.Close()
		conn.Do(replyLimit, args...)
	}()
}

func (s *ServerRunner) whyNot() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return whyNoCrash(&s.plan, s.x.Plan)
}

// lastWords is the last line that a server wrote before it gave up, without
// its process id and time.
func lastWords(e *process.StartError) string {
	lines := strings.Split(strings.TrimSpace(e.Output), "\n")
	last := lines[len(lines)-1]
	if i := strings.Index(last, " # "); i >= 0 {
		last = last[i+3:]
	}
	if last == "" {
		return e.Error()
	}
	return last
}
