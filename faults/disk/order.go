package disk

import "slices"

// relation says which micro-operations in play cannot survive without which
// others. It is made anew for each question from the list and the rules.
type relation struct {
	items []int32 // places in the list of those in play, in the order of effects
	byID  bool    // calls took effect in the order of their IDs
	where []int32 // for each place in the list: its item, or -1
	need  []edge  // sorted by from
	spare []edge  // scratch of sorting
	first []int32 // first[i]: where item i's edges begin in need; one more at the end
	logs  []int32 // scratch: items in the metadata log, in its order
	late  []int32 // scratch: see relateLog
}

// edge: item from does not survive without item to.
type edge struct{ from, to int32 }

func (r *relation) add(from, to int32) {
	if from != to && to >= 0 {
		r.need = append(r.need, edge{from, to})
	}
}

// relate is the relation for what is in play now. It is good until something is
// added, becomes durable or is dropped.
func (d *Disk) relate() *relation {
	r := &d.rel
	if d.related {
		return r
	}
	d.related = true
	r.items, r.need, r.byID = r.items[:0], r.need[:0], true
	last := uint64(0)
	r.where = slices.Grow(r.where[:0], len(d.micros))[:len(d.micros)]
	for i := range d.micros {
		r.where[i] = -1
		if d.micros[i].state == inPlay {
			r.where[i] = int32(len(r.items))
			r.items = append(r.items, int32(i))
			r.byID = r.byID && d.micros[i].call >= last
			last = d.micros[i].call
		}
	}
	if d.p.Has(AllInOrder) {
		d.chainAll(r)
	} else {
		d.relateNames(r)
		d.relateFiles(r)
		if d.p.Has(MetaInOrder) {
			d.relateLog(r)
		}
	}
	r.index()
	return r
}

// index sorts the edges by where they start, keeping their order otherwise: it
// counts them, and where they are not sorted already puts each in its place.
func (r *relation) index() {
	r.first = slices.Grow(r.first[:0], len(r.items)+1)[:len(r.items)+1]
	clear(r.first)
	sorted := true
	for i := range r.need {
		r.first[r.need[i].from+1]++
		sorted = sorted && (i == 0 || r.need[i-1].from <= r.need[i].from)
	}
	for i := range r.items {
		r.first[i+1] += r.first[i]
	}
	if sorted {
		return
	}
	r.spare = slices.Grow(r.spare[:0], len(r.need))[:len(r.need)]
	for _, e := range r.need {
		r.spare[r.first[e.from]] = e
		r.first[e.from]++
	}
	r.need, r.spare = r.spare, r.need
	// Each place is now that of the next item.
	copy(r.first[1:], r.first)
	r.first[0] = 0
}

// needs are the items that item i cannot survive without.
func (r *relation) needs(i int32) []edge { return r.need[r.first[i]:r.first[i+1]] }

// chainAll: AllInOrder. Each item needs the one before it; the first of a call
// also needs its last.
func (d *Disk) chainAll(r *relation) {
	start := int32(0)
	for i := range r.items {
		i := int32(i)
		if i > 0 {
			r.add(i, i-1)
		}
		if i+1 == int32(len(r.items)) || d.item(r, i+1).call != d.item(r, i).call {
			r.add(start, i)
			start = i + 1
		}
	}
}

func (d *Disk) item(r *relation, i int32) *micro { return &d.micros[r.items[i]] }

// relateNames: AtomicNames and RenameLinks. The names of one call need each other, in a ring.
func (d *Disk) relateNames(r *relation) {
	if !d.p.Has(AtomicNames) {
		return
	}
	start, prev := int32(-1), int32(-1)
	for i := range r.items {
		i := int32(i)
		m := d.item(r, i)
		if !m.kind.name() {
			continue
		}
		switch {
		case prev < 0 || d.item(r, prev).call != m.call:
			r.add(start, prev)
			start = i
		case d.p.Has(RenameLinks) && m.kind == microDel && d.item(r, prev).dir != m.dir:
			r.add(i, prev) // the old name's end, which the ring before it does not need
			r.add(start, prev)
			start, prev = -1, -1
			continue
		default:
			r.add(i, prev)
		}
		prev = i
	}
	r.add(start, prev)
}

// relateFiles: SizesInOrder, SizeNeedsData, NewSizeNeedsData, PagesWhole and TruncateFirst.
func (d *Disk) relateFiles(r *relation) {
	d.pass++
	for i := range r.items {
		i := int32(i)
		at := r.items[i]
		m := &d.micros[at]
		if m.kind.name() {
			continue
		}
		n := d.inodes[m.ino]
		if n.pass != d.pass {
			n.pass, n.lastSize, n.lastTrunc = d.pass, -1, -1
		}
		if d.p.Has(TruncateFirst) {
			r.add(i, n.lastTrunc)
		}
		switch m.kind {
		case microData:
			if m.prev != 0 && d.p.Has(PagesWhole) {
				r.add(i, d.itemOf(r, m.prev, at))
			}
		case microSize:
			if m.needsData && (d.p.Has(SizeNeedsData) || m.newBlock && d.p.Has(NewSizeNeedsData)) {
				r.add(i, d.itemOf(r, m.seq-1, at))
			}
			if d.p.Has(SizesInOrder) {
				r.add(i, n.lastSize)
			}
			n.lastSize = i
		case microTrunc:
			if d.p.Has(SizesInOrder) {
				r.add(i, n.lastSize)
			}
			n.lastSize, n.lastTrunc = i, i
		}
	}
}

// itemOf finds a micro-operation by its number, before place at of the list; -1
// when it is not in play any more.
func (d *Disk) itemOf(r *relation, seq uint64, at int32) int32 {
	for back := at - 1; back >= 0 && back >= at-4; back-- {
		if d.micros[back].seq == seq {
			return r.where[back]
		}
	}
	lo, hi := int32(0), at
	for lo < hi {
		mid := (lo + hi) / 2
		if d.micros[mid].seq < seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < at && d.micros[lo].seq == seq {
		return r.where[lo]
	}
	return -1
}

// relateLog: MetaInOrder. What entered the log at its own call needs everything
// in the log before it. A size that entered later, at a write-back, may as well
// have been written back by the kernel at any moment since its write: it needs
// only what was in the log at its write, and so does a size that is not in the
// log yet; but what entered the log after it needs it.
func (d *Disk) relateLog(r *relation) {
	r.logs = r.logs[:0]
	sorted := true
	for i := range r.items {
		m := d.item(r, int32(i))
		if m.log == 0 {
			continue
		}
		if k := len(r.logs); k > 0 && d.item(r, r.logs[k-1]).log > m.log {
			sorted = false
		}
		r.logs = append(r.logs, int32(i))
	}
	if !sorted {
		slices.SortFunc(r.logs, func(a, b int32) int {
			if d.item(r, a).log < d.item(r, b).log {
				return -1
			}
			return 1
		})
	}
	prev := int32(-1) // last that entered at its own call
	for i := range r.items {
		// Those outside the log, and the late ones, hang off what was in the log at their write.
		i := int32(i)
		m := d.item(r, i)
		if m.kind.name() || m.kind != microData && m.log == m.seq {
			prev = i
		} else if m.kind == microSize {
			r.add(i, prev)
		}
	}
	prev = -1
	late := r.late[:0] // those that entered at a write-back since then
	for _, i := range r.logs {
		m := d.item(r, i)
		if m.log != m.seq {
			late = append(late, i)
			continue
		}
		r.add(i, prev)
		for _, l := range late {
			r.add(i, l)
		}
		late, prev = late[:0], i
	}
	r.late = late
}

// without takes out of keep whatever needs something that is not in it.
func (r *relation) without(keep []bool) {
	for again := true; again; {
		again = false
		for i := range keep {
			if !keep[i] {
				continue
			}
			for _, e := range r.needs(int32(i)) {
				if !keep[e.to] {
					keep[i], again = false, true
					break
				}
			}
		}
	}
}

// with puts into keep whatever something in it needs.
func (r *relation) with(keep []bool) {
	for again := true; again; {
		again = false
		for i := len(keep) - 1; i >= 0; i-- {
			if !keep[i] {
				continue
			}
			for _, e := range r.needs(int32(i)) {
				if !keep[e.to] {
					keep[e.to] = true
					again = again || int(e.to) > i
				}
			}
		}
	}
}
