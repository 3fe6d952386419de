// Package linear decides linearizability with porcupine, for every type of
// value, in bounded time and memory. It is the general judge; where writes are
// unique, package zones is faster by orders of magnitude.
package linear

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/torntail/torntail/checker/history"
)

// Model is what one type of value does. A state is a string in a form of which
// there is one for each value, so that equal states are equal strings; the
// state of a key that is not there is "".
type Model struct {
	Name string
	// Kinds are the operations it knows.
	Kinds []history.Kind
	// Step is the state after op, and whether op's reply fits. Replies of
	// operations that are not acknowledged are not looked at.
	Step func(state string, op *history.Op) (next string, fits bool)
	// Load is the state of an observed key.
	Load func(kv *history.KV) string
}

// Models lists the models of one key, by name.
func Models() []*Model {
	return []*Model{Register, List, Set, Hash, Sorted}
}

// For is the model that knows all of the kinds, and nil when there is none.
// Append belongs to lists and to strings: a key that is also read as a string is one.
func For(kinds []history.Kind) *Model {
	for _, m := range Models() {
		if !slices.ContainsFunc(kinds, func(k history.Kind) bool { return !slices.Contains(m.Kinds, k) }) {
			return m
		}
	}
	return nil
}

// absent is the state of a key that is not there. A string's state is "=" and the string.
const absent = ""

// Register is a string: set, deleted, compared and set, counted, appended to.
var Register = &Model{
	Name: "register",
	Kinds: []history.Kind{history.Read, history.Write, history.Delete, history.CAS,
		history.Incr, history.Append, history.Expire},
	Load: func(kv *history.KV) string { return "=" + kv.Value },
	Step: stepRegister,
}

func stepRegister(state string, op *history.Op) (string, bool) {
	acked := op.Outcome == history.OK
	switch op.Kind {
	case history.Read:
		if op.Absent {
			return state, state == absent
		}
		return state, state != absent && state[1:] == op.Value
	case history.Write:
		if m := op.More; acked && m != nil && m.HasReplaced {
			if op.Absent != (state == absent) || !op.Absent && state[1:] != m.Replaced {
				return state, false
			}
		}
		return "=" + op.Value, true
	case history.Delete:
		// A reply, where there is one, says how many keys were there.
		if m := op.More; acked && m != nil && m.Result != "" && (m.Result == "0") != (state == absent) {
			return state, false
		}
		return absent, true
	case history.CAS:
		expect, result := "", ""
		if op.More != nil {
			expect, result = op.More.Expect, op.More.Result
		}
		match := state != absent && state[1:] == expect
		if acked && match != (result == "1") {
			return state, false
		}
		if match {
			return "=" + op.Value, true
		}
		return state, true
	case history.Incr:
		n := int64(0)
		if state != absent {
			var err error
			if n, err = strconv.ParseInt(state[1:], 10, 64); err != nil {
				return state, false
			}
		}
		by, err := strconv.ParseInt(op.Value, 10, 64)
		if err != nil {
			return state, false
		}
		sum := strconv.FormatInt(n+by, 10)
		if acked && op.More != nil && op.More.Result != "" && op.More.Result != sum {
			return state, false
		}
		return "=" + sum, true
	case history.Append:
		next := "=" + op.Value
		if state != absent {
			next = state + op.Value
		}
		if acked && op.More != nil && op.More.Result != "" && op.More.Result != strconv.Itoa(len(next)-1) {
			return state, false
		}
		return next, true
	case history.Expire:
		return state, true // expiry itself is not an operation: see Registers.Ambiguous
	}
	return state, false
}

// List is a list: appended to at either end, popped from either end (a queue), read whole.
var List = &Model{
	Name:  "list",
	Kinds: []history.Kind{history.Append, history.ReadList, history.Pop, history.Delete, history.Expire},
	Load:  func(kv *history.KV) string { return pack(kv.List) },
	Step:  stepList,
}

func stepList(state string, op *history.Op) (string, bool) {
	acked := op.Outcome == history.OK
	m := op.More
	if m == nil {
		m = &none
	}
	switch op.Kind {
	case history.Append:
		if acked && m.Result != "" && m.Result != strconv.Itoa(count(state)+1) {
			return state, false
		}
		if m.Head {
			return item(op.Value) + state, true
		}
		return state + item(op.Value), true
	case history.ReadList:
		return state, state == pack(m.Values)
	case history.Pop:
		if state == absent {
			return state, !acked || op.Absent
		}
		items := unpack(state)
		popped, rest := items[len(items)-1], items[:len(items)-1]
		if m.Head {
			popped, rest = items[0], items[1:]
		}
		return pack(rest), !acked || !op.Absent && m.Result == popped
	case history.Delete:
		return absent, true
	case history.Expire:
		return state, true
	}
	return state, false
}

var none history.More

// Set is a set of members.
var Set = &Model{
	Name:  "set",
	Kinds: []history.Kind{history.SetAdd, history.SetRemove, history.ReadSet, history.Delete, history.Expire},
	Load:  func(kv *history.KV) string { return pack(slices.Sorted(slices.Values(kv.List))) },
	Step: func(state string, op *history.Op) (string, bool) {
		switch op.Kind {
		case history.SetAdd, history.SetRemove:
			items := unpack(state)
			i, there := slices.BinarySearch(items, op.Value)
			// The reply says whether anything changed.
			if op.Outcome == history.OK && op.More != nil && op.More.Result != "" &&
				(op.More.Result == "1") != (there == (op.Kind == history.SetRemove)) {
				return state, false
			}
			switch {
			case op.Kind == history.SetAdd && !there:
				items = slices.Insert(items, i, op.Value)
			case op.Kind == history.SetRemove && there:
				items = slices.Delete(items, i, i+1)
			}
			return pack(items), true
		case history.ReadSet:
			return state, op.More != nil && state == pack(op.More.Values) || op.More == nil && state == absent
		case history.Delete:
			return absent, true
		case history.Expire:
			return state, true
		}
		return state, false
	},
}

// Hash is a map of fields.
var Hash = &Model{
	Name:  "hash",
	Kinds: []history.Kind{history.HashSet, history.HashRemove, history.ReadHash, history.Delete, history.Expire},
	Load:  func(kv *history.KV) string { return pack(kv.List) },
	Step: func(state string, op *history.Op) (string, bool) {
		m := op.More
		if m == nil {
			m = &none
		}
		switch op.Kind {
		case history.HashSet, history.HashRemove:
			items := unpack(state)
			at, there := pairOf(items, m.Field)
			switch {
			case op.Kind == history.HashRemove && there:
				items = slices.Delete(items, at, at+2)
			case op.Kind == history.HashSet && there:
				items[at+1] = op.Value
			case op.Kind == history.HashSet:
				items = slices.Insert(items, at, m.Field, op.Value)
			}
			return pack(items), true
		case history.ReadHash:
			return state, state == pack(m.Values)
		case history.Delete:
			return absent, true
		case history.Expire:
			return state, true
		}
		return state, false
	},
}

// Sorted is a sorted set: members in order of score, then of name.
var Sorted = &Model{
	Name:  "sorted-set",
	Kinds: []history.Kind{history.SortedAdd, history.SortedRemove, history.ReadSorted, history.Delete, history.Expire},
	Load:  func(kv *history.KV) string { return pack(kv.List) },
	Step: func(state string, op *history.Op) (string, bool) {
		m := op.More
		if m == nil {
			m = &none
		}
		switch op.Kind {
		case history.SortedAdd, history.SortedRemove:
			items := unpack(state)
			for i := 0; i < len(items); i += 2 {
				if items[i] == op.Value {
					items = slices.Delete(items, i, i+2)
					break
				}
			}
			if op.Kind == history.SortedAdd {
				i := 0
				for i < len(items) && before(items[i], items[i+1], op.Value, m.Score) {
					i += 2
				}
				items = slices.Insert(items, i, op.Value, m.Score)
			}
			return pack(items), true
		case history.ReadSorted:
			return state, state == pack(m.Values)
		case history.Delete:
			return absent, true
		case history.Expire:
			return state, true
		}
		return state, false
	},
}

func before(member, score, other, otherScore string) bool {
	a, _ := strconv.ParseFloat(score, 64)
	b, _ := strconv.ParseFloat(otherScore, 64)
	return cmp.Or(cmp.Compare(a, b), cmp.Compare(member, other)) < 0
}

// pairOf is the place of field among field-value pairs sorted by field.
func pairOf(items []string, field string) (int, bool) {
	for i := 0; i < len(items); i += 2 {
		if items[i] >= field {
			return i, items[i] == field
		}
	}
	return len(items), false
}

// A packed state is its items, each as its length, a colon and itself: no two
// lists pack alike, and appending is a concatenation.

func item(s string) string { return strconv.Itoa(len(s)) + ":" + s }

func pack(items []string) string {
	var b strings.Builder
	for _, s := range items {
		b.WriteString(strconv.Itoa(len(s)))
		b.WriteByte(':')
		b.WriteString(s)
	}
	return b.String()
}

func next(packed string) (head, rest string) {
	colon := strings.IndexByte(packed, ':')
	n, _ := strconv.Atoi(packed[:colon])
	return packed[colon+1 : colon+1+n], packed[colon+1+n:]
}

func unpack(packed string) []string {
	var items []string
	for packed != "" {
		var s string
		s, packed = next(packed)
		items = append(items, s)
	}
	return items
}

func count(packed string) int {
	n := 0
	for ; packed != ""; n++ {
		_, packed = next(packed)
	}
	return n
}
