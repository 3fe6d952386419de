package disk

import "math/bits"

// Imager makes crash images of one disk at one moment, one choice after the
// other. Each image is made from one that was made before: only what differs is
// changed, so that the image of a choice which differs little from an earlier
// one costs little, however much is in play.
//
//	var im disk.Imager
//	im.Begin(d)                // d must not change until the last Image
//	for c := range d.DropOne() {
//		if seen[im.Choose(c)] { // what d.Signature(c) says, quicker
//			continue
//		}
//		image := im.Image()     // what d.Image makes
//		...                     // read it, start a server on it, crash that again
//	}
//
// It keeps its memory from one moment to the next.
type Imager struct {
	d *Disk
	r *relation

	words int    // of a set of items
	last  uint64 // bits of its last word

	// Of the choice.
	keep      []uint64 // set of items that survive
	survivors          // the rest of it; its own keep is not used

	// Each item has a row, a set: what it needs, and what needs it, itself
	// included. Made when a choice first asks for them.
	closed        bool
	needs, needed []uint64
	forwards      []edge  // edges that lead to later items
	starts        []int32 // first item of each call, and one more at the end
	write         int     // the last call with data, as a place in starts; -1: none

	value, old       []uint64 // of each item in signatures: kept, and not kept where that leaves old bytes
	values, oldWorth uint64   // sums of them

	painter painter
}

// closureLimit is up to how many items in play the rows of closures are made:
// they take its square in bits, twice.
const closureLimit = 8192

// Begin makes the imager one of the disk as it is now.
func (im *Imager) Begin(d *Disk) {
	im.d, im.r = d, d.relate()
	n := len(im.r.items)
	im.words, im.last = (n+63)/64, ^uint64(0)
	if n%64 != 0 {
		im.last >>= 64 - n%64
	}
	im.keep = empty(im.keep, im.words)
	im.survivors = survivors{torn: -1}
	im.closed = false
	im.write = -1
	im.value, im.old = im.value[:0], im.old[:0]
	im.values, im.oldWorth = 0, 0
	for i := range n {
		m := d.item(im.r, int32(i))
		v, o := spread(m.seq), uint64(0)
		if m.kind == microData {
			o = oldSpread(m.seq)
		}
		im.value, im.old = append(im.value, v), append(im.old, o)
		im.values += v
		im.oldWorth += o
	}
	im.painter.begin()
}

// empty is a set of so many words with nothing in it, in old memory if that is enough.
func empty(set []uint64, words int) []uint64 {
	if cap(set) < words {
		return make([]uint64, words)
	}
	set = set[:words]
	clear(set)
	return set
}

// Choose says what is to survive. It returns the signature of the image, as
// Disk.Signature does.
func (im *Imager) Choose(c Choice) uint64 {
	if !im.d.related {
		panic("disk: the disk of an Imager has changed")
	}
	im.survivors = survivors{torn: -1, stale: c.Stale && im.d.p.Has(OldBytes)}
	n := len(im.r.items)
	if n <= closureLimit && c.Mode != KeepAll && c.Mode != KeepNone {
		im.close()
	}
	switch {
	case c.Mode == KeepAll, im.d.o.Plant&PlantLoseNothing != 0:
		im.fill()
		im.stale = false
	case c.Mode == KeepNone:
		clear(im.keep)
	case c.Mode == KeepBut && n <= closureLimit:
		im.fill()
		for _, id := range c.IDs {
			im.d.named(im.r, id, func(i int32) {
				for w, out := range im.row(im.needed, i) {
					im.keep[w] &^= out
				}
			})
		}
	case c.Mode == KeepOnly && n <= closureLimit:
		clear(im.keep)
		for _, id := range c.IDs {
			im.d.named(im.r, id, func(i int32) {
				for w, in := range im.row(im.needs, i) {
					im.keep[w] |= in
				}
			})
		}
	case c.Mode == KeepPrefix && im.r.byID && n <= closureLimit:
		im.prefix(im.place(c.K))
	case c.Mode == KeepTorn && im.r.byID && n <= closureLimit && im.write >= 0:
		im.tear(c.K)
	default:
		im.survivors = im.d.survivors(im.r, c)
		clear(im.keep)
		for i, kept := range im.survivors.keep {
			if kept {
				im.keep[i/64] |= 1 << (i % 64)
			}
		}
		im.survivors.keep = nil
	}
	return im.signature()
}

// place is the first item of call k, counted from 0.
func (im *Imager) place(k int64) int {
	return int(im.starts[min(k, int64(len(im.starts)-1))])
}

// prefix keeps the first end items, but for those that need later ones.
func (im *Imager) prefix(end int) {
	for w := range im.keep {
		switch full := min(64, end-w*64); {
		case full <= 0:
			im.keep[w] = 0
		default:
			im.keep[w] = ^uint64(0) >> (64 - full)
		}
	}
	for _, e := range im.forwards {
		if int(e.from) < end && int(e.to) >= end {
			for w, out := range im.row(im.needed, e.to) {
				im.keep[w] &^= out
			}
		}
	}
}

// tear is Disk.tear: it looks at the last write only.
func (im *Imager) tear(k int64) {
	im.bytes = k
	from := im.starts[im.write]
	im.prefix(int(from))
	for i := from; i < im.starts[im.write+1]; i++ {
		m, kept := im.d.item(im.r, i), false
		if m.kind != microData {
			kept = i > 0 && im.has(i-1)
		} else if got := min(k, int64(m.len)); got > 0 {
			k -= got
			if kept = true; got < int64(m.len) {
				im.torn, im.tornLen = i, got
			}
		}
		if kept {
			im.keep[i/64] |= 1 << (i % 64)
		}
	}
	if im.torn >= 0 && im.d.p.Has(AllInOrder|DataInLog) {
		im.keep[im.torn/64] &^= 1 << (im.torn % 64) // calls are whole
	}
	for i := from; i < int32(len(im.r.items)); i++ {
		if !im.has(i) {
			for w, out := range im.row(im.needed, i) {
				im.keep[w] &^= out
			}
		}
	}
	if im.torn >= 0 && !im.has(im.torn) {
		im.torn, im.tornLen = -1, 0
	}
}

// fill puts all items into the set.
func (im *Imager) fill() {
	for w := range im.keep {
		im.keep[w] = ^uint64(0)
	}
	if im.words > 0 {
		im.keep[im.words-1] = im.last
	}
}

func (im *Imager) row(rows []uint64, i int32) []uint64 {
	return rows[int(i)*im.words : (int(i)+1)*im.words]
}

// close makes the rows. Nearly all edges lead to earlier items, so one pass in
// order does nearly all of it; where some lead forwards (calls that survive
// whole) passes are repeated until nothing changes.
func (im *Imager) close() {
	if im.closed {
		return
	}
	im.closed = true
	n := int32(len(im.r.items))
	im.needs, im.needed = empty(im.needs, int(n)*im.words), empty(im.needed, int(n)*im.words)
	for i := range n {
		im.row(im.needs, i)[i/64] |= 1 << (i % 64)
		im.row(im.needed, i)[i/64] |= 1 << (i % 64)
	}
	im.forwards, im.starts, im.write = im.forwards[:0], im.starts[:0], -1
	for _, e := range im.r.need {
		if e.to > e.from {
			im.forwards = append(im.forwards, e)
		}
	}
	for i := range n {
		if i == 0 || im.d.item(im.r, i).call != im.d.item(im.r, i-1).call {
			im.starts = append(im.starts, i)
		}
		if im.d.item(im.r, i).kind == microData {
			im.write = len(im.starts) - 1
		}
	}
	im.starts = append(im.starts, n)
	for changed := true; changed; changed = changed && len(im.forwards) > 0 {
		changed = false
		for i := range n {
			for _, e := range im.r.needs(i) {
				changed = join(im.row(im.needs, i), im.row(im.needs, e.to)) || changed
			}
		}
		for i := n - 1; i >= 0; i-- {
			for _, e := range im.r.needs(i) {
				changed = join(im.row(im.needed, e.to), im.row(im.needed, i)) || changed
			}
		}
	}
}

// join adds a set to another and says whether that changed it.
func join(to, from []uint64) (changed bool) {
	for w, bits := range from {
		if bits&^to[w] != 0 {
			to[w] |= bits
			changed = true
		}
	}
	return changed
}

// signature names the image chosen; see Disk.Signature.
func (im *Imager) signature() uint64 {
	kept := 0
	for _, w := range im.keep {
		kept += bits.OnesCount64(w)
	}
	in, out := uint64(0), uint64(0) // sums of what is kept, and of the old bytes of what is not
	if kept <= len(im.value)/2 {
		each(im.keep, func(i int) {
			in += im.value[i]
			out -= im.old[i]
		})
		out += im.oldWorth
	} else {
		in = im.values
		for w, word := range im.keep {
			word = ^word
			if w == im.words-1 {
				word &= im.last
			}
			for ; word != 0; word &= word - 1 {
				i := w*64 + bits.TrailingZeros64(word)
				in -= im.value[i]
				out += im.old[i]
			}
		}
	}
	sum := im.d.settled64 + in
	if im.stale {
		sum += out
	}
	if im.torn >= 0 && im.has(im.torn) {
		sum += tornSpread(im.d.item(im.r, im.torn).seq, im.tornLen)
	}
	return sum
}

// each calls f for the items of a set, in order.
func each(set []uint64, f func(i int)) {
	for w, word := range set {
		for ; word != 0; word &= word - 1 {
			f(w*64 + bits.TrailingZeros64(word))
		}
	}
}

// has reports whether an item survives; what is not in play (-1) does.
func (im *Imager) has(item int32) bool {
	return item < 0 || im.keep[item/64]>>(item%64)&1 != 0
}

// Normal is the choice without draws that makes the image chosen again, as
// Cut.Choice is.
func (im *Imager) Normal() Choice {
	s := im.survivors
	s.keep = im.d.marks(len(im.r.items))
	each(im.keep, func(i int) { s.keep[i] = true })
	return im.d.normal(im.r, s)
}

// Image is the image chosen. It may be used like any disk, changed and cut, until
// the next Image or Begin.
func (im *Imager) Image() *Disk { return im.painter.paint(im) }
