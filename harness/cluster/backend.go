package cluster

import (
	"context"

	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/harness/target"
)

// Backend runs experiments on a server.
func Backend(of *target.Server) splitbrain.Backend {
	return splitbrain.Backend{
		Name: "process", Target: of.Name, System: System(),
		Run: func(ctx context.Context, s *splitbrain.Scenario, seed uint64) (*splitbrain.Outcome, error) {
			return Run(ctx, s, Options{Server: of.Rig, Seed: seed})
		},
	}
}
