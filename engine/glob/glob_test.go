package glob_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torntail/torntail/engine/glob"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		nocase, want  bool
	}{
		{"*", "", false, true},
		{"", "", false, true},
		{"", "a", false, false},
		{"a*c", "abbbc", false, true},
		{"a*c", "abbbd", false, false},
		{"a**c", "ac", false, true},
		{"a?c", "abc", false, true},
		{"a?c", "ac", false, false},
		{"[a-c]x", "bx", false, true},
		{"[c-a]x", "bx", false, true},
		{"[^a-c]x", "bx", false, false},
		{"[^a-c]x", "dx", false, true},
		{`[\]]`, "]", false, true},
		{`\*`, "*", false, true},
		{`\*`, "a", false, false},
		{"[ab", "a", false, true}, // no end: up to the end of the pattern
		{"ABC", "abc", true, true},
		{"ABC", "abc", false, false},
		{"[A-C]", "b", true, true},
		{"a*", "a\x00b", false, true},
	} {
		assert.Equal(t, c.want, glob.Match([]byte(c.pattern), c.text, c.nocase), "%q %q", c.pattern, c.text)
	}
}

// A pattern must not stop the server, whatever the text.
func TestMatchIsBounded(t *testing.T) {
	glob.Match([]byte(strings.Repeat("*a", 40)+"b"), strings.Repeat("a", 10_000), false)
}

// FuzzMatch: no pattern panics, and every text matches itself with all its
// special characters escaped.
func FuzzMatch(f *testing.F) {
	f.Add("a[b-", "ab")
	f.Add(`\`, "*")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		glob.Match([]byte(pattern), text, false)
		var quoted []byte
		for i := range len(text) {
			quoted = append(quoted, '\\', text[i])
		}
		if !glob.Match(quoted, text, false) {
			t.Fatalf("%q does not match itself", text)
		}
	})
}
