package saved

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/image"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/reports/result"
)

// imageDir is where a saved failure has its crash image, if it was found by
// exploring a real server.
const imageDir = "image"

// SaveCrash is Save for a failure that starting on an image shows; nil: running the
// experiment does.
func SaveCrash(dir, torntail string, b campaign.Backend, x *experiment.Experiment, o *experiment.Outcome, left *image.CrashImage) error {
	if err := Save(dir, torntail, b, x, o); err != nil || left == nil {
		return err
	}
	to := filepath.Join(dir, imageDir)
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	return left.WriteTo(to, nil)
}

// HasImage reports whether what is saved is a crash image to start a server on.
func (s *Saved) HasImage() bool {
	info, err := os.Stat(filepath.Join(s.dir, imageDir))
	return err == nil && info.IsDir()
}

// Start starts the server on the saved crash image and judges what it makes of
// it. Without a rig it is the engine, in a simulated world.
func (s *Saved) Start(ctx context.Context, r *machine.Rig, x *experiment.Experiment) (*experiment.Outcome, error) {
	left, err := image.ReadCrashImage(filepath.Join(s.dir, imageDir), &x.Mode)
	if err != nil {
		return nil, fmt.Errorf("crash image: %w", err)
	}
	h, err := history.Load(filepath.Join(s.dir, HistoryFile))
	if err != nil {
		return nil, err
	}
	first := &experiment.Outcome{Seed: s.Seed, History: h, Seen: experiment.Seen{Signs: s.Seen.Signs}}
	if r == nil {
		return AgainInSimulation(first, x, left)
	}
	read := time.Duration(0)
	for i := range h.States {
		read = h.States[i].At
	}
	dir, remove, err := image.Dir()
	if err != nil {
		return nil, err
	}
	defer remove()
	w, err := image.NewServer(r, x, read, dir)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	o, life, err := Again(ctx, first, w, x, left)
	if err == nil && life.Wrong != "" && o.Verdict != result.Violated {
		o.Verdict = result.Violated
		o.Anomalies = append(o.Anomalies, experiment.Anomaly{Name: string(anomaly.Unrecoverable), Story: life.Wrong})
	}
	return o, err
}
