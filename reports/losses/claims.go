package losses

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
)

// claims is a table of sentences that were put to the test.
func claims(list []result.Claim) model.Section {
	s := model.Section{Title: "Claims", Labels: []string{"claim"}, Complete: true,
		Columns: []model.Column{{Name: "target"}, {Name: "as stated"}, {Name: "expected"}, {Name: "outcome"}, {Name: "measured"}}}
	for i := range list {
		c := &list[i]
		var tried []string
		for _, w := range []string{c.Configuration, c.Fault, c.Quantity} {
			if w != "" {
				tried = append(tried, w)
			}
		}
		outcome, figure := c.Outcome, c.Figure
		if c.NotMeasured != "" {
			outcome, figure = "not measured", c.NotMeasured
		}
		stated := c.Quote
		if len(tried) > 0 {
			stated += " (" + strings.Join(tried, "; ") + ")"
		}
		e := model.Entry{Labels: []string{c.ID}, Target: c.Target, Suite: "claims", Title: c.ID + ": " + c.Quote, About: c.Quote, Verdict: c.Verdict}
		for _, w := range []string{c.Target, stated, c.Expected, outcome, figure} {
			e.Figures = append(e.Figures, model.Figure{Shown: w})
		}
		e.InWords = []string{c.Quote, fmt.Sprintf("%s; %s: %s", c.Configuration, c.Fault, c.Quantity), fmt.Sprintf("expected %s, measured %s (%s)", c.Expected, outcome, figure)}
		switch c.Verdict {
		case result.Violated:
			e.Why = fmt.Sprintf("expected %s, came out as %s: %s", c.Expected, outcome, figure)
		case result.Unknown:
			e.Why = "not measured: " + c.NotMeasured
		case result.NotApplicable:
			e.Why = c.NotMeasured
		}
		s.Entries = append(s.Entries, e)
	}
	return s
}
