package shrink

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/reports/result"
)

// DirName is the directory, inside that of a saved failure, in which the small one is saved.
const DirName = "shrunk"

// ErrReal means that a failure is one of a real server.
type ErrReal struct{ Target string }

func (e *ErrReal) Error() string {
	return fmt.Sprintf("it is a failure of %s as a real process, which no plan repeats exactly: only failures in simulation can be shrunk", e.Target)
}

// Of is the saved failure's own name: its anomaly, or the finding it shows.
func Of(s *saved.Saved) string {
	if s.Verdict != result.Violated && s.Finding != "" {
		return s.Finding
	}
	return s.Anomaly
}

// Saved shrinks a saved failure and saves the small one as a replay directory
// of its own, which torntail replay takes; the plan is in its plan.txt.
func Saved(dir, into, torntail string, o Options) (*Result, error) {
	from, err := saved.Load(dir)
	if err != nil {
		return nil, err
	}
	b := campaign.Simulation()
	if from.Backend != b.Name {
		return nil, &ErrReal{from.Target}
	}
	x, err := from.Experiment(nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	sim := experiment.NewSimulator()
	defer sim.Close()
	want := Of(from)
	r, err := Shrink(context.Background(), sim.Runner, x, want, o)
	if err != nil {
		return nil, err
	}
	last, err := sim.Run(r.Experiment, nil)
	if err != nil {
		return nil, err
	}
	if err := saved.Save(into, torntail, b, r.Experiment, last); err != nil {
		return nil, err
	}
	r.Stories = append(r.Stories, last.Anomalies...)
	return r, os.WriteFile(filepath.Join(into, "shrunk.txt"), []byte(r.Describe(want)), 0o644)
}

// Results shrinks the first failure of each result that was saved, and notes in
// it where the small one is. A failure that does not shrink stays as it is.
// progress, when not nil, is told which one is at hand.
func Results(results []result.Result, torntail string, progress func(dir string)) error {
	for i := range results {
		for j := range results[i].Failures {
			f := &results[i].Failures[j]
			if f.Anomaly == "" || f.Dir == "" || f.Shrunk != nil {
				continue
			}
			if progress != nil {
				progress(f.Dir)
			}
			into := filepath.Join(f.Dir, DirName)
			r, err := Saved(f.Dir, into, torntail, Options{})
			if err != nil {
				return fmt.Errorf("shrink %s: %w", f.Dir, err)
			}
			f.Shrunk = &result.Shrunk{Dir: into, Plan: r.Experiment.Plan.String(), Faults: r.After.Faults, Operations: r.After.Operations}
			break
		}
	}
	return nil
}
