package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/process/redistest"
	"github.com/torntail/torntail/internal/needs"
)

// TestASystemsOwnServerIsLeftAlone: a redis-server on the port that everybody's is on, with its
// data beside where torntail is called, is neither connected to nor written over by runs that
// test redis-server.
func TestASystemsOwnServerIsLeftAlone(t *testing.T) {
	needs.Program(t, "redis-server")
	const addr = "127.0.0.1:6379"
	dir := t.TempDir()
	if l, err := net.Listen("tcp", addr); err != nil {
		t.Skipf("port 6379 is taken, by a server that this test would have to write into: %v", err)
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
