package linear

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/torntail/torntail/checker/history"
)

// A list that is pushed to and popped from at one end only, each element once, is a
// stack, which takes no search: Lee and Mathur ("Efficient decrease-and-conquer
// linearizability monitoring", OOPSLA 2025) judge one of n operations in O(n log n).
//
// An element is there for sure between the return of its push and the invocation of
// its pop. At an instant at which none is there for sure the stack may as well be
// empty: what may be there can be pushed later or popped sooner. So an element that
// can be pushed at such an instant, and popped at another, can lie below all that
// comes and goes between them; it explains nothing and is explained, and can be
// left out. Then there may be more such instants. The history is linearizable
// exactly when nothing is left in the end, and when each pop that found nothing can
// have happened at an instant at which, with all elements, none is there for sure.
//
// Leaving out an element, a length that a push was told, or a read of the whole only
// ever allows more. So the same says that no order explains a history in which there
// are these as well, or pops that nobody answered; that one does it then takes a search.

// stack is one such list.
type stack struct {
	elements []onStack
	finding  []span // pops that found nothing
	// whole: there is nothing else that an order has to explain.
	whole bool
	head  bool // it is pushed to and popped from at the head
	// initial are the elements that were there at the start, that at the bottom first.
	initial []string
	// of has the elements by the tasks that push them, pop.to being never also where
	// somebody who was not answered may have popped it.
	of       []onStack
	poppedBy map[string]int64 // when the pop of an element had returned
	// broken: an element is popped that is not there to be popped.
	broken bool
}

// onStack is when an element was pushed and popped; the pop is never when it stayed.
type onStack struct {
	push, pop span
	task      int32 // that pushes it; -1 when it was there at the start
}

type span struct{ from, to int64 }

// answer is what can be said without a search: No, or Yes but for what was found
// after the crash; Unknown where it takes a search.
func (s *stack) answer() Answer {
	switch {
	case s.broken || !s.linearizable():
		return No
	case s.whole:
		return Yes
	}
	return Unknown
}

// stackOf is the problem as a stack; nil when it is none.
func (p *Problem) stackOf(pl *plan) *stack {
	if len(p.Keys) != 1 || p.Split != nil || pl.clock || !pl.pops(0) {
		return nil
	}
	s := &stack{whole: true, of: make([]onStack, len(pl.tasks)), poppedBy: map[string]int64{}}
	at := map[string]int{} // elements by value
	deadline, body := split(p.Keys[0].Initial)
	var ok bool
	if s.initial, ok = unpack(typeList, body); !ok || deadline != 0 {
		return nil
	}
	known := false
	for i := range pl.tasks {
		t := &pl.tasks[i]
		if len(t.parts) != 1 || t.op.Kind == history.Txn {
			return nil
		}
		of := &t.parts[0]
		m := of.op.More
		if m == nil {
			m = &none
		}
		switch {
		case m.Err != "":
			return nil
		case of.kind == history.Push || of.kind == history.Pop:
			if known && s.head != m.Head {
				return nil
			}
			s.head, known = m.Head, true
		case of.kind != history.ReadList:
			return nil
		}
		if of.kind == history.Push {
			if _, twice := at[of.op.Value]; twice {
				return nil
			}
			at[of.op.Value] = len(s.elements)
			s.elements = append(s.elements, onStack{span{t.call, t.ret}, span{never, never}, int32(i)})
			s.whole = s.whole && !(t.acked && m.Result != "")
		}
	}
	if s.head { // what is at the head was pushed last
		slices.Reverse(s.initial)
	}
	for i, v := range s.initial {
		if _, twice := at[v]; twice {
			return nil
		}
		at[v] = len(s.elements)
		before := 2 * int64(i-len(s.initial))
		s.elements = append(s.elements, onStack{span{minInstant + before, minInstant + before + 1}, span{never, never}, -1})
	}
	s.broken = !s.addPops(pl, at)
	return s
}

// returned is when the pop of an element had returned; never when none is known.
func (s *stack) returned(value string) int64 {
	if t, ok := s.poppedBy[value]; ok {
		return t
	}
	return never
}

// minInstant is before every operation.
const minInstant = -never / 2

// addPops notes when the elements were popped, or reports that one was not there
// to be popped, and leaves out those that say nothing.
func (s *stack) addPops(pl *plan, at map[string]int) (consistent bool) {
	open := false // pops that nobody answered may have taken whatever nobody else did
	for i := range pl.tasks {
		t := &pl.tasks[i]
		of := &t.parts[0]
		m := of.op.More
		if m == nil {
			m = &none
		}
		switch {
		case of.kind == history.ReadList:
			s.whole = false
		case of.kind != history.Pop:
		case !t.acked:
			open, s.whole = true, false
		case of.op.Absent:
			s.finding = append(s.finding, span{t.call, t.ret})
		default:
			n, pushed := at[got(of.op, m)]
			if !pushed || s.elements[n].pop.from != never {
				return false
			}
			s.elements[n].pop = span{t.call, t.ret}
			s.poppedBy[got(of.op, m)] = t.ret
		}
	}
	left := s.elements[:0]
	for _, e := range s.elements {
		if e.task >= 0 {
			s.of[e.task] = e
			if e.pop.from == never && open {
				s.of[e.task].pop.from = e.push.from
			}
		}
		if e.pop.from == never && (open || e.push.to == never) {
			continue // nobody is known to have popped it, or to have pushed it
		}
		if e.pop.to < e.push.from {
			return false
		}
		if e.push.to < e.pop.from {
			left = append(left, e)
		} // else it may come and go at once
	}
	s.elements = left
	return true
}

// linearizable decides. Instants are those at which an operation begins or ends, by
// their places in order: no element is there for sure at others unless one is at
// those beside them.
func (s *stack) linearizable() bool {
	var instants []int64
	for _, e := range s.elements {
		instants = append(instants, e.push.from, e.push.to, e.pop.from, e.pop.to)
	}
	for _, f := range s.finding {
		instants = append(instants, f.from, f.to)
	}
	slices.Sort(instants)
	instants = slices.Compact(instants)
	place := func(t int64) int {
		n, _ := slices.BinarySearch(instants, t)
		return n
	}
	type occupied struct{ from, to int } // places in between are those at which it is there for sure
	sure := make([]occupied, len(s.elements))
	ends := make([]end, 0, 2*len(s.elements))
	change := make([]int32, len(instants)+1)
	for n, e := range s.elements {
		sure[n] = occupied{place(e.push.to), place(e.pop.from)}
		ends = append(ends, end{place(e.push.from), sure[n].from, int32(n)}, end{sure[n].to, place(e.pop.to), int32(n)})
		change[sure[n].from+1]++
		change[sure[n].to]--
	}
	there := newOccupation(change[:len(instants)])
	free := make([]int, len(instants)+1) // free[i] counts the empty instants before place i
	for i := range instants {
		free[i+1] = free[i]
		if there.count[there.leaves+i] == 0 {
			free[i+1]++
		}
	}
	for _, f := range s.finding {
		if free[place(f.to)+1] == free[place(f.from)] {
			return false
		}
	}
	waiting := newEnds(ends)
	missing := make([]int8, len(s.elements)) // ends that cannot be at an empty instant yet
	for n := range missing {
		missing[n] = 2
	}
	left := len(s.elements)
	var out []int32 // elements to be left out
	for {
		for i := there.empty(); i >= 0; i = there.empty() {
			for n := waiting.take(i); n >= 0; n = waiting.take(i) {
				if missing[n]--; missing[n] == 0 {
					out = append(out, n)
				}
			}
		}
		if len(out) == 0 {
			return left == 0
		}
		last := out[len(out)-1]
		out = out[:len(out)-1]
		left--
		there.leave(sure[last].from+1, sure[last].to)
	}
}

// mustWait reports whether a push may not come next: below its element something
// lies that was popped before its own pop began.
func (s *search) mustWait(t int32) bool {
	st := s.pl.stack
	if st == nil || s.tasks[t].found || s.tasks[t].parts[0].kind != history.Push {
		return false
	}
	return st.of[t].pop.from > s.states.piles[s.states.row[0]].until
}

// pile is a state of a stack: an element on another state. So each takes the same
// memory, however high it is.
type pile struct {
	below  int32 // noState when nothing is there
	value  string
	height int
	until  int64 // the first return of a pop of an element in it
}

// pileBytes is about what a pile takes.
const pileBytes = 40

// pileUp is the number of the state of a stack in which an element lies on another
// state; until is when its pop had returned.
func (s *states) pileUp(below int32, value string, until int64) int32 {
	name := binary.LittleEndian.AppendUint32([]byte{typePile}, uint32(below))
	id := s.number(0, string(append(name, value...)))
	for len(s.piles) <= int(id) {
		s.piles = append(s.piles, pile{})
	}
	if s.piles[id].height == 0 {
		s.bytes += pileBytes
		under := &s.piles[below]
		s.piles[id] = pile{below: below, value: value, height: under.height + 1, until: min(until, under.until)}
	}
	return id
}

// pileOf is the number of the state of a stack that has these elements, that at the
// bottom first.
func (s *states) pileOf(values []string) int32 {
	id := s.empty()
	for _, v := range values {
		id = s.pileUp(id, v, s.stack.returned(v))
	}
	return id
}

// empty is the number of the state without anything.
func (s *states) empty() int32 {
	id := s.number(0, absent)
	for len(s.piles) <= int(id) {
		s.piles = append(s.piles, pile{})
	}
	s.piles[id] = pile{below: noState, until: never}
	return id
}

// packed is a state of a stack as any list is packed.
func (s *states) packed(id int32) string {
	values := make([]string, s.piles[id].height)
	for i := range values {
		at := i
		if !s.stack.head {
			at = len(values) - 1 - i
		}
		values[at], id = s.piles[id].value, s.piles[id].below
	}
	return pack(typeList, values)
}

// onPile lets one operation take effect on a stack.
func (s *states) onPile(of *part, acked bool) bool {
	m := of.op.More
	if m == nil {
		m = &none
	}
	now := s.row[0]
	top := &s.piles[now]
	switch {
	case of.kind == history.ReadList:
		return !acked || now == of.needs
	case of.kind == history.Push:
		if acked && m.Result != "" && m.Result != strconv.Itoa(top.height+1) {
			return false
		}
		s.set(0, s.pileUp(now, of.op.Value, s.stack.returned(of.op.Value)))
		return true
	case top.height == 0:
		return !acked || of.op.Absent
	case acked && (of.op.Absent || got(of.op, m) != top.value):
		return false
	}
	s.set(0, top.below)
	return true
}

// occupation counts, at each instant, the elements that are there for sure: a
// segment tree with the smallest count below each node, less what its ancestors take off.
type occupation struct {
	leaves int
	count  []int32 // smallest below the node
	less   []int32 // that is still to be taken off below it
}

// many is the count of an instant that has been told of.
const many = int32(1) << 30

// newOccupation begins with counts that change so from one instant to the next.
func newOccupation(change []int32) *occupation {
	o := &occupation{leaves: 1}
	for o.leaves < len(change) {
		o.leaves *= 2
	}
	o.count, o.less = make([]int32, 2*o.leaves), make([]int32, o.leaves)
	now := int32(0)
	for i := range o.leaves {
		if o.count[o.leaves+i] = many; i < len(change) {
			now += change[i]
			o.count[o.leaves+i] = now
		}
	}
	for n := o.leaves - 1; n > 0; n-- {
		o.count[n] = min(o.count[2*n], o.count[2*n+1])
	}
	return o
}

// push hands down what a node has still to take off.
func (o *occupation) push(n int) {
	if less := o.less[n]; less != 0 {
		o.less[n] = 0
		for _, child := range [2]int{2 * n, 2*n + 1} {
			o.count[child] -= less
			if child < o.leaves {
				o.less[child] += less
			}
		}
	}
}

// empty is an instant at which nothing is there for sure, each told of once; -1
// when there is no other.
func (o *occupation) empty() int {
	if o.count[1] > 0 {
		return -1
	}
	n := 1
	for n < o.leaves {
		o.push(n)
		if n *= 2; o.count[n] > 0 {
			n++
		}
	}
	i := n - o.leaves
	o.count[n] = many
	for n /= 2; n > 0; n /= 2 {
		o.count[n] = min(o.count[2*n], o.count[2*n+1])
	}
	return i
}

// leave takes an element off the instants from one place to before another.
func (o *occupation) leave(from, to int) { o.takeOff(1, 0, o.leaves, from, to) }

func (o *occupation) takeOff(n, low, high, from, to int) {
	switch {
	case from >= high || to <= low:
		return
	case from <= low && high <= to:
		if o.count[n]--; n < o.leaves {
			o.less[n]++
		}
		return
	}
	o.push(n)
	middle := (low + high) / 2
	o.takeOff(2*n, low, middle, from, to)
	o.takeOff(2*n+1, middle, high, from, to)
	o.count[n] = min(o.count[2*n], o.count[2*n+1])
}

// end is a push or a pop, from one instant to another, of an element.
type end struct {
	from, to int
	element  int32
}

// ends are those that have not been taken, by their beginning: a segment tree with
// the latest end below each node.
type ends struct {
	list   []end
	leaves int
	latest []int
}

func newEnds(list []end) *ends {
	slices.SortFunc(list, func(a, b end) int { return cmp.Compare(a.from, b.from) })
	e := &ends{list: list, leaves: 1}
	for e.leaves < len(list) {
		e.leaves *= 2
	}
	e.latest = make([]int, 2*e.leaves)
	for i := range e.leaves {
		if e.latest[e.leaves+i] = -1; i < len(list) {
			e.latest[e.leaves+i] = list[i].to
		}
	}
	for n := e.leaves - 1; n > 0; n-- {
		e.latest[n] = max(e.latest[2*n], e.latest[2*n+1])
	}
	return e
}

// take takes one that can be at an instant, and returns its element; -1 when there
// is none.
func (e *ends) take(instant int) int32 {
	until, _ := slices.BinarySearchFunc(e.list, instant, func(x end, instant int) int {
		if x.from <= instant {
			return -1
		}
		return 1
	})
	// The first leaf before until that ends late enough is the first of all if any is.
	if e.latest[1] < instant {
		return -1
	}
	n := 1
	for n < e.leaves {
		if n *= 2; e.latest[n] < instant {
			n++
		}
	}
	i := n - e.leaves
	if i >= until {
		return -1
	}
	e.latest[n] = -1
	for n /= 2; n > 0; n /= 2 {
		e.latest[n] = max(e.latest[2*n], e.latest[2*n+1])
	}
	return e.list[i].element
}
