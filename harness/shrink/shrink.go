// Package shrink reduces a failing experiment to a small one that shows the
// same anomaly: fewer faults, operations, clients and keys, and simpler choices
// of when a fault strikes and what survives it. What is left is a plan that a
// person can read, and can be written as a Go test (gotest.go).
//
// It is a greedy search. A move (moves.go) proposes simpler experiments, and one
// that still shows the anomaly takes the place of the best so far if it weighs
// less. In simulation a changed experiment is another run, whose timing owes
// nothing to that of the original, so each proposal is tried under a few seeds.
// The search is bounded by the number of experiments and never by a clock: the
// same failure always shrinks to the same result.
package shrink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
)

// Size is how much there is to read in a failure.
type Size struct {
	Faults     int // statements of the plan
	Operations int // begun by clients
	Clients    int
	Keys       int
}

func (s Size) String() string {
	return fmt.Sprintf("%s, %s, %s, %s", many(s.Faults, "fault"), many(s.Operations, "operation"), many(s.Clients, "client"), many(s.Keys, "key"))
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Options bound the search. The zero value of a field picks the default in its comment.
type Options struct {
	Tries int // experiments in all: 20000
	Seeds int // experiments for one proposal: 6
	// Drawn: settings beyond the mode's own, phases of clients and later lives were drawn and
	// nobody asked for them, so that they may go as well.
	Drawn bool
	// Real: the experiments are those of real servers, which are seconds each and not the
	// same twice. Only moves that leave something out are made, and each proposal, the
	// experiment itself too, is tried again under its own seed. What is small is what Better
	// has been told.
	Real bool
	// Shows is what counts as the same failure; nil: the outcome shows what is wanted.
	Shows func(o *experiment.Outcome) bool
	// Better is told of each smaller failure, while its history is there.
	Better func(x *experiment.Experiment, o *experiment.Outcome) error
	// Progress is told of each smaller failure.
	Progress func(tries int, size Size)
}

// Result is the smallest failure that was found.
type Result struct {
	Experiment    *experiment.Experiment
	Before, After Size
	Tries         int
	// Whole: no move makes it smaller. Otherwise the experiments ran out.
	Whole bool
	// Stories are what the small one shows; Saved fills them in.
	Stories []experiment.Anomaly
}

// ErrGone means that the experiment does not show the anomaly in the first place.
var ErrGone = errors.New("the failure does not happen again")

// Runner runs an experiment; the history of what comes of it is good until the next.
type Runner interface {
	Run(ctx context.Context, x *experiment.Experiment) (*experiment.Outcome, error)
}

// Shrink looks for a smaller experiment that shows the anomaly, or the finding,
// of that name. When ctx ends it gives what it has.
func Shrink(ctx context.Context, s Runner, x *experiment.Experiment, want string, o Options) (*Result, error) {
	if o.Tries == 0 {
		o.Tries = 20000
	}
	if o.Seeds == 0 {
		o.Seeds = 6
	}
	if o.Shows == nil {
		o.Shows = func(out *experiment.Outcome) bool { return out.Shows(want) }
	}
	t := &search{ctx: ctx, runner: s, options: o}
	best, ok, err := t.run(x)
	for n := 1; o.Real && !ok && err == nil && n < o.Seeds && t.left(); n++ {
		best, ok, err = t.run(x)
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w", want, ErrGone)
	}
	r := &Result{Before: best.size}
	whole := false
	for !whole && t.left() {
		whole = true
		for _, move := range o.moves() {
			for t.left() {
				smaller, err := t.smaller(best, move)
				if err != nil && ctx.Err() == nil {
					return nil, err
				}
				if smaller == nil {
					break
				}
				best, whole = smaller, false
				if o.Progress != nil {
					o.Progress(t.tries, best.size)
				}
			}
		}
	}
	r.Experiment, r.After, r.Tries, r.Whole = best.x, best.size, t.tries, whole && t.left()
	return r, nil
}

type search struct {
	ctx     context.Context
	runner  Runner
	options Options
	tries   int
}

func (t *search) left() bool { return t.tries < t.options.Tries && t.ctx.Err() == nil }

// failure is an experiment that shows the anomaly.
type failure struct {
	x      *experiment.Experiment
	o      *experiment.Outcome // its history is the runner's own
	size   Size
	weight weight
}

// run runs an experiment and reports whether it shows the anomaly.
func (t *search) run(x *experiment.Experiment) (*failure, bool, error) {
	t.tries++
	o, err := t.runner.Run(t.ctx, x)
	if err != nil {
		return nil, false, err
	}
	if !t.options.Shows(o) {
		return nil, false, nil
	}
	f := &failure{x: x, o: o, size: sizeOf(x, o.History)}
	f.weight = weigh(x, f.size)
	return f, true, nil
}

// smaller is the first failure that a move leads to and that weighs less; nil
// when there is none.
func (t *search) smaller(best *failure, move move) (*failure, error) {
	for _, e := range move(best) {
		x := edited(best.x, e)
		if t.options.Drawn { // which crash it is follows from the plan
			kind, err := experiment.KindOf(x.Plan)
			if err != nil {
				continue
			}
			x.Crash = kind
		}
		for _, seed := range t.seeds(best.x.Seed) {
			if !t.left() {
				return nil, nil
			}
			y := *x
			y.Seed = seed
			f, ok, err := t.run(&y)
			if err != nil {
				return nil, err
			}
			if ok && f.weight.less(best.weight) {
				if t.options.Better != nil {
					err = t.options.Better(f.x, f.o)
				}
				return f, err
			}
		}
	}
	return nil, nil
}

// seeds are those that a proposal is tried under: the failure's own, and small ones.
func (t *search) seeds(own uint64) []uint64 {
	list := []uint64{own}
	if t.options.Real {
		return slices.Repeat(list, t.options.Seeds)
	}
	for n := uint64(1); len(list) < t.options.Seeds; n++ {
		if n != own {
			list = append(list, n)
		}
	}
	return list
}

// sizeOf is the size of a failure, by what its clients really did.
func sizeOf(x *experiment.Experiment, h *history.History) Size {
	s := Size{Faults: len(x.Plan.Statements), Operations: len(h.Ops)}
	clients, keys := map[int]bool{}, map[string]bool{}
	for i := range h.Ops {
		o := &h.Ops[i]
		clients[o.Client] = true
		if o.Key != "" {
			keys[o.Key] = true
		}
		if o.More != nil {
			for _, p := range o.More.Parts {
				keys[p.Key] = true
			}
		}
	}
	s.Clients, s.Keys = len(clients), len(keys)
	return s
}

// weight orders failures: what comes first matters most.
type weight [11]float64

func (w weight) less(v weight) bool { return slices.Compare(w[:], v[:]) < 0 }

// weigh is how much there is to understand in a failure: first of what there is
// to count, then of what there is to read.
func weigh(x *experiment.Experiment, s Size) weight {
	w := weight{float64(s.Faults), drawn(x), float64(s.Operations), float64(x.Workload.Clients), float64(x.Workload.Keys)}
	var when, span float64
	for i := range x.Plan.Statements {
		st := &x.Plan.Statements[i]
		w[5] += complexity(st)
		when += st.At.Time.Seconds()
		span += float64(st.At.N)
	}
	if x.Workload.ReadRatio > 0 {
		w[6]++
	}
	if x.Workload.Name != "registers" {
		w[6]++
	}
	if x.Workload.Pipeline > 1 {
		w[6]++
	}
	if x.Crash.When == experiment.InSync {
		w[6]++
	}
	w[7], w[8] = when, span
	for i := range x.Plan.Statements {
		w[9] += float64(len(x.Plan.Statements[i].String()))
	}
	w[10] = float64(x.Workload.ValueSize)
	return w
}

// drawn is how much there is beside a mode's own settings and steady clients.
func drawn(x *experiment.Experiment) float64 {
	n := len(settings(x)) + len(x.Workload.Phases)
	if x.Workload.Beside {
		n++
	}
	return float64(n)
}

// complexity is how much a statement asks of its reader.
func complexity(s *plan.Statement) float64 {
	n := 0.0
	switch s.At.Kind {
	case plan.AtTime, plan.AtAck, plan.AtAfter:
		n++
	case plan.AtCall:
		n += 3
		if s.At.Time > 0 {
			n++
		}
	}
	if cut, ok := s.Action.(*plan.PowerCut); ok {
		n += choiceComplexity(cut)
	}
	if !s.Span.IsZero() {
		n++
	}
	if s.Percent > 0 {
		n++
	}
	return n
}

// scaled is a number of times at which something may still happen: 0, and what
// halving d gives, shortest first.
func scaled(d time.Duration) []time.Duration {
	list := []time.Duration{0}
	for part := d / 64; part < d && part > 0; part *= 2 {
		list = append(list, round(part))
	}
	return list
}

// round is a time with at most two digits that are not zero, so that it can be read.
func round(d time.Duration) time.Duration {
	unit := time.Microsecond
	for d/unit >= 100 {
		unit *= 10
	}
	return d.Round(unit)
}

// Describe is the failure as text: what it was cut down from and to, and the
// plan with the workload that shows it.
func (r *Result) Describe(want string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nfrom %s\nto   %s (%d experiments)\n", want, r.Before, r.After, r.Tries)
	if !r.Whole {
		b.WriteString("(experiments ran out before every move had been tried)\n")
	}
	w := &r.Experiment.Workload
	fmt.Fprintf(&b, "\nmode %s, crash %s, workload %s, %s, %s, seed %d", r.Experiment.Mode.Name, r.Experiment.Crash, w.Name, many(w.Clients, "client"), many(w.Keys, "key"), r.Experiment.Seed)
	if p := r.Experiment.Plants.String(); p != "" {
		fmt.Fprintf(&b, ", planted: %s", p)
	}
	b.WriteString("\n" + r.Experiment.Plan.String())
	return b.String()
}
