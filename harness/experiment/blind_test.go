package experiment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
)

// TestWhatDoesNotFitProvesNothing: of a server that is known by somebody's word alone, what its
// disk shows must fit that; of Redis it is no question.
func TestWhatDoesNotFitProvesNothing(t *testing.T) {
	never, written := history.Snapshot{Renamed: history.Never}, history.Snapshot{Renamed: 5}
	draft := []disk.Record{{Call: disk.Call{Kind: disk.OpCreate, Path: "temp-rewriteaof-bg-7.aof"}}}
	log := history.Epoch{LogWrites: []history.DiskWrite{{}}}
	for name, c := range map[string]struct {
		mode  string
		more  []product.Directive
		log   []disk.Record
		heard product.Heard
		life  history.Epoch
		acked int
		want  string
	}{
		"its log":                      {mode: "always", life: log, acked: 1},
		"no write to its log":          {mode: "always", acked: 1, want: "wrote nothing to x.log"},
		"nothing acknowledged":         {mode: "always"},
		"no log":                       {mode: "none", acked: 1},
		"a snapshot that is announced": {mode: "rdb", heard: product.Heard{Forks: make([]time.Duration, 1)}, life: history.Epoch{Snapshots: []history.Snapshot{written}}},
		"one that is not":              {mode: "rdb", life: history.Epoch{Snapshots: []history.Snapshot{written}}, want: "its log did not say when that began"},
		"one that is not in place":     {mode: "rdb", life: history.Epoch{Snapshots: []history.Snapshot{never}}},
		"a rewrite without a word":     {mode: "everysec", more: []product.Directive{{Name: "no-appendfsync-on-rewrite", Value: "yes"}}, log: draft, life: log, acked: 1, want: "did not say so (says)"},
		"where it does not matter":     {mode: "everysec", log: draft, life: log, acked: 1},
	} {
		for _, told := range []bool{true, false} {
			m, err := product.ModeByName(redis.With(redis.Kin{Log: "x.log", Told: told}), c.mode)
			require.NoError(t, err)
			m = redis.With(redis.Kin{Log: "x.log", Told: told}).On(m.With(c.more))
			got := blind(&m, c.log, &c.heard, &c.life, c.acked)
			if c.want == "" || !told {
				require.Empty(t, got, name)
			} else {
				require.Contains(t, got, c.want, name)
			}
		}
	}
}
