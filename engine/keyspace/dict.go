package keyspace

import "maps"

// leafEntries is the number of entries in a full leaf: small, because the first
// write to a leaf after a snapshot copies it whole.
const leafEntries = 64

// dict is how large sets and hashes are held, and the names of a large sorted
// set. Entries stand without gaps in leaves, in the order of insertion; removing
// one moves the last into its place. So an entry can be drawn by its position,
// the order in which a dict is walked depends only on the commands that built
// it, and a scan that goes from the end to the beginning meets every entry that
// stays: one that moves has been met, and is met again at worst.
//
// A fork shares the leaves, which are copied when they are first written. The
// index goes with the fork: a dict that has been forked is only walked.
type dict[E interface{ name() string }] struct {
	gen    uint64 // leaves of an older generation may be shared
	index  map[string]uint32
	leaves []leaf[E]
	n      int
}

type leaf[E any] struct {
	gen     uint64
	entries []E
}

func newDict[E interface{ name() string }](gen uint64, room int) *dict[E] {
	return &dict[E]{gen: gen, index: make(map[string]uint32, room)}
}

func (d *dict[E]) fork(gen uint64) *dict[E] {
	f := &dict[E]{gen: gen, index: d.index, n: d.n}
	f.leaves = append(make([]leaf[E], 0, len(d.leaves)+1), d.leaves...)
	return f
}

// clone is a copy beside which the receiver goes on.
func (d *dict[E]) clone(gen uint64) *dict[E] {
	c := d.fork(gen)
	c.index = maps.Clone(d.index)
	for i := range c.leaves { // so that it does not append where the receiver does
		l := &c.leaves[i]
		l.entries = l.entries[:len(l.entries):len(l.entries)]
	}
	d.gen = gen
	for i := range d.leaves { // nor the other way round, nor may either take one for its own
		d.leaves[i].gen = gen - 1
		c.leaves[i].gen = gen - 1
	}
	return c
}

// find returns the position of an entry, -1 when there is none.
func (d *dict[E]) find(name []byte) int {
	if i, ok := d.index[string(name)]; ok {
		return int(i)
	}
	return -1
}

// at is the entry at a position, 0 <= i < n. It must not be changed.
func (d *dict[E]) at(i int) *E { return &d.leaves[i/leafEntries].entries[i%leafEntries] }

// edit is at for changing.
func (d *dict[E]) edit(i int) *E { return &d.own(i / leafEntries).entries[i%leafEntries] }

// own makes a leaf this dict's alone.
func (d *dict[E]) own(i int) *leaf[E] {
	l := &d.leaves[i]
	if l.gen != d.gen {
		l.entries = append(make([]E, 0, cap(l.entries)), l.entries...)
		l.gen = d.gen
	}
	return l
}

// add appends an entry whose name is new.
func (d *dict[E]) add(e E) {
	if d.n%leafEntries == 0 {
		d.leaves = append(d.leaves, leaf[E]{gen: d.gen})
	}
	// Behind the end of a shared leaf nobody else reads.
	l := &d.leaves[len(d.leaves)-1]
	l.entries = append(l.entries, e)
	d.index[e.name()] = uint32(d.n)
	d.n++
}

// remove removes the entry at a position.
func (d *dict[E]) remove(i int) {
	delete(d.index, (*d.at(i)).name())
	last := d.n - 1
	if i != last {
		e := *d.at(last)
		*d.edit(i) = e
		d.index[e.name()] = uint32(i)
	}
	l := d.own(len(d.leaves) - 1)
	clear(l.entries[len(l.entries)-1:])
	l.entries = l.entries[:len(l.entries)-1]
	if len(l.entries) == 0 {
		d.leaves = d.leaves[:len(d.leaves)-1]
	}
	d.n--
}

// each calls f for every entry until it returns false.
func (d *dict[E]) each(f func(e *E) bool) {
	for i := range d.leaves {
		for j := range d.leaves[i].entries {
			if !f(&d.leaves[i].entries[j]) {
				return
			}
		}
	}
}

// scan calls f for about count entries from cursor on, 0 to begin, and returns
// the next cursor, 0 at the end. Every entry that is there from the beginning of
// a scan to its end is met.
func (d *dict[E]) scan(cursor uint64, count int, f func(e *E)) uint64 {
	i := d.n
	if cursor > 0 && cursor < uint64(d.n) {
		i = int(cursor)
	}
	for ; i > 0 && count > 0; count-- {
		i--
		f(d.at(i))
	}
	return uint64(i)
}
