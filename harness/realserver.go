package harness

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/workloads"
)

// Rig is what experiments with real servers share: one FUSE mount, or one
// directory of the host's own (hostdisk.go), and one clock.
type Rig struct {
	binary  string
	repair  []string // command that repairs what a crash left (repairAOF); nil: there is none
	server  *process.Server
	within  time.Duration // until it must answer; 0: the default
	modes   []string      // that the server has; nil: all
	mount   *fusefs.Mount
	start   time.Time
	volumes atomic.Uint64
	host    string // directory of the host's own, instead of mount
	// Or a real file system on logged disks (blockdisk.go), each of which begins empty.
	block   *blocklog.Host
	fs      blocklog.FS
	empty   *blocklog.Image
	release func() // takes it off the watchdog's list
}

func rigFor(binary string) *Rig {
	return &Rig{binary: binary, start: time.Now(), repair: product.RepairCommand(binary)}
}

// Describe says how a server is started and entered that is not redis-server's
// kin: before the first experiment. repair is a command in which {{dir}} and
// {{manifest}} stand for where its files are; nil: there is none. modes: the
// others are n/a; nil: it has all.
func (r *Rig) Describe(server *process.Server, within time.Duration, repair, modes []string) {
	r.server, r.within, r.repair, r.modes = server, within, repair, modes
}

// lacksMode is why a mode cannot be tested; "" when it can.
func (r *Rig) lacksMode(m *product.Mode) string {
	if r.modes == nil || slices.Contains(r.modes, m.Name) {
		return ""
	}
	return fmt.Sprintf("%s has no mode %s", r.binary, m.Name)
}

// spec is how the server is started in a directory.
func (r *Rig) spec(dir string, directives []process.Directive, output func(process.Line)) process.RedisSpec {
	return process.RedisSpec{Binary: r.binary, Server: r.server, Within: r.within, Dir: dir, Directives: directives, Clock: r.clock, Output: output}
}

// newEnv is the environment of clients, who know how to enter the server.
func (r *Rig) newEnv(seed uint64) *osenv.Env {
	e := osenv.NewAt("c1", seed, r.start)
	if r.server != nil {
		e.Secure(r.server.Secure)
	}
	return e
}

// NewRig mounts the fault disk for experiments with a server binary. Close it when done.
func NewRig(binary string) (*Rig, error) {
	r := rigFor(binary)
	mount, err := fusefs.Serve("", fusefs.Options{Clock: r.clock})
	if err != nil {
		return nil, err
	}
	r.mount = mount
	return r, nil
}

// Close unmounts the disk, or removes the directory.
func (r *Rig) Close() error {
	if r.mount != nil {
		return r.mount.Close()
	}
	if r.block != nil {
		return r.block.Close()
	}
	err := guard.RemoveDir(r.host)
	r.release()
	return err
}

func (r *Rig) clock() time.Duration { return time.Since(r.start) }

// attach makes a disk appear on the mount, under a name of its own.
func (r *Rig) attach(d *disk.Disk, o fusefs.VolumeOptions) (*fusefs.Volume, error) {
	return r.mount.Attach("v"+strconv.FormatUint(r.volumes.Add(1), 10), d, o)
}

// ServerRunner runs experiments with a real server on the fault disk, one at a
// time. Several of one Rig may run side by side.
//
// An experiment has one goroutine that goes from the server's start to the dump
// (Run), and others that come and go: the clients, the plan's timekeeper, who
// waits for the server's end, and the faults themselves, which strike on
// goroutines of the disk. All but the clients pass enter and leave, so that Run
// returns when the last of them is gone.
//
// Locks, in the order in which they may be taken: the clients' exclusion (env),
// the volume's, mu. The disk's hook is called under the volume's.
type ServerRunner struct {
	rig     *Rig
	run     workloads.Run
	rec     workloads.Recorder
	facts   facts
	judging judging

	// Of the experiment under way; set before it starts, and after that only by
	// the goroutine that runs it.
	x       *Experiment
	out     *Outcome
	hist    *history.History // under env
	env     *osenv.Env
	volume  *fusefs.Volume   // nil on the host's own disk
	dir     string           // there: the server's directory
	block   *blocklog.Volume // on a real file system: its disk, mounted
	options fusefs.VolumeOptions
	draws   draws // under the volume's lock
	logFrom int   // first record of the current life in the disk's log
	hadAOF  bool  // there was something to load before the cut
	// recording, when not nil, gets the first life of the server, after which there is no other.
	recording *Recording
	// uncrashed is the disk before the cut, for the plant that reopens it.
	uncrashed *disk.Disk
	clients   []env.Task

	mu      sync.Mutex
	plan    plan.Runner
	planAt  time.Duration // when the plan's clock began; 0: it has not
	nextAt  time.Duration // on the plan's clock: what the timekeeper waits for
	log     product.Log
	life    *life          // the server that runs, or the last one
	atRest  []plan.Trigger // damage that waits until the server is gone
	gone    bool           // no process of the last life is left
	failure error          // of the environment, met outside the experiment's goroutine
	closed  bool           // nothing new may begin
	busy    int            // goroutines between enter and leave
	// On a real file system:
	inFlush     bool   // the plan struck inside a flush of the disk
	unmountable string // what the power cut left could not be mounted, and why
	idle        sync.Cond
}

// life is one life of the server: from its start until it was killed, lost its
// power or exited. Whoever claims it ends it: it fills in how and at, and
// closes over when the plan knows as well.
type life struct {
	redis   *process.Redis
	claimed bool // under the runner's mu
	how     history.EventKind
	at      time.Duration
	over    chan struct{}
	news    chan struct{} // one slot: the plan has something new to wait for
}

// NewRunner makes a runner.
func (r *Rig) NewRunner() *ServerRunner {
	s := &ServerRunner{rig: r, judging: judging{slack: realSlack}}
	s.idle.L = &s.mu
	return s
}

// realSlack is the slack of contracts (contract.Contract.SyncSlack) on real
// servers. The default allows for Redis's own timers on a machine with nothing
// else to do. Here tens of servers share the CPU with their clients and with
// the process that is their disk, and each start of one takes some 30 ms of it:
// a server may not run for a second. A server that never syncs is found all the
// same, for an everysec run lasts up to 7 s.
const realSlack = 2 * time.Second

// Close ends nothing: a runner holds nothing between its experiments.
func (s *ServerRunner) Close() {}

// Run runs one experiment. An error is torntail's own failure, the
// environment's, or ctx's; what the server does is the outcome's. When it
// returns, no process, volume or goroutine of the experiment is left.
func (s *ServerRunner) Run(ctx context.Context, x *Experiment) (*Outcome, error) {
	profile, err := sim.ProfileByName(x.Profile)
	if err != nil {
		return nil, err
	}
	s.reset(x, profile)
	var d *disk.Disk
	if s.rig.mount != nil {
		personality, err := disk.PersonalityByName(x.Personality)
		if err != nil {
			return nil, err
		}
		options := disk.Options{Personality: personality, KeepLog: true, Plant: x.Plants.Disk}
		if s.recording != nil {
			options.Tape = &s.recording.tape
		}
		d = disk.New(options)
	}
	if err := s.settle(d); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, s.abort)
	err = s.experiment(ctx)
	stop()
	if left := s.windUp(); err == nil {
		err = left
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	case s.failure != nil:
		return nil, s.failure
	}
	s.judging.run(x, s.out)
	return s.out, nil
}

// reset prepares the runner for an experiment. No other goroutine is there.
func (s *ServerRunner) reset(x *Experiment, profile *sim.Profile) {
	s.hist = new(history.History)
	s.x, s.out = x, &Outcome{Seed: x.Seed, History: s.hist}
	s.env = s.rig.newEnv(seeding.Derive(x.Seed, 6))
	s.rec.Reset(s.hist)
	s.rec.OnAck = s.onAck
	if x.Plants.ClientLies {
		s.rec.PlantLie(func(id int) bool { return id%20 == 19 })
	}
	s.draws = draws{state: seeding.Derive(x.Seed, 5)}
	s.options = fusefs.VolumeOptions{
		Hook: s.onCall,
		SyncLatency: func(*disk.Call) time.Duration {
			return profile.SyncTime(uint32(s.draws.next()), 0)
		},
	}
	s.logFrom, s.hadAOF, s.uncrashed, s.clients = 0, false, nil, s.clients[:0]

	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan.Reset(x.Plan)
	s.plan.Seed = seeding.Derive(x.Seed, 7)
	s.planAt, s.life, s.atRest, s.gone, s.failure, s.closed = 0, nil, nil, true, nil, false
	s.inFlush, s.unmountable = false, ""
	s.log.Reset()
}

// enter counts a goroutine that acts on the experiment; false when the
// experiment is being wound up and it must not.
func (s *ServerRunner) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.busy++
	return true
}

func (s *ServerRunner) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy--; s.busy == 0 {
		s.idle.Broadcast()
	}
}

// begin runs f on a goroutine that the experiment accounts for.
func (s *ServerRunner) begin(f func()) {
	if !s.enter() {
		return
	}
	go func() {
		defer s.leave()
		f()
	}()
}

// abort ends the server when the experiment is no longer wanted; whoever waits
// for it or for its answers then goes on.
func (s *ServerRunner) abort() {
	if !s.enter() {
		return
	}
	defer s.leave()
	if l := s.lastLife(); l != nil {
		l.redis.KillTree()
	}
}

// windUp ends all that is left of an experiment.
func (s *ServerRunner) windUp() error {
	s.mu.Lock()
	s.closed = true
	l := s.life
	s.mu.Unlock()
	if l != nil {
		l.redis.KillTree()
	}
	if s.volume != nil {
		s.volume.Detach() // answers calls that stall, which keep their callers from dying
	}
	if l != nil {
		l.redis.WaitTree()
		l.redis.OutputDone()
	}
	s.cutClients()
	s.awaitClients()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.busy > 0 {
		s.idle.Wait()
	}
	s.life = nil
	if s.volume != nil {
		return nil
	}
	if s.rig.block != nil {
		return s.unmountBlock()
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove what a server left: %w", err)
	}
	return nil
}

func (s *ServerRunner) lastLife() *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life
}

// experiment is one life of the server after the other, as the plan has them.
func (s *ServerRunner) experiment(ctx context.Context) error {
	l, refusal, err := s.startServer(ctx)
	if err != nil {
		return err
	}
	if refusal != nil {
		return fmt.Errorf("on an empty disk: %w", refusal)
	}
	began := s.rig.clock()
	s.mu.Lock()
	s.planAt = began
	s.mu.Unlock()
	s.env.Enter()
	s.run.Reset(s.env, l.redis.Addr, s.x.Workload, &s.rec)
	s.env.Leave()
	for {
		s.live(l)
		if !s.awaitCrash(ctx, l) {
			s.out.Why = "the crash did not strike: " + s.whyNot()
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
		s.out.Span = l.at - began
		if back, err := s.afterCrash(l); err != nil || !back {
			return err
		}
		if l, err = s.restart(ctx, l.how); err != nil || l == nil {
			return err
		}
		if err := s.dump(l); err != nil {
			s.out.Why = err.Error()
			return nil
		}
		if !s.crashPending() {
			return nil
		}
	}
}

// live begins a life: clients start, and the plan's clock runs.
func (s *ServerRunner) live(l *life) {
	s.env.Enter()
	s.hist.Epochs = append(s.hist.Epochs, history.Epoch{Began: s.env.Now(), Ended: history.Never, DiskSeen: s.volume != nil})
	s.rec.Unseal()
	s.run.Resume(s.env, s.x.Mode.Span)
	s.run.MoveTo(l.redis.Addr)
	for _, c := range s.run.Clients() {
		s.clients = append(s.clients, s.env.Go("client", c.Run))
	}
	s.env.Leave()
	s.begin(func() { s.keepTime(l) })
	s.begin(func() { s.awaitExit(l) })
}

// claim makes the caller the one who ends a life; false when it has ended or
// somebody else is at it.
func (s *ServerRunner) claim(l *life) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.claimed {
		return false
	}
	l.claimed = true
	return true
}

// awaitExit ends the life of a server that exits by itself.
func (s *ServerRunner) awaitExit(l *life) {
	exit := l.redis.Wait()
	if !s.claim(l) {
		return
	}
	l.how, l.at = history.Exited, exit.At
	if exit.Signal == 0 && exit.Code == 0 {
		l.how = history.Terminated
	}
	// Replies that were under way arrive still, and were sent before the end.
	s.env.Enter()
	s.rec.Cut(l.at)
	s.run.Stop()
	s.env.Leave()
	close(l.over)
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

// awaitCrash waits until the life is over; false when nothing ended it in time.
func (s *ServerRunner) awaitCrash(ctx context.Context, l *life) bool {
	timer := time.NewTimer(s.x.Mode.Span + overtime)
	defer timer.Stop()
	select {
	case <-l.over:
		return true
	case <-ctx.Done():
		l.redis.KillTree()
		<-l.over
		return true
	case <-timer.C:
	}
	if !s.claim(l) {
		<-l.over
		return true
	}
	l.how, l.at = history.Exited, s.cutClients()
	close(l.over)
	return false
}

// afterCrash waits for what outlives the server, carries out the damage that a
// plan has for files at rest, and closes the life's record. It reports whether
// the experiment can go on.
func (s *ServerRunner) afterCrash(l *life) (goOn bool, err error) {
	l.redis.Wait()
	// A snapshot child goes on after its parent's death and may still rename its
	// file: what it leaves is what the crash left.
	if err := l.redis.WaitChildren(childLimit); err != nil {
		s.out.Why = "after the crash: " + err.Error()
		return false, nil
	}
	l.redis.OutputDone() // forks that were announced are known from here on
	s.awaitClients()
	s.env.Enter()
	s.rec.Seal()
	epoch := &s.hist.Epochs[len(s.hist.Epochs)-1]
	epoch.Ended, epoch.How = l.at, l.how
	s.env.Leave()
	s.event(history.Event{At: l.at, Kind: l.how})
	if s.recording != nil {
		return false, s.record(l)
	}
	if l.how != history.PowerCut && s.volume != nil {
		var log []disk.Record
		s.volume.With(func(d *disk.Disk) { log = d.Log() }) // nobody writes to it now
		s.takeFacts(log, l.at)
		s.logFrom = len(log)
	}
	if s.uncrashed != nil {
		s.volume.Detach()
		if s.volume, err = s.rig.attach(s.uncrashed, s.options); err != nil {
			return false, err
		}
		s.uncrashed = nil
	}
	s.damageAtRest()
	return true, nil
}

// takeFacts takes from the disk's log what it says of the life that has ended.
// The server's output must have been read to its end.
func (s *ServerRunner) takeFacts(log []disk.Record, tc time.Duration) {
	epoch := &s.hist.Epochs[len(s.hist.Epochs)-1]
	s.mu.Lock()
	forks, working := s.log.Forks, s.log.Working
	s.log.Children(&s.x.Mode, epoch)
	s.mu.Unlock()
	s.facts.carries = commitsCarryData(s.x.Personality)
	s.facts.read(log[s.logFrom:], forks, epoch)
	s.out.ManifestAhead = s.facts.ahead
	s.out.OldIncrUnsynced, s.out.unsynced = s.facts.oldIncrUnsynced(), s.facts.unsynced(tc, false)
	s.out.InFsync = syncInFlight(log[s.logFrom:], tc)
	if working {
		s.out.CrashPoint = crashPoint(log[s.logFrom:], tc)
	}
}

// event adds to the history's events, now unless it says when. The caller is no
// client.
func (s *ServerRunner) event(e history.Event) {
	s.env.Enter()
	defer s.env.Leave()
	if e.At == 0 {
		e.At = s.env.Now()
	}
	e.Node = server
	s.hist.Events = append(s.hist.Events, e)
}
