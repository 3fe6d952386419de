package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/conduct"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/redisconf"
	"github.com/torntail/torntail/internal/seeding"
)

// Process is a machine with a real server on it. Several of one Rig may be driven side
// by side.
//
// One goroutine drives it; others come and go: clients, those who keep the time of
// plans and wait for the server's end, and what strikes, on goroutines of the disk.
// All but the clients pass enter and leave, so that Drive returns when the last of
// them is gone.
//
// Locks, in the order in which they may be taken: the exclusion of Env, the
// disk's, mu. Watch.Call is called under the disk's.
type Process struct {
	rig    *Rig
	serves *Rig // of the version that serves now; nil: the first
	setup  *Setup
	mode   *product.Mode
	env    *osenv.Env
	disk   Disk
	syncs  func(*disk.Call) time.Duration

	tasks []env.Task // of clients; under Env's exclusion

	conductor  *conduct.Conductor
	timekeeper *conduct.Timekeeper

	mu      sync.Mutex
	life    *life // that goes on, or went on last
	gone    bool  // no process of it is left
	closed  bool  // nothing new may begin
	wound   bool  // up: nothing is left
	busy    int   // goroutines between enter and leave
	idle    sync.Cond
	failure error // of the environment, met outside the goroutine that drives
	account       // what plans do at rest: under mu
}

// life is one life of the server: from its start until it was killed, lost its power or
// exited. Whoever claims it ends it.
type life struct {
	redis   *process.Redis
	claimed bool // somebody ends it
	asked   bool // a plan has asked it to end
	paused  bool
	ended   bool // how and when is known
	strikes int  // of plans under way; the life is over when they are
	lifeOf
	waits  waits
	dead   chan struct{} // closed when the server's process has ended
	over   chan struct{} // closed when it is
	closed bool
}

// Machine makes a machine of the rig's. Reset it before it is driven.
func (r *Rig) Machine() Machine {
	p := &Process{rig: r, timekeeper: conduct.NewTimekeeper()}
	p.idle.L = &p.mu
	return r.Disks.machine(p)
}

// Reset makes it a fresh machine, with an empty disk. Nobody drives it.
func (p *Process) Reset(s *Setup) (err error) {
	profile, err := sim.ProfileByName(s.Profile)
	if err != nil {
		return err
	}
	p.setup, p.mode, p.serves = s, s.Mode, nil
	if p.env = p.rig.Shared; p.env == nil {
		p.env = p.rig.Env("c1", seeding.Derive(s.Seed, 6))
	}
	p.syncs = s.SyncLatency
	if p.syncs == nil {
		rng := seeding.NewDraws(seeding.Derive(s.Seed, 5))
		p.syncs = func(*disk.Call) time.Duration { return profile.SyncTime(uint32(rng.Next()), 0) }
	}
	p.tasks = p.tasks[:0]
	p.mu.Lock()
	p.life, p.gone, p.closed, p.wound, p.failure, p.account = nil, true, false, false, nil, account{}
	p.mu.Unlock()
	if p.disk, err = p.rig.Disks.open(p); err != nil || s.Conf == "" {
		return err
	}
	var f redisconf.File
	f.Line("dir", p.disk.Dir())
	if p.rig.server != nil && !s.Sentinel { // the server's own come first, so that the machine's win
		for _, d := range p.rig.server.Directives {
			f.Line(d.Name, d.Args...)
		}
	}
	if p.disk.Ours() != nil { // not through its mount, which this process serves
		s.Conf = f.String() + s.Conf
		var failed error
		err = p.disk.Files(func(fsys vfs.FS) { failed = install(fsys, s.file(), s.Conf) })
		return cmp.Or(err, failed)
	}
	return os.WriteFile(p.confFile(), []byte(f.String()+s.Conf), 0o600)
}

// confFile is the path of the server's configuration file.
func (p *Process) confFile() string { return filepath.Join(p.disk.Dir(), p.setup.file()) }

// Configure implements Machine.
func (p *Process) Configure(m *product.Mode) error {
	p.mode = m
	return nil
}

// Drive implements Machine. When it returns, no process, disk or goroutine of the
// machine is left.
func (p *Process) Drive(ctx context.Context, f func() error) error {
	stop := context.AfterFunc(ctx, p.abort)
	p.env.Enter()
	err := f()
	p.env.Leave()
	stop()
	if left := p.windUp(); err == nil {
		err = left
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil:
		err = p.failure
	}
	return err
}

// Conducted implements Machine.
func (p *Process) Conducted(by *conduct.Conductor) { p.conductor = by }

// Wanted implements Machine.
func (*Process) Wanted(ctx context.Context) bool { return ctx.Err() == nil }

// Lock implements conduct.World, as do the next four.
func (p *Process) Lock()                   { p.mu.Lock() }
func (p *Process) Unlock()                 { p.mu.Unlock() }
func (p *Process) Now() time.Duration      { return p.rig.Clock() }
func (p *Process) Outside(f func())        { p.Begin(f) }
func (p *Process) Wake(next time.Duration) { p.timekeeper.Wake(next) }

// KeepTime implements Machine.
func (p *Process) KeepTime() {
	over := p.lastLife().over
	p.Begin(func() { p.timekeeper.Keep(p.conductor, over) })
}

// enter counts a goroutine that acts on the machine; false when it is being wound up
// and must not.
func (p *Process) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.busy++
	return true
}

func (p *Process) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy--; p.busy == 0 {
		p.idle.Broadcast()
	}
}

// Begin runs f on a goroutine that the machine accounts for; not when it is being
// wound up.
func (p *Process) Begin(f func()) {
	if !p.enter() {
		return
	}
	go func() {
		defer p.leave()
		f()
	}()
}

// outside lets the machine's other tasks run while f blocks.
func (p *Process) outside(f func()) {
	p.env.Leave()
	defer p.env.Enter()
	f()
}

// abort ends the server when it is no longer wanted; whoever waits for it or for its
// answers then goes on.
func (p *Process) abort() {
	if !p.enter() {
		return
	}
	defer p.leave()
	if l := p.lastLife(); l != nil {
		l.redis.KillTree()
	}
}

// windUp ends all that is left; the second time, nothing.
func (p *Process) windUp() error {
	p.mu.Lock()
	again := p.wound
	p.closed, p.wound = true, true
	l := p.life
	p.mu.Unlock()
	if again || p.disk == nil {
		return nil
	}
	if l != nil {
		p.claim(l) // nobody hears of this end
		l.redis.KillTree()
	}
	p.disk.LetGo()
	if l != nil {
		l.redis.WaitTree()
		l.redis.OutputDone()
	}
	p.env.Enter()
	p.awaitTasks()
	p.env.Leave()
	p.mu.Lock()
	for p.busy > 0 {
		p.idle.Wait()
	}
	p.life = nil
	p.mu.Unlock()
	return p.disk.Close()
}

func (p *Process) lastLife() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}

// fail notes an error of the environment, which ends the driving.
func (p *Process) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil {
		p.failure = err
	}
}

// Env implements Machine.
func (p *Process) Env() env.Env { return p.env }

// Clients implements Machine.
func (p *Process) Clients() env.Env { return clientEnv{p.env, p} }

// clientEnv counts the clients' tasks.
type clientEnv struct {
	*osenv.Env
	of *Process
}

// Fork starts a client's task, as Go does.
func (c clientEnv) Fork(name string, f func()) (env.Task, error) { return c.Go(name, f), nil }

func (c clientEnv) Go(name string, f func()) env.Task {
	t := c.Env.Go(name, f)
	c.of.tasks = append(c.of.tasks, t)
	return t
}

// awaitTasks waits until the clients' tasks have ended. The server must be gone, and
// with it their connections.
func (p *Process) awaitTasks() {
	for _, t := range p.tasks {
		t.Wait()
	}
	p.tasks = p.tasks[:0]
}

// Addr implements Machine.
func (p *Process) Addr() string { return p.lastLife().redis.Addr }

// Redis is the server's process in this life.
func (p *Process) Redis() *process.Redis { return p.lastLife().redis }

// Start implements Machine.
func (p *Process) Start(ctx context.Context) (err error) {
	if why := p.disk.Refuses(); why != "" {
		return &Refusal{Words: why, ByDisk: true}
	}
	var redis *process.Redis
	p.outside(func() { redis, err = p.launch(ctx) })
	if err != nil {
		if gone := p.disk.Sound(); gone != nil {
			return gone
		}
		if _, host := p.disk.(hostDir); host {
			err = notLacking(err, fullDisk...)
		}
		return err
	}
	p.took = redis.Took
	l := &life{redis: redis, dead: make(chan struct{}), over: make(chan struct{})}
	p.mu.Lock()
	p.life, p.gone = l, false
	p.mu.Unlock()
	p.Begin(func() { p.awaitExit(l) })
	p.Begin(func() { l.waits.watch(redis.Serves(), p.rig.Clock, l.dead) })
	if s := p.rig.space(); s != nil && !s.Confined() {
		p.Begin(func() { p.lookElsewhere(l) })
	}
	return nil
}

// lookElsewhere looks, as long as a server lives that nothing keeps from it, whether it
// writes where it has no business.
func (p *Process) lookElsewhere(l *life) {
	for {
		if files := p.rig.Elsewhere(l.redis.Pid()); len(files) > 0 {
			p.fail(fmt.Errorf("%s writes to %s, outside of torntail's own directory", p.rig.Binary, strings.Join(files, ", ")))
			l.redis.KillTree()
			return
		}
		select {
		case <-l.dead:
			return
		case <-time.After(lookEvery):
		}
	}
}

// lookEvery is the pause between two looks.
const lookEvery = 20 * time.Millisecond

// launch starts the server's process.
func (p *Process) launch(ctx context.Context) (*process.Redis, error) {
	if p.setup.Conf == "" {
		return p.of().Launch(ctx, p.disk.Dir(), p.on(p.mode).Directives, p.onLine)
	}
	listen, err := netip.ParseAddrPort(p.setup.Listen)
	if err != nil {
		return nil, err
	}
	spec := process.RedisSpec{Addr: listen.Addr().String(), Port: int(listen.Port()), Config: p.confFile(), Sentinel: p.setup.Sentinel, Output: p.onLine}
	if p.rig.told != nil {
		spec.Dir = p.disk.Dir()
	}
	return p.rig.launch(ctx, spec)
}

// onLine follows the server's log: "PID:ROLE DD Mon YYYY HH:MM:SS.mmm LEVEL text".
// The stamp is the server's own, cut to the millisecond, so it is not later
// than what it speaks of; the moment at which we read the line would be.
func (p *Process) onLine(l process.Line) {
	if p.setup.Watch.Says == nil {
		return
	}
	at, msg, ok := p.of().Store.Line(l.Text)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setup.Watch.Says(min(at.Sub(p.rig.start.Round(0)), l.At), msg)
}

// Repair implements Machine.
func (p *Process) Repair(ctx context.Context) (fixed bool, said string, err error) {
	p.outside(func() { fixed, said, err = p.repair(ctx) })
	return fixed, said, err
}

// claim makes the caller the one who ends a life; false when it has ended or
// somebody else is at it.
func (p *Process) claim(l *life) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l == nil || l.claimed {
		return false
	}
	l.claimed = true
	return true
}

// hearsOf ends the clients' record: that instant is the end of the life. late: replies
// that were under way still count.
func (p *Process) hearsOf(l *life, how history.EventKind, at time.Duration, late bool) {
	p.env.Enter()
	defer p.env.Leave()
	if at == 0 {
		at = p.env.Now()
	}
	l.lifeOf = lifeOf{how, at}
	p.last = l.lifeOf
	if down := p.setup.Watch.Down; down != nil {
		down(how, at, late)
	}
}

// finish declares a claimed life ended; it is over when no strike is under way.
func (p *Process) finish(l *life) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.ended = true
	l.end()
}

// end closes over when the life has ended and no strike is under way. The caller
// holds mu.
func (l *life) end() {
	if l.ended && l.strikes == 0 && !l.closed {
		l.closed = true
		close(l.over)
	}
}

// Strike implements Machine: a life that the strike ends is over when end was called.
func (p *Process) Strike(plan.Trigger) (end func(), ok bool) {
	if !p.enter() {
		return nil, false
	}
	p.mu.Lock()
	l := p.life
	if l != nil {
		l.strikes++
	}
	p.mu.Unlock()
	return func() {
		p.mu.Lock()
		if l != nil {
			l.strikes--
			l.end()
		}
		p.mu.Unlock()
		p.leave()
	}, true
}

// awaitExit ends the life of a server that exits by itself.
func (p *Process) awaitExit(l *life) {
	exit := l.redis.Wait()
	if l.redis.Wrapped() {
		exit = ofScript(exit, l.redis.Outlived())
	}
	close(l.dead)
	if !p.claim(l) {
		return
	}
	how := history.Exited
	if exit.Signal == 0 && exit.Code == 0 {
		how = history.Terminated
		l.redis.AwaitOutput(lastLinesLimit) // what it has said at last tells who has asked
	}
	p.exit = exitOf(exit, l.redis.Tail(), p.asked(l))
	p.exit.Hidden = l.redis.Wrapped() && exit.Signal == 0
	if host, ok := p.disk.(hostDir); ok && p.exit.Words != "" {
		if full := host.full(); full != nil { // redis 7.0.15 speaks of a short write, not of why
			p.exit.Outside, p.exit.Words = true, fmt.Sprintf("left without a disk (%v): %s", full, p.exit.Words)
		}
	}
	// Replies that were under way arrive still, and were sent before the end.
	p.hearsOf(l, how, exit.At, true)
	p.finish(l)
}

// ofScript is the exit of a script as one of the server that it has waited for: shells end
// with 128 and the number of the signal that has ended their child (POSIX, sh, exit status).
// Of one that went on when the server had ended nothing is known.
func ofScript(e process.Exit, outlived bool) process.Exit {
	const signalled, last = 128, 64
	if outlived {
		e.Signal, e.Code = 0, -1
	} else if e.Code > signalled && e.Code <= signalled+last {
		e.Signal, e.Code = syscall.Signal(e.Code-signalled), -1
	}
	return e
}

// ownSignals are those by which a program ends that has gone wrong.
var ownSignals = []syscall.Signal{syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGSYS}

// lastLinesLimit is for how long the last lines of a server are waited for that has ended:
// they are in the pipe already, unless a process that it has left behind holds that open.
const lastLinesLimit = time.Second

// asked reports whether a plan has asked the server to end.
func (p *Process) asked(l *life) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return l.asked
}

// signalled are the words of a server that ends because a signal has asked it to (redis 7.0.15
// server.c sigShutdownHandler).
var signalled = []string{"Received SIGTERM scheduling shutdown", "Received SIGINT scheduling shutdown"}

// exitOf is what an exit says, and the server's last lines beside it; asked: torntail had
// sent it a signal.
func exitOf(e process.Exit, said string, asked bool) Exit {
	x := Exit{Words: e.String(), Outside: e.Signal != 0 && !slices.Contains(ownSignals, e.Signal)}
	said = strings.TrimSpace(said)
	if !asked && slices.ContainsFunc(signalled, func(words string) bool { return strings.Contains(said, words) }) {
		return Exit{Words: "asked to end by a signal that torntail did not send", Outside: true}
	}
	x.Outside = x.Outside || strings.Contains(strings.ToLower(said), "out of memory") // zmalloc.c zmalloc_default_oom, server.c redisOutOfMemoryHandler
	if last := said[strings.LastIndexByte(said, '\n')+1:]; last != "" {
		x.Words += ", after " + strconv.Quote(last)
	}
	return x
}

// AwaitDown implements Machine.
func (p *Process) AwaitDown(ctx context.Context, until time.Duration) (ended bool) {
	l := p.lastLife()
	p.outside(func() { ended = awaitOver(ctx, l, until-p.rig.Clock()) })
	return ended
}

func awaitOver(ctx context.Context, l *life, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-l.over:
		return true
	case <-ctx.Done():
		l.redis.KillTree()
		<-l.over
		return true
	case <-timer.C:
		return false
	}
}

// GiveUp implements Machine.
func (p *Process) GiveUp() (over bool) {
	l := p.lastLife()
	p.outside(func() {
		if over = !p.claim(l); over {
			<-l.over
			return
		}
		p.hearsOf(l, history.Exited, 0, false)
		p.finish(l)
	})
	return over
}

// Settle implements Machine.
func (p *Process) Settle() error {
	if err := p.AwaitGone(0); err != nil {
		return fmt.Errorf("after the crash: %w", err)
	}
	p.awaitTasks()
	return p.disk.Sound()
}

// AwaitGone implements Machine.
func (p *Process) AwaitGone(time.Duration) (err error) {
	l := p.lastLife()
	p.outside(func() {
		l.redis.Wait()
		// A snapshot child goes on after its parent's death and may still rename its
		// file: what it leaves is what the crash left.
		if err = l.redis.WaitChildren(ChildLimit); err == nil {
			l.redis.OutputDone() // forks that were announced are known from here on
		}
	})
	return err
}

// AtRestNow implements Machine: what came due while the server was dying, and what is
// due now.
func (p *Process) AtRestNow(f func()) {
	p.mu.Lock()
	p.gone = true
	p.mu.Unlock()
	p.outside(f)
}

// LastWords implements Machine.
func (p *Process) LastWords() string { return p.Redis().Tail() }

// Resident implements Machine. It is read from /proc/PID/smaps_rollup: shared pages
// count once.
func (p *Process) Resident() int64 {
	var sum int64
	redis := p.Redis()
	for _, pid := range append(redis.Children(), redis.Pid()) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue // it has ended
		}
		for _, line := range strings.Split(string(data), "\n") {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
				kb, _ := strconv.ParseInt(f[1], 10, 64)
				sum += kb << 10
			}
		}
	}
	return sum
}

// GiveWay implements Machine.
func (p *Process) GiveWay(f func()) { p.outside(f) }

// Exclusively implements Machine.
func (p *Process) Exclusively(f func()) {
	p.env.Enter()
	defer p.env.Leave()
	f()
}

// Mark implements Machine.
func (*Process) Mark(string, uint64) {}

// Trace implements Machine.
func (*Process) Trace() uint64 { return 0 }

// Slack implements Machine: contracts allow for Redis's own timers on a machine with
// nothing else to do. Here tens of servers share the CPU with their clients and with
// the process that is their disk, and each start of one takes some 30 ms of it: a
// server may not run for a second. A server that never syncs is found all the same,
// for an everysec run lasts up to 7 s.
func (*Process) Slack() time.Duration { return RealSlack }

// Waits implements Machine.
func (p *Process) Waits() []history.Wait { return p.lastLife().waits.seen() }

// RealSlack is the slack of every machine with a real server.
const RealSlack = 2 * time.Second

// Close implements Machine. Of what Drive has driven nothing is left.
func (p *Process) Close() error { return p.windUp() }

// Files implements Machine.
func (p *Process) Files(f func(fsys vfs.FS)) error { return p.disk.Files(f) }

// Calls implements Machine.
func (p *Process) Calls() (log []disk.Record, seen bool) {
	d := p.disk.Ours()
	if d == nil {
		return nil, false
	}
	return d.Log(), true
}

// Hash implements Machine.
func (p *Process) Hash() uint64 {
	if d := p.disk.Ours(); d != nil {
		return d.Hash()
	}
	return 0
}

// CountsAcks implements plan.Acks.
func (*Process) CountsAcks() {}

// Kill implements plan.Processes.
func (p *Process) Kill(_ string, tree bool) (why string, err error) {
	l := p.lastLife()
	if !p.claim(l) {
		return down, nil
	}
	p.hearsOf(l, history.ProcessKill, 0, false)
	l.redis.Kill(tree)
	p.finish(l)
	return "", nil
}

// KillChildren implements plan.Children.
func (p *Process) KillChildren(string) (why string, err error) {
	if why = p.isDown(); why == "" && p.Redis().KillChildren() == 0 {
		why = noChild
	}
	return why, nil
}

// isDown is why a statement about a running server misses; "" when it runs.
func (p *Process) isDown() string {
	if l := p.lastLife(); l == nil || l.redis.Exited() {
		return down
	}
	return ""
}

// Running reports whether the server runs.
func (p *Process) Running() bool { return p.isDown() == "" }

// AwaitExit implements Machine.
func (p *Process) AwaitExit() {
	if l := p.lastLife(); l != nil {
		l.redis.Wait()
	}
}

// Terminate implements plan.Processes.
func (p *Process) Terminate(string) (why string, err error) {
	if why = p.isDown(); why == "" {
		p.mu.Lock()
		p.life.asked = true
		p.mu.Unlock()
		p.Redis().Term()
	}
	return why, nil
}

// Pause implements plan.Processes.
func (p *Process) Pause(string) (why string, err error) {
	if why = p.isDown(); why == "" {
		p.paused(true)
		p.Redis().Pause()
	}
	return why, nil
}

// Resume implements plan.Processes.
func (p *Process) Resume(string) (why string, err error) {
	if was := p.paused(false); !was || p.isDown() != "" {
		return pausedIsGone, nil
	}
	p.Redis().Resume()
	return "", nil
}

// paused notes whether the process is, and says whether it was.
func (p *Process) paused(on bool) (was bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life != nil {
		was, p.life.paused = p.life.paused, on
	}
	return was
}

// Restart implements plan.Restarts: whoever drives restarts the server.
func (p *Process) Restart(string) (why string, err error) {
	if why = p.isDown(); why == "" {
		why = noRestart
	}
	return why, nil
}

// Command implements plan.Commands. Whether it did anything shows in the disk's log.
func (p *Process) Command(_ string, args []string, answered func(history.Outcome, string)) (why string, err error) {
	if why = p.isDown(); why != "" {
		return why, nil
	}
	addr := p.Addr()
	p.Begin(func() {
		p.env.Enter()
		defer p.env.Leave()
		answered(send(p.env, addr, p.mode.Store, args))
	})
	return "", nil
}

// cutPower ends the life by a power cut, which cut carries out: it returns what is known
// of it, and the disk as it was before, if that is ours.
func (p *Process) cutPower(keep *disk.Choice, cut func(choice disk.Choice, l *life) (PowerLoss, *disk.Disk, error)) (why string, err error) {
	l := p.lastLife()
	if !p.claim(l) {
		return down, nil
	}
	defer p.finish(l)
	p.hearsOf(l, history.PowerCut, 0, false)
	choice := kept(keep, p.setup.Seed)
	loss, before, err := cut(choice, l)
	if err != nil {
		err = fmt.Errorf("power cut: %w", err)
		p.fail(err)
		return "", err
	}
	p.Exclusively(func() {
		p.cut, p.expected = loss, loss.Image
		p.cut.Asked = choice
		if frozen := p.setup.Watch.Frozen; frozen != nil {
			frozen(before, l.at, false)
		}
	})
	return "", nil
}

// Silent reports whether an error of a recovery only says that the server, or its repair
// tool, did not answer: then this run proves nothing, and the next may.
func Silent(err error) bool {
	var start *process.StartError
	return errors.As(err, &start) || errors.Is(err, product.ErrHangs)
}
