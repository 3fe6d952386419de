package linear

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/exhaustive"
	"github.com/torntail/torntail/checker/history"
)

// TestModelsAgreeStepByStep holds what an operation makes of one key, and which
// replies it can have got, against the models of the judge that tries every order:
// operations of every kind on values of every type, with the reply that they get
// there, with the one that they would have got elsewhere, and with none.
func TestModelsAgreeStepByStep(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	fitted, kinds := map[bool]int{}, map[history.Kind]int{}
	for range 1500 {
		q := exhaustive.Shape{Least: 6, Most: 12, Keys: 1}.History(rng.IntN)
		states := []*exhaustive.Keyspace{exhaustive.New()}
		for i := range q.Ops {
			op := &q.Ops[i]
			if op.Kind == history.Append {
				op.Kind = history.Push
			}
			more := *op.More
			more.Err = ""
			op.More = &more
			next := states[i].Clone()
			next.Do(q.Ops[i])
			states = append(states, next)
		}
		for i := range q.Ops {
			op := q.Ops[i]
			if op.Kind == history.ListMove || op.Kind == history.StreamAdd && op.More.Entry == "" {
				continue // of two keys; of the server's choice
			}
			kinds[op.Kind]++
			from := states[rng.IntN(len(states))]
			if forgetful(from) {
				continue
			}
			after := from.Clone()
			got := after.Do(op)
			state := load(from)

			// With its own reply, and with none.
			next, fit := step(state, &got, true)
			require.True(t, fit, "%s %+v on %s, that is %q", op.Kind, *got.More, from, state)
			unanswered, fit := step(state, &op, false)
			require.True(t, fit)
			require.Equal(t, next, unanswered, "%s without a reply on %s", op.Kind, from)
			if !isStream(from) && !isStream(after) {
				require.Equal(t, load(after), next, "%s on %s", op.Kind, from)
			}

			// With the reply that it would have got elsewhere.
			other := states[rng.IntN(len(states))].Clone().Do(op)
			one := exhaustive.Question{Ops: []history.Op{other}, Initial: from, Crash: history.Never}
			if one.Expires() {
				continue // it may expire on the way
			}
			one.Ops[0].Invoke, one.Ops[0].Return, one.Ops[0].Outcome = 0, time.Millisecond, history.OK
			want := exhaustive.Judge(one).Linearizable
			_, fit = step(state, &other, true)
			require.Equal(t, want, fit, "%son %s", one, from)
			fitted[fit]++
		}
	}
	require.Greater(t, fitted[false], 1000)
	require.Greater(t, fitted[true], 1000)
	for k := history.Read; k <= history.LastKind; k++ {
		if k != history.Append && k != history.ListMove && k != history.Txn {
			require.Greater(t, kinds[k], 50, "%s", k)
		}
	}
}

// load is the state of the only key.
func load(k *exhaustive.Keyspace) string {
	for _, kv := range k.KVs() {
		return Load(&kv, &history.State{})
	}
	return absent
}

// forgetful: it has a stream of which reading it does not tell the last ID.
func forgetful(k *exhaustive.Keyspace) bool {
	for _, v := range k.Keys { // any order: there is one
		if s := v.Stream; s != nil {
			told := uint64(0) // of IDs that the server has not chosen
			for _, e := range s.Entries {
				told = max(told, e.ID.MS)
			}
			for _, g := range s.Groups { // any order: the latest
				told = max(told, g.Last.MS)
			}
			return told != s.Last.MS
		}
	}
	return false
}

func isStream(k *exhaustive.Keyspace) bool {
	for _, kv := range k.KVs() {
		return kv.Type == "stream"
	}
	return false
}
