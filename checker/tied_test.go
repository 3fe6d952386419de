package checker

import (
	"fmt"
	"strings"
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

// TestWhatWasReadOfManyTiedRegistersMustSurvive: more of them than are searched wherever the
// cut may lie, of which an order says that what was found was there, but not at the end.
func TestWhatWasReadOfManyTiedRegistersMustSurvive(t *testing.T) {
	var b strings.Builder
	n := mostSearched
	for i := range n {
		fmt.Fprintf(&b, "c1 txn a=%d,b=%d %d-%d\n", i, i, 2*i, 2*i+1)
	}
	fmt.Fprintf(&b, "c2 txn a=x,b=x %d-?\n", 2*n)
	read := fmt.Sprintf("c3 get a x %d-%d\n", 2*n+1, 2*n+2)
	end := fmt.Sprintf("crash power-cut %d\nfound a=%d b=%d\n", 2*n+3, n-1, n-1)
	c, err := contract.For("always", contract.Power, contract.Config{})
	require.NoError(t, err)
	j := Judge{Options: unhurried}
	require.Equal(t, verdict.Holds, j.Judge(script(t, b.String()+end), c).Verdict)
	out := j.Judge(script(t, b.String()+read+end), c)
	require.Equal(t, verdict.Violated, out.Verdict, out.Why)
	require.Equal(t, "lost-write: what an acknowledged read has found survives", out.Why)
}

// TestWhatATransactionReadMustSurvive: that a = 2 came after a = 1, which was found, follows
// from what two transactions read of b alone. The first operation of the history is the one
// that is told of it, or it is not.
func TestWhatATransactionReadMustSurvive(t *testing.T) {
	c, err := contract.For("always", contract.Power, contract.Config{})
	require.NoError(t, err)
	const ops = `c1 txn a?2,b?3 2-100
		c2 txn a?1,b?- 3-99
		c3 set a 1 4-?
		c4 set a 2 5-?
		c5 set b 3 6-?
		crash power-cut 200
		found `
	for found, lost := range map[string]bool{"a=1 b=3": true, "a=2 b=3": false} {
		for _, noSmall := range []bool{true, false} {
			for _, s := range []string{ops + found, "c6 set c 9 0-1\n" + ops + "c=9 " + found} {
				j := Judge{Options: unhurried, noSmall: noSmall}
				out := j.Judge(script(t, s), c)
				require.Equal(t, lost, out.Verdict == verdict.Violated, "%s: %s", found, out.Why)
				if lost {
					require.Equal(t, "lost-write: what an acknowledged read has found survives", out.Why)
				}
			}
		}
	}
}

// TestATransactionOfListsIsWholeWhereMuchIsWritten: clusters decide what is too large for a
// search and that nobody read. A transaction that appends to a list, and writes elsewhere,
// survives in both or in neither.
func TestATransactionOfListsIsWholeWhereMuchIsWritten(t *testing.T) {
	var many, elements strings.Builder
	const n = 2 * mostSearched
	for i := range n {
		fmt.Fprintf(&many, "c2 txn a=%d,c+%d %d-%d\n", i, i, 10*i, 10*i+1)
		if i < n-1 {
			fmt.Fprintf(&elements, "%d,", i)
		}
	}
	for _, c := range []struct {
		written, found string
		whole          bool
	}{
		{"c2 txn a=12,c+13 1-2", "c=[13]", false},
		{"c2 txn a=12,c+13 1-2", "a=12", false},
		{"c2 txn a+12,c+13 1-2", "a=[12]", false},
		{"c2 txn a+12,c+13 1-2\nc2 txn a+14,c+15 3-4", "a=[12,14] c=[13]", false},
		{"c2 txn a=12,c+13 1-2", "a=12 c=[13]", true},
		{"c2 txn a=12,c+13 1-2", "nothing", true},
		{"c2 txn a+12,c+13 1-2\nc2 txn a+14,c+15 3-4", "a=[12] c=[13]", true},
		{many.String(), fmt.Sprintf("a=%d c=[%s]", n-1, strings.TrimSuffix(elements.String(), ",")), false},
		{many.String(), fmt.Sprintf("a=%d c=[%s%d]", n-1, elements.String(), n-1), true},
	} {
		for _, noSmall := range []bool{true, false} {
			j := Judge{Options: unhurried, noSmall: noSmall}
			out := j.Judge(script(t, c.written+"\ncrash power-cut 9999\nfound "+c.found), contract.Clients())
			require.Equal(t, c.whole, out.Verdict == verdict.Holds, "%.100s: %v", c.written, out.Anomalies)
		}
	}
}
