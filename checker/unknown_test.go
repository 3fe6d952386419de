package checker

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// TestWhatIsNotTriedIsNotRuledOut: one of 300 IDs that were asked about may be that
// of an entry that nobody answered for, and after 300 comings and goings of a
// member the crash may have struck. Not all of them are tried; the verdict is
// unknown then, and says why.
func TestWhatIsNotTriedIsNotRuledOut(t *testing.T) {
	const ms = time.Millisecond
	h := &history.History{}
	add := func(kind history.Kind, key, value string, m history.More) *history.Op {
		n := len(h.Ops)
		h.Ops = append(h.Ops, history.Op{ID: n, Kind: kind, Key: key, Value: value, Outcome: history.OK, More: &m,
			Invoke: time.Duration(2*n) * ms, Return: time.Duration(2*n+1) * ms})
		return &h.Ops[n]
	}
	judge := func() Judgement {
		var j Judge
		return j.Judge(h, contract.Clients())
	}

	// Of the entry that was added only the ID is known, and the length of the stream.
	part := history.Op{Kind: history.StreamAdd, Key: "s", Value: "v", More: &history.More{Entry: "*", Field: "f"}}
	tied := add(history.Txn, "", "", history.More{Parts: []history.Op{part}})
	tied.Outcome, tied.Return = history.Unknown, history.Never
	for i := range 300 {
		op := add(history.StreamRemove, "s", "", history.More{Entry: fmt.Sprintf("%d-0", i+1)})
		op.Outcome, op.Return = history.Unknown, history.Never
	}
	add(history.StreamRemove, "s", "", history.More{Entry: "1000-0", Result: "1"})
	out := judge()
	require.Equal(t, verdict.Unknown, out.Verdict, "%s", out.Why)
	require.Contains(t, out.Why, "more IDs that the server may have chosen")
	require.Equal(t, 1, out.Unanswered)
	h.Ops = append(h.Ops[:1], h.Ops[201:]...)
	require.Equal(t, verdict.Holds, judge().Verdict, "of 100 each is tried")

	// b was there for a moment only, in which a was not: but for that the two fit.
	h = &history.History{}
	comeAndGo := func(key string) {
		add(history.SetAdd, key, "m", history.More{Result: "1"})
		add(history.SetRemove, key, "m", history.More{Result: "1"})
	}
	for range 300 {
		comeAndGo("a")
	}
	comeAndGo("b")
	comeAndGo("a")
	end := time.Duration(2*len(h.Ops)) * ms
	h.Epochs = []history.Epoch{{Ended: end, How: history.PowerCut}}
	h.States = []history.State{{Epoch: 1, Began: end, At: end, Keys: []history.KV{
		{Key: "a", Type: "set", List: []string{"m"}}, {Key: "b", Type: "set", List: []string{"m"}}}}}
	out = judge()
	require.Equal(t, verdict.Unknown, out.Verdict, "%s", out.Why)
	h.Ops = h.Ops[540:]
	require.Equal(t, verdict.Violated, judge().Verdict, "of 30 each is tried")
}
