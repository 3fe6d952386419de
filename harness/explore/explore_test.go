package explore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// options are those of a run short enough for a test and long enough for its rewrite to end.
func options(t testing.TB, mode, personality, plants, bound string, commands int) *Options {
	t.Helper()
	m, err := redis.ModeByName(mode)
	require.NoError(t, err)
	p, err := experiment.ParsePlants(plants)
	require.NoError(t, err)
	b, err := BoundByName(bound)
	require.NoError(t, err)
	w := workloads.Default()
	w.Name = "mixed"
	return &Options{Mode: m, Personality: personality, Profile: "cloud-ssd", Workload: w, Commands: commands, Seed: 1, Plants: p, Bound: b}
}

func explore(t testing.TB, o *Options) *Report {
	t.Helper()
	r, err := Run(context.Background(), o)
	require.NoError(t, err)
	return r
}

// TestDelayedSyncs: where children delay syncs, exploring judges what they delay as a run
// does: the engine holds, and one that replies before its fsync does not.
func TestDelayedSyncs(t *testing.T) {
	for plant, want := range map[string]result.Verdict{"": result.Holds, "reply-before-fsync": result.Violated} {
		o := options(t, "always", "ext4", plant, "prefix", 120)
		o.Mode = o.Mode.With([]product.Directive{{Name: "no-appendfsync-on-rewrite", Value: "yes"}})
		r := explore(t, o)
		assert.Equal(t, want, r.Verdict, "%q: %s %+v", plant, r.Why, r.Groups)
		t.Logf("%q: %d of %d states judged", plant, r.Judged, r.States)
		assert.Less(t, 3*r.Judged, 2*r.States, "a state is judged once for what is promised, not at each moment")
	}
}

// TestPlantsAreExplained: each planted bug is found, its cause is named right,
// and what is saved of it shows the same when it is run again.
func TestPlantsAreExplained(t *testing.T) {
	lying := Planted{"disk-ignores-fsync", "always", "prefix", "lost-write", "returned", []string{"a client is told", "which had returned, made write"}, 100}
	for _, p := range append(slices.Clone(PlantedBugs), lying) {
		t.Run(p.Plant, func(t *testing.T) {
			o, err := p.Options("triad", 1)
			require.NoError(t, err)
			r := explore(t, o)
			require.Equal(t, result.Violated, r.Verdict, r.Why)
			for _, f := range r.Findings {
				assert.False(t, p.Personality == "ext4" && f.Name == "F5", "F5 hides states of a plant where names are durable in order")
			}
			require.NoError(t, r.Save(o, t.TempDir(), "test", campaign.Simulation()))
			var texts []string
			for _, v := range r.Groups {
				texts = append(texts, v.Cause.Text)
				assert.True(t, v.Confirmed, "run again it shows something else: %s\n%s", v.Cause.Text, v.Plan)
			}
			v := p.Named(r)
			require.NotNil(t, v, "no cause says %q with sync %q, but:\n%s", p.Says, p.Sync, strings.Join(texts, "\n"))
			replayed(t, v.Dir)
		})
	}
}

// replayed runs what is on file as torntail replay does.
func replayed(t *testing.T, dir string) {
	t.Helper()
	saved, err := saved.Load(dir)
	require.NoError(t, err)
	x, err := saved.Experiment(nil)
	require.NoError(t, err)
	s := experiment.NewSimulator()
	defer s.Close()
	o, err := s.Run(x, nil)
	require.NoError(t, err)
	assert.Equal(t, saved.Trace, fmt.Sprintf("%x", o.Trace))
	assert.Equal(t, result.Violated, o.Verdict)
	assert.Equal(t, saved.Anomaly, o.Anomalies[0].Name)
}

// TestCleanEngineHolds: without a plant nothing is found but known findings,
// and the run holds all that it is meant to.
func TestCleanEngineHolds(t *testing.T) {
	for _, c := range []struct {
		mode, personality, bound string
		commands                 int
		findings                 string // all that may be shown
	}{
		{"always", "ext4", "triad", 400, "F2"}, {"always", "posix", "triad", 400, "F1 F2 F4 F5 F6"}, {"always", "btrfs", "triad", 400, "F5"},
		{"everysec", "ext4", "prefix", 300, "F2 F3 F4"}, {"hybrid", "xfs", "prefix", 300, "F2 F3 F4"},
		{"rdb", "posix", "triad", 400, "F6"}, {"everysec+rdb", "prefix", "triad", 400, ""},
	} {
		t.Run(c.mode+"/"+c.personality, func(t *testing.T) {
			r := explore(t, options(t, c.mode, c.personality, "", c.bound, c.commands))
			assert.Equal(t, result.Holds, r.Verdict, "%s %+v", r.Why, r.Groups)
			for _, f := range r.Findings {
				assert.Contains(t, strings.Fields(c.findings), f.Name)
			}
			assert.Greater(t, r.ImagesOfTwo, 0)
			assert.Greater(t, r.Compared, 0)
			assert.GreaterOrEqual(t, r.InRewrite, duringRewrite)
			assert.GreaterOrEqual(t, r.Snapshots, 1)
			if c.mode == "rdb" {
				assert.GreaterOrEqual(t, r.Snapshots, 2)
			} else {
				assert.Equal(t, 2, r.Rewrites)
			}
			if c.mode != "rdb" {
				assert.Greater(t, r.Crossings, 2)
			}
			states := 0
			for _, p := range r.Positions {
				states += p.States
				assert.Equal(t, p.States, p.Holds+p.Excused+p.Violated+p.Unknown)
			}
			assert.Equal(t, r.States, states)
		})
	}
}

// TestTorntailItselfAtFault: faults of torntail make the verdict unknown.
func TestTorntailItselfAtFault(t *testing.T) {
	r := explore(t, options(t, "always", "ext4", "cut-loses-nothing", "triad", 60))
	assert.Equal(t, result.Unknown, r.Verdict)
	assert.Contains(t, r.Why, "torntail itself is at fault")
}

// TestNothingToTake: a mode that writes nothing is not explored, and not a success.
func TestNothingToTake(t *testing.T) {
	r := explore(t, options(t, "none", "ext4", "", "triad", 60))
	assert.Equal(t, result.NotApplicable, r.Verdict)
}

// TestSameTwice: the same options give the same report.
func TestSameTwice(t *testing.T) {
	texts := make([]string, 2)
	for i := range texts {
		r := explore(t, options(t, "always", "posix", "reply-before-fsync", "triad", 120))
		r.ElapsedS, r.Rate = 0, 0
		text, err := json.Marshal(r)
		require.NoError(t, err)
		texts[i] = string(text)
	}
	assert.Equal(t, texts[0], texts[1])
}

// TestBoundsGrow: each bound tries the images of those before it.
func TestBoundsGrow(t *testing.T) {
	before := make([]map[uint64]bool, 0)
	for _, b := range Bounds {
		o := options(t, "always", "ext4", "", b.Name, 40)
		e, err := newExplorer(context.Background(), o)
		require.NoError(t, err)
		_, _, err = e.record(e.moment)
		require.NoError(t, err)
		images := make(map[uint64]bool)
		for hash := range e.contents { // any order: into a set
			images[hash] = true
		}
		e.close()
		for _, smaller := range before {
			for hash := range smaller { // any order: each must be there
				require.True(t, images[hash], "bound %s lacks an image of a smaller one", b.Name)
			}
		}
		before = append(before, images)
	}
	assert.Greater(t, len(before[1]), len(before[0]))
}

// TestDouble: a recovery that leaves something worse behind when it is crashed
// is found, such as one on a disk that ignores its syncs; others are not blamed.
func TestDouble(t *testing.T) {
	for _, c := range []struct {
		plant, personality, bound string
		bad                       bool
	}{{"", "ext4", "triad", false}, {"disk-ignores-fsync", "btrfs", "prefix", true}} {
		o := options(t, "always", c.personality, c.plant, c.bound, 200)
		o.Double = true
		r := explore(t, o)
		assert.Greater(t, r.Double.States, 0)
		assert.Equal(t, c.bad, r.Double.Bad > 0, "plant %q: %+v", c.plant, r.Double)
		require.NoError(t, r.Save(o, t.TempDir(), "test", campaign.Simulation()))
		states := 0
		for _, g := range r.Double.Groups {
			states += g.States
			require.True(t, g.Confirmed, g.Story)
			saved, err := saved.Load(g.Dir)
			require.NoError(t, err)
			require.True(t, saved.HasImage())
			x, err := saved.Experiment(nil)
			require.NoError(t, err)
			out, err := saved.Start(t.Context(), nil, x)
			require.NoError(t, err)
			assert.Equal(t, g.Anomaly, out.Anomalies[0].Name)
		}
		assert.Equal(t, r.Double.Bad, states)
	}
}

// TestWatchedRunIsTheSame: the recorded run is the one that nobody watches.
func TestWatchedRunIsTheSame(t *testing.T) {
	o := options(t, "everysec", "ext4", "", "prefix", 60)
	x, err := o.experiment()
	require.NoError(t, err)
	s := experiment.NewSimulator()
	defer s.Close()
	out, err := s.Run(x, nil)
	require.NoError(t, err)
	r := explore(t, o)
	assert.Equal(t, fmt.Sprintf("%x", out.Trace), r.Trace)
}

// TestDifferentDataIsNoticed: a bare start that read something else than the
// cold one would be told of.
func TestDifferentDataIsNoticed(t *testing.T) {
	a := experiment.Recovered{How: machine.ByItself, State: history.State{Keys: []history.KV{{Key: "k1", Value: "0:1"}}}}
	b := a
	assert.Empty(t, a.Differs(&b))
	for name, change := range map[string]func(r *experiment.Recovered){ // any order: independent
		"value":   func(r *experiment.Recovered) { r.State.Keys = []history.KV{{Key: "k1", Value: "0:2"}} },
		"key":     func(r *experiment.Recovered) { r.State.Keys = []history.KV{{Key: "k2", Value: "0:1"}} },
		"nothing": func(r *experiment.Recovered) { r.State.Keys = nil },
		"refusal": func(r *experiment.Recovered) { r.How = machine.RefusedToStart },
		"repair":  func(r *experiment.Recovered) { r.Truncated = true },
	} {
		c := a
		change(&c)
		assert.NotEmpty(t, a.Differs(&c), name)
		assert.NotEmpty(t, c.Differs(&a), name)
	}
}

// TestStrip: the map is SVG with a bar and a mark where the report has states.
func TestStrip(t *testing.T) {
	r := &Report{Mode: "always", Personality: "ext4", Bound: "triad", States: 3, Positions: []Position{
		{Kind: "in flight", States: 2, Holds: 1, Violated: 1},
		{Kind: "acknowledgement", Ack: 1, States: 1, Excused: 1},
		{Kind: "return", Op: "fsync", Call: 7, Path: "f"},
	}}
	var b bytes.Buffer
	require.NoError(t, r.WriteStrip(&b))
	for _, want := range []string{`class="holds"`, `class="violated"`, `class="excused"`, "acknowledgement #1", "fsync #7 of f returned"} {
		assert.Contains(t, b.String(), want)
	}
	assert.Equal(t, 1+4+3, strings.Count(b.String(), `<rect `), "the ground's, the legend's and the bars'")
}

func TestBoundNames(t *testing.T) {
	_, err := BoundByName("3")
	assert.ErrorContains(t, err, "want one of prefix, triad, 1, 2, 5, all")
}

func TestBinomial(t *testing.T) {
	for _, c := range []struct{ n, k, want int }{{5, 2, 10}, {1, 2, 0}, {0, 2, 0}, {40, 1, 40}, {300, 5, 19582837560}} {
		assert.Equal(t, c.want, binomial(c.n, c.k), "%d over %d", c.n, c.k)
	}
}

func BenchmarkExplore(b *testing.B) {
	for _, mode := range []string{"always", "everysec"} {
		b.Run(fmt.Sprintf("commands=300/mode=%s", mode), func(b *testing.B) {
			o := options(b, mode, "ext4", "", "triad", 300)
			b.ReportAllocs()
			states, images := 0, 0
			for b.Loop() {
				r := explore(b, o)
				states += r.States
				images += r.Images
			}
			b.ReportMetric(float64(states)/b.Elapsed().Seconds(), "states/s")
			b.ReportMetric(float64(images)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
