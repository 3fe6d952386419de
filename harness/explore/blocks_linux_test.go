package explore

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// TestExploreBlocks: each image is mounted, started on and judged; under everysec
// some lose acknowledged writes, under always none does.
func TestExploreBlocks(t *testing.T) {
	for _, mode := range []string{"always", "everysec"} {
		t.Run(mode, func(t *testing.T) {
			fs, err := blocklog.ParseFS("ext4")
			require.NoError(t, err)
			needs.Program(t, "redis-server")
			needs.Working(t, blocklog.Available())
			rig, err := machine.NewRig("redis-server", machine.BlockDisks(fs))
			require.NoError(t, err)
			defer func() { require.NoError(t, rig.Close()) }()
			m, err := product.ModeByName(mode)
			require.NoError(t, err)
			x, err := BlockExperiment(m, workloads.Default(), fs, 60, 1)
			require.NoError(t, err)
			r, err := ExploreBlocks(context.Background(), rig, x, BlockExploration{Images: 12, Seed: 1, Workers: 2})
			require.NoError(t, err)
			require.Equal(t, result.Holds, r.Verdict, "%+v", r)
			require.Positive(t, r.Images)
			require.Equal(t, r.Images, r.ByItself+r.Repaired+r.Refused)
			require.Positive(t, r.Acknowledged)
			if mode == "always" {
				require.Zero(t, r.Lost)
			} else {
				require.Positive(t, r.Lost)
			}
		})
	}
}
