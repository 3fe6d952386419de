package transactions

import (
	"fmt"
	"slices"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
)

// The naive judge finds what Check finds by the definitions, with relations
// written out pair by pair and closed by Warshall's algorithm. It shares the types of
// histories with Check, and nothing else.

// relation is a set of pairs of transactions.
type relation [][]bool

func newRelation(n int) relation {
	r := make(relation, n)
	for i := range r {
		r[i] = make([]bool, n)
	}
	return r
}

func (r relation) union(others ...relation) relation {
	out := newRelation(len(r))
	for _, o := range append(others, r) {
		for i := range o {
			for j := range o {
				out[i][j] = out[i][j] || o[i][j]
			}
		}
	}
	return out
}

func (r relation) then(o relation) relation {
	out := newRelation(len(r))
	for i := range r {
		for j := range r {
			for k := range r {
				out[i][k] = out[i][k] || r[i][j] && o[j][k]
			}
		}
	}
	return out
}

// closure is what can be reached in one step or more.
func (r relation) closure() relation {
	out := r.union()
	for k := range out {
		for i := range out {
			if !out[i][k] {
				continue
			}
			for j := range out {
				out[i][j] = out[i][j] || out[k][j]
			}
		}
	}
	return out
}

func (r relation) cyclic(in []int) bool {
	r = r.within(in).closure()
	return slices.ContainsFunc(in, func(i int) bool { return r[i][i] })
}

func (r relation) within(in []int) relation {
	out := newRelation(len(r))
	for _, i := range in {
		for _, j := range in {
			out[i][j] = r[i][j]
		}
	}
	return out
}

// naive is one judgement.
type naive struct {
	h         *History
	o         Options
	committed []bool
	counts    map[anomaly.Name]int
	edges     map[Kind]relation
}

// read is one answered read of a committed transaction.
type naiveRead struct {
	txn, mop int
	*Mop
}

func (n *naive) reads() (out []naiveRead) {
	for i := range n.h.Txns {
		for m := range n.h.Txns[i].Mops {
			if mop := &n.h.Txns[i].Mops[m]; n.committed[i] && mop.Func == Read && mop.Known {
				out = append(out, naiveRead{i, m, mop})
			}
		}
	}
	return out
}

// values are what a read saw.
func (n *naive) values(m *Mop) []Value {
	if n.h.Lists {
		return m.List
	}
	return []Value{m.Value}
}

// wrote finds the write of a value: who, and which operation; -1 when nobody did.
func (n *naive) wrote(key, value Value) (txn, mop int) {
	for i := range n.h.Txns {
		for m, w := range n.h.Txns[i].Mops {
			if w.Func != Read && w.Key == key && w.Value == value {
				return i, m
			}
		}
	}
	return -1, -1
}

// author is who wrote a value, if it counts as committed; -1 otherwise.
func (n *naive) author(key, value Value) int {
	if i, _ := n.wrote(key, value); i >= 0 && n.committed[i] {
		return i
	}
	return -1
}

func (n *naive) keys() (out []Value) {
	for i := range n.h.Txns {
		for _, m := range n.h.Txns[i].Mops {
			if !slices.Contains(out, m.Key) {
				out = append(out, m.Key)
			}
		}
	}
	return out
}

// judgeNaively names and counts everything wrong with h, with cycles up to the
// variant most.
func judgeNaively(h *History, o Options, most variant) *naive {
	n := &naive{h: h, o: o, committed: make([]bool, len(h.Txns)), counts: map[anomaly.Name]int{}, edges: map[Kind]relation{}}
	for range len(h.Txns) + 1 {
		for i := range h.Txns {
			n.committed[i] = n.committed[i] || h.Txns[i].Outcome == history.OK
		}
		for _, r := range n.reads() {
			for _, v := range n.values(r.Mop) {
				if i, _ := n.wrote(r.Key, v); i >= 0 && h.Txns[i].Outcome == history.Unknown {
					n.committed[i] = true
				}
			}
		}
	}
	for _, k := range []Kind{WW, WR, RW, Process, RealTime} {
		n.edges[k] = newRelation(len(h.Txns))
	}
	n.writers()
	n.internal()
	n.lost()
	if h.Lists {
		n.listEdges()
	} else {
		n.registerEdges()
	}
	for a := range h.Txns {
		for b := range h.Txns {
			if n.committed[a] && n.committed[b] && h.Txns[a].Outcome == history.OK && h.Txns[a].Return < h.Txns[b].Invoke {
				n.edges[RealTime][a][b] = true
				n.edges[Process][a][b] = h.Txns[a].Process == h.Txns[b].Process
			}
		}
	}
	n.cycles(most)
	return n
}

// writers finds reads of values that nobody, or nobody committed, wrote as they are.
func (n *naive) writers() {
	aborted, phantom := map[string]bool{}, map[string]bool{}
	for _, r := range n.reads() {
		values := n.values(r.Mop)
		for at, v := range values {
			if !n.h.Lists && v == n.h.Initial {
				continue
			}
			id := fmt.Sprint(r.Key, " ", v)
			i, m := n.wrote(r.Key, v)
			switch {
			case i < 0:
				phantom[id] = true
				continue
			case n.h.Txns[i].Outcome == history.Failed:
				aborted[id] = true
			}
			overwritten := slices.ContainsFunc(n.h.Txns[i].Mops[m+1:], func(w Mop) bool { return w.Func != Read && w.Key == r.Key })
			if at == len(values)-1 && i != r.txn && overwritten {
				n.counts[G1b]++
			}
		}
	}
	n.counts[G1a], n.counts[anomaly.Phantom] = len(aborted), len(phantom)
}

// internal replays each transaction against itself.
func (n *naive) internal() {
	for i := range n.h.Txns {
		if !n.committed[i] {
			continue
		}
		mops := n.h.Txns[i].Mops
		internal, future := false, false
		for m, r := range mops {
			if r.Func != Read || !r.Known {
				continue
			}
			for _, w := range mops[m+1:] {
				// For lists the last read before the append counts; an earlier one
				// with the element would make the last one contradict it.
				future = future || w.Func != Read && w.Key == r.Key && slices.Contains(n.values(&r), w.Value) && n.lastReadBefore(mops, &w, m)
			}
			// What it must see: its last read of the key, and its own writes since.
			var base []Value
			var own []Value
			known := false
			for _, e := range mops[:m] {
				switch {
				case e.Key != r.Key || e.Func == Read && !e.Known:
				case e.Func == Read:
					base, own, known = n.values(&e), nil, true
				case n.h.Lists:
					own = append(own, e.Value)
				default:
					base, known = []Value{e.Value}, true
				}
			}
			expected := append(slices.Clone(base), own...)
			got := n.values(&r)
			if known {
				internal = internal || !slices.Equal(got, expected)
			} else {
				internal = internal || len(got) < len(own) || !slices.Equal(got[len(got)-len(own):], own)
			}
		}
		if internal {
			n.counts[Internal]++
		}
		if future {
			n.counts[FutureRead]++
		}
	}
}

// lastReadBefore: for lists, operation m is the last answered read of its key before write w.
func (n *naive) lastReadBefore(mops []Mop, w *Mop, m int) bool {
	if !n.h.Lists {
		return true
	}
	for _, e := range mops[m+1:] {
		if e.Func == Append && e.Key == w.Key && e.Value == w.Value {
			return true
		}
		if e.Func == Read && e.Known && e.Key == w.Key {
			return false
		}
	}
	return false
}

// lost finds versions of keys that two transactions read before they wrote the key.
func (n *naive) lost() {
	readers := map[string]int{}
	for i := range n.h.Txns {
		for _, key := range n.keys() {
			var first *Mop
			for m := range n.h.Txns[i].Mops {
				mop := &n.h.Txns[i].Mops[m]
				if !n.committed[i] || mop.Key != key || mop.Func == Read && !mop.Known {
					continue
				}
				if first == nil {
					first = mop
				}
				if mop.Func != Read {
					if first.Func == Read {
						readers[fmt.Sprint(key, n.values(first))]++
					}
					break
				}
			}
		}
	}
	for _, c := range readers {
		if c > 1 {
			n.counts[LostUpdate]++
		}
	}
}

// listEdges orders the elements of each list as far as all reads agree, and
// derives the edges from that.
func (n *naive) listEdges() {
	for _, key := range n.keys() {
		var reads []naiveRead
		for _, r := range n.reads() {
			if r.Key == key {
				reads = append(reads, r)
			}
		}
		var order []Value
		for _, r := range reads {
			if len(r.List) > len(order) {
				order = r.List
			}
		}
		agreed := len(order)
		forked, twice := false, false
		for _, a := range reads {
			for p, e := range a.List {
				if slices.Contains(a.List[:p], e) {
					twice = true
					agreed = min(agreed, p)
				}
				for _, b := range reads {
					if p < len(b.List) && b.List[p] != e {
						forked = true
						agreed = min(agreed, p)
					}
				}
			}
		}
		if forked {
			n.counts[IncompatibleOrder]++
		}
		if twice {
			n.counts[DuplicateElements]++
		}
		order = order[:agreed]
		n.dirty(key, order)
		// Only versions of committed transactions make edges.
		authors := make([]int, agreed)
		for p, e := range order {
			authors[p] = n.author(key, e)
		}
		var later []int
		for i := range n.h.Txns {
			for _, m := range n.h.Txns[i].Mops {
				if n.committed[i] && m.Func == Append && m.Key == key && !slices.Contains(order, m.Value) {
					later = append(later, i)
				}
			}
		}
		// next are those that wrote the version after the first p elements.
		next := func(p int) []int {
			for _, a := range authors[p:] {
				if a >= 0 {
					return []int{a}
				}
			}
			return later
		}
		add := func(kind Kind, a, b int) {
			if a >= 0 && b >= 0 && a != b {
				n.edges[kind][a][b] = true
			}
		}
		for p, a := range authors {
			for _, b := range next(p + 1) {
				add(WW, a, b)
			}
		}
		for _, r := range reads {
			if len(r.List) > agreed {
				add(WR, n.author(key, r.List[len(r.List)-1]), r.txn)
				continue
			}
			for _, a := range slices.Backward(authors[:len(r.List)]) {
				if a >= 0 {
					add(WR, a, r.txn)
					break
				}
			}
			for _, b := range next(len(r.List)) {
				add(RW, r.txn, b)
			}
		}
	}
}

func (n *naive) dirty(key Value, order []Value) {
	aborted := false
	for _, e := range order {
		i, _ := n.wrote(key, e)
		if i < 0 {
			continue
		}
		failed := n.h.Txns[i].Outcome == history.Failed
		if aborted && !failed {
			n.counts[DirtyUpdate]++
		}
		aborted = failed
	}
}

// registerEdges orders the versions of each register by the sources in use.
func (n *naive) registerEdges() {
	for _, key := range n.keys() {
		n.registerKey(key)
	}
}

// met is what a transaction did with one key from outside: the version it found
// and the one it left; read says whether it read the first.
type met struct {
	txn         int
	first, last Value
	read, wrote bool
	writes      []Value
}

func (n *naive) registerKey(key Value) {
	var mets []met
	for i := range n.h.Txns {
		var m *met
		for _, mop := range n.h.Txns[i].Mops {
			if !n.committed[i] || mop.Key != key || mop.Func == Read && !mop.Known {
				continue
			}
			if m == nil {
				mets = append(mets, met{txn: i, first: mop.Value, last: mop.Value, read: mop.Func == Read})
				m = &mets[len(mets)-1]
			}
			if mop.Func == Write {
				m.wrote, m.last = true, mop.Value
				m.writes = append(m.writes, mop.Value)
			}
		}
	}
	type pair [2]Value
	versions := map[pair]bool{}
	for _, m := range mets {
		for w := 1; w < len(m.writes); w++ {
			versions[pair{m.writes[w-1], m.writes[w]}] = true
		}
	}
	link := func(into map[pair]bool, a, b Value) {
		if a != b {
			into[pair{a, b}] = true
		}
	}
	txns := n.h.Txns
	wfr, sequential, linearizable := map[pair]bool{}, map[pair]bool{}, map[pair]bool{}
	for _, b := range mets {
		if b.read && b.wrote {
			link(wfr, b.first, b.writes[0])
		}
		for _, a := range mets {
			before := func(a, b int) bool {
				return txns[a].Outcome == history.OK && txns[a].Return < txns[b].Invoke
			}
			between := func(same bool) bool {
				return slices.ContainsFunc(mets, func(c met) bool {
					return before(a.txn, c.txn) && before(c.txn, b.txn) && (!same || txns[c.txn].Process == txns[a.txn].Process)
				})
			}
			if before(a.txn, b.txn) && !between(false) {
				link(linearizable, a.last, b.first)
			}
			if before(a.txn, b.txn) && txns[a.txn].Process == txns[b.txn].Process && !between(true) {
				link(sequential, a.last, b.first)
			}
		}
	}
	var sources []map[pair]bool
	if n.o.WFRKeys || n.o.SequentialKeys || n.o.LinearizableKeys {
		sources = append(sources, wfr)
	}
	if n.o.SequentialKeys {
		sources = append(sources, sequential)
	}
	if n.o.LinearizableKeys {
		sources = append(sources, linearizable)
	}
	for _, s := range sources {
		with := map[pair]bool{}
		for p := range versions {
			with[p] = true
		}
		for p := range s {
			with[p] = true
		}
		reached := map[pair]bool{}
		for p := range with {
			reached[p] = true
			reached[pair{n.h.Initial, p[1]}] = true
		}
		for grown := true; grown; {
			grown = false
			for p := range reached {
				for q := range reached {
					if r := (pair{p[0], q[1]}); p[1] == q[0] && !reached[r] {
						reached[r], grown = true, true
					}
				}
			}
		}
		cyclic := false
		for p := range reached {
			cyclic = cyclic || p[0] == p[1]
		}
		if cyclic {
			n.counts[CyclicVersions]++
		} else {
			versions = with
		}
	}
	add := func(kind Kind, a, b int) {
		if a >= 0 && b >= 0 && a != b {
			n.edges[kind][a][b] = true
		}
	}
	for _, m := range mets {
		if !m.read {
			continue
		}
		add(WR, n.author(key, m.first), m.txn)
		for _, w := range mets {
			for _, v := range w.writes {
				if m.first == n.h.Initial || versions[pair{m.first, v}] {
					add(RW, m.txn, w.txn)
				}
			}
		}
	}
	for p := range versions {
		if p[0] != n.h.Initial {
			add(WW, n.author(key, p[0]), n.author(key, p[1]))
		}
	}
}

// order is the relation that a variant adds.
func (n *naive) order(v variant) relation {
	r := newRelation(len(n.h.Txns))
	if v >= byProcess {
		r = r.union(n.edges[Process])
	}
	if v >= byRealTime {
		r = r.union(n.edges[RealTime])
	}
	return r
}

// cycles counts the strongly connected components by the worst of what is in them.
func (n *naive) cycles(most variant) {
	all := n.edges[WW].union(n.edges[WR], n.edges[RW], n.order(most)).closure()
	done := make([]bool, len(all))
	for i := range all {
		if done[i] || !all[i][i] {
			continue
		}
		var in []int
		for j := range all {
			if all[i][j] && all[j][i] {
				in = append(in, j)
				done[j] = true
			}
		}
		n.component(in, most)
	}
}

func (n *naive) component(in []int, most variant) {
	found := map[anomaly.Name]bool{}
	any := func(v variant, names ...anomaly.Name) bool {
		for w := byData; w <= v; w++ {
			for _, name := range names {
				if found[w.of(name)] {
					return true
				}
			}
		}
		return false
	}
	mark := func(v variant, name anomaly.Name, present bool, instead ...anomaly.Name) {
		if present && !any(v, append(instead, name)...) {
			found[v.of(name)] = true
			n.counts[v.of(name)]++
		}
	}
	rw := n.edges[RW].within(in)
	for v := byData; v <= most; v++ {
		w := n.edges[WW].union(n.order(v)).within(in)
		d := w.union(n.edges[WR].within(in))
		mark(v, G0, w.cyclic(in))
		mark(v, G1c, d.cyclic(in), G0)
		mark(v, GSingle, n.closes(rw, d))
		mark(v, GNonadjacent, n.closes(d.then(rw), d.union(d.then(rw))), GSingle, G0, G1c)
		mark(v, G2Item, n.closes(rw, d.union(rw)), GSingle, GNonadjacent, G0, G1c)
	}
}

// closes: some step leads to where back leads back from, in any number of steps.
func (n *naive) closes(step, back relation) bool {
	reach := back.closure()
	for i := range step {
		for j := range step {
			if step[i][j] && (i == j || reach[j][i]) {
				return true
			}
		}
	}
	return false
}
