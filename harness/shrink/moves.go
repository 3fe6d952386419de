package shrink

import (
	"slices"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
)

// An edit makes an experiment simpler. The experiment is a copy whose plan's statements are
// its own; their actions are not.
type edit func(y *experiment.Experiment)

// A move proposes edits of a failure, the boldest first.
type move func(f *failure) []edit

// moves are all of them, in the order in which they are made: what makes runs
// short comes first, for it makes the others cheap.
var moves = []move{dropStatements, sooner, fewerOperations, fewerClients, fewerKeys, plainerWorkload, plainerCrash, plainerInstants, plainerChoices, smallerValues}

// dropping are the moves for real servers, of which a search makes few.
var dropping = []move{fewerLives, dropStatements, fewerSettings, steadier, fewerClients, plainerWorkload}

// moves are those that the options allow.
func (o *Options) moves() []move {
	switch {
	case o.Real:
		return dropping
	case o.Drawn:
		return append([]move{fewerLives, fewerSettings, steadier}, moves...)
	}
	return moves
}

// fewerLives ends the plan with an earlier end of a life.
func fewerLives(f *failure) (list []edit) {
	for i := range len(f.x.Plan.Statements) - 1 {
		if plan.EndsLife(f.x.Plan.Statements[i].Action) {
			list = append(list, func(y *experiment.Experiment) { y.Plan.Statements = y.Plan.Statements[:i+1] })
		}
	}
	return list
}

// settings are the places of directives that a mode has beside the preset's own.
func settings(x *experiment.Experiment) (places []int) {
	own, err := product.ModeByName(x.Mode.Store, x.Mode.Name)
	if err != nil {
		return nil
	}
	for i, d := range x.Mode.Directives {
		if !slices.Contains(own.Directives, d) {
			places = append(places, i)
		}
	}
	return places
}

// fewerSettings leaves out all directives that the preset of the mode has not, or one.
func fewerSettings(f *failure) (list []edit) {
	places := settings(f.x)
	without := func(gone []int) edit {
		return func(y *experiment.Experiment) {
			var kept []product.Directive
			for i, d := range y.Mode.Directives {
				if !slices.Contains(gone, i) {
					kept = append(kept, d)
				}
			}
			y.Mode.Directives = kept
		}
	}
	if len(places) > 1 {
		list = append(list, without(places))
	}
	for _, i := range places {
		list = append(list, without([]int{i}))
	}
	return list
}

// steadier lets clients write without phases, or with one less, and no client beside them.
func steadier(f *failure) (list []edit) {
	w := &f.x.Workload
	if len(w.Phases) > 0 {
		list = append(list, func(y *experiment.Experiment) { y.Workload.Phases = nil })
	}
	for i := range w.Phases {
		if len(w.Phases) > 1 {
			list = append(list, func(y *experiment.Experiment) {
				y.Workload.Phases = slices.Delete(slices.Clone(y.Workload.Phases), i, i+1)
			})
		}
	}
	if w.Beside {
		list = append(list, func(y *experiment.Experiment) { y.Workload.Beside = false })
	}
	return list
}

// edited is a copy of an experiment with an edit made.
func edited(x *experiment.Experiment, e edit) *experiment.Experiment {
	y := *x
	y.Plan = &plan.Plan{Statements: slices.Clone(x.Plan.Statements)}
	e(&y)
	return &y
}

// each are edits that set a number to each of a few values.
func each(values []int, set func(y *experiment.Experiment, n int)) (list []edit) {
	for _, n := range values {
		list = append(list, func(y *experiment.Experiment) { set(y, n) })
	}
	return list
}

// at is an edit that sets when the i-th statement strikes.
func at(i int, t plan.Instant) edit {
	return func(y *experiment.Experiment) { y.Plan.Statements[i].At = t }
}

// dropStatements leaves out one statement, or the share or span of one.
func dropStatements(f *failure) (list []edit) {
	for i := range f.x.Plan.Statements {
		if len(f.x.Plan.Statements) > 1 {
			list = append(list, func(y *experiment.Experiment) {
				y.Plan.Statements = slices.Delete(y.Plan.Statements, i, i+1)
				if i == 0 && y.Plan.Statements[0].At.Kind == plan.AtAfter {
					y.Plan.Statements[0].At.Kind = plan.AtTime
				}
			})
		}
	}
	for i := range f.x.Plan.Statements {
		if s := &f.x.Plan.Statements[i]; s.Percent > 0 || !s.Span.IsZero() {
			list = append(list, func(y *experiment.Experiment) {
				y.Plan.Statements[i].Percent, y.Plan.Statements[i].Span = 0, plan.Span{}
			})
		}
	}
	return list
}

// sooner moves all that the plan has at given times to earlier ones, together.
func sooner(f *failure) (list []edit) {
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
		list = append(list, func(y *experiment.Experiment) {
			for i := range y.Plan.Statements {
				if t := &y.Plan.Statements[i].At; timed(*t) {
					t.Time = max(0, t.Time-(first-begin))
				}
			}
		})
	}
	return list
}

// timed reports whether an instant names a time since the start of the run.
func timed(t plan.Instant) bool {
	return t.Kind == plan.AtTime || t.Kind == plan.AtCall && t.Time > 0
}

// limits are numbers of operations that are tried.
var limits = []int{1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000, 5000}

// fewerOperations limits how many operations clients begin, with the crash
// where it is, or at an acknowledgement or a call that comes about with so few.
func fewerOperations(f *failure) (list []edit) {
	last := len(f.x.Plan.Statements) - 1
	for _, n := range append(limits, f.size.Operations-1) {
		if n < 1 || n >= f.size.Operations {
			continue
		}
		// One client that only writes: its n-th operation is the n-th acknowledgement.
		list = append(list, func(y *experiment.Experiment) {
			y.Workload.Ops, y.Workload.Clients, y.Workload.ReadRatio = n, 1, 0
			at(last, plan.Instant{Kind: plan.AtAck, N: n})(y)
		}, func(y *experiment.Experiment) { y.Workload.Ops = n })
		for _, e := range append(earlyInstants(f.x, n), relative(f.x, n)...) {
			list = append(list, func(y *experiment.Experiment) {
				y.Workload.Ops = n
				e(y)
			})
		}
	}
	return list
}

// earlyInstants let the plan's last statement strike within n operations.
func earlyInstants(x *experiment.Experiment, n int) (list []edit) {
	last := len(x.Plan.Statements) - 1
	if t := x.Plan.Statements[last].At; t.Kind == plan.AtCall {
		for _, k := range []int{1, 2, n} {
			t.N, t.Time = k, 0
			list = append(list, at(last, t))
		}
	}
	for _, k := range []int{n, (n + 1) / 2} {
		list = append(list, at(last, plan.Instant{Kind: plan.AtAck, N: k}))
	}
	if log, _ := x.Mode.Store.Globs(); n <= 10 {
		for _, k := range []int{1, 2} {
			list = append(list, at(last, plan.Instant{Kind: plan.AtCall, Node: experiment.Server, N: k, Place: disk.PlaceReturn,
				Call: plan.CallPattern{Op: "write", Glob: log}}))
		}
	}
	return list
}

// relative has the first of two statements at an acknowledgement, and the next
// as long after it as it was.
func relative(x *experiment.Experiment, n int) []edit {
	s := x.Plan.Statements
	if len(s) != 2 || s[0].At.Kind != plan.AtTime || s[1].At.Kind != plan.AtTime || s[1].At.Time < s[0].At.Time {
		return nil
	}
	return []edit{func(y *experiment.Experiment) {
		at(0, plan.Instant{Kind: plan.AtAck, N: max(1, n/2)})(y)
		at(1, plan.Instant{Kind: plan.AtAfter, Time: s[1].At.Time - s[0].At.Time})(y)
	}}
}

func fewerClients(f *failure) []edit {
	return each(fewer(f.x.Workload.Clients), func(y *experiment.Experiment, n int) { y.Workload.Clients = n })
}

func fewerKeys(f *failure) []edit {
	return each(fewer(f.x.Workload.Keys), func(y *experiment.Experiment, n int) { y.Workload.Keys = n })
}

func smallerValues(f *failure) []edit {
	size := f.x.Workload.ValueSize
	smaller := slices.DeleteFunc([]int{0, 8, size / 2}, func(n int) bool { return n >= size })
	return each(smaller, func(y *experiment.Experiment, n int) { y.Workload.ValueSize = n })
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
func plainerWorkload(f *failure) (list []edit) {
	w := &f.x.Workload
	if w.ReadRatio > 0 {
		list = append(list, func(y *experiment.Experiment) { y.Workload.ReadRatio = 0 })
	}
	if w.Name != "registers" {
		list = append(list, func(y *experiment.Experiment) { y.Workload.Name = "registers" })
	}
	if w.Pipeline > 1 {
		list = append(list, func(y *experiment.Experiment) { y.Workload.Pipeline = 1 })
	}
	return list
}

// plainerCrash does not insist that a sync is in flight: the plan says when the
// crash strikes.
func plainerCrash(f *failure) (list []edit) {
	if f.x.Crash.When == experiment.InSync {
		list = append(list, func(y *experiment.Experiment) { y.Crash = y.Crash.Plainly() })
	}
	return list
}

// plainerInstants says when in fewer words: at an acknowledgement instead of a
// call, at an earlier one, in the middle of a call.
func plainerInstants(f *failure) (list []edit) {
	for i := range f.x.Plan.Statements {
		was := f.x.Plan.Statements[i].At
		// but is the instant with something else in it.
		but := func(change func(t *plan.Instant)) {
			t := was
			change(&t)
			list = append(list, at(i, t))
		}
		if was.Kind != plan.AtAfter && was.Kind != plan.AtAck {
			for _, n := range []int{1, 2, 3, 5, 8} {
				list = append(list, at(i, plan.Instant{Kind: plan.AtAck, N: n}))
			}
		}
		switch was.Kind {
		case plan.AtTime, plan.AtAfter:
			for _, d := range append(scaled(was.Time), round(was.Time)) {
				if d < was.Time || len(d.String()) < len(was.Time.String()) {
					list = append(list, at(i, plan.Instant{Kind: was.Kind, Time: d}))
				}
			}
		case plan.AtAck, plan.AtCall:
			for _, n := range fewer(was.N) {
				but(func(t *plan.Instant) { t.N = n })
			}
		}
		if was.Kind != plan.AtCall {
			continue
		}
		if was.Time > 0 {
			but(func(t *plan.Instant) { t.Time = 0 })
		}
		if was.Place == disk.PlaceInFlight && was.Fraction != 0.5 {
			but(func(t *plan.Instant) { t.Fraction = 0.5 })
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
func plainerChoices(f *failure) (list []edit) {
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
			plainer := &plan.PowerCut{Node: cut.Node, More: cut.More, HasKeep: true, Keep: c}
			if choiceComplexity(plainer) < choiceComplexity(cut) {
				list = append(list, func(y *experiment.Experiment) { y.Plan.Statements[i].Action = plainer })
			}
		}
	}
	return list
}
