package linear

import (
	"cmp"
	"slices"
	"sort"

	"github.com/torntail/torntail/checker/history"
)

const (
	// coreSteps bounds each search of Core; one that does not end counts as not
	// showing the contradiction.
	coreSteps = 20_000
	// coreTotal bounds all of them.
	coreTotal = 300_000
)

// Core finds a few operations (places in Ops) whose replies contradict each
// other, and among them the one whose reply completed the contradiction; -1
// when that was not the reply of an operation but what was found after the
// crash, or was not found out. The problem must not be linearizable.
//
// A reply is left out by forgetting it: a read that found something unknown is
// no read, and a write becomes one without a reply. Forgetting only ever allows
// more.
func (p *Problem) Core(l Limits) (core []int, wrong int) {
	k := &coreSearch{p: p, l: l, kept: make([]bool, len(p.Ops)), last: len(p.Ops)}
	var acked []int
	for i, op := range p.Ops {
		if op.Outcome == history.OK {
			acked = append(acked, i)
			k.kept[i] = true
		}
	}
	slices.SortStableFunc(acked, func(a, b int) int { return cmp.Compare(p.Ops[a].Return, p.Ops[b].Return) })
	wrong = -1
	if !p.Find || k.withoutFind() {
		n := sort.Search(len(acked), func(n int) bool {
			k.begin(acked, n)
			return k.shows()
		})
		k.begin(acked, n)
		if n > 0 && n <= len(acked) && k.shows() {
			wrong = acked[n-1]
		} else {
			k.begin(acked, len(acked))
		}
	}
	k.shrink(wrong)
	for i, kept := range k.kept {
		if kept {
			core = append(core, i)
		}
	}
	return core, wrong
}

type coreSearch struct {
	p     *Problem
	l     Limits
	kept  []bool // the reply
	last  int    // operations from this place on were invoked later and are left out
	spent int64
	find  bool
}

// withoutFind reports whether the replies contradict each other without what
// was found after the crash.
func (k *coreSearch) withoutFind() bool {
	k.find = false
	if k.shows() {
		return true
	}
	k.find = true
	return false
}

// begin keeps the first n replies.
func (k *coreSearch) begin(acked []int, n int) {
	until := history.Never
	for at, i := range acked {
		if k.kept[i] = at < n; at == n-1 {
			until = k.p.Ops[i].Return
		}
	}
	k.last = len(k.p.Ops)
	if n < len(acked) {
		k.last = sort.Search(len(k.p.Ops), func(i int) bool { return k.p.Ops[i].Invoke > until })
	}
}

// shows reports whether what is kept still is a contradiction.
func (k *coreSearch) shows() bool {
	if k.spent > coreTotal {
		return false
	}
	sub := &Problem{Keys: k.p.Keys, Crash: k.p.Crash, Find: k.find, FoundFrom: k.p.FoundFrom, FoundTo: k.p.FoundTo}
	for i, op := range k.p.Ops[:k.last] {
		switch {
		case k.kept[i]:
			sub.Ops = append(sub.Ops, op)
		case op.Writes():
			sub.Ops = append(sub.Ops, unanswered(op))
		}
	}
	l := k.l
	l.Steps = coreSteps
	r := sub.Search(l)
	k.spent += r.Steps + int64(len(sub.Ops))
	return r.Answer == No
}

// shrink forgets as many replies as it can, halves first.
func (k *coreSearch) shrink(wrong int) {
	var left []int
	for i, kept := range k.kept {
		if kept && i != wrong {
			left = append(left, i)
		}
	}
	for size := max(1, len(left)/2); len(left) > 0; size /= 2 {
		for from := 0; from < len(left); {
			piece := left[from:min(from+size, len(left))]
			for _, i := range piece {
				k.kept[i] = false
			}
			if k.shows() {
				left = slices.Delete(left, from, from+len(piece))
				continue
			}
			for _, i := range piece {
				k.kept[i] = true
			}
			from += size
		}
		if size <= 1 {
			return
		}
	}
}

// unanswered is a write of which no reply is known.
func unanswered(op *history.Op) *history.Op {
	if op.Outcome == history.Unknown {
		return op
	}
	o := *op
	o.Outcome, o.Return, o.Absent = history.Unknown, history.Never, false
	if o.More == nil {
		return &o
	}
	m := *o.More
	m.Result, m.Values, m.Err = "", nil, ""
	if o.Kind == history.Txn {
		var writes []history.Op
		for i := range m.Parts {
			if m.Parts[i].Writes() {
				writes = append(writes, m.Parts[i])
			}
		}
		m.Parts = writes
	}
	if o.Kind == history.StreamAdd && op.More.Result != "" {
		m.Entry = op.More.Result // the ID is the server's choice, and known
	}
	o.More = &m
	return &o
}
