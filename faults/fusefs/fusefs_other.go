//go:build !linux

package fusefs

import (
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/disk"
)

// Mount is a served FUSE file system. There are none here.
type Mount struct{}

// Volume is one disk on a mount.
type Volume struct{}

func Available() error { return ErrUnsupported }

func Serve(string, Options) (*Mount, error) { return nil, ErrUnsupported }

func ServeDisk(string, *disk.Disk, Options, VolumeOptions) (*Mount, *Volume, error) {
	return nil, nil, ErrUnsupported
}

func (m *Mount) Dir() string           { return "" }
func (m *Mount) Sound() error          { return ErrUnsupported }
func (m *Mount) Done() <-chan struct{} { return nil }
func (m *Mount) Aborted() bool         { return false }
func (m *Mount) Flush(time.Duration)   {}

func (m *Mount) Attach(string, *disk.Disk, VolumeOptions) (*Volume, error) {
	return nil, ErrUnsupported
}

func (m *Mount) Close() error { return nil }

func (v *Volume) Path() string            { return "" }
func (v *Volume) Disk() *disk.Disk        { return nil }
func (v *Volume) With(func(d *disk.Disk)) {}
func (v *Volume) Pending() int            { return 0 }
func (v *Volume) Resume()                 {}
func (v *Volume) Settle(time.Duration)    {}
func (v *Volume) Detach()                 {}
func (v *Volume) PowerCut(disk.Choice, ...Victim) (disk.Cut, error) {
	return disk.Cut{}, ErrUnsupported
}

// Users are the processes that have files of a volume open.
type Users struct{}

func UsersOf(*Volume) *Users   { return &Users{} }
func (u *Users) KillTree()     {}
func (u *Users) WaitTree()     {}
func (u *Users) Killed() []int { return nil }

func (u *Users) Await([]int) int             { return 0 }
func (u *Users) Signal(syscall.Signal) []int { return nil }
