// Package osenv is the seam env on the real machine: tasks are goroutines
// under one lock for each environment, which every call that can block
// releases. So at most one task of an environment runs at a time, and it gives
// way at the same places as in simulation.
package osenv

import (
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/torntail/torntail/faults/env"
)

// Env is one node's environment. Its methods may be called only by its own
// tasks, or between Enter and Leave.
type Env struct {
	mu    exclusion
	node  string
	start time.Time
	rng   *rand.Rand
	// secure, when not nil, makes a connection that was dialed one to be used.
	secure func(net.Conn) (net.Conn, error)
}

// Secure has every connection that is dialed from now on pass through f, which
// may encrypt it and authenticate itself, and closes it when that fails. f runs
// outside of the environment's exclusion.
func (e *Env) Secure(f func(net.Conn) (net.Conn, error)) { e.secure = f }

// New makes an environment. The world begins now; seed feeds Uint64.
func New(node string, seed uint64) *Env { return NewAt(node, seed, time.Now()) }

// NewAt makes an environment of a world that began at start, which must hold a
// monotonic clock reading: environments, disks and processes of one world that
// share it stamp times that can be compared.
func NewAt(node string, seed uint64, start time.Time) *Env {
	return &Env{node: node, start: start, rng: rand.New(rand.NewPCG(seed, 0))}
}

var _ env.Env = (*Env)(nil)

// Enter makes the calling goroutine a task of the environment until Leave. It
// waits until no other task runs.
func (e *Env) Enter() { e.mu.Lock() }

// Leave ends what Enter began.
func (e *Env) Leave() { e.mu.Unlock() }

// GiveWay lets the tasks that wait for their turn have it, if there are any: a task that
// makes no call that does so for long calls it now and then.
func (e *Env) GiveWay() {
	if e.mu.waiting.Load() > 0 {
		e.mu.Unlock()
		runtime.Gosched()
		e.mu.Lock()
	}
}

// exclusion is a mutex that knows whether anybody waits for it.
type exclusion struct {
	mu      sync.Mutex
	waiting atomic.Int32
}

func (x *exclusion) Lock() {
	if x.mu.TryLock() {
		return
	}
	x.waiting.Add(1)
	x.mu.Lock()
	x.waiting.Add(-1)
}

func (x *exclusion) Unlock() { x.mu.Unlock() }

// Node implements env.Env.
func (e *Env) Node() string { return e.node }

// Now implements env.Env.
func (e *Env) Now() time.Duration { return time.Since(e.start) }

// Wall implements env.Env.
func (e *Env) Wall() time.Time { return time.Now() }

// Sleep implements env.Env.
func (e *Env) Sleep(d time.Duration) {
	e.mu.Unlock()
	defer e.mu.Lock()
	time.Sleep(d)
}

// Uint64 implements env.Env.
func (e *Env) Uint64() uint64 { return e.rng.Uint64() }

// Go implements env.Env.
func (e *Env) Go(name string, f func()) env.Task {
	t := &task{env: e, ended: make(chan struct{})}
	go func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		defer t.end()
		f()
	}()
	return t
}

// Fork implements env.Env. A real child process would outlive a kill of this
// one; a goroutine does not. What the seam promises to the child, a private
// copy of what it reads, is the caller's to keep in both worlds.
func (e *Env) Fork(name string, f func()) (env.Task, error) { return e.Go(name, f), nil }

// Orphaned implements env.Env: a goroutine does not outlive its process.
func (e *Env) Orphaned() bool { return false }

type task struct {
	env   *Env
	ended chan struct{}
	done  bool // under the environment's lock
}

func (t *task) end() {
	t.done = true
	close(t.ended)
}

// Wait implements env.Task.
func (t *task) Wait() {
	if t.done {
		return
	}
	t.env.mu.Unlock()
	defer t.env.mu.Lock()
	<-t.ended
}

// Done implements env.Task.
func (t *task) Done() bool { return t.done }
