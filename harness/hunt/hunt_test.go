package hunt

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/reports/result"
)

func simulated(plants string) *Space {
	s := NewSpace(campaign.Simulation(), redis.Store, "ext4", "cloud-ssd")
	var err error
	if s.Plants, err = experiment.ParsePlants(plants); err != nil {
		panic(err)
	}
	return s
}

func run(t *testing.T, h *Hunt) *Result {
	r, err := h.Run(context.Background(), campaign.Simulation())
	require.NoError(t, err)
	return r
}

func wanted(t *testing.T, name string, usual int) int {
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// TestTheCleanEngineIsSilent: of the engine as it is a hunt finds what is known of Redis, and
// nothing else. TORNTAIL_EXPERIMENTS is for how many, TORNTAIL_SEED which.
func TestTheCleanEngineIsSilent(t *testing.T) {
	for _, g := range Guides[:2] {
		r := run(t, &Hunt{Space: simulated(""), Seed: uint64(wanted(t, "TORNTAIL_SEED", 1)), Experiments: wanted(t, "TORNTAIL_EXPERIMENTS", 400), Guide: g})
		for _, f := range r.Findings {
			if f.New() {
				t.Errorf("%s: %s (%s, %s, %v)\n%s\n%s", f.Fingerprint, f.Anomaly, f.Mode, f.Disk, f.x.Mode.Directives, f.Plan, f.Story)
			}
		}
		t.Logf("%s: %d experiments, %d struck, %d unknown, %d wasted, %d shapes, %.0f/s", g, r.Experiments, r.Struck, r.Unknown, r.Wasted, r.Shapes, float64(r.Experiments)/r.ElapsedS)
		require.Greater(t, r.Struck, r.Experiments*3/4)
		require.Less(t, r.Wasted, r.Experiments*3/10)
	}
}

// TestPlantsAreFound: planted bugs are found that no plan was written for. TORNTAIL_PLANTS is
// "all" for each, TORNTAIL_EXPERIMENTS how many experiments are tried.
func TestPlantsAreFound(t *testing.T) {
	names := []string{"reply-before-fsync", "always-goes-on", "deadlines-restarted", "unlink-before-manifest", "idle-tail-never-synced", "expiry-not-logged"}
	if os.Getenv("TORNTAIL_PLANTS") == "all" {
		names = nil
		for _, p := range experiment.AllPlants() {
			if p.Must != "unknown" {
				names = append(names, p.Name)
			}
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			r := run(t, &Hunt{Space: simulated(name), Seed: 1, Experiments: wanted(t, "TORNTAIL_EXPERIMENTS", 2000), Guide: "rare", Until: (*Finding).New})
			require.NotEmpty(t, r.Findings, "nothing in %d experiments", r.Experiments)
			f := r.Findings[0]
			require.True(t, f.New(), "only what is known: %s", f.Fingerprint)
			x := *f.x
			x.Plants = experiment.Plants{}
			s := experiment.NewSimulator()
			defer s.Close()
			o, err := s.Run(&x, nil)
			require.NoError(t, err)
			require.False(t, o.Verdict == result.Violated && len(o.Findings) == 0, "the clean engine shows it too: %v", o.Anomalies)
			t.Logf("after %d: %s", f.First, f.Fingerprint)
		})
	}
}

// TestAHuntIsRepeatedExactly: by its seed, with however many workers.
func TestAHuntIsRepeatedExactly(t *testing.T) {
	var results []*Result
	for _, workers := range []int{1, 3} {
		r := run(t, &Hunt{Space: simulated("reply-before-fsync"), Seed: 7, Experiments: 150, Guide: "rare", Workers: workers})
		r.ElapsedS, r.Started = 0, r.Started.Truncate(1<<62)
		for _, f := range r.Findings {
			f.AfterS, f.x, f.o = 0, nil, nil
		}
		results = append(results, r)
	}
	require.Equal(t, results[0], results[1])
	require.NotEmpty(t, results[0].Findings)
}

// TestWhatIsDrawnCanBeRun: so can what is made of it.
func TestWhatIsDrawnCanBeRun(t *testing.T) {
	s := simulated("")
	check := func(x *experiment.Experiment) {
		require.NoError(t, x.Plan.Check(s.On, []string{experiment.Server}), "%s", x.Plan)
		require.NoError(t, experiment.CheckCommands(x.Plan, x.Mode.Store, x.Workload), "%s", x.Plan)
		require.NoError(t, x.Workload.Check())
		_, err := plan.Parse(x.Plan.String())
		require.NoError(t, err)
		k, err := experiment.KindOf(x.Plan)
		require.NoError(t, err)
		require.Equal(t, k, x.Crash)
	}
	before := s.Draw(0)
	for seed := range uint64(2000) {
		x := s.Draw(seed)
		check(x)
		require.Equal(t, x.Plan.String(), s.Draw(seed).Plan.String())
		check(s.Mutate(x, before, seed))
		before = x
	}
}

// TestWhatTorntailDistrustsIsUnknown: an audit that fails says nothing of the server, and ends no
// hunt.
func TestWhatTorntailDistrustsIsUnknown(t *testing.T) {
	r := run(t, &Hunt{Space: simulated("cut-loses-nothing"), Seed: 1, Experiments: 150, Guide: Uniform})
	require.Equal(t, 150, r.Experiments)
	ours := 0
	for _, w := range r.Why {
		if strings.HasPrefix(w.Text, "torntail itself: the power cut took nothing") {
			ours += w.Runs
		}
	}
	require.Positive(t, ours)
	for _, f := range r.Findings {
		require.False(t, f.New(), "%s: %s", f.Fingerprint, f.Story)
	}
}

// TestOneBugHasFewFingerprints: one bug is met in many ways, in any mode, phase and crash; its
// fingerprints are as many as the disk's log shows causes.
func TestOneBugHasFewFingerprints(t *testing.T) {
	r := run(t, &Hunt{Space: simulated("reply-before-fsync"), Seed: 1, Experiments: 600, Guide: "rare"})
	runs, fresh := 0, 0
	for _, f := range r.Findings {
		if f.New() {
			require.Len(t, strings.Split(f.Fingerprint, "/"), 3, "anomaly, cause and recovery")
			fresh++
			runs += f.Runs
		}
	}
	t.Logf("%d fingerprints of %d runs", fresh, runs)
	require.Greater(t, runs, 10)
	require.LessOrEqual(t, fresh, 6)
}
