// Package vfs is the file-system seam: what a node may do with its disk.
//
// Three things implement it: the crash-modelling disk (faults/disk), the host's
// file system (faults/vfs/osfs), and whatever a test wraps around them. The
// engine sees nothing else of a file system, so that a crash can strike at
// every call it makes.
//
// Paths are slash-separated and relative to the root of the file system; "."
// is the root itself. Errors wrap a syscall.Errno in an *fs.PathError (rename
// and link: *os.LinkError), so errors.Is(err, fs.ErrNotExist) and
// errors.Is(err, syscall.ENOSPC) hold where they should.
package vfs

import (
	"io"
	"io/fs"
	"path"
	"syscall"
	"time"
)

// Flag says how a file is opened. The values are the seam's own, not the
// host's, so that a trace does not depend on the platform.
type Flag uint16

const (
	ReadOnly  Flag = 0
	WriteOnly Flag = 1 << iota
	ReadWrite
	Append    // each Write goes to the end of the file as it is at that moment
	Create    // make the file when it is missing
	Exclusive // with Create: fail with EEXIST when it is there
	Truncate  // cut to length 0 on opening
	SyncWrite // O_SYNC: each write returns when data and metadata are durable
	DataSync  // O_DSYNC: each write returns when the data can be read back after a crash
)

// Writable reports whether the flag allows writing.
func (f Flag) Writable() bool { return f&(WriteOnly|ReadWrite) != 0 }

// Readable reports whether the flag allows reading.
func (f Flag) Readable() bool { return f&WriteOnly == 0 }

// Info describes a file or directory.
type Info struct {
	Name    string // last element of the path
	Size    int64  // bytes; 0 for a directory
	Dir     bool
	Ino     uint64        // number of the file itself; two links to one file share it
	Links   int           // names the file has
	ModTime time.Duration // on the clock of the world that made the file
}

// File is an open file or, from OpenDir, an open directory (of which only
// Sync, Stat and Close work). Tasks may share a File as threads share a
// descriptor; Read and Write, which move its position, are for one at a time.
type File interface {
	io.Reader
	io.Writer // a short write returns n < len(p) and an error
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Truncate sets the length; a longer file reads zeroes in its new part.
	Truncate(size int64) error
	// Allocate reserves [off, off+n) and extends the file when it ends before (fallocate mode 0).
	Allocate(off, n int64) error
	// Sync is fsync(2): on return without error data and metadata are durable.
	Sync() error
	// SyncData is fdatasync(2): data, and the metadata needed to read it back.
	SyncData() error
	// SyncRange is sync_file_range(2) with wait: data of the range without any metadata, size included.
	SyncRange(off, n int64) error
	Stat() (Info, error)
	// Name is the path the file was opened with.
	Name() string
}

// FS is a file system as one process sees it.
type FS interface {
	Open(name string, flag Flag) (File, error)
	// OpenDir opens a directory so that it can be synced (fsync on a directory handle).
	OpenDir(name string) (File, error)
	// Rename replaces newname if it is there, as rename(2).
	Rename(oldname, newname string) error
	Link(oldname, newname string) error
	// Remove unlinks a file or removes an empty directory.
	Remove(name string) error
	Mkdir(name string) error
	// List returns the names in a directory, sorted.
	List(name string) ([]string, error)
	// SyncFS is syncfs(2): on return without error everything written to the file
	// system before is durable. (On a FUSE mount the kernel answers it by itself.)
	SyncFS() error
	Stat(name string) (Info, error)
}

// PathError makes the error every implementation returns: the call, the path, the errno.
func PathError(op, path string, errno syscall.Errno) error {
	return &fs.PathError{Op: op, Path: path, Err: errno}
}

// Walk calls f for all that is below a directory, each directory before what is in it,
// until f returns an error.
func Walk(fsys FS, dir string, f func(name string, info Info) error) error {
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		name = path.Join(dir, name)
		info, err := fsys.Stat(name)
		if err != nil {
			return err
		}
		if err := f(name, info); err != nil {
			return err
		}
		if !info.Dir {
			continue
		}
		if err := Walk(fsys, name, f); err != nil {
			return err
		}
	}
	return nil
}

// ReadFile reads a whole file.
func ReadFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.Open(name, ReadOnly)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, info.Size)
	n := 0
	for n < len(buf) {
		m, err := f.ReadAt(buf[n:], int64(n))
		n += m
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return buf[:n], nil
}

// WriteFile replaces a file's content without syncing it.
func WriteFile(fsys FS, name string, data []byte) error {
	f, err := fsys.Open(name, WriteOnly|Create|Truncate)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// SyncDir makes the names in a directory durable, with fsync.
func SyncDir(fsys FS, name string) error { return syncDir(fsys, name, File.Sync) }

// SyncDirData is SyncDir with fdatasync, which is as good for names: what redis-server
// calls on Linux (redis 7.0.15 util.c fsyncFileDir).
func SyncDirData(fsys FS, name string) error { return syncDir(fsys, name, File.SyncData) }

func syncDir(fsys FS, name string, sync func(File) error) error {
	d, err := fsys.OpenDir(name)
	if err != nil {
		return err
	}
	if err := sync(d); err != nil {
		d.Close()
		return err
	}
	return d.Close()
}
