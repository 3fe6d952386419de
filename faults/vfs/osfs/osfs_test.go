package osfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
)

// Errors must name the path as the caller does and carry the system's reason.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	f := osfs.New(dir)
	require.NoError(t, f.Mkdir("d"))
	require.NoError(t, vfs.WriteFile(f, "d/file", []byte("x")))
	open := func(name string, flag vfs.Flag) error {
		_, err := f.Open(name, flag)
		return err
	}
	openDir := func(name string) error {
		_, err := f.OpenDir(name)
		return err
	}
	closed, err := f.Open("d/file", vfs.ReadWrite)
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	_, readClosed := closed.Read(make([]byte, 1))
	for _, c := range []struct {
		name  string
		err   error
		errno syscall.Errno
		path  string
	}{
		{"missing", open("missing", vfs.ReadOnly), syscall.ENOENT, "missing"},
		{"missing directory", open("no/file", vfs.WriteOnly|vfs.Create), syscall.ENOENT, "no/file"},
		{"there already", open("d/file", vfs.WriteOnly|vfs.Create|vfs.Exclusive), syscall.EEXIST, "d/file"},
		{"a directory", open("d", vfs.ReadOnly), syscall.EISDIR, "d"},
		{"a directory for writing", open("d", vfs.WriteOnly), syscall.EISDIR, "d"},
		{"no directory", openDir("d/file"), syscall.ENOTDIR, "d/file"},
		{"not empty", f.Remove("d"), syscall.ENOTEMPTY, "d"},
		{"mkdir twice", f.Mkdir("d"), syscall.EEXIST, "d"},
		{"closed", readClosed, syscall.EBADF, "d/file"},
		{"truncate to less than nothing", truncate(t, f, -1), syscall.EINVAL, "d/file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.ErrorIs(t, c.err, c.errno)
			var p *fs.PathError
			require.True(t, errors.As(c.err, &p))
			assert.Equal(t, c.path, p.Path)
		})
	}
	var l *os.LinkError
	err = f.Rename("missing", "d/other")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.True(t, errors.As(err, &l))
	assert.Equal(t, "missing", l.Old)
}

func truncate(t *testing.T, f vfs.FS, size int64) error {
	file, err := f.Open("d/file", vfs.ReadWrite)
	require.NoError(t, err)
	defer file.Close()
	return file.Truncate(size)
}

// ".." must not lead out of the directory.
func TestStaysInside(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "root"), 0o755))
	_, err := osfs.New(filepath.Join(dir, "root")).Stat("../secret")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// A full device answers ENOSPC, and the error is the system's own.
func TestNoSpace(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	f, err := osfs.New("/dev").Open("full", vfs.WriteOnly)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Write([]byte("x"))
	assert.ErrorIs(t, err, syscall.ENOSPC)
}

func TestAllocateAndSyncs(t *testing.T) {
	fsys := osfs.New(t.TempDir())
	f, err := fsys.Open("f", vfs.ReadWrite|vfs.Create)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Allocate(10, 90))
	info, err := f.Stat()
	require.NoError(t, err)
	assert.EqualValues(t, 100, info.Size)
	require.NoError(t, f.Allocate(0, 10), "shorter than the file: nothing happens")
	require.NoError(t, f.Sync())
	require.NoError(t, f.SyncData())
	require.NoError(t, f.SyncRange(0, 50))
	n, err := f.ReadAt(make([]byte, 10), 100)
	assert.Zero(t, n)
	assert.Equal(t, io.EOF, err, "the end is io.EOF itself")
}
