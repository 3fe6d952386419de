// Package quantile says what a quantile is, once for every figure that torntail
// prints. Samples are kept one by one, for two runs are compared by them, so that
// the exact value is at hand and no histogram has to stand in for it.
package quantile

import (
	"cmp"
	"math"
	"slices"
)

// Of is the q-quantile (0 to 1) of sorted values by the nearest rank: the
// smallest value that at least a share q of them do not exceed. It is always one
// of the values; the zero value of none.
func Of[T cmp.Ordered](sorted []T, q float64) T {
	if len(sorted) == 0 {
		var none T
		return none
	}
	// 0.07*100 is a little more than 7 in floating point, and is rank 7.
	rank := int(math.Ceil(q*float64(len(sorted)) - 1e-9))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Down is the value at q of the way (0 to 1) from the first to the last of sorted
// values, the lower of the two that it falls between; there must be one at least.
func Down[T cmp.Ordered](sorted []T, q float64) T { return sorted[int(q*float64(len(sorted)-1))] }

// Median is the middle of sorted values, the lower of two.
func Median[T cmp.Ordered](sorted []T) T { return Of(sorted, 0.5) }

// Sorted is a sorted copy, for values in any order.
func Sorted[T cmp.Ordered](values []T) []T { return slices.Sorted(slices.Values(values)) }
