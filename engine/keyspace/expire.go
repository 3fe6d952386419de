package keyspace

// ExpireAt returns when a key expires, Unix time in milliseconds; 0 when it
// does not, or is not there.
func (db *DB) ExpireAt(key []byte) int64 {
	if db.expires == 0 {
		return 0
	}
	n, ok := db.index[string(key)]
	if !ok {
		return 0
	}
	return db.at(n).expire
}

// SetExpire gives a key an expiry time and reports whether the key is there.
// atMs is a Unix time in milliseconds and must be positive.
func (db *DB) SetExpire(key []byte, atMs int64) bool {
	n, ok := db.index[string(key)]
	if !ok {
		return false
	}
	s := db.writable(n)
	db.forgetExpire(s)
	s.expire = atMs
	db.expires++
	db.expireSum += atMs
	db.due.push(due{at: atMs, slot: n})
	db.trimDue()
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

// forgetExpire leaves the entry in the heap; it is recognised as stale when it comes up.
func (db *DB) forgetExpire(s *slot) {
	if s.expire == 0 {
		return
	}
	db.expires--
	db.expireSum -= s.expire
	s.expire = 0
}

// NextDue returns a key whose expiry time is before nowMs, if there is one:
// the earliest first. The caller deletes it. (Redis samples at random instead;
// an exact order is reproducible and finds every key.)
func (db *DB) NextDue(nowMs int64) (key string, ok bool) {
	for len(db.due) > 0 && db.due[0].at < nowMs {
		d := db.due[0]
		if s := db.slotIfAny(d.slot); s != nil && s.expire == d.at {
			return s.key, true
		}
		db.due.pop()
	}
	return "", false
}

func (db *DB) slotIfAny(n uint32) *slot {
	if int(n/pageSlots) >= len(db.pages) {
		return nil
	}
	return db.at(n)
}

// trimDue rebuilds the heap when most of it is stale, so that a key whose
// expiry is renewed all the time does not make it grow.
func (db *DB) trimDue() {
	if len(db.due) <= 2*db.expires+pageSlots {
		return
	}
	db.due = db.due[:0]
	for i, p := range db.pages {
		for j := range p.slots[:p.used] {
			if at := p.slots[j].expire; at != 0 {
				db.due.push(due{at: at, slot: uint32(i*pageSlots + j)})
			}
		}
	}
}

// due says that the key in a slot expires at a time, if it still does.
type due struct {
	at   int64
	slot uint32
}

// dueHeap is a binary heap, earliest first; equal times by slot, so that the
// order does not depend on the heap's history.
type dueHeap []due

func (h dueHeap) less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].slot < h[j].slot
}

func (h *dueHeap) push(d due) {
	*h = append(*h, d)
	q := *h
	for i := len(q) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.less(i, up) {
			break
		}
		q[i], q[up] = q[up], q[i]
		i = up
	}
}

func (h *dueHeap) pop() {
	q := *h
	n := len(q) - 1
	q[0] = q[n]
	q = q[:n]
	*h = q
	for i := 0; ; {
		c := 2*i + 1
		if c >= n {
			return
		}
		if c+1 < n && q.less(c+1, c) {
			c++
		}
		if !q.less(c, i) {
			return
		}
		q[i], q[c] = q[c], q[i]
		i = c
	}
}
