package campaign

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/reports/result"
)

// TestRefusedWritesAreReported: a server on a full disk refuses writes, which holds, and is
// counted; a contract that bounds it is broken by it.
func TestRefusedWritesAreReported(t *testing.T) {
	for rule, want := range map[string]result.Verdict{
		"max-refused-for: 3s":    result.Holds,
		"max-refused-for: 500ms": result.Violated,
		"max-refused: 5":         result.Violated,
	} {
		c := campaignOf(t, 1, 3, []string{"everysec"}, []string{"power"})
		own, err := contract.Parse([]byte("contract: 1\nrules: [{" + rule + "}]"))
		require.NoError(t, err)
		c.Contract = own
		c.Plan, err = plan.Parse("plan 1\nat 2s: full n1 0 for 2s\nat 6s: power-cut n1 keep none\n")
		require.NoError(t, err)
		results, err := c.Run(context.Background(), Simulation())
		require.NoError(t, err)
		r := results[0]
		require.Equal(t, want, r.Verdict, "%s: %s", rule, r.Why)
		require.NotNil(t, r.RefusedWrites)
		require.Equal(t, r.Runs, r.RefusedWrites.Runs)
		require.Greater(t, r.RefusedWrites.Writes, int64(5*r.Runs))
		require.InDelta(t, 2000, r.RefusedWrites.LongestMS, 500, "virtual time: the disk was full for 2 s")
		if want == result.Violated {
			require.Equal(t, r.Runs, r.Anomalies["refused"])
		}
	}
}
