package losses

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/torntail/torntail/internal/quantile"
	"github.com/torntail/torntail/reports/chart"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// mostPoints is how many points a line has at most: more would not be seen.
const mostPoints = 300

// distributions draw how the loss windows of a section are distributed, a chart
// for each mode in which something was lost.
func distributions(results []result.Result, where string) (list []chart.Chart) {
	var modes []string
	byMode := map[string][]*result.Result{}
	for i := range results {
		r := &results[i]
		if wording.Where(r) != where || r.Verdict == result.NotApplicable {
			continue
		}
		if byMode[r.Mode] == nil {
			modes = append(modes, r.Mode)
		}
		byMode[r.Mode] = append(byMode[r.Mode], r)
	}
	for _, m := range modes {
		if c, ok := distribution(m, byMode[m]); ok {
			list = append(list, c)
		}
	}
	return list
}

// distribution draws for each crash kind of a mode the share of crashes that lost
// at most so much, and the bounds; ok is false when there is nothing to see.
func distribution(mode string, results []*result.Result) (c chart.Chart, ok bool) {
	longest := 0.0
	for _, r := range results {
		if len(windows(r)) > 0 {
			longest = max(longest, r.LossWindow.Max)
		}
	}
	if longest <= 0 || math.IsInf(longest, 0) || math.IsNaN(longest) {
		return c, false
	}
	c.Title = "Loss window under " + mode
	// The bounds belong into the picture, but one far away must not squeeze the
	// lines into a corner: beyond four times the longest loss it is only named.
	end := longest
	for _, b := range bounds(results) {
		if b.Value > 4*longest {
			c.Notes = append(c.Notes, "The "+b.Name+" bound, "+wording.Round(b.Value)+", is far outside.")
			continue
		}
		end = max(end, b.Value)
		c.Bounds = append(c.Bounds, chart.Bound{Name: b.Name + " " + wording.Round(b.Value), At: b.Value})
	}
	slices.SortStableFunc(c.Bounds, func(a, b chart.Bound) int { return int(math.Copysign(1, a.At-b.At)) })
	xs := chart.Steps(end)
	end = xs[len(xs)-1]
	c.X = chart.Axis{Label: "loss window", Max: end, Ticks: xs, Words: wording.Round}
	c.Y = chart.Axis{Label: "share of crashes that lost at most so much", Max: 100, Ticks: []float64{0, 25, 50, 75, 100},
		Words: func(v float64) string { return fmt.Sprintf("%.0f%%", v) }}
	var about []string
	for _, r := range results {
		values := windows(r)
		if len(values) == 0 {
			continue
		}
		name := r.Crash
		if r.LossWindow.Censored > 0 {
			name += " (lower bound)"
		}
		if r.NotServed > 0 {
			name += fmt.Sprintf(" (%d of %d not served)", r.NotServed, r.Struck)
		}
		c.Series = append(c.Series, chart.Series{Name: name, Points: shares(values, end, r.NotServed), Step: true})
		about = append(about, fmt.Sprintf("%s: half of the crashes lost at most %s, the worst %s", name, wording.Duration(r.LossWindow.P50), wording.Duration(r.LossWindow.Max)))
	}
	c.About = strings.Join(about, "; ")
	return c, true
}

// windows are the loss windows of a cell, sorted: of its crashes, or the
// percentiles of a file that has no more.
func windows(r *result.Result) []float64 {
	switch {
	case r.LossWindow == nil:
		return nil
	case r.Samples != nil && len(r.Samples.WindowMS) > 0:
		return quantile.Sorted(r.Samples.WindowMS)
	case len(r.LossWindow.Percentiles) == 101:
		return r.LossWindow.Percentiles
	}
	return nil
}

// shares are the points of a distribution: at each value the share, in percent,
// of those that are no larger, thinned out to what can be seen, and on to the
// end of the axis. Crashes after which nothing was served lost more than anybody can say:
// they are part of the whole, and the line ends below it.
func shares(sorted []float64, end float64, notServed int) []chart.Point {
	share := func(n int) float64 { return 100 * float64(n) / float64(len(sorted)+notServed) }
	points := []chart.Point{{X: 0, Y: 0}}
	every := float64(max(1, len(sorted)/mostPoints))
	last := -every
	for i, v := range sorted {
		if i+1 < len(sorted) && sorted[i+1] == v {
			continue // the last of equal ones carries their share
		}
		if float64(i)-last < every && i+1 < len(sorted) {
			continue
		}
		last = float64(i)
		points = append(points, chart.Point{X: v, Y: share(i + 1)})
	}
	return append(points, chart.Point{X: end, Y: share(len(sorted))})
}

// bounds are those of all crash kinds of a mode, each name and value once.
func bounds(results []*result.Result) (list []result.Bound) {
	for _, r := range results {
		for _, b := range r.Bounds {
			if b.Value > 0 && !slices.Contains(list, b) { // 0 is at the axis anyhow
				list = append(list, b)
			}
		}
	}
	return list
}
