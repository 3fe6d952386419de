package explore

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Model is the file as the report that every format is written from. catalogue
// are the known findings of the product.
func (f *File) Model(catalogue []result.Finding) *model.Report {
	m := &model.Report{
		Header:   model.Header{Torntail: f.Torntail, Command: f.Command, Seed: f.Seed, Started: f.Started, ElapsedS: f.ElapsedS, Machine: f.Machine},
		Headline: fmt.Sprintf("%d crash states of %s", f.States, wording.Times(len(f.Reports), "run")),
		Meaning: fmt.Sprintf("%d crash states, %d distinct images in %.1f s: %.0f states a second.",
			f.States, f.Images, f.ElapsedS, f.Rate),
		Interrupted: f.Interrupted,
	}
	for _, r := range f.Reports {
		title := r.target()
		if n := len(m.Sections); n == 0 || m.Sections[n-1].Title != title {
			m.Sections = append(m.Sections, model.Section{Title: title, Caption: caption, Labels: []string{"mode", "disk"}, Columns: columns,
				Text: []string{fmt.Sprintf("Bound %s: %s. Left out: %s.", r.Bound, r.Tried, r.LeftOut)}})
		}
		s := &m.Sections[len(m.Sections)-1]
		s.Entries = append(s.Entries, r.entry())
		if len(r.Positions) > 0 {
			s.Drawings = append(s.Drawings, r.strip())
		}
	}
	m.Gather(catalogue)
	return m
}

const caption = "A state is what a power cut at one moment of the run can leave on the disk. The window is how far back the loss of acknowledged writes reaches in a state that holds."

var columns = []model.Column{
	{Name: "acked writes", Unit: model.Writes},
	{Name: "moments", Unit: model.Number},
	{Name: "all", Group: "states", Unit: model.States},
	{Name: "hold", Group: "states", Unit: model.States},
	{Name: "known findings", Group: "states", Unit: model.States},
	{Name: "violate", Group: "states", Unit: model.States},
	{Name: "unknown", Group: "states", Unit: model.States},
	{Name: "distinct images", Unit: model.Images},
	{Name: "longest window", Unit: model.Milliseconds},
}

// target is whose crash states were explored.
func (r *Report) target() string {
	if s := r.Server; s != nil {
		return strings.TrimSpace(s.Target + " " + s.Version)
	}
	return "engine"
}

func (r *Report) entry() model.Entry {
	target := r.target()
	e := model.Entry{
		Labels: []string{r.Mode, r.Personality}, Detail: strings.Join(r.Directives, ", "), Target: target,
		Suite: "explore." + strings.ReplaceAll(target, ".", "_") + "." + r.Mode, Title: fmt.Sprintf("crash states on %s, bound %s", r.Personality, r.Bound),
		Verdict: r.Verdict, Why: r.Why, Of: "state",
	}
	if r.Verdict == result.NotApplicable {
		e.InWords = []string{"n/a: " + r.Why}
		return e
	}
	count := func(n int) model.Figure { return model.Figure{Value: float64(n), Shown: fmt.Sprint(n)} }
	for _, n := range []int{r.Acknowledged, len(r.Positions), r.States, r.Holds, r.Excused, r.Violated, r.Unknown, r.Images} {
		e.Figures = append(e.Figures, count(n))
	}
	e.Figures = append(e.Figures, model.Figure{Value: r.WindowMS, Shown: wording.Duration(r.WindowMS)})
	var text strings.Builder
	r.Write(&text, func(story string) string { return story })
	e.Report = text.String()
	for i := range r.Findings {
		f := &r.Findings[i]
		e.Seen = append(e.Seen, model.Seen{Name: f.Name, Times: f.States, Command: replay(f.Dir)})
	}
	for i := range r.Groups {
		v := &r.Groups[i]
		if e.Anomalies == nil {
			e.Anomalies = map[string]int{}
		}
		e.Anomalies[v.Anomaly] += v.States
		e.Failures = append(e.Failures, model.Failure{What: v.Anomaly, Where: wording.Times(v.States, "state"), Story: v.Cause.Text + "\n" + strings.TrimSpace(v.Story),
			Plan: v.Plan, Dir: v.Dir, Command: replay(v.Dir)})
	}
	if r.Double != nil {
		for i := range r.Double.Groups {
			t := &r.Double.Groups[i]
			e.Failures = append(e.Failures, model.Failure{What: t.Anomaly + " after a crash in the recovery", Where: wording.Times(t.States, "state"),
				Story: strings.TrimSpace(t.Story), Dir: t.Dir, Command: replay(t.Dir)})
		}
	}
	return e
}

func replay(dir string) string {
	f := result.Failure{Dir: dir}
	return f.ReplayCommand()
}
