package campaign

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/compare"
)

// TestComparisonFindsPlantedChanges is one pair of runs for each planted change
// and five without one; torntail compare --power 20 shows the rates. Simulated
// runs are the same each time, so this cannot fail now and then.
func TestComparisonFindsPlantedChanges(t *testing.T) {
	told := 0
	lines, err := ComparisonPower(t.Context(), 1, 1, compare.Options{}, func(string, int, int) { told++ })
	require.NoError(t, err)
	require.Len(t, lines, 1+len(changes))
	require.Equal(t, PowerLine{"no change", 0, 5}, lines[0])
	for _, l := range lines[1:] {
		require.Equal(t, 1, l.Flagged, l.What)
	}
	require.Equal(t, 6+len(changes), told)
}
