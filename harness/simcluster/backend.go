package simcluster

import (
	"context"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/harness/splitbrain"
)

// Backend runs experiments on the embedded engine, with these bugs planted, in one
// simulator; close releases it.
func Backend(planted bugs.Set) (b splitbrain.Backend, close func()) {
	c := New()
	return splitbrain.Backend{
		Name: "sim", Target: "engine", System: System(),
		Run: func(ctx context.Context, s *splitbrain.Scenario, seed uint64) (*splitbrain.Outcome, error) {
			if err := context.Cause(ctx); err != nil {
				return nil, err
			}
			out, err := c.Run(s, Options{Seed: seed, Bugs: planted})
			if err != nil {
				return nil, err
			}
			out.Findings = c.Judge(out)
			return out, nil
		},
	}, c.Close
}
