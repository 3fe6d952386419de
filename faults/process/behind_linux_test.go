package process_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/guard"
	. "github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/internal/needs"
)

// script is a target's way of starting redis-server.
func script(t *testing.T, text string) RedisSpec {
	path := filepath.Join(t.TempDir(), "start")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755))
	return RedisSpec{Dir: t.TempDir(), Server: &Server{Command: []string{path, "--port", "{{port}}", "--bind", "{{addr}}", "--dir", "{{dir}}", "--save", ""}}}
}

// TestTheServerBehindAScript: where a script waits for the server, signals reach the server,
// and a kill of it leaves nobody who would start another.
func TestTheServerBehindAScript(t *testing.T) {
	needs.Program(t, "redis-server")
	for name, row := range map[string]struct {
		script  string
		wrapped bool
		alone   bool
	}{
		"exec":                         {script: `exec redis-server "$@"`},
		"no exec":                      {script: `redis-server "$@"; exit $?`, wrapped: true},
		"no exec, PING alone":          {script: `redis-server "$@"; exit $?`, wrapped: true, alone: true},
		"exec, PING alone":             {script: `exec redis-server "$@"`, alone: true},
		"a script in a script":         {script: `sh -c 'redis-server "$@"; true' sh "$@"; true`, wrapped: true},
		"a supervisor that never ends": {script: `while :; do redis-server "$@"; done`, wrapped: true},
	} {
		t.Run(name, func(t *testing.T) {
			spec := script(t, row.script) // while nobody forks, who would hold the file open: it could not be executed
			t.Parallel()
			spec.Server.PingAlone = row.alone
			for _, end := range []string{"kill", "term", "own"} {
				r, err := StartRedis(t.Context(), spec)
				require.NoError(t, err)
				require.Equal(t, row.wrapped, r.Wrapped())
				comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", r.Serves()))
				require.NoError(t, err)
				require.Equal(t, "redis-server", strings.TrimSpace(string(comm)))
				switch end {
				case "kill":
					r.Kill(false)
				case "term":
					r.Term()
				case "own":
					require.NoError(t, syscall.Kill(r.Serves(), syscall.SIGABRT))
				}
				r.WaitTree()
				r.OutputDone()
				require.Empty(t, guard.GroupMembers(r.Pid()), end)
				if end == "term" {
					require.Contains(t, r.Tail(), "Received SIGTERM", end)
				}
			}
		})
	}
}

// TestWhoWillNeverBeReady: what cannot come right is not waited for, and nothing is left of it.
func TestWhoWillNeverBeReady(t *testing.T) {
	needs.Program(t, "redis-server")
	for name, row := range map[string]struct {
		script, password, want string
	}{
		// The child may not have left the group yet when its parent's end is seen.
		"a daemon":                    {script: `exec redis-server "$@" --daemonize yes`, want: "it became a daemon|left the server behind"},
		"a daemon, and a script":      {script: `redis-server "$@" --daemonize yes; sleep 1000`, want: "it became a daemon"},
		"a script that does not wait": {script: `redis-server "$@" & exit 0`, want: "left the server behind"},
		"it wants a password":         {script: `exec redis-server "$@" --requirepass x`, want: `it wants a password, which the target does not have ("-NOAUTH`},
		"another password":            {script: `exec redis-server "$@" --requirepass x`, password: "y", want: `AUTH: the server answers "-WRONGPASS`},
		"none":                        {script: `exec redis-server "$@"`, password: "y", want: `AUTH: the server answers "-ERR AUTH`},
	} {
		t.Run(name, func(t *testing.T) { // not side by side: what has become a daemon is killed wherever it is seen
			spec := script(t, row.script)
			spec.Server.Password = row.password
			var was *Process
			spec.Started = func(p *Process) { was = p }
			_, err := StartRedis(t.Context(), spec)
			var start *StartError
			require.ErrorAs(t, err, &start)
			require.True(t, slices.ContainsFunc(strings.Split(row.want, "|"), func(w string) bool { return strings.Contains(start.Why, w) }), start.Why)
			require.False(t, start.Silent())
			require.Empty(t, guard.GroupMembers(was.Pid()))
			require.Empty(t, serversIn(spec.Dir))
		})
	}
}

// serversIn are the processes whose working directory that is.
func serversIn(dir string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range all {
		if at, err := os.Readlink(link); err == nil && at == dir {
			pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}
