package terminal

import (
	"fmt"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// failuresShown is how many failures of one pair are printed; the reports hold all.
const failuresShown = 3

// failures prints each violation's story and the command that shows it again.
func (p *printer) failures(results []result.Result) {
	printed := false
	for i := range results {
		r := &results[i]
		shown, left := 0, 0
		for j := range r.Failures {
			f := &r.Failures[j]
			if f.Finding != "" {
				continue
			}
			if shown == failuresShown {
				left++
				continue
			}
			if !printed {
				p.line("")
				p.line(p.paint(bold, "Failures"))
				printed = true
			}
			shown++
			what := fmt.Sprintf("%s, %s, seed %d", r.Mode, r.Crash, f.Seed)
			if f.Anomaly != "" {
				what += ": " + f.Anomaly
			}
			if f.Story != "" {
				what += ": " + f.Story
			}
			p.wrap("  ", what)
			if c := f.ReplayCommand(); c != "" {
				p.line("    " + wording.Clean(c, false))
			}
			if f.Shrunk != nil {
				p.wrap("  ", "the same in "+f.Shrunk.String()+":")
				p.line("    " + wording.Clean(f.Shrunk.ReplayCommand(), false))
			}
		}
		if left > 0 {
			p.wrap("  ", fmt.Sprintf("and %d more of %s, %s in the reports", left, r.Mode, r.Crash))
		}
	}
}

// findings prints each known finding once, whatever the number of pairs that
// showed it.
func (p *printer) findings(results []result.Result) {
	for i, f := range wording.Findings(results) {
		if i == 0 {
			p.line("")
			p.line(p.paint(bold, "Known findings") + " (no violations by themselves; docs/findings.md)")
		}
		p.wrap("  ", f.String())
		if f.Command != "" {
			p.line("    " + wording.Clean(f.Command, false))
		}
	}
}
