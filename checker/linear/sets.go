package linear

import (
	"slices"
	"strconv"

	"github.com/torntail/torntail/checker/history"
)

// collection is a type of value that has items: how all of it is read, and what the
// other operations make of it.
type collection struct {
	typ   byte
	read  history.Kind
	pack  func(values []string) string // what was read, as a state
	apply func(kind history.Kind, body string, items []string, op *history.Op, m *history.More, acked bool) (string, effect)
}

var (
	aSet       = collection{typeSet, history.ReadSet, packSet, applySet}
	aHash      = collection{typeHash, history.ReadHash, packHash, applyHash}
	aSortedSet = collection{typeSorted, history.ReadSorted, packSorted, applySorted}
)

// do are all operations of a collection.
func (c *collection) do(kind history.Kind, body string, op *history.Op, m *history.More, acked bool) (string, effect) {
	items, ok := unpack(c.typ, body)
	switch {
	case !ok:
		return body, refused
	case kind == c.read:
		return body, when(!acked || body == c.pack(m.Values))
	}
	return c.apply(kind, body, items, op, m, acked)
}

// applySet are the operations of a set but SMEMBERS. (redis 7.0.15 t_set.c)
func applySet(kind history.Kind, body string, items []string, op *history.Op, m *history.More, acked bool) (string, effect) {
	i, there := slices.BinarySearch(items, op.Value)
	switch kind {
	case history.SetHas:
		return body, answered(acked, m.Result, digit(there))
	case history.SetAdd:
		e := answered(acked, m.Result, digit(!there))
		if there {
			return body, e
		}
		return pack(typeSet, slices.Insert(items, i, op.Value)), e
	}
	// history.SetRemove
	e := answered(acked, m.Result, digit(there))
	if !there {
		return body, e
	}
	return pack(typeSet, slices.Delete(items, i, i+1)), e
}

func packSet(members []string) string {
	return pack(typeSet, slices.Sorted(slices.Values(members)))
}

// applyHash are the operations of a hash but HGETALL. (redis 7.0.15 t_hash.c)
func applyHash(kind history.Kind, body string, items []string, op *history.Op, m *history.More, acked bool) (string, effect) {
	at, there := pairOf(items, m.Field)
	value := ""
	if there {
		value = items[at+1]
	}
	put := func(value string) string {
		if there {
			items[at+1] = value
			return pack(typeHash, items)
		}
		return pack(typeHash, slices.Insert(items, at, m.Field, value))
	}
	switch kind {
	case history.HashGet:
		return body, when(!acked || op.Absent == !there && op.Value == value)
	case history.HashSet:
		e := answered(acked, m.Result, digit(!there))
		return put(op.Value), e
	case history.HashRemove:
		e := answered(acked, m.Result, digit(there))
		if !there {
			return body, e
		}
		return pack(typeHash, slices.Delete(items, at, at+2)), e
	}
	// history.HashIncr
	by, err := strconv.ParseInt(op.Value, 10, 64)
	n, isInteger := integer(value, there)
	if err != nil || !isInteger || overflows(n, by) {
		return body, refused
	}
	sum := strconv.FormatInt(n+by, 10)
	return put(sum), answered(acked, m.Result, sum)
}

func overflows(n, by int64) bool {
	return by > 0 && n+by < n || by < 0 && n+by > n
}

// packHash is the state of a hash whose fields and values are in any order of fields.
func packHash(flat []string) string {
	if len(flat)%2 != 0 {
		return "?" // no hash has half a pair
	}
	type pair struct{ field, value string }
	pairs := make([]pair, 0, len(flat)/2)
	for i := 0; i < len(flat); i += 2 {
		pairs = append(pairs, pair{flat[i], flat[i+1]})
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if a.field < b.field {
			return -1
		}
		return 1
	})
	sorted := make([]string, 0, len(flat))
	for _, p := range pairs {
		sorted = append(sorted, p.field, p.value)
	}
	return pack(typeHash, sorted)
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
