package linear

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/torntail/torntail/checker/history"
)

// applySorted are the operations of a sorted set but ZRANGE. Scores are compared as
// the numbers they are, however they are written. (redis 7.0.15 t_zset.c)
func applySorted(kind history.Kind, body string, items []string, op *history.Op, m *history.More, acked bool) (string, effect) {
	if kind == history.SortedPop {
		return popSorted(body, items, op, m, acked)
	}
	at := len(items)
	for i := 0; i < len(items); i += 2 {
		if items[i] == op.Value {
			at = i
		}
	}
	there := at < len(items)
	old := 0.0
	if there {
		old, _ = strconv.ParseFloat(items[at+1], 64)
	}
	switch kind {
	case history.SortedScore:
		if op.Absent || !there {
			return body, when(!acked || op.Absent == !there)
		}
		return body, when(!acked || m.Result == "" || Score(m.Result) == items[at+1])
	case history.SortedRemove:
		e := answered(acked, m.Result, digit(there))
		if !there {
			return body, e
		}
		return pack(typeSorted, slices.Delete(items, at, at+2)), e
	}
	by, err := strconv.ParseFloat(m.Score, 64)
	if err != nil || math.IsNaN(by) {
		return body, refused
	}
	var e effect
	if kind == history.SortedIncr {
		if by += old; math.IsNaN(by) {
			return body, refused
		}
		e = when(!acked || m.Result == "" || Score(m.Result) == number(by))
	} else {
		e = answered(acked, m.Result, digit(!there))
	}
	if there {
		items = slices.Delete(items, at, at+2)
	}
	i := 0
	for i < len(items) && before(items[i], items[i+1], op.Value, by) {
		i += 2
	}
	return pack(typeSorted, slices.Insert(items, i, op.Value, number(by))), e
}

// popSorted is ZPOPMIN, or ZPOPMAX.
func popSorted(body string, items []string, op *history.Op, m *history.More, acked bool) (string, effect) {
	if len(items) == 0 {
		return body, when(!acked || op.Absent)
	}
	popped, rest := items[len(items)-2:], items[:len(items)-2]
	if m.Head {
		popped, rest = items[:2], items[2:]
	}
	fit := !acked || !op.Absent && len(m.Values) == 2 && m.Values[0] == popped[0] && Score(m.Values[1]) == popped[1]
	return pack(typeSorted, rest), when(fit)
}

// number is a score as states hold it.
func number(f float64) string {
	if f == 0 {
		f = 0 // -0 is 0
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// Score is a score as states hold it, from how it was written.
func Score(text string) string {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return number(f)
}

// packSorted is the state of a sorted set that was read: members and scores in turn, in order.
func packSorted(flat []string) string {
	items := slices.Clone(flat)
	for i := 1; i < len(items); i += 2 {
		items[i] = Score(items[i])
	}
	return pack(typeSorted, items)
}

func before(member, score, other string, otherScore float64) bool {
	a, _ := strconv.ParseFloat(score, 64)
	return cmp.Or(cmp.Compare(a, otherScore), cmp.Compare(member, other)) < 0
}
