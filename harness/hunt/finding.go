package hunt

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/reports/result"
)

// Finding is what runs of one fingerprint have shown.
type Finding struct {
	Fingerprint string  `json:"fingerprint"`
	Anomaly     string  `json:"anomaly"`
	Known       string  `json:"known,omitempty"` // the known finding that it is, or the line of --known
	Runs        int     `json:"runs"`            // that showed it
	First       int     `json:"first"`           // number of the experiment that showed it first, from 1
	AfterS      float64 `json:"after_s"`         // when that was, since the hunt began
	Story       string  `json:"story"`
	Plan        string  `json:"plan"` // of the smallest
	Mode        string  `json:"mode"`
	Disk        string  `json:"disk"`
	// Shown of Tried replays of its plan showed it again; in simulation there is no need of any.
	Shown int    `json:"shown,omitempty"`
	Tried int    `json:"tried,omitempty"`
	Dir   string `json:"dir,omitempty"` // of its dossier
	// Shrunk is the smallest failure that it was shrunk to, if it was.
	Shrunk *result.Shrunk `json:"shrunk,omitempty"`

	x    *experiment.Experiment // the smallest that showed it
	o    *experiment.Outcome    // of that, without its history
	left *evidence              // by that
}

// Confirmed reports whether it is more than something seen once.
func (f *Finding) Confirmed() bool { return f.Tried == 0 || 2*f.Shown > f.Tried }

// New reports whether it is not known.
func (f *Finding) New() bool { return f.Known == "" }

// shows reports whether an outcome is of this finding: the same anomaly and, of a new one,
// no known cause for it; exactly: the same signs as well.
func (f *Finding) shows(o *experiment.Outcome, exactly bool) bool {
	switch {
	case f.Known != "" && f.Known != Listed:
		return slices.Contains(o.Findings, f.Known) && anomalyOf(o) == f.Anomaly
	case o.Verdict != result.Violated || len(o.Findings) > 0 || anomalyOf(o) != f.Anomaly:
		return false
	}
	return !exactly || f.o == nil || o.Recovery == f.o.Recovery && slices.Equal(signs(o), signs(f.o))
}

// shown are the findings that a run shows: one for what breaks the contract, and one for
// each known finding that is counted beside the verdict or excuses the run.
func shown(x *experiment.Experiment, o *experiment.Outcome) (list []Finding) {
	for _, name := range o.Findings {
		list = append(list, Finding{Fingerprint: name, Anomaly: anomalyOf(o), Known: name})
	}
	if o.Verdict == result.Violated && len(o.Findings) == 0 {
		list = append(list, Finding{Fingerprint: fingerprint(x, o), Anomaly: anomalyOf(o)})
	}
	for i := range list {
		f := &list[i]
		f.Runs, f.Plan, f.Mode, f.Disk, f.x = 1, x.Plan.String(), x.Mode.Name, diskOf(x), x
		if len(o.Anomalies) > 0 {
			f.Story = o.Anomalies[0].Story
		}
	}
	return list
}

// diskOf says on which disk an experiment ran.
func diskOf(x *experiment.Experiment) string {
	if x.Personality == experiment.HostDisk {
		return "the host's own disk"
	}
	return x.Personality + ", " + x.Profile
}

func anomalyOf(o *experiment.Outcome) string {
	if len(o.Anomalies) > 0 && o.Verdict == result.Violated {
		return o.Anomalies[0].Name
	}
	return ""
}

// fingerprint tells causes apart: the anomaly, what the server was doing and what was not
// durable as its last life ended, which fault had struck, and how it came back.
func fingerprint(x *experiment.Experiment, o *experiment.Outcome) string {
	h := o.History
	life := &history.Epoch{}
	doing := "never served"
	if n := len(h.Epochs) - 1; n >= 0 {
		life = &h.Epochs[n]
		doing = phase(o, life, n)
	}
	parts := []string{anomalyOf(o), string(life.How), doing, strings.Join(signs(o), "+"), strings.Join(faults(x, o), "+"), o.Recovery.String()}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "/")
}

// signs are the names of those that a run has.
func signs(o *experiment.Outcome) (list []string) {
	v := reflect.ValueOf(o.Signs)
	for i := range v.NumField() {
		if v.Field(i).Bool() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			list = append(list, name)
		}
	}
	return list
}

// faults are the kinds of faults that struck, without commands and ends.
func faults(x *experiment.Experiment, o *experiment.Outcome) (list []string) {
	for i := range o.Statements {
		s := &x.Plan.Statements[i]
		if _, command := s.Action.(*plan.Do); !command && o.Statements[i].Struck && !plan.EndsLife(s.Action) {
			verb, _, _ := strings.Cut(kindOfFault(s), "(")
			list = append(list, verb)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// smaller reports whether an experiment is less to read than another.
func smaller(a, b *experiment.Experiment) bool {
	return cmp.Or(cmp.Compare(len(a.Plan.Statements), len(b.Plan.Statements)), cmp.Compare(len(a.Mode.Directives), len(b.Mode.Directives)),
		cmp.Compare(a.Mode.Span, b.Mode.Span)) < 0
}
