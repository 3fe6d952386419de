package explore

import (
	"slices"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/image"
)

// Crash is an example of a crash and of what the server made of it.
type Crash struct {
	// Image is what it left, where only that can show it again: the recorded run of a
	// real server is not made twice, and no plan cuts the power in a recovery. Else nil.
	Image      *image.CrashImage
	Outcome    *experiment.Outcome
	Experiment *experiment.Experiment
}

// crashOn is crashOf with what a disk holds.
func (e *explorer) crashOn(m *experiment.Moment, left *disk.Disk, result int32) *Crash {
	image, err := image.NewCrashImage(left, &e.o.Mode)
	if err != nil {
		e.err = err
		return nil
	}
	return e.crashOf(m, image, result)
}

// crashOf keeps what a crash at a moment left and what the server made of it.
func (e *explorer) crashOf(m *experiment.Moment, left *image.CrashImage, result int32) *Crash {
	contract := &e.contract
	if m.Kind == experiment.MomentExit {
		contract = &e.final
	}
	o := m.Judge(&e.results[result].Recovered, contract)
	h := *o.History
	h.Ops, h.Epochs = slices.Clone(h.Ops), []history.Epoch{cloneEpoch(h.Epochs[0])}
	o.History = &h
	x := *e.x
	x.Crash = experiment.PowerLoss()
	return &Crash{left, o, &x}
}

// cloneEpoch copies what a moment lends.
func cloneEpoch(e history.Epoch) history.Epoch {
	e.LogWrites, e.LogSyncs = slices.Clone(e.LogWrites), slices.Clone(e.LogSyncs)
	e.Snapshots, e.Blocked, e.ChildRunning = slices.Clone(e.Snapshots), slices.Clone(e.Blocked), slices.Clone(e.ChildRunning)
	return e
}
