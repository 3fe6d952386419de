package transactions

import (
	"cmp"
	"slices"

	"github.com/torntail/torntail/checker/history"
)

// source is where it is known from that one version of a register comes before another.
type source uint8

const (
	fromInitial source = iota // the initial value comes before all others
	fromOwn                   // a transaction overwrote its own value
	fromWFR                   // a transaction read one and then wrote the other
	fromSequential
	fromLinearizable
	sources
)

func (s source) String() string {
	return [...]string{"the initial state", "writes of one transaction", "writes follow reads", "process order", "real time"}[s]
}

// before says that version from comes directly before version to, as far as its
// source knows. first and second are the transactions that show it.
type before struct {
	from, to      int32
	source        source
	first, second int32
}

// registers adds the edges between transactions over registers, whose order of
// versions is known only in part.
type registers struct {
	x       *index
	initial []int32 // of each key: the version that nobody wrote
	orders  []before
	start   []int32 // of each version: its first order, orders being sorted by from
	// readers[readersFrom[v]:readersFrom[v+1]] are the transactions that read v
	// before they wrote its key, in ascending order.
	readers     []int32
	readersFrom []int32
	// undecided are the keys whose versions real time was not asked about: too many
	// transactions ran at once.
	undecided []int32
	// cycles are those of the version orders that contradict themselves, and are
	// not used: the versions of one key in turn, each with the reason.
	cycles []versionCycle
}

type versionCycle struct {
	key    int32
	orders []before
}

// touch is what one transaction did with one key: the first version it met there
// from outside, and the last one it left or met; none if its answer is not known.
type touch struct {
	key, txn    int32
	first, last int32
	read, wrote bool // read: first is what it read
}

func newRegisters(x *index, o *Options) *registers {
	r := &registers{x: x, initial: make([]int32, len(x.keys))}
	for k := range x.keys {
		r.initial[k] = int32(len(x.versions))
		x.at[place(int32(k), x.h.Initial)] = r.initial[k]
		x.versions = append(x.versions, version{key: int32(k), value: x.h.Initial, txn: none})
	}
	x.reads(func(_, _, k int32, mop *Mop) {
		if x.version(k, mop.Value) == none {
			x.at[place(k, mop.Value)] = int32(len(x.versions))
			x.versions = append(x.versions, version{key: k, value: mop.Value, txn: none})
		}
	})
	touches := r.touches()
	r.read(touches)
	r.order(touches, o)
	return r
}

// touches lists them by transaction, and finds the orders of a transaction's own writes.
func (r *registers) touches() []touch {
	x := r.x
	var out []touch
	at := make([]int32, len(x.keys)) // one more than the touch of the current transaction
	for i := range x.h.Txns {
		if !x.committed[i] {
			continue
		}
		from := len(out)
		for m := range x.h.Txns[i].Mops {
			mop := &x.h.Txns[i].Mops[m]
			if mop.Func == Read && !mop.Known {
				continue
			}
			k := x.keyOf[mop.Key] - 1
			v := x.version(k, mop.Value)
			if int(at[k]) <= from {
				out = append(out, touch{key: k, txn: int32(i), first: v, last: v, read: mop.Func == Read, wrote: mop.Func == Write})
				at[k] = int32(len(out))
				continue
			}
			if mop.Func == Read {
				continue // an internal read, or the same again
			}
			t := &out[at[k]-1]
			if t.wrote {
				r.orders = append(r.orders, before{t.last, v, fromOwn, int32(i), int32(i)})
			}
			t.last, t.wrote = v, true
		}
	}
	return out
}

// read indexes the external reads by version.
func (r *registers) read(touches []touch) {
	r.readersFrom = make([]int32, len(r.x.versions)+1)
	for i := range touches {
		if touches[i].read {
			r.readersFrom[touches[i].first+1]++
		}
	}
	for v := range r.x.versions {
		r.readersFrom[v+1] += r.readersFrom[v]
	}
	r.readers = make([]int32, r.readersFrom[len(r.x.versions)])
	fill := slices.Clone(r.readersFrom)
	for i := range touches {
		if t := &touches[i]; t.read {
			r.readers[fill[t.first]] = t.txn
			fill[t.first]++
		}
	}
}

func (r *registers) readersOf(v int32) []int32 { return r.readers[r.readersFrom[v]:r.readersFrom[v+1]] }

// order adds the version orders source by source. Where one contradicts what is
// known of a key it is left out for that key, and told.
func (r *registers) order(touches []touch, o *Options) {
	x := r.x
	adds := []func(){fromWFR: nil, fromSequential: nil, fromLinearizable: nil}
	if o.WFRKeys || o.SequentialKeys || o.LinearizableKeys {
		adds[fromWFR] = func() { r.readThenWritten(touches) }
	}
	if o.SequentialKeys {
		adds[fromSequential] = func() { r.sequential(touches) }
	}
	if o.LinearizableKeys {
		adds[fromLinearizable] = func() { r.linearizable(touches) }
	}
	for s := range sources {
		if adds[s] == nil {
			continue
		}
		from := len(r.orders)
		adds[s]()
		r.withdraw(from)
	}
	slices.SortFunc(r.orders, func(a, b before) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.source, b.source), cmp.Compare(a.first, b.first), cmp.Compare(a.second, b.second))
	})
	r.orders = slices.CompactFunc(r.orders, func(a, b before) bool { return a.from == b.from && a.to == b.to })
	r.start = make([]int32, len(x.versions)+1)
	for i := range r.orders {
		r.start[r.orders[i].from+1]++
	}
	for v := range x.versions {
		r.start[v+1] += r.start[v]
	}
}

func (r *registers) readThenWritten(touches []touch) {
	x := r.x
	for i := range touches {
		t := &touches[i]
		if !t.read || !t.wrote {
			continue
		}
		// The first write: the last may have come after others of its own.
		for m := range x.h.Txns[t.txn].Mops {
			if mop := &x.h.Txns[t.txn].Mops[m]; mop.Func == Write && mop.Key == x.keys[t.key].name {
				if v := x.version(t.key, mop.Value); v != t.first {
					r.orders = append(r.orders, before{t.first, v, fromWFR, t.txn, t.txn})
				}
				break
			}
		}
	}
}

// link orders what a left before what b found.
func (r *registers) link(a, b *touch, s source) {
	if a.last != b.first {
		r.orders = append(r.orders, before{a.last, b.first, s, a.txn, b.txn})
	}
}

// sequential orders the versions of a key by each process's own order.
func (r *registers) sequential(touches []touch) {
	txns := r.x.h.Txns
	type keyed struct {
		process int
		key     int32
	}
	last := map[keyed]int{}
	for i := range touches {
		t := &touches[i]
		id := keyed{txns[t.txn].Process, t.key}
		j, ok := last[id]
		if ok && txns[touches[j].txn].Return < txns[t.txn].Invoke {
			r.link(&touches[j], t, fromSequential)
		}
		if txns[t.txn].Outcome == history.OK && (!ok || txns[touches[j].txn].Return < txns[t.txn].Return) {
			last[id] = i
		}
	}
}

// maxAtOnce bounds the orders that real time gives for each use of a key, on
// average: they are as many as transactions use it at once.
const maxAtOnce = 128

// linearizable orders the versions of a key by real time: each transaction's
// after those of the latest that had returned, the ones that no other of these
// was invoked after. They are never more than ran at once.
func (r *registers) linearizable(touches []touch) {
	txns := r.x.h.Txns
	byKey := make([][]int32, len(r.x.keys))
	for i := range touches {
		byKey[touches[i].key] = append(byKey[touches[i].key], int32(i))
	}
	for _, list := range byKey {
		returned := slices.DeleteFunc(slices.Clone(list), func(i int32) bool { return txns[touches[i].txn].Outcome != history.OK })
		slices.SortStableFunc(returned, func(i, j int32) int {
			return cmp.Compare(txns[touches[i].txn].Return, txns[touches[j].txn].Return)
		})
		var latest []int32
		next := 0
		from := len(r.orders)
		for _, i := range list {
			if len(r.orders)-from > maxAtOnce*len(list) {
				r.orders = r.orders[:from]
				r.undecided = append(r.undecided, touches[i].key)
				break
			}
			t := &touches[i]
			for ; next < len(returned) && txns[touches[returned[next]].txn].Return < txns[t.txn].Invoke; next++ {
				done := &touches[returned[next]]
				latest = slices.DeleteFunc(latest, func(j int32) bool {
					return txns[touches[j].txn].Return < txns[done.txn].Invoke
				})
				latest = append(latest, returned[next])
			}
			for _, j := range latest {
				r.link(&touches[j], t, fromLinearizable)
			}
		}
	}
}

// withdraw takes the orders from place from on back for the keys whose versions
// they put in a cycle.
func (r *registers) withdraw(from int) {
	x := r.x
	bad := map[int32]bool{}
	a := arcs{nodes: int32(len(x.versions))}
	for i := range r.orders {
		o := &r.orders[i]
		a.add(o.from, o.to, free)
		// That the initial version comes before every other is known without an edge.
		if k := x.versions[o.to].key; o.to == r.initial[k] && !bad[k] {
			bad[k] = true
			r.cycles = append(r.cycles, versionCycle{k, []before{{o.to, o.from, fromInitial, none, none}, *o}})
		}
	}
	g := a.graph(a.nodes)
	var f *finder
	var placeOf map[[2]int32]int
	for _, c := range g.cyclic() {
		k := x.versions[c[0]].key
		if bad[k] {
			continue
		}
		bad[k] = true
		if f == nil {
			// The versions of a key lead to no other's: each search stays in its own.
			f = newFinder(g, len(r.orders))
			placeOf = make(map[[2]int32]int, len(r.orders))
			for i, o := range slices.Backward(r.orders) {
				placeOf[[2]int32{o.from, o.to}] = i
			}
		}
		path, _ := f.way(c[0], func(to int32) bool { return to == c[0] })
		cycle := versionCycle{key: k}
		for i, s := range path {
			next := path[(i+1)%len(path)].from
			cycle.orders = append(cycle.orders, r.orders[placeOf[[2]int32{s.from, next}]])
		}
		r.cycles = append(r.cycles, cycle)
	}
	if len(bad) == 0 {
		return
	}
	kept := r.orders[:from]
	for _, o := range r.orders[from:] {
		if !bad[x.versions[o.to].key] {
			kept = append(kept, o)
		}
	}
	r.orders = kept
}

// next are the orders out of a version.
func (r *registers) next(v int32) []before { return r.orders[r.start[v]:r.start[v+1]] }

// edges adds every edge by keys and values.
func (r *registers) edges(a *arcs) {
	x := r.x
	all := make([][]int32, len(x.keys)) // who wrote each key
	for at := range x.versions {
		if w := x.writer(int32(at)); w != none {
			k := x.versions[at].key
			if n := len(all[k]); n == 0 || all[k][n-1] != w {
				all[k] = append(all[k], w)
			}
		}
	}
	var writers []int32
	for at := range x.versions {
		v := int32(at)
		w := x.writer(v)
		if w != none {
			for _, t := range r.readersOf(v) {
				if t != w {
					a.add(w, t, wr)
				}
			}
		}
		if v == r.initial[x.versions[at].key] {
			a.complete(r.readersOf(v), all[x.versions[at].key], rw)
			continue
		}
		writers = writers[:0]
		for _, o := range r.next(v) {
			if n := x.writer(o.to); n != none {
				writers = append(writers, n)
			}
		}
		slices.Sort(writers)
		writers = slices.Compact(writers)
		if w != none {
			a.complete([]int32{w}, writers, ww)
		}
		a.complete(r.readersOf(v), writers, rw)
	}
}

// because finds what an edge of a kind from a to b goes by.
func (r *registers) because(a, b int32, kind uint8) (Edge, bool) {
	x := r.x
	text := x.h.Names.Text
	for m := range x.h.Txns[a].Mops {
		mop := &x.h.Txns[a].Mops[m]
		if mop.Func == Read && !mop.Known {
			continue
		}
		k := x.keyOf[mop.Key] - 1
		v := x.version(k, mop.Value)
		e := Edge{Key: text(mop.Key), Value: text(mop.Value)}
		if kind == wr {
			if _, reads := search(r.readersOf(v), b); mop.Func == Write && reads {
				e.Kind = WR
				return e, true
			}
			continue
		}
		if (mop.Func == Write) != (kind == ww) {
			continue
		}
		if e.Kind = WW; kind == rw {
			e.Kind = RW
			if _, reads := search(r.readersOf(v), a); !reads {
				continue
			}
		}
		if v == r.initial[k] {
			for n := range x.h.Txns[b].Mops {
				if w := &x.h.Txns[b].Mops[n]; w.Func == Write && w.Key == mop.Key {
					e.Next = text(w.Value)
					return e, true
				}
			}
			continue
		}
		for _, o := range r.next(v) {
			if x.writer(o.to) == b {
				e.Next = text(x.versions[o.to].value)
				return e, true
			}
		}
	}
	return Edge{}, false
}
