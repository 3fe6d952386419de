package shrink

import (
	"slices"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
)

// A move proposes experiments that may be simpler than a failure, the boldest first.
type move func(f *failure) []*experiment.Experiment

// moves are all of them, in the order in which they are made: what makes runs
// short comes first, for it makes the others cheap.
var moves = []move{dropStatements, sooner, fewerOperations, fewerClients, fewerKeys, plainerWorkload, plainerCrash, plainerInstants, plainerChoices, smallerValues}

// change is a copy of the experiment that may be changed: its plan's statements
// are its own, their actions are not.
func change(x *experiment.Experiment, f func(y *experiment.Experiment)) *experiment.Experiment {
	y := *x
	y.Plan = &plan.Plan{Statements: slices.Clone(x.Plan.Statements)}
	f(&y)
	return &y
}

// dropStatements leaves out one statement, or the share or span of one.
func dropStatements(f *failure) (list []*experiment.Experiment) {
	for i := range f.x.Plan.Statements {
		if len(f.x.Plan.Statements) > 1 {
			list = append(list, change(f.x, func(y *experiment.Experiment) {
				y.Plan.Statements = slices.Delete(y.Plan.Statements, i, i+1)
				if i < len(y.Plan.Statements) && y.Plan.Statements[i].At.Kind == plan.AtAfter && i == 0 {
					y.Plan.Statements[i].At.Kind = plan.AtTime
				}
			}))
		}
	}
	for i := range f.x.Plan.Statements {
		if s := &f.x.Plan.Statements[i]; s.Percent > 0 || !s.Span.IsZero() {
			list = append(list, change(f.x, func(y *experiment.Experiment) {
				y.Plan.Statements[i].Percent, y.Plan.Statements[i].Span = 0, plan.Span{}
			}))
		}
	}
	return list
}

// sooner moves all that the plan has at given times to earlier ones, together.
func sooner(f *failure) (list []*experiment.Experiment) {
	first := time.Duration(-1)
	for i := range f.x.Plan.Statements {
		if t := f.x.Plan.Statements[i].At; timed(t) && (first < 0 || t.Time < first) {
			first = t.Time
		}
	}
	if first <= 0 {
		return nil
	}
	for _, begin := range scaled(first) {
		list = append(list, shifted(f.x, first-begin))
	}
	return list
}

// timed reports whether an instant names a time since the start of the run.
func timed(t plan.Instant) bool {
	return t.Kind == plan.AtTime || t.Kind == plan.AtCall && t.Time > 0
}

func shifted(x *experiment.Experiment, by time.Duration) *experiment.Experiment {
	return change(x, func(y *experiment.Experiment) {
		for i := range y.Plan.Statements {
			if t := &y.Plan.Statements[i].At; timed(*t) {
				t.Time = max(0, t.Time-by)
			}
		}
	})
}

// limits are numbers of operations that are tried.
var limits = []int{1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000, 5000}

// fewerOperations limits how many operations clients begin, with the crash
// where it is, or at an acknowledgement or a call that comes about with so few.
func fewerOperations(f *failure) (list []*experiment.Experiment) {
	for _, n := range append(limits, f.size.Operations-1) {
		if n < 1 || n >= f.size.Operations {
			continue
		}
		limit := func(y *experiment.Experiment) { y.Workload.Ops = n }
		// One client that only writes: its n-th operation is the n-th acknowledgement.
		list = append(list, change(f.x, func(y *experiment.Experiment) {
			limit(y)
			y.Workload.Clients, y.Workload.ReadRatio = 1, 0
			y.Plan.Statements[len(y.Plan.Statements)-1].At = plan.Instant{Kind: plan.AtAck, N: n}
		}))
		list = append(list, change(f.x, limit))
		for _, at := range earlyInstants(f.x, n) {
			list = append(list, change(f.x, func(y *experiment.Experiment) {
				limit(y)
				last := len(y.Plan.Statements) - 1
				y.Plan.Statements[last].At = at
			}))
		}
		if y := relative(f.x, n); y != nil {
			limit(y)
			list = append(list, y)
		}
	}
	return list
}

// earlyInstants are instants for the plan's last statement that come about
// within n operations.
func earlyInstants(x *experiment.Experiment, n int) (list []plan.Instant) {
	last := x.Plan.Statements[len(x.Plan.Statements)-1].At
	if last.Kind == plan.AtCall {
		for _, k := range []int{1, 2, n} {
			t := last
			t.N, t.Time = k, 0
			list = append(list, t)
		}
	}
	for _, k := range []int{n, (n + 1) / 2} {
		list = append(list, plan.Instant{Kind: plan.AtAck, N: k})
	}
	if n <= 10 {
		for _, k := range []int{1, 2} {
			list = append(list, plan.Instant{Kind: plan.AtCall, Node: experiment.Server, N: k, Place: disk.PlaceReturn,
				Call: plan.CallPattern{Op: "write", Glob: "*.incr.aof"}})
		}
	}
	return list
}

// relative has the first of two statements at an acknowledgement, and the next
// as long after it as it was.
func relative(x *experiment.Experiment, n int) *experiment.Experiment {
	s := x.Plan.Statements
	if len(s) != 2 || s[0].At.Kind != plan.AtTime || s[1].At.Kind != plan.AtTime || s[1].At.Time < s[0].At.Time {
		return nil
	}
	return change(x, func(y *experiment.Experiment) {
		y.Plan.Statements[0].At = plan.Instant{Kind: plan.AtAck, N: max(1, n/2)}
		y.Plan.Statements[1].At = plan.Instant{Kind: plan.AtAfter, Time: s[1].At.Time - s[0].At.Time}
	})
}

func fewerClients(f *failure) (list []*experiment.Experiment) {
	for _, n := range fewer(f.x.Workload.Clients) {
		list = append(list, change(f.x, func(y *experiment.Experiment) { y.Workload.Clients = n }))
	}
	return list
}

func fewerKeys(f *failure) (list []*experiment.Experiment) {
	for _, n := range fewer(f.x.Workload.Keys) {
		list = append(list, change(f.x, func(y *experiment.Experiment) { y.Workload.Keys = n }))
	}
	return list
}

// fewer are numbers below n worth a try.
func fewer(n int) (list []int) {
	for _, k := range []int{1, 2, 3, n / 2, n - 1} {
		if k >= 1 && k < n && !slices.Contains(list, k) {
			list = append(list, k)
		}
	}
	return list
}

// plainerWorkload only writes, one command at a time, one key at a time.
func plainerWorkload(f *failure) (list []*experiment.Experiment) {
	w := &f.x.Workload
	if w.ReadRatio > 0 {
		list = append(list, change(f.x, func(y *experiment.Experiment) { y.Workload.ReadRatio = 0 }))
	}
	if w.Name != "registers" {
		list = append(list, change(f.x, func(y *experiment.Experiment) { y.Workload.Name = "registers" }))
	}
	if w.Pipeline > 1 {
		list = append(list, change(f.x, func(y *experiment.Experiment) { y.Workload.Pipeline = 1 }))
	}
	return list
}

// plainerCrash does not insist that a sync is in flight: the plan says when the
// crash strikes.
func plainerCrash(f *failure) (list []*experiment.Experiment) {
	if f.x.Crash.When == experiment.InSync {
		list = append(list, change(f.x, func(y *experiment.Experiment) { y.Crash = y.Crash.Plainly() }))
	}
	return list
}

// plainerInstants says when in fewer words: at an acknowledgement instead of a
// call, at an earlier one, in the middle of a call.
func plainerInstants(f *failure) (list []*experiment.Experiment) {
	for i := range f.x.Plan.Statements {
		at := f.x.Plan.Statements[i].At
		set := func(t plan.Instant) {
			list = append(list, change(f.x, func(y *experiment.Experiment) { y.Plan.Statements[i].At = t }))
		}
		if at.Kind != plan.AtAfter && at.Kind != plan.AtAck {
			for _, n := range []int{1, 2, 3, 5, 8} {
				set(plan.Instant{Kind: plan.AtAck, N: n})
			}
		}
		switch at.Kind {
		case plan.AtTime, plan.AtAfter:
			for _, d := range append(scaled(at.Time), round(at.Time)) {
				if d < at.Time || len(d.String()) < len(at.Time.String()) {
					set(plan.Instant{Kind: at.Kind, Time: d})
				}
			}
		case plan.AtAck, plan.AtCall:
			for _, n := range fewer(at.N) {
				t := at
				t.N = n
				set(t)
			}
		}
		if at.Kind != plan.AtCall {
			continue
		}
		if at.Time > 0 {
			t := at
			t.Time = 0
			set(t)
		}
		if at.Place == disk.PlaceInFlight && at.Fraction != 0.5 {
			t := at
			t.Fraction = 0.5
			set(t)
		}
	}
	return list
}

// choiceComplexity is how much the choice of what survives asks of its reader.
func choiceComplexity(c *plan.PowerCut) float64 {
	switch {
	case !c.HasKeep:
		return 5
	case c.Keep.Mode == disk.KeepNone:
		return 0
	case c.Keep.Mode == disk.KeepAll:
		return 1
	case c.Keep.Mode == disk.KeepPrefix:
		return 2
	case c.Keep.Mode == disk.KeepTorn:
		return 3
	case c.Keep.Mode == disk.KeepRandom:
		return 5
	}
	return 4 + float64(len(c.Keep.IDs))/100
}

// plainerChoices lets simpler things survive a power cut: nothing, everything,
// a prefix, all but the end of the last write.
func plainerChoices(f *failure) (list []*experiment.Experiment) {
	for i := range f.x.Plan.Statements {
		cut, ok := f.x.Plan.Statements[i].Action.(*plan.PowerCut)
		if !ok {
			continue
		}
		keep := []disk.Choice{{Mode: disk.KeepNone}, {Mode: disk.KeepAll}}
		for k := range int64(8) {
			keep = append(keep, disk.Choice{Mode: disk.KeepPrefix, K: k})
		}
		for _, k := range []int64{1, 2, 8, 32} {
			keep = append(keep, disk.Choice{Mode: disk.KeepTorn, K: k})
		}
		for _, c := range keep {
			plainer := &plan.PowerCut{Node: cut.Node, HasKeep: true, Keep: c}
			if choiceComplexity(plainer) < choiceComplexity(cut) {
				list = append(list, change(f.x, func(y *experiment.Experiment) { y.Plan.Statements[i].Action = plainer }))
			}
		}
	}
	return list
}

func smallerValues(f *failure) (list []*experiment.Experiment) {
	for _, n := range []int{0, 8, f.x.Workload.ValueSize / 2} {
		if n < f.x.Workload.ValueSize {
			list = append(list, change(f.x, func(y *experiment.Experiment) { y.Workload.ValueSize = n }))
		}
	}
	return list
}
