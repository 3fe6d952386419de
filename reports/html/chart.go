package html

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// chart is a drawing with its caption and legend.
type chart struct {
	Title  string
	SVG    template.HTML
	Legend []entry
	Notes  []string
}

// entry is a line of the legend.
type entry struct {
	Name  string
	Style int // 0 to styles-1
}

const styles = 6

// Sizes of drawings, in their own units.
const (
	chartWidth, chartHeight = 520, 260
	// mostPoints is how many points a line has at most: more would not be seen.
	mostPoints = 300
)

// charts draws the distribution of the loss windows for each mode of a section
// in which something was lost: for each crash kind the share of crashes that
// lost at most so much, and the bounds.
func charts(where string, results []result.Result) ([]chart, error) {
	var list []chart
	var modes []string
	byMode := map[string][]*result.Result{}
	for i := range results {
		r := &results[i]
		if clean(wording.Where(r)) != where || r.Verdict == result.NotApplicable {
			continue
		}
		if byMode[r.Mode] == nil {
			modes = append(modes, r.Mode)
		}
		byMode[r.Mode] = append(byMode[r.Mode], r)
	}
	for _, m := range modes {
		c, ok, err := distribution(m, byMode[m])
		if err != nil {
			return nil, fmt.Errorf("draw the losses of %s: %w", m, err)
		}
		if ok {
			list = append(list, c)
		}
	}
	return list, nil
}

// distribution draws one mode; ok is false when there is nothing to see.
func distribution(mode string, results []*result.Result) (c chart, ok bool, err error) {
	longest := 0.0
	for _, r := range results {
		if len(windows(r)) > 0 {
			longest = max(longest, r.LossWindow.Max)
		}
	}
	if longest <= 0 || math.IsInf(longest, 0) || math.IsNaN(longest) {
		return c, false, nil
	}
	c.Title = clean("Loss window under " + mode)
	p := newPlot("loss window: share of crashes that lost at most so much", "")
	// The bounds belong into the picture, but one far away must not squeeze the
	// lines into a corner: beyond four times the longest loss it is only named.
	end := longest
	var drawn []result.Bound
	for _, b := range boundsOf(results) {
		if b.Value > 4*longest {
			c.Notes = append(c.Notes, clean("The "+b.Name+" bound, "+wording.Round(b.Value)+", is far outside."))
			continue
		}
		end = max(end, b.Value)
		drawn = append(drawn, b)
	}
	xs := stepsTo(end)
	end = xs[len(xs)-1]
	p.X.Tick.Marker, p.X.Min, p.X.Max = ticks(xs, wording.Round), 0, end
	p.Y.Tick.Marker = ticks([]float64{0, 25, 50, 75, 100}, func(v float64) string { return fmt.Sprintf("%.0f%%", v) })
	p.Y.Min, p.Y.Max = 0, 112 // room for the names of bounds
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = gridColour, nil
	p.Add(grid)
	var labels plotter.XYLabels
	for i, b := range drawn {
		if err := straight(p, b.Value, 0, b.Value, 104); err != nil {
			return c, false, err
		}
		labels.XYs = append(labels.XYs, plotter.XY{X: b.Value, Y: 105 + 6*float64((i+1)%2)})
		labels.Labels = append(labels.Labels, clean(b.Name+" "+wording.Round(b.Value)))
	}
	if err := name(p, labels); err != nil {
		return c, false, err
	}
	var about []string
	for _, r := range results {
		values := windows(r)
		if len(values) == 0 {
			continue
		}
		title := clean(r.Crash)
		if r.LossWindow.Censored > 0 {
			title += " (lower bound)"
		}
		line, err := plotter.NewLine(shares(values, end))
		if err != nil {
			return c, false, err
		}
		style := len(c.Legend) % styles
		line.StepStyle, line.Color, line.Width, line.Dashes = plotter.PostStep, seriesColour(style), 2, seriesDashes[style]
		p.Add(line)
		c.Legend = append(c.Legend, entry{title, style})
		about = append(about, fmt.Sprintf("%s: half of the crashes lost at most %s, the worst %s", title, wording.Duration(r.LossWindow.P50), wording.Duration(r.LossWindow.Max)))
	}
	c.SVG, err = svg(p, chartWidth, chartHeight, c.Title, strings.Join(about, "; "))
	return c, err == nil, err
}

// straight adds a dashed line from one point to another: a bound.
func straight(p *plot.Plot, x0, y0, x1, y1 float64) error {
	line, err := plotter.NewLine(plotter.XYs{{X: x0, Y: y0}, {X: x1, Y: y1}})
	if err != nil {
		return err
	}
	line.Color, line.Width, line.Dashes = boundColour, 1.5, []vg.Length{5, 4}
	p.Add(line)
	return nil
}

// name adds words to points; those in the right half stand on their left.
func name(p *plot.Plot, l plotter.XYLabels) error {
	if len(l.Labels) == 0 {
		return nil
	}
	labels, err := plotter.NewLabels(l)
	if err != nil {
		return err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Font.Size, labels.TextStyle[i].Font.Variant, labels.TextStyle[i].Color = 11, "Sans", axisColour
		if l.XYs[i].X > (p.X.Min+p.X.Max)/2 {
			labels.TextStyle[i].XAlign = -1
		}
	}
	p.Add(labels)
	return nil
}

// windows are the loss windows of a cell, sorted: of its crashes, or the
// percentiles of a file that has no more.
func windows(r *result.Result) []float64 {
	switch {
	case r.LossWindow == nil:
		return nil
	case r.Samples != nil && len(r.Samples.WindowMS) > 0:
		return slices.Sorted(slices.Values(r.Samples.WindowMS))
	case len(r.LossWindow.Percentiles) == 101:
		return r.LossWindow.Percentiles
	}
	return nil
}

// shares are the points of a distribution: at each value the share, in percent,
// of those that are no larger, thinned out to what can be seen, and on to the
// end of the axis.
func shares(sorted []float64, end float64) plotter.XYs {
	points := plotter.XYs{{X: 0, Y: 0}}
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
		points = append(points, plotter.XY{X: v, Y: 100 * float64(i+1) / float64(len(sorted))})
	}
	return append(points, plotter.XY{X: end, Y: 100})
}

// boundsOf are the bounds of all crash kinds of a mode, each name and value once.
func boundsOf(results []*result.Result) []result.Bound {
	var list []result.Bound
	for _, r := range results {
		for _, b := range r.Bounds {
			if b.Value > 0 && !slices.Contains(list, b) { // 0 is at the axis anyhow
				list = append(list, b)
			}
		}
	}
	return list
}

// niceStep is a distance between ticks of 1, 2 or 5 times a power of ten, such
// that there are three to eight of them.
func niceStep(end float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(end/5)))
	for _, f := range []float64{1, 2, 5, 10} {
		if end/(f*power) <= 8 {
			return f * power
		}
	}
	return 10 * power
}
