package disk

// chunkSize is the unit in which file contents are shared between disks. A file
// smaller than that has one chunk, which grows as a slice does, so that a small
// file costs no page.
const chunkSize = 64 << 10

// pageSize is the unit in which the kernel writes files back; a write is split
// at its boundaries.
const pageSize = 4 << 10

// maxSize is how long a file may become, in bytes. A hole costs eight bytes for
// each chunk.
const maxSize = 1 << 40

// sectorSize is the unit that a disk writes whole.
const sectorSize = 512

// chunk is up to chunkSize bytes of a file. What lies behind len(b) is zeroes.
type chunk struct {
	b []byte
	// shared: another content points here too, or once did. A shared chunk is
	// never changed and never reused.
	shared bool
}

// content is the bytes of a file. Bytes at or behind size may be present (data
// that arrived before the size that makes it visible); they are not readable.
type content struct {
	size   int64
	chunks []*chunk // nil: a hole
}

// chunkPool keeps chunks for reuse. It belongs to one disk.
type chunkPool struct{ free []*chunk }

func (p *chunkPool) get() *chunk {
	if n := len(p.free); n > 0 {
		c := p.free[n-1]
		p.free = p.free[:n-1]
		return c
	}
	return &chunk{}
}

func (p *chunkPool) put(c *chunk) {
	if c == nil || c.shared || len(p.free) >= 64 {
		return
	}
	c.b = c.b[:0]
	p.free = append(p.free, c)
}

// release gives the chunks back and empties the content.
func (c *content) release(p *chunkPool) {
	for i, k := range c.chunks {
		p.put(k)
		c.chunks[i] = nil
	}
	c.chunks = c.chunks[:0]
	c.size = 0
}

// chunkAt returns chunk i, fit to be changed.
func (c *content) chunkAt(i int, p *chunkPool) *chunk {
	for len(c.chunks) <= i {
		c.chunks = append(c.chunks, nil)
	}
	k := c.chunks[i]
	switch {
	case k == nil:
		k = p.get()
		c.chunks[i] = k
	case k.shared:
		own := p.get()
		own.b = append(own.b[:0], k.b...)
		c.chunks[i] = own
		k = own
	}
	return k
}

// put stores data at off without changing the size.
func (c *content) put(off int64, data []byte, p *chunkPool) {
	for len(data) > 0 {
		at := int(off % chunkSize)
		n := min(len(data), chunkSize-at)
		k := c.chunkAt(int(off/chunkSize), p)
		k.reach(at)
		if at == len(k.b) {
			k.grow(at + n)
			k.b = append(k.b, data[:n]...)
		} else {
			k.reach(at + n)
			copy(k.b[at:], data[:n])
		}
		data = data[n:]
		off += int64(n)
	}
}

// fill stores n bytes of a repeated pattern at off.
func (c *content) fill(off, n int64, pattern []byte, p *chunkPool) {
	for n > 0 {
		m := min(n, int64(len(pattern))-off%int64(len(pattern)))
		at := off % int64(len(pattern))
		c.put(off, pattern[at:at+m], p)
		off += m
		n -= m
	}
}

// grow makes room for n bytes: doubling, never above chunkSize.
func (k *chunk) grow(n int) {
	if n <= cap(k.b) {
		return
	}
	b := make([]byte, len(k.b), min(chunkSize, max(512, 2*cap(k.b), n)))
	copy(b, k.b)
	k.b = b
}

// reach makes the chunk at least n bytes long, with zeroes.
func (k *chunk) reach(n int) {
	if old := len(k.b); old < n {
		k.grow(n)
		k.b = k.b[:n]
		clear(k.b[old:])
	}
}

// cut drops the bytes at and behind n, so that they read zeroes from now on.
func (c *content) cut(n int64, p *chunkPool) {
	first := int(n / chunkSize)
	if first >= len(c.chunks) {
		return
	}
	keep := first
	if at := int(n % chunkSize); at > 0 {
		keep++
		if k := c.chunks[first]; k != nil && len(k.b) > at {
			if k.shared {
				own := p.get()
				own.b = append(own.b[:0], k.b[:at]...)
				c.chunks[first] = own
			} else {
				k.b = k.b[:at]
			}
		}
	}
	for i := keep; i < len(c.chunks); i++ {
		p.put(c.chunks[i])
		c.chunks[i] = nil
	}
	c.chunks = c.chunks[:keep]
}

// read copies out bytes from off, at most to limit, and says how many.
func (c *content) read(p []byte, off, limit int64) int {
	if off >= limit {
		return 0
	}
	p = p[:min(int64(len(p)), limit-off)]
	for done := 0; done < len(p); {
		at := int(off % chunkSize)
		n := min(len(p)-done, chunkSize-at)
		dst := p[done : done+n]
		got := 0
		if i := int(off / chunkSize); i < len(c.chunks) && c.chunks[i] != nil && at < len(c.chunks[i].b) {
			got = copy(dst, c.chunks[i].b[at:])
		}
		clear(dst[got:])
		done += n
		off += int64(n)
	}
	return len(p)
}

// slice returns n bytes at off, which must not cross a chunk's end and must be present.
func (c *content) slice(off int64, n int) []byte {
	at := int(off % chunkSize)
	return c.chunks[off/chunkSize].b[at : at+n]
}

// end is where the bytes that are present end.
func (c *content) end() int64 {
	for i := len(c.chunks) - 1; i >= 0; i-- {
		if k := c.chunks[i]; k != nil && len(k.b) > 0 {
			return int64(i)*chunkSize + int64(len(k.b))
		}
	}
	return 0
}

// nextData is where bytes are present from off on, maxSize when none are.
func (c *content) nextData(off int64) int64 {
	for i := int(off / chunkSize); i < len(c.chunks); i++ {
		if k := c.chunks[i]; k != nil && off < int64(i)*chunkSize+int64(len(k.b)) {
			return max(off, int64(i)*chunkSize)
		}
	}
	return maxSize
}

// endWithin is where the bytes that are present before limit end.
func (c *content) endWithin(limit int64) int64 {
	for i := min(len(c.chunks), int((limit+chunkSize-1)/chunkSize)) - 1; i >= 0; i-- {
		if k := c.chunks[i]; k != nil && len(k.b) > 0 {
			return min(limit, int64(i)*chunkSize+int64(len(k.b)))
		}
	}
	return 0
}

// zero makes [from, to) read zeroes, without making bytes present that are not.
func (c *content) zero(from, to int64, p *chunkPool) {
	for from < to {
		i, at := int(from/chunkSize), int(from%chunkSize)
		if i >= len(c.chunks) {
			return
		}
		n := min(to-from, int64(chunkSize-at))
		if k := c.chunks[i]; k != nil && at < len(k.b) {
			k = c.chunkAt(i, p)
			clear(k.b[at:min(int64(at)+n, int64(len(k.b)))])
		}
		from += n
	}
}

// copyRange stores what src has in [from, to), where the bytes of c are zeroes.
func (c *content) copyRange(src *content, from, to int64, p *chunkPool) {
	for from < to {
		i, at := int(from/chunkSize), int(from%chunkSize)
		if i >= len(src.chunks) {
			return
		}
		n := min(to-from, int64(chunkSize-at))
		if k := src.chunks[i]; k != nil && at < len(k.b) {
			c.put(from, k.b[at:min(int64(at)+n, int64(len(k.b)))], p)
		}
		from += n
	}
}

// copyFrom makes c the first limit bytes of src. Whole chunks are shared, the
// rest is copied, so that both sides may go on, and the memory of either be
// reused, without the other noticing.
func (c *content) copyFrom(src *content, limit int64, p *chunkPool) {
	c.release(p)
	c.size = limit
	for i := 0; int64(i)*chunkSize < limit && i < len(src.chunks); i++ {
		k := src.chunks[i]
		if k == nil {
			c.chunks = append(c.chunks, nil)
			continue
		}
		n := int(min(int64(len(k.b)), limit-int64(i)*chunkSize))
		if n == chunkSize {
			k.shared = true
			c.chunks = append(c.chunks, k)
			continue
		}
		own := p.get()
		own.grow(n)
		own.b = append(own.b[:0], k.b[:n]...)
		c.chunks = append(c.chunks, own)
	}
}
