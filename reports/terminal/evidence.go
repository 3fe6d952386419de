package terminal

import (
	"fmt"
	"sort"
	"strings"

	"github.com/torntail/torntail/reports/result"
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
				p.line("    " + c)
			}
		}
		if left > 0 {
			p.line(fmt.Sprintf("  and %d more of %s, %s in the reports", left, r.Mode, r.Crash))
		}
	}
}

// findings prints each known finding once, whatever the number of pairs that
// showed it.
func (p *printer) findings(results []result.Result) {
	total := map[string]int{}
	where := map[string][]string{}
	command := map[string]string{}
	for i := range results {
		r := &results[i]
		for name, n := range r.Findings { // any order: collected by name
			if n <= 0 {
				continue
			}
			total[name] += n
			if modes := where[name]; len(modes) == 0 || modes[len(modes)-1] != r.Mode {
				where[name] = append(modes, r.Mode)
			}
		}
		for j := range r.Failures {
			f := &r.Failures[j]
			if f.Finding != "" && command[f.Finding] == "" {
				command[f.Finding] = f.ReplayCommand()
			}
		}
	}
	if len(total) == 0 {
		return
	}
	p.line("")
	p.line(p.paint(bold, "Known findings") + " (no violations by themselves; docs/findings.md)")
	for _, name := range findingOrder(total) {
		f := result.LookupFinding(name)
		text := name
		if f.Title != "" {
			text += ": " + f.Title
		}
		p.wrap("  ", fmt.Sprintf("%s: %s (%s)", text, runs(total[name]), strings.Join(where[name], ", ")))
		if command[name] != "" {
			p.line("    " + command[name])
		}
	}
}

// findingOrder is the catalogue's order, then the unknown ones by name.
func findingOrder(total map[string]int) []string {
	var names, others []string
	for _, n := range result.FindingNames() {
		if total[n] > 0 {
			names = append(names, n)
		}
	}
	for n := range total { // any order: sorted below
		if result.LookupFinding(n).Title == "" {
			others = append(others, n)
		}
	}
	sort.Strings(others)
	return append(names, others...)
}

func sortedNames(m map[string]int) []string {
	names := make([]string, 0, len(m))
	for n := range m { // any order: sorted below
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}
