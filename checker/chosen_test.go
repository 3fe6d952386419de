package checker

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/exhaustive"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// TestWhatIsKnownOfAnIDThatTheServerChose: of a MULTI that nobody answered, and
// that is known to have happened, XADD with * has added an entry, whose ID is after
// those before it and before those after it; so both judges say. Only a key that is
// no stream refuses it.
func TestWhatIsKnownOfAnIDThatTheServerChose(t *testing.T) {
	const ms = time.Millisecond
	op := func(kind history.Kind, key, value string, more history.More) history.Op {
		return history.Op{Kind: kind, Key: key, Value: value, Outcome: history.OK, More: &more}
	}
	add := func(id, value string) history.Op {
		return op(history.StreamAdd, "a", value, history.More{Entry: id, Field: "f"})
	}
	entries := func(flat ...string) history.Op { return op(history.ReadStream, "a", "", history.More{Values: flat}) }
	tied := func(others ...history.Op) history.Op {
		txn := op(history.Txn, "", "", history.More{Parts: append([]history.Op{add("*", "2")}, others...)})
		txn.Outcome = history.Unknown
		return txn
	}
	create := func(from string) history.Op {
		return op(history.GroupCreate, "a", "", history.More{Group: "g", Entry: from})
	}
	next := func(flat ...string) history.Op {
		return op(history.GroupRead, "a", "", history.More{Group: "g", Consumer: "c", Values: flat})
	}
	set, get := op(history.Write, "b", "1", history.More{}), op(history.Read, "b", "1", history.More{})
	sawOther := op(history.StreamRemove, "a", "", history.More{Entry: "1-0", Result: "0"})
	question := func(ops ...history.Op) exhaustive.Question {
		q := exhaustive.Question{Ops: ops, Crash: history.Never, Slack: 2 * ms}
		for i := range q.Ops {
			o := &q.Ops[i]
			o.ID, o.Invoke, o.Return = i, time.Duration(2*i)*ms, time.Duration(2*i+1)*ms
			if o.Outcome == history.Unknown {
				o.Return = history.Never
			}
		}
		return q
	}
	for _, tc := range []struct {
		name string
		ops  []history.Op
		good bool
	}{
		{"its entry is there", []history.Op{add("1-0", "1"), tied(set), get, entries("1-0", "f", "1", "2-0", "f", "2")}, true},
		{"the clock was behind", []history.Op{add("1-0", "1"), tied(set), get, entries("1-0", "f", "1", "1-1", "f", "2")}, true},
		{"not the ID of an entry before it", []history.Op{add("1-0", "1"), tied(set), get, entries("1-0", "f", "1")}, false},
		{"not an ID that passed without an entry", []history.Op{add("2-0", "1"), tied(set), get, sawOther, entries("2-0", "f", "1")}, false},
		{"an ID that another entry has", []history.Op{add("1-0", "1"), tied(set), get, entries("1-0", "f", "2")}, false},
		{"an ID that another entry had in a stream that is gone", []history.Op{add("1-0", "1"), op(history.Delete, "a", "", history.More{Result: "1"}), tied(set), get, entries("1-0", "f", "2")}, true},
		{"delivered to one who got no reply, unlike a later one", []history.Op{create("0-0"), tied(next(), set), get, add("5-0", "3"), next("5-0", "f", "3")}, true},
		{"before the group, unlike a later one", []history.Op{tied(create("$"), set), get, add("5-0", "3"), next("5-0", "f", "3")}, true},
		{"delivered with a later one", []history.Op{create("0-0"), tied(set), get, add("5-0", "3"), next("5-0", "f", "3")}, false},
		{"no stream", []history.Op{op(history.Write, "a", "1", history.More{}), tied(set), get, op(history.Read, "a", "1", history.More{})}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := question(tc.ops...)
			require.Equal(t, tc.good, exhaustive.Judge(q).Linearizable, "every order")
			var j Judge
			out := j.Judge(q.History(), contract.Clients())
			require.Equal(t, tc.good, out.Verdict == verdict.Holds, "%+v", out.Anomalies)
		})
	}
	t.Run("after a crash", func(t *testing.T) {
		// Had the MULTI deleted b, its entry would be there: so the SET is lost.
		q := question(add("1-0", "1"), set, tied(op(history.Delete, "b", "", history.More{})))
		q.Crash = 10 * ms
		q.Found = &history.State{Epoch: 1, Began: 11 * ms, At: 11 * ms,
			Keys: []history.KV{{Key: "a", Type: "stream", List: []string{"1-0", "f", "1"}, GroupsRead: true}}}
		require.Equal(t, []int{1}, exhaustive.Judge(q).Certain, "every order")
		var j Judge
		require.Equal(t, 1, j.Judge(q.History(), contract.Clients()).Lost)
	})
}

// TestAStarIsNoID: that the server is to choose an entry's ID is said by a star, or by
// nothing at all.
func TestAStarIsNoID(t *testing.T) {
	var stars func(ops []history.Op) int
	stars = func(ops []history.Op) (n int) {
		for i := range ops {
			op := &ops[i]
			if op.Kind == history.StreamAdd && op.More.Entry == "" {
				m := *op.More
				m.Entry, n = "*", n+1
				op.More = &m
			}
			if op.Kind == history.Txn {
				m := *op.More
				m.Parts = slices.Clone(m.Parts)
				n += stars(m.Parts)
				op.More = &m
			}
		}
		return n
	}
	j := Judge{Options: unhurried}
	all := 0
	for i := range 300 {
		h := drawnFor(t, "tied-streams", i)
		want := j.Judge(h, contract.Clients())
		starred := *h
		starred.Ops = slices.Clone(h.Ops)
		all += stars(starred.Ops)
		got := j.Judge(&starred, contract.Clients())
		for k := range want.Anomalies {
			want.Anomalies[k].Story, got.Anomalies[k].Story = "", "" // which tell it
		}
		require.Equal(t, want, got, "%d", i)
	}
	require.Greater(t, all, 100)
}
