package suite

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every mistake is answered with its line and column, what was expected, and the
// word that was meant.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     `x.yaml:1:1: empty: want "suite: 1"`,
		"[1, 2":                                "x.yaml: line 1: did not find expected",
		"- 1":                                  "x.yaml:1:1: a list, where a mapping with suite, name",
		"matrix: []":                           `x.yaml:1:1: no version: want "suite: 1"`,
		"suite: 2":                             `x.yaml:1:8: suite: "2" is not a version`,
		"suite: 1":                             "x.yaml:1:1: no cells: want a matrix",
		"suite: 1\nmatirx: []":                 `x.yaml:2:1: field "matirx" is not known: did you mean "matrix"?`,
		"suite: 1\nsuite: 1":                   `x.yaml:2:1: field "suite" stands here a second time`,
		"suite: 1\n? [a]\n: 1":                 "x.yaml:2:3: a list, where a field's name is expected",
		"suite: 1\nmatrix:\n- modes: [alwys]":  `x.yaml:3:11: mode "alwys" is not known: did you mean "always"?`,
		"suite: 1\nmatrix:\n- modes: []":       "x.yaml:3:10: an empty list, where at least one mode is expected",
		"suite: 1\nmatrix:\n- crashs: kill":    `x.yaml:3:3: field "crashs" is not known: did you mean "crashes"?`,
		"suite: 1\nmatrix:\n- crashes: kil":    `x.yaml:3:12: crash kind "kil" is not known: did you mean "kill"?`,
		"suite: 1\nmatrix:\n- crashes: {}":     `x.yaml:3:12: a mapping, where a word is expected`,
		"suite: 1\nmatrix:\n- workloads: list": `x.yaml:3:14: workload "list" is not known: did you mean "lists"?`,
		"suite: 1\nmatrix:\n- crashes: [kill,\n    kill]":                   `x.yaml:4:5: crash kind "kill" stands here a second time`,
		"suite: 1\nmatrix:\n- personalities: ext5":                          `did you mean "ext4"?`,
		"suite: 1\nmatrix:\n- runs: 0":                                      `x.yaml:3:9: "0", where a whole number from 1 on is expected`,
		"suite: 1\nmatrix:\n- runs: many":                                   `x.yaml:3:9: "many", where a whole number`,
		"suite: 1\nmatrix:\n- read-ratio: 1":                                "x.yaml:3:3: read ratio 1: want 0 or more and less than 1",
		"suite: 1\nmatrix:\n- rate: -1":                                     `x.yaml:3:9: "-1", where a number from 0 on`,
		"suite: 1\nmatrix:\n- span: 10":                                     `x.yaml:3:9: "10", where a duration is expected, such as`,
		"suite: 1\nmatrix:\n- plant: no-such-bug":                           "x.yaml:3:10: planted fault \"no-such-bug\" is not known",
		"suite: 1\nmatrix:\n- {targets: x, plant: split-transaction}":       "planted bugs of the engine cannot be in x",
		"suite: 1\nmatrix:\n- targets: [a b]":                               `x.yaml:3:13: target "a b": want engine`,
		"suite: 1\nmatrix:\n- plan: nowhere.txt":                            "x.yaml:3:9: neither a plan (first line \"plan 1\") nor a file",
		"suite: 1\nmatrix:\n- plan: \"plan 1\\nat 1s kill n1\"":             "x.yaml:3:9: plan line 2:7:",
		"suite: 1\nmatrix:\n- plan: \"plan 1\\nat 1s: kill n7\"":            `names the node "n7"`,
		"suite: 1\nmatrix:\n- contract: nowhere.yaml":                       "x.yaml:3:13: read contract: open nowhere.yaml",
		"suite: 1\nmatrix:\n- directives: [appendonly]":                     `x.yaml:3:16: "appendonly": want a line of redis.conf`,
		"suite: 1\nmatrix:\n- directives: [appendfsync sometimes]":          `x.yaml:3:3: directive "appendfsync sometimes"`,
		"suite: 1\nmatrix:\n- modes: [{mode: always}]":                      "x.yaml:3:11: a configuration of its own needs a name",
		"suite: 1\nmatrix:\n- modes: [{name: a b, mode: always}]":           `x.yaml:3:18: name "a b": want a word`,
		"suite: 1\nmatrix:\n- modes: [{name: a, conf: no.conf}]":            "x.yaml:3:27: open no.conf",
		"suite: 1\nseed: today\nmatrix:\n- {}":                              `x.yaml:2:7: seed "today": want a number, date`,
		"suite: 1\nbudget: 3\nmatrix:\n- {}":                                `x.yaml:2:9: "3", where a mapping with runs, time is expected`,
		"suite: 1\nbudget: {runs: 3, time: 3s}\nmatrix:\n- {}":              "x.yaml:2:9: want runs: crashes for each cell, or time:",
		"suite: 1\nunknown: ignore\nmatrix:\n- {}":                          `x.yaml:2:10: unknown "ignore" is not known: want one of fail, warn`,
		"suite: 1\nshrink: maybe\nmatrix:\n- {}":                            `x.yaml:2:9: "maybe", where true or false is expected`,
		"suite: 1\nmatrix:\n- expect: hold":                                 `x.yaml:3:11: expectation "hold" is not known: did you mean "holds"?`,
		"suite: 1\nmatrix:\n- expect: {}":                                   "x.yaml:3:11: nothing is expected here",
		"suite: 1\nmatrix:\n- expect: {known: lost-write}":                  "x.yaml:3:19: a known violation needs the issue",
		"suite: 1\nmatrix:\n- expect: {known: lost-wirte, issue: x}":        `x.yaml:3:19: anomaly "lost-wirte" is not known: did you mean "lost-write"?`,
		"suite: 1\nmatrix:\n- expect: {issue: x}":                           "x.yaml:3:19: an issue without a violation",
		"suite: 1\nmatrix:\n- expect: {violated: hole, max-lost: 1}":        "what is expected to be violated has no limits",
		"suite: 1\nexpect:\n- {mode: always}\nmatrix:\n- {}":                "x.yaml:3:3: what is expected? Want outcome:",
		"suite: 1\nexpect:\n- {mode: alway, outcome: holds}\nmatrix:\n- {}": "x.yaml:3:3: this expectation is about no cell of the suite (mode alway)",
	} {
		_, err := Parse("x.yaml", []byte(text))
		if assert.Error(t, err, text) {
			assert.Contains(t, err.Error(), want, text)
			assert.NotContains(t, err.Error(), "\n")
		}
	}
}

func names2(f *File) (list []string) {
	for _, c := range f.Cells {
		list = append(list, c.Name+": "+c.Expect.String())
	}
	return list
}

// A matrix is the product of its lists, and expectations are found from the
// nearest: block, rules, defaults.
func TestMatrix(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine.conf"), []byte("appendonly yes\nport 1\n"), 0o644))
	f, err := Parse(filepath.Join(dir, "nightly.yaml"), []byte(`suite: 1
defaults: {targets: [engine, redis-server], crashes: kill, expect: {max-lost: 9}}
expect:
- {mode: [always, mine], outcome: holds}
- {mode: mine, target: redis-server, outcome: {loss-window: 1s}}
matrix:
- modes: [always, no, &own {name: mine, conf: mine.conf, directives: [hz 50]}]
- {modes: [*own], crashes: [power], targets: engine, expect: violated}
- {modes: [no], targets: engine, workloads: [lists, mixed], profiles: [hdd]}
- {modes: [no], targets: engine, clients: 8}
`))
	require.NoError(t, err)
	assert.Equal(t, "nightly", f.Name)
	assert.Equal(t, []string{
		"engine/always/kill/registers/ext4: holds",
		"engine/no/kill/registers/ext4: holds, at most 9 writes lost in a crash",
		"engine/mine/kill/registers/ext4: holds",
		"redis-server/always/kill/registers/ext4: holds",
		"redis-server/no/kill/registers/ext4: holds, at most 9 writes lost in a crash",
		"redis-server/mine/kill/registers/ext4: holds, loss window at most 1s",
		"engine/mine/power/registers/ext4: violated",
		"engine/no/kill/lists/ext4/hdd: holds, at most 9 writes lost in a crash",
		"engine/no/kill/mixed/ext4/hdd: holds, at most 9 writes lost in a crash",
		"engine/no/kill/registers/ext4#2: holds, at most 9 writes lost in a crash",
	}, names2(f))
	mine := f.Cells[2].Runner.(*crashRunner)
	assert.Equal(t, "everysec+rdb", mine.campaign.Modes[0].Name, "judged as what keeps its data in the same way")
	assert.Equal(t, "50", mine.campaign.Modes[0].Get("hz"))
	assert.Equal(t, []string{"engine", "redis-server"}, f.Targets())
}

// The ready-made suites are read, and the smoke suite is for simulation alone.
func TestReadyMadeSuites(t *testing.T) {
	files, err := filepath.Glob("../../suites/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		f, err := Load(file)
		require.NoError(t, err)
		assert.NotEmpty(t, f.Cells, file)
		if f.Name == "smoke" {
			assert.Equal(t, []string{"engine"}, f.Targets())
		}
		assert.Equal(t, strings.TrimSuffix(filepath.Base(file), ".yaml"), f.Name)
	}
	assert.True(t, slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, "nightly.yaml") }))
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("suite: 1\nmatrix: &x [*x]"))
	f.Add([]byte("suite: 1\nmatrix:\n- modes: [{name: a, mode: no, directives: [\"save 1 1\"]}]\nexpect: [{outcome: {loss-window: 0}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Parse("x.yaml", text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than a line: %q", err)
			}
			return
		}
		seen := map[string]bool{}
		for _, c := range file.Cells {
			if seen[c.Name] {
				t.Fatalf("two cells are called %q", c.Name)
			}
			seen[c.Name] = true
			if b := c.Runner.Blank(); b.Result == nil {
				t.Fatal("a crash cell without a blank result")
			}
		}
	})
}
