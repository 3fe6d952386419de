package explore

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/reports/result"
)

// mayShow are the known findings that a disk can bring about.
var mayShow = map[string]string{
	"posix": "F1 F2 F3 F4 F5 F6", "ext4": "F2 F3 F4", "ext4-dioread-lock": "F2 F3 F4", "xfs": "F2 F3 F4", "btrfs": "F2 F3 F4 F5", "prefix": "",
}

// TestMatrix explores each mode on each personality: nothing is found but known
// findings, each once. TORNTAIL_MATRIX=full makes it whole runs at bound 2;
// otherwise it is a sample of short ones.
func TestMatrix(t *testing.T) {
	bound, commands := "prefix", 160
	full := os.Getenv("TORNTAIL_MATRIX") == "full"
	if full {
		bound, commands = "2", DefaultCommands
	}
	var mu sync.Mutex
	var f File
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	began := time.Now()
	for _, p := range disk.Personalities {
		for i := range redis.Store.Modes() {
			m := &redis.Store.Modes()[i]
			if !m.AOF && !m.RDB {
				continue
			}
			o := options(t, m.Name, p.Name, "", bound, commands)
			g.Go(func() error {
				r, err := Run(t.Context(), o)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				f.Add(r)
				assert.Equal(t, result.Holds, r.Verdict, "%s on %s: %s %+v", r.Mode, r.Personality, r.Why, r.Groups)
				var names []string
				for _, finding := range r.Findings {
					names = append(names, finding.Name)
				}
				slices.Sort(names)
				assert.Len(t, slices.Compact(slices.Clone(names)), len(names), "a finding twice")
				assert.Subset(t, strings.Fields(mayShow[p.Name]), names, "%s on %s", r.Mode, r.Personality)
				t.Logf("%-14s on %-18s %8d states, %6d distinct images, %6d of two and more in flight; %s", r.Mode, r.Personality, r.States, r.Images, r.ImagesOfTwo, strings.Join(names, " "))
				return nil
			})
		}
	}
	assert.NoError(t, g.Wait())
	f.Finish(time.Since(began))
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("%d explorations, %d states, %d distinct images, %.0f states a second, %d MiB of memory", len(f.Reports), f.States, f.Images, f.Rate, memory.Sys>>20)
	if full {
		assert.GreaterOrEqual(t, f.Images, 20000)
		assert.Less(t, memory.Sys, uint64(1<<30))
	}
}
