package main

import (
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torntail/torntail/internal/needs"
)

// The scripts of docs/upstream show what they say on redis-server 7.0.15: F10 is another
// server's, the others are reproduced.
func TestUpstreamScripts(t *testing.T) {
	server, check := needs.Program(t, "redis-server"), needs.Program(t, "redis-check-aof")
	for i, c := range []struct {
		script  string
		root    bool
		program string // it needs
		status  int
	}{
		{"f10", false, "redis-cli", 0}, {"f12", false, "redis-cli", 1}, {"f13", false, "strace", 1},
		{"f14", true, "redis-cli", 1}, {"f15", true, "redis-cli", 1}, {"f18", false, "strace", 1},
	} {
		t.Run(c.script, func(t *testing.T) {
			if _, err := exec.LookPath(c.program); err != nil {
				t.Skip(err)
			}
			if c.root && os.Geteuid() != 0 {
				t.Skip("it mounts a small file system: root")
			}
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "sh", "../../docs/upstream/"+c.script+".sh", server, check)
			cmd.Env = append(os.Environ(), "PORT="+strconv.Itoa(17821+i), "TMPDIR="+t.TempDir())
			out, _ := cmd.CombinedOutput()
			assert.Equal(t, c.status, cmd.ProcessState.ExitCode(), "%s", out)
		})
	}
}
