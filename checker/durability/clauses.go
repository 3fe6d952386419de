package durability

import (
	"cmp"
	"slices"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/zones"
)

// Recorded reports whether the disk's log of the epoch is at hand.
func Recorded(ep *history.Epoch) bool {
	return ep.DiskSeen || len(ep.LogWrites) > 0 || len(ep.LogSyncs) > 0 || len(ep.Snapshots) > 0
}

// KeptBefore is clause (b): every operation acknowledged before the instant it
// returns must be in every prefix. zones.Early when nothing has to be.
func KeptBefore(ep *history.Epoch, c *contract.Contract) int64 {
	end := int64(ep.Ended)
	switch c.Keeps {
	case contract.KeepsAll:
		return zones.Late
	case contract.KeepsSynced:
		return syncedBefore(ep, end)
	case contract.KeepsWritten:
		return writtenBefore(ep, end)
	case contract.KeepsSnapshot:
		return snapshotBefore(ep, end, c.Crash.LosesPageCache())
	}
	return zones.Early
}

// syncedBefore: the entry of the last write(2) that a sync covers which had
// returned by the crash. What was acknowledged before that write began is in it
// or in an earlier one, also when it was postponed.
func syncedBefore(ep *history.Epoch, end int64) int64 {
	covered := int64(zones.Early)
	for i := range ep.LogSyncs {
		s := &ep.LogSyncs[i]
		if !s.Failed && int64(s.Return) <= end {
			covered = max(covered, int64(s.Covers))
		}
	}
	before := int64(zones.Early)
	for i := range ep.LogWrites {
		w := &ep.LogWrites[i]
		if int64(w.Return) <= covered {
			before = max(before, int64(w.Enter))
		}
	}
	return before
}

func writtenBefore(ep *history.Epoch, end int64) int64 {
	before := int64(zones.Early)
	for i := range ep.LogWrites {
		w := &ep.LogWrites[i]
		if int64(w.Return) <= end {
			before = max(before, int64(w.Enter))
		}
	}
	return before
}

// BlockedFor is for how long, from one instant to another, the server was blocked: it neither wrote
// its log nor began anything else.
func BlockedFor(ep *history.Epoch, from, to time.Duration) (total time.Duration) {
	blocked := slices.Clone(ep.Blocked)
	slices.SortFunc(blocked, func(a, b history.Interval) int { return cmp.Compare(a.From, b.From) })
	for _, b := range blocked { // from moves on, so that none counts twice
		if begin, end := max(b.From, from), min(b.To, to); begin < end {
			total, from = total+end-begin, end
		}
	}
	return total
}

func snapshotBefore(ep *history.Epoch, end int64, mustBeDurable bool) int64 {
	before := int64(zones.Early)
	for i := range ep.Snapshots {
		s := &ep.Snapshots[i]
		inPlace := s.Renamed
		if mustBeDurable {
			inPlace = s.Durable
		}
		if int64(inPlace) <= end {
			before = max(before, int64(s.Fork))
		}
	}
	return before
}

// Postponed reports whether an operation acknowledged at acked may be missing
// after a process kill because its write(2) was waiting behind a sync in flight
// (redis 7.0.15 aof.c flushAppendOnlyFile): no write that could hold it had
// returned, a sync was in flight until the crash (or until so shortly before it
// that the waiting write had not been made yet), and had been since the
// acknowledgement, and the wait was not longer than the contract allows, unless a write
// had begun by then. Redis waits from the moment at which it has asked its
// background thread for the sync (bioPendingJobsOfType), which is after the write
// that made it due and may be before the sync enters.
func Postponed(ep *history.Epoch, c *contract.Contract, acked int64) bool {
	if c.PostponeUpTo == 0 {
		return false
	}
	end, slack := int64(ep.Ended), int64(c.SyncSlack)
	if acked < writtenBefore(ep, end) {
		return false
	}
	inFlight := false
	for i := range ep.LogSyncs {
		s := &ep.LogSyncs[i]
		if int64(s.Enter) <= acked+slack && int64(s.Return) >= end-slack {
			inFlight = true
			break
		}
	}
	if !inFlight {
		return false
	}
	if end-acked <= int64(c.PostponeUpTo)+slack {
		return true
	}
	for i := range ep.LogWrites {
		w := &ep.LogWrites[i]
		if int64(w.Return) > end && int64(w.Enter)-acked <= int64(c.PostponeUpTo)+slack {
			return true // being written when the crash struck
		}
	}
	return false
}

// InChild reports whether an operation may have been written to the log in a stretch in
// which no-appendfsync-on-rewrite keeps it unsynced: while a child runs. What is written
// later is synced like any other write, whether the sync that catches up comes or not.
func InChild(ep *history.Epoch, c *contract.Contract, invoked, acked int64) bool {
	return c.ChildrenMayDelaySync && slices.ContainsFunc(ep.ChildRunning, func(child history.Interval) bool {
		return acked >= int64(child.From) && invoked <= int64(child.To)
	})
}

// WentOn returns the place of an acknowledged write, of a life's operations, that the
// server was to refuse because a sync of the log had failed, and when that was. -1: none.
// What was asked before the failed sync had returned may have been done by then. Of a file
// that the server has gone on from it does not hear (7.0.15 bio.c BIO_CLOSE_FILE drops the
// result, and under always that file was synced before): what is lost by that is lost, but
// going on is no fault of its own.
func WentOn(ep *history.Epoch, c *contract.Contract, ops []history.Op) (op int, failed time.Duration) {
	if c.AfterFailedSync != contract.Stops && c.AfterFailedSync != contract.Refuses {
		return -1, 0
	}
	for i := range ep.LogSyncs {
		s := &ep.LogSyncs[i]
		if !s.Failed || s.Left || s.Return > ep.Ended {
			continue
		}
		from, until := s.Return, history.Never
		if c.AfterFailedSync == contract.Refuses {
			from += c.SyncSlack
			for _, next := range ep.LogSyncs[i+1:] {
				if !next.Failed && !next.Left {
					until = min(until, next.Return)
				}
			}
		}
		for n := range ops {
			if o := &ops[n]; o.Acked() && o.Writes() && !o.Evicts() && o.Invoke > from && o.Return < until {
				return n, s.Return
			}
		}
	}
	return -1, 0
}

// Lateness is a broken clause (c): data was written at Since, and no sync (or
// no snapshot) had begun by Due.
type Lateness struct {
	Since, Due time.Duration
	Save       contract.SavePoint // the save point that was due, for snapshots
	// Waited, when not nought, is for how long the server was seen to wait for a processor
	// in that time, without which it might not have been late.
	Waited time.Duration
}

// Waited is for how long the server was seen to wait for a processor from one instant to
// another. A stretch of which a part lies between them counts whole: nobody knows where
// in it the waiting was.
func Waited(ep *history.Epoch, from, to time.Duration) (sum time.Duration) {
	for _, w := range ep.Waits {
		if w.From >= to {
			break
		}
		if w.To > from {
			sum += w.By
		}
	}
	return sum
}

// LateSync looks for a write(2) for which no sync was begun within
// SyncWithin+SyncSlack. The time during which a sync is in flight or the log is
// being written, or in which the server was inside a long sync of another file,
// does not count (the main thread may be inside the call), nor that
// after a failed sync until the next one, nor that of a child under
// no-appendfsync-on-rewrite. One that waits for a processor cannot explain is
// preferred.
func LateSync(ep *history.Epoch, c *contract.Contract) (late Lateness, ok bool) {
	if c.SyncWithin == 0 {
		return Lateness{}, false
	}
	limit := c.SyncWithin + c.SyncSlack
	next := 0 // the first sync that entered after the write returned
	covered := time.Duration(-1)
	for i := range ep.LogWrites {
		w := &ep.LogWrites[i]
		if w.Return > ep.Ended {
			break
		}
		if w.Return <= covered {
			continue
		}
		for next < len(ep.LogSyncs) && (ep.LogSyncs[next].Enter < w.Return || ep.LogSyncs[next].Covers < w.Return) {
			next++
		}
		until := ep.Ended
		if next < len(ep.LogSyncs) {
			until = min(until, ep.LogSyncs[next].Enter)
			covered = ep.LogSyncs[next].Covers
		} else {
			covered = history.Never
		}
		if until-w.Return <= limit {
			continue
		}
		idle := until - w.Return - excused(ep, c, w.Return, until)
		if idle <= limit {
			continue
		}
		l := Lateness{Since: w.Return, Due: w.Return + limit}
		if waited := Waited(ep, w.Return, until); idle-waited > limit {
			return l, true
		} else if late.Waited == 0 {
			l.Waited = waited
			late = l
		}
	}
	return late, late.Waited > 0
}

// excused is how much of [from, to] does not count for clause (c).
func excused(ep *history.Epoch, c *contract.Contract, from, to time.Duration) time.Duration {
	var total time.Duration
	at := from // everything before at is accounted for
	add := func(a, b time.Duration) {
		a, b = max(a, at), min(b, to)
		total += max(0, b-a)
		at = max(at, b)
	}
	// The four lists are each in order; merging them needs one pass of the
	// earliest next interval.
	s, w, ch, bl := 0, 0, 0, 0
	for {
		best := history.Never
		if s < len(ep.LogSyncs) {
			best = min(best, ep.LogSyncs[s].Enter)
		}
		if w < len(ep.LogWrites) {
			best = min(best, ep.LogWrites[w].Enter)
		}
		child := c.ChildrenMayDelaySync && ch < len(ep.ChildRunning)
		if child {
			best = min(best, ep.ChildRunning[ch].From)
		}
		if bl < len(ep.Blocked) {
			best = min(best, ep.Blocked[bl].From)
		}
		if best >= to {
			return total
		}
		switch {
		case s < len(ep.LogSyncs) && ep.LogSyncs[s].Enter == best:
			end := ep.LogSyncs[s].Return
			if ep.LogSyncs[s].Failed && !ep.LogSyncs[s].Left && end < to {
				end = to // failing, until the next one begins
				if s+1 < len(ep.LogSyncs) {
					end = ep.LogSyncs[s+1].Enter
				}
			}
			add(best, end)
			s++
		case bl < len(ep.Blocked) && ep.Blocked[bl].From == best:
			add(best, ep.Blocked[bl].To)
			bl++
		case child && ep.ChildRunning[ch].From == best:
			add(best, ep.ChildRunning[ch].To)
			ch++
		default:
			add(best, ep.LogWrites[w].Return)
			w++
		}
	}
}

// afterFailedSave is how long redis waits after a failed snapshot before the
// next try (7.0.15 server.h CONFIG_BGSAVE_RETRY_DELAY).
const afterFailedSave = 5 * time.Second

// LateRename looks for a snapshot that had got its name, and for which the sync of the
// directory was not begun within DurableWithin+SyncSlack. What the server spends in a call
// that takes long, that sync itself or the opening of the directory, does not count, and one
// that failed was begun.
func LateRename(ep *history.Epoch, c *contract.Contract) (late Lateness, ok bool) {
	limit := c.DurableWithin + c.SyncSlack
	for i := range ep.Snapshots {
		s := &ep.Snapshots[i]
		if c.DurableWithin == 0 || s.Failed || s.Renamed > ep.Ended {
			continue
		}
		until := min(s.Durable, ep.Ended)
		idle := until - s.Renamed - BlockedFor(ep, s.Renamed, until)
		if idle <= limit {
			continue
		}
		l := Lateness{Since: s.Renamed, Due: s.Renamed + limit}
		if waited := Waited(ep, s.Renamed, until); idle-waited > limit {
			return l, true
		} else if late.Waited == 0 {
			l.Waited = waited
			late = l
		}
	}
	return late, late.Waited > 0
}

// Changes are the acknowledged writes of an epoch: when they were sent and when they were
// acknowledged. One that was sent before a fork and acknowledged after it
// may be in the snapshot, and is then no change since.
type Changes struct{ Invoked, Acked []int64 }

// Gather takes them from the epoch's operations. It reuses memory.
func (c *Changes) Gather(ops []history.Op) { c.gather(ops, true) }

// GatherCounted takes those alone that save points count and a log has: not what had nothing to do.
func (c *Changes) GatherCounted(ops []history.Op) { c.gather(ops, false) }

func (c *Changes) gather(ops []history.Op, idle bool) {
	c.Invoked, c.Acked = c.Invoked[:0], c.Acked[:0]
	for i := range ops {
		// Evictions change no count (redis 7.0.15 evict.c).
		if o := &ops[i]; o.Outcome == history.OK && o.Writes() && !o.Evicts() && (idle || !o.Idle()) {
			c.Invoked, c.Acked = append(c.Invoked, int64(o.Invoke)), append(c.Acked, int64(o.Return))
		}
	}
}

// LateSnapshot looks for a save point that was due and began no snapshot.
//
// serverCron (redis 7.0.15): enough changes since the last completed save, more
// than N whole seconds since it (or since the start), no child running, and 5 s
// since a failed try. The whole seconds add up to one second.
func LateSnapshot(ep *history.Epoch, c *contract.Contract, of *Changes) (late Lateness, ok bool) {
	if len(c.SavePoints) == 0 {
		return late, false
	}
	slices.Sort(of.Invoked)
	slices.Sort(of.Acked)
	for _, p := range c.SavePoints {
		if l, broken := lateFor(ep, c, p, of); broken && l.Waited == 0 {
			return l, true
		} else if broken {
			late, ok = l, true
		}
	}
	return late, ok
}

// lateFor is LateSnapshot for one save point.
func lateFor(ep *history.Epoch, c *contract.Contract, p contract.SavePoint, of *Changes) (late Lateness, ok bool) {
	since := ep.Began // of the last completed save, or the start
	from := 0         // so many acknowledged writes may be in the last snapshot
	for i := 0; i <= len(ep.Snapshots); i++ {
		until := ep.Ended
		if i < len(ep.Snapshots) {
			until = min(until, ep.Snapshots[i].Began)
		}
		if from+p.Changes-1 < len(of.Acked) {
			changed := time.Duration(of.Acked[from+p.Changes-1])
			due := max(changed, since+p.After) + time.Second + c.SyncSlack
			for _, child := range ep.ChildRunning {
				if child.From < due && child.To > since {
					due = max(due, min(child.To, ep.Ended)+afterFailedSave+time.Second+c.SyncSlack)
				}
			}
			// Nothing begins while the server, or the child before, hangs in a call.
			due += BlockedFor(ep, max(changed, since+p.After), until)
			if due < until {
				l := Lateness{Since: changed, Due: due, Save: p}
				waited := Waited(ep, since, until)
				if due+waited < until {
					return l, true
				} else if late.Waited == 0 {
					l.Waited = waited
					late = l
				}
			}
		}
		if i == len(ep.Snapshots) {
			break
		}
		s := &ep.Snapshots[i]
		if s.Renamed > ep.Ended {
			// It did not complete: the next may wait for the retry delay.
			since = max(since, s.Began+afterFailedSave-p.After)
			if i == len(ep.Snapshots)-1 {
				return late, late.Waited > 0 // still running when the crash struck, or failed and not tried again yet
			}
			continue
		}
		// The child goes on until it has synced the directory (7.0.3 and later);
		// only then does the server count the save as done.
		since = s.Renamed
		if s.Failed { // by the sync of the directory: it counts as a save that failed (7.0.3 rdb.c rdbSave)
			since = max(since, s.Began+afterFailedSave-p.After)
			if i == len(ep.Snapshots)-1 {
				return late, late.Waited > 0
			}
			continue
		}
		if s.Durable <= ep.Ended {
			since = max(since, s.Durable)
		} else if i == len(ep.Snapshots)-1 {
			return late, late.Waited > 0
		}
		for from < len(of.Invoked) && of.Invoked[from] < int64(s.Fork) {
			from++
		}
	}
	return late, late.Waited > 0
}
