package disk

import (
	"syscall"
	"time"
)

// Record is one call of the log: one that changed or synced something, or
// failed to, or any other that a fault has failed or held up. Background work of the kernel is logged as syncs of kind OpSyncFS
// without an ID.
type Record struct {
	Call
	// Covers is, for a sync of a file, the ID of the last write to the file that
	// had returned when the sync entered, and CoversAt when it had returned: what
	// a successful return of the sync promises. 0 and -1 when there was none.
	Covers   uint64
	CoversAt time.Duration
}

// Begin gives a call its ID. It comes before any other use of the call.
func (d *Disk) Begin(c *Call) {
	d.nextID++
	c.ID = d.nextID
	c.Return = Never
	c.rec, c.tape, c.ended = 0, 0, false
}

// End notes that a call returns: c.Return and c.Err are set. One that found no room, or a
// disk that was read-only, is in the log like one that a fault has failed.
func (d *Disk) End(c *Call) {
	c.ended = true
	if c.rec == 0 && !d.frozen && c.Kind.Mutates() && (c.Err == syscall.ENOSPC || c.Err == syscall.EROFS) {
		d.Refuse(c)
	}
	d.landed(c)
	if d.frozen {
		return
	}
	d.tape.returned(c)
	if c.Kind == OpWrite && c.Err == 0 {
		if n, e := d.get(c.Ino); e == 0 && c.Return >= n.retAt {
			n.retID, n.retAt = c.ID, c.Return
		}
	}
	if r := d.record(c); r != nil {
		r.Return, r.Err, r.Untold = c.Return, c.Err, c.Untold
	}
}

// landed takes a call off the list of those in flight.
func (d *Disk) landed(c *Call) {
	for i := len(d.flight) - 1; i >= 0 && !d.frozen; i-- {
		if d.flight[i].ID == c.ID {
			d.flight[i] = d.flight[len(d.flight)-1]
			d.flight = d.flight[:len(d.flight)-1]
			return
		}
	}
}

// unwound ends a call whose task was killed in it: it never returns, and if it
// is a sync it makes nothing durable. Its effects stay in play.
func (d *Disk) unwound(c *Call, id SyncID) {
	if c.ended {
		return
	}
	c.ended = true
	d.landed(c)
	if id != noSync {
		d.AbandonSync(id)
	}
}

// record is the place of a call in the log; nil when it has none any more.
func (d *Disk) record(c *Call) *Record {
	if i := c.rec - 1 - d.dropped; c.rec > 0 && i >= 0 {
		return &d.log[i]
	}
	return nil
}

// DropLog forgets the first n records, so that the log of a long run stays bounded.
func (d *Disk) DropLog(n int) {
	n = min(n, len(d.log))
	d.log = d.log[:copy(d.log, d.log[n:])]
	d.dropped += int64(n)
}

// Refuse logs a call that fails with c.Err without having had an effect.
func (d *Disk) Refuse(c *Call) {
	d.tape.refused(c)
	d.logged(c)
}

// Held logs a call that has no effect (an open, the removal of what is not there), where a
// fault fails it or holds it up: whoever makes it waits.
func (d *Disk) Held(c *Call, of *Decision) {
	if c.rec == 0 && !c.Kind.IsSync() && of.Held() && !d.frozen {
		d.logged(c)
	}
}

// logged begins the effect of a call: it is in the log and in flight from now on.
func (d *Disk) logged(c *Call) {
	d.part = 0
	d.flight = append(d.flight, *c)
	if d.o.KeepLog {
		d.log = append(d.log, Record{Call: *c, CoversAt: -1})
		c.rec = d.dropped + int64(len(d.log))
	}
}

// relog repeats in the log what the effect has added to the call.
func (d *Disk) relog(c *Call) {
	d.flight[len(d.flight)-1].Ino = c.Ino
	if r := d.record(c); r != nil {
		r.Ino = c.Ino
	}
}

// Log is the calls so far in the order of their effects, when Options.KeepLog
// is set. The slice is the disk's own and good until the next call.
func (d *Disk) Log() []Record { return d.log }

// DirtyFile is what is not durable of one file or directory.
type DirtyFile struct {
	Ino   Ino
	Path  string        // now; "" when it has no name any more
	Dir   bool          // its names are not durable
	Ops   int           // calls with an effect that is not durable
	Bytes int64         // data written and not durable
	Since time.Duration // entry of the oldest of them
}

// Dirty says what is not durable, in the order in which it became so.
func (d *Disk) Dirty() []DirtyFile {
	var out []DirtyFile
	last := map[Ino]uint64{}
	at := map[Ino]int{}
	for i := range d.micros {
		m := &d.micros[i]
		if m.state != inPlay {
			continue
		}
		ino := m.ino
		if m.kind.name() {
			ino = m.dir
		}
		k, ok := at[ino]
		if !ok {
			k = len(out)
			at[ino] = k
			out = append(out, DirtyFile{Ino: ino, Path: d.PathOf(ino), Dir: m.kind.name(), Since: m.at})
		}
		if last[ino] != m.call {
			last[ino] = m.call
			out[k].Ops++
		}
		out[k].Bytes += int64(m.len)
	}
	return out
}

// InPlay counts the calls whose effect is not durable, wholly or in part, and
// the bytes of data among it.
func (d *Disk) InPlay() (calls int, bytes int64) {
	last := uint64(0)
	for i := range d.micros {
		if m := &d.micros[i]; m.state == inPlay {
			if m.call != last {
				calls++
				last = m.call
			}
			bytes += int64(m.len)
		}
	}
	return calls, bytes
}
