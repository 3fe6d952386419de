package campaign

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/reports/losses"
	"github.com/torntail/torntail/reports/result"
)

// TestTheWitnessIsAskedAboutADrawnShare: about one run in twenty, the same ones
// each time, and it agrees.
func TestTheWitnessIsAskedAboutADrawnShare(t *testing.T) {
	run := func() []result.Result {
		results, err := campaignOf(t, 1, 150, []string{"always", "everysec"}, []string{"power"}).Run(t.Context(), Simulation())
		require.NoError(t, err)
		return results
	}
	first, again := run(), run()
	asked := 0
	for i := range first {
		w := first[i].Witness
		require.NotNil(t, w)
		require.Equal(t, w, again[i].Witness)
		require.Zero(t, w.Disagreed)
		asked += w.Asked
	}
	require.InDelta(t, 15, asked, 10, "of 300")
	require.Equal(t, result.ExitHolds, losses.Report(&result.Report{Results: first}, nil).Exit(false))
}

// TestTheWitnessIsAskedAboutTheFirstViolated, whichever are drawn, and no others.
func TestTheWitnessIsAskedAboutTheFirstViolated(t *testing.T) {
	c := campaignOf(t, 1, 60, []string{"always"}, []string{"power-in-fsync"})
	require.NoError(t, func() (err error) { c.Plants, err = experiment.ParsePlants("reply-before-fsync"); return err }())
	drawn := 0
	for n := range uint64(60) {
		if c.Experiment(&c.Modes[0], c.Crashes[0], n).Witness {
			drawn++
		}
	}
	results, err := c.Run(t.Context(), Simulation())
	require.NoError(t, err)
	require.Equal(t, result.Violated, results[0].Verdict)
	require.Equal(t, 60, results[0].Runs)
	w := results[0].Witness
	require.Positive(t, w.Asked)
	require.LessOrEqual(t, w.Asked, drawn+firstViolated)
	require.Greater(t, w.Asked, drawn, "of the first that are violated none was drawn with this seed")
	require.Zero(t, w.Disagreed)
}

// TestAWrongRuleOfAJudgeIsTorntailsOwnFailure: it is not told of as the server's,
// though the judge says violated.
func TestAWrongRuleOfAJudgeIsTorntailsOwnFailure(t *testing.T) {
	c := campaignOf(t, 1, 60, []string{"everysec"}, []string{"power"})
	c.Plants.HastyJudge = true
	results, err := c.Run(t.Context(), Simulation())
	require.NoError(t, err)
	require.Equal(t, result.Unknown, results[0].Verdict)
	require.Contains(t, results[0].Why, "torntail itself is at fault: its judges disagree about seed ")
	require.Positive(t, results[0].Witness.Disagreed)
	require.Equal(t, result.ExitInternal, losses.Report(&result.Report{Results: results}, nil).Exit(false))
}
