package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
)

// This file is what is different for real servers on a real file system over a
// logged disk (faults/blocklog). What a power cut leaves is decided by the kernel's
// file system and by which blocks survive; no model has a part in it. Nobody sees
// the server's calls, so that contracts are judged without the disk's log, as on
// the host's own disk.

// measured is the prefix of personalities that are none of ours: the file system
// itself follows.
const measured = "real "

// RealFS is the personality of experiments on a real file system.
func RealFS(fs blocklog.FS) string { return measured + fs.String() }

// IsRealFS is the file system that RealFS was given.
func IsRealFS(personality string) (blocklog.FS, bool) {
	text, ok := strings.CutPrefix(personality, measured)
	if !ok {
		return blocklog.FS{}, false
	}
	fs, err := blocklog.ParseFS(text)
	return fs, err == nil
}

// withoutModel reports whether the disk is none of our models.
func withoutModel(personality string) bool {
	return personality == HostDisk || strings.HasPrefix(personality, measured)
}

// commitOf is how long a real file system keeps metadata before it writes it
// unasked, as its personality has it: write-back is no use to a reader before.
func commitOf(personality string) time.Duration {
	fs, ok := IsRealFS(personality)
	if !ok {
		return 0
	}
	p, err := disk.PersonalityByName(fs.Kind)
	if err != nil {
		return 0
	}
	return p.Commit
}

// blockSize is the size of a server's disk, in bytes: room for an experiment's
// files, and for a rewrite of them beside them.
func blockSize(fs blocklog.FS) int64 { return max(64<<20, fs.SmallestSize()) }

// NewBlockRig is for experiments with a server binary on a real file system. Close
// it when done.
func NewBlockRig(binary string, fs blocklog.FS) (*Rig, error) {
	r := rigFor(binary)
	host, err := blocklog.NewHost()
	if err != nil {
		return nil, err
	}
	r.block, r.fs = host, fs
	if r.empty, err = host.Format(fs, blockSize(fs)); err == nil {
		// Whether the options are taken is known now, and not in the first experiment.
		var v *blocklog.Volume
		if v, err = host.Mount(blocklog.NewDevice(r.empty, blocklog.DeviceOptions{}), fs); err == nil {
			err = v.Unmount()
		}
	}
	if err != nil {
		return nil, errors.Join(err, host.Close())
	}
	return r, nil
}

// BlockServer is a real server on a real file system.
func BlockServer(r *Rig, version string) Backend {
	b := RealServer(r, version)
	b.Name, b.needs, b.adapt = string(plan.Block), needsFiles, withBlocks
	b.Runs = blockRuns
	b.Parallel = func(m *product.Mode) int {
		if m.Rate == 0 {
			return runtime.GOMAXPROCS(0)
		}
		return blockTogether * runtime.GOMAXPROCS(0)
	}
	return b
}

const (
	// blockRuns is how many crashes of a pair must strike: file systems are
	// mounted, written and mounted again for each.
	blockRuns = 20
	// blockTogether is how many paced servers run for each CPU, each with a mounted
	// file system of its own.
	blockTogether = 8
)

// needsFiles is why a crash kind cannot strike on a real file system.
func needsFiles(k *CrashKind) string {
	switch {
	case k.AtRest:
		return "files at rest are in reach on the fault disk only"
	case k.When == SlowSync:
		return "whose flush was slow cannot be told apart on a real file system (--plan 'plan 1 ... slow fsync(block/*) 2s' slows all)"
	}
	return ""
}

// withBlocks is a drawn plan whose calls are requests of the disk: a sync is a
// flush, a write a write of blocks. Other calls are replaced by a time within the
// width of the rewrite that they would have been part of.
func withBlocks(p *plan.Plan, seed uint64) *plan.Plan {
	d := draws{state: seeding.Derive(seed, 8)}
	out := &plan.Plan{Statements: slices.Clone(p.Statements)}
	for i := range out.Statements {
		s := &out.Statements[i]
		if slow, ok := s.Action.(*plan.Slow); ok {
			copied := *slow
			copied.Call.Glob = "block/*"
			s.Action = &copied
		}
		switch {
		case s.At.Kind != plan.AtCall:
		case s.At.Call.Op == "fsync", s.At.Call.Op == "write":
			s.At.Call.Glob = "block/*"
		default:
			s.At = plan.Instant{Kind: plan.AtTime, Time: s.At.Time + d.between(0, rewriteWidth).Round(10*time.Microsecond)}
		}
	}
	return out
}

// mountBlock puts a device with an image under the server to come.
func (s *ServerRunner) mountBlock(m *blocklog.Image) (err error) {
	var device *blocklog.Device
	device = blocklog.NewDevice(m, blocklog.DeviceOptions{
		Hook:        func(r *blocklog.Request) blocklog.Decision { return s.onRequest(device, r) },
		IgnoreFlush: s.x.Plants.Disk&disk.PlantIgnoreSync != 0, Clock: s.rig.clock,
		KeepLog: s.recording != nil,
	})
	s.block, err = s.rig.block.Mount(device, s.rig.fs)
	return err
}

// unmountBlock takes the device away; what the file system still writes is lost with it.
func (s *ServerRunner) unmountBlock() error {
	if s.block == nil {
		return nil
	}
	s.block.Device().PowerCut()
	err := s.block.Unmount()
	s.block = nil
	return err
}

// onRequest is asked about every request of the disk, as onCall is about calls. Its
// strike must not wait for the server's end, which may wait for this request.
func (s *ServerRunner) onRequest(device *blocklog.Device, r *blocklog.Request) blocklog.Decision {
	c := &disk.Call{Kind: disk.OpFsync, Path: "block/flush", Off: r.Off, Len: int64(len(r.Data)), Enter: s.rig.clock(), Return: disk.Never}
	if r.Kind == blocklog.Write {
		c.Kind, c.Path = disk.OpWrite, "block/other"
		if product.HoldsCommands(r.Data) {
			c.Path = "block/aof"
		}
	}
	d := s.onCall(c)
	do := blocklog.Decision{Err: d.Err, Short: int(d.Short), Delay: d.Delay}
	if d.Strike == nil {
		return do
	}
	flush := r.Kind == blocklog.Flush && d.Place == disk.PlaceInFlight
	do.Strike = func() {
		struck := make(chan struct{})
		s.begin(func() {
			defer close(struck)
			if flush {
				s.mu.Lock()
				s.inFlush = true
				s.mu.Unlock()
			}
			d.Strike()
		})
		// A power cut lets the request go when the disk is frozen, everything else
		// when it has been done.
		for !device.Frozen() {
			select {
			case <-struck:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}
	return do
}

// blockPowerCut cuts the power of a disk of blocks, and mounts what is left of it.
func (s *ServerRunner) blockPowerCut(choice disk.Choice, l *life) {
	device := s.block.Device()
	log := device.PowerCut()
	l.redis.KillTree()
	l.redis.WaitTree()
	l.redis.OutputDone()
	crash := log.CrashOf(log.Len(), choice)
	if s.x.Plants.Disk&disk.PlantLoseNothing != 0 {
		crash = log.CrashOf(log.Len(), disk.Choice{Mode: disk.KeepAll})
	}
	s.mu.Lock()
	s.out.OldIncrUnsynced, s.out.InFsync = s.log.Working, s.inFlush
	if s.log.Working {
		s.out.CrashPoint = "a rewrite or snapshot under way"
	}
	s.mu.Unlock()
	s.out.asked = choice
	s.out.Cut = disk.Cut{Asked: choice, Choice: choice, At: l.at, Ops: len(log.InPlay(log.Len())), LostOps: len(log.InPlay(log.Len())) - len(crash.Keep)}
	if !s.x.Mode.Sync || s.pendingWrite() {
		s.out.Cut.Ops++ // what the kernel had not given to the disk; nobody counts it
	}
	image := log.Image(crash)
	if err := s.unmountBlock(); err != nil {
		s.fail(fmt.Errorf("power cut: %w", err))
		return
	}
	err := s.mountBlock(image)
	var refused *blocklog.RefusedError
	switch {
	case errors.As(err, &refused):
		s.mu.Lock()
		s.unmountable = refused.Error()
		s.mu.Unlock()
	case err != nil:
		s.fail(fmt.Errorf("after the power cut: %w", err))
	default:
		s.files(func(fsys vfs.FS) {
			if product.BetweenIncrs(fsys) {
				s.out.OldIncrUnsynced = true
			}
		})
	}
}

// pendingWrite reports whether a client waited for the reply to a write when the
// record was sealed.
func (s *ServerRunner) pendingWrite() bool {
	s.env.Enter()
	defer s.env.Leave()
	for i := range s.hist.Ops {
		if o := &s.hist.Ops[i]; o.Outcome == history.Unknown && o.Writes() {
			return true
		}
	}
	return false
}

// filesOn is a copy of a volume's files in memory: torntail itself never uses a
// file system whose disk it serves.
func filesOn(v *blocklog.Volume) (*disk.Disk, error) {
	files, err := v.Files(".")
	if err != nil {
		return nil, err
	}
	d := disk.New(disk.Options{})
	fsys := d.FS(nil)
	for _, name := range sortedNames(files) {
		if dir, _, ok := strings.Cut(name, "/"); ok {
			if err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, err
			}
		}
		if strings.Count(name, "/") > 1 {
			continue // no file of the server's
		}
		if err := vfs.WriteFile(fsys, name, files[name]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func sortedNames(files map[string][]byte) []string {
	names := make([]string, 0, len(files))
	for name := range files { // any order: sorted below
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
