package experiment

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/reports/result"
)

// A server that ends before the plan has struck it is an outcome of its own, and never
// nothing: where its disk had failed it that is right, or allowed; where nothing had, the
// server has done what it must not; and what came from outside says nothing about it.

// answers are the errors that say how things are, and not that the disk fails.
var answers = []syscall.Errno{0, syscall.ENOENT, syscall.EEXIST}

// failedCall is the first call of a life that the disk failed, in words; "": none.
func failedCall(log []disk.Record) string {
	for i := range log {
		if c := &log[i].Call; !slices.Contains(answers, c.Err) {
			return fmt.Sprintf("%s of %s: %s", c.Kind, withoutNumbers(c.Path), c.Err)
		}
	}
	return ""
}

// noteExit takes how a life ended that nobody had struck. Of several the first is judged.
func (r *Runner) noteExit(how history.EventKind, log []disk.Record) {
	if how != history.Exited && how != history.Terminated || len(r.hist.Epochs) > 1 {
		return
	}
	exit := r.m.Exit()
	if exit.Outside {
		r.out.Outside = "the server was " + exit.Words
		return
	}
	r.out.FailedCall = failedCall(log)
	if !exit.Hidden {
		r.out.Exit = exit.Words
	}
}

// endsServer reports whether a plan has a statement that ends the server in an orderly way,
// or a command that may.
func endsServer(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Statements, func(s plan.Statement) bool {
		switch a := s.Action.(type) {
		case *plan.Term:
			return true
		case *plan.Do:
			return len(a.Args) > 0 && (strings.EqualFold(a.Args[0], "shutdown") || strings.EqualFold(a.Args[0], "debug"))
		}
		return false
	})
}

// cutShort is a statement of a plan by which a disk had taken less than it was given while
// that life went on, which is no error in its log; nil: none.
func cutShort(p *plan.Plan, h *history.History, life *history.Epoch) *plan.Statement {
	for i := range p.Statements {
		s := &p.Statements[i]
		if _, short := s.Action.(*plan.Short); short && slices.ContainsFunc(h.Events, func(e history.Event) bool {
			return e.Kind == history.FaultStruck && e.At <= life.Ended && e.Text == s.String()
		}) {
			return s
		}
	}
	return nil
}

// exitOf judges the end of a first life that the server has ended by itself; nil: it has not.
func exitOf(x *Experiment, o *Outcome, c *contract.Contract) *result.OwnEnd {
	if len(o.History.Epochs) == 0 || o.Outside != "" {
		return nil
	}
	life := &o.History.Epochs[0]
	asked := endsServer(x.Plan)
	switch {
	case life.How == history.Exited:
	case life.How == history.Terminated && x.Crash.Ends != history.Terminated && !asked:
	default:
		return nil
	}
	e := &result.OwnEnd{Why: o.Exit, Runs: 1}
	short := cutShort(x.Plan, o.History, life)
	switch {
	case asked:
		e.How = result.EndAllowed
		e.Why = "after a command of the plan"
	case exitedAfterFailedSync(life):
		e.How, e.Why = result.EndAllowed, "after a failed sync of its log"
		if c.AfterFailedSync == contract.Stops {
			e.How = result.EndRight
		}
	case o.FailedCall != "":
		// redis 7.0.15 aof.c flushAppendOnlyFile: under always a write that fails ends it, too.
		e.How, e.Why = result.EndAllowed, "after a failed "+o.FailedCall
		if c.AfterFailedSync == contract.Stops && strings.HasPrefix(o.FailedCall, disk.OpWrite.String()+" ") {
			e.How = result.EndRight
		}
	case short != nil:
		e.How, e.Why = result.EndAllowed, fmt.Sprintf("after %q", short)
		if c.AfterFailedSync == contract.Stops {
			e.How = result.EndRight
		}
	case life.How == history.Terminated, !life.DiskSeen || o.Exit == "":
		// Without the disk's calls nobody knows whether one failed; SIGTERM from outside
		// ends a server in an orderly way.
		e.How = result.EndUnexplained
	default:
		e.How = result.EndWrong
	}
	return e
}

// exitedAfterFailedSync reports whether a server has ended by itself after a sync of its
// log had failed.
func exitedAfterFailedSync(life *history.Epoch) bool {
	return life.How == history.Exited && slices.ContainsFunc(life.LogSyncs, func(s history.DiskSync) bool { return s.Failed && !s.Left })
}

// exited judges a run whose first life the server has ended by itself, as far as no crash
// that was asked for struck a later one: by what it promises about a process that ends. An
// exit that is right, or allowed, proves nothing about the crash that did not strike, but
// what it breaks is broken.
func (j *judging) exited(x *Experiment, o *Outcome, exit *result.OwnEnd, judge func(*history.History, contract.Contract) checker.Judgement) {
	o.Why = "the server ended by itself " + exit.String() + "; " + o.Why
	if exit.How == result.EndWrong {
		o.Verdict, o.Why, o.Struck = result.Violated, "", true
		o.Anomalies = append(o.Anomalies, Anomaly{string(anomaly.Exited),
			fmt.Sprintf("at %s the server ended by itself, and no call to its disk had failed: %s", o.History.Epochs[0].Ended, exit.Why)})
	}
	if o.Recovery == machine.NotRestarted || len(o.History.Epochs) > 1 || o.StartFailed != "" {
		return
	}
	c, err := contractOf(&x.Mode, MustCrash("kill"), x.Personality, x.Contract, j.slack)
	if err != nil {
		return
	}
	c.Crash = contract.OwnEnd
	if verdict := judge(o.History, c); verdict.Verdict == "violated" {
		o.Verdict, o.Why, o.Struck = result.Violated, "", true
		o.take(&verdict)
	}
}

// diskFault is a statement of a plan by which the disk failed a server that was started: it is
// in place then, or has struck meanwhile. "": there is none.
func diskFault(p *plan.Plan, before, after []plan.StatementReport) string {
	for i := range after {
		s := &p.Statements[i]
		switch s.Action.(type) {
		case *plan.ReadOnly, *plan.Full:
			if after[i].Struck && (s.Span.IsZero() || after[i].State == plan.Placed) {
				return after[i].Text
			}
		case *plan.Fail, *plan.Short, *plan.Stall, *plan.Slow:
			if after[i].Hits > before[i].Hits {
				return after[i].Text
			}
		}
	}
	return ""
}

// endedMeanwhile is a statement of a plan that ends lives and has struck between two reports.
// "": there is none.
func endedMeanwhile(p *plan.Plan, before, after []plan.StatementReport) string {
	for i := range after {
		if plan.EndsLife(p.Statements[i].Action) && after[i].Struck && !before[i].Struck {
			return after[i].Text
		}
	}
	return ""
}
