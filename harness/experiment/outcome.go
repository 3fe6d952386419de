package experiment

import (
	"errors"
	"slices"
	"time"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// Experiment is one run: everything that decides what happens in it. In
// simulation it is the whole of it, so that the same experiment gives the same
// trace; on real servers it is what can be repeated.
type Experiment struct {
	Mode        product.Mode
	Crash       *CrashKind
	Workload    workloads.Spec
	Personality string
	Profile     string
	Seed        uint64
	Plan        *plan.Plan
	Plants      Plants
	// Contract is the user's own; nil: the built-in ones judge.
	Contract *contract.File
	// Asked: the plan is the user's own, and not drawn. It is all that he wants to see
	// struck, so that each of its statements must, and a run in which they did is no
	// empty experiment, however little there was to lose.
	Asked bool
	// Witness: porcupine judges the run as well.
	Witness bool
	// Accounted: the outcome says what became of each statement of the plan.
	Accounted bool
	// Observer, when not nil, is shown what the run leaves behind. It changes nothing in it,
	// and is not saved.
	Observer Observer
}

// Outcome is what one experiment showed.
type Outcome struct {
	Seed uint64

	// Struck: the crash happened as the plan asked, seen in the disk's log or in
	// the process's end, not assumed. When not, Why says what was seen instead.
	Struck bool
	// InPlay: there was something that this crash could have taken.
	InPlay bool
	Why    string // what makes the verdict unknown, or the crash not struck

	// Outside is what ended the run that is not the server's: its machine, or somebody else;
	// "": nothing did. Such a run is unknown.
	Outside string

	// Distrust is why the run says nothing about the server: an audit, or the
	// witness, found torntail itself at fault. One such run makes the whole pair
	// unknown.
	Distrust string
	Witness  Witness

	Verdict   result.Verdict
	Anomalies []Anomaly
	Findings  []string // known findings this run shows
	Excused   bool     // one of them explains all that went wrong; the run is in no other figure

	// Blind is why what the run shows cannot be held against what the mode promises: what is
	// said of the server does not fit what was seen of it; "": it fits.
	Blind string

	// Damaged: the plan has damaged files at rest, beside what the crash kind does. What is
	// missing is no loss of the crash's.
	Damaged bool

	Unstruck []result.Unstruck // statements of a plan that was asked for
	OwnEnds  []result.OwnEnd   // how the server ended by itself; none: it did not

	Acked     int // acknowledged writes before the crash
	Lost      int // of them, certainly lost
	Postponed int // of those, lost from behind an fsync in flight

	// Evicted are the deletions by which the server made room; Untold is why it is not known of
	// all of them, where that is so.
	Evicted int
	Untold  string

	// RefusedWrites are those that the server did not take for now, RefusedFor for how long at
	// a stretch it took none.
	RefusedWrites int
	RefusedFor    time.Duration

	// Window is how far back the certain loss reaches; Censored says that it
	// reaches the first write of the run.
	Window   time.Duration
	Censored bool

	Recovery machine.Recovery
	Took     time.Duration // from the restart until it served
	Span     time.Duration // for how long clients wrote
	Trace    uint64        // trace hash; simulation only

	Seen

	// Statements are what became of each statement of a plan that is accounted for, with
	// instants of the history's clock.
	Statements []plan.StatementReport
	// Reached are the shapes that a hunt saw in the run.
	Reached []string

	History *history.History // the runner's own; good until its next run
	Cut     disk.Cut         // the last
	cutSome bool             // one of the cuts could have taken something

	// What the witness is asked about: the judgement of the history, and what by.
	judgement *checker.Judgement
	contract  contract.Contract

	// What the harness saw and judging needs.
	asked    disk.Choice // what was to survive a power cut
	before   uint64      // hash of what the disk showed just before a power cut
	Unsynced int64       // bytes of the incr files' writes that no returned sync covered then
	image    uint64      // hash of what the server must be started on: the crash image, and what the plan did to it at rest
}

// Seen is what the harness saw of a run that its history does not say, and
// that the verdict depends on.
type Seen struct {
	InFsync  bool `json:"in_fsync,omitempty"`  // a sync was in flight when the crash struck
	CutFiles int  `json:"cut_files,omitempty"` // files that were cut at rest
	finding.Signs
	CrashPoint string `json:"crash_point,omitempty"` // where in a rewrite or snapshot the crash struck
	// FromSync is what had asked for the snapshot that a server came back with which keeps nothing.
	FromSync string `json:"from_sync,omitempty"`
	// Exit is how the first life ended that nobody had struck, FailedCall the first call of it
	// that the disk failed.
	Exit       string `json:"exit,omitempty"`
	FailedCall string `json:"failed_call,omitempty"`
	// DiskFailed: a call to the disk had failed, of kinds of crash that want one to.
	DiskFailed bool `json:"disk_failed,omitempty"`
	// StartFailed is the fault of a disk that was in place as a start was refused.
	StartFailed string `json:"start_failed,omitempty"`
	Refusal     string `json:"refusal,omitempty"` // the error that a write after the restart got
	// Unread is what another version of the server could not read that was left to it.
	Unread *Unread `json:"unread,omitempty"`
}

// unstruck are the statements of a plan that did not strike. A restart is not among
// them where a crash struck before it: the experiment restarts the server itself.
func unstruck(p *plan.Plan, reports []plan.StatementReport) (list []result.Unstruck) {
	down := false
	for i, s := range reports {
		_, restart := p.Statements[i].Action.(*plan.Restart)
		if !s.Struck && !(restart && down) {
			list = append(list, result.Unstruck{Statement: s.Text, Why: s.Why, Runs: 1})
		}
		down = s.Struck && plan.EndsLife(p.Statements[i].Action) || down && !restart
	}
	return list
}

// NotServed reports whether the server never served after the crash.
func (o *Outcome) NotServed() bool { return o.Struck && o.Recovery == machine.RefusedToStart }

// Anomaly is one thing that must not be, with its story.
type Anomaly struct {
	Name  string
	Story string
}

// Shows reports whether the run shows an anomaly, as the first that went wrong,
// or a finding, of that name.
func (o *Outcome) Shows(name string) bool {
	if o.Verdict == result.Violated {
		return len(o.Anomalies) > 0 && o.Anomalies[0].Name == name
	}
	return slices.Contains(o.Findings, name)
}

// With is the outcome if this is what the server had made of what the crash left.
func (o *Outcome) With(r *Recovered, x *Experiment, slack time.Duration) (*Outcome, error) {
	h := &history.History{Ops: o.History.Ops, Epochs: o.History.Epochs, Beside: o.History.Beside}
	if len(h.Epochs) == 0 {
		return nil, errors.New("the history has no life of the server that the crash could have ended")
	}
	r.follow(h, h.Epochs[0].Ended)
	with := &Outcome{Seed: o.Seed, History: h, Recovery: r.How, Seen: Seen{Signs: o.Signs}}
	with.NULBytes, with.BaseRefused = len(r.Stray) > 0, r.BaseRefused
	j := judging{slack: slack}
	j.run(x, with)
	return with, nil
}

// ToKeep reports whether the outcome's history may be wanted.
func (o *Outcome) ToKeep() bool { return o.Verdict == result.Violated || len(o.Findings) > 0 }
