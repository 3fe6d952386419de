package checker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/exhaustive"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// TestTransactionsWaitForReadersAsEveryOrderSays: each key by itself is fine, and
// the transaction cannot come before the write of y = 7, as y tells, and after
// the read of x = 1, as x does.
func TestTransactionsWaitForReadersAsEveryOrderSays(t *testing.T) {
	const ms = time.Millisecond
	op := func(kind history.Kind, key, value string, from, to time.Duration) history.Op {
		return history.Op{Kind: kind, Key: key, Value: value, Invoke: from * ms, Return: to * ms, Outcome: history.OK, More: &history.More{}}
	}
	txn := op(history.Txn, "", "", 2, 20)
	txn.More.Parts = []history.Op{op(history.Write, "x", "2", 0, 0), op(history.Write, "y", "5", 0, 0)}
	for _, tc := range []struct {
		read time.Duration // when x = 1 was read
		good bool
	}{{3, true}, {10, false}} {
		q := exhaustive.Question{Crash: history.Never, Ops: []history.Op{op(history.Write, "x", "1", 0, 0), op(history.Write, "y", "7", 1, 3), txn,
			op(history.Read, "x", "1", tc.read, tc.read+1), op(history.Read, "y", "7", 30, 31)}}
		require.Equal(t, tc.good, exhaustive.Judge(q).Linearizable)
		var j Judge
		out := j.Judge(q.History(), contract.Clients())
		require.Equal(t, tc.good, out.Verdict == verdict.Holds, "%+v", out.Anomalies)
	}
}
