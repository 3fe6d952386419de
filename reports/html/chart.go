package html

import (
	"fmt"
	"math"
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// chart is the distribution of the loss windows of one mode: for each crash
// kind the share of crashes that lost at most so much, and the bounds.
// Coordinates are in the units of the drawing, rounded to a tenth.
type chart struct {
	ID, Title, About string
	Width, Height    int
	Left, Right      int // of the area that is drawn in
	Top, Bottom      int
	XTicks, YTicks   []tick
	Bounds           []mark
	Lines            []line
	Notes            []string
}

type tick struct {
	At   string
	Text string
}

// mark is a bound: a vertical line with its name beside it.
type mark struct {
	X, TextX, TextY string
	Anchor          string
	Text            string
}

// line is one crash kind: a path, told from the others by colour and dashes.
type line struct {
	Path, Name string
	Style      int // 0 to styles-1
}

const styles = 6

// charts draws one for each mode of a section in which something was lost.
func charts(where string, results []result.Result) []chart {
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
		if c, ok := draw(m, byMode[m]); ok {
			c.ID = fmt.Sprintf("chart%d", len(list)+1)
			list = append(list, c)
		}
	}
	return list
}

// draw makes the chart of one mode; ok is false when there is nothing to see.
func draw(mode string, results []*result.Result) (c chart, ok bool) {
	c = chart{
		Title: clean("Loss window under " + mode), Width: 520, Height: 260,
		Left: 46, Right: 505, Top: 30, Bottom: 215,
	}
	longest := 0.0
	for _, r := range results {
		if w := r.LossWindow; w != nil && len(w.Percentiles) == 101 {
			longest = max(longest, w.Max)
		}
	}
	if longest <= 0 || math.IsInf(longest, 0) || math.IsNaN(longest) {
		return c, false
	}
	// The bounds belong into the picture, but one far away must not squeeze the
	// lines into a corner: beyond four times the longest loss it is only named.
	end := longest
	bounds := boundsOf(results)
	for _, b := range bounds {
		if b.Value <= 4*longest {
			end = max(end, b.Value)
		}
	}
	step := niceStep(end)
	end = math.Ceil(end*1.02/step) * step
	x := func(ms float64) float64 {
		return float64(c.Left) + ms/end*float64(c.Right-c.Left)
	}
	y := func(percent float64) float64 {
		return float64(c.Bottom) - percent/100*float64(c.Bottom-c.Top)
	}
	for v := 0.0; v <= end+step/2; v += step {
		c.XTicks = append(c.XTicks, tick{tenth(x(v)), wording.Round(v)})
	}
	for p := 0; p <= 100; p += 25 {
		c.YTicks = append(c.YTicks, tick{tenth(y(float64(p))), fmt.Sprintf("%d%%", p)})
	}
	for i, b := range bounds {
		text := b.Name + " " + wording.Round(b.Value)
		if b.Value > end {
			c.Notes = append(c.Notes, clean("The "+b.Name+" bound, "+wording.Round(b.Value)+", is far outside."))
			continue
		}
		m := mark{X: tenth(x(b.Value)), TextX: tenth(x(b.Value) + 4), TextY: fmt.Sprint(c.Top - 14 + 12*(i%2)), Anchor: "start", Text: clean(text)}
		if x(b.Value) > float64(c.Left+c.Right)/2 {
			m.TextX, m.Anchor = tenth(x(b.Value)-4), "end"
		}
		c.Bounds = append(c.Bounds, m)
	}
	var about []string
	for _, r := range results {
		w := r.LossWindow
		if w == nil || len(w.Percentiles) != 101 {
			continue
		}
		name := clean(r.Crash)
		if w.Censored > 0 {
			name += " (lower bound)"
		}
		c.Lines = append(c.Lines, line{Path: steps(w.Percentiles, x, y), Name: name, Style: len(c.Lines) % styles})
		about = append(about, fmt.Sprintf("%s: half of the crashes lost at most %s, the worst %s", name, wording.Duration(w.P50), wording.Duration(w.Max)))
	}
	c.About = strings.Join(about, "; ")
	return c, true
}

// boundsOf are the bounds of all crash kinds of a mode, each name and value once.
func boundsOf(results []*result.Result) []result.Bound {
	var list []result.Bound
	for _, r := range results {
	next:
		for _, b := range r.Bounds {
			if b.Value <= 0 {
				continue // at the axis anyhow
			}
			for _, have := range list {
				if have == b {
					continue next
				}
			}
			list = append(list, b)
		}
	}
	return list
}

// steps is the path of a distribution: at each percentile up to its share.
func steps(percentiles []float64, x, y func(float64) float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%s %s", tenth(x(percentiles[0])), tenth(y(0)))
	for p, v := range percentiles {
		fmt.Fprintf(&b, "H%sV%s", tenth(x(v)), tenth(y(float64(p))))
	}
	return b.String()
}

// niceStep is a distance between ticks of 1, 2 or 5 times a power of ten, such
// that there are five to ten of them.
func niceStep(end float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(end/5)))
	for _, f := range []float64{1, 2, 5, 10} {
		if end/(f*power) <= 8 {
			return f * power
		}
	}
	return 10 * power
}

func tenth(v float64) string { return fmt.Sprintf("%.1f", v) }
