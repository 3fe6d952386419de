package sim

import (
	"fmt"
	"io"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/network"
)

// Options say which world New makes.
type Options struct {
	Seed    uint64
	Profile *Profile // how long things take; nil is nvme
	// Trace receives one line for each event; nil for none. The hash of the run is the
	// same with and without it. Errors of the writer are its own affair.
	Trace io.Writer
	// Hook is asked once for each disk call of each node, as it enters. It is
	// called from the calling task and may not block; to strike it returns a Decision.
	Hook func(n *Node, c *disk.Call) disk.Decision
}

// World is a simulated world. It is used by one goroutine at a time; different
// worlds are independent.
type World struct {
	now, until time.Duration
	rng        rng
	profile    *Profile
	hook       func(n *Node, c *disk.Call) disk.Decision
	hash       uint64
	trace      io.Writer

	timers  timerHeap
	ready   []*task // in no order: the seed chooses
	cur     *task   // nil while the scheduler itself runs
	handoff *task   // chosen by the task that yielded, to run next
	outside func()  // what the task that yielded wants done outside all tasks
	running bool
	stopped bool
	failure error

	nodes   []*Node
	links   network.Links
	streams []*stream
	taskIDs uint64

	// Memory that Reset keeps.
	idle       []*coroutine
	coroutines []*coroutine
	tasks      arena[task]
	procs      arena[proc]
	nodePool   arena[Node]
	conds      arena[cond]
	streamPool arena[stream]
	calls      []*timer     // free timers of callbacks
	images     []*disk.Disk // crash images of this run, then those that are free
	imagesUsed int
	buffers    [][]byte // free stream buffers
}

// New makes a world in which nothing runs yet.
func New(o Options) *World {
	w := &World{}
	w.start(o)
	return w
}

func (w *World) start(o Options) {
	w.now, w.until = 0, 0
	w.rng.seed(o.Seed)
	w.profile = o.Profile
	if w.profile == nil {
		w.profile = profiles[0]
	}
	w.hook, w.trace = o.Hook, o.Trace
	w.hash = 0
	w.mix(o.Seed)
	w.stopped, w.failure = false, nil
	w.taskIDs = 0
}

// Reset ends everything that runs and makes the world what New(o) would give,
// in the memory and with the coroutines it has.
func (w *World) Reset(o Options) {
	w.clear()
	w.start(o)
}

// Close ends every task and every coroutine. The world cannot be used again.
func (w *World) Close() {
	w.clear()
	for _, c := range w.coroutines {
		c.stop()
	}
	*w = World{stopped: true}
}

// clear unwinds all tasks and forgets everything but memory. It is silent: the
// trace of the experiment is over.
func (w *World) clear() {
	if w.running {
		panic("sim: Reset or Close of a world that runs")
	}
	w.trace = nil
	w.cur, w.handoff, w.outside = nil, nil, nil
	for _, n := range w.nodes {
		n.die(vanish)
	}
	for _, s := range w.streams {
		s.release()
	}
	clear(w.streams)
	w.streams = w.streams[:0]
	clear(w.ready)
	w.ready = w.ready[:0]
	for _, e := range w.timers.h {
		if e.t.kind == callBack {
			w.freeCall(e.t)
		}
	}
	w.timers.reset()
	clear(w.nodes)
	w.nodes = w.nodes[:0]
	w.links.Reset()
	w.tasks.reset()
	w.procs.reset()
	w.nodePool.reset()
	w.conds.reset()
	w.streamPool.reset()
	w.imagesUsed = 0
}

// image is a disk to make a crash image in. It is the world's until Reset.
func (w *World) image() *disk.Disk {
	if w.imagesUsed == len(w.images) {
		w.images = append(w.images, &disk.Disk{})
	}
	w.imagesUsed++
	return w.images[w.imagesUsed-1]
}

// Now is the virtual time since the world began.
func (w *World) Now() time.Duration { return w.now }

// Stop makes Run return once the running task has yielded. A later Run goes on.
func (w *World) Stop() { w.stopped = true }

// At runs f at time t, outside all tasks; f may kill, cut power, start and
// restart. A time that has passed means as soon as possible.
func (w *World) At(t time.Duration, f func()) {
	var tm *timer
	if n := len(w.calls); n > 0 {
		tm = w.calls[n-1]
		w.calls = w.calls[:n-1]
	} else {
		tm = &timer{}
	}
	tm.kind, tm.call = callBack, f
	w.timers.arm(tm, max(t, w.now))
}

// After runs f when d has passed, as At.
func (w *World) After(d time.Duration, f func()) { w.At(w.now+d, f) }

func (w *World) freeCall(t *timer) {
	t.call = nil
	w.calls = append(w.calls, t)
}

// Uint64 draws from the world's generator, for callbacks; tasks use their Env.
func (w *World) Uint64() uint64 { return w.rng.uint64() }

// Run runs the world until the clock shows until, until Stop, or until nothing
// can happen any more (the clock then stays at the last event). It returns a *PanicError when a task panicked (then, and
// in every later Run), and a *DeadlockError when tasks wait that nothing will
// ever wake; nil otherwise. Whether the time was reached, Now says.
func (w *World) Run(until time.Duration) error {
	if w.running || w.cur != nil {
		panic("sim: Run called from inside the world")
	}
	w.running, w.stopped, w.until = true, false, until
	// Deferred for the case that a task calls runtime.Goexit, which ends the caller too.
	defer func() { w.running, w.cur = false, nil }()
	for w.failure == nil && !w.stopped {
		t := w.handoff
		w.handoff = nil
		if t == nil {
			t = w.choose()
		}
		if t != nil {
			w.run(t)
			continue
		}
		if w.failure != nil || w.stopped {
			break
		}
		if len(w.timers.h) == 0 {
			return w.deadlock()
		}
		next := w.timers.h[0]
		if next.at > until {
			w.now = max(w.now, until)
			return nil
		}
		// choose stops only in front of a callback, which is the scheduler's to run.
		w.now = max(w.now, next.at)
		w.timers.disarm(next.t)
		f := next.t.call
		w.freeCall(next.t)
		w.event(traceCallback, 0, 0)
		f()
	}
	return w.failure
}

// choose finds the task to run next, moving the clock when none is ready. It is
// nil when the scheduler itself has something to do: a callback is due, the
// time is up, Stop was called, or nothing is left. Tasks call it as they yield,
// so that one which is its own successor goes on without any switch.
func (w *World) choose() *task {
	for w.failure == nil && !w.stopped {
		for len(w.timers.h) > 0 && w.timers.h[0].at <= w.now {
			t := w.timers.h[0].t
			if t.kind == callBack {
				return nil
			}
			w.timers.disarm(t)
			w.fire(t)
		}
		if n := len(w.ready); n > 0 {
			i := 0
			if n > 1 {
				i = w.rng.below(n)
			}
			t := w.ready[i]
			w.unready(t)
			if t.p.paused {
				t.p.parked = append(t.p.parked, t)
				continue
			}
			w.event(traceSwitch, t.id, 0)
			if w.trace != nil {
				w.line("run %s/%s", t.p.node.name, t.name)
			}
			return t
		}
		if len(w.timers.h) == 0 {
			return nil
		}
		next := &w.timers.h[0]
		if next.at > w.until || next.t.kind == callBack {
			return nil
		}
		w.now = next.at
	}
	return nil
}

// fire does what a timer is for. It runs on the scheduler or on the stack of a
// task that is yielding, so it calls no code of tasks or of the harness.
func (w *World) fire(t *timer) {
	switch t.kind {
	case wakeTask:
		t.task.timedOut = true
		w.wake(t.task)
	case deliverPipe:
		t.pipe.deliver()
	case dialStep:
		t.stream.dialStep()
	case tickDisk:
		t.node.tick()
	default:
		panic(fmt.Sprintf("sim: timer of kind %d", t.kind))
	}
}

// run lets a task run until it yields, does what it wants done outside, and
// buries it when it has ended.
func (w *World) run(t *task) {
	w.resume(t)
	for w.outside != nil {
		f := w.outside
		w.outside = nil
		f()
		if t.dead {
			return
		}
		if w.stopped || w.failure != nil || t.p.paused {
			w.makeReady(t)
			return
		}
		w.resume(t)
	}
	if t.ended {
		t.finish()
	}
}

// resume switches to a task and comes back when it yields or has ended.
func (w *World) resume(t *task) {
	if t.co == nil {
		t.co = w.coroutine()
		t.co.task = t
	}
	w.cur = t
	t.co.next()
	w.cur = nil
}

// Outside runs f outside all tasks and returns when it has run; called from a
// task it yields, and does not return when f killed that task.
func (w *World) Outside(f func()) {
	if w.cur == nil {
		f()
		return
	}
	t := w.self("Outside")
	w.outside = f
	t.where, t.on = waitOutside, nil
	t.yield()
}

// fail stops the world: a task did what no task may do.
func (w *World) fail(err error) {
	if w.failure == nil {
		w.failure = err
	}
}

// deadlock is nil when no task is left, else it says who waits where.
func (w *World) deadlock() error {
	var e DeadlockError
	for _, n := range w.nodes {
		for _, p := range n.processes() {
			for t := p.first; t != nil; t = t.nextInProc {
				e.Waiting = append(e.Waiting, WaitingTask{Node: n.name, Task: t.name, Where: t.whereText()})
			}
		}
	}
	if len(e.Waiting) == 0 {
		return nil
	}
	return &e
}

// arena hands out zeroed values and takes them all back at once. It keeps at
// most arenaKeep of them: what a long experiment needs beyond that goes to the
// garbage collector as usual.
type arena[T any] struct {
	all []*T
	n   int
}

const arenaKeep = 512

func (a *arena[T]) get() *T {
	if a.n < len(a.all) {
		x := a.all[a.n]
		a.n++
		return x
	}
	x := new(T)
	if len(a.all) < arenaKeep {
		a.all = append(a.all, x)
		a.n++
	}
	return x
}

func (a *arena[T]) reset() {
	var zero T
	for _, x := range a.all[:a.n] {
		*x = zero
	}
	a.n = 0
}
