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
		Header:   f.Header,
		Headline: fmt.Sprintf("%d crash states of %s", f.States, wording.Times(len(f.Reports), "run")),
		Meaning: fmt.Sprintf("%d crash states, %d distinct images in %.1f s: %.0f states a second.",
			f.States, f.Images, f.ElapsedS, f.Rate),
	}
	for _, r := range f.Reports {
		title, table := r.target(), &statesTable
		if r.blocks() != nil {
			title, table = title+" on a logged block device", &blocksTable
		}
		if n := len(m.Sections); n == 0 || m.Sections[n-1].Title != title {
			m.Sections = append(m.Sections, model.Section{Title: title, Caption: table.caption, Labels: []string{"mode", table.disk}, Columns: table.columns,
				Text: []string{fmt.Sprintf("Bound %s: %s. Left out: %s.", r.Bound, r.Tried, r.LeftOut)}})
		}
		s := &m.Sections[len(m.Sections)-1]
		s.Entries = append(s.Entries, r.entry(table))
		if len(r.Positions) > 0 {
			s.Drawings = append(s.Drawings, r.strip())
		}
	}
	m.Gather(catalogue)
	return m
}

// table is what reports of a kind say in figures: counts, and the longest window.
type table struct {
	caption, disk, of string
	columns           []model.Column
	counts            func(r *Report) []int
}

var statesTable = table{
	caption: "A state is what a power cut at one moment of the run can leave on the disk. The window is how far back the loss of acknowledged writes reaches in a state that holds.",
	disk:    "disk", of: "state",
	columns: []model.Column{
		{Name: "acked writes", Unit: model.Writes},
		{Name: "moments", Unit: model.Number},
		{Name: "all", Group: "states", Unit: model.States},
		{Name: "hold", Group: "states", Unit: model.States},
		{Name: "known findings", Group: "states", Unit: model.States},
		{Name: "violate", Group: "states", Unit: model.States},
		{Name: "unknown", Group: "states", Unit: model.States},
		{Name: "distinct images", Unit: model.Images},
		{Name: "longest window", Unit: model.Milliseconds},
	},
	counts: func(r *Report) []int {
		return []int{r.Acknowledged, len(r.Positions), r.States, r.Holds, r.Excused, r.Violated, r.Unknown, r.Images}
	},
}

var blocksTable = table{
	caption: "An image is what a cut of the power can leave on the block device; each was mounted, the server started on it and read. Lost and the window are those of the worst image.",
	disk:    "file system", of: "image",
	columns: []model.Column{
		{Name: "acked writes", Unit: model.Writes},
		{Name: "distinct", Group: "images", Unit: model.Images},
		{Name: "by itself", Group: "the server started", Unit: model.Images},
		{Name: "repaired", Group: "the server started", Unit: model.Images},
		{Name: "not at all", Group: "the server started", Unit: model.Images},
		{Name: "not mounted", Unit: model.Images},
		{Name: "lost at most", Unit: model.Writes},
		{Name: "longest window", Unit: model.Milliseconds},
	},
	counts: func(r *Report) []int {
		b := r.blocks()
		return []int{r.Acknowledged, r.Images, b.ByItself, b.Repaired, b.Refused, b.Unmountable, b.Lost}
	},
}

// blocks is what is known of images of blocks; nil: it is no such exploration.
func (r *Report) blocks() *BlockReport {
	if r.Server == nil {
		return nil
	}
	return r.Server.Blocks
}

// target is whose crash states were explored.
func (r *Report) target() string {
	if s := r.Server; s != nil {
		return strings.TrimSpace(s.Target + " " + s.Version)
	}
	return "engine"
}

func (r *Report) entry(t *table) model.Entry {
	target := r.target()
	e := model.Entry{
		Labels: []string{r.Mode, r.Personality}, Detail: strings.Join(r.Directives, ", "), Target: target,
		Suite: "explore." + strings.ReplaceAll(target, ".", "_") + "." + r.Mode, Title: fmt.Sprintf("crash states on %s, bound %s", r.Personality, r.Bound),
		Verdict: r.Verdict, Why: r.Why, Of: t.of,
	}
	if r.Verdict == result.NotApplicable {
		e.InWords = []string{"n/a: " + r.Why}
		return e
	}
	for _, n := range t.counts(r) {
		e.Figures = append(e.Figures, model.Figure{Value: float64(n), Shown: fmt.Sprint(n)})
	}
	e.Figures = append(e.Figures, model.Figure{Value: r.WindowMS, Shown: wording.Duration(r.WindowMS)})
	var text strings.Builder
	r.Write(&text, func(story string) string { return story })
	e.Report = text.String()
	for i := range r.Findings {
		f := &r.Findings[i]
		e.Seen = append(e.Seen, model.Seen{Name: f.Name, Times: f.States, Command: r.replay(f.Dir)})
	}
	violated := func(list []Violated, after string) {
		for i := range list {
			v := &list[i]
			e.Failures = append(e.Failures, model.Failure{What: v.Anomaly + after, Where: wording.Times(v.States, t.of),
				Story: strings.TrimSpace(v.Cause.Text + "\n" + strings.TrimSpace(v.Story)), Plan: v.Plan, Dir: v.Dir, Command: r.replay(v.Dir)})
		}
	}
	violated(r.Groups, "")
	for i := range r.Groups {
		if e.Anomalies == nil {
			e.Anomalies = map[string]int{}
		}
		e.Anomalies[r.Groups[i].Anomaly] += r.Groups[i].States
	}
	if r.Double != nil {
		violated(r.Double.Groups, " after a crash in the recovery")
	}
	return e
}

// replay is what shows an example again.
func (r *Report) replay(dir string) string {
	f, target := result.Failure{Dir: dir}, ""
	if r.Server != nil {
		target = r.Server.Target
	}
	return f.ReplayCommand(target)
}
