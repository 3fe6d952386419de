package fusefs_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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

func TestMain(m *testing.M) {
	guard.Main()
	if role := os.Getenv(envRole); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

// serve mounts, or skips the test where that cannot be; on CI that is a failure.
func serve(t testing.TB) *fusefs.Mount { return serveWith(t, fusefs.Options{}) }

func serveWith(t testing.TB, o fusefs.Options) *fusefs.Mount {
	t.Helper()
	needs.Working(t, fusefs.Available())
	o.Log = testLog{t}
	m, err := fusefs.Serve("", o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// attach makes a volume with a fresh disk.
func attach(t testing.TB, m *fusefs.Mount, o fusefs.VolumeOptions) *fusefs.Volume {
	t.Helper()
	v, err := m.Attach("v"+time.Now().Format("150405.000000000"), disk.New(disk.Options{KeepLog: true}), o)
	require.NoError(t, err)
	t.Cleanup(v.Detach)
	return v
}

// shell runs a script in the volume, in a process other than this one.
func shell(t testing.TB, v *fusefs.Volume, script string) string {
	t.Helper()
	out, exit, err := process.Run(process.Spec{Path: "sh", Args: []string{"-ec", script}, Dir: v.Path()})
	require.NoError(t, err)
	require.Zero(t, exit.Code, "%s\n%s", script, out)
	return out
}

// start starts a script in the volume.
func start(t testing.TB, v *fusefs.Volume, script string) *process.Process {
	t.Helper()
	p, err := process.Start(process.Spec{Path: "sh", Args: []string{"-ec", script}, Dir: v.Path()})
	require.NoError(t, err)
	t.Cleanup(func() { p.KillTree(); p.WaitTree() })
	return p
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

// on makes a hook that decides about the n-th call of a kind, counted from 1.
func on(kind disk.OpKind, n int, d func(c *disk.Call) disk.Decision) disk.Hook {
	seen := 0
	return func(c *disk.Call) disk.Decision {
		if c.Kind != kind {
			return disk.Decision{}
		}
		if seen++; seen != n {
			return disk.Decision{}
		}
		return d(c)
	}
}

func decide(d disk.Decision) func(*disk.Call) disk.Decision {
	return func(*disk.Call) disk.Decision { return d }
}

func TestVolumesAreFileSystemsOfTheirOwn(t *testing.T) {
	m := serve(t)
	a, b := attach(t, m, fusefs.VolumeOptions{}), attach(t, m, fusefs.VolumeOptions{})
	shell(t, a, "mkdir d; echo one > d/f; ln d/f g; mv d/f d/h; chmod 600 g")
	require.Equal(t, "one\n", shell(t, a, "cat d/h"))
	require.Equal(t, "600 2 4\n", shell(t, a, "stat -c '%a %h %s' g"))
	require.Equal(t, "d\ng\n", shell(t, a, "ls"))
	require.Empty(t, shell(t, b, "ls"))
	require.Equal(t, filepath.Base(a.Path())+"\n"+filepath.Base(b.Path())+"\n", shell(t, b, "ls .."))
	require.Contains(t, shell(t, b, "ln "+a.Path()+"/g . 2>&1 || true"), "cross-device")
	require.Contains(t, shell(t, b, "mkdir ../other 2>&1 || true"), "not permitted")

	_, err := m.Attach(filepath.Base(a.Path()), disk.New(disk.Options{}), fusefs.VolumeOptions{})
	require.Error(t, err)
	for _, name := range []string{"", ".", "..", "a/b", strings.Repeat("x", 256)} {
		_, err := m.Attach(name, disk.New(disk.Options{}), fusefs.VolumeOptions{})
		require.Error(t, err, name)
	}
}

func TestPowerCutLosesWhatWasNotSynced(t *testing.T) {
	m := serve(t)
	v := attach(t, m, fusefs.VolumeOptions{})
	shell(t, v, "echo synced > kept; sync kept; sync .; echo dirty > lost; echo more >> kept")
	before := v.Disk()
	cut, err := v.PowerCut(disk.Choice{Mode: disk.KeepNone})
	require.NoError(t, err)
	require.NotZero(t, cut.Ops, "nothing was in play: the cut struck nothing")
	require.NotSame(t, before, v.Disk(), "the restart would be on the un-crashed disk")
	require.Equal(t, "kept\n", shell(t, v, "ls"))
	require.Equal(t, "synced\n", shell(t, v, "cat kept"))
}

func TestPowerCutWithAllKeptIsAProcessKill(t *testing.T) {
	m := serve(t)
	v := attach(t, m, fusefs.VolumeOptions{})
	shell(t, v, "mkdir d; echo dirty > d/f")
	cut, err := v.PowerCut(disk.Choice{Mode: disk.KeepAll})
	require.NoError(t, err)
	require.NotZero(t, cut.Ops)
	require.Equal(t, "dirty\n", shell(t, v, "cat d/f"))
}

func TestNodesOfTheOldDiskAreStale(t *testing.T) {
	m := serve(t)
	v := attach(t, m, fusefs.VolumeOptions{})
	// The shell is no victim of the cut and has a file open over it.
	flag := filepath.Join(t.TempDir(), "cut")
	out := make(chan string, 2)
	p, err := process.Start(process.Spec{Path: "sh", Dir: v.Path(), Output: func(l process.Line) { out <- l.Text },
		Args: []string{"-c", "echo 1 > f; exec 3<f; cat f; while [ ! -e " + flag + " ]; do sleep 0.01; done; cat <&3 2>&1"}})
	require.NoError(t, err)
	defer func() { p.KillTree(); p.WaitTree() }()
	require.Equal(t, "1", <-out)
	_, err = v.PowerCut(disk.Choice{Mode: disk.KeepAll})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(flag, nil, 0o644))
	require.Contains(t, <-out, "Stale file handle")
	require.Equal(t, "1\n", shell(t, v, "cat f"), "by its path the new disk answers")
}

func TestDecisionsAreCarriedOut(t *testing.T) {
	m := serve(t)
	for _, c := range []struct {
		name   string
		hook   disk.Hook
		script string
		want   string // in the output
	}{
		{"error of a write", on(disk.OpWrite, 2, decide(disk.Decision{Err: syscall.ENOSPC})),
			"echo a > f; /bin/echo b >> f || true; cat f", "No space left"},
		{"error of a sync", on(disk.OpFsync, 1, decide(disk.Decision{Err: syscall.EIO})),
			"echo a > f; sync f || echo failed", "failed"},
		{"error of a rename", on(disk.OpRename, 1, decide(disk.Decision{Err: syscall.EIO})),
			"echo a > f; mv f g || echo failed; ls", "failed\nf\n"},
		{"error of an open", on(disk.OpOpen, 1, decide(disk.Decision{Err: syscall.EMFILE})),
			"echo a > f; cat f || echo failed", "failed"},
		{"error of a directory sync", on(disk.OpDirSync, 1, decide(disk.Decision{Err: syscall.EIO})),
			"sync . || echo failed", "failed"},
		{"error of a read", on(disk.OpRead, 1, decide(disk.Decision{Err: syscall.EIO})),
			"echo a > f; cat f || echo failed", "Input/output error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := attach(t, m, fusefs.VolumeOptions{Hook: c.hook})
			require.Contains(t, shell(t, v, "("+c.script+") 2>&1"), c.want)
		})
	}
}

func TestShortWriteIsTakenUpAgain(t *testing.T) {
	m := serve(t)
	var writes []int64
	v := attach(t, m, fusefs.VolumeOptions{Hook: func(c *disk.Call) disk.Decision {
		if c.Kind != disk.OpWrite {
			return disk.Decision{}
		}
		writes = append(writes, c.Len)
		return disk.Decision{Short: 3}
	}})
	// dd asks for one write of 10 bytes and goes on after each short one.
	require.Equal(t, "0123456789\n", shell(t, v, "printf 0123456789 | dd of=f bs=10 2>/dev/null; cat f; echo"))
	v.With(func(*disk.Disk) { require.Equal(t, []int64{10, 7, 4, 1}, writes) })
}

func TestSyncTakesItsLatency(t *testing.T) {
	m := serve(t)
	const latency = 30 * time.Millisecond
	v := attach(t, m, fusefs.VolumeOptions{SyncLatency: func(*disk.Call) time.Duration { return latency }})
	shell(t, v, "echo a > f; sync f")
	v.With(func(d *disk.Disk) {
		syncs := 0
		for _, r := range d.Log() {
			if r.Kind.IsSync() {
				syncs++
				require.GreaterOrEqual(t, r.Return-r.Enter, latency)
			}
		}
		require.Equal(t, 1, syncs)
	})
}

func TestStalledCallWaitsForResume(t *testing.T) {
	m := serve(t)
	v := attach(t, m, fusefs.VolumeOptions{Hook: on(disk.OpFsync, 1, decide(disk.Decision{Stall: true}))})
	p := start(t, v, "echo a > f; sync f")
	eventually(t, "the sync is pending", func() bool { return v.Pending() == 1 })
	require.False(t, p.Exited())
	v.Resume()
	require.Zero(t, p.Wait().Code)
}

func TestKilledProcessLeavesItsStalledCall(t *testing.T) {
	m := serve(t)
	v := attach(t, m, fusefs.VolumeOptions{Hook: on(disk.OpFsync, 1, decide(disk.Decision{Stall: true}))})
	p := start(t, v, "echo a > f; exec sync f")
	eventually(t, "the sync is pending", func() bool { return v.Pending() == 1 })
	p.KillTree()
	p.WaitTree()
	eventually(t, "the call is over", func() bool { return v.Pending() == 0 })
	require.Equal(t, "a\n", shell(t, v, "cat f"))
}

func TestStrikeHitsTheExactPlace(t *testing.T) {
	m := serve(t)
	for _, c := range []struct {
		name string
		kind disk.OpKind
		at   disk.Place
		want string // what is on the disk afterwards
	}{
		{"write, entering", disk.OpWrite, disk.PlaceEnter, ""},
		{"write, in flight", disk.OpWrite, disk.PlaceInFlight, "a\n"},
		{"write, returning", disk.OpWrite, disk.PlaceReturn, "a\n"},
		{"fsync, entering", disk.OpFsync, disk.PlaceEnter, "a\n"},
		{"fsync, in flight", disk.OpFsync, disk.PlaceInFlight, "a\n"},
		{"fsync, returning", disk.OpFsync, disk.PlaceReturn, "a\n"},
	} {
		t.Run("kill at "+c.name, func(t *testing.T) {
			var victim atomic.Pointer[process.Process]
			var struck atomic.Bool
			known := make(chan struct{})
			v := attach(t, m, fusefs.VolumeOptions{Hook: on(c.kind, 1, decide(disk.Decision{
				Place: c.at, Fraction: 0.5, Delay: 5 * time.Millisecond,
				Strike: func() { <-known; victim.Load().KillTree(); struck.Store(true) },
			}))})
			marker := filepath.Join(t.TempDir(), "survived")
			p := start(t, v, "echo a > f; sync f; touch "+marker)
			victim.Store(p)
			close(known)
			p.WaitTree()
			require.True(t, struck.Load())
			require.Equal(t, syscall.SIGKILL, p.Wait().Signal)
			require.NoFileExists(t, marker)
			require.Equal(t, c.want, shell(t, v, "cat f"))
		})
	}
}

func TestVictimNeverSeesTheErrorOfAPowerCut(t *testing.T) {
	m := serve(t)
	for _, place := range []disk.Place{disk.PlaceEnter, disk.PlaceInFlight, disk.PlaceReturn} {
		var v *fusefs.Volume
		var victim atomic.Pointer[process.Process]
		var cut atomic.Pointer[disk.Cut]
		known := make(chan struct{})
		marker := filepath.Join(t.TempDir(), "told")
		v = attach(t, m, fusefs.VolumeOptions{Hook: on(disk.OpFsync, 3, decide(disk.Decision{
			Place: place, Fraction: 0.5, Delay: 5 * time.Millisecond,
			Strike: func() {
				<-known
				c, err := v.PowerCut(disk.Choice{}, victim.Load())
				if err == nil {
					cut.Store(&c)
				}
			},
		}))})
		// Four processes write and sync all the time; whoever is told of an error leaves a mark.
		p := start(t, v, `touch f1 f2 f3 f4; sync .; for i in 1 2 3 4; do (while dd if=/dev/zero of=f$i bs=100 count=1 conv=fsync 2>/dev/null; do :; done; echo told > `+marker+`) & done; wait`)
		victim.Store(p)
		close(known)
		p.WaitTree()
		eventually(t, "the cut is over", func() bool { return cut.Load() != nil })
		require.NoFileExists(t, marker)
		if place != disk.PlaceEnter {
			require.NotEmpty(t, cut.Load().InFlight, "the cut was to strike in a sync")
		}
		require.Equal(t, "f1\nf2\nf3\nf4\n", shell(t, v, "ls"))
	}
}

func TestDetachEndsWhatIsPending(t *testing.T) {
	m := serve(t)
	v := attach(t, m, fusefs.VolumeOptions{Hook: on(disk.OpFsync, 1, decide(disk.Decision{Stall: true}))})
	p := start(t, v, "echo a > f; sync f || exit 7")
	eventually(t, "the sync is pending", func() bool { return v.Pending() == 1 })
	v.Detach()
	require.Equal(t, 7, p.Wait().Code)
	_, err := v.PowerCut(disk.Choice{})
	require.ErrorIs(t, err, fusefs.ErrDetached)
}

func TestMountPointMustBeEmpty(t *testing.T) {
	serve(t) // skips where nothing can be mounted
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), nil, 0o644))
	_, err := fusefs.Serve(dir, fusefs.Options{})
	require.ErrorContains(t, err, "is not empty")
	_, err = fusefs.Serve(filepath.Join(dir, "missing"), fusefs.Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
}
