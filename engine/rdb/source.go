package rdb

import (
	"errors"
	"io"
	"io/fs"
)

const window = 64 << 10

// source reads a file from front to back through a buffer and sums what was consumed.
type source struct {
	r      io.ReaderAt
	size   int64
	buf    []byte // what is in memory
	base   int64  // offset of buf[0] in the file
	pos    int    // next byte to consume
	summed int    // buf[:summed] is in crc
	sum    bool
	crc    uint64
	err    error // of the file system
}

func (s *source) reset(r io.ReaderAt, size int64, sum bool) {
	n := int(min(size, window))
	if cap(s.buf) < n {
		s.buf = make([]byte, 0, n)
	}
	*s = source{r: r, size: size, buf: s.buf[:0], sum: sum}
}

func (s *source) offset() int64 { return s.base + int64(s.pos) }
func (s *source) left() int64   { return s.size - s.offset() }

func (s *source) settle() {
	if s.sum && s.summed < s.pos {
		s.crc = updateCRC(s.crc, s.buf[s.summed:s.pos])
	}
	s.summed = s.pos
}

// take returns the next n bytes, n <= window, valid until the next call; nil
// when there are fewer or the file system failed (err).
func (s *source) take(n int) []byte {
	if len(s.buf)-s.pos < n && !s.fill(n) {
		return nil
	}
	p := s.buf[s.pos : s.pos+n]
	s.pos += n
	return p
}

func (s *source) fill(n int) bool {
	if s.err != nil || int64(n) > s.left() {
		return false
	}
	s.settle()
	s.base += int64(s.pos)
	rest := copy(s.buf[:cap(s.buf)], s.buf[s.pos:])
	s.pos, s.summed = 0, 0
	want := int(min(int64(cap(s.buf)), s.size-s.base)) // n or more: the window holds the whole of a small file
	s.buf = s.buf[:want]
	if s.err = readFull(s.r, s.buf[rest:], s.base+int64(rest)); s.err != nil {
		s.buf = s.buf[:rest]
		return false
	}
	return true
}

// read fills dst, which may be larger than the window.
func (s *source) read(dst []byte) bool {
	if int64(len(dst)) > s.left() {
		return false
	}
	if len(dst) <= window/4 || len(dst) <= len(s.buf)-s.pos {
		p := s.take(len(dst))
		copy(dst, p)
		return p != nil || len(dst) == 0
	}
	n := copy(dst, s.buf[s.pos:])
	s.pos += n
	s.settle()
	if s.err = readFull(s.r, dst[n:], s.offset()); s.err != nil {
		return false
	}
	if s.sum {
		s.crc = updateCRC(s.crc, dst[n:])
	}
	s.base += int64(len(s.buf) + len(dst) - n)
	s.buf, s.pos, s.summed = s.buf[:0], 0, 0
	return true
}

// readFull reads p at off. A file that turns out shorter than it was is
// treated like one that was short from the start.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := r.ReadAt(p, off)
		p, off = p[n:], off+int64(n)
		if len(p) == 0 {
			return nil
		}
		if errors.Is(err, io.EOF) || err == nil && n == 0 {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// short reports whether an error of readFull is a file's early end.
func short(err error) bool {
	return err == nil || errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, new(*fs.PathError))
}
