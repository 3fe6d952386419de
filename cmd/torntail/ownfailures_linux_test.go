package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/process"
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
		{"its port is somebody else's, again and again", "echo 'bind: Address already in use'; exit 1", "$T", result.ExitEnvironment, "Address already in use", true},
		{"the server's program is removed", `outside "rm -f $0"; kill -KILL $$`, "$T", result.ExitEnvironment, "did not start", true},
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

// mounted lets lines of shell say $m for where a server's disk is mounted.
const mounted = `for a; do case $a in */torntail-mount-*) m=${a%/*};; esac; done
`

// wrote is a function of shell that waits until the log of a server has something in it.
const wrote = `for a; do [ "$before" = --dir ] && d=$a; before=$a; done
wrote() { until [ -s "$d/appendonlydir/appendonly.aof.1.incr.aof" ]; do sleep 0.01; done; }
`

// TestTakenAwayInMidRun: what somebody takes from torntail while it runs, or from the
// server, is named; the figures known so far are there, and nothing of it is a violation.
// n is the number of the server's start: two of them are an experiment.
func TestTakenAwayInMidRun(t *testing.T) {
	needs.Program(t, "redis-server")
	const aborts = `outside "echo 1 >/sys/fs/fuse/connections/\$(mountpoint -d $m | cut -d: -f2)/abort"`
	const fills = `dd if=/dev/zero of=$TMPDIR/fill bs=64k 2>/dev/null`
	const onHost = " run --target ./server --disk host --mode always --plan kill.plan --runs 4 --workers 1 --out out"
	const onFuse = " run --target ./server --mode always --plan power.plan --runs 4 --workers 1 --out out"
	const small = "mkdir tmp && mount -t tmpfs -o size=6m none tmp && TMPDIR=$PWD/tmp exec $T"
	const fusectl = "{ mountpoint -q /sys/fs/fuse/connections || mount -t fusectl none /sys/fs/fuse/connections; } && exec $T"
	for _, c := range []struct {
		name   string
		first  string // what the server does before it starts
		target string // of a target file: the repair tool and more
		line   string // of shell; without a mount of its own it says so: see private
		status int
		cause  string // on stderr
		known  string // in the table
	}{
		{"the disk is unmounted", mounted + `[ $n = 4 ] && outside "umount -l $m"`, "", "exec $T" + onFuse,
			result.ExitEnvironment, "was taken away from torntail", `  power +[1-9](/\d)? .*unknown`},
		{"the disk is unmounted while clients write", mounted + `[ $n = 4 ] && { (sleep 0.1; outside "umount -l $m")& }`, "", "exec $T" + onFuse,
			result.ExitEnvironment, "was taken away from torntail", `  power +[1-9](/\d)? .*unknown`},
		{"the disk's connection is aborted before a recovery", mounted + `[ $n = 5 ] && ` + aborts, "", fusectl + onFuse,
			result.ExitEnvironment, "was taken away from torntail", `  power +[1-9](/\d)? .*unknown`},
		{"the disk's connection is aborted while clients write", mounted + `[ $n = 4 ] && { (sleep 0.1; ` + aborts + `)& }`, "", fusectl + onFuse,
			result.ExitEnvironment, "was taken away from torntail", `  power +[1-9](/\d)? .*unknown`},
		{"the temporary directory fills up", `[ $n = 4 ] && ` + fills, "", small + onHost,
			result.ExitEnvironment, "no space left on device", `  kill +[1-9](/\d)? .*unknown`},
		{"the temporary directory fills up before a recovery", `[ $n -ge 5 ] && ` + fills, "", small + onHost,
			result.ExitEnvironment, "no space left on device", `  kill +[1-9]`},
		{"the temporary directory fills up while clients write", `[ $n = 4 ] && { (sleep 0.1; exec ` + fills + `)& }`, "", small + onHost,
			result.ExitEnvironment, "no space left on device", `  kill +[1-9]`},
		{"the server is killed while clients write", wrote + `[ $n = 4 ] && { (wrote; kill -KILL $$)& }`, "", "exec $T" + onHost,
			result.ExitEnvironment, "runs were lost to something outside the server: the server was killed by signal 9", `  kill +4/\d .*holds`},
		{"the server is killed before it has come back", `[ $n = 5 ] && kill -KILL $$`, "", "exec $T" + onHost,
			result.ExitEnvironment, "runs were lost to something outside the server: after the restart: ./server did not start: killed by signal 9", `  kill +4/\d .*holds`},
		{"the kernel kills the server for lack of memory", `[ $n = 5 ] && limit`, "", "exec $T" + onHost,
			result.ExitEnvironment, "runs were lost to something outside the server: after the restart: ./server did not start: killed by signal 9", `  kill +4/\d .*holds`},
		{"the repair tool hangs", "", "repair: [sleep, '100']\nwithin: 3s", "exec $T run --target t.yaml --mode always --directive aof-load-truncated=no --crash tail-cut --for 1s --workers 1 --out out",
			result.ExitUnknown, "", `(?s)  always, tail-cut: no crash struck: after the restart: the repair tool\s+sleep\s+did\s+not\s+end\s+in\s+time.*^  tail-cut +0/1 +0 +0 [^\n]*unknown$`},
		{"the server does not end on SIGTERM", `(sleep 0.6; kill -STOP $$)&`, "", "exec $T run --target ./server --disk host --mode always --plan 'plan 1\nat 900ms: term n1' --span 1s --for 1s --workers 1 --out out",
			result.ExitUnknown, "", `(?s)  always, term: no crash struck: the crash did not strike.*^  term +0/1 +0 +0 [^\n]*unknown$`},
		{"the server is slow to load", `[ $n = 1 ] && sleep 1`, "", "exec $T run --target ./server --disk host --mode always --crash kill --runs 1 --workers 1 --out out",
			result.ExitHolds, "", `  kill +1 .*holds`},
		{"the server is too slow to load", `[ $n = 2 ] && sleep 100`, "within: 3s", "exec $T run --target t.yaml --disk host --mode always --crash kill --runs 1 --workers 1 --out out",
			result.ExitHolds, "", `  kill +1/2 .*holds`},
		{"the server's own words cannot be read", `printf '\033[31m\377\000\n'; exec >&- 2>&-`, "", "exec $T run --target ./server --disk host --mode always --crash kill --runs 2 --workers 1 --out out",
			result.ExitHolds, "", `  kill +2 .*holds`},
		{"the server's last words are no text", `printf '\033[31m\377\000\n'; [ $n = 4 ] && exit 1`, "", "exec $T" + onHost,
			result.ExitInternal, `\x1b[31m\xff`, `  kill +[1-9](/\d)? .*unknown`},
		{"the server is not the process that was started", `[ $n = 4 ] && { redis-server "$@" & wait; }`, "", "exec $T" + onHost,
			result.ExitHolds, "", `  kill +4 .*holds`}, // who listens on the port is found, and struck
		{"another torntail writes into the directory", "", "", "mkdir out; flock out " + "$T" + onHost,
			result.ExitUsage, "--out: another torntail writes into out", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			line := c.line
			if strings.Contains(line, "mount -t ") {
				if out, err := exec.Command("unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt").CombinedOutput(); err != nil {
					needs.Working(t, fmt.Errorf("nothing can be mounted here: %w: %s", err, out))
				}
				line = "unshare -m sh -c '" + strings.ReplaceAll(line, "'", `'"'"'`) + "'"
			}
			if strings.Contains(c.first, "$m") {
				needs.Working(t, fusefs.Available())
				if os.Geteuid() != 0 {
					t.Skip("only root may unmount what others have mounted")
				}
			}
			first := c.first
			if strings.Contains(first, "limit") {
				first = strings.ReplaceAll(first, "limit", memoryLimit(t))
			}
			if c.target != "" {
				line = "cat >t.yaml <<'END'\n" + targetFile + c.target + "\nEND\n" + line
			}
			code, out, errs := brokenCommand(t, first, line)
			require.Equal(t, c.status, code, "%s\n%s", errs, out)
			require.Contains(t, errs, c.cause)
			require.NotRegexp(t, `\bviolated\b|\x1b`, out+errs)
			require.Regexp(t, `(?m)^`+c.known, out)
			if c.known != "" {
				require.Regexp(t, `(?m)^Reports: out$`, out)
			}
		})
	}
}

// TestAServerThatIsStarvedAtItsFirstStart: one that gets no processor before it has answered
// for the first time says nothing of the input, whichever command started it.
func TestAServerThatIsStarvedAtItsFirstStart(t *testing.T) {
	needs.Program(t, "redis-server")
	const suite = `suite: 1
name: s
matrix:
  - {targets: t.yaml, modes: always, crashes: kill}
`
	for _, args := range []string{
		"run --disk host --target t.yaml --mode always --crash kill --runs 1",
		"explore --target t.yaml --mode always --images 5",
		"policies --target t.yaml --mode always",
		"suite s.yaml",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(args, "host") {
				needs.Working(t, fusefs.Available())
			}
			line := "cat >t.yaml <<'END'\n" + targetFile + "within: 1s\nEND\ncat >s.yaml <<'END'\n" + suite + "END\nexec $T " + args + " --out out"
			code, out, errs := brokenCommand(t, "kill -STOP $$", line)
			want := result.ExitEnvironment
			if strings.HasPrefix(args, "suite") {
				want = result.ExitUnknown // which goes on with its other targets, and says why nothing is known of this
			}
			require.Equal(t, want, code, "%s\n%s", errs, out)
			require.Regexp(t, `did not answer within`, errs+out)
			require.NotRegexp(t, `\bviolated\b`, out+errs)
		})
	}
}

// TestAServerThatAlwaysEndsHasAnEnd: one that aborts in each of its lives, before the plan's
// kill is due, is what it is, and not started again for ever.
func TestAServerThatAlwaysEndsHasAnEnd(t *testing.T) {
	needs.Program(t, "redis-server")
	needs.Working(t, fusefs.Available())
	code, out, errs := brokenCommand(t, `[ $n -ge 2 ] && { (sleep 0.1; kill -ABRT $$)& }`,
		"$T run --target ./server --mode always --plan kill.plan --runs 4 --workers 1 --out out; code=$?; echo $(ls starts | wc -l) starts; exit $code")
	require.Equal(t, result.ExitViolated, code, "%s\n%s", errs, out)
	require.Regexp(t, `killed\s+by\s+signal\s+(6|11)`, out) // redis-server's own report of an abort has been seen to fault
	require.Regexp(t, `(?m)^\d?\d starts$`, out)            // 12 runs at most, of 5 lives
}

// TestInterruptedAtEachStage: Ctrl-C reaches torntail while a server starts, serves, is
// brought back or repaired. What is known is reported, what is not is unknown, and nothing
// is left behind.
func TestInterruptedAtEachStage(t *testing.T) {
	needs.Program(t, "redis-server")
	const interrupt = `kill -INT $PPID`
	for _, c := range []struct{ stage, first, repair, known string }{
		{"before the first start", `[ $n = 0 ] && ` + interrupt, "", `  kill +0 .*unknown`},
		{"while clients write for the first time", `[ $n = 0 ] && { (sleep 0.1; ` + interrupt + `)& }`, "", `  kill +0 .*unknown`},
		{"in the first recovery", `[ $n = 1 ] && ` + interrupt, "", `  kill +0 .*unknown`},
		{"before a later start", `[ $n = 4 ] && ` + interrupt, "", `  kill +[1-9](/\d)? .*unknown`},
		{"while clients write", `[ $n = 4 ] && { (sleep 0.1; ` + interrupt + `)& }`, "", `  kill +[1-9](/\d)? .*unknown`},
		{"in a later recovery", `[ $n = 5 ] && ` + interrupt, "", `  kill +[1-9](/\d)? .*unknown`},
		{"in a recovery that takes long", `[ $n = 5 ] && { ` + interrupt + `; sleep 100; }`, "", `  kill +[1-9](/\d)? .*unknown`},
		{"in the repair tool", `echo $PPID >pid`, `kill -INT $(cat pid); sleep 100`, `  tail-cut +0 .*unknown`},
	} {
		t.Run(c.stage, func(t *testing.T) {
			t.Parallel()
			work, temp := t.TempDir(), t.TempDir()
			scriptedServer(t, work, c.first)
			args := "run --target ./server --disk host --mode always --plan kill.plan --runs 5 --workers 1 --out out"
			if c.repair != "" {
				needs.Working(t, fusefs.Available())
				args = "run --target t.yaml --mode always --directive aof-load-truncated=no --crash tail-cut --runs 5 --workers 1 --out out"
				require.NoError(t, os.WriteFile(filepath.Join(work, "t.yaml"), []byte(targetFile+"repair: [sh, -c, '"+c.repair+"']\n"), 0o644))
			}
			u := &under{work: work, temp: temp, Cmd: exec.Command("torntail", strings.Fields(args)...)}
			u.Dir, u.Env, u.Stdout, u.Stderr = work, append(os.Environ(), "WORK="+work, "TMPDIR="+temp), &u.out, &u.errs
			require.NoError(t, u.Start())
			code, by := u.end(t)
			require.Equal(t, result.ExitInterrupted, code, "%v\n%s\n%s", by, &u.errs, &u.out)
			require.Contains(t, u.errs.String(), "torntail: interrupted")
			require.Regexp(t, `(?m)^`+c.known+`$`, u.out.String())
			require.Regexp(t, `(?m)^  always, (kill|tail-cut): interrupted before the runs were done$`, u.out.String())
			require.NotContains(t, u.out.String()+u.errs.String(), "violated")
			require.Empty(t, leftover(work, temp))
		})
	}
}

// targetFile describes the server of scriptedServer.
const targetFile = `target: 1
name: t
command: [./server, --port, '{{port}}', --bind, '{{addr}}', --dir, '{{dir}}', --logfile, '', '{{directives}}']
version: [./server, --version]
`

// memoryLimit is a line of shell after which a process has too little memory to start.
func memoryLimit(t *testing.T) string {
	t.Helper()
	return `outside "echo $$ >` + needs.MemoryCgroup(t, 4096) + `/cgroup.procs"`
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

// TestATakenPortIsNotTheInputs: the nodes of a cluster have ports that are drawn before
// they start. One that somebody else has taken meanwhile says nothing about the input, also
// where nothing has run yet.
func TestATakenPortIsNotTheInputs(t *testing.T) {
	refused := &process.StartError{Path: "redis-server", Exited: true, Exit: process.Exit{Code: 1}, Output: "# Warning: Could not create server TCP listening socket 127.1.2.3:10000: bind: Address already in use"}
	var f *failure
	require.ErrorAs(t, asUsage(fmt.Errorf("n1: %w", refused)), &f)
	require.Equal(t, result.ExitEnvironment, f.status)
	refused.Output = "Bad directive or wrong number of arguments"
	require.ErrorAs(t, asUsage(fmt.Errorf("n1: %w", refused)), &f)
	require.Equal(t, result.ExitUsage, f.status)
}
