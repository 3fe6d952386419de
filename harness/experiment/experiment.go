// Package experiment is one run of a server through a crash, from an empty disk to a
// verdict. Runner.Run is the whole of it, the same on every machine. The rest of the
// package is what such a run is made of (Experiment, CrashKind, GeneratePlan), what it
// showed (Outcome), what the disk's log says of it (facts), and how it is judged (Judge).
// Of a run that is explored, a Moment or a Recording stands for the crash.
package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/conduct"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/workloads"
)

// overtime is how long after the span a fault that waits for a disk call (the next
// fsync, say) may take to strike.
const overtime = 5 * time.Second

// Runner runs experiments on one machine, one after the other, in the memory of the
// one before. What it does is the same on every machine, and is told once: Run.
type Runner struct {
	m         machine.Machine
	setup     machine.Setup
	conductor *conduct.Conductor
	run       workloads.Run
	rec       workloads.Recorder
	hist      *history.History // under the exclusion of the machine's Env
	facts     facts
	judging   judging

	// Commands of the plan that are operations, of these the answered, and those that
	// delete all keys.
	commands, commandReplies int
	flushes                  []int
	// saves are the commands of the plan that make a snapshot.
	saves []history.Event

	evicted evictions

	// before and now are what the version that has crashed, and the one after it, found.
	before, now *found

	// The experiment under way.
	x       *Experiment
	out     *Outcome
	heard   product.Heard
	Given   *conduct.Given // the plan, once its clock runs
	began   time.Duration
	logFrom int // first record of the current life in the disk's log
	// hadFile and hadDir: there was something to load before the cut, and a directory that
	// it was in. stray are the stray bytes that the log had then.
	hadFile, hadDir bool
	stray           product.Stray
	over            bool               // the life is
	reading         bool               // what it has left is being read
	later           []later            // commands that wait for that to be over
	pauses          []history.Interval // of the server, by the plan

	// recording, when not nil, gets the first life of the server, after which there is no other.
	recording *Recording
	watcher   func(m *Moment)   // nil: nobody watches
	disk      func() *disk.Disk // the watched machine's, as it is now
	moment    Moment
	moments   int
}

// NewRunner makes a runner of experiments on a machine.
func NewRunner(m machine.Machine) *Runner {
	r := &Runner{m: m, hist: new(history.History), judging: judging{slack: m.Slack()}, facts: facts{lag: m.Slack()}}
	r.conductor = conduct.New(world{m, r})
	m.Conducted(r.conductor)
	r.setup.Watch = machine.Watch{Call: r.onCall, Down: r.onDown, Exits: r.onExit, Frozen: r.onFrozen, Says: r.onSays, Evicted: r.onEvicted}
	return r
}

// Close ends what is left of the last experiment.
func (r *Runner) Close() { r.m.Close() }

// Run runs one experiment: the server starts on an empty disk, clients write, the
// plan's crash strikes, the server is brought back on what it left, is read, and what
// came back is judged. An error is torntail's own failure, the environment's, or
// ctx's; what the server does is the outcome's. When it returns, no process, disk or
// goroutine of the experiment is left. The outcome's history is good until the next Run.
func (r *Runner) Run(ctx context.Context, x *Experiment) (*Outcome, error) {
	if _, simulated := r.m.(*machine.Simulated); simulated && x.lasts() > machine.WorldLimit {
		return nil, &TooLongError{x.lasts()}
	}
	r.prepare(x)
	if err := r.m.Reset(&r.setup); err != nil {
		return nil, err
	}
	if err := r.m.Drive(ctx, func() error { return r.plot(ctx) }); err != nil {
		return nil, fmt.Errorf("seed %d: %w", x.Seed, err)
	}
	r.sendLater(false)
	r.out.Trace, r.out.CutFiles = r.m.Trace(), r.m.Damaged()
	if x.Asked {
		r.out.Unstruck = unstruck(x.Plan, r.Given.Report())
	}
	if err := r.judge(x); err != nil {
		return nil, fmt.Errorf("seed %d: %w", x.Seed, err)
	}
	return r.out, nil
}

// lasts is for how long an experiment goes on at least, as it says itself.
func (x *Experiment) lasts() time.Duration {
	longest := x.Mode.Span
	if x.Plan != nil {
		longest = slices.Max(append(x.Plan.Instants(), longest))
	}
	return longest
}

// TooLongError is an experiment that a simulated world would not see the end of.
type TooLongError struct{ Lasts time.Duration }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("it lasts for %v: a simulated world is over after %v", e.Lasts, machine.WorldLimit)
}

// PanicError says that a judge panicked: a bug of torntail's, which says nothing about the
// server. No lock is held and nothing runs while it judges, so that the experiments before
// can be told of all the same.
type PanicError struct {
	Value any
	Stack []byte // at the panic
}

func (e *PanicError) Error() string { return fmt.Sprintf("judging panicked: %v", e.Value) }

// judge judges what came back.
func (r *Runner) judge(x *Experiment) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	if x.Accounted && r.Given != nil {
		r.out.Statements = r.Given.Report()
		for i := range r.out.Statements {
			r.out.Statements[i].At += r.began
		}
	}
	r.judging.run(x, r.out)
	if x.Witness {
		r.out.AskWitness()
	}
	return nil
}

// Observer is shown what a run leaves behind, for whoever is to look into it afterwards. It
// is called one call at a time, and must keep nothing that it is shown but copies.
type Observer interface {
	// Left is shown what the server is about to be started on, after each crash.
	Left(fsys vfs.FS)
	// Event is told what goes on the record as it happens, and what the server says.
	Event(at time.Duration, kind history.EventKind, text string)
	Says(at time.Duration, text string)
	// Tool is told what the store's repair tool said.
	Tool(said string)
}

// mostExits is how often a server may end by itself in one experiment. One that always does
// would go on for ever: the crash that is waited for may have missed it while it was down.
const mostExits = 3

// plot is one life of the server after the other, as the plan has them.
func (r *Runner) plot(ctx context.Context) error {
	if err := r.start(ctx); err != nil {
		if r.x.Accounted && machine.Silent(err) {
			r.lose("on an empty disk: "+err.Error(), err) // one of very many, on a busy machine
			return nil
		}
		return err
	}
	exits := 0
	for {
		r.write()
		if !r.strike(ctx) {
			return nil
		}
		if goOn, err := r.settle(); err != nil || !goOn {
			return err
		}
		if how, _ := r.m.Down(); how == history.Exited {
			exits++
		}
		if back, err := r.recover(ctx); err != nil || !back {
			return err
		}
		if exits > mostExits {
			return nil
		}
		if !r.read() {
			return nil
		}
		if r.takeFound(); !r.Given.CrashPending() {
			return r.handOn(ctx)
		}
	}
}

// prepare makes everything ready for an experiment.
func (r *Runner) prepare(x *Experiment) {
	h := r.hist
	r.x, r.out = x, &Outcome{Seed: x.Seed, History: h}
	clear(h.Ops)
	*h = history.History{Ops: h.Ops[:0], Events: h.Events[:0], Epochs: h.Epochs[:0], States: h.States[:0], Beside: h.Beside[:0]}
	r.rec.Reset(h)
	r.rec.OnAck = r.onAck
	if x.Plants.ClientLies {
		r.rec.PlantLie(func(id int) bool { return id%20 == 19 })
	}
	if x.Plants.AcksForgotten {
		r.rec.PlantForget(func(id int) bool { return id%20 == 19 })
	}
	r.conductor.Reset()
	r.heard.Reset()
	r.evicted = evictions{heard: r.evicted.heard[:0], sent: r.evicted.sent[:0]}
	r.commands, r.commandReplies, r.flushes, r.saves = 0, 0, r.flushes[:0], r.saves[:0]
	r.before, r.now = nil, nil
	r.pauses = r.pauses[:0]
	r.facts.over(true)
	r.reading, r.later = false, nil
	r.Given, r.began, r.logFrom, r.hadFile, r.hadDir, r.stray, r.over, r.moments = nil, 0, 0, false, false, nil, false, 0
	s := &r.setup
	s.Mode, s.Personality, s.Profile, s.Seed = &x.Mode, x.Personality, x.Profile, x.Seed
	s.Bugs, s.DiskPlant, s.ReopenUncrashed = x.Plants.Engine, x.Plants.Disk, x.Plants.ReopenUncrashed
	if r.recording != nil {
		s.Tape, s.KeepBlocks = &r.recording.tape, true
	}
}

// start starts the server, and the plan's clock.
func (r *Runner) start(ctx context.Context) error {
	if err := r.m.Start(ctx); err != nil {
		return fmt.Errorf("on an empty disk: %w", err)
	}
	r.out.Took = r.m.Took()
	r.began = r.m.Env().Now()
	r.Given = r.conductor.Give(r.x.Plan, seeding.Derive(r.x.Seed, 7))
	r.run.Reset(r.m.Clients(), r.m.Addr(), r.x.Mode.Store, r.x.Workload, &r.rec)
	r.run.BesideFrom(seeding.Derive(r.x.Seed, 9))
	return nil
}

// write lets the clients write in a life of the server.
func (r *Runner) write() {
	_, seen := r.m.Calls()
	r.hist.Epochs = append(r.hist.Epochs, history.Epoch{Began: r.m.Env().Now(), Ended: history.Never, DiskSeen: seen})
	r.over = false
	r.rec.Unseal()
	if m, ok := r.m.(interface{ LimitMemory() }); ok {
		m.LimitMemory()
	}
	clients := r.m.Clients()
	r.run.Resume(clients, r.x.Mode.Span)
	r.run.MoveTo(r.m.Addr())
	if tells := r.tellsEvictions(); tells != nil {
		r.hearEvictions(tells)
	}
	for _, c := range r.run.Clients() {
		clients.Go("client", c.Run)
	}
	if r.x.Workload.Beside {
		clients.Go("client", r.run.Beside)
	}
	r.m.GiveWay(func() { r.sendLater(true) })
	r.m.KeepTime()
}

// strike waits until the plan, or the server itself, has ended the life.
func (r *Runner) strike(ctx context.Context) bool {
	if !r.m.AwaitDown(ctx, r.m.Env().Now()+r.x.Mode.Span+overtime) && !r.m.GiveUp() {
		r.out.Why = "the crash did not strike: " + r.Given.WhyNoCrash()
		return false
	}
	_, at := r.m.Down()
	r.out.Span = at - r.began
	return r.m.Wanted(ctx)
}

// settle lets what outlives the server end, closes the record of its life, and takes
// from the disk's log what it says of it. Then files at rest may be damaged.
func (r *Runner) settle() (goOn bool, err error) {
	if err := r.m.Settle(); err != nil {
		r.lose(err.Error(), err)
		return false, nil
	}
	r.rec.Seal()
	for _, id := range r.flushes {
		r.flushed(id)
	}
	epoch := &r.hist.Epochs[len(r.hist.Epochs)-1]
	epoch.How, epoch.Ended = r.m.Down()
	epoch.Waits = r.stopped(r.m.Waits(), epoch)
	r.takeEvictions(epoch)
	if r.recording != nil {
		return false, r.recording.take(r)
	}
	if epoch.How == history.PowerCut { // the facts were taken as it struck: the image has no log
		cut := r.m.Cut()
		r.out.Cut, r.out.asked = cut.Cut, cut.Asked
		r.out.cutSome = r.out.cutSome || cut.Ops > 0
	} else {
		log, seen := r.m.Calls()
		r.noteExit(epoch.How, log)
		if seen {
			r.takeFacts(log, epoch.Ended, false)
			r.facts.over(false)
			r.logFrom = len(log)
		} else {
			r.takeHeard(epoch)
		}
	}
	r.m.AtRestNow(r.conductor.CatchUp)
	return true, nil
}

// replies are those that were read, of which the record must know.
func (r *Runner) replies() replies {
	return replies{all: r.run.Replies() + r.commandReplies, clients: r.run.Replies() - r.rec.Late(), of: r.x.Workload.Clients}
}

// recover brings the server back on what the crash left, with its own repair tool if
// it refuses. false: it did not come back, or must not be asked to.
func (r *Runner) recover(ctx context.Context) (back bool, err error) {
	r.out.image = r.m.Expected()
	if r.out.Distrust = audit(r.out, r.m.Hash(), r.replies()); r.out.Distrust != "" {
		return false, nil
	}
	if how, _ := r.m.Down(); how == history.PowerCut && r.hadFile {
		err := r.m.Files(func(fsys vfs.FS) {
			file, dir := product.Missing(fsys, &r.x.Mode)
			r.out.WholeAOFVanished, r.out.DataVanished = r.out.WholeAOFVanished || dir && r.hadDir, r.out.DataVanished || file && !dir
		})
		if err != nil {
			return false, err
		}
	}
	r.heard.Reset()
	if seen := r.x.Observer; seen != nil {
		if err := r.m.Files(seen.Left); err != nil {
			return false, err
		}
	}
	r.event(history.Restarted, "")
	if r.tellsEvictions() != nil {
		if err := r.m.Configure(unlimited(&r.x.Mode)); err != nil {
			return false, err
		}
	}
	r.before = nil
	s := r.followed()
	if s != nil {
		if r.before, err = r.handOver(ctx, s); err != nil {
			r.lose(err.Error(), err)
			return false, nil
		}
	}
	tell := r.event
	if s != nil {
		tell = func(kind history.EventKind, text string) {
			if text != "" {
				text = s.Version() + ": " + text
			}
			r.event(kind, text)
		}
	}
	reports := r.Given.Report()
	got, err := machine.Recover(ctx, r.m, &r.x.Mode, tell)
	if again := endedMeanwhile(r.x.Plan, reports, r.Given.Report()); again != "" && (err != nil && machine.Silent(err) || err == nil && got.How != machine.ByItself) {
		r.out.Why = "the plan struck the server again before it served: " + again
		return false, nil
	}
	switch {
	case machine.Silent(err):
		r.lose("after the restart: "+err.Error(), err)
		return false, nil
	case err != nil:
		return false, err
	}
	if r.x.Observer != nil && got.Said != "" {
		r.x.Observer.Tool(got.Said)
	}
	r.out.Recovery, r.out.BaseRefused = got.How, r.out.BaseRefused || saysBaseRefused(r.x.Mode.Store, got.Tool)
	if got.How == machine.RefusedToStart || got.How == machine.Repaired {
		r.found(got.Stray)
	}
	if r.before != nil {
		r.now = &found{by: s.Version(), how: got.How, why: got.Refusal}
	}
	if got.How != machine.ByItself {
		r.out.StartFailed = diskFault(r.x.Plan, reports, r.Given.Report())
	}
	if got.How == machine.RefusedToStart {
		r.takeFound()
		return false, nil
	}
	r.out.Took = r.m.Took()
	r.reading = true
	return true, nil
}

// read reads the whole recovered state and, when no further crash is to come, tries
// one write: it is no part of the workload, and would be a phantom later.
func (r *Runner) read() bool {
	err := r.dump()
	if err != nil {
		r.out.Why = err.Error()
		if words := lastLines(r.m.LastWords()); words != "" {
			r.out.Why += "; the server's last lines: " + words
			if _, ours := r.m.Calls(); !ours && machine.SaysFull(words) {
				r.out.Outside = r.out.Why
			}
		}
	}
	return err == nil
}

// takeFound takes what the version that has come back found less than the one that crashed.
func (r *Runner) takeFound() {
	if r.before == nil {
		return
	}
	if n := len(r.hist.States); n > 0 {
		r.now.state = r.hist.States[n-1]
	}
	r.out.Unread = r.now.unread(r.before, "has left after its crash")
}

// lose gives a run up, and says whether what ended it came from outside: a start that a
// signal of somebody else's ended, or that lacked what its machine should have had, or a
// disk that was taken away. A server that did not answer in time may hang by itself.
func (r *Runner) lose(why string, err error) {
	first, _, _ := strings.Cut(why, "\n")
	r.out.Why = strings.TrimSuffix(first, "; its last lines:")
	var start *process.StartError
	if errors.As(err, &start) && start.Exited || errors.Is(err, machine.ErrTaken) {
		r.out.Outside = r.out.Why
	}
}

// lastLines are the last two lines of a text, as one.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-2):], " / ")
}

func (r *Runner) dump() error {
	conn, err := workloads.Dial(r.m.Env(), r.m.Addr())
	if err != nil {
		return fmt.Errorf("no connection after the restart: %w", err)
	}
	defer conn.Close()
	state, err := r.run.Dump(conn, product.ReplyLimit)
	if err != nil {
		return err
	}
	state.Node, state.Epoch = Server, len(r.hist.Epochs)
	r.hist.States = append(r.hist.States, state)
	if r.x.Mode.AOF && r.heard.TailCut {
		if err := r.m.Files(func(fsys vfs.FS) {
			r.out.OpenTransaction = r.out.OpenTransaction || r.x.Mode.Store.OpenTransaction(fsys)
		}); err != nil {
			return err
		}
	}
	if r.x.Mode.AOF && !r.out.NULBytes {
		err := r.m.Files(func(fsys vfs.FS) {
			stray := r.x.Mode.Store.Stray(fsys)
			if s, ok := r.m.(successors); ok && len(stray) == 0 {
				stray = s.Store().Stray(fsys) // another version may keep its log elsewhere
			}
			r.found(stray)
		})
		if err != nil {
			return err
		}
	}
	if !r.Given.CrashPending() {
		r.out.Refusal, err = product.Probe(r.x.Mode.Store, conn)
	}
	return err
}

// takeHeard takes what is known of snapshots where nobody sees the calls to the disk: that
// one was made for a replica or because a command asked for one, and not when it was in place.
func (r *Runner) takeHeard(e *history.Epoch) {
	made := func(fork, began time.Duration) {
		e.Snapshots = append(e.Snapshots, history.Snapshot{Fork: fork, Began: began, Renamed: history.Never, Durable: history.Never})
	}
	for _, at := range r.heard.Syncs {
		made(at, at)
	}
	if m := &r.x.Mode; !m.AOF && !m.RDB {
		for _, a := range r.saves {
			child := slices.IndexFunc(r.heard.Forks, func(at time.Duration) bool { return at >= a.At })
			switch {
			case a.At < e.Began:
			case a.Text == "SAVE" || child < 0: // no child says when
				made(history.Never, a.At)
			default: // forked between the command and the line that says so
				made(a.At, r.heard.Forks[child])
			}
		}
		slices.SortStableFunc(e.Snapshots, func(a, b history.Snapshot) int { return cmp.Compare(a.Began, b.Began) })
	}
	r.askedFor(e)
}

// found takes where stray bytes are in the log of the server that has come back.
func (r *Runner) found(stray product.Stray) {
	if r.out.NULBytes {
		return // those of a life before stay where they are
	}
	r.out.NULBytes = len(stray) > 0
	r.out.NULBytesSynced = len(r.stray) > 0 || r.facts.durable(stray)
}

// event puts something that happens now on record.
func (r *Runner) event(kind history.EventKind, text string) {
	r.happened(history.Event{At: r.m.Now(), Kind: kind, Node: Server, Text: text})
}

func (r *Runner) happened(e history.Event) {
	r.hist.Events = append(r.hist.Events, e)
	if r.x.Observer != nil {
		r.x.Observer.Event(e.At, e.Kind, e.Text)
	}
}

// onAck is told of each acknowledgement.
func (r *Runner) onAck(n int) {
	r.m.Mark("ack", uint64(n))
	r.conductor.OnAck(n)
	// The value of a read is not on record yet, and its reply promises nothing.
	if r.hist.Ops[r.rec.LastAcked()].Writes() {
		r.watch(MomentAck, nil, n)
	}
}

// onCall is asked about every disk call as it enters.
func (r *Runner) onCall(c *disk.Call) disk.Decision {
	return r.observed(c, r.conductor.OnCall(Server, c))
}

// onDown is told that the life is over: that instant is the crash, and what clients
// hear later does not count, unless it had been sent before.
func (r *Runner) onDown(how history.EventKind, at time.Duration, late bool) {
	r.over = true
	if late {
		r.rec.Cut(at)
	} else {
		r.rec.Seal()
	}
	r.run.Stop()
	r.happened(history.Event{At: at, Kind: how, Node: Server})
}

// onEvicted puts the server's own deletion of a key on record, with exactly the time at
// which it happened: it explains that this key is missing from then on, and no other.
func (r *Runner) onEvicted(key string) (settled func()) {
	if r.over {
		return nil
	}
	r.out.Evicted++
	id := r.rec.Invoke(history.Op{Client: evictor, Kind: history.Delete, Key: key, Invoke: r.m.Now(), More: &history.More{Offset: history.NoOffset, Evicted: true}})
	return func() {
		if r.rec.Settle(id, r.m.Now()) {
			r.commandReplies++
		}
	}
}

// evictor is the client that evictions are put on record as: the server itself.
const evictor = 1 << 20

// onSays is told what the server writes into its log.
func (r *Runner) onSays(at time.Duration, msg string) {
	r.heard.Line(r.x.Mode.Store, at, msg)
	if r.x.Observer != nil {
		r.x.Observer.Says(at, msg)
	}
}

func (r *Runner) onExit() { r.watch(MomentExit, nil, 0) }

// onFrozen takes from the disk, as it was when the power was cut, what it says of the
// life that has ended; where nobody sees its calls, what else is known.
func (r *Runner) onFrozen(before *disk.Disk, at time.Duration, midway bool) {
	if before == nil {
		r.hadFile, r.hadDir = r.x.Mode.AOF, r.x.Mode.AOF // it served
		r.takeUnseen(r.m.Cut())
		return
	}
	file, dir := product.Missing(before.FS(nil), &r.x.Mode)
	r.hadFile, r.hadDir = !file, !dir
	if r.x.Mode.AOF {
		r.stray = r.x.Mode.Store.Stray(before.FS(nil))
	}
	had := r.out.Dropped // when the power was cut before
	r.out.DroppedElse = r.out.DroppedElse || droppedElse(r.x.Mode.Store, before)
	r.takeFacts(before.Log(), at, midway)
	r.facts.over(true)
	r.out.Dropped = had || dropped(r.x.Mode.Store, before)
	r.out.before = before.Hash()
	r.logFrom = 0
}

// takeFacts takes from the disk's log what it says of the life that has ended.
func (r *Runner) takeFacts(log []disk.Record, at time.Duration, midway bool) {
	log = log[r.logFrom:]
	if k := r.x.Crash; k != nil && k.When == AfterError {
		r.out.DiskFailed = r.out.DiskFailed || failedCall(log) != ""
	}
	epoch := &r.hist.Epochs[len(r.hist.Epochs)-1]
	if midlife := epoch.Ended == history.Never || epoch.Ended == at; !midlife {
		// It was struck as it came back, before clients wrote: that life has no place on
		// record, and what it did to the log is not of the one before.
		epoch = &history.Epoch{Began: epoch.Ended, Ended: at, DiskSeen: true}
		r.facts.read(r.x.Mode.Store, log, r.heard.Forks, epoch)
		return
	}
	r.facts.carries, r.facts.reverts = commitsCarryData(r.x.Personality), revertsMemory(r.x.Personality)
	r.facts.waits = r.m.Waits()
	r.facts.read(r.x.Mode.Store, log, r.heard.Forks, epoch)
	r.askedFor(epoch)
	product.Children(r.delaying(), r.heard.Worked, r.heard.Rewrote, at, epoch)
	if r.out.Blind == "" {
		r.out.Blind = blind(&r.x.Mode, log, &r.heard, epoch, r.acked())
	}
	r.out.Signs, r.out.Unsynced = r.out.Signs.With(r.facts.signs(&r.x.Mode, at)), r.facts.unsynced(at, midway)
	if len(r.hist.Epochs) == 1 { // it is of the crash by which the experiment has its kind
		r.out.InFsync = syncInFlight(log, at)
	}
	if r.heard.Working {
		r.out.CrashPoint = crashPoint(r.x.Mode.Store, log, at)
	}
}

// delaying is the mode, with what a command has set that lets children delay syncs.
func (r *Runner) delaying() *product.Mode {
	const name = "no-appendfsync-on-rewrite"
	if slices.ContainsFunc(r.hist.Events, func(e history.Event) bool { return e.Kind == history.ConfigChange && e.Text == name+" yes" }) {
		m := r.x.Mode.With([]product.Directive{{Name: name, Value: "yes"}})
		return &m
	}
	return &r.x.Mode
}

// acked is how many changes were acknowledged, while there has been one life alone.
func (r *Runner) acked() int {
	if len(r.hist.Epochs) > 1 {
		return 0
	}
	n := 0
	for i := range r.hist.Ops {
		if op := &r.hist.Ops[i]; op.Acked() && op.Writes() && !op.Idle() {
			n++
		}
	}
	return n
}

// askedFor says of the snapshots of a life which of them a replica or a command had asked for.
func (r *Runner) askedFor(e *history.Epoch) {
	asked := slices.Clone(r.saves)
	for _, at := range r.heard.Syncs {
		asked = append(asked, history.Event{At: at, Text: "a replica's full synchronisation"})
	}
	slices.SortStableFunc(asked, func(a, b history.Event) int { return cmp.Compare(a.At, b.At) })
	before := e.Began // the last snapshot, or the start
	for i := range e.Snapshots {
		s := &e.Snapshots[i]
		for _, a := range asked {
			if a.At >= before && a.At <= s.Began {
				s.For = a.Text
			}
		}
		before = s.Began
	}
}

// takeUnseen takes what is known of a power cut of a disk whose calls nobody sees.
func (r *Runner) takeUnseen(cut *machine.PowerLoss) {
	r.out.OldIncrUnsynced, r.out.InFsync = r.heard.Working || cut.Unseen.NextIncr, cut.Unseen.InFlush
	if r.heard.Working {
		r.out.CrashPoint = "a rewrite or snapshot under way"
	}
	if !r.x.Mode.Sync || r.pendingWrite() {
		cut.Ops++ // what the kernel had not given to the disk; nobody counts it
	}
}

// pendingWrite reports whether a client waited for the reply to a write when the
// record was sealed.
func (r *Runner) pendingWrite() bool {
	for i := range r.hist.Ops {
		if o := &r.hist.Ops[i]; o.Outcome == history.Unknown && o.Writes() {
			return true
		}
	}
	return false
}

// world is where the plan of an experiment is carried out: on its machine, with what
// struck on the record.
type world struct {
	machine.Machine
	r *Runner
}

// Strike implements conduct.World.
func (w world) Strike(t plan.Trigger) conduct.Strike {
	end, ok := w.Machine.Strike(t)
	if !ok {
		return nil
	}
	return blow{w.Machine, w.r, end}
}

// blow is the machine while something strikes it.
type blow struct {
	plan.System
	r   *Runner
	end func()
}

// Unwrap gives the machine what the blow does to it.
func (b blow) Unwrap() plan.System { return b.System }

// Done implements conduct.Strike: only after it may the life be over, for who waits for
// that asks the plan next. The end of a span is on record too, when it did something.
func (b blow) Done(t plan.Trigger, why string, err error) {
	defer b.end()
	if why != "" || errors.Is(err, plan.ErrNotYet) {
		return
	}
	b.r.m.Exclusively(func() {
		b.r.event(history.FaultStruck, t.Statement.String())
		if _, is := t.Statement.Action.(*plan.Pause); is {
			b.r.paused(t.End)
		}
	})
}

// paused notes that a plan has stopped the server, or let it go on.
func (r *Runner) paused(over bool) {
	now := r.m.Now()
	if !over {
		r.pauses = append(r.pauses, history.Interval{From: now, To: history.Never})
		return
	}
	for i := range r.pauses {
		r.pauses[i].To = min(r.pauses[i].To, now)
	}
}

// stopped adds to the stretches in which the server waited for a processor those of a life
// in which it was stopped: it had no time then.
func (r *Runner) stopped(waits []history.Wait, e *history.Epoch) []history.Wait {
	for _, p := range r.pauses {
		if from, to := max(p.From, e.Began), min(p.To, e.Ended); from < to {
			waits = append(waits, history.Wait{From: from, To: to, By: to - from})
		}
	}
	slices.SortStableFunc(waits, func(a, b history.Wait) int { return cmp.Compare(a.From, b.From) })
	return waits
}
