package keyspace

import (
	"math"
	"math/bits"
)

// What data take is reckoned, not measured: as much as redis 7.0.15 would ask its
// allocator for, on a machine of 64 bits, in the allocator's own classes. It depends on
// the data alone, so that a limit of memory is passed at the same command in every run.
//
// Of large collections a few elements are looked at (as MEMORY USAGE does). Left out are
// what Redis reserves for growth, that numbers are held in the place of their text, and
// that a table grows step by step.

// What Redis allocates for a value: server.h robj, dict.h dictEntry and dict, and so on,
// each already of its class.
const (
	objectBytes     = 16
	entryBytes      = 32
	dictBytes       = 64
	pointerBytes    = 8
	quicklistBytes  = 48
	listNodeBytes   = 32
	zsetBytes       = 16
	skipListBytes   = 32
	skipNodeBytes   = 56 // 40, and a level more in a third of them
	streamBytes     = 80
	streamNodeBytes = 64 // of the radix tree
	groupBytes      = 80
	pendingBytes    = 96 // in two trees
	consumerBytes   = 48
	listpackHeader  = 7
	smallestTable   = 4
	sampledElements = 5 // as MEMORY USAGE's default
)

// class is what the allocator hands out for n bytes (jemalloc's size classes: four
// between two powers of two).
func class(n int) int64 {
	switch {
	case n <= 8:
		return 8
	case n <= 128:
		return int64(n+15) &^ 15
	}
	step := 1 << (bits.Len(uint(n-1)) - 3)
	return int64((n + step - 1) &^ (step - 1))
}

// textBytes is what a text of n bytes takes by itself (redis 7.0.15 sds.h).
func textBytes(n int) int64 {
	switch {
	case n < 32:
		return class(n + 2)
	case n < 1<<8:
		return class(n + 4)
	case n < 1<<16:
		return class(n + 6)
	}
	return class(n + 10)
}

// stringBytes is what the value of a String takes.
func stringBytes(n int) int64 {
	if n <= longestEmbstr {
		return class(objectBytes + 4 + n)
	}
	return objectBytes + textBytes(n)
}

// packedBytes is what an element of n bytes takes in a listpack.
func packedBytes(n int) int64 {
	switch {
	case n < 64:
		return int64(n) + 2
	case n < 4096:
		return int64(n) + 4
	}
	return int64(n) + 10
}

// tableBytes is what the table for n keys takes.
func tableBytes(n int) int64 {
	if n == 0 {
		return 0
	}
	if n <= smallestTable {
		return smallestTable * pointerBytes
	}
	return pointerBytes << bits.Len(uint(n-1))
}

// sampled estimates the sum of of(i) for 0 <= i < n from so many of them, 0 for all,
// spread evenly.
func sampled(n, samples int, of func(i int) int64) (sum int64) {
	if samples == 0 || samples > n {
		samples = n
	}
	if samples == 0 {
		return 0
	}
	for i := range samples {
		sum += of(int(int64(i) * int64(n) / int64(samples)))
	}
	return sum * int64(n) / int64(samples)
}

// Bytes is what a value takes, its key left out; samples elements of a collection are
// looked at, 0: all.
func (o *Object) Bytes(samples int) int64 {
	if o.Kind == String {
		return stringBytes(len(o.Str))
	}
	return o.Coll.bytes(samples)
}

// KeyBytes is what a key takes beside its value.
func KeyBytes(key string) int64 { return textBytes(len(key)) + entryBytes }

// weight is what is reckoned for a collection in its database. It is brought up to date
// some time after a change, and always before somebody asks.
type weight struct {
	db     *DB // nil: it is in none
	bytes  int64
	queued bool // in Keyspace.changed
}

func (w *weight) weighed() *weight { return w }

// hold reckons a value that comes into the database. whole: it is as it will be; else it
// is about to be filled.
func (db *DB) hold(o *Object, whole bool) {
	if o.Kind == String {
		db.values += stringBytes(len(o.Str))
		return
	}
	w := o.Coll.weighed()
	w.db = db
	if whole && w.bytes == 0 {
		w.bytes = o.Coll.bytes(sampledElements)
	}
	db.values += w.bytes
	if !whole {
		db.changed(o.Coll)
	}
}

// release is the contrary of hold.
func (db *DB) release(o *Object) {
	if o.Kind == String {
		db.values -= stringBytes(len(o.Str))
		return
	}
	w := o.Coll.weighed()
	db.values -= w.bytes
	w.db = nil
}

// changed says that a collection of the database is about to change.
func (db *DB) changed(c Collection) {
	w := c.weighed()
	w.db = db
	if !w.queued {
		w.queued = true
		db.ks.changed = append(db.ks.changed, c)
	}
}

// mostChanged is how many collections may wait to be weighed.
const mostChanged = 256

// Tidy is called between commands, so that what waits to be weighed does not become too much.
func (k *Keyspace) Tidy() {
	if len(k.changed) > mostChanged {
		k.weigh()
	}
}

// weigh brings the weights of collections up to date.
func (k *Keyspace) weigh() {
	for i, c := range k.changed {
		w := c.weighed()
		w.queued = false
		if w.db != nil {
			n := c.bytes(sampledElements)
			w.db.values += n - w.bytes
			w.bytes = n
		}
		k.changed[i] = nil
	}
	k.changed = k.changed[:0]
}

// Overhead is what all keys take beside their values; Bytes, what they take in all. To be
// called between commands.
func (k *Keyspace) Overhead() (n int64) {
	for i := range k.dbs {
		if db := &k.dbs[i]; len(db.index) > 0 {
			main, expires := db.Overhead()
			n += main + expires
		}
	}
	return n
}

// Overhead is that of one database: of its keys, and of those among them that expire.
func (db *DB) Overhead() (main, expires int64) {
	return db.keys + tableBytes(len(db.index)), int64(db.expires)*entryBytes + tableBytes(db.expires)
}

// Bytes is what the data take; see Overhead.
func (k *Keyspace) Bytes() int64 {
	if len(k.changed) > 0 {
		k.weigh()
	}
	n := k.Overhead()
	for i := range k.dbs {
		n += k.dbs[i].values
	}
	return n
}

func (d *Deque) bytes(samples int) int64 {
	n := sampled(d.Len(), samples, func(i int) int64 { return packedBytes(len(d.At(i))) })
	nodes := n/maxListpack + 1
	return objectBytes + quicklistBytes + nodes*(listNodeBytes+class(int(n/nodes)+listpackHeader))
}

func (h *HashMap) bytes(samples int) int64 {
	if h.large == nil {
		n := sampled(len(h.small), samples, func(i int) int64 { return packedBytes(len(h.small[i].Name)) + packedBytes(len(h.small[i].Value)) })
		return objectBytes + class(int(n)+listpackHeader)
	}
	return objectBytes + dictBytes + tableBytes(h.large.n) + sampled(h.large.n, samples, func(i int) int64 {
		f := h.large.at(i)
		return entryBytes + textBytes(len(f.Name)) + textBytes(len(f.Value))
	})
}

func (s *Members) bytes(samples int) int64 {
	if s.large == nil {
		width := 2
		if n := len(s.ints); n > 0 {
			switch lo, hi := s.ints[0], s.ints[n-1]; {
			case lo < math.MinInt32 || hi > math.MaxInt32:
				width = 8
			case lo < math.MinInt16 || hi > math.MaxInt16:
				width = 4
			}
		}
		return objectBytes + class(8+width*len(s.ints))
	}
	return objectBytes + dictBytes + tableBytes(s.large.n) + sampled(s.large.n, samples, func(i int) int64 {
		return entryBytes + textBytes(len(*s.large.at(i)))
	})
}

// packedScore is about what a score takes in a listpack.
const packedScore = 6

func (z *SortedSet) bytes(samples int) int64 {
	if z.names == nil {
		n := sampled(len(z.small), samples, func(i int) int64 { return packedBytes(len(z.small[i].Member)) + packedScore })
		return objectBytes + class(int(n)+listpackHeader)
	}
	return objectBytes + zsetBytes + dictBytes + skipListBytes + tableBytes(z.names.n) + sampled(z.names.n, samples, func(i int) int64 {
		return entryBytes + skipNodeBytes + textBytes(len(z.names.at(i).Member))
	})
}

func (s *EntryLog) bytes(samples int) int64 {
	n := objectBytes + streamBytes + sampled(len(s.nodes), samples, func(i int) int64 {
		return streamNodeBytes + class(s.nodes[i].body+listpackHeader)
	})
	for _, g := range s.groups {
		n += groupBytes + textBytes(len(g.Name)) + int64(g.pending.n)*pendingBytes + int64(len(g.consumers))*consumerBytes
	}
	return n
}
