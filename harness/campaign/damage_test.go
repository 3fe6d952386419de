package campaign

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// TestDamageAtRestIsNoLossOfTheCrash: what a plan cuts off at rest is named as the cause,
// and is in no figure of the kill before it.
func TestDamageAtRestIsNoLossOfTheCrash(t *testing.T) {
	for cut, lost := range map[string]bool{"": false, "at +10ms: truncate n1 *.incr.aof by 500\n": true} {
		c := campaignOf(t, 1, 4, []string{"always"}, []string{"kill"})
		p, err := plan.Parse("plan 1\nat 400ms: kill n1\n" + cut)
		require.NoError(t, err)
		c.Plan = p
		results, err := c.Run(context.Background(), Simulation())
		require.NoError(t, err)
		r := results[0]
		require.Equal(t, result.Holds, r.Verdict, r.Why)
		require.Zero(t, r.Lost)
		require.Zero(t, r.LostMax)
		require.Equal(t, !lost, r.LossWindow != nil)
		sentence := wording.Meaning(results, nil)
		if !lost {
			require.Nil(t, r.Damage)
			require.NotContains(t, sentence, "at rest")
			continue
		}
		require.Equal(t, 4, r.Damage.Crashes)
		require.Equal(t, 4, r.Damage.Files)
		require.Positive(t, r.Damage.Lost)
		require.Contains(t, sentence, "(apart from what was damaged at rest)")
		require.Contains(t, wording.Notes(&r)[0], "the plan damaged 4 files at rest, after 4 crashes: ")
	}
}
