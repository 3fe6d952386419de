package exhaustive

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Do runs an operation and returns it with the reply filled in. An error reply
// is in More.Err, and nothing has changed then (of a transaction: nothing in
// that part). An Append appends to a string or to a list as String says.
func (k *Keyspace) Do(op history.Op) history.Op {
	m := history.More{Offset: -1}
	if op.More != nil {
		m = *op.More
	}
	asked := m
	m.Result, m.Values, m.Err, m.Replaced = "", nil, "", ""
	op.More = &m
	if op.Kind == history.Txn {
		m.Parts = slices.Clone(m.Parts)
		for i := range m.Parts {
			m.Parts[i] = k.Do(m.Parts[i])
		}
		return op
	}
	if op.Kind == history.Read || op.Kind == history.GetBit || op.Kind == history.HashGet {
		op.Value = ""
	}
	op.Absent = false
	if err := k.run(&op, &m, &asked); err != "" {
		m.Err = err
	}
	if k.Now > 0 {
		k.Pass(k.Now)
	}
	return op
}

const wrongType = "WRONGTYPE Operation against a key holding the wrong kind of value"

// run is one command. It returns the error reply.
func (k *Keyspace) run(op *history.Op, m, asked *history.More) string {
	v := k.Keys[op.Key]
	gone := func() { delete(k.Keys, op.Key) }
	bit := func(is bool) string {
		if is {
			return "1"
		}
		return "0"
	}
	switch op.Kind {
	case history.Write:
		if m.HasReplaced {
			if v != nil && v.Text == nil {
				return wrongType
			}
			if op.Absent = v == nil; v != nil {
				m.Replaced = *v.Text
			}
		}
		if m.ToAbsent {
			gone()
			return ""
		}
		text := op.Value
		k.Keys[op.Key] = &Value{Text: &text, Deadline: m.Deadline}
		return ""
	case history.Delete:
		m.Result = bit(v != nil)
		gone()
		return ""
	case history.Expire:
		m.Result = bit(v != nil)
		if v != nil {
			v.Deadline = m.Deadline
		}
		return ""
	case history.Persist:
		m.Result = bit(v != nil && v.Deadline != 0)
		if v != nil {
			v.Deadline = 0
		}
		return ""
	case history.ReadExpiry:
		m.Deadline = 0
		if op.Absent = v == nil; v != nil {
			m.Deadline = v.Deadline
		}
		return ""
	case history.CAS:
		match := v == nil
		if !m.ExpectAbsent {
			if v != nil && v.Text == nil {
				return wrongType
			}
			match = v != nil && *v.Text == m.Expect
		}
		m.Result = bit(match)
		switch {
		case match && m.ToAbsent:
			gone()
		case match:
			text := op.Value
			k.Keys[op.Key] = &Value{Text: &text}
		}
		return ""
	case history.Read, history.GetDelete, history.Incr, history.StringAppend, history.SetRange, history.SetBit, history.GetBit:
		if v != nil && v.Text == nil {
			return wrongType
		}
		return k.runString(op, m, v)
	case history.Append, history.Push, history.Pop, history.ReadList, history.ListRemove, history.ListMove:
		if v != nil && v.List == nil {
			return wrongType
		}
		return k.runList(op, m, v)
	case history.SetAdd, history.SetRemove, history.SetHas, history.ReadSet:
		if v != nil && v.Set == nil {
			return wrongType
		}
		k.runSet(op, m, v)
		return ""
	case history.HashSet, history.HashRemove, history.HashGet, history.HashIncr, history.ReadHash:
		if v != nil && v.Hash == nil {
			return wrongType
		}
		return k.runHash(op, m, v)
	case history.SortedAdd, history.SortedRemove, history.SortedIncr, history.SortedScore, history.SortedPop, history.ReadSorted:
		if v != nil && v.Scores == nil {
			return wrongType
		}
		return k.runSorted(op, m, v)
	case history.StreamAdd, history.StreamRemove, history.ReadStream, history.GroupCreate, history.GroupRead, history.GroupAck, history.ReadPending:
		if v != nil && v.Stream == nil {
			return wrongType
		}
		return k.runStream(op, m, asked, v)
	}
	panic(fmt.Sprintf("exhaustive: no model of %s", op.Kind))
}

func (k *Keyspace) runString(op *history.Op, m *history.More, v *Value) string {
	text, deadline := "", time.Duration(0)
	if v != nil {
		text, deadline = *v.Text, v.Deadline
	}
	set := func(s string) {
		k.Keys[op.Key] = &Value{Text: &s, Deadline: deadline}
	}
	grown := func(n int) []byte {
		b := []byte(text)
		for len(b) < n {
			b = append(b, 0)
		}
		return b
	}
	switch op.Kind {
	case history.Read:
		op.Value, op.Absent = text, v == nil
	case history.GetDelete:
		m.Result, op.Absent = text, v == nil
		delete(k.Keys, op.Key)
	case history.Incr:
		sum, err := add(text, v != nil, op.Value)
		if err != "" {
			return err
		}
		m.Result = sum
		set(sum)
	case history.StringAppend:
		set(text + op.Value)
		m.Result = strconv.Itoa(len(text + op.Value))
	case history.SetRange:
		if m.Index < 0 {
			return "ERR offset is out of range"
		}
		if op.Value != "" {
			b := grown(int(m.Index) + len(op.Value))
			for i := range len(op.Value) {
				b[int(m.Index)+i] = op.Value[i]
			}
			text = string(b)
			set(text)
		}
		m.Result = strconv.Itoa(len(text))
	case history.SetBit, history.GetBit:
		if m.Index < 0 {
			return "ERR bit offset is not an integer or out of range"
		}
		at, shift := int(m.Index)/8, 7-int(m.Index)%8
		now := "0"
		if at < len(text) && text[at]>>shift&1 == 1 {
			now = "1"
		}
		if op.Kind == history.GetBit {
			op.Value = now
			return ""
		}
		if op.Value != "0" && op.Value != "1" {
			return "ERR bit is not an integer or out of range"
		}
		b := grown(at + 1)
		b[at] = b[at]&^(1<<shift) | (op.Value[0]-'0')<<shift
		set(string(b))
		m.Result = now
	}
	return ""
}

// add is what INCRBY makes of a number that is written down.
func add(text string, there bool, by string) (string, string) {
	if !there {
		text = "0"
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return "", "ERR value is not an integer or out of range"
	}
	d, err := strconv.ParseInt(by, 10, 64)
	if err != nil {
		return "", "ERR value is not an integer or out of range"
	}
	sum := n + d
	if (d > 0) != (sum > n) && d != 0 {
		return "", "ERR increment or decrement would overflow"
	}
	return strconv.FormatInt(sum, 10), ""
}

func (k *Keyspace) runList(op *history.Op, m *history.More, v *Value) string {
	if v == nil {
		v = &Value{}
	}
	l := v.List
	put := func(key string, v *Value, l []string) {
		if v.List = l; len(l) == 0 {
			delete(k.Keys, key)
		} else {
			k.Keys[key] = v
		}
	}
	pop := func(head bool) (string, []string) {
		if head {
			return l[0], l[1:]
		}
		return l[len(l)-1], l[:len(l)-1]
	}
	push := func(l []string, e string, head bool) []string {
		if head {
			return append([]string{e}, l...)
		}
		return append(slices.Clone(l), e)
	}
	switch op.Kind {
	case history.ReadList:
		m.Values = slices.Clone(l)
	case history.Append, history.Push:
		put(op.Key, v, push(l, op.Value, m.Head))
		m.Result = strconv.Itoa(len(v.List))
	case history.Pop:
		if op.Absent = len(l) == 0; op.Absent {
			return ""
		}
		var rest []string
		m.Result, rest = pop(m.Head)
		put(op.Key, v, slices.Clone(rest))
	case history.ListMove:
		if op.Absent = len(l) == 0; op.Absent {
			return ""
		}
		if m.To == op.Key {
			e, rest := pop(m.Head)
			v.List = push(slices.Clone(rest), e, m.ToHead)
			m.Result = e
			return ""
		}
		to := k.Keys[m.To]
		if to != nil && to.List == nil {
			return wrongType
		}
		if to == nil {
			to = &Value{}
		}
		e, rest := pop(m.Head)
		put(op.Key, v, slices.Clone(rest))
		put(m.To, to, push(to.List, e, m.ToHead))
		m.Result = e
	case history.ListRemove:
		order := make([]int, len(l))
		for i := range l {
			if order[i] = i; m.Index < 0 {
				order[i] = len(l) - 1 - i
			}
		}
		most := m.Index
		if most < 0 {
			most = -most
		}
		gone := map[int]bool{}
		for _, i := range order {
			if l[i] == op.Value && (most == 0 || int64(len(gone)) < most) {
				gone[i] = true
			}
		}
		var left []string
		for i, e := range l {
			if !gone[i] {
				left = append(left, e)
			}
		}
		m.Result = strconv.Itoa(len(gone))
		put(op.Key, v, left)
	}
	return ""
}

func (k *Keyspace) runSet(op *history.Op, m *history.More, v *Value) {
	if v == nil {
		v = &Value{Set: map[string]bool{}}
	}
	has := v.Set[op.Value]
	m.Result = "0"
	switch op.Kind {
	case history.ReadSet:
		m.Result = ""
		for e := range v.Set { // any order: sorted below
			m.Values = append(m.Values, e)
		}
		slices.Sort(m.Values)
	case history.SetHas:
		if has {
			m.Result = "1"
		}
	case history.SetAdd:
		if !has {
			m.Result = "1"
		}
		v.Set[op.Value] = true
		k.Keys[op.Key] = v
	case history.SetRemove:
		if has {
			m.Result = "1"
		}
		if delete(v.Set, op.Value); len(v.Set) == 0 {
			delete(k.Keys, op.Key)
		}
	}
}

func (k *Keyspace) runHash(op *history.Op, m *history.More, v *Value) string {
	if v == nil {
		v = &Value{Hash: map[string]string{}}
	}
	old, has := v.Hash[m.Field]
	switch op.Kind {
	case history.ReadHash:
		m.Values = v.fields()
	case history.HashGet:
		op.Value, op.Absent = old, !has
	case history.HashSet:
		if m.Result = "0"; !has {
			m.Result = "1"
		}
		v.Hash[m.Field] = op.Value
		k.Keys[op.Key] = v
	case history.HashRemove:
		if m.Result = "0"; has {
			m.Result = "1"
		}
		if delete(v.Hash, m.Field); len(v.Hash) == 0 {
			delete(k.Keys, op.Key)
		}
	case history.HashIncr:
		sum, err := add(old, has, op.Value)
		if err != "" {
			return err
		}
		m.Result = sum
		v.Hash[m.Field] = sum
		k.Keys[op.Key] = v
	}
	return ""
}

func (k *Keyspace) runSorted(op *history.Op, m *history.More, v *Value) string {
	if v == nil {
		v = &Value{Scores: map[string]float64{}}
	}
	old, has := v.Scores[op.Value]
	switch op.Kind {
	case history.ReadSorted:
		m.Values = v.ranked()
	case history.SortedScore:
		if op.Absent = !has; has {
			m.Result = formatScore(old)
		}
	case history.SortedAdd, history.SortedIncr:
		f, err := strconv.ParseFloat(m.Score, 64)
		if err != nil || math.IsNaN(f) {
			return "ERR value is not a valid float"
		}
		if op.Kind == history.SortedIncr {
			if f += old; math.IsNaN(f) {
				return "ERR resulting score is not a number (NaN)"
			}
			m.Result = formatScore(f)
		} else if m.Result = "0"; !has {
			m.Result = "1"
		}
		v.Scores[op.Value] = f
		k.Keys[op.Key] = v
	case history.SortedRemove, history.SortedPop:
		member := op.Value
		if op.Kind == history.SortedPop {
			all := v.members()
			if op.Absent = len(all) == 0; op.Absent {
				return ""
			}
			member = all[len(all)-1]
			if m.Head {
				member = all[0]
			}
			m.Values = []string{member, formatScore(v.Scores[member])}
		} else if m.Result = "0"; has {
			m.Result = "1"
		}
		if delete(v.Scores, member); len(v.Scores) == 0 {
			delete(k.Keys, op.Key)
		}
	}
	return ""
}

func (k *Keyspace) runStream(op *history.Op, m, asked *history.More, v *Value) string {
	there := v != nil
	if !there {
		v = &Value{Stream: &Stream{Groups: map[string]*Group{}}}
	}
	s := v.Stream
	g := s.Groups[m.Group]
	id := parseID(m.Entry)
	switch op.Kind {
	case history.ReadStream:
		m.Values = s.flat()
	case history.StreamAdd:
		switch {
		case m.Entry == unseen:
			id = s.Last
			id.Unseen++
		case !serversChoice(m.Entry):
		case asked.Result != "":
			id = parseID(asked.Result)
		default:
			id = ID{MS: s.Last.MS + 1}
		}
		if !id.after(s.Last) {
			return "ERR The ID specified in XADD is equal or smaller than the target stream top item"
		}
		s.Entries = append(s.Entries, Entry{id, m.Field, op.Value})
		s.Last = id
		m.Result = id.String()
		k.Keys[op.Key] = v
	case history.StreamRemove:
		m.Result = "0"
		s.Entries = slices.DeleteFunc(s.Entries, func(e Entry) bool {
			if e.ID == id {
				m.Result = "1"
			}
			return e.ID == id
		})
	case history.GroupCreate:
		if g != nil {
			return "BUSYGROUP Consumer Group name already exists"
		}
		if m.Entry == "$" {
			id = s.Last
		}
		s.Groups[m.Group] = &Group{Last: id, Pending: map[ID]string{}}
		k.Keys[op.Key] = v
	case history.GroupAck:
		m.Result = "0"
		if g != nil {
			if _, pending := g.Pending[id]; pending {
				m.Result = "1"
			}
			delete(g.Pending, id)
		}
	case history.GroupRead:
		if g == nil {
			return "NOGROUP No such key or consumer group"
		}
		n := int64(0)
		for _, e := range s.Entries {
			if !e.ID.after(g.Last) || m.Index > 0 && n == m.Index {
				continue
			}
			n++
			m.Values = append(m.Values, e.ID.String(), e.Field, e.Value)
			g.Last = e.ID
			g.Pending[e.ID] = m.Consumer
		}
	case history.ReadPending:
		if g == nil {
			return "NOGROUP No such key or consumer group"
		}
		m.Values = g.pending()
	}
	return ""
}

// unseen as an entry's ID asks for one that nobody will ever see.
const unseen = "unseen"
