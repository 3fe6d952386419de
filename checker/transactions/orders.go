package transactions

import (
	"cmp"
	"slices"

	"github.com/torntail/torntail/checker/history"
)

// processOrder adds an edge between the transactions that one client ran one
// after another. What never returned comes after the one before it and before
// nothing.
func (x *index) processOrder(a *arcs) {
	x.successive(func(_ int, before, after int32) { a.add(before, after, process) })
}

// successive visits the pairs of committed transactions of each process of which
// the first is the last that had returned before the second was invoked.
func (x *index) successive(visit func(process int, before, after int32)) {
	last := map[int]int32{}
	for i := range x.h.Txns {
		t := &x.h.Txns[i]
		if !x.committed[i] {
			continue
		}
		before, ok := last[t.Process]
		if ok && x.h.Txns[before].Return < t.Invoke {
			visit(t.Process, before, int32(i))
		}
		if t.Outcome == history.OK && (!ok || x.h.Txns[before].Return < t.Return) {
			last[t.Process] = int32(i)
		}
	}
}

// realTime adds the edges of "had returned when the other was invoked". They go
// over a chain of auxiliary nodes, one for each stretch of returns without an
// invocation between them: two edges for each transaction and one for each node.
func (x *index) realTime(a *arcs) {
	var returned []int32
	for i := range x.h.Txns {
		if x.committed[i] && x.h.Txns[i].Outcome == history.OK {
			returned = append(returned, int32(i))
		}
	}
	txns := x.h.Txns
	slices.SortFunc(returned, func(i, j int32) int {
		return cmp.Or(cmp.Compare(txns[i].Return, txns[j].Return), cmp.Compare(i, j))
	})
	stretch, closed := int32(none), true
	next := 0
	for i := range txns {
		if !x.committed[i] {
			continue
		}
		for ; next < len(returned) && txns[returned[next]].Return < txns[i].Invoke; next++ {
			if closed {
				node := a.node()
				if stretch != none {
					a.add(stretch, node, free)
				}
				stretch, closed = node, false
			}
			a.add(returned[next], stretch, realtime)
		}
		if stretch != none {
			a.add(stretch, int32(i), free)
			closed = true
		}
	}
}
