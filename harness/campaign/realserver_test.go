package campaign

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

func TestMain(m *testing.M) {
	guard.Main()
	blocklog.Main()
	os.Exit(m.Run())
}

// newRig is a rig for redis-server, whose end checks that nothing is left: no
// server, no mount, no directory, no goroutine.
func newRig(tb testing.TB) *machine.Rig {
	tb.Helper()
	lacks := fusefs.Available()
	if _, err := exec.LookPath("redis-server"); lacks == nil {
		lacks = err
	}
	needs.Working(tb, lacks)
	before := goleak.IgnoreCurrent()
	rig, err := machine.NewRig(redis.Store, "redis-server", machine.FaultDisks)
	require.NoError(tb, err)
	// Started once for a process, and kept.
	kept := []goleak.Option{before, goleak.IgnoreTopFunction("github.com/torntail/torntail/faults/guard.(*Space).serve"),
		goleak.IgnoreAnyFunction("os.(*Process).Wait")}
	tb.Cleanup(func() {
		assert.Empty(tb, usersOf(rig.Disks.Dir()), "processes still name the mount")
		require.NoError(tb, rig.Close())
		assert.NoDirExists(tb, rig.Disks.Dir())
		assert.NoError(tb, goleak.Find(kept...))
	})
	return rig
}

// usersOf lists the processes that have the directory on their command line, as
// servers and repair tools have.
func usersOf(dir string) (pids []string) {
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range found {
		if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), dir) {
			pids = append(pids, file)
		}
	}
	return pids
}

// realExperiment is an experiment with a plan given as text.
func realExperiment(t *testing.T, mode, crash, text string) *experiment.Experiment {
	m, err := redis.ModeByName(mode)
	require.NoError(t, err)
	w := workloads.Default()
	w.Rate = m.Rate
	p, err := plan.Parse("plan 1\n" + text)
	require.NoError(t, err)
	require.NoError(t, p.Check(machine.System(plan.Process), []string{experiment.Server}))
	return &experiment.Experiment{Mode: m, Crash: experiment.MustCrash(crash), Workload: w, Personality: "ext4", Profile: "nvme", Seed: 1, Plan: p}
}

// Crashes of a real redis-server: what they must take, and what they must not.
// Every plan strikes at a call or an acknowledgement, so that what was in play
// does not depend on how fast the machine is.
func TestRealCrashes(t *testing.T) {
	rig := newRig(t)
	for _, c := range []struct {
		name, mode, crash, plan string
		check                   func(t *testing.T, o *experiment.Outcome)
	}{
		{"always loses nothing in the middle of an fsync", "always", "power-in-fsync",
			"at n1 fsync(*.incr.aof)#60 in-flight 0.9: power-cut n1 keep none",
			func(t *testing.T, o *experiment.Outcome) {
				assert.Zero(t, o.Lost)
				assert.GreaterOrEqual(t, o.Acked, 59)
				assert.True(t, o.InFsync, "the disk's log has an fsync in flight")
				require.NotEmpty(t, o.Cut.InFlight, "and so has the cut")
				assert.True(t, o.Cut.InFlight[0].Kind.IsSync())
				assert.Equal(t, machine.ByItself, o.Recovery)
			}},
		{"always loses nothing to a kill in the middle of an fsync", "always", "kill-in-fsync",
			"at n1 fsync(*.incr.aof)#60 in-flight 0.5: kill n1",
			func(t *testing.T, o *experiment.Outcome) {
				assert.Zero(t, o.Lost)
				assert.True(t, o.InFsync)
				assert.Equal(t, machine.ByItself, o.Recovery)
			}},
		{"everysec loses what came after its last sync", "everysec", "power",
			"at n1 fsync(*.incr.aof)#3: power-cut n1 keep none",
			func(t *testing.T, o *experiment.Outcome) {
				assert.Positive(t, o.Lost)
				assert.Less(t, o.Lost, o.Acked, "what was synced is there")
				assert.Greater(t, o.Window, 500*time.Millisecond, "Redis syncs once a second")
				assert.False(t, o.Censored)
				assert.Positive(t, o.Unsynced)
			}},
		{"a kill under everysec takes only what waits behind a slow fsync", "everysec", "kill-in-fsync",
			"at 0s: slow n1 fsync(*.incr.aof) 1500ms\nat n1 fsync(*.incr.aof)#2 in-flight 0.9: kill n1",
			func(t *testing.T, o *experiment.Outcome) {
				assert.Positive(t, o.Lost)
				assert.Equal(t, o.Lost, o.Postponed, "all of them were postponed")
				assert.Contains(t, o.Findings, "postponed-write")
				assert.False(t, o.Excused, "it is allowed, not excused")
			}},
		{"snapshots lose what came after the last one", "rdb", "power",
			"at ack#20: do n1 BGSAVE\nat n1 dirsync(*)#1 return: power-cut n1 keep none",
			func(t *testing.T, o *experiment.Outcome) {
				require.Len(t, o.History.States, 1)
				assert.NotEmpty(t, o.History.States[0].Keys, "the snapshot is in place")
				require.NotEmpty(t, o.History.Epochs[0].Snapshots)
			}},
		{"without persistence all is gone", "none", "power", "at ack#30: power-cut n1",
			func(t *testing.T, o *experiment.Outcome) {
				assert.Equal(t, o.Acked, o.Lost)
				assert.True(t, o.Censored)
			}},
		{"a cut tail loads by itself", "always", "tail-cut",
			"at ack#50: kill n1\nat +0s: truncate *.incr.aof by 7",
			func(t *testing.T, o *experiment.Outcome) {
				assert.Equal(t, 1, o.CutFiles)
				assert.Equal(t, machine.ByItself, o.Recovery)
				assert.LessOrEqual(t, o.Lost, 1)
			}},
		{"SIGTERM loses nothing", "everysec", "term", "at ack#50: term n1",
			func(t *testing.T, o *experiment.Outcome) { assert.Zero(t, o.Lost) }},
		{"two lives", "always", "kill", "at ack#50: kill n1\nat ack#100: power-cut n1 keep none",
			func(t *testing.T, o *experiment.Outcome) {
				assert.Len(t, o.History.Epochs, 2)
				assert.Len(t, o.History.States, 2)
				assert.Zero(t, o.Lost)
				assert.GreaterOrEqual(t, o.Acked, 60, "writes of both")
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o, err := experiment.NewRunner(rig.Machine()).Run(context.Background(), realExperiment(t, c.mode, c.crash, c.plan))
			require.NoError(t, err)
			require.True(t, o.Struck, "%s %s", o.Why, o.Distrust)
			assert.Equal(t, result.Holds, o.Verdict, "%s %v", o.Why, o.Anomalies)
			c.check(t, o)
		})
	}
}

// A run in which torntail, not the server, is at fault must never come out as holding.
func TestRealPlants(t *testing.T) {
	rig := newRig(t)
	for _, c := range []struct {
		plant, mode, plan string
	}{
		{"cut-loses-nothing", "everysec", "at n1 fsync(*.incr.aof)#3: power-cut n1 keep none"},
		{"reopen-uncrashed", "everysec", "at n1 fsync(*.incr.aof)#3: power-cut n1 keep none"},
		{"disk-ignores-fsync", "always", "at ack#60: power-cut n1 keep none"},
		{"acks-forgotten", "always", "at ack#60: power-cut n1 keep none"},
		// Of twenty operations in a row one is a lie, and when nothing is answered
		// any more all forty clients soon wait for a reply.
		{"client-lies", "always", "at ack#100: stall n1 fsync(*.incr.aof)\nat +300ms: power-cut n1 keep none"},
	} {
		t.Run(c.plant, func(t *testing.T) {
			t.Parallel()
			x := realExperiment(t, c.mode, "power", c.plan)
			x.Workload.Clients, x.Workload.ReadRatio = 40, 0
			var err error
			x.Plants, err = experiment.ParsePlants(c.plant)
			require.NoError(t, err)
			o, err := experiment.NewRunner(rig.Machine()).Run(context.Background(), x)
			require.NoError(t, err)
			assert.NotEqual(t, result.Holds, o.Verdict)
			assert.NotContains(t, o.Why, "did not strike")
		})
	}
}

// A campaign that is given up leaves nothing behind, at whatever point: before
// the first server is up, while clients write, or while a call of the server stalls.
func TestRealCancelled(t *testing.T) {
	rig := newRig(t)
	for _, c := range []struct {
		about, plan string
		after       time.Duration // whatever the server has come to by then
	}{
		{"at once", "at 15s: kill n1", 0},
		{"during the start", "at 15s: kill n1", 5 * time.Millisecond},
		{"while clients write", "at 15s: kill n1", 300 * time.Millisecond},
		{"while an fsync stalls", "at 0s: stall n1 fsync(*.incr.aof)\nat 15s: kill n1", 300 * time.Millisecond},
		{"while the server is stopped", "at ack#5: pause n1\nat 15s: kill n1", 300 * time.Millisecond},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeoutCause(context.Background(), c.after, context.Canceled)
			defer cancel()
			x := realExperiment(t, "always", "kill", c.plan)
			x.Mode.Span = 16 * time.Second
			_, err := experiment.NewRunner(rig.Machine()).Run(ctx, x)
			assert.ErrorIs(t, err, context.Canceled)
		})
	}
	t.Run("in a campaign", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		m, err := redis.ModeByName("none")
		require.NoError(t, err)
		kind, err := experiment.CrashByName("kill")
		require.NoError(t, err)
		c := &Campaign{Modes: []product.Mode{m}, Crashes: []*experiment.CrashKind{kind}, Workload: workloads.Default(), Personality: "ext4", Profile: "nvme",
			Seed: 1, Runs: 1000, Workers: 4, Progress: func(p Progress) {
				if p.Done == 3 {
					cancel()
				}
			}}
		results, err := c.Run(ctx, RealServer(rig, ""))
		require.NoError(t, err)
		require.Len(t, results, 1)
		assert.Equal(t, result.Unknown, results[0].Verdict)
		assert.GreaterOrEqual(t, results[0].Runs, 3)
	})
}

// A server that cannot start at all is an error of the environment, no finding.
func TestRealServerDoesNotStart(t *testing.T) {
	rig := newRig(t)
	x := realExperiment(t, "always", "kill", "at ack#10: kill n1")
	x.Mode = x.Mode.With([]product.Directive{{Name: "appenddirname", Value: "/not/a/name"}})
	_, err := experiment.NewRunner(rig.Machine()).Run(context.Background(), x)
	require.ErrorContains(t, err, "on an empty disk")
	var refusal *process.StartError
	assert.ErrorAs(t, err, &refusal)
}

// cycleExperiment is the shortest whole experiment: start, 100 pipelined
// writes, power cut, restart, full read, judgement.
func cycleExperiment(tb testing.TB, n int) *experiment.Experiment {
	x := shortExperiment(tb, "always", n)
	x.Workload.Clients, x.Workload.Pipeline, x.Workload.Ops = 1, 100, 100
	x.Profile = "nvme"
	x.Plan.Statements[0].Action.(*plan.PowerCut).Keep = disk.Choice{Mode: disk.KeepNone}
	return x
}

// BenchmarkCycle measures whole experiments with a real server, so many of them
// side by side.
func BenchmarkCycle(b *testing.B) {
	for _, workers := range []int{1, 4, 8} {
		b.Run("target=redis-server/workers="+strconv.Itoa(workers), func(b *testing.B) {
			rig := newRig(b)
			p, err := NewPool(RealServer(rig, ""), workers)
			require.NoError(b, err)
			defer p.Close()
			b.ReportAllocs()
			b.ResetTimer()
			began := time.Now()
			err = p.Run(context.Background(), workers, b.N, func(i int) *experiment.Experiment { return cycleExperiment(b, i) },
				func(x *experiment.Experiment, o *experiment.Outcome) error {
					if !o.Struck || o.Acked < 99 || o.Verdict != result.Holds {
						b.Errorf("struck %v, %d acknowledged, %s: %s %v", o.Struck, o.Acked, o.Verdict, o.Why, o.Anomalies)
					}
					return nil
				})
			require.NoError(b, err)
			b.ReportMetric(float64(b.N)/time.Since(began).Minutes(), "cycles/min")
		})
	}
}

// TestWritesElsewhereEndTheExperiment: where nothing keeps a server from writing outside of
// torntail's directory, one that does is found out.
func TestWritesElsewhereEndTheExperiment(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "theirs")
	script := filepath.Join(t.TempDir(), "server")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nexec redis-server \"$@\" 9>"+outside+"\n"), 0o755))
	run := func() error {
		rig := newRig(t)
		rig.Binary = script
		_, err := experiment.NewRunner(rig.Machine()).Run(t.Context(), realExperiment(t, "always", "kill", "at 1s: kill n1"))
		return err
	}
	t.Setenv("TORNTAIL_WITHOUT_LANDLOCK", "yes")
	require.ErrorContains(t, run(), "writes to "+outside+", outside of torntail's own directory")
	require.NoError(t, os.Remove(outside))
	os.Unsetenv("TORNTAIL_WITHOUT_LANDLOCK")
	if guard.CanConfine() == nil { // then the script cannot
		require.ErrorContains(t, run(), "on an empty disk")
		require.NoFileExists(t, outside)
	}
}
