package checker

import (
	"cmp"
	"slices"
	"sort"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// Smaller is a part of a history that is still violated in the same way.
type Smaller struct {
	History *history.History
	// Places are where its operations were in the whole history, in order.
	Places []int
	// Replies are the places in History.Ops of the operations whose replies make
	// the anomaly: forget one of them and it is gone. The other operations are
	// writes without a reply, there to explain the values that these found.
	Replies []int
	Anomaly anomaly.Anomaly
	// Exact: no single reply can be forgotten. False when that was not found out
	// for each, because a search ran out of time.
	Exact bool
}

// Minimize looks for the smallest part of h that shows the anomaly called name.
//
// Removing an operation means forgetting its reply, not deleting it: a history
// from which a write was deleted is wrong for the silly reason that its value
// comes from nowhere. A read whose reply is forgotten says nothing and goes; a
// write becomes one that nobody acknowledged, which may have taken effect at any
// time since or never. Forgetting only ever allows more, so when no single reply
// can be forgotten any more, no set of them can.
//
// Forgetting alone would leave hundreds of such writes, among which no search
// ends. So operations are deleted first, as long as what is left is wrong for
// the same reason: it shows the anomaly, and it would not if all replies but the
// one that shows it (the last of the shortest beginning that shows it; after a
// crash the recovered state) were forgotten. A value that comes from nowhere
// shows even then. ok is false when h does not show the anomaly.
func (j *Judge) Minimize(h *history.History, c contract.Contract, name anomaly.Name) (small Smaller, ok bool) {
	quick := Judge{Options: j.Options, bare: true}
	quick.Options.Limits.Steps = minimizeSteps
	m := minimizer{j: &quick, c: c, name: name, h: h, witness: noOp, exact: true,
		forgotten: make([]bool, len(h.Ops)), deleted: make([]bool, len(h.Ops)), dropped: map[string]bool{}}
	for i := range h.Ops {
		m.forgotten[i] = h.Ops[i].Outcome != history.OK
	}
	if !m.shows() {
		return small, false
	}
	m.shorten()
	m.dropKeys()
	m.j.Options.Limits.Steps = 20 * minimizeSteps // this one answer decides what the rest is worth
	m.explicable = m.explains()
	m.j.Options.Limits.Steps = minimizeSteps
	m.deleteOps()
	m.forgetReplies()
	m.deleteUnseen()
	small.History, small.Places = m.part()
	for i := range small.History.Ops {
		if small.History.Ops[i].Outcome == history.OK {
			small.Replies = append(small.Replies, i)
		}
	}
	out := j.Judge(small.History, c)
	at := slices.IndexFunc(out.Anomalies, func(a anomaly.Anomaly) bool { return a.Name == name })
	if at < 0 {
		return small, false // the searches of the two judges ended differently: out of time
	}
	small.Anomaly, small.Exact = out.Anomalies[at], m.exact
	return small, true
}

const (
	// minimizeSteps bounds each of the many searches of Minimize. One that does
	// not end counts as not showing the anomaly.
	minimizeSteps = 20_000
	// minimizeTotal bounds the steps of all of them.
	minimizeTotal = 4_000_000
	// minimizeOps bounds how many operations Minimize judges altogether, counted
	// each time; a search that does not end counts as a fortieth of it.
	minimizeOps = 50_000_000
)

type minimizer struct {
	j       *Judge
	c       contract.Contract
	name    anomaly.Name
	h       *history.History
	witness int // the operation whose reply shows the anomaly; -1: the recovered state
	// explicable: with all replies but the witness's forgotten, the anomaly is gone.
	explicable bool
	forgotten  []bool // the reply
	deleted    []bool
	dropped    map[string]bool // keys
	spent      int             // operations judged
	exact      bool            // every question was answered
}

// shows judges the part that is left.
func (m *minimizer) shows() bool {
	h, _ := m.part()
	if m.spent += len(h.Ops); m.spent > minimizeOps || m.j.steps > minimizeTotal {
		m.exact = false
		return false
	}
	out := m.j.Judge(h, m.c)
	if out.Unanswered > 0 {
		m.exact = false
		m.spent += minimizeOps / 40
	}
	return out.Verdict == verdict.Violated &&
		slices.ContainsFunc(out.Anomalies, func(a anomaly.Anomaly) bool { return a.Name == m.name })
}

// explains reports whether the part no longer shows the anomaly when all
// replies but the witness's are forgotten.
func (m *minimizer) explains() bool {
	kept := m.forgotten
	defer func() { m.forgotten, m.j.anywhere = kept, false }()
	m.j.anywhere = true
	m.forgotten = make([]bool, len(kept))
	for i := range m.forgotten {
		m.forgotten[i] = i != m.witness || kept[i]
	}
	h, _ := m.part()
	out := m.j.Judge(h, m.c)
	return out.Unanswered == 0 &&
		!slices.ContainsFunc(out.Anomalies, func(a anomaly.Anomaly) bool { return a.Name == m.name })
}

// shorten looks for the shortest beginning of what the clients saw that shows
// the anomaly: replies that came later are forgotten, and operations invoked
// later go. The reply that completes it is the witness. Anomalies that need the
// recovered state have none.
func (m *minimizer) shorten() {
	states, epochs := m.h.States, m.h.Epochs
	var order []int
	for i := range m.h.Ops {
		if !m.forgotten[i] {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(m.h.Ops[a].Return, m.h.Ops[b].Return) })
	acked := slices.Clone(m.forgotten)
	begin := func(n int) {
		copy(m.forgotten, acked)
		last := history.Never
		for at, i := range order {
			if at >= n {
				m.forgotten[i] = true
			} else {
				last = m.h.Ops[i].Return
			}
		}
		for i := range m.deleted {
			m.deleted[i] = n < len(order) && m.h.Ops[i].Invoke > last
		}
	}
	whole := *m.h
	m.h = &history.History{Ops: whole.Ops, Events: whole.Events, Epochs: epochs, States: states}
	if len(whole.States) > 0 {
		m.h.States = nil // does it show without them?
	}
	if !m.shows() || len(order) == 0 {
		m.h = &whole
		return
	}
	n := 1 + sort.Search(len(order)-1, func(n int) bool {
		begin(n + 1)
		return m.shows()
	})
	begin(n)
	if !m.shows() { // an answer out of time on the way
		begin(len(order))
		m.h = &whole
		return
	}
	m.witness = order[n-1]
}

// part is the history without what was forgotten, deleted and dropped.
func (m *minimizer) part() (*history.History, []int) {
	h := &history.History{Events: m.h.Events, Epochs: m.h.Epochs}
	var places []int
	for i := range m.h.Ops {
		op := m.h.Ops[i]
		if m.deleted[i] || op.Outcome == history.Failed || m.dropped[op.Key] && op.Kind != history.Txn {
			continue
		}
		if op.Kind == history.Txn && op.More != nil && len(m.dropped) > 0 {
			more := *op.More
			more.Parts = slices.DeleteFunc(slices.Clone(more.Parts), func(p history.Op) bool { return m.dropped[p.Key] })
			if op.More = &more; len(more.Parts) == 0 {
				continue
			}
		}
		if m.forgotten[i] {
			if !op.Writes() {
				continue
			}
			op.Outcome, op.Return = history.Unknown, history.Never
			op = withoutReads(op)
		}
		op.ID = len(h.Ops)
		h.Ops = append(h.Ops, op)
		places = append(places, i)
	}
	for i := range m.h.States {
		s := m.h.States[i]
		s.Keys = slices.DeleteFunc(slices.Clone(s.Keys), func(kv history.KV) bool { return m.dropped[kv.Key] })
		h.States = append(h.States, s)
	}
	return h, places
}

// withoutReads is a transaction of which only the writes are known.
func withoutReads(op history.Op) history.Op {
	if op.Kind == history.Txn && op.More != nil {
		more := *op.More
		more.Parts = slices.DeleteFunc(slices.Clone(more.Parts), func(p history.Op) bool { return !p.Writes() })
		op.More = &more
	}
	return op
}

// deleteOps deletes as many operations as it can. What is left must show the
// anomaly with the witness and not without it, and explain it without the others.
func (m *minimizer) deleteOps() {
	var there []int
	for i := range m.h.Ops {
		if !m.deleted[i] && i != m.witness {
			there = append(there, i)
		}
	}
	reduce(len(there), func(from, to int) bool {
		for _, i := range there[from:to] {
			m.deleted[i] = true
		}
		if m.shows() && m.silentWithoutWitness() && (!m.explicable || m.explains()) {
			return true
		}
		for _, i := range there[from:to] {
			m.deleted[i] = false
		}
		return false
	})
}

func (m *minimizer) silentWithoutWitness() bool {
	if m.witness < 0 {
		return true
	}
	m.forgotten[m.witness] = true
	shows := m.shows()
	m.forgotten[m.witness] = false
	return !shows
}

// deleteUnseen deletes the writes without a reply that explain nothing: without
// them every reply of the part is still needed.
func (m *minimizer) deleteUnseen() {
	for i := range m.h.Ops {
		if m.deleted[i] || !m.forgotten[i] || m.h.Ops[i].Outcome == history.Failed {
			continue
		}
		m.deleted[i] = true
		if !m.shows() || !m.allNeeded() {
			m.deleted[i] = false
		}
	}
}

// allNeeded reports whether forgetting any reply makes the anomaly go away.
func (m *minimizer) allNeeded() bool {
	for i := range m.h.Ops {
		if m.deleted[i] || m.forgotten[i] {
			continue
		}
		m.forgotten[i] = true
		shows := m.shows()
		m.forgotten[i] = false
		if shows {
			return false
		}
	}
	return true
}

// dropKeys drops as many keys as it can, halves first.
func (m *minimizer) dropKeys() {
	var keys []string
	note := func(k string) {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	known := map[string]bool{}
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind == history.Txn && op.More != nil {
			for p := range op.More.Parts {
				known[op.More.Parts[p].Key] = true
			}
		} else {
			known[op.Key] = true
		}
	}
	for i := range m.h.States {
		for k := range m.h.States[i].Keys {
			known[m.h.States[i].Keys[k].Key] = true
		}
	}
	for k := range known { // any order: sorted below
		note(k)
	}
	slices.Sort(keys)
	reduce(len(keys), func(from, to int) bool {
		for _, k := range keys[from:to] {
			m.dropped[k] = true
		}
		if m.shows() {
			return true
		}
		for _, k := range keys[from:to] {
			delete(m.dropped, k)
		}
		return false
	})
}

// forgetReplies forgets as many replies as it can.
func (m *minimizer) forgetReplies() {
	var acked []int
	for i := range m.h.Ops {
		if !m.forgotten[i] && !m.deleted[i] {
			acked = append(acked, i)
		}
	}
	reduce(len(acked), func(from, to int) bool {
		for _, i := range acked[from:to] {
			m.forgotten[i] = true
		}
		if m.shows() {
			return true
		}
		for _, i := range acked[from:to] {
			m.forgotten[i] = false
		}
		return false
	})
}

// reduce offers ever smaller pieces of [0, n) to take, which reports whether
// it could do without the piece; every single one is offered at least once
// after the last success.
func reduce(n int, take func(from, to int) bool) {
	gone := make([]bool, n)
	for size := max(1, n/2); ; size /= 2 {
		for again := true; again; {
			again = false
			for from := 0; from < n; from += size {
				to := min(from+size, n)
				if slices.Contains(gone[from:to], true) && size > 1 || gone[from] {
					continue
				}
				if take(from, to) {
					for i := from; i < to; i++ {
						gone[i] = true
					}
					again = size == 1
				}
			}
		}
		if size <= 1 {
			return
		}
	}
}
