package linear

import (
	"flag"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/exhaustive"
	"github.com/torntail/torntail/checker/history"
)

// check runs f on 2,000 random histories, or as many as the environment says
// (make prove-histories), and shrinks one on which it fails.
func check(t *testing.T, share int, f func(t *rapid.T)) {
	n, err := strconv.Atoi(os.Getenv("TORNTAIL_HISTORIES"))
	if err != nil {
		n = 2000
	}
	require.NoError(t, flag.Set("rapid.checks", strconv.Itoa(max(1, n/share))))
	require.NoError(t, flag.Set("rapid.nofailfile", "true"))
	require.NoError(t, flag.Set("rapid.shrinktime", "5s"))
	rapid.Check(t, f)
}

func draw(t *rapid.T) exhaustive.Draw {
	return func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "") }
}

// problemOf is a whole question as one problem.
func problemOf(q *exhaustive.Question) *Problem {
	p := &Problem{Crash: q.Crash}
	for i := range q.Ops {
		p.Ops = append(p.Ops, &q.Ops[i])
	}
	at := history.State{}
	for _, name := range []string{"a", "b", "c"} {
		k := Key{Name: name}
		if q.Initial != nil {
			if kv := kvOf(q.Initial.KVs(), name); kv != nil {
				k.Initial = Load(kv, &at)
			}
		}
		if q.Found != nil {
			k.Found = FoundIn(kvOf(q.Found.Keys, name), q.Found)
		}
		p.Keys = append(p.Keys, k)
	}
	return p
}

func kvOf(kvs []history.KV, key string) *history.KV {
	for i := range kvs {
		if kvs[i].Key == key {
			return &kvs[i]
		}
	}
	return nil
}

// TestSearchAgreesWithEveryOrder: on any history, with every kind of operation,
// the search finds an order exactly when there is one, and a cut exactly when a
// prefix explains what was found; and so does porcupine with the same models.
func TestSearchAgreesWithEveryOrder(t *testing.T) {
	answer := func(yes bool) Answer {
		if yes {
			return Yes
		}
		return No
	}
	check(t, 1, func(t *rapid.T) {
		q := exhaustive.Small.History(draw(t))
		want := exhaustive.Judge(q)
		p := problemOf(&q)
		require.Equal(t, answer(want.Linearizable), p.Check(Limits{}), "%s", q)
		witness := Unknown // it knows nothing of what the server chose
		if p.compile().groups == 0 {
			witness = answer(want.Linearizable)
		}
		require.Equal(t, witness, p.ByPorcupine(Limits{}), "porcupine: %s", q)
		if q.Found == nil {
			return
		}
		p.Find, p.FoundTo = true, q.Crash
		require.Equal(t, answer(want.Consistent), p.Check(Limits{}), "%s", q)
	})
}

// TestStacksAgreeWithEveryOrder: what is said of a stack without a search is what
// trying every order says; and of stacks of which nothing but pushes and pops is
// known it is always said.
func TestStacksAgreeWithEveryOrder(t *testing.T) {
	s := exhaustive.Shape{Least: 5, Most: 9, Keys: 1, Crashes: 4, Lies: 2, Plain: true, Stacks: true, Families: []exhaustive.Family{
		{Name: "stack", Kinds: []history.Kind{history.Push, history.Push, history.Pop, history.Pop}},
		{Name: "stack that is read", Kinds: []history.Kind{history.Push, history.Push, history.Pop, history.Pop, history.ReadList}},
	}}
	said := map[Answer]int{}
	check(t, 1, func(t *rapid.T) {
		q := s.History(draw(t))
		p := problemOf(&q)
		p.Keys = p.Keys[:1]
		got := p.compile().answer
		said[got]++
		want := exhaustive.Judge(q)
		if whole := !slices.ContainsFunc(q.Ops, func(op history.Op) bool {
			return op.Kind == history.ReadList || op.Kind == history.Pop && op.Outcome != history.OK || op.Outcome == history.OK && op.Kind == history.Push && op.More.Result != ""
		}); whole && p.compile().pops(0) {
			require.NotEqual(t, Unknown, got, "%s", q)
		}
		if got != Unknown {
			require.Equal(t, want.Linearizable, got == Yes, "%s", q)
		}
		if q.Found != nil {
			p.Find, p.FoundTo = true, q.Crash
			require.Equal(t, want.Consistent, p.Check(Limits{}) == Yes, "%s", q)
		}
	})
	total := said[Yes] + said[No] + said[Unknown]
	require.Greater(t, said[Yes], total/20)
	require.Greater(t, said[No], total/20)
}
