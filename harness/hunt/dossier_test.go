package hunt

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/harness/shrink"
	"github.com/torntail/torntail/reports/result"
)

// TestAnObserverChangesNothing: a run that is observed is the run that it was.
func TestAnObserverChangesNothing(t *testing.T) {
	s := simulated("")
	sim := experiment.NewSimulator()
	defer sim.Close()
	lives := 0
	for seed := range uint64(60) {
		x := s.Draw(seed)
		o, err := sim.Run(x, nil)
		require.NoError(t, err)
		trace, verdict, seen, acked := o.Trace, o.Verdict, o.Seen, o.Acked
		left := new(evidence)
		x.Observer = left
		o, err = sim.Run(x, nil)
		require.NoError(t, err)
		require.Equal(t, trace, o.Trace, "seed %d", seed)
		require.Equal(t, verdict, o.Verdict, "seed %d", seed)
		require.Equal(t, seen, o.Seen, "seed %d", seed)
		require.Equal(t, acked, o.Acked, "seed %d", seed)
		lives += left.lives
		if left.lives > 0 {
			require.NotEmpty(t, left.log.String())
		}
	}
	require.Greater(t, lives, 30, "servers were started again")
}

// TestADossierHoldsWhatAStrangerNeeds, and what it holds is the finding.
func TestADossierHoldsWhatAStrangerNeeds(t *testing.T) {
	dir := t.TempDir()
	h := &Hunt{Space: simulated("reply-before-fsync"), Seed: 1, Experiments: 1000, Guide: "rare", Dir: dir, Torntail: "test",
		Until: func(f *Finding) bool { return f.New() && f.Anomaly == "lost-write" }}
	r := run(t, h)
	require.Equal(t, 1, r.Fresh())
	f := r.Findings[0]
	require.Equal(t, filepath.Join(dir, "lost-write-1"), f.Dir)
	for _, name := range []string{readmeFile, logFile, imageFile, "experiment.json", "plan.txt", saved.HistoryFile} {
		require.FileExists(t, filepath.Join(f.Dir, name))
	}
	text, err := os.ReadFile(filepath.Join(f.Dir, readmeFile))
	require.NoError(t, err)
	for _, want := range []string{"# new: lost-write", "acknowledged", "certainly lost", "torntail replay .", "reply-before-fsync", "No: neither is it one of torntail's known findings", f.Fingerprint} {
		require.Contains(t, string(text), want)
	}
	require.NotEmpty(t, filesOfTar(t, filepath.Join(f.Dir, imageFile)))
	require.NotNil(t, f.Shrunk)
	for _, d := range []string{f.Dir, filepath.Join(f.Dir, shrink.DirName)} {
		s, err := saved.Load(d)
		require.NoError(t, err)
		require.NoError(t, s.Trust(nil))
		x, err := s.Experiment(nil)
		require.NoError(t, err)
		o, err := campaign.Simulation().RunOnce(t.Context(), x)
		require.NoError(t, err)
		require.Equal(t, result.Violated, o.Verdict, d)
		require.True(t, o.Shows("lost-write"), d)
		require.Empty(t, o.Findings, "a small failure of another cause is no smaller one of this")
	}
}

// TestAListedFindingIsKnown: its fingerprint is in the list.
func TestAListedFindingIsKnown(t *testing.T) {
	h := func(known ...string) *Result {
		return run(t, &Hunt{Space: simulated("reply-before-fsync"), Seed: 1, Experiments: 600, Guide: "rare", Known: known,
			Until: func(f *Finding) bool { return f.Anomaly == "lost-write" && (f.New() || f.Known == Listed) }})
	}
	r := h()
	require.Equal(t, 1, r.Fresh())
	again := h(r.Findings[0].Fingerprint)
	require.Zero(t, again.Fresh())
	require.Equal(t, len(r.Findings), len(again.Findings))
}

// TestStanding: what most of the replays do not show is seen once.
func TestStanding(t *testing.T) {
	for _, c := range []struct {
		shown, tried int
		confirmed    bool
	}{{0, 0, true}, {0, 3, false}, {1, 3, false}, {2, 3, true}, {3, 3, true}, {1, 2, false}} {
		require.Equal(t, c.confirmed, (&Finding{Shown: c.shown, Tried: c.tried}).Confirmed(), "%d of %d", c.shown, c.tried)
	}
}

func filesOfTar(t *testing.T, path string) (names []string) {
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		require.NoError(t, err)
		names = append(names, h.Name)
	}
}
