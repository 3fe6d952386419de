package disk

import (
	"slices"
	"syscall"
)

// SyncID names a sync that has begun and not ended.
type SyncID int

// syncState is a sync in flight.
type syncState struct {
	active  bool
	tape    int32 // of its call on the tape
	kind    OpKind
	ino     Ino
	ignored bool     // it makes nothing durable (Plant)
	cover   []uint64 // micro-operations that will be durable when it returns, by number, ascending
}

// ErrSeq is what one open descriptor knows of a file's failed syncs, so that it
// is told of each once. A descriptor starts with what Disk.ErrSeq says at open.
type ErrSeq uint32

// ErrSeq is where the file's count of failed syncs stands.
func (d *Disk) ErrSeq(ino Ino) ErrSeq {
	if n, e := d.get(ino); e == 0 {
		return n.errSeq
	}
	return 0
}

// BeginSync starts the sync that c describes: OpFsync, OpFdatasync, OpDirSync
// of c.Ino, OpSyncRange of c.Off and c.Len of it, or OpSyncFS. A write with
// CallSync or CallDataSync syncs its file. What is dirty now is what it covers;
// of that nothing is durable until SyncProgress or EndSync says so.
func (d *Disk) BeginSync(c *Call) SyncID {
	id := 0
	for id < len(d.syncs) && d.syncs[id].active {
		id++
	}
	if id == len(d.syncs) {
		d.syncs = append(d.syncs, syncState{})
	}
	s := &d.syncs[id]
	s.active, s.ino, s.cover, s.tape = true, c.Ino, s.cover[:0], d.tape.began(c)
	switch s.kind = c.Kind; {
	case c.Flags&CallSync != 0:
		s.kind = OpFsync
	case c.Flags&CallDataSync != 0:
		s.kind = OpFdatasync
	case c.Kind == OpSyncFS:
		s.ino = 0 // it is about no file
	}
	if c.Kind.IsSync() {
		d.logged(c)
	}
	n, e := d.get(c.Ino)
	if r := d.record(c); r != nil && e == 0 && n.retID != 0 {
		r.Covers, r.CoversAt = n.retID, n.retAt
	}
	s.ignored = d.o.Plant&PlantIgnoreSync != 0
	if d.o.Plant&PlantIgnoreThird != 0 {
		d.begun++
		s.ignored = d.begun%3 == 0
	}
	if d.frozen || e != 0 && s.kind != OpSyncFS || s.ignored {
		return SyncID(id)
	}
	r := d.relate()
	keep := d.marks(len(r.items))
	d.seed(r, keep, s, c)
	r.with(keep)
	for i, k := range keep {
		if k {
			s.cover = append(s.cover, d.item(r, int32(i)).seq)
		}
	}
	return SyncID(id)
}

// marks is scratch for a subset of n items, empty.
func (d *Disk) marks(n int) []bool {
	d.keep = slices.Grow(d.keep[:0], n)[:n]
	clear(d.keep)
	return d.keep
}

// seed marks what a sync is about. The relation adds what that needs.
func (d *Disk) seed(r *relation, keep []bool, s *syncState, c *Call) {
	n := d.inodes[s.ino]
	commit := uint64(0) // the metadata log is to be written up to here
	for i := range r.items {
		m := d.item(r, int32(i))
		switch {
		case s.kind == OpSyncFS, d.p.Has(AllInOrder) && s.kind != OpSyncRange:
			keep[i] = true
		case s.kind == OpSyncRange:
			keep[i] = m.kind == microData && m.ino == s.ino &&
				m.off < pageEnd(c.Off+c.Len) && m.off+int64(m.len) > c.Off&^(pageSize-1)
		case m.kind.name():
			keep[i] = d.syncsName(m, n, s.kind)
		case m.ino == s.ino:
			keep[i] = true
			switch {
			case m.kind == microSize && m.log == 0, m.kind == microData && pageEnd(m.off+int64(m.len)) > n.allocated:
				commit = d.seq // a block is allocated and the size logged now
			case m.kind == microData && s.kind == OpFsync:
				commit = max(commit, m.seq) // the time of the write was logged with it
			}
		}
	}
	if s.kind == OpSyncFS && !d.p.Has(SyncFlushes) && !d.metaInPlay(r) {
		clear(keep) // the data has been written, and may still be lost with the disk's cache
	}
	if !d.p.Has(SyncCommits) || d.p.Has(AllInOrder) {
		return
	}
	for i := range r.items {
		if m := d.item(r, int32(i)); m.log != 0 && m.log <= commit {
			keep[i] = true
		}
	}
}

// metaInPlay reports whether there is metadata to write.
func (d *Disk) metaInPlay(r *relation) bool {
	for i := range r.items {
		if d.item(r, int32(i)).kind.meta() {
			return true
		}
	}
	return false
}

// syncsName reports whether a sync of n itself persists a name.
func (d *Disk) syncsName(m *micro, n *inode, kind OpKind) bool {
	if kind == OpDirSync && m.dir == n.ino {
		return true
	}
	full := d.p.Has(SyncNames) && kind != OpFdatasync
	created := m.creates && d.p.Has(DatasyncCreation)
	if m.ino == n.ino {
		return full || created
	}
	if !created || !d.inodes[m.ino].dir {
		return false
	}
	// A new directory above it.
	for at := n; at.ino != Root; {
		at = d.inodes[at.parent]
		if at == nil {
			return false
		}
		if at.ino == m.ino {
			return true
		}
	}
	return false
}

// SyncProgress makes the first share (0 to 1) of the data that a sync in flight
// covers durable. Sizes and names follow only when the sync ends, as they do
// when the journal is written last; where all is in order, whole calls do.
func (d *Disk) SyncProgress(id SyncID, share float64) {
	s := &d.syncs[id]
	if !s.active || d.frozen || !d.settles(s) || d.p.Has(DataInLog) {
		return // of a transaction nothing is durable before all of it is
	}
	d.tape.ofSync(StepProgress, s.tape, 0, share)
	if d.p.Has(AllInOrder) {
		d.progressInOrder(s, share)
		d.fold()
		return
	}
	total := 0
	d.covered(s, func(m *micro) bool {
		if m.kind == microData {
			total++
		}
		return true
	})
	goal := int(share * float64(total))
	d.covered(s, func(m *micro) bool {
		if goal == 0 || m.kind == microTrunc && m.state == inPlay {
			return false // data behind a truncate is not the file's before the truncate is durable
		}
		if m.kind == microData {
			goal--
			d.settle(m)
		}
		return true
	})
	d.fold()
}

// progressInOrder makes the calls durable that lie whole in the first share of
// what a sync covers.
func (d *Disk) progressInOrder(s *syncState, share float64) {
	goal := int(share * float64(len(s.cover)))
	k, done, before := 0, uint64(0), micro{}
	d.covered(s, func(m *micro) bool {
		if m.call != before.call {
			done = before.seq
		}
		before = *m
		k++
		return k <= goal
	})
	if k <= goal {
		done = before.seq
	}
	d.covered(s, func(m *micro) bool {
		if m.seq > done {
			return false
		}
		d.settle(m)
		return true
	})
}

// settles reports whether a sync makes anything durable: sync_file_range need not.
func (d *Disk) settles(s *syncState) bool { return s.kind != OpSyncRange || d.p.Has(RangeDurable) }

// covered calls f for what a sync covers and is still listed, in order, until f says no.
func (d *Disk) covered(s *syncState, f func(*micro) bool) {
	k := 0
	for i := range d.micros {
		m := &d.micros[i]
		for k < len(s.cover) && s.cover[k] < m.seq {
			k++
		}
		if k == len(s.cover) {
			return
		}
		if s.cover[k] == m.seq && !f(m) {
			return
		}
	}
}

// EndSync ends a sync. With fail 0 what it covers becomes durable; otherwise
// the failure mode says what becomes of it. It returns what the call answers:
// seen, when not nil, is the descriptor's, and a failure that it has not been
// told of is reported now.
func (d *Disk) EndSync(id SyncID, fail syscall.Errno, seen *ErrSeq) syscall.Errno {
	s := &d.syncs[id]
	if !s.active {
		return syscall.EBADF
	}
	s.active = false
	if d.frozen {
		return syscall.EIO
	}
	d.tape.ofSync(StepSynced, s.tape, fail, 0)
	n, e := d.get(s.ino)
	if e != 0 && s.kind != OpSyncFS {
		return e
	}
	if fail != 0 {
		return d.failSync(s, n, fail, seen)
	}
	if !s.ignored {
		settles := d.settles(s)
		d.covered(s, func(m *micro) bool {
			if m.kind == microSize && m.log == 0 {
				d.seq++
				m.log = d.seq
			}
			if settles {
				d.settle(m)
			} else if m.kind == microData {
				// Written, and so allocated, though it may still be lost: no later sync has
				// that to log.
				at := d.inodes[m.ino]
				at.allocated = max(at.allocated, pageEnd(m.off+int64(m.len)))
			}
			return true
		})
		if s.kind == OpSyncRange {
			d.logSizes(s.ino) // their blocks are allocated now
		}
		d.fold()
	}
	if n != nil && seen != nil && *seen != n.errSeq {
		*seen = n.errSeq
		return n.err
	}
	return 0
}

// AbandonSync ends a sync whose caller was killed in it: beyond what SyncProgress
// has made durable it makes nothing so.
func (d *Disk) AbandonSync(id SyncID) {
	s := &d.syncs[id]
	if s.active && !d.frozen {
		d.tape.ofSync(StepAbandoned, s.tape, 0, 0)
	}
	s.active = false
}

// failSync ends a sync that fails. Its pages are marked clean although the disk
// does not have them, so that no later sync covers them.
func (d *Disk) failSync(s *syncState, n *inode, fail syscall.Errno, seen *ErrSeq) syscall.Errno {
	if n == nil || n.dir {
		return fail // nothing was written; the names stay in play
	}
	n.errSeq++
	n.err, n.touched = fail, true
	d.ownBase(n)
	hit := false
	d.covered(s, func(m *micro) bool {
		if m.ino != n.ino || m.state != inPlay || m.kind != microData {
			return true
		}
		hit = true
		m.state = lost
		d.stopped(n, m)
		n.lost++
		return true
	})
	if hit {
		d.dropSizes(n)
	}
	if hit && d.failure.Revert {
		d.revert(n)
	}
	d.fold()
	if d.failure.Late {
		return 0
	}
	if seen != nil {
		*seen = n.errSeq
	}
	return fail
}

// Dropped lists the files of which a failed sync has dropped data that nobody has written
// again: what they hold is in no image.
func (d *Disk) Dropped() (paths []string) {
	for _, n := range d.inodes {
		if n != nil && n.links > 0 && (n.lost > 0 || n.reverted) {
			paths = append(paths, d.PathOf(n.ino))
		}
	}
	return paths
}

// dropSizes takes sizes out of play whose data a failed sync dropped, where the
// personality never writes them without it.
func (d *Disk) dropSizes(n *inode) {
	lostSeq := uint64(0)
	d.drop(func(m *micro) bool {
		if m.ino != n.ino {
			return false
		}
		if m.kind == microData && m.state == lost {
			lostSeq = m.seq
			return false
		}
		return m.kind == microSize && m.state == inPlay && m.needsData && m.seq == lostSeq+1 && lostSeq != 0 &&
			(d.failure.Revert || d.p.Has(SizeNeedsData) || m.newBlock && d.p.Has(NewSizeNeedsData))
	})
}

// revert makes memory show what the disk has, and what is still in play.
func (d *Disk) revert(n *inode) {
	d.drop(func(m *micro) bool { return m.ino == n.ino && m.state == lost })
	n.reverted = true
	size := n.vol.size
	n.vol.copyFrom(&n.base, n.base.size, &d.pool)
	for i := range d.micros {
		if m := &d.micros[i]; m.ino == n.ino && !m.kind.name() {
			n.vol.apply(m, m.data, &d.pool)
		}
	}
	n.vol.cut(n.vol.size, &d.pool)
	if d.free >= 0 {
		d.free += size - n.vol.size
	}
}
