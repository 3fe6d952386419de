package hunt

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// tryTogether is how many servers are started side by side to see what they take.
const tryTogether = 8

// leaveOut leaves out of the space the settings with which a real server does not start:
// another version has other names. It is asked, for no table knows every server.
func (t *tally) leaveOut(ctx context.Context) error {
	s := *t.h.Space
	refused := make([]bool, len(s.Settings))
	var all errgroup.Group
	all.SetLimit(min(t.workers, tryTogether))
	var mu sync.Mutex
	for i := range s.Settings {
		all.Go(func() error {
			_, err := t.b.RunOnce(ctx, t.starting(&s.Settings[i]))
			var start *process.StartError
			if refuses := errors.As(err, &start) && start.Exited; refuses || ctx.Err() != nil {
				mu.Lock()
				defer mu.Unlock()
				refused[i] = refuses
				return nil
			}
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	s.Settings = slices.Clone(s.Settings)
	for i := len(refused) - 1; i >= 0; i-- {
		if refused[i] {
			t.result.LeftOut = append(t.result.LeftOut, s.Settings[i].Name)
			s.Settings = slices.Delete(s.Settings, i, i+1)
		}
	}
	slices.Sort(t.result.LeftOut)
	if len(s.Settings) == 0 { // then it is something else that it refuses, which the hunt will tell
		t.result.LeftOut, s.Settings = nil, t.h.Space.Settings
	}
	of := *t.h
	of.Space = &s
	t.h = &of
	return nil
}

// starting starts a server with a setting, and ends it.
func (t *tally) starting(set *product.Setting) *experiment.Experiment {
	s := t.h.Space
	m := s.Modes[0].With([]product.Directive{{Name: set.Name, Value: set.Values[0]}})
	w := workloads.Default()
	w.Ops, w.Clients = 1, 1
	m.Span = time.Second
	x := &experiment.Experiment{Mode: m, Workload: w, Personality: s.Personality, Profile: s.Profile, Seed: 1,
		Plan: &plan.Plan{Statements: []plan.Statement{{Action: &plan.Kill{Node: experiment.Server}}}}}
	x.Crash, _ = experiment.KindOf(x.Plan) // it has an end
	t.suit(x)
	x.Observer = nil
	return x
}
