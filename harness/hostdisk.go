package harness

import (
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
	"github.com/torntail/torntail/internal/seeding"
)

// This file is what is different for real servers on the host's own disk: what
// can be done without /dev/fuse. Processes are killed there; the power cannot be
// cut, calls cannot be struck at, and nobody logs what the server wrote.

// HostDisk is the personality of experiments on the host's own disk: none of ours.
const HostDisk = ""

// needsFaultDisk is why a crash kind cannot strike on the host's own disk; ""
// when it can.
func needsFaultDisk(k *CrashKind) string {
	switch {
	case k.Power:
		return "power cuts need the fault disk (--disk fuse)"
	case k.When != AnyTime, k.AtRest:
		return "calls are in reach on the fault disk only (--disk fuse)"
	}
	return ""
}

// NewHostRig is for experiments with a server binary in directories of the host's
// own, below the directory for temporary files. Close it when done.
func NewHostRig(binary string) (*Rig, error) {
	r := rigFor(binary)
	dir, err := os.MkdirTemp("", "torntail-host-")
	if err != nil {
		return nil, err
	}
	watchdog, err := guard.Default()
	if err != nil {
		os.Remove(dir)
		return nil, err
	}
	r.host, r.release = dir, watchdog.Dir(dir)
	return r, nil
}

// HostServer is a real server on the host's own disk.
func HostServer(r *Rig, version string) Backend {
	b := RealServer(r, version)
	b.Name, b.needs, b.adapt = string(plan.ProcessHost), needsFaultDisk, withoutCalls
	return b
}

// withoutCalls is a drawn plan in which what would strike at a disk call strikes
// at a time: within the width of the rewrite that the call would have been part of.
func withoutCalls(p *plan.Plan, seed uint64) *plan.Plan {
	d := draws{state: seeding.Derive(seed, 8)}
	out := &plan.Plan{Statements: slices.Clone(p.Statements)}
	for i := range out.Statements {
		s := &out.Statements[i]
		if s.At.Kind == plan.AtCall {
			s.At = plan.Instant{Kind: plan.AtTime, Time: s.At.Time + d.between(0, rewriteWidth).Round(10*time.Microsecond)}
		}
	}
	return out
}

// withoutLog is a contract as far as it can be judged without the disk's log:
// what was written, synced or saved at which instant is not known, so any prefix
// will do that is not shorter than the source's bound allows.
func withoutLog(c contract.Contract) contract.Contract {
	switch c.Keeps {
	case contract.KeepsSynced, contract.KeepsWritten, contract.KeepsSnapshot:
	default:
		return c
	}
	longest := time.Duration(0)
	for _, b := range c.Bounds {
		longest = max(longest, b.Value)
	}
	for _, p := range c.SavePoints {
		longest = max(longest, p.After+time.Second)
	}
	c.Keeps, c.SyncWithin, c.SavePoints = contract.KeepsNothing, 0, nil
	if c.MaxWindow < 0 && longest > 0 {
		c.MaxWindow = longest + c.SyncSlack
	}
	return c
}

// place is where the files of a server under test are: a volume of the fault
// disk, a directory of the host's own, or a real file system.
func (s *ServerRunner) place() string {
	switch {
	case s.block != nil:
		return s.block.Dir()
	case s.volume == nil:
		return s.dir
	}
	return s.volume.Path()
}

// settle makes the place of a new experiment.
func (s *ServerRunner) settle(d *disk.Disk) (err error) {
	if s.rig.mount != nil {
		s.volume, err = s.rig.attach(d, s.options)
		return err
	}
	s.volume = nil
	if s.rig.block != nil {
		return s.mountBlock(s.rig.empty)
	}
	s.dir, err = os.MkdirTemp(s.rig.host, "v")
	return err
}

// files is what is at the place now. Nobody may be writing.
func (s *ServerRunner) files(f func(fsys vfs.FS)) {
	if s.block != nil {
		d, err := filesOn(s.block)
		if err != nil {
			s.fail(fmt.Errorf("read what the server left: %w", err))
			return
		}
		f(d.FS(nil))
		return
	}
	if s.volume == nil {
		f(osfs.New(s.dir))
		return
	}
	s.volume.With(func(d *disk.Disk) { f(d.FS(nil)) })
}
