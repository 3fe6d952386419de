package checker

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/exhaustive"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// TestWhatClientsWereToldSurvives are the smallest histories in which no
// acknowledged write is lost and the cut must still come before the crash: only
// where a client was told of something that is gone is that a loss.
func TestWhatClientsWereToldSurvives(t *testing.T) {
	const ms = time.Millisecond
	write := func(value string, from, to time.Duration) history.Op {
		return history.Op{Kind: history.Write, Key: "a", Value: value, Invoke: from, Return: to, Outcome: history.OK, More: &history.More{}}
	}
	asked := func(op history.Op) history.Op {
		op.Outcome, op.Return = history.Unknown, history.Never
		return op
	}
	read := func(value string, from, to time.Duration) history.Op {
		op := write(value, from, to)
		op.Kind = history.Read
		return op
	}
	until := func(op history.Op, deadline time.Duration) history.Op {
		op.More = &history.More{Deadline: deadline}
		return op
	}
	deleted := write("", 0, ms)
	deleted.Kind = history.Delete
	found := func(value string) []history.KV { return []history.KV{{Key: "a", Value: value}} }
	for _, tc := range []struct {
		name  string
		ops   []history.Op
		found []history.KV
		kept  bool
	}{
		{"its deadline has passed and it is there", []history.Op{until(write("1", 0, ms), 2*ms)}, []history.KV{{Key: "a", Value: "1", TTL: ms}}, true},
		{"nobody had been told of it", []history.Op{write("1", 0, ms), asked(write("2", 2*ms, 0))}, found("1"), true},
		{"it had been read", []history.Op{write("1", 0, ms), asked(write("2", 2*ms, 0)), read("2", 3*ms, 4*ms)}, found("1"), false},
		{"it had been read, by one who was told at the very end", []history.Op{write("1", 0, ms), asked(write("2", 2*ms, 0)), read("2", 3*ms, 10*ms)}, found("1"), false},
		{"it had been read, and of two things either explains that nothing is there", []history.Op{deleted, asked(write("1", 2*ms, 0)), read("1", 3*ms, 4*ms)}, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := exhaustive.Question{Ops: tc.ops, Crash: 10 * ms, Slack: 2 * ms, Found: &history.State{Epoch: 1, Began: 11 * ms, At: 11 * ms, Keys: tc.found}}
			want := exhaustive.Judge(q)
			require.Equal(t, tc.kept, want.Durable)
			require.True(t, want.Consistent)
			require.Empty(t, want.Certain)
			all, err := contract.For("always", contract.Power, contract.Config{})
			require.NoError(t, err)
			var j Judge
			out := j.Judge(q.History(), all)
			require.Equal(t, tc.kept, out.Verdict == verdict.Holds, "%+v", out.Anomalies)
		})
	}
}

// TestAnUnansweredReadHasReadNothing: a record may give it values (a client wrote
// down what it hoped for), of a set that is only added to as of any other.
func TestAnUnansweredReadHasReadNothing(t *testing.T) {
	const ms = time.Millisecond
	for _, kind := range []history.Kind{history.ReadSet, history.ReadList} {
		add := history.SetAdd
		if kind == history.ReadList {
			add = history.Append
		}
		h := &history.History{Ops: []history.Op{
			{ID: 0, Kind: add, Key: "a", Value: "1", Invoke: 0, Return: ms, Outcome: history.OK},
			{ID: 1, Kind: kind, Key: "a", Invoke: 2 * ms, Return: history.Never, Outcome: history.Unknown, More: &history.More{Offset: history.NoOffset, Values: []string{"2"}}},
			{ID: 2, Kind: kind, Key: "a", Invoke: 3 * ms, Return: 4 * ms, Outcome: history.OK, More: &history.More{Offset: history.NoOffset, Values: []string{"1"}}},
		}}
		var j Judge
		require.Equal(t, verdict.Holds, j.Judge(h, contract.Clients()).Verdict)
		alone := &history.History{Ops: h.Ops[:2]}
		require.Equal(t, verdict.Holds, j.Judge(alone, contract.Clients()).Verdict, "no other read says what is there")
		h.Ops[1].Outcome, h.Ops[1].Return = history.OK, 3*ms
		require.Equal(t, verdict.Violated, j.Judge(h, contract.Clients()).Verdict, "answered, it has read what nobody added")
	}
}

// TestWhatIsLeftOutIsCounted: of many operations six are told and the one that is wrong,
// and how many there are between them and behind it.
func TestWhatIsLeftOutIsCounted(t *testing.T) {
	h := &history.History{}
	var ops []int
	for i := range 10 {
		h.Ops = append(h.Ops, history.Op{ID: i, Kind: history.Write, Key: "k", Value: strconv.Itoa(i), Outcome: history.OK})
		ops = append(ops, i)
	}
	j := &Judge{h: h}
	more := regexp.MustCompile(`and (\d+) more`)
	for n, want := range map[int][]string{7: nil, 8: {"1"}, 9: {"1", "1"}, 10: {"1", "2"}} {
		var got []string
		for _, m := range more.FindAllStringSubmatch(j.tellWith(ops[:n], 7), -1) {
			got = append(got, m[1])
		}
		require.Equal(t, want, got, "of %d", n)
	}
}
