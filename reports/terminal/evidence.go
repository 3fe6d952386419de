package terminal

import (
	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/wording"
)

// findings prints each known finding once, whatever the number of entries that
// showed it.
func (p *printer) findings(r *model.Report) {
	for i := range r.Findings {
		if i == 0 {
			p.line("")
			p.line(p.paint(bold, "Known findings"))
			p.wrap("  ", "each is "+wording.FindingMeans+" (docs/findings.md)")
		}
		p.wrap("  ", r.Findings[i].String())
		if c := r.Findings[i].Command; c != "" {
			p.line("    " + wording.Clean(c, false))
		}
	}
}
