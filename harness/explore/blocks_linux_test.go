package explore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product/redis"
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
			rig, err := machine.NewRig(redis.Store, "redis-server", machine.BlockDisks(fs))
			require.NoError(t, err)
			defer func() { require.NoError(t, rig.Close()) }()
			o := options(t, mode, fs.String(), "", "prefix", 60)
			o.Bound, o.Workload, o.Server = Sample, workloads.Default(), &Server{Rig: rig, Target: "redis-server", Images: 12}
			r := explore(t, o)
			require.Equal(t, result.Holds, r.Verdict, "%+v", r)
			require.Positive(t, r.Images)
			b := r.Server.Blocks
			require.Equal(t, r.Images, b.ByItself+b.Repaired+b.Refused)
			require.Equal(t, r.Images, r.States)
			require.Equal(t, b.Tried, len(r.Positions))
			require.Positive(t, r.Acknowledged)
			if mode == "always" {
				require.Zero(t, b.Lost)
			} else {
				require.Positive(t, b.Lost)
			}
		})
	}
}
