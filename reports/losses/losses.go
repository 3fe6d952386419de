// Package losses is the report of crash experiments: of run, suite and policies.
// It lays their result out as loss tables, one for each target, beside what
// settings cost and how claims came out, where these were measured.
package losses

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Report lays a result out. catalogue are the known findings of the product.
func Report(r *result.Report, catalogue []result.Finding) *model.Report {
	m := &model.Report{
		Header:  result.Header{Torntail: r.Torntail, Command: r.Command, Seed: r.Seed, Started: r.Started, ElapsedS: r.ElapsedS, Machine: r.Machine},
		Meaning: wording.Report(r, catalogue),
	}
	if r.Suite != nil {
		m.Suite = r.Suite.Name
		if b := r.Suite.Baseline; b != nil {
			m.Checks = append(m.Checks, baseline(b))
		}
	} else if slices.ContainsFunc(r.Results, func(r result.Result) bool { return r.Expected != nil }) {
		m.Suite = "(unnamed)" // of an older torntail
	}
	if r.Policies != nil {
		m.Sections = append(m.Sections, costs(r))
	}
	m.Sections = append(m.Sections, tables(r.Results)...)
	if said := wording.Witness(r.Results); said != "" {
		last := &m.Sections[len(m.Sections)-1]
		last.Text = append(last.Text, strings.ToUpper(said[:1])+said[1:]+".")
	}
	if len(r.Claims) > 0 {
		m.Sections = append(m.Sections, claims(r.Claims))
	}
	if len(r.Results) == 0 && len(r.Claims) > 0 {
		_, m.Headline = wording.Claims(r.Claims)
		m.Meaning = ""
	}
	m.AtFault = slices.ContainsFunc(r.Results, func(r result.Result) bool { return r.Witness != nil && r.Witness.Disagreed > 0 })
	m.Gather(catalogue)
	return m
}

// columns are those of a loss table.
var columns = []model.Column{
	{Name: "struck", Unit: model.Runs, About: wording.StruckMeans},
	{Name: "total", Group: "acked writes", Unit: model.Writes, About: wording.AckedMeans},
	{Name: "lost", Group: "acked writes", Unit: model.Writes, About: wording.AckedMeans},
	{Name: "p50", Group: "loss window", Unit: model.Milliseconds, About: wording.WindowMeans},
	{Name: "p99", Group: "loss window", Unit: model.Milliseconds, About: wording.WindowMeans},
	{Name: "max", Group: "loss window", Unit: model.Milliseconds, About: wording.WindowMeans},
	{Name: "documented bound", Unit: model.Milliseconds, About: wording.BoundMeans},
	{Name: "back by itself", Unit: model.ShareOfCrashes, About: wording.ByItselfMeans},
}

// Terms are the words of a loss table.
func Terms() []model.Term { return (&model.Section{Columns: columns}).About() }

// baseline is the comparison with an earlier result.
func baseline(b *result.Baseline) model.Check {
	return model.Check{Name: "compared with the baseline", Verdict: b.Verdict(), Why: b.Why(), Details: slices.Concat(b.Worse, b.Unproved)}
}

// tables are a section for each target, disk and workload.
func tables(results []result.Result) []model.Section {
	var list []model.Section
	var shared []string
	begin := 0
	for i := range results {
		r := &results[i]
		title := wording.Where(r)
		if len(list) == 0 || list[len(list)-1].Title != title {
			shared, begin = wording.SharedDirectives(results[i:]), i
			s := model.Section{Title: title, Labels: []string{"mode", "crash"}, Columns: columns}
			if len(shared) > 0 {
				s.Text = []string{"Every mode sets " + strings.Join(shared, ", ") + "."}
			}
			list = append(list, s)
		}
		s := &list[len(list)-1]
		e := entry(r)
		e.Detail = strings.Join(wording.Without(r.Directives, shared), ", ")
		if load := wording.Load(group(results, i, begin)); load != "" {
			e.Detail = strings.TrimSpace(strings.Trim(load, " ") + " " + e.Detail)
		}
		s.Entries = append(s.Entries, e)
	}
	for i := range list {
		list[i].Charts = distributions(results, list[i].Title)
	}
	return list
}

// group are the results from the first of the mode that result i has.
func group(results []result.Result, i, begin int) []result.Result {
	for ; i > begin && results[i-1].Mode == results[i].Mode && slices.Equal(results[i-1].Directives, results[i].Directives); i-- {
	}
	return results[i:]
}

func entry(r *result.Result) model.Entry {
	// A dot would split the class name into packages: the target's version and
	// path are kept free of it.
	class := strings.ReplaceAll(strings.TrimSpace(r.Target+" "+r.Version), ".", "_")
	e := model.Entry{
		Labels: []string{r.Mode, r.Crash}, Target: r.Target, Suite: class + "." + r.Mode, Title: title(r),
		Verdict: r.Verdict, Worded: wording.Verdict(r), Why: r.Why, Expected: r.Expected, Anomalies: r.Anomalies, Of: "run",
		TookS: r.ElapsedS, Version: r.Version,
	}
	for _, name := range wording.SortedNames(r.Findings) {
		seen := model.Seen{Name: name, Times: r.Findings[name]}
		for j := range r.Failures {
			if f := &r.Failures[j]; f.Finding == name && seen.Command == "" {
				seen.Command = f.ReplayCommand(r.Target)
			}
		}
		e.Seen = append(e.Seen, seen)
	}
	for j := range r.Failures {
		if f := &r.Failures[j]; f.Finding == "" {
			e.Failures = append(e.Failures, model.Failure{What: f.Anomaly, Where: fmt.Sprintf("seed %d", f.Seed), Story: f.Story, Plan: f.Plan,
				Dir: f.Dir, Command: f.ReplayCommand(r.Target), Smaller: f.Shrunk})
		}
	}
	if r.Verdict == result.NotApplicable {
		e.InWords = []string{"n/a: " + r.Why}
		return e
	}
	e.Figures, e.InWords, e.Notes = figures(r), inWords(r), notes(r)
	return e
}

// title is a result's name among those of its target and mode: a suite's own,
// which says in what its cells differ, or what was tried.
func title(r *result.Result) string {
	if r.Cell != "" {
		return r.Cell
	}
	words := []string{r.Crash}
	for _, w := range []string{r.Workload, r.Personality} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, ", ")
}

func figures(r *result.Result) []model.Figure {
	list := []model.Figure{
		{Value: float64(r.Struck), Shown: wording.Struck(r)},
		{Value: float64(r.Acknowledged), Shown: fmt.Sprint(r.Acknowledged)},
		{Value: float64(r.Lost), Shown: lost(r)},
	}
	if w := r.LossWindow; w != nil {
		for _, v := range []float64{w.P50, w.P99, w.Max} {
			list = append(list, model.Figure{Value: v, Shown: wording.Window(w, v)})
		}
		list[len(list)-1].Bounds = r.Bounds
	} else {
		list = append(list, none, none, none)
	}
	bound, _ := r.Bound(result.Documented)
	by := none
	if share := wording.ByItself(r); share != "-" {
		by = model.Figure{Value: float64(r.Recovery.ByItself) / float64(max(r.Struck, 1)), Shown: share}
	}
	return append(list, model.Figure{Value: bound, Shown: wording.Bound(r)}, by)
}

// notes are what stands below a row.
func notes(r *result.Result) []string {
	list := wording.Notes(r)
	if s := wording.Strength(r); s != "" {
		list = append([]string{s}, list...)
	}
	return list
}

// lost is how many writes were lost: of those that nobody could ask for, nobody knows.
func lost(r *result.Result) string {
	if r.NeverServed() {
		return "-"
	}
	return fmt.Sprint(r.Lost)
}

// none is a figure that there is not.
var none = model.Figure{Value: math.NaN(), Shown: "-"}

func inWords(r *result.Result) []string {
	list := []string{fmt.Sprintf("%s: %d of %d crashes struck, %d acknowledged writes, %s lost",
		wording.Verdict(r), r.Struck, r.Runs, r.Acknowledged, lost(r))}
	if w := r.LossWindow; w != nil {
		list = append(list, fmt.Sprintf("loss window p50 %s, p99 %s, max %s; documented bound %s",
			wording.Window(w, w.P50), wording.Window(w, w.P99), wording.Window(w, w.Max), wording.Bound(r)))
	}
	if r.Recovery.Repaired == 0 && r.Recovery.Refused == 0 {
		list = append(list, wording.Recovery(r))
	}
	list = append(list, notes(r)...)
	if r.Why != "" {
		list = append(list, r.Why)
	}
	return list
}
