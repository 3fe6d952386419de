package markdown

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// WriteServers writes what several servers showed beside each other, as a suite finds it: how
// many cells of each are broken, unknown and n/a; each known finding, and each violation of
// which none names the cause, with where it was seen and a command that shows it; and which
// version reads what another has left.
func WriteServers(w io.Writer, r *result.Report, catalogue []result.Finding) error {
	t := servers{known: catalogue, report: r, by: map[string][]*result.Result{}}
	for i := range r.Results {
		x := &r.Results[i]
		if t.by[x.Target] == nil {
			t.targets = append(t.targets, x.Target)
		}
		t.by[x.Target] = append(t.by[x.Target], x)
	}
	t.counts()
	t.findings()
	t.pairs()
	fmt.Fprintf(&t.b, "\ntorntail %s, seed %d: %s\n", text(r.Torntail), r.Seed, code(r.Command))
	if _, err := io.WriteString(w, t.b.String()); err != nil {
		return fmt.Errorf("write Markdown: %w", err)
	}
	return nil
}

// servers is such a table as it is written.
type servers struct {
	b       strings.Builder
	known   []result.Finding
	report  *result.Report
	targets []string
	by      map[string][]*result.Result // target: its cells
}

// counts has a row for each target that is one server.
func (t *servers) counts() {
	t.b.WriteString("### By server\n\n| server | version | cells | hold | violated | unknown | n/a | crashes struck |\n|---|---|--:|--:|--:|--:|--:|--:|\n")
	for _, name := range t.targets {
		if len(result.Versions(name)) > 1 {
			continue
		}
		verdicts, struck, version := map[result.Verdict]int{}, 0, ""
		for _, x := range t.by[name] {
			verdicts[x.Verdict]++
			struck += x.Struck
			if x.Version != "" {
				version = x.Version
			}
		}
		fmt.Fprintf(&t.b, "| %s | %s | %d | %d | %d | %d | %d | %d |\n", text(name), text(version), len(t.by[name]),
			verdicts[result.Holds], verdicts[result.Violated], verdicts[result.Unknown], verdicts[result.NotApplicable], struck)
	}
}

// seen is what several cells of a target show of one thing.
type seen struct {
	what          string
	times, struck int
	where         []string       // modes, in their order
	crashes       map[string]int // crash kinds
	best          *result.Result // the cell that shows it most often
	share         float64
}

func (s *seen) add(x *result.Result, times int) {
	s.times += times
	s.struck += x.Struck
	if !slices.Contains(s.where, x.Mode) {
		s.where = append(s.where, x.Mode)
	}
	if s.crashes == nil {
		s.crashes = map[string]int{}
	}
	s.crashes[x.Crash]++
	if share := float64(times) / float64(max(x.Struck, 1)); share > s.share {
		s.best, s.share = x, share
	}
}

// findings has a row for each target and each thing that it showed.
func (t *servers) findings() {
	t.b.WriteString("\n### Findings by server\n\n| server | finding | seen in | where | shown by |\n|---|---|--:|---|---|\n")
	for _, name := range t.targets {
		if len(result.Versions(name)) > 1 {
			continue
		}
		for _, s := range t.shown(t.by[name]) {
			fmt.Fprintf(&t.b, "| %s | %s | %d of %d | %s: %s | %s |\n", text(name), text(s.what), s.times, s.struck,
				text(strings.Join(s.where, ", ")), text(strings.Join(wording.SortedNames(s.crashes), ", ")), inTable(t.command(s.best)))
		}
	}
}

// shown is what cells showed: known findings in the order of the catalogue, then what broke
// of which none of them names the cause.
func (t *servers) shown(cells []*result.Result) (list []*seen) {
	for _, f := range t.known {
		s := &seen{what: f.Name + ": " + f.Title}
		for _, x := range cells {
			if n := x.Findings[f.Name]; n > 0 {
				s.add(x, n)
			}
		}
		if s.times > 0 {
			list = append(list, s)
		}
	}
	others := map[string]*seen{}
	for _, x := range cells {
		if x.Verdict != result.Violated || x.Causes != nil && x.Causes.Unnamed == 0 {
			continue
		}
		for name, n := range x.Anomalies { // any order: each is counted by itself
			if others[name] == nil {
				others[name] = &seen{what: "no known finding: " + name}
			}
			others[name].add(x, n)
		}
	}
	var names []string
	for name := range others { // any order: sorted
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		list = append(list, others[name])
	}
	return list
}

// command runs the experiments of a cell again.
func (t *servers) command(x *result.Result) string {
	versions := result.Versions(x.Target)
	args := []string{"torntail", "run", "--target", versions[0]}
	for _, then := range versions[1:] {
		args = append(args, "--then", then)
	}
	return result.CommandLine(append(args, "--mode", x.Mode, "--crash", x.Crash, "--workload", x.Workload,
		"--runs", strconv.Itoa(max(x.Struck, 1)), "--seed", strconv.FormatUint(t.report.Seed, 10)))
}

// pairs has a row for each target that is several versions, and a column for each mode.
func (t *servers) pairs() {
	var modes []string
	for _, name := range t.targets {
		for _, x := range t.by[name] {
			if len(result.Versions(name)) > 1 && !slices.Contains(modes, x.Mode) {
				modes = append(modes, x.Mode)
			}
		}
	}
	if len(modes) == 0 {
		return
	}
	t.b.WriteString("\n### Which version reads what another has left\n\n| versions |")
	for _, m := range modes {
		fmt.Fprintf(&t.b, " %s |", text(m))
	}
	fmt.Fprintf(&t.b, " shown by |\n|---|%s---|\n", strings.Repeat("---|", len(modes)))
	for _, name := range t.targets {
		if len(result.Versions(name)) < 2 {
			continue
		}
		var worst *result.Result
		fmt.Fprintf(&t.b, "| %s |", text(name))
		for _, m := range modes {
			cells, struck, broke, unknown, why := 0, 0, map[string]int{}, 0, ""
			for _, x := range t.by[name] {
				if x.Mode != m {
					continue
				}
				cells++
				struck += x.Struck
				switch x.Verdict {
				case result.Violated:
					for n, k := range x.Anomalies { // any order: sums
						broke[n] += k
					}
					if worst == nil {
						worst = x
					}
				case result.Unknown, result.NotApplicable:
					unknown++
					why = x.Why
				}
			}
			switch {
			case len(broke) > 0:
				fmt.Fprintf(&t.b, " %s |", text(fmt.Sprintf("%s of %d", wording.Counts(broke, ""), struck)))
			case struck == 0:
				fmt.Fprintf(&t.b, " %s |", text(why))
			case unknown > 0:
				fmt.Fprintf(&t.b, " reads it, %d of %d cells unknown |", unknown, cells)
			default:
				t.b.WriteString(" reads it |")
			}
		}
		command := ""
		if worst != nil {
			command = inTable(t.command(worst))
		}
		fmt.Fprintf(&t.b, " %s |\n", command)
	}
}

// inTable is code in a cell of a table.
func inTable(s string) string { return strings.ReplaceAll(code(s), "|", "\\|") }
