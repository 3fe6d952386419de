package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSites(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.go")
	src := "package f\n\nfunc f(a, b int, s []string) bool {\n\tfor range s {\n\t\tif a < b && !(a == 1) {\n\t\t\tcontinue\n\t\t}\n\t}\n\treturn \"x\"+s[0] == \"\" || max(a, b)-1 > 2 || true\n}\n"
	require.NoError(t, os.WriteFile(file, []byte(src), 0o644))
	s, err := parse("f", []string{file}, nil)
	require.NoError(t, err)
	all, err := s.sites(0)
	require.NoError(t, err)
	var words []string
	for i := range all {
		words = append(words, all[i].what)
		changed, err := all[i].apply()
		require.NoError(t, err)
		require.NotEqual(t, src, string(changed))
		require.Equal(t, 10, strings.Count(string(changed), "\n"))
	}
	slices.Sort(words)
	require.Equal(t, []string{"!= for ==", "&& for ||", "&& for ||", "+ for -", "1 for 0", "2 for 1", "2 for 1", "3 for 2", "<= for <", "<= for >",
		">= for <", ">= for >", "break for continue", "false for true", "min for max", "no ! before (a == 1)", "|| for &&"}, words)
}

func TestEdits(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f.go")
	require.NoError(t, os.WriteFile(file, []byte("a\nb\nc\n"), 0o644))
	list := filepath.Join(dir, "edits")
	require.NoError(t, os.WriteFile(list, []byte("# c instead of b\n"+file+"\n- b\n+ c\n"), 0o644))
	all, err := edits(list)
	require.NoError(t, err)
	require.Len(t, all, 1)
	changed, err := all[0].apply()
	require.NoError(t, err)
	require.Equal(t, "a\nc\nc\n", string(changed))
	require.Equal(t, file+":2:1: c instead of b", all[0].String())
	require.NoError(t, os.WriteFile(list, []byte("# not there\n"+file+"\n- x\n+ c\n"), 0o644))
	_, err = edits(list)
	require.ErrorContains(t, err, "block 1 (not there): its text is 0 times")
}

// TestWrongRulesAreOfTheCodeAsItIs: the rules that are put in by hand are still put
// somewhere.
func TestWrongRulesAreOfTheCodeAsItIs(t *testing.T) {
	t.Chdir("../..")
	for _, list := range []string{"checker/testdata/wrong-rules.txt", "engine/testdata/wrong-rules.txt"} {
		all, err := edits(list)
		require.NoError(t, err)
		require.NotEmpty(t, all)
	}
}

// TestSample changes every token of a small package whose tests leave some holes:
// what makes no difference, or is not reached, survives, and nothing else does.
func TestSample(t *testing.T) {
	o := options{packages: "./testdata/sample", tests: "./testdata/sample", seed: "1", log: filepath.Join(t.TempDir(), "log"), count: 1000, workers: 2, memory: 4096, timeout: time.Minute}
	survivors, err := o.tryAll(context.Background())
	require.NoError(t, err)
	text, err := os.ReadFile(o.log)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "testdata/sample/", "")), "\n")
	slices.Sort(lines)
	require.Equal(t, []string{
		"SURVIVED\tsample.go:27:28: false for true",
		"SURVIVED\tsample.go:6:7: <= for <",
		"SURVIVED\tsample.go:6:9: 1 for 0",
	}, slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !strings.HasPrefix(line, string(survived)) }))
	require.Equal(t, 3, survivors)
	require.Contains(t, lines, "killed\tsample.go:16:4: break for continue")
	require.Contains(t, lines, "killed\tsample.go:19:4: continue for break")
	known := len(lines)

	// What is in the log is not asked for again.
	survivors, err = o.tryAll(context.Background())
	require.NoError(t, err)
	require.Equal(t, 3, survivors)
	text, err = os.ReadFile(o.log)
	require.NoError(t, err)
	require.Equal(t, known, strings.Count(string(text), "\n"))
}
