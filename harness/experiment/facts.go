package experiment

import (
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/finding"
)

// facts turns the disk's log into what a contract speaks of: the writes and
// syncs of the file that replies depend on, and the snapshots. It reads calls,
// never the plan, so that what it says struck did strike. The same code serves
// the simulated disk and the one under real servers.
type facts struct {
	ids   []uint64 // call IDs of the epoch's log writes
	forks []time.Duration
	used  int
	logs  []logFile // the files of the log that are there, oldest first
	store product.Store
	// fresh: a file of the log has got its name, and the sync of the directory has
	// not returned; nothing was removed since. ahead: so has the index, right
	// after it.
	fresh bool
	ahead owed
	// index and snapshot are files that renames replace.
	index, snapshot owed
	rootSynced      bool
	// draft is what a rewrite writes that is to take the name of a log which is one file:
	// nil while there is none. Of the log that took a name so, its file holds all writes of
	// the log up to then (inherited).
	draft     *logFile
	took      disk.Ino
	held      uint64 // call ID of the last write that was in it then; 0: none
	inherited time.Duration
	// named: that name is durable. synced: a sync of the file has returned since it has it,
	// by the rename with that call ID.
	named, synced bool
	renamed       uint64
	// turned is when the sync of the file before the last must have been asked for: when
	// the index that names the last was durable, or the last was written to.
	turned time.Duration
	// lag is how much later than it is asked for a sync may enter: 0 in simulation. waits are
	// the stretches in which the server had no time, which comes to it.
	lag   time.Duration
	waits []history.Wait
	// closing: a sync of a file that the server has left is in flight. One thread does these, one
	// after the other (redis 7.0.15 bio.c BIO_CLOSE_FILE), so that others wait behind it.
	closing bool
	// refused: the disk did not take what was last to be written to the log, first to that file of it.
	refused   bool
	refusedIn disk.Ino
	// carriedOver: what the disk had refused to take into one file of the log was written into
	// the next, with which a rewrite goes on that has it in its base (redis 7.0.15 aof.c
	// rewriteAppendOnlyFileBackground: it goes on whether the flush before the fork succeeds or not).
	carriedOver bool
	// halfway: the sync of the directory failed after the index had got its name, which the
	// server takes for an index that was not written.
	halfway bool
	// gap: what was written after a part had been taken back begins behind the end of the file
	// (redis 7.0.15 aof.c openNewIncrAofForAppend opens without O_APPEND). cutIno is the file
	// that was cut last and not written since, cutTo its length; wroteAt is where the last write began.
	gap            bool
	cutIno         disk.Ino
	cutTo, wroteAt int64
	unable         int // place among the stretches in which the server was blocked of the last in which it was so
	// carries: where the disk commits one thing it commits all that came before,
	// data included (see commitsCarryData). reverts: a sync that fails takes what it
	// could not write from memory, too (disk.FailureMode).
	carries, reverts bool
	// moved: the index has been renamed in this life.
	moved bool
	// made is the last file of the log that has been made and not been gone on to; 0: none.
	made disk.Ino
	// untold: the last sync of the log has failed and answered success; untoldBefore: one has.
	untold, untoldBefore bool
	// earlier are files of the log that lives before have left, since the power was last cut.
	earlier []earlierLog
	// leftName: a life before has left an index whose name no sync of the directory had covered.
	leftName bool
}

// earlierLog is a file of the log that a life has left to the next, which syncs the last of
// them alone.
type earlierLog struct {
	ino      disk.Ino
	failed   bool // a sync of it has
	unsynced bool // it holds what no sync has covered
}

// logFile is what the disk's log says of one file of the server's.
type logFile struct {
	ino     disk.Ino
	path    string
	written uint64 // call ID of the last write that had returned; 0: none
	synced  uint64 // of the last write that a returned sync covers
	asked   uint64 // of the last write that any sync covers, returned or in flight
	bytes   int64  // of the writes after that
	// inFlight are the bytes that only syncs cover that had not returned.
	inFlight int64
	since    time.Duration // entry of the first of them
	// syncing: one of its syncs is in flight, behind which the next has to wait.
	syncing bool
	failed  bool // a sync of it has; what that was to make durable no later one does
	// end is where the last write ends, before where the one before it does, and durable
	// where the last that a returned sync covers.
	end, before, durable int64
}

// owed is a name for which the sync of its directory is owed.
type owed struct {
	is, asked bool
	since     time.Duration // when it had got its name
}

func (o *owed) named(at time.Duration) { *o = owed{is: true, since: at} }

// sync is told of a sync of the directory.
func (o *owed) sync(c *disk.Call) {
	if o.asked = true; c.Return != disk.Never {
		*o = owed{}
	}
}

// open reports whether at an instant the sync is asked for and has not returned, or is
// what comes next. What nobody asks for is not open for long.
//
// Between the two the server opens the directory, which is not in the disk's log.
func (o *owed) open(at time.Duration, f *facts) bool {
	return o.is && (o.asked || at-max(f.lag, opensDirectory)-f.waited(o.since, at) <= o.since)
}

// waited is for how long the server had no time from one instant to another.
func (f *facts) waited(from, to time.Duration) time.Duration {
	return durability.Waited(&history.Epoch{Waits: f.waits}, from, to)
}

// opensDirectory is how long a server takes at most between a rename and the sync of its
// directory where nobody waits for a processor.
const opensDirectory = 2 * time.Millisecond

// read fills in one epoch of a store's server from the calls in log. forks are the instants
// at which the server said it forked a snapshot child, in order.
func (f *facts) read(s product.Store, log []disk.Record, forks []time.Duration, e *history.Epoch) {
	*f = facts{store: s, ids: f.ids[:0], forks: forks, logs: f.logs[:0], carries: f.carries, reverts: f.reverts, lag: f.lag, waits: f.waits, turned: disk.Never,
		untold: f.untold, untoldBefore: f.untoldBefore, earlier: f.earlier, leftName: f.leftName}
	for i := range log {
		c := &log[i]
		role := s.Role(c.Path)
		if role == product.TheLog {
			f.closing = f.closing || c.Kind.IsSync() && c.Return == disk.Never && len(f.logs) > 0 && f.logs[len(f.logs)-1].ino != c.Ino
			f.follow(c)
			f.followEarlier(c)
		}
		f.redraft(c, role, e)
		f.naming(c)
		if f.carries && c.Kind.IsSync() && c.Kind != disk.OpSyncRange && c.Err == 0 {
			f.carried(c.Return == disk.Never)
		}
		f.switching(&c.Call, role)
		f.inRoot(&c.Call, role)
		f.taken(&c.Call, role, e)
		switch {
		case c.Kind == disk.OpWrite && role == product.TheLog:
			if c.Err == 0 {
				if e.LogWrites == nil {
					e.LogWrites = make([]history.DiskWrite, 0, ofKind(log[i:], disk.OpWrite))
				}
				f.ids = append(f.ids, c.ID)
				e.LogWrites = append(e.LogWrites, history.DiskWrite{Enter: c.Enter, Return: c.Return, Bytes: c.Len})
			}
		case (c.Kind == disk.OpFsync || c.Kind == disk.OpFdatasync) && role == product.TheLog:
			if e.LogSyncs == nil {
				e.LogSyncs = make([]history.DiskSync, 0, ofKind(log[i:], disk.OpFsync)+ofKind(log[i:], disk.OpFdatasync))
			}
			e.LogSyncs = append(e.LogSyncs, history.DiskSync{
				Enter: c.Enter, Return: c.Return, Covers: f.covered(c, e), Failed: c.Err != 0, Left: f.left(c.Ino)})
		case (c.Kind.IsSync() || c.Kind == disk.OpOpen || c.Kind.Mutates()) && c.Return-c.Enter > longSync:
			e.Blocked = append(e.Blocked, history.Interval{From: c.Enter, To: c.Return})
		}
		switch {
		case c.Kind == disk.OpCreate && role == product.SnapshotDraft:
			e.Snapshots = append(e.Snapshots, history.Snapshot{
				Fork: f.forkBefore(c.Enter), Began: c.Enter, Renamed: history.Never, Durable: history.Never})
		case c.Kind == disk.OpRename && role == product.SnapshotDraft && c.Err == 0 && len(e.Snapshots) > 0:
			e.Snapshots[len(e.Snapshots)-1].Renamed = c.Return
		case (c.Kind == disk.OpDirSync || c.Kind == disk.OpOpen && c.Err != 0) && product.IsRoot(c.Path) && c.Return != disk.Never:
			for j := range e.Snapshots {
				if s := &e.Snapshots[j]; s.Renamed <= c.Enter && s.Durable == history.Never {
					if c.Err != 0 {
						s.Failed = true // as a save, whatever makes its name durable later
					} else {
						s.Durable = c.Return
					}
				}
			}
		}
	}
}

// taken notes whether the disk takes what is written to the log. What it took in part the
// server takes back (redis 7.0.15 aof.c flushAppendOnlyFile: ftruncate after a short write).
//
// While it cannot write it does not sync either (it returns there, and tries again), so that
// it counts as blocked.
func (f *facts) taken(c *disk.Call, role product.Role, e *history.Epoch) {
	was := f.refused
	switch {
	case role != product.TheLog:
	case c.Kind == disk.OpWrite && c.Return == disk.Never && c.Err == 0: // nobody knows
	case c.Kind == disk.OpWrite:
		f.carriedOver = f.carriedOver || c.Err == 0 && was && c.Ino != f.refusedIn
		f.refused = c.Err != 0
		f.gap = f.gap || c.Err == 0 && c.Ino == f.cutIno && c.Off > f.cutTo
		if c.Err == 0 {
			f.cutIno, f.wroteAt = 0, c.Off
		}
	case c.Kind == disk.OpTruncate && c.Err == 0:
		if n := len(e.LogWrites); n > 0 && c.Len <= f.wroteAt {
			e.LogWrites, f.ids = e.LogWrites[:n-1], f.ids[:len(f.ids)-1]
		}
		f.refused, f.cutIno, f.cutTo = true, c.Ino, c.Len
	}
	switch {
	case f.refused && !was:
		f.refusedIn = c.Ino
		e.Blocked = append(e.Blocked, history.Interval{From: c.Enter, To: history.Never})
		f.unable = len(e.Blocked) - 1
	case was && !f.refused:
		e.Blocked[f.unable].To = c.Return
	}
}

// ofKind counts the calls of a kind.
func ofKind(log []disk.Record, k disk.OpKind) (n int) {
	for i := range log {
		if log[i].Kind == k {
			n++
		}
	}
	return n
}

// follow keeps track of what is durable of each file of the log.
func (f *facts) follow(c *disk.Record) {
	i := 0
	for i < len(f.logs) && f.logs[i].ino != c.Ino {
		i++
	}
	switch {
	case c.Kind == disk.OpUnlink:
		if i < len(f.logs) {
			f.logs = slices.Delete(f.logs, i, i+1)
		}
		return
	case c.Kind == disk.OpCreate && c.Err == 0 || c.Kind == disk.OpWrite:
		if i == len(f.logs) {
			f.logs, f.turned = append(f.logs, logFile{ino: c.Ino}), disk.Never
			f.made = c.Ino
		}
		w := &f.logs[i]
		w.path = c.Path
		if c.Kind == disk.OpWrite && c.Err == 0 {
			if i == len(f.logs)-1 {
				f.turned = min(f.turned, c.Enter)
			} else { // the one after it was not gone on to
				last := len(f.logs) - 1
				f.logs[i], f.logs[last] = f.logs[last], f.logs[i]
				f.made = 0
				w = &f.logs[last]
			}
			if w.written = c.ID; w.bytes == 0 {
				w.since = c.Enter
			}
			w.bytes += c.Len
			w.before, w.end = w.end, c.Off+c.Len
		}
	case c.Kind == disk.OpTruncate && i < len(f.logs) && c.Err == 0:
		w := &f.logs[i]
		w.bytes = max(0, w.bytes-max(0, w.end-c.Len)) // what was taken back can be lost no more
		w.end, w.before, w.durable = min(w.end, c.Len), min(w.before, c.Len), min(w.durable, c.Len)
	case c.Kind.IsSync() && i < len(f.logs) && c.Err != 0:
		if w := &f.logs[i]; f.reverts && c.Covers == w.written {
			w.bytes = 0 // memory has lost them already
		}
		f.logs[i].failed = true
	case c.Kind.IsSync() && i < len(f.logs):
		w := &f.logs[i]
		w.syncing = c.Return == disk.Never
		if c.Return != disk.Never {
			if w.synced = max(w.synced, c.Covers); c.Covers == w.written {
				w.durable = w.end
			} else if c.Covers > 0 {
				w.durable = max(w.durable, w.before)
			}
		}
		if w.asked = max(w.asked, c.Covers); w.asked == w.written {
			if c.Return == disk.Never {
				w.inFlight += w.bytes
			}
			w.bytes = 0
		}
	}
}

// followEarlier keeps track of the files of lives before.
func (f *facts) followEarlier(c *disk.Record) {
	if c.Kind.IsSync() && c.Return != disk.Never {
		f.untold = c.Untold != 0
		f.untoldBefore = f.untoldBefore || f.untold
	}
	i := slices.IndexFunc(f.earlier, func(w earlierLog) bool { return w.ino == c.Ino })
	switch sync := c.Kind.IsSync() && c.Return != disk.Never; {
	case sync && c.Err != 0 && i < 0 && !slices.ContainsFunc(f.logs, func(w logFile) bool { return w.ino == c.Ino }):
		f.earlier = append(f.earlier, earlierLog{ino: c.Ino, failed: true})
	case i < 0:
	case c.Kind == disk.OpUnlink && c.Err == 0:
		f.earlier = slices.Delete(f.earlier, i, i+1)
	case sync && c.Err != 0:
		f.earlier[i].failed = true
	case sync:
		f.earlier[i].unsynced = false
	}
}

// over ends a life: its files are left to the next, or what is left of them is durable.
func (f *facts) over(byPowerCut bool) {
	if byPowerCut {
		f.untold, f.untoldBefore, f.earlier, f.leftName = false, false, f.earlier[:0], false
		return
	}
	f.leftName = f.leftName || f.index.is
	for k := range f.logs {
		w := &f.logs[k]
		now := earlierLog{ino: w.ino, failed: w.failed, unsynced: w.written > w.synced}
		if i := slices.IndexFunc(f.earlier, func(e earlierLog) bool { return e.ino == w.ino }); i >= 0 {
			was := f.earlier[i]
			now.failed, now.unsynced = now.failed || was.failed, now.unsynced || was.unsynced
			f.earlier = slices.Delete(f.earlier, i, i+1)
		}
		f.earlier = append(f.earlier, now)
	}
}

// earlierUnsynced reports whether a file before the last of the log is of a life before, and
// holds what no sync has covered.
func (f *facts) earlierUnsynced() bool {
	last := disk.Ino(0)
	if n := len(f.earlier); n > 0 {
		last = f.earlier[n-1].ino
	}
	if n := len(f.logs); n > 0 {
		last = f.logs[n-1].ino
	}
	return slices.ContainsFunc(f.earlier, func(w earlierLog) bool { return w.unsynced && w.ino != last })
}

// failedBefore reports whether a sync of a file before the last of the log has failed.
func (f *facts) failedBefore() bool {
	return len(f.logs) > 0 && slices.ContainsFunc(f.logs[:len(f.logs)-1], func(w logFile) bool { return w.failed })
}

// reverted reports whether memory has lost what a sync of a file of the log could not write.
func (f *facts) reverted() bool {
	return f.reverts && (slices.ContainsFunc(f.logs, func(w logFile) bool { return w.failed }) || slices.ContainsFunc(f.earlier, func(w earlierLog) bool { return w.failed }))
}

// redraft keeps track of a rewrite of a log that is one file: the new one takes the name of
// the old one, with all that was written to that.
func (f *facts) redraft(c *disk.Record, role product.Role, e *history.Epoch) {
	switch {
	case c.Kind == disk.OpRename && role == product.Draft && c.Err == 0 && f.store.Role(c.Path2) == product.TheLog:
		now := logFile{path: c.Path2}
		if f.draft != nil {
			now = *f.draft
			now.path = c.Path2
		}
		f.logs, f.draft, f.took, f.inherited = append(f.logs[:0], now), nil, now.ino, -1
		f.named, f.synced, f.renamed = false, false, c.ID
		f.held = now.written
		if n := len(e.LogWrites); n > 0 {
			f.inherited = e.LogWrites[n-1].Return
		}
	case role != product.Draft || c.Err != 0:
	case c.Kind == disk.OpCreate:
		f.draft = &logFile{ino: c.Ino, path: c.Path}
	case c.Kind == disk.OpWrite && f.draft != nil:
		if f.draft.bytes == 0 {
			f.draft.since = c.Enter
		}
		f.draft.ino, f.draft.written = c.Ino, c.ID
		f.draft.bytes += c.Len
		f.draft.before, f.draft.end = f.draft.end, c.Off+c.Len
	case c.Kind.IsSync() && f.draft != nil && c.Return != disk.Never:
		f.draft.synced, f.draft.asked, f.draft.bytes, f.draft.durable = c.Covers, c.Covers, 0, f.draft.end
	}
}

// naming keeps track of whether the name of a rewritten log that is one file is durable. A
// sync of the directory makes it so, of the file (fsync on ext4, not fdatasync), and of what
// was written later, where a commit carries all metadata before it.
func (f *facts) naming(c *disk.Record) {
	if f.took == 0 || c.Return == disk.Never || c.Err != 0 || !c.Kind.IsSync() && c.Kind != disk.OpDirSync {
		return
	}
	ours := c.Ino == f.took
	f.synced = f.synced || ours
	f.named = f.named || f.carries || c.Kind == disk.OpDirSync && product.IsRoot(c.Path) || c.Kind == disk.OpFsync && ours || c.Covers > f.renamed
}

// covered is the return time of the last write that a sync of the log covers: in a file that
// took the log's name those of the file before it, too.
func (f *facts) covered(c *disk.Record, e *history.Epoch) time.Duration {
	at := f.writeReturned(c.Covers, e)
	if c.Ino == f.took && f.took != 0 {
		at = max(at, f.inherited)
	}
	return at
}

// left reports whether the server has gone on from a file of the log to another. One that is
// not among those of this life, while others are, is of a life before, or has been removed.
func (f *facts) left(ino disk.Ino) bool {
	i := slices.IndexFunc(f.logs, func(w logFile) bool { return w.ino == ino })
	return i < len(f.logs)-1 || len(f.logs) == 0 && f.moved // to one that was there, and empty
}

// carried notes a sync of anything, or a commit of the kernel's own: what was
// written before it may be durable with it.
func (f *facts) carried(inFlight bool) {
	for i := range f.logs {
		w := &f.logs[i]
		if inFlight {
			w.inFlight += w.bytes
		} else {
			w.inFlight = 0
		}
		w.bytes = 0
	}
}

// switching keeps track of whether the server has just renamed the index of the log. A
// server that does anything else in the directory than sync it does not mean to.
func (f *facts) switching(c *disk.Call, role product.Role) {
	to := product.Other
	if c.Path2 != "" {
		to = f.store.Role(c.Path2)
	}
	switch {
	case c.Kind == disk.OpOpen && role == product.LogDir && c.Err != 0: // to sync it
		f.halfway = f.halfway || f.index.is
	case c.Kind == disk.OpDirSync && c.Err != 0 && role.OfLog():
		f.halfway = f.halfway || f.index.is
		f.index.asked, f.ahead.asked = f.index.is, f.ahead.is // and is owed still
	case c.Err != 0 || c.Kind == disk.OpOpen || !role.OfLog() && !to.OfLog():
	case c.Kind == disk.OpRename && (to == product.Index || to == product.TheLog && role == product.Draft):
		f.moved = true
		f.goOn()
		if f.index.named(c.Return); f.fresh {
			f.ahead.named(c.Return)
		}
	case c.Kind == disk.OpDirSync:
		if f.index.is && c.Return != disk.Never {
			f.turned = min(f.turned, c.Return)
		}
		f.fresh = f.fresh && c.Return == disk.Never
		f.leftName = f.leftName && c.Return == disk.Never
		f.ahead.sync(c)
		f.index.sync(c)
	case c.Kind == disk.OpCreate && role == product.TheLog, c.Kind == disk.OpRename && to == product.Base:
		f.fresh, f.ahead = true, owed{}
	case c.Kind == disk.OpUnlink:
		f.fresh, f.ahead = false, owed{}
	case c.Kind.Mutates():
		f.ahead = owed{}
	}
}

// goOn takes a file that was made for a rewrite which then could not begin for the one that is
// gone on to: the next uses its name, and it is opened, not made. One that has just been made
// is gone on to, and the last already.
func (f *facts) goOn() {
	if f.made != 0 {
		f.made = 0
		return
	}
	for i := 0; i+1 < len(f.logs); i++ {
		if w := f.logs[i]; w.written == 0 {
			f.logs, f.turned = append(slices.Delete(f.logs, i, i+1), w), disk.Never
			return
		}
	}
}

// inRoot keeps track of what the server does in its own directory.
func (f *facts) inRoot(c *disk.Call, role product.Role) {
	switch {
	case (c.Kind == disk.OpDirSync || c.Kind == disk.OpOpen) && c.Err != 0 && product.IsRoot(c.Path):
		f.snapshot.asked = f.snapshot.is
	case c.Err != 0 || c.Kind == disk.OpOpen:
	case c.Kind == disk.OpDirSync && product.IsRoot(c.Path):
		f.snapshot.sync(c)
		if f.took != 0 {
			f.index.sync(c) // a log that is one file is there
		}
		f.rootSynced = f.rootSynced || c.Return != disk.Never
	case c.Kind == disk.OpMkdir && role == product.LogDir:
		f.rootSynced = false
	case c.Kind == disk.OpRename && role == product.SnapshotDraft:
		f.snapshot.named(c.Return)
	}
}

// signs are what the disk's log shows of the causes of known findings, in a mode whose
// server's life ended then.
func (f *facts) signs(m *product.Mode, at time.Duration) finding.Signs {
	renamed := &f.index
	if !m.AOF {
		renamed = &f.snapshot
	}
	return finding.Signs{OldIncrUnsynced: f.oldLogUnsynced(at), ManifestAhead: f.ahead.open(at, f),
		RenameUnsynced: renamed.open(at, f), WriteRefused: f.refused, CarriedOver: f.carriedOver, Gap: f.gap, Halfway: f.halfway, RootSynced: f.rootSynced, DraftTookOver: f.tookOver(),
		NameUnsynced: f.took != 0 && f.synced && !f.named, Reverted: f.reverted(), Untold: f.untold, UntoldBefore: f.untoldBefore, FailedBefore: f.failedBefore(),
		EarlierUnsynced: f.leftName || f.earlierUnsynced()}
}

// tookOver reports whether a rewritten log has its name, and no returned sync has made
// durable all that it held then.
func (f *facts) tookOver() bool {
	i := slices.IndexFunc(f.logs, func(w logFile) bool { return w.ino == f.took })
	return f.took != 0 && i >= 0 && f.logs[i].synced < f.held
}

// dropped reports whether a file of a store's log on a disk holds what a failed sync has dropped.
func dropped(s product.Store, d *disk.Disk) bool {
	return slices.ContainsFunc(d.Dropped(), func(path string) bool { return s.Role(path) == product.TheLog })
}

// droppedElse reports whether another file of a store does.
func droppedElse(s product.Store, d *disk.Disk) bool {
	return slices.ContainsFunc(d.Dropped(), func(path string) bool { return s.Role(path) != product.TheLog })
}

// durable reports whether stray bytes stand where a returned sync covers what was appended.
func (f *facts) durable(stray product.Stray) bool {
	for i := range f.logs {
		if at, is := stray[f.logs[i].path]; is && at < f.logs[i].durable {
			return true
		}
	}
	return false
}

// unsynced is how many bytes of the log no returned sync covered and the
// kernel cannot have written back by itself: when it is more than 0, a power
// cut that keeps nothing must leave another image than what the disk showed.
// A sync in flight may have done its work already; inFlight says that it has not.
func (f *facts) unsynced(tc time.Duration, inFlight bool) int64 {
	n := int64(0)
	for i := range f.logs {
		w := &f.logs[i]
		if tc-w.since < disk.DefaultWriteBack.Expire {
			n += w.bytes
			if inFlight {
				n += w.inFlight
			}
		}
	}
	return n
}

// oldLogUnsynced reports whether, when the life ended, a file of the log other
// than the last held writes that no returned sync covered: a rewrite had gone
// on to the next file, and the background sync of the one before was not over, or
// what comes next; one that failed is over. The server asks for it when the index that names the new file is
// durable, and before it writes to that (redis 7.0.15 aof.c openNewIncrAofForAppend).
func (f *facts) oldLogUnsynced(at time.Duration) bool {
	for i := 0; i+1 < len(f.logs); i++ {
		if w := &f.logs[i]; !w.failed && w.written > w.synced && (w.asked == w.written || w.syncing || f.closing || at-f.lag-f.waited(f.turned, at) <= f.turned) {
			return true
		}
	}
	return false
}

// longSync is from when on a call about another file than the log counts as one
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
func crashPoint(s product.Store, log []disk.Record, tc time.Duration) string {
	start, last := -1, -1
	calls := 0
	single := isSingle(s) // a rewrite begins with a draft, and ends when that has the log's name
	for i := range log {
		c := &log[i].Call
		if c.Enter > tc {
			break
		}
		switch role := s.Role(c.Path); {
		case role == product.SnapshotDraft || start >= 0 && c.Kind == disk.OpDirSync && product.IsRoot(c.Path):
			if c.Kind == disk.OpCreate {
				start, calls = i, 0
			}
		case ofRewrite(c, role):
			if c.Kind == disk.OpCreate && (role == product.TheLog && !single || role == product.Draft && single && start < 0) {
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
		if single && c.Kind == disk.OpRename && s.Role(c.Path2) == product.TheLog {
			start = -1
		}
	}
	if last < 0 {
		return ""
	}
	c := &log[last].Call
	name := c.Kind.String() + " " + withoutNumbers(c.Path) + " #" + strconv.Itoa(calls)
	if c.Return <= tc {
		return "after " + name
	}
	// A call that takes long has many points inside.
	return "in " + name + " since " + (tc - c.Enter).Round(pointWidth).String()
}

// pointWidth is how far apart two instants inside one call must be to count as
// different points.
const pointWidth = 250 * time.Microsecond

// ofRewrite reports whether a call is part of a rewrite of the log: the files that only
// that writes, the coming and going of a log, and the sync of their directory.
func ofRewrite(c *disk.Call, role product.Role) bool {
	return role.OfRewrite() || role == product.LogDir && c.Kind == disk.OpDirSync ||
		role == product.TheLog && (c.Kind == disk.OpCreate || c.Kind == disk.OpUnlink)
}

// withoutNumbers is a path without what differs from run to run: process ids and
// sequence numbers.
func withoutNumbers(path string) string {
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if ch := path[i]; ch < '0' || ch > '9' {
			out = append(out, ch)
		} else if len(out) == 0 || out[len(out)-1] != '#' {
			out = append(out, '#')
		}
	}
	return string(out)
}
