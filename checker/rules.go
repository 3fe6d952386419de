package checker

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
)

// Some replies are wrong whatever the order: what nobody wrote was read, or was
// read before its write began; an element that was acknowledged and that nobody
// removed is missing from a later read of the whole; an element is there more
// often than it was put there. These rules look at each reply once, so that
// they answer at once also where a search among unanswered operations would not.
// They are about the keys that clusters do not know.

// event is one operation on one key: an operation of the epoch, or a part of one.
type event struct {
	op     *history.Op
	whole  *history.Op // the transaction that it is a part of, or op
	place  int         // in the history
	acked  bool
	invoke time.Duration
	ret    time.Duration // never when it was not acked
}

// facts are the operations of one key.
type facts struct {
	key     string
	model   *linear.Model // of all its operations; nil when they are of several
	writes  []event       // that may have happened
	replies []event       // that were acknowledged
	failed  []event       // that did not happen
	kinds   map[history.Kind]bool
	before  *history.KV
	after   *history.KV
}

// ruled are the types of value whose elements the rules know: those that operations put
// there, and see. Any other is searched at once.
var ruled = []*linear.Model{linear.Register, linear.List, linear.Set, linear.Hash, linear.Sorted, linear.Stream}

// rules applies the rules to each key. It returns false when one is broken.
func (j *Judge) rules(e *epoch) bool {
	for _, f := range j.facts(e) {
		if !slices.Contains(ruled, f.model) {
			continue
		}
		if a, broken := j.broken(e, f); broken {
			a.Epoch, a.Key = e.number, f.key
			slices.Sort(a.Ops)
			a.Ops = slices.Compact(a.Ops)
			if a.Story == "" {
				a.Story = j.tell(a.Ops)
			}
			j.found(a)
			return false
		}
	}
	return true
}

// broken looks for a broken rule.
func (j *Judge) broken(e *epoch, f *facts) (anomaly.Anomaly, bool) {
	s := f.supply()
	for _, rule := range []func(*epoch, *facts, *supply) (anomaly.Anomaly, bool){j.unwritten, j.tooOften, j.missing, j.outOfBounds} {
		if a, broken := rule(e, f, s); broken {
			return a, true
		}
	}
	return anomaly.Anomaly{}, false
}

// known are the kinds that clusters judge in no time.
func known(k history.Kind) bool {
	switch k {
	case history.Read, history.Write, history.Delete, history.Append, history.Push, history.ReadList, history.Expire, history.Txn:
		return true
	}
	return false
}

// facts are those of the keys of one type that clusters do not know, in order of appearance.
func (j *Judge) facts(e *epoch) []*facts {
	ops := j.h.Ops[e.from:e.to]
	some := false
	for i := 0; i < len(ops) && !some; i++ {
		some = !known(ops[i].Kind)
		if ops[i].Kind == history.Txn && ops[i].More != nil {
			some = slices.ContainsFunc(ops[i].More.Parts, func(p history.Op) bool { return !known(p.Kind) })
		}
	}
	if !some {
		return nil
	}
	byKey := map[string]*facts{}
	var list []*facts
	of := func(key string) *facts {
		f := byKey[key]
		if f == nil {
			f = &facts{key: key, kinds: map[history.Kind]bool{}, before: kvOf(e.before, key)}
			if j.regs.In.HasRecovered {
				f.after = kvOf(e.after, key)
			}
			byKey[key] = f
			list = append(list, f)
		}
		return f
	}
	for i := range ops {
		op := &ops[i]
		if op.Kind != history.Txn {
			of(op.Key).add(op, op, e.from+i)
			if op.Kind == history.ListMove && op.More != nil {
				of(op.More.To).kinds[op.Kind] = true
			}
			continue
		}
		for k := 0; op.More != nil && k < len(op.More.Parts); k++ {
			p := &op.More.Parts[k]
			if of(p.Key).add(p, op, e.from+i); p.Kind == history.ListMove && p.More != nil {
				of(p.More.To).kinds[p.Kind] = true
			}
		}
	}
	return slices.DeleteFunc(list, func(f *facts) bool {
		f.model = f.typeOf()
		return !slices.ContainsFunc(f.sortedKinds(), func(k history.Kind) bool { return !known(k) })
	})
}

func (f *facts) sortedKinds() []history.Kind {
	var kinds []history.Kind
	for k := range f.kinds { // any order: sorted below
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	return kinds
}

func (f *facts) add(op, whole *history.Op, place int) {
	ev := event{op: op, whole: whole, place: place, acked: whole.Outcome == history.OK, invoke: whole.Invoke, ret: history.Never}
	if ev.acked {
		ev.ret = whole.Return
	}
	if whole.Outcome == history.Failed {
		f.failed = append(f.failed, ev)
		return
	}
	f.kinds[op.Kind] = true
	if ev.acked && op.More != nil && op.More.Err != "" {
		return // it had no effect
	}
	if op.Writes() {
		f.writes = append(f.writes, ev)
	}
	if ev.acked {
		f.replies = append(f.replies, ev)
	}
}

// typeOf is the only type of value that the key has had; nil when there are several.
func (f *facts) typeOf() *linear.Model {
	var model *linear.Model
	is := func(m *linear.Model) bool {
		if model == nil {
			model = m
		}
		return model == m
	}
	for _, k := range f.sortedKinds() {
		m := linear.TypeOf(k)
		if k == history.Append && f.kinds[history.ReadList] {
			m = linear.List
		}
		if m != nil && !is(m) {
			return nil
		}
	}
	for _, kv := range []*history.KV{f.before, f.after} {
		if kv != nil && !is(linear.TypeOfValue(kv)) {
			return nil
		}
	}
	return model
}

// supply is what the writes of a key put there, element by element, and what
// they may have put there or taken away that cannot be told by their arguments.
type supply struct {
	// of says which writes put an element there.
	of map[element]putters
	// initial counts the elements that were there at the start.
	initial map[element]int
	// open: elements come from elsewhere (counting, appending, moving); openOnes
	// are the fields and members of which that is so.
	open     bool
	openOnes map[string]bool
}

// putters are the writes of a key that put an element there: the first one's place in
// facts.writes, and how many there are.
type putters struct{ first, n int }

// putting are these writes, in order of invocation.
func (f *facts) putting(el element) (list []event) {
	for _, ev := range f.writes {
		if putsIt(ev.op, el) {
			list = append(list, ev)
		}
	}
	return list
}

func (f *facts) supply() *supply {
	s := &supply{of: make(map[element]putters, len(f.writes)), initial: map[element]int{}, openOnes: map[string]bool{}}
	var put [2]element
	for i, ev := range f.writes {
		for _, el := range puts(put[:0], ev.op) {
			p := s.of[el]
			if p.n == 0 {
				p.first = i
			}
			p.n++
			s.of[el] = p
		}
		switch ev.op.Kind {
		case history.Incr, history.Append, history.StringAppend, history.SetRange, history.SetBit:
			s.open = s.open || f.model == linear.Register
		case history.HashIncr:
			s.openOnes[ev.op.More.Field] = true
		case history.SortedIncr:
			s.openOnes[ev.op.Value] = true
		}
	}
	// Another list may be moved from.
	s.open = s.open || f.kinds[history.ListMove]
	if f.before != nil {
		for _, el := range elements(f.before) {
			s.initial[el]++
		}
	}
	return s
}

// element is a value of a string or list, a member or a field, or two words in
// one: a field and its value, a member and its score.
type element struct {
	word, second string
	two          bool
}

func one(word string) element          { return element{word: word} }
func pair(word, second string) element { return element{word, second, true} }

func ones(to []element, words []string) []element {
	for _, w := range words {
		to = append(to, one(w))
	}
	return to
}

// puts appends the elements that a write puts there, two at most.
func puts(to []element, op *history.Op) []element {
	m := op.More
	switch op.Kind {
	case history.Write:
		if m != nil && m.ToAbsent {
			return to
		}
		return append(to, one(op.Value))
	case history.CAS:
		if m != nil && (m.ToAbsent || op.Outcome == history.OK && m.Result == "0") {
			return to
		}
		return append(to, one(op.Value))
	case history.Append, history.Push, history.SetAdd:
		return append(to, one(op.Value))
	case history.HashSet, history.StreamAdd:
		if m != nil {
			return append(to, one(m.Field), pair(m.Field, op.Value))
		}
	case history.HashIncr:
		if m != nil {
			return append(to, one(m.Field))
		}
	case history.SortedAdd:
		if m != nil {
			return append(to, one(op.Value), pair(op.Value, linear.Score(m.Score)))
		}
	case history.SortedIncr:
		return append(to, one(op.Value))
	}
	return to
}

// putsIt reports whether a write puts an element there.
func putsIt(op *history.Op, el element) bool {
	var put [2]element
	return slices.Contains(puts(put[:0], op), el)
}

// sees appends the elements that a reply says were there.
func sees(to []element, op *history.Op) []element {
	m := op.More
	if m == nil {
		m = &history.More{}
	}
	switch op.Kind {
	case history.Read:
		if !op.Absent {
			return append(to, one(op.Value))
		}
	case history.Write:
		if m.HasReplaced && !op.Absent {
			return append(to, one(m.Replaced))
		}
	case history.CAS:
		if m.Result == "1" && !m.ExpectAbsent {
			return append(to, one(m.Expect))
		}
	case history.GetDelete:
		if !op.Absent {
			return append(to, one(m.Result))
		}
	case history.Pop, history.ListMove:
		if !op.Absent {
			return append(to, one(gotFrom(op, m)))
		}
	case history.ListRemove, history.SetHas, history.SetRemove, history.SortedRemove:
		if m.Result != "" && m.Result != "0" {
			return append(to, one(op.Value))
		}
	case history.ReadList, history.ReadSet:
		return ones(to, m.Values)
	case history.HashRemove:
		if m.Result == "1" {
			return append(to, one(m.Field))
		}
	case history.HashGet:
		if !op.Absent {
			return append(to, one(m.Field), pair(m.Field, op.Value))
		}
	case history.SortedScore:
		if !op.Absent && m.Result != "" {
			return append(to, one(op.Value), pair(op.Value, linear.Score(m.Result)))
		}
	case history.ReadHash:
		return pairs(to, m.Values, 2, 0, false)
	case history.ReadSorted, history.SortedPop:
		return pairs(to, m.Values, 2, 0, true)
	case history.ReadStream, history.GroupRead:
		return pairs(to, m.Values, 3, 1, false)
	}
	return to
}

// pairs appends the first words and the pairs of a flat list in which every step
// words, from the given one on, two belong together.
func pairs(to []element, flat []string, step, from int, scores bool) []element {
	for i := from; i+1 < len(flat); i += step {
		second := flat[i+1]
		if scores {
			second = linear.Score(second)
		}
		to = append(to, one(flat[i]), pair(flat[i], second))
	}
	return to
}

// elements are what an observed value consists of.
func elements(kv *history.KV) []element {
	switch kv.Type {
	case "hash":
		return pairs(nil, kv.List, 2, 0, false)
	case "zset":
		return pairs(nil, kv.List, 2, 0, true)
	case "stream":
		return pairs(nil, kv.List, 3, 1, false)
	}
	if kv.List != nil || kv.Type != "" {
		return ones(nil, kv.List)
	}
	return []element{one(kv.Value)}
}

// tell is an element as the story tells it.
func (f *facts) tell(el element) string {
	switch {
	case el.two && f.model == linear.Hash:
		return fmt.Sprintf("field %q = %q", el.word, el.second)
	case el.two && f.model == linear.Sorted:
		return fmt.Sprintf("member %q with score %s", el.word, el.second)
	case el.two && f.model == linear.Stream:
		return fmt.Sprintf("an entry %q = %q", el.word, el.second)
	case f.model == linear.Hash || f.model == linear.Stream:
		return fmt.Sprintf("field %q", el.word)
	case f.model == linear.Set || f.model == linear.Sorted:
		return fmt.Sprintf("member %q", el.word)
	case f.model == linear.List:
		return fmt.Sprintf("element %q", el.word)
	}
	return fmt.Sprintf("value %q", el.word)
}

// unwritten: what nobody wrote, or nobody had begun to write, was read.
func (j *Judge) unwritten(e *epoch, f *facts, s *supply) (anomaly.Anomaly, bool) {
	if s.open {
		return anomaly.Anomaly{}, false
	}
	var seen []element
	for _, ev := range f.replies {
		seen = sees(seen[:0], ev.op)
		for _, el := range seen {
			if s.explains(f, el, ev.ret) {
				continue
			}
			if a, broken := j.unwrittenBy(f, s, el, ev.ret); broken {
				a.Ops = append(a.Ops, ev.place)
				a.Story = j.tell(slices.Sorted(slices.Values(a.Ops))) + "\n" + a.Story
				return a, true
			}
		}
	}
	if f.after == nil || f.after.TTL > 0 && f.after.Type == "" && f.after.List == nil {
		return anomaly.Anomaly{}, false
	}
	for _, el := range elements(f.after) {
		a, broken := j.unwrittenBy(f, s, el, e.life.Ended)
		if !broken {
			continue
		}
		if a.Name == anomaly.Phantom {
			a.Rule = "a recovered value is one that somebody wrote"
			if i := j.writtenBefore(e, f.key, el); i >= 0 {
				a.Name, a.Ops = anomaly.Resurrection, []int{i}
				a.Rule = "a value that an earlier recovery did not have does not come back"
			}
		}
		text := j.tell(a.Ops)
		if text != "" {
			text += "\n"
		}
		a.Story = text + a.Story + fmt.Sprintf("\nat %s: %s\n%s", e.life.Ended, crashWords(e.life.How), j.recoveredOf(f.key))
		return a, true
	}
	return anomaly.Anomaly{}, false
}

// writtenBefore is an operation of an earlier life that put an element there, or -1.
func (j *Judge) writtenBefore(e *epoch, key string, el element) int {
	return j.writerAmong(0, e.from, false, key, func(p *history.Op) bool { return putsIt(p, el) })
}

// writerAmong is the first of the operations between two places that failed, or did not,
// and that, or a part of which, writes to a key what wrote says; or -1.
func (j *Judge) writerAmong(from, to int, failed bool, key string, wrote func(*history.Op) bool) int {
	for i := from; i < to; i++ {
		op := &j.h.Ops[i]
		if (op.Outcome == history.Failed) != failed {
			continue
		}
		for part := range op.Each() {
			if part.Key == key && wrote(part) {
				return i
			}
		}
	}
	return noOp
}

// explains reports whether an element can have been there at an instant.
func (s *supply) explains(f *facts, el element, at time.Duration) bool {
	p := s.of[el]
	return p.n > 0 && f.writes[p.first].invoke <= at || s.initial[el] > 0 || el.two && s.openOnes[el.word]
}

// unwrittenBy reports whether an element cannot have been there at an instant.
func (j *Judge) unwrittenBy(f *facts, s *supply, el element, at time.Duration) (anomaly.Anomaly, bool) {
	if s.explains(f, el, at) {
		return anomaly.Anomaly{}, false
	}
	if p := s.of[el]; p.n > 0 {
		return anomaly.Anomaly{Name: anomaly.NonLinearizable, Ops: []int{f.writes[p.first].place}, Rule: "a value is not read before its write begins",
			Story: fmt.Sprintf("nobody had begun to write %s by %s", f.tell(el), at)}, true
	}
	for _, ev := range f.failed {
		if putsIt(ev.op, el) {
			return anomaly.Anomaly{Name: anomaly.AbortedRead, Ops: []int{ev.place}, Rule: abortedRule,
				Story: fmt.Sprintf("only a write that was told it failed wrote %s: %s", f.tell(el), abortedWords)}, true
		}
	}
	if a, is := f.madeByFailed(el); is {
		return a, true
	}
	return anomaly.Anomaly{Name: anomaly.Phantom, Rule: "a read returns a value that somebody wrote",
		Story: fmt.Sprintf("nobody wrote %s", f.tell(el))}, true
}

// madeByFailed tells of a value that can have come of operations which were told that
// they failed, and whose arguments do not say what comes of them.
func (f *facts) madeByFailed(el element) (anomaly.Anomaly, bool) {
	a := anomaly.Anomaly{Name: anomaly.AbortedRead, Rule: abortedRule}
	least, most := 0.0, 0.0
	for _, ev := range f.failed {
		made := false
		switch m := ev.op.More; ev.op.Kind {
		case history.Incr:
			by, err := strconv.ParseFloat(ev.op.Value, 64)
			made = !el.two && err == nil
			least, most = least+min(by, 0), most+max(by, 0)
		case history.StringAppend, history.Append:
			made = f.model == linear.Register && strings.Contains(el.word, ev.op.Value)
		case history.HashIncr:
			made = m != nil && el == pair(m.Field, el.second)
		case history.SortedIncr:
			made = el == pair(ev.op.Value, el.second)
		}
		if made {
			a.Ops = append(a.Ops, ev.place)
		}
	}
	if len(a.Ops) == 0 {
		return a, false
	}
	if n, err := strconv.ParseFloat(el.word, 64); least != most && !(err == nil && n >= least && n <= most) {
		return a, false
	}
	a.Story = fmt.Sprintf("only what was told that it failed can have made %s: %s", f.tell(el), abortedWords)
	return a, true
}

// failedWriter is an operation of the epoch that wrote an element and was told
// that it failed (a place in the history), or -1.
func (j *Judge) failedWriter(e *epoch, key, el string) int {
	return j.writerAmong(e.from, e.to, true, key, func(p *history.Op) bool {
		return putsIt(p, one(el)) || p.Kind == history.StringAppend && p.Value == el
	})
}

const (
	abortedRule  = "a value is not read whose only write was told that it failed"
	abortedWords = "the store applied a write that it refused, or the client calls an unknown outcome a failure"
)

// tooOften: an element of a list is there, or was popped, more often than it
// was put there.
func (j *Judge) tooOften(e *epoch, f *facts, s *supply) (anomaly.Anomaly, bool) {
	if f.model != linear.List || s.open {
		return anomaly.Anomaly{}, false
	}
	taken := map[element][]event{}
	for _, ev := range f.replies {
		switch ev.op.Kind {
		case history.Pop:
			for _, el := range sees(nil, ev.op) {
				if taken[el] = append(taken[el], ev); len(taken[el]) <= s.of[el].n+s.initial[el] {
					continue
				}
				a := anomaly.Anomaly{Name: anomaly.NonLinearizable, Rule: "an element is popped no more often than it was pushed"}
				for _, t := range append(f.putting(el), taken[el]...) {
					a.Ops = append(a.Ops, t.place)
				}
				slices.Sort(a.Ops)
				a.Story = j.tellWith(a.Ops, ev.place) + fmt.Sprintf("\n%s was pushed %s and popped %s", f.tell(el), howOften(s.of[el].n+s.initial[el]), howOften(len(taken[el])))
				return a, true
			}
		case history.ReadList:
			there := map[element]int{}
			for _, el := range sees(nil, ev.op) {
				if there[el]++; there[el] <= s.of[el].n+s.initial[el] {
					continue
				}
				a := anomaly.Anomaly{Name: anomaly.NonLinearizable, Rule: "an element is in a list no more often than it was pushed", Ops: []int{ev.place}}
				for _, t := range f.putting(el) {
					a.Ops = append(a.Ops, t.place)
				}
				slices.Sort(a.Ops)
				a.Story = j.tellWith(a.Ops, ev.place) + fmt.Sprintf("\n%s was pushed %s and is there %s", f.tell(el), howOften(s.of[el].n+s.initial[el]), howOften(there[el]))
				return a, true
			}
		}
	}
	return anomaly.Anomaly{}, false
}

func howOften(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// missing: an element that was acknowledged before a read of the whole began,
// and that nothing can have removed, is not in it.
func (j *Judge) missing(e *epoch, f *facts, s *supply) (anomaly.Anomaly, bool) {
	type added struct {
		el element
		ev *event
		id int32
	}
	adds := make([]added, 0, len(f.writes)) // acknowledged, of what nothing removes, by return
	removed := map[string]bool{}
	for _, ev := range f.writes {
		switch ev.op.Kind {
		case history.SetRemove, history.SortedRemove, history.ListRemove:
			removed[ev.op.Value] = true
		case history.HashRemove:
			if ev.op.More != nil {
				removed[ev.op.More.Field] = true
			}
		case history.Append, history.Push, history.SetAdd, history.HashSet, history.HashIncr, history.SortedAdd, history.SortedIncr,
			history.StreamAdd, history.GroupCreate, history.GroupRead, history.GroupAck, history.Persist:
		default:
			return anomaly.Anomaly{}, false // it may take anything away
		}
	}
	if f.before != nil && f.before.TTL > 0 {
		return anomaly.Anomaly{}, false
	}
	var put [2]element
	for i := range f.writes {
		ev := &f.writes[i]
		if el := puts(put[:0], ev.op); ev.acked && len(el) > 0 && !removed[el[0].word] {
			if f.model == linear.Stream {
				el = el[1:] // all entries may have the same field
			}
			adds = append(adds, added{el[0], ev, 0})
		}
	}
	slices.SortStableFunc(adds, func(a, b added) int { return cmp.Compare(a.ev.ret, b.ev.ret) })
	ids := make(map[element]int32, len(adds))
	for i := range adds {
		id, known := ids[adds[i].el]
		if !known {
			id = int32(len(ids))
			ids[adds[i].el] = id
		}
		adds[i].id = id
	}
	there := make([]int, len(ids)) // one more than the last reply that had it
	var seen []element
	for n, ev := range f.replies {
		switch ev.op.Kind {
		case history.ReadList, history.ReadSet, history.ReadHash, history.ReadSorted, history.ReadStream:
		default:
			continue
		}
		seen = sees(seen[:0], ev.op)
		for _, el := range seen {
			if id, is := ids[el]; is {
				there[id] = n + 1
			}
		}
		for _, a := range adds {
			if a.ev.ret >= ev.invoke {
				break
			}
			if there[a.id] == n+1 || a.ev.place == ev.place {
				continue
			}
			ops := []int{a.ev.place, ev.place}
			return anomaly.Anomaly{Name: anomaly.NonLinearizable, Ops: ops, Rule: "what was acknowledged and not removed is in every later read of the whole",
				Story: j.tell(ops) + fmt.Sprintf("\n%s is missing", f.tell(a.el))}, true
		}
	}
	return anomaly.Anomaly{}, false
}

// outOfBounds: a counter is read as less or more than all the amounts added by
// then allow.
func (j *Judge) outOfBounds(e *epoch, f *facts, s *supply) (anomaly.Anomaly, bool) {
	if f.model != linear.Register || !f.kinds[history.Incr] {
		return anomaly.Anomaly{}, false
	}
	for _, k := range f.sortedKinds() {
		if k != history.Incr && k != history.Read {
			return anomaly.Anomaly{}, false
		}
	}
	initial := 0.0
	if f.before != nil {
		if f.before.TTL > 0 {
			return anomaly.Anomaly{}, false // what it began with may have been gone when the first was added
		}
		n, err := strconv.ParseInt(f.before.Value, 10, 64)
		if err != nil {
			return anomaly.Anomaly{}, false
		}
		initial = float64(n)
	}
	c := newCounter(f.writes)
	for _, ev := range f.replies {
		if ev.op.Kind != history.Read {
			continue
		}
		text := ev.op.Value
		if ev.op.Absent {
			text = "0"
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return anomaly.Anomaly{Name: anomaly.Phantom, Ops: []int{ev.place}, Rule: "a counter is a number"}, true
		}
		least, most := c.bounds(ev.invoke, ev.ret)
		least, most = least+initial, most+initial
		if math.Abs(least) > 1<<52 || math.Abs(most) > 1<<52 {
			return anomaly.Anomaly{}, false
		}
		if v := float64(n); v < least || v > most {
			if a, is := f.countedByFailed(ev, v-initial); is {
				a.Story = j.tell(a.Ops) + fmt.Sprintf("\nwhat was added allows %.0f to %.0f; with what was told that it failed it is %s: %s", least, most, text, abortedWords)
				return a, true
			}
			return anomaly.Anomaly{Name: anomaly.NonLinearizable, Ops: []int{ev.place}, Rule: "a counter is the sum of what was added",
				Story: j.tell([]int{ev.place}) + fmt.Sprintf("\nwhat was added allows %.0f to %.0f", least, most)}, true
		}
	}
	return anomaly.Anomaly{}, false
}

// countedByFailed tells of a read that is in bounds if what was told that it failed was
// added as well.
func (f *facts) countedByFailed(read event, v float64) (anomaly.Anomaly, bool) {
	writes := f.writes
	a := anomaly.Anomaly{Name: anomaly.AbortedRead, Rule: abortedRule}
	for _, ev := range f.failed {
		if ev.op.Kind == history.Incr && ev.invoke <= read.ret {
			writes = append(slices.Clip(writes), ev)
			a.Ops = append(a.Ops, ev.place)
		}
	}
	least, most := newCounter(writes).bounds(read.invoke, read.ret)
	a.Ops = append(a.Ops, read.place)
	slices.Sort(a.Ops)
	return a, len(a.Ops) > 1 && v >= least && v <= most
}

// counter are the amounts added to one, as sums up to an instant.
type counter struct {
	returned, invoked []amount // sorted by time; sums of positive and of negative amounts up to each
}

type amount struct {
	at       time.Duration
	up, down float64
}

func newCounter(writes []event) *counter {
	c := &counter{}
	for _, ev := range writes {
		by, err := strconv.ParseFloat(ev.op.Value, 64)
		if err != nil {
			continue
		}
		a := amount{up: max(by, 0), down: min(by, 0)}
		a.at = ev.invoke
		c.invoked = append(c.invoked, a)
		if a.at = ev.ret; ev.acked {
			c.returned = append(c.returned, a)
		}
	}
	for _, list := range [][]amount{c.invoked, c.returned} {
		slices.SortStableFunc(list, func(a, b amount) int { return cmp.Compare(a.at, b.at) })
		for i := 1; i < len(list); i++ {
			list[i].up += list[i-1].up
			list[i].down += list[i-1].down
		}
	}
	return c
}

// bounds are the least and the most that a read from invoke to ret can find:
// what had returned before counts for sure, what had begun by its end perhaps.
func (c *counter) bounds(invoke, ret time.Duration) (least, most float64) {
	upTo := func(list []amount, t time.Duration) amount {
		i, _ := slices.BinarySearchFunc(list, t, func(a amount, t time.Duration) int { return cmp.Compare(a.at, t) })
		if i == 0 {
			return amount{}
		}
		return list[i-1]
	}
	sure, perhaps := upTo(c.returned, invoke), upTo(c.invoked, ret+1)
	return sure.up + perhaps.down, perhaps.up + sure.down
}
