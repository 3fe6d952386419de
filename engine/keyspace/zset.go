package keyspace

import (
	"math"
	"slices"
	"sort"
	"strconv"

	"github.com/torntail/torntail/engine/rdb"
)

func init() {
	register(ZSet, "zset", loadZSet, rdb.TypeZSet, rdb.TypeZSet2, rdb.TypeZSetZiplist, rdb.TypeZSetListpack)
}

// Scored is a member of a sorted set. Members stand by score, equal scores by
// name, byte for byte.
type Scored struct {
	Member string
	Score  float64
}

func (m Scored) name() string { return m.Member }

func (m Scored) before(o Scored) bool {
	return m.Score < o.Score || m.Score == o.Score && m.Member < o.Member
}

// SortedSet is the value of a ZSet: as Redis's, a listpack while it is small and
// its members are short, a skip list with a hash table for ever after. A sorted
// sequence is in the place of the skip list.
type SortedSet struct {
	weight
	gen    uint64
	limits *Limits
	small  []Scored // in order
	names  *dict[Scored]
	order  sorted[Scored] // the members of names
}

// ZSet is the sorted set that an object of that kind holds.
func (o *Object) ZSet() *SortedSet { return o.Coll.(*SortedSet) }

// EditZSet returns the sorted set at key for changing, nil when there is none or
// the key holds something else. One that becomes empty must be deleted.
func (db *DB) EditZSet(key []byte) *SortedSet {
	z, _ := db.edit(key, ZSet).(*SortedSet)
	return z
}

// NewZSet stores an empty sorted set under a key that does not exist and returns
// it for filling.
func (db *DB) NewZSet(key []byte) *SortedSet {
	z := db.MakeZSet()
	db.add(string(key), ZSetObject(z), false)
	return z
}

// MakeZSet makes an empty sorted set that belongs to no key yet.
func (db *DB) MakeZSet() *SortedSet {
	return &SortedSet{gen: db.ks.gen, order: sorted[Scored]{own: db.ks.gen}, limits: db.ks.limits}
}

// ZSetObject makes a value of a sorted set.
func ZSetObject(z *SortedSet) Object { return Object{Kind: ZSet, Coll: z} }

// Encoding is what OBJECT ENCODING answers.
func (z *SortedSet) Encoding() string {
	if z.names != nil {
		return "skiplist"
	}
	return "listpack"
}

// Len is the number of members.
func (z *SortedSet) Len() int {
	if z.names != nil {
		return z.names.n
	}
	return len(z.small)
}

// Elements implements Collection: each member and its score, in order.
func (z *SortedSet) Elements(add func(elem []byte)) {
	z.Each(func(m *Scored) bool {
		add([]byte(m.Member))
		add(AppendScore(nil, m.Score))
		return true
	})
}

// Score returns a member's score.
func (z *SortedSet) Score(member []byte) (score float64, ok bool) {
	if z.names != nil {
		if i := z.names.find(member); i >= 0 {
			return z.names.at(i).Score, true
		}
		return 0, false
	}
	for i := range z.small {
		if z.small[i].Member == string(member) {
			return z.small[i].Score, true
		}
	}
	return 0, false
}

// Set gives a member a score, which is not NaN (redis 7.0.15 t_zset.c zsetAdd).
func (z *SortedSet) Set(member []byte, score float64) {
	if z.names == nil {
		i := slices.IndexFunc(z.small, func(m Scored) bool { return m.Member == string(member) })
		switch {
		case i >= 0:
			z.small = slices.Delete(z.small, i, i+1)
		case int64(len(z.small))+1 > z.limits.ZSetEntries || int64(len(member)) > z.limits.ZSetValue:
			z.grow(0)
		}
	}
	if z.names == nil {
		if score == 0 {
			score = 0 // a listpack holds it as an integer, which has no sign
		}
		m := Scored{string(member), score}
		z.small = slices.Insert(z.small, sort.Search(len(z.small), func(i int) bool { return !z.small[i].before(m) }), m)
		return
	}
	i := z.names.find(member)
	if i < 0 {
		m := Scored{string(member), score}
		z.names.add(m)
		z.order.set(m)
		return
	}
	old := *z.names.at(i)
	if old.Score == score {
		return
	}
	z.order.cut(old)
	z.names.edit(i).Score = score
	z.order.set(Scored{old.Member, score})
}

// Delete removes a member and reports whether it was there.
func (z *SortedSet) Delete(member []byte) bool {
	if z.names == nil {
		i := slices.IndexFunc(z.small, func(m Scored) bool { return m.Member == string(member) })
		if i >= 0 {
			z.small = slices.Delete(z.small, i, i+1)
		}
		return i >= 0
	}
	i := z.names.find(member)
	if i < 0 {
		return false
	}
	z.order.cut(*z.names.at(i))
	z.names.remove(i)
	return true
}

// First is the rank of the first member for which reached is true, which must be
// false for all before it; Len when there is none.
func (z *SortedSet) First(reached func(m *Scored) bool) int {
	if z.names == nil {
		return sort.Search(len(z.small), func(i int) bool { return reached(&z.small[i]) })
	}
	return z.order.rank(z.order.search(reached))
}

// Rank is a member's rank from the lowest, counted from 0.
func (z *SortedSet) Rank(member []byte) (rank int, ok bool) {
	score, ok := z.Score(member)
	if !ok {
		return 0, false
	}
	m := Scored{string(member), score}
	return z.First(func(e *Scored) bool { return !e.before(m) }), true
}

// Range calls f for the members of ranks [lo, hi), backwards if wanted, until it
// returns false.
func (z *SortedSet) Range(lo, hi int, backwards bool, f func(m *Scored) bool) {
	if lo >= hi {
		return
	}
	if z.names == nil {
		rangeOver(z.small[lo:hi], backwards, f)
		return
	}
	z.order.ranks(lo, hi, backwards, f)
}

// Each calls f for every member in order until it returns false.
func (z *SortedSet) Each(f func(m *Scored) bool) { z.Range(0, z.Len(), false, f) }

// At is the member at a position, 0 <= i < Len, in no order: for drawing one.
func (z *SortedSet) At(i int) *Scored {
	if z.names != nil {
		return z.names.at(i)
	}
	return &z.small[i]
}

// Scan is ZSCAN's step: a small set is met at once.
func (z *SortedSet) Scan(cursor uint64, count int, f func(m *Scored)) uint64 {
	if z.names != nil {
		return z.names.scan(cursor, count, f)
	}
	for i := range z.small {
		f(&z.small[i])
	}
	return 0
}

// grow makes the set large, with room for so many members at least.
func (z *SortedSet) grow(room int) {
	z.names = newDict[Scored](z.gen, max(room, len(z.small)))
	for _, m := range z.small {
		z.names.add(m)
		z.order.set(m)
	}
	z.small = nil
}

// Enlarge makes the set large if it is not: SORT leaves one so.
func (z *SortedSet) Enlarge() {
	if z.names == nil {
		z.grow(0)
	}
}

// Pack makes the set small if it may be (redis 7.0.15 t_zset.c
// zsetConvertToListpackIfNeeded).
func (z *SortedSet) Pack() {
	if z.names == nil || int64(z.Len()) > z.limits.ZSetEntries {
		return
	}
	packed := &SortedSet{gen: z.gen, order: sorted[Scored]{own: z.gen}, limits: z.limits}
	z.Each(func(m *Scored) bool {
		packed.Set([]byte(m.Member), m.Score)
		return packed.names == nil
	})
	if packed.names == nil { // no member is too long
		*z = *packed
	}
}

func (z *SortedSet) generation() uint64 { return z.gen }

func (z *SortedSet) fork(gen uint64) Collection {
	if z.names == nil {
		return &SortedSet{gen: gen, order: sorted[Scored]{own: gen}, limits: z.limits, small: append(make([]Scored, 0, len(z.small)+1), z.small...)}
	}
	return &SortedSet{gen: gen, limits: z.limits, names: z.names.fork(gen), order: z.order.fork(gen)}
}

func (z *SortedSet) clone(gen uint64) Collection {
	if z.names == nil {
		return z.fork(gen)
	}
	return &SortedSet{gen: gen, limits: z.limits, names: z.names.clone(gen), order: z.order.clone(gen)}
}

func (z *SortedSet) digest(d *[20]byte) {
	z.Each(func(m *Scored) bool {
		var member [20]byte
		mix(&member, []byte(m.Member))
		mix(&member, AppendScore(nil, m.Score))
		xor(d, member[:])
		return true
	})
}

// AppendScore appends a score as Redis writes it: C's %.17g, and inf, -inf and
// nan.
func AppendScore(b []byte, score float64) []byte {
	switch {
	case math.IsInf(score, 1):
		return append(b, "inf"...)
	case math.IsInf(score, -1):
		return append(b, "-inf"...)
	case math.IsNaN(score):
		return append(b, "nan"...)
	}
	return strconv.AppendFloat(b, score, 'g', 17, 64)
}

func (z *SortedSet) rebuild(key []byte, emit func(argv [][]byte)) {
	argv := make([][]byte, 0, 2+2*itemsPerCommand)
	n := 0
	z.Each(func(m *Scored) bool {
		if n%itemsPerCommand == 0 {
			if n > 0 {
				emit(argv)
			}
			argv = append(argv[:0], []byte("ZADD"), key)
		}
		argv = append(argv, AppendScore(nil, m.Score), []byte(m.Member))
		n++
		return true
	})
	emit(argv)
}

func (z *SortedSet) rdbType() byte {
	if z.names != nil {
		return rdb.TypeZSet2
	}
	return rdb.TypeZSetListpack
}

// saveRDB writes a large set from the highest score down, so that loading it
// inserts at the front (redis 7.0.15 rdb.c rdbSaveObject).
func (z *SortedSet) saveRDB(e *rdb.Encoder) {
	if z.names != nil {
		e.Len(uint64(z.Len()))
		z.Range(0, z.Len(), true, func(m *Scored) bool {
			e.Text(m.Member)
			e.Double(m.Score)
			return true
		})
		return
	}
	p := e.Pack()
	var text [32]byte
	for i := range z.small {
		p.AppendText(z.small[i].Member)
		p.Append(AppendScore(text[:0], z.small[i].Score))
	}
	e.Packed()
}

// loadZSet reads a sorted set. One that comes member by member becomes small if
// it fits; a packed form stays so whatever the length of its members, if they are
// not too many (redis 7.0.15 rdb.c rdbLoadObject).
func loadZSet(d *rdb.Decoder, kind byte, l *Limits) Collection {
	z := &SortedSet{limits: l}
	var all []Scored
	fits := true
	twice := "Duplicate zset fields detected"
	switch kind {
	case rdb.TypeZSet, rdb.TypeZSet2:
		for n := d.Count("a sorted set"); n > 0 && d.OK(); n-- {
			m := Scored{Member: string(d.Str("a member"))}
			if kind == rdb.TypeZSet2 {
				m.Score = d.Double("a score")
			} else {
				m.Score = d.OldDouble("a score")
			}
			if math.IsNaN(m.Score) {
				d.Fail("Zset with NAN score detected")
			}
			fits = fits && int64(len(m.Member)) <= l.ZSetValue
			all = append(all, m)
		}
	default:
		twice = "Zset listpack integrity check failed."
		var elems [][]byte
		if kind == rdb.TypeZSetZiplist {
			elems = d.Ziplist(nil, "a sorted set")
		} else {
			elems = d.Listpack(nil, "a sorted set")
		}
		if len(elems)%2 != 0 {
			d.Fail("Zset listpack integrity check failed.")
		}
		for i := 0; i+1 < len(elems); i += 2 {
			score, err := strconv.ParseFloat(string(elems[i+1]), 64)
			if err != nil || math.IsNaN(score) {
				d.Fail("Zset listpack integrity check failed.")
			}
			all = append(all, Scored{string(elems[i]), score})
		}
	}
	if !d.OK() {
		return z
	}
	slices.SortStableFunc(all, func(a, b Scored) int {
		if a.before(b) {
			return -1
		}
		if b.before(a) {
			return 1
		}
		return 0
	})
	seen := make(map[string]bool, len(all))
	for _, m := range all {
		if seen[m.Member] {
			d.Fail("%s", twice)
			return z
		}
		seen[m.Member] = true
	}
	z.small = all
	if !fits || int64(len(all)) > l.ZSetEntries {
		z.grow(0)
		return z
	}
	for i := range z.small {
		if z.small[i].Score == 0 {
			z.small[i].Score = 0
		}
	}
	return z
}
