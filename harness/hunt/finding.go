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

// Seed is that of the smallest experiment that showed it.
func (f *Finding) Seed() uint64 { return f.x.Seed }

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

// fingerprint tells causes apart: the anomaly, the cause as the disk's log shows it, and how
// the server came back. What else was under way, and by which fault it came about, is none of
// it: one bug is met in many ways.
func fingerprint(_ *experiment.Experiment, o *experiment.Outcome) string {
	life := &history.Epoch{}
	if n := len(o.History.Epochs) - 1; n >= 0 {
		life = &o.History.Epochs[n]
	}
	return strings.Join([]string{anomalyOf(o), cause(o, life).String(), o.Recovery.String()}, "/")
}

// lack is what the disk's log shows that was missing as the last life of a server ended: the
// role of the file, the call that was to do it, and what became of that.
type lack struct{ role, call, what string }

func (l lack) String() string { return l.role + " " + l.call + " " + l.what }

// cause is the first of these that a run has, those that are seldom first.
func cause(o *experiment.Outcome, life *history.Epoch) lack {
	s := &o.Signs
	for _, c := range []struct {
		is bool
		lack
	}{
		{s.CarriedOver, lack{"log", "write", "put off beyond a rewrite"}},
		{s.Gap, lack{"log", "write", "behind a hole"}},
		{s.WriteRefused, lack{"log", "write", "refused"}},
		{s.DroppedElse, lack{"other file", "fsync", "failed"}},
		{s.Halfway, lack{"index", "dirsync", "failed"}},
		{s.Untold || s.UntoldBefore, lack{"log", "fsync", "failed untold"}},
		{s.Dropped || s.Reverted, lack{"log", "fsync", "failed"}},
		{s.DraftTookOver, lack{"rewritten log", "fsync", "missing"}},
		{s.OldIncrUnsynced || s.EarlierUnsynced, lack{"log before the last", "fsync", "missing"}},
		{s.NameUnsynced || s.ManifestAhead, lack{"index", "dirsync", "missing"}},
		{s.RenameUnsynced || s.WholeAOFVanished || s.DataVanished, lack{"name", "dirsync", "missing"}},
		{s.OpenTransaction, lack{"log", "write", "torn in a transaction"}},
		{s.NULBytes && s.NULBytesSynced, lack{"log", "fsync", "without effect"}},
		{life.How == history.PowerCut && snapshotState(life) == "renamed", lack{"snapshot", "dirsync", "missing"}},
	} {
		if c.is {
			return c.lack
		}
	}
	switch state := logState(life); {
	case state == "unwritten":
		return lack{"snapshot", "rename", snapshotState(life)}
	case life.How != history.PowerCut:
		return lack{"log", "write", "done"} // what a kill takes was never written
	case state == "synced":
		return lack{"log", "fsync", "done"}
	case state == "unsynced":
		return lack{"log", "fsync", "missing"}
	default:
		return lack{"log", "fsync", state}
	}
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
