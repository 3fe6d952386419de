package campaign

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// blockBackend is redis-server on a real file system; at the test's end no loop
// device and no directory of it is left.
func blockBackend(t *testing.T, text string) Backend {
	t.Helper()
	needs.Program(t, "redis-server")
	needs.Working(t, blocklog.Available())
	fs, err := blocklog.ParseFS(text)
	require.NoError(t, err)
	needs.Working(t, blocklog.AvailableFS(fs.Kind))
	rig, err := machine.NewRig(redis.Store, "redis-server", machine.BlockDisks(fs))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rig.Close()) })
	return RealServer(rig, "7.0.15")
}

// blockCampaign runs one pair.
func blockCampaign(t *testing.T, b Backend, fs, mode, crash string, runs int, change func(*Campaign)) result.Result {
	t.Helper()
	m, err := redis.ModeByName(mode)
	require.NoError(t, err)
	k, err := experiment.CrashByName(crash)
	require.NoError(t, err)
	c := &Campaign{Modes: []product.Mode{m}, Crashes: []*experiment.CrashKind{k}, Workload: workloads.Default(), Personality: experiment.Measured + fs, Profile: "nvme", Seed: 1, Runs: runs, Keep: 1}
	if change != nil {
		change(c)
	}
	results, err := c.Run(context.Background(), b)
	require.NoError(t, err)
	return results[0]
}

// TestAlwaysOnRealFileSystems: nothing acknowledged is lost, on a flush in flight
// or at any time; and where the disk lies about flushes, that is found.
func TestAlwaysOnRealFileSystems(t *testing.T) {
	for _, fs := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(fs, func(t *testing.T) {
			b := blockBackend(t, fs)
			r := blockCampaign(t, b, fs, "always", "power-in-fsync", 3, nil)
			require.Equal(t, result.Holds, r.Verdict, "%s", r.Why)
			require.Equal(t, 3, r.Struck)
			require.Zero(t, r.Lost)
			require.Positive(t, r.Acknowledged)

			r = blockCampaign(t, b, fs, "always", "power", 2, func(c *Campaign) {
				planted, err := experiment.ParsePlants("disk-ignores-fsync")
				require.NoError(t, err)
				c.Plants = planted
				c.Plan, err = plan.Parse("plan 1\nat 300ms: power-cut n1 keep none\n")
				require.NoError(t, err)
			})
			require.Equal(t, result.Violated, r.Verdict, "a disk that lies loses nothing")
			require.Positive(t, r.Lost)
		})
	}
}

// TestFailedBlockWriteUnderEverysec: one data write of the disk fails. The write is
// acknowledged, the server refuses others for a while, and after a power cut what
// the file system never wrote again is gone.
func TestFailedBlockWriteUnderEverysec(t *testing.T) {
	p, err := plan.Parse("plan 1\nat n1 write(block/aof)#2 enter: fail n1 write(block/aof) EIO for 1 calls\nat 4s: power-cut n1 keep none\n")
	require.NoError(t, err)
	require.NoError(t, p.Check(machine.System(plan.Block), []string{experiment.Server}))
	r := blockCampaign(t, blockBackend(t, "ext4"), "ext4", "everysec", "power", 2, func(c *Campaign) {
		c.Modes[0] = c.Modes[0].Spanning(5e9)
		c.Plan = p
	})
	require.Equal(t, 2, r.Struck, "%s", r.Why)
	require.Positive(t, r.Lost)
	require.Greater(t, r.LossWindow.Max, 1000.0, "no more was lost than everysec may lose")
}

// TestBlockPlansAreOfBlocks: drawn plans are such that can strike there.
func TestBlockPlansAreOfBlocks(t *testing.T) {
	for i := range redis.Store.Modes() {
		for j := range experiment.CrashKinds {
			if experiment.CrashKinds[j].Needs(&redis.Store.Modes()[i]) != "" || (onBlocks{}).Lacks(experiment.CrashKinds[j]) != "" {
				continue
			}
			for seed := range uint64(20) {
				p := onBlocks{}.Adapt(experiment.GeneratePlan(&redis.Store.Modes()[i], experiment.CrashKinds[j], seed), seed)
				require.NoError(t, p.Check(machine.System(plan.Block), []string{experiment.Server}))
				require.NotContains(t, p.String(), "aof)")
			}
		}
	}
}
