package rdb

import (
	"encoding/binary"
	"io"
	"strconv"
	"strings"
)

// ReadOptions says how to read a file.
type ReadOptions struct {
	// Checksum says whether to verify the CRC64 (rdbchecksum). A file written
	// without one, where it is 0, is accepted either way.
	Checksum bool
	// Databases is how many databases the server has.
	Databases int
	// Entry reads the value of each key from d. An error that is not d's ends the
	// reading all the same; its text is the Error's.
	Entry func(d *Decoder, e Entry) error
	// Aux receives each auxiliary field, if not nil.
	Aux func(name, value string)
	// Database is told of each number of a database that keys follow for, if not nil.
	Database func(n int)
	// Size is told of how many keys a database has, as the file says, if not nil.
	Size func(db int, keys uint64)
	// Function takes over each library of functions, if not nil. A text says why it
	// cannot be.
	Function func(code string) (wrong string)
	// Progress, if not nil, is told before each key how far the reading is. False
	// ends it, with an Error that is Stopped.
	Progress func(offset int64) bool
}

// Entry is what stands before a value.
type Entry struct {
	DB         int
	Key        []byte // memory of its own
	Type       byte
	ExpireAtMs int64 // Unix time in milliseconds; 0: none
	Idle       int64 // seconds; -1: not known
	Freq       int   // LFU counter; -1: not known
}

// Reader reads snapshots. It keeps its buffers between them.
type Reader struct {
	Decoder
	o ReadOptions
}

// Read reads one snapshot from the start of r, which has size bytes and may
// have other content behind the snapshot (an append-only file with a
// preamble). It returns the length of the snapshot. The error is an *Error.
func (r *Reader) Read(file string, f io.ReaderAt, size int64, o ReadOptions) (end int64, err error) {
	r.Reset(file, f, size, o.Checksum)
	r.o = o
	r.all()
	return r.src.offset(), r.Err()
}

func (r *Reader) all() {
	head := r.take(9, "the signature")
	if head == nil {
		return
	}
	number, newest := head[5:9], newestRedis
	switch {
	case string(head[:6]) == "VALKEY":
		number, newest = head[6:9], newestValkey
	case string(head[:5]) != "REDIS":
		r.fail(Foreign, "Wrong signature trying to load DB from file")
		return
	}
	version, err := strconv.Atoi(string(number))
	if err != nil || version < 1 || version > newest {
		r.fail(Foreign, "Can't handle RDB format version %s", strings.TrimLeft(string(number), "0"))
		return
	}
	next := Entry{Idle: -1, Freq: -1}
	for r.err == nil {
		r.at = r.src.offset()
		op := r.take(1, "an opcode")
		if op == nil {
			return
		}
		switch op := op[0]; op {
		case opEOF:
			if version >= 5 {
				r.checksum()
			}
			return
		case opExpireMs:
			next.ExpireAtMs = int64(r.Uint64("an expiry time"))
		case opExpireSec:
			if p := r.take(4, "an expiry time"); p != nil {
				next.ExpireAtMs = int64(int32(binary.LittleEndian.Uint32(p))) * 1000
			}
		case opFreq:
			next.Freq = int(r.Byte("an LFU hint"))
		case opIdle:
			next.Idle = int64(r.Len("an LRU hint"))
		case opSelectDB:
			n := r.Len("a database number")
			if n >= uint64(r.o.Databases) {
				r.Fail("FATAL: Data file was created with a Redis server configured to handle more than %d databases. Exiting", r.o.Databases)
			}
			next.DB = int(n)
			if r.err == nil && r.o.Database != nil {
				r.o.Database(next.DB)
			}
		case opResizeDB:
			keys := r.Len("a database size")
			r.Len("a database size")
			if r.err == nil && r.o.Size != nil {
				r.o.Size(next.DB, keys)
			}
		case opAux:
			r.aux()
		case opSlotInfo:
			for range 3 { // the slot, how many keys it has, how many of them expire
				r.Len("a slot's size")
			}
		case opSlotImport:
			r.Fail("a slot that is being imported is not supported")
		case opFunction2:
			r.function()
		case opFunction:
			r.Fail("Pre-release function format not supported")
		case opModuleAux:
			r.Fail("The RDB file contains AUX module data, which is not supported")
		default:
			next.Type = op
			if r.o.Progress != nil && !r.o.Progress(r.at) {
				r.fail(Stopped, "the reading was stopped")
				return
			}
			r.entry(next)
			next.ExpireAtMs, next.Idle, next.Freq = 0, -1, -1
		}
	}
}

func (r *Reader) aux() {
	name, value := r.Str("an auxiliary field"), r.Str("an auxiliary field")
	if r.err == nil && r.o.Aux != nil {
		r.o.Aux(string(name), string(value))
	}
}

// function reads a library. One that cannot be loaded ends the reading as a file that
// ends too early does (redis 7.0.15 rdb.c rdbLoadRioWithLoadingCtx).
func (r *Reader) function() {
	code := r.Str("a function")
	if r.err != nil || r.o.Function == nil {
		return
	}
	if wrong := r.o.Function(string(code)); wrong != "" {
		r.fail(Short, "Failed loading library, %s", wrong)
	}
}

func (r *Reader) entry(e Entry) {
	e.Key = r.Str("a key")
	if r.err != nil {
		return
	}
	if err := r.o.Entry(&r.Decoder, e); err != nil && r.err == nil {
		r.Fail("%v", err)
	}
}

func (r *Reader) checksum() {
	r.src.settle()
	got := r.src.crc
	p := r.take(8, "the checksum")
	if p == nil {
		return
	}
	want := binary.LittleEndian.Uint64(p)
	if r.o.Checksum && want != 0 && want != got {
		r.fail(Checksum, "Wrong RDB checksum expected: (%x) but got (%x). Aborting now.", want, got)
	}
}
