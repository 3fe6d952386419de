package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
)

// hardening skips what is for make prove-hardening alone.
func hardening(t *testing.T) {
	t.Helper()
	if os.Getenv("TORNTAIL_HARDENING") == "" {
		t.Skip("for make prove-hardening: broken, it could hold up the machine")
	}
}

// TestHardeningBlocksUnderAMemoryLimit: an experiment on a real file system in a memory
// cgroup of 60 MiB ends, whatever comes of it. This process is outside of the cgroup, and
// aborts the connections of one that has not ended in time.
func TestHardeningBlocksUnderAMemoryLimit(t *testing.T) {
	hardening(t)
	needs.Program(t, "redis-server")
	dir := needs.MemoryCgroup(t, 60<<20)
	torntail, err := exec.LookPath("torntail")
	require.NoError(t, err)
	temp, work := t.TempDir(), t.TempDir()
	before := loops(t)
	cmd := exec.Command("sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, dir,
		torntail, "run", "--target", "redis-server", "--backend", "block", "--mode", "always", "--crash", "power", "--runs", "2", "--workers", "1", "--out", "out", "--quiet")
	cmd.Dir, cmd.Env = work, append(os.Environ(), "TMPDIR="+temp)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	var connections []uint32
	abort := func() {
		for _, c := range connections {
			guard.Abort(c)
		}
	}
	deadline := time.After(3 * time.Minute)
	for err = nil; ; {
		select {
		case err = <-ended:
		case <-deadline:
			abort()
			cmd.Process.Kill()
			abort()
			<-ended
			t.Fatalf("it had not ended, and its connections %v were aborted\n%s", connections, &out)
		case <-time.After(50 * time.Millisecond):
			others := connectionsOf(os.Getpid()) // where everybody sees them, which its own are not
			for _, c := range connectionsOf(cmd.Process.Pid) {
				if !slices.Contains(connections, c) && !slices.Contains(others, c) {
					connections = append(connections, c)
				}
			}
			continue
		}
		break
	}
	t.Logf("%v, %d FUSE connections\n%s", cmd.ProcessState, len(connections), &out)
	// A watchdog goes on, and must be gone before the cgroup is.
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(20 * time.Millisecond) {
		if text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs")); len(text) == 0 {
			break
		}
	}
	abort() // those that are gone are nobody's
	require.Equal(t, before, loops(t), "loop devices are left")
	if guard.MayFlush() {
		return
	}
	// It may not serve disks here, and says so before it does.
	require.Equal(t, result.ExitEnvironment, cmd.ProcessState.ExitCode(), "%v", err)
	require.Contains(t, out.String(), "a memory limit of 60 MiB")
	require.Empty(t, connections)
	t.Skip("no CAP_SYS_RESOURCE here: seen is that it refuses, not that it can serve under such a limit")
}

// connectionsOf are the FUSE connections in the namespaces of a process's threads.
func connectionsOf(pid int) (connections []uint32) {
	tables, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/mountinfo")
	for _, name := range tables {
		table, _ := os.ReadFile(name)
		for line := range strings.Lines(string(table)) {
			fields := strings.Fields(line)
			if !strings.Contains(line, " - fuse.torntail ") || len(fields) < 3 {
				continue
			}
			_, minor, _ := strings.Cut(fields[2], ":")
			if n, err := strconv.ParseUint(minor, 10, 32); err == nil && !slices.Contains(connections, uint32(n)) {
				connections = append(connections, uint32(n))
			}
		}
	}
	return connections
}

// loops are the loop devices that are in use, by their files; it asks no device.
func loops(t *testing.T) (used []string) {
	t.Helper()
	names, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	require.NoError(t, err)
	for _, name := range names {
		if file, err := os.ReadFile(name); err == nil {
			used = append(used, strings.TrimSpace(string(file)))
		}
	}
	slices.Sort(used)
	return used
}
