package experiment

import (
	"context"
	"io"

	"github.com/torntail/torntail/harness/machine"
)

// Simulator runs experiments with the embedded engine in the simulated world.
type Simulator struct{ *Runner }

// NewSimulator makes one. Close it when done.
func NewSimulator() *Simulator { return &Simulator{NewRunner(machine.NewSimulated())} }

// Run runs one experiment. trace, when not nil, receives the run's events as text.
func (s *Simulator) Run(x *Experiment, trace io.Writer) (*Outcome, error) {
	s.setup.Trace = trace
	return s.Runner.Run(context.Background(), x)
}
