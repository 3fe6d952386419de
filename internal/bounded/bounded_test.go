package bounded

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatHasNoEndIsNotRead(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink("/dev/zero", link))
	for path, want := range map[string]string{
		pipe: pipe + " is a pipe: a plan is read from a regular file",
		link: link + " is a device: a plan is read from a regular file",
		dir:  dir + " is a directory: a plan is read from a regular file",
	} {
		_, err := Text(path, "a plan")
		require.EqualError(t, err, want)
	}
}

func TestLongFilesAreNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, []byte("12345"), 0o600))
	got, err := Read(path, "a plan", 5)
	require.NoError(t, err)
	require.Equal(t, "12345", string(got))
	_, err = Read(path, "a plan", 4)
	require.EqualError(t, err, path+" has more than 4 bytes: a plan has no more")
	require.NoError(t, os.Truncate(path, 1<<40)) // sparse
	_, err = Text(path, "a plan")
	require.EqualError(t, err, path+" has more than 1 MiB: a plan has no more")
}

func TestCheckText(t *testing.T) {
	for in, want := range map[string]string{
		"":              "",
		"ä\n€ � \t":     "",
		"a\nb\x00c":     "line 2, column 2: a NUL byte: want text",
		"\xff":          `line 1, column 1: \xff, which is not UTF-8: want text`,
		"a: \xc3\x28\n": `line 1, column 4: \xc3, which is not UTF-8: want text`,
	} {
		err := CheckText([]byte(in))
		if want == "" {
			require.NoError(t, err, "%q", in)
			continue
		}
		require.EqualError(t, err, want)
	}
}

func TestKind(t *testing.T) {
	for mode, want := range map[fs.FileMode]string{
		fs.ModeDir: "a directory", fs.ModeNamedPipe: "a pipe", fs.ModeSocket: "a socket", fs.ModeDevice | fs.ModeCharDevice: "a device", fs.ModeIrregular: "not a file",
	} {
		require.Equal(t, want, Kind(mode|0o644), "%s", mode)
	}
}
