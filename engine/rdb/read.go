package rdb

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/keyspace"
)

// ReadOptions says how to read a file.
type ReadOptions struct {
	// Checksum says whether to verify the CRC64 (rdbchecksum). A file written
	// without one, where it is 0, is accepted either way.
	Checksum bool
	// Databases is how many databases the server has.
	Databases int
	// Add receives each key. It may keep key and object, which have memory of
	// their own. An error ends the reading; its text is the Error's.
	Add func(db int, key []byte, o keyspace.Object, expireAtMs int64) error
	// Aux receives each auxiliary field, if not nil.
	Aux func(name, value string)
}

// Reader reads snapshots. It keeps its buffers between them.
type Reader struct {
	src     source
	file    string
	o       ReadOptions
	at      int64 // where the part being read begins
	scratch []byte
}

// Read reads one snapshot from the start of r, which has size bytes and may
// have other content behind the snapshot (an append-only file with a
// preamble). It returns the length of the snapshot. The error is an *Error.
func (r *Reader) Read(file string, f io.ReaderAt, size int64, o ReadOptions) (end int64, err error) {
	r.src.reset(f, size, o.Checksum)
	r.file, r.o, r.at = file, o, 0
	if e := r.all(); e != nil {
		return r.src.offset(), e
	}
	return r.src.offset(), nil
}

// Offset is how far the file has been read; for use in Add and Aux.
func (r *Reader) Offset() int64 { return r.src.offset() }

func (r *Reader) short(what string) *Error {
	if !short(r.src.err) {
		return &Error{File: r.file, Offset: r.at, Kind: Short, What: "read error in " + what, Err: r.src.err}
	}
	return &Error{File: r.file, Offset: r.at, Kind: Short, What: "unexpected end of file in " + what}
}

func (r *Reader) bad(format string, a ...any) *Error {
	return &Error{File: r.file, Offset: r.at, What: fmt.Sprintf(format, a...)}
}

func (r *Reader) kind(k Kind, format string, a ...any) *Error {
	e := r.bad(format, a...)
	e.Kind = k
	return e
}

func (r *Reader) all() *Error {
	head := r.src.take(9)
	if head == nil {
		return r.short("the signature")
	}
	if string(head[:5]) != "REDIS" {
		return r.kind(Foreign, "Wrong signature trying to load DB from file")
	}
	version, err := strconv.Atoi(string(head[5:9]))
	if err != nil || version < 1 || version > Version {
		return r.kind(Foreign, "Can't handle RDB format version %s", strings.TrimLeft(string(head[5:9]), "0"))
	}
	db := 0
	expire := int64(0)
	for {
		r.at = r.src.offset()
		op := r.src.take(1)
		if op == nil {
			return r.short("an opcode")
		}
		switch op[0] {
		case opEOF:
			if version < 5 {
				return nil
			}
			return r.checksum()
		case opExpireMs:
			p := r.src.take(8)
			if p == nil {
				return r.short("an expiry time")
			}
			expire = int64(binary.LittleEndian.Uint64(p))
			continue
		case opExpireSec:
			p := r.src.take(4)
			if p == nil {
				return r.short("an expiry time")
			}
			expire = int64(int32(binary.LittleEndian.Uint32(p))) * 1000
			continue
		case opFreq:
			if r.src.take(1) == nil {
				return r.short("an LFU hint")
			}
			continue
		case opIdle:
			if _, e := r.length("an LRU hint"); e != nil {
				return e
			}
			continue
		}
		var e *Error
		switch op[0] {
		case opSelectDB:
			db, e = r.selectDB()
		case opResizeDB:
			if _, e = r.length("a database size"); e == nil {
				_, e = r.length("a database size")
			}
		case opAux:
			e = r.aux()
		case opFunction2:
			_, e = r.str("a function")
		case opFunction, opModuleAux:
			e = r.bad("opcode %d (functions of a release candidate, or module data) is not supported", op[0])
		default:
			e = r.entry(op[0], db, expire)
			expire = 0
		}
		if e != nil {
			return e
		}
	}
}

func (r *Reader) selectDB() (int, *Error) {
	n, e := r.length("a database number")
	if e != nil {
		return 0, e
	}
	if n >= uint64(r.o.Databases) {
		return 0, r.bad("FATAL: Data file was created with a Redis server configured to handle more than %d databases. Exiting", r.o.Databases)
	}
	return int(n), nil
}

func (r *Reader) aux() *Error {
	name, e := r.str("an auxiliary field")
	if e != nil {
		return e
	}
	value, e := r.str("an auxiliary field")
	if e != nil {
		return e
	}
	if r.o.Aux != nil {
		r.o.Aux(string(name), string(value))
	}
	return nil
}

func (r *Reader) entry(kind byte, db int, expire int64) *Error {
	if kind != typeString && kind != typeList && kind != typeQuick2 {
		if name, ok := typeNames[kind]; ok {
			return r.bad("value type %d (%s) is not supported", kind, name)
		}
		return r.bad("Unknown RDB encoding type %d", kind)
	}
	key, e := r.str("a key")
	if e != nil {
		return e
	}
	var o keyspace.Object
	if kind == typeString {
		var v []byte
		if v, e = r.str("a string"); e != nil {
			return e
		}
		o = keyspace.StringObject(v)
	} else {
		var elems [][]byte
		if elems, e = r.list(kind); e != nil {
			return e
		}
		if len(elems) == 0 {
			return nil // rdbLoadRioWithLoadingCtx skips empty keys
		}
		o = keyspace.ListObject(elems)
	}
	if err := r.o.Add(db, key, o, expire); err != nil {
		return r.bad("%v", err)
	}
	return nil
}

func (r *Reader) list(kind byte) ([][]byte, *Error) {
	n, e := r.length("a list")
	if e != nil {
		return nil, e
	}
	if n > uint64(r.src.left()) { // each element or node takes at least a byte
		return nil, r.short("a list")
	}
	var elems [][]byte
	for ; n > 0; n-- {
		container := uint64(nodePlain)
		if kind == typeQuick2 {
			if container, e = r.length("a list node"); e != nil {
				return nil, e
			}
		}
		switch container {
		case nodePlain:
			s, e := r.str("a list element")
			if e != nil {
				return nil, e
			}
			elems = append(elems, s)
		case nodePacked:
			start := r.src.offset()
			lp, e := r.raw("a listpack", true)
			if e != nil {
				return nil, e
			}
			var at int
			var wrong string
			if elems, at, wrong = listpackElements(elems, lp); wrong != "" {
				r.at = start
				return nil, r.bad("%s (at byte %d of the listpack)", wrong, at)
			}
		default:
			return nil, r.bad("Quicklist integrity check failed: container %d", container)
		}
	}
	return elems, nil
}

// str reads a string into memory of its own.
func (r *Reader) str(what string) ([]byte, *Error) { return r.raw(what, false) }

// raw reads a string; borrow allows the result to be valid only until the next call.
func (r *Reader) raw(what string, borrow bool) ([]byte, *Error) {
	n, enc, e := r.lengthOrEncoding(what)
	if e != nil {
		return nil, e
	}
	if enc == 0 {
		return r.sized(n, what, borrow)
	}
	switch enc {
	case encInt8, encInt16, encInt32:
		p := r.src.take(1 << (enc & 3))
		if p == nil {
			return nil, r.short(what)
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
		return strconv.AppendInt(nil, v, 10), nil
	case encLZF:
		return r.compressed(what)
	}
	return nil, r.bad("Unknown RDB string encoding type %d in %s", enc&63, what)
}

func (r *Reader) sized(n uint64, what string, borrow bool) ([]byte, *Error) {
	if n > uint64(r.src.left()) {
		return nil, r.short(what)
	}
	var p []byte
	if borrow {
		p = r.scratchOf(int(n))
	} else {
		p = make([]byte, n)
	}
	if !r.src.read(p) {
		return nil, r.short(what)
	}
	return p, nil
}

func (r *Reader) compressed(what string) ([]byte, *Error) {
	clen, e := r.length(what)
	if e != nil {
		return nil, e
	}
	n, e := r.length(what)
	if e != nil {
		return nil, e
	}
	if clen > uint64(r.src.left()) {
		return nil, r.short(what)
	}
	// Before n bytes are allocated on the word of a damaged file.
	if n > maxString || n > clen*lzfExpansion {
		return nil, r.bad("Invalid LZF compressed string in %s", what)
	}
	p := r.scratchOf(int(clen))
	if !r.src.read(p) {
		return nil, r.short(what)
	}
	out := make([]byte, n)
	if !decompress(out, p) {
		return nil, r.bad("Invalid LZF compressed string in %s", what)
	}
	return out, nil
}

func (r *Reader) scratchOf(n int) []byte {
	if cap(r.scratch) < n {
		r.scratch = make([]byte, n)
	}
	return r.scratch[:n]
}

func (r *Reader) length(what string) (uint64, *Error) {
	n, enc, e := r.lengthOrEncoding(what)
	if e == nil && enc != 0 {
		return 0, r.bad("an encoded string where the length of %s should be", what)
	}
	return n, e
}

// lengthOrEncoding reads a length; enc is not 0 when the byte announces a
// specially encoded string instead.
func (r *Reader) lengthOrEncoding(what string) (n uint64, enc byte, e *Error) {
	p := r.src.take(1)
	if p == nil {
		return 0, 0, r.short(what)
	}
	b := p[0]
	switch {
	case b < len14:
		return uint64(b), 0, nil
	case b < len32:
		if p = r.src.take(1); p == nil {
			return 0, 0, r.short(what)
		}
		return uint64(b&63)<<8 | uint64(p[0]), 0, nil
	case b == len32:
		if p = r.src.take(4); p == nil {
			return 0, 0, r.short(what)
		}
		return uint64(binary.BigEndian.Uint32(p)), 0, nil
	case b == len64:
		if p = r.src.take(8); p == nil {
			return 0, 0, r.short(what)
		}
		n = binary.BigEndian.Uint64(p)
		if n > math.MaxInt64 {
			return 0, 0, r.bad("length %d of %s", n, what)
		}
		return n, 0, nil
	case b >= encInt8:
		return 0, b, nil
	}
	return 0, 0, r.bad("Unknown length encoding %d in rdbLoadLen()", b)
}

func (r *Reader) checksum() *Error {
	r.src.settle()
	got := r.src.crc
	p := r.src.take(8)
	if p == nil {
		return r.short("the checksum")
	}
	want := binary.LittleEndian.Uint64(p)
	if r.o.Checksum && want != 0 && want != got {
		return r.kind(Checksum, "Wrong RDB checksum expected: (%x) but got (%x). Aborting now.", want, got)
	}
	return nil
}
