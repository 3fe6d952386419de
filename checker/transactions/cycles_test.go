package transactions

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/history"
)

// drawCycle draws a history around a cycle of drawn edges, each over a key of its
// own or in time, with a little noise. Simulated stores come to long cycles of a
// given kind too rarely.
func drawCycle(t *rapid.T, lists bool, size int) *History {
	w := &weak{t: t, h: &History{Lists: lists}, next: map[Value]int64{}}
	n := 2 + w.below("length", size-1)
	txns := make([]Txn, n)
	kinds := make([]Kind, n)
	for i := range kinds {
		kinds[i] = []Kind{RW, WR, WW, RW, WR, Process, RealTime, RW}[w.below("kind", 8)]
	}
	if kinds[n-1] >= Process {
		kinds[n-1] = RW
	}
	for i := range txns {
		txns[i] = Txn{Process: i, Outcome: history.OK, Invoke: time.Duration(w.below("invoke", 16))}
		if i > 0 && kinds[i-1] >= Process {
			txns[i].Invoke = txns[i-1].Return + 1
		}
		if i > 0 && kinds[i-1] == Process {
			txns[i].Process = txns[i-1].Process
		}
		txns[i].Return = txns[i].Invoke + time.Duration(1+w.below("takes", 16))
	}
	add := func(i int, m Mop) { txns[i].Mops = append(txns[i].Mops, m) }
	for i, kind := range kinds {
		to := (i + 1) % n
		key := w.h.Names.Of(string(rune('a' + i)))
		first, second := w.h.Names.Int(1), w.h.Names.Int(2)
		write := Mop{Func: Write, Key: key, Value: first}
		again := Mop{Func: Write, Key: key, Value: second}
		read := Mop{Func: Read, Known: true, Key: key, Value: first}
		if lists {
			write.Func, again.Func = Append, Append
			read.Value, read.List = Nil, []Value{first}
		}
		switch kind {
		case WW:
			add(i, write)
			if !lists {
				add(to, read)
				add(to, again)
				break
			}
			add(to, again)
			read.List = []Value{first, second}
			add(to, read)
		case WR:
			add(i, write)
			add(to, read)
		case RW:
			read.Value, read.List = w.h.Initial, nil
			add(i, read)
			add(to, write)
		}
	}
	w.h.Txns = txns
	switch w.below("noise", 8) {
	case 1:
		w.perturb()
	case 2:
		w.skew()
	case 3:
		lost := &txns[w.below("lost", n)]
		lost.Outcome, lost.Return = history.Unknown, history.Never
	case 4:
		txns[w.below("aborted", n)].Outcome = history.Failed
	}
	slices.SortStableFunc(w.h.Txns, func(a, b Txn) int { return int(a.Invoke - b.Invoke) })
	return w.h
}
