package simcluster

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/replication"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/reports/result"
)

// incidents are the named scenarios that people report: what each must lose, by phase, and
// what it must not, for the servers keep it or the plan is another.
var incidents = []struct {
	name, mode string
	plan       string // instead of its own
	topology   string
	lost       [2]int // from, to
	phase      replication.Phase
	promotions int
	must       splitbrain.Must // instead of its own
	verdict    result.Verdict
	why        string // of an unknown one
}{
	{name: "fast-restart", lost: [2]int{500, 500}, phase: replication.RestartedWithout, verdict: result.Holds},
	{name: "fast-restart", mode: "rdb", lost: [2]int{1, 500}, phase: replication.RestartedWithout, verdict: result.Holds},
	{name: "fast-restart", mode: "everysec", verdict: result.Holds},
	{name: "fast-restart", mode: "always", verdict: result.Holds},
	{name: "fast-restart", plan: "at 2s: kill n1\nat +3s: restart n1", promotions: 1, verdict: result.Unknown, why: "was promoted in place of n1: a restart that somebody noticed"},

	{name: "stale-master-returns", lost: [2]int{300, 700}, phase: replication.StaleMaster, promotions: 2, verdict: result.Holds},
	{name: "stale-master-returns", mode: "always", lost: [2]int{300, 700}, phase: replication.StaleMaster, promotions: 2, verdict: result.Holds},
	// The successor is started first, and is what it was.
	{name: "stale-master-returns", mode: "always", plan: "at 2s: kill n1\nat 5s: kill n2\nat +200ms: restart n2\nat 9s: restart n1", promotions: 1, verdict: result.Unknown,
		why: "no former master was promoted again"},

	{name: "all-down", lost: [2]int{250, 250}, phase: replication.BeforeCut, promotions: 1, verdict: result.Holds},
	{name: "all-down", mode: "none", lost: [2]int{625, 625}, phase: replication.LostOnDisk, promotions: 1, verdict: result.Holds},
	// In the right order: the master first.
	{name: "all-down", mode: "always", must: splitbrain.MustRestart, verdict: result.Holds,
		plan: "at 1500ms: term n2\nat +0s: term n3\nat 2500ms: term n1\nat +0s: term s1\nat +0s: term s2\nat +0s: term s3\n" +
			"at 3500ms: restart n1\nat +50ms: restart n2\nat +0s: restart n3\nat +0s: restart s1\nat +0s: restart s2\nat +0s: restart s3"},

	{name: "rack-power", lost: [2]int{0, 500}, verdict: result.Holds}, // what was not synced may have been written back
	{name: "rack-power", plan: "at 2s: power-cut all keep none\nat +300ms: restart n1\nat +0s: restart n2\nat +0s: restart n3\nat +0s: restart s1\nat +0s: restart s2\nat +0s: restart s3",
		lost: [2]int{1, 500}, phase: replication.RestartedWithout, verdict: result.Holds},
	{name: "rack-power", mode: "none", lost: [2]int{500, 500}, phase: replication.RestartedWithout, verdict: result.Holds},
	{name: "rack-power", mode: "always", verdict: result.Holds},

	{name: "replica-disk-full", lost: [2]int{600, 640}, phase: replication.BeforeCut, promotions: 1, verdict: result.Holds},
	{name: "replica-disk-full", mode: "always", lost: [2]int{600, 640}, phase: replication.BeforeCut, promotions: 1, verdict: result.Holds},
	{name: "replica-disk-full", mode: "none", promotions: 1, verdict: result.Unknown, why: "n2 wrote nothing to its disk"},
	// Three servers: the other replica has everything.
	{name: "replica-disk-full", topology: "3+3", promotions: 1, verdict: result.Holds},

	{name: "slow-fsync-failover", promotions: 1, verdict: result.Holds},
	// It answers again before its clients have heard of the promotion, as it does where a busy
	// machine is late to promote.
	{name: "slow-fsync-failover", plan: "at 2s: slow n1 fsync(*.incr.aof) 1400ms for 1400ms", lost: [2]int{40, 130}, phase: replication.AfterPromotion, promotions: 1, verdict: result.Holds},
	{name: "slow-fsync-failover", mode: "none", verdict: result.Unknown, why: "no call matched n1 fsync(*.incr.aof)"},

	{name: "chained-replicas", lost: [2]int{370, 380}, phase: replication.CutToDown, promotions: 1, verdict: result.Holds},
	// All replicas of one master: the one that is not behind is chosen.
	{name: "chained-replicas", topology: "3+3", promotions: 1, verdict: result.Holds},

	{name: "coordinated-failover", promotions: 2, verdict: result.Holds},
	{name: "sentinel-failover", lost: [2]int{20, 500}, phase: replication.AfterPromotion, promotions: 1, verdict: result.Holds},
}

// TestIncidents: each loses what it must, and where it must, and nothing where that is forbidden.
func TestIncidents(t *testing.T) {
	b, done := Backend(0)
	defer done()
	for _, c := range incidents {
		t.Run(c.name+" "+c.mode+c.topology, func(t *testing.T) {
			n, err := splitbrain.Find(c.name, "")
			require.NoError(t, err)
			o := n.Options
			if c.mode != "" {
				o.Mode = c.mode
			}
			if c.plan != "" {
				o.Plan, err = plan.Parse("plan 1\n" + c.plan)
				require.NoError(t, err)
			}
			if c.must != "" {
				o.Must = c.must
			}
			if c.topology != "" {
				require.NoError(t, o.Topology.UnmarshalText([]byte(c.topology)))
			}
			for seed := range seeds(3) {
				r, _, err := b.Experiment(t.Context(), scenario(t, o), seed)
				require.NoError(t, err)
				require.Equal(t, c.verdict, r.Verdict, "seed %d: %s", seed, r.Why+r.Story)
				require.Contains(t, r.Why, c.why)
				require.Equal(t, c.promotions, r.Promotions)
				require.Zero(t, r.Unattributed+r.Refuted+r.AOFDiffer)
				require.GreaterOrEqual(t, r.Lost, c.lost[0], "seed %d: %v", seed, r.LostBy)
				require.LessOrEqual(t, r.Lost, c.lost[1], "seed %d: %v", seed, r.LostBy)
				if c.phase != "" {
					require.Positive(t, r.LostBy[string(c.phase)], "seed %d: %v", seed, r.LostBy)
				}
			}
		})
	}
}
