package cluster

import (
	"context"
	"os/exec"

	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/splitbrain"
)

// Backend runs experiments on a server binary. lacking makes the error for one that
// is not there.
func Backend(target string, lacking func(target string, err error) error) (splitbrain.Backend, error) {
	if _, err := exec.LookPath(target); err != nil {
		return splitbrain.Backend{}, lacking(target, err)
	}
	if _, err := process.Version(target); err != nil {
		return splitbrain.Backend{}, err
	}
	return splitbrain.Backend{
		Name: "process", Target: target, System: System(),
		Run: func(ctx context.Context, s *splitbrain.Scenario, seed uint64) (*splitbrain.Outcome, error) {
			return Run(ctx, s, Options{Binary: target, Seed: seed})
		},
	}, nil
}
