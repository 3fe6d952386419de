package disk

import "time"

// wake notes that what becomes dirty now will be written back unasked after a
// while, rounded up to looks that come every so often.
func (d *Disk) wake(now, after, every time.Duration) {
	if after <= 0 {
		return
	}
	at := due(now, after, every)
	if !d.ticking || at < d.tickAt {
		d.ticking, d.tickAt = true, at
	}
}

// due is the first look at or behind now + after.
func due(now, after, every time.Duration) time.Duration {
	at := now + after
	if every > 0 {
		at = (at + every - 1) / every * every
	}
	return at
}

// NextTick is when Tick may next have something to do, and whether there is such a time.
func (d *Disk) NextTick() (time.Duration, bool) { return d.tickAt, d.ticking && !d.frozen }

// Tick carries out the background work due by now, as the kernel does: files
// dirty for WriteBack.Expire are written at the next look (all of their pages,
// as a look writes whole files), and metadata that has waited for the
// personality's Commit is committed with all the log holds.
func (d *Disk) Tick(now time.Duration) {
	if d.ticking && d.tickAt <= now && !d.frozen {
		d.tape.plain(step{kind: StepTick, at: now})
	}
	for d.ticking && d.tickAt <= now && !d.frozen {
		at := d.tickAt
		d.writeBack(at)
		d.ticking = false
		for i := range d.micros {
			m := &d.micros[i]
			if m.state != inPlay {
				continue
			}
			if m.log != 0 {
				d.wake(m.at, d.p.Commit, 0)
			}
			if n := d.inodes[m.ino]; !m.kind.name() && d.writesBack(m) {
				d.wake(n.dirtyAt, d.o.WriteBack.Expire, d.o.WriteBack.Interval)
			}
		}

	}
}

// writeBack does the work due at one instant.
func (d *Disk) writeBack(at time.Duration) {
	r := d.relate()
	keep := d.marks(len(r.items))
	any, expired, commit := false, false, false
	for i := range r.items {
		m := d.item(r, int32(i))
		if m.log != 0 && d.p.Commit > 0 && m.at+d.p.Commit <= at {
			commit = true
		}
		if m.kind.name() || d.o.WriteBack.Expire <= 0 {
			continue
		}
		if n := d.inodes[m.ino]; n.unwritten > 0 && due(n.dirtyAt, d.o.WriteBack.Expire, d.o.WriteBack.Interval) <= at {
			expired = true
			keep[i] = d.writesBack(m)
			if m.kind == microSize && m.log == 0 {
				// Its block is allocated and its size enters the log; one that was
				// written back now is committed with whatever is committed next.
				d.seq++
				m.log = d.seq
				m.at = at
			}
			any = any || keep[i]
		}
	}
	if commit {
		for i := range r.items {
			if m := d.item(r, int32(i)); m.log != 0 && m.at <= at {
				keep[i], any = true, true
			}
		}
	}
	if !any {
		return
	}
	if expired {
		d.related = false // sizes entered the log
		r = d.relate()
	}
	r.with(keep)
	if d.o.KeepLog {
		d.log = append(d.log, Record{Call: Call{Kind: OpSyncFS, Enter: at, Return: at}, CoversAt: -1})
	}
	for i, k := range keep {
		if k {
			d.settle(d.item(r, int32(i)))
		}
	}
	d.fold()
}
