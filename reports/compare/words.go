package compare

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// String is the change without its cell and direction: "loss window: p50 220ms,
// p99 990ms -> p50 450ms, p99 1.98s; 2 times (95%: 1.9 to 2.2); p < 0.0001".
func (c *Change) String() string {
	s := fmt.Sprintf("%s: %s -> %s", c.Figure, c.Old, c.New)
	if c.Ratio > 0 {
		s += fmt.Sprintf("; %.2g times (95%%: %.2g to %.2g)", c.Ratio, c.RatioLow, c.RatioHigh)
	}
	if c.Figure != verdictFigure {
		s += "; " + pText(c.P)
	}
	return s
}

// verdictFigure is a Change's figure when it was not measured but judged.
const verdictFigure = "verdict"

func pText(p float64) string {
	if p < 0.0001 {
		return "p < 0.0001"
	}
	return fmt.Sprintf("p = %.2g", p)
}

// Summary says how many figures were compared, and what came of it.
func (c *Comparison) Summary() string {
	if c.Cells == 0 && len(c.Changes) == 0 {
		return "Nothing to compare: no pair was run and judged in both."
	}
	var parts []string
	for _, d := range []Direction{Worse, Unproved, Better} {
		if n := len(c.With(d)); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, d))
		}
	}
	s := fmt.Sprintf("%s, %s compared: ", wording.Times(c.Cells, "pair"), wording.Times(c.Figures, "figure"))
	if len(parts) == 0 {
		s += "nothing changed by more than chance explains"
	} else {
		s += strings.Join(parts, ", ")
	}
	s += fmt.Sprintf(" (two equal runs differ in anything with a chance of %.3g %% at most)", 100*c.Alpha)
	if c.TooFew > 0 {
		s += fmt.Sprintf("; %s had too few crashes", wording.Times(c.TooFew, "figure"))
	}
	return s + "."
}

// Verdict is the comparison as a verdict.
func (c *Comparison) Verdict() result.Verdict {
	switch c.ExitCode() {
	case result.ExitHolds:
		return result.Holds
	case result.ExitViolated:
		return result.Violated
	}
	return result.Unknown
}
