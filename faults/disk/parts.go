package disk

import "github.com/torntail/torntail/internal/seeding"

// Part is one micro-operation in play, as an explorer of crash states sees it.
type Part struct {
	ID PartID
	// Ino is the file that is changed; of a name, what it is about.
	Ino Ino
	// What it changes: bytes, a size (a truncation counts as one), or a name.
	Data, Size, Name bool
}

// Parts are the micro-operations in play, in the order of their effects,
// appended to buf.
func (d *Disk) Parts(buf []Part) []Part {
	for i := range d.micros {
		m := &d.micros[i]
		if m.state != inPlay {
			continue
		}
		buf = append(buf, Part{ID: PartID{Call: m.call, Part: m.part}, Ino: m.ino,
			Data: m.kind == microData, Size: m.kind == microSize || m.kind == microTrunc, Name: m.kind.name()})
	}
	return buf
}

// Signature names the image that a choice would leave, without building it.
// Within the life of one disk, at any two instants, equal signatures mean equal
// images: it is a hash of the set of micro-operations that the image has, and
// images are that set applied in order. The reverse does not hold, since what
// two sets leave may look the same; only Hash of the built image tells.
func (d *Disk) Signature(c Choice) uint64 {
	r := d.relate()
	s := d.chosen(r, c)
	sum := d.settled64
	for i, kept := range s.keep {
		m := d.item(r, int32(i))
		switch {
		case kept:
			sum += spread(m.seq)
			if int32(i) == s.torn {
				sum += tornSpread(m.seq, s.tornLen)
			}
		case s.stale && m.kind == microData:
			sum += oldSpread(m.seq)
		}
	}
	return sum
}

// tornSpread stands for a write that was kept in part, beside its own number.
func tornSpread(seq uint64, kept int64) uint64 { return spread(^seq ^ uint64(kept)<<40) }

// oldSpread stands for a write in whose place old bytes are read.
func oldSpread(seq uint64) uint64 { return spread(seq ^ 1<<63) }

// spread makes a number out of one so that sums of them tell sets apart.
func spread(seq uint64) uint64 {
	return seeding.Hash(seq)
}
