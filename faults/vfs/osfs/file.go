package osfs

import (
	"os"
	"path"
	"syscall"

	"github.com/torntail/torntail/faults/vfs"
)

// file is an open file or directory.
type file struct {
	f    *os.File
	name string
}

func (f *file) Name() string { return f.name }

func (f *file) Read(p []byte) (int, error) {
	n, err := f.f.Read(p)
	return n, pathError("read", f.name, err)
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.f.ReadAt(p, off)
	return n, pathError("read", f.name, err)
}

func (f *file) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	return n, pathError("write", f.name, err)
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.f.WriteAt(p, off)
	return n, pathError("write", f.name, err)
}

func (f *file) Truncate(size int64) error {
	return pathError("truncate", f.name, f.f.Truncate(size))
}

func (f *file) Sync() error { return pathError("fsync", f.name, f.f.Sync()) }

func (f *file) SyncData() error { return pathError("fdatasync", f.name, f.syncData()) }

func (f *file) SyncRange(off, n int64) error {
	return pathError("sync_file_range", f.name, f.syncRange(off, n))
}

func (f *file) Allocate(off, n int64) error {
	return pathError("fallocate", f.name, f.allocate(off, n))
}

// Lock takes the file for this process, until it is closed; EAGAIN: another has it.
func (f *file) Lock() error {
	return pathError("flock", f.name, syscall.Flock(int(f.f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
}

func (f *file) Stat() (vfs.Info, error) {
	info, err := f.f.Stat()
	if err != nil {
		return vfs.Info{}, pathError("fstat", f.name, err)
	}
	return seamInfo(info, path.Base(path.Clean("/"+f.name))), nil
}

func (f *file) Close() error { return pathError("close", f.name, f.f.Close()) }
