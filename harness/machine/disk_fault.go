package machine

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
)

var onFaultDisk = Kind{
	System: (*OnFaultDisk)(nil), Word: "fuse", About: "the fault disk", Open: FaultDisks,
	Available: func() error {
		if err := fusefs.Available(); err != nil {
			return fmt.Errorf("the fault disk: %w (--disk host does without, for process kills)", err)
		}
		return nil
	},
}

// FaultDisks are volumes of one mount of the fault disk.
func FaultDisks(clock func() time.Duration) (Disks, error) {
	mount, err := fusefs.Serve("", fusefs.Options{Clock: clock})
	if err != nil {
		return nil, err
	}
	return &faultDisks{mount: mount}, nil
}

type faultDisks struct {
	mount   *fusefs.Mount
	volumes atomic.Uint64
}

func (f *faultDisks) Dir() string  { return f.mount.Dir() }
func (f *faultDisks) Close() error { return f.mount.Close() }

func (f *faultDisks) machine(p *Process) Machine { return &OnFaultDisk{Process: p} }

func (f *faultDisks) open(p *Process) (Disk, error) {
	personality, err := disk.PersonalityByName(p.setup.Personality)
	if err != nil {
		return nil, err
	}
	d := &volume{disks: f, options: fusefs.VolumeOptions{
		Hook: p.setup.Watch.Call, SyncLatency: p.syncs}}
	return d, d.attach(disk.New(disk.Options{Personality: personality, KeepLog: !p.setup.Forget, Plant: p.setup.DiskPlant, Tape: p.setup.Tape}))
}

// volume is a volume of the fault disk.
type volume struct {
	*fusefs.Volume
	disks   *faultDisks
	options fusefs.VolumeOptions
}

// attach makes a disk appear on the mount, under a name of its own.
func (v *volume) attach(d *disk.Disk) (err error) {
	v.Volume, err = v.disks.mount.Attach("v"+strconv.FormatUint(v.disks.volumes.Add(1), 10), d, v.options)
	return err
}

func (v *volume) Dir() string      { return v.Path() }
func (v *volume) Ours() *disk.Disk { return v.Disk() }
func (v *volume) Refuses() string  { return "" }
func (v *volume) LetGo()           { v.Detach() }
func (v *volume) Close() error     { return nil }

// Sound implements Disk.
func (v *volume) Sound() error {
	if err := v.disks.mount.Sound(); err != nil {
		return fmt.Errorf("the fault disk at %s %w: %w", v.disks.Dir(), ErrTaken, err)
	}
	return nil
}

func (v *volume) Files(f func(fsys vfs.FS)) error {
	v.With(func(d *disk.Disk) { f(d.FS(nil)) })
	return nil
}

// OnFaultDisk is a machine with a real server on the fault disk.
type OnFaultDisk struct{ *Process }

func (m *OnFaultDisk) volume() *volume { return m.disk.(*volume) }

// Name implements plan.System.
func (*OnFaultDisk) Name() string { return string(plan.Process) }

// Lacks implements plan.System.
func (*OnFaultDisk) Lacks(plan.Need) string { return "" }

// Unseen implements plan.Calls.
func (*OnFaultDisk) Unseen(p plan.CallPattern) string { return plan.UnseenOnFUSE(p) }

// PowerCut implements plan.Power. The disk is frozen as it was at the cut; when the last
// process is gone the image takes its place.
func (m *OnFaultDisk) PowerCut(_ []string, keep *disk.Choice) (why string, err error) {
	return m.cutPower(keep, func(choice disk.Choice, l *life) (loss PowerLoss, before *disk.Disk, err error) {
		v := m.volume()
		var uncrashed *disk.Disk
		v.With(func(d *disk.Disk) {
			before = d
			if m.setup.ReopenUncrashed {
				uncrashed = d.Clone()
			}
		})
		if loss.Cut, err = v.PowerCut(choice, l.redis); err != nil {
			return loss, nil, err
		}
		before.Thaw() // its image has taken its place
		l.redis.OutputDone()
		if uncrashed != nil {
			v.Detach()
			err = v.attach(uncrashed)
		}
		return loss, before, err
	})
}

// ReleaseCalls implements plan.HeldCalls.
func (m *OnFaultDisk) ReleaseCalls(string) (why string, err error) {
	m.volume().Resume()
	return "", nil
}

// OnDisk implements plan.Disks.
func (m *OnFaultDisk) OnDisk(_ string, f func(*disk.Disk)) (why string, err error) {
	m.volume().With(f)
	return "", nil
}

// AtRest implements plan.AtRest. While the server is dying it is put off.
func (m *OnFaultDisk) AtRest(_ string, damage func(*disk.Disk, string) (int, string)) (why string, err error) {
	if why, err = m.resting(); why == "" && err == nil {
		m.volume().With(func(d *disk.Disk) { why = m.damage(d, damage) })
	}
	return why, err
}

// resting is why the files are not at rest; "" when they are.
func (m *OnFaultDisk) resting() (why string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !m.gone && m.life.claimed:
		return "", plan.ErrNotYet
	case !m.gone:
		return notAtRest, nil
	}
	return "", nil
}

// Wipe implements plan.Directories.
func (m *OnFaultDisk) Wipe(string) (why string, err error) { return m.onFiles(m.setup.wipe) }

// AddLines implements plan.Configured.
func (m *OnFaultDisk) AddLines(_ string, lines []string) (why string, err error) {
	if m.setup.Conf == "" {
		return noConf, nil
	}
	return m.onFiles(func(fsys vfs.FS) error { return m.setup.addLines(fsys, lines) })
}

// Backup implements plan.Directories.
func (m *OnFaultDisk) Backup(string) (why string, err error) {
	m.volume().With(func(d *disk.Disk) { m.copy, err = copied(d.FS(nil)) })
	return "", err
}

// Restore implements plan.Directories.
func (m *OnFaultDisk) Restore(string) (why string, err error) {
	if m.copy == nil {
		return noBackup, nil
	}
	return m.onFiles(func(fsys vfs.FS) error { return m.setup.restore(fsys, m.copy) })
}

// onFiles changes files while nobody uses them.
func (m *OnFaultDisk) onFiles(do func(fsys vfs.FS) error) (why string, err error) {
	if why, err = m.resting(); why == "" && err == nil {
		m.volume().With(func(d *disk.Disk) { why = m.changed(d, do) })
	}
	return why, err
}
