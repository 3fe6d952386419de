package disk

import "syscall"

// Read copies bytes from off; 0 at or behind the end. EISDIR, ESTALE, EIO.
func (d *Disk) Read(ino Ino, off int64, p []byte) (int, syscall.Errno) {
	n, e := d.get(ino)
	switch {
	case e != 0:
		return 0, e
	case d.frozen:
		return 0, syscall.EIO
	case n.dir:
		return 0, syscall.EISDIR
	case off < 0:
		return 0, syscall.EINVAL
	}
	return n.vol.read(p, off, n.vol.size), 0
}

// NextData finds the first byte at or behind off that may be other than zero; what lies
// before it is a hole, however long. False when none comes any more. EISDIR, ESTALE.
func (d *Disk) NextData(ino Ino, off int64) (at int64, ok bool, e syscall.Errno) {
	n, e := d.get(ino)
	switch {
	case e != 0:
		return 0, false, e
	case n.dir:
		return 0, false, syscall.EISDIR
	}
	at = n.vol.nextData(off)
	return at, at < n.vol.size, 0
}

// file finds a file that is to be changed.
func (d *Disk) file(ino Ino) (*inode, syscall.Errno) {
	n, e := d.get(ino)
	if e == 0 {
		e = d.changeable()
	}
	if e == 0 && n.dir {
		e = syscall.EISDIR
	}
	if e == 0 {
		n.touched = true
	}
	return n, e
}

// Write stores p at c.Off of file c.Ino, or at its end with CallAppend, and
// sets c.Off and c.Len to what was written. On a full disk it may store less
// than all, and fails with ENOSPC rather than store nothing: Redis would retry
// a write that returns 0 for ever.
func (d *Disk) Write(c *Call, p []byte) (int, syscall.Errno) {
	n, e := d.file(c.Ino)
	if e != 0 {
		return 0, e
	}
	if c.Flags&CallAppend != 0 {
		c.Off = n.vol.size
	}
	switch {
	case c.Off < 0:
		return 0, syscall.EINVAL
	case c.Off > maxSize-int64(len(p)):
		return 0, syscall.EFBIG
	}
	if grows := c.Off + int64(len(p)) - n.vol.size; d.free >= 0 && grows > d.free {
		fits, full := int64(len(p))-(grows-d.free), d.deny(syscall.ENOSPC)
		if fits <= 0 {
			return 0, full
		}
		p = p[:fits]
	}
	c.Len = int64(len(p))
	d.tape.effect(c, 0, 0, "", "", p)
	d.logged(c)
	if len(p) == 0 {
		return 0, 0
	}
	n.mtime = c.Enter
	if c.Off < n.vol.size {
		d.ownBase(n)
	}
	n.vol.put(c.Off, p, &d.pool)
	size := n.vol.size
	for done := 0; done < len(p); {
		off := c.Off + int64(done)
		k := int(min(int64(len(p)-done), pageSize-off%pageSize))
		d.addData(c, n, off, p[done:done+k])
		done += k
		if end := off + int64(k); end > size {
			m := d.add(c, microSize, n.ino)
			m.size, m.needsData = end, true
			m.newBlock = off&^(pageSize-1) >= n.allocated
			if !m.newBlock && d.p.Has(SizeInLog) || d.p.Has(DataInLog) {
				m.log = m.seq
				d.wake(c.Enter, d.p.Commit, 0)
			}
		}
	}
	if end := c.Off + c.Len; end > size {
		n.vol.size = end
		d.took(end - size)
	}
	return len(p), 0
}

// addData appends a data micro-operation within one page.
func (d *Disk) addData(c *Call, n *inode, off int64, p []byte) {
	page := off / pageSize
	prev := uint64(0)
	switch {
	case n.dirty == 0 && n.lost == 0:
	case n.lastSeq != 0 && n.lastPage == page:
		prev = n.lastSeq
	case off >= pageEnd(n.maxDirty) && n.lost == 0:
	default:
		prev = d.lastOn(n, page)
	}
	m := d.add(c, microData, n.ino)
	m.off, m.len, m.prev = off, int32(len(p)), prev
	if d.p.Has(DataInLog) {
		m.log = m.seq
		d.wake(c.Enter, d.p.Commit, 0)
	}
	if !n.alias {
		m.data = d.keepBytes(p)
	}
	n.lastPage, n.lastSeq = page, m.seq
	n.maxDirty = max(n.maxDirty, off+int64(len(p)))
	if n.mapped {
		n.pages[page] = m.seq
	}
	if n.lost > 0 {
		d.heal(n, page)
	}
}

// lastOn is the number of the last data micro-operation on a page of a file.
func (d *Disk) lastOn(n *inode, page int64) uint64 {
	if !n.mapped {
		if n.pages == nil {
			n.pages = make(map[int64]uint64)
		}
		for i := range d.micros {
			if m := &d.micros[i]; m.ino == n.ino && m.kind == microData {
				n.pages[m.off/pageSize] = m.seq
			}
		}
		n.mapped = true
	}
	return n.pages[page]
}

// heal puts data that a failed sync dropped back in play when its page is
// written again: memory still has it, and pages are written back whole.
func (d *Disk) heal(n *inode, page int64) {
	d.related = false
	for i := range d.micros {
		if m := &d.micros[i]; m.ino == n.ino && m.state == lost && m.off/pageSize == page {
			m.state = inPlay
			n.lost--
			n.dirty++
			n.unwritten++
		}
	}
}

// Truncate makes file c.Ino c.Len bytes long; a longer one reads zeroes in its new part.
func (d *Disk) Truncate(c *Call) syscall.Errno {
	n, e := d.file(c.Ino)
	switch {
	case e != 0:
		return e
	case c.Len < 0:
		return syscall.EINVAL
	case c.Len > maxSize:
		return syscall.EFBIG
	case d.free >= 0 && c.Len-n.vol.size > d.free:
		return d.deny(syscall.ENOSPC)
	}
	d.tape.effect(c, 0, 0, "", "", nil)
	d.logged(c)
	n.mtime = c.Enter
	if c.Len == n.vol.size {
		return 0
	}
	if c.Len < n.vol.size {
		d.ownBase(n)
		if end := min(pageEnd(c.Len), n.vol.size); end > c.Len && d.p.Has(CutZeroes) {
			var zeroes [pageSize]byte
			d.addData(c, n, c.Len, zeroes[:end-c.Len])
		}
		n.vol.cut(c.Len, &d.pool)
		n.allocated = min(n.allocated, pageEnd(c.Len))
		if d.free >= 0 {
			d.free += n.vol.size - c.Len
		}
	} else {
		d.took(c.Len - n.vol.size)
	}
	d.add(c, microTrunc, n.ino).size = c.Len
	n.vol.size = c.Len
	return 0
}

// Allocate reserves c.Len bytes at c.Off and extends the file to their end
// (fallocate mode 0). Its size is metadata of its own and waits for no data.
func (d *Disk) Allocate(c *Call) syscall.Errno {
	n, e := d.file(c.Ino)
	if e != 0 {
		return e
	}
	if c.Off < 0 || c.Len <= 0 {
		return syscall.EINVAL
	}
	if c.Off > maxSize-c.Len {
		return syscall.EFBIG
	}
	end := c.Off + c.Len
	if d.free >= 0 && end-n.vol.size > d.free {
		return d.deny(syscall.ENOSPC)
	}
	d.tape.effect(c, 0, 0, "", "", nil)
	d.logged(c)
	if end <= n.vol.size {
		return 0
	}
	m := d.add(c, microSize, n.ino)
	m.size, m.log = end, m.seq
	d.wake(c.Enter, d.p.Commit, 0)
	d.took(end - n.vol.size)
	n.vol.size = end
	return 0
}
