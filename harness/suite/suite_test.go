package suite

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/reports/result"
)

// small is a suite of ten cells, one of which fails, that takes a second.
const small = `suite: 1
name: small
budget: {runs: 10}
seed: 7
matrix:
  - modes: [always, everysec, none]
    crashes: [kill, power, power-in-fsync]
  - modes: [always]
    crashes: [power-in-fsync]
    plant: reply-before-fsync
    expect: {known: [lost-write], issue: https://example.org/1}
`

func parse(t testing.TB, text string) *File {
	f, err := Parse("small.yaml", []byte(text))
	require.NoError(t, err)
	return f
}

func simulated(target, disk string) (campaign.Backend, error) {
	if target != "engine" {
		return campaign.Backend{}, &Lacking{Why: target + " is not here"}
	}
	return campaign.Simulation(), nil
}

// run runs a suite in a directory.
func run(t testing.TB, ctx context.Context, f *File, dir string, shard Shard, tell func(Progress)) *Record {
	rec, err := f.Run(ctx, Options{Dir: dir, Seed: f.Seed.Value, Shard: shard, Torntail: "test", Open: simulated, Progress: tell})
	require.NoError(t, err)
	return rec
}

// figures is a report without what may differ between two runs that are the
// same: when it ran, how long it took, and where its directories are.
func figures(t testing.TB, r *result.Report, dirs ...string) string {
	c := *r
	c.Started, c.ElapsedS, c.Command = time.Time{}, 0, ""
	c.Results = slices.Clone(r.Results)
	for i := range c.Results {
		c.Results[i].ElapsedS = 0
	}
	text, err := json.MarshalIndent(&c, "", " ")
	require.NoError(t, err)
	out := string(text)
	for _, d := range dirs {
		out = strings.ReplaceAll(out, d+"/", "DIR/")
	}
	return out
}

// A suite that is interrupted at any moment and taken up again gives the same
// result as one that was not; so does one that is sharded and merged.
func TestResumedAndShardedAreTheSameAsWhole(t *testing.T) {
	f := parse(t, small)
	whole := t.TempDir()
	want := figures(t, run(t, context.Background(), f, whole, Shard{}, nil).Report(), whole)
	assert.Contains(t, want, `"verdict": "violated"`)
	assert.Contains(t, want, `"shrunk"`)

	t.Run("interrupted", func(t *testing.T) {
		dir := t.TempDir()
		attempts := 0
		for at := 3; ; at += 17 {
			ctx, cancel := context.WithCancel(context.Background())
			seen := 0
			rec := run(t, ctx, f, dir, Shard{}, func(Progress) {
				if seen++; seen == at {
					cancel()
				}
			})
			cancel()
			attempts++
			if rec.Left() == 0 {
				assert.Equal(t, want, figures(t, rec.Report(), dir))
				break
			}
			part := rec.Report()
			assert.Len(t, part.Results, len(f.Cells), "every cell is in the report")
			assert.Equal(t, result.ExitUnknown, part.ExitCode(false), "and what was not run is unknown")
			require.Less(t, attempts, 20)
		}
		assert.Greater(t, attempts, 2)
		again := run(t, context.Background(), f, dir, Shard{}, func(Progress) { t.Error("a finished suite ran again") })
		assert.Equal(t, want, figures(t, again.Report(), dir))
	})

	t.Run("sharded", func(t *testing.T) {
		var dirs []string
		for k := 1; k <= 4; k++ {
			dir := t.TempDir()
			rec := run(t, context.Background(), f, dir, Shard{k, 4}, nil)
			assert.InDelta(t, len(f.Cells)/4, len(rec.Report().Results), 1)
			dirs = append(dirs, dir)
		}
		dirs[0], dirs[2] = dirs[2], dirs[0] // in whatever order
		rec, err := Merge(dirs)
		require.NoError(t, err)
		assert.Equal(t, want, figures(t, rec.Report(), dirs...))

		rec, err = Merge(dirs[:3])
		require.NoError(t, err)
		rep := rec.Report()
		assert.Len(t, rep.Results, len(f.Cells))
		assert.Equal(t, result.ExitUnknown, rep.ExitCode(false))
		assert.Contains(t, figures(t, rep), "not run: shard 4/4 is missing")
	})
}

// A half-written file of a killed run is not there: files appear whole. What a
// killed attempt saved of failures makes room for the next one's.
func TestLeftoversOfAKilledRunDoNotMatter(t *testing.T) {
	f, dir := parse(t, small), t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	rec := run(t, ctx, f, dir, Shard{}, func(p Progress) {
		if p.Cells == 9 {
			cancel() // the failing cell is under way
		}
	})
	require.Equal(t, 1, rec.Left())
	left := filepath.Join(dir, failuresDir, slug(f.Cells[9].Name), "always-power-in-fsync-1")
	require.NoError(t, os.MkdirAll(left, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, cellDir, ".torntail-1.json"), []byte(`{"cell": "en`), 0o644))
	rec = run(t, context.Background(), f, dir, Shard{}, nil)
	assert.Zero(t, rec.Left())
	assert.NoDirExists(t, left)
	for _, r := range rec.Report().Results {
		for _, x := range r.Failures {
			assert.DirExists(t, x.Dir)
		}
	}
}

// A directory with the record of another run is left alone.
func TestARecordIsOfOneRun(t *testing.T) {
	f, dir := parse(t, small), t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	run(t, ctx, f, dir, Shard{}, nil)
	for why, o := range map[string]Options{
		"seed 7, not 8":              {Seed: 8, Torntail: "test"},
		"the whole, not shard 1/2":   {Seed: 7, Torntail: "test", Shard: Shard{1, 2}},
		"torntail test, not another": {Seed: 7, Torntail: "another"},
	} {
		o.Dir, o.Open = dir, simulated
		_, err := f.Run(context.Background(), o)
		require.ErrorIs(t, err, ErrOther)
		assert.ErrorContains(t, err, why)
	}
	_, err := parse(t, small+"# changed\n").Run(context.Background(), Options{Dir: dir, Seed: 7, Torntail: "test"})
	require.ErrorIs(t, err, ErrOther)

	_, err = Merge([]string{dir})
	require.ErrorContains(t, err, "a whole suite, not a shard")
	_, err = Merge([]string{t.TempDir()})
	require.ErrorContains(t, err, "is not the directory of a suite")
	one, two := t.TempDir(), t.TempDir()
	run(t, ctx, f, one, Shard{1, 2}, nil)
	run(t, ctx, f, two, Shard{1, 2}, nil)
	_, err = Merge([]string{one, two})
	require.ErrorContains(t, err, "are both shard 1/2")
	require.NoError(t, os.WriteFile(filepath.Join(one, headFile), []byte("{"), 0o644))
	_, err = Merge([]string{one})
	require.ErrorContains(t, err, "suite.json: offset")
}

// A time budget is divided fairly: each cell has its share, and what one leaves
// goes to the others. (Only that all of them are run is asserted: no clock is.)
func TestTimeBudget(t *testing.T) {
	f := parse(t, strings.Replace(small, "runs: 10", "time: 300ms", 1))
	rec := run(t, context.Background(), f, t.TempDir(), Shard{}, nil)
	for _, r := range rec.Report().Results {
		if r.Verdict != result.NotApplicable {
			assert.Positive(t, r.Struck, r.Cell)
		}
	}
}

// A target that is not there makes its cells unknown, says why, and is tried
// again by the next attempt.
func TestATargetThatIsNotThere(t *testing.T) {
	f := parse(t, "suite: 1\nbudget: {runs: 3}\nmatrix:\n- {targets: [engine, some-server], modes: always, crashes: kill}\n")
	dir := t.TempDir()
	for range 2 {
		rec := run(t, context.Background(), f, dir, Shard{}, nil)
		r := rec.Report()
		require.Len(t, r.Results, 2)
		assert.Equal(t, result.Holds, r.Results[0].Expected.As)
		assert.Equal(t, result.Unknown, r.Results[1].Expected.As)
		assert.Equal(t, "not run: some-server is not here", r.Results[1].Why)
		assert.Equal(t, result.ExitUnknown, r.ExitCode(false))
		assert.Equal(t, result.ExitHolds, r.ExitCode(true))
	}
}

func TestSeedRules(t *testing.T) {
	day := time.Date(2026, 3, 9, 23, 0, 0, 0, time.FixedZone("", -3*3600))
	random := func() uint64 { return 1<<64 - 1 }
	for text, want := range map[string]uint64{"7": 7, "date": 20260310, "random": 1<<53 - 1} {
		r, err := ParseSeed(text)
		require.NoError(t, err)
		assert.Equal(t, want, r.Of(day, random), text)
	}
	_, err := ParseSeed("today")
	require.ErrorContains(t, err, "want a number, date")
	for _, bad := range []string{"", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3"} {
		_, err := ParseShard(bad)
		assert.ErrorContains(t, err, "want K/N", bad)
	}
}

// crowded is the simulation as a place in which paced experiments wait for each other's
// company: none has a runner before two cells want one.
type crowded struct {
	campaign.Place
	two   *sync.WaitGroup
	asked *atomic.Int64
}

func (c crowded) Together(m *product.Mode) bool { return m.Rate > 0 }
func (crowded) Parallel(*product.Mode) int      { return 3 }

func (c crowded) NewRunner() (*experiment.Runner, error) {
	// A cell waits with the first runner that it wants.
	if c.asked.Add(1) <= 2 {
		c.two.Done()
		c.two.Wait()
	}
	return c.Place.NewRunner()
}

// Cells of paced experiments on real servers run beside each other, share the slots, and
// come to the same as one after the other.
func TestCellsBesideEachOther(t *testing.T) {
	f := parse(t, `suite: 1
name: beside
budget: {runs: 3}
shrink: false
matrix:
  - modes: [everysec, none]
    crashes: [kill, power]
`)
	want := figures(t, run(t, t.Context(), f, t.TempDir(), Shard{}, nil).Report())
	at := crowded{campaign.Simulation().Place, new(sync.WaitGroup), new(atomic.Int64)}
	at.two.Add(2)
	open := func(string, string) (campaign.Backend, error) {
		b := campaign.Simulation()
		b.Place = at
		return b, nil
	}
	dir := t.TempDir()
	rec, err := f.Run(t.Context(), Options{Dir: dir, Seed: f.Seed.Value, Torntail: "test", Open: open})
	require.NoError(t, err)
	assert.Equal(t, want, figures(t, rec.Report()))
	again, err := load(dir)
	require.NoError(t, err)
	assert.Zero(t, again.Left(), "each is on file")
	assert.LessOrEqual(t, again.ElapsedS, time.Since(again.Head.Started).Seconds()+1, "the time of cells side by side counts once")
}

// silent is the simulation as a place in which the first server that is to be started says
// nothing.
type silent struct {
	campaign.Place
	first *sync.Once
}

func (s silent) NewRunner() (r *experiment.Runner, err error) {
	s.first.Do(func() { err = &process.StartError{Path: "a-server"} })
	if err != nil {
		return nil, err
	}
	return s.Place.NewRunner()
}

// A server that keeps silent at its start leaves its cell undone and ends no suite: the others
// are run, the error comes with what they found, and the next attempt has the rest.
func TestAServerThatKeepsSilent(t *testing.T) {
	f := parse(t, small)
	dir, first := t.TempDir(), new(sync.Once)
	attempt := func() (*Record, error) {
		return f.Run(t.Context(), Options{Dir: dir, Seed: f.Seed.Value, Torntail: "test", Open: func(string, string) (campaign.Backend, error) {
			b := campaign.Simulation()
			b.Place = silent{b.Place, first}
			return b, nil
		}})
	}
	rec, err := attempt()
	require.ErrorContains(t, err, "cell engine/always/kill/registers/ext4: a-server did not start")
	require.Equal(t, 1, rec.Left())
	require.Equal(t, result.Unknown, rec.Report().Results[0].Verdict)
	rec, err = attempt()
	require.NoError(t, err)
	require.Zero(t, rec.Left())
}
