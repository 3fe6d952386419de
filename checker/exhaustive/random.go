package exhaustive

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Draw is where randomness comes from: a number from 0 to n-1.
type Draw func(n int) int

// chance is true once in n.
func (d Draw) chance(n int) bool { return d(n) == n-1 }

// Family are the operations that one type of value has.
type Family struct {
	Name  string
	Kinds []history.Kind
}

// Families lists the types of values, and counters, queues and so on, which use
// some of the operations of their type.
func Families() []Family {
	return []Family{
		{"register", []history.Kind{history.Write, history.Write, history.Read}},
		{"register with deletes", []history.Kind{history.Write, history.Write, history.Read, history.Delete, history.GetDelete}},
		{"compare-and-set", []history.Kind{history.Write, history.CAS, history.CAS, history.Read}},
		{"string", []history.Kind{history.Write, history.Read, history.CAS, history.Incr, history.StringAppend, history.SetRange, history.GetDelete, history.Delete}},
		{"counter", []history.Kind{history.Incr, history.Incr, history.Read}},
		{"bits", []history.Kind{history.SetBit, history.SetBit, history.GetBit, history.Read}},
		{"appended string", []history.Kind{history.StringAppend, history.StringAppend, history.Read}},
		{"appended list", []history.Kind{history.Append, history.Append, history.ReadList}},
		{"queue", []history.Kind{history.Push, history.Push, history.Pop, history.Pop, history.ReadList}},
		{"list", []history.Kind{history.Push, history.Pop, history.ListMove, history.ListRemove, history.ReadList, history.Delete}},
		{"grow-only set", []history.Kind{history.SetAdd, history.SetAdd, history.ReadSet}},
		{"set", []history.Kind{history.SetAdd, history.SetRemove, history.SetHas, history.ReadSet, history.Delete}},
		{"hash", []history.Kind{history.HashSet, history.HashSet, history.HashRemove, history.HashGet, history.HashIncr, history.ReadHash, history.Delete}},
		{"sorted set", []history.Kind{history.SortedAdd, history.SortedAdd, history.SortedRemove, history.SortedIncr, history.SortedScore, history.SortedPop, history.ReadSorted}},
		{"stream", []history.Kind{history.StreamAdd, history.StreamAdd, history.StreamAdd, history.StreamRemove, history.ReadStream, history.GroupCreate, history.GroupRead, history.GroupAck, history.ReadPending}},
		{"expiring", []history.Kind{history.Write, history.Read, history.Expire, history.Persist, history.ReadExpiry, history.Delete}},
	}
}

// Shape says what a random history is made of.
type Shape struct {
	// Families of which each key has one; nil: all of them, and now and then a key
	// that operations of every kind are tried on.
	Families []Family
	// Least and Most are how many operations there are; at most MostOps.
	Least, Most int
	// Keys is how many keys there are at most.
	Keys int
	// Txns: one in so many operations is a transaction; 0: none is.
	Txns int
	// Crashes: one in so many histories ends with a crash; 0: none does.
	Crashes int
	// Queues: lists are pushed to at the tail, and popped from the head.
	Queues bool
	// Stacks: lists are pushed to and popped from at the head, and in half of the
	// histories nobody is told how long they are.
	Stacks bool
	// Plain: no string is written twice, and none is told of when it is replaced.
	Plain bool
	// Twins: two strings of three have been written before, or will be; otherwise one of three.
	Twins bool
	// Expiring: half of the values are set with a deadline, whatever the family.
	Expiring bool
	// Lies: one in so many histories has something made up; 0: none has.
	Lies int
}

// Small is the shape of what the judges are compared on.
var Small = Shape{Least: 4, Most: 9, Keys: 3, Txns: 7, Crashes: 2, Lies: 2}

const ms = time.Millisecond

// History draws a history that really happened: each operation took effect at
// an instant between its invocation and its return. Then, perhaps, a reply or
// what was found after the crash is made up.
func (s Shape) History(d Draw) Question {
	m := maker{d: d, shape: s}
	m.keys()
	m.plan()
	m.happen()
	if s.Lies > 0 && d.chance(s.Lies) {
		for range 6 {
			if m.lie() {
				break
			}
		}
	}
	if s.Stacks && d.chance(2) {
		for i := range m.q.Ops {
			if op := &m.q.Ops[i]; op.Kind == history.Push {
				op.More.Result = ""
			}
		}
	}
	return m.q
}

type maker struct {
	d     Draw
	shape Shape
	q     Question
	names []string
	kinds [][]history.Kind // of each key
	at    []time.Duration  // when each operation takes effect
	order []int
	// states[i] is the state before the i-th effect, the last one that at the end.
	states []*Keyspace
	unique int
}

func (m *maker) keys() {
	for i := range 1 + min(m.d(m.shape.Keys), m.d(m.shape.Keys)) { // one key is the most telling
		m.names = append(m.names, string(rune('a'+i)))
		families := m.shape.Families
		if families == nil {
			families = Families()
		}
		kinds := families[m.d(len(families))].Kinds
		if m.shape.Families == nil && m.d.chance(10) {
			kinds = everyKind()
		}
		m.kinds = append(m.kinds, kinds)
	}
	m.q.Slack = 2 * ms
	m.q.Crash = history.Never
	if m.d.chance(5) {
		m.q.Initial = New()
		for range 1 + m.d(6) {
			op := m.operation(m.d(len(m.names)), 0)
			m.q.Initial.Do(op)
		}
		for name, v := range m.q.Initial.Keys { // any order: each by itself
			if v.Stream != nil {
				v.Stream.Last = v.Stream.known()
			}
			if v.Deadline < 0 {
				delete(m.q.Initial.Keys, name)
			}
		}
		m.q.Initial.Pass(0)
	}
}

// known is the last ID as far as reading the stream tells it.
func (s *Stream) known() (last ID) {
	later := func(id ID) {
		if id.after(last) {
			last = id
		}
	}
	for _, e := range s.Entries {
		later(e.ID)
	}
	for _, g := range s.Groups { // any order: the latest of all
		later(g.Last)
		for id := range g.Pending { // any order: the latest of all
			later(id)
		}
	}
	return last
}

func everyKind() []history.Kind {
	var all []history.Kind
	for k := history.Read; k <= history.LastKind; k++ {
		if k != history.Txn && k != history.Append { // what an Append does depends on what else is done with its key
			all = append(all, k)
		}
	}
	return all
}

// plan draws the operations and when they are under way.
func (m *maker) plan() {
	n := m.shape.Least + m.d(m.shape.Most-m.shape.Least+1)
	clients := 3 + m.d(3)
	free := make([]time.Duration, clients)
	pending := m.d.chance(3)
	for i := range n {
		c := m.d(clients)
		if i < 3 {
			c = i
		}
		invoke := free[c] + time.Duration(m.d(8))*ms
		op := m.draw(invoke)
		op.Client, op.Invoke, op.Outcome = c, invoke, history.OK
		op.Return = invoke + time.Duration(m.d(16))*ms
		free[c] = op.Return
		if pending && m.d.chance(3) && op.Writes() {
			op.Outcome = history.Unknown
		}
		m.q.Ops = append(m.q.Ops, op)
	}
	if m.shape.Crashes > 0 && m.d.chance(m.shape.Crashes) {
		m.crash()
	}
	sort.SliceStable(m.q.Ops, func(i, j int) bool { return m.q.Ops[i].Invoke < m.q.Ops[j].Invoke })
	for i := range m.q.Ops {
		op := &m.q.Ops[i]
		op.ID = i
		at := op.Invoke + time.Duration(m.d(int((op.Return-op.Invoke)/ms)+1))*ms
		if op.Outcome == history.Unknown {
			op.Return = history.Never
			if at = op.Invoke + time.Duration(m.d(24))*ms; m.d.chance(4) {
				at = history.Never
			}
		}
		m.at = append(m.at, at)
		m.order = append(m.order, i)
	}
	sort.SliceStable(m.order, func(i, j int) bool { return m.at[m.order[i]] < m.at[m.order[j]] })
}

// crash ends the life after the last invocation; who has no reply by then gets
// none, or just one.
func (m *maker) crash() {
	for i := range m.q.Ops {
		if t := m.q.Ops[i].Invoke; m.q.Crash == history.Never || t >= m.q.Crash {
			m.q.Crash = t + 1
		}
	}
	m.q.Crash += time.Duration(m.d(12)) * ms
	for i := range m.q.Ops {
		op := &m.q.Ops[i]
		if op.Return <= m.q.Crash {
			continue
		}
		op.Return = m.q.Crash
		if m.d.chance(2) && op.Writes() {
			op.Outcome = history.Unknown
		}
	}
}

// draw is an operation, or a transaction.
func (m *maker) draw(invoke time.Duration) history.Op {
	if m.shape.Txns == 0 || !m.d.chance(m.shape.Txns) {
		return m.operation(m.d(len(m.names)), invoke)
	}
	txn := history.Op{Kind: history.Txn, More: &history.More{Offset: -1}}
	for range 1 + m.d(3) {
		txn.More.Parts = append(txn.More.Parts, m.operation(m.d(len(m.names)), invoke))
	}
	return txn
}

// operation draws one on a key, as it is asked for.
func (m *maker) operation(key int, invoke time.Duration) history.Op {
	d := m.d
	more := &history.More{Offset: -1}
	op := history.Op{Kind: m.kinds[key][d(len(m.kinds[key]))], Key: m.names[key], More: more}
	few := func() string { return string(rune('p' + d(3))) }
	value := func() string {
		if !m.shape.Plain && (d.chance(3) != m.shape.Twins || slices.Contains(m.kinds[key], history.ListRemove) && d.chance(2)) {
			return strconv.Itoa(1 + d(2))
		}
		m.unique++
		return strconv.Itoa(10 + m.unique)
	}
	deadline := func() time.Duration { return max(1, invoke+time.Duration(d(24)-3)*ms) }
	switch op.Kind {
	case history.Write:
		op.Value = value()
		more.HasReplaced = !m.shape.Plain && d.chance(5)
		if (m.shape.Expiring || slices.Contains(m.kinds[key], history.Expire)) && d.chance(2) {
			more.Deadline = deadline()
		}
	case history.Append, history.Push:
		op.Value, more.Head = value(), m.shape.Stacks || d.chance(3) && !m.shape.Queues
	case history.StringAppend:
		op.Value = value()
	case history.SetRange:
		op.Value, more.Index = value(), int64(d(3))
	case history.Incr, history.HashIncr:
		op.Value = strconv.Itoa(d(4) - 1)
		if field := few(); op.Kind == history.HashIncr {
			more.Field = field
		}
	case history.CAS:
		op.Value, more.Expect = value(), strconv.Itoa(1+d(2))
		if more.ExpectAbsent = d.chance(4); more.ExpectAbsent {
			more.Expect = ""
		} else if d.chance(2) {
			more.Expect = strconv.Itoa(10 + max(1, m.unique-1))
		}
	case history.Expire:
		more.Deadline = deadline()
	case history.Pop, history.SortedPop:
		more.Head = m.shape.Stacks || d.chance(2) || m.shape.Queues
	case history.SetBit:
		op.Value, more.Index = strconv.Itoa(d(2)), int64(d(3))
	case history.GetBit:
		more.Index = int64(d(3))
	case history.ListMove:
		more.Head, more.ToHead, more.To = d.chance(2), d.chance(2), m.names[d(len(m.names))]
	case history.ListRemove:
		op.Value, more.Index = strconv.Itoa(1+d(2)), int64(d(3)-1)
	case history.SetAdd, history.SetRemove, history.SetHas, history.SortedRemove, history.SortedScore:
		op.Value = few()
	case history.HashSet:
		op.Value, more.Field = value(), few()
	case history.HashRemove, history.HashGet:
		more.Field = few()
	case history.SortedAdd, history.SortedIncr:
		op.Value, more.Score = few(), strconv.Itoa(d(4)-1)
	case history.StreamAdd:
		more.Field, op.Value = "f", value()
		if !d.chance(3) {
			more.Entry = strconv.Itoa(1+d(4)) + "-0"
		}
	case history.StreamRemove:
		more.Entry = strconv.Itoa(1+d(4)) + "-0"
	case history.GroupCreate:
		more.Group, more.Entry = "g", []string{"0-0", "$", "1-0"}[d(3)]
	case history.GroupRead:
		more.Group, more.Consumer, more.Index = "g", few(), int64(d(3))
	case history.GroupAck:
		more.Group, more.Entry = "g", strconv.Itoa(1+d(4))+"-0"
	case history.ReadPending:
		more.Group = "g"
	}
	return op
}

// happen lets the operations take effect, gives them their replies, and reads
// what some prefix left.
func (m *maker) happen() {
	now := New()
	if m.q.Initial != nil {
		now = m.q.Initial.Clone()
	}
	for _, i := range m.order {
		if m.at[i] == history.Never || m.at[i] > m.q.Crash {
			break
		}
		m.states = append(m.states, now.Clone())
		op := &m.q.Ops[i]
		now.Pass(m.at[i])
		if got := now.Do(*op); op.Outcome == history.OK {
			*op = got
			if op.More.Err != "" {
				op.Outcome = history.Failed
			}
		}
	}
	m.states = append(m.states, now)
	if m.q.Crash != history.Never {
		m.found(m.states[max(m.d(len(m.states)), m.d(len(m.states)))])
	}
}

// found is what is read after the crash, of a state.
func (m *maker) found(state *Keyspace) {
	f := &history.State{Epoch: 1, Began: m.q.Crash + ms}
	f.At = f.Began + time.Duration(m.d(2))*ms
	left := state.Clone()
	left.Now = max(left.Now, f.Began)
	left.Pass(f.Began)
	f.Keys = left.KVs()
	for i := range f.Keys {
		if kv := &f.Keys[i]; kv.Deadline != 0 && m.d.chance(3) {
			kv.Deadline = 0 // nobody read it
		}
	}
	m.q.Found = f
}

// lie makes one thing up: a reply, or what was found. It reports whether that
// made a difference.
func (m *maker) lie() bool {
	if m.q.Found != nil && m.d.chance(2) {
		was := fmt.Sprint(m.q.Found.Keys)
		m.lieAboutState()
		return fmt.Sprint(m.q.Found.Keys) != was
	}
	op := &m.q.Ops[m.d(len(m.q.Ops))]
	if op.Outcome != history.OK {
		return false
	}
	was := sketch(op)
	if m.d.chance(3) {
		if r := op.More.Result; r == "0" || r == "1" {
			op.More.Result = string('0' + '1' - r[0])
		}
		return sketch(op) != was
	}
	// The reply that it would have got at another time.
	state := m.states[m.d(len(m.states))].Clone()
	if got := state.Do(*op); got.More.Err == "" {
		*op = got
	}
	return sketch(op) != was
}

// lieAboutState: each key as it was at a time of its own, or one key gone, or
// as nobody wrote it.
func (m *maker) lieAboutState() {
	switch m.d(4) {
	case 0:
		mixed := New()
		mixed.Now = m.q.Crash
		for _, name := range m.names {
			if v := m.states[m.d(len(m.states))].Keys[name]; v != nil {
				mixed.Keys[name] = v.clone()
			}
		}
		m.found(mixed)
	case 1:
		name := m.names[m.d(len(m.names))]
		m.q.Found.Keys = slices.DeleteFunc(m.q.Found.Keys, func(kv history.KV) bool { return kv.Key == name })
	default:
		if len(m.q.Found.Keys) == 0 {
			return
		}
		kv := &m.q.Found.Keys[m.d(len(m.q.Found.Keys))]
		if kv.Deadline != 0 && m.d.chance(2) {
			// As a server has it that begins to count anew when it starts, or has forgotten it.
			if kv.Deadline += time.Duration(4+m.d(8)) * ms; m.d.chance(3) {
				kv.TTL, kv.Deadline = 0, 0
			}
			return
		}
		if kv.TTL == 0 && m.d.chance(6) {
			kv.TTL = 50 * ms // as nobody gave it
			return
		}
		if kv.List == nil {
			kv.Value = strconv.Itoa(10 + m.d(m.unique+1))
		} else if kv.Type == "" && len(kv.List) > 1 {
			at := m.d(len(kv.List))
			kv.List = slices.Delete(kv.List, at, at+1)
		} else if kv.Type == "set" && len(kv.List) > 1 {
			kv.List = kv.List[1:]
		}
	}
}

// History is the question as a history of a server.
func (q *Question) History() *history.History {
	h := &history.History{Ops: pushes(q.Ops, q.lists())}
	if q.Initial != nil {
		h.States = append(h.States, history.State{Keys: q.Initial.KVs()})
	}
	if q.Crash != history.Never {
		h.Epochs = []history.Epoch{{Ended: q.Crash, How: history.PowerCut, DiskSeen: true}}
		h.States = append(h.States, *q.Found)
	}
	return h
}

// pushes has a Push for each Append to a key of which nothing else says that it is a
// list: the models here append to lists only, and there too great a length would say
// that it is none.
func pushes(ops []history.Op, lists map[string]bool) []history.Op {
	ops = slices.Clone(ops)
	for i := range ops {
		switch op := &ops[i]; {
		case op.Kind == history.Append && !lists[op.Key]:
			op.Kind = history.Push
		case op.Kind == history.Txn:
			m := *op.More
			m.Parts = pushes(m.Parts, lists)
			op.More = &m
		}
	}
	return ops
}

// lists are the keys of which something else than an Append says that they are lists.
func (q *Question) lists() map[string]bool {
	lists := map[string]bool{}
	var say func(ops []history.Op)
	say = func(ops []history.Op) {
		for i := range ops {
			switch op := &ops[i]; op.Kind {
			case history.Push, history.Pop, history.ReadList, history.ListRemove:
				lists[op.Key] = true
			case history.ListMove:
				lists[op.Key], lists[op.More.To] = true, true
			case history.Txn:
				say(op.More.Parts)
			}
		}
	}
	say(q.Ops)
	found := func(kvs []history.KV) {
		for i := range kvs {
			lists[kvs[i].Key] = lists[kvs[i].Key] || kvs[i].List != nil && kvs[i].Type == ""
		}
	}
	if q.Initial != nil {
		found(q.Initial.KVs())
	}
	if q.Found != nil {
		found(q.Found.Keys)
	}
	return lists
}

// Expires reports whether anything in the question has a deadline.
func (q *Question) Expires() bool {
	if q.Initial != nil {
		for _, v := range q.Initial.Keys { // any order: it looks for one
			if v.Deadline != 0 {
				return true
			}
		}
	}
	var has func(op history.Op) bool
	has = func(op history.Op) bool {
		return op.More != nil && (op.More.Deadline != 0 || slices.ContainsFunc(op.More.Parts, has))
	}
	return slices.ContainsFunc(q.Ops, has)
}

// String tells the question in short lines.
func (q Question) String() string {
	var b strings.Builder
	if q.Initial != nil {
		fmt.Fprintf(&b, "began with %s\n", q.Initial)
	}
	for i := range q.Ops {
		op := &q.Ops[i]
		until := "?"
		if op.Return != history.Never {
			until = strconv.FormatInt(int64(op.Return/ms), 10)
		}
		fmt.Fprintf(&b, "%d: client %d [%d %s] %s\n", i, op.Client, op.Invoke/ms, until, sketch(op))
	}
	if q.Found != nil {
		fmt.Fprintf(&b, "crash %s, found [%s %s] %+v\n", q.Crash, q.Found.Began, q.Found.At, q.Found.Keys)
	}
	return b.String()
}

func sketch(op *history.Op) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %q", op.Outcome, op.Kind, op.Key)
	if op.Value != "" {
		fmt.Fprintf(&b, " value %q", op.Value)
	}
	if op.Absent {
		b.WriteString(" absent")
	}
	m := op.More
	if m == nil {
		return b.String()
	}
	if len(m.Parts) > 0 {
		for i := range m.Parts {
			fmt.Fprintf(&b, "\n     %s", sketch(&m.Parts[i]))
		}
		return b.String()
	}
	fmt.Fprintf(&b, " %s", nonZero(*m))
	return b.String()
}

// nonZero are the fields of m that are set.
func nonZero(m history.More) string {
	var words []string
	for _, f := range []struct {
		name  string
		value any
		set   bool
	}{
		{"result", m.Result, m.Result != ""}, {"expect", m.Expect, m.Expect != ""}, {"nothing expected", "", m.ExpectAbsent},
		{"values", m.Values, m.Values != nil}, {"deadline", m.Deadline, m.Deadline != 0}, {"replaced", m.Replaced, m.HasReplaced},
		{"field", m.Field, m.Field != ""}, {"score", m.Score, m.Score != ""}, {"head", "", m.Head}, {"to head", "", m.ToHead},
		{"error", m.Err, m.Err != ""}, {"index", m.Index, m.Index != 0}, {"to", m.To, m.To != ""}, {"entry", m.Entry, m.Entry != ""},
		{"group", m.Group, m.Group != ""}, {"consumer", m.Consumer, m.Consumer != ""},
	} {
		if f.set {
			words = append(words, fmt.Sprintf("%s %v", f.name, f.value))
		}
	}
	return strings.Join(words, ", ")
}
