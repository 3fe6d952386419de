package wording

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/reports/result"
)

// SeenFinding is a known finding and where it was seen.
type SeenFinding struct {
	result.Finding
	Runs    int
	Modes   []string // in the order of the results
	Command string   // that shows it; "" when no run with it was kept
}

func (f *SeenFinding) String() string {
	text := f.Name
	if f.Title != "" {
		text += ": " + f.Title
	}
	return fmt.Sprintf("%s: %s (%s)", text, Runs(f.Runs), strings.Join(f.Modes, ", "))
}

// Findings gathers the known findings of all results, each once: those of the
// catalogue in its order, then the others by name.
func Findings(results []result.Result) []*SeenFinding {
	seen := map[string]*SeenFinding{}
	totals := map[string]int{}
	for i := range results {
		r := &results[i]
		for _, name := range SortedNames(r.Findings) {
			if r.Findings[name] <= 0 {
				continue
			}
			f := seen[name]
			if f == nil {
				f = &SeenFinding{Finding: result.LookupFinding(name)}
				seen[name] = f
			}
			f.Runs += r.Findings[name]
			totals[name] = f.Runs
			if !slices.Contains(f.Modes, r.Mode) {
				f.Modes = append(f.Modes, r.Mode)
			}
		}
		for j := range r.Failures {
			if f := seen[r.Failures[j].Finding]; f != nil && f.Command == "" {
				f.Command = r.Failures[j].ReplayCommand()
			}
		}
	}
	var list []*SeenFinding
	for _, name := range append(result.FindingNames(), SortedNames(totals)...) {
		if f := seen[name]; f != nil {
			list = append(list, f)
			delete(seen, name)
		}
	}
	return list
}
