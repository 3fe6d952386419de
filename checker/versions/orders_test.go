package versions_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/versions"
	"github.com/torntail/torntail/checker/zones"
)

// piece is a write that says what it replaced; "?" when it does not.
func piece(value, replaced string) history.Op {
	op := history.Op{Kind: history.Write, Key: "k", Value: value, Outcome: history.OK, Return: 100, More: &history.More{}}
	if replaced != "?" {
		op.More.HasReplaced, op.More.Replaced, op.Absent = true, replaced, replaced == ""
	}
	return op
}

// TestOrdersThatAreNotTriedAreNotDecided: up to five pieces of a key's version order
// that nobody knows the order of are put together in every way, and no more; and
// nothing is decided where a delete may lie between them.
func TestOrdersThatAreNotTriedAreNotDecided(t *testing.T) {
	check := func(ops ...history.Op) versions.Result {
		for i := range ops {
			ops[i].ID, ops[i].Client, ops[i].Invoke = i, i, time.Duration(i)
		}
		var r zones.Registers
		r.Build(zones.Input{Ops: ops, Crash: zones.Late})
		require.True(t, r.KnowsVersions())
		for n := range r.Keys {
			_, ok := r.Check(&r.Keys[n])
			require.True(t, ok)
		}
		var g versions.Graph
		return g.Check(&r, false)
	}
	several := func(n int) []history.Op {
		ops := []history.Op{piece("0", "")}
		for i := range n {
			ops = append(ops, piece(fmt.Sprint(i+1), "?"))
		}
		return ops
	}
	for n := range 7 {
		res := check(several(n)...)
		require.True(t, res.Consistent, "%d pieces", n)
		require.Equal(t, n <= 5, res.Decided, "%d pieces", n)
	}
	gone := piece("", "?")
	gone.Kind = history.Delete
	require.False(t, check(piece("0", ""), piece("1", "?"), gone).Decided)

	// 5! orders of one key times 4! of another are more than are tried; 5! times 3! are not.
	two := func(n int) []history.Op {
		ops := several(5)
		for i := range n {
			op := piece(fmt.Sprint(i+1), "?")
			op.Key = "l"
			ops = append(ops, op)
		}
		return ops
	}
	require.True(t, check(two(3)...).Decided)
	require.False(t, check(two(4)...).Decided)

	// Two keys of which one is decided and one is not.
	other := piece("9", "")
	other.Key = "l"
	require.False(t, check(append(several(6), other)...).Decided)
}
