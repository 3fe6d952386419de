package campaign

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// seeds is how many seeds a test tries: a sample, or with TORNTAIL_SEEDS what
// `make prove` asks for.
func seeds(t *testing.T, sample int) int { return wanted(t, "TORNTAIL_SEEDS", sample) }

// wanted is how much of something a test does: a sample, or what the environment asks for.
func wanted(t *testing.T, variable string, sample int) int {
	text := os.Getenv(variable)
	if text == "" {
		return sample
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, variable)
	return n
}

// kindOf is a reason without its figures.
func kindOf(why string) string {
	return strings.Join(strings.FieldsFunc(why, func(c rune) bool { return c >= '0' && c <= '9' }), "#")
}

// campaignOf is the default campaign over some modes and crash kinds.
func campaignOf(t testing.TB, seed uint64, runs int, modes, crashes []string) *Campaign {
	c := &Campaign{Workload: workloads.Default(), Personality: "ext4", Profile: "cloud-ssd", Seed: seed, Runs: runs}
	for _, name := range modes {
		m, err := redis.ModeByName(name)
		require.NoError(t, err)
		c.Modes = append(c.Modes, m)
	}
	for _, name := range crashes {
		k, err := experiment.CrashByName(name)
		require.NoError(t, err)
		c.Crashes = append(c.Crashes, k)
	}
	return c
}

func pairs(c *Campaign) (list [][2]int) {
	for i := range c.Modes {
		for j := range c.Crashes {
			if c.Crashes[j].Needs(&c.Modes[i]) == "" {
				list = append(list, [2]int{i, j})
			}
		}
	}
	return list
}

func modeNames() (names []string) {
	for _, m := range redis.Store.Modes() {
		names = append(names, m.Name)
	}
	return names
}

func crashNames() (names []string) {
	for _, k := range experiment.CrashKinds {
		names = append(names, k.Name)
	}
	return names
}

func TestSameSeedSameTrace(t *testing.T) {
	c := campaignOf(t, 1, 1, modeNames(), crashNames())
	used := experiment.NewSimulator()
	defer used.Close()
	list := pairs(c)
	hashes := map[uint64]string{}
	for n := range 200 {
		p := list[n%len(list)]
		name := fmt.Sprintf("%s, %s, %d", c.Modes[p[0]].Name, c.Crashes[p[1]].Name, n)
		first, err := used.Run(c.Experiment(&c.Modes[p[0]], c.Crashes[p[1]], uint64(n)), nil)
		require.NoError(t, err, name)
		trace, acked, lost := first.Trace, first.Acked, first.Lost
		fresh := experiment.NewSimulator()
		again, err := fresh.Run(c.Experiment(&c.Modes[p[0]], c.Crashes[p[1]], uint64(n)), nil)
		require.NoError(t, err, name)
		fresh.Close()
		require.Equal(t, trace, again.Trace, name)
		require.Equal(t, [2]int{acked, lost}, [2]int{again.Acked, again.Lost}, name)
		require.Empty(t, hashes[trace], "%s has the trace of another run: the hash sees too little", name)
		hashes[trace] = name
	}
}

// alarmed reports whether an experiment with the correct engine came out as no such experiment
// may. Where calls fail, or the disk is full, it does what redis-server does: what is violated
// then by a finding that names its cause is no false alarm.
func alarmed(x *experiment.Experiment, o *experiment.Outcome) bool {
	trouble := x.Crash.When == experiment.AfterError || x.Crash.When == experiment.InRecovery
	return o.Verdict == result.Violated && !(trouble && finding.Named(x.Mode.Store.Findings(), o.Findings) != "")
}

// TestNoFalseAlarm is the claim that the correct engine is never called
// violated: every mode, crash kind, personality and profile in turn.
func TestNoFalseAlarm(t *testing.T) {
	personalities := []string{"ext4", "ext4-dioread-lock", "ext4-journal", "xfs", "btrfs", "prefix", "posix"}
	profiles := []string{"cloud-ssd", "nvme", "hdd", "cloud-ssd-stall"}
	kinds := []string{"registers"} // twice
	for _, w := range workloads.Names() {
		kinds = append(kinds, w[0])
	}
	c := campaignOf(t, 7, 1, modeNames(), crashNames())
	list := pairs(c)
	total := seeds(t, 1500)
	b := Simulation()
	workers := b.Parallel(nil)
	pool, err := NewPool(b, workers)
	require.NoError(t, err)
	defer pool.Close()
	struck, lost, unknown := 0, 0, 0
	counts := map[string]int{}
	err = pool.Run(context.Background(), workers, total, func(n int) *experiment.Experiment {
		p := list[n%len(list)]
		x := c.Experiment(&c.Modes[p[0]], c.Crashes[p[1]], uint64(n))
		x.Personality = personalities[n/len(list)%len(personalities)]
		x.Profile = profiles[n/7%len(profiles)]
		x.Workload.Name = kinds[n/11%len(kinds)]
		return x
	}, func(x *experiment.Experiment, o *experiment.Outcome) error {
		for _, f := range o.Findings {
			counts[f]++
		}
		if o.Struck {
			struck++
			lost += o.Lost
			if o.Verdict == result.Unknown {
				unknown++
				t.Logf("%s %s %s %s %s seed %d is unknown: %s", x.Mode.Name, x.Crash, x.Personality, x.Profile, x.Workload.Name, x.Seed, o.Why)
			}
		}
		if alarmed(x, o) {
			return fmt.Errorf("%s %s %s %s %s seed %d: %s\n%s\n%s", x.Mode.Name, x.Crash, x.Personality, x.Profile, x.Workload.Name, x.Seed,
				o.Anomalies[0].Name, o.Anomalies[0].Story, x.Plan)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, struck, total*8/10, "too few crashes struck")
	require.LessOrEqual(t, unknown, max(1, total/100), "too many could not be judged")
	require.Positive(t, lost, "nothing was ever lost: the crashes cannot have struck")
	t.Logf("%d seeds, %d crashes struck, %d writes lost within their contracts, findings %v", total, struck, lost, counts)
}

// TestAlwaysLosesNothing is the table's first line, and says that there was
// something to lose.
func TestAlwaysLosesNothing(t *testing.T) {
	c := campaignOf(t, 3, min(seeds(t, 200), 2000), []string{"always"}, experiment.DefaultCrashes)
	results, err := c.Run(context.Background(), Simulation())
	require.NoError(t, err)
	for _, r := range results {
		require.Equal(t, result.Holds, r.Verdict, "%s: %s", r.Crash, r.Why)
		require.Zero(t, r.Lost)
		require.Greater(t, r.Acknowledged, int64(r.Struck)*20)
	}
}

// TestLossIsSeen says that the modes that may lose do, and that the loss
// reaches as far as it should: a checker that sees no loss would pass above.
func TestLossIsSeen(t *testing.T) {
	c := campaignOf(t, 5, 100, []string{"everysec", "no", "rdb", "none"}, []string{"power"})
	results, err := c.Run(context.Background(), Simulation())
	require.NoError(t, err)
	least := map[string]float64{"everysec": 500, "no": 20_000, "rdb": 1500, "none": 500} // ms
	for _, r := range results {
		require.Equal(t, result.Holds, r.Verdict, "%s: %s", r.Mode, r.Why)
		require.Positive(t, r.Lost, r.Mode)
		require.Greater(t, r.LossWindow.Max, least[r.Mode], r.Mode)
	}
}

func TestKillUnderEverysecLosesOnlyPostponedWrites(t *testing.T) {
	c := campaignOf(t, 1, 300, []string{"everysec"}, []string{"kill", "kill-in-fsync"})
	c.Profile = "cloud-ssd-stall"
	results, err := c.Run(context.Background(), Simulation())
	require.NoError(t, err)
	for _, r := range results {
		require.Equal(t, result.Holds, r.Verdict, "%s: %s", r.Crash, r.Why)
	}
	require.Positive(t, results[1].Findings["postponed-write"], "no write was ever postponed: the stall profile does nothing")
	require.Positive(t, results[1].Lost)
}

// TestPlantedBugsAreFound turns on each planted bug of the engine that one
// crash can show, in a mode it breaks, and counts the tries.
func TestPlantedBugsAreFound(t *testing.T) {
	for _, plant := range []struct {
		name, mode, crash string
		within            int // tries
		anomalies         []string
		personality       string
	}{
		{"skip-every-50th-fsync", "always", "power", 1500, []string{"lost-write", "hole"}, "ext4"},
		{"group-reply-before-fsync", "always", "power-in-fsync", 300, []string{"lost-write"}, "ext4"},
		{"reply-before-fsync", "always", "power-in-fsync", 100, []string{"lost-write"}, "ext4"},
		{"everysec-never-fsyncs", "everysec", "power", 50, []string{"late-sync", "lost-write"}, "ext4"},
		{"rdb-rename-before-fsync", "rdb", "power-in-fsync", 2000, []string{"unrecoverable", "lost-write"}, "ext4"},
		{"rdb-rename-without-fsync", "rdb", "power", 500, []string{"unrecoverable", "lost-write"}, "ext4"},
		{"rewrite-loses-writes", "always", "kill", 300, []string{"lost-write", "hole"}, "ext4"},
	} {
		t.Run(plant.name, func(t *testing.T) {
			t.Parallel()
			bug, ok := bugs.ByName(plant.name)
			require.True(t, ok)
			s := experiment.NewSimulator()
			defer s.Close()
			c := campaignOf(t, 11, 1, []string{plant.mode}, []string{plant.crash})
			c.Personality = plant.personality
			c.Plants.Engine = bug.Bit
			var tries []int
			for from, found := 0, 0; found < 5; found++ {
				n := from
				for ; ; n++ {
					require.Less(t, n-from, plant.within, "not found in so many tries")
					o, err := s.Run(c.Experiment(&c.Modes[0], c.Crashes[0], uint64(n)), nil)
					require.NoError(t, err)
					if o.Verdict == result.Violated {
						require.Contains(t, plant.anomalies, o.Anomalies[0].Name, o.Anomalies[0].Story)
						break
					}
				}
				tries = append(tries, n-from+1)
				from = n + 1
			}
			t.Logf("%s found under %s, %s: tries %v, median %d", plant.name, plant.mode, plant.crash, tries, median(tries))
		})
	}
}

// TestEveryWorkloadShowsALoss: what each workload writes is lost by a planted bug, and
// kept without it.
func TestEveryWorkloadShowsALoss(t *testing.T) {
	bug, ok := bugs.ByName("reply-before-fsync")
	require.True(t, ok)
	for _, w := range workloads.Names() {
		for name, planted := range map[string]bool{"clean": false, "planted": true} {
			t.Run(w[0]+"/"+name, func(t *testing.T) {
				c := campaignOf(t, 13, 60, []string{"always"}, []string{"power-in-fsync"})
				c.Workload.Name = w[0]
				want := result.Holds
				if planted {
					c.Plants.Engine, want = bug.Bit, result.Violated
				}
				results, err := c.Run(t.Context(), Simulation())
				require.NoError(t, err)
				require.Equal(t, want, results[0].Verdict, "%s %v", results[0].Why, results[0].Anomalies)
				require.Equal(t, planted, results[0].Anomalies["lost-write"] > 0)
				require.Positive(t, results[0].Acknowledged)
			})
		}
	}
}

func median(list []int) int {
	sorted := append([]int(nil), list...)
	for i := range sorted {
		for j := i; j > 0 && sorted[j] < sorted[j-1]; j-- {
			sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
		}
	}
	return sorted[len(sorted)/2]
}

// TestPlantsOutsideTheEngineNeverHold: a harness, disk or client that lies must
// not be believed.
func TestPlantsOutsideTheEngineNeverHold(t *testing.T) {
	for _, p := range experiment.OutsidePlants {
		t.Run(p.Name, func(t *testing.T) {
			c := campaignOf(t, 1, 100, []string{"always", "everysec"}, []string{"power", "power-in-fsync"})
			if r := recipeFor(p); r.mode == "no" { // of what nobody syncs: its own crash, in that mode
				c = campaignOf(t, 1, 100, []string{r.mode}, r.crashes)
				c.Modes[0] = r.in(c.Modes[0])
				c.Plan = r.plan(&c.Modes[0], seeding.NewDraws(1))
			}
			p.Set(&c.Plants)
			results, err := c.Run(context.Background(), Simulation())
			require.NoError(t, err)
			for _, r := range results {
				require.NotEqual(t, result.Holds, r.Verdict, "%s, %s", r.Mode, r.Crash)
				t.Logf("%s, %s: %s %s %v", r.Mode, r.Crash, r.Verdict, r.Why, r.Anomalies)
			}
		})
	}
}

// TestCrashesStrikeInsideRewritesAndSnapshots counts the different points of a
// rewrite and of a snapshot at which crashes of the default campaign struck.
func TestCrashesStrikeInsideRewritesAndSnapshots(t *testing.T) {
	for _, mode := range []string{"everysec", "rdb"} {
		c := campaignOf(t, 1, 1, []string{mode}, []string{"kill", "power"})
		s := experiment.NewSimulator()
		defer s.Close()
		points := map[string]int{}
		for n := range uint64(1500) {
			o, err := s.Run(c.Experiment(&c.Modes[0], c.Crashes[n%2], n), nil)
			require.NoError(t, err)
			if o.Struck && o.CrashPoint != "" {
				points[o.CrashPoint]++
			}
		}
		require.GreaterOrEqual(t, len(points), 20, "%s: %v", mode, points)
		t.Logf("%s: %d different points", mode, len(points))
	}
}

// TestTailCutLoadsThePrefix cuts 1 to 128 bytes off the AOF between crash and
// restart: every byte of the last command, and beyond.
func TestTailCutLoadsThePrefix(t *testing.T) {
	c := campaignOf(t, 1, 400, []string{"always", "everysec", "hybrid"}, []string{"tail-cut"})
	results, err := c.Run(context.Background(), Simulation())
	require.NoError(t, err)
	for _, r := range results {
		require.Equal(t, result.Holds, r.Verdict, "%s: %s %v", r.Mode, r.Why, r.Anomalies)
		require.Equal(t, r.Struck, r.Recovery.ByItself, "%s: a cut tail must load without help", r.Mode)
		require.Positive(t, r.Lost, "%s: a cut tail takes something", r.Mode)
	}
}

// TestACutTailIsRefusedWhereThatIsSet: aof-load-truncated no is the user's own word, and
// the repair that it asks for no breach; where nobody said so, it is one.
func TestACutTailIsRefusedWhereThatIsSet(t *testing.T) {
	c := campaignOf(t, 1, 200, []string{"always"}, []string{"tail-cut"})
	refusing := c.Modes[0].With([]product.Directive{{Name: "aof-load-truncated", Value: "no"}})
	promised, err := experiment.ContractOf(&c.Modes[0], c.Crashes[0], c.Personality, nil)
	require.NoError(t, err)
	require.False(t, promised.AllowRepair)
	c.Modes[0] = refusing
	results, err := c.Run(context.Background(), Simulation())
	require.NoError(t, err)
	r := results[0]
	require.Equal(t, result.Holds, r.Verdict, "%s %v", r.Why, r.Anomalies)
	require.Positive(t, r.Recovery.Repaired, "nothing was refused")
	require.Zero(t, r.Recovery.Refused)
}

// TestDamageAtRestAfterAPowerCut: a plan may damage the crash image, and torntail
// must neither blame itself for it nor hold the server to what is gone.
func TestDamageAtRestAfterAPowerCut(t *testing.T) {
	c := campaignOf(t, 1, 40, []string{"always"}, []string{"power"})
	var err error
	c.Plan, err = plan.Parse("plan 1\nat 300ms: power-cut n1 keep none\nat +0s: truncate *.incr.aof by 7\n")
	require.NoError(t, err)
	results, err := c.Run(context.Background(), Simulation())
	require.NoError(t, err)
	require.Equal(t, result.Holds, results[0].Verdict, "%s %v", results[0].Why, results[0].Anomalies)
	require.NotNil(t, results[0].Damage, "the files were not damaged")
	require.Positive(t, results[0].Damage.Lost)
	require.Zero(t, results[0].Lost, "it is no loss of the power cut")
	c.Plants.ReopenUncrashed = true
	results, err = c.Run(context.Background(), Simulation())
	require.NoError(t, err)
	require.Equal(t, result.Unknown, results[0].Verdict, "damage must not hide that the wrong image was started on")
}

func TestOrderlyShutdownLosesNothing(t *testing.T) {
	c := campaignOf(t, 1, 50, []string{"always", "everysec", "no", "rdb", "hybrid"}, []string{"term"})
	results, err := c.Run(context.Background(), Simulation())
	require.NoError(t, err)
	for _, r := range results {
		require.Equal(t, result.Holds, r.Verdict, "%s: %s %v", r.Mode, r.Why, r.Anomalies)
		require.Zero(t, r.Lost, r.Mode)
	}
}

// TestResultsDoNotDependOnWorkers: the outcomes are counted by number.
func TestResultsDoNotDependOnWorkers(t *testing.T) {
	var first []result.Result
	for _, workers := range []int{1, 3} {
		c := campaignOf(t, 9, 60, []string{"everysec", "rdb"}, experiment.DefaultCrashes)
		c.Workers = workers
		results, err := c.Run(context.Background(), Simulation())
		require.NoError(t, err)
		if first == nil {
			first = results
		}
		for i := range results {
			results[i].ElapsedS = 0 // of the machine's clock
		}
		require.Equal(t, first, results)
	}
}

// TestSampledPowerCuts: power cuts at random instants find a wide window, and
// nothing in the clean engine.
func TestSampledPowerCuts(t *testing.T) {
	for plant, finds := range map[string]bool{"reply-before-fsync": true, "": false} { // any order: independent
		m, err := redis.ModeByName("always")
		require.NoError(t, err)
		plants, err := experiment.ParsePlants(plant)
		require.NoError(t, err)
		x := &experiment.Experiment{Mode: m, Workload: workloads.Default(), Personality: "ext4", Profile: "cloud-ssd", Plants: plants, Seed: 1}
		found, first, err := SamplePowerCuts(t.Context(), x, 20)
		require.NoError(t, err)
		require.Equal(t, finds, found > 0, plant)
		require.Equal(t, finds, first > 0, plant)
	}
}
