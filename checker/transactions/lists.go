package transactions

import "slices"

// lists adds the edges between transactions over lists. The order of a key's
// versions is that of the elements in its reads, as far as they agree; what was
// appended and is not among those came later, in an order that nobody knows.
// Elements whose writer did not commit are passed over.
type lists struct {
	x *index
	// before[k][p] and after[k][p]: the place of the last element before place p,
	// and of the first at or after p, that a committed transaction wrote; none.
	before, after [][]int32
	// later[k] are the committed transactions, in ascending order, that appended
	// to key k something that is not in the known order; laterBy[k] the versions.
	later   [][]int32
	laterBy [][]int32
}

func newLists(x *index) *lists {
	l := &lists{x: x, before: make([][]int32, len(x.keys)), after: make([][]int32, len(x.keys)),
		later: make([][]int32, len(x.keys)), laterBy: make([][]int32, len(x.keys))}
	for k := range x.keys {
		list := &x.keys[k]
		n := list.agreed
		both := make([]int32, 2*(n+1))
		before, after := both[:n+1], both[n+1:]
		before[0], after[n] = none, none
		for p := range n {
			before[p+1] = before[p]
			if x.writer(list.elements[p]) != none {
				before[p+1] = p
			}
		}
		for p := n - 1; p >= 0; p-- {
			after[p] = after[p+1]
			if x.writer(list.elements[p]) != none {
				after[p] = p
			}
		}
		l.before[k], l.after[k] = before, after
	}
	for at := range x.versions {
		v := &x.versions[at]
		if x.writer(int32(at)) != none && !l.ordered(v) {
			l.laterBy[v.key] = append(l.laterBy[v.key], int32(at))
			if n := len(l.later[v.key]); n == 0 || l.later[v.key][n-1] != v.txn {
				l.later[v.key] = append(l.later[v.key], v.txn)
			}
		}
	}
	return l
}

// ordered: the place of v among the versions of its key is known.
func (l *lists) ordered(v *version) bool { return v.place != none && v.place < l.x.keys[v.key].agreed }

// writerAt is who wrote the element at place p of key k.
func (l *lists) writerAt(k, p int32) int32 {
	if p == none {
		return none
	}
	return l.x.writer(l.x.keys[k].elements[p])
}

// wrote is who wrote the version that a read of key k saw: of its last element
// that a committed transaction wrote, where the order is known; else of the last.
// The place is that of the element in the read.
func (l *lists) wrote(k int32, read []Value) (t, place int32) {
	list := &l.x.keys[k]
	if list.prefix(read) {
		p := l.before[k][len(read)]
		return l.writerAt(k, p), p
	}
	last := int32(len(read)) - 1
	return l.x.writer(l.x.version(k, read[last])), last
}

// edges adds every edge by keys and values.
func (l *lists) edges(a *arcs) {
	x := l.x
	atEnd := make([][]int32, len(x.keys)) // who read all of the known order
	for k := range x.keys {
		number := int32(k)
		last := int32(none)
		for p := range x.keys[k].agreed {
			w := l.writerAt(number, p)
			if w == none {
				continue
			}
			if last != none && last != w {
				a.add(last, w, ww)
			}
			last = w
		}
		if last != none {
			a.complete([]int32{last}, l.later[k], ww)
		}
	}
	x.reads(func(t, _, k int32, mop *Mop) {
		if w, _ := l.wrote(k, mop.List); w != none && w != t {
			a.add(w, t, wr)
		}
		if !x.keys[k].prefix(mop.List) {
			return
		}
		next := l.after[k][len(mop.List)]
		if next == none {
			if n := len(atEnd[k]); n == 0 || atEnd[k][n-1] != t {
				atEnd[k] = append(atEnd[k], t)
			}
			return
		}
		if w := l.writerAt(k, next); w != t {
			a.add(t, w, rw)
		}
	})
	for k := range x.keys {
		a.complete(atEnd[k], l.later[k], rw)
	}
}

// because finds what an edge of a kind from a to b goes by.
func (l *lists) because(a, b int32, kind uint8) (Edge, bool) {
	x := l.x
	text := x.h.Names.Text
	switch kind {
	case ww:
		for at := range x.h.Txns[b].Mops {
			mop := &x.h.Txns[b].Mops[at]
			if mop.Func != Append {
				continue
			}
			k := x.keyOf[mop.Key] - 1
			list := &x.keys[k]
			v := &x.versions[x.version(k, mop.Value)]
			p := list.agreed
			if l.ordered(v) {
				p = v.place
			}
			if prev := l.before[k][p]; l.writerAt(k, prev) == a {
				return Edge{Kind: WW, Key: text(mop.Key), Value: text(list.longest[prev]), Next: text(mop.Value)}, true
			}
		}
	case wr:
		for at := range x.h.Txns[b].Mops {
			mop := &x.h.Txns[b].Mops[at]
			if mop.Func != Read || !mop.Known {
				continue
			}
			k := x.keyOf[mop.Key] - 1
			if w, p := l.wrote(k, mop.List); w == a {
				return Edge{Kind: WR, Key: text(mop.Key), Value: text(mop.List[p])}, true
			}
		}
	case rw:
		for at := range x.h.Txns[a].Mops {
			mop := &x.h.Txns[a].Mops[at]
			if mop.Func != Read || !mop.Known {
				continue
			}
			k := x.keyOf[mop.Key] - 1
			list := &x.keys[k]
			if !list.prefix(mop.List) {
				continue
			}
			e := Edge{Kind: RW, Key: text(mop.Key), Value: x.h.list(mop.List)}
			if next := l.after[k][len(mop.List)]; next != none {
				if l.writerAt(k, next) == b {
					e.Next = text(list.longest[next])
					return e, true
				}
				continue
			}
			for _, v := range l.laterBy[k] {
				if x.versions[v].txn == b {
					e.Next = text(x.versions[v].value)
					return e, true
				}
			}
		}
	}
	return Edge{}, false
}

// search is the place of v in a sorted list.
func search(list []int32, v int32) (int32, bool) {
	at, found := slices.BinarySearch(list, v)
	return int32(at), found
}
