package campaign

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// Keys that are evicted are missing for a reason, each of them once, under every policy and
// in every mode; and when evictions are in memory only, that is found.
func TestEvictionsAreJudged(t *testing.T) {
	s := experiment.NewSimulator()
	defer s.Close()
	policies := []string{"allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "noeviction"}
	evicted, struck, found := 0, 0, 0
	for n := range 400 {
		mode, err := redis.ModeByName([]string{"always", "everysec", "hybrid", "rdb", "no"}[n%5])
		require.NoError(t, err)
		mode = mode.With([]product.Directive{{Name: "maxmemory", Value: evictingLimit}, {Name: "maxmemory-policy", Value: policies[n/5%len(policies)]}})
		x := &experiment.Experiment{Mode: mode, Crash: experiment.MustCrash([]string{"kill", "power", "power-in-fsync"}[n/3%3]), Workload: workloads.Default(), Personality: "ext4",
			Profile: "cloud-ssd", Seed: seeding.Derive(17, uint64(n))}
		x.Workload.Rate, x.Workload.Keys, x.Workload.ReadRatio = mode.Rate, 400, 0.4
		if n%2 == 1 && n/5%len(policies) > 2 {
			x.Workload.Name = "mixed"
		}
		if n%7 == 0 {
			x.Plants.Engine = bugs.EvictionNotLogged
		}
		x.Plan = experiment.GeneratePlan(&x.Mode, x.Crash, x.Seed)
		o, err := s.Run(x, nil)
		require.NoError(t, err)
		if o.Verdict == result.Violated {
			if x.Plants.Engine != 0 {
				found++
				continue
			}
			assert.Fail(t, string(o.Anomalies[0].Name), "%s, %s, %v: %s", mode.Name, x.Crash, mode.Directives, o.Anomalies[0].Story)
		}
		if o.Struck {
			struck++
		}
		for i := range o.History.Ops {
			if o.History.Ops[i].Evicts() {
				evicted++
			}
		}
	}
	t.Logf("%d crashes, %d evictions, %d times the planted bug", struck, evicted, found)
	assert.Greater(t, struck, 200)
	assert.Greater(t, evicted, 1000)
	assert.Positive(t, found)
}
