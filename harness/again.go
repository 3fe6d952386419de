package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
)

// Judge judges the history of a saved failure again, as the run did, with what
// the harness saw of it. own replaces the contract on file; nil leaves it.
func (s *Saved) Judge(h *history.History, own *contract.File) (*Outcome, error) {
	x, err := s.Experiment(nil)
	if err != nil {
		return nil, err
	}
	if own != nil {
		x.Contract = own
	}
	o := &Outcome{Seed: s.Seed, History: h, Recovery: recoveryIn(h), Seen: s.Seen}
	j := judging{}
	if strings.HasPrefix(s.Backend, "process") || s.Backend == string(plan.Block) {
		j.slack = realSlack
	}
	j.run(x, o)
	return o, nil
}

// recoveryIn is how the server came back from its last crash, as the history says.
func recoveryIn(h *history.History) Recovery {
	how := NotRestarted
	for i := range h.Events {
		switch h.Events[i].Kind {
		case history.Restarted:
			how = ByItself
		case history.Refused:
			how = RefusedToStart
		case history.Repaired:
			how = Repaired
		}
	}
	return how
}

// IsSaved reports whether dir is the directory of a saved failure.
func IsSaved(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, savedFile))
	return err == nil
}

// Again starts a real server once more on a crash image that led to the
// outcome, and judges what it makes of it. If it comes back, it is made to write,
// killed, and started again.
func (o *Outcome) Again(ctx context.Context, w *ImageServer, x *Experiment, image *CrashImage) (*Outcome, SecondLife, error) {
	r, second, err := w.Start(ctx, image, true)
	if err != nil {
		return nil, second, err
	}
	again, err := o.with(&r, x, realSlack)
	return again, second, err
}

// AgainInSimulation is Again for the embedded engine.
func (o *Outcome) AgainInSimulation(x *Experiment, image *CrashImage) (*Outcome, error) {
	personality, err := disk.PersonalityByName(x.Personality)
	if err != nil {
		return nil, err
	}
	d, err := image.disk(disk.Options{Personality: personality, KeepLog: true})
	if err != nil {
		return nil, err
	}
	cold, err := NewCold(x)
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
	return o.with(&r, x, 0)
}

// with is the outcome if this is what the server had made of what the crash left.
func (o *Outcome) with(r *Recovered, x *Experiment, slack time.Duration) (*Outcome, error) {
	h := &history.History{Ops: o.History.Ops, Epochs: o.History.Epochs}
	if len(h.Epochs) == 0 {
		return nil, errors.New("the history has no life of the server that the crash could have ended")
	}
	r.follow(h, h.Epochs[0].Ended)
	with := &Outcome{Seed: o.Seed, History: h, Recovery: r.How,
		Seen: Seen{NULBytes: r.NULBytes, WholeAOFVanished: o.WholeAOFVanished, OldIncrUnsynced: o.OldIncrUnsynced, ManifestAhead: o.ManifestAhead}}
	j := judging{slack: slack}
	j.run(x, with)
	return with, nil
}
