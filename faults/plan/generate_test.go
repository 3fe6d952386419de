package plan

import (
	"flag"
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

func TestGeneratedPlansCanStrikeWhereTheyRun(t *testing.T) {
	servers, others := []string{"n1", "n2"}, []string{"s1"}
	for _, backend := range Backends {
		for seed := range uint64(300) {
			p := Generate(seed, GenOptions{Backend: backend, Servers: servers, Others: others})
			require.NotEmpty(t, p.Statements)
			require.NoError(t, p.Check(backend, append(servers, others...)))
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
