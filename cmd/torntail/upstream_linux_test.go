package main

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/needs"
)

// The scripts of docs/upstream show what they say on redis-server 7.0.15: F10 is another
// server's, the others are reproduced.
func TestUpstreamScripts(t *testing.T) {
	server, check := needs.Program(t, "redis-server"), needs.Program(t, "redis-check-aof")
	for _, c := range []struct {
		script  string
		mounts  bool   // a small file system: root, or a namespace
		program string // that it needs
		status  int
	}{
		{"f10", false, "redis-cli", 0}, {"f12", false, "redis-cli", 1}, {"f13", false, "strace", 1},
		{"f14", true, "redis-cli", 1}, {"f15", true, "redis-cli", 1}, {"f18", false, "strace", 1},
	} {
		t.Run(c.script, func(t *testing.T) {
			needs.Program(t, c.program)
			command := []string{"sh", "../../docs/upstream/" + c.script + ".sh", server, check}
			if c.mounts && os.Geteuid() != 0 {
				needs.Working(t, exec.Command("unshare", "-rm", "true").Run())
				command = slices.Insert(command, 0, "unshare", "-rm")
			}
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			port := l.Addr().(*net.TCPAddr).Port
			require.NoError(t, l.Close())
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			cmd.Env = append(os.Environ(), "PORT="+strconv.Itoa(port), "TMPDIR="+t.TempDir())
			out, _ := cmd.CombinedOutput()
			assert.Equal(t, c.status, cmd.ProcessState.ExitCode(), "%s", out)
		})
	}
}
