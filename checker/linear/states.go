package linear

import (
	"time"

	"github.com/torntail/torntail/checker/history"
)

// states are the states of a problem's keys: every one that was met is numbered,
// and one of each key is the present one. They are kept over all questions about
// a problem.
type states struct {
	p     *Problem
	clock bool // deadlines pass
	// stack is the only key as a stack, and piles its states; nil when it is none.
	stack *stack
	piles []pile
	texts []text
	table []int32 // texts by key and content: one more than their numbers, open addressing
	steps stepTable
	bytes int64

	// The present: the state of each key, and behind them, where deadlines pass,
	// the last that has.
	row  []int32
	now  time.Duration
	hash [2]uint64 // of row
	undo []change
	// unlike counts the keys whose state is not the one that was found.
	unlike int
}

// text is one state of one key.
type text struct {
	state    string
	key      int32
	like     likeness // is it the one that was found?
	deadline time.Duration
	// needs counts the tasks not yet in order whose replies say that the key was
	// in this state before them, makers those that may bring it about.
	needs, makers int32
}

type likeness uint8

const (
	notCompared likeness = iota
	alike
	different
)

// change is what a key was before; now, when key is -1, the time.
type change struct {
	key, old int32
	now      time.Duration
}

// none of the numbers of states.
const noState = -1

func newStates(p *Problem, clock bool, stack *stack) *states {
	s := &states{p: p, clock: clock, stack: stack, row: make([]int32, len(p.Keys))}
	s.table = make([]int32, 64)
	s.begin()
	return s
}

// begin makes the initial state the present one, of which nobody waits for any.
func (s *states) begin() {
	s.undo, s.now, s.hash, s.unlike = s.undo[:0], 0, [2]uint64{}, 0
	for i := range s.texts {
		t := &s.texts[i]
		t.needs, t.makers, t.like = 0, 0, notCompared
	}
	for i := range s.p.Keys {
		if s.stack != nil {
			s.row[i] = s.pileOf(s.stack.initial)
		} else {
			s.row[i] = s.number(int32(i), s.p.Keys[i].Initial)
		}
		s.toggle(int32(i), s.row[i])
		if !s.likeFound(s.row[i]) {
			s.unlike++
		}
	}
}

// number is the number of a state of a key.
func (s *states) number(key int32, state string) int32 {
	h := hashState(key, state)
	mask := uint64(len(s.table) - 1)
	i := h & mask
	for ; s.table[i] != 0; i = (i + 1) & mask {
		if t := &s.texts[s.table[i]-1]; t.key == key && t.state == state {
			return s.table[i] - 1
		}
	}
	t := text{state: state, key: key}
	t.deadline, _ = split(state)
	s.texts = append(s.texts, t)
	s.bytes += int64(len(state)) + 64
	s.table[i] = int32(len(s.texts))
	if 2*len(s.texts) > len(s.table) {
		s.grow()
	}
	return int32(len(s.texts)) - 1
}

func (s *states) grow() {
	s.table = make([]int32, 2*len(s.table))
	mask := uint64(len(s.table) - 1)
	for n := range s.texts {
		i := hashState(s.texts[n].key, s.texts[n].state) & mask
		for s.table[i] != 0 {
			i = (i + 1) & mask
		}
		s.table[i] = int32(n + 1)
	}
}

// hashState hashes a state of a key, eight bytes at a time.
func hashState(key int32, state string) uint64 {
	h := mix(uint64(key)<<32 ^ uint64(len(state)))
	i := 0
	for ; i+8 <= len(state); i += 8 {
		w := uint64(state[i]) | uint64(state[i+1])<<8 | uint64(state[i+2])<<16 | uint64(state[i+3])<<24 |
			uint64(state[i+4])<<32 | uint64(state[i+5])<<40 | uint64(state[i+6])<<48 | uint64(state[i+7])<<56
		h = (h ^ w) * 0xbf58476d1ce4e5b9
		h ^= h >> 29
	}
	for ; i < len(state); i++ {
		h = (h ^ uint64(state[i])) * 1099511628211
	}
	return mix(h)
}

// toggle takes a state of a key into the hash of all, or out of it.
func (s *states) toggle(key, id int32) {
	x := uint64(key)<<32 | uint64(uint32(id))
	s.hash[0] ^= mix(x)
	s.hash[1] ^= mix(^x)
}

// set makes a state of a key the present one.
func (s *states) set(key, id int32) {
	old := s.row[key]
	if old == id {
		return
	}
	s.undo = append(s.undo, change{key: key, old: old})
	s.swap(key, old, id)
}

func (s *states) swap(key, old, id int32) {
	s.toggle(key, old)
	s.toggle(key, id)
	s.row[key] = id
	if was, is := s.likeFound(old), s.likeFound(id); was != is {
		if is {
			s.unlike--
		} else {
			s.unlike++
		}
	}
}

// back undoes what was done since there were so many changes.
func (s *states) back(to int) {
	for n := len(s.undo); n > to; n-- {
		c := s.undo[n-1]
		if c.key < 0 {
			s.tick(c.now)
			continue
		}
		s.swap(c.key, s.row[c.key], c.old)
	}
	s.undo = s.undo[:to]
}

// tick makes it the time now.
func (s *states) tick(now time.Duration) {
	s.hash[0] ^= mix(uint64(s.now)) ^ mix(uint64(now))
	s.hash[1] ^= mix(^uint64(s.now)) ^ mix(^uint64(now))
	s.now = now
}

// likeFound reports whether a state is the one that was found of its key after
// the crash.
func (s *states) likeFound(id int32) bool {
	t := &s.texts[id]
	if t.like == notCompared {
		if t.like = different; s.p.Keys[t.key].Found.in(s.textOf(id)) {
			t.like = alike
		}
	}
	return t.like == alike
}

// textOf is a state in the form that models give it.
func (s *states) textOf(id int32) string {
	if s.stack != nil {
		return s.packed(id)
	}
	return s.texts[id].state
}

// step lets a task take effect on the present state. When its reply does not fit
// it reports false and changes nothing.
func (s *states) step(t *task) bool {
	mark := len(s.undo)
	switch {
	case t.found:
		return s.unlike == 0
	case t.deadline > 0:
		if t.deadline > s.now {
			s.undo = append(s.undo, change{key: -1, now: s.now})
			s.tick(t.deadline)
			s.expire()
		}
		return true
	}
	for i := range t.parts {
		if !s.part(&t.parts[i], t.acked) {
			s.back(mark)
			return false
		}
	}
	return true
}

// part lets one part of a task take effect.
func (s *states) part(of *part, acked bool) bool {
	if of.kind == history.ListMove {
		return s.move(of, acked)
	}
	old := s.row[of.key]
	switch {
	case of.before != noState && old != of.before,
		of.beforeFound != noState && s.p.Find && old != of.beforeFound,
		of.needs != noState && old != of.needs:
		return false
	case s.stack != nil:
		return s.onPile(of, acked)
	case of.after != noState:
		if s.set(of.key, of.after); s.texts[of.after].deadline != 0 {
			s.expire()
		}
		return true
	}
	next, known := s.steps.get(old, of.number)
	if !known {
		next = noState
		state, e := apply(of.kind, s.texts[old].state, of.op, acked)
		if of.chosen && e == refused {
			e = misfits
		}
		if state, fit := settle(s.texts[old].state, state, e, of.op, acked); fit {
			next = s.number(of.key, state)
		}
		s.steps.put(old, of.number, next)
		s.bytes += stepBytes
	}
	if next == noState {
		return false
	}
	if next != old {
		s.set(of.key, next)
		if s.clock {
			s.expire()
		}
	}
	return true
}

func (s *states) move(of *part, acked bool) bool {
	m := of.op.More
	if m == nil {
		m = &none
	}
	from := s.texts[s.row[of.key]].state
	if of.to < 0 || of.to == of.key {
		next, e := rotate(from, of.op, m, acked)
		next, fit := settle(from, next, e, of.op, acked)
		s.set(of.key, s.number(of.key, next))
		return fit
	}
	to := s.texts[s.row[of.to]].state
	nextFrom, nextTo, e := move(from, to, of.op, m, acked)
	if _, fit := settle(from, nextFrom, e, of.op, acked); !fit {
		return false
	}
	if e == fits {
		s.set(of.key, s.number(of.key, nextFrom))
		s.set(of.to, s.number(of.to, nextTo))
	}
	return true
}

// expire takes away the keys whose deadline has passed.
func (s *states) expire() {
	for key, id := range s.row {
		if d := s.texts[id].deadline; d != 0 && d <= s.now {
			s.set(int32(key), s.number(int32(key), absent))
		}
	}
}

// stepTable remembers what a part of a task makes of a state: open addressing.
type stepTable struct {
	slots []stepSlot
	n     int
}

// stepBytes is about what a step takes.
const stepBytes = 40

type stepSlot struct {
	of   uint64 // one more than state and part; 0: free
	next int32
}

func (t *stepTable) get(state, part int32) (next int32, known bool) {
	if len(t.slots) == 0 {
		return noState, false
	}
	of := uint64(uint32(state))<<32 + uint64(part) + 1
	mask := uint64(len(t.slots) - 1)
	for i := mix(of) & mask; t.slots[i].of != 0; i = (i + 1) & mask {
		if t.slots[i].of == of {
			return t.slots[i].next, true
		}
	}
	return noState, false
}

func (t *stepTable) put(state, part, next int32) {
	if 2*t.n >= len(t.slots) {
		old := t.slots
		t.slots = make([]stepSlot, max(64, 2*len(old)))
		for _, s := range old {
			if s.of != 0 {
				t.insert(s)
			}
		}
	}
	t.n++
	t.insert(stepSlot{uint64(uint32(state))<<32 + uint64(part) + 1, next})
}

func (t *stepTable) insert(s stepSlot) {
	mask := uint64(len(t.slots) - 1)
	i := mix(s.of) & mask
	for t.slots[i].of != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}
