package transactions

import (
	"slices"

	"github.com/torntail/torntail/checker/history"
)

// These judges try every order. They know nothing of graphs: they run the
// transactions on a store and compare what is read.

// store is the committed state: lists of versions by key, the last of a register current.
type world map[Value][]Value

// runs reports whether the transaction's answered reads are what it sees when it
// runs alone on w, and what w is after it.
func (h *History) runs(t *Txn, w world) (world, bool) {
	after := world{}
	for k, v := range w {
		after[k] = v
	}
	for i := range t.Mops {
		m := &t.Mops[i]
		switch m.Func {
		case Append:
			after[m.Key] = append(slices.Clone(after[m.Key]), m.Value)
		case Write:
			after[m.Key] = []Value{m.Value}
		case Read:
			if m.Known && !h.sees(m, after) {
				return nil, false
			}
		}
	}
	return after, true
}

func (h *History) sees(m *Mop, w world) bool {
	if h.Lists {
		return slices.Equal(m.List, w[m.Key])
	}
	current := h.Initial
	if n := len(w[m.Key]); n > 0 {
		current = w[m.Key][n-1]
	}
	return m.Value == current
}

// serial reports whether some order of all committed and any unanswered
// transactions, one after another, explains every answer and keeps the order of
// the variant.
func (h *History) serial(v variant) bool {
	var try func(done []bool, w world) bool
	try = func(done []bool, w world) bool {
		complete := true
		for i := range h.Txns {
			t := &h.Txns[i]
			if done[i] || t.Outcome == history.Failed {
				continue
			}
			complete = complete && t.Outcome != history.OK
			if !h.mayFollow(i, done, v) {
				continue
			}
			if after, ok := h.runs(t, w); ok {
				next := slices.Clone(done)
				next[i] = true
				if try(next, after) {
					return true
				}
			}
		}
		return complete
	}
	return try(make([]bool, len(h.Txns)), world{})
}

// mayFollow: everything that has to come before transaction i is done.
func (h *History) mayFollow(i int, done []bool, v variant) bool {
	for j := range h.Txns {
		a, b := &h.Txns[j], &h.Txns[i]
		if done[j] || a.Outcome != history.OK || a.Return >= b.Invoke {
			continue
		}
		if v == byRealTime || v == byProcess && a.Process == b.Process {
			return false
		}
	}
	return true
}

// snapshot reports whether the history could come from a store with (generalized)
// snapshot isolation: each transaction reads from the state at one instant, its
// own writes on top, and of two that overlap and write the same key one aborts.
func (h *History) snapshot() bool {
	type running struct {
		started, over bool
		clean         bool // nobody has committed a write of its keys since it started
		result        world
	}
	writes := func(t *Txn, key Value) bool {
		return slices.ContainsFunc(t.Mops, func(m Mop) bool { return m.Func != Read && m.Key == key })
	}
	var try func(state []running, w world) bool
	try = func(state []running, w world) bool {
		complete := true
		for i := range h.Txns {
			t := &h.Txns[i]
			s := state[i]
			if s.over || t.Outcome == history.Failed {
				continue
			}
			complete = complete && t.Outcome != history.OK
			next := slices.Clone(state)
			if !s.started {
				after, ok := h.runs(t, w)
				if !ok {
					continue
				}
				next[i] = running{started: true, clean: true, result: after}
				if try(next, w) {
					return true
				}
				continue
			}
			if !s.clean {
				continue
			}
			next[i].over = true
			committed := world{}
			for k, v := range w {
				committed[k] = v
			}
			for _, m := range t.Mops {
				if m.Func == Read {
					continue
				}
				committed[m.Key] = s.result[m.Key]
				for j := range next {
					if next[j].started && !next[j].over && writes(&h.Txns[j], m.Key) {
						next[j].clean = false
					}
				}
			}
			if try(next, committed) {
				return true
			}
		}
		return complete
	}
	return try(make([]running, len(h.Txns)), world{})
}
