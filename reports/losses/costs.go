package losses

import (
	"fmt"
	"math"
	"strings"

	"github.com/torntail/torntail/reports/chart"
	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// costColumns are those of the table of costs.
var costColumns = []model.Column{
	{Name: "ops/s", Group: "host's file system", Unit: model.PerSecond},
	{Name: "p50", Group: "host's file system", Unit: model.Milliseconds},
	{Name: "p99", Group: "host's file system", Unit: model.Milliseconds},
	{Name: "p99.9", Group: "host's file system", Unit: model.Milliseconds},
	{Name: "ops/s", Group: "fault disk", Unit: model.PerSecond},
	{Name: "p99", Group: "fault disk", Unit: model.Milliseconds},
	{Name: "fsyncs", Group: "per operation", Unit: model.PerOperation},
	{Name: "bytes", Group: "per operation", Unit: model.BytesPerOp},
	{Name: "time", Group: "after a restart", Unit: model.Milliseconds},
	{Name: "bytes", Group: "after a restart", Unit: model.BytesWritten},
	{Name: "longest loss window", Unit: model.Milliseconds},
	{Name: "ops/s of the slowest and fastest round", Unit: model.Words},
}

// costs is what settings cost.
func costs(r *result.Report) model.Section {
	p := r.Policies
	s := model.Section{Title: "What each setting costs", Labels: []string{"setting"}, Columns: costColumns, Unjudged: true, Advice: p.Advice,
		Text: []string{"Without faults: " + wording.CostLoad(p) + ".", "Host: " + wording.Place(&p.Host) + ".", wording.FaultDisk(p) + "."}}
	if p.RestartWrites > 0 {
		s.Text = append(s.Text, fmt.Sprintf("After an orderly shutdown with %s writes, a rewrite or snapshot half-way.", wording.Count(int64(p.RestartWrites))))
	}
	if len(p.NotTested) > 0 {
		s.Text = append(s.Text, "Not tested: "+strings.Join(p.NotTested, "; ")+".")
	}
	for i := range p.Policies {
		s.Entries = append(s.Entries, cost(&p.Policies[i], r.Results))
	}
	if c, ok := costAgainstLoss(r); ok {
		s.Charts = append(s.Charts, c)
	}
	var rate, latency []chart.Series
	for i := range p.Policies {
		x := &p.Policies[i]
		if x.Best() == nil || len(x.Best().Over) < 2 {
			continue
		}
		a, b := chart.Series{Name: x.Mode}, chart.Series{Name: x.Mode}
		for _, t := range x.Best().Over {
			a.Points = append(a.Points, chart.Point{X: t.AtMS, Y: t.Rate})
			b.Points = append(b.Points, chart.Point{X: t.AtMS, Y: t.P99})
		}
		rate, latency = append(rate, a), append(latency, b)
	}
	if len(rate) > 0 {
		s.Charts = append(s.Charts,
			chart.OverTime("Throughput in the median round", "operations/s", count, wording.Round, rate, nil),
			chart.OverTime("Latency (p99) in the median round", "", wording.Latency, wording.Round, latency, nil))
	}
	return s
}

func count(v float64) string { return wording.Count(int64(v)) }

func cost(x *result.Policy, results []result.Result) model.Entry {
	f := make([]model.Figure, len(costColumns))
	for i := range f {
		f[i] = none
	}
	set := func(i int, v float64, words string) { f[i] = model.Figure{Value: v, Shown: words} }
	if c := x.Host; c != nil {
		set(0, c.Rate, count(c.Rate))
		set(1, c.P50, wording.Latency(c.P50))
		set(2, c.P99, wording.Latency(c.P99))
		set(3, c.P999, wording.Latency(c.P999))
	}
	if c := x.FaultDisk; c != nil {
		set(4, c.Rate, count(c.Rate))
		set(5, c.P99, wording.Latency(c.P99))
		set(6, x.FsyncsPerOp, wording.PerOperation(x.FsyncsPerOp))
		set(7, x.BytesPerOp, wording.Bytes(x.BytesPerOp))
	}
	if x.RestartMS > 0 {
		set(8, x.RestartMS, wording.Latency(x.RestartMS))
		set(9, float64(x.FileBytes), wording.Bytes(float64(x.FileBytes)))
	}
	l := result.LossOf(results, x.Mode, every)
	if l.Proved {
		set(10, l.MaxMS, wording.Loss(l)+neverBack(l))
	} else if l.NotServed > 0 {
		set(10, math.NaN(), "-"+neverBack(l))
	}
	if words := wording.Spread(x.Best()); words != "" {
		set(11, math.NaN(), words)
	}
	return model.Entry{Labels: []string{x.Mode}, Detail: strings.Join(x.Directives, ", "), Figures: f}
}

// neverBack says after how many crashes the server never served again: what it had acknowledged
// there is in no loss window.
func neverBack(l result.Loss) string {
	if l.NotServed == 0 {
		return ""
	}
	return fmt.Sprintf(", never back after %d of %s", l.NotServed, wording.Times(l.Crashes, "crash"))
}

func every(string) bool { return true }

// costAgainstLoss is the one picture of a comparison: a point for each policy,
// to the right what it takes, upwards what a crash may cost. The line below a
// point reaches down to the median of the crash kind that cost most.
func costAgainstLoss(r *result.Report) (c chart.Chart, ok bool) {
	c.Title = "Cost against loss"
	var most, worst float64
	var about []string
	for i := range r.Policies.Policies {
		x := &r.Policies.Policies[i]
		l := result.LossOf(r.Results, x.Mode, every)
		if x.Best() == nil || !l.Proved {
			continue
		}
		rate := x.Best().Rate
		most, worst = max(most, rate), max(worst, l.MaxMS)
		c.Series = append(c.Series, chart.Series{Name: x.Mode, Label: x.Mode + neverBack(l), Dots: true, Apart: true, Points: []chart.Point{{X: rate, Y: l.MaxMS}},
			Ranges: []chart.Range{{Low: medianLoss(r.Results, x.Mode), High: l.MaxMS}}})
		about = append(about, fmt.Sprintf("%s: %s operations a second, longest loss window %s%s", x.Mode, count(rate), wording.Loss(l), neverBack(l)))
	}
	if len(about) == 0 {
		return c, false
	}
	c.About = strings.Join(about, "; ")
	xs := chart.Steps(max(most, 1))
	c.X = chart.Axis{Label: "operations a second without faults", Max: xs[len(xs)-1], Ticks: xs, Words: count}
	c.Y = chart.Axis{Label: "longest loss window", Log: true, Words: func(ms float64) string {
		if ms == 0 {
			return "nothing"
		}
		return wording.Round(ms)
	}}
	for _, ms := range []float64{0, 1, 10, 100, 1000, 10_000, 60_000, 600_000, 3_600_000} {
		c.Y.Ticks, c.Y.Max = append(c.Y.Ticks, ms), 1.5*(1+ms)
		if ms > worst {
			break
		}
	}
	c.Notes = []string{"To the right is faster, downwards is safer. A point is the longest loss over all crash kinds; the line below it ends at the median of the kind that lost most."}
	return c, true
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
