package harness

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

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

func TestMain(m *testing.M) {
	guard.Main()
	os.Exit(m.Run())
}

// newRig is a rig for redis-server, whose end checks that nothing is left: no
// server, no mount, no directory, no goroutine.
func newRig(tb testing.TB) *Rig {
	tb.Helper()
	lacks := fusefs.Available()
	if _, err := exec.LookPath("redis-server"); lacks == nil {
		lacks = err
	}
	if lacks != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatal(lacks)
		}
		tb.Skip(lacks)
	}
	before := goleak.IgnoreCurrent()
	rig, err := NewRig("redis-server")
	require.NoError(tb, err)
	// Started once for a process, and kept.
	kept := []goleak.Option{before, goleak.IgnoreTopFunction("github.com/torntail/torntail/faults/guard.NewSpace.func1"),
		goleak.IgnoreAnyFunction("os.(*Process).Wait")}
	tb.Cleanup(func() {
		assert.Empty(tb, usersOf(rig.mount.Dir()), "processes still name the mount")
		require.NoError(tb, rig.Close())
		assert.NoDirExists(tb, rig.mount.Dir())
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
func realExperiment(tb testing.TB, mode, crash, text string) *Experiment {
	tb.Helper()
	m, err := ModeByName(mode)
	require.NoError(tb, err)
	w := workloads.Default()
	w.Rate = m.Rate
	p, err := plan.Parse("plan 1\n" + text)
	require.NoError(tb, err)
	require.NoError(tb, p.Check(plan.Process, []string{Server}))
	return &Experiment{Mode: m, Crash: crash, Workload: w, Personality: "ext4", Profile: "cloud-ssd", Seed: 1, Plan: p}
}

// ran runs one experiment and requires that its crash struck.
func runReal(tb testing.TB, rig *Rig, x *Experiment) *Outcome {
	tb.Helper()
	o, err := rig.NewRunner().Run(context.Background(), x)
	require.NoError(tb, err)
	require.True(tb, o.Struck, o.Why)
	return o
}

// cycleExperiment is the shortest whole experiment: start, 100 pipelined
// writes, power cut, restart, full read, judgement.
func cycleExperiment(tb testing.TB, n int) *Experiment {
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
			p, err := newPool(RealServer(rig, ""), workers)
			require.NoError(b, err)
			defer p.close()
			b.ReportAllocs()
			b.ResetTimer()
			began := time.Now()
			err = p.run(context.Background(), workers, b.N, func(i int) *Experiment { return cycleExperiment(b, i) },
				func(x *Experiment, o *Outcome) error {
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
