package mount

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/fusefs/control"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/internal/needs"
)

func TestMain(m *testing.M) {
	guard.Main()
	if script := os.Getenv(envScript); script != "" {
		os.Exit(playScript(script))
	}
	if dirs := os.Getenv(envLoopback); dirs != "" {
		os.Exit(serveLoopback(dirs))
	}
	status := m.Run()
	removeBinary()
	os.Exit(status)
}

// needFUSE skips the test where nothing can be mounted; on CI that is a failure.
func needFUSE(t testing.TB) {
	t.Helper()
	needs.Working(t, fusefs.Available())
}

// mounted is a disk mounted by this process, which must not use it itself.
type mounted struct {
	*Disk
	space *guard.Space
}

func open(t testing.TB, o Options) mounted {
	t.Helper()
	needFUSE(t)
	sockets, err := os.MkdirTemp("", "mount-") // short: the path of a socket must be
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(sockets)) })
	t.Setenv("XDG_RUNTIME_DIR", sockets)
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	space, err := guard.Open()
	require.NoError(t, err)
	m, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return mounted{m, space}
}

// shell runs a script in the mounted directory and returns what it prints.
func (m mounted) shell(t testing.TB, script string) string {
	t.Helper()
	out, exit, err := process.Run(process.Spec{Path: "sh", Args: []string{"-ec", script}, Dir: m.Dir(), Space: m.space})
	require.NoError(t, err)
	require.Zero(t, exit.Code, "%s\n%s", script, out)
	return out
}

// start starts a script in the mounted directory.
func (m mounted) start(t testing.TB, script string) *process.Process {
	t.Helper()
	p, err := process.Start(process.Spec{Path: "sh", Args: []string{"-ec", script}, Dir: m.Dir(), Space: m.space})
	require.NoError(t, err)
	t.Cleanup(func() { p.KillTree(); p.WaitTree() })
	return p
}

func (m mounted) call(t testing.TB, command string, args ...string) string {
	t.Helper()
	out, err := control.Call(m.Socket(), command, args...)
	require.NoError(t, err)
	return out
}

// eventually waits for a condition that another process brings about.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 3 min: %s", what)
		}
	}
}

func TestShellScriptOverAPowerCut(t *testing.T) {
	m := open(t, Options{})
	require.Contains(t, m.call(t, "status"), "everything is durable")
	m.shell(t, "mkdir d; echo kept > d/f; sync d/f d .; echo lost >> d/f; echo lost > g")
	status := m.call(t, "status")
	require.Regexp(t, regexp.MustCompile(`(?m)^not durable: d/f: 1 call, 5 bytes, the oldest for `), status)
	require.Regexp(t, regexp.MustCompile(`(?m)^not durable: g: 1 call, 5 bytes, `), status)
	require.Regexp(t, regexp.MustCompile(`(?m)^not durable: .: 1 call, the oldest`), status)
	log := m.call(t, "log")
	require.Regexp(t, regexp.MustCompile(`(?m)^\d+ \S+ write d/f 0\+5 in `), log)
	require.Regexp(t, regexp.MustCompile(`(?m)^\d+ \S+ dirsync d in `), log)
	require.Equal(t, 2, strings.Count(m.call(t, "log", "2"), "\n"))

	require.Contains(t, m.call(t, "power-cut"), "power cut, keep none: 3 calls (10 bytes) not durable, 3 of them (10 bytes) lost\n")
	require.Equal(t, "kept\n", m.shell(t, "cat d/f; test ! -e g"))
	require.Contains(t, m.call(t, "status"), "everything is durable")
	require.Contains(t, m.call(t, "log"), "power cut, keep none: 3 calls")

	for _, wrong := range [][]string{{"drop 3"}, {"keep", "everything"}} {
		_, err := control.Call(m.Socket(), "power-cut", wrong...)
		require.ErrorContains(t, err, "power-cut: ")
	}
}

func TestPowerCutKillsWhoHasFilesOpen(t *testing.T) {
	m := open(t, Options{})
	flag := filepath.Join(t.TempDir(), "told")
	p := m.start(t, "exec 3>f; while echo x >&3; do :; done; echo told > "+flag)
	eventually(t, "the program writes", func() bool { return strings.Contains(m.call(t, "status"), "f: ") })
	require.Contains(t, m.call(t, "power-cut", "keep all"), "killed: process "+strconv.Itoa(p.Pid()))
	p.WaitTree()
	require.NoFileExists(t, flag, "it was told of an error before its death")
	require.Equal(t, "x\n", m.shell(t, "head -n 1 f"))
}

// SQLite says itself what a power cut may take: with a rollback journal a
// transaction commits when the journal is unlinked, and only synchronous=EXTRA
// syncs the directory after that (sqlite.org/pragma.html#pragma_synchronous). A
// disk that cannot lose an unlink does not show the difference.
func TestSQLiteLosesWhatItsManualSays(t *testing.T) {
	needs.Program(t, "sqlite3")
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
			m := open(t, Options{Buffered: c.journal == "WAL"})
			sql := func(statements string) string {
				return m.shell(t, "sqlite3 db 'PRAGMA synchronous="+c.synchronous+"; "+statements+"'")
			}
			require.Equal(t, strings.ToLower(c.journal)+"\n", sql("PRAGMA journal_mode="+c.journal+"; CREATE TABLE t(x);"))
			for range 3 {
				sql("INSERT INTO t VALUES(1); INSERT INTO t VALUES(2);")
			}
			require.Contains(t, m.call(t, "power-cut"), "power cut, keep none")
			require.Equal(t, strconv.Itoa(c.rows)+"\nok\n", sql("SELECT count(*) FROM t; PRAGMA integrity_check;"))
		})
	}
}

func TestFaultsAreInPlaceWhenTheCommandReturns(t *testing.T) {
	m := open(t, Options{})
	require.Equal(t, "at 0s: fail fsync(f) EIO for 1 calls: in place\nat n1 write(g)#2: kill n1: waiting\n",
		m.call(t, "fault", "fail fsync(f) EIO for 1 calls; at n1 write(g)#2: kill n1"))
	require.Equal(t, "failed\nagain\n", m.shell(t, "echo x > f; sync f 2>/dev/null || echo failed; sync f && echo again"))
	require.Contains(t, m.call(t, "status"), "fault: at n1 write(g)#2: kill n1: waiting\n")
	victim := m.start(t, "exec 3>g; echo 1 >&3; echo 2 >&3; echo 3 >&3")
	require.True(t, victim.Wait().Signal == syscall.SIGKILL, "the second write kills who writes")
	// The log and the status know what struck.
	eventually(t, "the log has it", func() bool { return strings.Contains(m.call(t, "log"), "fault struck: at n1 write(g)#2: kill n1") })
	require.NotContains(t, m.call(t, "status"), "fault: ")

	m.call(t, "fault", "readonly n1")
	require.Equal(t, "refused\n", m.shell(t, "echo x 2>/dev/null > h || echo refused"))
	m.call(t, "clear")
	m.shell(t, "echo x > h")

	// Damage at rest waits until nobody has files open.
	p := m.start(t, "exec 3<h; sleep 1000")
	eventually(t, "it has the file open", func() bool { return len(fusefs.UsersOf(m.volume).Signal(0)) > 0 })
	require.Regexp(t, regexp.MustCompile(`missed: process \d+ has files of the disk open`), m.call(t, "fault", "corrupt h bit 0"))
	p.KillTree()
	p.WaitTree()
	require.Equal(t, "at 0s: corrupt h bit 0: struck\n", m.call(t, "fault", "corrupt h bit 0"))
	require.Equal(t, "y\n", m.shell(t, "cat h"))
	require.Equal(t, "at 0s: corrupt nothing bit 0: missed: no file matches\n", m.call(t, "fault", "corrupt nothing bit 0"))
}

func TestProgramsArePausedAndTerminated(t *testing.T) {
	m := open(t, Options{})
	require.Equal(t, "at 0s: pause n1: missed: "+nobody+"\n", m.call(t, "fault", "pause n1"))
	p := m.start(t, "exec 3>f; while echo x >&3; do :; done")
	state := func() byte {
		st, ok := guard.ReadStat(p.Pid())
		require.True(t, ok)
		return st.State
	}
	eventually(t, "it has the file open", func() bool { return len(fusefs.UsersOf(m.volume).Signal(0)) > 0 })
	require.Equal(t, "at 0s: pause n1 for 20ms: struck\n", m.call(t, "fault", "pause n1 for 20ms"))
	eventually(t, "it is stopped", func() bool {
		return state() == 'T' || strings.Contains(m.call(t, "log"), "fault over: at 0s: pause n1")
	})
	eventually(t, "it goes on", func() bool { return state() != 'T' })
	m.call(t, "fault", "pause n1")
	eventually(t, "it is stopped", func() bool { return state() == 'T' })
	m.call(t, "clear")
	eventually(t, "it goes on", func() bool { return state() != 'T' })
	m.call(t, "fault", "term n1")
	require.Equal(t, syscall.SIGTERM, p.Wait().Signal)
}

func TestFaultsThatCannotStrikeAreNamed(t *testing.T) {
	m := open(t, Options{})
	_, err := control.Call(m.Socket(), "fault", "readonly n1; restart n1; at ack#3: kill n1; kill n2")
	require.EqualError(t, err, `nothing was put in place: `+
		`"at 0s: restart n1" cannot strike here: torntail did not start the programs that use the disk; `+
		`"at ack#3: kill n1" cannot strike here: no client of torntail's counts acknowledged writes; `+
		`"at 0s: kill n2" names the node "n2"; there are n1; did you mean "n1"?`)
	m.shell(t, "echo x > f") // not even the first
}

func TestADiskIsMountedAgain(t *testing.T) {
	backing := filepath.Join(t.TempDir(), "backing")
	script := "mkdir -p d/e; echo one > d/f; ln d/f d/g; ln -s f d/h; chmod 600 d/f; truncate -s 5000000 sparse; printf x >> sparse; touch -d @1000000000 d/f d"
	look := "cat d/f d/h; stat -c '%n %a %h %s %Y' d d/f d/g sparse; readlink d/h; ls -R; tail -c 1 sparse; md5sum sparse"
	m := open(t, Options{Backing: backing})
	_, err := Open(Options{Dir: t.TempDir(), Backing: backing})
	require.ErrorIs(t, err, ErrInUse)
	m.shell(t, script)
	want := m.shell(t, look)
	require.Contains(t, want, "d/f 600 2 4 1000000000\n")
	require.NoError(t, m.Close())
	info, err := os.Stat(filepath.Join(backing, imageName))
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(1<<20+64<<10), "holes take no space")

	again := open(t, Options{Backing: backing})
	require.Equal(t, want, again.shell(t, look))
	require.Contains(t, again.call(t, "status"), "everything is durable", "an orderly end is no power cut")
	require.NoError(t, again.Close())

	// A damaged image is refused, and stays as it is.
	image, err := os.ReadFile(filepath.Join(backing, imageName))
	require.NoError(t, err)
	image[len(image)/2] ^= 1
	require.NoError(t, os.WriteFile(filepath.Join(backing, imageName), image, 0o600))
	_, err = Open(Options{Dir: t.TempDir(), Backing: backing})
	require.ErrorIs(t, err, ErrDamaged)
}

func TestUnsyncedDataOfALongRunAreLostAfterTheLogWasEmptied(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	m := open(t, Options{Log: file})
	m.shell(t, "echo kept > f; sync f .; i=0; while [ $i -lt 500 ]; do echo lost >> f; i=$((i+1)); done")
	m.drain()
	var left int
	m.volume.With(func(d *disk.Disk) { left = len(d.Log()) })
	require.Zero(t, left, "the disk keeps no log of its own")
	require.Contains(t, m.call(t, "power-cut"), "500 calls (2500 bytes) not durable, 500 of them (2500 bytes) lost")
	require.Equal(t, "kept\n", m.shell(t, "cat f"))
	require.NoError(t, m.Close())
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 501, strings.Count(string(text), " write f "))
	require.Contains(t, string(text), "power cut, keep none")
}

// TestAPowerCutIsMadeAgainFromTheRecord: the files that power cuts left are made
// again from the record, and a mount that was killed leaves a record that is read.
func TestAPowerCutIsMadeAgainFromTheRecord(t *testing.T) {
	h := newHost(t)
	p := h.mount(t, "--record", "record")
	finish := func(script string) {
		c := h.sh(t, script)
		eventually(t, "the script ends", func() bool { return !guard.GroupAlive(c.Process.Pid) })
	}
	finish("seq 9000 > f; sync f; mkdir -p a/b; seq 5000 > a/b/g; ln a/b/g a/h; ln -s h a/s; chmod 640 a/h; mv f a/f; truncate -s 900000 f; echo end >> f")
	out, errs, status := h.run(t, "power-cut", "--keep", "random 11")
	require.Zero(t, status, errs)
	finish("cp -a . ../live1; seq 100 > a; seq 200 >> n; sync n; seq 300 >> n")
	_, errs, status = h.run(t, "power-cut", "--keep", "torn 512")
	require.Zero(t, status, errs)
	finish("cp -a . ../live2; echo lost")
	require.NoError(t, p.cmd.Process.Kill())
	p.end(t)
	for _, n := range []string{"1", "2"} {
		again, errs, status := h.run(t, "image", "record", "left"+n, "--cut", n)
		require.Zero(t, status, errs)
		if n == "1" {
			line, _, _ := strings.Cut(out, "\n")
			require.Contains(t, again, line, "the choice is the one that the power cut named")
		}
		look := "cd " + h.dir + "/$0; find . ! -type d -printf '%P %m %n %s %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0r md5sum"
		live, err := exec.Command("sh", "-ec", look, "live"+n).CombinedOutput()
		require.NoError(t, err, string(live))
		left, err := exec.Command("sh", "-ec", look, "left"+n).CombinedOutput()
		require.NoError(t, err, string(left))
		require.NotEmpty(t, string(live))
		require.Equal(t, string(live), string(left))
	}
}

func TestAClientFindsTheSocket(t *testing.T) {
	m := open(t, Options{})
	found, err := FindSocket("")
	require.NoError(t, err)
	require.Equal(t, m.Socket(), found)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(m.Dir(), link))
	for _, dir := range []string{m.Dir(), m.Dir() + "/", link} {
		found, err = FindSocket(dir)
		require.NoError(t, err)
		require.Equal(t, m.Socket(), found)
	}
	_, err = FindSocket(t.TempDir())
	require.ErrorContains(t, err, "no fault disk of this user's is mounted at")

	// A second one, with a socket of the user's own.
	own := filepath.Join(t.TempDir(), "own.sock")
	second, err := Open(Options{Dir: t.TempDir(), Socket: own})
	require.NoError(t, err)
	_, err = FindSocket("")
	require.ErrorContains(t, err, "2 fault disks are mounted: say which with --mount ")
	found, err = FindSocket(second.Dir())
	require.NoError(t, err)
	require.Equal(t, second.Dir(), mustCall(t, found, "where"))
	require.NoError(t, second.Close())
	require.NoFileExists(t, own)
	require.NoError(t, m.Close())
	_, err = FindSocket("")
	require.ErrorIs(t, err, ErrNoMount)
}

func mustCall(t *testing.T, socket, command string) string {
	t.Helper()
	out, err := control.Call(socket, command)
	require.NoError(t, err)
	return out
}
