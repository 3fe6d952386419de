package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
)

// This file is real servers on the host's own disk: what can be done without
// /dev/fuse. Processes are killed there; the power cannot be cut, calls cannot be
// struck at, and nobody logs what the server wrote.

var onHost = Kind{
	System: (*OnHost)(nil), Word: "host", Open: HostDirs(""),
	About: "a directory of this machine's own, where processes can be killed and the power cannot be cut",
}

// HostDirs are directories of the host's own, below one; "": the one for temporary
// files. They do not outlive torntail, however that ends.
func HostDirs(below string) func(clock func() time.Duration) (Disks, error) {
	return func(func() time.Duration) (Disks, error) {
		watchdog, err := guard.Default()
		if err != nil {
			return nil, err
		}
		if below == "" {
			below = os.TempDir()
		}
		if below, err = filepath.Abs(below); err != nil {
			return nil, err
		}
		dir, release, err := watchdog.NewDir(below, ".torntail-host-")
		if err != nil {
			return nil, err
		}
		return &hostDirs{dir: dir, release: release}, nil
	}
}

type hostDirs struct {
	dir     string
	release func() // takes it off the watchdog's list
}

func (h *hostDirs) Dir() string { return h.dir }

func (h *hostDirs) Close() error {
	err := guard.RemoveDir(h.dir)
	h.release()
	return err
}

func (h *hostDirs) machine(p *Process) Machine { return &OnHost{p} }

func (h *hostDirs) open(*Process) (Disk, error) {
	dir, err := os.MkdirTemp(h.dir, "v")
	return hostDir(dir), err
}

// hostDir is a directory of the host's.
type hostDir string

func (h hostDir) Dir() string      { return string(h) }
func (h hostDir) Ours() *disk.Disk { return nil }
func (h hostDir) Refuses() string  { return "" }
func (h hostDir) LetGo()           {}

// full is why nothing more can be written; nil: something can. No plan fills the host's
// disk, so that somebody else has.
func (h hostDir) full() error {
	// Beside the server's directory, whose files are looked at meanwhile.
	file, err := os.CreateTemp(filepath.Dir(string(h)), "full")
	if err == nil {
		_, err = file.Write(make([]byte, 64<<10))
		file.Close() // what it says has been said by the write
		os.Remove(file.Name())
	}
	for _, e := range fullDisk {
		if errors.Is(err, e) {
			return e
		}
	}
	return nil
}

// Sound implements Disk.
func (h hostDir) Sound() error {
	if _, err := os.Stat(string(h)); err != nil {
		return fmt.Errorf("the server's directory %w: %w", ErrTaken, err)
	}
	return nil
}

func (h hostDir) Files(f func(fsys vfs.FS)) error {
	f(osfs.New(string(h)))
	return nil
}

func (h hostDir) Close() error {
	if err := os.RemoveAll(string(h)); err != nil {
		return fmt.Errorf("remove what a server left: %w", err)
	}
	return nil
}

// OnHost is a machine with a real server in a directory of the host's.
type OnHost struct{ *Process }

// Name implements plan.System.
func (*OnHost) Name() string { return string(plan.ProcessHost) }

// Lacks implements plan.System.
func (*OnHost) Lacks(n plan.Need) string {
	switch n {
	case plan.NeedPower, plan.NeedAtRest:
		return "the host's own disk cannot lose what it was not told to keep; it needs --disk fuse"
	case plan.NeedCalls, plan.NeedHeldCalls, plan.NeedDisks:
		return "calls on the host's own disk are out of reach; it needs --disk fuse"
	}
	return ""
}
