package linear

import (
	"slices"
	"strconv"

	"github.com/torntail/torntail/checker/history"
)

// applyList are the operations of one list. (redis 7.0.15 t_list.c)
func applyList(kind history.Kind, body string, op *history.Op, m *history.More, acked bool) (string, effect) {
	if body != absent && body[0] != typeList {
		return body, refused
	}
	switch kind {
	case history.Append, history.Push:
		next := push(body, op.Value, m.Head)
		if !acked || m.Result == "" {
			return next, fits
		}
		return next, answered(acked, m.Result, strconv.Itoa(count(next[1:])))
	case history.ReadList:
		return body, when(!acked || body == pack(typeList, m.Values))
	case history.Pop:
		if body == absent {
			return body, when(!acked || op.Absent)
		}
		popped, rest := pop(body, m.Head)
		return rest, when(!acked || !op.Absent && got(op, m) == popped)
	}
	// history.ListRemove
	items, _ := unpack(typeList, body)
	left := remove(items, op.Value, m.Index)
	return pack(typeList, left), answered(acked, m.Result, strconv.Itoa(len(items)-len(left)))
}

// got is the element that a pop or a move answered. Some histories have it as
// the operation's value.
func got(op *history.Op, m *history.More) string {
	if m.Result == "" {
		return op.Value
	}
	return m.Result
}

func push(body, value string, head bool) string {
	switch {
	case body == absent:
		return string(typeList) + item(value)
	case head:
		return string(typeList) + item(value) + body[1:]
	}
	return body + item(value)
}

func pop(body string, head bool) (popped, rest string) {
	if head {
		popped, rest = nextItem(body[1:])
		if rest != "" {
			rest = string(typeList) + rest
		}
		return popped, rest
	}
	items, _ := unpack(typeList, body)
	last := len(items) - 1
	return items[last], pack(typeList, items[:last])
}

// remove takes value out of items: the first count of them, the last -count, or
// all when count is 0.
func remove(items []string, value string, count int64) []string {
	var left []string
	most := count
	if count < 0 {
		most = -count
	}
	gone := int64(0)
	keep := func(s string) {
		if s == value && (count == 0 || gone < most) {
			gone++
			return
		}
		left = append(left, s)
	}
	if count >= 0 {
		for _, s := range items {
			keep(s)
		}
		return left
	}
	for _, s := range slices.Backward(items) {
		keep(s)
	}
	slices.Reverse(left)
	return left
}

// move is LMOVE from one list to another. (redis 7.0.15 t_list.c lmoveGenericCommand)
func move(from, to string, op *history.Op, m *history.More, acked bool) (nextFrom, nextTo string, e effect) {
	fromUntil, fromBody := split(from)
	toUntil, toBody := split(to)
	switch {
	case fromBody == absent:
		return from, to, when(!acked || op.Absent)
	case fromBody[0] != typeList || toBody != absent && toBody[0] != typeList:
		return from, to, refused
	}
	popped, rest := pop(fromBody, m.Head)
	return join(fromUntil, rest), join(toUntil, push(toBody, popped, m.ToHead)), when(!acked || !op.Absent && got(op, m) == popped)
}

// rotate is LMOVE of a list to itself: it keeps its deadline, with one element too.
func rotate(state string, op *history.Op, m *history.More, acked bool) (string, effect) {
	until, body := split(state)
	switch {
	case body == absent:
		return state, when(!acked || op.Absent)
	case body[0] != typeList:
		return state, refused
	}
	popped, rest := pop(body, m.Head)
	return join(until, push(rest, popped, m.ToHead)), when(!acked || !op.Absent && got(op, m) == popped)
}
