package guard

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// envVictim makes the test binary the program that is killed.
const envVictim = "GUARD_TEST_VICTIM"

// envHeadless makes it one whose first thread ends before the others.
const envHeadless = "GUARD_TEST_HEADLESS"

func init() {
	if os.Getenv(envHeadless) != "" {
		runtime.LockOSThread() // main keeps the first thread
	}
}

func TestMain(m *testing.M) {
	Main()
	if dir := os.Getenv(envVictim); dir != "" {
		victim(dir)
	}
	if os.Getenv(envHeadless) != "" {
		go func() {
			runtime.LockOSThread()
			syscall.Nanosleep(&syscall.Timespec{Sec: 1000}, nil)
		}()
		syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
	}
	if os.Getenv(envDisks) != "" {
		serveDisks()
	}
	if os.Getenv(envRoom) != "" {
		if err := RoomForDisks(); err != nil {
			fmt.Println(err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// victim registers a directory and a process group of two sleeping processes,
// prints its group, and waits to be killed.
func victim(dir string) {
	g, err := Default()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	cmd := exec.Command("sh", "-c", "sleep 1000 & wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	g.Group(cmd.Process.Pid)
	g.Dir(filepath.Join(dir, "registered"))
	release := g.Dir(filepath.Join(dir, "released"))
	release()
	fmt.Println("group", cmd.Process.Pid)
	if os.Getenv(envHeadless) == "" {
		select {}
	}
}

// headless is the way to die in which the first thread ends and another does not: as when
// that one waits for a file system that nobody serves any more.
const headless = syscall.Signal(0)

func TestNothingIsLeftAfterKill9(t *testing.T) {
	for _, how := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT, syscall.SIGTERM, headless} {
		t.Run(how.String(), func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"registered/below", "released"} {
				require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
			}
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), envVictim+"="+dir)
			if how == headless {
				cmd.Env = append(cmd.Env, envHeadless+"=1")
			}
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			group, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "group ")))
			require.NoError(t, err, line)
			if how == headless {
				defer cmd.Wait()
				defer cmd.Process.Kill()
			} else {
				eventually(t, "both processes of the group run", func() bool { return len(GroupMembers(group)) == 2 })
				require.NoError(t, cmd.Process.Signal(how))
				cmd.Wait()
			}
			eventually(t, "the group is gone", func() bool { return !GroupAlive(group) })
			eventually(t, "the registered directory is gone", func() bool {
				_, err := os.Stat(filepath.Join(dir, "registered"))
				return os.IsNotExist(err)
			})
			require.DirExists(t, filepath.Join(dir, "released"))
		})
	}
}

func TestSpaceKeepsItsMountsToItself(t *testing.T) {
	s, err := NewSpace(true)
	if err != nil {
		t.Skipf("no private mount namespace here: %v", err)
	}
	dir := t.TempDir()
	s.Do(func() { err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "") })
	require.NoError(t, err)
	require.False(t, Mounted(dir), "this thread sees a mount of the private space")
	s.Do(func() {
		require.True(t, Mounted(dir))
		require.Equal(t, dir, mountBelow(filepath.Dir(dir)))
		require.Error(t, RemoveDir(dir), "a directory must not be removed while something is mounted in it")
		require.NoError(t, Unmount(dir))
		require.False(t, Mounted(dir))
	})
}

func TestStatReadsNamesWithParentheses(t *testing.T) {
	before, after, ok := cutLast("12 (a) b) (c) S 3 4", ") ")
	require.True(t, ok)
	require.Equal(t, "12 (a) b) (c", before)
	require.Equal(t, "S 3 4", after)
	st, ok := ReadStat(os.Getpid())
	require.True(t, ok)
	require.Equal(t, os.Getppid(), st.Parent)
}

// eventually waits for a condition that another process brings about.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 3 min: %s", what)
		}
	}
}

// TestALeaderThatIsAZombieIsAliveWithItsThreads: what its threads hold is held.
func TestALeaderThatIsAZombieIsAliveWithItsThreads(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envHeadless+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	pid := cmd.Process.Pid
	defer cmd.Wait()
	defer syscall.Kill(-pid, syscall.SIGKILL)
	eventually(t, "its first thread has ended", func() bool {
		st, ok := ReadStat(pid)
		return ok && st.State == 'Z'
	})
	require.Equal(t, []int{pid}, GroupMembers(pid))
	require.NoError(t, syscall.Kill(-pid, syscall.SIGKILL))
	eventually(t, "all have", func() bool { return !GroupAlive(pid) })
}
