package osenv

import "github.com/torntail/torntail/faults/vfs"

// FS wraps a file system for this environment's tasks: every call releases the
// environment's lock while it runs.
func (e *Env) FS(fsys vfs.FS) vfs.FS { return &lockedFS{env: e, fs: fsys} }

type lockedFS struct {
	env *Env
	fs  vfs.FS
}

// Unwrap returns the file system below.
func (f *lockedFS) Unwrap() vfs.FS { return f.fs }

// outside runs a blocking call without the lock.
func outside[T any](e *Env, call func() (T, error)) (T, error) {
	e.mu.Unlock()
	defer e.mu.Lock()
	return call()
}

func (e *Env) outside(call func() error) error {
	e.mu.Unlock()
	defer e.mu.Lock()
	return call()
}

func (f *lockedFS) Open(name string, flag vfs.Flag) (vfs.File, error) {
	return f.file(func() (vfs.File, error) { return f.fs.Open(name, flag) })
}

func (f *lockedFS) OpenDir(name string) (vfs.File, error) {
	return f.file(func() (vfs.File, error) { return f.fs.OpenDir(name) })
}

func (f *lockedFS) file(open func() (vfs.File, error)) (vfs.File, error) {
	file, err := outside(f.env, open)
	if err != nil {
		return nil, err
	}
	return &lockedFile{env: f.env, f: file}, nil
}

func (f *lockedFS) SyncFS() error { return f.env.outside(f.fs.SyncFS) }

func (f *lockedFS) Rename(oldname, newname string) error {
	return f.env.outside(func() error { return f.fs.Rename(oldname, newname) })
}

func (f *lockedFS) Link(oldname, newname string) error {
	return f.env.outside(func() error { return f.fs.Link(oldname, newname) })
}

func (f *lockedFS) Remove(name string) error {
	return f.env.outside(func() error { return f.fs.Remove(name) })
}

func (f *lockedFS) Mkdir(name string) error {
	return f.env.outside(func() error { return f.fs.Mkdir(name) })
}

func (f *lockedFS) List(name string) ([]string, error) {
	return outside(f.env, func() ([]string, error) { return f.fs.List(name) })
}

func (f *lockedFS) Stat(name string) (vfs.Info, error) {
	return outside(f.env, func() (vfs.Info, error) { return f.fs.Stat(name) })
}

type lockedFile struct {
	env *Env
	f   vfs.File
}

func (f *lockedFile) Name() string { return f.f.Name() }

func (f *lockedFile) Read(p []byte) (int, error) {
	return outside(f.env, func() (int, error) { return f.f.Read(p) })
}

func (f *lockedFile) Write(p []byte) (int, error) {
	return outside(f.env, func() (int, error) { return f.f.Write(p) })
}

func (f *lockedFile) ReadAt(p []byte, off int64) (int, error) {
	return outside(f.env, func() (int, error) { return f.f.ReadAt(p, off) })
}

func (f *lockedFile) WriteAt(p []byte, off int64) (int, error) {
	return outside(f.env, func() (int, error) { return f.f.WriteAt(p, off) })
}

func (f *lockedFile) Stat() (vfs.Info, error) { return outside(f.env, f.f.Stat) }
func (f *lockedFile) Close() error            { return f.env.outside(f.f.Close) }
func (f *lockedFile) Sync() error             { return f.env.outside(f.f.Sync) }
func (f *lockedFile) SyncData() error         { return f.env.outside(f.f.SyncData) }

// Lock takes the file for this process, where the file system can do that.
func (f *lockedFile) Lock() error {
	l, ok := f.f.(interface{ Lock() error })
	if !ok {
		return nil
	}
	return f.env.outside(l.Lock)
}

func (f *lockedFile) Truncate(size int64) error {
	return f.env.outside(func() error { return f.f.Truncate(size) })
}

func (f *lockedFile) Allocate(off, n int64) error {
	return f.env.outside(func() error { return f.f.Allocate(off, n) })
}

func (f *lockedFile) SyncRange(off, n int64) error {
	return f.env.outside(func() error { return f.f.SyncRange(off, n) })
}
