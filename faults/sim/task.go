package sim

import (
	"fmt"
	"time"

	"github.com/torntail/torntail/faults/disk"
)

// where a task is when it does not run.
type where uint8

const (
	waitReady where = iota // in World.ready, or parked in a paused process
	waitSleep
	waitCond
	waitRead
	waitWrite
	waitAccept
	waitDial
	waitTask
	waitDisk
	waitStalled
	waitOutside
)

// task is a thread of a process; it implements env.Task.
type task struct {
	w    *World
	p    *proc
	id   uint64
	name string
	f    func()
	co   *coroutine // nil before its first run and after its end

	where    where
	on       any // what it waits on, for the deadlock report
	callKind disk.OpKind
	callPath string // of the disk call it is in
	timer    timer  // of its sleep or deadline; a task waits for one thing at a time
	timedOut bool
	dead     bool // killed: seams panic
	ended    bool // its function has returned or was unwound

	readyPos   int32 // place in World.ready plus one
	queue      *waitList
	next, prev *task // in queue

	nextInProc, prevInProc *task
	waiters                waitList // tasks in Wait

	behind waitList // writes that wait for the sync the task is in
	// onReturn is what a disk fault wants done as the current call returns.
	onReturn func()
}

// waitList is a queue of tasks that wait for the same thing, oldest first. A
// task is in at most one, and can leave from the middle: deadlines and kills do that.
type waitList struct{ head, tail *task }

func (l *waitList) push(t *task) {
	t.queue, t.prev, t.next = l, l.tail, nil
	if l.tail != nil {
		l.tail.next = t
	} else {
		l.head = t
	}
	l.tail = t
}

func (t *task) leaveQueue() {
	l := t.queue
	if l == nil {
		return
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		l.head = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		l.tail = t.prev
	}
	t.queue, t.prev, t.next = nil, nil, nil
}

// newTask starts a task of p. It runs when the scheduler chooses it.
func (w *World) newTask(p *proc, name string, f func()) *task {
	t := w.tasks.get()
	w.taskIDs++
	t.w, t.p, t.id, t.name, t.f = w, p, w.taskIDs, name, f
	t.timer.kind, t.timer.task = wakeTask, t
	if p.last != nil {
		p.last.nextInProc, t.prevInProc = t, p.last
	} else {
		p.first = t
	}
	p.last = t
	w.event(traceStart, t.id, uint64(p.node.id))
	if w.trace != nil {
		w.line("start %s/%s", p.node.name, name)
	}
	w.makeReady(t)
	return t
}

// self is the running task, for seams that block. A dead one is unwound further.
func (w *World) self(seam string) *task {
	t := w.cur
	if t == nil {
		panic("sim: " + seam + " outside any task")
	}
	if t.dead {
		panic(unwound{})
	}
	return t
}

// alive is for seams that do not block: callbacks may use them as well as tasks.
func (w *World) alive() {
	if w.cur != nil && w.cur.dead {
		panic(unwound{})
	}
}

func (w *World) makeReady(t *task) {
	t.where, t.on = waitReady, nil
	w.ready = append(w.ready, t)
	t.readyPos = int32(len(w.ready))
}

func (w *World) unready(t *task) {
	i, last := int(t.readyPos)-1, len(w.ready)-1
	w.ready[i] = w.ready[last]
	w.ready[i].readyPos = int32(i + 1)
	w.ready[last] = nil
	w.ready = w.ready[:last]
	t.readyPos = 0
}

// wake ends a wait: the task leaves its queue and its deadline and is ready.
func (w *World) wake(t *task) {
	t.leaveQueue()
	w.timers.disarm(&t.timer)
	w.makeReady(t)
}

// wakeAll wakes everybody in a list, in order.
func (w *World) wakeAll(l *waitList) {
	for l.head != nil {
		w.wake(l.head)
	}
}

// park gives way until something wakes the task. The caller has put it into a
// queue, armed its timer, or made it ready.
func (t *task) park() {
	n := t.w.choose()
	if n == t {
		return
	}
	t.w.handoff = n
	t.yield()
}

// yield switches to the scheduler, and unwinds the task when it was killed meanwhile.
func (t *task) yield() {
	if !t.co.yield(struct{}{}) || t.dead {
		panic(unwound{})
	}
}

// sleepUntil blocks the running task.
func (t *task) sleepUntil(at time.Duration, why where, on any) {
	w := t.w
	if w.alone(at) && !t.p.paused {
		// What choose would come to, without the heap and the list of ready tasks.
		w.now = max(w.now, at)
		w.event(traceSwitch, t.id, 0)
		if w.trace != nil {
			w.line("run %s/%s", t.p.node.name, t.name)
		}
		return
	}
	if at <= w.now {
		w.makeReady(t)
	} else {
		t.where, t.on = why, on
		w.timers.arm(&t.timer, at)
	}
	t.park()
}

// alone reports whether nothing but the running task can happen up to an instant.
func (w *World) alone(at time.Duration) bool {
	return len(w.ready) == 0 && at <= w.until && !w.stopped && w.failure == nil &&
		(len(w.timers.h) == 0 || w.timers.h[0].at > max(at, w.now))
}

// use takes CPU of the task's process, after what its tasks have used before,
// and returns when that will be done. The task does not wait for it: reads are
// charged so, and what follows them (a write, a disk call) comes later for it.
func (t *task) use(d time.Duration) time.Duration {
	at := max(t.w.now, t.p.cpuFree) + d
	t.p.cpuFree = at
	return at
}

// spend is use, and waits.
func (t *task) spend(d time.Duration) {
	if d <= 0 {
		return
	}
	w := t.w
	at := t.use(d)
	// The usual case, that nothing else happens before, needs no scheduler.
	if w.alone(at) {
		w.now = at
		w.mix(uint64(at))
		return
	}
	t.sleepUntil(at, waitSleep, nil)
}

// waitOn blocks the running task in a queue, until at when that is not 0. It
// reports whether it was woken rather than timed out.
func (t *task) waitOn(l *waitList, at time.Duration, why where, on any) bool {
	t.where, t.on, t.timedOut = why, on, false
	l.push(t)
	if at != 0 {
		t.w.timers.arm(&t.timer, max(at, t.w.now))
	}
	t.park()
	return !t.timedOut
}

// finish buries a task whose function has returned (or panicked).
func (t *task) finish() {
	w := t.w
	w.event(traceEnd, t.id, 0)
	if w.trace != nil {
		w.line("end %s/%s", t.p.node.name, t.name)
	}
	t.bury()
	if t.p.main == t {
		t.p.exit()
	}
}

// bury takes an ended task out of its process, gives its coroutine back and
// wakes who waits for it.
func (t *task) bury() {
	p := t.p
	if t.prevInProc != nil {
		t.prevInProc.nextInProc = t.nextInProc
	} else {
		p.first = t.nextInProc
	}
	if t.nextInProc != nil {
		t.nextInProc.prevInProc = t.prevInProc
	} else {
		p.last = t.prevInProc
	}
	t.nextInProc, t.prevInProc = nil, nil
	if t.co != nil && !t.co.gone {
		t.w.idle = append(t.w.idle, t.co)
	}
	t.co, t.f, t.onReturn = nil, nil, nil
	t.ended = true
	t.w.wakeAll(&t.waiters)
}

// dequeue takes a task that is about to be unwound off every queue.
func (t *task) dequeue() {
	w := t.w
	t.dead = true
	if t.readyPos != 0 {
		w.unready(t)
	}
	t.leaveQueue()
	w.timers.disarm(&t.timer)
	if w.handoff == t {
		w.handoff = nil
	}
}

// unwind runs a killed task to its end: its seam panics and so does every seam
// its deferred functions call. A task that has not begun just never begins.
func (t *task) unwind() {
	if t.co != nil && !t.co.gone {
		t.w.resume(t)
		if !t.ended {
			panic(fmt.Sprintf("sim: task %q of %s outlived its kill", t.name, t.p.node.name))
		}
	}
	t.bury()
}

// Wait blocks until the task has ended.
func (t *task) Wait() {
	me := t.w.self("Task.Wait")
	for !t.ended {
		me.waitOn(&t.waiters, 0, waitTask, t)
	}
}

// Done reports whether the task has ended.
func (t *task) Done() bool {
	t.w.alive()
	return t.ended
}

// whereText says where a task waits, for people.
func (t *task) whereText() string {
	if t.p.paused && t.where == waitReady {
		return "paused"
	}
	switch t.where {
	case waitReady:
		return "ready"
	case waitSleep:
		return "sleep"
	case waitCond:
		return "condition"
	case waitOutside:
		return "scheduler"
	case waitTask:
		return fmt.Sprintf("end of task %q", t.on.(*task).name)
	case waitAccept:
		return "accept on " + t.on.(*listener).Addr()
	case waitRead:
		return "read from " + t.on.(*end).RemoteAddr()
	case waitWrite:
		return "write to " + t.on.(*end).RemoteAddr()
	case waitDial:
		return "dial " + t.on.(*stream).ends[1].node.name
	case waitDisk, waitStalled:
		text := t.callKind.String() + " of " + t.callPath
		if t.where == waitStalled {
			text += " (stalled)"
		}
		return text
	}
	return fmt.Sprintf("unknown place %d", t.where)
}
