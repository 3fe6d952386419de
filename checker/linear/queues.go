package linear

import (
	"cmp"
	"slices"

	"github.com/torntail/torntail/checker/history"
)

// queue is a list that is only pushed to at its tail and popped from its head,
// each element once. Elements leave it in the order in which they came: one
// whose pop had returned before another's began was pushed before it. That
// spares the search the orders of pushes made at once, whose mistakes would
// only show much later.
type queue struct {
	pushes   []int32 // tasks, in order of the return of their element's pop
	returned []int64 // that return; never when it was not popped
}

// findQueues notes the queues among the keys.
func (p *Problem) findQueues(pl *plan) {
	for key := range p.Keys {
		p.findQueue(pl, key)
	}
}

func (p *Problem) findQueue(pl *plan, key int) {
	if !pl.pops(key) {
		return
	}
	pushed := map[string]int32{}
	popped := map[string]*task{}
	open := false // a pop without a reply may have taken any element
	for _, w := range pl.on(key) {
		t, of := pl.part(w)
		m := of.op.More
		if m == nil {
			m = &none
		}
		switch of.kind {
		case history.Push:
			if _, twice := pushed[of.op.Value]; twice || m.Head || len(t.parts) > 1 {
				return
			}
			pushed[of.op.Value] = w.task
		case history.Pop:
			switch {
			case !m.Head:
				return
			case !t.acked:
				open = true
			case !of.op.Absent:
				if popped[got(of.op, m)] != nil {
					return
				}
				popped[got(of.op, m)] = t
			}
		case history.ReadList:
		default:
			return
		}
	}
	if len(popped) == 0 || p.Keys[key].Initial != absent {
		return
	}
	q := queue{}
	for _, i := range pushed { // any order: sorted below
		q.pushes = append(q.pushes, i)
	}
	value := func(i int32) string { return pl.tasks[i].parts[0].op.Value }
	ret := func(i int32) int64 {
		if t := popped[value(i)]; t != nil {
			return t.ret
		}
		return never
	}
	slices.SortFunc(q.pushes, func(a, b int32) int { return cmp.Or(cmp.Compare(ret(a), ret(b)), cmp.Compare(a, b)) })
	for rank, i := range q.pushes {
		q.returned = append(q.returned, ret(i))
		t := &pl.tasks[i]
		t.queue, t.rank = int32(len(pl.queues))+1, int32(rank)
		t.popped = never
		if pop := popped[value(i)]; pop != nil {
			t.popped = pop.call
		} else if open {
			t.popped = 0
		}
	}
	pl.queues = append(pl.queues, q)
}

// pops reports whether anything is popped from a key.
func (pl *plan) pops(key int) bool {
	return slices.ContainsFunc(pl.on(key), func(w where) bool {
		_, of := pl.part(w)
		return of.kind == history.Pop
	})
}

// outOfTurn reports whether a push must wait for another of its queue.
func (s *search) outOfTurn(t int32) bool {
	task := &s.tasks[t]
	if task.queue == 0 {
		return false
	}
	q := &s.pl.queues[task.queue-1]
	low := s.low[task.queue-1]
	for int(low) < len(q.pushes) && s.done[q.pushes[low]] {
		low++
	}
	s.low[task.queue-1] = low
	return int(low) < len(q.pushes) && q.pushes[low] != t && q.returned[low] < task.popped
}
