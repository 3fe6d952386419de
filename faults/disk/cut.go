package disk

import (
	"cmp"
	"slices"
	"time"

	"github.com/torntail/torntail/internal/seeding"
)

// Cut says what a power cut found and what it left.
type Cut struct {
	// Asked is the choice as given; Choice makes the same image again from the
	// same disk, whatever draws the asked one made.
	Asked, Choice Choice
	At            time.Duration
	Ops           int    // calls in play: with an effect that was not durable
	Bytes         int64  // data in play
	LostOps       int    // calls in play of which the image misses something
	LostBytes     int64  // data in play that the image misses
	InFlight      []Call // calls that had entered and not returned, in the order of their effects
	Image         uint64 // Hash of the image
}

// PowerCut freezes the disk and returns what the choice leaves of it, as a disk
// of its own on which everything is durable. Numbers of files and calls go on.
func (d *Disk) PowerCut(c Choice, now time.Duration) (*Disk, Cut) {
	dst := &Disk{}
	cut := d.PowerCutInto(dst, c, now)
	return dst, cut
}

// PowerCutInto is PowerCut with the memory of another disk, which is Reset.
func (d *Disk) PowerCutInto(dst *Disk, c Choice, now time.Duration) Cut {
	cut := d.Image(dst, c)
	cut.At = now
	cut.Image = dst.Hash()
	cut.InFlight = slices.Clone(d.flight)
	slices.SortFunc(cut.InFlight, func(a, b Call) int { return int(a.ID) - int(b.ID) })
	if d.tape.cut(&cut) {
		dst.tape, d.tape = d.tape, nil
	}
	d.frozen = true
	return cut
}

// Image makes dst what the choice would leave of the disk, which goes on
// unharmed. Cut.At, Image and InFlight are not filled in.
func (d *Disk) Image(dst *Disk, c Choice) Cut {
	cut := Cut{Asked: c}
	r := d.relate()
	s := d.chosen(r, c)
	cut.Choice = d.normal(r, s)
	last, lost := uint64(0), false
	for i := range r.items {
		m := d.item(r, int32(i))
		if m.call != last {
			cut.Ops++
			last, lost = m.call, false
		}
		cut.Bytes += int64(m.len)
		kept := s.keep[i] && int32(i) != s.torn
		if !kept && !lost {
			cut.LostOps++
			lost = true
		}
		if !s.keep[i] {
			cut.LostBytes += int64(m.len)
		} else if int32(i) == s.torn {
			cut.LostBytes += int64(m.len) - s.tornLen
		}
	}
	d.build(dst, r, s)
	return cut
}

// survivors is a set of items in play, closed under the relation.
type survivors struct {
	keep    []bool
	torn    int32 // the data item that is kept only in part; -1: none
	tornLen int64 // bytes kept of it
	bytes   int64 // as the torn choice counts them
	stale   bool
}

// chosen is what a choice leaves, or all of it where that is planted.
func (d *Disk) chosen(r *relation, c Choice) survivors {
	s := d.survivors(r, c)
	if d.o.Plant&PlantLoseNothing != 0 {
		s = survivors{keep: s.keep, torn: -1}
		for i := range s.keep {
			s.keep[i] = true
		}
	}
	return s
}

// survivors applies a choice.
func (d *Disk) survivors(r *relation, c Choice) survivors {
	s := survivors{keep: d.marks(len(r.items)), torn: -1, stale: c.Stale && d.p.Has(OldBytes)}
	switch c.Mode {
	case KeepAll:
		for i := range s.keep {
			s.keep[i] = true
		}
	case KeepPrefix:
		calls, last := int64(0), uint64(0)
		for i := range r.items {
			if m := d.item(r, int32(i)); m.call != last {
				calls++
				last = m.call
			}
			s.keep[i] = calls <= c.K
		}
		r.without(s.keep)
	case KeepTorn:
		d.tear(r, &s, c.K)
	case KeepBut:
		for i := range s.keep {
			s.keep[i] = true
		}
		d.name(r, c, s.keep, false)
		r.without(s.keep)
	case KeepOnly:
		d.name(r, c, s.keep, true)
		r.with(s.keep)
	case KeepRandom:
		d.draw(r, &s, c.Seed)
	}
	return s
}

// tear keeps everything before the last write in play, and its first k bytes.
func (d *Disk) tear(r *relation, s *survivors, k int64) {
	end := len(r.items) - 1
	for end >= 0 && d.item(r, int32(end)).kind != microData {
		end--
	}
	if end < 0 {
		for i := range s.keep {
			s.keep[i] = true
		}
		return
	}
	s.bytes = k
	call := d.item(r, int32(end)).call
	for i := range r.items {
		m := d.item(r, int32(i))
		switch {
		case m.call != call:
			s.keep[i] = i < end
		case m.kind == microData:
			got := min(k, int64(m.len))
			k -= got
			s.keep[i] = got > 0
			if got > 0 && got < int64(m.len) {
				s.torn, s.tornLen = int32(i), got
			}
		default:
			s.keep[i] = i > 0 && s.keep[i-1]
		}
	}
	if s.torn >= 0 && d.p.Has(AllInOrder|DataInLog) {
		s.keep[s.torn] = false // calls are whole, or what one page of them logs
	}
	r.without(s.keep)
	if s.torn >= 0 && !s.keep[s.torn] {
		s.torn, s.tornLen = -1, 0
	}
}

// draw picks survivors with a generator seeded by seed. One way alone would
// hardly ever visit some kinds of images, so there are five.
func (d *Disk) draw(r *relation, s *survivors, seed uint64) {
	g := seeding.SplitMix(seed)
	n := uint64(len(s.keep))
	style := g.Next() % 5
	s.stale = d.p.Has(OldBytes) && g.Next()%2 == 0
	if n == 0 {
		return
	}
	if style == 4 { // the last write in play cut short
		d.tear(r, s, int64(g.Next()%uint64(d.lastWrite(r)+1)))
		return
	}
	if style == 3 { // a prefix of micro-operations with few gaps near its end
		cut := g.Next() % (n + 1)
		for i := range s.keep {
			i := uint64(i)
			s.keep[i] = i < cut && (i+8 < cut || g.Next()%4 != 0)
		}
		r.without(s.keep)
		return
	}
	density := [...]uint64{4, 7, 1}[style] // in eighths
	for i := range s.keep {
		s.keep[i] = g.Next()%8 < density
	}
	if style == 2 {
		r.with(s.keep)
	} else {
		r.without(s.keep)
	}
}

// lastWrite is how many bytes of the last write are in play.
func (d *Disk) lastWrite(r *relation) int64 {
	call, size := uint64(0), int64(0)
	for i := len(r.items) - 1; i >= 0; i-- {
		m := d.item(r, int32(i))
		if m.kind != microData {
			continue
		}
		if call != 0 && m.call != call {
			break
		}
		call = m.call
		size += int64(m.len)
	}
	return size
}

// normal is a choice without draws that keeps exactly the same.
func (d *Disk) normal(r *relation, s survivors) Choice {
	if s.torn >= 0 {
		return Choice{Mode: KeepTorn, K: s.bytes, Stale: s.stale}
	}
	kept := 0
	for _, k := range s.keep {
		if k {
			kept++
		}
	}
	switch kept {
	case len(s.keep):
		return Choice{Mode: KeepAll}
	case 0:
		return Choice{Mode: KeepNone, Stale: s.stale}
	}
	c := Choice{Mode: KeepOnly, Stale: s.stale}
	for i := 0; i < len(s.keep); {
		call := d.item(r, int32(i)).call
		end, whole := i, true
		for end < len(s.keep) && d.item(r, int32(end)).call == call {
			whole = whole && s.keep[end]
			end++
		}
		if whole {
			if k := len(c.IDs) - 1; r.byID && k >= 0 && c.IDs[k].Part < 0 && i > 0 && c.IDs[k].To == d.item(r, int32(i-1)).call {
				c.IDs[k].To = call
			} else {
				c.IDs = append(c.IDs, PartID{Call: call, To: call, Part: -1})
			}
		} else {
			for j := i; j < end; j++ {
				if s.keep[j] {
					c.IDs = append(c.IDs, PartID{Call: call, To: call, Part: d.item(r, int32(j)).part})
				}
			}
		}
		i = end
	}
	return c
}

// name sets the marks of what the choice's IDs name.
func (d *Disk) name(r *relation, c Choice, marks []bool, to bool) {
	for _, id := range c.IDs {
		d.named(r, id, func(i int32) { marks[i] = to })
	}
}

// named calls f for each item that an ID names.
func (d *Disk) named(r *relation, id PartID, f func(item int32)) {
	i := 0
	if r.byID {
		i, _ = slices.BinarySearchFunc(r.items, id.Call, func(at int32, call uint64) int {
			return cmp.Compare(d.micros[at].call, call)
		})
	}
	for ; i < len(r.items); i++ {
		m := d.item(r, int32(i))
		switch {
		case m.call > max(id.Call, id.To) && r.byID:
			return
		case m.call >= id.Call && m.call <= max(id.Call, id.To) && (id.Part < 0 || id.Part == m.part):
			f(int32(i))
		}
	}
}

// oldBytes is what a block held before: any bytes that are not zero would do;
// these are recognised in a dump.
var oldBytes = []byte(OldBytesText)

// OldBytesText is what old bytes read, over and over.
const OldBytesText = "~old-bytes~\n"

// build makes dst base plus what is durable but not folded plus the survivors.
func (d *Disk) build(dst *Disk, r *relation, s survivors) {
	d.blank(dst)
	for ino, n := range d.inodes {
		if n != nil {
			n.copyBase(dst.newInode(Ino(ino)), dst)
		}
	}
	for len(dst.inodes) < len(d.inodes) {
		dst.inodes = append(dst.inodes, nil) // numbers go on
	}
	for i := range d.micros {
		m := &d.micros[i]
		k := r.where[i]
		if m.kind.name() {
			if k < 0 || s.keep[k] {
				dst.inodes[m.dir].applyName(m)
			}
			continue
		}
		d.applyPart(dst.inodes[m.ino], dst, int32(i), k, k < 0 || s.keep[k], &s)
	}
	dst.mount()
	d.leaveFree(dst)
}

// blank makes dst an empty disk of the same kind, whose numbers go on.
func (d *Disk) blank(dst *Disk) {
	dst.empty()
	dst.o, dst.p, dst.failure, dst.tape = d.o, d.p, d.failure, nil
	dst.nextID, dst.seq, dst.moves, dst.denied = d.nextID, d.seq, d.moves, d.denied
}

// leaveFree gives dst what space is left.
func (d *Disk) leaveFree(dst *Disk) {
	if d.free >= 0 {
		dst.free = max(0, d.free+d.Used()-dst.Used())
	}
}

// copyBase makes m, of dst, what the disk surely has of n.
func (n *inode) copyBase(m *inode, dst *Disk) {
	m.dir, m.symlink, m.mode, m.uid, m.gid, m.mtime, m.ctime = n.dir, n.symlink, n.mode, n.uid, n.gid, n.mtime, n.ctime
	if n.dir {
		m.ents = append(m.ents[:0], n.bents...)
		return
	}
	from, end, size := n.durable()
	m.vol.copyFrom(from, end, &dst.pool)
	m.vol.size = size
}

// durable is where a file's durable bytes are, where they end, and the size
// that the disk surely has, which may be less.
func (n *inode) durable() (from *content, end, size int64) {
	if n.alias {
		return &n.vol, max(n.baseSize, n.baseEnd), n.baseSize
	}
	return &n.base, n.base.end(), n.base.size
}

// applyName makes or removes a name in directory n.
func (n *inode) applyName(m *micro) {
	if m.kind == microAdd {
		n.ents = setEntry(n.ents, m.name, m.ino)
	} else {
		n.ents = dropEntry(n.ents, m.name)
	}
}

// applyPart carries out, on file n of dst, the data, size or truncation at place
// i of the list, which is item k of the relation (-1: not in play).
func (d *Disk) applyPart(n *inode, dst *Disk, i, k int32, kept bool, s *survivors) {
	m := &d.micros[i]
	switch {
	case m.state == lost:
	case !kept:
		if s.stale && m.kind == microData {
			// Where the file has nothing yet, the block shows what it held before.
			if from, to := max(m.off, n.vol.end()), m.off+int64(m.len); from < to {
				n.vol.fill(from, to-from, oldBytes, &dst.pool)
			}
		}
	case m.kind == microData:
		b := d.bytes(m)
		if s.torn >= 0 && k == s.torn {
			b = b[:s.tornLen]
		}
		n.vol.put(m.off, b, &dst.pool)
	case m.kind == microSize && s.torn >= 0 && k == s.torn+1 && m.needsData:
		n.vol.size = max(n.vol.size, d.micros[i-1].off+s.tornLen)
	default:
		n.vol.apply(m, nil, &dst.pool)
	}
}

// mount makes a disk of whatever contents and entries it has been given: it
// counts links, drops what no name leads to, as a file system check does, and
// takes everything for durable.
func (d *Disk) mount() {
	root := d.inodes[Root]
	root.links, root.parent = 2, Root
	d.walk(root)
	for ino, n := range d.inodes {
		switch {
		case n == nil:
		case n.links == 0:
			d.discard(Ino(ino))
		case n.dir:
			n.bents = append(n.bents[:0], n.ents...)
		default:
			n.allDurable(&d.pool)
		}
	}
}

// discard frees an inode.
func (d *Disk) discard(ino Ino) {
	n := d.inodes[ino]
	n.reset(&d.pool)
	d.freeInodes = append(d.freeInodes, n)
	d.inodes[ino] = nil
}

// allDurable takes a file for what the disk has.
func (n *inode) allDurable(p *chunkPool) {
	n.vol.cut(n.vol.size, p)
	n.alias, n.baseSize, n.baseEnd = true, n.vol.size, 0
	n.allocated = pageEnd(n.vol.size)
}

// walk counts the names below a directory.
func (d *Disk) walk(dir *inode) {
	for i := 0; i < len(dir.ents); i++ {
		e := dir.ents[i]
		n := d.inodes[e.Ino]
		if n == nil || n.dir && n.links > 0 {
			// A second name of a directory (half a rename): a check removes it.
			dir.ents = slices.Delete(dir.ents, i, i+1)
			i--
			continue
		}
		n.parent, n.name = dir.ino, e.Name
		if !n.dir {
			n.links++
			continue
		}
		n.links = 2
		dir.links++
		d.walk(n)
	}
}
