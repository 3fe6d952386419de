package splitbrain

import (
	"context"

	"github.com/torntail/torntail/faults/plan"
)

// Backend runs experiments on clusters of one kind.
type Backend struct {
	Name   string // "sim" or "process", as in reports
	Target string
	System plan.System // what a plan must be able to strike
	// Run runs one experiment. An error is the backend's own failure, or says that the
	// cluster could not be set up.
	Run func(ctx context.Context, s *Scenario, seed uint64) (*Outcome, error)
}

// Experiment runs a scenario once and judges it.
func (b *Backend) Experiment(ctx context.Context, s *Scenario, seed uint64) (*Report, *Outcome, error) {
	if err := s.Check(b.System); err != nil {
		return nil, nil, err
	}
	o, err := b.Run(ctx, s, seed)
	if err != nil {
		return nil, nil, err
	}
	r := Judge(s, o)
	r.Target, r.Version, r.Backend = b.Target, o.Version, b.Name
	return r, o, nil
}
