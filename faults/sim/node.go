package sim

import (
	"fmt"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// Node is a machine: a disk, a place in the network, and at most one process
// (with the children that it or its predecessors forked). Its methods may be
// called from callbacks, from tasks and between two Runs; those that start, kill
// or pause take effect at once, outside all tasks.
type Node struct {
	w    *World
	name string
	id   int // number in links and traces
	disk *disk.Disk

	proc     *proc   // nil: no process runs
	children []*proc // forked and still alive, in the order of their forks
	off      bool    // since a power cut, until the next start
	forkless bool    // no child can be forked
	exited   func()

	clock     time.Duration // what the wall clock is off by
	listeners []*listener
	nextPort  int

	device  device
	syncs   []inFlightSync
	dirty   []dirtyFile
	tickTmr timer
	stalled waitList
}

// Node adds a machine. A node without a disk (nil) is a client's.
func (w *World) Node(name string, d *disk.Disk) *Node {
	if w.lookup(name) != nil {
		panic(fmt.Sprintf("sim: second node called %q", name))
	}
	n := w.nodePool.get()
	n.w, n.name, n.id, n.disk, n.nextPort = w, name, len(w.nodes), d, firstEphemeralPort
	n.tickTmr.kind, n.tickTmr.node = tickDisk, n
	w.nodes = append(w.nodes, n)
	w.links.Grow(len(w.nodes))
	return n
}

// lookup finds a node by name; there are few, so a walk is faster than a map.
func (w *World) lookup(name string) *Node {
	for _, n := range w.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// Name is the node's name.
func (n *Node) Name() string { return n.name }

// Disk is the disk as it is now: after a power cut the image that it left.
func (n *Node) Disk() *disk.Disk { return n.disk }

// SetDisk puts in another disk, as between a crash and a restart; no process may run.
func (n *Node) SetDisk(d *disk.Disk) {
	if n.proc != nil || len(n.children) > 0 {
		panic("sim: SetDisk of " + n.name + " while a process runs on it")
	}
	n.w.timers.disarm(&n.tickTmr)
	n.disk = d
}

// Running reports whether the node's process runs (paused counts as running).
func (n *Node) Running() bool { return n.proc != nil }

// Children is how many forked children are alive, of whichever parent.
func (n *Node) Children() int { return len(n.children) }

// OnExit sets what the scheduler calls when a process started by Start has
// ended by itself (its main returned), not when it was killed.
func (n *Node) OnExit(f func()) { n.exited = f }

// Start starts a process, switching the machine on if it was off. When main
// returns the process exits: its other threads die and its connections close
// in an orderly way. fs is nil when the node has no disk.
func (n *Node) Start(main func(e env.Env, fs vfs.FS)) {
	n.w.Outside(func() {
		if n.proc != nil {
			panic("sim: Start of " + n.name + ", which runs already")
		}
		n.note("start")
		n.powerOn()
		p := n.newProc(false)
		n.proc = p
		var fs vfs.FS
		if n.disk != nil {
			p.gate.n = n
			fs = n.disk.FS(&p.gate)
		}
		p.main = n.w.newTask(p, "main", func() { main(p, fs) })
	})
}

// Env is the environment of the node's process. On a node without one, such as
// a client's, it starts an empty process, which lasts until it is killed.
func (n *Node) Env() env.Env {
	n.w.Outside(func() {
		if n.proc == nil {
			n.powerOn()
			n.proc = n.newProc(false)
		}
	})
	return n.proc
}

// Go starts a task in the node's process (see Env).
func (n *Node) Go(name string, f func(e env.Env)) env.Task {
	e := n.Env()
	return e.Go(name, func() { f(e) })
}

// Kill is SIGKILL: the process's tasks end where they are, what reached the disk's
// volatile view stays, its sockets are closed by the kernel. Forked children go on
// unless tree is set. Nothing happens when no process runs.
func (n *Node) Kill(tree bool) {
	n.w.Outside(func() {
		n.note("kill")
		if n.proc != nil {
			n.proc.die(closeByKernel)
		}
		for tree && len(n.children) > 0 {
			n.children[0].die(closeByKernel)
		}
	})
}

// KillChildren is SIGKILL of the forked children alone; it returns how many there were.
func (n *Node) KillChildren() (killed int) {
	n.w.Outside(func() {
		n.note("kill-children")
		for ; len(n.children) > 0; killed++ {
			n.children[0].die(closeByKernel)
		}
	})
	return killed
}

// RefuseForks makes every fork fail from now on, or no more.
func (n *Node) RefuseForks(on bool) { n.forkless = on }

// PowerCut switches the machine off: all its processes end, nothing is sent to
// their peers, and the disk becomes what the choice leaves of it.
func (n *Node) PowerCut(c disk.Choice) disk.Cut {
	var cut disk.Cut
	n.w.Outside(func() {
		n.note("power-cut")
		n.off = true
		// The image first: what a call in flight has done by now is in play, and
		// unwinding is not allowed to add to it.
		if n.disk != nil {
			image := n.w.image()
			cut = n.disk.PowerCutInto(image, c, n.w.now)
			n.w.mix(cut.Image)
			n.disk = image
		}
		n.die(vanish)
	})
	return cut
}

// die ends every process of the node.
func (n *Node) die(how closing) {
	if n.proc != nil {
		n.proc.die(how)
	}
	for len(n.children) > 0 {
		n.children[0].die(how)
	}
	if how == vanish {
		n.w.timers.disarm(&n.tickTmr)
		n.device = device{}
		n.dirty = n.dirty[:0]
	}
}

// powerOn makes the machine answer again: peers that still retransmit to
// connections it has forgotten are reset.
func (n *Node) powerOn() {
	if !n.off {
		return
	}
	n.off = false
	for _, s := range n.w.streams {
		for i := range s.ends {
			if s.ends[i].node == n && s.ends[i].gone && s.pipes[1-i].lost {
				s.pipes[i].sendControl(segReset, retransmitted(n.w))
			}
		}
	}
}

// Pause is SIGSTOP of the process (not of its children): its tasks get no CPU,
// its kernel goes on answering.
func (n *Node) Pause() {
	n.w.Outside(func() {
		n.note("pause")
		if n.proc != nil {
			n.proc.paused = true
		}
	})
}

// Resume is SIGCONT.
func (n *Node) Resume() {
	n.w.Outside(func() {
		n.note("resume")
		p := n.proc
		if p == nil || !p.paused {
			return
		}
		p.paused = false
		for i, t := range p.parked {
			p.parked[i] = nil
			n.w.makeReady(t)
		}
		p.parked = p.parked[:0]
	})
}

// Paused reports whether the process is stopped.
func (n *Node) Paused() bool { return n.proc != nil && n.proc.paused }

// SetClock makes the node's wall clock differ from the world's by d.
func (n *Node) SetClock(d time.Duration) {
	n.w.event(traceNode, uint64(n.id), uint64(d))
	n.clock = d
}

// Stalled is how many disk calls of the node wait for ReleaseStalled.
func (n *Node) Stalled() int {
	c := 0
	for t := n.stalled.head; t != nil; t = t.next {
		c++
	}
	return c
}

// ReleaseStalled answers the disk calls that a fault stalled.
func (n *Node) ReleaseStalled() { n.w.wakeAll(&n.stalled) }

// note records what happens to a node.
func (n *Node) note(what string) {
	n.w.event(traceNode, uint64(n.id), 0)
	mixBytes(n.w, what)
	if n.w.trace != nil {
		n.w.line("%s %s", what, n.name)
	}
}

// processes are the node's process and its children.
func (n *Node) processes() []*proc {
	var ps []*proc
	if n.proc != nil {
		ps = append(ps, n.proc)
	}
	return append(ps, n.children...)
}
