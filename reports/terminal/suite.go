package terminal

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// suite prints what nothing is wrong with, and who reads a suite's result wants to know: known
// violations, and what was not tested.
func (p *printer) suite(r *result.Report) {
	if r.Suite == nil {
		return
	}
	p.listed("Known violations", knownViolations(r.Results))
	p.listed("Not tested", notTested(r.Results))
}

// listed prints a heading and its lines, when there are any.
func (p *printer) listed(heading string, lines []string) {
	if len(lines) == 0 {
		return
	}
	p.line("")
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
