// Package checker judges a history: did the server keep the contract of its
// configuration through the crashes that struck it?
//
// The verdict is holds, violated or unknown. Unknown is not success: the
// assumptions failed (Judgement.Assumption says which), or a search ran out of
// time or memory.
package checker

import (
	"slices"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/verdict"
	"github.com/torntail/torntail/checker/versions"
	"github.com/torntail/torntail/checker/zones"
)

// Recovery is how the server came back after a crash.
type Recovery string

const (
	NoCrash  Recovery = ""
	ByItself Recovery = "by itself"
	Repaired Recovery = "repaired"
	Refused  Recovery = "refused"
)

// Judgement is what is known of one history under one contract. Over several
// crashes counts are added up and windows are the longest.
type Judgement struct {
	Verdict verdict.Verdict
	// Why is one sentence: what was broken, or why nothing is known.
	Why string
	// Assumption is the assumption that failed, when the verdict is unknown for that.
	Assumption Assumption
	Anomalies  []anomaly.Anomaly

	Acked        int // acknowledged writes
	Lost         int // of these, certainly lost
	PossiblyLost int // lost in some explanation of the recovered state; at least Lost
	// PostponedLost counts those of Lost that a process kill may take under
	// everysec: their write(2) was waiting behind a sync in flight.
	PostponedLost int
	LostBytes     int64 // bytes of the values of the certainly lost writes

	// RefusedWrites counts the writes that the server did not take for now, RefusedFor is for
	// how long at most, at a stretch, it took none.
	RefusedWrites int
	RefusedFor    time.Duration

	// WindowCertain is how far back from the crash the certain loss reaches,
	// WindowPessimistic the possible one. The truth lies between.
	WindowCertain, WindowPessimistic time.Duration
	// Censored: the loss reaches back to the start of the epoch, so that the
	// window is only known to be at least this long.
	Censored bool
	// OverDocumented: the contract holds, but the window is longer than the documented bound.
	OverDocumented bool

	// Unanswered counts the searches that ran out of time or memory; Progress is
	// how far they came.
	Unanswered int
	Progress   []Progress

	Crashes  int // crashes of the contract's kind that struck
	Recovery Recovery
	// FromSync is what had asked for the snapshot that a server came back with which promises to
	// keep nothing (contract.KeepsSync); "": it was empty.
	FromSync string
	// Notes are remarks for the reader that do not change the verdict.
	Notes []string
}

// Options change what Judge demands.
type Options struct {
	// MinAcked is how many acknowledged writes a history needs to prove anything; 0 means 1.
	MinAcked int
	// Limits bound the searches of the general judge: Limits.Timeout is the time
	// that each may take.
	Limits linear.Limits
	// Lives, when not nil, says under which contract a life is judged that is not under
	// Judge's own; nil of one: it is. Reports are about Judge's own.
	Lives func(n int, life *history.Epoch) *contract.Contract
	// PlantHasty gives the judge of registers a wrong rule (zones.Registers), for
	// torntail's test of itself.
	PlantHasty bool
}

// Judge judges histories one after another and reuses its memory. It must not
// be used by two goroutines at once. The zero Judge is ready.
type Judge struct {
	Options Options

	regs    zones.Registers
	prefix  durability.Prefix
	graph   versions.Graph
	order   zones.Order
	memory  linear.Memory
	ties    ties
	skip    []bool // of each key: a component answers for it
	changes durability.Changes
	counted durability.Changes // of these, what had something to do; scratch
	parts   []*component       // what clusters do not decide of the epoch
	e       *epoch
	unkept  int32 // what the graph says that nobody was to lose (versions.Result.Unkept), or -1
	steps   int64 // that searches have taken so far, of all histories
	from    int   // where the epoch's operations begin in the history
	// anywhere: the recovered state of keys for the general judge need only have
	// been there at some time (Minimize).
	anywhere bool
	// bare: nobody reads the evidence (Minimize).
	bare bool
	// noSmall: what clusters decide is left to them also where there is little of
	// it (tests).
	noSmall bool
	// left is the number of the life of which a state is judged that may have been
	// left (JudgeLeft); 0 otherwise.
	left      int
	explained explained
	out       *Judgement
	h         *history.History
	c         *contract.Contract
}

// noOp is the place of no operation.
const noOp = -1

// epoch is one life of the server, cut out of the history.
type epoch struct {
	number  int
	life    *history.Epoch
	from    int // its operations are History.Ops[from:to]
	to      int
	before  *history.State // what it began with; nil: nothing
	after   *history.State // what was found after the crash; nil: nothing came back
	crashed bool
	// judged: the crash is one that the contract is about.
	judged bool
}

// Judge judges h under c. The result does not keep references to j's memory.
func (j *Judge) Judge(h *history.History, c contract.Contract) Judgement {
	var out Judgement
	j.out, j.h, j.c = &out, h, &c
	if a, why := j.assume(); a != "" {
		out.Verdict, out.Assumption, out.Why = verdict.Unknown, a, why
		return out
	}
	j.epochs()
	j.afterwards()
	j.decide()
	j.out, j.h, j.c, j.e, j.parts = nil, nil, nil, nil, nil
	clear(j.ties.of)
	return out
}

// epochs judges each epoch in turn.
func (j *Judge) epochs() {
	h := j.h
	if len(h.Epochs) == 0 {
		j.epoch(&epoch{life: &endless, to: len(h.Ops), before: stateOf(h, 0)})
		return
	}
	from, own := 0, j.c
	for i := range h.Epochs {
		j.c = j.contractOf(i, own)
		e := j.life(h, i, from)
		from = e.to
		j.epoch(&e)
	}
	j.c = own
}

// contractOf is the contract of a life.
func (j *Judge) contractOf(n int, own *contract.Contract) *contract.Contract {
	if j.Options.Lives != nil {
		if c := j.Options.Lives(n, &j.h.Epochs[n]); c != nil {
			return c
		}
	}
	return own
}

// endless is the life of a server that did not crash.
var endless = history.Epoch{Ended: history.Never}

// life cuts epoch i, whose operations begin at from, out of the history.
func (j *Judge) life(h *history.History, i, from int) epoch {
	e := epoch{number: i, life: &h.Epochs[i], from: from, to: len(h.Ops)}
	e.crashed = e.life.Ended != history.Never
	e.judged = e.crashed && j.c != nil && j.matches(e.life)
	if e.crashed {
		for e.to = from; e.to < len(h.Ops) && h.Ops[e.to].Invoke < e.life.Ended; e.to++ {
		}
	}
	e.before, e.after = stateOf(h, i), stateOf(h, i+1)
	return e
}

// lifeOf is epoch number n of the history.
func (j *Judge) lifeOf(h *history.History, n int) *epoch {
	if len(h.Epochs) == 0 {
		return &epoch{life: &endless, to: len(h.Ops), before: stateOf(h, 0)}
	}
	var e epoch
	for i := 0; i <= n; i++ {
		e = j.life(h, i, e.to)
	}
	return &e
}

// stateOf is the state found at the start of an epoch; the first epoch begins
// empty unless the history says otherwise.
func stateOf(h *history.History, epoch int) *history.State {
	for i := range h.States {
		if h.States[i].Epoch == epoch && !h.States[i].Converged {
			return &h.States[i]
		}
	}
	return nil
}

func (j *Judge) epoch(e *epoch) {
	ops := j.h.Ops[e.from:e.to]
	j.from = e.from
	j.changes.Gather(ops)
	j.out.Acked += len(j.changes.Acked)
	j.refusals(e)

	in := zones.Input{Ops: ops, Crash: zones.Late}
	if e.before != nil {
		in.Initial, in.InitialAt = e.before.Keys, int64(min(e.before.Began, e.before.At))
	}
	if e.crashed {
		in.Crash = int64(e.life.Ended)
		j.recovery(e)
	}
	if e.crashed && e.after != nil {
		in.HasRecovered, in.Recovered, in.Dump = true, e.after.Keys, int64(e.after.At)
	}
	if j.nothingLost(e, in) {
		j.promises(e, nil)
		return
	}
	j.regs.Hasty = j.Options.PlantHasty
	j.regs.Build(asLists(inPieces(in)))
	j.e, j.parts = e, nil
	if !j.rules(e) || !j.linear(e) {
		return
	}
	j.parts = j.components(e, false)
	if !j.serial(e) || !j.general(e) || !in.HasRecovered {
		return
	}
	if j.c.Level == contract.Empty && e.judged {
		j.empty(e)
		return
	}
	j.durableAcross(e)
}

// decide turns what was gathered into the verdict.
func (j *Judge) decide() {
	out := j.out
	switch {
	case len(out.Anomalies) > 0:
		out.Verdict = verdict.Violated
		a := &out.Anomalies[0]
		out.Why = string(a.Name) + ": " + a.Rule
		out.Assumption = ""
	case out.Assumption != "":
		out.Verdict = verdict.Unknown
	default:
		out.Verdict = verdict.Holds
		if d, ok := j.c.Documented(); ok && out.WindowCertain > d {
			out.OverDocumented = true
			out.Why = "holds, over documented bound"
		}
	}
}

// unknown notes that something could not be decided; a violation found elsewhere still counts.
func (j *Judge) unknown(a Assumption, why string) {
	if a == Resources {
		j.out.Unanswered++
	}
	if j.out.Assumption == "" {
		j.out.Assumption, j.out.Why = a, why
	}
}

func (j *Judge) found(a anomaly.Anomaly) { j.out.Anomalies = append(j.out.Anomalies, a) }

// note adds a remark once.
func (j *Judge) note(text string) {
	if !slices.Contains(j.out.Notes, text) {
		j.out.Notes = append(j.out.Notes, text)
	}
}
