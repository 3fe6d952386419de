package osfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// control runs a system call on the descriptor, again when a signal interrupts it.
func (f *file) control(call func(fd int) error) error {
	raw, err := f.f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := raw.Control(func(fd uintptr) {
		for {
			if result = call(int(fd)); !errors.Is(result, unix.EINTR) {
				return
			}
		}
	}); err != nil {
		return err
	}
	return result
}

func (f *file) syncData() error { return f.control(unix.Fdatasync) }

func syncFS(dir *os.File) error { return (&file{f: dir}).control(unix.Syncfs) }

func (f *file) syncRange(off, n int64) error {
	return f.control(func(fd int) error {
		return unix.SyncFileRange(fd, off, n,
			unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
	})
}

func (f *file) allocate(off, n int64) error {
	return f.control(func(fd int) error { return unix.Fallocate(fd, 0, off, n) })
}
