package suite

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/hunt"
	"github.com/torntail/torntail/reports/result"
)

// TestAHuntIsACell: what is new breaks it, what is known is counted, and what it has reached
// lasts to the next night.
func TestAHuntIsACell(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "night.yaml")
	parseHere := func(text string) *File {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		f, err := Load(file)
		require.NoError(t, err)
		return f
	}
	f := parseHere(`suite: 1
seed: 1
hunt:
  - experiments: 400
    corpus: corpus
  - experiments: 200
    plant: reply-before-fsync
    expect: {violated: [lost-write]}
`)
	require.Equal(t, []string{"engine/hunt", "engine/hunt/reply-before-fsync"}, []string{f.Cells[0].Name, f.Cells[1].Name})
	dir := filepath.Join(home, "out")
	list := run(t, context.Background(), f, dir, Shard{}, nil).Report().Results
	require.Len(t, list, 2)
	clean, bad := list[0], list[1]
	require.Equal(t, result.Holds, clean.Expected.As, "%+v", clean.Failures)
	require.Equal(t, 400, clean.Runs)
	require.NotEmpty(t, clean.Findings, "what Redis is known for")
	require.FileExists(t, filepath.Join(dir, failuresDir, "engine.hunt", "hunt.md"))
	require.NotEmpty(t, entries(t, filepath.Join(home, "corpus", "engine")))

	require.Equal(t, result.Violated, bad.Verdict)
	require.Equal(t, result.Holds, bad.Expected.As, "%s", bad.Expected.Why)
	require.NotEmpty(t, bad.Failures)
	require.FileExists(t, filepath.Join(bad.Failures[0].Dir, "README.md"))
	require.NotNil(t, bad.Failures[0].Shrunk)

	again := parseHere("suite: 1\nhunt: {corpus: corpus, replay-corpus: true}\n")
	r := run(t, context.Background(), again, filepath.Join(home, "again"), Shard{}, nil).Report().Results[0]
	require.Equal(t, result.Holds, r.Verdict)
	require.Equal(t, len(entries(t, filepath.Join(home, "corpus", "engine"))), r.Runs, "nothing but the corpus")
}

func entries(t *testing.T, dir string) []os.DirEntry {
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	return list
}

// TestHuntsThatCannotBe are refused with their place.
func TestHuntsThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		"{guide: best}":         `night.yaml:2:15: `,
		"{replay-corpus: true}": "replay-corpus: want a corpus",
		"{targets: redis-server, plant: reply-before-fsync}": "planted bugs of the engine cannot be in redis-server",
		"{known: /no/such/file}":                             "no such file",
		"{experiments: 0}":                                   "night.yaml:2:21: ",
		"{targets: engine, modes: [always]}":                 "modes",
	} {
		_, err := Parse("night.yaml", []byte("suite: 1\nhunt: "+text+"\n"))
		require.ErrorContains(t, err, want, text)
	}
}

// TestWhatAHuntSaysOfACell: findings that only one run has shown prove nothing.
func TestWhatAHuntSaysOfACell(t *testing.T) {
	for _, c := range []struct {
		findings []*hunt.Finding
		struck   int
		want     result.Verdict
	}{
		{nil, 10, result.Holds},
		{nil, 0, result.Unknown},
		{[]*hunt.Finding{{Fingerprint: "F2", Known: "F2", Runs: 3}}, 10, result.Holds},
		{[]*hunt.Finding{{Fingerprint: "x", Known: hunt.Listed, Runs: 3}}, 10, result.Holds},
		{[]*hunt.Finding{{Anomaly: "hole", Runs: 1, Tried: 3, Shown: 1}}, 10, result.Unknown},
		{[]*hunt.Finding{{Anomaly: "hole", Runs: 1, Tried: 3, Shown: 1}, {Anomaly: "hole", Runs: 1, Tried: 3, Shown: 2}}, 10, result.Violated},
		{[]*hunt.Finding{{Anomaly: "hole", Runs: 1}}, 10, result.Violated},
	} {
		res := new(result.Result)
		count(res, &hunt.Result{Findings: c.findings, Experiments: 10, Struck: c.struck}, 0)
		require.Equal(t, c.want, res.Verdict)
	}
}
