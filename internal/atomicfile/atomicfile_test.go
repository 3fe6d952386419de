package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFileIsThereWholeOrAsItWas(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "re[s]ult.json")
	require.NoError(t, WriteBytes(path, []byte("first")))
	require.Equal(t, "first", read(t, path))

	failed := errors.New("no more")
	err := Write(path, func(w io.Writer) error {
		_, _ = w.Write([]byte("half of the sec"))
		return failed
	})
	require.ErrorIs(t, err, failed)
	require.Equal(t, "first", read(t, path))
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, names, 1, "what could not be finished is not left behind")

	require.NoError(t, WriteBytes(path, []byte("second")))
	require.Equal(t, "second", read(t, path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode().Perm())
}

func TestWhatIsNoRegularFileStays(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, WriteBytes(os.DevNull, []byte("gone")))
	info, err := os.Stat(os.DevNull)
	require.NoError(t, err)
	require.False(t, info.Mode().IsRegular())

	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(file, []byte("old"), 0o600))
	require.NoError(t, os.Symlink(file, link))
	require.NoError(t, WriteBytes(link, []byte("new")))
	require.Equal(t, "new", read(t, file))
	to, err := os.Readlink(link)
	require.NoError(t, err)
	require.Equal(t, file, to)

	err = WriteBytes(filepath.Join(dir, "none", "file"), nil)
	require.ErrorContains(t, err, "save "+filepath.Join(dir, "none", "file")+": no such file or directory")
}

func TestSweepRemovesWhatWasCutShortAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "disk[1].image")
	for _, name := range []string{"disk[1].image.new-1", "disk[1].image.new-22", "disk[1].image", "disk1.image.new-3"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	require.NoError(t, Sweep(path))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2)
	require.Equal(t, "disk1.image.new-3", left[0].Name())
	require.Equal(t, "disk[1].image", left[1].Name())
}

func read(t *testing.T, path string) string {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}
