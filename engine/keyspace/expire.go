package keyspace

// ExpireAt returns when a key expires, Unix time in milliseconds; 0 when it
// does not, or is not there.
func (db *DB) ExpireAt(key []byte) int64 { return told(db.deadline(key)) }

// Volatile reports whether a key has an expiry time, that which is told as none too.
func (db *DB) Volatile(key []byte) bool { return db.deadline(key) != 0 }

func (db *DB) deadline(key []byte) int64 {
	if db.expires == 0 {
		return 0
	}
	n, ok := db.index[string(key)]
	if !ok {
		return 0
	}
	return db.at(n).expire
}

// told is what a deadline is to whoever asks for it: -1 is none (redis 7.0.15 db.c getExpire).
func told(atMs int64) int64 {
	if atMs == -1 {
		return 0
	}
	return atMs
}

// SetExpire gives a key an expiry time and reports whether the key is there.
// atMs is a Unix time in milliseconds and must not be 0.
func (db *DB) SetExpire(key []byte, atMs int64) bool {
	n, ok := db.index[string(key)]
	if !ok {
		return false
	}
	s := db.writable(n)
	db.forgetExpire(s)
	s.expire = atMs
	db.expires++
	if p := db.pages[n/pageSlots]; p.listed&(1<<(n%pageSlots)) == 0 {
		p.listed |= 1 << (n % pageSlots)
		db.enlist(n)
		db.trimVolatile()
	}
	return true
}

// Persist removes a key's expiry time and reports whether there was one.
func (db *DB) Persist(key []byte) bool {
	n, ok := db.index[string(key)]
	if !ok || db.at(n).expire == 0 {
		return false
	}
	db.forgetExpire(db.writable(n))
	return true
}

// forgetExpire leaves the slot in the list; it is recognised as stale when it comes up.
func (db *DB) forgetExpire(s *slot) {
	if s.expire != 0 {
		db.expires--
		s.expire = 0
	}
}

// VisitExpiring calls f for up to n keys that expire, from where the last call ended, in an
// order that has to do with nothing, and returns how many there were. f may delete the key,
// and change nothing else.
func (db *DB) VisitExpiring(n int, f func(key string, atMs int64)) (seen int) {
	for seen < n && db.expires > 0 {
		if db.next >= len(db.volatile) {
			db.next = 0
		}
		at := db.volatile[db.next]
		if s := db.at(at); s.expire != 0 {
			seen++
			f(s.key, s.expire)
		}
		if db.at(at).expire != 0 {
			db.next++
			continue
		}
		db.unlist(at)
		last := len(db.volatile) - 1
		db.volatile[db.next] = db.volatile[last]
		db.volatile = db.volatile[:last]
	}
	return seen
}

// enlist puts a slot anywhere into the list: keys that are made one after the other are not
// to be met so, as they are not in a hash table.
func (db *DB) enlist(n uint32) {
	db.shuffle = db.shuffle*6364136223846793005 + 1442695040888963407
	at := int(db.shuffle >> 33 % uint64(len(db.volatile)+1))
	db.volatile = append(db.volatile, n)
	last := len(db.volatile) - 1
	db.volatile[last], db.volatile[at] = db.volatile[at], n
}

func (db *DB) unlist(n uint32) { db.pages[n/pageSlots].listed &^= 1 << (n % pageSlots) }

// trimVolatile drops what is stale when that is most of the list.
func (db *DB) trimVolatile() {
	if len(db.volatile) <= 2*db.expires+pageSlots {
		return
	}
	left := db.volatile[:0]
	for _, n := range db.volatile {
		if db.at(n).expire != 0 {
			left = append(left, n)
		} else {
			db.unlist(n)
		}
	}
	db.volatile = left
}

// NoteTTL has the mean time to live of keys that were sampled count among those before it
// (redis 7.0.15 expire.c activeExpireCycle).
func (db *DB) NoteTTL(ms int64) {
	if db.avgTTL == 0 {
		db.avgTTL = ms
	}
	db.avgTTL = db.avgTTL/50*49 + ms/50
}

// ForgetTTL says that no key expires.
func (db *DB) ForgetTTL() { db.avgTTL = 0 }

// AvgTTL is about how long keys that expire still live, in milliseconds, as the last cycles
// have seen; 0: none has.
func (db *DB) AvgTTL() int64 { return db.avgTTL }
