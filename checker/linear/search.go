package linear

import (
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Answer is what a search found.
type Answer uint8

const (
	Unknown Answer = iota // out of time or memory: nothing is known
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
	// Skipped: it was not looked for (SearchAll).
	Skipped bool
}

// search is Wing and Gong's search for a linearization ("Testing and verifying
// concurrent objects", 1993) as Lowe improved it ("Testing for linearizability",
// 2017): of the operations that may come next one is tried, and what was tried
// before is remembered.
//
// Three things keep it short. A read that fits comes next at once: what follows
// does not depend on where it stands. Of operations without a reply that do the
// same, the first comes first. And a place in the search is not visited again
// when the same answered operations led to the same state with fewer of the
// unanswered ones used up.
//
// Sets of operations are remembered by 128 bits of a random number for each
// operation, combined: with a billion sets two are taken for one with a chance
// of 1 in 10^20.
type search struct {
	p     *Problem
	tasks []task
	clock bool
	// The list of events that are left.
	next, prev []int32
	events     []event
	callAt     []int32 // of each task, its place in events
	retAt      []int32

	states  interned
	steps   map[stepOf]int32 // -1: does not fit
	visited map[visit]int32  // place in used, or -1 when there are no unanswered ones
	used    []usedSet
	stack   []frame
	bits    [2]uint64 // of the answered tasks in order so far
	pending []uint64  // of the unanswered ones, a bit each
	slot    []int32   // of each task, its bit in pending
	done    []bool
	chosen  []bool // groups of which a task is in order
	queues  []queue
	low     []int32 // of each queue, the first push that may not be in order yet
	found   int32   // the task of the read after the crash, or -1
	inside  int32
	outside int32
	greedy  bool // the read after the crash is a read like any other
}

type stepOf struct{ state, task int32 }

type visit struct {
	bits  [2]uint64
	state int32
}

// usedSet is a set of unanswered operations, and the next one for the same visit.
type usedSet struct {
	bits []uint64
	next int32
}

type frame struct {
	event int32 // whose task was put in order
	state int32 // before it
	// forced: it had to be tried at most once, and nothing instead of it.
	forced bool
}

// Search looks for an order of the operations.
func (p *Problem) Search(l Limits) Result {
	l = l.withDefaults()
	stop, cancel := l.deadline()
	defer cancel()
	s := p.newSearch()
	return s.run(l, stop)
}

// Check is the answer of Search alone.
func (p *Problem) Check(l Limits) Answer { return p.Search(l).Answer }

func (p *Problem) newSearch() *search {
	pl := p.compile()
	s := &search{p: p, tasks: pl.tasks, clock: pl.clock, found: -1, inside: -1, outside: -1,
		steps: map[stepOf]int32{}, visited: map[visit]int32{}}
	if p.Find {
		s.tasks = append(slices.Clip(pl.tasks), task{call: int64(p.FoundFrom), ret: int64(p.FoundTo), found: true, answered: true, twin: -1, group: -1, op32: -1})
		s.found = int32(len(s.tasks) - 1)
	}
	s.greedy = p.Inside == nil && p.Outside == nil
	for i := range s.tasks {
		if op := s.tasks[i].op; op != nil && op == p.Inside {
			s.inside = int32(i)
		} else if op != nil && op == p.Outside {
			s.outside = int32(i)
		}
	}
	s.link(pl.events(s.tasks))
	s.slot = make([]int32, len(s.tasks))
	n := int32(0)
	for i := range s.tasks {
		s.slot[i] = -1
		if !s.tasks[i].answered {
			s.slot[i] = n
			n++
		}
	}
	s.pending = make([]uint64, (n+63)/64)
	s.queues, s.low = pl.queues, make([]int32, len(pl.queues))
	s.done, s.chosen = make([]bool, len(s.tasks)), make([]bool, pl.groups)
	s.states.init(p, s.clock)
	return s
}

// link makes the list of events; place 0 is its head.
func (s *search) link(events []event) {
	s.events = append([]event{{}}, events...)
	n := len(s.events)
	s.next, s.prev = make([]int32, n), make([]int32, n)
	s.callAt, s.retAt = make([]int32, len(s.tasks)), make([]int32, len(s.tasks))
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
const visitBytes = 96

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
	best, bestAt := -1, int32(0)
	state := int32(0)
	at := s.next[0]
	for left > 0 {
		if res.Steps++; res.Steps%between == 0 && stop() || l.Steps > 0 && res.Steps > l.Steps {
			return s.unfinished(res, best, bestAt)
		}
		if at != 0 && s.events[at].class != 2 {
			t := s.events[at].task
			next := s.try(t, state)
			if next < 0 {
				at = s.next[at]
				continue
			}
			forced := s.tasks[t].reads || t == s.found && s.greedy
			s.put(t)
			if !forced && !s.visit(next) {
				s.take(t)
				at = s.next[at]
				continue
			}
			if int64(len(s.visited)+len(s.used))+s.states.bytes/visitBytes > most {
				s.take(t)
				return s.unfinished(res, best, bestAt)
			}
			s.stack = append(s.stack, frame{at, state, forced})
			if s.tasks[t].answered {
				left--
			}
			state, at = next, s.next[0]
			continue
		}
		// The operation that returns here, if any, fits nowhere before it.
		if n := len(s.stack); n > best {
			best, bestAt = n, at
			res.Longest, res.Explained = s.order(res.Longest[:0])
			if res.Stuck = -1; at != 0 {
				res.Stuck = int(s.tasks[s.events[at].task].op32)
			}
		}
		for {
			n := len(s.stack)
			if n == 0 {
				res.Answer = No
				return res
			}
			f := s.stack[n-1]
			s.stack = s.stack[:n-1]
			t := s.events[f.event].task
			s.take(t)
			if s.tasks[t].answered {
				left++
			}
			state = f.state
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
func (s *search) unfinished(res Result, best int, at int32) Result {
	if len(s.stack) > best {
		res.Longest, res.Explained = s.order(res.Longest[:0])
		res.Stuck = -1
	}
	res.Answer = Unknown
	return res
}

// order is what was put in order so far, and how many of it were acknowledged.
func (s *search) order(into []int) (order []int, acked int) {
	for _, f := range s.stack {
		t := &s.tasks[s.events[f.event].task]
		if t.op32 >= 0 {
			into = append(into, int(t.op32))
			if t.acked {
				acked++
			}
		}
	}
	return into, acked
}

// try is the state after task t, or -1 when it may not come next.
func (s *search) try(t, state int32) int32 {
	task := &s.tasks[t]
	if task.twin >= 0 && !s.done[task.twin] || task.group >= 0 && s.chosen[task.group] {
		return -1
	}
	if s.outOfTurn(t) {
		return -1
	}
	if s.found >= 0 && (t == s.inside && s.done[s.found] || t == s.outside && !s.done[s.found]) {
		return -1
	}
	key := stepOf{state, t}
	next, known := s.steps[key]
	if !known {
		next = s.states.step(s.p, task, state)
		s.steps[key] = next
	}
	if next == state && !task.answered {
		return -1 // it did nothing: it may as well not have happened
	}
	return next
}

// put and take move a task out of the list and back.
func (s *search) put(t int32) {
	s.done[t] = true
	if g := s.tasks[t].group; g >= 0 {
		s.chosen[g] = true
	}
	s.unlink(s.callAt[t])
	if s.tasks[t].answered {
		s.unlink(s.retAt[t])
	}
	s.mark(t)
}

func (s *search) take(t int32) {
	s.done[t] = false
	if q := s.tasks[t].queue; q > 0 {
		s.low[q-1] = min(s.low[q-1], s.tasks[t].rank)
	}
	if g := s.tasks[t].group; g >= 0 {
		s.chosen[g] = false
	}
	if s.tasks[t].answered {
		s.relink(s.retAt[t])
	}
	s.relink(s.callAt[t])
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
func (s *search) visit(state int32) bool {
	key := visit{s.bits, state}
	first, seen := s.visited[key]
	if len(s.pending) == 0 {
		if !seen {
			s.visited[key] = -1
		}
		return !seen
	}
	if !seen {
		first = -1
	}
	looked := 0
	for at := first; at >= 0 && looked < mostUsed; at = s.used[at].next {
		if subset(s.used[at].bits, s.pending) {
			return false
		}
		looked++
	}
	s.used = append(s.used, usedSet{slices.Clone(s.pending), first})
	s.visited[key] = int32(len(s.used) - 1)
	return true
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

// interned numbers the states of the keys and the states of the problem, which
// are one state of each key and, where deadlines pass, the last that has.
type interned struct {
	texts  []string
	byText map[string]int32
	whole  [][]int32
	byKeys map[string]int32
	clock  int // place of the clock in a whole state, or -1
	bytes  int64
	row    []int32
	buf    []byte
}

func (n *interned) init(p *Problem, clock bool) {
	n.byText, n.byKeys = map[string]int32{}, map[string]int32{}
	n.clock = -1
	row := make([]int32, len(p.Keys), len(p.Keys)+1)
	for i := range p.Keys {
		row[i] = n.text(p.Keys[i].Initial)
	}
	if clock {
		n.clock = len(row)
		row = append(row, n.text("0"))
	}
	n.row = make([]int32, len(row))
	n.intern(row)
}

func (n *interned) text(s string) int32 {
	if id, ok := n.byText[s]; ok {
		return id
	}
	id := int32(len(n.texts))
	n.texts = append(n.texts, s)
	n.byText[s] = id
	n.bytes += int64(len(s)) + 32
	return id
}

func (n *interned) intern(row []int32) int32 {
	if len(row) == 1 {
		// The state of the problem is that of its only key: one number for both.
		for len(n.whole) <= int(row[0]) {
			n.whole = append(n.whole, []int32{int32(len(n.whole))})
		}
		return row[0]
	}
	n.buf = n.buf[:0]
	for _, id := range row {
		n.buf = binary.LittleEndian.AppendUint32(n.buf, uint32(id))
	}
	if id, ok := n.byKeys[string(n.buf)]; ok {
		return id
	}
	id := int32(len(n.whole))
	n.whole = append(n.whole, slices.Clone(row))
	n.byKeys[string(n.buf)] = id
	n.bytes += int64(8*len(row)) + 48
	return id
}

func (n *interned) now(row []int32) time.Duration {
	if n.clock < 0 {
		return 0
	}
	at, _ := strconv.ParseInt(n.texts[row[n.clock]], 10, 64)
	return time.Duration(at)
}

// step is the state after a task, or -1 when its reply does not fit.
func (n *interned) step(p *Problem, t *task, state int32) int32 {
	row := n.row
	copy(row, n.whole[state])
	switch {
	case t.found:
		for i := range p.Keys {
			if !p.Keys[i].Found.in(n.texts[row[i]]) {
				return -1
			}
		}
		return state
	case t.deadline > 0:
		row[n.clock] = n.text(strconv.FormatInt(int64(max(t.deadline, n.now(row))), 10))
		n.expire(row)
		return n.intern(row)
	}
	for i := range t.parts {
		of := &t.parts[i]
		if of.kind == history.ListMove {
			if !n.move(row, of, t.acked) {
				return -1
			}
			continue
		}
		old := n.texts[row[of.key]]
		if of.known || of.knownFound && p.Find {
			_, body := split(old)
			if of.known && body != of.before || of.knownFound && p.Find && body != of.beforeFound {
				return -1
			}
		}
		next, e := apply(of.kind, old, of.op, t.acked)
		next, fit := settle(old, next, e, of.op, t.acked)
		if !fit {
			return -1
		}
		if next != old {
			row[of.key] = n.text(next)
			n.expire(row)
		}
	}
	return n.intern(row)
}

func (n *interned) move(row []int32, of *part, acked bool) bool {
	m := of.op.More
	if m == nil {
		m = &none
	}
	from := n.texts[row[of.key]]
	if of.to < 0 || of.to == of.key {
		next, e := rotate(from, of.op, m, acked)
		next, fit := settle(from, next, e, of.op, acked)
		row[of.key] = n.text(next)
		return fit
	}
	to := n.texts[row[of.to]]
	nextFrom, nextTo, e := move(from, to, of.op, m, acked)
	if _, fit := settle(from, nextFrom, e, of.op, acked); !fit {
		return false
	}
	if e == fits {
		row[of.key], row[of.to] = n.text(nextFrom), n.text(nextTo)
	}
	return true
}

// expire takes away the keys whose deadline has passed.
func (n *interned) expire(row []int32) {
	if n.clock < 0 {
		return
	}
	now := n.now(row)
	for i := range row {
		if i == n.clock {
			continue
		}
		if d, _ := split(n.texts[row[i]]); d != 0 && d <= now {
			row[i] = n.text(absent)
		}
	}
}
