package keyspace

import (
	"slices"
	"sort"
)

// sorted is a sequence of entries in their order, no two of which are equal: the
// members of a large sorted set, what consumers of a stream have not
// acknowledged. Entries stand in leaves: finding one takes a binary search, its
// rank one addition for each leaf.
//
// A fork shares the leaves, which are copied when they are first written.
type sorted[E interface{ before(o E) bool }] struct {
	own    uint64    // the generation of leaves that are this sequence's alone
	leaves []leaf[E] // in order, none empty
	n      int
}

// sortedLeaf is how many entries a leaf may have.
const sortedLeaf = 2 * leafEntries

// find returns an equal entry, nil when there is none. It must not be changed.
func (s *sorted[E]) find(e E) *E {
	l, i := s.place(e)
	if l == len(s.leaves) || i == len(s.leaves[l].entries) || e.before(s.leaves[l].entries[i]) {
		return nil
	}
	return &s.leaves[l].entries[i]
}

// place is where an entry stands, or would: a leaf and an index in it.
func (s *sorted[E]) place(e E) (l, i int) {
	return s.search(func(o *E) bool { return !(*o).before(e) })
}

// search finds the first entry for which reached is true; it is false for all
// before that one. Behind the last is the end of the last leaf.
func (s *sorted[E]) search(reached func(e *E) bool) (l, i int) {
	l = sort.Search(len(s.leaves), func(l int) bool {
		entries := s.leaves[l].entries
		return reached(&entries[len(entries)-1])
	})
	if l == len(s.leaves) {
		if l == 0 {
			return 0, 0
		}
		return l - 1, len(s.leaves[l-1].entries)
	}
	entries := s.leaves[l].entries
	return l, sort.Search(len(entries), func(i int) bool { return reached(&entries[i]) })
}

// rank is how many entries stand before a place.
func (s *sorted[E]) rank(l, i int) int {
	for j := range l {
		i += len(s.leaves[j].entries)
	}
	return i
}

// edit makes a leaf this sequence's alone.
func (s *sorted[E]) edit(l int) *leaf[E] {
	p := &s.leaves[l]
	if p.gen != s.own {
		p.entries = append(make([]E, 0, sortedLeaf), p.entries...)
		p.gen = s.own
	}
	return p
}

// set puts an entry in the place of an equal one, or among the others.
func (s *sorted[E]) set(e E) {
	if len(s.leaves) == 0 {
		s.leaves = append(s.leaves, leaf[E]{gen: s.own, entries: []E{e}})
		s.n = 1
		return
	}
	l, i := s.place(e)
	p := s.edit(l)
	if i < len(p.entries) && !e.before(p.entries[i]) {
		p.entries[i] = e
		return
	}
	p.entries = slices.Insert(p.entries, i, e)
	s.n++
	if len(p.entries) < sortedLeaf {
		return
	}
	half := len(p.entries) / 2
	if l == len(s.leaves)-1 && i == len(p.entries)-1 {
		half = len(p.entries) - 1 // ascending entries fill one leaf after the other
	}
	next := leaf[E]{gen: s.own, entries: append(make([]E, 0, sortedLeaf), p.entries[half:]...)}
	clear(p.entries[half:])
	p.entries = p.entries[:half]
	s.leaves = slices.Insert(s.leaves, l+1, next)
}

// cut removes an entry and reports whether it was there.
func (s *sorted[E]) cut(e E) bool {
	l, i := s.place(e)
	if l == len(s.leaves) || i == len(s.leaves[l].entries) || e.before(s.leaves[l].entries[i]) {
		return false
	}
	p := s.edit(l)
	p.entries = slices.Delete(p.entries, i, i+1)
	s.n--
	if len(p.entries) == 0 {
		s.leaves = slices.Delete(s.leaves, l, l+1)
		return true
	}
	// Few entries in many leaves would make ranks slow.
	if l+1 < len(s.leaves) && len(p.entries)+len(s.leaves[l+1].entries) <= leafEntries {
		p.entries = append(p.entries, s.leaves[l+1].entries...)
		s.leaves = slices.Delete(s.leaves, l+1, l+2)
	}
	return true
}

// from calls f for the entries that are not before e, in order, until it returns
// false.
func (s *sorted[E]) from(e E, f func(e *E) bool) {
	l, i := s.place(e)
	for ; l < len(s.leaves); l, i = l+1, 0 {
		if !rangeOver(s.leaves[l].entries[i:], false, f) {
			return
		}
	}
}

// ranks calls f for the entries of ranks [lo, hi), backwards if wanted, until it
// returns false.
func (s *sorted[E]) ranks(lo, hi int, backwards bool, f func(e *E) bool) {
	if !backwards {
		for start, l := 0, 0; l < len(s.leaves) && start < hi; l++ {
			e := s.leaves[l].entries
			end := start + len(e)
			if end > lo && !rangeOver(e[max(lo-start, 0):min(hi-start, len(e))], false, f) {
				return
			}
			start = end
		}
		return
	}
	for end, l := s.n, len(s.leaves)-1; l >= 0 && end > lo; l-- {
		e := s.leaves[l].entries
		start := end - len(e)
		if start < hi && !rangeOver(e[max(lo-start, 0):min(hi-start, len(e))], true, f) {
			return
		}
		end = start
	}
}

func rangeOver[E any](e []E, backwards bool, f func(e *E) bool) bool {
	for i := range e {
		j := i
		if backwards {
			j = len(e) - 1 - i
		}
		if !f(&e[j]) {
			return false
		}
	}
	return true
}

// fork is a copy to be changed while nobody changes the receiver any more.
func (s *sorted[E]) fork(gen uint64) sorted[E] {
	return sorted[E]{own: gen, n: s.n, leaves: append(make([]leaf[E], 0, len(s.leaves)+1), s.leaves...)}
}

// clone is a copy beside which the receiver goes on.
func (s *sorted[E]) clone(gen uint64) sorted[E] {
	c := s.fork(gen)
	s.own = gen
	for i := range s.leaves { // neither may take one for its own
		s.leaves[i].gen = gen - 1
		c.leaves[i].gen = gen - 1
	}
	return c
}
