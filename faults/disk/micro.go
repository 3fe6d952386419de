package disk

import "time"

// microKind is what a micro-operation changes.
type microKind uint8

const (
	microData  microKind = iota // bytes within one page of a file
	microSize                   // a file becomes at least so long
	microTrunc                  // a file becomes exactly so long
	microAdd                    // a name in a directory is made or pointed elsewhere
	microDel                    // a name goes away
)

func (k microKind) meta() bool { return k != microData }
func (k microKind) name() bool { return k >= microAdd }

// microState is how far a micro-operation has come.
type microState uint8

const (
	inPlay  microState = iota // may or may not survive a power cut
	durable                   // in every image from now on
	lost                      // dropped by a failed sync: in no image
)

// micro is the smallest thing that survives a power cut or does not (ALICE,
// OSDI 2014, section 3). Calls are split into them as they take effect.
type micro struct {
	seq  uint64 // place in the order of effects, from 1
	log  uint64 // place in the metadata log, in the same numbering; 0: not in it
	prev uint64 // data: the earlier one on the same page; 0: none
	call uint64
	at   time.Duration

	ino  Ino    // file; for names, what the name is about
	dir  Ino    // names: the directory
	name string // names
	off  int64  // data
	data []byte // data; nil while the bytes are in the file's vol at off
	size int64  // size, trunc

	len   int32 // data
	part  int32 // place among the call's micro-operations
	kind  microKind
	state microState
	// needsData: a size whose data is the micro-operation before it. newBlock: that
	// data needs a block the file does not have yet.
	needsData, newBlock bool
	creates             bool // names: the file was made with it
}

// add appends a micro-operation of the call being carried out.
func (d *Disk) add(c *Call, kind microKind, ino Ino) *micro {
	d.seq++
	d.related = false
	d.micros = append(d.micros, micro{seq: d.seq, call: c.ID, at: c.Enter, ino: ino, kind: kind, part: d.part})
	d.part++
	m := &d.micros[len(d.micros)-1]
	if kind.meta() && kind != microSize {
		m.log = m.seq
	}
	n := d.inodes[ino]
	if kind.name() {
		n.names++
		d.wake(c.Enter, d.p.Commit, 0)
		return m
	}
	n.dirty++
	if d.writesBack(m) {
		if n.unwritten++; n.unwritten == 1 {
			n.dirtyAt = c.Enter
			d.wake(c.Enter, d.o.WriteBack.Expire, d.o.WriteBack.Interval)
		}
	}
	if m.log != 0 {
		d.wake(c.Enter, d.p.Commit, 0)
	}
	return m
}

// writesBack reports whether writing back its file makes a data or size
// micro-operation durable; otherwise the next commit does.
func (d *Disk) writesBack(m *micro) bool {
	return m.kind == microData && !d.p.Has(DataInLog) || d.p.Commit == 0 || d.p.Has(AllInOrder)
}

// stopped accounts for a data or size micro-operation that leaves play.
func (d *Disk) stopped(n *inode, m *micro) {
	n.dirty--
	if d.writesBack(m) {
		n.unwritten--
	}
	if n.dirty == 0 {
		d.settled = append(d.settled, n)
	}
}

// addName appends a name micro-operation.
func (d *Disk) addName(c *Call, kind microKind, dir Ino, name string, ino Ino) *micro {
	m := d.add(c, kind, ino)
	m.dir, m.name = dir, name
	at := d.inodes[dir]
	at.names++
	at.touched, d.inodes[ino].touched = true, true
	return m
}

// bytes is the data of a data micro-operation.
func (d *Disk) bytes(m *micro) []byte {
	if m.data != nil {
		return m.data
	}
	return d.inodes[m.ino].vol.slice(m.off, int(m.len))
}

// keepBytes copies data that has no other home.
func (d *Disk) keepBytes(p []byte) []byte {
	d.arenaLive++
	if len(d.arena)+len(p) > cap(d.arena) {
		d.arena = make([]byte, 0, max(arenaBlock, len(p)))
	}
	at := len(d.arena)
	d.arena = append(d.arena, p...)
	return d.arena[at:len(d.arena):len(d.arena)]
}

// arenaBlock is how much memory keepBytes takes at a time.
const arenaBlock = 64 << 10

// forget gives back what a micro-operation holds, before it leaves the list.
func (d *Disk) forget(m *micro) {
	if m.data != nil {
		m.data = nil
		if d.arenaLive--; d.arenaLive == 0 {
			d.arena = d.arena[:0]
		}
	}
	n := d.inodes[m.ino]
	if m.kind.name() {
		n.names--
		d.inodes[m.dir].names--
		return
	}
	if m.state == inPlay {
		d.stopped(n, m)
	}
	if m.state == lost {
		n.lost--
	}
}

// settle marks a micro-operation durable. The caller folds afterwards.
func (d *Disk) settle(m *micro) {
	if m.state != inPlay {
		return
	}
	m.state = durable
	d.settled64 += spread(m.seq)
	if m.kind.name() {
		return
	}
	n := d.inodes[m.ino]
	d.stopped(n, m)
	if m.kind == microData {
		n.allocated = max(n.allocated, pageEnd(m.off+int64(m.len)))
	}
}

// pageEnd rounds up to whole pages.
func pageEnd(off int64) int64 { return (off + pageSize - 1) &^ (pageSize - 1) }

// ownBase gives a file's base its own bytes, before bytes of vol change that
// base or micro-operations in play still show.
func (d *Disk) ownBase(n *inode) {
	if !n.alias {
		return
	}
	for i := range d.micros {
		if m := &d.micros[i]; m.ino == n.ino && m.kind == microData && m.data == nil {
			m.data = d.keepBytes(n.vol.slice(m.off, int(m.len)))
		}
	}
	n.base.copyFrom(&n.vol, max(n.baseSize, n.baseEnd), &d.pool)
	n.base.size = n.baseSize
	n.alias = false
}

// fold moves what is durable into base where nothing in play before it touches
// the same thing, and drops it from the list. Folding keeps the order of
// effects: per file for data and sizes, per name for directories.
func (d *Disk) fold() {
	d.pass++
	d.related = false
	out := d.micros[:0]
	left := d.nameLeft[:0]
	for i := range d.micros {
		m := &d.micros[i]
		stays := m.state != durable
		if m.kind.name() {
			for _, j := range left {
				if o := &out[j]; o.dir == m.dir && o.name == m.name {
					stays = true
					break
				}
			}
			if stays {
				left = append(left, int32(len(out)))
			} else {
				d.foldName(m)
				d.mayFree(d.inodes[m.ino])
			}
		} else {
			n := d.inodes[m.ino]
			if n.pass != d.pass {
				n.pass, n.blocked = d.pass, false
			}
			switch {
			case m.state == inPlay:
				n.blocked = true
			case n.blocked:
				stays = true
			case m.state == durable:
				d.foldData(n, m)
			}
		}
		if stays {
			out = append(out, *m)
			continue
		}
		d.forget(m)
	}
	clear(d.micros[len(out):])
	d.micros = out
	d.nameLeft = left
	for _, n := range d.settled {
		d.clean(n)
	}
	d.settled = d.settled[:0]
	d.sweep()
}

func (d *Disk) foldName(m *micro) {
	dir := d.inodes[m.dir]
	if m.kind == microAdd {
		dir.bents = setEntry(dir.bents, m.name, m.ino)
	} else {
		dir.bents = dropEntry(dir.bents, m.name)
	}
}

func (d *Disk) foldData(n *inode, m *micro) {
	if n.alias {
		// vol has the bytes: whatever would have changed them took base out of alias.
		switch m.kind {
		case microData:
			n.baseEnd = max(n.baseEnd, m.off+int64(m.len))
		case microSize:
			n.baseSize = max(n.baseSize, m.size)
		case microTrunc:
			n.baseSize = m.size
		}
		return
	}
	n.base.apply(m, m.data, &d.pool)
}

// apply carries out a data, size or truncate micro-operation.
func (c *content) apply(m *micro, data []byte, p *chunkPool) {
	switch m.kind {
	case microData:
		c.put(m.off, data, p)
	case microSize:
		c.size = max(c.size, m.size)
	case microTrunc:
		if m.size < c.size {
			c.cut(m.size, p)
		}
		c.size = m.size
	}
}

// clean puts a file of which nothing is in play any more back into alias.
func (d *Disk) clean(n *inode) {
	if n.dirty != 0 {
		return
	}
	n.maxDirty, n.lastSeq = 0, 0
	if n.mapped {
		clear(n.pages)
		n.mapped = false
	}
	if !n.alias && n.lost == 0 {
		n.base.release(&d.pool)
		n.alias, n.baseSize, n.baseEnd = true, n.vol.size, 0
	}
}

// mayFree notes a file or directory that has no name any more for sweep.
func (d *Disk) mayFree(n *inode) {
	if n.links == 0 && n.opens == 0 && n.ino != Root {
		d.nameless = append(d.nameless, n.ino)
	}
}

// sweep frees the files and directories noted by mayFree that no name in base or
// in play leads to either, with whatever of theirs is still in play.
func (d *Disk) sweep() {
	for i := 0; i < len(d.nameless); i++ {
		n := d.inodes[d.nameless[i]]
		if n == nil || n.links > 0 || n.opens > 0 {
			continue
		}
		if n.dir && n.names > 0 && !d.nameInPlay(n) {
			// Only names inside a directory that is gone: nobody can sync or see them.
			d.drop(func(m *micro) bool { return m.kind.name() && m.dir == n.ino })
		}
		if n.names > 0 {
			continue
		}
		if n.dirty+n.lost > 0 || !n.alias {
			d.drop(func(m *micro) bool { return m.ino == n.ino })
		}
		d.discard(n.ino)
	}
	d.nameless = d.nameless[:0]
}

// nameInPlay reports whether a micro-operation in play is about a directory's own name.
func (d *Disk) nameInPlay(n *inode) bool {
	for i := range d.micros {
		if m := &d.micros[i]; m.kind.name() && m.ino == n.ino {
			return true
		}
	}
	return false
}

// drop removes micro-operations from the list.
func (d *Disk) drop(which func(*micro) bool) {
	d.related = false
	out := d.micros[:0]
	for i := range d.micros {
		m := &d.micros[i]
		if !which(m) {
			out = append(out, *m)
			continue
		}
		n := d.inodes[m.ino]
		d.forget(m)
		if m.kind.name() {
			d.mayFree(n)
		}
	}
	clear(d.micros[len(out):])
	d.micros = out
}
