package plan

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden file")

// TestGeneratedPlansStayTheSame: a seed in an old report must still give its
// plan. When the generator changes on purpose, -update and say so in the notes
// of the release.
func TestGeneratedPlansStayTheSame(t *testing.T) {
	var b strings.Builder
	for seed := range uint64(10) {
		b.WriteString(Generate(seed, GenOptions{}).String())
	}
	b.WriteString(Generate(7, GenOptions{Servers: []string{"n1", "n2", "n3"}, Others: []string{"s1", "c1"}, Statements: 40}).String())
	path := filepath.Join("testdata", "generated.txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), b.String()))
}

// optionsFor are options with which plans can strike in a system.
func optionsFor(s System, servers, others []string) GenOptions {
	o := GenOptions{On: s, Servers: servers, Others: others}
	if s.Name() == "blocks" {
		o.Globs = []string{"block/*"}
	}
	return o
}

// TestGeneratedPlansStayTheSameInEverySystem is the same for what a system leaves
// out of the plans, over more seeds, as sums.
func TestGeneratedPlansStayTheSameInEverySystem(t *testing.T) {
	sum := func(o GenOptions) string {
		h := sha256.New()
		for seed := range uint64(200) {
			fmt.Fprint(h, Generate(seed, o))
		}
		return fmt.Sprintf("%x", h.Sum(nil)[:8])
	}
	require.Equal(t, "5c5dbd84d8cc0bf3", sum(GenOptions{}))
	for i, want := range []string{"06e8884ff5297aad", "429bed8fbe12d310", "8a7f41676a8c8445", "e04334efb47da13d", "8e0a329144f16ba1", "a95f5ae5499d086e"} {
		require.Equal(t, want, sum(optionsFor(systems[i], []string{"n1", "n2"}, []string{"s1"})), systems[i].Name())
	}
}

func TestGeneratedPlansCanStrikeWhereTheyRun(t *testing.T) {
	servers, others := []string{"n1", "n2"}, []string{"s1"}
	for _, system := range systems {
		for seed := range uint64(300) {
			p := Generate(seed, optionsFor(system, servers, others))
			require.NotEmpty(t, p.Statements)
			require.NoError(t, p.Check(system, append(servers, others...)))
		}
	}
}

func TestWeights(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(300) {
		p := Generate(seed, GenOptions{Weights: map[string]int{"kill": 9, "restart": 1, "heal": 100, "clock": 0,
			"corrupt": 0, "do": 0, "fail": 0, "full": 0, "pause": 0, "power-cut": 0, "readonly": 0,
			"short": 0, "slow": 0, "stall": 0, "term": 0, "truncate": 0}})
		for _, s := range p.Statements {
			seen[s.Action.Verb()]++
		}
	}
	require.Len(t, seen, 2, "heal needs a second node: %v", seen)
	require.Greater(t, seen["kill"], 5*seen["restart"])
	require.NotZero(t, seen["restart"])

	off := map[string]int{}
	for _, v := range verbNames() {
		off[v] = 0
	}
	require.Empty(t, Generate(1, GenOptions{Weights: off}).Statements)
}

func TestEveryWordIsGenerated(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(400) {
		for _, s := range Generate(seed, GenOptions{Servers: []string{"n1", "n2"}}).Statements {
			seen[s.Action.Verb()] = true
		}
	}
	for _, v := range verbNames() {
		require.True(t, seen[v], v)
	}
}
