package campaign

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
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

// On the host's own disk processes are killed, power cuts are n/a, and nothing is left.
func TestHostDisk(t *testing.T) {
	binary := needs.Program(t, "redis-server")
	_, err := guard.Default() // whose list of what is left outlives the test
	require.NoError(t, err)
	t.Setenv("TMPDIR", t.TempDir())
	rig, err := machine.NewRig(redis.Store, binary, machine.HostDirs(""))
	require.NoError(t, err)
	version, err := process.Version(binary)
	require.NoError(t, err)
	c := &Campaign{Workload: workloads.Default(), Personality: experiment.HostDisk, Profile: "nvme", Seed: 1, Runs: 2}
	for _, name := range []string{"always", "rdb", "none"} {
		m, err := redis.ModeByName(name)
		require.NoError(t, err)
		c.Modes = append(c.Modes, m.Spanning(4*time.Second))
	}
	for _, name := range []string{"kill", "kill-in-fsync", "power"} {
		k, err := experiment.CrashByName(name)
		require.NoError(t, err)
		c.Crashes = append(c.Crashes, k)
	}
	results, err := c.Run(context.Background(), RealServer(rig, version))
	require.NoError(t, err)
	for _, r := range results {
		if r.Crash != "kill" {
			assert.Equal(t, result.NotApplicable, r.Verdict)
			assert.NotEmpty(t, r.Why)
			continue
		}
		assert.Equal(t, result.Holds, r.Verdict, "%s: %s", r.Mode, r.Why)
		assert.Equal(t, 2, r.Struck)
		assert.Equal(t, r.Mode == "none", r.Lost == r.Acknowledged, "only without persistence everything is lost")
	}
	// A server that keeps nothing is caught without the disk's log as well.
	liar, none := c.Modes[0], c.Modes[2]
	liar.Directives = none.Directives
	c.Modes, c.Crashes = []product.Mode{liar}, c.Crashes[:1]
	results, err = c.Run(context.Background(), RealServer(rig, version))
	require.NoError(t, err)
	assert.Equal(t, result.Violated, results[0].Verdict)
	require.NoError(t, rig.Close())
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

// Without the disk's log any prefix will do, but none that is shorter than the
// source's bound allows.
func TestContractWithoutLog(t *testing.T) {
	for mode, want := range map[string]time.Duration{
		"always": -1, "no": -1, "everysec": 2*time.Second + contract.Slack, "rdb": 3*time.Second + contract.Slack,
	} {
		m, err := redis.ModeByName(mode)
		require.NoError(t, err)
		c, err := experiment.ContractOf(&m, experiment.MustCrash("kill"), experiment.HostDisk, nil)
		require.NoError(t, err)
		assert.Equal(t, want, c.MaxWindow, mode)
		assert.Equal(t, want < 0, c.Level == contract.Durable && c.Keeps == contract.KeepsAll, mode)
	}
}

// What would strike at a disk call strikes at a time where no call is in reach,
// and a plan for the fault disk is refused.
func TestPlansForTheHostDisk(t *testing.T) {
	always, err := redis.ModeByName("always")
	require.NoError(t, err)
	kill, err := experiment.CrashByName("kill")
	require.NoError(t, err)
	changed := 0
	for seed := range uint64(200) {
		drawn := experiment.GeneratePlan(&always, kill, seed)
		p := unseen{}.Adapt(drawn, seed)
		require.NoError(t, p.Check(machine.System(plan.ProcessHost), []string{experiment.Server}))
		if drawn.Check(machine.System(plan.ProcessHost), nil) != nil {
			changed++
		}
	}
	assert.Positive(t, changed)
}
