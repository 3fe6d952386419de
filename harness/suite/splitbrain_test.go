package suite

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/simcluster"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/reports/result"
)

// simulatedCluster is the embedded engine's, in simulation.
func simulatedCluster(string) (splitbrain.Backend, error) {
	return splitbrain.Backend{Name: "sim", Target: "engine", System: simcluster.System(),
		Run: func(_ context.Context, s *splitbrain.Scenario, seed uint64) (*splitbrain.Outcome, error) {
			c := simcluster.New()
			defer c.Close()
			o, err := c.Run(s, simcluster.Options{Seed: seed})
			return o, err
		}}, nil
}

// Clusters are cells like any other: run, expected of, kept on record. A lone
// master without protection loses writes; an expectation that it loses none fails.
func TestClusterCells(t *testing.T) {
	f, err := Parse("x.yaml", []byte(`suite: 1
splitbrain:
- {targets: engine, partitions: [master-alone], runs: 2, expect: {min-lost: 1}}
- {targets: engine, partitions: [master-alone], expect: {max-lost: 0}}
- {targets: engine, partitions: [master-alone], wait-replicas: 1, directives: [min-replicas-max-lag 3]}
- {targets: engine, scenarios: [fast-restart], modes: [none, always]}
expect:
- {topology: 3+3, partition: master-alone, outcome: holds}
`))
	require.NoError(t, err)
	assert.Equal(t, []string{
		"engine/splitbrain/cluster/3+3/master-alone: holds, at least 1 writes lost in some run",
		"engine/splitbrain/cluster/3+3/master-alone#2: holds, at most 0 writes lost in a crash",
		"engine/splitbrain/cluster/3+3/master-alone/min-replicas-max-lag=3/wait-1: holds",
		"engine/splitbrain/fast-restart/3+3/plan/none: holds",
		"engine/splitbrain/fast-restart/3+3/plan/always: holds",
	}, names2(f))
	dir := t.TempDir()
	o := Options{Dir: dir, Seed: 1, Torntail: "test", Open: simulated, OpenCluster: simulatedCluster}
	rec, err := f.Run(context.Background(), o)
	require.NoError(t, err)
	r := rec.Report().Results
	require.Len(t, r, 5)
	assert.Equal(t, 2, r[0].Struck)
	assert.Positive(t, r[0].Acknowledged)
	assert.Positive(t, r[0].Lost)
	assert.Equal(t, result.Holds, r[0].Expected.As, r[0].Expected.Why)
	assert.Equal(t, result.Violated, r[1].Expected.As)
	assert.Contains(t, r[1].Expected.Why, "writes were lost")
	assert.Equal(t, result.Holds, r[2].Verdict, r[2].Why)
	assert.Positive(t, r[3].Lost, "a master that keeps nothing wipes its replicas")
	assert.Zero(t, r[4].Lost, "one that keeps all gives it back")

	o.Dir, o.OpenCluster = t.TempDir(), nil
	rec, err = f.Run(context.Background(), o)
	require.NoError(t, err)
	assert.Equal(t, result.ExitUnknown, rec.Report().ExitCode(false), "where no cluster can be made nothing is proved")
}

func TestClusterMistakes(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte("version: 7\n"), 0o644))
	for text, want := range map[string]string{
		"scenarios: aphyr-2014":                `x.yaml:3:14: scenario "aphyr-2014" is not known: did you mean "aphyr-2013"?`,
		"scenarios: nowhere.yaml":              "x.yaml:3:14: open ",
		"scenarios: bad.yaml":                  "x.yaml:3:14: bad.yaml: version 7",
		"partitions: master-alon":              `x.yaml:3:15: partition "master-alon" is not known: did you mean "master-alone"?`,
		"topologies: many":                     "x.yaml:3:15: ",
		"directives: [aof-disable-auto-gc no]": "x.yaml:3:15: torntail decides on aof-disable-auto-gc itself",
		"scenario: aphyr-2013":                 `field "scenario" is not known: did you mean "scenarios"?`,
		"modes: [allways]":                     `x.yaml:3:11: mode "allways" is not known: did you mean "always"?`,
		"wait-replicas: -1":                    `x.yaml:3:18: "-1", where a whole number from 0 on`,
		"expect: {min-lost: some}":             `x.yaml:3:22: "some", where a whole number`,
	} {
		_, err := Parse(filepath.Join(dir, "x.yaml"), []byte("suite: 1\nsplitbrain:\n- "+text))
		if assert.Error(t, err, text) {
			assert.Contains(t, err.Error(), want, text)
		}
	}
}
