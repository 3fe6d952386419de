package experiment

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/product"
)

// facts turns the disk's log into what a contract speaks of: the writes and
// syncs of the file that replies depend on, and the snapshots. It reads calls,
// never the plan, so that what it says struck did strike. The same code serves
// the simulated disk and the one under real servers.
type facts struct {
	ids   []uint64 // call IDs of the epoch's log writes
	forks []time.Duration
	used  int
	incrs []incrFile // the incr files that are there, oldest first
	// fresh: a file of the AOF has got its name, and the sync of the directory has
	// not returned; nothing was removed since. ahead: so has the manifest, right
	// after it.
	fresh, ahead bool
	// carries: where the disk commits one thing it commits all that came before,
	// data included (see commitsCarryData).
	carries bool
}

// incrFile is what the log says of one incr file.
type incrFile struct {
	ino     disk.Ino
	written uint64 // call ID of the last write that had returned; 0: none
	synced  uint64 // of the last write that a returned sync covers
	asked   uint64 // of the last write that any sync covers, returned or in flight
	bytes   int64  // of the writes after that
	// inFlight are the bytes that only syncs cover that had not returned.
	inFlight int64
	since    time.Duration // entry of the first of them
}

// read fills in one epoch from the calls in log[from:]. forks are the instants
// at which the server said it forked a snapshot child, in order.
func (f *facts) read(log []disk.Record, forks []time.Duration, e *history.Epoch) {
	f.ids, f.forks, f.used, f.incrs, f.fresh, f.ahead = f.ids[:0], forks, 0, f.incrs[:0], false, false
	for i := range log {
		c := &log[i]
		if product.IsIncr(c.Path) {
			f.follow(c)
		}
		if f.carries && c.Kind.IsSync() && c.Kind != disk.OpSyncRange && c.Err == 0 {
			f.carried(c.Return == disk.Never)
		}
		f.switching(&c.Call)
		switch {
		case c.Kind == disk.OpWrite && product.IsIncr(c.Path):
			if c.Err == 0 {
				f.ids = append(f.ids, c.ID)
				e.LogWrites = append(e.LogWrites, history.DiskWrite{Enter: c.Enter, Return: c.Return, Bytes: c.Len})
			}
		case (c.Kind == disk.OpFsync || c.Kind == disk.OpFdatasync) && product.IsIncr(c.Path):
			e.LogSyncs = append(e.LogSyncs, history.DiskSync{
				Enter: c.Enter, Return: c.Return, Covers: f.writeReturned(c.Covers, e), Failed: c.Err != 0})
		case c.Kind.IsSync() && c.Return-c.Enter > longSync:
			e.Blocked = append(e.Blocked, history.Interval{From: c.Enter, To: c.Return})
		}
		switch {
		case c.Kind == disk.OpCreate && product.IsSnapshotTemp(c.Path):
			e.Snapshots = append(e.Snapshots, history.Snapshot{
				Fork: f.forkBefore(c.Enter), Began: c.Enter, Renamed: history.Never, Durable: history.Never})
		case c.Kind == disk.OpRename && product.IsSnapshotTemp(c.Path) && c.Err == 0 && len(e.Snapshots) > 0:
			e.Snapshots[len(e.Snapshots)-1].Renamed = c.Return
		case c.Kind == disk.OpDirSync && product.IsRoot(c.Path) && c.Err == 0 && c.Return != disk.Never:
			for j := range e.Snapshots {
				if s := &e.Snapshots[j]; s.Renamed <= c.Enter && s.Durable == history.Never {
					s.Durable = c.Return
				}
			}
		}
	}
}

// follow keeps track of what is durable of each incr file.
func (f *facts) follow(c *disk.Record) {
	i := 0
	for i < len(f.incrs) && f.incrs[i].ino != c.Ino {
		i++
	}
	switch {
	case c.Kind == disk.OpUnlink:
		if i < len(f.incrs) {
			f.incrs = slices.Delete(f.incrs, i, i+1)
		}
		return
	case c.Kind == disk.OpCreate || c.Kind == disk.OpWrite:
		if i == len(f.incrs) {
			f.incrs = append(f.incrs, incrFile{ino: c.Ino})
		}
		if c.Kind == disk.OpWrite && c.Err == 0 {
			w := &f.incrs[i]
			if w.written = c.ID; w.bytes == 0 {
				w.since = c.Enter
			}
			w.bytes += c.Len
		}
	case c.Kind.IsSync() && i < len(f.incrs) && c.Err == 0:
		w := &f.incrs[i]
		if c.Return != disk.Never {
			w.synced = max(w.synced, c.Covers)
		}
		if w.asked = max(w.asked, c.Covers); w.asked == w.written {
			if c.Return == disk.Never {
				w.inFlight += w.bytes
			}
			w.bytes = 0
		}
	}
}

// carried notes a sync of anything, or a commit of the kernel's own: what was
// written before it may be durable with it.
func (f *facts) carried(inFlight bool) {
	for i := range f.incrs {
		w := &f.incrs[i]
		if inFlight {
			w.inFlight += w.bytes
		} else {
			w.inFlight = 0
		}
		w.bytes = 0
	}
}

// switching keeps track of whether the server has just renamed the manifest. A
// server that does anything else in the directory than sync it does not mean to.
func (f *facts) switching(c *disk.Call) {
	switch {
	case c.Err != 0 || !strings.Contains(c.Path, product.AOFDir) && !strings.Contains(c.Path2, product.AOFDir):
	case c.Kind == disk.OpRename && strings.HasSuffix(c.Path2, product.Manifest):
		f.ahead = f.fresh
	case c.Kind == disk.OpDirSync:
		unsynced := c.Return == disk.Never
		f.fresh, f.ahead = f.fresh && unsynced, f.ahead && unsynced
	case c.Kind == disk.OpCreate && product.IsIncr(c.Path), c.Kind == disk.OpRename && strings.Contains(c.Path2, ".base."):
		f.fresh, f.ahead = true, false
	case c.Kind == disk.OpUnlink:
		f.fresh, f.ahead = false, false
	case c.Kind.Mutates():
		f.ahead = false
	}
}

// unsynced is how many bytes of the incr files no returned sync covered and the
// kernel cannot have written back by itself: when it is more than 0, a power
// cut that keeps nothing must leave another image than what the disk showed.
// A sync in flight may have done its work already; inFlight says that it has not.
func (f *facts) unsynced(tc time.Duration, inFlight bool) int64 {
	n := int64(0)
	for i := range f.incrs {
		w := &f.incrs[i]
		if tc-w.since < disk.DefaultWriteBack.Expire {
			n += w.bytes
			if inFlight {
				n += w.inFlight
			}
		}
	}
	return n
}

// oldIncrUnsynced reports whether, when the life ended, an incr file other
// than the last held writes that no returned sync covered: a rewrite had gone
// on to the next file, and the background sync of the one before was not over
// (redis 7.0.15 aof.c openNewIncrAofForAppend).
func (f *facts) oldIncrUnsynced() bool {
	for i := 0; i+1 < len(f.incrs); i++ {
		if f.incrs[i].written > f.incrs[i].synced {
			return true
		}
	}
	return false
}

// longSync is from when on a sync of another file than the log counts as one
// that may have kept the main thread from its work.
const longSync = 10 * time.Millisecond

// writeReturned is the return time of the log write with that call ID, -1 when
// there is none (a sync of a file that nobody had written to).
func (f *facts) writeReturned(id uint64, e *history.Epoch) time.Duration {
	i := sort.Search(len(f.ids), func(i int) bool { return f.ids[i] >= id })
	if i == len(f.ids) || f.ids[i] != id {
		return -1
	}
	return e.LogWrites[i].Return
}

// forkBefore is the instant of the fork that a snapshot file created at t
// belongs to: the first announced one not used up, if it is not later. Without
// an announcement the server wrote the file itself (SAVE): nothing ran between.
func (f *facts) forkBefore(t time.Duration) time.Duration {
	for f.used < len(f.forks) && f.forks[f.used] <= t {
		f.used++
		if f.used == len(f.forks) || f.forks[f.used] > t {
			return f.forks[f.used-1]
		}
	}
	return t
}

// crashPoint names the last call of a snapshot or rewrite that had entered
// before the crash, when that snapshot or rewrite had not ended: its place in
// the sequence and what it was. "" when the crash struck outside of one.
func crashPoint(log []disk.Record, tc time.Duration) string {
	start, last := -1, -1
	calls := 0
	for i := range log {
		c := &log[i].Call
		if c.Enter > tc {
			break
		}
		switch {
		case product.IsSnapshotTemp(c.Path) || start >= 0 && c.Kind == disk.OpDirSync && product.IsRoot(c.Path):
			if c.Kind == disk.OpCreate {
				start, calls = i, 0
			}
		case product.IsRewrite(c):
			if c.Kind == disk.OpCreate && product.IsIncr(c.Path) {
				start, calls = i, 0
			}
		default:
			continue
		}
		if start < 0 {
			continue
		}
		calls++
		last = i
	}
	if last < 0 {
		return ""
	}
	c := &log[last].Call
	name := c.Kind.String() + " " + product.Role(c.Path) + " #" + strconv.Itoa(calls)
	if c.Return <= tc {
		return "after " + name
	}
	// A call that takes long has many points inside.
	return "in " + name + " since " + (tc - c.Enter).Round(pointWidth).String()
}

// pointWidth is how far apart two instants inside one call must be to count as
// different points.
const pointWidth = 250 * time.Microsecond
