package harness

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
)

// Recording is one life of a real server, from its start on an empty disk to
// its orderly end: all that was done to its disk, and all that clients asked
// and were told, on one clock. It can be watched as a run in simulation can,
// any number of times, and is the same each time.
type Recording struct {
	x      *Experiment
	tape   disk.Tape
	hist   *history.History
	forks  []time.Duration // of snapshot children
	ended  time.Duration
	judged judging
	facts  facts
	// On a real file system there is the disk's log instead of a tape, and when
	// rewrites and snapshots went on, as the server said.
	blocks *blocklog.Log
	worked []history.Interval
}

// Record runs an experiment whose plan ends the server's life in an orderly
// way, and records it.
func (r *Rig) Record(ctx context.Context, x *Experiment) (*Recording, error) {
	s := r.NewRunner()
	defer s.Close()
	s.recording = &Recording{x: x, judged: judging{slack: realSlack}}
	out, err := s.Run(ctx, x)
	switch {
	case err != nil:
		return nil, err
	case s.recording.hist == nil:
		return nil, fmt.Errorf("the run that was to be recorded did not end: %s", out.Why)
	}
	return s.recording, nil
}

// record keeps what the life that has just ended was.
func (s *ServerRunner) record(l *life) error {
	if l.how != history.Terminated {
		return fmt.Errorf("the run that was to be recorded ended by %s, not by SHUTDOWN; the server's last lines:\n%s", l.how, l.redis.Tail())
	}
	r := s.recording
	if s.block != nil {
		r.blocks = s.block.Device().PowerCut()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.hist, r.ended, r.forks, r.worked = s.hist, l.at, slices.Clone(s.log.Forks), slices.Clone(s.log.Worked)
	return nil
}

// WaitUntil waits for an instant of the rig's clock.
func (r *Rig) WaitUntil(ctx context.Context, at time.Duration) error {
	timer := time.NewTimer(at - r.clock())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// History is the record of the whole run.
func (r *Recording) History() *history.History { return r.hist }

// Deadline is the last instant at which a key of the run expires that was set
// to live less than limit: after it none of those is there any more.
func (r *Recording) Deadline(limit time.Duration) time.Duration {
	last := time.Duration(0)
	for i := range r.hist.Ops {
		if o := &r.hist.Ops[i]; o.More != nil && o.More.Deadline-o.Invoke < limit {
			last = max(last, o.More.Deadline)
		}
	}
	return last
}

// Contract is what the mode promises about a crash of this kind on a real
// server; see ContractOf.
func (r *Recording) Contract(crash *CrashKind) (contract.Contract, error) {
	return contractOf(&r.x.Mode, crash, r.x.Personality, r.x.Contract, realSlack)
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
	began := r.hist.Epochs[0].Began
	w.hist.Epochs = []history.Epoch{{Began: began, Ended: history.Never, DiskSeen: true}}
	for i := range r.hist.Ops {
		if r.hist.Ops[i].Outcome != history.Unknown {
			w.replies = append(w.replies, i)
		}
	}
	sort.SliceStable(w.replies, func(i, j int) bool { return r.hist.Ops[w.replies[i]].Return < r.hist.Ops[w.replies[j]].Return })
	for {
		step, ok := w.player.Peek()
		if !ok || step.At > r.ended {
			break
		}
		w.repliesBefore(step.At)
		w.player.Next()
		if step.At >= began {
			w.step(step)
		}
	}
	w.repliesBefore(r.ended + 1)
	w.tell(MomentExit, r.ended, nil, 0)
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
		op := &w.r.hist.Ops[w.replies[0]]
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
	for n := len(w.hist.Ops); n < len(w.r.hist.Ops) && w.r.hist.Ops[n].Invoke <= at; n++ {
		w.hist.Ops = append(w.hist.Ops, unanswered(w.r.hist.Ops[n]))
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
	of := watched{w.r.x, d, w.hist, d.Log(), w.forksBy(at), &w.r.facts, &w.r.judged}
	*m = Moment{of: of, Number: w.moments, At: at, Kind: kind, Call: c, Ack: ack, epoch: m.epoch, acks: m.acks}
	w.moments++
	w.f(m)
}

// forksBy are the snapshot children that had been announced by then.
func (w *playback) forksBy(at time.Duration) []time.Duration {
	n := sort.Search(len(w.r.forks), func(i int) bool { return w.r.forks[i] > at })
	return w.r.forks[:n]
}
