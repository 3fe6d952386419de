package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
)

// endless are commands that go on for longer than anybody waits here.
var endless = []string{
	"run --runs 1000000 --quiet",
	"run --target redis-server --runs 100000 --workers 2 --quiet",
	"run --target redis-server --disk host --crash kill --runs 100000 --workers 2 --quiet",
	"run --target redis-server --backend block --runs 100000 --workers 2 --mode always,everysec --crash power --quiet",
	"explore --mode always --personality all --bound 5 --quiet",
	"explore --target redis-server --mode always --quiet",
	"explore --target redis-server --backend block --mode always --images 100000 --quiet",
	"splitbrain --runs 100000 --quiet",
	"splitbrain default-timing --target redis-server --quiet",
	"policies --quiet",
	"suite s.yaml --quiet",
	"fidelity --fs ext4 --quiet",
	"selftest",
	"mount m",
	"topology up 3+3",
	"server --port 0 --appendonly yes",
}

// endlessSuite is for the suite among them.
const endlessSuite = `suite: 1
matrix:
- {targets: redis-server, modes: [always, everysec], crashes: [kill, power], runs: 10000}
`

// ending is a way to die.
type ending struct {
	name    string
	die     func(torntail, watchdog int)
	planted bool // it is a bug that torntail-mortal has
}

func signals(list ...syscall.Signal) func(int, int) {
	return func(torntail, _ int) {
		for _, s := range list {
			syscall.Kill(torntail, s)
		}
	}
}

var endings = []ending{
	{"SIGINT", signals(syscall.SIGINT), false},
	{"SIGINT twice", signals(syscall.SIGINT, syscall.SIGINT), false},
	{"SIGTERM", signals(syscall.SIGTERM), false},
	{"SIGHUP", signals(syscall.SIGHUP), false},
	{"SIGQUIT", signals(syscall.SIGQUIT), false},
	{"SIGABRT", signals(syscall.SIGABRT), false},
	{"SIGSEGV", signals(syscall.SIGSEGV), false},
	{"a panic in a goroutine", signals(syscall.SIGUSR1), true},
	{"a fatal error of the Go runtime", signals(syscall.SIGUSR2), true},
	{"SIGKILL", signals(syscall.SIGKILL), false},
	{"stopped, then SIGKILL", signals(syscall.SIGSTOP, syscall.SIGKILL), false},
	{"the watchdog first, then SIGTERM", func(torntail, watchdog int) {
		killPid(watchdog, syscall.SIGKILL)
		syscall.Kill(torntail, syscall.SIGTERM)
	}, false},
	{"SIGKILL, the watchdog too", func(torntail, watchdog int) {
		killPid(watchdog, syscall.SIGSTOP)
		syscall.Kill(torntail, syscall.SIGKILL)
		killPid(watchdog, syscall.SIGKILL)
	}, false},
	{"SIGKILL of all that it started", func(torntail, _ int) {
		var all []int
		for next := []int{torntail}; len(next) > 0; {
			all = append(all, next[0])
			killPid(next[0], syscall.SIGSTOP)
			next = append(next[1:], childrenOf(next[0])...)
		}
		for _, pid := range slices.Backward(all) {
			killPid(pid, syscall.SIGKILL)
		}
	}, false},
}

func killPid(pid int, s syscall.Signal) {
	if pid > 1 {
		syscall.Kill(pid, s)
	}
}

// childrenOf lists the children of a process.
func childrenOf(pid int) (children []int) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range all {
		n, _ := strconv.Atoi(filepath.Base(path))
		if st, ok := guard.ReadStat(n); ok && st.Parent == pid {
			children = append(children, n)
		}
	}
	return children
}

// remains lists what is there of a torntail that had these directories, by kind.
func remains(work, temp string) (kinds []string) {
	for range processesOf(work) {
		kinds = append(kinds, "process")
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, work) || strings.Contains(line, temp) {
			kinds = append(kinds, "mount")
		}
	}
	names, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, name := range names {
		if file, _ := os.ReadFile(name); strings.HasPrefix(string(file), temp) {
			kinds = append(kinds, "loop device")
		}
	}
	filepath.WalkDir(temp, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || path == temp:
			return nil
		case e.Type()&fs.ModeSocket != 0:
			kinds = append(kinds, "socket")
		case strings.HasSuffix(path, ".ledger"):
			kinds = append(kinds, "list of what is left")
		case filepath.Dir(path) == temp && e.Name() != "torntail":
			kinds = append(kinds, "temporary directory")
			return fs.SkipDir
		}
		return nil
	})
	return kinds
}

// settled waits until what clean up by themselves have done it: until nothing is left, or
// for so long after the last process of them has gone.
func settled(work, temp string) []string {
	var left []string
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(20 * time.Millisecond) {
		if left = remains(work, temp); len(left) == 0 || !slices.Contains(left, "process") && time.Since(began) > 5*time.Second {
			break
		}
	}
	return left
}

// TestForcedEnds ends TORNTAIL_ENDS commands in all ways, at moments that are drawn: what is
// left afterwards is counted by kind, and after doctor --clean there is nothing.
func TestForcedEnds(t *testing.T) {
	count, _ := strconv.Atoi(os.Getenv("TORNTAIL_ENDS"))
	if count == 0 {
		t.Skip("for make prove-ends")
	}
	needs.Program(t, "redis-server")
	hearHangups(t)
	torntail, err := exec.LookPath("torntail-mortal") // which dies of itself when it is asked to
	require.NoError(t, err)
	draw := rand.New(rand.NewPCG(1, uint64(count)))
	before, ends, codes := map[string]map[string]int{}, map[string]int{}, map[string]map[string]int{}
	bad := 0
	for i := range count {
		// Each command meets each ending in turn.
		command, way := endless[i%len(endless)], endings[(i+i/len(endless))%len(endings)]
		work, temp := t.TempDir(), t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(work, "m"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(work, "s.yaml"), []byte(endlessSuite), 0o644))
		cmd := exec.Command(torntail, strings.Fields(command)...)
		cmd.Dir, cmd.Env = work, append(os.Environ(), "WORK="+work, "TMPDIR="+temp, "XDG_RUNTIME_DIR="+temp, "BEGUN="+filepath.Join(work, "begun"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		require.NoError(t, cmd.Start())
		time.Sleep(time.Duration(draw.IntN(4000)) * time.Millisecond)
		writer := new(exec.Cmd)
		// Where it is not mounted yet, what is written there would be in the way.
		if command == "mount m" && within(time.Minute, func() bool { return slices.Contains(remains(work, temp), "mount") }) {
			writer = exec.Command("sh", "-c", "cd m && while echo x >>f; do :; done")
			writer.Dir = work
			require.NoError(t, writer.Start())
			time.Sleep(time.Duration(draw.IntN(500)) * time.Millisecond)
		}
		watchdog := 0
		for _, pid := range childrenOf(cmd.Process.Pid) {
			if line, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline"); strings.HasPrefix(string(line), "torntail-watchdog") {
				watchdog = pid
			}
		}
		begun := func() bool {
			_, err := os.Stat(filepath.Join(work, "begun"))
			return err == nil
		}
		if way.planted { // before, nobody hears that the bug is asked for
			require.True(t, within(time.Minute, begun))
		}
		was := begun()
		way.die(cmd.Process.Pid, watchdog)
		stuck := time.AfterFunc(3*time.Minute, func() { // only a hang takes so long
			t.Errorf("%s, %s: it has not ended", command, way.name)
			cmd.Process.Kill()
		})
		cmd.Wait()
		stuck.Stop()
		left := settled(work, temp)
		ends[way.name]++
		if before[way.name] == nil {
			before[way.name], codes[way.name] = map[string]int{}, map[string]int{}
		}
		code := strconv.Itoa(cmd.ProcessState.ExitCode())
		if was {
			assert.NotEqual(t, result.ExitUsage, cmd.ProcessState.ExitCode(), "%s, %s: nothing was wrong with the input", command, way.name)
		} else {
			code += " before it had begun"
		}
		codes[way.name][code]++
		t.Logf("%d: %s, %s: exit status %s, left: %v", i+1, command, way.name, code, left)
		for _, kind := range left {
			before[way.name][kind]++
		}
		doctor := exec.Command(torntail, "doctor", "--clean")
		doctor.Env = append(os.Environ(), "TMPDIR="+temp, "XDG_RUNTIME_DIR="+temp)
		out, err := doctor.CombinedOutput()
		if after := remains(work, temp); err != nil || len(after) > 0 {
			bad++
			t.Errorf("%s, %s: after doctor --clean (%v) are left: %v; before: %v\n%s%v", command, way.name, err, after, left, out, processesOf(work))
			for _, pid := range pidsOf(work) {
				killPid(pid, syscall.SIGKILL)
			}
		}
		if writer.Process != nil {
			writer.Process.Kill()
			writer.Wait()
		}
	}
	var rows []string
	for _, way := range endings {
		var kinds, statuses []string
		for kind, n := range before[way.name] {
			kinds = append(kinds, fmt.Sprintf("%d %s", n, kind))
		}
		for code, n := range codes[way.name] {
			statuses = append(statuses, fmt.Sprintf("%s (%d)", code, n))
		}
		sort.Strings(kinds)
		sort.Strings(statuses)
		if len(kinds) == 0 {
			kinds = []string{"nothing"}
		}
		rows = append(rows, fmt.Sprintf("| %s | %d | %s | %s |", way.name, ends[way.name], strings.Join(statuses, ", "), strings.Join(kinds, ", ")))
	}
	text := fmt.Sprintf("# Forced ends\n\nWritten by `make prove-ends`: %d ends of %d commands at drawn moments, in %d ways. Exit\nstatuses are those of torntail (-1: a signal), with how often; what is left was counted when all\nhad gone that cleans up by itself. After `torntail doctor --clean` something was left of %d.\n\n| way | ends | exit statuses | left before doctor --clean |\n|---|--:|---|---|\n%s\n",
		count, len(endless), len(endings), bad, strings.Join(rows, "\n"))
	t.Log(text)
	if path := os.Getenv("TORNTAIL_TABLE"); path != "" {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

// pidsOf are the live processes that have the variable WORK=work.
func pidsOf(work string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		if env, err := os.ReadFile(path); err == nil && strings.Contains("\x00"+string(env), "\x00WORK="+work+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}
