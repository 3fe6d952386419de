package checker

import (
	"slices"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/zones"
)

// An exploration judges many states that one crash may have left, and a server that
// keeps its promises has lost nothing in most of them. Where everything must
// survive, one order of all that clients were told is looked for once, without what
// was found. A state in which each key holds the last value of that order, or one
// of a write that was under way, proves that nothing was lost: the order with those
// writes at its end explains it. What that does not explain is judged as ever.

// explained is an order of the operations of one life, and what it leaves.
type explained struct {
	regs  zones.Registers
	order zones.Order
	keys  []int32 // all of them
	found []int32 // of each key: one more than the cluster that was found
	is    bool    // there is such an order
	life  int     // that it is of: see JudgeLeft
}

// JudgeLeft is Judge for one of the states that a crash may have left: of a history
// with one life, which has a number, not 0, that no other history has; its histories
// differ in the state that was found only. It does not say what was possibly lost:
// PossiblyLost and WindowPessimistic may be too small.
func (j *Judge) JudgeLeft(h *history.History, c contract.Contract, life int) Judgement {
	j.left = life
	defer func() { j.left = 0 }()
	return j.Judge(h, c)
}

// nothingLost reports whether what was found is explained with all that clients
// were told before it. That it is not proves nothing.
func (j *Judge) nothingLost(e *epoch, in zones.Input) bool {
	if j.left == 0 || j.c.Keeps != contract.KeepsAll || j.c.Level == contract.Empty || len(j.h.Epochs) != 1 || e.before != nil || !in.HasRecovered {
		return false
	}
	x := &j.explained
	if x.life != j.left {
		x.life, x.is = j.left, x.explain(in, j.Options.PlantHasty)
	}
	return x.is && x.leaves(in)
}

// explain looks for an order of all operations: of reads and writes of registers,
// and of transactions that only write, each key once (see zones.Order). Values with a
// deadline are taken as long as nobody reads them: when they are gone then matters to
// nobody.
func (x *explained) explain(in zones.Input, hasty bool) bool {
	in.HasRecovered, in.Recovered = false, nil
	x.regs.Hasty = hasty
	x.regs.Build(in)
	x.keys = x.keys[:0]
	for i := range x.regs.Keys {
		k := &x.regs.Keys[i]
		if k.Searched() || k.Chain || k.Deadline != zones.Late && k.Reads > 0 {
			return false
		}
		if _, ok := x.regs.Check(k); !ok {
			return false
		}
		x.keys = append(x.keys, int32(i))
	}
	for i := range in.Ops {
		if op := &in.Ops[i]; op.Kind == history.Txn && op.Outcome != history.Failed && !writesEachOnce(op) {
			return false
		}
	}
	x.order.Begin(&x.regs)
	return x.order.Find(x.keys)
}

// writesEachOnce reports whether a transaction only writes, no key twice.
func writesEachOnce(op *history.Op) bool {
	for i := 0; op.More != nil && i < len(op.More.Parts); i++ {
		p := &op.More.Parts[i]
		if !p.Writes() || slices.ContainsFunc(op.More.Parts[:i], func(o history.Op) bool { return o.Key == p.Key }) {
			return false
		}
	}
	return true
}

// leaves reports whether the order, with writes that were under way at its end,
// leaves what was found.
func (x *explained) leaves(in zones.Input) bool {
	r := &x.regs
	x.found = append(x.found[:0], make([]int32, len(r.Keys))...)
	for i := range in.Recovered {
		kv := &in.Recovered[i]
		n := r.Number(kv.Key)
		if n < 0 || kv.List != nil || kv.Type != "" {
			return false
		}
		at := r.ClusterOf(n, kv.Value)
		if at < 0 {
			return false
		}
		c := &r.Clusters[at]
		if !r.SameDeadline(kv, c) || r.LastSeen(&r.Keys[n], c) < in.Crash {
			return false
		}
		x.found[n] = at + 1
	}
	for n := range r.Keys {
		held, found := x.order.Held(int32(n)), x.found[n]-1
		switch {
		case found == held:
		case found < 0:
			if c := &r.Clusters[held]; !c.Absent && r.DeadlineOf(c) > in.Dump+zones.Slack {
				return false
			}
		case r.Clusters[found].Present || !x.whole(r.Clusters[found].Write):
			return false
		}
	}
	return true
}

// whole reports whether all that an operation wrote was found.
func (x *explained) whole(op int32) bool {
	r := &x.regs
	o := &r.In.Ops[op]
	if o.Kind != history.Txn {
		return true
	}
	for p := range o.More.Parts {
		if part := &o.More.Parts[p]; part.Writes() {
			at := x.found[r.Number(part.Key)] - 1
			if at < 0 || r.Clusters[at].Write != op || r.Clusters[at].Part != int32(p) {
				return false
			}
		}
	}
	return true
}
