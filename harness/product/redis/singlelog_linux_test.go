package redis_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

func TestMain(m *testing.M) {
	guard.Main()
	os.Exit(m.Run())
}

// TestASingleLogIsJudged: an old server that syncs what it renames loses nothing to a power
// cut in its rewrite; with the planted bug, which is F8, it does, and the cause is named.
func TestASingleLogIsJudged(t *testing.T) {
	needs.Working(t, fusefs.Available())
	binary := filepath.Join(t.TempDir(), "old-server")
	out, err := exec.Command(needs.Program(t, "go"), "build", "-o", binary, "../../../targets/singlelog").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Symlink(binary, filepath.Join(filepath.Dir(binary), "old-check-aof")))
	server, err := target.Find(binary)
	require.NoError(t, err)
	require.Equal(t, "3.2.12", server.Version)
	rig, err := server.Rig(machine.FaultDisks)
	require.NoError(t, err)
	defer func() { require.NoError(t, rig.Close()) }()
	run := func(crash string, runs int, more ...product.Directive) result.Result {
		m, err := product.ModeByName(server.Store, product.Always)
		require.NoError(t, err)
		c := &campaign.Campaign{Modes: []product.Mode{m.With(more)}, Crashes: []*experiment.CrashKind{experiment.MustCrash(crash)},
			Workload: workloads.Default(), Personality: "ext4", Profile: "cloud-ssd", Seed: 1, Runs: runs}
		if len(more) > 0 { // the new name is durable, and what it holds is not
			c.Personality = "posix"
			c.Plan, err = plan.Parse("plan 1\nat 300ms: do n1 BGREWRITEAOF\nat n1 dirsync(*)#1 after 300ms return: power-cut n1 keep none\n")
			require.NoError(t, err)
		}
		results, err := c.Run(t.Context(), campaign.RealServer(rig, server.Version))
		require.NoError(t, err)
		return results[0]
	}
	for _, crash := range []string{"kill", "power", "power-in-rewrite", "power-in-fsync", "tail-cut"} {
		r := run(crash, 4)
		// Few crashes of few have anything to lose, which proves nothing, and breaks nothing.
		require.NotEqual(t, result.Violated, r.Verdict, "%s: %s %v %v", crash, r.Why, r.Anomalies, r.Failures)
		require.Positive(t, r.Struck, "%s: %s", crash, r.Why)
		require.Positive(t, r.Acknowledged, crash)
	}
	r := run("power", 2, product.Directive{Name: "plant", Value: "rename-before-sync"})
	require.Equal(t, result.Violated, r.Verdict, r.Why)
	require.Positive(t, r.Anomalies["lost-write"])
	require.Positive(t, r.Findings["F8"])
	require.Zero(t, r.Findings["F17"])
	// So does it where what was renamed is synced, and its name is not.
	p, err := plan.Parse("plan 1\nat 300ms: do n1 BGREWRITEAOF\nat 400ms: power-cut n1 keep none\n")
	require.NoError(t, err)
	for plant, finding := range map[string]string{"name-unsynced": "F17", "": ""} {
		m, err := product.ModeByName(server.Store, product.EverySecond)
		require.NoError(t, err)
		c := &campaign.Campaign{Modes: []product.Mode{m.With([]product.Directive{{Name: "plant", Value: plant}})}, Crashes: []*experiment.CrashKind{experiment.MustCrash("power")},
			Workload: workloads.Default(), Personality: "ext4", Profile: "cloud-ssd", Seed: 1, Runs: 2, Plan: p}
		results, err := c.Run(t.Context(), campaign.RealServer(rig, server.Version))
		require.NoError(t, err)
		require.Equal(t, finding != "", results[0].Verdict == result.Violated, "%s: %s", plant, results[0].Why)
		require.Equal(t, finding != "", results[0].Findings["F17"] > 0, "%s: %v %v", plant, results[0].Findings, results[0].Failures)
		require.Zero(t, results[0].Findings["F8"], plant)
	}
}
