package checker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// TestCounterThatBeganWithADeadline: what a counter began with may have expired
// before the first of what was added; the sum begins with it only without a deadline.
func TestCounterThatBeganWithADeadline(t *testing.T) {
	ops := []history.Op{
		{Client: 1, Kind: history.Incr, Key: "n", Value: "1", More: &history.More{Result: "1"}, Invoke: 7, Return: 8, Outcome: history.OK},
		{Client: 0, Kind: history.Read, Key: "n", Value: "1", Invoke: 22, Return: 23, Outcome: history.OK},
	}
	for _, c := range []struct {
		left time.Duration
		want verdict.Verdict
	}{{1, verdict.Holds}, {0, verdict.Violated}} {
		h := &history.History{Ops: ops, States: []history.State{{Keys: []history.KV{{Key: "n", Value: "12", TTL: c.left}}}}}
		out := (&Judge{Options: unhurried}).Judge(h, contract.Clients())
		require.Equal(t, c.want, out.Verdict, "%v left: %s %v", c.left, out.Why, out.Anomalies)
	}
}

// TestRulesPassOverKeysOfTwoTypes: of a key that was a set and a hash no rule says
// anything, and of the next key they do.
func TestRulesPassOverKeysOfTwoTypes(t *testing.T) {
	h := &history.History{Ops: []history.Op{
		{Client: 1, Kind: history.SetAdd, Key: "a", Value: "m", Invoke: 1, Return: 2, Outcome: history.OK},
		{Client: 1, Kind: history.HashSet, Key: "a", Value: "v", More: &history.More{Field: "f", Err: "WRONGTYPE"}, Invoke: 3, Return: 4, Outcome: history.OK},
		{Client: 1, Kind: history.ReadSet, Key: "b", More: &history.More{Values: []string{"x"}}, Invoke: 5, Return: 6, Outcome: history.OK},
	}}
	out := (&Judge{Options: unhurried}).Judge(h, contract.Clients())
	require.Equal(t, anomaly.Phantom, out.Anomalies[0].Name)
	require.Equal(t, "b", out.Anomalies[0].Key)
}

// TestWhatATransactionMovesIsThere: an element may come from another list, also when it was a
// transaction that moved it.
func TestWhatATransactionMovesIsThere(t *testing.T) {
	move := history.Op{Kind: history.ListMove, Key: "from", More: &history.More{To: "l", Head: true, Result: "x"}}
	h := &history.History{Ops: []history.Op{
		{ID: 0, Client: 1, Kind: history.Push, Key: "from", Value: "x", Invoke: 1, Return: 2, Outcome: history.OK},
		{ID: 1, Client: 1, Kind: history.Txn, More: &history.More{Parts: []history.Op{move}}, Invoke: 3, Return: 4, Outcome: history.OK},
		{ID: 2, Client: 1, Kind: history.Pop, Key: "l", More: &history.More{Head: true, Result: "x"}, Invoke: 5, Return: 6, Outcome: history.OK},
	}}
	out := (&Judge{Options: unhurried}).Judge(h, contract.Clients())
	require.Equal(t, verdict.Holds, out.Verdict, "%s %v", out.Why, out.Anomalies)
}

// TestWhatWasAddedByAnInstant: a counter may have any value between all that was taken from it
// and all that was added; of other keys, and of what is no number, nothing is said.
func TestWhatWasAddedByAnInstant(t *testing.T) {
	add := func(by string, at time.Duration) history.Op {
		return history.Op{Kind: history.Incr, Key: "n", Value: by, Invoke: at, Return: at + 1}
	}
	failed := add("50", 1)
	failed.Outcome = history.Failed
	other := add("50", 1)
	other.Key = "m"
	read := history.Op{Kind: history.Read, Key: "n", Value: "7", Invoke: 1, Return: 2}
	set := history.Op{Kind: history.Write, Key: "n", Value: "90", Invoke: 1, Return: 2}
	ops := []history.Op{add("3", 1), add("-2", 5), add("4", 9), add("100", 10), failed, other, read}
	ten := &history.State{Keys: []history.KV{{Key: "m", Value: "50"}, {Key: "n", Value: "10"}}}
	for _, c := range []struct {
		found  string
		before *history.State
		more   []history.Op
		want   bool
	}{
		{"-2", nil, nil, true}, {"-3", nil, nil, false}, {"7", nil, nil, true}, {"8", nil, nil, false}, {"0", nil, nil, true},
		{"8", ten, nil, true}, {"7", ten, nil, false}, {"17", ten, nil, true}, {"18", ten, nil, false},
		{"90", nil, []history.Op{set}, true}, {"90", nil, []history.Op{add("x", 2)}, true}, {"90", nil, []history.Op{add("x", 20)}, false},
		{"word", nil, nil, true},
		{"90", &history.State{Keys: []history.KV{{Key: "n", Value: "word"}}}, nil, true},
	} {
		j := &Judge{h: &history.History{Ops: append([]history.Op{add("1000", 1)}, append(ops, c.more...)...)}}
		e := &epoch{from: 1, to: len(j.h.Ops), before: c.before} // the first is of another life
		require.Equal(t, c.want, j.addedBy(e, &history.KV{Key: "n", Value: c.found}, 9), "%s %v", c.found, c.more)
	}
	require.True(t, (&Judge{h: &history.History{}}).addedBy(&epoch{}, &history.KV{Key: "n", List: []string{"5"}, Value: "5"}, 9), "a list")
}
