// Package linear decides linearizability by searching for an order, for every
// type of value, transactions over several keys among them, in bounded time and
// memory. It is the general judge; where writes are unique, package zones is
// faster by orders of magnitude. Porcupine searches the same problems as a
// witness.
package linear

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Model is one type of value, as users name it.
type Model struct {
	Name string
	// Kinds are the operations it knows.
	Kinds []history.Kind

	of    string // type of the keys that it is of (history.KV.Type)
	apply func(kind history.Kind, body string, op *history.Op, m *history.More, acked bool) (string, effect)
	load  func(kv *history.KV) string // the state of an observed key
}

// Models lists the models of one key, by name.
func Models() []*Model {
	return []*Model{Register, List, Set, Hash, Sorted, Stream}
}

// anyType are the operations of every type of value.
var anyType = []history.Kind{history.Delete, history.Expire, history.Persist, history.ReadExpiry}

var (
	// Register is a string: set, deleted, compared and set, counted, appended to,
	// overwritten in part, and as a row of bits.
	Register = &Model{"register", slices.Concat(anyType, []history.Kind{history.Read, history.Write, history.CAS, history.Incr,
		history.Append, history.StringAppend, history.SetRange, history.GetDelete, history.SetBit, history.GetBit}),
		"", applyString, func(kv *history.KV) string { return string(typeString) + kv.Value }}
	// List is a list, and a queue or a stack.
	List = &Model{"list", slices.Concat(anyType, []history.Kind{history.Append, history.Push, history.ReadList, history.Pop,
		history.ListMove, history.ListRemove}),
		"", applyList, func(kv *history.KV) string { return pack(typeList, kv.List) }}
	// Set is a set of members.
	Set = &Model{"set", slices.Concat(anyType, []history.Kind{history.SetAdd, history.SetRemove, history.ReadSet, history.SetHas}),
		"set", aSet.do, func(kv *history.KV) string { return packSet(kv.List) }}
	// Hash is a map of fields.
	Hash = &Model{"hash", slices.Concat(anyType, []history.Kind{history.HashSet, history.HashRemove, history.ReadHash, history.HashGet, history.HashIncr}),
		"hash", aHash.do, func(kv *history.KV) string { return packHash(kv.List) }}
	// Sorted is a sorted set: members in order of score, then of name.
	Sorted = &Model{"sorted-set", slices.Concat(anyType, []history.Kind{history.SortedAdd, history.SortedRemove, history.ReadSorted,
		history.SortedIncr, history.SortedScore, history.SortedPop}),
		"zset", aSortedSet.do, func(kv *history.KV) string { return packSorted(kv.List) }}
	// Stream is a stream with its consumer groups.
	Stream = &Model{"stream", slices.Concat(anyType, []history.Kind{history.StreamAdd, history.StreamRemove, history.ReadStream,
		history.GroupCreate, history.GroupRead, history.GroupAck, history.ReadPending}),
		"stream", applyStream, loadStream}
)

// TypeOf is the model of a kind that only one type of value has; nil for the
// kinds of every type, for transactions, and for Append, which strings and lists have.
func TypeOf(k history.Kind) *Model {
	if k == history.Append || slices.Contains(anyType, k) {
		return nil
	}
	for _, m := range Models() {
		if slices.Contains(m.Kinds, k) {
			return m
		}
	}
	return nil
}

// TypeOfValue is the model of an observed key.
func TypeOfValue(kv *history.KV) *Model {
	switch {
	case kv.Type != "":
		for _, m := range Models() {
			if m.of == kv.Type {
				return m
			}
		}
	case kv.List != nil:
		return List
	}
	return Register
}

// models are those that apply the kinds of only one type of value.
var models [history.LastKind + 1]*Model

func init() {
	for k := range models {
		models[k] = TypeOf(history.Kind(k))
	}
}

// The state of a key is a string in a form of which there is one for each
// value, so that equal states are equal strings. A key that is not there is "".
// Otherwise the first byte is the type, and what follows is the string itself
// or the packed items; a key that expires has its deadline in front.
const (
	absent      = ""
	typeString  = '='
	typeList    = '['
	typeSet     = 's'
	typeHash    = 'h'
	typeSorted  = 'z'
	typeStream  = 'x'
	typePile    = '(' // a stack in the search: see pile
	hasDeadline = '@' // and eight bytes follow
)

// effect is what became of an operation.
type effect uint8

const (
	fits    effect = iota
	misfits        // its reply is not the one it got
	refused        // an error reply, and no effect
)

// split takes the deadline off a state; 0 when there is none.
func split(state string) (deadline time.Duration, body string) {
	if state == absent || state[0] != hasDeadline {
		return 0, state
	}
	return time.Duration(binary.BigEndian.Uint64([]byte(state[1:9]))), state[9:]
}

func join(deadline time.Duration, body string) string {
	if deadline == 0 || body == absent {
		return body
	}
	b := make([]byte, 0, 9+len(body))
	b = append(b, hasDeadline)
	b = binary.BigEndian.AppendUint64(b, uint64(deadline))
	return string(append(b, body...))
}

// settle turns the effect of an operation into whether it fits. A part of a
// transaction may have been answered with an error of its own.
func settle(state, next string, e effect, op *history.Op, acked bool) (string, bool) {
	failed := op.More != nil && op.More.Err != ""
	switch {
	case e == refused:
		return state, !acked || failed
	case acked && failed, e == misfits:
		return state, false
	}
	return next, true
}

// appends is what an Append is to a key that is a string at times and a list at others:
// an APPEND to a string, and where it tells that there was nothing before, an RPUSH
// otherwise.
func appends(body string, op *history.Op) history.Kind {
	n := op.Length()
	if body != absent && body[0] == typeString || body == absent && n > 1 && n == len(op.Value) {
		return history.StringAppend
	}
	return history.Push
}

// apply lets an operation of the given kind take effect on one key. (The kind
// of an Append is what its key makes of it.)
func apply(kind history.Kind, state string, op *history.Op, acked bool) (string, effect) {
	m := op.More
	if m == nil {
		m = &none
	}
	deadline, body := split(state)
	if kind == history.Append {
		kind = appends(body, op)
	}
	switch kind {
	case history.Write, history.Delete, history.GetDelete, history.CAS, history.Expire, history.Persist, history.ReadExpiry:
		return applyWhole(kind, deadline, body, op, m, acked)
	}
	if int(kind) >= len(models) || models[kind] == nil {
		return state, misfits
	}
	next, e := models[kind].apply(kind, body, op, m, acked)
	return join(deadline, next), e
}

var none history.More

// applyWhole are the operations that look at a key as a whole or change when it expires.
func applyWhole(kind history.Kind, deadline time.Duration, body string, op *history.Op, m *history.More, acked bool) (string, effect) {
	state := join(deadline, body)
	there := body != absent
	isString := there && body[0] == typeString
	switch kind {
	case history.Write:
		switch {
		case m.HasReplaced && there && !isString:
			return state, refused
		case m.HasReplaced && acked && (op.Absent != !there || there && body[1:] != m.Replaced):
			return state, misfits
		}
		if m.ToAbsent {
			return absent, fits
		}
		return join(m.Deadline, "="+op.Value), fits
	case history.Delete:
		return absent, answered(acked, m.Result, digit(there))
	case history.GetDelete:
		switch {
		case !there:
			return absent, when(!acked || op.Absent)
		case !isString:
			return state, refused
		}
		return absent, when(!acked || !op.Absent && m.Result == body[1:])
	case history.CAS:
		if there && !isString && !m.ExpectAbsent {
			return state, refused
		}
		match := m.ExpectAbsent && !there || !m.ExpectAbsent && isString && body[1:] == m.Expect
		e := answered(acked, m.Result, digit(match))
		switch {
		case !match:
			return state, e
		case m.ToAbsent:
			return absent, e
		}
		return "=" + op.Value, e
	case history.Expire:
		e := answered(acked, m.Result, digit(there))
		if !there || m.Deadline == 0 {
			return state, e
		}
		return join(m.Deadline, body), e
	case history.Persist:
		return body, answered(acked, m.Result, digit(there && deadline != 0))
	}
	// history.ReadExpiry
	if op.Absent || !there {
		return state, when(!acked || op.Absent == !there)
	}
	apart := m.Deadline - deadline
	near := (m.Deadline == 0) == (deadline == 0) && apart <= time.Millisecond && apart >= -time.Millisecond
	return state, when(!acked || near)
}

func when(fit bool) effect {
	if fit {
		return fits
	}
	return misfits
}

// answered compares the reply that an operation got, when it is on record, with
// the one it should have got.
func answered(acked bool, got, want string) effect {
	return when(!acked || got == "" || got == want)
}

func digit(is bool) string {
	if is {
		return "1"
	}
	return "0"
}

// A packed state is its items, each as its length, a colon and itself: no two
// lists pack alike, and appending is a concatenation.

func item(s string) string { return strconv.Itoa(len(s)) + ":" + s }

// pack is the state of a value with items; a value without any is not there.
func pack(typ byte, items []string) string {
	if len(items) == 0 {
		return absent
	}
	n := 1
	for _, s := range items {
		n += len(s) + 8
	}
	b := make([]byte, 1, n)
	b[0] = typ
	for _, s := range items {
		b = appendItem(b, s)
	}
	return string(b)
}

func appendItem(b []byte, s string) []byte {
	b = strconv.AppendInt(b, int64(len(s)), 10)
	b = append(b, ':')
	return append(b, s...)
}

// nextItem takes the first item off packed items.
func nextItem(packed string) (head, rest string) {
	colon := strings.IndexByte(packed, ':')
	n, _ := strconv.Atoi(packed[:colon])
	return packed[colon+1 : colon+1+n], packed[colon+1+n:]
}

// unpack are the items of a body of the type; ok is false when it is of another.
func unpack(typ byte, body string) (items []string, ok bool) {
	if body == absent {
		return nil, true
	}
	if body[0] != typ {
		return nil, false
	}
	for body = body[1:]; body != ""; {
		var s string
		s, body = nextItem(body)
		items = append(items, s)
	}
	return items, true
}

func count(packed string) int {
	n := 0
	for ; packed != ""; n++ {
		_, packed = nextItem(packed)
	}
	return n
}
