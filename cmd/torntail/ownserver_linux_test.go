package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/torntail/torntail/faults/process/redistest"
	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

// TestASystemsOwnServerIsLeftAlone: a redis-server on the port that everybody's is on, with its
// data beside where torntail is called, is neither connected to nor written over by runs that
// test redis-server.
func TestASystemsOwnServerIsLeftAlone(t *testing.T) {
	needs.Program(t, "redis-server")
	if os.Getenv(inOwnNetwork) != "" {
		require.NoError(t, loopbackUp())
	} else if playedInOwnNetwork(t) {
		return
	}
	const addr = "127.0.0.1:6379"
	dir := t.TempDir()
	if l, err := net.Listen("tcp", addr); err != nil {
		needs.Working(t, fmt.Errorf("no network of its own may be made here, and port 6379 of the machine's is taken, by a server that this test would have to write into: %w", err))
	} else {
		l.Close()
	}
	own := exec.Command("redis-server", "--port", "6379", "--bind", "127.0.0.1", "--dir", dir, "--appendonly", "yes", "--save", "3600 1")
	require.NoError(t, own.Start())
	defer func() {
		own.Process.Kill()
		own.Wait()
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			break
		}
		require.True(t, time.Now().Before(deadline), "%v", err)
	}
	ours := 0 // connections
	do := func(words ...string) string {
		c, err := redistest.Dial(addr)
		require.NoError(t, err)
		ours++
		defer c.Close()
		answer, err := c.Do(words...)
		require.NoError(t, err, words)
		return answer
	}
	do("SET", "theirs", "value")
	do("SAVE")
	files := func() map[string]string {
		all := map[string]string{}
		require.NoError(t, filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				var text []byte
				text, err = os.ReadFile(name)
				all[name] = string(text)
			}
			return err
		}))
		return all
	}
	others := func() int { // connections
		number := regexp.MustCompile(`total_connections_received:(\d+)`).FindStringSubmatch(do("INFO", "stats"))
		require.NotNil(t, number)
		n, err := strconv.Atoi(number[1])
		require.NoError(t, err)
		return n - ours
	}
	before, heard := files(), others()

	path, err := exec.LookPath("torntail")
	require.NoError(t, err)
	out := t.TempDir()
	for _, args := range [][]string{
		{"run", "--target", "redis-server", "--disk", "host", "--mode", "always,rdb", "--crash", "kill,term", "--runs", "2", "--ops", "50"},
		{"run", "--target", "redis-server", "--mode", "everysec", "--crash", "power", "--runs", "2", "--ops", "50"},
		{"explore", "--target", "redis-server", "--mode", "always", "--images", "20"},
		{"splitbrain", "--target", "redis-server", "--cut-at", "200ms", "--cut-for", "200ms", "--writes", "100"},
	} {
		run := exec.Command(path, append(args, "--quiet", "--out", filepath.Join(out, "out"))...)
		run.Dir = dir // where a server would find what is there, if it were to look
		text, err := run.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && errors.As(err, &exit) {
			require.Contains(t, []int{1, 3, 5}, exit.ExitCode(), "%s: %s", args, text)
		}
		require.Equal(t, "value", do("GET", "theirs"), args)
		require.Equal(t, heard, others(), "somebody connected: %s", args)
		require.Equal(t, before, files(), "something was written: %s", args)
	}
}

// inOwnNetwork in the environment says that a test runs in a network namespace of its own.
const inOwnNetwork = "TORNTAIL_TEST_OWN_NETWORK"

// playedInOwnNetwork runs this test once more, in a network in which every port is free; false
// where none may be made.
func playedInOwnNetwork(t *testing.T) bool {
	t.Helper()
	own := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	try := exec.Command("true")
	try.SysProcAttr = own
	if err := try.Run(); err != nil {
		t.Logf("on the machine's own network: %v", err)
		return false
	}
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.v", "-test.run", "^"+t.Name()+"$")
	cmd.Env, cmd.SysProcAttr = append(os.Environ(), inOwnNetwork+"=1"), own
	var said shared
	cmd.Stdout, cmd.Stderr = &said, &said
	companion.Start(t, cmd)
	require.NoError(t, cmd.Wait(), "%s", &said)
	require.Contains(t, said.String(), "--- PASS: "+t.Name())
	return true
}

// loopbackUp lets the loopback addresses of this process's network be used: in a new one
// they cannot.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return os.NewSyscallError("ioctl", unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo))
}
