package terminal

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/wording"
)

// failuresShown is how many failures of one entry are printed; the reports hold all.
const failuresShown = 3

// failures prints each violation's story and the command that shows it again.
func (p *printer) failures(r *model.Report) {
	printed := false
	for _, e := range r.Entries() {
		for j := range e.Failures {
			f := &e.Failures[j]
			if j == failuresShown {
				p.wrap("  ", fmt.Sprintf("and %d more of %s in the reports", len(e.Failures)-j, e.Name()))
				break
			}
			if !printed {
				p.line("")
				p.line(p.paint(bold, "Failures"))
				printed = true
			}
			// A story of several events has a line for each: run together they cannot be told
			// apart.
			first, events, _ := strings.Cut(strings.TrimSpace(f.Story), "\n")
			if events != "" {
				first, events = "", f.Story
			}
			what := e.Name() + ", " + f.Where
			for _, more := range []string{f.What, first} {
				if more != "" {
					what += ": " + more
				}
			}
			p.wrap("  ", what)
			for event := range strings.Lines(events) {
				p.wrap("    ", event)
			}
			if f.Command != "" {
				p.line("    " + wording.Clean(f.Command, false))
			}
			if f.Smaller != nil {
				p.wrap("  ", "the same in "+f.Smaller.String()+":")
				p.line("    " + wording.Clean(f.Smaller.ReplayCommand(), false))
			}
		}
	}
}

// findings prints each known finding once, whatever the number of entries that
// showed it.
func (p *printer) findings(r *model.Report) {
	for i := range r.Findings {
		if i == 0 {
			p.line("")
			p.line(p.paint(bold, "Known findings") + " (no violations by themselves; docs/findings.md)")
		}
		p.wrap("  ", r.Findings[i].String())
		if c := r.Findings[i].Command; c != "" {
			p.line("    " + wording.Clean(c, false))
		}
	}
}
