package wording

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Clean makes text from outside (keys, stories, directories, versions) fit to
// be shown: control characters, such as the escape that begins a terminal's
// commands, and invalid UTF-8 become \xHH or \u{HHHH}. Line breaks stay when
// keepLines says so. A line that would begin with ::, or hold ##[, is a command to
// those who read the log of a job on GitHub: its first character is written so, too.
func Clean(s string, keepLines bool) string {
	return commands.ReplaceAllStringFunc(printable(s, keepLines), func(at string) string {
		i := len(at) - len(strings.TrimLeft(at, " \n"))
		return fmt.Sprintf(`%s\x%02x%s`, at[:i], at[i], at[i+1:])
	})
}

var commands = regexp.MustCompile(`(?m)^ *::|##\[`)

func printable(s string, keepLines bool) string {
	ok := func(r rune) bool {
		return r == '\n' && keepLines || r != unicode.ReplacementChar && unicode.IsPrint(r)
	}
	if strings.IndexFunc(s, func(r rune) bool { return !ok(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case ok(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], string(r)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}
