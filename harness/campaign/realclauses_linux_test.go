package campaign

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
)

// realClauses are the clauses of contracts that were argued from Redis's source, each with
// a setting of redis-server in which it is the one that counts.
var realClauses = []struct {
	name       string
	mode       string
	directives []product.Directive
	crashes    []string
	rate       float64 // 0: the mode's
	span       time.Duration
	keys, size int // of values; 0: the workload's
	plan       func(m *product.Mode, crash string, d *seeding.Draws) *plan.Plan
	breach     string // the anomaly; "": any
}{
	{name: "a sync within 2 s, also while clients are idle", mode: "everysec", crashes: []string{"power", "kill"}, rate: 0.6, span: 12 * time.Second},
	{name: "a write waits for 2 s behind a sync", mode: "everysec", crashes: []string{"kill-in-fsync", "power-slow-fsync", "kill"}},
	{name: "the sync that catches up with a child, everysec", mode: "everysec", crashes: []string{"power-in-rewrite", "power"},
		directives: []product.Directive{{Name: "no-appendfsync-on-rewrite", Value: "yes"}}},
	{name: "the sync that catches up with a child, always", mode: "always", crashes: []string{"power-in-rewrite", "power"},
		directives: []product.Directive{{Name: "no-appendfsync-on-rewrite", Value: "yes"}}},
	{name: "a snapshot's directory is synced after its rename", mode: "rdb", crashes: []string{"power", "power-in-fsync"}},
	{name: "a snapshot begins once a save point is due", mode: "rdb", crashes: []string{"kill", "term"}},
	{name: "the window of no ends with the write-back", mode: "no", crashes: []string{"power"}},
	{name: "after a failed sync always stops", mode: "always", crashes: []string{"power"}, breach: "refused",
		plan: func(m *product.Mode, _ string, d *seeding.Draws) *plan.Plan { return failedSync(m, d) }},
	{name: "after a failed sync everysec refuses", mode: "everysec", crashes: []string{"power"}, breach: "refused",
		plan: func(m *product.Mode, _ string, d *seeding.Draws) *plan.Plan { return failedSync(m, d) }},
	{name: "without persistence the last sync comes back, and nothing else", mode: "none", crashes: []string{"kill", "power"},
		directives: []product.Directive{{Name: "repl-diskless-sync", Value: "no"}},
		plan: func(m *product.Mode, crash string, d *seeding.Draws) *plan.Plan {
			end := plan.Action(experiment.PowerCut(d))
			if crash == "kill" {
				end = &plan.Kill{Node: experiment.Server}
			}
			at := d.Between(m.Period, m.Span/2)
			return &plan.Plan{Statements: []plan.Statement{experiment.At(at, &plan.Do{Node: experiment.Server, Args: []string{"SYNC"}}),
				experiment.At(at+d.Between(20*time.Millisecond, m.Span/3), end)}}
		}},
	{name: "evicted keys are not lost", mode: "always", crashes: []string{"power", "kill"}, span: 1500 * time.Millisecond, keys: 2000, size: 12000,
		directives: []product.Directive{{Name: "maxmemory", Value: "1800kb"}, {Name: "maxmemory-policy", Value: "allkeys-random"}}},
}

// TestClausesOfRedisServer: no clause is broken by redis-server in TORNTAIL_CRASHES crashes of
// its setting. A sample is two of some. What a clause speaks of is the breach: that acknowledged
// writes are lost after a failed sync is F7, which is no breach of stopping.
func TestClausesOfRedisServer(t *testing.T) {
	const sample = 2
	want := wanted(t, "TORNTAIL_CRASHES", sample)
	b := RealServer(newRig(t), "")
	rec := openRecord(t)
	quiet := burden{name: "quiet"}
	for _, clause := range realClauses {
		if want == sample && clause.plan == nil {
			continue // they take longer, and other tests crash such settings
		}
		t.Run(clause.name, func(t *testing.T) {
			c := campaignOf(t, 13, 1, []string{clause.mode}, clause.crashes)
			c.Profile = "nvme"
			m, err := redis.ModeByName(clause.mode)
			require.NoError(t, err)
			m = m.InRealTime().With(clause.directives)
			if clause.rate > 0 {
				m.Rate = clause.rate
			}
			if clause.span > 0 {
				m.Span = clause.span
			}
			if clause.size > 0 {
				c.Workload.Keys, c.Workload.ValueSize, m.Rate = clause.keys, clause.size, 0
			}
			const batch = 100
			for from := 0; from < 3*want; from += batch { // not all strike
				var list []*experiment.Experiment
				for k := from; k < min(from+batch, from+want); k++ {
					crash := c.Crashes[k%len(c.Crashes)]
					x := c.on(b, c.Experiment(&m, crash, uint64(k)))
					if clause.plan != nil {
						x.Plan = clause.plan(&m, crash.Name, seeding.NewDraws(x.Seed))
					}
					list = append(list, x)
				}
				rec.judge(t, quiet, clause.name, b, list)
				if struck, _, _, _ := rec.of(quiet, clause.name); struck >= want {
					break
				}
			}
			struck, violated, unknown, why := rec.of(quiet, clause.name)
			broken := slices.DeleteFunc(slices.Clone(rec.all), func(j judged) bool {
				return j.What != clause.name || j.Verdict != result.Violated || !strings.HasPrefix(j.Why, clause.breach)
			})
			t.Logf("| %s | %s %v | %d | %d | %d | %d %v |", clause.name, clause.mode, clause.crashes, struck, len(broken), violated-len(broken), unknown, why)
			for _, j := range broken {
				t.Errorf("%s seed %d: %s\n%s", j.Crash, j.Seed, j.Why, j.Plan)
			}
			require.Positive(t, struck)
		})
	}
}
