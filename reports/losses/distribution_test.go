package losses

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/chart"
	"github.com/torntail/torntail/reports/reporttest"
	"github.com/torntail/torntail/reports/result"
)

// TestSharesAreThoseOfTheCrashes: the line of a distribution says for each
// value which share is no larger, however many crashes there are.
func TestSharesAreThoseOfTheCrashes(t *testing.T) {
	require.Equal(t, []chart.Point{{X: 0, Y: 0}, {X: 0, Y: 50}, {X: 5, Y: 75}, {X: 7, Y: 100}, {X: 10, Y: 100}}, shares([]float64{0, 0, 5, 7}, 10, 0))
	require.Equal(t, []chart.Point{{X: 0, Y: 0}, {X: 0, Y: 25}, {X: 5, Y: 50}, {X: 10, Y: 50}}, shares([]float64{0, 5}, 10, 2), "half of them were not served")
	var many []float64
	for i := range 10_000 {
		many = append(many, float64(i))
	}
	points := shares(many, 12_000, 0)
	require.Less(t, len(points), mostPoints+10)
	for _, p := range points[1 : len(points)-1] {
		require.InDelta(t, p.X/100, p.Y, 0.02)
	}
	require.Equal(t, chart.Point{X: 9999, Y: 100}, points[len(points)-2])
}

func TestAFarBoundDoesNotSqueezeTheLines(t *testing.T) {
	r := reporttest.Usual().Results[4] // everysec, power
	r.Bounds = []result.Bound{{Name: result.Documented, Value: 3_600_000}}
	c, ok := distribution("everysec", []*result.Result{&r})
	require.True(t, ok)
	require.Empty(t, c.Bounds)
	require.Equal(t, []string{"The documented bound, 60min, is far outside."}, c.Notes)
}
