package control_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/fusefs/control"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/process"
)

func TestMain(m *testing.M) {
	guard.Main()
	os.Exit(m.Run())
}

// served is a disk at the root of a mount that every process sees, and its socket.
type served struct {
	dir, socket string
	space       *guard.Space
}

func serve(t *testing.T, o fusefs.Options) served {
	t.Helper()
	if err := fusefs.Available(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	space, err := guard.Open()
	require.NoError(t, err)
	o.Space = space
	s := served{dir: t.TempDir(), socket: filepath.Join(t.TempDir(), "control"), space: space}
	m, v, err := fusefs.ServeDisk(s.dir, disk.New(disk.Options{KeepLog: true}), o, fusefs.VolumeOptions{})
	require.NoError(t, err)
	server, err := control.Listen(s.socket, control.DiskCommands(v))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.NoError(t, m.Close())
	})
	return s
}

func (s served) shell(t *testing.T, script string) string {
	t.Helper()
	out, exit, err := process.Run(process.Spec{Path: "sh", Args: []string{"-ec", script}, Dir: s.dir, Space: s.space})
	require.NoError(t, err)
	require.Zero(t, exit.Code, "%s\n%s", script, out)
	return out
}

func (s served) call(t *testing.T, command string, args ...string) string {
	t.Helper()
	out, err := control.Call(s.socket, command, args...)
	require.NoError(t, err)
	return out
}

// eventually waits for a condition that another process brings about.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestShellScriptOverAPowerCut(t *testing.T) {
	s := serve(t, fusefs.Options{})
	require.Contains(t, s.call(t, "status"), "everything is durable")
	s.shell(t, "mkdir d; echo kept > d/f; sync d/f d .; echo lost >> d/f; echo lost > g")
	status := s.call(t, "status")
	require.Regexp(t, regexp.MustCompile(`(?m)^d/f: 1 calls, 5 bytes`), status)
	require.Regexp(t, regexp.MustCompile(`(?m)^g: 1 calls, 5 bytes`), status)
	log := s.call(t, "log")
	require.Regexp(t, regexp.MustCompile(`(?m)^\d+ \S+ write d/f 0\+5 in `), log)
	require.Regexp(t, regexp.MustCompile(`(?m)^\d+ \S+ dirsync d in `), log)
	require.Len(t, strings.Split(strings.TrimSpace(s.call(t, "log", "2")), "\n"), 2)

	require.Regexp(t, regexp.MustCompile(`keep none: 3 calls \(10 bytes\) were not durable, 3 of them \(10 bytes\) lost`), s.call(t, "power-cut"))
	require.Equal(t, "kept\n", s.shell(t, "cat d/f; test ! -e g"))
	require.Contains(t, s.call(t, "status"), "everything is durable")

	for _, wrong := range [][]string{{"drop 3"}, {"keep", "everything"}} {
		_, err := control.Call(s.socket, "power-cut", wrong...)
		require.ErrorContains(t, err, "power-cut: ")
	}
}

func TestPowerCutKillsWhoHasFilesOpen(t *testing.T) {
	s := serve(t, fusefs.Options{})
	flag := filepath.Join(t.TempDir(), "told")
	p, err := process.Start(process.Spec{Path: "sh", Dir: s.dir, Space: s.space,
		Args: []string{"-c", "exec 3>f; while echo x >&3; do :; done; echo told > " + flag}})
	require.NoError(t, err)
	defer func() { p.KillTree(); p.WaitTree() }()
	eventually(t, "the program writes", func() bool { return strings.Contains(s.call(t, "status"), "f: ") })
	require.Contains(t, s.call(t, "power-cut", "keep all"), "killed: process "+strconv.Itoa(p.Pid()))
	p.WaitTree()
	require.NoFileExists(t, flag, "it was told of an error before its death")
	require.Equal(t, "x\n", s.shell(t, "head -n 1 f"))
}

// SQLite says itself what a power cut may take: with a rollback journal a
// transaction commits when the journal is unlinked, and only synchronous=EXTRA
// syncs the directory after that (sqlite.org/pragma.html#pragma_synchronous). A
// disk that cannot lose an unlink does not show the difference.
func TestSQLiteLosesWhatItsManualSays(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("no sqlite3 here")
	}
	for _, c := range []struct {
		journal, synchronous string
		rows                 int // of 6
	}{
		{"DELETE", "EXTRA", 6},
		{"DELETE", "FULL", 5},
		{"WAL", "FULL", 6},
	} {
		t.Run(c.journal+"/"+c.synchronous, func(t *testing.T) {
			// WAL maps its index shared and writable, which direct I/O refuses.
			s := serve(t, fusefs.Options{Buffered: c.journal == "WAL"})
			sql := func(statements string) string {
				return s.shell(t, "sqlite3 db 'PRAGMA synchronous="+c.synchronous+"; "+statements+"'")
			}
			require.Equal(t, strings.ToLower(c.journal)+"\n", sql("PRAGMA journal_mode="+c.journal+"; CREATE TABLE t(x);"))
			for range 3 {
				sql("INSERT INTO t VALUES(1); INSERT INTO t VALUES(2);")
			}
			require.Contains(t, s.call(t, "power-cut"), "power cut at")
			require.Equal(t, strconv.Itoa(c.rows)+"\nok\n", sql("SELECT count(*) FROM t; PRAGMA integrity_check;"))
		})
	}
}
