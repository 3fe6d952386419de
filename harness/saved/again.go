package saved

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/image"
	"github.com/torntail/torntail/harness/machine"
)

// Judge judges the history of a saved failure again, as the run did, with what
// the harness saw of it. own replaces the contract on file; nil leaves it.
func (s *Saved) Judge(h *history.History, own *contract.File) (*experiment.Outcome, error) {
	x, err := s.Experiment(nil)
	if err != nil {
		return nil, err
	}
	if own != nil {
		x.Contract = own
	}
	o := &experiment.Outcome{Seed: s.Seed, History: h, Recovery: recoveryIn(h), Seen: s.Seen}
	slack := time.Duration(0)
	if s.Backend != string(plan.Sim) {
		slack = machine.RealSlack
	}
	experiment.Judge(x, o, slack)
	return o, nil
}

// recoveryIn is how the server came back from its last crash, as the history says.
func recoveryIn(h *history.History) machine.Recovery {
	how := machine.NotRestarted
	for i := range h.Events {
		switch h.Events[i].Kind {
		case history.Restarted:
			how = machine.ByItself
		case history.Refused:
			how = machine.RefusedToStart
		case history.Repaired:
			how = machine.Repaired
		}
	}
	return how
}

// Is reports whether dir is the directory of a saved failure.
func Is(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, savedFile))
	return err == nil
}

// Again starts a real server once more on a crash image that led to the
// outcome, and judges what it makes of it. If it comes back, it is made to write,
// killed, and started again.
func Again(ctx context.Context, o *experiment.Outcome, w *image.Server, x *experiment.Experiment, left *image.CrashImage) (*experiment.Outcome, image.SecondLife, error) {
	r, second, err := w.Start(ctx, left, true)
	if err != nil {
		return nil, second, err
	}
	again, err := o.With(&r, x, machine.RealSlack)
	return again, second, err
}

// AgainInSimulation is Again for the embedded engine.
func AgainInSimulation(o *experiment.Outcome, x *experiment.Experiment, left *image.CrashImage) (*experiment.Outcome, error) {
	personality, err := disk.PersonalityByName(x.Personality)
	if err != nil {
		return nil, err
	}
	d, err := left.Disk(disk.Options{Personality: personality, KeepLog: true})
	if err != nil {
		return nil, err
	}
	cold, err := image.NewCold(x)
	if err != nil {
		return nil, err
	}
	defer cold.Close()
	at := time.Duration(0)
	if len(o.History.Epochs) > 0 {
		at = o.History.Epochs[0].Ended
	}
	r, _, err := cold.Recover(d, at)
	if err != nil {
		return nil, err
	}
	return o.With(&r, x, 0)
}
