package shrink

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// failing is the first experiment of a pair that shows a planted bug.
func failing(tb testing.TB, sim *experiment.Simulator, mode, crash, plant, workload string) (x *experiment.Experiment, anomaly string) {
	m, err := redis.ModeByName(mode)
	require.NoError(tb, err)
	k, err := experiment.CrashByName(crash)
	require.NoError(tb, err)
	w := workloads.Default()
	w.Name = workload
	c := &campaign.Campaign{Workload: w, Personality: "ext4", Profile: "cloud-ssd", Seed: 1}
	c.Plants, err = experiment.ParsePlants(plant)
	require.NoError(tb, err)
	for n := range uint64(2000) {
		x := c.Experiment(&m, k, n)
		o, err := sim.Run(x, nil)
		require.NoError(tb, err)
		if o.Verdict == result.Violated {
			return x, o.Anomalies[0].Name
		}
	}
	tb.Fatalf("%s, %s: %s does not show", mode, crash, plant)
	return nil, ""
}

// Failures of planted bugs shrink to what a person can read: at most 3 faults
// and 10 operations, where the bug itself does not need more.
func TestShrinks(t *testing.T) {
	sim := experiment.NewSimulator()
	defer sim.Close()
	for _, c := range []struct {
		mode, crash, plant, workload string
		operations                   int
	}{
		{"always", "power-in-fsync", "reply-before-fsync", "registers", 1},
		{"always", "power-in-fsync", "group-reply-before-fsync", "registers", 10},
		{"always", "power", "skip-every-50th-fsync", "registers", 50}, // it takes 50 fsyncs
		{"always", "power", "disk-ignores-fsync", "mixed", 10},
		{"everysec", "power", "everysec-never-fsyncs", "registers", 10},
		{"everysec", "kill", "rewrite-loses-writes", "lists", 10},
		{"rdb", "power-in-fsync", "rdb-rename-before-fsync", "registers", 10},
		{"hybrid", "power", "base-rename-without-fsync", "registers", 10},
		{"hybrid", "power", "manifest-before-base", "registers", 10},
		{"everysec", "kill", "split-transaction", "transactions", 10},
		{"no", "kill", "rewrite-loses-writes", "registers", 10},
	} {
		t.Run(c.plant+" under "+c.mode, func(t *testing.T) {
			x, anomaly := failing(t, sim, c.mode, c.crash, c.plant, c.workload)
			before := x.Plan.String()
			r, err := Shrink(t.Context(), sim.Runner, x, anomaly, Options{})
			require.NoError(t, err)
			t.Logf("%d experiments\n%s", r.Tries, r.Describe(anomaly))
			assert.LessOrEqual(t, r.After.Faults, 3)
			assert.LessOrEqual(t, r.After.Operations, c.operations)
			assert.True(t, r.Whole, "the search came to its end")
			assert.Equal(t, before, x.Plan.String(), "the original is left alone")

			o, err := sim.Run(r.Experiment, nil)
			require.NoError(t, err)
			assert.True(t, o.Shows(anomaly), "the small one shows the same anomaly: %s", o.Why)
			again, err := Shrink(t.Context(), sim.Runner, x, anomaly, Options{})
			require.NoError(t, err)
			assert.Equal(t, r.Describe(anomaly), again.Describe(anomaly), "the same failure, the same result")
		})
	}
}

// What does not fail is not shrunk, and a search without experiments left says so.
func TestShrinkSaysWhatItCannotDo(t *testing.T) {
	sim := experiment.NewSimulator()
	defer sim.Close()
	x, anomaly := failing(t, sim, "always", "power-in-fsync", "reply-before-fsync", "registers")
	_, err := Shrink(t.Context(), sim.Runner, x, "hole", Options{})
	require.ErrorIs(t, err, ErrGone)
	r, err := Shrink(t.Context(), sim.Runner, x, anomaly, Options{Tries: 2})
	require.NoError(t, err)
	assert.False(t, r.Whole)
	assert.Contains(t, r.Describe(anomaly), "experiments ran out")
	clean := *x
	clean.Plants = experiment.Plants{}
	_, err = Shrink(t.Context(), sim.Runner, &clean, anomaly, Options{})
	require.ErrorIs(t, err, ErrGone)
}

// The Go test that a failure is written as compiles, fails with the anomaly for
// as long as the bug is there, and passes when it is gone.
func TestGoTestRuns(t *testing.T) {
	sim := experiment.NewSimulator()
	defer sim.Close()
	x, anomaly := failing(t, sim, "always", "power-in-fsync", "reply-before-fsync", "registers")
	r, err := Shrink(t.Context(), sim.Runner, x, anomaly, Options{})
	require.NoError(t, err)
	mended := *r.Experiment
	mended.Plants = experiment.Plants{}
	for name, c := range map[string]struct {
		x      *experiment.Experiment
		passes bool
	}{"with the bug": {r.Experiment, false}, "without it": {&mended, true}} {
		text, err := GoTest(c.x, anomaly, "shrink_test")
		require.NoError(t, err)
		out, err := runGoTest(t, text)
		if c.passes {
			require.NoError(t, err, "%s: %s", name, out)
			continue
		}
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, name)
		assert.Contains(t, out, "--- FAIL: TestLostWriteUnderAlwaysAfterPower", name)
		assert.Contains(t, out, "lost-write", name)
	}
}

// runGoTest runs a test file as if it stood here, without writing into the tree.
func runGoTest(t *testing.T, text []byte) (string, error) {
	dir := t.TempDir()
	file := filepath.Join(dir, "reproduced_test.go")
	require.NoError(t, os.WriteFile(file, text, 0o644))
	here, err := os.Getwd()
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(here, "reproduced_test.go"): file}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644))
	cmd := exec.Command("go", "test", "-count=1", "-run", "^TestLostWriteUnder", "-overlay", filepath.Join(dir, "overlay.json"), ".")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// BenchmarkShrink measures how many experiments a second the search makes.
func BenchmarkShrink(b *testing.B) {
	sim := experiment.NewSimulator()
	defer sim.Close()
	x, anomaly := failing(b, sim, "always", "power", "skip-every-50th-fsync", "registers")
	b.ReportAllocs()
	tries := 0
	for b.Loop() {
		r, err := Shrink(b.Context(), sim.Runner, x, anomaly, Options{})
		require.NoError(b, err)
		tries += r.Tries
	}
	b.ReportMetric(float64(tries)/b.Elapsed().Seconds(), "experiments/s")
}
