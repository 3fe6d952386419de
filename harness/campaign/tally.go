package campaign

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/internal/quantile"
	"github.com/torntail/torntail/reports/result"
)

// tally gathers the outcomes of one pair of mode and crash kind.
type tally struct {
	runs, struck, inPlay, unknown int
	violated                      int
	windows                       []time.Duration // of the crashes that the loss figures count
	took                          []time.Duration
	samples                       result.Samples
	spans                         time.Duration
	why                           string // of the first run that proved nothing
	distrust                      string // of the first run in which torntail itself was at fault
	points                        map[string]int

	acked, lost, lostMax int64
	censored             int
	recovery             result.Recovery
	anomalies, findings  map[string]int
	witness              result.Witness
}

// firstViolated is how many violated runs of a pair porcupine judges as well,
// beside the share that is drawn of all runs.
const firstViolated = 2

// askWitness has porcupine judge the first runs that are violated. It needs the
// run's history.
func (t *tally) askWitness(o *experiment.Outcome) {
	if o.Verdict == result.Violated && t.violated < firstViolated && t.witness.Disagreed == 0 {
		o.AskWitness()
	}
}

func (t *tally) add(o *experiment.Outcome) {
	t.runs++
	t.witness.Add(o.Witness.Asked, o.Witness.Unanswered, o.Witness.Disagrees != "")
	if t.distrust == "" {
		t.distrust = o.Distrust
	}
	if o.Verdict == result.Unknown {
		if o.Struck {
			t.unknown++
		}
		if t.why == "" {
			t.why = o.Why
		}
	}
	if !o.Struck {
		return
	}
	t.struck++
	if o.InPlay {
		t.inPlay++
	}
	if !o.Excused && o.Recovery != machine.RefusedToStart {
		t.windows = append(t.windows, o.Window)
		t.samples.WindowMS = append(t.samples.WindowMS, MS(o.Window))
		t.samples.Lost = append(t.samples.Lost, o.Lost)
		if o.Censored {
			t.censored++
		}
	}
	t.spans += o.Span
	if o.Span > 0 {
		t.samples.Rate = append(t.samples.Rate, perSecond(o.Acked, o.Span))
	}
	t.acked += int64(o.Acked)
	if !o.Excused {
		t.lost += int64(o.Lost)
		t.lostMax = max(t.lostMax, int64(o.Lost))
	}
	switch o.Recovery {
	case machine.ByItself:
		t.recovery.ByItself++
	case machine.Repaired:
		t.recovery.Repaired++
	case machine.RefusedToStart:
		t.recovery.Refused++
	}
	if o.Recovery == machine.ByItself || o.Recovery == machine.Repaired {
		t.took = append(t.took, o.Took)
		t.samples.RecoveryMS = append(t.samples.RecoveryMS, MS(o.Took))
	}
	if o.CrashPoint != "" {
		count(&t.points, o.CrashPoint)
	}
	if o.Verdict == result.Violated {
		t.violated++
	}
	seen := ""
	for _, a := range o.Anomalies {
		if a.Name != seen && !o.Excused {
			count(&t.anomalies, a.Name)
			seen = a.Name
		}
	}
	for _, f := range o.Findings {
		count(&t.findings, f)
	}
}

func count(m *map[string]int, name string) {
	if *m == nil {
		*m = make(map[string]int)
	}
	(*m)[name]++
}

// blank is the result of a pair before anything was run.
func (c *cell) blank(k *Campaign, b Backend) result.Result {
	r := result.Result{
		Target: b.Target, Version: b.Version, Backend: b.Name, Mode: c.mode.Name, Crash: c.crash.Name,
		Workload: k.Workload.Name, Personality: k.Personality, SpanMS: MS(c.mode.Span),
	}
	for _, d := range c.mode.Directives {
		r.Directives = append(r.Directives, d.String())
	}
	if contract, err := experiment.ContractOf(c.mode, c.crash, k.Personality, k.Contract); err == nil {
		for _, bound := range contract.Bounds {
			r.Bounds = append(r.Bounds, result.Bound{Name: bound.Name, Value: MS(bound.Value)})
		}
	}
	return r
}

// maxUnknown is the share of struck crashes whose judgement may be unknown
// before the whole pair is.
const maxUnknown = 0.01

// finish turns the tally into the pair's result. wanted is how many crashes
// must have struck, 0 where a time was given instead.
func (t *tally) finish(r *result.Result, wanted int, interrupted error) {
	r.Runs, r.Struck = t.runs, t.struck
	r.Acknowledged, r.Lost, r.LostMax = t.acked, t.lost, t.lostMax
	r.Anomalies, r.Findings, r.Recovery = t.anomalies, t.findings, t.recovery
	if t.spans > 0 {
		r.Rate = perSecond(int(t.acked), t.spans)
	}
	r.LossWindow = result.NewLossWindow(t.windows, t.censored)
	if t.struck > 0 {
		r.Samples = &t.samples
	}
	if t.witness.Asked > 0 {
		r.Witness = &t.witness
	}
	if len(t.took) > 0 {
		slices.Sort(t.took)
		r.RecoveryMS = &result.RecoveryTime{P50: MS(quantile.Median(t.took)), Max: MS(t.took[len(t.took)-1])}
	}
	switch {
	case t.distrust != "":
		r.Verdict, r.Why = result.Unknown, "torntail itself is at fault: "+t.distrust
	case t.violated > 0:
		r.Verdict = result.Violated
	case interrupted != nil:
		r.Verdict, r.Why = result.Unknown, "interrupted before the runs were done"
	case t.struck == 0:
		r.Verdict, r.Why = result.Unknown, "no crash struck: "+t.why
	case t.struck < wanted:
		r.Verdict, r.Why = result.Unknown, fmt.Sprintf("only %d of %d crashes asked for struck in %d runs: %s", t.struck, wanted, t.runs, t.why)
	case 2*t.inPlay < t.struck:
		r.Verdict, r.Why = result.Unknown, fmt.Sprintf("only %d of %d crashes had anything to lose", t.inPlay, t.struck)
	case float64(t.unknown) > maxUnknown*float64(t.struck):
		r.Verdict, r.Why = result.Unknown, fmt.Sprintf("%d of %d crashes could not be judged: %s", t.unknown, t.struck, t.why)
	default:
		r.Verdict = result.Holds
		if t.unknown > 0 {
			r.Why = fmt.Sprintf("%d of %d crashes could not be judged: %s", t.unknown, t.struck, t.why)
		}
	}
}

// perSecond is a rate, to a tenth.
func perSecond(n int, d time.Duration) float64 {
	return math.Round(float64(n)/d.Seconds()*10) / 10
}

// MS is a duration in milliseconds, to the microsecond.
func MS(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}
