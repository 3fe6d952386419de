package terminal

import (
	"fmt"
	"io"
	"strings"

	"github.com/torntail/torntail/reports/compare"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// WriteComparison prints what changed between two reports.
func WriteComparison(w io.Writer, c *compare.Comparison, o Options) error {
	p := &printer{color: o.Color, width: max(o.Width, Width)}
	verdict := map[compare.Direction]result.Verdict{
		compare.Worse: result.Violated, compare.Better: result.Holds, compare.Unproved: result.Unknown,
	}
	cell := ""
	for i := range c.Changes {
		x := &c.Changes[i]
		if x.Cell != cell {
			cell = x.Cell
			p.line(p.paint(bold, wording.Clean(x.Cell, false)))
		}
		lines := p.fill("  ", append([]string{string(x.Direction)}, strings.Fields(x.String())...))
		p.line("  " + p.paintVerdict(verdict[x.Direction], string(x.Direction)) + lines[0][2+len(x.Direction):])
		for _, l := range lines[1:] {
			p.line(l)
		}
	}
	if len(c.Changes) > 0 {
		p.line("")
	}
	if !o.Quiet {
		for _, n := range c.Notes {
			p.wrap("", "note: "+n)
		}
	}
	p.wrap("", c.Summary())
	if _, err := io.WriteString(w, p.b.String()); err != nil {
		return fmt.Errorf("print the comparison: %w", err)
	}
	return nil
}
