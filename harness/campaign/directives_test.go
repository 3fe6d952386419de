package campaign

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
)

// settings are the directives of one server that have an effect on the engine, and values
// of each. Those of replication have none without a replica, those of listening none on
// what is promised; what appendonly and appendfsync are is the mode.
var settings = map[string][]string{
	"aof-load-truncated":            {"yes"},
	"aof-use-rdb-preamble":          {"yes", "no"},
	"aof-rewrite-incremental-fsync": {"yes", "no"},
	"aof-disable-auto-gc":           {"yes"},
	"aof-timestamp-enabled":         {"yes"},
	"no-appendfsync-on-rewrite":     {"yes"},
	"auto-aof-rewrite-percentage":   {"1", "20", "100"},
	"auto-aof-rewrite-min-size":     {"100", "1kb", "10kb"},
	"save":                          {"", "1 1", "1 100", "3 2 1 50"},
	"rdbcompression":                {"no"},
	"rdbchecksum":                   {"no"},
	"rdb-key-save-delay":            {"100", "20000"},
	"rdb-save-incremental-fsync":    {"no"},
	"stop-writes-on-bgsave-error":   {"no"},
	"hz":                            {"100", "500"},
	"hash-max-listpack-entries":     {"0", "3"},
	"hash-max-listpack-value":       {"2"},
	"set-max-intset-entries":        {"0", "3"},
	"list-max-listpack-size":        {"1", "-1"},
	"maxmemory-policy":              {"allkeys-lfu", "volatile-lru"},
	"notify-keyspace-events":        {"KEA"},
}

// TestNoFalseAlarmWhateverIsSet: the clean engine keeps its contract with any directives
// that have an effect. TORNTAIL_EXPERIMENTS is how many are tried.
func TestNoFalseAlarmWhateverIsSet(t *testing.T) {
	personalities := []string{"ext4", "ext4-dioread-lock", "ext4-journal", "xfs", "btrfs", "prefix", "posix"}
	profiles := []string{"cloud-ssd", "nvme", "hdd", "cloud-ssd-stall"}
	kinds := []string{"registers", "mixed", "transactions", "lists", "sets", "hashes"}
	names := slices.Sorted(maps.Keys(settings))
	c := campaignOf(t, 17, 1, modeNames(), crashNames())
	list := pairs(c)
	total := wanted(t, "TORNTAIL_EXPERIMENTS", 1500)
	b := Simulation()
	workers := b.Parallel(nil)
	pool, err := newPool(b, workers)
	require.NoError(t, err)
	defer pool.close()
	struck, unknown := 0, 0
	alarms := map[string]int{}
	err = pool.run(context.Background(), workers, total, func(n int) *experiment.Experiment {
		draw := seeding.NewDraws(seeding.Derive(c.Seed, uint64(n)))
		pick := func(of int) int { return int(draw.Next() >> 33 % uint64(of)) }
		p := list[pick(len(list))]
		var set []product.Directive
		for range 1 + pick(3) {
			name := names[pick(len(names))]
			set = append(set, product.Directive{Name: name, Value: settings[name][pick(len(settings[name]))]})
		}
		m := c.Modes[p[0]].With(set)
		x := c.Experiment(&m, c.Crashes[p[1]], uint64(n))
		x.Personality, x.Profile = personalities[pick(len(personalities))], profiles[pick(len(profiles))]
		x.Workload.Name = kinds[pick(len(kinds))]
		return x
	}, func(x *experiment.Experiment, o *experiment.Outcome) error {
		if !o.Struck {
			return nil
		}
		struck++
		var set []string
		for _, d := range x.Mode.Directives[max(0, len(x.Mode.Directives)-3):] {
			set = append(set, d.String())
		}
		what := fmt.Sprintf("%s %s %s %s %s seed %d, %s", x.Mode.Name, x.Crash, x.Personality, x.Profile, x.Workload.Name, x.Seed, strings.Join(set, ", "))
		switch o.Verdict {
		case result.Unknown:
			unknown++
			alarms["unknown: "+kindOf(o.Why)]++
		case result.Violated:
			alarms[o.Anomalies[0].Name]++
			t.Errorf("%s: %s\n%s\n%s", what, o.Anomalies[0].Name, o.Anomalies[0].Story, x.Plan)
		}
		return nil
	})
	require.NoError(t, err)
	t.Logf("%d experiments, %d crashes struck, %d unknown %v", total, struck, unknown, alarms)
	require.Greater(t, struck, total*7/10, "too few crashes struck")
	require.LessOrEqual(t, unknown, max(1, total/50), "too many could not be judged")
}
