package rdb

import (
	"encoding/binary"
	"io"
	"strconv"

	"github.com/torntail/torntail/engine/keyspace"
)

// chunk is how many bytes go into one write: the stdio buffer through which
// redis-server writes (st_blksize).
const chunk = 4096

// WriteOptions says how to write a snapshot.
type WriteOptions struct {
	Compress bool  // rdbcompression: LZF for strings over 20 bytes, when it helps
	Checksum bool  // rdbchecksum: CRC64 at the end; otherwise zeroes
	Created  int64 // Unix seconds, for the ctime field
	UsedMem  int64 // bytes, for the used-mem field
	AOFBase  bool  // the file is the base of an append-only file
	Place    Place // in the history of replication, if it has one
}

// Place says where in which history of replication a snapshot stands. The zero
// Place is none.
type Place struct {
	ID     string
	Offset int64 // of the last byte of the stream that is in the snapshot
	DB     int   // selected at that place of the stream
}

// Writer writes snapshots. It keeps its buffers between them.
type Writer struct {
	out     io.Writer
	buf     []byte // less than chunk bytes, not yet written
	key     []byte // the key being written
	pack    []byte // the listpack being built
	packed  []byte // compressed bytes
	crc     uint64
	sum     bool
	comp    bool
	lzf     *compressor // made when first needed
	err     error
	scratch [20]byte
}

// Write writes the whole file to out, in chunks of 4096 bytes. The error is
// out's own.
func (w *Writer) Write(out io.Writer, s *keyspace.Snapshot, o WriteOptions) error {
	w.out, w.crc, w.err = out, 0, nil
	w.buf = w.buf[:0]
	w.sum, w.comp = o.Checksum, o.Compress
	w.text("REDIS0010")
	w.aux("redis-ver", "7.0.15")
	w.aux("redis-bits", "64")
	w.aux("ctime", strconv.FormatInt(o.Created, 10))
	w.aux("used-mem", strconv.FormatInt(o.UsedMem, 10))
	if o.Place.ID != "" {
		w.aux("repl-stream-db", strconv.Itoa(o.Place.DB))
		w.aux("repl-id", o.Place.ID)
		w.aux("repl-offset", strconv.FormatInt(o.Place.Offset, 10))
	}
	base := "0"
	if o.AOFBase {
		base = "1"
	}
	w.aux("aof-base", base)
	current := -1
	err := s.Each(func(db int, key string, obj *keyspace.Object, expireAtMs int64) error {
		if db != current {
			current = db
			keys, expires := s.Counts(db)
			w.byte(opSelectDB)
			w.length(uint64(db))
			w.byte(opResizeDB)
			w.length(uint64(keys))
			w.length(uint64(expires))
		}
		w.entry(key, obj, expireAtMs)
		return w.err
	})
	if err != nil {
		return err
	}
	w.byte(opEOF)
	w.flush()
	crc := w.crc
	if !w.sum {
		crc = 0
	}
	w.buf = binary.LittleEndian.AppendUint64(w.buf, crc)
	w.flush()
	return w.err
}

func (w *Writer) entry(key string, obj *keyspace.Object, expireAtMs int64) {
	if expireAtMs != 0 {
		w.byte(opExpireMs)
		w.bytes(binary.LittleEndian.AppendUint64(w.scratch[:0], uint64(expireAtMs)))
	}
	if obj.Kind == keyspace.List {
		w.byte(typeQuick2)
		w.key = append(w.key[:0], key...)
		w.str(w.key)
		w.list(obj.List)
		return
	}
	w.byte(typeString)
	w.key = append(w.key[:0], key...)
	w.str(w.key)
	w.str(obj.Str)
}

// list writes a quicklist: as many nodes as its elements need at 8 KiB each
// (list-max-listpack-size -2). The count comes first, so the nodes are counted
// in a first pass over the lengths.
func (w *Writer) list(l *keyspace.Deque) {
	nodes := 0
	for i := 0; i < l.Len(); nodes++ {
		i = w.fill(l, i)
	}
	w.length(uint64(nodes))
	for i := 0; i < l.Len(); {
		first := i
		i = w.fill(l, i)
		w.length(nodePacked)
		w.pack = finishListpack(w.pack, i-first)
		w.str(w.pack)
	}
}

// fill puts elements from i on into w.pack until it is full, and returns the
// index of the first that is not in it. An element larger than a node has one
// of its own.
func (w *Writer) fill(l *keyspace.Deque, i int) int {
	w.pack = append(w.pack[:0], 0, 0, 0, 0, 0, 0)
	first := i
	for ; i < l.Len(); i++ {
		before := len(w.pack)
		w.pack = appendElement(w.pack, l.At(i))
		if i > first && len(w.pack)+1 > maxListpack {
			w.pack = w.pack[:before]
			break
		}
	}
	return i
}

// aux writes a field; its value is encoded like any string (integers as such).
func (w *Writer) aux(name, value string) {
	w.byte(opAux)
	w.str([]byte(name))
	w.str([]byte(value))
}

// str writes a string in the shortest of its forms (rdbSaveRawString).
func (w *Writer) str(s []byte) {
	if len(s) <= 11 {
		if v, ok := canonicalInt(s); ok && v >= -1<<31 && v < 1<<31 {
			w.integer(v)
			return
		}
	}
	if w.comp && len(s) >= minCompress {
		if w.lzf == nil {
			w.lzf = new(compressor)
		}
		var ok bool
		if w.packed, ok = w.lzf.compress(w.packed[:0], s); ok {
			w.byte(encLZF)
			w.length(uint64(len(w.packed)))
			w.length(uint64(len(s)))
			w.bytes(w.packed)
			return
		}
	}
	w.length(uint64(len(s)))
	w.bytes(s)
}

func (w *Writer) integer(v int64) {
	switch {
	case v >= -1<<7 && v < 1<<7:
		w.bytes(append(w.scratch[:0], encInt8, byte(v)))
	case v >= -1<<15 && v < 1<<15:
		w.bytes(append(w.scratch[:0], encInt16, byte(v), byte(v>>8)))
	default:
		w.bytes(append(w.scratch[:0], encInt32, byte(v), byte(v>>8), byte(v>>16), byte(v>>24)))
	}
}

func (w *Writer) length(n uint64) {
	switch {
	case n < 1<<6:
		w.byte(len6 | byte(n))
	case n < 1<<14:
		w.bytes(append(w.scratch[:0], len14|byte(n>>8), byte(n)))
	case n < 1<<32:
		w.bytes(binary.BigEndian.AppendUint32(append(w.scratch[:0], len32), uint32(n)))
	default:
		w.bytes(binary.BigEndian.AppendUint64(append(w.scratch[:0], len64), n))
	}
}

func (w *Writer) text(s string) { w.bytes([]byte(s)) }

func (w *Writer) byte(b byte) {
	w.buf = append(w.buf, b)
	if len(w.buf) == chunk {
		w.flush()
	}
}

func (w *Writer) bytes(p []byte) {
	for len(p) > 0 {
		n := min(len(p), chunk-len(w.buf))
		w.buf = append(w.buf, p[:n]...)
		p = p[n:]
		if len(w.buf) == chunk {
			w.flush()
		}
	}
}

func (w *Writer) flush() {
	if w.err == nil && len(w.buf) > 0 {
		if w.sum {
			w.crc = updateCRC(w.crc, w.buf)
		}
		_, w.err = w.out.Write(w.buf)
	}
	w.buf = w.buf[:0]
}
