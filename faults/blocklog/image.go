package blocklog

import (
	"hash/maphash"
	"io"
)

// PageSize is the unit in which images share memory, in bytes.
const PageSize = 4096

// SectorSize is the unit that a disk writes whole, in bytes.
const SectorSize = 512

// page never changes once it is in an image.
type page = [PageSize]byte

// Image is what a device holds: pages, nil where it holds zeroes. A clone shares
// them. It may be read by several goroutines at once and changed by one.
type Image struct {
	pages []*page
	sum   uint64 // of pages and their places, in any order
}

// NewImage is an image of so many bytes, all zero. The size is rounded up to
// whole pages.
func NewImage(size int64) *Image {
	return &Image{pages: make([]*page, (size+PageSize-1)/PageSize)}
}

// Size is in bytes.
func (m *Image) Size() int64 { return int64(len(m.pages)) * PageSize }

// Clone is a copy that changes on its own.
func (m *Image) Clone() *Image {
	return &Image{pages: append([]*page(nil), m.pages...), sum: m.sum}
}

// Sum is the same for images of the same content, within this process: its
// seed is drawn anew in each.
func (m *Image) Sum() uint64 { return m.sum }

// Pages is the number of pages that are not all zero.
func (m *Image) Pages() int {
	n := 0
	for _, p := range m.pages {
		if p != nil {
			n++
		}
	}
	return n
}

var (
	seed     = maphash.MakeSeed()
	zeroPage page
)

// weight is what a page adds to the sum.
func weight(i int, p *page) uint64 {
	if p == nil {
		return 0
	}
	h := maphash.Bytes(seed, p[:]) ^ uint64(i)*0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	return h ^ h>>31
}

func (m *Image) set(i int, p *page) {
	if p != nil && *p == zeroPage {
		p = nil
	}
	m.sum += weight(i, p) - weight(i, m.pages[i])
	m.pages[i] = p
}

// ReadAt implements io.ReaderAt.
func (m *Image) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for n < len(b) && off+int64(n) < m.Size() {
		at := off + int64(n)
		from := int(at % PageSize)
		k := min(len(b)-n, PageSize-from)
		if p := m.pages[at/PageSize]; p != nil {
			copy(b[n:n+k], p[from:])
		} else {
			clear(b[n : n+k])
		}
		n += k
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// write puts bytes on the image, which keeps those of whole pages: they must not
// change afterwards. What lies behind the end is cut off.
func (m *Image) write(b []byte, off int64) {
	for len(b) > 0 && off < m.Size() {
		i, from := int(off/PageSize), int(off%PageSize)
		k := min(len(b), PageSize-from)
		if k == PageSize {
			m.set(i, (*page)(b))
		} else {
			p := new(page)
			if old := m.pages[i]; old != nil {
				*p = *old
			}
			copy(p[from:], b[:k])
			m.set(i, p)
		}
		b, off = b[k:], off+int64(k)
	}
}
