package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
)

// This file is real servers on a real file system over a logged disk
// (faults/blocklog). What a power cut leaves is decided by the kernel's file system
// and by which blocks survive; no model has a part in it. Nobody sees the server's
// calls; requests of the disk are struck at instead.

var onBlocks = Kind{System: (*OnBlocks)(nil)} // asked for with its file system: BlockDisks

// BlockDisks are disks with a real file system, each of which begins empty.
func BlockDisks(of blocklog.FS) func(clock func() time.Duration) (Disks, error) {
	return func(func() time.Duration) (Disks, error) {
		host, err := blocklog.NewHost()
		if err != nil {
			return nil, err
		}
		b := &Blocks{Host: host, FS: of}
		if b.empty, err = host.Format(of, blockSize(of)); err == nil {
			// Whether the options are taken is known now, and not in the first experiment.
			var v *blocklog.Volume
			if v, err = host.Mount(blocklog.NewDevice(b.empty, blocklog.DeviceOptions{}), of); err == nil {
				err = v.Unmount()
			}
		}
		if err != nil {
			return nil, errors.Join(err, host.Close())
		}
		return b, nil
	}
}

// Blocks are logged disks with a real file system.
type Blocks struct {
	Host  *blocklog.Host
	FS    blocklog.FS
	empty *blocklog.Image
}

// blockSize is the size of a server's disk, in bytes: room for an experiment's
// files, and for a rewrite of them beside them.
func blockSize(fs blocklog.FS) int64 { return max(64<<20, fs.SmallestSize()) }

func (b *Blocks) Dir() string  { return b.Host.Dir() }
func (b *Blocks) Close() error { return b.Host.Close() }

func (b *Blocks) machine(p *Process) Machine { return &OnBlocks{Process: p} }

func (b *Blocks) open(p *Process) (Disk, error) {
	d := &blocks{of: b, p: p}
	return d, d.mount(b.empty)
}

// blocks is a logged disk, mounted.
type blocks struct {
	*blocklog.Volume
	of      *Blocks
	p       *Process
	refuses string // what the power cut left could not be mounted, and why
	inFlush bool   // something struck inside a flush; under the machine's mu
}

// mount puts a device with an image under the server to come.
func (b *blocks) mount(m *blocklog.Image) (err error) {
	var device *blocklog.Device
	device = blocklog.NewDevice(m, blocklog.DeviceOptions{
		Hook:        func(r *blocklog.Request) blocklog.Decision { return b.onRequest(device, r) },
		IgnoreFlush: b.p.setup.DiskPlant&disk.PlantIgnoreSync != 0, Clock: b.p.rig.Clock,
		KeepLog: b.p.setup.KeepBlocks,
	})
	b.Volume, err = b.of.Host.Mount(device, b.of.FS)
	return err
}

// unmount takes the device away; what the file system still writes is lost with it.
func (b *blocks) unmount() error {
	if b.Volume == nil {
		return nil
	}
	b.Device().PowerCut()
	err := b.Unmount()
	b.Volume = nil
	return err
}

func (b *blocks) Ours() *disk.Disk { return nil }
func (b *blocks) Refuses() string  { return b.refuses }
func (b *blocks) Sound() error     { return nil }
func (b *blocks) LetGo()           {}
func (b *blocks) Close() error     { return b.unmount() }

func (b *blocks) Files(f func(fsys vfs.FS)) error {
	d, err := FilesOn(b.Volume)
	if err != nil {
		return fmt.Errorf("read what the server left: %w", err)
	}
	f(d.FS(nil))
	return nil
}

// blockDir is where the requests of a logged disk seem to be files: block/aof is a
// write that carries a part of an append-only file, block/other any other write,
// block/flush a flush, whose word is fsync.
const blockDir = "block/"

// AnyBlock matches all of them.
const AnyBlock = blockDir + "*"

// onRequest is asked about every request of the disk. Its strike must not wait for
// the server's end, which may wait for this request.
func (b *blocks) onRequest(device *blocklog.Device, r *blocklog.Request) blocklog.Decision {
	ask := b.p.setup.Watch.Call
	if ask == nil {
		return blocklog.Decision{}
	}
	c := &disk.Call{Kind: disk.OpFsync, Path: blockDir + "flush", Off: r.Off, Len: int64(len(r.Data)), Enter: b.p.rig.Clock(), Return: disk.Never}
	if r.Kind == blocklog.Write {
		c.Kind, c.Path = disk.OpWrite, blockDir+"other"
		if b.p.mode.Store.HoldsCommands(r.Data) {
			c.Path = blockDir + "aof"
		}
	}
	d := ask(c)
	do := blocklog.Decision{Err: d.Err, Short: int(d.Short), Delay: d.Delay}
	if d.Strike == nil {
		return do
	}
	flush := r.Kind == blocklog.Flush && d.Place == disk.PlaceInFlight
	do.Strike = func() {
		struck := make(chan struct{})
		b.p.Begin(func() {
			defer close(struck)
			if flush {
				b.p.mu.Lock()
				b.inFlush = true
				b.p.mu.Unlock()
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

// OnBlocks is a machine with a real server on a real file system over a logged disk.
type OnBlocks struct{ *Process }

func (m *OnBlocks) blocks() *blocks { return m.disk.(*blocks) }

// Name implements plan.System.
func (*OnBlocks) Name() string { return string(plan.Block) }

// Lacks implements plan.System.
func (*OnBlocks) Lacks(n plan.Need) string {
	switch n {
	case plan.NeedHeldCalls, plan.NeedDisks, plan.NeedAtRest:
		return "the file system is the kernel's own; of its disk, requests can fail, be slow or be short"
	}
	return ""
}

// Unseen implements plan.Calls.
func (*OnBlocks) Unseen(p plan.CallPattern) string {
	if strings.HasPrefix(p.Glob, blockDir) && (p.Op == "write" || p.Op == "fsync") {
		return ""
	}
	return "the block backend sees blocks, not calls: write(block/*), write(block/aof) and fsync(block/*) are the disk's requests"
}

// PowerCut implements plan.Power: it cuts the power of the disk, and mounts what is
// left of it.
func (m *OnBlocks) PowerCut(_ []string, keep *disk.Choice) (why string, err error) {
	return m.cutPower(keep, func(choice disk.Choice, l *life) (loss PowerLoss, _ *disk.Disk, err error) {
		b := m.blocks()
		log := b.Device().PowerCut()
		l.redis.KillTree()
		l.redis.WaitTree()
		l.redis.OutputDone()
		crash := log.CrashOf(log.Len(), choice)
		if m.setup.DiskPlant&disk.PlantLoseNothing != 0 {
			crash = log.CrashOf(log.Len(), disk.Choice{Mode: disk.KeepAll})
		}
		play := len(log.InPlay(log.Len()))
		image := log.Image(crash)
		if err := b.unmount(); err != nil {
			return loss, nil, err
		}
		m.mu.Lock()
		loss.Unseen = &Unseen{InFlush: b.inFlush}
		m.mu.Unlock()
		loss.Cut = disk.Cut{Asked: choice, Choice: choice, At: l.at, Ops: play, LostOps: play - len(crash.Keep)}
		err = b.mount(image)
		var refused *blocklog.RefusedError
		switch {
		case errors.As(err, &refused):
			b.refuses = refused.Error()
			return loss, nil, nil
		case err != nil:
			return loss, nil, fmt.Errorf("what it left: %w", err)
		}
		return loss, nil, b.Files(func(fsys vfs.FS) { loss.Unseen.NextIncr = m.mode.Store.BetweenLogs(fsys) })
	})
}

// Log ends what is written to the disk, and is what was: with KeepBlocks, all of it.
func (m *OnBlocks) Log() *blocklog.Log { return m.blocks().Device().PowerCut() }

// FilesOn is a copy of a volume's files in memory: torntail itself never uses a
// file system whose disk it serves.
func FilesOn(v *blocklog.Volume) (*disk.Disk, error) {
	files, err := v.Files(".")
	if err != nil {
		return nil, err
	}
	d := disk.New(disk.Options{})
	fsys := d.FS(nil)
	for _, name := range slices.Sorted(maps.Keys(files)) {
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
