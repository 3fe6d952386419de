// Package keyspace holds the data of the server: sixteen databases of values of
// every type, with expiry times, and frozen copies of all of it for the snapshot
// and rewrite children. Each type has a file of its own, with its encodings and
// their limits, its form in a snapshot and in a rewritten append-only file, and
// its digest.
//
// Keys live in pages of fixed slots. A slot never moves while its key exists,
// which buys three things: the order in which a database is walked depends only
// on the commands that built it (a simulation may not depend on map order),
// SCAN's cursor is a slot number that keeps Redis's guarantee without a rehash
// rule, and a snapshot is a copy of the list of pages. After a snapshot a page
// is copied when it is first written, as fork(2) does for Redis.
//
// Nothing here looks at a clock: a key past its expiry time is still here until
// somebody deletes it, because only the server knows that the deletion must be
// propagated.
package keyspace

// Databases is the number of databases (redis.conf `databases`, default 16).
const Databases = 16

// Keyspace is all databases of one server. It belongs to one task, except for
// its snapshots, which another task may read while this one goes on writing
// (under the environment's exclusion, see env).
type Keyspace struct {
	dbs [Databases]DB
	// gen counts snapshots. A page or list stamped with an older generation is
	// shared with a snapshot, as long as any is live.
	gen  uint64
	live int
	// limits of encodings; the server's configuration, which CONFIG SET changes.
	limits *Limits
	// clock is the Access of a value that is stored now.
	clock uint32
	watch func(db int, key []byte, kind Kind, added bool)
	// changed are the collections whose weight is to be found out anew.
	changed []Collection
}

// New makes an empty keyspace.
func New() *Keyspace {
	k := &Keyspace{limits: &DefaultLimits}
	for i := range k.dbs {
		k.dbs[i].ks, k.dbs[i].number = k, i
	}
	return k
}

// DB returns database i, 0 <= i < Databases.
func (k *Keyspace) DB(i int) *DB { return &k.dbs[i] }

// SetLimits makes encodings obey l from now on, which may change meanwhile.
func (k *Keyspace) SetLimits(l *Limits) { k.limits = l }

// Watch has f called when a key is added, and with added false before a value is
// replaced or a stream deleted; nil ends that. It is called while the database changes and must not
// look at it.
func (k *Keyspace) Watch(f func(db int, key []byte, kind Kind, added bool)) { k.watch = f }

// SetClock says what the Access of a value is that is stored from now on.
func (k *Keyspace) SetClock(access uint32) { k.clock = access }

// Swap exchanges two databases.
func (k *Keyspace) Swap(i, j int) {
	k.weigh() // by then each is where its weight says
	k.dbs[i], k.dbs[j] = k.dbs[j], k.dbs[i]
	k.dbs[i].number, k.dbs[j].number = i, j
}

// Len is the number of keys in all databases.
func (k *Keyspace) Len() int {
	n := 0
	for i := range k.dbs {
		n += k.dbs[i].Len()
	}
	return n
}

// FlushAll empties every database and returns how many keys there were.
func (k *Keyspace) FlushAll() int {
	n := 0
	for i := range k.dbs {
		n += k.dbs[i].Flush()
	}
	return n
}

// Reset makes the keyspace as New returns it, and keeps its memory for the
// next user. No snapshot of it may be used afterwards.
func (k *Keyspace) Reset() {
	k.live = 0 // so that Flush reuses the pages
	clear(k.changed)
	k.changed = k.changed[:0]
	k.FlushAll()
	k.gen, k.watch = 0, nil
	k.dbs[0].slots = nil
	for i := range k.dbs {
		for _, p := range k.dbs[i].spare {
			p.gen = 0
		}
	}
}

// shared reports whether something stamped gen may be part of a live snapshot.
func (k *Keyspace) shared(gen uint64) bool { return k.live > 0 && gen < k.gen }

// Snapshot is the keyspace as it was at one instant.
type Snapshot struct {
	ks   *Keyspace
	dbs  [Databases][]*page
	keys int
}

// Snapshot freezes the current state. It costs one pointer for 64 keys.
func (k *Keyspace) Snapshot() *Snapshot {
	k.gen++
	k.live++
	s := &Snapshot{ks: k}
	for i := range k.dbs {
		if db := &k.dbs[i]; db.Len() > 0 {
			s.dbs[i] = append([]*page(nil), db.pages...)
			s.keys += db.Len()
		}
	}
	return s
}

// Len is the number of keys in the snapshot.
func (s *Snapshot) Len() int { return s.keys }

// Each calls f for every key, database by database, in slot order. The object
// must not be changed. expireAtMs is a Unix time in milliseconds, 0 for none.
// An error from f ends the walk and is returned.
func (s *Snapshot) Each(f func(db int, key string, o *Object, expireAtMs int64) error) error {
	for i, pages := range s.dbs {
		for _, p := range pages {
			for j := range p.slots[:p.used] {
				e := &p.slots[j]
				if e.obj.Kind == None {
					continue
				}
				if err := f(i, e.key, &e.obj, told(e.expire)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Counts returns the keys of a database and how many of them expire: what the
// RDB format's RESIZEDB opcode carries.
func (s *Snapshot) Counts(db int) (keys, expires int) {
	for _, p := range s.dbs[db] {
		for j := range p.slots[:p.used] {
			if p.slots[j].obj.Kind == None {
				continue
			}
			keys++
			if p.slots[j].expire != 0 {
				expires++
			}
		}
	}
	return keys, expires
}

// Release tells the keyspace that the snapshot is no longer read, so that
// writes need not copy any more. To leave it out costs copies, nothing else.
func (s *Snapshot) Release() {
	if s.ks == nil {
		return
	}
	if s.ks.live > 0 {
		s.ks.live--
	}
	s.ks = nil
}
