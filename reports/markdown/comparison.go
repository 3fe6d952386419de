package markdown

import (
	"fmt"
	"io"
	"strings"

	"github.com/torntail/torntail/reports/compare"
)

// WriteComparison writes what changed between two reports.
func WriteComparison(w io.Writer, c *compare.Comparison) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## torntail compare: %s\n\n%s\n", c.Verdict(), text(c.Summary()))
	if len(c.Changes) > 0 {
		b.WriteString("\n| | pair | figure | before | now | times (95%) | p |\n|---|---|---|---|---|---|---|\n")
	}
	for i := range c.Changes {
		x := &c.Changes[i]
		times, p := "", ""
		if x.Ratio > 0 {
			times = fmt.Sprintf("%.2g (%.2g to %.2g)", x.Ratio, x.RatioLow, x.RatioHigh)
		}
		if x.P > 0 {
			p = fmt.Sprintf("%.2g", x.P)
		}
		direction := string(x.Direction)
		if x.Direction != compare.Better {
			direction = "**" + direction + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", direction, text(x.Cell), text(x.Figure), text(x.Old), text(x.New), times, p)
	}
	for _, n := range c.Notes {
		fmt.Fprintf(&b, "\n%s\n", text("Note: "+n))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write Markdown: %w", err)
	}
	return nil
}
