package terminal

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// pointsShown is how many things that are wrong are printed before the tables; the reports
// hold all.
const pointsShown = 5

// answer prints what somebody looks for first: the answer in a line, what it means, and what
// did not come as it should, each with the command that shows it again.
func (p *printer) answer(m *model.Report) {
	for _, l := range p.fill("", strings.Fields(m.Head())) {
		p.line(p.paintVerdict(m.Verdict(), l))
	}
	if m.Meaning != "" {
		p.wrap("", m.Meaning)
	}
	for i := range m.Sections {
		if a := m.Sections[i].Advice; a != "" {
			p.wrap("", a)
		}
	}
	for i := range m.Checks { // what is wrong with them is told below, what they found is not
		if c := &m.Checks[i]; c.Verdict == result.Holds {
			p.wrap("", c.Why)
		}
	}
	of, heading := result.Verdict(""), ""
	shown, left := 0, 0
	for _, point := range m.Points() {
		if point.Verdict != of {
			p.more(left)
			of, shown, left = point.Verdict, 0, 0
			switch {
			case of == result.Unknown:
				heading = "Unknown"
			case m.Suite != "":
				heading = "Not as expected"
			default:
				heading = "Violated"
			}
			p.line("")
			p.line(p.paint(bold, heading))
		}
		if shown++; shown > pointsShown {
			left++
			continue
		}
		if p.told == nil {
			p.told = map[string]bool{}
		}
		p.told[point.Why] = true
		p.point(&point)
	}
	p.more(left)
}

func (p *printer) more(n int) {
	if n > 0 {
		p.wrap("  ", fmt.Sprintf("and %d more, in the table below and in the reports", n))
	}
}

// point prints what is wrong, why, what that means and how to see it.
func (p *printer) point(x *model.Point) {
	what := x.Name
	if x.Why != "" {
		what += ": " + x.Why
	}
	p.wrap("  ", what)
	if x.Means != "" {
		p.wrap("    ", x.Means)
	}
	f := x.Failure
	if f == nil {
		return
	}
	// A story of several events has a line for each: run together they cannot be told apart.
	for event := range strings.Lines(strings.TrimSpace(f.Story)) {
		p.wrap("    ", event)
	}
	command := f.Command
	if f.Smaller != nil {
		command = f.Smaller.ReplayCommand()
		p.wrap("    ", "see it again, in "+f.Smaller.String()+":")
	}
	if command != "" {
		p.line("    " + wording.Clean(command, false))
	}
	if x.More > 0 {
		p.wrap("    ", fmt.Sprintf("and %s in the reports", wording.Times(x.More, "more example")))
	}
}

// legend says what the words of a table mean.
func (p *printer) legend(terms []model.Term) {
	for i, t := range terms {
		if i == 0 {
			p.line("")
		}
		for j, l := range p.fill("    ", strings.Fields(t.Name+": "+t.About)) {
			if j == 0 {
				l = l[2:]
			}
			p.line(p.paint(dim, l))
		}
	}
}
