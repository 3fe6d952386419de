package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/result"
)

// hostile is an input that somebody could make, and the command that reads it. FILE in the
// command is the input, DIR the directory that it is in.
type hostile struct {
	name    string
	command string
	file    string                // what the input is called; "": it has no file
	text    string                // what is in it
	makes   func(at string) error // or what makes it
	says    string                // a part of what is said of it
}

func pipe(at string) error   { return syscall.Mkfifo(at, 0o600) }
func zeroes(at string) error { return os.Symlink("/dev/zero", at) }

// sparse is a file of so many bytes that takes no disk.
func sparse(n int64) func(at string) error {
	return func(at string) error {
		f, err := os.Create(at)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Truncate(n)
	}
}

// gzipped are n MiB of one byte, compressed some thousandfold.
func gzipped(n int) func(at string) error {
	return func(at string) error {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		block := bytes.Repeat([]byte(" "), 1<<20)
		for range n {
			z.Write(block)
		}
		z.Close()
		return os.WriteFile(at, b.Bytes(), 0o600)
	}
}

// aliases are a YAML value of 10^9 words.
func aliases(field string) string {
	var b strings.Builder
	b.WriteString(field + ":\n- &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := range 8 {
		fmt.Fprintf(&b, "- &a%d [%s*a%d]\n", i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 9), i)
	}
	return b.String()
}

// readers are the commands that read a kind of file, the beginning of a good one, and what
// people call it.
var readers = []struct{ what, file, command, good string }{
	{"plan", "p.plan", "run --plan FILE", "plan 1\n"},
	{"contract", "c.yaml", "run --contract FILE", "contract: 1\n"},
	{"suite", "s.yaml", "suite FILE", "suite: 1\n"},
	{"target", "t.yaml", "run --target FILE", "target: 1\n"},
	{"scenario", "s.yaml", "splitbrain FILE", "version: 1\n"},
	{"redis.conf", "r.conf", "run --conf FILE", "hz 10\n"},
	{"sentinel.conf", "sentinel.conf", "splitbrain --conf FILE", "port 1\n"},
	{"result", "result.json", "report FILE", `{"schema":1,"results":[`},
	{"older result", "result.json", "compare FILE FILE", `{"schema":1,"results":[`},
	{"saved failure", "experiment.json", "replay DIR", `{"schema":1`},
	{"suite's record", "suite.json", "merge DIR --out OUT", `{"schema":1`},
	{"history", "history.jsonl", "check FILE", `{"format":1}` + "\n"},
	{"record", "record", "image FILE DIR/left", "torntail disk log 1\n"},
}

// hostiles is the table: each kind of file in the ways in which any can be hostile, and what
// is peculiar to one.
func hostiles() (all []hostile) {
	for _, r := range readers {
		add := func(name, text string, makes func(string) error, says string) {
			all = append(all, hostile{r.what + ": " + name, r.command, r.file, text, makes, says})
		}
		add("a pipe", "", pipe, "pipe")
		add("a device without end", "", zeroes, "device")
		add("1 TiB", "", sparse(1<<40), "")
		add("NUL bytes", r.good+"\x00\x00", nil, "")
		if !strings.HasSuffix(r.file, ".conf") { // in which that is much
			add("nothing", "", nil, "")
		}
		add("no UTF-8", r.good+"a: \xff\xfe\x1b[31m\xc2\x9b31m\n", nil, "")
		add("one long line", strings.Repeat("x", 900<<10), nil, "")
		add("a million brackets", strings.Repeat("[", 1<<20-1), nil, "")
		if strings.HasSuffix(r.file, ".yaml") {
			add("a second document", r.good+"---\n"+r.good, nil, "a second document")
			add("a field twice", r.good+r.good, nil, "2")
			add("aliases that burst", r.good+aliases("name"), nil, "with those that aliases stand for")
			add("a value in itself", r.good+"name: &a [*a]\n", nil, "a value that it is in itself")
		}
	}
	more := []hostile{
		{"plan: negative calls", "run --plan FILE", "p.plan", "plan 1\nfail n1 write(*) EIO for -1 calls\nat 1s: kill n1\n", nil, "p.plan"},
		{"plan: too many numbers", "run --plan FILE", "p.plan", "plan 1\nat 99999999999999999999h: kill n1\n", nil, "p.plan"},
		{"contract: negative losses", "run --contract FILE", "c.yaml", "contract: 1\nrules:\n- max-lost: -1\n", nil, "max-lost -1: want 0 or more"},
		{"suite: negative runs", "suite FILE", "s.yaml", "suite: 1\ndefaults: {runs: -5}\nmatrix: []\n", nil, "s.yaml:2"},
		{"scenario: negative clients", "splitbrain FILE", "s.yaml", "version: 1\nrate: -3\n", nil, "negative"},
		{"scenario: negative writes", "splitbrain FILE", "s.yaml", "version: 1\nwrites: -1\n", nil, "negative"},
		{"scenario: a negative quorum", "splitbrain FILE", "s.yaml", "version: 1\nquorum: -1\n", nil, "-1"},
		{"scenario: WAIT for less than none", "splitbrain FILE", "s.yaml", "version: 1\nwait_replicas: -1\n", nil, "negative"},
		{"redis.conf: includes itself", "run --conf FILE", "r.conf", "include FILE\ninclude FILE\n", nil, "include"},
		{"redis.conf: includes a device", "run --conf FILE", "r.conf", "include /dev/zero\n", nil, "/dev/zero is a device"},
		{"redis.conf: includes a pipe", "run --conf FILE", "r.conf", "include DIR/pipe\n", func(at string) error { return pipe(filepath.Join(filepath.Dir(at), "pipe")) }, "is a pipe"},
		{"server: a redis.conf that includes itself twice", "server FILE", "r.conf", "include FILE\ninclude FILE\n", nil, "include"},
		{"server: a redis.conf that is a device", "server /dev/zero", "", "", nil, "device"},
		{"history: a gzip bomb", "check FILE", "history.jsonl", "", gzipped(400), ""},
		{"run: negative clients", "run --clients -1", "", "", nil, "clients"},
		{"run: negative keys", "run --keys -1", "", "", nil, "keys"},
		{"run: negative runs", "run --runs -1", "", "", nil, "--runs"},
		{"run: negative workers", "run --workers -1", "", "", nil, "--workers"},
		{"run: a rate below 0", "run --rate -1", "", "", nil, "rate"},
		{"run: a value of a terabyte", "run --value-size 1099511627776", "", "", nil, "value"},
		{"run: clients without end", "run --clients 2000000000", "", "", nil, "clients"},
		{"run: keys without end", "run --keys 2000000000", "", "", nil, "keys"},
		{"run: a pipeline without end", "run --pipeline 2000000000", "", "", nil, "pipeline"},
		{"a program that never says its version", "run --target DIR/server", "server", "#!/bin/sh\nexec sleep 1000\n", nil, "has not ended"},
		{"a program that says its version without end", "run --target DIR/server", "server", "#!/bin/sh\nexec yes\n", nil, "prints more than"},
		{"a program that says it with commands of a terminal", "run --target DIR/server", "server", "#!/bin/sh\nprintf 'v=7.0.15 \\033]0;x\\007 \\233 \\377\\n'; [ \"$1\" = --version ] || exit 3\n", nil, ""},
		{"a server that answers with commands of a terminal", "run --target DIR/server --disk host --runs 1 --mode always --crash kill", "server",
			"#!/bin/sh\n[ \"$1\" = --version ] && { echo 'Redis server v=7.0.15'; exit; }\nprintf '\\033[2J\\033]0;owned\\007 \\302\\233 \\377\\n::error::x\\n'; exit 3\n", nil, "exit"},
	}
	return append(all, more...)
}

// hostileHead begins the table.
const hostileHead = `# What hostile inputs cost

Written by ` + "`make prove-hardening`" + `: each input, the command that is given it, its exit
status (2 bad input, 5 the environment: a server that does not work), the time until it ended
and its largest memory (the kernel counts that of the test which starts it as the least: what
stands at 75 MiB or below may be less). Each says one line, with the file and the place in it
where there is one.

| input | command | status | time | memory |
|---|---|--:|--:|--:|
`

// mostMemory is what a command may take for one of these, in KiB. (What is read at all may be
// a result of 256 MiB.)
const mostMemory = 300 << 10

// TestHostileInputsAreOneError: each ends torntail, with exit status 2 (or 5 where it is a
// server that does not work), one line, nothing that a terminal would obey, and little memory.
// With TORNTAIL_TABLE, a table of what each took is written there.
func TestHostileInputsAreOneError(t *testing.T) {
	torntail, err := exec.LookPath("torntail")
	require.NoError(t, err)
	var rows []string
	for _, h := range hostiles() {
		t.Run(h.name, func(t *testing.T) {
			dir := t.TempDir()
			at := filepath.Join(dir, h.file)
			named := strings.NewReplacer("FILE", at, "DIR", dir, "OUT", filepath.Join(dir, "out"))
			if h.makes != nil {
				require.NoError(t, h.makes(at))
			}
			if h.file != "" && (h.makes == nil || h.text != "") {
				require.NoError(t, os.WriteFile(at, []byte(named.Replace(h.text)), 0o700))
			}
			args := strings.Fields(named.Replace(h.command))
			cmd := exec.Command(torntail, args...)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			began := time.Now()
			require.NoError(t, cmd.Start())
			stuck := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() }) // only a hang takes so long
			cmd.Wait()
			stuck.Stop()
			took, usage := time.Since(began), cmd.ProcessState.SysUsage().(*syscall.Rusage)
			said := out.String()
			code := cmd.ProcessState.ExitCode()
			rows = append(rows, fmt.Sprintf("| %s | `torntail %s` | %d | %.1f s | %d MiB |", h.name, h.command, code, took.Seconds(), usage.Maxrss>>10))
			require.Contains(t, []int{result.ExitUsage, result.ExitEnvironment}, code, "%s", said)
			require.Less(t, usage.Maxrss, int64(mostMemory))
			require.True(t, utf8.ValidString(said), "%q", said)
			require.Less(t, strings.IndexFunc(said, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }), 0, "%q", said)
			require.LessOrEqual(t, strings.Count(said, "\n"), 2, "%s", said)
			require.Less(t, len(said), 2000)
			require.Contains(t, said, h.says)
			require.NoFileExists(t, filepath.Join(dir, "torntail-out"))
		})
	}
	if path := os.Getenv("TORNTAIL_TABLE"); path != "" {
		require.NoError(t, os.WriteFile(path, []byte(hostileHead+strings.Join(rows, "\n")+"\n"), 0o644))
	}
}
