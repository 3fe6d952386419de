package linear

import (
	"slices"
	"time"
)

// Answer is what a search found.
type Answer uint8

const (
	Unknown Answer = iota // out of time or memory, or of choices: nothing is known
	Yes                   // linearizable
	No                    // not linearizable
)

func (a Answer) String() string {
	return [...]string{"unknown", "linearizable", "not linearizable"}[a]
}

// Result is what a search found, and how far it came.
type Result struct {
	Answer Answer
	// From and To are the instants at which the read after the crash may lie in
	// the order that was found, and Before the operations (places in Problem.Ops)
	// that come before it. Only with Problem.Find and the answer Yes.
	From, To time.Duration
	Before   []bool
	// Longest is the longest beginning of an order that was found (places in
	// Problem.Ops), and Stuck the operation that had to come next and fits
	// nowhere; -1 when there is none. Not with the answer Yes.
	Longest []int
	Stuck   int
	// Explained counts the acknowledged operations in Longest, Acked all of them.
	Explained, Acked int
	Steps            int64
	// Untried: there is no order with the choices of the server that were tried, and
	// there are too many to try them all. Only with the answer Unknown.
	Untried bool
	// Skipped: it was not looked for (SearchAll).
	Skipped bool
}

// search is Wing and Gong's search for a linearization ("Testing and verifying
// concurrent objects", 1993) as Lowe improved it ("Testing for linearizability",
// 2017): of the operations that may come next one is tried, and what was tried
// before is remembered.
//
// Four things keep it short. A read that fits comes next at once: what follows
// does not depend on where it stands. Of operations without a reply that do the
// same, the first comes first. A place in the search is not visited again when
// the same answered operations led to the same state with fewer of the
// unanswered ones used up. And no value is replaced that somebody has yet to read
// and nobody can bring back.
//
// States and sets of operations are remembered by 128 bits of a random number for
// each state of a key and each operation, combined: with a billion places two are
// taken for one with a chance of 1 in 10^20.
type search struct {
	p     *Problem
	pl    *plan
	tasks []task
	// The list of events that are left.
	next, prev []int32
	events     []event
	callAt     []int32 // of each task, its place in events
	retAt      []int32

	states  *states
	visited visits
	used    []usedSet
	words   []uint64 // of all sets in used
	stack   []frame
	longest []frame   // the longest that the stack was at a dead end
	same    int       // how many of its frames the stack has still
	bits    [2]uint64 // of the answered tasks in order so far
	pending []uint64  // of the unanswered ones, a bit each
	slot    []int32   // of each task, its bit in pending
	done    []bool
	chosen  []bool  // groups of which a task is in order
	low     []int32 // of each queue, the first push that may not be in order yet
	found   int32   // the task of the read after the crash, or -1
	inside  int32
	outside int32
	greedy  bool // the read after the crash is a read like any other
	acked   int  // acknowledged operations that are not in order yet
	// careless: values are replaced though somebody has yet to read them (see tell).
	careless bool
}

// usedSet is a set of unanswered operations, and the next one for the same visit.
type usedSet struct {
	from int32 // in search.words
	next int32
}

type frame struct {
	event int32 // whose task was put in order
	undo  int32 // length of states.undo before it
	// forced: it had to be tried at most once, and nothing instead of it.
	forced bool
}

// Memory is what a search works with: most are over in no time, and would spend
// it on asking for memory. One search at a time may use it. The zero Memory is ready.
type Memory struct{ search }

// Search looks for an order of the operations.
func (p *Problem) Search(l Limits) Result {
	l = l.withDefaults()
	if r, ok := p.withoutSearch(); ok {
		return r
	}
	m := p.Memory
	if m == nil {
		m = &Memory{}
	}
	s := &m.search
	s.begin(p, l)
	defer s.end()
	over, cancel := l.deadline()
	defer cancel()
	res := s.run(l, over)
	if res.Answer != Yes && s.greedy {
		s.tell(&res)
	}
	if res.Answer == No && s.pl.untried {
		res.Answer, res.Untried = Unknown, true
	}
	return res
}

// withoutSearch is the result where none is needed.
func (p *Problem) withoutSearch() (r Result, ok bool) {
	if p.Split != nil {
		return r, false
	}
	pl := p.compile()
	r = Result{Answer: pl.answer, Stuck: -1, Steps: int64(len(pl.tasks))}
	return r, r.Answer == No || r.Answer == Yes && !p.Find
}

// Check is the answer of Search alone.
func (p *Problem) Check(l Limits) Answer { return p.Search(l).Answer }

// begin prepares the search for a problem.
func (s *search) begin(p *Problem, l Limits) {
	if pl := p.plan; pl != nil && pl.states.bytes > l.Memory/4 {
		p.plan = nil // what earlier questions were about
	}
	s.p, s.pl = p, p.compile()
	s.found, s.inside, s.outside = -1, -1, -1
	s.tasks = s.pl.tasks
	if p.Find {
		s.tasks = append(s.tasks, task{call: int64(p.FoundFrom), ret: int64(p.FoundTo), found: true, answered: true, twin: -1, group: -1, op32: -1})
		s.found = int32(len(s.tasks) - 1)
	}
	s.greedy = p.Inside == nil && p.Outside == nil
	if !s.greedy {
		for i := range s.tasks {
			if op := s.tasks[i].op; op != nil && op == p.Inside {
				s.inside = int32(i)
			} else if op != nil && op == p.Outside {
				s.outside = int32(i)
			}
		}
	}
	s.states = s.pl.states
	n := len(s.tasks)
	s.slot, s.done = zeroed(s.slot, n), zeroed(s.done, n)
	open := int32(0)
	for i := range s.tasks {
		s.slot[i] = -1
		if !s.tasks[i].answered {
			s.slot[i] = open
			open++
		}
	}
	s.pending = zeroed(s.pending, int(open+63)/64)
	s.low, s.chosen = zeroed(s.low, len(s.pl.queues)), zeroed(s.chosen, int(s.pl.groups))
	s.events = s.pl.events(append(s.events[:0], event{}), s.tasks)
	s.visited.begin(n)
	s.again()
}

// again puts everything back to where the search began.
func (s *search) again() {
	s.states.begin()
	s.link()
	s.bits = [2]uint64{}
	clear(s.pending)
	clear(s.done)
	clear(s.chosen)
	clear(s.low)
	s.stack, s.longest, s.same = s.stack[:0], s.longest[:0], 0
	s.acked = 0
	for i := range s.tasks {
		if s.tasks[i].acked {
			s.acked++
		}
		for k := range s.tasks[i].parts {
			s.count(&s.tasks[i].parts[k], 1)
		}
	}
}

// count adds a part of a task that is not in order to what its states wait for.
func (s *search) count(of *part, n int32) {
	if of.needs != noState {
		s.states.texts[of.needs].needs += n
	}
	if of.makes != noState {
		s.states.texts[of.makes].makers += n
	}
}

// end forgets the problem, and memory that few searches take.
func (s *search) end() {
	s.p, s.pl, s.states, s.tasks = nil, nil, nil, nil
	s.used, s.words = s.used[:0], s.words[:0]
	const most = 1 << 20
	if len(s.visited.slots)+cap(s.used)+cap(s.words)+cap(s.events) > most {
		*s = search{}
	}
}

func zeroed[T any](old []T, n int) []T {
	if cap(old) < n {
		return make([]T, n, n+n/4)
	}
	old = old[:n]
	clear(old)
	return old
}

// link makes the list of events; place 0 is its head.
func (s *search) link() {
	n := len(s.events)
	s.next, s.prev = zeroed(s.next, n), zeroed(s.prev, n)
	s.callAt, s.retAt = zeroed(s.callAt, len(s.tasks)), zeroed(s.retAt, len(s.tasks))
	for i := range n {
		s.next[i], s.prev[i] = int32(i+1), int32(i-1)
		if i == 0 {
			continue
		}
		if s.events[i].class == 2 {
			s.retAt[s.events[i].task] = int32(i)
		} else {
			s.callAt[s.events[i].task] = int32(i)
		}
	}
	s.next[n-1] = 0
}

func (s *search) unlink(at int32) {
	s.next[s.prev[at]] = s.next[at]
	s.prev[s.next[at]] = s.prev[at]
}

func (s *search) relink(at int32) {
	s.next[s.prev[at]] = at
	s.prev[s.next[at]] = at
}

// between is how many steps are taken between two looks at the clock.
const between = 1 << 10

// visitBytes is about what a visited place takes.
const visitBytes = 64

func (s *search) run(l Limits, stop func() bool) Result {
	var res Result
	res.Stuck = -1
	left := 0
	for i := range s.tasks {
		if s.tasks[i].answered {
			left++
			if s.tasks[i].op != nil {
				res.Acked++
			}
		}
	}
	most := l.Memory / (visitBytes + 8*int64(len(s.pending)))
	best := -1
	at := s.next[0]
	for left > 0 {
		if res.Steps++; res.Steps%between == 0 && stop() || l.Steps > 0 && res.Steps > l.Steps {
			return s.unfinished(res, best)
		}
		if at != 0 && s.events[at].class != 2 {
			t := s.events[at].task
			mark := len(s.states.undo)
			if !s.try(t) {
				at = s.next[at]
				continue
			}
			forced := s.tasks[t].reads || t == s.found && s.greedy
			s.put(t)
			if !forced && !s.visit() {
				s.take(t, mark)
				at = s.next[at]
				continue
			}
			if int64(s.visited.n+len(s.used))+s.states.bytes/visitBytes > most {
				s.take(t, mark)
				return s.unfinished(res, best)
			}
			s.stack = append(s.stack, frame{at, int32(mark), forced})
			if s.tasks[t].answered {
				left--
			}
			at = s.next[0]
			continue
		}
		// The operation that returns here, if any, fits nowhere before it.
		if n := len(s.stack); n > best {
			best = n
			s.longest = append(s.longest[:s.same], s.stack[s.same:]...)
			s.same = n
			if res.Stuck = -1; at != 0 {
				res.Stuck = int(s.tasks[s.events[at].task].op32)
			}
		}
		for {
			n := len(s.stack)
			if n == 0 {
				res.Answer = No
				res.Longest, res.Explained = s.order(s.longest)
				return res
			}
			f := s.stack[n-1]
			s.stack = s.stack[:n-1]
			s.same = min(s.same, n-1)
			t := s.events[f.event].task
			s.take(t, int(f.undo))
			if s.tasks[t].answered {
				left++
			}
			if !f.forced {
				at = s.next[f.event]
				break
			}
		}
	}
	res.Answer = Yes
	if s.found >= 0 {
		s.witness(&res)
	}
	return res
}

// unfinished is the result of a search that was called off.
func (s *search) unfinished(res Result, best int) Result {
	longest := s.longest
	if len(s.stack) > best {
		longest, res.Stuck = s.stack, -1
	}
	res.Longest, res.Explained = s.order(longest)
	res.Answer = Unknown
	return res
}

// tell looks how far one comes without looking ahead: what then fits nowhere is
// what a reader would say is wrong, not the value that had to be replaced first.
func (s *search) tell(res *Result) {
	s.again()
	s.careless = true
	at := s.next[0]
	for {
		if at == 0 || s.events[at].class == 2 {
			break
		}
		if t := s.events[at].task; s.try(t) {
			s.put(t)
			s.stack = append(s.stack, frame{event: at})
			at = s.next[0]
			continue
		}
		at = s.next[at]
	}
	s.careless = false
	if order, acked := s.order(s.stack); acked >= res.Explained {
		res.Longest, res.Explained = order, acked
		if res.Stuck = -1; at != 0 {
			res.Stuck = int(s.tasks[s.events[at].task].op32)
		}
	}
}

// order is what was put in order, and how many of it were acknowledged.
func (s *search) order(stack []frame) (order []int, acked int) {
	for _, f := range stack {
		t := &s.tasks[s.events[f.event].task]
		if t.op32 >= 0 {
			order = append(order, int(t.op32))
			if t.acked {
				acked++
			}
		}
	}
	return order, acked
}

// try lets task t take effect; when it may not come next it reports false and
// changes nothing.
func (s *search) try(t int32) bool {
	task := &s.tasks[t]
	if task.twin >= 0 && !s.done[task.twin] || task.group >= 0 && s.chosen[task.group] {
		return false
	}
	if s.outOfTurn(t) || s.mustWait(t) {
		return false
	}
	if s.found >= 0 && (t == s.inside && s.done[s.found] || t == s.outside && !s.done[s.found] || t == s.found && s.p.Last && s.acked > 0) {
		return false
	}
	mark := len(s.states.undo)
	if !s.states.step(task) {
		return false
	}
	if len(s.states.undo) == mark {
		return task.answered // it did nothing: without a reply it may as well not have happened
	}
	if !task.answered && s.unchanged(mark) || !s.careless && s.replaces(task, mark) {
		s.states.back(mark)
		return false
	}
	return true
}

// unchanged reports whether the changes since mark cancel out.
func (s *search) unchanged(mark int) bool {
	undo := s.states.undo[mark:]
	if len(undo) == 1 {
		return false // what is set differs from what was there
	}
	for i, c := range undo {
		first := !slices.ContainsFunc(undo[:i], func(d change) bool { return d.key == c.key })
		if first && (c.key < 0 || s.states.row[c.key] != c.old) {
			return false
		}
	}
	return true
}

// replaces reports whether a task that has taken effect replaced a value that
// somebody has yet to read, and that nobody can bring back.
func (s *search) replaces(t *task, mark int) bool {
	for _, c := range s.states.undo[mark:] {
		if c.key < 0 || !s.pl.plain[c.key] || s.states.row[c.key] == c.old {
			continue
		}
		old := &s.states.texts[c.old]
		if old.makers > 0 {
			continue
		}
		if s.found >= 0 && !s.done[s.found] && old.like == alike {
			return true
		}
		waiting := old.needs
		if waiting == 0 {
			continue
		}
		for i := range t.parts {
			if t.parts[i].needs == c.old {
				waiting--
			}
		}
		if waiting > 0 {
			return true
		}
	}
	return false
}

// put and take move a task out of the list and back.
func (s *search) put(t int32) {
	s.done[t] = true
	task := &s.tasks[t]
	if g := task.group; g >= 0 {
		s.chosen[g] = true
	}
	if task.acked {
		s.acked--
	}
	s.unlink(s.callAt[t])
	if task.answered {
		s.unlink(s.retAt[t])
	}
	for i := range task.parts {
		s.count(&task.parts[i], -1)
	}
	s.mark(t)
}

// take also undoes what the task did: all changes since there were so many.
func (s *search) take(t int32, changes int) {
	s.states.back(changes)
	s.done[t] = false
	task := &s.tasks[t]
	if q := task.queue; q > 0 {
		s.low[q-1] = min(s.low[q-1], task.rank)
	}
	if g := task.group; g >= 0 {
		s.chosen[g] = false
	}
	if task.acked {
		s.acked++
	}
	if task.answered {
		s.relink(s.retAt[t])
	}
	s.relink(s.callAt[t])
	for i := range task.parts {
		s.count(&task.parts[i], 1)
	}
	s.mark(t)
}

func (s *search) mark(t int32) {
	if slot := s.slot[t]; slot >= 0 {
		s.pending[slot/64] ^= 1 << (slot % 64)
		return
	}
	// Two rounds of splitmix64, a different stream each.
	s.bits[0] ^= mix(uint64(t)*2 + 1)
	s.bits[1] ^= mix(^(uint64(t)*2 + 2))
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// mostUsed is how many sets of unanswered operations are compared at one place;
// what is not compared is only visited once more.
const mostUsed = 256

// visit reports whether the place is new, and remembers it.
func (s *search) visit() bool {
	first, fresh := s.visited.at([2]uint64{s.bits[0] ^ s.states.hash[0], s.bits[1] ^ s.states.hash[1]})
	if len(s.pending) == 0 {
		return fresh
	}
	looked := 0
	for at := *first; at > 0 && looked < mostUsed; at = s.used[at-1].next {
		if from := s.used[at-1].from; subset(s.words[from:int(from)+len(s.pending)], s.pending) {
			return false
		}
		looked++
	}
	s.used = append(s.used, usedSet{int32(len(s.words)), *first})
	s.words = append(s.words, s.pending...)
	*first = int32(len(s.used))
	return true
}

// visits are the places that were visited, in an open-addressed table. Of each
// it keeps one more than a place in search.used, 0 when there are no unanswered
// operations.
type visits struct {
	slots []visitSlot
	n     int
}

type visitSlot struct {
	hash [2]uint64 // never zero in a slot that is taken
	used int32
}

func (v *visits) begin(tasks int) {
	size := 64
	for size < 4*tasks {
		size *= 2
	}
	if cap(v.slots) < size {
		v.slots = make([]visitSlot, size)
	}
	v.slots, v.n = v.slots[:size], 0
	clear(v.slots)
}

// at is what is kept of a place, and whether it is new. It is valid until the next call.
func (v *visits) at(hash [2]uint64) (used *int32, fresh bool) {
	if 2*v.n >= len(v.slots) {
		old := v.slots
		v.slots = make([]visitSlot, 2*len(old))
		for _, s := range old {
			if s.hash != [2]uint64{} {
				v.slots[v.find(s.hash)] = s
			}
		}
	}
	if hash == [2]uint64{} {
		hash[0] = 1
	}
	i := v.find(hash)
	if fresh = v.slots[i].hash != hash; fresh {
		v.n++
		v.slots[i].hash = hash
	}
	return &v.slots[i].used, fresh
}

func (v *visits) find(hash [2]uint64) uint64 {
	mask := uint64(len(v.slots) - 1)
	i := hash[0] & mask
	for v.slots[i].hash != [2]uint64{} && v.slots[i].hash != hash {
		i = (i + 1) & mask
	}
	return i
}

func subset(a, b []uint64) bool {
	for i := range a {
		if a[i]&^b[i] != 0 {
			return false
		}
	}
	return true
}

// witness says where the read after the crash lies in the order found.
func (s *search) witness(res *Result) {
	res.Before = make([]bool, len(s.p.Ops))
	from, to := int64(s.p.FoundFrom), int64(s.p.FoundTo)
	before := true
	for _, f := range s.stack {
		i := s.events[f.event].task
		t := &s.tasks[i]
		switch {
		case i == s.found:
			before = false
		case before:
			from = max(from, t.call)
			if t.op32 >= 0 {
				res.Before[t.op32] = true
			}
		default:
			to = min(to, t.ret)
		}
	}
	res.From, res.To = time.Duration(from), time.Duration(to)
}
