// Package osfs is the seam vfs over a directory of the host.
package osfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/vfs"
)

// FS is the file system below a directory of the host. It may be used from
// several goroutines at once, its files each from one.
type FS struct{ root string }

// New returns the file system below a directory, which must exist by the time
// it is used.
func New(dir string) *FS { return &FS{root: dir} }

// Root is the directory given to New.
func (f *FS) Root() string { return f.root }

// host turns a path of the seam into one of the host. "..", however often,
// does not lead out of the root.
func (f *FS) host(name string) string {
	return filepath.Join(f.root, filepath.FromSlash(path.Clean("/"+name)))
}

// Open implements vfs.FS.
func (f *FS) Open(name string, flag vfs.Flag) (vfs.File, error) {
	h, err := os.OpenFile(f.host(name), hostFlags(flag), 0o644)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	if info, err := h.Stat(); err != nil || info.IsDir() {
		h.Close()
		if err == nil {
			err = syscall.EISDIR
		}
		return nil, pathError("open", name, err)
	}
	return &file{f: h, name: name}, nil
}

func hostFlags(flag vfs.Flag) int {
	var out int
	switch {
	case flag&vfs.ReadWrite != 0:
		out = os.O_RDWR
	case flag&vfs.WriteOnly != 0:
		out = os.O_WRONLY
	}
	for _, m := range [...]struct {
		seam vfs.Flag
		host int
	}{
		{vfs.Append, os.O_APPEND},
		{vfs.Create, os.O_CREATE},
		{vfs.Exclusive, os.O_EXCL},
		{vfs.Truncate, os.O_TRUNC},
		{vfs.SyncWrite, os.O_SYNC},
		{vfs.DataSync, syscall.O_DSYNC},
	} {
		if flag&m.seam != 0 {
			out |= m.host
		}
	}
	return out
}

// SyncFS syncs the whole file system that the directory is on.
func (f *FS) SyncFS() error {
	dir, err := os.Open(f.root)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := syncFS(dir); err != nil {
		return fmt.Errorf("syncfs %s: %w", f.root, err)
	}
	return nil
}

// OpenDir implements vfs.FS.
func (f *FS) OpenDir(name string) (vfs.File, error) {
	h, err := os.OpenFile(f.host(name), os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &file{f: h, name: name}, nil
}

// Rename implements vfs.FS.
func (f *FS) Rename(oldname, newname string) error {
	// rename(2) itself: os.Rename refuses some renames over directories on its own.
	return linkError("rename", oldname, newname, syscall.Rename(f.host(oldname), f.host(newname)))
}

// Link implements vfs.FS.
func (f *FS) Link(oldname, newname string) error {
	return linkError("link", oldname, newname, os.Link(f.host(oldname), f.host(newname)))
}

// Remove implements vfs.FS.
func (f *FS) Remove(name string) error {
	return pathError("unlink", name, os.Remove(f.host(name)))
}

// Mkdir implements vfs.FS.
func (f *FS) Mkdir(name string) error {
	return pathError("mkdir", name, os.Mkdir(f.host(name), 0o755))
}

// List implements vfs.FS.
func (f *FS) List(name string) ([]string, error) {
	h, err := os.Open(f.host(name))
	if err != nil {
		return nil, pathError("open", name, err)
	}
	defer h.Close()
	names, err := h.Readdirnames(-1)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	slices.Sort(names)
	return names, nil
}

// Stat implements vfs.FS.
func (f *FS) Stat(name string) (vfs.Info, error) {
	info, err := os.Stat(f.host(name))
	if err != nil {
		return vfs.Info{}, pathError("stat", name, err)
	}
	return seamInfo(info, path.Base(path.Clean("/"+name))), nil
}

// seamInfo converts; the clock of files on the host counts from the Unix epoch.
func seamInfo(info os.FileInfo, name string) vfs.Info {
	out := vfs.Info{Name: name, Dir: info.IsDir(), ModTime: time.Duration(info.ModTime().UnixNano())}
	if !out.Dir {
		out.Size = info.Size()
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		out.Ino, out.Links = st.Ino, int(st.Nlink)
	}
	return out
}

// errnoOf finds the system's reason in an error of package os.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, os.ErrClosed):
		return syscall.EBADF
	case errors.Is(err, io.ErrShortWrite):
		return syscall.ENOSPC
	}
	return syscall.EINVAL // package os refused an argument itself
}

// pathError restates an error in the seam's terms: the path as the caller
// named it, not as the host does. nil and io.EOF stay what they are.
func pathError(op, name string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return vfs.PathError(op, name, errnoOf(err))
}

func linkError(op, oldname, newname string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: oldname, New: newname, Err: errnoOf(err)}
}
