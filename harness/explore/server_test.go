package explore

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/image"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
)

func TestMain(m *testing.M) {
	guard.Main()
	blocklog.Main()
	os.Exit(m.Run())
}

// realServer is redis-server on a rig of the test's own.
func realServer(t testing.TB) *Server {
	t.Helper()
	binary := needs.Program(t, "redis-server")
	needs.Working(t, fusefs.Available())
	rig, err := machine.NewRig(redis.Store, binary, machine.FaultDisks)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, rig.Close()) })
	return &Server{Rig: rig, Target: "redis-server"}
}

// TestRealServer: what a real server makes of its images is found out in both
// ways, and they agree; nothing is found but known findings.
func TestRealServer(t *testing.T) {
	for _, c := range []struct {
		mode, personality, by string
	}{{"always", "ext4", "DEBUG LOADAOF"}, {"hybrid-always", "prefix", "DEBUG LOADAOF"}} {
		t.Run(c.mode+"/"+c.personality, func(t *testing.T) {
			o := options(t, c.mode, c.personality, "", "prefix", 100)
			o.Server = realServer(t)
			done := 0
			o.Server.Progress = func(n, _ int) { done = n }
			r := explore(t, o)
			require.Equal(t, result.Holds, r.Verdict, "%s %+v", r.Why, r.Groups)
			s := r.Server
			assert.Equal(t, r.Images, s.Reloaded+s.Started)
			assert.Equal(t, r.Images, done)
			assert.Greater(t, s.Reloaded, 0)
			assert.Greater(t, s.Both, 0)
			assert.Greater(t, s.Lives, 0)
			assert.Equal(t, r.Images, s.Engine)
			assert.Equal(t, c.by, s.By)
			assert.Greater(t, r.Acknowledged, 40)
			assert.Equal(t, 100, r.Commands)
			assert.Equal(t, "exit", r.Positions[len(r.Positions)-1].Kind)
			for _, f := range r.Findings {
				assert.Contains(t, []string{"F2", "F4"}, f.Name)
			}
		})
	}
}

// TestRealServerOnALyingDisk: a disk that ignores its syncs is found under a
// real server, its cause is named, and what was kept of it shows the same again.
func TestRealServerOnALyingDisk(t *testing.T) {
	o := options(t, "always", "prefix", "disk-ignores-fsync", "prefix", 60)
	o.Server = realServer(t)
	violates(t, o, "returned")
}

// TestRealServerThatDoesNotSync: a server that is told not to sync cannot keep
// what appendfsync always promises, and the sync that comes too late is named.
func TestRealServerThatDoesNotSync(t *testing.T) {
	o := options(t, "always", "ext4", "", "prefix", 60)
	o.Mode = o.Mode.With([]product.Directive{{Name: "appendfsync", Value: "no"}})
	o.Server = realServer(t)
	violates(t, o, "late")
}

// violates explores and expects a lost write whose sync is at fault in this way.
func violates(t *testing.T, o *Options, sync string) {
	t.Helper()
	r := explore(t, o)
	require.Equal(t, result.Violated, r.Verdict, r.Why)
	require.NoError(t, r.Save(o, t.TempDir(), "test", campaign.RealServer(o.Server.Rig, "")))
	v := r.Groups[0]
	assert.Equal(t, "lost-write", v.Anomaly)
	assert.Equal(t, sync, v.Cause.Sync)
	assert.True(t, v.Confirmed)
	assert.Equal(t, "always-"+o.Personality+"-1", filepath.Base(v.Dir))
	saved, err := saved.Load(v.Dir)
	require.NoError(t, err)
	assert.True(t, saved.HasImage())
}

// TestRecordingIsTheSameEachTime: what is recorded plays the same moments, with
// the same states, and the clients' record grows with them.
func TestRecordingIsTheSameEachTime(t *testing.T) {
	o := options(t, "always", "ext4", "", "prefix", 60)
	o.Server = realServer(t)
	x, err := o.experiment()
	require.NoError(t, err)
	rec, err := experiment.Record(t.Context(), o.Server.Rig, x)
	require.NoError(t, err)
	type moment struct {
		kind      experiment.MomentKind
		at        int64
		hash      uint64
		ops, open int
	}
	var seen [2][]moment
	for i := range seen {
		last := moment{}
		rec.Watch(func(m *experiment.Moment) {
			now := moment{m.Kind, int64(m.At), m.Disk().Hash(), len(m.History().Ops), pending(m.History())}
			require.GreaterOrEqual(t, now.at, last.at)
			require.GreaterOrEqual(t, now.ops, last.ops)
			require.LessOrEqual(t, now.open, now.ops)
			last = now
			seen[i] = append(seen[i], now)
		})
		assert.Equal(t, len(rec.Hist.Ops), last.ops)
	}
	assert.Equal(t, seen[0], seen[1])
	assert.Greater(t, len(seen[0]), 60)
}

// BenchmarkJudge is how long a crash image of a real run takes to be judged by
// a running server and by one that is started on it.
func BenchmarkJudge(b *testing.B) {
	o := options(b, "always", "ext4", "", "prefix", 300)
	o.Server = realServer(b)
	x, err := o.experiment()
	require.NoError(b, err)
	rec, err := experiment.Record(b.Context(), o.Server.Rig, x)
	require.NoError(b, err)
	var left *image.CrashImage
	rec.Watch(func(m *experiment.Moment) {
		if m.Kind == experiment.MomentExit {
			left, err = image.NewCrashImage(m.Disk(), &o.Mode)
		}
	})
	require.NoError(b, err)
	dir, remove, err := image.Dir()
	require.NoError(b, err)
	b.Cleanup(remove)
	s, err := image.NewServer(o.Server.Rig, x, 0, dir)
	require.NoError(b, err)
	b.Cleanup(s.Close)
	b.Run("way=start", func(b *testing.B) {
		for b.Loop() {
			_, _, err := s.Start(b.Context(), left, false)
			require.NoError(b, err)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
	})
	b.Run("way=reload", func(b *testing.B) {
		for b.Loop() {
			_, known, err := s.Reload(b.Context(), left)
			require.NoError(b, err)
			require.True(b, known)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
	})
}

// TestARealServerCutShort: interrupted, or out of time, it reports on the images that were
// judged, and says how many were not.
func TestARealServerCutShort(t *testing.T) {
	for _, interrupted := range []bool{true, false} {
		o := options(t, "always", "ext4", "", "prefix", 100)
		o.Server = realServer(t)
		ctx, stop := context.WithCancel(t.Context())
		if !interrupted { // fewer than five seconds it never has
			o.Server.Until = time.Now()
			o.Commands, o.Bound = 1500, Bounds[3]
		}
		o.Server.Progress = func(done, all int) {
			if interrupted && done >= all/4 {
				stop()
			}
		}
		r, err := Run(ctx, o)
		stop()
		require.NotNil(t, r)
		require.Positive(t, r.States)
		require.Positive(t, r.Holds)
		require.Positive(t, r.NotJudged)
		require.Less(t, r.NotJudged, r.Images)
		if interrupted {
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, result.Unknown, r.Verdict)
			require.Contains(t, r.Why, "interrupted")
		} else {
			require.NoError(t, err)
			require.Equal(t, result.Holds, r.Verdict, r.Why)
		}
	}
}
