package blocklog

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/internal/seeding"
)

// envVictim makes the test binary the program that is killed.
const envVictim = "BLOCKLOG_TEST_VICTIM"

func TestMain(m *testing.M) {
	guard.Main()
	Main()
	if kind := os.Getenv(envVictim); kind != "" {
		if err := victim(kind); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func newHost(t testing.TB) *Host {
	t.Helper()
	needs.Working(t, Available())
	h, err := NewHost()
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, h.Close())
		require.Empty(t, leftOf(h.dir))
	})
	return h
}

// mounted is an empty file system.
func mounted(t testing.TB, h *Host, fs FS, o DeviceOptions) *Volume {
	t.Helper()
	needs.Working(t, AvailableFS(fs.Kind))
	empty, err := h.Format(fs, fs.SmallestSize())
	require.NoError(t, err)
	v, err := h.Mount(NewDevice(empty, o), fs)
	require.NoError(t, err)
	return v
}

// TestWhatWasSyncedSurvives on each file system the worst crash; and what was not
// is gone, or the crash was none.
func TestWhatWasSyncedSurvives(t *testing.T) {
	h := newHost(t)
	for _, kind := range Kinds {
		t.Run(kind, func(t *testing.T) {
			fs := FS{Kind: kind}
			v := mounted(t, h, fs, DeviceOptions{})
			for _, step := range []string{"mkdir w", "create w/f", "write w/f AAAA", "fsync w/f", "write w/f BBBB"} {
				require.NoError(t, v.Step(".", step))
			}
			seen, err := v.Tree("w", "")
			require.NoError(t, err)
			require.Equal(t, "f=AAAABBBB", seen)
			log := v.Device().PowerCut()
			require.NoError(t, v.Unmount())
			view, err := h.View(log.Image(Crash{At: log.Len()}), fs, "w", "")
			require.NoError(t, err)
			require.Empty(t, view.Refused)
			require.Equal(t, "f=AAAA", view.Tree)
		})
	}
}

// TestIgnoredFlushLosesSyncedData is the negative control: a disk that lies about
// flushes is found out.
func TestIgnoredFlushLosesSyncedData(t *testing.T) {
	h := newHost(t)
	fs := FS{Kind: "ext4"}
	v := mounted(t, h, fs, DeviceOptions{})
	v.Device().o.IgnoreFlush = true
	for _, step := range []string{"create f", "write f AAAA", "fsync f"} {
		require.NoError(t, v.Step(".", step))
	}
	log := v.Device().PowerCut()
	require.NoError(t, v.Unmount())
	view, err := h.View(log.Image(Crash{At: log.Len()}), fs, ".", "")
	require.NoError(t, err)
	require.NotContains(t, view.Tree, "f=AAAA")
}

// TestGarbageIsRefused: what is no file system is reported, not mounted.
func TestGarbageIsRefused(t *testing.T) {
	h := newHost(t)
	view, err := h.View(NewImage(12<<20), FS{Kind: "ext4"}, ".", "")
	require.NoError(t, err)
	require.Contains(t, view.Refused, "mount ext4")
	_, err = h.Mount(NewDevice(NewImage(12<<20), DeviceOptions{}), FS{Kind: "ext4", Options: []string{"nonsense"}})
	var refused *RefusedError
	require.ErrorAs(t, err, &refused)
}

// victim mounts a file system, says where, and writes to it until it is killed.
func victim(kind string) error {
	h, err := NewHost()
	if err != nil {
		return err
	}
	fs := FS{Kind: kind}
	empty, err := h.Format(fs, fs.SmallestSize())
	if err != nil {
		return err
	}
	v, err := h.Mount(NewDevice(empty, DeviceOptions{}), fs)
	if err != nil {
		return err
	}
	if err := v.Step(".", "create f"); err != nil {
		return err
	}
	fmt.Println(h.dir)
	for {
		for _, step := range []string{"write f A*65536", "fdatasync f", "trunc f 0"} {
			if err := v.Step(".", step); err != nil {
				return err
			}
		}
	}
}

// leftOf is what is left of a host by the directory it had: the directory, loop
// devices, mounts in any namespace, and processes that have files there open.
func leftOf(dir string) (left []string) {
	if _, err := os.Stat(dir); err == nil {
		left = append(left, dir)
	}
	contains := func(pattern string) {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), dir) {
				left = append(left, file)
			}
		}
	}
	contains("/sys/block/loop*/loop/backing_file")
	contains("/proc/[0-9]*/mountinfo")
	return left
}

// TestNothingIsLeftAfterKill9: however torntail ends while file systems are
// mounted and writes under way, the kernel cleans up.
func TestNothingIsLeftAfterKill9(t *testing.T) {
	needs.Working(t, Available())
	ends := 1
	if os.Getenv("TORNTAIL_ENDS") != "" {
		fmt.Sscan(os.Getenv("TORNTAIL_ENDS"), &ends)
	}
	for n := range ends {
		for _, kind := range Kinds {
			for _, how := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
				t.Run(fmt.Sprintf("%s/%v/%d", kind, how, n), func(t *testing.T) {
					needs.Working(t, AvailableFS(kind))
					end(t, kind, how, time.Duration(seeding.Hash(uint64(n))%50)*time.Millisecond)
				})
			}
		}
	}
}

// end starts a victim and ends it after some time of work.
func end(t *testing.T, kind string, how syscall.Signal, after time.Duration) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envVictim+"="+kind)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	dir := strings.TrimSpace(line)
	require.NoError(t, err)
	require.DirExists(t, dir, "the victim said: %s", dir)
	require.NotEmpty(t, leftOf(dir))
	time.Sleep(after) // anywhere in its work
	require.NoError(t, cmd.Process.Signal(how))
	cmd.Wait()
	require.Eventually(t, func() bool { return len(leftOf(dir)) == 0 }, 3*time.Minute, 5*time.Millisecond, "left: %v", leftOf(dir))
}
