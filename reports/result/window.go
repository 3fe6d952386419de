package result

import (
	"math"
	"slices"
	"time"
)

// LossWindow is the distribution, over the crashes that struck, of how far back
// the loss reached: crash time minus the return of the oldest acknowledged
// write that was lost; 0 for a crash that lost nothing.
type LossWindow struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
	// Censored counts the crashes whose loss reached back to the first write of
	// their run: a longer run could have lost more, so with any of them the
	// figures above are lower bounds.
	Censored int `json:"censored"`
	// Percentiles are the 0th to the 100th, for drawing the whole distribution;
	// nil when it is not known.
	Percentiles []float64 `json:"percentiles,omitempty"`
}

// NewLossWindow sums up the loss windows of the crashes that struck, in any
// order; nil when there are none.
func NewLossWindow(windows []time.Duration, censored int) *LossWindow {
	if len(windows) == 0 {
		return nil
	}
	sorted := slices.Clone(windows)
	slices.Sort(sorted)
	w := &LossWindow{Censored: censored, Percentiles: make([]float64, 101)}
	for p := range w.Percentiles {
		w.Percentiles[p] = percentile(sorted, p)
	}
	w.P50, w.P90, w.P99, w.Max = w.Percentiles[50], w.Percentiles[90], w.Percentiles[99], w.Percentiles[100]
	return w
}

// percentile is the smallest value that at least p percent of the sorted values
// do not exceed, in milliseconds to the microsecond. The rank is computed in
// whole numbers: 0.07*100 is not 7 in floating point.
func percentile(sorted []time.Duration, p int) float64 {
	rank := max(1, (p*len(sorted)+99)/100)
	us := math.Round(float64(sorted[rank-1]) / float64(time.Microsecond))
	return us / 1000
}
