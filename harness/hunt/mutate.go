package hunt

import (
	"slices"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/internal/seeding"
)

// mutations change a copy of an experiment whose plan's statements are its own.
var mutations = []func(s *Space, x, other *experiment.Experiment, d *seeding.Draws){
	dropStatement, moveStatement, moveStatement, addStatement, addStatement, splice, otherMode, otherSettings, otherClients, otherDisk, endAgain,
}

// Mutate is a changed copy of an experiment under another seed; statements may come from
// another one.
func (s *Space) Mutate(of, other *experiment.Experiment, seed uint64) *experiment.Experiment {
	d := seeding.NewDraws(seeding.Derive(seed, 2))
	x := *of
	x.Seed, x.Plan = seed, &plan.Plan{Statements: slices.Clone(of.Plan.Statements)}
	x.Workload.Phases = slices.Clone(of.Workload.Phases)
	for range 1 + d.Below(3) {
		mutations[d.Below(len(mutations))](s, &x, other, d)
	}
	if _, err := experiment.KindOf(x.Plan); err != nil {
		return s.Draw(seed)
	}
	for i := range x.Plan.Statements { // its own, which fit changes
		if short, ok := x.Plan.Statements[i].Action.(*plan.Short); ok {
			own := *short
			x.Plan.Statements[i].Action = &own
		}
	}
	s.fit(&x, d)
	k, err := experiment.KindOf(x.Plan)
	if err != nil {
		return s.Draw(seed)
	}
	x.Crash = k
	if last := slices.Max(x.Plan.Instants()); last >= x.Mode.Span {
		x.Mode.Span = last + time.Second
	}
	return &x
}

// first is the place of the first statement that ends a life; those before it are of the
// first life.
func first(p *plan.Plan) int {
	return max(0, slices.IndexFunc(p.Statements, func(s plan.Statement) bool { return plan.EndsLife(s.Action) }))
}

func dropStatement(_ *Space, x, _ *experiment.Experiment, d *seeding.Draws) {
	if n := len(x.Plan.Statements); n > 1 {
		i := d.Below(n)
		x.Plan.Statements = slices.Delete(x.Plan.Statements, i, i+1)
		if s := &x.Plan.Statements[0]; s.At.Kind == plan.AtAfter {
			s.At.Kind = plan.AtTime
		}
	}
}

// moveStatement lets a statement strike somewhat earlier or later, or at another call.
func moveStatement(s *Space, x, _ *experiment.Experiment, d *seeding.Draws) {
	at := &x.Plan.Statements[d.Below(len(x.Plan.Statements))].At
	switch {
	case (at.Kind == plan.AtCall || at.Kind == plan.AtAck) && d.Below(2) == 0:
		at.N = 1 + d.Below(2*at.N+1)
	case at.Time > 0:
		at.Time = d.Between(at.Time/2, 2*at.Time).Round(10 * time.Microsecond)
	default:
		at.Time = s.at(x.Mode.Span, d).Time
	}
}

// addStatement adds what a fresh experiment has before its first end.
func addStatement(s *Space, x, _ *experiment.Experiment, d *seeding.Draws) {
	fresh := s.Draw(d.Next() >> 11)
	s.take(x, fresh, d)
}

// splice adds what another plan of the corpus has before its first end.
func splice(s *Space, x, other *experiment.Experiment, d *seeding.Draws) { s.take(x, other, d) }

func (s *Space) take(x, from *experiment.Experiment, d *seeding.Draws) {
	n := first(from.Plan)
	if n == 0 || len(x.Plan.Statements) > mostStatements {
		return
	}
	st := from.Plan.Statements[d.Below(n)]
	if st.At.Kind == plan.AtAfter {
		st.At = s.at(x.Mode.Span, d)
	}
	if experiment.CheckCommands(&plan.Plan{Statements: []plan.Statement{st}}, x.Mode.Store, x.Workload) != nil {
		return
	}
	x.Plan.Statements = slices.Insert(x.Plan.Statements, first(x.Plan), st)
}

// mostStatements is how long a plan may become.
const mostStatements = 12

// otherMode keeps the plan and takes another mode, with its settings.
func otherMode(s *Space, x, _ *experiment.Experiment, d *seeding.Draws) {
	m := s.Modes[d.Below(len(s.Modes))]
	m.Rate, m.Span, m.Period = x.Mode.Rate, x.Mode.Span, x.Mode.Period
	x.Mode = m
}

func otherSettings(s *Space, x, _ *experiment.Experiment, d *seeding.Draws) {
	x.Mode = x.Mode.With(s.drawSettings(d))
}

func otherClients(s *Space, x, _ *experiment.Experiment, d *seeding.Draws) {
	w := s.drawWorkload(&x.Mode, drawFeatures(d), x.Mode.Span, d)
	if experiment.CheckCommands(x.Plan, x.Mode.Store, w) == nil {
		x.Workload, x.Mode.Rate = w, w.Rate
	}
}

func otherDisk(s *Space, x, _ *experiment.Experiment, d *seeding.Draws) {
	x.Personality, x.Profile = s.Personalities[d.Below(len(s.Personalities))], s.Profiles[d.Below(len(s.Profiles))]
}

// endAgain adds one more end.
func endAgain(s *Space, x, _ *experiment.Experiment, d *seeding.Draws) {
	ends := 0
	for i := range x.Plan.Statements {
		if plan.EndsLife(x.Plan.Statements[i].Action) {
			ends++
		}
	}
	if ends < mostEnds {
		x.Plan.Statements = append(x.Plan.Statements, plan.Statement{
			At: plan.Instant{Kind: plan.AtAfter, Time: s.pause(2*time.Second, d)}, Action: s.end(d)})
	}
}

// mostEnds is how many lives a plan ends at most.
const mostEnds = 4
