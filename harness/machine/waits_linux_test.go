package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/needs"
)

// TestWaitsForMemory: a process that hangs in making another has waited all the time; one that
// hangs for a file, or sleeps, has not.
func TestWaitsForMemory(t *testing.T) {
	python := needs.Program(t, "/usr/bin/python3") // whose posix_spawn lets the child open a file before its parent goes on
	// The parent is in clone3 or clone (CLONE_VFORK) until the child has opened the FIFO.
	spawn := "import os,sys; os.posix_spawn('/bin/true', ['true'], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 3, sys.argv[1], os.O_RDONLY, 0)])"
	for _, c := range []struct {
		name, program string
		hangs         bool
	}{{"in spawn", spawn, true}, {"in open", "import sys; open(sys.argv[1])", false}} {
		t.Run(c.name, func(t *testing.T) {
			fifo := filepath.Join(t.TempDir(), "fifo")
			require.NoError(t, syscall.Mkfifo(fifo, 0o600))
			cmd := exec.Command(python, "-c", c.program, fifo)
			require.NoError(t, cmd.Start())
			t.Cleanup(func() { _ = cmd.Wait() })
			release := func() {
				f, err := os.OpenFile(fifo, os.O_RDWR, 0) // does not wait for a reader
				require.NoError(t, err)
				time.AfterFunc(time.Second, func() { f.Close() })
			}
			defer release()
			dir := fmt.Sprintf("/proc/%[1]d/task/%[1]d", cmd.Process.Pid)
			if !c.hangs {
				require.Eventually(t, func() bool {
					text, _ := os.ReadFile(dir + "/syscall")
					return strings.HasPrefix(string(text), strconv.Itoa(syscall.SYS_OPENAT)+" ")
				}, time.Minute, 10*time.Millisecond)
				require.False(t, hangs(dir))
				return
			}
			require.Eventually(t, func() bool { return hangs(dir) }, time.Minute, 10*time.Millisecond)
			threads := map[string]thread{}
			queueing(cmd.Process.Pid, 0, threads)
			require.GreaterOrEqual(t, queueing(cmd.Process.Pid, time.Hour, threads), time.Hour)
		})
	}
}

func TestStateOf(t *testing.T) {
	require.Equal(t, "D", stateOf("12 (a) S (b)) D 1 2"))
	require.Equal(t, "", stateOf(""))
	require.Equal(t, "", stateOf("12 (a)"))
}
