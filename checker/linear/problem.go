package linear

import (
	"cmp"
	"slices"
	"sort"
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
	// Last: that read came after every acknowledged operation.
	Last bool
	// Split makes the parts of a transaction take effect one by one.
	Split func(*history.Op) bool
	// Memory is what the search works with; nil: of its own.
	Memory *Memory

	plan *plan
}

// Key is one key of a Problem.
type Key struct {
	Name string
	// Initial is its state at the start (see Load); "" when it was not there.
	Initial string
	// InitialFor is how much earlier than in Initial its deadline may be.
	InitialFor time.Duration
	// String: what is appended is appended to a string (APPEND), not to a list. Either:
	// the key is a string at times, and a list at others.
	String, Either bool
	Found          Found
}

// part is one operation of one key (of two, for ListMove), alone or in a transaction.
type part struct {
	op     *history.Op
	kind   history.Kind
	key    int32
	to     int32 // of ListMove; -1
	number int32 // among all parts of the plan
	// before is the state of the key before it (as states numbers them), when other
	// replies tell; beforeFound is the same, when what was found after the crash
	// tells. noState: nothing is known.
	before, beforeFound int32
	// needs is the state of the key before it that its own reply tells, and after
	// the state that it leaves whatever there was; noState where that depends.
	needs, after int32
	// makes is the state that it brings about if it has an effect, of plain keys.
	makes int32
	// chosen: op has the ID that the server chose for the entry (see chooseIDs).
	chosen bool
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
	// untried: the server may have chosen IDs that no task has (see chooseIDs).
	untried bool
	// stack is the problem as a stack; nil when it is none.
	stack  *stack
	answer Answer // without a search
	states *states
	// plain keys are only read, set, compared and set, and deleted: each reply that
	// shows their state shows all of it, and nothing brings a state back but the
	// operation whose value it is.
	plain []bool
	// of and from list the parts on each key: of[from[k]:from[k+1]] are those on key k.
	of   []where
	from []int32
	// returns are the answered tasks in order of return, calls in order of invocation.
	calls, returns, open []int32
}

// where is a part of a task.
type where struct{ task, part int32 }

// compile lists the tasks. What does not depend on the question asked (Found...,
// Inside, Outside, Split) is kept.
func (p *Problem) compile() *plan {
	if p.plan != nil && p.Split == nil {
		return p.plan
	}
	pl := &plan{tasks: make([]task, 0, len(p.Ops)+1)}
	total := 0
	for _, op := range p.Ops {
		if total++; op.Kind == history.Txn && op.More != nil {
			total += len(op.More.Parts) - 1
		}
	}
	parts := make([]part, 0, total)
	place := p.places()
	crash := int64(p.Crash)
	for i, op := range p.Ops {
		if op.Outcome == history.Failed || op.Outcome != history.OK && !op.Writes() {
			continue
		}
		t := task{op: op, call: int64(op.Invoke), ret: never, twin: -1, group: -1, op32: int32(i), acked: op.Outcome == history.OK}
		if t.answered = t.acked; t.answered {
			t.ret = max(t.call, min(crash, int64(op.Return)))
		}
		n := len(parts)
		parts = p.parts(parts, op, place)
		t.parts = parts[n:len(parts):len(parts)]
		if op.Kind == history.Txn && p.Split != nil && p.Split(op) {
			for k := range t.parts {
				single := t
				single.parts = t.parts[k : k+1 : k+1]
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
	pl.index(len(p.Keys))
	if pl.stack = p.stackOf(pl); pl.stack != nil {
		pl.answer = pl.stack.answer()
	}
	pl.states = newStates(p, pl.clock, pl.stack)
	p.requireStates(pl)
	p.ownStates(pl)
	p.findQueues(pl)
	pl.findTwins()
	pl.sort()
	if p.Split == nil {
		p.plan = pl
	}
	return pl
}

// places are the keys' places by name.
func (p *Problem) places() func(name string) (int32, bool) {
	if len(p.Keys) == 1 {
		only := p.Keys[0].Name
		return func(name string) (int32, bool) { return 0, name == only }
	}
	at := make(map[string]int32, len(p.Keys))
	for i := range p.Keys {
		at[p.Keys[i].Name] = int32(i)
	}
	return func(name string) (int32, bool) { i, ok := at[name]; return i, ok }
}

// index numbers the parts and lists them by key.
func (pl *plan) index(keys int) {
	pl.from = make([]int32, keys+1)
	n := int32(0)
	each := func(f func(key int32, w where)) {
		for i := range pl.tasks {
			for k := range pl.tasks[i].parts {
				of, w := &pl.tasks[i].parts[k], where{int32(i), int32(k)}
				if f(of.key, w); of.to >= 0 && of.to != of.key {
					f(of.to, w)
				}
			}
		}
	}
	each(func(key int32, _ where) { pl.from[key+1]++; n++ })
	for k := range keys {
		pl.from[k+1] += pl.from[k]
	}
	pl.of = make([]where, n)
	next := make([]int32, keys)
	copy(next, pl.from)
	each(func(key int32, w where) {
		pl.of[next[key]] = w
		next[key]++
	})
	n = 0
	for i := range pl.tasks {
		for k := range pl.tasks[i].parts {
			of := &pl.tasks[i].parts[k]
			of.number, of.before, of.beforeFound, of.needs, of.after, of.makes = n, noState, noState, noState, noState, noState
			n++
		}
	}
}

// on are the parts on a key, and those that move something to it.
func (pl *plan) on(key int) []where { return pl.of[pl.from[key]:pl.from[key+1]] }

// each calls f for the parts on a key, with what they have of More. It ends with
// false when f does, and when one is of another key, from which it moves something.
func (pl *plan) each(key int, f func(t *task, of *part, m *history.More) bool) bool {
	for _, w := range pl.on(key) {
		t, of := pl.part(w)
		m := of.op.More
		if m == nil {
			m = &none
		}
		if of.key != int32(key) || !f(t, of, m) {
			return false
		}
	}
	return true
}

func (pl *plan) part(w where) (*task, *part) {
	t := &pl.tasks[w.task]
	return t, &t.parts[w.part]
}

// ownStates finds the states that operations need, leave and make, whatever the
// others do.
func (p *Problem) ownStates(pl *plan) {
	pl.plain = make([]bool, len(p.Keys))
	for key := range p.Keys {
		pl.plain[key] = !pl.clock
		growing := p.growingStream(pl, key)
		for _, w := range pl.on(key) {
			t, of := pl.part(w)
			switch of.kind {
			case history.Read, history.Write, history.CAS, history.Delete, history.GetDelete:
				p.ownStatesOf(pl, of, t.acked)
			case history.ReadList, history.ReadSet, history.ReadHash, history.ReadSorted:
				pl.plain[key] = false
				pl.wholeRead(of, t.acked)
			case history.ReadStream:
				pl.plain[key] = false
				if growing {
					pl.wholeRead(of, t.acked)
				}
			default:
				pl.plain[key] = false
			}
		}
	}
}

// wholeRead finds the state that a read of all of a value needs.
func (pl *plan) wholeRead(of *part, acked bool) {
	m := of.op.More
	if m == nil {
		m = &none
	}
	if !acked || m.Err != "" || pl.clock {
		return
	}
	var state string
	switch of.kind {
	case history.ReadList:
		if st := pl.stack; st != nil {
			values := slices.Clone(m.Values)
			if st.head {
				slices.Reverse(values)
			}
			of.needs = pl.states.pileOf(values)
			of.after = of.needs
			return
		}
		state = pack(typeList, m.Values)
	case history.ReadSet:
		state = packSet(m.Values)
	case history.ReadHash:
		state = packHash(m.Values)
	case history.ReadSorted:
		state = packSorted(m.Values)
	case history.ReadStream:
		s := stream{last: noEntry}
		for i := 0; i+2 < len(m.Values); i += 3 {
			s.entries = append(s.entries, entry{m.Values[i], m.Values[i+1], m.Values[i+2]})
			s.last = m.Values[i]
		}
		switch {
		case len(m.Values)%3 != 0:
			state = contradiction
		case len(s.entries) > 0:
			state = s.pack()
		}
	}
	of.needs = pl.states.number(of.key, state)
	of.after = of.needs
}

// growingStream reports whether a key is a stream that nothing is done with but
// adding to it and reading it, so that its entries are all there is to it.
func (p *Problem) growingStream(pl *plan, key int) bool {
	return p.Keys[key].Initial == absent && !slices.ContainsFunc(pl.on(key), func(w where) bool {
		_, of := pl.part(w)
		return of.kind != history.StreamAdd && of.kind != history.ReadStream
	})
}

func (p *Problem) ownStatesOf(pl *plan, of *part, acked bool) {
	op, m := of.op, of.op.More
	if m == nil {
		m = &none
	}
	if m.Err != "" {
		return
	}
	state := func(text string, gone bool) int32 {
		if gone {
			return pl.states.number(of.key, absent)
		}
		return pl.states.number(of.key, "="+text)
	}
	if of.kind == history.Write && !m.HasReplaced {
		if of.after = pl.states.number(of.key, join(m.Deadline, "="+op.Value)); m.ToAbsent {
			of.after = state("", true)
		}
		of.makes = of.after
		return
	}
	if pl.clock {
		return // a state may have a deadline as well
	}
	switch of.kind {
	case history.Read:
		if acked {
			of.needs = state(op.Value, op.Absent)
			if op.Absent && op.Value != "" {
				of.needs = pl.states.number(of.key, contradiction)
			}
			of.after = of.needs
		}
	case history.Write:
		of.makes = state(op.Value, m.ToAbsent)
		if acked {
			of.needs, of.after = state(m.Replaced, op.Absent), of.makes
		}
	case history.Delete:
		of.makes = state("", true)
		switch {
		case !acked || m.Result == "":
			of.after = of.makes
		case m.Result == "0":
			of.needs, of.after = of.makes, of.makes
		}
	case history.GetDelete:
		of.makes = state("", true)
		if acked {
			of.needs, of.after = state(m.Result, op.Absent), of.makes
		}
	case history.CAS:
		switch {
		case acked && m.Result == "1":
			of.needs, of.makes = state(m.Expect, m.ExpectAbsent), state(op.Value, m.ToAbsent)
			of.after = of.makes
		case !acked || m.Result != "0":
			of.makes = state(op.Value, m.ToAbsent)
		}
	}
}

// parts appends the operations on single keys that op consists of. Keys that
// are not of the problem are left out.
func (p *Problem) parts(to []part, op *history.Op, place func(string) (int32, bool)) []part {
	add := func(op *history.Op) {
		at, ok := place(op.Key)
		if !ok {
			return
		}
		of := part{op: op, kind: op.Kind, key: at, to: -1}
		switch {
		case op.Kind == history.Append && p.Keys[at].String:
			of.kind = history.StringAppend
		case op.Kind == history.Append && !p.Keys[at].Either:
			of.kind = history.Push
		case op.Kind == history.ListMove && op.More != nil:
			if of.to, ok = place(op.More.To); !ok {
				return
			}
		}
		to = append(to, of)
	}
	if op.Kind != history.Txn {
		add(op)
	} else if op.More != nil {
		for i := range op.More.Parts {
			add(&op.More.Parts[i])
		}
	}
	return to
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
	for _, is := range []bool{m.Head, m.ToHead, m.ExpectAbsent, m.ToAbsent, m.HasReplaced} { // SET ... GET does not do what SET does
		b.WriteString(digit(is))
	}
	b.WriteString(m.Deadline.String())
	b.WriteByte(' ')
	b.WriteString(time.Duration(m.Index).String())
}

// sort puts the answered tasks in order of invocation and of return, and lists
// the others.
func (pl *plan) sort() {
	for i := range pl.tasks {
		if pl.tasks[i].answered {
			pl.calls = append(pl.calls, int32(i))
		} else {
			pl.open = append(pl.open, int32(i))
		}
	}
	pl.returns = slices.Clone(pl.calls)
	byTime := func(at func(*task) int64) func(a, b int32) int {
		return func(a, b int32) int {
			return cmp.Or(cmp.Compare(at(&pl.tasks[a]), at(&pl.tasks[b])), cmp.Compare(a, b))
		}
	}
	calls := byTime(func(t *task) int64 { return t.call })
	if !slices.IsSortedFunc(pl.calls, calls) {
		slices.SortFunc(pl.calls, calls)
	}
	slices.SortFunc(pl.returns, byTime(func(t *task) int64 { return t.ret }))
}

// event is an invocation or a return as the search meets them: by time. Of what
// happens at one instant invocations come first, since intervals are closed.
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

// events appends the events of the tasks, and of the last of them, which is not
// the plan's, when it is the read after the crash.
func (pl *plan) events(events []event, tasks []task) []event {
	calls, returns := pl.calls, pl.returns
	if extra := len(tasks) - 1; extra == len(pl.tasks) {
		// It is met behind the others of its time, as it is the last.
		insert := func(list []int32, at func(*task) int64) []int32 {
			time := at(&tasks[extra])
			i := sort.Search(len(list), func(n int) bool { return at(&tasks[list[n]]) > time })
			return slices.Insert(slices.Clip(list), i, int32(extra))
		}
		calls = insert(calls, func(t *task) int64 { return t.call })
		returns = insert(returns, func(t *task) int64 { return t.ret })
	}
	// Those without a reply, by the return that they are put off to.
	begin := len(events)
	for _, i := range pl.open {
		at := never
		n := sort.Search(len(returns), func(n int) bool { return tasks[returns[n]].ret >= tasks[i].call })
		if n < len(returns) {
			at = tasks[returns[n]].ret
		}
		events = append(events, event{at, 1, i})
	}
	open := slices.Clone(events[begin:])
	events = events[:begin]
	slices.SortFunc(open, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.task, b.task)) })
	for len(calls)+len(open)+len(returns) > 0 {
		call, put, ret := int64(never), int64(never), int64(never)
		if len(calls) > 0 {
			call = tasks[calls[0]].call
		}
		if len(open) > 0 {
			put = open[0].at
		}
		if len(returns) > 0 {
			ret = tasks[returns[0]].ret
		}
		switch {
		case len(calls) > 0 && call <= put && call <= ret:
			events, calls = append(events, event{call, 0, calls[0]}), calls[1:]
		case len(open) > 0 && put <= ret:
			events, open = append(events, open[0]), open[1:]
		default:
			events, returns = append(events, event{ret, 2, returns[0]}), returns[1:]
		}
	}
	return events
}
