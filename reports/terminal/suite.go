package terminal

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// WriteSuite prints what came of a suite: how many cells came as expected, each
// that did not, what is unknown and what was not tested, and the claims.
func WriteSuite(w io.Writer, r *result.Report, name string) error {
	p := &printer{}
	p.claims(r.Claims)
	if len(r.Results) > 0 {
		p.cells(r.Results, name)
	}
	if n := len(r.Claims); n > 0 {
		p.line(fmt.Sprintf("%d of %d claims measured.", result.Measured(r.Claims), n))
	}
	if _, err := io.WriteString(w, p.b.String()); err != nil {
		return fmt.Errorf("print the summary: %w", err)
	}
	return nil
}

// cells prints the expectations that were not met, and counts.
func (p *printer) cells(results []result.Result, name string) {
	count := map[result.Verdict]int{}
	known := 0
	var failed, unknown []string
	for i := range results {
		r := &results[i]
		e := r.Expected
		count[r.Judged()]++
		switch {
		case e == nil:
		case e.As == result.Holds && e.Issue != "":
			known++
		case e.As == result.Violated:
			failed = append(failed, fmt.Sprintf("%s: expected %s; %s", r.Cell, e.Text, e.Why))
		case e.As == result.Unknown:
			unknown = append(unknown, fmt.Sprintf("%s: %s", r.Cell, e.Why))
		}
	}
	p.line("")
	p.listed("Not as expected", failed)
	p.listed("Known violations", knownViolations(results))
	p.listed("Unknown", unknown)
	p.listed("Not tested", notTested(results))
	s := fmt.Sprintf("Suite %s: %d cells: %d as expected", name, len(results), count[result.Holds])
	if known > 0 {
		s += fmt.Sprintf(" (%d of them known violations)", known)
	}
	for _, c := range []struct {
		v    result.Verdict
		text string
	}{{result.Violated, "not as expected"}, {result.Unknown, "unknown"}, {result.NotApplicable, "n/a"}} {
		if n := count[c.v]; n > 0 {
			s += fmt.Sprintf(", %d %s", n, c.text)
		}
	}
	p.wrap("", s+".")
}

// listed prints a heading and its lines, when there are any.
func (p *printer) listed(heading string, lines []string) {
	if len(lines) == 0 {
		return
	}
	p.line(p.paint(bold, heading))
	for _, l := range lines {
		p.wrap("  ", wording.Clean(l, false))
	}
}

func knownViolations(results []result.Result) (lines []string) {
	for i := range results {
		if e := results[i].Expected; e != nil && e.Issue != "" && e.As == result.Holds {
			lines = append(lines, fmt.Sprintf("%s: %s, %s", results[i].Cell, e.Text, e.Issue))
		}
	}
	return lines
}

// notTested are the reasons why cells are n/a, each with what it keeps from
// being tested.
func notTested(results []result.Result) (lines []string) {
	var whys []string
	what := map[string][]string{}
	for i := range results {
		r := &results[i]
		if r.Verdict != result.NotApplicable {
			continue
		}
		if what[r.Why] == nil {
			whys = append(whys, r.Why)
		}
		pair := r.Crash + " under " + r.Mode + " on " + r.Target
		if !slices.Contains(what[r.Why], pair) {
			what[r.Why] = append(what[r.Why], pair)
		}
	}
	for _, why := range whys {
		pairs := what[why]
		text := strings.Join(pairs[:min(len(pairs), 4)], ", ")
		if n := len(pairs) - 4; n > 0 {
			text += fmt.Sprintf(" and %d more", n)
		}
		lines = append(lines, text+": "+why)
	}
	return lines
}

// claims prints each claim with what was measured.
func (p *printer) claims(claims []result.Claim) {
	for i := range claims {
		c := &claims[i]
		if i == 0 {
			p.line("")
			p.line(p.paint(bold, "Claims"))
		}
		p.wrap("  ", fmt.Sprintf("%s on %s: \"%s\"", c.ID, c.Target, c.Quote))
		switch {
		case c.Verdict == result.NotApplicable:
			p.wrap("      ", "n/a: "+c.NotMeasured)
		case c.NotMeasured != "":
			p.wrap("      ", "not measured: "+c.NotMeasured)
		case c.Outcome == c.Expected:
			p.wrap("      ", fmt.Sprintf("%s, as expected: %s", c.Outcome, c.Figure))
		case c.Expected == "?":
			p.wrap("      ", fmt.Sprintf("%s: %s", c.Outcome, c.Figure))
		default:
			p.wrap("      ", fmt.Sprintf("%s, NOT as expected (%s): %s", c.Outcome, c.Expected, c.Figure))
		}
	}
}
