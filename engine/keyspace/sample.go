package keyspace

// Sampled is a key that was drawn from a database.
type Sampled struct {
	Key      string
	Object   *Object
	ExpireAt int64 // Unix ms; 0: never
}

// stepsEach is how many places are looked at for each key that is wanted (redis 7.0.15
// dict.c dictGetSomeKeys).
const stepsEach = 10

// Sample draws up to n different keys, of those that expire if expiring is set, and calls
// f for each. There may be fewer, or none, where keys are few for their places.
//
// Redis looks at neighbours in a hash table, which have nothing to do with each other.
// Neighbours here were made one after the other; so what is looked at lies far apart.
func (db *DB) Sample(n int, expiring bool, random func() uint64, f func(s Sampled)) {
	have := len(db.index)
	if expiring {
		have = db.expires
	}
	n = min(n, have)
	db.stroll(expiring, random, stepsEach*n, func(s *slot) bool {
		f(Sampled{s.key, &s.obj, s.expire})
		n--
		return n > 0
	})
}

// Random draws a key, of those that expire if expiring is set; ok is false when there is none.
func (db *DB) Random(expiring bool, random func() uint64) (key string, ok bool) {
	db.stroll(expiring, random, 1<<62, func(s *slot) bool {
		key, ok = s.key, true
		return false
	})
	return key, ok
}

// stroll looks at so many places at most, in an order that is drawn, each of them once,
// and calls f for the keys there until it returns false.
func (db *DB) stroll(expiring bool, random func() uint64, steps int, f func(s *slot) bool) {
	places := uint64(len(db.pages)) * pageSlots
	if expiring {
		places = uint64(len(db.volatile))
	}
	if places == 0 || steps == 0 {
		return
	}
	at, step := random()%places, uint64(1)
	if places > 2 {
		for step = 1 + random()%(places-1); gcd(step, places) != 1; {
			step = 1 + step%(places-1)
		}
	}
	for range min(uint64(steps), places) {
		s := db.place(at, expiring)
		if s != nil && !f(s) {
			return
		}
		at = (at + step) % places
	}
}

// place is the key at a place, nil where there is none.
func (db *DB) place(i uint64, expiring bool) *slot {
	if !expiring {
		s := db.at(uint32(i))
		if s.obj.Kind == None {
			return nil
		}
		return s
	}
	if s := db.at(db.volatile[i]); s.expire != 0 {
		return s
	}
	return nil
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
