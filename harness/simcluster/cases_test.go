package simcluster

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/reports/result"
)

// cases are plans that were once misjudged, and others of their kind. report is what each
// must show of itself; nil: it is refused before the run, for what says.
var cases = []struct {
	plan, topology string // a file below testdata/cases, or a plan
	mode           string // of persistence
	span           time.Duration
	verdict        result.Verdict
	says           string // in the report as text
	check          func(t *testing.T, r *splitbrain.Report)
}{
	{plan: "dead-master-still-master/kill-for-good.plan", span: 8 * time.Second, verdict: result.Holds, says: "n2 promoted at 2.86s in place of n1: cost 0 writes, is left",
		check: func(t *testing.T, r *splitbrain.Report) { require.Zero(t, r.DualMasterMS, "n1 is dead") }},
	{plan: "dead-master-still-master/stale-master-back.plan", topology: "2+3", span: 16 * time.Second, verdict: result.Holds,
		says: "the stale former master was promoted again",
		check: func(t *testing.T, r *splitbrain.Report) {
			n := r.LostBy["the stale former master was promoted again"]
			require.InDelta(t, 600, n, 50, "what n2 acknowledged between 2.9 s, about, and 6 s")
			require.Equal(t, map[string]int{"before the cut": 0, "the stale former master was promoted again": n}, withZero(r.LostBy, "before the cut"))
			require.Zero(t, r.Unattributed+r.Refuted)
			require.Less(t, r.DualMasterMS, 1000.0, "only after 14 s are both up")
			require.Len(t, r.Failovers, 2)
			require.Equal(t, []any{"n2", "n1", 0, "went down"}, []any{r.Failovers[0].Node, r.Failovers[0].From, r.Failovers[0].Lost, r.Failovers[0].Outcome})
			require.Equal(t, []any{"n1", "n2", true, n, "is left"}, []any{r.Failovers[1].Node, r.Failovers[1].From, r.Failovers[1].Again, r.Failovers[1].Lost, r.Failovers[1].Outcome})
			require.Less(t, r.SplitBrain, 400, "those of n1 between its return and its promotion")
		}},
	{plan: "at 2s: kill n1\nat +3s: restart n1", span: 6 * time.Second, verdict: result.Holds,
		check: func(t *testing.T, r *splitbrain.Report) {
			require.Less(t, r.DualMasterMS, 1000.0, "n1 was dead for 3 s")
		}},
	{plan: "at 2s: pause n1 for 3s", span: 8 * time.Second, verdict: result.Holds, says: "promoted at",
		check: func(t *testing.T, r *splitbrain.Report) {
			require.Positive(t, r.DualMasterMS)
			require.Less(t, r.DualMasterMS, 1000.0, "n1 was stopped for 3 s")
		}},
	{plan: "at 2s: pause n1 for 9s\nat 4500ms: kill n2", topology: "2+3", span: 16 * time.Second, says: "n1 promoted again",
		check: func(t *testing.T, r *splitbrain.Report) {
			require.Zero(t, r.DualMasterMS, "n2 is dead when n1 goes on")
			require.Positive(t, r.LostBy["the stale former master was promoted again"])
		}},
	{plan: "server-down-for-good/master.plan", span: 6 * time.Second, verdict: result.Holds, says: "left down by the plan: n1; the others are judged", check: left("n1")},
	{plan: "server-down-for-good/term.plan", span: 6 * time.Second, verdict: result.Holds, says: "left down by the plan: n1;", check: left("n1")},
	{plan: "server-down-for-good/replica.plan", span: 6 * time.Second, verdict: result.Holds, says: "The plan took no master", check: left("n3")},
	{plan: "server-down-for-good/sentinel.plan", span: 6 * time.Second, verdict: result.Holds, says: "left down by the plan: s1;", check: left("s1")},
	{plan: "at 2s: do n3 SHUTDOWN NOSAVE", span: 5 * time.Second, verdict: result.Holds, says: "left down by the plan: n3;", check: left("n3")},
	{plan: "at 2s: power-cut n1", span: 6 * time.Second, verdict: result.Holds, says: "n2 promoted", check: left("n1")},
	{plan: "at 2s: power-cut all", span: 4 * time.Second, verdict: result.Unknown, says: "no server is left up", check: left("n1", "n2", "n3", "s1", "s2", "s3")},
	{plan: "at 2s: kill s1\nat 2s: kill s2\nat 3s: kill n1", span: 6 * time.Second, verdict: result.Unknown,
		says: "n1, the master, is down, and of 3 Sentinels 1 are up: too few to promote another", check: left("n1", "s1", "s2")},
	{plan: "at 2s: kill n2", topology: "chain", span: 5 * time.Second, verdict: result.Unknown,
		says: "n3 follows n2, which is down, and no Sentinel knows it", check: left("n2")},
	{plan: "at 2s: kill n1\nat 5s: kill n3\nat 6s: restart n3", span: 9 * time.Second, verdict: result.Holds, says: "left down by the plan: n1;", check: left("n1")},
	{plan: "at 2s: cut n1 -> n2,n3,s1,s2,s3 both for 300ms", span: 5 * time.Second, verdict: result.Unknown,
		says: "nobody was promoted in place of n1: the Sentinels never agreed that it was down", check: left()},
	{plan: "at 2s: cut n1 -> s1,s2,s3 both for 5s", topology: "1+3", span: 9 * time.Second, says: "there is nobody to fail over to"},
	{plan: "at 1s: kill n2\nat 1s: kill n3\nat 3s: cut n1 -> s1,s2,s3 both for 4s", span: 9 * time.Second, verdict: result.Unknown,
		says: "the Sentinels agreed that it was down, and did not get another in its place", check: left("n2", "n3")},
	{plan: "", span: 3 * time.Second, verdict: result.Unknown, says: "nobody was promoted: the plan has no fault", check: left()},
	{plan: "reborn-empty-master/reborn.plan", mode: "none", span: 8 * time.Second, verdict: result.Unknown, says: "at a restart        750  the master restarted without it",
		check: func(t *testing.T, r *splitbrain.Report) { require.Equal(t, map[string]int{"disk": 750}, r.LostTo) }},
	{plan: "reborn-empty-master/power.plan", span: 8 * time.Second, verdict: result.Unknown, says: "at a restart        500  the master restarted without it",
		check: func(t *testing.T, r *splitbrain.Report) { require.Zero(t, r.Unattributed) }},
	{plan: "at 2s: power-cut all keep none\nat +100ms: restart s1\nat +0s: restart s2\nat +0s: restart s3\nat +0s: restart n2\nat +0s: restart n3\nat 6s: restart n1", mode: "everysec",
		span: 9 * time.Second, says: "lost on disk by the replica that was promoted",
		check: func(t *testing.T, r *splitbrain.Report) {
			require.Equal(t, 1, r.Promotions)
			require.Zero(t, r.Unattributed+r.Refuted)
		}},
	{plan: "disk-faults-in-cluster/replica-full.plan", span: 10 * time.Second, verdict: result.Holds, says: "n2 does not run, and nobody has ended it: exit status",
		check: func(t *testing.T, r *splitbrain.Report) { require.Zero(t, r.Promotions) }},
	{plan: "disk-faults-in-cluster/replica-full.plan", mode: "none", span: 6 * time.Second, verdict: result.Unknown,
		says: "did not strike: in place from 2s, but n2 wrote nothing to its disk", check: left()},
	{plan: "disk-faults-in-cluster/slow-fsync.plan", mode: "always", span: 10 * time.Second, verdict: result.Holds, says: "n2 promoted", check: left()},
	{plan: "disk-faults-in-cluster/slow-fsync.plan", span: 10 * time.Second, verdict: result.Unknown, says: "no call matched n1 fsync(*.incr.aof)", check: left()},
	{plan: "at 2s: fail n3 write(*.incr.aof) EIO for 5s\nat 2s: cut n1 -> n2,n3,s1,s2,s3 both for 4s", mode: "always", span: 9 * time.Second, verdict: result.Holds,
		says: "n3 does not run", check: func(t *testing.T, r *splitbrain.Report) {
			require.Equal(t, 1, r.Promotions, "a fault of a disk beside one of the network")
		}},
}

// left are the nodes that a plan has left down.
func left(nodes ...string) func(t *testing.T, r *splitbrain.Report) {
	return func(t *testing.T, r *splitbrain.Report) { require.Equal(t, nodes, r.LeftDown) }
}

func withZero(m map[string]int, name string) map[string]int {
	left := map[string]int{name: 0}
	for k, n := range m { // any order: into a map
		if n > 0 || k == name {
			left[k] = n
		}
	}
	return left
}

// TestCases runs each as the command does.
func TestCases(t *testing.T) {
	b, done := Backend(0)
	defer done()
	for _, c := range cases {
		t.Run(c.plan, func(t *testing.T) {
			text := "plan 1\n" + c.plan
			if filepath.Ext(c.plan) == ".plan" {
				file, err := os.ReadFile(filepath.Join("testdata", "cases", c.plan))
				require.NoError(t, err)
				text = string(file)
			}
			p, err := plan.Parse(text)
			require.NoError(t, err)
			o := splitbrain.Options{Plan: p, Span: c.span, Mode: c.mode}
			if c.topology != "" {
				require.NoError(t, o.Topology.UnmarshalText([]byte(c.topology)))
			}
			r, _, err := b.Experiment(t.Context(), scenario(t, o), 1)
			if c.check == nil {
				require.ErrorContains(t, err, c.says)
				require.Nil(t, r)
				return
			}
			require.NoError(t, err)
			var shown bytes.Buffer
			r.WriteText(&shown)
			require.Contains(t, shown.String(), c.says)
			if c.verdict != "" {
				require.Equal(t, c.verdict, r.Verdict, r.Why+r.Story)
			}
			c.check(t, r)
		})
	}
}
