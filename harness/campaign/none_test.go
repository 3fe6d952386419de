package campaign

import (
	"cmp"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
)

// syncedNone is an experiment without persistence in which somebody asks for a snapshot, and
// which a kill or a power cut ends later.
func syncedNone(t *testing.T, crash string, ask string, n uint64) *experiment.Experiment {
	t.Helper()
	c := campaignOf(t, 1, 1, []string{"none"}, []string{crash})
	m := c.Modes[0].With([]product.Directive{{Name: "repl-diskless-sync", Value: "no"}})
	x := c.Experiment(&m, c.Crashes[0], n)
	end := "kill n1"
	if crash == "power" {
		end = "power-cut n1"
	}
	p, err := plan.Parse("plan 1\nat 300ms: do n1 " + ask + "\nat 700ms: " + end)
	require.NoError(t, err)
	x.Plan = p
	return x
}

// TestNoneComesBackWithTheLastSync: without persistence a server that has made a snapshot for
// a replica, or because a command asked for one, comes back with that; what the contract
// excuses is its content, and a run that shows it is told so.
func TestNoneComesBackWithTheLastSync(t *testing.T) {
	s := experiment.NewSimulator()
	defer s.Close()
	for _, ask := range []string{"SYNC", "BGSAVE", "SAVE"} {
		for _, crash := range []string{"kill", "power"} {
			back := 0
			for n := range uint64(10) {
				o, err := s.Run(syncedNone(t, crash, ask, n), nil)
				require.NoError(t, err)
				require.Equal(t, result.Holds, o.Verdict, "%s, %s, %d: %s %v", ask, crash, n, o.Why, o.Anomalies)
				if o.FromSync != "" {
					back++
					require.Equal(t, []string{"F11"}, o.Findings)
					require.Positive(t, o.Lost, "what came after it is gone")
				}
			}
			t.Logf("%s, %s: %d of 10 came back with it", ask, crash, back)
			require.Positive(t, back)
		}
	}
}

// TestNoneKeepsNothingElse: what else comes back without persistence is a violation, and is
// not counted under the finding: a snapshot that nobody asked for, one that is not loaded as
// it was written, and, where a contract says so, any.
func TestNoneKeepsNothingElse(t *testing.T) {
	s := experiment.NewSimulator()
	defer s.Close()
	nothing, err := contract.Parse([]byte("contract: 1\nrules:\n  - {mode: none, keeps: nothing}\n"))
	require.NoError(t, err)
	for _, row := range []struct {
		plant string
		own   *contract.File
		plan  string // what is asked for; "": nothing is, and SIGTERM ends it
		want  string
	}{
		{"shutdown-saves-unasked", nil, "", "resurrection"},
		{"deadlines-forgotten", nil, "SYNC", "phantom"},
		{"", nothing, "SYNC", "resurrection"},
	} {
		violated := 0
		for n := range uint64(10) {
			x := syncedNone(t, "kill", cmp.Or(row.plan, "PING"), n)
			if row.plan == "" {
				x.Crash = experiment.MustCrash("term")
				x.Plan, err = plan.Parse("plan 1\nat 700ms: term n1")
				require.NoError(t, err)
			}
			x.Workload.Name, x.Contract = "mixed", row.own
			x.Plants, err = experiment.ParsePlants(row.plant)
			require.NoError(t, err)
			o, err := s.Run(x, nil)
			require.NoError(t, err)
			require.Empty(t, o.Findings, row.plant)
			if o.Verdict == result.Violated {
				require.Equal(t, row.want, o.Anomalies[0].Name, "%s: %s", row.plant, o.Anomalies[0].Story)
				violated++
			}
		}
		t.Logf("%q, %q: %d of 10 violated", row.plant, row.plan, violated)
		require.Greater(t, violated, 5, row.plant)
	}
}

// TestRealNoneComesBackWithTheLastSync is the same of redis-server.
func TestRealNoneComesBackWithTheLastSync(t *testing.T) {
	rig := newRig(t)
	for _, crash := range []string{"kill", "power"} {
		r := experiment.NewRunner(rig.Machine())
		back := 0
		for n := range uint64(3) {
			o, err := r.Run(context.Background(), syncedNone(t, crash, "SYNC", n))
			require.NoError(t, err)
			require.Equal(t, result.Holds, o.Verdict, "%s: %s %v", crash, o.Why, o.Anomalies)
			if o.FromSync != "" {
				back++
				require.Equal(t, []string{"F11"}, o.Findings)
			}
		}
		r.Close()
		require.Positive(t, back, crash)
	}
}

// TestNoneOnTheHostDisk: where nobody sees the calls to the disk, the log of the server says
// when a BGSAVE was forked. When a SAVE was made nobody says: it is unknown, as a BGSAVE is that
// the end comes upon before the log has said that it is done.
func TestNoneOnTheHostDisk(t *testing.T) {
	rig, err := machine.NewRig(redis.Store, needs.Program(t, "redis-server"), machine.HostDirs(""))
	require.NoError(t, err)
	defer rig.Close()
	for ask, want := range map[string]result.Verdict{"BGSAVE": result.Holds, "SAVE": result.Unknown} {
		r := experiment.NewRunner(rig.Machine())
		back := 0
		seen := 0
		for n := uint64(0); n < 3 || want == result.Holds && seen == 0 && n < 20; n++ {
			x := syncedNone(t, "kill", ask, n)
			x.Personality = experiment.HostDisk
			o, err := r.Run(context.Background(), x)
			require.NoError(t, err)
			require.Contains(t, []result.Verdict{result.Unknown, result.Holds}, o.Verdict, "%s: %s %v", ask, o.Why, o.Anomalies)
			if o.Verdict == result.Unknown || o.FromSync != "" {
				back++
			}
			if o.FromSync != "" {
				require.Equal(t, []string{"F11"}, o.Findings)
				seen++
			}
		}
		if want == result.Holds {
			require.Positive(t, seen, ask)
		}
		r.Close()
		require.Positive(t, back, ask)
	}
}
