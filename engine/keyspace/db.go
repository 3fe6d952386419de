package keyspace

// pageSlots is the number of keys in a page: small, because the first write to
// a page after a snapshot copies it whole (4 KiB), and because most databases
// of a simulation hold a handful of keys.
const pageSlots = 64

type slot struct {
	key    string
	obj    Object
	expire int64 // Unix ms, 0: never
}

type page struct {
	gen  uint64
	used int // slots[used:] have never held a key
	// listed has a bit for each slot that is in DB.volatile.
	listed uint64
	slots  [pageSlots]slot
}

// DB is one database.
type DB struct {
	ks     *Keyspace
	number int               // which database it is
	index  map[string]uint32 // key -> slot number
	pages  []*page
	spare  []*page  // emptied pages, for reuse
	free   []uint32 // slots that held a key once, reused last in first out

	keys, values int64 // bytes that keys, and their values, are reckoned to take; see memory.go

	expires int // keys with an expiry time
	// volatile are their slots, in no order, and some that are no longer among them; next is
	// where the next of VisitExpiring begins.
	volatile []uint32
	next     int
	shuffle  uint64 // where the next goes
	avgTTL   int64  // ms

	slots *slotIndex // of database 0 in a cluster; nil: none
}

// Len is the number of keys, those past their expiry time included.
func (db *DB) Len() int { return len(db.index) }

// Expires is the number of keys with an expiry time.
func (db *DB) Expires() int { return db.expires }

func (db *DB) at(n uint32) *slot { return &db.pages[n/pageSlots].slots[n%pageSlots] }

// writable returns a slot that may be changed, copying its page when a snapshot shares it.
func (db *DB) writable(n uint32) *slot {
	p := db.pages[n/pageSlots]
	if db.ks.shared(p.gen) {
		c := *p
		c.gen = db.ks.gen
		p = &c
		db.pages[n/pageSlots] = p
	}
	return &p.slots[n%pageSlots]
}

// Get returns the value of a key, nil when there is none. It must not be
// changed, and is valid until the database is next written.
func (db *DB) Get(key []byte) *Object {
	n, ok := db.index[string(key)]
	if !ok {
		return nil
	}
	return &db.at(n).obj
}

// mostUnexpected is how many keys a database may get without having been told to expect them.
const mostUnexpected = 1000

// Expect says that about so many keys will be added: an empty database makes room for them.
func (db *DB) Expect(keys int) {
	if len(db.index) == 0 && keys > mostUnexpected {
		db.index = make(map[string]uint32, keys)
	}
}

// Set stores a value and removes the key's expiry time if it has one. It
// reports whether the key is new.
func (db *DB) Set(key []byte, o Object) bool {
	if n, ok := db.index[string(key)]; ok {
		s := db.writable(n)
		db.forgetExpire(s)
		db.replaced(s)
		db.release(&s.obj)
		s.obj = o
		s.obj.Access = db.access(o.Access)
		db.hold(&s.obj, true)
		return false
	}
	db.add(string(key), o, true)
	return true
}

// Replace stores a value and keeps the key's expiry time. It reports whether
// the key is new.
func (db *DB) Replace(key []byte, o Object) bool {
	if n, ok := db.index[string(key)]; ok {
		s := db.writable(n)
		db.replaced(s)
		db.release(&s.obj)
		s.obj = o
		s.obj.Access = db.access(o.Access)
		db.hold(&s.obj, true)
		return false
	}
	db.add(string(key), o, true)
	return true
}

// add stores a new key. whole: nothing is to be put into its value within the command.
func (db *DB) add(key string, o Object, whole bool) {
	var n uint32
	if len(db.free) > 0 {
		n = db.free[len(db.free)-1]
		db.free = db.free[:len(db.free)-1]
	} else {
		if len(db.pages) == 0 || db.pages[len(db.pages)-1].used == pageSlots {
			db.pages = append(db.pages, db.newPage())
		}
		last := len(db.pages) - 1
		n = uint32(last*pageSlots + db.pages[last].used)
		db.writable(n) // before used changes: a snapshot's page keeps its own
		db.pages[last].used++
	}
	s := db.writable(n)
	s.key, s.obj, s.expire = key, o, 0
	s.obj.Access = db.access(o.Access)
	if db.index == nil {
		db.index = make(map[string]uint32)
	}
	db.index[key] = n
	if db.slots != nil {
		db.slots.add(key)
	}
	db.keys += KeyBytes(key)
	db.hold(&s.obj, whole)
	if db.ks.watch != nil {
		db.ks.watch(db.number, []byte(key), o.Kind, true)
	}
}

// access is an object's own Access, or the clock's.
func (db *DB) access(own uint32) uint32 {
	if own != 0 {
		return own
	}
	return db.ks.clock
}

// replaced tells a watcher of a value that another takes the place of.
func (db *DB) replaced(s *slot) {
	if db.ks.watch != nil {
		db.ks.watch(db.number, []byte(s.key), s.obj.Kind, false)
	}
}

func (db *DB) newPage() *page {
	if len(db.spare) > 0 {
		p := db.spare[len(db.spare)-1]
		db.spare = db.spare[:len(db.spare)-1]
		p.gen = db.ks.gen
		return p
	}
	return &page{gen: db.ks.gen}
}

// edit returns the collection of a kind at key for changing, nil when there is
// none or the key holds something else.
func (db *DB) edit(key []byte, kind Kind) Collection {
	n, ok := db.index[string(key)]
	if !ok || db.at(n).obj.Kind != kind {
		return nil
	}
	s := db.at(n)
	if db.ks.shared(s.obj.Coll.generation()) {
		s = db.writable(n)
		bytes := s.obj.Coll.weighed().bytes
		s.obj.Coll.weighed().db = nil
		s.obj.Coll = s.obj.Coll.fork(db.ks.gen)
		*s.obj.Coll.weighed() = weight{bytes: bytes}
	}
	db.changed(s.obj.Coll)
	return s.obj.Coll
}

// Delete removes a key and reports whether it was there.
func (db *DB) Delete(key []byte) bool {
	n, ok := db.index[string(key)]
	if !ok {
		return false
	}
	s := db.writable(n)
	db.forgetExpire(s)
	delete(db.index, s.key)
	if db.slots != nil {
		db.slots.remove(s.key)
	}
	db.keys -= KeyBytes(s.key)
	db.release(&s.obj)
	if s.obj.Kind == Stream {
		db.replaced(s)
	}
	*s = slot{}
	db.free = append(db.free, n)
	return true
}

// Flush removes all keys and returns how many there were.
func (db *DB) Flush() int {
	db.ks.weigh() // what is waiting must not be added to an empty database
	n := len(db.index)
	clear(db.index)
	if db.slots != nil {
		db.slots.clear()
	}
	db.keys, db.values = 0, 0
	for _, p := range db.pages {
		if db.ks.shared(p.gen) {
			continue // it belongs to the snapshot now
		}
		clear(p.slots[:p.used])
		p.used, p.listed = 0, 0
		db.spare = append(db.spare, p)
	}
	clear(db.pages)
	db.pages = db.pages[:0]
	db.free = db.free[:0]
	db.expires, db.next, db.shuffle, db.avgTTL = 0, 0, 0, 0
	db.volatile = db.volatile[:0]
	return n
}

// Each calls f for every key in slot order until it returns false. f must not
// change the database.
func (db *DB) Each(f func(key string, o *Object, expireAtMs int64) bool) {
	for _, p := range db.pages {
		for j := range p.slots[:p.used] {
			s := &p.slots[j]
			if s.obj.Kind != None && !f(s.key, &s.obj, told(s.expire)) {
				return
			}
		}
	}
}

// Scan visits about count keys from cursor on and returns the next cursor, 0
// after the last. A key that is in the database from the first call of a scan
// to the last is visited, because it keeps its slot. Free slots cost too: at
// most ten times count slots are looked at (as redis 7.0.15 db.c
// scanGenericCommand bounds empty buckets).
func (db *DB) Scan(cursor uint64, count int, f func(key string, o *Object)) uint64 {
	total := uint64(len(db.pages)) * pageSlots
	for budget := 10 * count; cursor < total && count > 0 && budget > 0; budget-- {
		s := db.at(uint32(cursor))
		if s.obj.Kind != None {
			f(s.key, &s.obj)
			count--
		}
		cursor++
	}
	if cursor >= total || len(db.index) == 0 {
		return 0
	}
	return cursor
}
