package transactions

import (
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/history"
)

// isolation is how a simulated store runs transactions.
type isolation int

const (
	serialStore       isolation = iota // one after another, when they commit
	staleReads                         // as serialStore, but who only reads may be shown an old state
	snapshots                          // snapshot isolation, the first committer wins
	snapshotsOverride                  // each works on a snapshot, and the last committer wins
	readCommitted                      // each read sees what is committed then
	readUncommitted                    // writes are there at once; aborts leave them or take them back
	replicas                           // two copies that tell each other what was committed, some time
	lateWrites                         // what was committed is applied some time, in any order
)

// often lists the levels as often as they should be drawn.
var often = []isolation{serialStore, staleReads, staleReads, snapshots, snapshotsOverride, snapshotsOverride, readCommitted, readCommitted,
	readUncommitted, readUncommitted, readUncommitted, replicas, replicas, replicas, lateWrites, lateWrites}

// weak runs clients on such a store.
type weak struct {
	t     *rapid.T
	level isolation
	h     *History
	// states are what was committed, oldest first; of replicas the last two are the copies.
	current  [2]world
	previous []world
	pending  [2][]*run // committed and not yet applied to that copy
	tick     time.Duration
	longest  int // operations of a transaction
	lag      int // percent
	next     map[Value]int64
}

// run is a transaction on its way.
type run struct {
	txn      Txn
	left     []Mop
	snapshot world
	began    int // how many states there were
	copy     int
}

// below draws a number below n, each about as often. rapid's own ranges prefer
// small numbers so much that large histories would be rare; like these, this
// one shrinks to zero.
func (w *weak) below(label string, n int) int {
	number := 0
	for size := 1; size < 2*n; size *= 2 {
		number *= 2
		if rapid.Bool().Draw(w.t, label) {
			number++
		}
	}
	return number % n
}

func (w *weak) chance(label string, percent int) bool { return w.below(label, 16)*100 < percent*16 }

// drawHistory draws a history of at most size transactions.
func drawHistory(t *rapid.T, lists bool, size int) *History {
	w := &weak{t: t, h: &History{Lists: lists}, next: map[Value]int64{}}
	w.level = often[w.below("level", len(often))]
	w.current = [2]world{{}, {}}
	w.longest = 1 + w.below("longest", 4)
	w.lag = 10 + 20*w.below("lag", 4)
	if size > smallHistory && w.chance("slow", 25) {
		w.level, w.lag = lateWrites, 0 // everybody reads the initial state, and everybody writes
	}
	keys := []Value{w.h.Names.Of("x"), w.h.Names.Of("y"), w.h.Names.Of("z")}[:1+w.below("keys", 3)]
	clients := make([]*run, 4-w.below("clients", 3))
	process := len(clients)
	processes := make([]int, len(clients))
	for i := range processes {
		processes[i] = i
	}
	left := 1 + max(w.below("transactions", size), w.below("transactions", size), w.below("transactions", size))
	open := 0
	for left > 0 || open > 0 {
		w.tick++
		w.apply()
		c := w.below("client", len(clients))
		r := clients[c]
		switch {
		case r == nil && left == 0:
			continue
		case r == nil:
			clients[c] = w.begin(processes[c], keys)
			left--
			open++
		case len(r.left) > 0:
			w.step(r)
		default:
			w.commit(r)
			clients[c] = nil
			open--
			if r.txn.Outcome == history.Unknown && w.chance("new process", 70) {
				processes[c] = process
				process++
			}
		}
	}
	switch w.below("perturbed", 8) {
	case 1, 2:
		w.perturb()
	case 3:
		w.skew()
	}
	slices.SortStableFunc(w.h.Txns, func(a, b Txn) int { return int(a.Invoke - b.Invoke) })
	return w.h
}

// skew lets the clock of one process be wrong.
func (w *weak) skew() {
	process := w.h.Txns[w.below("skewed", len(w.h.Txns))].Process
	by := time.Duration(1 + w.below("skew", 16))
	for i := range w.h.Txns {
		// Behind by that much is the same as all others ahead, and never negative.
		if t := &w.h.Txns[i]; t.Process != process {
			t.Invoke += by
			if t.Return != history.Never {
				t.Return += by
			}
		}
	}
}

func (w *weak) begin(process int, keys []Value) *run {
	r := &run{txn: Txn{Process: process, Invoke: w.tick, Return: history.Never}, began: len(w.previous)}
	if w.level == replicas {
		r.copy = process % 2
	}
	for range 1 + w.below("operations", w.longest) {
		key := keys[w.below("key", len(keys))]
		m := Mop{Func: Read, Key: key}
		if w.below("writes", 2) == 1 {
			m.Func = Write
			if w.h.Lists {
				m.Func = Append
			}
			w.next[key]++
			m.Value = w.h.Names.Int(w.next[key])
		}
		r.left = append(r.left, m)
	}
	r.snapshot = maps.Clone(w.current[r.copy])
	if w.level == staleReads && len(w.previous) > 0 && !slices.ContainsFunc(r.left, func(m Mop) bool { return m.Func != Read }) {
		r.snapshot = w.previous[w.below("state", len(w.previous))]
	}
	return r
}

// step runs the next operation as far as the level shows it right away.
func (w *weak) step(r *run) {
	m := r.left[0]
	r.left = r.left[1:]
	if w.level == readUncommitted {
		w.do(&m, w.current[0])
	}
	if w.level == readCommitted {
		on := maps.Clone(w.current[0])
		for i := range r.txn.Mops {
			if r.txn.Mops[i].Func != Read {
				w.do(&r.txn.Mops[i], on)
			}
		}
		w.do(&m, on)
	}
	r.txn.Mops = append(r.txn.Mops, m)
}

// do runs an operation on a state.
func (w *weak) do(m *Mop, on world) {
	switch m.Func {
	case Append:
		on[m.Key] = append(slices.Clone(on[m.Key]), m.Value)
	case Write:
		on[m.Key] = []Value{m.Value}
	case Read:
		m.Known = true
		if m.List = on[m.Key]; !w.h.Lists {
			m.List, m.Value = nil, w.h.Initial
			if len(on[m.Key]) > 0 {
				m.Value = on[m.Key][0]
			}
		}
	}
}

func (w *weak) run(r *run, on world, reads bool) {
	for i := range r.txn.Mops {
		if m := &r.txn.Mops[i]; reads || m.Func != Read {
			w.do(m, on)
		}
	}
}

// commit ends a transaction: its effect by the level, and what the client is told.
func (w *weak) commit(r *run) {
	fate := w.below("fate", 10)
	aborts := fate == 0
	r.txn.Outcome = history.OK
	if fate == 1 || fate == 2 {
		r.txn.Outcome = history.Unknown
		aborts = fate == 1 && w.level != readUncommitted
	}
	switch w.level {
	case serialStore:
		on := maps.Clone(w.current[0])
		w.run(r, on, true)
		if !aborts {
			w.current[0] = on
		}
	case staleReads, snapshots, snapshotsOverride:
		if w.level == staleReads && slices.ContainsFunc(r.txn.Mops, func(m Mop) bool { return m.Func != Read }) {
			r.snapshot = w.current[0]
		}
		on := maps.Clone(r.snapshot)
		w.run(r, on, true)
		if w.level == snapshots && w.conflicts(r) {
			aborts = true
			r.txn.Outcome = history.Failed
		}
		if !aborts {
			after := maps.Clone(w.current[0])
			for _, m := range r.txn.Mops {
				if m.Func != Read {
					after[m.Key] = on[m.Key]
				}
			}
			w.current[0] = after
		}
	case readCommitted:
		if !aborts {
			w.current[0] = maps.Clone(w.current[0])
			w.run(r, w.current[0], false)
		}
	case readUncommitted:
		if aborts && w.chance("taken back", 50) {
			for k, list := range w.current[0] {
				w.current[0][k] = slices.DeleteFunc(slices.Clone(list), func(v Value) bool {
					return slices.ContainsFunc(r.txn.Mops, func(m Mop) bool { return m.Func != Read && m.Key == k && m.Value == v })
				})
			}
		}
	case replicas, lateWrites:
		w.run(r, maps.Clone(w.current[r.copy]), true)
		if !aborts {
			w.pending[0] = append(w.pending[0], r)
			if w.level == replicas {
				w.pending[1] = append(w.pending[1], r)
				w.applied(r.copy, len(w.pending[r.copy])-1)
			}
		}
	}
	w.previous = append(w.previous, maps.Clone(w.current[0]))
	if aborts && r.txn.Outcome == history.OK {
		r.txn.Outcome = history.Failed
	}
	r.txn.Return = w.tick
	if r.txn.Outcome != history.OK {
		// Some clients know what they had read before the answer was lost.
		if r.txn.Outcome == history.Unknown {
			r.txn.Return = history.Never
		}
		if !w.chance("reads known", 30) {
			for i := range r.txn.Mops {
				if m := &r.txn.Mops[i]; m.Func == Read {
					m.Known, m.List, m.Value = false, nil, Nil
				}
			}
		}
	}
	w.h.Txns = append(w.h.Txns, r.txn)
}

// conflicts: a key that r writes has changed since its snapshot.
func (w *weak) conflicts(r *run) bool {
	return slices.ContainsFunc(r.txn.Mops, func(m Mop) bool {
		return m.Func != Read && !slices.Equal(w.current[0][m.Key], r.snapshot[m.Key])
	})
}

// apply lets committed transactions arrive where they have not yet.
func (w *weak) apply() {
	for c := range w.pending {
		if n := len(w.pending[c]); n > 0 && w.chance("arrives", w.lag) {
			w.applied(c, w.below("which", n))
		}
	}
}

func (w *weak) applied(c, i int) {
	w.run(w.pending[c][i], w.current[c], false)
	w.pending[c] = slices.Delete(w.pending[c], i, i+1)
}

// perturb changes one answer into something near it.
func (w *weak) perturb() {
	var reads []*Mop
	for i := range w.h.Txns {
		for m := range w.h.Txns[i].Mops {
			if mop := &w.h.Txns[i].Mops[m]; mop.Known {
				reads = append(reads, mop)
			}
		}
	}
	if len(reads) == 0 {
		return
	}
	if w.chance("foreseen", 25) && w.foresee() {
		return
	}
	m := reads[w.below("changed", len(reads))]
	value := w.h.Names.Int(int64(1 + w.below("value", 7)))
	if !w.h.Lists {
		if m.Value = value; w.chance("back to nil", 25) {
			m.Value = w.h.Initial
		}
		return
	}
	list := slices.Clone(m.List)
	switch n := len(list); w.below("how", 4) {
	case 0:
		list = append(list, value)
	case 1:
		list = list[:n/2]
	case 2:
		if n > 1 {
			list[n-1], list[n-2] = list[n-2], list[n-1]
		}
	case 3:
		if n > 0 {
			list = append(list, list[0])
		}
	}
	m.List = list
}

// foresee shows a transaction what it is yet to write.
func (w *weak) foresee() bool {
	for i := range w.h.Txns {
		mops := w.h.Txns[i].Mops
		for m := range mops {
			r := &mops[m]
			at := slices.IndexFunc(mops[m:], func(o Mop) bool { return o.Func != Read && o.Key == r.Key })
			if !r.Known || at < 0 {
				continue
			}
			value := mops[m+at].Value
			if w.h.Lists {
				r.List = append(slices.Clone(r.List), value)
			} else {
				r.Value = value
			}
			return true
		}
	}
	return false
}
