package simcluster

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/reports/result"
)

// TestARestartWithOtherSettings: a master that kept everything comes back with an empty data
// set when its append-only file was switched off meanwhile, and its replicas follow it; one that
// kept nothing keeps what it is told from then on.
func TestARestartWithOtherSettings(t *testing.T) {
	const off = "at 2s: kill n1\nat +10ms: configure n1 \"appendonly no\" \"save 3600 1\"\nat +10ms: restart n1\n"
	r, _ := conducted(t, off, splitbrain.Options{Mode: "always", Must: splitbrain.MustRestart})
	require.Equal(t, result.Holds, r.Verdict, r.Why+r.Story)
	require.Greater(t, r.LostBy["the master restarted without it"], 300)
	r, _ = conducted(t, "at 2s: kill n1\nat +20ms: restart n1\n", splitbrain.Options{Mode: "always", Must: splitbrain.MustRestart})
	require.Zero(t, r.Lost)

	const on = "at 1s: kill n1\nat +10ms: configure n1 \"appendonly yes\" \"appendfsync always\"\nat +10ms: restart n1\nat 4s: kill n1\nat +20ms: restart n1\n"
	r, _ = conducted(t, on, splitbrain.Options{Mode: "none", Must: splitbrain.MustRestart})
	require.Equal(t, result.Holds, r.Verdict, r.Why+r.Story)
	for _, w := range r.LostWrites {
		require.Less(t, w.AtMS, 1100.0, "%s was lost though its log was on by then", w.Key)
	}
	require.NotEmpty(t, r.LostWrites, "of the life without a log")
}

// TestWhatNoRestartChanges: torntail's own directives, and what is none.
func TestWhatNoRestartChanges(t *testing.T) {
	for line, want := range map[string]string{"dir /tmp": "dir", "replica-announce-port 1": "replica-announce-port", "appendfsync often": "appendfsync"} {
		p, err := plan.Parse("plan 1\nat 2s: configure n1 \"" + line + "\"\n")
		require.NoError(t, err)
		require.ErrorContains(t, scenario(t, splitbrain.Options{Plan: p, Span: time.Second}).Check(System()), want)
	}
}

// TestEachSentinelHasItsOwnSettings: one that would take ten seconds to miss the master is
// outvoted by the others; where two of three would, nobody is promoted in time.
func TestEachSentinelHasItsOwnSettings(t *testing.T) {
	late := func(nodes ...string) (o splitbrain.Options) {
		for _, n := range nodes {
			o.Each = append(o.Each, splitbrain.NodeSettings{Node: n, Sentinel: []splitbrain.Directive{{Name: "down-after-milliseconds", Value: "10000"}}})
		}
		return o
	}
	const plan = "at 1s: kill n1\n"
	r, _ := conducted(t, plan, late("s3"))
	require.Equal(t, 1, r.Promotions)
	require.Contains(t, r.Directives, "s3: down-after-milliseconds 10000")
	r, out := conducted(t, plan, late("s2", "s3"))
	require.True(t, r.Promotions == 0 || out.Turns[len(out.Turns)-1].At-out.Began > 10*time.Second, "%+v", r.Failovers)
	// One Sentinel that is content with itself still needs a majority to lead.
	o := late("s2", "s3")
	o.Each = append(o.Each, splitbrain.NodeSettings{Node: "s1", Sentinel: []splitbrain.Directive{{Name: "quorum", Value: "1"}}})
	r, _ = conducted(t, plan, o)
	require.Equal(t, 1, r.Promotions, "s1 alone has agreed that it is down, and the others vote for it")
	require.Less(t, r.Failovers[0].AtMS, 5000.0)
}

// TestSentinelsFindEachOther: with nothing in their files but the master they do before it is
// killed two seconds later, and fail over; killed at once, they agree later.
func TestSentinelsFindEachOther(t *testing.T) {
	s := scenario(t, splitbrain.Options{Discover: true})
	conf := s.Setup("s1", names{}).Conf
	require.NotContains(t, conf, "known-")
	r, _ := conducted(t, "at 2s: kill n1\n", splitbrain.Options{Discover: true})
	require.Equal(t, 1, r.Promotions, r.Why)
	require.Equal(t, result.Holds, r.Verdict, r.Why+r.Story)
	// With Sentinel's own periods they hear of each other within two seconds, of the replicas as
	// soon as the master answers INFO: who is to agree is not known before.
	own := splitbrain.Options{Timing: "conf", Sentinel: []splitbrain.Directive{{Name: "down-after-milliseconds", Value: "500"}}, Span: 30 * time.Second}
	known, _ := conducted(t, "at 1ms: kill n1\n", own)
	own.Discover = true
	found, _ := conducted(t, "at 1ms: kill n1\n", own)
	t.Log(known.Failovers, known.DetectMS, found.Failovers, found.DetectMS, found.Why)
	require.Equal(t, 1, known.Promotions)
	require.True(t, found.Promotions == 0 || found.DetectMS > known.DetectMS+500, "%v after %v", found.Failovers, known.Failovers)
}

// TestHowClientsComeToANewMaster: those that follow are told sooner than those that ask when
// their connection breaks, and what they are told of comes before they write.
func TestHowClientsComeToANewMaster(t *testing.T) {
	r, _ := conducted(t, "at 1s: cut n1 -> n2,n3,s1,s2,s3 both for 4s\n", splitbrain.Options{Routing: "both", Span: 8 * time.Second, Places: map[splitbrain.Side]int{splitbrain.Everywhere: 4}})
	require.Len(t, r.Moves, 4)
	first := map[splitbrain.Routing]float64{}
	for _, m := range r.Moves {
		require.Equal(t, r.Failovers[0].Node, m.Node)
		require.NotEmpty(t, m.How, "%+v", m)
		require.GreaterOrEqual(t, m.FirstMS, m.LearntMS, "%+v", m)
		first[m.Routing] = m.FirstMS
		if m.Routing == splitbrain.Sticky {
			require.Equal(t, splitbrain.Asked, m.How)
		}
	}
	require.Less(t, first[splitbrain.Follow], 1500.0)
	require.Greater(t, first[splitbrain.Sticky], 2000.0, "it stays until its connection breaks")
}

// TestWhatDoesNotHoldIsSavedWhole: logs and files of every node stand beside the report.
func TestWhatDoesNotHoldIsSavedWhole(t *testing.T) {
	dir := t.TempDir()
	save := func(text string) {
		b, done := Backend(0)
		defer done()
		p, err := plan.Parse("plan 1\n" + text)
		require.NoError(t, err)
		s := scenario(t, splitbrain.Options{Plan: p, Span: 3 * time.Second, Mode: "always"})
		r, out, err := b.Experiment(t.Context(), s, 1)
		require.NoError(t, err)
		require.NoError(t, splitbrain.Save(dir, s, out, r))
	}
	save("at 1s: kill n3\n")
	require.NoDirExists(t, filepath.Join(dir, splitbrain.NodesDir), "it holds")
	save("at 1s: kill n1\nat 30s: restart n1\n") // which is never
	for node, want := range map[string]string{"n1": "appendonlydir", "n2": "appendonlydir", "s1": "sentinel.conf"} {
		of := filepath.Join(dir, splitbrain.NodesDir, node)
		require.FileExists(t, filepath.Join(of, "log.txt"))
		files, err := filepath.Glob(filepath.Join(of, "files", "*"))
		require.NoError(t, err)
		require.Contains(t, files, filepath.Join(of, "files", want))
	}
	log, err := os.ReadFile(filepath.Join(dir, splitbrain.NodesDir, "s1", "log.txt"))
	require.NoError(t, err)
	require.Contains(t, string(log), "+odown")
	_, r, err := splitbrain.Load(dir)
	require.NoError(t, err)
	require.Equal(t, result.Unknown, r.Verdict)
}

// TestAtARequest: a statement strikes by what clients have sent, also while nothing is
// acknowledged.
func TestAtARequest(t *testing.T) {
	const text = "at request#100: pause n1 for 2s\nat request#104: cut n1 -> n2 both for 1s\n"
	r, out := conducted(t, text, splitbrain.Options{Clients: 5, Routing: "sticky"})
	require.True(t, r.Struck)
	op := out.History.Ops[99]
	require.InDelta(t, float64(op.Invoke-out.Began), float64(out.Statements[0].At), float64(2*time.Millisecond))
	require.Greater(t, out.Statements[1].At, out.Statements[0].At)
	p, err := plan.Parse("plan 1\nat request#3: kill n1\n")
	require.NoError(t, err)
	require.Equal(t, "plan 1\nat request#3: kill n1\n", p.String())
	require.ErrorContains(t, p.Check(machine.Kinds[0].System, nil), "requests are counted in clusters")
}
