package main

import (
	"cmp"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
)

// TestOwnFailuresAreNotTheServers: what keeps torntail from going on is named, with exit
// status 4 or 5 and what is known so far; it is never a violation, and never bad input.
func TestOwnFailuresAreNotTheServers(t *testing.T) {
	needs.Program(t, "redis-server")
	for _, c := range []struct {
		name string
		// fifth is what becomes of the fifth start of the server, as a line of shell; the
		// others are sound.
		fifth string
		// around is a line of shell with $T, torntail with its arguments.
		around string
		status int
		cause  string
		known  bool // figures of the experiments before it are reported
	}{
		{"killed at its start, as for lack of memory", "kill -KILL $$", "$T", result.ExitEnvironment, "killed by signal 9", true},
		{"the server has no descriptors left", "echo 'Too many open files'; exit 1", "$T", result.ExitEnvironment, "Too many open files", true},
		{"the server's disk is full", "echo 'No space left on device'; exit 1", "$T", result.ExitEnvironment, "No space left on device", true},
		{"the server's disk is read-only", "echo 'Read-only file system'; exit 1", "$T", result.ExitEnvironment, "Read-only file system", true},
		{"the server has no memory", "echo 'Cannot allocate memory'; exit 1", "$T", result.ExitEnvironment, "Cannot allocate memory", true},
		{"the server's program is removed", `rm -f "$0"; kill -KILL $$`, "$T", result.ExitEnvironment, "did not start", true},
		{"the server ends, and nobody knows why", "echo 'bad things'; exit 1", "$T", result.ExitInternal, "bad things", true},
		{"the server says nothing and ends", "exit 0", "$T", result.ExitInternal, "exit status 0", true},
		{"few descriptors", "", "ulimit -n 24; $T", result.ExitEnvironment, "did not start", false},
		{"no temporary directory", "", "TMPDIR=$PWD/none $T", result.ExitEnvironment, "no such file or directory", false},
		{"the temporary directory cannot be written", "", "TMPDIR=/proc $T", result.ExitEnvironment, "/proc", false},
		{"standard output is full", "", "$T >/dev/full", result.ExitEnvironment, "no space left on device", false},
		{"the disk of the JSON report is full", "", "$T --json /dev/full", result.ExitEnvironment, "no space left on device", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := brokenRun(t, c.fifth, c.around)
			require.Equal(t, c.status, code, "%s\n%s", errs, out)
			require.Contains(t, errs, c.cause)
			require.NotContains(t, out+errs, "violated:")
			require.NotRegexp(t, `\bviolated\b`, out)
			if c.known {
				require.Regexp(t, `(?m)^  kill +[1-9].*unknown$`, out)
				require.Contains(t, out, "not all runs were done: ", "in the report, too")
				require.Regexp(t, `(?m)^Reports: out$`, out)
			}
		})
	}
}

// brokenRun runs torntail on a server whose fifth and later starts do something else first.
func brokenRun(t *testing.T, fifth, around string) (code int, out, errs string) {
	t.Helper()
	return brokenCommand(t, "[ $n -ge 4 ] && { "+cmp.Or(fifth, ":")+"\n}",
		strings.ReplaceAll(around, "$T", "$T run --target ./server --disk host --mode always --crash kill --runs 4 --workers 1 --out out"))
}

// brokenCommand runs a line of shell, in which $T is torntail, beside a server that does
// something else first.
func brokenCommand(t *testing.T, first, line string) (code int, out, errs string) {
	t.Helper()
	torntail, err := exec.LookPath("torntail")
	require.NoError(t, err)
	work := t.TempDir()
	scriptedServer(t, work, first)
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(line, "$T", torntail))
	cmd.Dir, cmd.Env = work, append(os.Environ(), "WORK="+work, "TMPDIR="+t.TempDir())
	var o, e shared
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil {
		require.IsType(t, new(exec.ExitError), err)
	}
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}
