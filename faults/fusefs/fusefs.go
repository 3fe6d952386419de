// Package fusefs serves crash-modelling disks (faults/disk) to real processes
// through FUSE, so that an unmodified server can lose power, be killed in the
// middle of an fsync or get an error from any call it makes.
//
// One mount carries many volumes: each top-level directory is a disk of its
// own, attached and detached in memory without a mount system call.
//
// # What the kernel is told
//
// Every file is opened with FOPEN_DIRECT_IO and every timeout is 0: each write
// reaches the disk before write(2) returns, each look-up asks. The write-back
// cache is off, because with it the kernel hides writes until fsync;
// passthrough is off, because with it the kernel does not ask at all. Requests
// are up to 1 MiB; a longer write(2) arrives in several. A few calls never
// reach a FUSE server and so are not modelled under FUSE: sync_file_range(2)
// and syncfs(2). As observed on Linux 6.18 they succeed and no request arrives, so
// nothing is durable by them.
//
// # Faults
//
// The hook of a volume is asked about each call as it enters, and its decision
// (disk.Decision) is carried out at that exact call: an error, a short write, a
// delay, a stall, or a strike as the call enters, at a fraction of its
// duration, or as it returns.
//
// The package must not use files on its own mount: a process that serves a
// mount and uses it deadlocks.
//
// It needs Linux; elsewhere everything returns ErrUnsupported.
package fusefs

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/guard"
)

// ErrUnsupported means that this operating system has no FUSE as we use it.
var ErrUnsupported = errors.New("the fault disk for real processes needs Linux with FUSE")

// ErrDetached means that the volume is gone.
var ErrDetached = errors.New("volume is detached")

// Options say how a mount is served.
type Options struct {
	// Clock is the monotonic clock of all records; nil counts from Serve.
	Clock func() time.Duration
	// Epoch is the wall time at which Clock stands at 0, for the time stamps of
	// files; zero finds it out.
	Epoch time.Time
	// Space is where the mount is made; nil is guard.Home: visible only to the
	// servers that process starts, when torntail is root.
	Space *guard.Space
	// Log gets what go-fuse has to say; nil discards it.
	Log io.Writer
	// Buffered serves files through the page cache instead of FOPEN_DIRECT_IO:
	// needed by programs that map files shared and writable (SQLite's WAL).
	// Stores through a mapping then reach the disk when the kernel writes them
	// back, at the latest at msync or fsync.
	Buffered bool
	// Others lets every user of the machine use the mount, as far as the modes of
	// files allow; without it only the one who serves may. It needs root.
	Others bool
}

// PointError is why nothing can be mounted at a directory.
type PointError struct {
	Dir string
	Err error
}

func (e *PointError) Error() string { return fmt.Sprintf("cannot mount at %s: %v", e.Dir, e.Err) }
func (e *PointError) Unwrap() error { return e.Err }

// MountError is why this machine lets nothing be mounted.
type MountError struct {
	Dir string
	Err error
}

func (e *MountError) Error() string { return fmt.Sprintf("cannot mount at %s: %v", e.Dir, e.Err) }
func (e *MountError) Unwrap() error { return e.Err }

// Why a directory is no mount point.
var (
	ErrNotEmpty = errors.New("the directory is not empty")
	ErrMounted  = errors.New("something is mounted there already")
	ErrDead     = errors.New("a file system whose server is dead is mounted there (fusermount3 -u -z takes it away)")
)

// VolumeOptions say how one disk behaves.
type VolumeOptions struct {
	// Hook is asked about each call under the volume's lock: it must not call
	// the volume back. What it wants to do to the world is a Strike.
	Hook disk.Hook
	// SyncLatency is how long a sync takes, in real time; nil is no time. It is
	// called under the volume's lock.
	SyncLatency func(c *disk.Call) time.Duration
}

// Victim is a process tree that uses a volume. process.Process is one.
type Victim interface {
	KillTree() // sends SIGKILL to all of it, without waiting
	WaitTree() // waits until all of it is gone
}
