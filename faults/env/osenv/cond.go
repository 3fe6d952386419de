package osenv

import (
	"slices"
	"time"

	"github.com/torntail/torntail/faults/env"
)

// cond wakes its waiters first come, first served. (sync.Cond has no timeout.)
type cond struct {
	env     *Env
	waiting []*waiter // all fields under the environment's lock
	spare   []*waiter
}

// waiter is one waiting task. The channel holds one wake-up, so that Signal
// never blocks.
type waiter struct {
	wake  chan struct{}
	timer *time.Timer
}

// NewCond implements env.Env.
func (e *Env) NewCond() env.Cond { return &cond{env: e} }

func (c *cond) enqueue() *waiter {
	var w *waiter
	if n := len(c.spare); n > 0 {
		w = c.spare[n-1]
		c.spare = c.spare[:n-1]
	} else {
		w = &waiter{wake: make(chan struct{}, 1)}
	}
	c.waiting = append(c.waiting, w)
	return w
}

// Wait implements env.Cond.
func (c *cond) Wait() {
	w := c.enqueue()
	c.env.mu.Unlock()
	<-w.wake
	c.env.mu.Lock()
	c.spare = append(c.spare, w)
}

// WaitFor implements env.Cond.
func (c *cond) WaitFor(d time.Duration) bool {
	w := c.enqueue()
	if w.timer == nil {
		w.timer = time.NewTimer(d)
	} else {
		w.timer.Reset(d)
	}
	c.env.mu.Unlock()
	woken := true
	select {
	case <-w.wake:
		w.timer.Stop()
	case <-w.timer.C:
		woken = false
	}
	c.env.mu.Lock()
	if !woken {
		if i := slices.Index(c.waiting, w); i >= 0 {
			c.waiting = slices.Delete(c.waiting, i, i+1)
		} else {
			// Woken between the timer and the lock: the wake-up is ours, and
			// would be lost to the other waiters if it were not reported.
			<-w.wake
			woken = true
		}
	}
	c.spare = append(c.spare, w)
	return woken
}

// Signal implements env.Cond.
func (c *cond) Signal() {
	if len(c.waiting) == 0 {
		return
	}
	w := c.waiting[0]
	c.waiting = slices.Delete(c.waiting, 0, 1)
	w.wake <- struct{}{}
}

// Broadcast implements env.Cond.
func (c *cond) Broadcast() {
	for _, w := range c.waiting {
		w.wake <- struct{}{}
	}
	clear(c.waiting)
	c.waiting = c.waiting[:0]
}
