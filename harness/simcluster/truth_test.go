package simcluster

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/replication"
	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/splitbrain"
)

// life is what a server held when one of its lives was over.
type life struct {
	over time.Duration
	held map[string]bool
}

// TestWhereEachLostWriteWent holds the accounts of random runs against what was in the memory
// of each server whenever a life of it ended: each lost write is accounted for once, and
// what took it from a disk had been in a memory.
func TestWhereEachLostWriteWent(t *testing.T) {
	c := New()
	defer c.Close()
	lives := map[string][]life{}
	c.ended = func(node string, s *engine.Server) {
		l := life{c.world.Now(), map[string]bool{}}
		if !isSentinel(node) && s != nil {
			s.Keyspace().DB(0).Each(func(key string, _ *keyspace.Object, _ int64) bool {
				l.held[key] = true
				return true
			})
		}
		lives[node] = append(lives[node], l)
	}
	total := map[string]int{}
	lost := 0
	for _, name := range []string{"rack-power", "restarts", "disks", "partition", "two-failovers"} {
		k, err := splitbrain.ScheduleOf(name, 0)
		require.NoError(t, err)
		for seed := range seeds(25) {
			clear(lives)
			s, err := k.Draw(seed)
			require.NoError(t, err)
			out, err := c.Run(s, Options{Seed: seed})
			require.NoError(t, err, "%s, seed %d: %s", name, seed, s.Plan)
			r := splitbrain.Judge(s, out)
			if !out.Converged {
				continue
			}
			where := []any{"%s, seed %d: %s%v", name, seed, s.Plan, r.Directives}
			require.Zero(t, r.Unattributed, where...)
			require.Zero(t, r.Refuted, where...)
			require.Zero(t, r.AOFDiffer, where...)
			sum := 0
			for phase, n := range r.LostBy { // any order: a sum
				sum, total[phase] = sum+n, total[phase]+n
			}
			require.Equal(t, r.Lost, sum, where...)
			lost += r.Lost
			a := replication.Of(out.History, splitbrain.Server(0))
			for _, l := range a.Lost {
				op := &out.History.Ops[l.Op]
				heir := out.History.Events[max(0, l.Promotion)].Node
				began := out.History.Events[max(0, l.Promotion)].At
				had := func(node string) bool {
					return slices.ContainsFunc(lives[node], func(of life) bool { return of.over <= began && of.held[op.Key] })
				}
				switch l.Phase {
				case replication.RestartedWithout:
					require.True(t, had(op.More.Node), append([]any{"%[5]s was never in the memory of %[6]s that a restart took: " + where[0].(string)}, append(where[1:], op.Key, op.More.Node)...)...)
				case replication.LostOnDisk:
					require.True(t, had(heir), append([]any{"%[5]s was never in the memory of %[6]s: " + where[0].(string)}, append(where[1:], op.Key, heir)...)...)
				case replication.BeforeCut, replication.CutToDown, replication.DownToPromoted:
					require.False(t, had(heir), append([]any{"%[5]s was in the memory of %[6]s, who lost it: " + where[0].(string)}, append(where[1:], op.Key, heir)...)...)
				}
			}
		}
	}
	t.Logf("%d lost writes: %v", lost, total)
	for _, p := range []replication.Phase{replication.CutToDown, replication.AfterPromotion, replication.RestartedWithout, replication.LostOnDisk} {
		require.NotZero(t, total[string(p)], "nothing was lost %s: %v", p, slices.Sorted(maps.Keys(total)))
	}
}

// TestACalledOffFailover is of seeds in which a Sentinel calls a failover off and the server
// that had been promoted is promoted once more (restarts 177 and storm 329; in storm 469 only called off), and of plans that
// lead there in another way.
func TestACalledOffFailover(t *testing.T) {
	c := New()
	defer c.Close()
	again := 0
	check := func(name string, s *splitbrain.Scenario, seed uint64) {
		out, err := c.Run(s, Options{Seed: seed})
		require.NoError(t, err)
		require.True(t, out.Converged, "%s, seed %d: %s", name, seed, out.Why)
		r := splitbrain.Judge(s, out)
		require.Zero(t, r.Refuted+r.Unattributed+r.AOFDiffer, "%s, seed %d: %s", name, seed, s.Plan)
		require.Empty(t, c.Judge(out), "%s, seed %d: %s", name, seed, s.Plan)
		for i := 1; i < len(r.Failovers); i++ {
			if f := r.Failovers[i]; f.Node == r.Failovers[i-1].Node && f.From != f.Node {
				again++
			}
		}
	}
	for _, drawn := range []struct {
		name string
		seed uint64
	}{{"restarts", 177}, {"storm", 329}, {"storm", 469}} {
		k, err := splitbrain.ScheduleOf(drawn.name, 0)
		require.NoError(t, err)
		s, err := k.Draw(drawn.seed)
		require.NoError(t, err)
		check(drawn.name, s, drawn.seed)
	}
	require.Equal(t, 2, again, "the seeds lead elsewhere: find others")
	again = 0
	for _, text := range []string{
		"at 2s: pause n1 for 1060ms\nat 5s: cut n1 -> n2,n3,s1,s2,s3 both for 3s",
		"at 2s: cut n1 -> n2,n3,s1,s2,s3 both for 1060ms\nat 5s: kill n1\nat 7s: restart n1",
		"at 2s: pause n1 for 1060ms\nat 6s: pause n1 for 1060ms\nat 10s: pause n1 for 4s",
	} {
		p, err := plan.Parse("plan 1\n" + text)
		require.NoError(t, err)
		for seed := range uint64(3) {
			check(text, scenario(t, splitbrain.Options{Plan: p, Span: 15 * time.Second}), seed)
		}
	}
	t.Logf("%d called off and promoted again", again)
	require.NotZero(t, again)
}
