package splitbrain

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/torntail/torntail/internal/jsonform"
	"github.com/torntail/torntail/reports/chart"
	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Write writes the JSON form.
func (f *File) Write(w io.Writer) error { return jsonform.Write(w, f, "  ") }

// Parse reads the JSON form of any version up to Schema.
func Parse(data []byte) (*File, error) {
	f := new(File)
	if err := jsonform.Parse(data, Schema, f); err != nil {
		return nil, err
	}
	for i, c := range f.Cells {
		if c == nil || len(c.Values) != len(f.Sweeps) {
			return nil, fmt.Errorf("cells[%d]: want a value for each of %d sweeps", i, len(f.Sweeps))
		}
		for j, r := range c.Reports {
			if r == nil || r.Verdict == "" {
				return nil, fmt.Errorf("cells[%d].reports[%d]: no verdict", i, j)
			}
		}
	}
	want := 1
	for _, s := range f.Sweeps {
		want *= len(s.Values)
	}
	if len(f.Cells) != want {
		return nil, fmt.Errorf("cells: %d of %d combinations of the sweeps' values", len(f.Cells), want)
	}
	return f, nil
}

const caption = "Lost: acknowledged writes that are gone after the heal, which asynchronous replication allows and no contract forbids by itself. Two masters: for how long two servers took writes at once."

var columns = []model.Column{
	{Name: "sent", Group: "writes", Unit: model.Writes},
	{Name: "acked", Group: "writes", Unit: model.Writes},
	{Name: "lost", Group: "writes", Unit: model.Writes},
	{Name: "unattributed", Group: "writes", Unit: model.Writes},
	{Name: "failed over", Group: "after the cut", Unit: model.Milliseconds},
	{Name: "last accepted", Group: "after the cut", Unit: model.Milliseconds},
	{Name: "two masters", Unit: model.Milliseconds},
	{Name: "promotions", Unit: model.Number},
	{Name: "converged after the heal", Unit: model.Milliseconds},
}

// Model is the file as the report that every format is written from.
func (f *File) Model() *model.Report {
	m := &model.Report{Header: result.Header{Torntail: f.Torntail, Command: f.Command, Seed: f.Seed, Started: f.Started}}
	s := model.Section{Title: "Split brain", Caption: caption, Text: f.Remarks, Labels: []string{"scenario"}, Columns: columns}
	for _, sweep := range f.Sweeps {
		s.Labels = append(s.Labels, sweep.Name)
	}
	s.Labels = append(s.Labels, "run")
	acked, lost, runs := 0, 0, 0
	for _, c := range f.Cells {
		for _, r := range c.Reports {
			acked, lost, runs = acked+r.Acknowledged, lost+r.Lost, runs+1
			if runs == 1 {
				s.Title = strings.TrimSpace(fmt.Sprintf("%s %s", r.Target, r.Version)) + ", topology " + r.Topology.String()
			}
			e := r.entry(c.Values, f.Sweeps)
			s.Entries = append(s.Entries, e)
		}
	}
	if plot, ok := Plot(f.Sweeps, f.Cells); ok {
		s.Charts = []chart.Chart{plot}
	}
	m.Sections = []model.Section{s}
	if p := f.promotions(s.Labels); len(p.Entries) > 0 {
		m.Sections = append(m.Sections, p)
	}
	m.Headline = "split brain, " + wording.Times(runs, "run")
	m.Meaning = fmt.Sprintf("Of %d acknowledged writes %d were lost in %s.", acked, lost, wording.Times(runs, "run"))
	return m
}

// promotions lists each with its outcome. labels are those of the runs.
func (f *File) promotions(labels []string) model.Section {
	s := model.Section{Title: "Promotions", Unjudged: true, Labels: slices.Concat(labels, []string{"promoted", "in place of"}), Columns: []model.Column{
		{Name: "at", Unit: model.Milliseconds}, {Name: "cost", Unit: model.Writes}, {Name: "outcome", Unit: model.Words}},
		Caption: "Who was promoted when, which acknowledged writes that cost, and what became of the new master."}
	for _, c := range f.Cells {
		for _, r := range c.Reports {
			run := r.entry(c.Values, f.Sweeps).Labels
			for i := range r.Failovers {
				p := &r.Failovers[i]
				who := p.Node
				if p.Again {
					who += " again"
				}
				s.Entries = append(s.Entries, model.Entry{Labels: slices.Concat(run, []string{who, p.From}), Figures: []model.Figure{
					span(p.AtMS), {Value: float64(p.Lost), Shown: fmt.Sprint(p.Lost)}, {Value: math.NaN(), Shown: p.ending()}}})
			}
		}
	}
	return s
}

// span is a time, NaN where what it measures did not happen.
func span(ms float64) model.Figure {
	if ms < 0 {
		return model.Figure{Value: math.NaN(), Shown: "never"}
	}
	return model.Figure{Value: ms, Shown: wording.Duration(ms)}
}

func (r *Report) entry(values []string, sweeps []Sweep) model.Entry {
	name := cmp.Or(r.Name, r.Partition, "plan")
	e := model.Entry{Labels: []string{name}, Target: r.Target, Verdict: r.Verdict, Why: r.Why, Anomalies: r.Anomalies, Of: "case"}
	if len(values) == 0 { // else they are labels
		e.Detail = strings.Join(r.Directives, ", ")
	}
	title := []string{name}
	for i, v := range values {
		e.Labels = append(e.Labels, sweeps[i].Label(v))
		title = append(title, sweeps[i].Name+"="+v)
	}
	e.Labels = append(e.Labels, fmt.Sprintf("seed %d", r.Seed))
	e.Suite = "splitbrain." + strings.ReplaceAll(strings.TrimSpace(r.Target+" "+r.Version), ".", "_")
	e.Title = strings.Join(append(title, fmt.Sprintf("seed %d", r.Seed)), ", ")
	count := func(n int) model.Figure { return model.Figure{Value: float64(n), Shown: fmt.Sprint(n)} }
	e.Figures = []model.Figure{count(r.Total), count(r.Acknowledged), count(r.Lost), count(r.Unattributed),
		span(r.FailoverMS), span(r.AcceptMS), span(r.DualMasterMS), count(r.Promotions), span(r.ConvergeMS)}
	var text strings.Builder
	r.WriteText(&text)
	e.Report = text.String()
	if r.RefusedWrites > 0 {
		e.Notes = []string{r.refusedForNow()}
	}
	again := (&result.Failure{Dir: r.Dir}).ReplayCommand(r.Target)
	switch {
	case r.Verdict == result.Violated:
		e.Failures = []model.Failure{{What: strings.Join(wording.SortedNames(r.Anomalies), ", "), Story: r.Story, Plan: r.Plan, Dir: r.Dir, Command: again}}
	case r.Lost > 0 && again != "":
		e.Notes = append(e.Notes, "see it again: "+again)
	}
	return e
}
