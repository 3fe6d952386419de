package experiment

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/machine"
)

// Recording is one life of a real server, from its start on an empty disk to
// its orderly end: all that was done to its disk, and all that clients asked
// and were told, on one clock. It can be watched as a run in simulation can,
// any number of times, and is the same each time.
type Recording struct {
	X      *Experiment
	Hist   *history.History // of the whole run
	tape   disk.Tape
	forks  []time.Duration // of snapshot children
	Ended  time.Duration
	judged judging
	facts  facts
	// On a real file system there is the disk's log instead of a tape, and when
	// rewrites and snapshots went on, as the server said.
	Blocks          *blocklog.Log
	worked, rewrote []history.Interval
}

// Record runs an experiment whose plan ends the server's life in an orderly way, on a
// machine of the rig's, and records it.
func Record(ctx context.Context, rig *machine.Rig, x *Experiment) (*Recording, error) {
	r := NewRunner(rig.Machine())
	defer r.Close()
	r.recording = &Recording{X: x, judged: judging{slack: r.judging.slack}, facts: facts{lag: r.judging.slack}}
	out, err := r.Run(ctx, x)
	switch {
	case err != nil:
		return nil, err
	case r.recording.Hist == nil:
		return nil, fmt.Errorf("the run that was to be recorded did not end: %s", out.Why)
	}
	return r.recording, nil
}

// take keeps what the life that has just ended was.
func (r *Recording) take(of *Runner) error {
	how, at := of.m.Down()
	if how != history.Terminated {
		return fmt.Errorf("the run that was to be recorded ended by %s, not by SHUTDOWN; the server's last lines:\n%s", how, of.m.LastWords())
	}
	if b, ok := of.m.(interface{ Log() *blocklog.Log }); ok {
		r.Blocks = b.Log()
	}
	r.Hist, r.Ended, r.forks, r.worked, r.rewrote = of.hist, at, slices.Clone(of.heard.Forks), slices.Clone(of.heard.Worked), slices.Clone(of.heard.Rewrote)
	return nil
}

// Deadline is the last instant at which a key of the run expires that was set
// to live less than limit: after it none of those is there any more.
func (r *Recording) Deadline(limit time.Duration) time.Duration {
	last := time.Duration(0)
	for i := range r.Hist.Ops {
		if o := &r.Hist.Ops[i]; o.More != nil && o.More.Deadline-o.Invoke < limit {
			last = max(last, o.More.Deadline)
		}
	}
	return last
}

// Contract is what the mode promises about a crash of this kind on a real
// server; see ContractOf.
func (r *Recording) Contract(crash *CrashKind) (contract.Contract, error) {
	return contractOf(&r.X.Mode, crash, r.X.Personality, r.X.Contract, r.judged.slack)
}

// Watch plays the recording and calls f at each moment from the time at which
// the server served until its end, as Simulator.Watch has it.
//
// The disk's steps and the clients' replies are put in order by their times.
// Both are of one clock, a step's taken before the call has its effect, a
// reply's when the client had read it: a reply never comes before the calls that
// it waited for.
func (r *Recording) Watch(f func(m *Moment)) {
	w := playback{r: r, f: f, player: r.tape.Play(), hist: &history.History{}}
	began := r.Hist.Epochs[0].Began
	w.hist.Epochs = []history.Epoch{{Began: began, Ended: history.Never, DiskSeen: true}}
	for i := range r.Hist.Ops {
		if r.Hist.Ops[i].Outcome != history.Unknown {
			w.replies = append(w.replies, i)
		}
	}
	sort.SliceStable(w.replies, func(i, j int) bool { return r.Hist.Ops[w.replies[i]].Return < r.Hist.Ops[w.replies[j]].Return })
	for {
		step, ok := w.player.Peek()
		if !ok || step.At > r.Ended {
			break
		}
		w.repliesBefore(step.At)
		w.player.Next()
		if step.At >= began {
			w.step(step)
		}
	}
	w.repliesBefore(r.Ended + 1)
	w.tell(MomentExit, r.Ended, nil, 0)
}

// playback is one playing of a recording.
type playback struct {
	r       *Recording
	f       func(m *Moment)
	player  *disk.Player
	hist    *history.History // so far
	replies []int            // operations whose reply is still to come, in order
	acks    int
	moment  Moment
	moments int
}

// step tells of what a step of the disk means.
func (w *playback) step(s disk.Played) {
	switch {
	case s.Kind == disk.StepEffect && s.Call.Kind.Mutates():
		w.tell(MomentFlight, s.At, s.Call, 0)
	case s.Kind == disk.StepReturn && s.Call.Kind.IsSync():
		w.tell(MomentReturn, s.At, s.Call, 0)
	}
}

// repliesBefore lets clients hear what they had heard by then.
func (w *playback) repliesBefore(at time.Duration) {
	for len(w.replies) > 0 {
		op := &w.r.Hist.Ops[w.replies[0]]
		if op.Return >= at {
			return
		}
		w.invokedBy(op.Return)
		w.hist.Ops[op.ID] = *op
		w.replies = w.replies[1:]
		if !op.Acked() {
			continue
		}
		if w.acks++; op.Writes() {
			w.tell(MomentAck, op.Return, nil, w.acks)
		}
	}
}

// invokedBy puts on record what clients had asked by then.
func (w *playback) invokedBy(at time.Duration) {
	for n := len(w.hist.Ops); n < len(w.r.Hist.Ops) && w.r.Hist.Ops[n].Invoke <= at; n++ {
		w.hist.Ops = append(w.hist.Ops, unanswered(w.r.Hist.Ops[n]))
	}
}

// unanswered is an operation before its reply, of which nothing is known yet.
func unanswered(op history.Op) history.Op {
	op.Return, op.Outcome = history.Never, history.Unknown
	switch {
	case !op.Writes():
		op.Value, op.Absent, op.More = "", false, nil
	case op.More != nil && (op.More.Result != "" || op.More.Err != ""):
		more := *op.More
		more.Result, more.Err = "", ""
		op.More = &more
	}
	return op
}

// tell calls the watcher.
func (w *playback) tell(kind MomentKind, at time.Duration, c *disk.Call, ack int) {
	w.invokedBy(at)
	d := w.player.Disk()
	m := &w.moment
	of := watched{x: w.r.X, disk: d, hist: w.hist, log: d.Log(), forks: w.forksBy(at), worked: w.r.worked, rewrote: w.r.rewrote, facts: &w.r.facts, judging: &w.r.judged}
	*m = Moment{of: of, Number: w.moments, At: at, Kind: kind, Call: c, Ack: ack, epoch: m.epoch, changes: m.changes}
	w.moments++
	w.f(m)
}

// forksBy are the snapshot children that had been announced by then.
func (w *playback) forksBy(at time.Duration) []time.Duration {
	n := sort.Search(len(w.r.forks), func(i int) bool { return w.r.forks[i] > at })
	return w.r.forks[:n]
}

// At is the moment at an instant of a run on a real file system. next: the image that is
// judged names a second incr file, so that a rewrite was under way.
func (r *Recording) At(at time.Duration, next bool) *Moment {
	h := &history.History{Epochs: []history.Epoch{{Began: r.Hist.Epochs[0].Began, Ended: history.Never}}}
	for i := range r.Hist.Ops {
		op := r.Hist.Ops[i]
		if op.Invoke > at {
			continue
		}
		if op.Return > at || op.Outcome == history.Unknown {
			op = unanswered(op)
		}
		h.Ops = append(h.Ops, op)
	}
	working := next || slices.ContainsFunc(r.worked, func(w history.Interval) bool { return w.From <= at && at <= w.To })
	return &Moment{At: at, Kind: MomentFlush, of: watched{x: r.X, hist: h, facts: &r.facts, judging: &r.judged, rewrite: working}}
}
