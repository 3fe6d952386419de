// Package env is the seam between a node and the world it runs in: time,
// tasks, randomness and the network. (Its disk is the seam vfs.)
//
// Two worlds implement it: faults/sim, where every task of every node is a
// coroutine under one scheduler with a virtual clock and one seeded generator,
// and faults/env/osenv, where tasks are goroutines under one lock per
// environment.
//
// # The rule both worlds share
//
// At any moment at most one task of an environment runs. It gives way only
// inside a call that can block: Sleep, Cond.Wait and WaitFor, Task.Wait,
// Listener.Accept, Dial, Conn.Read and Write, and every call of the vfs.FS that
// belongs to the environment. Between two such calls a task has its
// environment's memory to itself, so code on this seam needs no mutex and must
// use none: no sync package, no channels, no go statement, no recover without
// a re-panic, no runtime.Goexit.
//
// # Dying
//
// When a node is killed its tasks are unwound: the seam call in which a task
// sits panics with a private value, and any further seam call from a deferred
// function panics again. Deferred calls must therefore not rely on the seam.
package env

import (
	"errors"
	"io"
	"time"
)

// Env is one node's view of its world. All methods are called from the node's own tasks.
type Env interface {
	// Node is the node's name: "n1", "s1", "c1".
	Node() string

	// Now is the monotonic time since the world began. All nodes of a world share it.
	Now() time.Duration
	// Wall is the node's wall clock. A clock fault moves it; Now never jumps.
	Wall() time.Time
	Sleep(d time.Duration)

	// Go starts a thread of this process. It dies with the process.
	Go(name string, f func()) Task
	// Fork starts a child process that shares no fate with its parent: a kill of
	// the parent alone leaves it running (Redis's snapshot and rewrite children).
	// What the child reads of the parent's memory must have been copied before.
	// An error, such as ErrNoFork, means that there is no child.
	Fork(name string, f func()) (Task, error)
	// Orphaned reports whether the running task is of a child whose parent has
	// ended: what the child would tell it fails, as a pipe without a reader does.
	Orphaned() bool
	// NewCond makes a condition the environment's tasks can wait on.
	NewCond() Cond

	// Uint64 draws from the world's seeded generator.
	Uint64() uint64

	Listen(addr string) (Listener, error)
	Dial(addr string) (Conn, error)
}

// Task is a started thread or child.
type Task interface {
	// Wait blocks until the task has ended.
	Wait()
	// Done reports whether the task has ended, without blocking.
	Done() bool
}

// Cond is a condition variable under the environment's own exclusion.
type Cond interface {
	Wait()
	// WaitFor waits at most d and reports whether it was woken (false: time ran out).
	WaitFor(d time.Duration) bool
	Signal()
	Broadcast()
}

// Listener accepts connections.
type Listener interface {
	Accept() (Conn, error)
	Close() error
	Addr() string
}

// Conn is a byte stream between two nodes. One task may read while another writes.
type Conn interface {
	io.Reader // io.EOF after the peer's orderly close, ErrReset after a broken one
	io.Writer
	io.Closer
	// SetReadDeadline makes reads fail with ErrTimeout once Now reaches t; 0 is none.
	SetReadDeadline(t time.Duration)
	// SetWriteDeadline is the same for writes.
	SetWriteDeadline(t time.Duration)
	// LocalNode and RemoteNode name the nodes at either end; "" when not known.
	LocalNode() string
	RemoteNode() string
	// LocalAddr and RemoteAddr are "host:port" of either end.
	LocalAddr() string
	RemoteAddr() string
}

// ErrNoFork is fork(2) failing with EAGAIN.
//
//lint:ignore ST1005 it stands in logs as the C library says it
var ErrNoFork = errors.New("Resource temporarily unavailable")

// Errors of the network seam. Implementations return these, possibly wrapped.
var (
	ErrTimeout = errors.New("i/o timeout")
	ErrReset   = errors.New("connection reset by peer")
	ErrRefused = errors.New("connection refused")
	ErrClosed  = errors.New("use of closed connection")
)
