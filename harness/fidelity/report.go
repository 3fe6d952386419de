package fidelity

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/internal/jsonform"
	form "github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
)

// Parse reads the JSON form of any version up to Schema.
func Parse(data []byte) (*File, error) {
	f := new(File)
	if err := jsonform.Parse(data, Schema, f); err != nil {
		return nil, err
	}
	for i, r := range f.Reports {
		if r == nil {
			return nil, fmt.Errorf("reports[%d]: nothing", i)
		}
		for j := range r.Violations {
			if v := &r.Violations[j]; v.Returned < 0 {
				return nil, fmt.Errorf("reports[%d].violations[%d]: returned %d: want 0 or more", i, j, v.Returned)
			}
		}
	}
	return f, nil
}

const caption = "An image is what a cut of the power left on a real file system. Outside the model: the disk model does not allow it. Never seen: the model allows it after a whole program, and no image showed it."

var columns = []form.Column{
	{Name: "runs", Unit: form.Runs},
	{Name: "crashes", Unit: form.Number},
	{Name: "mounted", Group: "images", Unit: form.Images},
	{Name: "torn and refused", Group: "images", Unit: form.Images},
	{Name: "outside the model", Group: "images", Unit: form.Images},
	{Name: "allowed", Group: "kinds of images", Unit: form.Number},
	{Name: "never seen", Group: "kinds of images", Unit: form.Number},
}

// Model is the file as the report that every format is written from.
func (f *File) Model() *form.Report {
	m := &form.Report{Header: f.Header}
	if m.Command == "" {
		m.Command = "torntail fidelity"
	}
	if m.Machine.Kernel == "" {
		m.Machine.Kernel = f.Kernel
	}
	mounted, violations := f.Mounted()
	outside := "none outside the model"
	if violations > 0 {
		outside = fmt.Sprintf("%d outside the model", violations)
	}
	m.Headline = fmt.Sprintf("%d images of %d file systems on Linux %s: %s", mounted, len(f.Reports), f.Kernel, outside)
	s := form.Section{Title: "The disk model against real file systems", Caption: caption, Labels: []string{"file system", "personality"}, Columns: columns}
	for _, r := range f.Reports {
		s.Entries = append(s.Entries, r.entry())
	}
	m.Sections = []form.Section{s}
	return m
}

// unconfirmed is how many kinds of images are allowed after whole programs, and how
// many of them were never seen.
func (r *Report) unconfirmed() (allowed, open int) {
	for _, row := range r.Rows {
		open += len(row.Unconfirmed)
		allowed += len(row.Unconfirmed) + len(row.Seen)
	}
	return allowed, open
}

func (r *Report) entry() form.Entry {
	e := form.Entry{Labels: []string{r.FS, r.Personality}, Suite: "fidelity." + strings.ReplaceAll(r.FS, ".", "_"), Title: "against the personality " + r.Personality,
		Verdict: result.Holds, Of: "crash"}
	if r.Cut {
		e.Notes = []string{"time was up before all was tried: what was not tried is unknown"}
	}
	if r.Mounted == 0 {
		// Nothing proved; where nothing was mounted at all, so is the whole.
		e.Verdict, e.Why = result.NotApplicable, "no image was mounted"
		return e
	}
	allowed, open := r.unconfirmed()
	for _, n := range []int{r.Runs, r.Crashes, r.Mounted, r.TornRefused, len(r.Violations), allowed, open} {
		e.Figures = append(e.Figures, form.Figure{Value: float64(n), Shown: fmt.Sprint(n)})
	}
	var text strings.Builder
	r.Write(&text, false)
	e.Report = text.String()
	if len(r.Violations) > 0 {
		e.Verdict, e.Why = result.Violated, fmt.Sprintf("%d images outside the model", len(r.Violations))
	}
	for i := range r.Violations {
		v := &r.Violations[i]
		what := "image outside the model"
		if v.Refused {
			what = "the file system does not come back"
		}
		e.Failures = append(e.Failures, form.Failure{What: what, Where: v.Program, Command: v.again(r.FS),
			Story: fmt.Sprintf("%s: %s; crash: %s; %d crashes show it; allowed: %s", v.when(), v.Image, v.Crash, v.Times, strings.Join(v.Allowed, " | "))})
	}
	return e
}
