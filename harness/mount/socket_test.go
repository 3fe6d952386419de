package mount

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestASquattedNameIsPassedOver, and the directory stays the same when it is given up.
func TestASquattedNameIsPassedOver(t *testing.T) {
	for what, squat := range map[string]func(at string) error{
		"a file":                         func(at string) error { return os.WriteFile(at, nil, 0o600) },
		"a link to a directory of ours":  func(at string) error { return os.Symlink(t.TempDir(), at) },
		"a directory that all can write": func(at string) error { os.Mkdir(at, 0o700); return os.Chmod(at, 0o777) },
		"a link to nowhere":              func(at string) error { return os.Symlink("/nowhere", at) },
	} {
		t.Run(what, func(t *testing.T) {
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			t.Setenv("XDG_RUNTIME_DIR", "")
			first := filepath.Join(temp, "torntail-"+strconv.Itoa(os.Geteuid()))
			require.NoError(t, squat(first))
			for range 2 {
				dir, err := SocketDir()
				require.NoError(t, err)
				require.Equal(t, first+"-1", dir)
			}
			require.NoError(t, os.RemoveAll(first))
			dir, err := SocketDir()
			require.NoError(t, err)
			require.Equal(t, first+"-1", dir)
		})
	}
}

// TestTheDirectoryOfSocketsIsTheUsers: what the user names is taken or refused.
func TestTheDirectoryOfSocketsIsTheUsers(t *testing.T) {
	run := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", run)
	require.NoError(t, os.WriteFile(filepath.Join(run, "torntail"), nil, 0o600))
	_, err := SocketDir()
	require.ErrorContains(t, err, "the directory of control sockets")
}
