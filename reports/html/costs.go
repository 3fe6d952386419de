package html

import (
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// costs is what policies cost: a table and pictures.
type costs struct {
	Load, Host, Disk, Advice string
	Restart                  string
	Rows                     []costRow
	Charts                   []chart
}

type costRow struct {
	Mode, Directives                                       string
	Rate, P50, P99, P999, DiskRate, DiskP99, Fsyncs, Bytes string
	Restart, Files, Loss                                   string
}

func costsOf(r *result.Report) (*costs, error) {
	p := r.Policies
	if p == nil {
		return nil, nil
	}
	c := &costs{Load: clean(wording.CostLoad(p)), Host: clean(wording.Place(&p.Host)), Disk: clean(wording.FaultDisk(p)), Advice: clean(p.Advice)}
	if p.RestartWrites > 0 {
		c.Restart = fmt.Sprintf("After an orderly shutdown with %s writes, a rewrite or snapshot half-way.", wording.Count(int64(p.RestartWrites)))
	}
	for i := range p.Policies {
		c.Rows = append(c.Rows, costRowOf(&p.Policies[i], r.Results))
	}
	picture, ok, err := costAgainstLoss(r)
	if err != nil {
		return nil, err
	}
	if ok {
		c.Charts = append(c.Charts, picture)
	}
	rate, latency := []series{}, []series{}
	for i := range p.Policies {
		x := &p.Policies[i]
		if x.Best() == nil || len(x.Best().Over) < 2 {
			continue
		}
		a, b := series{name: clean(x.Mode)}, series{name: clean(x.Mode)}
		for _, t := range x.Best().Over {
			a.points = append(a.points, plotter.XY{X: t.AtMS, Y: t.Rate})
			b.points = append(b.points, plotter.XY{X: t.AtMS, Y: t.P99})
		}
		rate, latency = append(rate, a), append(latency, b)
	}
	if len(rate) == 0 {
		return c, nil
	}
	over, err := overTime("Throughput in the median round", "operations/s", func(v float64) string { return wording.Count(int64(v)) }, rate, nil)
	if err != nil {
		return nil, err
	}
	wait, err := overTime("Latency (p99) in the median round", "", wording.Latency, latency, nil)
	if err != nil {
		return nil, err
	}
	c.Charts = append(c.Charts, over, wait)
	return c, nil
}

func costRowOf(x *result.Policy, results []result.Result) costRow {
	row := costRow{Mode: clean(x.Mode), Directives: clean(strings.Join(x.Directives, ", ")), Rate: "-", P50: "-", P99: "-", P999: "-",
		DiskRate: "-", DiskP99: "-", Fsyncs: "-", Bytes: "-", Restart: "-", Files: "-"}
	if c := x.Host; c != nil {
		row.Rate, row.P50, row.P99, row.P999 = wording.Count(int64(c.Rate)), wording.Latency(c.P50), wording.Latency(c.P99), wording.Latency(c.P999)
	}
	if c := x.FaultDisk; c != nil {
		row.DiskRate, row.DiskP99 = wording.Count(int64(c.Rate)), wording.Latency(c.P99)
		row.Fsyncs, row.Bytes = wording.PerOperation(x.FsyncsPerOp), wording.Bytes(x.BytesPerOp)
	}
	if x.RestartMS > 0 {
		row.Restart, row.Files = wording.Latency(x.RestartMS), wording.Bytes(float64(x.FileBytes))
	}
	row.Loss = wording.Loss(result.LossOf(results, x.Mode, every))
	return row
}

func every(string) bool { return true }

// lossAxis makes room for losses from nothing to a minute: logarithmic above a
// millisecond, with nothing at its foot.
func lossAxis(ms float64) float64 { return math.Log10(1 + ms) }

// costAgainstLoss is the one picture of a comparison: a point for each policy,
// to the right what it takes, upwards what a crash may cost. The line below a
// point reaches down to the median of the crash kind that cost most.
func costAgainstLoss(r *result.Report) (c chart, ok bool, err error) {
	c.Title = "Cost against loss"
	p := newPlot("operations a second without faults", "longest loss window")
	var most, worst float64
	var labels plotter.XYLabels
	var about []string
	for i := range r.Policies.Policies {
		x := &r.Policies.Policies[i]
		l := result.LossOf(r.Results, x.Mode, every)
		if x.Best() == nil || !l.Proved {
			continue
		}
		at := plotter.XY{X: x.Best().Rate, Y: lossAxis(l.MaxMS)}
		most, worst = max(most, at.X), max(worst, l.MaxMS)
		points, err := plotter.NewScatter(plotter.XYs{at})
		if err != nil {
			return c, false, err
		}
		points.GlyphStyle = draw.GlyphStyle{Color: seriesColour(i), Radius: 5, Shape: draw.CircleGlyph{}}
		down, err := plotter.NewLine(plotter.XYs{at, {X: at.X, Y: lossAxis(medianLoss(r.Results, x.Mode))}})
		if err != nil {
			return c, false, err
		}
		down.Color, down.Width = seriesColour(i), vg.Length(1.5)
		p.Add(down, points)
		labels.XYs = append(labels.XYs, plotter.XY{X: at.X, Y: at.Y + 0.12})
		labels.Labels = append(labels.Labels, " "+clean(x.Mode)+" ")
		about = append(about, fmt.Sprintf("%s: %s operations a second, longest loss window %s", clean(x.Mode), wording.Count(int64(at.X)), wording.Loss(l)))
	}
	if len(about) == 0 {
		return c, false, nil
	}
	xs := stepsTo(max(most, 1))
	p.X.Min, p.X.Max, p.X.Tick.Marker = 0, xs[len(xs)-1], ticks(xs, func(v float64) string { return wording.Count(int64(v)) })
	var ys []float64
	for _, ms := range []float64{0, 1, 10, 100, 1000, 10_000, 60_000, 600_000} {
		ys = append(ys, ms)
		if ms > worst {
			break
		}
	}
	marks := ticks(ys, wording.Round)
	for i := range marks {
		marks[i].Value = lossAxis(ys[i])
	}
	marks[0].Label = "nothing"
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, lossAxis(ys[len(ys)-1])+0.2, marks
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = gridColour, gridColour
	p.Add(grid)
	if err := name(p, labels); err != nil {
		return c, false, err
	}
	c.Notes = []string{"To the right is faster, downwards is safer. A point is the longest loss over all crash kinds; the line below it ends at the median of the kind that lost most."}
	c.SVG, err = svg(p, chartWidth, chartHeight+40, c.Title, strings.Join(about, "; "))
	return c, err == nil, err
}

// medianLoss is the largest median of a mode's crash kinds.
func medianLoss(results []result.Result, mode string) float64 {
	most := 0.0
	for i := range results {
		if r := &results[i]; r.Mode == mode && r.LossWindow != nil {
			most = max(most, r.LossWindow.P50)
		}
	}
	return most
}
