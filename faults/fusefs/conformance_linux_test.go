package fusefs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
	"github.com/torntail/torntail/faults/vfs/vfstest"
	"pgregory.net/rapid"
)

// envMounted tells the test binary, started again, the volume it is to use: the
// process that serves a mount cannot.
const envMounted = "FUSEFS_TEST_MOUNTED"

// inside runs this very test again in another process, which finds the path of
// a volume in the environment; ok is false in that process, and dir the path.
func inside(t *testing.T, o fusefs.Options) (dir string, ok bool) {
	t.Helper()
	if dir := os.Getenv(envMounted); dir != "" {
		return dir, false
	}
	m := serveWith(t, o)
	v := attach(t, m, fusefs.VolumeOptions{})
	out, exit, err := process.Run(process.Spec{
		Path: "/proc/self/exe",
		Args: []string{"-test.run=^" + t.Name() + "$", "-test.v", "-rapid.checks=30"},
		Env:  []string{envMounted + "=" + v.Path()},
	})
	require.NoError(t, err)
	require.Zero(t, exit.Code, out)
	require.Contains(t, out, "--- PASS: "+t.Name()+" ", "it did not run:\n%s", out)
	if strings.Contains(out, "--- SKIP") {
		t.Log(out)
	}
	return "", true
}

func TestMountBehavesLikeAFileSystem(t *testing.T) {
	dir, done := inside(t, fusefs.Options{})
	if done {
		return
	}
	vfstest.Run(t, func(t *testing.T) vfs.FS {
		root, err := os.MkdirTemp(dir, "")
		require.NoError(t, err)
		return osfs.New(root)
	})
}

func TestMountDoesWhatTheHostDoes(t *testing.T) {
	dir, done := inside(t, fusefs.Options{})
	if done {
		return
	}
	host := t.TempDir()
	fresh := func(t *rapid.T, below string) vfs.FS {
		root, err := os.MkdirTemp(below, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(filepath.Clean(root)) })
		return osfs.New(root)
	}
	rapid.Check(t, func(t *rapid.T) { vfstest.Compare(t, fresh(t, dir), fresh(t, host)) })
}

func TestMountBehavesLikeAFileSystemBuffered(t *testing.T) {
	dir, done := inside(t, fusefs.Options{Buffered: true})
	if done {
		return
	}
	vfstest.Run(t, func(t *testing.T) vfs.FS {
		root, err := os.MkdirTemp(dir, "")
		require.NoError(t, err)
		return osfs.New(root)
	})
}

// system runs the cases that are about system calls.
func system(t *testing.T, o fusefs.Options) {
	t.Helper()
	dir, done := inside(t, o)
	if done {
		return
	}
	vfstest.RunSystem(t, func(t *testing.T) vfstest.System {
		root, err := os.MkdirTemp(dir, "")
		require.NoError(t, err)
		return vfstest.System{Dir: root, Maps: o.Buffered}
	})
}

func TestSystemCalls(t *testing.T)         { system(t, fusefs.Options{}) }
func TestSystemCallsBuffered(t *testing.T) { system(t, fusefs.Options{Buffered: true}) }
