package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/reports/result"
)

// A signal that Go itself would die of, from somebody else: torntail says where it was,
// reports what is known as after any other signal, and ends with the status of its own
// failure; never with 2, which is the user's.
func TestDeadlySignalsEndInOrder(t *testing.T) {
	for _, s := range deadlySignals {
		t.Run(unix.SignalName(s.(syscall.Signal)), func(t *testing.T) {
			t.Parallel()
			u := startUnder(t, "run", "--mode", "always,no", "--crash", "kill", "--runs", "1000000", "--out", "out")
			u.await(t, "something is known", func() bool { return u.used(t) > time.Second })
			require.NoError(t, u.Process.Signal(s))
			code, by := u.end(t)
			require.Equal(t, result.ExitInternal, code, "%v\n%s", by, &u.errs)
			require.Regexp(t, `(?m)^goroutine \d+ \[`, u.errs.String())
			require.Contains(t, u.errs.String(), "torntail: ended by "+unix.SignalName(s.(syscall.Signal))+"; what is known so far follows")
			require.Regexp(t, `(?ms)^  always, kill: interrupted before the runs were done$.*^  kill +[1-9][^\n]*unknown$`, u.out.String())
			require.FileExists(t, filepath.Join(u.work, "out", "result.json"))
			require.Empty(t, leftover(u.work, u.temp))
		})
	}
}

// A mistake of torntail's own that ends it at once, while a server runs: the status is 4, the
// mistake is told, and nothing is left.
func TestOwnDeathIsNeverBadInput(t *testing.T) {
	if ok, err := realServers(); err != nil {
		t.Fatal(err)
	} else if !ok {
		t.Skip("no redis-server, or no FUSE")
	}
	for _, c := range []struct {
		name string
		by   []syscall.Signal
		says string
	}{
		{"a panic", []syscall.Signal{syscall.SIGUSR1}, "panic: a planted bug"},
		{"a fatal error", []syscall.Signal{syscall.SIGUSR2}, "fatal error: sync: unlock of unlocked mutex"},
		{"SIGQUIT twice", []syscall.Signal{syscall.SIGQUIT, syscall.SIGQUIT}, "SIGQUIT: quit"},
		{"SIGTERM, then SIGABRT", []syscall.Signal{syscall.SIGTERM, syscall.SIGABRT}, "SIGABRT: abort"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			// One experiment of half an hour, so that no interruption is obeyed soon.
			u := startProgram(t, "torntail-mortal", t.TempDir(), "run", "--target", "redis-server", "--mode", "no", "--crash", "kill", "--span", "30m", "--runs", "1", "--plan", "plan 1\nat 29m: kill n1")
			server := 0
			u.await(t, "a server runs", func() bool { server = serverOf(u.Process.Pid); return server != 0 })
			for i, s := range c.by {
				u.await(t, "the signal before is noticed", func() bool { return i == 0 || strings.Contains(u.errs.String(), "what is known so far") })
				require.NoError(t, u.Process.Signal(s))
			}
			code, by := u.end(t)
			require.Equal(t, result.ExitInternal, code, "%v\n%s", by, &u.errs)
			require.Contains(t, u.errs.String(), c.says)
			require.Regexp(t, `(?m)^goroutine \d+ `, u.errs.String())
			u.await(t, "the server is gone", func() bool { return !guard.GroupAlive(server) })
			require.Empty(t, leftover(u.work, u.temp))
		})
	}
}

// serverOf is the redis-server that a process has started, 0 if none runs. (What it has in
// its environment cannot be read for long: it writes its title there.)
func serverOf(pid int) int {
	for _, child := range childrenOf(pid) {
		if line, _ := os.ReadFile("/proc/" + strconv.Itoa(child) + "/cmdline"); strings.HasPrefix(string(line), "redis-server") {
			return child
		}
	}
	return 0
}
