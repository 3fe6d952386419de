package fusefs_test

// The test binary plays these roles when it is started again by a test: a
// mount must be used by another process than the one that serves it, and a
// torntail that is to be killed cannot be the one that tests.

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/internal/needs"
)

const envRole = "FUSEFS_TEST_ROLE"

func play(role string) int {
	err := fmt.Errorf("no role %q", role)
	switch role {
	case "doomed-private", "doomed-open":
		err = doomed(role == "doomed-open")
	case "unprivileged":
		err = unprivileged()
	case "available":
		fmt.Println(fusefs.Available())
		err = nil
	}
	if err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	return 0
}

// doomed serves a mount on which a process is stuck in an fsync that is never
// answered, says where, and waits to be killed.
func doomed(open bool) error {
	var space *guard.Space
	if open {
		var err error
		if space, err = guard.Open(); err != nil {
			return err
		}
	}
	m, err := fusefs.Serve("", fusefs.Options{Space: space})
	if err != nil {
		return err
	}
	v, err := m.Attach("v", disk.New(disk.Options{}), fusefs.VolumeOptions{
		Hook: on(disk.OpFsync, 1, decide(disk.Decision{Stall: true})),
	})
	if err != nil {
		return err
	}
	p, err := process.Start(process.Spec{Path: "sh", Dir: v.Path(), Space: space,
		Args: []string{"-c", "echo a > f; (sync f; sleep 1000) & (while :; do echo b >> g; done) & wait"}})
	if err != nil {
		return err
	}
	for v.Pending() == 0 {
	}
	fmt.Println("serving", p.Pid(), m.Dir())
	select {}
}

func TestKill9OfTheServerLeavesNothing(t *testing.T) {
	serve(t) // skips where nothing can be mounted
	for _, role := range []string{"doomed-private", "doomed-open"} {
		for _, how := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
			t.Run(role+"/"+how.String(), func(t *testing.T) {
				cmd := exec.Command("/proc/self/exe")
				cmd.Env = append(os.Environ(), envRole+"="+role)
				out, err := cmd.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, cmd.Start())
				line, err := bufio.NewReader(out).ReadString('\n')
				require.NoError(t, err)
				fields := strings.Fields(line)
				require.Equal(t, "serving", fields[0], line)
				group, err := strconv.Atoi(fields[1])
				require.NoError(t, err)
				dir := fields[2]
				require.GreaterOrEqual(t, len(guard.GroupMembers(group)), 3)

				require.NoError(t, cmd.Process.Signal(how))
				cmd.Wait()
				eventually(t, "no process of the group is left, in state D or otherwise", func() bool { return !guard.GroupAlive(group) })
				eventually(t, "the mount point is gone", func() bool {
					_, err := os.Lstat(dir)
					return os.IsNotExist(err)
				})
				table, err := os.ReadFile("/proc/self/mountinfo")
				require.NoError(t, err)
				require.NotContains(t, string(table), dir)
			})
		}
	}
}

// unprivileged does without root what the other tests do with it.
func unprivileged() error {
	if os.Geteuid() == 0 {
		return fmt.Errorf("this is root")
	}
	m, err := fusefs.Serve("", fusefs.Options{})
	if err != nil {
		return err
	}
	v, err := m.Attach("v", disk.New(disk.Options{}), fusefs.VolumeOptions{})
	if err != nil {
		return err
	}
	out, exit, err := process.Run(process.Spec{Path: "sh", Dir: v.Path(), Args: []string{"-ec", "echo kept > f; sync f; sync .; echo lost >> f"}})
	if err != nil || exit.Code != 0 {
		return fmt.Errorf("%s: %v, %v", out, exit, err)
	}
	if _, err := v.PowerCut(disk.Choice{}); err != nil {
		return err
	}
	if out, _, err = process.Run(process.Spec{Path: "cat", Args: []string{"f"}, Dir: v.Path()}); err != nil || out != "kept\n" {
		return fmt.Errorf("after the cut: %q, %v", out, err)
	}
	if err := m.Close(); err != nil {
		return err
	}
	if _, err := os.Lstat(m.Dir()); !os.IsNotExist(err) {
		return fmt.Errorf("%s is still there: %v", m.Dir(), err)
	}
	return nil
}

// asNobody runs the test binary in a role without root, where it may open
// /dev/fuse, and returns what it says.
func asNobody(t *testing.T, role string, env ...string) (string, error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("this is not root: every other test is this one")
	}
	space := privateSpace(t)
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o777))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	// Users may open /dev/fuse on an ordinary machine; here perhaps only root
	// may, so this space gets a device that all may open.
	node := filepath.Join(dir, "fuse")
	require.NoError(t, syscall.Mknod(node, syscall.S_IFCHR|0o666, 10<<8|229))
	require.NoError(t, os.Chmod(node, 0o666))
	var err error
	space.Do(func() { err = syscall.Mount(node, "/dev/fuse", "", syscall.MS_BIND, "") })
	require.NoError(t, err)
	// The test binary may lie where only root can go.
	binary := filepath.Join(dir, "test")
	self, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(binary, self, 0o755))

	cmd := exec.Command(binary)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), envRole+"="+role, "TMPDIR="+dir), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	var out []byte
	space.Do(func() { out, err = cmd.CombinedOutput() })
	return string(out), err
}

func privateSpace(t *testing.T) *guard.Space {
	t.Helper()
	serve(t) // skips where nothing can be mounted
	space, err := guard.NewSpace(true)
	needs.Working(t, err)
	return space
}

func TestWithoutRoot(t *testing.T) {
	needs.Program(t, "fusermount3")
	out, err := asNobody(t, "unprivileged")
	require.NoError(t, err, out)
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	out, err := asNobody(t, "available", "PATH=/nonexistent")
	require.NoError(t, err, out)
	require.Contains(t, out, "not root, and no fusermount3 in PATH: run scripts/setup")

	space := privateSpace(t)
	space.Do(func() {
		if err = syscall.Mount("tmpfs", "/dev", "tmpfs", 0, ""); err == nil {
			err = syscall.Mknod("/dev/null", syscall.S_IFCHR|0o666, 1<<8|3) // what starts processes opens it
		}
	})
	require.NoError(t, err)
	out, _, err = process.Run(process.Spec{Path: "/proc/self/exe", Env: []string{envRole + "=available"}, Space: space})
	require.NoError(t, err)
	require.Contains(t, out, "no /dev/fuse: the fuse kernel module is not loaded")
}

// cpu is the processor time of this process and of the children it has waited for.
func cpu() time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}
