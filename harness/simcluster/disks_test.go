package simcluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/reports/result"
)

// conducted runs a plan each of whose statements must strike.
func conducted(t *testing.T, text string, o splitbrain.Options) (*splitbrain.Report, *splitbrain.Outcome) {
	t.Helper()
	b, done := Backend(0)
	defer done()
	p, err := plan.Parse("plan 1\n" + text)
	require.NoError(t, err)
	o.Plan = p
	if o.Span == 0 {
		o.Span = 6 * time.Second
	}
	r, out, err := b.Experiment(t.Context(), scenario(t, o), 1)
	require.NoError(t, err)
	for _, s := range out.Statements {
		require.True(t, s.Struck, "%s: %s", s.Text, s.Why)
	}
	return r, out
}

// TestWhatAMasterComesBackWith: a master that is back before anybody misses it gives its
// replicas what its disk has kept.
func TestWhatAMasterComesBackWith(t *testing.T) {
	const at = "at 2s: kill n1\n"
	of := func(node, mode string) splitbrain.NodeSettings {
		return splitbrain.NodeSettings{Node: node, Mode: mode}
	}
	for _, c := range []struct {
		name, text string
		o          splitbrain.Options
		lost       [2]int // from, to
	}{
		{"all that was written", at + "at +50ms: restart n1", splitbrain.Options{}, [2]int{0, 0}},
		{"nothing, for it keeps nothing", at + "at +50ms: restart n1", splitbrain.Options{Mode: "none"}, [2]int{500, 500}},
		{"nothing, for it alone keeps nothing", at + "at +50ms: restart n1", splitbrain.Options{Mode: "always", Each: []splitbrain.NodeSettings{of("n1", "none")}}, [2]int{500, 500}},
		{"all, for it alone keeps it", at + "at +50ms: restart n1", splitbrain.Options{Mode: "none", Each: []splitbrain.NodeSettings{of("n1", "no")}}, [2]int{0, 0}},
		{"nothing, for its directory is empty", at + "at +20ms: wipe n1\nat +20ms: restart n1", splitbrain.Options{Mode: "always"}, [2]int{500, 500}},
		{"what it had a second before", "at 1s: backup n1\n" + at + "at +20ms: restore n1\nat +20ms: restart n1", splitbrain.Options{Mode: "always"}, [2]int{245, 255}},
		{"what it had synced", "at 2s: power-cut n1 keep none\nat +50ms: restart n1", splitbrain.Options{Mode: "everysec"}, [2]int{1, 500}},
		{"all, for it syncs always", "at 2s: power-cut n1 keep none\nat +50ms: restart n1", splitbrain.Options{Mode: "always"}, [2]int{0, 0}},
		{"what one of the first snapshots has", "at 5s: kill n1\nat +50ms: restart n1", splitbrain.Options{Mode: "rdb", Span: 8 * time.Second}, [2]int{1, 700}},
		{"nothing that was not synced, nor has anybody", "at 2s: power-cut n1,n2,n3 keep none\nat +50ms: restart n1\nat +1ms: restart n2\nat +1ms: restart n3", splitbrain.Options{}, [2]int{500, 500}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := conducted(t, c.text, c.o)
			require.GreaterOrEqual(t, r.ConvergeMS, 0.0, r.Why)
			require.GreaterOrEqual(t, r.Lost, c.lost[0])
			require.LessOrEqual(t, r.Lost, c.lost[1])
			require.Zero(t, r.Promotions)
		})
	}
}

// TestWhatAnotherLostIsNotOwed: a master that keeps all, killed for good, owes nothing of what
// its successor, which keeps nothing, was started again without.
func TestWhatAnotherLostIsNotOwed(t *testing.T) {
	r, _ := conducted(t, "at 2s: kill n1\nat 5s: kill n2\nat +0s: kill n3\nat +50ms: restart n2\nat +0s: restart n3\nat 8s: restart n1",
		splitbrain.Options{Mode: "always", Each: []splitbrain.NodeSettings{{Node: "n2", Mode: "none"}, {Node: "n3", Mode: "none"}}, Span: 10 * time.Second})
	require.Equal(t, result.Holds, r.Verdict, r.Why+r.Story)
	require.Greater(t, r.LostBy["the master restarted without it"], 600)
}

// TestASentinelWithoutItsFilesIsAsInstalled: it watches the first master again, when no
// other tells it better.
func TestASentinelWithoutItsFilesIsAsInstalled(t *testing.T) {
	const alone = "at 1s: kill n1\nat 4s: kill s2\nat 4s: kill s3\nat 4s: kill s1\n"
	r, _ := conducted(t, alone+"at +20ms: restart s1", splitbrain.Options{})
	require.Equal(t, 1, r.Promotions)
	require.GreaterOrEqual(t, r.ConvergeMS, 0.0, r.Why)
	_, out := conducted(t, alone+"at +20ms: wipe s1\nat +20ms: restart s1", splitbrain.Options{})
	require.Contains(t, out.Why, "s1 takes n1 for the master")
}

// TestACallIsAnInstant: a disk call of any node is one, and what strikes in it may be a
// fault of links, a command, or the end of the node itself.
func TestACallIsAnInstant(t *testing.T) {
	r, out := conducted(t, `at n2 fsync(*.incr.aof)#20: cut n1 -> n2,n3,s1,s2,s3 both for until n3 fsync(*.incr.aof)#900
at n1 fsync(*.incr.aof)#100 in-flight: do n1 DEL nothing
at n2 fsync(*.incr.aof)#60: power-cut s1
at +100ms: restart s1`, splitbrain.Options{Mode: "always", Span: 10 * time.Second})
	require.Equal(t, 1, r.Promotions, r.Why)
	require.Less(t, out.Statements[0].At, 2*time.Second)
	require.InDelta(t, out.Statements[2].At+100*time.Millisecond, out.Statements[3].At, float64(time.Millisecond), "a time that counts from a call's")

	r, out = conducted(t, "at n1 write(*.incr.aof)#300: power-cut n1,s2\nat +1s: restart s2", splitbrain.Options{})
	require.Equal(t, 1, r.Promotions, r.Why)
	require.Equal(t, []string{"n1"}, r.LeftDown)
	require.Greater(t, out.Statements[0].At, 500*time.Millisecond)
}

// TestDamageAtRest: files of any node that is down.
func TestDamageAtRest(t *testing.T) {
	r, _ := conducted(t, "at 1s: kill n2\nat +1ms: truncate n2 *.incr.aof by 40\nat +1ms: restart n2\nat 3s: kill n1", splitbrain.Options{Span: 8 * time.Second})
	require.Equal(t, 1, r.Promotions, r.Why)
}
