package disk

import (
	"cmp"
	"math/bits"
	"slices"
)

// painter makes the images of an Imager. It keeps a few canvases, since choices
// come from two ends: little survives, or little is missing. Each choice is
// painted over the canvas that differs least from it.
type painter struct {
	canvases [4]canvas
	ready    bool // files is of this moment

	files []painted
	file  []int32 // by inode number: place in files, or -1
	diff  []int32 // items that are to change
}

// canvas is an image that was made at this moment.
type canvas struct {
	image Disk
	made  bool
	keep  []uint64
	survivors
}

// painted is a file of which something is in play.
type painted struct {
	ino   Ino
	parts []int32     // its data, sizes and truncations, as places in the list
	data  []paintData // its data, by page, then in the order of effects
	sizes []paintSize
	start int64 // size that the disk surely has
	end   int64 // where the bytes that the disk surely has end
	// whole: it must be painted whole whenever something of it changes, because a
	// truncation is in play, or sizes that do not ascend.
	whole bool

	seen        bool // in the present change
	before, now int64
}

// paintData is bytes within a page.
type paintData struct {
	off  int64
	len  int32
	at   int32 // place in the list
	item int32 // -1: not in play, durable
	// old is where the bytes begin that read as old ones when it does not survive:
	// those before it do that whatever survives of them.
	old int64
}

type paintSize struct {
	size int64
	at   int32
	item int32
}

// begin forgets the moment before.
func (p *painter) begin() {
	p.ready = false
	for i := range p.canvases {
		p.canvases[i].made = false
	}
}

// paint makes the image chosen.
func (p *painter) paint(im *Imager) *Disk {
	if !p.ready {
		p.prepare(im.d, im.r)
	}
	c := p.nearest(im)
	p.difference(im, c)
	names := false
	if c.made {
		names = c.image.undo(im.d)
		for _, i := range p.diff {
			names = names || im.d.item(im.r, i).kind.name()
		}
	} else {
		im.d.blank(&c.image)
		names = true
	}
	c.made = true
	c.keep = append(c.keep[:0], im.keep...)
	c.survivors = im.survivors
	if names {
		p.names(im, &c.image)
	}
	p.contents(im, &c.image)
	im.d.leaveFree(&c.image)
	return &c.image
}

// prepare sorts what is in play by file.
func (p *painter) prepare(d *Disk, r *relation) {
	p.ready = true
	p.file = slices.Grow(p.file[:0], len(d.inodes))[:len(d.inodes)]
	for i := range p.file {
		p.file[i] = -1
	}
	p.files = p.files[:0]
	for i := range d.micros {
		if m := &d.micros[i]; !m.kind.name() && m.state != lost {
			p.of(d, m.ino).add(d, int32(i), r.where[i])
		}
	}
	for i := range p.files {
		p.files[i].sort(d)
	}
}

// of is the file of a number, added if need be.
func (p *painter) of(d *Disk, ino Ino) *painted {
	if k := p.file[ino]; k >= 0 {
		return &p.files[k]
	}
	p.file[ino] = int32(len(p.files))
	if len(p.files) == cap(p.files) {
		p.files = append(p.files, painted{})
	} else {
		p.files = p.files[:len(p.files)+1]
	}
	f := &p.files[len(p.files)-1]
	*f = painted{ino: ino, parts: f.parts[:0], data: f.data[:0], sizes: f.sizes[:0]}
	var from *content
	from, f.end, f.start = d.inodes[ino].durable()
	f.end = from.endWithin(f.end)
	return f
}

func (f *painted) add(d *Disk, at, item int32) {
	m := &d.micros[at]
	f.parts = append(f.parts, at)
	switch m.kind {
	case microData:
		f.data = append(f.data, paintData{off: m.off, len: m.len, at: at, item: item})
	case microSize:
		if k := len(f.sizes); m.size < f.start || k > 0 && m.size < f.sizes[k-1].size {
			f.whole = true
		}
		f.sizes = append(f.sizes, paintSize{m.size, at, item})
	default:
		f.whole = true
	}
}

func (f *painted) sort(d *Disk) {
	end, sorted := f.end, true
	for i := range f.data {
		m := &f.data[i]
		m.old = max(m.off, end)
		end = max(end, m.off+int64(m.len))
		sorted = sorted && (i == 0 || f.data[i-1].off/pageSize <= m.off/pageSize)
	}
	if !sorted {
		slices.SortStableFunc(f.data, func(a, b paintData) int { return cmp.Compare(a.off/pageSize, b.off/pageSize) })
	}
}

// nearest is the canvas to paint over.
func (p *painter) nearest(im *Imager) *canvas {
	var best, free *canvas
	least := 0
	for i := range p.canvases {
		c := &p.canvases[i]
		if !c.made {
			if free == nil {
				free = c
			}
			continue
		}
		if c.stale != im.stale {
			continue
		}
		far := 0
		for w, word := range im.keep {
			far += bits.OnesCount64(word ^ c.keep[w])
		}
		if best == nil || far < least {
			best, least = c, far
		}
	}
	switch {
	case best == nil && free == nil:
		best = &p.canvases[0] // all are of the other kind
		best.made = false
	case free != nil && (best == nil || least > 8+len(im.r.items)/16):
		return free
	}
	return best
}

// difference finds the items in which the choice differs from a canvas. A write
// that was or is to be kept in part is one of them.
func (p *painter) difference(im *Imager, c *canvas) {
	p.diff = p.diff[:0]
	if !c.made {
		return
	}
	for w, word := range im.keep {
		for word ^= c.keep[w]; word != 0; word &= word - 1 {
			p.diff = append(p.diff, int32(w*64+bits.TrailingZeros64(word)))
		}
	}
	if c.torn != im.torn || c.tornLen != im.tornLen {
		for _, t := range [...]int32{c.torn, im.torn} {
			if t >= 0 {
				p.diff = append(p.diff, t)
			}
		}
	}
}

// undo takes back what has been done on an image since it was painted, but for
// files that were touched: they are empty, and still touched. It reports whether
// names may have changed.
func (d *Disk) undo(of *Disk) (names bool) {
	d.rest()
	d.nextID, d.seq, d.moves = of.nextID, of.seq, of.moves
	for i := len(d.inodes) - 1; i >= len(of.inodes); i-- {
		if d.inodes[i] != nil {
			d.discard(Ino(i))
		}
		d.inodes, names = d.inodes[:i], true
	}
	for i, n := range d.inodes {
		switch {
		case n == nil:
		case n.touched:
			names = names || n.dir
			links, parent, name := n.links, n.parent, n.name // if these have changed, so has a directory
			n.reset(&d.pool)
			n.begin(Ino(i))
			n.links, n.parent, n.name, n.touched = links, parent, name, true
		default:
			n.opens = 0
		}
	}
	return names
}

// names gives an image its names, and drops what no name leads to. Files that
// were not there are there now, touched: their contents are to be painted.
func (p *painter) names(im *Imager, dst *Disk) {
	d := im.d
	for i, n := range d.inodes {
		if n == nil {
			continue
		}
		m := (*inode)(nil)
		if i < len(dst.inodes) {
			m = dst.inodes[i]
		}
		if m == nil {
			m = dst.newInode(Ino(i))
			m.touched = true
		}
		m.links, m.path = 0, ""
		if n.dir {
			n.copyBase(m, dst)
			m.touched = false
		}
	}
	for len(dst.inodes) < len(d.inodes) {
		dst.inodes = append(dst.inodes, nil)
	}
	for i := range d.micros {
		if m := &d.micros[i]; m.kind.name() && im.has(im.r.where[i]) {
			dst.inodes[m.dir].applyName(m)
		}
	}
	root := dst.inodes[Root]
	root.links, root.parent = 2, Root
	dst.walk(root)
	for ino, n := range dst.inodes {
		switch {
		case n == nil:
		case n.links == 0:
			dst.discard(Ino(ino))
		case n.dir:
			n.bents = append(n.bents[:0], n.ents...)
		}
	}
}

// contents paints the files of an image: those that were touched whole, of the
// others what differs.
func (p *painter) contents(im *Imager, dst *Disk) {
	d := im.d
	for _, i := range p.diff {
		m := d.item(im.r, i)
		n := dst.inodes[m.ino]
		if m.kind.name() || n == nil || n.touched {
			continue
		}
		f := &p.files[p.file[m.ino]]
		if f.whole {
			n.touched = true
			continue
		}
		if !f.seen {
			f.seen = true
			f.resize(im, dst, n)
		}
	}
	for _, i := range p.diff {
		m := d.item(im.r, i)
		if n := dst.inodes[m.ino]; m.kind == microData && n != nil && !n.touched {
			f := &p.files[p.file[m.ino]]
			f.repaint(im, dst, n, m.off, min(m.off+int64(m.len), f.before, f.now))
		}
	}
	for i := range p.files {
		p.files[i].seen = false
	}
	for ino, n := range dst.inodes {
		if n == nil || !n.touched {
			continue
		}
		n.vol.release(&dst.pool)
		d.inodes[ino].copyBase(n, dst)
		if k := p.file[ino]; k >= 0 {
			for _, at := range p.files[k].parts {
				item := im.r.where[at]
				d.applyPart(n, dst, at, item, im.has(item), &im.survivors)
			}
		}
		n.allDurable(&dst.pool)
		n.touched = false
	}
}

// resize gives a file of an image its size, and paints what a longer one shows more.
func (f *painted) resize(im *Imager, dst *Disk, n *inode) {
	f.before, f.now = n.vol.size, f.start
	for i := len(f.sizes) - 1; i >= 0; i-- {
		s := &f.sizes[i]
		if !im.has(s.item) {
			continue
		}
		if im.torn >= 0 && s.item == im.torn+1 && im.d.micros[s.at].needsData {
			f.now = max(f.now, im.d.micros[s.at-1].off+im.tornLen)
			continue
		}
		f.now = max(f.now, s.size)
		break
	}
	n.vol.size = f.now
	if f.now > f.before {
		f.repaint(im, dst, n, f.before, f.now)
	}
	n.allDurable(&dst.pool)
}

// repaint paints [from, to) of a file of an image.
func (f *painted) repaint(im *Imager, dst *Disk, n *inode, from, to int64) {
	if from >= to {
		return
	}
	n.vol.zero(from, to, &dst.pool)
	base, _, _ := im.d.inodes[f.ino].durable()
	n.vol.copyRange(base, from, min(to, f.end), &dst.pool)
	i, _ := slices.BinarySearchFunc(f.data, from/pageSize, func(m paintData, page int64) int { return cmp.Compare(m.off/pageSize, page) })
	for ; i < len(f.data) && f.data[i].off < (to+pageSize-1)&^(pageSize-1); i++ {
		m := &f.data[i]
		start, end := max(m.off, from), min(m.off+int64(m.len), to)
		if start >= end {
			continue
		}
		switch kept := im.has(m.item); {
		case !kept && im.stale:
			if start = max(start, m.old); start < end {
				n.vol.fill(start, end-start, oldBytes, &dst.pool)
			}
			continue
		case !kept:
			continue
		case m.item >= 0 && m.item == im.torn:
			end = min(end, m.off+im.tornLen)
		}
		if start < end {
			b := im.d.bytes(&im.d.micros[m.at])
			n.vol.put(start, b[start-m.off:end-m.off], &dst.pool)
		}
	}
}
