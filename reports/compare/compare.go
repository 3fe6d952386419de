// Package compare says what got worse, or better, between two results: not
// which figures differ, for they always do, but which differ by more than
// chance explains.
//
// The figures of crashes are no normal ones: loss windows are distributions
// with many zeros, and lost writes come in heaps, so that their count over a
// run varies far more than a count of independent events would. So every figure
// is compared crash by crash, with tests that assume nothing about its
// distribution: the distance between distributions (Kolmogorov and Smirnov) for
// losses, ranks (Mann and Whitney) for throughput and times, Fisher's exact test
// for how often something was seen. Hundreds of figures are compared
// at once, and of hundreds some will look different in every pair of runs:
// Holm's correction keeps the chance that anything at all is flagged between
// two equal runs below Options.Alpha. And a change must be large enough to
// matter (Options.MinEffect), or ten thousand crashes would flag a percent.
//
// What the tests assume is that crashes are independent of each other. In
// simulation they are. Real servers share a machine whose mood of the hour
// colours all crashes of a run, so that their times must differ by more before
// they count (Options.MinEffectReal).
package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Options say how sure and how large a change must be. Zero values are replaced
// by those of Default.
type Options struct {
	// Alpha is the chance that two equal runs are called different in anything.
	Alpha float64
	// MinEffect is the smallest relative change of a mean or a share that counts.
	MinEffect float64
	// MinEffectReal is the same for the times and rates of real servers.
	MinEffectReal float64
}

// Default is one false alarm in a hundred comparisons, and a tenth (a quarter
// where a real machine's time is measured).
var Default = Options{Alpha: 0.01, MinEffect: 0.1, MinEffectReal: 0.25}

func (o Options) filled() Options {
	if o.Alpha == 0 {
		o.Alpha = Default.Alpha
	}
	if o.MinEffect == 0 {
		o.MinEffect = Default.MinEffect
	}
	if o.MinEffectReal == 0 {
		o.MinEffectReal = Default.MinEffectReal
	}
	return o
}

// Direction is which way something changed.
type Direction string

const (
	Worse  Direction = "worse"
	Better Direction = "better"
	// Unproved: OLD proved something that NEW does not, or NEW has not run it.
	Unproved Direction = "unproved"
)

// Change is one figure or verdict that differs.
type Change struct {
	Cell      string    `json:"cell"`   // the pair it belongs to: "everysec, power"
	Figure    string    `json:"figure"` // "verdict", "loss window", "throughput", ...
	Direction Direction `json:"direction"`
	Old       string    `json:"old"` // in words, with its unit
	New       string    `json:"new"`

	// Of measured figures: New's mean or share as a multiple of Old's, with its
	// 95 % bootstrap interval (0 when OLD's is 0), and the corrected p value.
	Ratio     float64 `json:"ratio,omitempty"`
	RatioLow  float64 `json:"ratio_low,omitempty"`
	RatioHigh float64 `json:"ratio_high,omitempty"`
	P         float64 `json:"p,omitempty"`
}

// Comparison is what became of comparing two reports.
type Comparison struct {
	Alpha   float64  `json:"alpha"`
	Cells   int      `json:"cells"`   // pairs that are in both and were judged in both
	Figures int      `json:"figures"` // that were tested
	TooFew  int      `json:"too_few"` // that could not be, for want of crashes
	Changes []Change `json:"changes"`
	Notes   []string `json:"notes,omitempty"` // what differs in what was run
}

// Reports compares two reports. Pairs belong together when target, backend,
// mode, crash kind, workload and disk are the same; the target may differ when
// each report has one only, as when two builds of a server are compared.
func Reports(before, after *result.Report, o Options) *Comparison {
	o = o.filled()
	c := &Comparison{Alpha: o.Alpha, Changes: []Change{}}
	c.notes(before, after)
	c.costs(before.Policies, after.Policies)
	pairs, added := match(before.Results, after.Results)
	for i := range added {
		c.Notes = append(c.Notes, name(added[i])+" is new: nothing to compare with")
	}
	var tests []test
	for _, p := range pairs {
		if !c.verdicts(p) {
			continue
		}
		c.Cells++
		tests = append(tests, p.figures(o)...)
	}
	tested := tests[:0]
	for _, t := range tests {
		if math.IsNaN(t.p) {
			c.TooFew++
			continue
		}
		tested = append(tested, t)
	}
	c.Figures = len(tested)
	for _, t := range holm(tested, o.Alpha) {
		if t.material() {
			c.Changes = append(c.Changes, t.change())
		}
	}
	slices.SortStableFunc(c.Changes, func(a, b Change) int { return rank(a.Direction) - rank(b.Direction) })
	return c
}

// costs notes what settings cost in both, where the rounds of one lie outside those of the
// other. These are few, and of machines in other moods: no test is made of them.
func (c *Comparison) costs(before, after *result.Policies) {
	if before == nil || after == nil {
		return
	}
	for i := range before.Policies {
		a := &before.Policies[i]
		at := slices.IndexFunc(after.Policies, func(b result.Policy) bool { return b.Mode == a.Mode })
		if at < 0 || a.Best() == nil || after.Policies[at].Best() == nil || len(a.Best().Rounds) < 2 || len(after.Policies[at].Best().Rounds) < 2 {
			continue
		}
		x, y := a.Best(), after.Policies[at].Best()
		xLow, xHigh := x.Spread()
		yLow, yHigh := y.Spread()
		said := "the rounds overlap"
		switch {
		case yHigh < xLow:
			said = "slower in every round"
		case yLow > xHigh:
			said = "faster in every round"
		}
		c.Notes = append(c.Notes, fmt.Sprintf("cost of %s: %s operations a second (%s) -> %s (%s): %s", a.Mode,
			wording.Count(int64(x.Rate)), wording.Spread(x), wording.Count(int64(y.Rate)), wording.Spread(y), said))
	}
}

func rank(d Direction) int { return slices.Index([]Direction{Worse, Unproved, Better}, d) }

// With are the changes in one direction.
func (c *Comparison) With(d Direction) []Change {
	var list []Change
	for _, x := range c.Changes {
		if x.Direction == d {
			list = append(list, x)
		}
	}
	return list
}

// ExitCode is the exit status: a regression is a violation; without one, what
// is proved no longer, or nothing to compare at all, is unknown.
func (c *Comparison) ExitCode() int {
	switch {
	case len(c.With(Worse)) > 0:
		return result.ExitViolated
	case len(c.With(Unproved)) > 0 || c.Cells == 0:
		return result.ExitUnknown
	}
	return result.ExitHolds
}

// pair is a cell of both reports; after is nil when NEW lacks it.
type pair struct{ before, after *result.Result }

// name is how a pair is called: mode and crash kind, and what else tells it
// from others.
func name(r *result.Result) string {
	if r.Cell != "" {
		return r.Cell
	}
	s := r.Mode + ", " + r.Crash
	if r.Workload != "" {
		s += ", " + r.Workload
	}
	if r.Personality != "" {
		s += ", " + r.Personality
	}
	return s + " (" + r.Target + ")"
}

// match puts cells together, in OLD's order; added are NEW's that OLD lacks. The
// cells of suites have names, which tell them apart by all that a suite varies.
func match(before, after []result.Result) (pairs []pair, added []*result.Result) {
	oneEach := len(targets(before)) == 1 && len(targets(after)) == 1
	unnamed := func(r result.Result) bool { return r.Cell == "" }
	named := !slices.ContainsFunc(before, unnamed) && !slices.ContainsFunc(after, unnamed)
	index := func(results []result.Result) (keys []string, byKey map[string]*result.Result) {
		byKey = map[string]*result.Result{}
		for i := range results {
			r := &results[i]
			parts := []string{r.Target, r.Backend, r.Mode, r.Crash, r.Workload, r.Personality}
			if named {
				_, rest, _ := strings.Cut(r.Cell, "/") // without the target
				parts = append(parts, rest)
			}
			if oneEach {
				parts[0] = ""
			}
			key := strings.Join(parts, "\x00")
			for n := 2; byKey[key] != nil; n++ { // the same pair again, with other directives perhaps
				key = strings.Join(append(parts, fmt.Sprint(n)), "\x00")
			}
			byKey[key] = r
			keys = append(keys, key)
		}
		return keys, byKey
	}
	oldKeys, old := index(before)
	newKeys, all := index(after)
	for _, k := range oldKeys {
		pairs = append(pairs, pair{old[k], all[k]})
	}
	for _, k := range newKeys {
		if old[k] == nil {
			added = append(added, all[k])
		}
	}
	return pairs, added
}

func targets(results []result.Result) map[string]bool {
	seen := map[string]bool{}
	for i := range results {
		seen[results[i].Target] = true
	}
	return seen
}

// notes says what differs in what was run: a reader must know that before he
// believes that a change is the server's.
func (c *Comparison) notes(before, after *result.Report) {
	differ := func(what, old, now string) {
		if old != now {
			c.Notes = append(c.Notes, fmt.Sprintf("%s: %s in OLD, %s in NEW", what, orNone(old), orNone(now)))
		}
	}
	differ("torntail", before.Torntail, after.Torntail)
	differ("machine", wording.Machine(before.Machine), wording.Machine(after.Machine))
	if len(before.Results) > 0 && len(after.Results) > 0 {
		differ("target", before.Results[0].Target+" "+before.Results[0].Version, after.Results[0].Target+" "+after.Results[0].Version)
	}
}

func orNone(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// verdicts compares what was said of a cell, and reports whether its figures
// can be compared as well.
func (c *Comparison) verdicts(p pair) bool {
	x := Change{Cell: name(p.before), Figure: verdictFigure, Old: wording.Verdict(p.before)}
	before := p.before.Verdict
	if before == result.NotApplicable {
		return false // nothing was proved then
	}
	if p.after == nil {
		x.Direction, x.New = Unproved, "not run"
		c.Changes = append(c.Changes, x)
		return false
	}
	x.New = wording.Verdict(p.after)
	if p.after.Why != "" {
		x.New += ": " + p.after.Why
	}
	if d := directives(p.before, p.after); d != "" {
		c.Notes = append(c.Notes, name(p.before)+": "+d)
	}
	after := p.after.Verdict
	switch {
	case after == before:
	case after == result.Violated:
		x.Direction = Worse
	case before == result.Violated && after == result.Holds:
		x.Direction = Better
	case before == result.Unknown:
		if after == result.Holds {
			x.Direction = Better
		}
	default:
		x.Direction = Unproved
	}
	if x.Direction != "" {
		c.Changes = append(c.Changes, x)
	}
	return after != result.NotApplicable && p.before.Struck > 0 && p.after.Struck > 0
}

// directives says in what the settings of a pair differ.
func directives(before, after *result.Result) string {
	gone, came := wording.Without(before.Directives, after.Directives), wording.Without(after.Directives, before.Directives)
	switch {
	case len(gone) == 0 && len(came) == 0:
		return ""
	case len(gone) == 0:
		return "NEW sets " + strings.Join(came, ", ")
	case len(came) == 0:
		return "NEW does not set " + strings.Join(gone, ", ")
	}
	return "NEW sets " + strings.Join(came, ", ") + " instead of " + strings.Join(gone, ", ")
}
