package walcache_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/walcache"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

func TestMain(m *testing.M) {
	guard.Main()
	m.Run()
}

// TestCrashed: a store of another make is killed and loses its power on the fault disk
// like Redis. Synced before each reply it loses nothing; with a reply before the sync it does.
func TestCrashed(t *testing.T) {
	needs.Working(t, fusefs.Available())
	binary := filepath.Join(t.TempDir(), "walcached")
	out, err := exec.Command(needs.Program(t, "go"), "build", "-o", binary, "../../../targets/walcached").CombinedOutput()
	require.NoError(t, err, "%s", out)
	rig, err := machine.NewRig(walcache.Store, binary, machine.FaultDisks)
	require.NoError(t, err)
	defer func() { require.NoError(t, rig.Close()) }()
	run := func(crashes []string, runs int, more ...product.Directive) []result.Result {
		m, err := product.ModeByName(walcache.Store, product.Always)
		require.NoError(t, err)
		c := &campaign.Campaign{Modes: []product.Mode{m.With(more)}, Workload: workloads.Default(), Personality: "posix", Profile: "cloud-ssd", Seed: 1, Runs: runs}
		for _, name := range crashes {
			c.Crashes = append(c.Crashes, experiment.MustCrash(name))
		}
		if len(more) > 0 {
			// On a busy machine few writes are under way at a crash, and one may hit none of
			// those that the planted bug has acknowledged too early.
			c.Until, err = campaign.ParseUntil("violated>0")
			require.NoError(t, err)
		}
		results, err := c.Run(context.Background(), campaign.RealServer(rig, "?"))
		require.NoError(t, err)
		return results
	}
	for _, r := range run([]string{"kill", "power-in-fsync", "tail-cut"}, 3) {
		require.Equal(t, result.Holds, r.Verdict, "%s: %s %v", r.Crash, r.Why, r.Failures)
		require.Positive(t, r.Acknowledged, r.Crash)
		if r.Crash != "tail-cut" {
			require.Zero(t, r.Lost, r.Crash)
		}
	}
	r := run([]string{"power-in-fsync"}, 200, product.Directive{Name: "plant", Value: "reply-before-sync"})[0]
	require.Equal(t, result.Violated, r.Verdict, r.Why)
	require.Positive(t, r.Anomalies["lost-write"])
	require.Equal(t, result.NotApplicable, run([]string{"power-in-rewrite"}, 3)[0].Verdict)
}
