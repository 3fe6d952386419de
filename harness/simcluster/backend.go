package simcluster

import (
	"context"
	"fmt"

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
			out.Evidence = func() ([]splitbrain.Evidence, error) {
				return evidence(s, Options{Seed: seed, Bugs: planted}, out.Trace)
			}
			return out, nil
		},
	}, c.Close
}

// evidence runs the experiment once more, in a simulator of its own, for what was not kept the
// first time.
func evidence(s *splitbrain.Scenario, o Options, trace uint64) ([]splitbrain.Evidence, error) {
	c := New()
	defer c.Close()
	c.logs = new(splitbrain.Logs)
	again, err := c.Run(s, o)
	if err != nil {
		return nil, err
	}
	if again.Trace != trace {
		return nil, fmt.Errorf("seed %d: run again for the logs it has trace %016x, and had %016x", o.Seed, again.Trace, trace)
	}
	return c.Nodes.Evidence(c.logs), nil
}
