package campaign

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/internal/quantile"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// tally gathers the outcomes of one pair of mode and crash kind into its result.
type tally struct {
	*result.Result
	inPlay, unknown, violated int
	windows                   []time.Duration // of the crashes that the loss figures count
	took                      []time.Duration
	samples                   result.Samples
	spans                     time.Duration
	why                       string // of the first run that proved nothing
	distrust                  string // of the first run in which torntail itself was at fault
	censored                  int
	known                     []*finding.Finding
	causes                    map[string]int // finding: violated runs of which it names the cause
	witness                   result.Witness
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
	t.Runs++
	t.addUnstruck(o.Unstruck)
	if o.Outside != "" {
		if t.Outside == nil {
			t.Outside = &result.Outside{Why: o.Outside}
		}
		t.Outside.Runs++
	}
	t.addOwnEnds(o.OwnEnds)
	t.Evicted += int64(o.Evicted)
	if o.RefusedWrites > 0 {
		if t.RefusedWrites == nil {
			t.RefusedWrites = new(result.RefusedWrites)
		}
		t.RefusedWrites.Writes += int64(o.RefusedWrites)
		t.RefusedWrites.Runs++
		t.RefusedWrites.LongestMS = max(t.RefusedWrites.LongestMS, result.MS(o.RefusedFor))
	}
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
	t.Struck++
	if o.InPlay {
		t.inPlay++
	}
	if !o.Excused && o.Recovery != machine.RefusedToStart && o.Verdict != result.Unknown {
		t.Compared++
	}
	if o.Damaged {
		t.addDamage(o)
	}
	if !o.Excused && !o.Damaged && o.Recovery != machine.RefusedToStart {
		t.windows = append(t.windows, o.Window)
		t.samples.WindowMS = append(t.samples.WindowMS, result.MS(o.Window))
		t.samples.Lost = append(t.samples.Lost, o.Lost)
		if o.Censored {
			t.censored++
		}
	}
	t.spans += o.Span
	if o.Span > 0 {
		t.samples.Rate = append(t.samples.Rate, perSecond(o.Acked, o.Span))
	}
	t.Acknowledged += int64(o.Acked)
	if o.Recovery == machine.RefusedToStart {
		t.NotServed++
		t.OutOfReach += int64(o.Acked)
	}
	if !o.Excused && !o.Damaged {
		t.Lost += int64(o.Lost)
		t.LostMax = max(t.LostMax, int64(o.Lost))
	}
	switch o.Recovery {
	case machine.ByItself:
		t.Recovery.ByItself++
	case machine.Repaired:
		t.Recovery.Repaired++
	case machine.RefusedToStart:
		t.Recovery.Refused++
	}
	if o.Recovery == machine.ByItself || o.Recovery == machine.Repaired {
		t.took = append(t.took, o.Took)
		t.samples.RecoveryMS = append(t.samples.RecoveryMS, result.MS(o.Took))
	}
	if o.Verdict == result.Violated {
		t.violated++
		if name := finding.Named(t.known, o.Findings); name != "" {
			count(&t.causes, name)
		}
	}
	seen := ""
	for _, a := range o.Anomalies {
		if a.Name != seen && !o.Excused {
			count(&t.Anomalies, a.Name)
			seen = a.Name
		}
	}
	for _, f := range o.Findings {
		count(&t.Findings, f)
	}
}

// addDamage counts a run of which files were damaged at rest.
func (t *tally) addDamage(o *experiment.Outcome) {
	if t.Damage == nil {
		t.Damage = new(result.Damage)
	}
	t.Damage.Crashes++
	t.Damage.Files += o.CutFiles
	if !o.Excused && o.Recovery != machine.RefusedToStart {
		t.Damage.Lost += int64(o.Lost)
	}
}

// addUnstruck counts the statements of one run that did not strike.
func (t *tally) addUnstruck(list []result.Unstruck) {
	for _, u := range list {
		i := slices.IndexFunc(t.Unstruck, func(have result.Unstruck) bool { return have.Statement == u.Statement && have.Why == u.Why })
		if i < 0 {
			t.Unstruck = append(t.Unstruck, u)
			continue
		}
		t.Unstruck[i].Runs += u.Runs
	}
}

// addOwnEnds counts how the server ended by itself in one run.
func (t *tally) addOwnEnds(list []result.OwnEnd) {
	for _, e := range list {
		i := slices.IndexFunc(t.OwnEnds, func(have result.OwnEnd) bool { return have.How == e.How && have.Why == e.Why })
		if i < 0 {
			t.OwnEnds = append(t.OwnEnds, e)
			continue
		}
		t.OwnEnds[i].Runs += e.Runs
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
		Target: b.Target, Version: b.Version, Package: b.Origin, Backend: b.Name, Mode: c.mode.Name, Crash: c.crash.Name,
		Workload: k.Workload.Name, Personality: k.Personality, SpanMS: result.MS(c.mode.Span),
	}
	for _, d := range c.mode.Directives {
		r.Directives = append(r.Directives, d.String())
	}
	if contract, err := experiment.ContractOf(c.mode, c.crash, k.Personality, k.Contract); err == nil {
		for _, bound := range contract.Bounds {
			r.Bounds = append(r.Bounds, result.Bound{Name: bound.Name, Value: result.MS(bound.Value)})
		}
	}
	return r
}

// maxUnknown is the share of struck crashes whose judgement may be unknown
// before the whole pair is: up to it the rest is judged, and the share is named.
const maxUnknown = 0.15

// finish completes the pair's result. wanted is how many crashes must have struck, 0 where
// a time was given instead.
func (t *tally) finish(wanted int, interrupted error) {
	r := t.Result
	if t.spans > 0 {
		r.Rate = perSecond(int(r.Acknowledged), t.spans)
	}
	r.LossWindow = result.NewLossWindow(t.windows, t.censored)
	if r.Struck > 0 {
		r.Samples = &t.samples
	}
	if len(t.causes) > 0 {
		r.Causes = &result.Causes{Named: t.causes, Unnamed: t.violated}
		for _, n := range t.causes { // any order: a sum
			r.Causes.Unnamed -= n
		}
	}
	if t.witness.Asked > 0 {
		r.Witness = &t.witness
	}
	if len(t.took) > 0 {
		slices.Sort(t.took)
		r.RecoveryMS = &result.RecoveryTime{P50: result.MS(quantile.Median(t.took)), Max: result.MS(t.took[len(t.took)-1])}
	}
	unjudged := fmt.Sprintf("%d of %d crashes could not be judged: %s", t.unknown, r.Struck, t.why)
	switch {
	case t.distrust != "":
		r.Verdict, r.Why = result.Unknown, "torntail itself is at fault: "+t.distrust
	case t.violated > 0:
		r.Verdict = result.Violated
	case interrupted != nil:
		r.Verdict, r.Why = result.Unknown, "interrupted before the runs were done"
		if !errors.Is(interrupted, context.Canceled) {
			first, _, _ := strings.Cut(interrupted.Error(), "\n")
			r.Why = "not all runs were done: " + strings.TrimSuffix(first, "; its last lines:")
		}
	case r.Struck == 0:
		r.Verdict, r.Why = result.Unknown, "no crash struck: "+t.why
	case r.Struck < wanted:
		r.Verdict, r.Why = result.Unknown, fmt.Sprintf("only %d of %d crashes asked for struck in %s: %s", r.Struck, wanted, wording.Times(r.Runs, "run"), t.why)
	case r.NeverServed():
		r.Verdict, r.Why = result.Unknown, fmt.Sprintf("not served: all %d writes out of reach", r.OutOfReach)
	case 2*t.inPlay < r.Struck:
		r.Verdict, r.Why = result.Unknown, fmt.Sprintf("only %d of %d crashes had anything to lose", t.inPlay, r.Struck)
	case r.Compared == 0 && t.unknown == 0:
		r.Verdict, r.Why = result.Unknown, "nothing was compared with what is promised: known findings explain every crash"
	case float64(t.unknown) > maxUnknown*float64(r.Struck):
		r.Verdict, r.Why = result.Unknown, unjudged
	default:
		r.Verdict, r.Strength = result.Holds, result.StrengthOf(r.Compared)
		if t.unknown > 0 {
			r.Why = unjudged
		}
	}
}

// perSecond is a rate, to a tenth.
func perSecond(n int, d time.Duration) float64 {
	return math.Round(float64(n)/d.Seconds()*10) / 10
}
