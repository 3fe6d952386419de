package transactions

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// FuzzNames: two values are the same exactly when they are written the same, and
// none of them is Nil.
func FuzzNames(f *testing.F) {
	f.Add("1", "01")
	f.Add("nil", "16777216")
	f.Add("", "99999999")
	f.Fuzz(func(t *testing.T, a, b string) {
		var n Names
		x, y := n.Of(a), n.Of(b)
		for i := range int64(3000) {
			n.Int(i) // the table of small integers grows
		}
		require.Equal(t, a == b, x == y)
		require.Equal(t, []string{a, b}, []string{n.Text(x), n.Text(y)})
		require.Equal(t, []Value{x, y}, []Value{n.Of(a), n.Of(b)})
		require.NotEqual(t, Nil, x)
		if i, err := strconv.ParseInt(a, 10, 64); err == nil && strconv.FormatInt(i, 10) == a {
			require.Equal(t, x, n.Int(i))
		}
	})
}

func TestCheckRefuses(t *testing.T) {
	x := Value(1)
	for what, h := range map[string]History{
		"returned before it was invoked":     {Txns: []Txn{{Process: 1, Invoke: 2, Return: 1}}},
		"must be in order of invocation":     {Txns: []Txn{{Invoke: 2, Return: 3}, {Invoke: 1, Return: 3}}},
		"operation 1 neither reads nor":      {Txns: []Txn{{Mops: []Mop{{Key: x}}}}},
		"but this history has both: [:w 7 ":  {Lists: true, Txns: []Txn{{Mops: []Mop{{Func: Write, Key: x, Value: x}}}}},
		"writes the initial value: [:w 7 7]": {Initial: x, Txns: []Txn{{Line: 3, Mops: []Mop{{Func: Write, Key: x, Value: x}}}}},
		"invoked at 0s, line 3 writes":       {Txns: []Txn{{Line: 3, Mops: []Mop{{Func: Write, Key: x, Value: Nil}}}}},
	} {
		require.Equal(t, x, h.Names.Of("7"))
		_, err := Check(&h, Options{})
		require.ErrorContains(t, err, what)
	}
	_, err := Check(&History{}, Options{Expect: []Model{"linearizable"}})
	require.ErrorContains(t, err, `no consistency model is called "linearizable"`)
}

// TestInitialValueOfRegisters: what registers hold at first can be given; nil is
// then a value like any other.
func TestInitialValueOfRegisters(t *testing.T) {
	h := History{}
	x := h.Names.Of("x")
	h.Initial = h.Names.Of("0")
	h.Txns = []Txn{
		{Outcome: history.OK, Invoke: 0, Return: 1, Mops: []Mop{{Func: Read, Known: true, Key: x, Value: h.Initial}}},
		{Outcome: history.OK, Invoke: 2, Return: 3, Mops: []Mop{{Func: Write, Key: x, Value: Nil}}},
		{Outcome: history.OK, Invoke: 4, Return: 5, Mops: []Mop{{Func: Read, Known: true, Key: x, Value: Nil}}},
	}
	r, err := Check(&h, Options{})
	require.NoError(t, err)
	require.Equal(t, verdict.Holds, r.Verdict, r.Why)
	h.Txns[2].Mops[0].Value = h.Initial
	r, err = Check(&h, Options{})
	require.NoError(t, err)
	require.Equal(t, []Count{{"G-single-process", 1}}, r.Counts)
}

// TestManyAtOnceAreNotOrdered: the order of versions by real time is given up
// before it takes memory without bound, and said to be.
func TestManyAtOnceAreNotOrdered(t *testing.T) {
	const n = 2000
	h := History{Txns: make([]Txn, 2*n)}
	x := h.Names.Of("x")
	for i := range h.Txns {
		at := time.Duration(i / n * 10)
		h.Txns[i] = Txn{Process: i, Outcome: history.OK, Invoke: at, Return: at + 5, Mops: []Mop{{Func: Write, Key: x, Value: h.Names.Int(int64(i))}}}
	}
	r, err := Check(&h, Options{LinearizableKeys: true})
	require.NoError(t, err)
	require.Equal(t, verdict.Unknown, r.Verdict)
	require.Contains(t, r.Why, "key x by real time")
}
