package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRowsFitTheScreen: a list is as wide as the terminal, and a line for each name elsewhere.
func TestRowsFitTheScreen(t *testing.T) {
	const about = "SIGKILL: memory is gone, what reached write(2) survives, and more words than a line has room for"
	require.Equal(t, []string{"kill                       " + about}, rowLines(26, 0, "kill", about))
	for _, name := range []string{"kill", "a-name-that-is-longer-than-its-column", strings.Repeat("engine/", 9)} {
		for _, width := range []int{26, 60} {
			lines := rowLines(width, 80, name, about)
			for _, l := range lines {
				require.LessOrEqual(t, len(l), 80, l)
			}
			require.Equal(t, strings.Fields(name+" "+about), strings.Fields(strings.Join(lines, " ")))
		}
	}
}

// TestNumbersBelowZeroAreNoFlags: the hint says what to type.
func TestNumbersBelowZeroAreNoFlags(t *testing.T) {
	for args, want := range map[string]string{
		"run -5":                                "-5 is no flag: a number needs the flag that it is for before it, such as --runs 5",
		"run --runs -5":                         "--runs -5: want a number that is not below 0",
		"run --plan -5":                         "--plan -5: a word that begins with - is taken for a flag: --plan=-5 is a value",
		"run --plan=at\x001s:\x00explode\x00n1": `plan line 1:8: expected a fault`,
	} {
		var out, said strings.Builder
		words := strings.Fields("torntail " + args)
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "\x00", " ")
		}
		require.Equal(t, 2, run(words, &out, &said), args)
		require.Contains(t, said.String(), want, args)
	}
}
