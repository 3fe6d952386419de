package rdb

import (
	"encoding/binary"
	"math"
)

// An intset is a byte string of the size of its integers (4 bytes: 2, 4 or 8),
// their number (4 bytes) and the integers, ascending, least significant byte
// first (redis 7.0.15 intset.c).

// Intset writes integers, which are ascending, in the smallest size that holds
// all of them.
func (e *Encoder) Intset(ints []int64) {
	size := uint32(2)
	if n := len(ints); n > 0 {
		lo, hi := ints[0], ints[n-1]
		switch {
		case lo < math.MinInt32 || hi > math.MaxInt32:
			size = 8
		case lo < math.MinInt16 || hi > math.MaxInt16:
			size = 4
		}
	}
	b := binary.LittleEndian.AppendUint32(e.text[:0], size)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ints)))
	for _, v := range ints {
		switch size {
		case 2:
			b = binary.LittleEndian.AppendUint16(b, uint16(v))
		case 4:
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		default:
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
	}
	e.text = b
	e.Str(b)
}

// Intset reads integers, ascending.
func (d *Decoder) Intset(what string) []int64 {
	start := d.src.offset()
	b := d.Blob(what)
	if d.err != nil {
		return nil
	}
	wrong := func(text string) []int64 {
		d.at = start
		d.Fail("Intset integrity check failed: %s", text)
		return nil
	}
	if len(b) < 8 {
		return wrong("shorter than its header")
	}
	size, n := binary.LittleEndian.Uint32(b), uint64(binary.LittleEndian.Uint32(b[4:]))
	if size != 2 && size != 4 && size != 8 {
		return wrong("integers of another size than 2, 4 or 8 bytes")
	}
	if n*uint64(size) != uint64(len(b)-8) {
		return wrong("another number of integers than its length says")
	}
	ints := make([]int64, n)
	for i := range ints {
		p := b[8+i*int(size):]
		switch size {
		case 2:
			ints[i] = int64(int16(binary.LittleEndian.Uint16(p)))
		case 4:
			ints[i] = int64(int32(binary.LittleEndian.Uint32(p)))
		default:
			ints[i] = int64(binary.LittleEndian.Uint64(p))
		}
		if i > 0 && ints[i] <= ints[i-1] {
			return wrong("integers that do not ascend")
		}
	}
	return ints
}
