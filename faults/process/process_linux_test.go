package process

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/process/redistest"
	"github.com/torntail/torntail/internal/needs"
)

func TestMain(m *testing.M) {
	guard.Main()
	os.Exit(m.Run())
}

// needRedis skips a test where there is no redis-server; on CI that is a failure.
func needRedis(t testing.TB) {
	t.Helper()
	needs.Program(t, "redis-server")
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

func startRedis(t testing.TB, dir string, directives ...Directive) *Redis {
	t.Helper()
	r, err := StartRedis(context.Background(), RedisSpec{Dir: dir, Directives: directives})
	require.NoError(t, err)
	t.Cleanup(func() { r.KillTree(); r.WaitTree() })
	return r
}

func dial(t testing.TB, r *Redis) *redistest.Conn {
	t.Helper()
	c, err := redistest.Dial(r.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func do(t testing.TB, c *redistest.Conn, args ...string) string {
	t.Helper()
	reply, err := c.Do(args...)
	require.NoError(t, err, strings.Join(args, " "))
	return reply
}

// aof and noSave are the directives of the modes the tests use.
func aof(fsync string) []Directive {
	return []Directive{{"appendonly", []string{"yes"}}, {"appendfsync", []string{fsync}}, {"save", []string{""}}}
}

func TestExitIsReported(t *testing.T) {
	for _, c := range []struct {
		name, script string
		signal       syscall.Signal
		want         Exit
		text         string
	}{
		{name: "status", script: "echo out; echo err >&2; exit 7", want: Exit{Code: 7}, text: "out\nerr\n"},
		{name: "no newline at the end", script: "printf cut", want: Exit{}, text: "cut\n"},
		{name: "own signal", script: "kill -9 $$", want: Exit{Code: -1, Signal: syscall.SIGKILL}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, exit, err := Run(Spec{Path: "sh", Args: []string{"-c", c.script}})
			require.NoError(t, err)
			require.Equal(t, c.text, out)
			exit.At = 0
			require.Equal(t, c.want, exit)
		})
	}
	_, _, err := Run(Spec{Path: "/no/such/program"})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestPauseStopsTheTree(t *testing.T) {
	p, err := Start(Spec{Path: "sh", Args: []string{"-c", "sleep 1000 & sleep 1000 & wait"}})
	require.NoError(t, err)
	defer func() { p.KillTree(); p.WaitTree() }()
	eventually(t, "two children run", func() bool { return len(p.Children()) == 2 })
	all := func(state byte) func() bool {
		return func() bool {
			for _, pid := range append(p.Children(), p.Pid()) {
				if st, ok := guard.ReadStat(pid); !ok || st.State != state {
					return false
				}
			}
			return true
		}
	}
	p.Pause()
	eventually(t, "all three are stopped", all('T'))
	p.Resume()
	eventually(t, "all three sleep again", all('S'))
	p.KillTree()
	p.WaitTree()
	require.Empty(t, p.Children())
	require.Equal(t, syscall.SIGKILL, p.Wait().Signal)
}

func TestLinesArriveInOrderWithTimes(t *testing.T) {
	var mu sync.Mutex
	var lines []Line
	p, err := Start(Spec{Path: "sh", Args: []string{"-c", "for i in 1 2 3; do echo line $i; done; exit 1"},
		Output: func(l Line) { mu.Lock(); defer mu.Unlock(); lines = append(lines, l) }})
	require.NoError(t, err)
	require.Equal(t, 1, p.Wait().Code)
	p.OutputDone()
	require.Len(t, lines, 3)
	for i, l := range lines {
		require.Equal(t, "line "+strconv.Itoa(i+1), l.Text)
		require.LessOrEqual(t, lines[0].At, l.At)
	}
	require.Equal(t, "line 1\nline 2\nline 3", p.Tail())
}

func TestRedisAnswersWithItsVersion(t *testing.T) {
	needRedis(t)
	r := startRedis(t, t.TempDir())
	want, err := Version("redis-server")
	require.NoError(t, err)
	require.Equal(t, want, r.Version)
	require.Equal(t, "PONG", do(t, dial(t, r), "PING"))
	r.Term()
	require.Equal(t, 0, r.Wait().Code)
}

func TestKill9KeepsThePageCache(t *testing.T) {
	needRedis(t)
	dir := t.TempDir()
	r := startRedis(t, dir, aof("no")...)
	do(t, dial(t, r), "SET", "k", "v")
	r.Kill(true)
	require.Equal(t, syscall.SIGKILL, r.Wait().Signal)
	r = startRedis(t, dir, aof("no")...)
	require.Equal(t, "v", do(t, dial(t, r), "GET", "k"))
}

func TestChildOutlivesItsKilledParent(t *testing.T) {
	needRedis(t)
	dir := t.TempDir()
	// 40 keys at 50 ms each: the snapshot child runs for two seconds, and its
	// parent looks for its reports once a second.
	r := startRedis(t, dir, Directive{"rdb-key-save-delay", []string{"50000"}}, Directive{"save", []string{""}},
		Directive{"enable-debug-command", []string{"yes"}})
	c := dial(t, r)
	for i := range 40 {
		do(t, c, "SET", "k"+strconv.Itoa(i), "v")
	}
	do(t, c, "BGSAVE")
	// A child that finds its parent dead when it first reports, after its first
	// key, gives up (redis 7.0.15 childinfo.c sendChildInfoGeneric); later it goes on.
	eventually(t, "the snapshot child has reported a key", func() bool {
		n, err := c.Info("current_save_keys_processed")
		return err == nil && n != "0"
	})
	r.Kill(false)
	r.Wait()
	require.Len(t, r.Children(), 1, "a kill of the parent alone must leave the child")
	require.NoFileExists(t, filepath.Join(dir, "dump.rdb"))
	require.ErrorIs(t, r.WaitChildren(time.Millisecond), ErrChildren)
	require.NoError(t, r.WaitChildren(0))
	require.FileExists(t, filepath.Join(dir, "dump.rdb"), "the orphan renames its file, which is why one waits")

	r = startRedis(t, dir, Directive{"save", []string{""}})
	require.Equal(t, "40", do(t, dial(t, r), "DBSIZE"))
}

func TestKillOfTheTreeTakesTheChild(t *testing.T) {
	needRedis(t)
	dir := t.TempDir()
	r := startRedis(t, dir, Directive{"rdb-key-save-delay", []string{"10000000"}}, Directive{"save", []string{""}})
	c := dial(t, r)
	do(t, c, "SET", "k", "v")
	do(t, c, "BGSAVE")
	eventually(t, "the snapshot child runs", func() bool { return len(r.Children()) == 1 })
	r.Kill(true)
	r.WaitTree()
	require.Empty(t, r.Children())
	require.NoFileExists(t, filepath.Join(dir, "dump.rdb"))
}

func TestRefusedStartSaysWhy(t *testing.T) {
	needRedis(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dump.rdb"), []byte("REDIS0010 this is no snapshot"), 0o644))
	_, err := StartRedis(context.Background(), RedisSpec{Dir: dir})
	var refused *StartError
	require.ErrorAs(t, err, &refused)
	require.True(t, refused.Exited)
	require.Equal(t, 1, refused.Exit.Code)
	require.Contains(t, refused.Output, "RDB")
}

func TestTakenPortIsNoRefusal(t *testing.T) {
	needRedis(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, err = StartRedis(context.Background(), RedisSpec{Dir: t.TempDir(), Port: l.Addr().(*net.TCPAddr).Port})
	var refused *StartError
	require.ErrorAs(t, err, &refused)
	require.True(t, refused.PortTaken(), refused.Output)
}

func TestSilentServerIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	because := errors.New("the test says so")
	began := make(chan struct{})
	var once sync.Once
	go func() { <-began; cancel(because) }()
	silent := filepath.Join(t.TempDir(), "silent")
	require.NoError(t, os.WriteFile(silent, []byte("#!/bin/sh\necho up\nexec sleep 1000\n"), 0o755))
	_, err := StartRedis(ctx, RedisSpec{Binary: silent, Output: func(Line) { once.Do(func() { close(began) }) }})
	require.ErrorIs(t, err, because)

	_, err = StartRedis(context.Background(), RedisSpec{Binary: silent, Within: 10 * time.Millisecond})
	var refused *StartError
	require.ErrorAs(t, err, &refused)
	require.False(t, refused.Exited)
}

func TestVersionIsFoundInWhatServersPrint(t *testing.T) {
	for output, want := range map[string]string{
		"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1": "7.0.15",
		"Valkey server v=8.0.1 sha=00000000:0":                                       "8.0.1",
		"torntail":                                                                   "",
	} {
		require.Equal(t, want, parseVersion(output))
	}
}

func TestKilledIsSeenBeforeDeath(t *testing.T) {
	require.False(t, guard.Killed(os.Getpid()))
	p, err := Start(Spec{Path: "sleep", Args: []string{"1000"}})
	require.NoError(t, err)
	require.False(t, guard.Killed(p.Pid()))
	p.KillTree()
	p.WaitTree()
	require.True(t, guard.Killed(p.Pid()), "a process that is gone")
}

// TestAConfigurationFileGoes: with its directory, which the watchdog knows of.
func TestAConfigurationFileGoes(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	path, release, err := writeConf([]Directive{{Name: "save", Args: []string{""}}})
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "save \"\"\n", string(text))
	require.NotEqual(t, os.TempDir(), filepath.Dir(path), "a file by itself is registered nowhere")
	release()
	require.NoDirExists(t, filepath.Dir(path))
}
