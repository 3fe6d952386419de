package rdb

import (
	"encoding/binary"
	"strconv"
)

// The packed forms of servers before 7.0, which are only read.

// A ziplist is a byte string of its own length and the offset of its last entry
// (4 bytes each, little endian), the number of entries (2 bytes, 65535: not
// known), the entries, and 0xFF. An entry is the length of the one before (one
// byte, or 0xFE and four), an encoding and its data (redis 7.0.15 ziplist.c).
const zlHeader = 10

// Ziplist reads a ziplist and appends its elements to dst, each in memory of its
// own.
func (d *Decoder) Ziplist(dst [][]byte, what string) [][]byte {
	return d.packed(dst, what, "ziplist", ziplistElements)
}

// Zipmap reads a zipmap and appends its fields and values to dst.
func (d *Decoder) Zipmap(dst [][]byte, what string) [][]byte {
	return d.packed(dst, what, "zipmap", zipmapElements)
}

// packed reads a string and takes it apart; the error says where in it.
func (d *Decoder) packed(dst [][]byte, what, form string, take func(dst [][]byte, p []byte) (elems [][]byte, at int, wrong string)) [][]byte {
	start := d.src.offset()
	p := d.Blob(what)
	if d.err != nil {
		return dst
	}
	elems, at, wrong := take(dst, p)
	if wrong != "" {
		d.at = start
		d.Fail("%s (at byte %d of the %s)", wrong, at, form)
	}
	return elems
}

func ziplistElements(dst [][]byte, zl []byte) (elems [][]byte, at int, wrong string) {
	if len(zl) < zlHeader+1 {
		return dst, 0, "ziplist shorter than its header"
	}
	if n := binary.LittleEndian.Uint32(zl); uint64(n) != uint64(len(zl)) {
		return dst, 0, "ziplist length differs from its string's"
	}
	want, count := int(binary.LittleEndian.Uint16(zl[8:])), 0
	previous, last := 0, zlHeader
	i := zlHeader
	for {
		if i >= len(zl) {
			return dst, i, "ziplist without end mark"
		}
		if zl[i] == 0xFF {
			break
		}
		start := i
		before := int(zl[i])
		if i++; before == 0xFE {
			if i+4 > len(zl) {
				return dst, start, "ziplist entry runs past the end"
			}
			before = int(binary.LittleEndian.Uint32(zl[i:]))
			i += 4
		}
		if i >= len(zl) {
			return dst, start, "ziplist entry runs past the end"
		}
		if before != previous {
			return dst, start, "ziplist entry with a wrong length of the one before"
		}
		v, size, ok := ziplistEntry(zl[i : len(zl)-1])
		if !ok {
			return dst, i, "bad ziplist entry"
		}
		dst = append(dst, v)
		count++
		i += size
		previous, last = i-start, start
	}
	switch {
	case i != len(zl)-1:
		return dst, i, "ziplist ends early"
	case int(binary.LittleEndian.Uint32(zl[4:])) != last:
		return dst, 4, "ziplist with a wrong offset of its last entry"
	case want != 65535 && want != count:
		return dst, 8, "ziplist with a wrong number of entries"
	}
	return dst, 0, ""
}

// ziplistEntry decodes encoding and data at the start of p and returns their size.
func ziplistEntry(p []byte) (v []byte, size int, ok bool) {
	if len(p) == 0 {
		return nil, 0, false
	}
	str := func(head int, n uint64) ([]byte, int, bool) {
		if len(p) < head || n > uint64(len(p)-head) {
			return nil, 0, false
		}
		return append([]byte{}, p[head:head+int(n)]...), head + int(n), true
	}
	integer := func(n int, get func(b []byte) int64) ([]byte, int, bool) {
		if len(p) < 1+n {
			return nil, 0, false
		}
		return strconv.AppendInt(nil, get(p[1:]), 10), 1 + n, true
	}
	switch b := p[0]; {
	case b < 0x40:
		return str(1, uint64(b))
	case b < 0x80:
		if len(p) < 2 {
			return nil, 0, false
		}
		return str(2, uint64(b&63)<<8|uint64(p[1]))
	case b == 0x80:
		if len(p) < 5 {
			return nil, 0, false
		}
		return str(5, uint64(binary.BigEndian.Uint32(p[1:])))
	case b == 0xC0:
		return integer(2, func(b []byte) int64 { return int64(int16(binary.LittleEndian.Uint16(b))) })
	case b == 0xD0:
		return integer(4, func(b []byte) int64 { return int64(int32(binary.LittleEndian.Uint32(b))) })
	case b == 0xE0:
		return integer(8, func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) })
	case b == 0xF0:
		return integer(3, func(b []byte) int64 {
			return int64(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24) >> 8)
		})
	case b == 0xFE:
		return integer(1, func(b []byte) int64 { return int64(int8(b[0])) })
	case b >= 0xF1 && b <= 0xFD:
		return integer(0, func([]byte) int64 { return int64(b&15) - 1 })
	}
	return nil, 0, false
}

// A zipmap is a number of fields (one byte, 254: not known), fields and values,
// and 0xFF. Each has its length in front, one byte or 0xFE and four; a value has
// one more byte behind its length, for how many bytes behind it are unused
// (redis 7.0.15 zipmap.c).
func zipmapElements(dst [][]byte, zm []byte) (elems [][]byte, at int, wrong string) {
	if len(zm) < 2 {
		return dst, 0, "zipmap shorter than its header"
	}
	count := 0
	i := 1
	for {
		if i >= len(zm) {
			return dst, i, "zipmap without end mark"
		}
		if zm[i] == 0xFF {
			break
		}
		for _, unused := range []int{0, 1} { // the field, then its value
			n, size := zipmapLength(zm[i:])
			head := size + unused
			if size == 0 || uint64(n) > uint64(len(zm)) || head > len(zm)-1-i || int(n) > len(zm)-1-i-head {
				return dst, i, "zipmap entry runs past the end"
			}
			free := 0
			if unused == 1 {
				free = int(zm[i+size])
			}
			i += head
			dst = append(dst, append([]byte{}, zm[i:i+int(n)]...))
			if i += int(n); free > len(zm)-1-i {
				return dst, i, "zipmap entry runs past the end"
			}
			i += free
		}
		count++
	}
	switch {
	case i != len(zm)-1:
		return dst, i, "zipmap ends early"
	case zm[0] != 254 && int(zm[0]) != count:
		return dst, 0, "zipmap with a wrong number of fields"
	}
	return dst, 0, ""
}

// zipmapLength reads a length and says how many bytes it has, 0 when it is none.
func zipmapLength(p []byte) (n uint32, size int) {
	switch {
	case len(p) == 0 || p[0] == 0xFF:
		return 0, 0
	case p[0] < 0xFE:
		return uint32(p[0]), 1
	case len(p) < 5:
		return 0, 0
	}
	return binary.LittleEndian.Uint32(p[1:]), 5
}
