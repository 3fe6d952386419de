package sim

import (
	"iter"
	"runtime/debug"
)

// unwound is what a seam panics with in a task that has been killed. It is
// private so that no task can mistake it for an error of its own.
type unwound struct{}

// coroutine runs tasks, one after the other: when a task's function has ended
// or was unwound, the coroutine waits for the next task. Making one costs a
// goroutine and its stack, a node start would need several; reusing them makes
// a start cost well under a microsecond (BenchmarkStartKill).
type coroutine struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	task  *task // nil: idle
	gone  bool  // runtime.Goexit ended it; it cannot run anything again
}

// coroutine takes an idle coroutine or makes one.
func (w *World) coroutine() *coroutine {
	if n := len(w.idle); n > 0 {
		c := w.idle[n-1]
		w.idle = w.idle[:n-1]
		return c
	}
	c := &coroutine{}
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		for {
			c.run()
			if !yield(struct{}{}) {
				return
			}
		}
	})
	w.coroutines = append(w.coroutines, c)
	return c
}

// run calls the task's function to its end, whichever it is.
func (c *coroutine) run() {
	t := c.task
	returned := false
	defer func() {
		r := recover()
		c.task = nil
		t.ended = true
		switch {
		case t.dead:
			// Unwound. If a deferred function has failed on the way (its node's
			// memory is half changed, its seams are dead) that is of no interest:
			// a killed process runs no deferred functions at all.
			c.gone = r == nil && !returned
		case returned:
		case r == nil:
			// No panic and no return: runtime.Goexit, which testify's require and
			// testing.T.FailNow call. It will end the goroutine that called Run as well.
			c.gone = true
			t.w.fail(&GoexitError{Node: t.p.node.name, Task: t.name})
		default:
			t.w.fail(&PanicError{Node: t.p.node.name, Task: t.name, Value: r, Stack: debug.Stack()})
		}
	}()
	t.f()
	returned = true
}
