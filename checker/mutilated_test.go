package checker

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/replication"
	"github.com/torntail/torntail/checker/verdict"
)

// mutilate changes a few things of a history at random, without regard for sense.
func mutilate(rng drawer, h *history.History) {
	value := func() string { return "v" + strconv.Itoa(rng.IntN(14)) }
	at := func() time.Duration { return time.Duration(rng.IntN(1000)) * 4 * time.Microsecond }
	for range 1 + rng.IntN(6) {
		op := &h.Ops[rng.IntN(len(h.Ops))]
		switch rng.IntN(18) {
		case 0:
			op.Kind = history.Kind(1 + rng.IntN(int(history.ReadSorted)))
		case 1:
			op.More = nil
		case 2:
			op.More = &history.More{Offset: int64(rng.IntN(5)) - 1, Values: []string{value(), value()}, Result: strconv.Itoa(rng.IntN(4)), Node: "n1"}
		case 3:
			op.Value = value()
		case 4:
			op.Absent = !op.Absent
		case 5:
			op.Outcome, op.Return = history.Unknown, history.Never
		case 6:
			op.Outcome = history.Failed
		case 7:
			op.Return = op.Invoke + at()
		case 8:
			op.Key = "k" + strconv.Itoa(rng.IntN(3))
		case 9:
			op.Kind, op.More = history.Txn, &history.More{Parts: []history.Op{
				{Kind: history.Kind(1 + rng.IntN(int(history.ReadSorted))), Key: "k0", Value: value()},
				{Kind: history.Write, Key: "k1", Value: value()}, {Kind: history.Read, Key: "k1", Value: value()}}}
		case 10:
			op.More = &history.More{HasReplaced: true, Replaced: value(), Deadline: at()}
		case 11:
			h.States = nil
		case 12:
			for i := range h.States {
				h.States[i].Keys = append(h.States[i].Keys, history.KV{Key: "x", Value: value(), List: []string{value()}, TTL: at()})
			}
		case 13:
			for i := range h.States {
				h.States[i].Keys = nil
			}
		case 14:
			for i := range h.Epochs {
				h.Epochs[i].How = []history.EventKind{history.ProcessKill, history.PowerCut, history.Exited, history.Terminated}[rng.IntN(4)]
			}
		case 15:
			h.Epochs = append(h.Epochs, history.Epoch{Began: h.Epochs[len(h.Epochs)-1].Ended, Ended: history.Never})
		case 16: // a crash in the middle
			mid := h.Ops[len(h.Ops)/2].Invoke
			last := &h.Epochs[len(h.Epochs)-1]
			if mid > last.Began && mid < last.Ended {
				second := *last
				second.Began, last.Ended, last.How = mid, mid, history.ProcessKill
				h.Epochs = append(h.Epochs, second)
				h.States = append(h.States, history.State{Epoch: len(h.Epochs) - 1, Began: mid, At: mid, Keys: []history.KV{{Key: "k0", Value: value()}}})
			}
		case 17:
			h.Events = append(h.Events, history.Event{At: at(), Kind: history.Promoted, Node: "n2", Offset: 2}, history.Event{At: at(), Kind: history.Repaired})
		}
	}
}

// TestMutilatedHistoriesAreJudged: a history need not make sense to be judged,
// under every contract; a violation comes with its evidence and an unknown with its reason.
func TestMutilatedHistoriesAreJudged(t *testing.T) {
	contracts := []contract.Contract{contract.Clients()}
	for _, mode := range []string{"always", "everysec", "rdb", "none"} {
		for _, crash := range []contract.Crash{contract.Kill, contract.Power} {
			c, err := contract.For(mode, crash, contract.Config{})
			require.NoError(t, err)
			contracts = append(contracts, c)
		}
	}
	seen := map[verdict.Verdict]int{}
	j := Judge{Options: Options{Limits: linear.Limits{Steps: 5000, Memory: 1 << 20}}}
	tries := histories(t)
	if testing.Short() {
		tries /= 20 // checks draws as many as without it
	}
	checks(t, tries, func(t *rapid.T) {
		rng := dice{t}
		fam := families[rng.IntN(len(families))]
		s := drawStore(rng, fam, 12, 3, 2)
		s.crash(fam, 2+rng.IntN(10))
		mutilate(rng, s.h)
		for _, c := range contracts {
			out := j.Judge(s.h, c)
			seen[out.Verdict]++
			switch out.Verdict {
			case verdict.Violated:
				require.NotEmpty(t, out.Anomalies)
				require.NotEmpty(t, out.Anomalies[0].Story)
				require.NotEmpty(t, out.Anomalies[0].Rule)
			case verdict.Unknown:
				require.NotEmpty(t, out.Why)
				require.NotEmpty(t, out.Assumption)
			}
			require.GreaterOrEqual(t, out.PossiblyLost, out.Lost)
			require.LessOrEqual(t, out.Lost, out.Acked)
			for _, a := range out.Anomalies {
				for _, op := range a.Ops {
					require.Less(t, op, len(s.h.Ops), "%s", a.Name)
				}
			}
		}
		replication.Of(s.h, "n1")
	})
	for _, v := range []verdict.Verdict{verdict.Holds, verdict.Violated, verdict.Unknown} {
		require.Positive(t, seen[v], v)
	}
}
