package rdb

// LZF as liblzf 3 writes it, which Redis links: a control byte below 32 is
// followed by that many literals plus one; otherwise its top three bits are the
// match length minus two (7: a further byte is added), its low five bits and
// the next byte the distance minus one.

const (
	lzfHashBits = 12
	lzfMaxOff   = 1 << 13
	lzfMaxMatch = 2 + 7 + 255
	lzfMaxLit   = 32
)

// compressor keeps the hash table between strings. Entries are positions plus
// the base of the current string, so the table need not be cleared each time.
type compressor struct {
	table [1 << lzfHashBits]uint32
	base  uint32
}

// compress appends the compressed form of src to dst. It reports false, with
// dst in an undefined state, when that would not be shorter than src by at least
// 4 bytes (lzf_compress is called with len-4 of room).
func (c *compressor) compress(dst, src []byte) ([]byte, bool) {
	if len(src) > 1<<30 {
		return dst, false
	}
	if c.base > 1<<31 {
		c.table, c.base = [1 << lzfHashBits]uint32{}, 0
	}
	base := c.base + 1 // so that no live entry is 0
	c.base += uint32(len(src)) + 1
	limit := len(dst) + len(src) - 4
	lit := 0
	i := 0
	for i+2 < len(src) {
		h := (uint32(src[i])<<16 | uint32(src[i+1])<<8 | uint32(src[i+2])) * 2654435761 >> (32 - lzfHashBits)
		seen := c.table[h]
		c.table[h] = base + uint32(i)
		ref := int(seen) - int(base)
		if seen < base || i-ref > lzfMaxOff || src[ref] != src[i] || src[ref+1] != src[i+1] || src[ref+2] != src[i+2] {
			i++
			continue
		}
		n := 3
		for n < lzfMaxMatch && i+n < len(src) && src[ref+n] == src[i+n] {
			n++
		}
		dst = appendLiterals(dst, src[lit:i])
		off := i - ref - 1
		if n-2 < 7 {
			dst = append(dst, byte(n-2)<<5|byte(off>>8), byte(off))
		} else {
			dst = append(dst, 7<<5|byte(off>>8), byte(n-2-7), byte(off))
		}
		if len(dst) > limit {
			return dst, false
		}
		i += n
		lit = i
	}
	dst = appendLiterals(dst, src[lit:])
	return dst, len(dst) <= limit
}

func appendLiterals(dst, lit []byte) []byte {
	for len(lit) > 0 {
		n := min(len(lit), lzfMaxLit)
		dst = append(dst, byte(n-1))
		dst = append(dst, lit[:n]...)
		lit = lit[n:]
	}
	return dst
}

// decompress fills dst exactly from src and reports whether src was well formed.
func decompress(dst, src []byte) bool {
	o := 0
	for i := 0; i < len(src); {
		ctrl := int(src[i])
		i++
		if ctrl < 32 {
			n := ctrl + 1
			if i+n > len(src) || o+n > len(dst) {
				return false
			}
			copy(dst[o:], src[i:i+n])
			i, o = i+n, o+n
			continue
		}
		n := ctrl >> 5
		if n == 7 {
			if i >= len(src) {
				return false
			}
			n += int(src[i])
			i++
		}
		n += 2
		if i >= len(src) {
			return false
		}
		ref := o - (ctrl&31)<<8 - int(src[i]) - 1
		i++
		if ref < 0 || o+n > len(dst) {
			return false
		}
		for k := 0; k < n; k++ { // byte by byte: the match may overlap itself
			dst[o+k] = dst[ref+k]
		}
		o += n
	}
	return o == len(dst)
}
