package exhaustive

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Question is a history of one life of a server.
type Question struct {
	Ops []history.Op // in order of invocation
	// Initial is what the server began with, at instant 0; nil: nothing.
	Initial *Keyspace
	// Crash is when the life ended; history.Never when it did not.
	Crash time.Duration
	// Found is what was read after the crash; nil: do not ask.
	Found *history.State
	// Slack is how long after its deadline a key may still be there.
	Slack time.Duration
}

// Answer is what every order together says.
type Answer struct {
	// Linearizable: some order explains every reply.
	Linearizable bool
	// Consistent: in some such order the state after some prefix is the one found.
	Consistent bool
	// Durable: in some such order that prefix has every acknowledged operation.
	Durable bool
	// Certain are the acknowledged writes that no such prefix has, Possible those
	// that some such prefix lacks. Places in Question.Ops.
	Certain, Possible []int
}

// MostOps is how many operations a question may have.
const MostOps = 24

// search tries every order. An operation, or the passing of a deadline, may
// come next when none that is still to come had ended before it began.
type search struct {
	q     Question
	items []item
	ids   []string // of streams, that the history tells of
	memo  map[string]bool
	// prefixes are the sets of operations, as bits, after which the state was
	// found and from which the history could go on to its end.
	prefixes map[uint64]bool
}

// item is an operation, or the passing of a deadline.
type item struct {
	op         *history.Op // nil for a deadline
	deadline   time.Duration
	begin, end time.Duration
	must       bool // it happens in every order
}

// Judge tries every order.
func Judge(q Question) Answer {
	s := &search{q: q, memo: map[string]bool{}, prefixes: map[uint64]bool{}}
	for i := range q.Ops {
		op := &q.Ops[i]
		it := item{op: op, begin: op.Invoke, end: history.Never, must: op.Outcome == history.OK}
		if it.must {
			it.end = max(it.begin, min(op.Return, q.Crash))
		}
		s.items = append(s.items, it)
	}
	s.deadlines()
	s.findIDs()
	if len(s.items) > 60 {
		panic("exhaustive: too many operations")
	}
	initial := New()
	if q.Initial != nil {
		initial = q.Initial.Clone()
	}
	a := Answer{Linearizable: s.from(0, initial)}
	if q.Found == nil {
		return a
	}
	a.Consistent = len(s.prefixes) > 0
	acked := uint64(0)
	for i := range q.Ops {
		if q.Ops[i].Outcome == history.OK {
			acked |= 1 << i
		}
	}
	for set := range s.prefixes { // any order: it looks for one
		a.Durable = a.Durable || set&acked == acked
	}
	for i := range q.Ops {
		if q.Ops[i].Outcome != history.OK || !q.Ops[i].Writes() || !a.Consistent {
			continue
		}
		in, out := false, false
		for set := range s.prefixes { // any order: it looks at all of them
			if set&(1<<i) != 0 {
				in = true
			} else {
				out = true
			}
		}
		if !in {
			a.Certain = append(a.Certain, i)
		}
		if out {
			a.Possible = append(a.Possible, i)
		}
	}
	return a
}

func (s *search) deadlines() {
	var all []time.Duration
	s.each(func(op *history.Op) {
		if op.More != nil && op.More.Deadline > 0 && op.Kind != history.ReadExpiry {
			all = append(all, op.More.Deadline)
		}
	})
	// A deadline that was read at the start is known as exactly as it was read.
	early := map[time.Duration]bool{}
	if s.q.Initial != nil {
		for _, v := range s.q.Initial.Keys { // any order: sorted below
			if v.Deadline > 0 {
				all = append(all, v.Deadline)
				early[v.Deadline] = true
			}
		}
	}
	slices.Sort(all)
	for _, d := range slices.Compact(all) {
		begin := d
		if early[d] {
			begin -= s.q.Slack
		}
		if begin <= s.q.Crash {
			s.items = append(s.items, item{deadline: d, begin: begin, end: max(begin, min(d+s.q.Slack, s.q.Crash)), must: true})
		}
	}
}

func (s *search) each(f func(op *history.Op)) {
	for i := range s.q.Ops {
		op := &s.q.Ops[i]
		if op.Kind != history.Txn {
			f(op)
			continue
		}
		for k := range op.More.Parts {
			f(&op.More.Parts[k])
		}
	}
}

// findIDs lists every ID that the history or the state found tells of.
func (s *search) findIDs() {
	see := func(id string) {
		if strings.Contains(id, "-") && !slices.Contains(s.ids, id) {
			s.ids = append(s.ids, id)
		}
	}
	s.each(func(op *history.Op) {
		if m := op.More; m != nil {
			see(m.Entry)
			if op.Kind == history.StreamAdd {
				see(m.Result)
			}
			for _, v := range m.Values {
				see(v)
			}
		}
	})
	if s.q.Found == nil {
		return
	}
	for i := range s.q.Found.Keys {
		kv := &s.q.Found.Keys[i]
		for _, v := range kv.List {
			see(v)
		}
		for _, g := range kv.Groups {
			see(g.Last)
			for _, v := range g.Pending {
				see(v)
			}
		}
	}
}

// from reports whether what is not done yet can be put in order after the
// state. It visits everything that can be reached.
func (s *search) from(done uint64, state *Keyspace) bool {
	id := fmt.Sprint(done, state.Now, state)
	if ok, seen := s.memo[id]; seen {
		return ok
	}
	complete := true
	for i := range s.items {
		if s.items[i].must && done&(1<<i) == 0 {
			complete = false
		}
	}
	ok := complete
	for i := range s.items {
		if done&(1<<i) != 0 || s.items[i].op != nil && s.items[i].op.Outcome == history.Failed || !s.mayComeNext(done, i) {
			continue
		}
		for _, next := range s.after(state, &s.items[i]) {
			ok = s.from(done|1<<i, next) || ok
		}
	}
	if ok && s.q.Found != nil && s.matches(state) {
		s.prefixes[done] = true
	}
	s.memo[id] = ok
	return ok
}

func (s *search) mayComeNext(done uint64, i int) bool {
	for k := range s.items {
		if k != i && done&(1<<k) == 0 && s.items[k].must && s.items[k].end < s.items[i].begin {
			return false
		}
	}
	return true
}

// after are the states after an item: none when its reply does not fit, several
// when the server had a choice that nobody knows.
func (s *search) after(state *Keyspace, it *item) []*Keyspace {
	if it.op == nil {
		next := state.Clone()
		next.Pass(it.deadline)
		return []*Keyspace{next}
	}
	if it.must {
		next := state.Clone()
		if got := next.Do(*it.op); !sameReply(it.op, &got) {
			return nil
		}
		return []*Keyspace{next}
	}
	var all []*Keyspace
	for _, op := range s.choices(it.op) {
		next := state.Clone()
		if got := next.Do(op); !refusedChoice(&op, &got) {
			all = append(all, next)
		}
	}
	return all
}

// refusedChoice reports whether an ID that the server was to choose is one that
// it refuses. It never chooses such: XADD with * takes the clock, or the last ID
// plus one when the clock is not past that (redis 7.0.15 t_stream.c,
// streamNextID). A key that is no stream refuses every choice, unseen as well.
func refusedChoice(choice, got *history.Op) bool {
	if choice.Kind == history.Txn {
		for i := range choice.More.Parts {
			if refusedChoice(&choice.More.Parts[i], &got.More.Parts[i]) {
				return true
			}
		}
		return false
	}
	m := choice.More
	return choice.Kind == history.StreamAdd && serversChoice(m.Entry) && m.Result != "" && got.More.Err != ""
}

// serversChoice: what was asked for is an ID of the server's choice.
func serversChoice(entry string) bool { return entry == "" || entry == "*" }

// choices are the operations that an unanswered one may have been: the server
// chooses the IDs of the entries of streams. One that the history tells of is in
// More.Result.
func (s *search) choices(op *history.Op) []history.Op {
	if op.Kind == history.Txn {
		all := []history.Op{*op}
		for i := range op.More.Parts {
			var next []history.Op
			for _, partly := range all {
				for _, part := range s.choices(&op.More.Parts[i]) {
					m := *partly.More
					m.Parts = slices.Clone(m.Parts)
					m.Parts[i] = part
					whole := partly
					whole.More = &m
					next = append(next, whole)
				}
			}
			all = next
		}
		return all
	}
	if op.Kind != history.StreamAdd || !serversChoice(op.More.Entry) {
		return []history.Op{*op}
	}
	var all []history.Op
	for _, id := range append([]string{unseen}, s.ids...) {
		m := *op.More
		if m.Result = id; id == unseen {
			m.Entry, m.Result = unseen, ""
		}
		choice := *op
		choice.More = &m
		all = append(all, choice)
	}
	return all
}

// sameReply compares what is on record of a reply with what the model replied.
func sameReply(recorded, model *history.Op) bool {
	var a, b history.More
	if recorded.More != nil {
		a = *recorded.More
	}
	b = *model.More
	if (a.Err != "") != (b.Err != "") {
		return false
	}
	if a.Err != "" {
		return true
	}
	switch recorded.Kind {
	case history.Txn:
		for i := range a.Parts {
			if !sameReply(&a.Parts[i], &b.Parts[i]) {
				return false
			}
		}
		return true
	case history.Read, history.HashGet:
		return recorded.Absent == model.Absent && recorded.Value == model.Value
	case history.GetBit:
		return recorded.Value == model.Value
	case history.Write:
		return !a.HasReplaced || recorded.Absent == model.Absent && a.Replaced == b.Replaced
	case history.Pop, history.GetDelete, history.ListMove:
		return recorded.Absent == model.Absent && a.Result == b.Result
	case history.SortedScore:
		return recorded.Absent == model.Absent && (recorded.Absent || sameNumber(a.Result, b.Result))
	case history.SortedPop:
		return recorded.Absent == model.Absent && sameScores(a.Values, b.Values)
	case history.ReadSorted:
		return sameScores(a.Values, b.Values)
	case history.SortedIncr:
		return a.Result == "" || sameNumber(a.Result, b.Result)
	case history.ReadList, history.ReadStream, history.GroupRead, history.ReadPending, history.ReadHash, history.ReadSet:
		return slices.Equal(a.Values, b.Values)
	case history.ReadExpiry:
		return recorded.Absent == model.Absent && (recorded.Absent || sameDeadline(a.Deadline, b.Deadline))
	}
	return a.Result == "" || a.Result == b.Result
}

// sameDeadline: a server counts milliseconds.
func sameDeadline(a, b time.Duration) bool {
	return a == b || a != 0 && b != 0 && max(a-b, b-a) <= time.Millisecond
}

func sameNumber(a, b string) bool {
	return a == b || parseScore(a) == parseScore(b)
}

func sameScores(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && (i%2 == 0 || parseScore(a[i]) != parseScore(b[i])) {
			return false
		}
	}
	return true
}

// matches reports whether a keyspace may be read as the state found: keys whose
// time is over by then are gone.
func (s *search) matches(state *Keyspace) bool {
	found := map[string]*history.KV{}
	for i := range s.q.Found.Keys {
		found[s.q.Found.Keys[i].Key] = &s.q.Found.Keys[i]
	}
	for name := range found { // any order: all must hold
		if state.Keys[name] == nil {
			return false
		}
	}
	for _, kv := range state.KVs() {
		v := state.Keys[kv.Key]
		f := found[kv.Key]
		if f == nil {
			if v.Deadline == 0 || v.Deadline > s.q.Found.At+s.q.Slack {
				return false
			}
			continue
		}
		if (f.TTL == 0) != (v.Deadline == 0) || f.Deadline != 0 && (f.Deadline-v.Deadline).Abs() > s.q.Slack || !sameValue(f, &kv) {
			return false
		}
	}
	return true
}

func sameValue(found, is *history.KV) bool {
	if found.Type != is.Type || found.Value != is.Value || (found.List == nil) != (is.List == nil) {
		return false
	}
	if found.Type == "zset" {
		return sameScores(found.List, is.List)
	}
	if !slices.Equal(found.List, is.List) {
		return false
	}
	if !found.GroupsRead {
		return true
	}
	return slices.EqualFunc(found.Groups, is.Groups, func(a, b history.Group) bool {
		return a.Name == b.Name && a.Last == b.Last && slices.Equal(a.Pending, b.Pending)
	})
}
