package terminal

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// shownIn is what becomes of text that is written in pieces of n bytes.
func shownIn(t *testing.T, text string, n int, colors bool) string {
	var out bytes.Buffer
	s := NewShown(&out, colors)
	for len(text) > 0 {
		k := min(n, len(text))
		_, err := s.Write([]byte(text[:k]))
		require.NoError(t, err)
		text = text[k:]
	}
	require.NoError(t, s.Close())
	return out.String()
}

func TestNothingShownIsObeyed(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "",
		"naïve 世界 :: a:: # ##\n\tx\n":      "naïve 世界 :: a:: # ##\n\tx\n",
		"\x1b[31mred\x1b]0;x\a\r":          `\u001b[31mred\u001b]0;x\u0007\u000d`,
		"\u009b2J\u202e\ufffd\U000e0001":   `\u009b2J\u202e\ufffd\udb40\udc01`,
		"\xff\xc2x\xe4\xb8":                `\xff\xc2x\xe4\xb8`,
		"::error::x\n \t::x\n:x::\n":       ":\\u003aerror::x\n \t:\\u003ax\n:x::\n",
		"a ##[group]x ###[x #[x ##x[ ## [": `a ##\u005bgroup]x ###\u005bx #[x ##x[ ## [`,
		"\x1b[1mbold\x1b[0m":               `\u001b[1mbold\u001b[0m`,
	} {
		for n := 1; n < 5; n++ {
			require.Equal(t, want, shownIn(t, text, n, false))
		}
	}
	const painted = "\x1b[1;31mred\x1b[0m \x1b[2mdim\x1b[0m"
	for n := 1; n < 5; n++ {
		require.Equal(t, painted, shownIn(t, painted, n, true))
		require.Equal(t, `\u001b[2J\u001b[1`, shownIn(t, "\x1b[2J\x1b[1", n, true))
	}
}

// TestJSONIsShownAsItIs: what it stands for stays.
func TestJSONIsShownAsItIs(t *testing.T) {
	was := "\x7f\u009b\u202e ##[x \U000e0001 \x1b"
	text, err := json.Marshal(was)
	require.NoError(t, err)
	var is string
	require.NoError(t, json.Unmarshal([]byte(shownIn(t, string(text), 3, false)), &is))
	require.Equal(t, was, is)
}

func FuzzShown(f *testing.F) {
	f.Add("x\x1b[1m::\n ::#", uint8(3))
	f.Add("\xe4\xb8\xff##[", uint8(1))
	commands := regexp.MustCompile(`(?m)^[ \t]*::|##\[`)
	f.Fuzz(func(t *testing.T, text string, n uint8) {
		out := shownIn(t, text, int(n)+1, false)
		require.True(t, utf8.ValidString(out))
		require.Less(t, strings.IndexFunc(out, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }), 0, "%q", out)
		require.Empty(t, commands.FindString(out))
		require.Equal(t, out, shownIn(t, text, 1<<20, false), "in pieces it is the same")
		require.Equal(t, out, shownIn(t, out, 7, false), "what is fit to be shown stays as it is")
	})
}
