package zones_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/zones"
)

func op(kind history.Kind, value string, from, to time.Duration) history.Op {
	o := history.Op{Kind: kind, Key: "k", Value: value, Invoke: from, Return: to, Outcome: history.OK}
	if kind == history.Read && value == "" {
		o.Absent = true
	}
	if kind == history.ReadList {
		o.Value, o.More = "", &history.More{}
		for _, c := range value {
			o.More.Values = append(o.More.Values, string(c))
		}
	}
	if to < 0 {
		o.Return, o.Outcome = history.Never, history.Unknown
	}
	return o
}

func TestShapes(t *testing.T) {
	const w, r, d, a, l = history.Write, history.Read, history.Delete, history.Append, history.ReadList
	for _, tc := range []struct {
		name     string
		ops      []history.Op
		shape    zones.Shape
		evidence []int
		decided  bool
	}{
		{"one after another", []history.Op{op(w, "1", 0, 1), op(r, "1", 2, 3), op(w, "2", 4, 5), op(r, "2", 6, 7)}, zones.None, nil, true},
		{"touching is concurrent", []history.Op{op(w, "1", 0, 5), op(w, "2", 5, 9), op(r, "1", 9, 12)}, zones.None, nil, true},
		{"concurrent writes in either order", []history.Op{op(w, "1", 0, 9), op(w, "2", 0, 9), op(r, "2", 10, 11), op(r, "2", 12, 13)}, zones.None, nil, true},
		{"an old value again", []history.Op{op(w, "1", 0, 1), op(w, "2", 2, 3), op(r, "2", 4, 5), op(r, "1", 6, 7)}, zones.ForwardOverlap, []int{0, 1, 2, 3}, true},
		{"a value that was never current", []history.Op{op(w, "1", 0, 1), op(w, "2", 3, 4), op(r, "1", 6, 7)}, zones.BackwardInForward, []int{0, 1, 2}, true},
		{"read before it was written", []history.Op{op(r, "1", 0, 1), op(w, "1", 2, 3)}, zones.ReadBeforeWrite, []int{0, 1}, true},
		{"read and never written", []history.Op{op(r, "1", 0, 1)}, zones.UnwrittenRead, []int{0}, true},
		{"nothing, after a write", []history.Op{op(w, "1", 0, 1), op(r, "", 2, 3)}, zones.BackwardInForward, []int{0, 1}, true},
		{"an unanswered write that was read", []history.Op{op(w, "1", 0, -1), op(r, "1", 2, 3), op(r, "", 4, 5)}, zones.BackwardInForward, []int{0, 1, 2}, true},
		{"an unanswered write that nobody read", []history.Op{op(w, "1", 0, -1), op(r, "", 4, 5)}, zones.None, nil, true},
		{"a value written twice", []history.Op{op(w, "1", 0, 1), op(w, "1", 2, 3)}, zones.None, nil, false},
		{"nothing, when there are deletes", []history.Op{op(w, "1", 0, 1), op(d, "", 2, 3), op(r, "", 4, 5)}, zones.None, nil, false},
		{"lists in order", []history.Op{op(a, "x", 0, 1), op(a, "y", 2, 3), op(l, "xy", 4, 5)}, zones.None, nil, true},
		{"lists out of order", []history.Op{op(a, "x", 0, 1), op(a, "y", 2, 3), op(l, "yx", 4, 5)}, zones.OutOfOrder, []int{0, 1, 2}, true},
		{"two lists that disagree", []history.Op{op(a, "x", 0, 9), op(a, "y", 0, 9), op(l, "x", 0, 9), op(l, "yx", 10, 11)}, zones.ForkedList, []int{2, 3}, true},
		{"an element missing in the list", []history.Op{op(a, "x", 0, 1), op(l, "", 4, 5)}, zones.OutOfOrder, []int{0, 1}, true},
		{"a list with an element that nobody appended", []history.Op{op(l, "z", 4, 5)}, zones.UnwrittenRead, []int{0}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r zones.Registers
			c, holds, decided := r.Linearizable(tc.ops)
			require.Equal(t, tc.shape == zones.None, holds)
			require.Equal(t, tc.shape, c.Shape)
			require.Equal(t, tc.decided, decided)
			if !holds {
				require.Equal(t, tc.evidence, r.Evidence(c))
			}
		})
	}
}

// Build is called again and again by one worker: nothing of an earlier history may stay.
func TestMemoryOfEarlierHistoriesDoesNotShow(t *testing.T) {
	var reused zones.Registers
	for n := range 60 {
		var ops []history.Op
		for i := range n * 7 % 40 {
			o := op(history.Write, string(rune('a'+i)), time.Duration(2*i), time.Duration(2*i+1))
			o.Key = string(rune('A' + i%(n%5+1)))
			ops = append(ops, o)
		}
		if n%3 == 0 {
			ops = append(ops, op(history.Read, "never", 1000, 1001))
		}
		var fresh zones.Registers
		_, want, _ := fresh.Linearizable(ops)
		_, got, _ := reused.Linearizable(ops)
		require.Equal(t, want, got, "history %d", n)
		require.Equal(t, len(fresh.Keys), len(reused.Keys))
		require.ElementsMatch(t, fresh.Clusters, reused.Clusters)
	}
}
