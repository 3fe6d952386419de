package linear

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Problem is one key, or several that operations tie together, with the
// operations on them.
type Problem struct {
	Keys []Key
	// Ops are the operations of the keys in order of invocation; failed ones and
	// unanswered reads are left out. They do not change once they were searched.
	Ops []*history.Op
	// Crash is when everything that was under way ended: history.Never when there
	// was no crash. Nothing of the problem may come after it.
	Crash time.Duration
	// Find: one read of all keys, which found Key.Found, took place at some instant
	// from FoundFrom to FoundTo.
	Find               bool
	FoundFrom, FoundTo time.Duration
	// Inside, when not nil, took effect before that read, and Outside did not.
	Inside, Outside *history.Op
	// Split makes the parts of a transaction take effect one by one.
	Split func(*history.Op) bool

	plan *plan
}

// Key is one key of a Problem.
type Key struct {
	Name string
	// Initial is its state at the start (see Load); "" when it was not there.
	Initial string
	// InitialFor is how much earlier than in Initial its deadline may be.
	InitialFor time.Duration
	// String: what is appended is appended to a string (APPEND), not to a list.
	String bool
	Found  Found
}

// part is one operation of one key (of two, for ListMove), alone or in a transaction.
type part struct {
	op   *history.Op
	kind history.Kind
	key  int32
	to   int32
	// before is what the key held before it, when that is known.
	before string
	known  bool
	// beforeFound is the same, when what was found after the crash says so.
	beforeFound string
	knownFound  bool
}

// task is what the search puts in order: an operation, the passing of a
// deadline, or the read after the crash.
type task struct {
	op    *history.Op // nil for the latter two
	parts []part
	// call and ret are when it begins and has ended; never for operations without a reply.
	call, ret int64
	deadline  time.Duration // that passes; 0 otherwise
	found     bool          // the read after the crash
	acked     bool
	// answered: it must be put in order. An operation without a reply need not.
	answered bool
	// reads: it changes nothing, so that nothing is lost by putting it first when it fits.
	reads bool
	// twin is an equal operation without a reply that was invoked earlier, or -1:
	// this one is only needed once that one is used.
	twin int32
	op32 int32 // place in Problem.Ops, or -1
	// group: of the tasks of one group at most one happens; -1 when it is in none.
	group int32
	// queue is one more than the number of the queue that it pushes to, rank its
	// place there, and popped when the pop of its element was invoked.
	queue, rank int32
	popped      int64
}

const never = int64(history.Never)

// plan is a problem compiled for the search.
type plan struct {
	tasks  []task
	clock  bool // deadlines pass
	groups int32
	queues []queue
	seen   []sighting // entries of streams that were seen; nil: not looked for yet
}

// compile lists the tasks. What does not depend on the question asked (Found...,
// Inside, Outside, Split) is kept.
func (p *Problem) compile() *plan {
	if p.plan != nil && p.Split == nil {
		return p.plan
	}
	pl := &plan{}
	place := make(map[string]int32, len(p.Keys))
	for i := range p.Keys {
		place[p.Keys[i].Name] = int32(i)
	}
	crash := int64(p.Crash)
	for i, op := range p.Ops {
		if op.Outcome == history.Failed || op.Outcome != history.OK && !op.Writes() {
			continue
		}
		t := task{op: op, call: int64(op.Invoke), ret: never, twin: -1, group: -1, op32: int32(i), acked: op.Outcome == history.OK}
		if t.answered = t.acked; t.answered {
			t.ret = max(t.call, min(crash, int64(op.Return)))
		}
		t.parts = p.parts(op, place)
		if op.Kind == history.Txn && p.Split != nil && p.Split(op) {
			for _, one := range t.parts {
				single := t
				single.parts = []part{one}
				single.reads = single.acked && readsOnly(single.parts)
				pl.tasks = append(pl.tasks, single)
			}
			continue
		}
		t.reads = t.acked && readsOnly(t.parts)
		pl.tasks = append(pl.tasks, t)
		if !t.acked {
			pl.groups = p.chooseIDs(pl, pl.groups)
		}
	}
	p.deadlines(pl)
	p.requireStates(pl)
	p.findQueues(pl)
	pl.findTwins()
	if p.Split == nil {
		p.plan = pl
	}
	return pl
}

// parts are the operations on single keys that op consists of. Keys that are
// not of the problem are left out.
func (p *Problem) parts(op *history.Op, place map[string]int32) []part {
	one := func(op *history.Op) (part, bool) {
		at, ok := place[op.Key]
		if !ok {
			return part{}, false
		}
		of := part{op: op, kind: op.Kind, key: at, to: -1}
		switch {
		case op.Kind == history.Append && p.Keys[at].String:
			of.kind = history.StringAppend
		case op.Kind == history.Append:
			of.kind = history.Push
		case op.Kind == history.ListMove && op.More != nil:
			if of.to, ok = place[op.More.To]; !ok {
				return part{}, false
			}
		}
		return of, true
	}
	if op.Kind != history.Txn {
		if of, ok := one(op); ok {
			return []part{of}
		}
		return nil
	}
	if op.More == nil {
		return nil
	}
	parts := make([]part, 0, len(op.More.Parts))
	for i := range op.More.Parts {
		if of, ok := one(&op.More.Parts[i]); ok {
			parts = append(parts, of)
		}
	}
	return parts
}

// readsOnly reports whether acknowledged parts change nothing in any state that
// their replies fit.
func readsOnly(parts []part) bool {
	for i := range parts {
		p := &parts[i]
		if !p.op.Writes() {
			continue
		}
		result := ""
		if p.op.More != nil {
			result = p.op.More.Result
		}
		switch p.kind {
		case history.CAS, history.Delete, history.SetAdd, history.SetRemove, history.HashRemove, history.SortedRemove,
			history.ListRemove, history.StreamRemove, history.GroupAck, history.Expire, history.Persist:
			if result != "0" {
				return false
			}
		case history.Pop, history.GetDelete, history.ListMove, history.SortedPop:
			if !p.op.Absent {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// deadlines adds the passing of each deadline that an operation or the initial
// state sets, as a task of its own: what comes after it in the order finds the
// key gone, what comes before it does not.
func (p *Problem) deadlines(pl *plan) {
	at := map[time.Duration]time.Duration{} // and how much earlier it may pass
	for i := range p.Keys {
		if d, _ := split(p.Keys[i].Initial); d != 0 {
			at[d] = max(at[d], p.Keys[i].InitialFor+Slack)
		}
	}
	for i := range pl.tasks {
		for _, of := range pl.tasks[i].parts {
			if m := of.op.More; m != nil && m.Deadline > 0 && of.kind != history.ReadExpiry {
				at[m.Deadline] = max(at[m.Deadline], 0)
			}
		}
	}
	if len(at) == 0 {
		return
	}
	pl.clock = true
	sorted := make([]time.Duration, 0, len(at))
	for d := range at { // any order: sorted below
		sorted = append(sorted, d)
	}
	slices.Sort(sorted)
	end := int64(p.Crash)
	for _, d := range sorted {
		call := int64(d - at[d])
		if call > end {
			continue // it passes after the crash: see Found
		}
		pl.tasks = append(pl.tasks, task{call: call, ret: min(int64(d+Slack), max(end, call)), deadline: d, answered: true, twin: -1, group: -1, op32: -1})
	}
}

// findTwins ties operations without a reply that do the same to each other: of
// equal ones the one invoked first may as well be used first.
func (pl *plan) findTwins() {
	last := map[string]int32{}
	var b strings.Builder
	for i := range pl.tasks {
		t := &pl.tasks[i]
		if t.answered || t.op == nil {
			continue
		}
		if t.group >= 0 {
			continue
		}
		b.Reset()
		for k := range t.parts {
			describePart(&b, &t.parts[k])
		}
		key := b.String()
		if before, ok := last[key]; ok {
			t.twin = before
		}
		last[key] = int32(i)
	}
}

// describePart writes all that matters of an operation without a reply.
func describePart(b *strings.Builder, p *part) {
	m := p.op.More
	if m == nil {
		m = &none
	}
	b.WriteByte(byte(p.kind))
	for _, s := range []string{p.op.Key, p.op.Value, m.Expect, m.Field, m.Score, m.To, m.Entry, m.Group, m.Consumer} {
		b.WriteString(item(s))
	}
	for _, is := range []bool{m.Head, m.ToHead, m.ExpectAbsent, m.ToAbsent} {
		b.WriteString(digit(is))
	}
	b.WriteString(m.Deadline.String())
	b.WriteByte(' ')
	b.WriteString(time.Duration(m.Index).String())
}

// events is the order in which the search meets the tasks: invocations and
// returns by time. Of what happens at one instant invocations come first, since
// intervals are closed.
//
// Operations without a reply should be tried last: they explain what others do
// not. What an operation must follow is only told by the returns before its
// invocation, so the invocation of one without a reply may be put off to just
// before the next return, behind the invocations of the others that could come
// as well.
type event struct {
	at    int64
	class int8 // invocation, invocation put off, return
	task  int32
}

func (pl *plan) events(tasks []task) []event {
	events := make([]event, 0, 2*len(tasks))
	var returns []int64
	for i := range tasks {
		if tasks[i].answered {
			returns = append(returns, tasks[i].ret)
		}
	}
	slices.Sort(returns)
	for i := range tasks {
		t := &tasks[i]
		if t.answered {
			events = append(events, event{t.call, 0, int32(i)}, event{t.ret, 2, int32(i)})
			continue
		}
		at := never
		if n, _ := slices.BinarySearch(returns, t.call); n < len(returns) {
			at = returns[n]
		}
		events = append(events, event{at, 1, int32(i)})
	}
	slices.SortStableFunc(events, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.class, b.class))
	})
	return events
}
