package saved

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// TestSavedFailuresAreJudgedTheSame: what is kept of a run is all that its
// verdict depends on. Clean runs with findings and runs with planted bugs, of
// every mode and crash kind.
func TestSavedFailuresAreJudgedTheSame(t *testing.T) {
	dir := t.TempDir()
	s := experiment.NewSimulator()
	defer s.Close()
	seen := map[string]int{}
	for _, plants := range []string{"", "reply-before-fsync,everysec-never-fsyncs,rdb-rename-without-fsync", "split-transaction,rewrite-loses-writes", "disk-ignores-fsync"} {
		planted, err := experiment.ParsePlants(plants)
		require.NoError(t, err)
		for i := range redis.Store.Modes() {
			for j := range experiment.CrashKinds {
				if experiment.CrashKinds[j].Needs(&redis.Store.Modes()[i]) != "" {
					continue
				}
				c := pair(redis.Store.Modes()[i], experiment.CrashKinds[j], 3)
				c.Plants = planted
				c.Workload.Name = []string{"registers", "transactions", "lists"}[(i+j)%3]
				for n := range uint64(3) {
					x := c.Experiment(&c.Modes[0], c.Crashes[0], n)
					o, err := s.Run(x, nil)
					require.NoError(t, err)
					if !o.ToKeep() {
						continue
					}
					require.NoError(t, Save(dir, "test", campaign.Simulation(), x, o))
					seen[string(o.Verdict)]++
					for _, f := range o.Findings {
						seen[f]++
					}
					same(t, dir, o)
				}
			}
		}
	}
	for _, want := range []string{string(result.Violated), string(result.Holds), "F2", "F3"} {
		require.Positive(t, seen[want], "no saved run shows %s: %v", want, seen)
	}
}

// same loads a saved failure and judges it again.
func same(t *testing.T, dir string, o *experiment.Outcome) {
	t.Helper()
	saved, err := Load(dir)
	require.NoError(t, err)
	h, err := history.Load(filepath.Join(dir, HistoryFile))
	require.NoError(t, err)
	again, err := saved.Judge(h, nil)
	require.NoError(t, err)
	require.Equal(t, o.Verdict, again.Verdict, "%s, %s", saved.Mode, saved.Crash)
	require.Equal(t, o.Verdict, saved.Verdict)
	require.Equal(t, o.Anomalies, again.Anomalies)
	require.Equal(t, o.Findings, again.Findings)
	require.Equal(t, o.Excused, again.Excused)
	require.Equal(t, []any{o.Acked, o.Lost, o.Window, o.Censored}, []any{again.Acked, again.Lost, again.Window, again.Censored})
}

// The user's contract is kept with the failure that broke it.
func TestContractIsKeptWithTheFailure(t *testing.T) {
	own, err := contract.Parse([]byte("contract: 1\nrules:\n- max-lost: 0\n  keeps: nothing\n  level: buffered\n"))
	require.NoError(t, err)
	c := pair(everysec(t), experiment.PowerLoss(), 1)
	c.Contract = own
	s := experiment.NewSimulator()
	defer s.Close()
	for n := uint64(0); ; n++ {
		require.Less(t, n, uint64(50), "no run of everysec loses anything")
		x := c.Experiment(&c.Modes[0], c.Crashes[0], n)
		o, err := s.Run(x, nil)
		require.NoError(t, err)
		if o.Verdict != result.Violated {
			continue
		}
		dir := t.TempDir()
		require.NoError(t, Save(dir, "test", campaign.Simulation(), x, o))
		same(t, dir, o)
		saved, err := Load(dir)
		require.NoError(t, err)
		h, err := history.Load(filepath.Join(dir, HistoryFile))
		require.NoError(t, err)
		builtIn, err := contract.Parse([]byte("contract: 1\nrules:\n- bounds: {documented: 1s}\n"))
		require.NoError(t, err)
		again, err := saved.Judge(h, builtIn)
		require.NoError(t, err)
		require.Equal(t, result.Holds, again.Verdict, again.Why)

		require.NoError(t, os.WriteFile(filepath.Join(dir, contractFile), []byte("contract: 9\n"), 0o644))
		_, err = Load(dir)
		require.ErrorContains(t, err, contractFile)
		return
	}
}

// A directory of version 1 still loads, and its history still has its verdict.
func TestGoldenReplayDirectoryOfVersion1(t *testing.T) {
	dir := filepath.Join("testdata", "saved-v1")
	saved, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, "lost-write", saved.Anomaly)
	x, err := saved.Experiment(nil)
	require.NoError(t, err)
	require.Equal(t, "always", x.Mode.Name)
	require.Len(t, x.Plan.Statements, 2)
	h, err := history.Load(filepath.Join(dir, HistoryFile))
	require.NoError(t, err)
	o, err := saved.Judge(h, nil)
	require.NoError(t, err)
	require.Equal(t, result.Violated, o.Verdict)
	require.Equal(t, saved.Anomaly, o.Anomalies[0].Name)
}

// pair is a campaign of one pair of mode and crash kind.
func pair(m product.Mode, k *experiment.CrashKind, seed uint64) *campaign.Campaign {
	return &campaign.Campaign{Modes: []product.Mode{m}, Crashes: []*experiment.CrashKind{k}, Workload: workloads.Default(),
		Personality: "ext4", Profile: "cloud-ssd", Seed: seed, Runs: 1}
}

func everysec(t *testing.T) product.Mode {
	m, err := redis.ModeByName("everysec")
	require.NoError(t, err)
	return m
}
