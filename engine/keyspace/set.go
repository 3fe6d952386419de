package keyspace

import (
	"slices"
	"strconv"

	"github.com/torntail/torntail/engine/rdb"
)

func init() {
	register(Set, "set", loadSet, rdb.TypeSet, rdb.TypeSetIntset, rdb.TypeSetListpack)
}

// Members is the value of a Set: as Redis's, sorted integers while all members
// are integers and not too many, a hash table for ever after.
type Members struct {
	weight
	gen    uint64
	limits *Limits
	ints   []int64 // ascending
	large  *dict[member]
}

type member string

func (m member) name() string { return string(m) }

// Set is the set that an object of that kind holds.
func (o *Object) Set() *Members { return o.Coll.(*Members) }

// EditSet returns the set at key for changing, nil when there is none or the
// key holds something else. A set that becomes empty must be deleted.
func (db *DB) EditSet(key []byte) *Members {
	s, _ := db.edit(key, Set).(*Members)
	return s
}

// NewSet stores an empty set under a key that does not exist and returns it for
// filling.
func (db *DB) NewSet(key []byte) *Members {
	s := &Members{gen: db.ks.gen, limits: db.ks.limits}
	db.add(string(key), Object{Kind: Set, Coll: s}, false)
	return s
}

// MakeSet makes an empty set that belongs to no key yet; store it with
// DB.Set(key, SetObject(...)).
func (db *DB) MakeSet() *Members { return &Members{gen: db.ks.gen, limits: db.ks.limits} }

// SetObject makes a value of a set.
func SetObject(m *Members) Object { return Object{Kind: Set, Coll: m} }

// Encoding is what OBJECT ENCODING answers.
func (s *Members) Encoding() string {
	if s.large != nil {
		return "hashtable"
	}
	return "intset"
}

// Len is the number of members.
func (s *Members) Len() int {
	if s.large != nil {
		return s.large.n
	}
	return len(s.ints)
}

// Elements implements Collection.
func (s *Members) Elements(add func(elem []byte)) {
	s.Each(func(member string) bool {
		add([]byte(member))
		return true
	})
}

// Has reports whether m is a member.
func (s *Members) Has(m []byte) bool {
	if s.large != nil {
		return s.large.find(m) >= 0
	}
	v, ok := CanonicalInt(m)
	if !ok {
		return false
	}
	_, found := slices.BinarySearch(s.ints, v)
	return found
}

// At is the member at position i, 0 <= i < Len: for drawing one.
func (s *Members) At(i int) string {
	if s.large != nil {
		return string(*s.large.at(i))
	}
	return strconv.FormatInt(s.ints[i], 10)
}

// Add adds a member and reports whether it is new (redis 7.0.15 t_set.c
// setTypeAdd).
func (s *Members) Add(m []byte) bool {
	if s.large == nil {
		v, ok := CanonicalInt(m)
		if ok {
			i, found := slices.BinarySearch(s.ints, v)
			if found {
				return false
			}
			s.ints = slices.Insert(s.ints, i, v)
			if int64(len(s.ints)) > min(s.limits.SetInts, 1<<30) {
				s.grow(0)
			}
			return true
		}
		s.grow(0)
	}
	if s.large.find(m) >= 0 {
		return false
	}
	s.large.add(member(m))
	return true
}

// Delete removes a member and reports whether it was there.
func (s *Members) Delete(m []byte) bool {
	if s.large != nil {
		i := s.large.find(m)
		if i >= 0 {
			s.large.remove(i)
		}
		return i >= 0
	}
	v, ok := CanonicalInt(m)
	if !ok {
		return false
	}
	i, found := slices.BinarySearch(s.ints, v)
	if found {
		s.ints = slices.Delete(s.ints, i, i+1)
	}
	return found
}

// Each calls f for every member until it returns false.
func (s *Members) Each(f func(m string) bool) {
	if s.large != nil {
		s.large.each(func(m *member) bool { return f(string(*m)) })
		return
	}
	for _, v := range s.ints {
		if !f(strconv.FormatInt(v, 10)) {
			return
		}
	}
}

// Scan is SSCAN's step: a set of integers is met at once.
func (s *Members) Scan(cursor uint64, count int, f func(m string)) uint64 {
	if s.large != nil {
		return s.large.scan(cursor, count, func(m *member) { f(string(*m)) })
	}
	for _, v := range s.ints {
		f(strconv.FormatInt(v, 10))
	}
	return 0
}

// grow makes the set large, with room for so many members at least.
func (s *Members) grow(room int) {
	s.large = newDict[member](s.gen, max(room, len(s.ints)))
	for _, v := range s.ints {
		s.large.add(member(strconv.FormatInt(v, 10)))
	}
	s.ints = nil
}

func (s *Members) generation() uint64 { return s.gen }

func (s *Members) fork(gen uint64) Collection {
	f := &Members{gen: gen, limits: s.limits}
	if s.large != nil {
		f.large = s.large.fork(gen)
	} else {
		f.ints = append(make([]int64, 0, len(s.ints)+1), s.ints...)
	}
	return f
}

func (s *Members) clone(gen uint64) Collection {
	if s.large == nil {
		return s.fork(gen)
	}
	return &Members{gen: gen, limits: s.limits, large: s.large.clone(gen)}
}

func (s *Members) digest(d *[20]byte) {
	s.Each(func(m string) bool {
		xor(d, []byte(m))
		return true
	})
}

func (s *Members) rebuild(key []byte, emit func(argv [][]byte)) {
	argv := make([][]byte, 0, 2+itemsPerCommand)
	n := 0
	s.Each(func(m string) bool {
		if n%itemsPerCommand == 0 {
			if n > 0 {
				emit(argv)
			}
			argv = append(argv[:0], []byte("SADD"), key)
		}
		argv = append(argv, []byte(m))
		n++
		return true
	})
	emit(argv)
}

func (s *Members) rdbType() byte {
	if s.large != nil {
		return rdb.TypeSet
	}
	return rdb.TypeSetIntset
}

func (s *Members) saveRDB(e *rdb.Encoder) {
	if s.large == nil {
		e.Intset(s.ints)
		return
	}
	e.Len(uint64(s.large.n))
	s.large.each(func(m *member) bool {
		e.Text(string(*m))
		return true
	})
}

// loadSet reads a set. Members that come one by one make what SADD would, but
// too many for integers make a large set from the start; integers that come
// packed stay so, if they are not too many (redis 7.0.15 rdb.c rdbLoadObject).
func loadSet(d *rdb.Decoder, kind byte, l *Limits) Collection {
	s := &Members{limits: l}
	if kind == rdb.TypeSetListpack { // of a server since 7.2
		for _, m := range d.Listpack(nil, "a set") {
			if !s.Add(m) {
				d.Fail("Duplicate set members detected")
			}
		}
		return s
	}
	if kind == rdb.TypeSetIntset {
		s.ints = d.Intset("a set")
		if int64(len(s.ints)) > l.SetInts {
			s.grow(0)
		}
		return s
	}
	n := d.Count("a set")
	if int64(n) > l.SetInts {
		s.grow(n)
	}
	for ; n > 0 && d.OK(); n-- {
		if m := d.Str("a member"); d.OK() && !s.Add(m) {
			d.Fail("Duplicate set members detected")
		}
	}
	return s
}
