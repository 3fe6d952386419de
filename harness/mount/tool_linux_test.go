package mount

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/internal/needs"
)

// These tests are about torntail mount as a program: the faults are those of
// the tool itself.

var built struct {
	sync.Once
	dir string
	err error
}

// program builds the program, once.
func program(t testing.TB) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "mount-test-"); built.err != nil {
			return
		}
		if built.err = os.Chmod(built.dir, 0o755); built.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", filepath.Join(built.dir, "torntail"), "github.com/torntail/torntail/cmd/torntail").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	require.NoError(t, built.err)
	return filepath.Join(built.dir, "torntail")
}

func removeBinary() {
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
}

// host is where the program runs: a directory of its own, which is also its
// current one, with the sockets in it.
type host struct {
	dir   string
	space *guard.Space // nil: the test's own namespace
	user  uint32       // 0: who runs the test
	env   []string
}

func newHost(t testing.TB) *host {
	t.Helper()
	needFUSE(t)
	dir, err := os.MkdirTemp("", "mnt") // short: the path of a socket must be
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o777))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o777))
	require.NoError(t, os.Chmod(filepath.Join(dir, "d"), 0o777))
	return &host{dir: dir}
}

// command prepares a program on the host.
func (h *host) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = h.dir
	cmd.Env = append(append(os.Environ(), "XDG_RUNTIME_DIR="+h.dir, "TMPDIR="+h.dir, "SAID="+filepath.Join(h.dir, "said")), h.env...)
	if h.user != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: h.user, Gid: h.user}}
	}
	return cmd
}

func (h *host) start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	err := errors.New("not started")
	if h.space == nil {
		err = cmd.Start()
	} else {
		h.space.Do(func() { err = cmd.Start() })
	}
	require.NoError(t, err)
}

// run runs torntail with arguments to its end.
func (h *host) run(t testing.TB, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := h.command(program(t), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	h.start(t, cmd)
	cmd.Wait()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// tool is a running torntail mount.
type tool struct {
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	exited chan struct{}
}

// mount starts torntail mount d and waits until the disk is there.
func (h *host) mount(t testing.TB, flags ...string) *tool {
	t.Helper()
	cmd := h.command(program(t), append([]string{"mount", "d"}, flags...)...)
	p := &tool{cmd: cmd, stderr: new(bytes.Buffer), exited: make(chan struct{})}
	greeting, w, err := os.Pipe()
	require.NoError(t, err)
	defer greeting.Close()
	cmd.Stdout, cmd.Stderr = w, p.stderr
	h.start(t, cmd)
	w.Close()
	go func() {
		defer close(p.exited)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-p.exited
		eventually(t, "the mount is gone", func() bool { return !h.mounted(t) })
	})
	text := ""
	for buf := make([]byte, 4096); !strings.Contains(text, "Ctrl-C unmounts it"); {
		n, err := greeting.Read(buf)
		text += string(buf[:n])
		if err != nil {
			<-p.exited
			t.Fatalf("torntail mount said %q and %q", text, p.stderr)
		}
	}
	return p
}

// end waits for the program's end and returns its exit status.
func (p *tool) end(t testing.TB) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		t.Fatal("torntail mount does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// mounted says whether the mount table has d.
func (h *host) mounted(t testing.TB) bool {
	t.Helper()
	is := false
	look := func() { is = guard.Mounted(filepath.Join(h.dir, "d")) }
	if h.space == nil {
		look()
	} else {
		h.space.Do(look)
	}
	return is
}

// sh starts a script in the mounted directory. Its process group is its own, and
// killed in the end.
func (h *host) sh(t testing.TB, script string) *exec.Cmd {
	t.Helper()
	// The shell changes the directory: the test itself must not.
	cmd := h.command("sh", "-ec", "cd d; "+script)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
	h.start(t, cmd)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			t.Errorf("process %d does not die", cmd.Process.Pid)
		}
		eventually(t, "its group is gone, none of it in state D", func() bool { return !guard.GroupAlive(cmd.Process.Pid) })
	})
	return cmd
}

// said is a file that scripts write what they see into.
func (h *host) said(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, "said"))
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return string(b)
}

// stuck leaves a program in a sync that is not answered and another that writes all the time.
func (h *host) stuck(t testing.TB) {
	t.Helper()
	out, errs, status := h.run(t, "fault", "stall fsync(f)")
	require.Zero(t, status, errs)
	require.Equal(t, "at 0s: stall fsync(f): in place\n", out)
	h.sh(t, "echo x > f; sync f && echo done >> $SAID || echo error >> $SAID")
	h.sh(t, "while echo x 2>/dev/null >> g; do :; done; echo writer ends >> $SAID")
	eventually(t, "the sync waits", func() bool {
		out, _, _ := h.run(t, "status")
		return strings.Contains(out, "stall fsync(f): struck") && strings.Contains(out, "not durable: g:")
	})
}

func TestKill9OfTheToolLeavesNothing(t *testing.T) {
	h := newHost(t)
	p := h.mount(t)
	h.stuck(t)
	require.NoError(t, p.cmd.Process.Kill())
	require.Equal(t, -1, p.end(t))
	eventually(t, "the mount is gone", func() bool { return !h.mounted(t) })
	eventually(t, "the programs got their errors", func() bool {
		said := h.said(t)
		return strings.Contains(said, "error") && strings.Contains(said, "writer ends")
	})
	eventually(t, "the socket is gone", func() bool {
		left, err := filepath.Glob(filepath.Join(h.dir, "torntail", "*"))
		return err == nil && len(left) == 0
	})
	_, errs, status := h.run(t, "status")
	require.Equal(t, 2, status)
	require.Equal(t, "torntail: no mounted fault disk is running; torntail mount DIR starts one\n", errs)
	// The directory can be used again.
	again := h.mount(t)
	require.NoError(t, again.cmd.Process.Signal(syscall.SIGINT))
	require.Zero(t, again.end(t), again.stderr)
}

// TestTheBackingHasTheLastSave: after a kill -9 the backing directory has the disk
// as the last power cut left it, or as it was when it was last told to save.
func TestTheBackingHasTheLastSave(t *testing.T) {
	h := newHost(t)
	finish := func(script string) {
		c := h.sh(t, script)
		eventually(t, "the script ends", func() bool { return !guard.GroupAlive(c.Process.Pid) })
	}
	kill := func(p *tool) {
		require.NoError(t, p.cmd.Process.Kill())
		p.end(t)
		eventually(t, "the mount is gone", func() bool { return !h.mounted(t) })
	}
	p := h.mount(t, "--backing", "b")
	finish("echo durable > f; sync f; echo lost > g")
	_, errs, status := h.run(t, "power-cut")
	require.Zero(t, status, errs)
	finish("echo unsaved > h")
	kill(p)

	p = h.mount(t, "--backing", "b")
	finish("ls > $SAID; echo saved > h")
	require.Equal(t, "f\n", h.said(t))
	out, errs, status := h.run(t, "save")
	require.Zero(t, status, errs)
	require.Equal(t, "the disk as it is now is in b\n", out)
	finish("echo unsaved > i")
	kill(p)

	p = h.mount(t, "--backing", "b")
	finish("cat f h > $SAID; ls >> $SAID")
	require.Equal(t, "durable\nsaved\nf\nh\n", h.said(t))
	out, errs, status = h.run(t, "status")
	require.Zero(t, status, errs)
	require.Contains(t, out, "everything is durable")
	kill(p)

	p = h.mount(t)
	_, errs, status = h.run(t, "save")
	require.Equal(t, 2, status)
	require.Contains(t, errs, "the disk is mounted without --backing")
	kill(p)
}

func TestCtrlCUnmounts(t *testing.T) {
	h := newHost(t)
	p := h.mount(t, "--backing", "b", "--log", "log")
	h.stuck(t)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGINT))
	require.Zero(t, p.end(t), p.stderr)
	require.Equal(t, "torntail: unmounting "+h.dir+"/d\n", p.stderr.String())
	require.False(t, h.mounted(t))
	eventually(t, "the held-up call went on", func() bool {
		said := h.said(t)
		return strings.Contains(said, "done") && strings.Contains(said, "writer ends")
	})
	require.FileExists(t, filepath.Join(h.dir, "b", imageName))
	text, err := os.ReadFile(filepath.Join(h.dir, "log"))
	require.NoError(t, err)
	require.Contains(t, string(text), " fsync f in ")
}

func TestUnmountBySomebodyElseEndsTheTool(t *testing.T) {
	h := newHost(t)
	p := h.mount(t, "--backing", "b")
	write := h.sh(t, "echo x > f")
	eventually(t, "it is written", func() bool { return !guard.GroupAlive(write.Process.Pid) })
	eventually(t, "umount", func() bool { return exec.Command("umount", filepath.Join(h.dir, "d")).Run() == nil })
	require.Zero(t, p.end(t), p.stderr)
	require.FileExists(t, filepath.Join(h.dir, "b", imageName))
}

// Whoever aborts the connection leaves a mount behind that nobody serves: it goes, and why is said.
func TestAConnectionThatSomebodyElseAbortedIsUnmounted(t *testing.T) {
	h := newHost(t)
	p := h.mount(t, "--backing", "b")
	conn, err := guard.ConnectionOf(filepath.Join(h.dir, "d"))
	require.NoError(t, err)
	guard.Abort(conn)
	require.Equal(t, 5, p.end(t), p.stderr)
	require.Contains(t, p.stderr.String(), "somebody else has aborted its connection")
	require.False(t, h.mounted(t))
	require.FileExists(t, filepath.Join(h.dir, "b", imageName))
}

func TestWhatCannotBeMountedIsSaidInOneLine(t *testing.T) {
	h := newHost(t)
	at := func(name string) string { return filepath.Join(h.dir, name) }
	require.NoError(t, os.WriteFile(at("file"), nil, 0o644))
	require.NoError(t, os.Mkdir(at("full"), 0o755))
	require.NoError(t, os.Mkdir(at("empty"), 0o755))
	require.NoError(t, os.WriteFile(at("full/f"), nil, 0o644))
	h.mount(t, "--backing", "used", "--socket", "s")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"missing"}, "cannot mount at " + at("missing") + ": no such file or directory"},
		{[]string{"file"}, "cannot mount at " + at("file") + ": not a directory"},
		{[]string{"full"}, "cannot mount at " + at("full") + ": the directory is not empty"},
		{[]string{"d"}, "cannot mount at " + at("d") + ": something is mounted there already"},
		{[]string{"empty", "--backing", "used"}, "backing directory used: another mount uses it"},
		{[]string{"empty", "--backing", "file"}, "backing directory file: not a directory"},
		{[]string{"empty", "--backing", "empty/b"}, "--backing empty/b: lies on the fault disk itself"},
		{[]string{"empty", "--log", "missing/log"}, "the log cannot be written: open missing/log: no such file or directory"},
		{[]string{"empty", "--socket", "s"}, "control socket: listen unix " + at("s") + ": bind: address already in use"},
		{[]string{"empty", "--personality", "ex4"}, `--personality "ex4" is not known: did you mean "ext4"?`},
		{[]string{"empty", "--failure-mode", "zfs"}, `--failure-mode "zfs" is not known: did you mean "xfs"?`},
		{[]string{"empty", "--sync-latency", "soon"}, `--sync-latency: want host, a duration or a profile (`},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			out, errs, status := h.run(t, append([]string{"mount"}, c.args...)...)
			require.Equal(t, 2, status, "%s%s", out, errs)
			require.Empty(t, out)
			require.True(t, strings.HasPrefix(errs, "torntail: "+c.want), errs)
			require.Equal(t, 1, strings.Count(errs, "\n"), errs)
		})
	}
}

// private gives the host a mount namespace of its own, in which the test may
// change what torntail finds.
func (h *host) private(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("it needs root")
	}
	space, err := guard.NewSpace(true)
	needs.Working(t, err)
	h.space = space
}

// nobody makes the host's user one without rights, who may open /dev/fuse.
func (h *host) nobody(t testing.TB) {
	t.Helper()
	h.private(t)
	h.user = 65534
	node := filepath.Join(h.dir, "fuse")
	require.NoError(t, syscall.Mknod(node, syscall.S_IFCHR|0o666, 10<<8|229))
	require.NoError(t, os.Chmod(node, 0o666))
	var err error
	h.space.Do(func() { err = syscall.Mount(node, "/dev/fuse", "", syscall.MS_BIND, "") })
	require.NoError(t, err)
}

func TestUserWithoutRoot(t *testing.T) {
	needs.Program(t, "fusermount3")
	h := newHost(t)
	h.nobody(t)
	p := h.mount(t, "--backing", "b")
	h.stuck(t)
	out, errs, status := h.run(t, "power-cut", "--mount", "d")
	require.Zero(t, status, errs)
	require.Contains(t, out, "killed: process ")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGINT))
	require.Zero(t, p.end(t), p.stderr)
	require.False(t, h.mounted(t))
	require.FileExists(t, filepath.Join(h.dir, "b", imageName))

	// The same, and kill -9: the watchdog has to use fusermount3 too.
	p = h.mount(t)
	h.sh(t, "while echo x >> g; do :; done")
	require.NoError(t, p.cmd.Process.Kill())
	eventually(t, "the mount is gone", func() bool { return !h.mounted(t) })
}

func TestNoFusermount3(t *testing.T) {
	h := newHost(t)
	h.nobody(t)
	h.env = []string{"PATH=/nonexistent"}
	out, errs, status := h.run(t, "mount", "d")
	require.Equal(t, 5, status)
	require.Empty(t, out)
	require.Equal(t, "torntail: not root, and no fusermount3 in PATH: run scripts/setup, or apt-get install fuse3\n", errs)
}

// smallDisk mounts a file system of so many KiB at small.
func (h *host) smallDisk(t testing.TB, kib int) {
	t.Helper()
	h.private(t)
	small := filepath.Join(h.dir, "small")
	require.NoError(t, os.Mkdir(small, 0o777))
	var err error
	h.space.Do(func() { err = syscall.Mount("tmpfs", small, "tmpfs", 0, "size="+strconv.Itoa(kib)+"k") })
	require.NoError(t, err)
	t.Cleanup(func() { h.space.Do(func() { syscall.Unmount(small, syscall.MNT_DETACH) }) })
}

func TestFullHostDiskUnderTheLog(t *testing.T) {
	for _, what := range []string{"log", "record"} {
		t.Run(what, func(t *testing.T) {
			h := newHost(t)
			h.smallDisk(t, 16)
			p := h.mount(t, "--"+what, "small/"+what)
			h.sh(t, "while echo x 2>/dev/null >> g; do :; done; echo writer ends >> $SAID")
			require.Equal(t, 5, p.end(t))
			require.Equal(t, "torntail: the "+what+" cannot be written: write small/"+what+": no space left on device\n", p.stderr.String())
			require.False(t, h.mounted(t))
			eventually(t, "the writer ends", func() bool { return strings.Contains(h.said(t), "writer ends") })
		})
	}
}

func TestFullHostDiskUnderTheBacking(t *testing.T) {
	h := newHost(t)
	h.smallDisk(t, 64)
	p := h.mount(t, "--backing", "small/b")
	h.sh(t, "echo first > f; echo written > $SAID")
	eventually(t, "it is written", func() bool { return h.said(t) == "written\n" })
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.end(t), p.stderr)

	p = h.mount(t, "--backing", "small/b")
	h.sh(t, "seq 100000 > f; echo big > $SAID")
	eventually(t, "it is written", func() bool { return h.said(t) == "big\n" })
	_, errs, status := h.run(t, "power-cut", "--keep", "all")
	require.Equal(t, 2, status)
	require.Regexp(t, `^torntail: power cut, keep all: .* 0 of them \(0 bytes\) lost; but the disk could not be saved; small/b has what was there before: .* no space left on device\n$`, errs)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 5, p.end(t))
	require.Regexp(t, `^torntail: unmounting \S+\ntorntail: the disk could not be saved; small/b has what was there before: save \S+: no space left on device\n$`, p.stderr.String())
	require.False(t, h.mounted(t))

	h.mount(t, "--backing", "small/b")
	h.sh(t, "cp f $SAID")
	eventually(t, "what was there before is there", func() bool { return h.said(t) == "first\n" })
}
