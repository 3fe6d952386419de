package engine

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// A HyperLogLog is a string of a header and 16384 registers of six bits: the
// magic, how the registers are held (one byte), three unused bytes, and the last
// count (eight bytes, the top bit set when it is out of date). Dense registers
// are packed from the lowest bit on; sparse ones are runs: 00xxxxxx, so many
// zeroes; 01xxxxxx yyyyyyyy, many; 1vvvvvxx, a value one to four times (redis
// 7.0.15 hyperloglog.c).
const (
	hllMagic     = "HYLL"
	hllHeader    = 16
	hllDense     = 0
	hllSparse    = 1
	hllBits      = 14
	hllRegisters = 1 << hllBits
	hllRest      = 64 - hllBits
	hllDenseSize = hllHeader + hllRegisters*6/8
	hllAlpha     = 0.721347520444481703680
	hllSeed      = 0xadc83b19

	hllZeroMax  = 64    // the longest short run of zeroes
	hllXzeroMax = 16384 // the longest long one
	hllValMax   = 32    // the greatest value of a sparse register
	hllValRun   = 4     // the longest run of a value
)

// hyperloglog is a string being worked on: bytes that nobody else has.
type hyperloglog []byte

// newHLL is one in which nothing was counted.
func newHLL() hyperloglog {
	h := make(hyperloglog, hllHeader, hllHeader+2)
	copy(h, hllMagic)
	h[4] = hllSparse
	return appendXzero(h, hllXzeroMax)
}

func appendXzero(b []byte, n int) []byte { return append(b, 0x40|byte((n-1)>>8), byte(n-1)) }

// appendZeroes appends a run of zeroes in the shorter form.
func appendZeroes(b []byte, n int) []byte {
	if n > hllZeroMax {
		return appendXzero(b, n)
	}
	return append(b, byte(n-1))
}

func hllVal(value, n int) byte { return 0x80 | byte(value-1)<<2 | byte(n-1) }

// validHLL reports whether a string looks like one from outside.
func validHLL(b []byte) bool {
	return len(b) >= hllHeader && string(b[:4]) == hllMagic && b[4] <= hllSparse && (b[4] != hllDense || len(b) == hllDenseSize)
}

func (h hyperloglog) sparse() bool { return h[4] == hllSparse }

// outdate says that the count in the header is none any more.
func (h hyperloglog) outdate() { h[15] |= 0x80 }

// cached is the count in the header, if it is one.
func (h hyperloglog) cached() (uint64, bool) {
	return binary.LittleEndian.Uint64(h[8:]), h[15]&0x80 == 0
}

// run decodes the run at a place: its value, 0 for zeroes, how many registers it
// has and how many bytes it takes; n is 0 when it is cut off.
func (h hyperloglog) run(at int) (value, n, size int) {
	b := h[at]
	switch {
	case b&0x80 != 0:
		return int(b>>2&31) + 1, int(b&3) + 1, 1
	case b&0x40 == 0:
		return 0, int(b&63) + 1, 1
	case at+1 >= len(h):
		return 0, 0, 1
	}
	return 0, int(b&63)<<8 + int(h[at+1]) + 1, 2
}

// registers are the values of all registers; ok is false when the runs are damaged.
func (h hyperloglog) registers(out *[hllRegisters]byte) (ok bool) {
	if !h.sparse() {
		for i := range out {
			out[i] = h.get(i)
		}
		return true
	}
	i := 0
	for at := hllHeader; at < len(h); {
		value, n, size := h.run(at)
		if n == 0 || i+n > hllRegisters {
			return false
		}
		for range n {
			out[i] = byte(value)
			i++
		}
		at += size
	}
	return i == hllRegisters
}

// get and put are for dense registers.
func (h hyperloglog) get(i int) byte {
	p := h[hllHeader:]
	at, shift := i*6/8, uint(i*6%8)
	v := uint16(p[at])
	if at+1 < len(p) {
		v |= uint16(p[at+1]) << 8
	}
	return byte(v>>shift) & 63
}

func (h hyperloglog) put(i int, value byte) {
	p := h[hllHeader:]
	at, shift := i*6/8, uint(i*6%8)
	v := uint16(p[at])
	if at+1 < len(p) {
		v |= uint16(p[at+1]) << 8
	}
	v = v&^(63<<shift) | uint16(value)<<shift
	p[at] = byte(v)
	if at+1 < len(p) {
		p[at+1] = byte(v >> 8)
	}
}

// dense is the same with dense registers; ok is false when the runs are damaged.
func (h hyperloglog) dense() (d hyperloglog, ok bool) {
	if !h.sparse() {
		return h, true
	}
	var registers [hllRegisters]byte
	if !h.registers(&registers) {
		return h, false
	}
	d = make(hyperloglog, hllDenseSize)
	copy(d, h[:hllHeader])
	d[4] = hllDense
	for i, v := range registers {
		if v > 0 {
			d.put(i, v)
		}
	}
	return d, true
}

// raise sets a register to a value if that is greater, and reports whether it
// was; ok is false when the runs are damaged. limit is hll-sparse-max-bytes.
func (h hyperloglog) raise(i int, value byte, limit int64) (out hyperloglog, changed, ok bool) {
	if !h.sparse() {
		if h.get(i) >= value {
			return h, false, true
		}
		h.put(i, value)
		return h, true, true
	}
	if value <= hllValMax {
		if out, changed, fits, ok := h.raiseSparse(i, int(value), limit); fits || !ok {
			return out, changed, ok
		}
	}
	d, ok := h.dense()
	if !ok {
		return h, false, false
	}
	d.put(i, value)
	return d, true, true
}

// raiseSparse follows redis 7.0.15 hyperloglog.c hllSparseSet. fits is false when
// the runs would take more than limit bytes.
func (h hyperloglog) raiseSparse(index, count int, limit int64) (out hyperloglog, changed, fits, ok bool) {
	at, previous, first := hllHeader, -1, 0
	var value, n, size int
	for {
		if at >= len(h) {
			return h, false, true, false
		}
		if value, n, size = h.run(at); n == 0 {
			return h, false, true, false
		}
		if index < first+n {
			break
		}
		previous = at
		at += size
		first += n
	}
	if value >= count {
		return h, false, true, true
	}
	if n == 1 {
		h[at] = hllVal(count, 1)
	} else {
		var runs []byte
		part := func(n int) {
			switch {
			case n == 0:
			case value > 0:
				runs = append(runs, hllVal(value, n))
			default:
				runs = appendZeroes(runs, n)
			}
		}
		part(index - first)
		runs = append(runs, hllVal(count, 1))
		part(first + n - 1 - index)
		if more := len(runs) - size; more > 0 && int64(len(h)+more) > limit {
			return h, false, false, true
		}
		out := append(hyperloglog(nil), h[:at]...)
		out = append(append(out, runs...), h[at+size:]...)
		h = out
	}
	if previous < 0 {
		previous = hllHeader
	}
	return h.merge(previous), true, true, true
}

// merge joins equal values that stand side by side, within five runs from a place.
func (h hyperloglog) merge(at int) hyperloglog {
	for scan := 5; at < len(h) && scan > 0; scan-- {
		value, n, size := h.run(at)
		if value > 0 && at+1 < len(h) && h[at+1]&0x80 != 0 {
			next, more, _ := h.run(at + 1)
			if next == value && n+more <= hllValRun {
				h[at+1] = hllVal(value, n+more)
				h = append(h[:at], h[at+1:]...)
				continue
			}
		}
		at += size
	}
	return h
}

// hllPlace is an element's register and what it would be set to: the number of
// zeroes in front of the first one, counted from 1.
func hllPlace(element []byte) (register int, value byte) {
	hash := murmur64(element)
	rest := hash>>hllBits | 1<<hllRest
	return int(hash & (hllRegisters - 1)), byte(bits.TrailingZeros64(rest) + 1)
}

// murmur64 is MurmurHash64A with Redis's seed.
func murmur64(b []byte) uint64 {
	const m, r = 0xc6a4a7935bd1e995, 47
	h := hllSeed ^ uint64(len(b))*m
	for ; len(b) >= 8; b = b[8:] {
		k := binary.LittleEndian.Uint64(b) * m
		k ^= k >> r
		h ^= k * m
		h *= m
	}
	if len(b) > 0 {
		for i, c := range b {
			h ^= uint64(c) << (8 * i)
		}
		h *= m
	}
	h ^= h >> r
	h *= m
	return h ^ h>>r
}

// hllCount estimates how many elements were counted (Otmar Ertl,
// arXiv:1702.01284).
func hllCount(registers *[hllRegisters]byte) uint64 {
	var histogram [64]int
	for _, v := range registers {
		histogram[v]++
	}
	const m = float64(hllRegisters)
	z := m * hllTau((m-float64(histogram[hllRest+1]))/m)
	for j := hllRest; j >= 1; j-- {
		z += float64(histogram[j])
		z *= 0.5
	}
	z += m * hllSigma(float64(histogram[0])/m)
	n := math.Round(hllAlpha * m * m / z)
	if n >= 1<<63 { // C's llroundl on x86-64 makes all of these the least number
		return 1 << 63
	}
	return uint64(n)
}

func hllSigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		before := z
		z += x * y
		y += y
		if before == z {
			return z
		}
	}
}

func hllTau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		before := z
		y *= 0.5
		z -= (1 - x) * (1 - x) * y
		if before == z {
			return z / 3
		}
	}
}
