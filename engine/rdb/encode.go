package rdb

import (
	"encoding/binary"
	"io"
	"math"
)

// chunk is how many bytes go into one write: the stdio buffer through which
// redis-server writes (st_blksize).
const chunk = 4096

// Encoder writes the parts that values are made of. Its zero value is not
// ready: a Writer or Payload has one.
type Encoder struct {
	out     io.Writer
	buf     []byte // less than chunk bytes, not yet written
	text    []byte // a string being written
	pack    Listpack
	packed  []byte // compressed bytes
	crc     uint64
	sum     bool
	comp    bool
	lzf     *compressor // made when first needed
	err     error
	scratch [20]byte
}

// Text is Str for a string.
func (e *Encoder) Text(s string) {
	e.text = append(e.text[:0], s...)
	e.Str(e.text)
}

// Double writes the eight bytes of a binary double.
func (e *Encoder) Double(f float64) { e.Uint64(math.Float64bits(f)) }

// Uint64 writes eight bytes, least significant first: a double or a time.
func (e *Encoder) Uint64(v uint64) {
	e.bytes(binary.LittleEndian.AppendUint64(e.scratch[:0], v))
}

// Bytes writes bytes as they are.
func (e *Encoder) Bytes(p []byte) { e.bytes(p) }

// Pack is an empty listpack to be filled and written with Packed.
func (e *Encoder) Pack() *Listpack {
	e.pack.Reset()
	return &e.pack
}

// Packed writes what Pack returned, as a string.
func (e *Encoder) Packed() { e.Str(e.pack.Bytes()) }

// Str writes a string in the shortest of its forms (rdbSaveRawString).
func (e *Encoder) Str(s []byte) {
	if len(s) <= 11 {
		if v, ok := canonicalInt(s); ok && v >= -1<<31 && v < 1<<31 {
			e.integer(v)
			return
		}
	}
	if e.comp && len(s) >= minCompress {
		if e.lzf == nil {
			e.lzf = new(compressor)
		}
		var ok bool
		if e.packed, ok = e.lzf.compress(e.packed[:0], s); ok {
			e.byte(encLZF)
			e.Len(uint64(len(e.packed)))
			e.Len(uint64(len(s)))
			e.bytes(e.packed)
			return
		}
	}
	e.Len(uint64(len(s)))
	e.bytes(s)
}

func (e *Encoder) integer(v int64) {
	switch {
	case v >= -1<<7 && v < 1<<7:
		e.bytes(append(e.scratch[:0], encInt8, byte(v)))
	case v >= -1<<15 && v < 1<<15:
		e.bytes(append(e.scratch[:0], encInt16, byte(v), byte(v>>8)))
	default:
		e.bytes(append(e.scratch[:0], encInt32, byte(v), byte(v>>8), byte(v>>16), byte(v>>24)))
	}
}

// Len writes a length or a number, shortest form first (rdbSaveLen).
func (e *Encoder) Len(n uint64) {
	switch {
	case n < 1<<6:
		e.byte(len6 | byte(n))
	case n < 1<<14:
		e.bytes(append(e.scratch[:0], len14|byte(n>>8), byte(n)))
	case n < 1<<32:
		e.bytes(binary.BigEndian.AppendUint32(append(e.scratch[:0], len32), uint32(n)))
	default:
		e.bytes(binary.BigEndian.AppendUint64(append(e.scratch[:0], len64), n))
	}
}

func (e *Encoder) byte(b byte) {
	e.buf = append(e.buf, b)
	if len(e.buf) == chunk {
		e.flush()
	}
}

func (e *Encoder) bytes(p []byte) {
	for len(p) > 0 {
		n := min(len(p), chunk-len(e.buf))
		e.buf = append(e.buf, p[:n]...)
		p = p[n:]
		if len(e.buf) == chunk {
			e.flush()
		}
	}
}

func (e *Encoder) flush() {
	if e.err == nil && len(e.buf) > 0 {
		if e.sum {
			e.crc = updateCRC(e.crc, e.buf)
		}
		_, e.err = e.out.Write(e.buf)
	}
	e.buf = e.buf[:0]
}
