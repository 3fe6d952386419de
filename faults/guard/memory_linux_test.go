package guard

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/torntail/torntail/internal/needs"
)

// envDisks makes the test binary a program that serves disks, and says what it is.
const envDisks = "GUARD_TEST_DISKS"

// serveDisks prints the flags of each of its threads, of a program that a space has started,
// and of one that it has started itself, and how much memory is locked.
func serveDisks() {
	if err := ServeDisks(); err != nil {
		println(err.Error())
		os.Exit(1)
	}
	say := func(what string, flags string) { os.Stdout.WriteString(what + " " + flags + "\n") }
	space, err := NewSpace(false)
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	tasks, _ := filepath.Glob("/proc/self/task/*")
	for _, t := range tasks {
		if !spaceThread(space, filepath.Base(t)) {
			flags, _ := threadFlags(t)
			say("thread", strconv.FormatUint(flags&flusherFlags, 16))
		}
	}
	flagsOf := func(cmd *exec.Cmd) string {
		out, _ := cmd.StdoutPipe()
		if cmd.Start() != nil {
			return "not started"
		}
		flags, _ := threadFlags("/proc/" + strconv.Itoa(cmd.Process.Pid))
		out.Close()
		cmd.Process.Kill()
		cmd.Wait()
		return strconv.FormatUint(flags&flusherFlags, 16)
	}
	say("own", flagsOf(exec.Command("sleep", "1000")))
	space.Do(func() { say("server", flagsOf(exec.Command("sleep", "1000"))) })
	status, _ := os.ReadFile("/proc/self/status")
	_, locked, _ := strings.Cut(string(status), "VmLck:")
	say("locked", strings.Fields(locked)[0])
	say("arguments", strings.Join(os.Args[1:], " "))
	os.Exit(0)
}

func spaceThread(s *Space, tid string) (is bool) {
	s.Do(func() { is = strconv.Itoa(unix.Gettid()) == tid })
	return is
}

// TestWhoServesDisksIsKnownToTheKernel: each of its threads, and none of the servers.
func TestWhoServesDisksIsKnownToTheKernel(t *testing.T) {
	said := map[string][]string{}
	cmd := exec.Command("/proc/self/exe", "a", "b c")
	cmd.Env = append(os.Environ(), envDisks+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		what, flags, _ := strings.Cut(strings.TrimSpace(line), " ")
		said[what] = append(said[what], flags)
	}
	require.Equal(t, []string{"a b c"}, said["arguments"])
	require.Equal(t, []string{"0"}, said["server"])
	if capable(unix.CAP_IPC_LOCK) {
		require.NotEqual(t, []string{"0"}, said["locked"])
	}
	if !capable(unix.CAP_SYS_RESOURCE) {
		t.Skip("that its threads are flushers is not shown: no CAP_SYS_RESOURCE here")
	}
	require.NotEmpty(t, said["thread"])
	for _, flags := range append(said["thread"], said["own"]...) {
		require.Equal(t, strconv.FormatUint(flusherFlags, 16), flags)
	}
}

// TestALimitOfMemoryIsSeen that would let torntail wait for itself; in a cgroup below another
// that is limited, too.
func TestALimitOfMemoryIsSeen(t *testing.T) {
	dir := needs.MemoryCgroup(t, 60<<20)
	below := filepath.Join(dir, "below")
	require.NoError(t, os.Mkdir(below, 0o755))
	defer os.Remove(below)
	cmd := exec.Command("sh", "-c", `echo $$ > "$1/cgroup.procs" && exec "$2"`, "sh", below, "/proc/"+strconv.Itoa(os.Getpid())+"/exe")
	cmd.Env = append(os.Environ(), envRoom+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), "a memory limit of 60 MiB ("+dir+")")
	require.NoError(t, RoomForDisks())
}

// envRoom makes the test binary say whether it has room for disks.
const envRoom = "GUARD_TEST_ROOM"
