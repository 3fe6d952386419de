package splitbrain

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/replication"
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
	for _, more := range []model.Section{f.phases(s.Labels), f.promotions(s.Labels), f.moves(s.Labels)} {
		if len(more.Entries) > 0 {
			m.Sections = append(m.Sections, more)
		}
	}
	m.Headline = "split brain, " + wording.Times(runs, "run")
	m.Meaning = fmt.Sprintf("Of %d acknowledged writes %d were lost in %s.", acked, lost, wording.Times(runs, "run"))
	return m
}

// phases says of each run that has lost something when that was acknowledged, or what took it.
func (f *File) phases(labels []string) model.Section {
	s := model.Section{Title: "When what was lost was acknowledged, and what took it", Unjudged: true, Labels: labels,
		Caption: "Each lost write is counted once. Disk: not synced, not kept, or taken away; replication: not handed on yet; failover: acknowledged by a master that was being replaced, or had been."}
	var shown []string
	for _, p := range replication.Phases() {
		if f.any(func(r *Report) int { return r.LostBy[string(p)] }) {
			shown = append(shown, string(p))
			s.Columns = append(s.Columns, model.Column{Name: string(p), Group: "acknowledged", Unit: model.Writes})
		}
	}
	causes := []string{"disk", "replication", "failover"}
	for _, cause := range causes {
		s.Columns = append(s.Columns, model.Column{Name: cause, Group: "taken by", Unit: model.Writes})
	}
	for _, c := range f.Cells {
		for _, r := range c.Reports {
			if r.Lost == 0 {
				continue
			}
			e := model.Entry{Labels: r.entry(c.Values, f.Sweeps).Labels}
			for _, p := range shown {
				e.Figures = append(e.Figures, figure(r.LostBy[p]))
			}
			to := map[string]int{}           // older results do not say it
			for phase, n := range r.LostBy { // any order: into a map
				to[causeOf(replication.Phase(phase))] += n
			}
			for _, cause := range causes {
				e.Figures = append(e.Figures, figure(to[cause]))
			}
			s.Entries = append(s.Entries, e)
		}
	}
	return s
}

// any reports whether a figure of any run is more than none.
func (f *File) any(of func(r *Report) int) bool {
	return slices.ContainsFunc(f.Cells, func(c *Cell) bool {
		return slices.ContainsFunc(c.Reports, func(r *Report) bool { return of(r) > 0 })
	})
}

// mostMoves is how many ways of clients are a table to read.
const mostMoves = 100

// moves lists how clients came to each new master; nothing where they are too many.
func (f *File) moves(labels []string) model.Section {
	s := model.Section{Title: "Clients at a new master", Unjudged: true, Labels: slices.Concat(labels, []string{"new master", "client"}), Columns: []model.Column{
		{Name: "learnt by", Unit: model.Words}, {Name: "told", Group: "after the promotion", Unit: model.Milliseconds}, {Name: "first write", Group: "after the promotion", Unit: model.Milliseconds}},
		Caption: "Subscribed: a Sentinel announced it; asked: a Sentinel named it when asked."}
	for _, c := range f.Cells {
		for _, r := range c.Reports {
			run := r.entry(c.Values, f.Sweeps).Labels
			for i := range r.Moves {
				m := &r.Moves[i]
				s.Entries = append(s.Entries, model.Entry{Labels: slices.Concat(run, []string{m.Node, fmt.Sprintf("%s, %s, %s", m.Client, sideWords[m.Side], m.Routing)}), Figures: []model.Figure{
					{Value: math.NaN(), Shown: cmp.Or(string(m.How), "not told")}, span(m.LearntMS), span(m.FirstMS)}})
			}
		}
	}
	if len(s.Entries) > mostMoves {
		s.Entries = nil
	}
	return s
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

func figure(n int) model.Figure { return model.Figure{Value: float64(n), Shown: fmt.Sprint(n)} }

// lostText is the lost writes, a line each.
func (r *Report) lostText() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%10s  %-12s %-5s %-6s %12s  %s\n", "at", "key", "by", "client", "offset", "lost")
	for i := range r.LostWrites {
		w := &r.LostWrites[i]
		to := ""
		if w.To != "" {
			to = ", to " + w.To
		}
		fmt.Fprintf(&b, "%9.3fs  %-12s %-5s %-6s %12d  %s%s\n", w.AtMS/1000, w.Key, w.Node, w.Client, w.Offset, w.Phase, to)
	}
	if n := r.Lost - len(r.LostWrites); n > 0 {
		fmt.Fprintf(&b, "and %d more\n", n)
	}
	return b.String()
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
	e.Figures = []model.Figure{figure(r.Total), figure(r.Acknowledged), figure(r.Lost), figure(r.Unattributed),
		span(r.FailoverMS), span(r.AcceptMS), span(r.DualMasterMS), figure(r.Promotions), span(r.ConvergeMS)}
	if len(r.LostWrites) > 0 {
		e.Folded = []model.Folded{{Title: "the lost writes", Text: r.lostText()}}
	}
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
