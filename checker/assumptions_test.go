package checker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// TestTimesThatCannotBe: a history whose times contradict each other proves nothing,
// and what touches at one instant is no contradiction.
func TestTimesThatCannotBe(t *testing.T) {
	ops := func(times ...[2]int) []history.Op {
		var list []history.Op
		for _, at := range times {
			list = append(list, history.Op{Kind: history.Write, Key: "a", Value: "1", Invoke: time.Duration(at[0]), Return: time.Duration(at[1]), Outcome: history.OK})
		}
		return list
	}
	lives := func(times ...[2]int) []history.Epoch {
		var list []history.Epoch
		for _, at := range times {
			list = append(list, history.Epoch{Began: time.Duration(at[0]), Ended: time.Duration(at[1])})
		}
		return list
	}
	read := func(began, at int, keys ...string) []history.State {
		s := history.State{Epoch: 1, Began: time.Duration(began), At: time.Duration(at)}
		for _, k := range keys {
			s.Keys = append(s.Keys, history.KV{Key: k, Value: "1"})
		}
		return []history.State{s}
	}
	for _, tc := range []struct {
		h    history.History
		what Assumption
		why  string
	}{
		{history.History{Ops: ops([2]int{2, 2})}, "", ""},
		{history.History{Ops: ops([2]int{1, 3}, [2]int{2, 1})}, Times, "operation 1 returned at 1ns, before it was invoked at 2ns"},
		{history.History{Ops: ops([2]int{2, 3}, [2]int{2, 3})[:1]}, "", ""},
		{history.History{Ops: ops([2]int{1, 9}, [2]int{0, 9})}, Times, "operation 1 was invoked at 0s, before operation 0 at 1ns"},
		{history.History{Ops: ops([2]int{1, 9}, [2]int{3, 9}, [2]int{2, 9})}, Times, "operation 2 was invoked at 2ns, before operation 1 at 3ns"},
		{history.History{Ops: ops([2]int{1, 2}), Epochs: lives([2]int{0, 5}, [2]int{6, 5})}, Times, "epoch 1 ended at 5ns, before it began at 6ns"},
		{history.History{Ops: ops([2]int{1, 2}), Epochs: lives([2]int{0, 5}, [2]int{4, 7})}, Times, "epoch 1 began at 4ns, before epoch 0 ended at 5ns"},
		{history.History{Ops: ops([2]int{1, 2}), Epochs: lives([2]int{0, 5}), States: read(7, 6, "a")}, Times, "state 0 was read at 6ns, before the read began at 7ns"},
		{history.History{Ops: ops([2]int{1, 2}), Epochs: lives([2]int{0, 5}), States: read(6, 6, "a")}, "", ""},
		{history.History{Ops: ops([2]int{1, 2}), Epochs: lives([2]int{0, 5}), States: read(4, 6, "a")}, Reopened, "the recovered state was read at 4ns, before the crash at 5ns"},
		{history.History{Ops: ops([2]int{1, 2}), Epochs: lives([2]int{0, 5}), States: read(6, 7, "a", "b", "b")}, Reopened, `state 0: key "b" follows "b": not sorted, or there twice`},
	} {
		out := (&Judge{Options: unhurried}).Judge(&tc.h, contract.Clients())
		require.Equal(t, tc.what, out.Assumption, tc.why)
		if tc.why != "" {
			require.Equal(t, verdict.Unknown, out.Verdict)
			require.Equal(t, tc.why, out.Why)
		}
	}
}
