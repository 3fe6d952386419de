package sim

import (
	"slices"
	"time"

	"github.com/torntail/torntail/faults/disk"
)

// gate makes the disk calls of one process take virtual time and lets faults
// strike in them (disk.Gate).
type gate struct{ n *Node }

// inFlightSync is a sync that has entered and not returned; writes to the same
// file may have to wait for it, in task.behind.
type inFlightSync struct {
	task *task
	ino  disk.Ino
}

// dirtyFile is how much was written to a file since its last sync: what the next one has to transfer.
type dirtyFile struct {
	ino   disk.Ino
	bytes int64
}

// Enter asks the hook and strikes at the entry.
func (g *gate) Enter(c *disk.Call) disk.Decision {
	n := g.n
	w := n.w
	t := w.self("disk call")
	c.Enter = w.now
	t.callKind, t.callPath = c.Kind, c.Path
	w.event(traceDiskEnter, uint64(c.Kind)<<56^t.id, uint64(c.Ino))
	w.mix(uint64(c.Off))
	w.mix(uint64(c.Len))
	mixBytes(w, c.Path)
	if w.trace != nil {
		w.line("disk %s/%s %s %s%s ino %d [%d,+%d)", n.name, t.name, c.Kind, c.Path, arrow(c.Path2), c.Ino, c.Off, c.Len)
	}
	if w.hook == nil {
		return disk.Decision{}
	}
	d := w.hook(n, c)
	t.onReturn = nil
	if d.Strike != nil {
		switch d.Place {
		case disk.PlaceEnter:
			w.strike(d.Strike)
			d.Strike = nil
		case disk.PlaceReturn:
			t.onReturn = d.Strike
			d.Strike = nil
		}
	}
	return d
}

func arrow(path2 string) string {
	if path2 == "" {
		return ""
	}
	return " -> " + path2
}

// strike runs what a fault does to the world. The calling task comes back if it survives.
func (w *World) strike(f func()) {
	if w.trace != nil {
		w.line("strike")
	}
	w.Outside(f)
}

// Wait blocks for the call's duration.
func (g *gate) Wait(c *disk.Call, d disk.Decision) {
	n := g.n
	w := n.w
	t := w.self("disk call")
	switch {
	case syncs(c):
		n.syncs = append(n.syncs, inFlightSync{t, c.Ino})
	case c.Kind == disk.OpWrite && w.profile.WriteBehindSync > 0:
		g.behindSync(t, c)
	}
	begin := t.use(w.profile.Syscall)
	end := begin + w.latency(n, c, begin) + d.Delay
	if d.Strike != nil {
		at := w.now + time.Duration(float64(end-w.now)*min(max(d.Fraction, 0), 1))
		if at > w.now {
			t.sleepUntil(at, waitDisk, nil)
		}
		w.strike(d.Strike)
	}
	if d.Stall {
		t.waitOn(&n.stalled, 0, waitStalled, nil)
	}
	if end > w.now {
		t.sleepUntil(end, waitDisk, nil)
	}
	if syncs(c) {
		n.endSync(t)
	}
}

// behindSync makes a write wait for a sync of its file in flight, when the
// profile's dice say that the kernel would.
func (g *gate) behindSync(t *task, c *disk.Call) {
	n := g.n
	for i := range n.syncs {
		if n.syncs[i].ino == c.Ino {
			if uint32(n.w.rng.uint64()>>54) < n.w.profile.WriteBehindSync {
				t.waitOn(&n.syncs[i].task.behind, 0, waitDisk, nil)
			}
			return
		}
	}
}

// endSync lets writes behind a task's sync go on: it has returned, or its process is dead.
func (n *Node) endSync(t *task) {
	n.syncs = slices.DeleteFunc(n.syncs, func(s inFlightSync) bool { return s.task == t })
	n.w.wakeAll(&t.behind)
}

// Return strikes at the return.
func (g *gate) Return(c *disk.Call) {
	n := g.n
	w := n.w
	t := w.self("disk call")
	c.Return = w.now
	w.event(traceDiskReturn, t.id, uint64(c.Err))
	if w.trace != nil {
		w.line("disk %s/%s %s %s returns %d", n.name, t.name, c.Kind, c.Path, c.Err)
	}
	if c.Kind == disk.OpWrite && c.Err == 0 && !syncs(c) {
		n.written(c.Ino, c.Len)
	}
	n.armTick()
	if f := t.onReturn; f != nil {
		t.onReturn = nil
		w.strike(f)
	}
}

// written adds to what the next sync of a file has to transfer.
func (n *Node) written(ino disk.Ino, bytes int64) {
	for i := range n.dirty {
		if n.dirty[i].ino == ino {
			n.dirty[i].bytes += bytes
			return
		}
	}
	n.dirty = append(n.dirty, dirtyFile{ino, bytes})
}

// takeDirty is what a sync that enters now has to transfer.
func (n *Node) takeDirty(c *disk.Call) int64 {
	var bytes int64
	n.dirty = slices.DeleteFunc(n.dirty, func(f dirtyFile) bool {
		if f.ino != c.Ino && c.Kind != disk.OpSyncFS {
			return false
		}
		bytes += f.bytes
		return true
	})
	return bytes
}

// armTick makes the scheduler call the disk when its background write-back is due.
func (n *Node) armTick() {
	if n.tickTmr.pos != 0 {
		return
	}
	if at, ok := n.disk.NextTick(); ok {
		n.w.timers.arm(&n.tickTmr, max(at, n.w.now))
	}
}

// tick is one round of background write-back.
func (n *Node) tick() {
	n.disk.Tick(n.w.now)
	if at, ok := n.disk.NextTick(); ok {
		n.w.timers.arm(&n.tickTmr, max(at, n.w.now+time.Nanosecond))
	}
}
