package keyspace

import (
	"io"

	"github.com/torntail/torntail/engine/rdb"
)

// WriteRDB writes the snapshot as a file, in chunks of 4096 bytes. The error is
// out's own.
func (s *Snapshot) WriteRDB(out io.Writer, o rdb.WriteOptions) error {
	var w rdb.Writer
	w.Begin(out, o)
	current := -1
	err := s.Each(func(db int, key string, obj *Object, expireAtMs int64) error {
		if db != current {
			current = db
			keys, expires := s.Counts(db)
			w.Database(db, keys, expires)
		}
		if expireAtMs != 0 {
			w.Expire(expireAtMs)
		}
		switch o.Hint {
		case rdb.HintIdle:
			w.Idle(uint64(IdleSeconds(obj.Access, o.Clock)))
		case rdb.HintFreq:
			w.Freq(byte(obj.Access))
		}
		w.Key(obj.rdbType(), key)
		obj.saveRDB(&w.Encoder)
		if o.Written == nil || w.Err() != nil {
			return w.Err()
		}
		return o.Written()
	})
	if err != nil {
		return err
	}
	return w.End()
}

// clockBits is the width of Access: seconds, or minutes and a counter.
const clockBits = 24

// IdleSeconds is for how long a value has not been used, by a clock of seconds
// that wraps (redis 7.0.15 evict.c estimateObjectIdleTime).
func IdleSeconds(access, clock uint32) uint32 {
	if clock >= access {
		return clock - access
	}
	return clock + (1<<clockBits - 1) - access
}

// Dump is DUMP's payload of a value: its type and form, the version of the
// format and a checksum (redis 7.0.15 cluster.c createDumpPayload).
func (o *Object) Dump(compress bool) []byte {
	return rdb.Payload(o.rdbType(), compress, o.saveRDB)
}

func (o *Object) rdbType() byte {
	if o.Kind == String {
		return rdb.TypeString
	}
	return o.Coll.rdbType()
}

func (o *Object) saveRDB(e *rdb.Encoder) {
	if o.Kind == String {
		e.Str(o.Str)
		return
	}
	o.Coll.saveRDB(e)
}

// LoadRDB reads a snapshot from the start of f, which has size bytes and may
// have other content behind it, and gives each key to add, which may keep it. A
// collection without elements is left out, as redis 7.0.15 rdb.c
// rdbLoadRioWithLoadingCtx does. It returns the length of the snapshot. The
// error is an *rdb.Error.
func LoadRDB(r *rdb.Reader, file string, f io.ReaderAt, size int64, o rdb.ReadOptions, l *Limits, add func(e *rdb.Entry, o Object) error) (end int64, err error) {
	o.Entry = func(d *rdb.Decoder, e rdb.Entry) error {
		obj := LoadObject(d, e.Type, l)
		if d.Err() != nil || obj.Kind == None {
			return d.Err()
		}
		return add(&e, obj)
	}
	return r.Read(file, f, size, o)
}

// LoadObject reads one value. Its kind is None when it is empty, or when d has
// an error.
func LoadObject(d *rdb.Decoder, kind byte, l *Limits) (o Object) {
	if kind == rdb.TypeString {
		text := d.Str("a string")
		if !d.OK() {
			return Object{}
		}
		return StringObject(text)
	}
	if f := &forms[kind]; f.load != nil {
		o = Object{Kind: f.kind, Coll: f.load(d, kind, l)}
	} else {
		d.Refuse(kind)
	}
	if !d.OK() || o.Kind != Stream && o.Coll.Len() == 0 {
		return Object{}
	}
	return o
}
