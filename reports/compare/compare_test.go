package compare

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/reporttest"
	"github.com/torntail/torntail/reports/result"
)

// TestMannWhitneyAgainstTables: exact and published values of the test.
func TestMannWhitneyAgainstTables(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []float64
		p    float64
		up   bool
	}{
		// By hand: b's ranks are 9 to 16, U 64 of 64: z = (32-0.5)/sqrt(64*17/12) = 3.3082.
		{"apart", []float64{1, 2, 3, 4, 5, 6, 7, 8}, []float64{9, 10, 11, 12, 13, 14, 15, 16}, 0.000939, true},
		{"the other way", []float64{9, 10, 11, 12, 13, 14, 15, 16}, []float64{1, 2, 3, 4, 5, 6, 7, 8}, 0.000939, false},
		{"the same", []float64{1, 2, 3, 4, 5, 6, 7, 8}, []float64{1, 2, 3, 4, 5, 6, 7, 8}, 1, false},
		{"all tied", []float64{0, 0, 0, 0, 0, 0, 0, 0}, []float64{0, 0, 0, 0, 0, 0, 0, 0}, 1, false},
		// By hand: a has eight zeros, b four and four ones; U = 8*4*1 + 8*4/2 = 48,
		// ties 12^3-12 + 4^3-4 = 1776, variance 64/12*(17-1776/240) = 51.2, z = 15.5/7.155.
		{"half tied", []float64{0, 0, 0, 0, 0, 0, 0, 0}, []float64{0, 0, 0, 0, 1, 1, 1, 1}, 0.0303, true},
	} {
		p, up := mannWhitney(c.a, c.b)
		require.InDelta(t, c.p, p, 0.0002, c.name)
		require.Equal(t, c.up, up, c.name)
	}
	p, _ := mannWhitney([]float64{1, 2}, []float64{3, 4, 5, 6, 7, 8, 9, 10})
	require.True(t, math.IsNaN(p), "two values say nothing")
}

// TestSmirnov: the largest distance by hand, its p value by the published
// critical value 1.628 for one in a hundred.
func TestSmirnov(t *testing.T) {
	var a, b []float64
	for i := range 200 {
		a, b = append(a, float64(i)), append(b, float64(i)+32.56) // D = 0.16 to 0.165, times sqrt(100)
	}
	p, up := smirnov(a, b)
	require.InDelta(t, 0.0085, p, 0.002)
	require.True(t, up)
	_, up = smirnov(b, a)
	require.False(t, up)
	p, _ = smirnov(a, a)
	require.Equal(t, 1.0, p)
	zeros := make([]float64, 200)
	p, _ = smirnov(zeros, append(slices.Clone(zeros[:140]), a[140:]...)) // D = 0.3: 2 exp(-18)
	require.InDelta(t, 3.05e-8, p, 1e-10)
	p, _ = smirnov(zeros[:3], a)
	require.True(t, math.IsNaN(p))
}

// TestFisherAgainstTables: the lady tasting tea (Fisher 1935), and by hand.
func TestFisherAgainstTables(t *testing.T) {
	for _, c := range []struct {
		a, n, b, m int
		p          float64
		up         bool
	}{
		{1, 4, 3, 4, 2 * 17.0 / 70, true},
		{0, 4, 4, 4, 2 * 1.0 / 70, true},
		{4, 4, 0, 4, 2 * 1.0 / 70, false},
		{2, 10, 2, 10, 1, false},
		{0, 200, 10, 200, 2 * 0.00087026, true}, // C(200,10)/C(400,10)
	} {
		p, up := fisher(c.a, c.n, c.b, c.m)
		require.InDelta(t, c.p, p, 1e-6+c.p*1e-3, "%+v", c)
		require.Equal(t, c.up, up, "%+v", c)
	}
}

// TestHolmKeepsTheWholeFamily: step down, and never below a smaller one.
func TestHolmKeepsTheWholeFamily(t *testing.T) {
	tests := []test{{figure: "c", p: 0.03}, {figure: "a", p: 0.001}, {figure: "b", p: 0.004}, {figure: "d", p: 0.9}}
	kept := holm(tests, 0.05)
	require.Len(t, kept, 2)
	require.Equal(t, "a", kept[0].figure)
	require.InDelta(t, 0.004, kept[0].p, 1e-12)
	require.Equal(t, "b", kept[1].figure)
	require.InDelta(t, 0.012, kept[1].p, 1e-12)
}

// heaps draws losses as crashes have them: most lose nothing, the others a heap.
func heaps(r *rand.Rand, n int, scale float64) (windows []float64, lost []int) {
	for range n {
		w := 0.0
		if r.Float64() < 0.6 {
			w = r.Float64() * 1000 * scale
		}
		windows = append(windows, w)
		lost = append(lost, int(w/12))
	}
	return windows, lost
}

func report(r *rand.Rand, crashes int, scale, rate float64) *result.Report {
	var cells []result.Result
	for _, mode := range []string{"always", "everysec", "no", "rdb"} {
		for _, crash := range []string{"kill", "power"} {
			c := reporttest.Cell(mode, nil, crash)
			c.Runs, c.Struck, c.Recovery = crashes, crashes, result.Recovery{ByItself: crashes}
			s := &result.Samples{}
			if mode == "always" || crash == "kill" {
				s.WindowMS, s.Lost = make([]float64, crashes), make([]int, crashes)
			} else {
				s.WindowMS, s.Lost = heaps(r, crashes, scale)
			}
			for range crashes {
				s.Rate = append(s.Rate, rate*(1+0.1*r.NormFloat64()))
				s.RecoveryMS = append(s.RecoveryMS, 3+r.ExpFloat64())
			}
			c.Samples = s
			cells = append(cells, c)
		}
	}
	return reporttest.Report(cells...)
}

// TestOverdispersedFiguresRaiseNoFalseAlarm is the measure of the correction: at
// most Alpha of equal pairs, here with heaped losses, are flagged at all. 300
// pairs at 1 %: eight or more would be a chance of one in a hundred.
func TestOverdispersedFiguresRaiseNoFalseAlarm(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	flagged := 0
	for range 300 {
		if c := Reports(report(r, 60, 1, 800), report(r, 60, 1, 800), Options{}); len(c.Changes) > 0 {
			flagged++
		}
	}
	require.Less(t, flagged, 8)
}

func TestRealChangesAreFlagged(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		name, figure string
		scale, rate  float64
	}{
		{"loss doubled", "lost writes", 2, 800},
		{"throughput -20 %", "throughput", 1, 640},
	} {
		found := 0
		for range 20 {
			x := Reports(report(r, 200, 1, 800), report(r, 200, c.scale, c.rate), Options{})
			for _, w := range x.With(Worse) {
				if w.Figure == c.figure {
					found++
					require.Equal(t, result.ExitViolated, x.ExitCode())
					require.Less(t, w.RatioLow, w.Ratio)
					require.Greater(t, w.RatioHigh, w.Ratio)
					break
				}
			}
		}
		require.GreaterOrEqual(t, found, 19, c.name)
	}
}

// TestAWorseTailIsFlagged: one crash in twenty loses ten times as much; ranks
// hardly move.
func TestAWorseTailIsFlagged(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	before, after := report(r, 200, 1, 800), report(r, 200, 1, 800)
	s := after.Results[3].Samples
	for i := 0; i < len(s.WindowMS); i += 15 {
		s.WindowMS[i] = 10_000
	}
	c := Reports(before, after, Options{})
	require.Len(t, c.With(Worse), 1)
	require.Equal(t, "worst loss windows", c.Changes[0].Figure)
}

// TestDirections: less loss is better, less throughput is worse.
func TestDirections(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	c := Reports(report(r, 200, 2, 400), report(r, 200, 1, 800), Options{})
	require.Empty(t, c.With(Worse))
	require.NotEmpty(t, c.With(Better))
	require.Equal(t, result.ExitHolds, c.ExitCode())
}

// TestSmallChangesAreNotFlagged however sure they are.
func TestSmallChangesAreNotFlagged(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	c := Reports(report(r, 4000, 1, 800), report(r, 4000, 1, 770), Options{})
	require.Empty(t, c.Changes)
}

// TestRealServersMustDifferMore: what their machine does to all crashes of a
// run is no regression.
func TestRealServersMustDifferMore(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	before, after := report(r, 200, 1, 800), report(r, 200, 1, 680)
	for _, rep := range []*result.Report{before, after} {
		for i := range rep.Results {
			rep.Results[i].Backend = "process"
		}
	}
	require.Empty(t, Reports(before, after, Options{}).Changes)
}

func TestVerdicts(t *testing.T) {
	cell := func(v result.Verdict) *result.Report {
		c := reporttest.Cell("always", nil, "power")
		c.Verdict = v
		return reporttest.Report(c)
	}
	for _, c := range []struct {
		before, after result.Verdict
		want          Direction
		code          int
	}{
		{result.Holds, result.Holds, "", result.ExitHolds},
		{result.Holds, result.Violated, Worse, result.ExitViolated},
		{result.Unknown, result.Violated, Worse, result.ExitViolated},
		{result.Violated, result.Violated, "", result.ExitHolds},
		{result.Violated, result.Holds, Better, result.ExitHolds},
		{result.Unknown, result.Holds, Better, result.ExitHolds},
		{result.Holds, result.Unknown, Unproved, result.ExitUnknown},
		{result.Violated, result.Unknown, Unproved, result.ExitUnknown},
		{result.Holds, result.NotApplicable, Unproved, result.ExitUnknown},
		{result.NotApplicable, result.Holds, "", result.ExitUnknown}, // nothing was compared
	} {
		x := Reports(cell(c.before), cell(c.after), Options{})
		var got Direction
		if len(x.Changes) > 0 {
			got = x.Changes[0].Direction
		}
		require.Equal(t, c.want, got, "%+v", c)
		require.Equal(t, c.code, x.ExitCode(), "%+v", c)
	}
}

func TestCellsAreMatched(t *testing.T) {
	a, b := reporttest.Cell("always", nil, "kill"), reporttest.Cell("always", nil, "power")
	x := Reports(reporttest.Report(a, b), reporttest.Report(b), Options{})
	require.Len(t, x.With(Unproved), 1)
	require.Equal(t, "not run", x.Changes[0].New)
	require.Contains(t, x.Changes[0].Cell, "always, kill")

	x = Reports(reporttest.Report(b), reporttest.Report(a, b), Options{})
	require.Empty(t, x.Changes)
	require.Contains(t, x.Notes[0], "always, kill")

	// Two builds of a server are compared with each other, and the note says so.
	other := b
	other.Target, other.Version, other.Directives = "/opt/redis-server", "7.2.4", []string{"save 4 1"}
	x = Reports(reporttest.Report(b), reporttest.Report(other), Options{})
	require.Equal(t, 1, x.Cells)
	require.Contains(t, x.Notes[0], "/opt/redis-server")
	require.Contains(t, x.Notes[1], "NEW sets save 4 1")

	require.Equal(t, result.ExitUnknown, Reports(reporttest.Report(), reporttest.Report(), Options{}).ExitCode())
}

// TestFilesWithoutSamples: of an older file the percentiles stand in.
func TestFilesWithoutSamples(t *testing.T) {
	before, after := reporttest.Usual(), reporttest.Usual()
	require.Empty(t, Reports(before, after, Options{}).Changes)
	for i := range after.Results {
		if w := after.Results[i].LossWindow; w != nil {
			twice := *w
			twice.Percentiles = nil
			for _, p := range w.Percentiles {
				twice.Percentiles = append(twice.Percentiles, 2*p)
			}
			after.Results[i].LossWindow = &twice
		}
	}
	require.NotEmpty(t, Reports(before, after, Options{}).With(Worse))
}

// TestTheSameTwice: the bootstrap's draws are seeded.
func TestTheSameTwice(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	before, after := report(r, 100, 1, 800), report(r, 100, 3, 500)
	require.Equal(t, Reports(before, after, Options{}), Reports(before, after, Options{}))
}

// Cells of suites that share all that a result says (one has a planted bug, say)
// are matched by their names, whatever their order.
func TestCellsAreMatchedByName(t *testing.T) {
	cell := func(name string, v result.Verdict) result.Result {
		return result.Result{Target: "engine", Backend: "sim", Mode: "always", Crash: "power", Verdict: v, Struck: 1, Cell: "engine/" + name}
	}
	before := &result.Report{Results: []result.Result{cell("plain", result.Holds), cell("planted", result.Violated)}}
	after := &result.Report{Results: []result.Result{cell("planted", result.Violated), cell("new", result.Holds), cell("plain", result.Holds)}}
	c := Reports(before, after, Options{})
	if len(c.Changes) != 0 || c.Cells != 2 {
		t.Fatalf("%d cells, changes %+v", c.Cells, c.Changes)
	}
	after.Results[2].Verdict = result.Violated
	c = Reports(before, after, Options{})
	if len(c.Changes) != 1 || c.Changes[0].Cell != "engine/plain" || c.Changes[0].Direction != Worse {
		t.Fatalf("changes %+v", c.Changes)
	}
}

// TestCostsAreNoted: of settings in both, with whether the rounds of one lie outside the other's.
func TestCostsAreNoted(t *testing.T) {
	costing := func(mode string, rounds ...float64) result.Policy {
		return result.Policy{Mode: mode, Host: &result.Cost{Rate: rounds[len(rounds)/2], Rounds: rounds}}
	}
	before := &result.Report{Policies: &result.Policies{Policies: []result.Policy{costing("always", 100, 110, 120), costing("no", 500, 600, 700), costing("gone", 1, 2, 3), costing("rdb", 5)}}}
	after := &result.Report{Policies: &result.Policies{Policies: []result.Policy{costing("no", 480, 490, 510), costing("always", 80, 90, 99), costing("rdb", 1)}}}
	c := Reports(before, after, Options{})
	got := strings.Join(c.Notes, "\n")
	for _, want := range []string{
		"cost of always: 110 operations a second (100 to 120) -> 90 (80 to 99): slower in every round",
		"cost of no: 600 operations a second (500 to 700) -> 490 (480 to 510): the rounds overlap",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	if strings.Contains(got, "gone") || strings.Contains(got, "cost of rdb") {
		t.Error(got)
	}
}
