package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/result"
)

// under is a torntail that a test interrupts.
type under struct {
	*exec.Cmd
	work, temp string
	out, errs  shared
}

// shared is a buffer that a process writes to while a test reads it.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// startUnder starts torntail in a directory of its own.
func startUnder(t *testing.T, args ...string) *under {
	t.Helper()
	return startIn(t, t.TempDir(), args...)
}

func startIn(t *testing.T, work string, args ...string) *under {
	t.Helper()
	return startProgram(t, "torntail", work, args...)
}

func startProgram(t *testing.T, program, work string, args ...string) *under {
	t.Helper()
	u := &under{work: work, temp: t.TempDir()}
	u.Cmd = exec.Command(program, args...)
	u.Dir = u.work
	u.Env = append(os.Environ(), "WORK="+u.work, "TMPDIR="+u.temp)
	u.Stdout, u.Stderr = &u.out, &u.errs
	require.NoError(t, u.Start())
	return u
}

// await waits for something that torntail brings about.
func (u *under) await(t *testing.T, what string, is func() bool) {
	t.Helper()
	if !within(3*time.Minute, is) {
		u.Process.Kill()
		u.Wait()
		t.Fatalf("not within 3 min: %s\n%s", what, u.errs.String())
	}
}

// running reports whether a server of this torntail runs.
func (u *under) running() bool {
	for _, name := range processesOf(u.work) {
		if strings.HasPrefix(name, "redis-server") {
			return true
		}
	}
	return false
}

// used is the CPU time that torntail itself has used so far (proc(5): fields 14
// and 15 of stat, in ticks of 10 ms).
func (u *under) used(t *testing.T) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", u.Process.Pid))
	require.NoError(t, err)
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from field 3 on
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		require.NoError(t, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// end waits for torntail's end and returns its exit status, or the signal that ended it.
func (u *under) end(t *testing.T) (code int, by syscall.Signal) {
	t.Helper()
	err := u.Wait()
	var exit *exec.ExitError
	if err != nil {
		require.True(t, errors.As(err, &exit), "%v", err)
	}
	state := u.ProcessState.Sys().(syscall.WaitStatus)
	if state.Signaled() {
		return -1, state.Signal()
	}
	return state.ExitStatus(), 0
}

// Ctrl-C in the middle: what is known is printed, the rest is unknown, and
// nothing is left.
func TestInterruptReportsWhatIsKnown(t *testing.T) {
	for _, target := range []string{"engine", "redis-server"} {
		t.Run(target, func(t *testing.T) {
			if ok, err := realServers(); err != nil {
				t.Fatal(err)
			} else if !ok && target != "engine" {
				t.Skip("no redis-server, or no FUSE")
			}
			u := startUnder(t, "run", "--target", target, "--mode", "always,no", "--crash", "kill,power", "--runs", "1000000", "--out", "out", "--json", "-")
			u.await(t, "experiments run", func() bool {
				_, err := os.Stat(filepath.Join(u.work, "out"))
				return err == nil && (target == "engine" || u.running())
			})
			require.NoError(t, u.Process.Signal(os.Interrupt))
			code, _ := u.end(t)
			require.Equal(t, result.ExitInterrupted, code, u.errs.String())
			require.Contains(t, u.errs.String(), "torntail: interrupted")
			r, err := result.Load(filepath.Join(u.work, "out", "result.json"))
			require.NoError(t, err)
			require.Len(t, r.Results, 4)
			for i := range r.Results {
				require.Equal(t, result.Unknown, r.Results[i].Verdict)
				require.Contains(t, r.Results[i].Why, "interrupted")
			}
			require.Empty(t, leftover(u.work, u.temp))
		})
	}
}

// Whichever command is interrupted, and by what: the figures known so far are printed and
// saved, what was not tried is unknown, and the exit status says that it was interrupted.
func TestInterruptedCommandsReportWhatIsKnown(t *testing.T) {
	type command struct {
		args, until string // a file that is there once something is known
		by          syscall.Signal
		status      int
		known, rest string
		file        string
	}
	list := []command{
		{"run --mode always,no --crash kill --runs 1000000 --out out", "", syscall.SIGTERM, result.ExitTerminated,
			`(?ms)^Unknown\n  always, kill: interrupted before the runs were done$.*^  kill +[1-9][^\n]*unknown$`, `(?m)^Nothing is proved about always`, "result.json"},
		{"explore --mode always --personality all --bound 5 --out out", "", syscall.SIGINT, result.ExitInterrupted,
			`(?m)^[1-9]\d* states, `, `interrupted before all explorations were done`, "explore.json"},
		{"suite suite.yaml --out out", "out/cells/00000.json", syscall.SIGTERM, result.ExitTerminated,
			`2 unknown, 1 as expected`, `(?m)^  engine/no/kill/registers/ext4: not all runs were done: interrupted$`, "result.json"},
		{"splitbrain --runs 100000 --out out", "out/run002", syscall.SIGINT, result.ExitInterrupted,
			`(?m)^\d+ runs: \d+ converged`, ``, "result.json"},
		{"selftest --clean 100000000", "", syscall.SIGHUP, 129, `(?m)^skip-every-50th-fsync +engine`, `(?m)^interrupted$`, ""},
	}
	if _, err := exec.LookPath("redis-server"); err == nil {
		list = append(list, command{"policies --target ./server --mode always,no --rounds 1000 --round 100ms --restart 0 --keys 10 --crash kill --out out", "starts/3", syscall.SIGINT, result.ExitInterrupted,
			`(?m)^(always|no) +\d`, `turns were taken: interrupted`, "result.json"})
	}
	hearHangups(t)
	for _, c := range list {
		t.Run(strings.Fields(c.args)[0], func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS != "linux" {
				t.Skip("how much CPU a process has used is read from /proc")
			}
			work := t.TempDir()
			scriptedServer(t, work, "")
			require.NoError(t, os.WriteFile(filepath.Join(work, "suite.yaml"), []byte("suite: 1\nname: s\nbudget: {runs: 30000}\nmatrix:\n- {modes: [always], crashes: [kill], runs: 5}\n- {modes: [no, everysec], crashes: [kill]}\n"), 0o644))
			u := startIn(t, work, strings.Fields(c.args)...)
			u.await(t, "something is known", func() bool {
				_, err := os.Stat(filepath.Join(u.work, c.until))
				return err == nil && u.used(t) > time.Second
			})
			require.NoError(t, u.Process.Signal(c.by))
			code, by := u.end(t)
			out := u.out.String()
			require.Equal(t, c.status, code, "%v\n%s\n%s", by, u.errs.String(), out)
			require.Contains(t, u.errs.String(), "torntail: interrupted")
			require.Regexp(t, c.known, out)
			require.Regexp(t, c.rest, out)
			require.NotContains(t, out, "violated:")
			if c.file != "" {
				require.FileExists(t, filepath.Join(work, "out", c.file))
				require.FileExists(t, filepath.Join(work, "out", "report.md"))
			}
			require.Empty(t, leftover(u.work, u.temp))
		})
	}
}

// hearHangups has commands that a test starts hear SIGHUP, also under nohup, where they would
// take over that it is ignored.
func hearHangups(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGHUP)
		t.Cleanup(func() { signal.Ignore(syscall.SIGHUP) })
	}
}

// The first Ctrl-C waits for the experiment that is under way; this one takes
// minutes. The second one does not wait.
func TestSecondInterruptEndsAtOnce(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("how much CPU a process has used is read from /proc")
	}
	u := startUnder(t, "run", "--mode", "no", "--crash", "kill", "--span", "30m", "--rate", "20000", "--runs", "1", "--plan", "plan 1\nat 29m: kill n1")
	// All that comes before the experiment takes a few milliseconds.
	u.await(t, "the experiment is under way", func() bool { return u.used(t) > 300*time.Millisecond })
	require.NoError(t, u.Process.Signal(os.Interrupt))
	u.await(t, "the first interrupt is noticed", func() bool { return strings.Contains(u.errs.String(), "interrupted") })
	require.NoError(t, u.Process.Signal(os.Interrupt))
	_, by := u.end(t)
	require.Equal(t, syscall.SIGINT, by)
	require.Empty(t, leftover(u.work, u.temp))
}

// However torntail ends, servers, mounts and directories go with it.
func TestNothingIsLeftAfterKill9(t *testing.T) {
	if ok, err := realServers(); err != nil {
		t.Fatal(err)
	} else if !ok {
		t.Skip("no redis-server, or no FUSE")
	}
	for _, c := range []struct{ args, until string }{
		{"run --target redis-server --mode no --crash power --runs 8", "*"},
		{"explore --target redis-server --mode always --commands 200", "torntail-images-*/0/*/appendonlydir"},
	} {
		t.Run(strings.Fields(c.args)[0], func(t *testing.T) {
			u := startUnder(t, strings.Fields(c.args)...)
			u.await(t, "a server runs", func() bool {
				found, _ := filepath.Glob(filepath.Join(u.temp, c.until))
				return u.running() && len(found) > 0
			})
			require.NoError(t, u.Process.Kill())
			_, by := u.end(t)
			require.Equal(t, syscall.SIGKILL, by)
			require.Empty(t, leftover(u.work, u.temp))
		})
	}
}

// scriptedServer makes the program server in a directory: a redis-server that first does
// what lines of shell say, in which $n is how often it was started before. Each start
// leaves a directory starts/N. The plans kill.plan and power.plan let clients write for a
// while. A server may write in torntail's own directory alone: what it cannot do itself it
// has the test do, with outside "LINE", where the server's mounts are.
func scriptedServer(t *testing.T, work, first string) {
	t.Helper()
	real, err := exec.LookPath("redis-server")
	if err != nil {
		return // nobody will start it
	}
	starts := filepath.Join(work, "starts")
	require.NoError(t, os.Mkdir(starts, 0o755))
	for name, action := range map[string]string{"kill.plan": "kill n1", "power.plan": "power-cut n1 keep none"} { // any order: files
		require.NoError(t, os.WriteFile(filepath.Join(work, name), []byte("plan 1\nat 400ms: "+action+"\n"), 0o644))
	}
	n := 0
	port := serveLines(t, func(line string) string {
		pid, line, _ := strings.Cut(line, " ")
		if line == "start" {
			n++
			if err := os.Mkdir(filepath.Join(starts, strconv.Itoa(n-1)), 0o755); err != nil {
				return err.Error()
			}
			return strconv.Itoa(n - 1)
		}
		if out, err := exec.Command("nsenter", "--mount", "--target", pid, "sh", "-c", line).CombinedOutput(); err != nil {
			return fmt.Sprintf("%s: %v: %s", line, err, out)
		}
		return ""
	})
	require.NoError(t, os.WriteFile(filepath.Join(work, "server"), fmt.Appendf(nil, `#!/bin/bash
[ "$1" = --version ] && exec %[1]s --version
outside() { exec 9<>/dev/tcp/127.0.0.1/%[2]d; echo "$$ $*" >&9; cat <&9; exec 9>&-; }
n=$(outside start)
%[3]s
exec %[1]s "$@"
`, real, port, first), 0o755))
}

// serveLines answers each who connects, one after the other, to the line that he sends.
func serveLines(t *testing.T, answer func(line string) string) (port int) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	over := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-over })
	go func() {
		defer close(over)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if line, err := bufio.NewReader(c).ReadString('\n'); err == nil {
				fmt.Fprint(c, answer(strings.TrimSuffix(line, "\n")))
			}
			c.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}
