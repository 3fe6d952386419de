package rdb

import (
	"encoding/binary"
	"io"
	"strconv"
)

// WriteOptions says how to write a snapshot.
type WriteOptions struct {
	Compress  bool     // rdbcompression: LZF for strings over 20 bytes, when it helps
	Checksum  bool     // rdbchecksum: CRC64 at the end; otherwise zeroes
	Created   int64    // Unix seconds, for the ctime field
	UsedMem   int64    // bytes, for the used-mem field
	AOFBase   bool     // the file is the base of an append-only file
	Place     Place    // in the history of replication, if it has one
	Hint      Hint     // what to say of each key's last use
	Functions []string // the code of libraries
	Clock     uint32   // by which it is reckoned, see keyspace.Object.Access

	Written func() error // called for each key that has been encoded; an error ends it. Nil: nobody is told
}

// Hint says which hint about their use keys are written with, as the policy of
// maxmemory needs it.
type Hint uint8

// The hints.
const (
	NoHint Hint = iota
	HintIdle
	HintFreq
)

// Place says where in which history of replication a snapshot stands. The zero
// Place is none.
type Place struct {
	ID     string
	Offset int64 // of the last byte of the stream that is in the snapshot
	DB     int   // selected at that place of the stream
}

// Writer writes snapshots: Begin, then for each database Database and its keys,
// then End.
type Writer struct{ Encoder }

// Begin starts a file that goes to out in chunks of 4096 bytes.
func (w *Writer) Begin(out io.Writer, o WriteOptions) {
	w.out, w.crc, w.err = out, 0, nil
	w.buf = w.buf[:0]
	w.sum, w.comp = o.Checksum, o.Compress
	w.bytes([]byte("REDIS0010"))
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
	for _, code := range o.Functions {
		w.byte(opFunction2)
		w.Text(code)
	}
}

// Database starts a database of so many keys, some of which expire.
func (w *Writer) Database(db, keys, expires int) {
	w.byte(opSelectDB)
	w.Len(uint64(db))
	w.byte(opResizeDB)
	w.Len(uint64(keys))
	w.Len(uint64(expires))
}

// Expire says when the next key expires, Unix milliseconds.
func (w *Writer) Expire(atMs int64) {
	w.byte(opExpireMs)
	w.Uint64(uint64(atMs))
}

// Idle says for how many seconds the next key has not been used; for servers
// with an LRU policy.
func (w *Writer) Idle(seconds uint64) {
	w.byte(opIdle)
	w.Len(seconds)
}

// Freq is the next key's LFU counter; for servers with an LFU policy.
func (w *Writer) Freq(counter byte) {
	w.byte(opFreq)
	w.byte(counter)
}

// Key says of what type the next value is and how it is called; the value
// follows.
func (w *Writer) Key(kind byte, key string) {
	w.byte(kind)
	w.Text(key)
}

// Err is the first error of the output.
func (w *Writer) Err() error { return w.err }

// End writes the end mark and the checksum. The error is the output's own.
func (w *Writer) End() error {
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

// aux writes a field; its value is encoded like any string (integers as such).
func (w *Writer) aux(name, value string) {
	w.byte(opAux)
	w.Text(name)
	w.Text(value)
}
