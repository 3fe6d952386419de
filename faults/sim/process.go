package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/torntail/torntail/faults/env"
)

// closing is what becomes of a process's sockets when it ends.
type closing uint8

const (
	closeByKernel closing = iota // exit or kill: FIN, or RST where data was unread
	vanish                       // power cut: nothing is sent
)

// proc is one incarnation of a node's process, or a forked child. It is the
// env.Env of its tasks. A child's tasks use their parent's Env and file system,
// which the forking code has in its hands; what they start or open there is
// nevertheless theirs (see owner).
type proc struct {
	w      *World
	node   *Node
	child  bool
	parent *proc // of a child; it may be dead
	dead   bool
	paused bool
	main   *task // its end is the process's; nil for an empty process (Node.Env)
	gate   gate  // of the file system that Start made

	first, last *task   // in the order they were started
	parked      []*task // ready, while paused
	cpuFree     time.Duration

	ends *end // newest first
}

func (n *Node) newProc(child bool) *proc {
	p := n.w.procs.get()
	p.w, p.node, p.child = n.w, n, child
	return p
}

// die kills a process: mark, dequeue, close, unwind; in this order, so that a
// task which is unwound finds nothing of its world alive.
func (p *proc) die(how closing) {
	p.dead = true
	for t := p.first; t != nil; t = t.nextInProc {
		t.dequeue()
	}
	clear(p.parked)
	p.parked = p.parked[:0]
	n := p.node
	for i := 0; i < len(n.syncs); {
		if t := n.syncs[i].task; t.p == p {
			n.endSync(t)
		} else {
			i++
		}
	}
	p.closeSockets(how)
	if p.child {
		i := slices.Index(n.children, p)
		n.children = slices.Delete(n.children, i, i+1)
	} else {
		n.proc = nil
	}
	for p.first != nil {
		p.first.unwind()
	}
}

// exit ends a process whose main function has returned.
func (p *proc) exit() {
	p.die(closeByKernel)
	if !p.child && p.node.exited != nil {
		p.node.exited()
	}
}

func (p *proc) closeSockets(how closing) {
	n := p.node
	for i := 0; i < len(n.listeners); {
		if l := n.listeners[i]; l.p == p {
			l.shut(how)
		} else {
			i++
		}
	}
	for p.ends != nil {
		p.ends.shut(how)
	}
}

// owner is the process on whose behalf a seam of p is called: that of the
// running task, which may be a forked child of p.
func (p *proc) owner(seam string) *proc {
	t := p.w.cur
	if t == nil {
		if p.dead {
			panic("sim: " + seam + " of a dead process of " + p.node.name)
		}
		return p
	}
	if t.dead {
		panic(unwound{})
	}
	if t.p.node != p.node {
		// The harness's own tasks start tasks elsewhere through Node.Go.
		if p.dead {
			panic("sim: " + seam + " of a dead process of " + p.node.name)
		}
		return p
	}
	return t.p
}

// worldBegan is what wall clocks show when the world begins:
// 2026-01-01 00:00:00 UTC.
const worldBegan = 1767225600

// WorldBegan is what a wall clock shows when a world begins.
var WorldBegan = time.Unix(worldBegan, 0).UTC()

// Node is the node's name.
func (p *proc) Node() string { return p.node.name }

// Now is the virtual time since the world began.
func (p *proc) Now() time.Duration {
	p.w.alive()
	return p.w.now
}

// Wall is the node's wall clock, in UTC.
func (p *proc) Wall() time.Time {
	p.w.alive()
	return time.Unix(worldBegan, int64(p.w.now+p.node.clock)).UTC()
}

// Sleep blocks for d; 0 or less lets others run.
func (p *proc) Sleep(d time.Duration) {
	t := p.w.self("Sleep")
	t.sleepUntil(p.w.now+max(d, 0), waitSleep, nil)
}

// Go starts a thread.
func (p *proc) Go(name string, f func()) env.Task {
	return p.w.newTask(p.owner("Go"), name, f)
}

// Fork starts a child process with one task.
func (p *proc) Fork(name string, f func()) (env.Task, error) {
	parent := p.owner("Fork")
	n := p.node
	if n.forkless {
		return nil, env.ErrNoFork
	}
	c := n.newProc(true)
	c.parent = parent
	n.children = append(n.children, c)
	c.main = p.w.newTask(c, name, f)
	return c.main, nil
}

// Orphaned reports whether the running task is of a child whose parent has ended.
func (p *proc) Orphaned() bool {
	o := p.owner("Orphaned")
	return o.child && o.parent.dead
}

// NewCond makes a condition.
func (p *proc) NewCond() env.Cond {
	p.w.alive()
	c := p.w.conds.get()
	c.w = p.w
	return c
}

// Uint64 draws from the world's generator.
func (p *proc) Uint64() uint64 {
	p.w.alive()
	return p.w.rng.uint64()
}

// cond is an env.Cond. Signals wake the longest waiter; when it runs, the
// scheduler decides.
type cond struct {
	w       *World
	waiters waitList
}

func (c *cond) Wait() {
	c.w.self("Cond.Wait").waitOn(&c.waiters, 0, waitCond, nil)
}

func (c *cond) WaitFor(d time.Duration) bool {
	t := c.w.self("Cond.WaitFor")
	if d <= 0 {
		t.sleepUntil(c.w.now, waitSleep, nil)
		return false
	}
	return t.waitOn(&c.waiters, c.w.now+d, waitCond, nil)
}

func (c *cond) Signal() {
	c.w.alive()
	if c.waiters.head != nil {
		c.w.wake(c.waiters.head)
	}
}

func (c *cond) Broadcast() {
	c.w.alive()
	c.w.wakeAll(&c.waiters)
}

// String names a process in messages.
func (p *proc) String() string {
	if p.child {
		return fmt.Sprintf("child of %s", p.node.name)
	}
	return p.node.name
}
