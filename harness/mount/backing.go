package mount

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/internal/atomicfile"
)

// ErrInUse means that another mount has the backing directory.
var ErrInUse = errors.New("another mount uses it")

// backing keeps a disk in a directory: one file, replaced whole after each power
// cut, on demand and when the mount ends, so that a crash of torntail or a full
// host disk leaves the one before.
type backing struct {
	dir  string
	lock *os.File
}

// imageName is the file.
const imageName = "disk.image"

// openBacking makes the directory if need be, and locks it.
func openBacking(dir string) (*backing, error) {
	fail := func(err error) (*backing, error) {
		return nil, fmt.Errorf("backing directory %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return fail(err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fail(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if err == syscall.EWOULDBLOCK {
			err = ErrInUse
		}
		return fail(err)
	}
	// What a save that failed has left takes space that this one needs.
	_ = atomicfile.Sweep(filepath.Join(dir, imageName)) // and if it can't be removed, then the save says so
	return &backing{dir: dir, lock: lock}, nil
}

// load fills an empty disk with what the directory has, all of it durable.
func (b *backing) load(d *disk.Disk, began time.Time) error {
	f, err := os.Open(filepath.Join(b.dir, imageName))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("backing directory: %w", err)
	}
	defer f.Close()
	if err := readImage(bufio.NewReaderSize(f, 1<<20), d, began); err != nil {
		return fmt.Errorf("backing directory: %s: %w", f.Name(), err)
	}
	return nil
}

// save replaces what the directory has. When it returns the new image is durable.
func (b *backing) save(d *disk.Disk, began time.Time) (err error) {
	err = atomicfile.Write(filepath.Join(b.dir, imageName), func(w io.Writer) error { return writeImage(w, d, began) })
	if err != nil {
		return fmt.Errorf("the disk could not be saved; %s has what was there before: %w", b.dir, err)
	}
	return nil
}

// close gives the directory free.
func (b *backing) close() { b.lock.Close() }
