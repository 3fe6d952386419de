package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Check is a verdict on everything together, beside those on entries: how it compares with
// a baseline.
type Check struct {
	Name    string
	Verdict result.Verdict
	Why     string
	Details []string // one for each thing that is wrong
}

// Point is something that did not come as it should, or of which nothing is proved: what a
// report says before its tables.
type Point struct {
	Name    string
	Verdict result.Verdict // Violated or Unknown
	Why     string
	// Means says what is wrong in words that need no knowledge of torntail; "" where Why does.
	Means string
	// Failure is the example to look at first, and At its number among those of all entries,
	// from 0; nil: none was kept.
	Failure *Failure
	At      int
	More    int // further examples
}

// Points are those of a report, violated ones first, in the order of its entries.
func (r *Report) Points() []Point {
	var wrong, unproved []Point
	add := func(p Point) {
		if p.Verdict == result.Violated {
			wrong = append(wrong, p)
		} else {
			unproved = append(unproved, p)
		}
	}
	at := 0
	for _, e := range r.Entries() {
		if v := e.Judged(); v == result.Violated || v == result.Unknown {
			p := Point{Name: r.nameOf(e), Verdict: v, Why: e.because(), At: at}
			if v == result.Violated {
				p.Means = meaning(e.Anomalies)
			}
			if len(e.Failures) > 0 {
				p.Failure, p.More = &e.Failures[0], len(e.Failures)-1
			}
			add(p)
		}
		at += len(e.Failures)
	}
	for i := range r.Checks {
		if c := &r.Checks[i]; c.Verdict == result.Violated || c.Verdict == result.Unknown {
			add(Point{Name: c.Name, Verdict: c.Verdict, Why: strings.Join(append([]string{c.Why}, c.Details...), "; ")})
		}
	}
	return append(wrong, unproved...)
}

// nameOf is what an entry is called where no table is around it.
func (r *Report) nameOf(e *Entry) string {
	if e.Expected != nil {
		return e.Title
	}
	name := e.Name()
	several := slices.ContainsFunc(r.Entries(), func(o *Entry) bool { return o.Target != e.Target })
	if several && e.Target != "" {
		name += " on " + e.Target
	}
	return name
}

// because says why an entry counts as it does: what was expected and what came instead, or
// what was seen.
func (e *Entry) because() string {
	switch {
	case e.Expected != nil && e.Expected.As == result.Violated:
		return "expected " + e.Expected.Text + "; " + e.Expected.Why
	case e.Expected != nil:
		return cmp.Or(e.Expected.Why, e.Why)
	case e.Verdict == result.Violated && len(e.Anomalies) > 0:
		return wording.Counts(e.Anomalies, e.Of)
	}
	return e.Why
}

// AsExpected is what an entry counts as beside a suite: "" where nothing was expected of it.
// It is another thing than the verdict on its contract.
func (e *Entry) AsExpected() string {
	switch x := e.Expected; {
	case x == nil:
		return ""
	case x.As == result.Holds && x.Issue != "":
		return "as expected: " + x.Text + ", " + x.Issue
	case x.As == result.Holds:
		return "as expected"
	case x.As == result.Violated:
		return "NOT as expected: " + e.because()
	case x.As == result.Unknown && e.Verdict != result.Unknown:
		return "unknown: " + x.Why
	}
	return ""
}

// meaning says what the anomalies are, worst first as the catalogue has them.
func meaning(seen map[string]int) string {
	var list []string
	for _, n := range anomaly.Names() {
		if seen[string(n)] > 0 {
			list = append(list, string(n)+": "+n.Meaning())
		}
	}
	return strings.Join(list, "; ")
}

// Head is the answer in a line: whether everything came as it should, and how much did not.
// A suite asks whether it came as expected, which is another question than whether contracts
// were kept.
func (r *Report) Head() string {
	if r.Suite != "" {
		return r.suiteHead()
	}
	v := r.Verdict()
	if r.Headline != "" {
		return string(v) + ": " + r.Headline
	}
	count := map[result.Verdict]int{}
	for _, e := range r.Entries() {
		count[e.Judged()]++
	}
	judged := count[result.Holds] + count[result.Violated] + count[result.Unknown]
	switch {
	case v == result.Violated:
		return fmt.Sprintf("violated: %d of %s", count[v], brokenOf(count[v], judged))
	case count[result.Unknown] > 0:
		return fmt.Sprintf("unknown: nothing is proved about %d of %s", count[result.Unknown], wording.Times(judged, "contract"))
	case v == result.Unknown && judged > 0:
		return "unknown: interrupted before all was tried"
	case v == result.Unknown:
		return "unknown: nothing was run"
	case judged == 1:
		return "holds: the contract was kept"
	}
	return fmt.Sprintf("holds: all %d contracts were kept", judged)
}

func brokenOf(broken, judged int) string {
	if broken == 1 {
		return wording.Times(judged, "contract") + " was broken"
	}
	return wording.Times(judged, "contract") + " were broken"
}

// suiteHead is the answer of a suite: "not as expected: 2 of 3 cells of suite nightly; 1 as
// expected".
func (r *Report) suiteHead() string {
	count := map[result.Verdict]int{}
	cells, known := 0, 0
	for _, e := range r.Entries() {
		count[e.Judged()]++
		cells++
		if e.Expected != nil && e.Expected.As == result.Holds && e.Expected.Issue != "" {
			known++
		}
	}
	met := fmt.Sprintf("%d as expected", count[result.Holds])
	if known > 0 {
		met += fmt.Sprintf(" (%d of them known)", known)
	}
	var parts []string
	if n := count[result.Violated]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d not as expected", n))
	}
	if n := count[result.Unknown]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d unknown", n))
	}
	parts = append(parts, met)
	if n := count[result.NotApplicable]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d n/a", n))
	}
	text := fmt.Sprintf("suite %s: %s: %s", r.Suite, wording.Times(cells, "cell"), strings.Join(parts, ", "))
	for i := range r.Checks {
		if c := &r.Checks[i]; c.Verdict != result.Holds {
			text += "; " + c.Why
		}
	}
	if r.Interrupted {
		text += "; interrupted"
	}
	return map[result.Verdict]string{
		result.Holds: "as expected: ", result.Violated: "not as expected: ", result.Unknown: "unknown: ",
	}[r.Verdict()] + text
}

// About says what the words of a section's table mean, each once.
func (s *Section) About() (list []Term) {
	for i := range s.Columns {
		c := &s.Columns[i]
		name := cmp.Or(c.Group, c.Name)
		if c.About == "" || slices.ContainsFunc(list, func(t Term) bool { return t.Name == name }) {
			continue
		}
		list = append(list, Term{name, c.About})
	}
	return list
}

// Term is a word of the reports, and what it means.
type Term struct{ Name, About string }
