package result

import (
	"math"
	"slices"
	"time"

	"github.com/torntail/torntail/internal/quantile"
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
		us := math.Round(float64(quantile.Of(sorted, float64(p)/100)) / float64(time.Microsecond))
		w.Percentiles[p] = us / 1000
	}
	w.P50, w.P90, w.P99, w.Max = w.Percentiles[50], w.Percentiles[90], w.Percentiles[99], w.Percentiles[100]
	return w
}
