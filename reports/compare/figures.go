package compare

import (
	"fmt"
	"math"
	"slices"

	"github.com/torntail/torntail/internal/quantile"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// test is one figure of one cell with its p value; NaN when there are too few
// crashes to say anything.
type test struct {
	cell, figure string
	p            float64 // two-sided; corrected by holm
	up           bool    // NEW's is larger
	moreIsBetter bool
	minEffect    float64
	old, new     measured
	words        func(m *measured) string
}

// measured is one side of a test: single values, or a count of all.
type measured struct {
	values []float64
	hits   int
	of     int
}

// mean is the mean of the values, or the share of the hits.
func (m *measured) mean() float64 {
	if m.values == nil {
		return float64(m.hits) / float64(m.of)
	}
	sum := 0.0
	for _, v := range m.values {
		sum += v
	}
	return sum / float64(len(m.values))
}

// material reports whether a significant change is large enough to matter, and
// the means say the same as the ranks.
func (t *test) material() bool {
	old, now := t.old.mean(), t.new.mean()
	if old == now || now > old != t.up {
		return false
	}
	return math.Abs(now-old) >= t.minEffect*math.Max(math.Abs(old), 1e-9)
}

func (t *test) change() Change {
	c := Change{Cell: t.cell, Figure: t.figure, Direction: Worse, P: t.p, Old: t.words(&t.old), New: t.words(&t.new)}
	if t.up == t.moreIsBetter {
		c.Direction = Better
	}
	if old := t.old.mean(); old > 0 {
		c.Ratio = t.new.mean() / old
		c.RatioLow, c.RatioHigh = ratioInterval(&t.old, &t.new)
	}
	return c
}

// tailShare is where the tail of a distribution begins.
const tailShare = 0.95

// figures are all tests of a pair.
func (p pair) figures(o Options) []test {
	timed := o.MinEffect
	if p.before.Backend != "sim" {
		timed = o.MinEffectReal
	}
	old, now := p.before, p.after
	cell := name(old)
	var list []test
	add := func(t test, ok bool) {
		if ok {
			t.cell = cell
			list = append(list, t)
		}
	}
	add(valued(smirnov, "loss window", windowSample(old), windowSample(now), timed, windowWords))
	add(tail(windowSample(old), windowSample(now), timed))
	add(valued(smirnov, "lost writes", lostSample(old), lostSample(now), o.MinEffect, func(m *measured) string {
		return fmt.Sprintf("%.3g a crash", m.mean())
	}))
	throughput, ok := valued(mannWhitney, "throughput", rateSample(old), rateSample(now), timed, func(m *measured) string {
		return fmt.Sprintf("%.4g writes/s", m.mean())
	})
	throughput.moreIsBetter = true
	add(throughput, ok)
	add(valued(mannWhitney, "time to recover", recoverySample(old), recoverySample(now), timed, func(m *measured) string {
		return "mean " + wording.Duration(m.mean())
	}))
	share := func(figure string, before, after int) {
		add(counted(figure, before, old.Struck, after, now.Struck, o.MinEffect))
	}
	share("did not come back", old.Recovery.Refused, now.Recovery.Refused)
	share("needed repair", old.Recovery.Repaired, now.Recovery.Repaired)
	for _, n := range names(old.Anomalies, now.Anomalies) {
		share(n, old.Anomalies[n], now.Anomalies[n])
	}
	for _, n := range names(old.Findings, now.Findings) {
		share("finding "+n, old.Findings[n], now.Findings[n])
	}
	return list
}

// names are the keys of both, sorted.
func names(a, b map[string]int) []string {
	all := append(wording.SortedNames(a), wording.SortedNames(b)...)
	slices.Sort(all)
	return slices.Compact(all)
}

func windowWords(m *measured) string {
	sorted := quantile.Sorted(m.values)
	return fmt.Sprintf("p50 %s, p99 %s", wording.Duration(quantile.Median(sorted)), wording.Duration(quantile.Of(sorted, 0.99)))
}

// valued compares what single crashes measured; ok is false when neither side has any, or
// nothing was ever other than zero.
func valued(how func(a, b []float64) (p float64, up bool), figure string, old, now []float64, minEffect float64, words func(*measured) string) (t test, ok bool) {
	if len(old) == 0 || len(now) == 0 || allZero(old) && allZero(now) {
		return t, false
	}
	t = test{figure: figure, minEffect: minEffect, words: words, old: measured{values: old}, new: measured{values: now}}
	t.p, t.up = how(old, now)
	return t, true
}

// tail compares how many values lie in the tail of both together: a change that
// only the worst crashes show moves few ranks.
func tail(old, now []float64, minEffect float64) (t test, ok bool) {
	if len(old) == 0 || len(now) == 0 {
		return t, false
	}
	pooled := append(slices.Clone(old), now...)
	slices.Sort(pooled)
	limit := quantile.Down(pooled, tailShare)
	over := func(values []float64) (n int) {
		for _, v := range values {
			if v > limit {
				n++
			}
		}
		return n
	}
	t, ok = counted("worst loss windows", over(old), len(old), over(now), len(now), minEffect)
	t.words = func(m *measured) string {
		return fmt.Sprintf("%d of %d over %s", m.hits, m.of, wording.Duration(limit))
	}
	return t, ok
}

// counted compares how often something was seen; ok is false when it never was.
func counted(figure string, old, of, now, ofNow int, minEffect float64) (t test, ok bool) {
	if of <= 0 || ofNow <= 0 || old+now == 0 {
		return t, false
	}
	t = test{figure: figure, minEffect: minEffect, old: measured{hits: min(old, of), of: of}, new: measured{hits: min(now, ofNow), of: ofNow},
		words: func(m *measured) string { return fmt.Sprintf("%d of %d crashes", m.hits, m.of) }}
	t.p, t.up = fisher(t.old.hits, of, t.new.hits, ofNow)
	return t, true
}

func allZero(values []float64) bool {
	return !slices.ContainsFunc(values, func(v float64) bool { return v != 0 })
}

// windowSample are the loss windows of single crashes; of a file that does not
// have them, as many values as crashes struck, spread as its percentiles say.
func windowSample(r *result.Result) []float64 {
	if r.Samples != nil {
		return r.Samples.WindowMS
	}
	if r.LossWindow == nil || len(r.LossWindow.Percentiles) != 101 {
		return nil
	}
	values := make([]float64, r.Struck)
	for i := range values {
		values[i] = r.LossWindow.Percentiles[int(math.Ceil(100*float64(i+1)/float64(r.Struck)))]
	}
	return values
}

func lostSample(r *result.Result) []float64 {
	if r.Samples == nil {
		return nil
	}
	values := make([]float64, len(r.Samples.Lost))
	for i, n := range r.Samples.Lost {
		values[i] = float64(n)
	}
	return values
}

func rateSample(r *result.Result) []float64 {
	if r.Samples == nil {
		return nil
	}
	return r.Samples.Rate
}

func recoverySample(r *result.Result) []float64 {
	if r.Samples == nil {
		return nil
	}
	return r.Samples.RecoveryMS
}
