package experiment

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// ContractOf is the contract a mode is judged by under a crash kind: the
// built-in one, changed by the user's own when there is one.
//
// Whether a crash "in fsync" struck inside one is the harness's to say: it
// sees the calls in flight. The promise is that of the plain kind.
func ContractOf(m *product.Mode, crash *CrashKind, personality string, own *contract.File) (contract.Contract, error) {
	return contractOf(m, crash, personality, own, 0)
}

// contractOf is ContractOf with another slack than the default; 0 is the default.
func contractOf(m *product.Mode, crash *CrashKind, personality string, own *contract.File, slack time.Duration) (contract.Contract, error) {
	back := disk.DefaultWriteBack
	policy, err := m.Store.Policy(m)
	if err != nil {
		return contract.Contract{}, err
	}
	conf := contract.Config{Modelled: true, Slack: slack, NoSyncOnRewrite: policy.NoSyncOnRewrite, Timer: policy.Timer, SavePoints: policy.SavePoints,
		WriteBackExpire: back.Expire, WriteBackInterval: back.Interval,
		Writes: m.Rate * (1 - workloads.Default().ReadRatio)}
	if withoutModel(personality) {
		conf.Modelled = personality == HostDisk
		conf.WriteBackInterval += commitOf(personality)
	} else {
		p, err := disk.PersonalityByName(personality)
		if err != nil {
			return contract.Contract{}, err
		}
		// What the flusher has written can be read back once the journal has committed the size.
		conf.WriteBackInterval += p.Commit
		conf.WriteBackKnown = p.Commit > 0
	}
	kind := crash.contract()
	if crash.promise != nil {
		c := crash.promise(m)
		own.Recovers(&c, m.Name, kind)
		return c, nil
	}
	c, err := contract.For(m.Name, kind, conf)
	if own != nil {
		c, err = own.For(m.Name, kind, conf)
	}
	if withoutModel(personality) {
		c = withoutLog(c)
	}
	return c, err
}

// Judge judges an outcome whose history is known, with so much slack for the server's
// timers; 0: the contract's own.
func Judge(x *Experiment, o *Outcome, slack time.Duration) {
	j := judging{slack: slack}
	j.run(x, o)
}

// judging judges outcomes and reuses the checker's memory.
type judging struct {
	judge checker.Judge
	slack time.Duration // 0: the contract's own
	// contract, when not nil, judges instead of the mode's own.
	contract *contract.Contract
	moments  int       // of which states were judged
	all      disk.Disk // scratch: a disk with all that was written
}

// run turns the history of a run into its verdict.
func (j *judging) run(x *Experiment, o *Outcome) {
	j.runBy(x, o, j.judge.Judge)
	if o.Verdict == result.Holds && len(o.Unstruck) > 0 {
		// What was asked for did not come about, so that nothing is said of it. What is
		// broken is broken all the same.
		o.Verdict, o.Why = result.Unknown, o.Unstruck[0].String()
	}
}

// runBy is run with a judge of the history, whatever did not strike.
func (j *judging) runBy(x *Experiment, o *Outcome, judge func(*history.History, contract.Contract) checker.Judgement) {
	if o.Distrust != "" {
		o.Verdict = result.Unknown
		return
	}
	c, err := contractOf(&x.Mode, x.Crash, x.Personality, x.Contract, j.slack)
	if err != nil {
		o.Verdict, o.Why = result.Unknown, err.Error()
		return
	}
	exit := exitOf(x, o, &c)
	if exit != nil {
		o.OwnEnds = append(o.OwnEnds[:0], *exit)
	}
	if o.Why == "" {
		o.Struck, o.Why = struck(x, o, exit)
	}
	if o.Why != "" {
		o.Verdict = result.Unknown
		if exit != nil {
			j.exited(x, o, exit, judge)
		}
		return
	}
	if o.Blind != "" {
		o.Verdict, o.Why = result.Unknown, o.Blind
		return
	}
	if f := finding.Drowning(x.Mode.Store.Findings(), o.asFindingsSee(x)); f != nil {
		o.Findings = append(o.Findings, f.Name)
		o.excuse()
		return
	}
	if c, err = moved(c, x, o.History, 0, j.slack); err != nil {
		o.Verdict, o.Why = result.Unknown, err.Error()
		return
	}
	if j.contract != nil {
		c = *j.contract
	}
	if o.Damaged = o.CutFiles > 0 && !x.Crash.AtRest; o.Damaged {
		// The plan damaged files at rest. No configuration promises anything about
		// that but that what is loaded is a prefix; refusing is right, too.
		c.Level, c.Keeps, c.AllFrom, c.MaxWindow, c.MaxLost = contract.Buffered, contract.KeepsNothing, 0, -1, -1
		c.AllowRepair, c.AllowRefusal = true, true
		x.Contract.Recovers(&c, x.Mode.Name, x.Crash.contract())
	}
	if o.Damaged && o.CutFiles > 1 && x.Mode.AOF {
		// The server can tell a cut tail of the last file of its log; what is missing from
		// one before it is a hole that nobody promises to see.
		o.Verdict, o.Why = result.Unknown, fmt.Sprintf("%d files were cut at rest, and a server can tell what is missing from the last of its log alone", o.CutFiles)
		return
	}
	if o.StartFailed != "" {
		o.Verdict, o.Why = result.Unknown, "the server would not start, for its disk failed it: "+o.StartFailed
		return
	}
	j.judge.Options.PlantHasty = x.Plants.HastyJudge
	j.judge.Options.Lives, j.judge.Options.Limits.Steps = nil, 0
	if x.Accounted {
		j.judge.Options.Limits.Steps = huntedSteps
	}
	if len(o.History.Epochs) > 1 && j.contract == nil && !o.Damaged {
		j.judge.Options.Lives = j.lives(x, o.History)
	}
	verdict := judge(o.History, c)
	o.judgement, o.contract = &verdict, c
	o.Verdict, o.Why = result.Verdict(verdict.Verdict), ""
	o.take(&verdict)
	if o.Verdict == result.Unknown {
		o.Why = verdict.Why
		// A crash before anything was acknowledged (behind one slow fsync, say) had
		// nothing to lose: another takes its place.
		o.Struck = verdict.Assumption != checker.Enough
	}
	o.untold()
	if o.Refusal != "" && !outOfMemory(x, o.Refusal) {
		o.Anomalies = append(o.Anomalies, Anomaly{string(anomaly.Refused),
			"after the restart the server refuses a write: " + o.Refusal})
		o.Verdict = result.Violated
	}
	if x.Workload.Beside {
		o.takeBeside(x)
	}
	o.InPlay = inPlay(x, o)
	names, excused := finding.Shown(x.Mode.Store.Findings(), o.asFindingsSee(x))
	if o.Findings = append(o.Findings, names...); excused {
		o.excuse()
	}
	o.takeUnread()
}

// huntedSteps bounds each search of an experiment that is one of very many: what takes longer
// is unknown.
const huntedSteps = 300_000

// lives gives the contract of each life of a run by what ended it and by what was set in it;
// a life that ends as the experiment's crash does, with nothing set, is judged by its own.
func (j *judging) lives(x *Experiment, h *history.History) func(n int, life *history.Epoch) *contract.Contract {
	return func(n int, life *history.Epoch) *contract.Contract {
		other := *x
		switch life.How {
		case history.PowerCut:
			other.Crash = PowerLoss()
		case history.Terminated:
			other.Crash = OrderlyEnd()
		case history.ProcessKill, history.Exited: // what a server has written before it ends by itself is written
			other.Crash = MustCrash("kill")
		default:
			return nil
		}
		if other.Crash.Ends == x.Crash.Ends && n == 0 {
			return nil
		}
		if other.Crash.Ends == x.Crash.Ends {
			other.Crash = x.Crash.Plainly()
		}
		c, err := contractOf(&x.Mode, other.Crash, x.Personality, x.Contract, j.slack)
		if err == nil {
			c, err = moved(c, &other, h, n, j.slack)
		}
		if err != nil {
			return nil // what cannot be read of the mode is said of the first life
		}
		return &c
	}
}

// outOfMemory reports whether a server refuses a write for the limit of memory that it was
// given (redis 7.0.15 server.c processCommand), which is what a limit is for.
func outOfMemory(x *Experiment, refusal string) bool {
	limit := x.Mode.Get("maxmemory")
	return limit != "" && limit != "0" && strings.HasPrefix(refusal, "OOM ")
}

// take takes what the judges counted and found.
func (o *Outcome) take(v *checker.Judgement) {
	o.Acked, o.Lost, o.Postponed = v.Acked, v.Lost, v.PostponedLost
	o.Window, o.Censored = v.WindowCertain, v.Censored
	o.RefusedWrites, o.RefusedFor = v.RefusedWrites, v.RefusedFor
	o.FromSync = v.FromSync
	for _, a := range v.Anomalies {
		o.Anomalies = append(o.Anomalies, Anomaly{string(a.Name), a.Story})
	}
}

// asFindingsSee is what known findings see of a run.
func (o *Outcome) asFindingsSee(x *Experiment) *finding.Run {
	r := &finding.Run{Power: x.Crash.Power || slices.ContainsFunc(o.History.Epochs, func(e history.Epoch) bool { return e.How == history.PowerCut }), Personality: x.Personality, Signs: o.Signs, Postponed: o.Postponed, History: o.History, FromSync: o.FromSync,
		ByItself: o.Recovery == machine.ByItself, Repaired: o.Recovery == machine.Repaired, Refused: o.Recovery == machine.RefusedToStart}
	if o.Verdict == result.Violated {
		for _, a := range o.Anomalies {
			r.Anomalies = append(r.Anomalies, anomaly.Name(a.Name))
		}
	}
	return r
}

// excuse counts a run under the last of its findings alone. What it lost, it lost to
// a file that was damaged or refused as a whole, and says nothing about how far back
// this fsync policy loses.
func (o *Outcome) excuse() { o.Verdict, o.Excused = result.Holds, true }

// struck reports whether the crash happened as the plan asked, as the disk and
// the process saw it, and if not, what was seen instead. Where the server has ended its
// first life as it may, that is the crash of the second.
func struck(x *Experiment, o *Outcome, exit *result.OwnEnd) (bool, string) {
	lives := o.History.Epochs
	if exit != nil && exit.Explained() && len(lives) > 1 {
		lives = lives[1:]
	}
	if len(lives) == 0 {
		return false, "the server never served"
	}
	if how := lives[0].How; how != x.Crash.Ends {
		return false, fmt.Sprintf("the server's life ended by %s, not by %s", how, x.Crash.Ends)
	}
	if x.Crash.seen != nil {
		if why := x.Crash.seen(o); why != "" {
			return false, why
		}
	}
	return true, ""
}

// syncWasSlow reports whether a sync of the log had taken longer than the time
// that power-slow-fsync adds, or was in flight at the crash.
func syncWasSlow(e *history.Epoch) bool {
	for _, s := range e.LogSyncs {
		if s.Return == history.Never || s.Return-s.Enter >= slowSync {
			return true
		}
	}
	return false
}

// replies are how many were read: in all, and by those of the workload's clients, which are
// numbered from 0, while the record was open for them.
type replies struct{ all, clients, of int }

// audit looks for signs that torntail itself, not the server, is at fault. It
// trusts no part to report on itself: the disk's images are compared with what
// the disk showed, the image that is started on with the one that was made, and
// the record's acknowledgements with the replies that were read.
func audit(o *Outcome, startedOn uint64, read replies) string {
	if len(o.History.Epochs) == 1 && o.History.Epochs[0].How == history.PowerCut {
		if o.asked.Mode == disk.KeepNone && o.Unsynced > 0 && o.before == o.Cut.Image {
			return fmt.Sprintf("the power cut took nothing, though %d bytes had been written after the last sync and none were to survive", o.Unsynced)
		}
		if startedOn != o.image {
			return "the server was started again on something else than the crash image"
		}
	}
	answered, clients := 0, 0
	for i := range o.History.Ops {
		if op := &o.History.Ops[i]; op.Outcome != history.Unknown {
			if answered++; op.Client < read.of {
				clients++
			}
		}
	}
	if answered > read.all {
		return fmt.Sprintf("the record has %d operations with a reply, but only %d replies were read", answered, read.all)
	}
	if clients < read.clients { // what is not on record nobody misses
		return fmt.Sprintf("%d replies were read, but the record has only %d operations with one", read.clients, clients)
	}
	return ""
}

// inPlay reports whether the crash could have taken something: for a power cut
// bytes that were not durable, without a log anything not yet in a snapshot, after a silence
// what the server should have made so; a kill, of whatever life, takes memory, which always holds something. Of a plan that was asked for it
// is not: what it does is what is to be seen.
func inPlay(x *Experiment, o *Outcome) bool {
	if !x.Crash.Power || x.Asked || x.Crash.When == AfterSilence && o.Acked > 0 {
		return true
	}
	lives := o.History.Epochs
	return o.cutSome || o.Cut.Ops > 0 || !x.Mode.AOF || len(lives) > 1 && slices.ContainsFunc(lives, func(e history.Epoch) bool { return e.How == history.ProcessKill })
}

// syncInFlight reports whether a sync had entered and not returned at the instant.
func syncInFlight(log []disk.Record, at time.Duration) bool {
	for i := len(log) - 1; i >= 0; i-- {
		c := &log[i].Call
		if (c.Kind == disk.OpFsync || c.Kind == disk.OpFdatasync) && c.Enter <= at && c.Return > at {
			return true
		}
	}
	return false
}

// takeBeside holds what came back of the keys of the client beside the workload against
// the states that its commands had left by then: it must be one of them, whatever the mode
// promises.
//
// The server deletes of them what its memory has no room for, FLUSHALL deletes them all, and
// while it takes no writes it takes none of them either: of none of that is word on record.
func (o *Outcome) takeBeside(x *Experiment) {
	if p, err := x.Mode.Store.Policy(&x.Mode); err != nil || p.Evicts || flushes(x.Plan) || o.RefusedWrites > 0 ||
		slices.ContainsFunc(o.History.Beside, func(b history.Beside) bool { return b.Refused }) {
		return
	}
	for i := range o.History.States {
		if s := &o.History.States[i]; !workloads.BesideLeft(o.History.Beside, s.Began, s.Beside) {
			o.Anomalies = append(o.Anomalies, Anomaly{string(anomaly.Hole),
				fmt.Sprintf("what came back of the client beside the workload (state %s of life %d) was never there: it is left by none of the commands that it had sent", s.Beside, s.Epoch)})
			o.Verdict = result.Violated
		}
	}
}
