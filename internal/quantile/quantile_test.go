package quantile

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestQuantilesAreValuesOfTheirRank(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	for p := 1; p <= 100; p++ {
		require.Equal(t, p, Of(hundred, float64(p)/100), "of 1 to 100")
	}
	require.Equal(t, 1, Of(hundred, 0))
	require.Equal(t, 100, Of(hundred, 0.999))
	require.Equal(t, 2, Median([]int{1, 2, 3, 4}))
	require.Equal(t, 2, Median([]int{1, 2, 3}))
	require.Equal(t, time.Duration(0), Of([]time.Duration(nil), 0.5))
	require.Equal(t, []float64{1, 2, 3}, Sorted([]float64{3, 1, 2}))
}

// Against the definition, with shares in whole percent of any number of values.
func TestAtLeastThatShareIsNoLarger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sorted := Sorted(rapid.SliceOfN(rapid.IntRange(0, 50), 1, 300).Draw(t, "values"))
		p := rapid.IntRange(1, 100).Draw(t, "percent")
		v := Of(sorted, float64(p)/100)
		no, below := 0, 0
		for _, x := range sorted {
			if x <= v {
				no++
			}
			if x < v {
				below++
			}
		}
		require.GreaterOrEqual(t, 100*no, p*len(sorted))
		require.Less(t, 100*below, p*len(sorted))
	})
}
