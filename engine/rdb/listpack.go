package rdb

import (
	"encoding/binary"
	"strconv"
)

// A listpack is a byte string of its own length (4 bytes, little endian), the
// number of elements (2 bytes, 65535: not known), the elements, and 0xFF. An
// element is an encoding byte, its data, and the length of both again, so that
// it can be walked backwards (redis 7.0.15 listpack.c).

const (
	lpHeader = 6
	lpEnd    = 0xFF
	// ListpackFrame is how many bytes a listpack has beside its elements.
	ListpackFrame = lpHeader + 1
)

// appendElement appends one element. A string that is the decimal form of an
// integer is stored as one, as Redis does; the reader gives the same bytes back.
func appendElement[T string | []byte](dst []byte, s T) []byte {
	start := len(dst)
	if v, ok := canonicalInt(s); ok {
		switch {
		case v >= 0 && v <= 127:
			dst = append(dst, byte(v))
		case v >= -4096 && v <= 4095:
			u := uint16(v) & 0x1FFF
			dst = append(dst, 0xC0|byte(u>>8), byte(u))
		case v >= -1<<15 && v < 1<<15:
			dst = append(dst, 0xF1, byte(v), byte(v>>8))
		case v >= -1<<23 && v < 1<<23:
			dst = append(dst, 0xF2, byte(v), byte(v>>8), byte(v>>16))
		case v >= -1<<31 && v < 1<<31:
			dst = append(dst, 0xF3)
			dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
		default:
			dst = append(dst, 0xF4)
			dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
		}
	} else {
		switch n := len(s); {
		case n < 64:
			dst = append(dst, 0x80|byte(n))
		case n < 4096:
			dst = append(dst, 0xE0|byte(n>>8), byte(n))
		default:
			dst = append(dst, 0xF0)
			dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
		}
		dst = append(dst, s...)
	}
	return appendBacklen(dst, len(dst)-start)
}

// appendBacklen appends a length as groups of seven bits, most significant
// first, each but the first marked by its top bit.
func appendBacklen(dst []byte, n int) []byte {
	size := backlenSize(n)
	for i := size - 1; i >= 0; i-- {
		b := byte(n>>(7*i)) & 127
		if i != size-1 {
			b |= 128
		}
		dst = append(dst, b)
	}
	return dst
}

func backlenSize(n int) int {
	switch {
	case n <= 127:
		return 1
	case n < 16383: // sic: lpEncodeBacklen's own limits
		return 2
	case n < 2097151:
		return 3
	case n < 268435455:
		return 4
	}
	return 5
}

// ElementSize is how many bytes an element takes in a listpack.
func ElementSize(s []byte) int {
	if v, ok := canonicalInt(s); ok {
		return IntSize(v)
	}
	n := len(s)
	switch {
	case n < 64:
		n++
	case n < 4096:
		n += 2
	default:
		n += 5
	}
	return n + backlenSize(n)
}

// IntSize is ElementSize of an integer.
func IntSize(v int64) int {
	switch {
	case v >= 0 && v <= 127:
		return 1 + 1
	case v >= -4096 && v <= 4095:
		return 2 + 1
	case v >= -1<<15 && v < 1<<15:
		return 3 + 1
	case v >= -1<<23 && v < 1<<23:
		return 4 + 1
	case v >= -1<<31 && v < 1<<31:
		return 5 + 1
	}
	return 9 + 1
}

// Listpack builds one.
type Listpack struct {
	buf []byte
	n   int
}

// Reset makes it empty.
func (l *Listpack) Reset() { l.buf, l.n = append(l.buf[:0], 0, 0, 0, 0, 0, 0), 0 }

// Append adds an element.
func (l *Listpack) Append(s []byte) {
	l.buf = appendElement(l.buf, s)
	l.n++
}

// AppendText is Append for a string.
func (l *Listpack) AppendText(s string) {
	l.buf = appendElement(l.buf, s)
	l.n++
}

// AppendInt adds an integer.
func (l *Listpack) AppendInt(v int64) {
	var digits [20]byte
	l.Append(strconv.AppendInt(digits[:0], v, 10))
}

// Size is its length with the end mark, in bytes.
func (l *Listpack) Size() int { return len(l.buf) + 1 }

// Count is the number of elements.
func (l *Listpack) Count() int { return l.n }

// Undo takes back the last n elements, before which Size was size.
func (l *Listpack) Undo(size, n int) { l.buf, l.n = l.buf[:size-1], l.n-n }

// Bytes is the whole listpack: the header in front of the elements, the end
// mark behind them. Nothing may be added afterwards.
func (l *Listpack) Bytes() []byte {
	l.buf = append(l.buf, lpEnd)
	binary.LittleEndian.PutUint32(l.buf, uint32(len(l.buf)))
	binary.LittleEndian.PutUint16(l.buf[4:], uint16(min(l.n, 65535)))
	return l.buf
}

// listpackElements appends a listpack's elements to dst as strings of their
// own memory. On damage it returns the offset of the wrong part and what is wrong.
func listpackElements(dst [][]byte, lp []byte) (elems [][]byte, at int, wrong string) {
	if len(lp) < lpHeader+1 {
		return dst, 0, "listpack shorter than its header"
	}
	if n := binary.LittleEndian.Uint32(lp); uint64(n) != uint64(len(lp)) {
		return dst, 0, "listpack length differs from its string's"
	}
	want := int(binary.LittleEndian.Uint16(lp[4:]))
	count := 0
	i := lpHeader
	for {
		if i >= len(lp) {
			return dst, i, "listpack without end mark"
		}
		if lp[i] == lpEnd {
			break
		}
		v, size, ok := element(lp[i:])
		if !ok {
			return dst, i, "bad listpack element"
		}
		back := backlenSize(size)
		if i+size+back > len(lp)-1 {
			return dst, i, "listpack element runs past the end"
		}
		var check [5]byte
		if string(appendBacklen(check[:0], size)) != string(lp[i+size:i+size+back]) {
			return dst, i + size, "listpack element with a wrong back length"
		}
		dst = append(dst, v)
		count++
		i += size + back
	}
	if i != len(lp)-1 {
		return dst, i, "listpack ends early"
	}
	if want != 65535 && want != count {
		return dst, 4, "listpack with a wrong number of elements"
	}
	return dst, 0, ""
}

// element decodes the element at the start of p and returns its size without
// the back length.
func element(p []byte) (v []byte, size int, ok bool) {
	integer := func(v int64, size int) ([]byte, int, bool) {
		return strconv.AppendInt(nil, v, 10), size, true
	}
	str := func(head, n int) ([]byte, int, bool) {
		if n > len(p)-head {
			return nil, 0, false
		}
		return append([]byte{}, p[head:head+n]...), head + n, true
	}
	b := p[0]
	need := 1
	switch {
	case b < 0x80:
		return integer(int64(b), 1)
	case b < 0xC0:
		return str(1, int(b&63))
	case b < 0xF0, b == 0xF1:
		need = 2
		if b == 0xF1 {
			need = 3
		}
	case b == 0xF2:
		need = 4
	case b == 0xF0, b == 0xF3:
		need = 5
	case b == 0xF4:
		need = 9
	default:
		return nil, 0, false
	}
	if len(p) < need {
		return nil, 0, false
	}
	switch {
	case b < 0xE0:
		return integer(int64(int16(uint16(b&31)<<11|uint16(p[1])<<3)>>3), 2)
	case b < 0xF0:
		return str(2, int(b&15)<<8|int(p[1]))
	case b == 0xF0:
		return str(5, int(binary.LittleEndian.Uint32(p[1:])))
	case b == 0xF1:
		return integer(int64(int16(binary.LittleEndian.Uint16(p[1:]))), 3)
	case b == 0xF2:
		return integer(int64(int32(uint32(p[1])<<8|uint32(p[2])<<16|uint32(p[3])<<24)>>8), 4)
	case b == 0xF3:
		return integer(int64(int32(binary.LittleEndian.Uint32(p[1:]))), 5)
	}
	return integer(int64(binary.LittleEndian.Uint64(p[1:])), 9)
}

// canonicalInt returns the integer whose decimal form s is, exactly: no sign
// on zero, no leading zeroes, no plus (redis util.c string2ll).
func canonicalInt[T string | []byte](s T) (int64, bool) {
	if len(s) == 0 || len(s) > 20 {
		return 0, false
	}
	digits := s
	if s[0] == '-' {
		digits = s[1:]
	}
	if len(digits) == 0 || digits[0] < '0' || digits[0] > '9' || digits[0] == '0' && len(s) > 1 {
		return 0, false
	}
	var u uint64
	for i := range len(digits) {
		c := digits[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		d := uint64(c - '0')
		if u > (1<<64-1-d)/10 {
			return 0, false
		}
		u = u*10 + d
	}
	if s[0] == '-' {
		if u > 1<<63 {
			return 0, false
		}
		return -int64(u), true
	}
	if u > 1<<63-1 {
		return 0, false
	}
	return int64(u), true
}
