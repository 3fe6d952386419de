package rdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Decoder reads the parts that values are made of. It trusts nothing: a length
// is checked against what is left of the file before anything is allocated.
// After its first error, which Err returns, every method returns a zero value.
type Decoder struct {
	src     source
	file    string
	at      int64 // where the part being read begins
	scratch []byte
	err     *Error
}

// Reset makes the decoder read size bytes of f from the start; file is for errors.
func (d *Decoder) Reset(file string, f io.ReaderAt, size int64, sum bool) {
	d.src.reset(f, size, sum)
	d.file, d.at, d.err = file, 0, nil
}

// Refuse makes a value of a type that is not read an error, which names it.
func (d *Decoder) Refuse(kind byte) {
	switch name, known := refused[kind]; {
	case kind == TypeModule || kind == TypeModule2:
		d.Fail("value of the module type %s is not supported", moduleName(d.Len("a module type")))
	case known:
		d.Fail("value type %d (%s) is not supported", kind, name)
	default:
		d.Fail("Unknown RDB encoding type %d", kind)
	}
}

// moduleName is the name of a module type: nine letters of six bits, above ten
// bits of a version (redis 7.0.15 module.c moduleTypeEncodeId).
func moduleName(id uint64) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	name := make([]byte, 9)
	for i := range name {
		name[i] = letters[id>>(64-6*(i+1))&63]
	}
	return string(name)
}

// Err is the first error, an *Error; nil when there was none.
func (d *Decoder) Err() error {
	if d.err == nil {
		return nil
	}
	return d.err
}

// OK reports whether there was no error so far.
func (d *Decoder) OK() bool { return d.err == nil }

// Offset is how much has been read, in bytes.
func (d *Decoder) Offset() int64 { return d.src.offset() }

// Left is how much there still is to read, in bytes.
func (d *Decoder) Left() int64 { return d.src.left() }

// Fail makes what was read an error, unless there is one already.
func (d *Decoder) Fail(format string, a ...any) { d.fail(Corrupt, format, a...) }

func (d *Decoder) fail(k Kind, format string, a ...any) {
	if d.err == nil {
		d.err = &Error{File: d.file, Offset: d.at, Kind: k, What: fmt.Sprintf(format, a...)}
	}
}

func (d *Decoder) short(what string) {
	if d.err != nil {
		return
	}
	d.err = &Error{File: d.file, Offset: d.at, Kind: Short, What: "unexpected end of file in " + what}
	if !short(d.src.err) {
		d.err.What, d.err.Err = "read error in "+what, d.src.err
	}
}

// take returns the next n bytes, n <= window, valid until the next call.
func (d *Decoder) take(n int, what string) []byte {
	if d.err != nil {
		return nil
	}
	p := d.src.take(n)
	if p == nil {
		d.short(what)
	}
	return p
}

// Byte reads one byte.
func (d *Decoder) Byte(what string) byte {
	if p := d.take(1, what); p != nil {
		return p[0]
	}
	return 0
}

// Uint64 reads eight bytes, least significant first.
func (d *Decoder) Uint64(what string) uint64 {
	if p := d.take(8, what); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// Bytes reads n bytes as they are, n <= 4096, valid until the next call; nil
// after an error.
func (d *Decoder) Bytes(n int, what string) []byte { return d.take(n, what) }

// Double reads a binary double.
func (d *Decoder) Double(what string) float64 { return math.Float64frombits(d.Uint64(what)) }

// OldDouble reads a double in decimal, as versions before 8 wrote them
// (rdbLoadDoubleValue).
func (d *Decoder) OldDouble(what string) float64 {
	switch n := d.Byte(what); n {
	case 253:
		return math.NaN()
	case 254:
		return math.Inf(1)
	case 255:
		return math.Inf(-1)
	default:
		p := d.take(int(n), what)
		if p == nil {
			return 0
		}
		f, err := strconv.ParseFloat(string(p), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			d.Fail("%q where a number should be in %s", p, what)
		}
		return f
	}
}

// Len reads a length or a number.
func (d *Decoder) Len(what string) uint64 {
	n, enc := d.lengthOrEncoding(what)
	if enc != 0 {
		d.Fail("an encoded string where the length of %s should be", what)
		return 0
	}
	return n
}

// Count reads how many parts follow, each of which takes a byte at least.
func (d *Decoder) Count(what string) int {
	n := d.Len(what)
	if n > uint64(d.src.left()) {
		d.short(what)
		return 0
	}
	return int(n)
}

// Str reads a string into memory of its own; nil after an error.
func (d *Decoder) Str(what string) []byte { return d.raw(what, false) }

// Blob reads a string that is valid until the next call.
func (d *Decoder) Blob(what string) []byte { return d.raw(what, true) }

func (d *Decoder) raw(what string, borrow bool) []byte {
	n, enc := d.lengthOrEncoding(what)
	if d.err != nil {
		return nil
	}
	if enc == 0 {
		return d.sized(n, what, borrow)
	}
	switch enc {
	case encInt8, encInt16, encInt32:
		p := d.take(1<<(enc&3), what)
		if p == nil {
			return nil
		}
		var v int64
		switch enc {
		case encInt8:
			v = int64(int8(p[0]))
		case encInt16:
			v = int64(int16(binary.LittleEndian.Uint16(p)))
		default:
			v = int64(int32(binary.LittleEndian.Uint32(p)))
		}
		return strconv.AppendInt(nil, v, 10)
	case encLZF:
		return d.compressed(what)
	}
	d.Fail("Unknown RDB string encoding type %d in %s", enc&63, what)
	return nil
}

func (d *Decoder) sized(n uint64, what string, borrow bool) []byte {
	if n > uint64(d.src.left()) {
		d.short(what)
		return nil
	}
	var p []byte
	if borrow {
		p = d.scratchOf(int(n))
	} else {
		p = make([]byte, n)
	}
	if !d.src.read(p) {
		d.short(what)
		return nil
	}
	return p
}

func (d *Decoder) compressed(what string) []byte {
	clen, n := d.Len(what), d.Len(what)
	if d.err != nil {
		return nil
	}
	if clen > uint64(d.src.left()) {
		d.short(what)
		return nil
	}
	// Before n bytes are allocated on the word of a damaged file.
	if n > maxString || n > clen*lzfExpansion {
		d.Fail("Invalid LZF compressed string in %s", what)
		return nil
	}
	p := d.scratchOf(int(clen))
	if !d.src.read(p) {
		d.short(what)
		return nil
	}
	out := make([]byte, n)
	if !decompress(out, p) {
		d.Fail("Invalid LZF compressed string in %s", what)
		return nil
	}
	return out
}

func (d *Decoder) scratchOf(n int) []byte {
	if cap(d.scratch) < n {
		d.scratch = make([]byte, n)
	}
	return d.scratch[:n]
}

// lengthOrEncoding reads a length; enc is not 0 when the byte announces a
// specially encoded string instead.
func (d *Decoder) lengthOrEncoding(what string) (n uint64, enc byte) {
	p := d.take(1, what)
	if p == nil {
		return 0, 0
	}
	b := p[0]
	switch {
	case b < len14:
		return uint64(b), 0
	case b < len32:
		if p = d.take(1, what); p == nil {
			return 0, 0
		}
		return uint64(b&63)<<8 | uint64(p[0]), 0
	case b == len32:
		if p = d.take(4, what); p == nil {
			return 0, 0
		}
		return uint64(binary.BigEndian.Uint32(p)), 0
	case b == len64:
		if p = d.take(8, what); p == nil {
			return 0, 0
		}
		return binary.BigEndian.Uint64(p), 0
	case b >= encInt8:
		return 0, b
	}
	d.Fail("Unknown length encoding %d in rdbLoadLen()", b)
	return 0, 0
}

// Listpack reads a listpack and appends its elements to dst, each in memory of
// its own.
func (d *Decoder) Listpack(dst [][]byte, what string) [][]byte {
	return d.packed(dst, what, "listpack", listpackElements)
}
