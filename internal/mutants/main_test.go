package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
