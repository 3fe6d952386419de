package campaign

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// evicting is a campaign on redis-server whose limit of memory has room for a part of the keys.
func evicting(t *testing.T, mode, crash, policy string) (*Campaign, *product.Mode) {
	t.Helper()
	c := campaignOf(t, 7, 1, []string{mode}, []string{crash})
	c.Workload.Keys, c.Workload.ValueSize = 2000, 12000
	if policy[0] == 'v' {
		c.Workload.Name, c.Workload.Keys = "mixed", 400 // a part of its keys expire
	}
	m := c.Modes[0].With([]product.Directive{{Name: "maxmemory", Value: "1800kb"}, {Name: "maxmemory-policy", Value: policy}})
	m.Rate, m.Span, m.Period = 0, 1500*time.Millisecond, 500*time.Millisecond
	return c, &m
}

// TestEvictedKeysAreNotLost: what redis-server evicts is explained by that, key by key: under
// kills and power cuts, with policies that take any key and those that take keys that expire.
func TestEvictedKeysAreNotLost(t *testing.T) {
	rig := newRig(t)
	r := experiment.NewRunner(rig.Machine())
	defer r.Close()
	for _, row := range []struct{ mode, crash, policy string }{
		{"always", "power", "allkeys-lru"}, {"always", "kill", "allkeys-random"}, {"everysec", "power", "allkeys-lfu"},
		{"everysec", "kill", "volatile-lru"}, {"rdb", "kill", "allkeys-lru"}, {"hybrid", "power", "volatile-ttl"},
	} {
		c, m := evicting(t, row.mode, row.crash, row.policy)
		if row.mode == "rdb" {
			m.Span = 5 * time.Second
		}
		evicted, struck := 0, 0
		for n := range uint64(3) {
			x := c.Experiment(m, c.Crashes[0], n)
			o, err := r.Run(context.Background(), x)
			require.NoError(t, err)
			require.NotEqual(t, result.Violated, o.Verdict, "%v: %v", row, o.Anomalies)
			require.Empty(t, o.Untold)
			evicted += o.Evicted
			if o.Struck {
				struck++
				require.Equal(t, result.Holds, o.Verdict, "%v: %s", row, o.Why)
			}
		}
		t.Logf("%v: %d crashes, %d keys evicted", row, struck, evicted)
		require.Positive(t, struck)
		require.Positive(t, evicted, row)
	}
}

// TestALossIsNotHiddenByEvictions: on a disk that lies about every third sync, a server that
// evicts keys has lost others, too, and that is found.
func TestALossIsNotHiddenByEvictions(t *testing.T) {
	rig := newRig(t)
	r := experiment.NewRunner(rig.Machine())
	defer r.Close()
	c, m := evicting(t, "always", "power", "allkeys-random")
	violated, evicted := 0, 0
	for n := range uint64(12) {
		x := c.Experiment(m, c.Crashes[0], n)
		x.Plants.Disk = disk.PlantIgnoreSync
		o, err := r.Run(context.Background(), x)
		require.NoError(t, err)
		evicted += o.Evicted
		if o.Verdict == result.Violated {
			violated++
		}
	}
	t.Logf("%d of 12 violated, %d keys evicted", violated, evicted)
	require.Positive(t, evicted)
	require.Greater(t, violated, 4)
}

// untelling is redis of which only every second eviction is heard.
type untelling struct {
	product.Store
	product.TellsEvictions
	n int
}

func (u *untelling) NextEviction(c *workloads.Conn) (key string, mark bool, err error) {
	for {
		key, mark, err = u.TellsEvictions.NextEviction(c)
		if u.n++; mark || err != nil || u.n%2 == 0 {
			return key, mark, err
		}
	}
}

// TestWithoutWordOfEvictionsItIsUnknown: where the server says that it has evicted more keys
// than it told of, what is missing may be one of them.
func TestWithoutWordOfEvictionsItIsUnknown(t *testing.T) {
	rig := newRig(t)
	r := experiment.NewRunner(rig.Machine())
	defer r.Close()
	c, m := evicting(t, "always", "kill", "allkeys-random")
	m.Store = &untelling{Store: redis.Store, TellsEvictions: redis.Store.(product.TellsEvictions)}
	unknown := 0
	for n := range uint64(4) {
		o, err := r.Run(context.Background(), c.Experiment(m, c.Crashes[0], n))
		require.NoError(t, err)
		require.NotEqual(t, result.Violated, o.Verdict, o.Anomalies)
		if o.Verdict == result.Unknown {
			unknown++
			require.Regexp(t, `the server says that it evicted \d+ keys, and told of \d+, so that evicted keys cannot be told from lost ones`, o.Why)
			require.True(t, o.Struck)
		}
	}
	require.Positive(t, unknown)
}
