package checker

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
)

// TestNothingCanBeForgottenFromTheSmallestPart: for each plant, and so for every
// model, the smallest part still shows the anomaly, and forgetting the reply of
// any of its operations makes it go away.
func TestNothingCanBeForgottenFromTheSmallestPart(t *testing.T) {
	for n, p := range plants {
		t.Run(string(p.name)+" of "+p.family, func(t *testing.T) {
			ops := 200
			if generalFamilies[p.family] {
				ops = 90 // searches among hundreds of unanswered writes need not end
			}
			if p.family == "counter" {
				ops = 45 // many sums are alike
			}
			if testing.Short() {
				ops = min(ops, 90)
			}
			done := 0
			for seed := uint64(500); done < 1 && seed < 510; seed++ {
				s, c, ok := planted(t, n, seed, ops, true)
				if !ok {
					continue
				}
				j := Judge{Options: Options{Limits: linear.Limits{Steps: 50_000, Timeout: unhurried.Limits.Timeout}}}
				small, ok := j.Minimize(s.h, c, p.name)
				if !ok || !small.Exact {
					continue
				}
				done++
				require.Equal(t, p.name, small.Anomaly.Name)
				t.Logf("%d of %d operations, %d replies", len(small.Places), len(s.h.Ops), len(small.Replies))
				require.Less(t, len(small.Replies), 40, "seed %d: hardly smaller", seed)
				shows := func(h *history.History) bool {
					out := j.Judge(h, c)
					return slices.ContainsFunc(out.Anomalies, func(a anomaly.Anomaly) bool { return a.Name == p.name })
				}
				require.True(t, shows(small.History))
				for _, i := range small.Replies {
					less := *small.History
					less.Ops = slices.Clone(less.Ops)
					op := &less.Ops[i]
					require.Equal(t, s.h.Ops[small.Places[i]].Invoke, op.Invoke)
					if op.Writes() {
						op.Outcome, op.Return = history.Unknown, history.Never
						*op = withoutReads(*op)
					} else {
						less.Ops = slices.Delete(less.Ops, i, i+1)
					}
					require.False(t, shows(&less), "seed %d: it shows without %s", seed, Tell(&small.History.Ops[i]))
				}
				if len(small.Anomaly.Ops) > 0 {
					var page bytes.Buffer
					j.Options.Limits.Timeout = 100 * time.Millisecond // the picture shows how far it came
					require.NoError(t, j.Picture(&page, small.History, small.Anomaly))
					require.Contains(t, page.String(), "<html")
				}
			}
			require.Positive(t, done, "no part was found to be the smallest")
		})
	}
}

// generalFamilies are the families that porcupine judges.
var generalFamilies = map[string]bool{"cas-register": true, "counter": true, "queue": true, "set": true, "hash": true, "sorted-set": true}

func TestMinimizeOfAHistoryWithoutTheAnomaly(t *testing.T) {
	s, c, _ := planted(t, 0, 1, 200, false)
	j := Judge{Options: Options{Limits: linear.Limits{Steps: 50_000, Timeout: unhurried.Limits.Timeout}}}
	_, ok := j.Minimize(s.h, c, anomaly.StaleRead)
	require.False(t, ok)
}

// TestWhatTheLastReplyShowsNeedsNoState: a violation that the last of all replies completes is
// shown without what was found after the crash.
func TestWhatTheLastReplyShowsNeedsNoState(t *testing.T) {
	h := script(t, `c1 set a 1 1-2
		c2 get a - 3-4
		crash power-cut 10
		found a=1`)
	j := Judge{Options: unhurried}
	out := j.Judge(h, contract.Clients())
	require.Len(t, out.Anomalies, 1)
	small, ok := j.Minimize(h, contract.Clients(), out.Anomalies[0].Name)
	require.True(t, ok)
	require.Empty(t, small.History.States)
	require.Equal(t, []int{0, 1}, small.Replies)
}
