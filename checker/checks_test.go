package checker

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/verdict"
)

// TestSmallHistories: one history for each kind of mistake that was once made.
func TestSmallHistories(t *testing.T) {
	for _, tc := range []struct {
		file string
		name anomaly.Name // empty: it holds
		says []string
	}{
		{"torn-list.jsonl", anomaly.TornTransaction, []string{`appended "1" to "c0"`, `no "c0"`, `"c1" = ["1"]`}},
		{"torn-incr.jsonl", anomaly.TornTransaction, []string{`added 1 to "c0"`, `no "c0"`, `"c1" = "1"`}},
		{"lpush.jsonl", "", nil},
		{"append-hole.jsonl", "", nil},
		{"del-unseen.jsonl", "", nil},
		{"hash.jsonl", anomaly.NonLinearizable, []string{`set field "f" of hash "s" to "a"`, `read hash "s", found []`, `field "f" is missing`}},
		{"pop.jsonl", anomaly.Phantom, []string{`popped from the tail of "s", got "b"`, `nobody wrote element "b"`}},
		{"set.jsonl", anomaly.NonLinearizable, []string{`added member "a" to set "s"`, `read set "s", found []`, `member "a" is missing`}},
		{"set-lost-add.edn", anomaly.NonLinearizable, []string{`member "1" is missing`}},
		{"aborted-cas.edn", anomaly.AbortedRead, []string{`to "5", refused`, `found "5"`}},
		{"aborted-register.edn", anomaly.AbortedRead, []string{`= "5", refused`, `found "5"`}},
		{"aborted-set-add.edn", anomaly.AbortedRead, []string{`added member "1"`, "refused", `found ["1"]`}},
		{"cas-24-pending.edn", anomaly.Phantom, []string{`nobody wrote value "9"`}},
		{"cas-40-info.edn", anomaly.Phantom, []string{`nobody wrote value "9"`}},
		{"set-60-pending.edn", anomaly.Phantom, []string{`nobody wrote member "999"`}},
	} {
		t.Run(tc.file, func(t *testing.T) {
			files, _, err := history.LoadFile(filepath.Join("testdata", "checks", tc.file), history.Options{})
			require.NoError(t, err)
			h := files[0].History
			j := Judge{Options: Options{Limits: linear.Limits{Timeout: time.Millisecond}}} // no search is needed
			out := j.Judge(h, contract.Clients())
			if out.Assumption == Enough {
				out.Verdict = verdict.Holds
			}
			if tc.name == "" {
				require.Equal(t, verdict.Holds, out.Verdict, out.Why)
				return
			}
			require.Equal(t, verdict.Violated, out.Verdict, out.Why)
			require.Equal(t, tc.name, out.Anomalies[0].Name)
			for _, says := range tc.says {
				require.Contains(t, out.Anomalies[0].Story, says)
			}
		})
	}
}

// TestEventsBeforeACrashSayNothingOfIt: what struck earlier, or on a later life,
// is no reason to think that the server came back in another way.
func TestEventsBeforeACrashSayNothingOfIt(t *testing.T) {
	h := &history.History{
		Ops:    []history.Op{{Kind: history.Write, Key: "k", Value: "v", Invoke: 1, Return: 2, Outcome: history.OK}},
		Epochs: []history.Epoch{{Ended: 10, How: history.PowerCut, DiskSeen: true}, {Began: 30, Ended: history.Never}},
		Events: []history.Event{{At: 5, Kind: history.Repaired}, {At: 20, Kind: history.Refused, Text: "Bad file format"}},
		States: []history.State{{Epoch: 1, Began: 31, At: 32, Keys: []history.KV{{Key: "k", Value: "v"}}}},
	}
	c, err := contract.For("always", contract.Power, contract.Config{})
	require.NoError(t, err)
	j := Judge{Options: unhurried}
	out := j.Judge(h, c)
	require.Equal(t, Refused, out.Recovery)
	require.Equal(t, anomaly.Unrecoverable, out.Anomalies[0].Name)
}
