package plan

import (
	"path"
	"strconv"
	"strings"
)

// quote writes s in double quotes. Unlike strconv.Quote it works on bytes, as
// Redis values are, so that every string comes back as it was.
func quote(s string) string {
	const hex = "0123456789abcdef"
	b := make([]byte, 0, len(s)+2)
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < ' ' || c > '~':
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

// unquote undoes quote, without the quotes around it.
func unquote(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return "", false
		}
		switch s[i] {
		case '"', '\\':
			b.WriteByte(s[i])
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'x':
			if i+2 >= len(s) {
				return "", false
			}
			v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			b.WriteByte(byte(v))
			i += 2
		default:
			return "", false
		}
	}
	return b.String(), true
}

// bare reports whether s can stand in a plan without quotes.
func bare(s string) bool {
	if s == "" || s[0] == '#' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// quoteArgument prints an argument of a client's command.
func quoteArgument(s string) string {
	if bare(s) {
		return s
	}
	return quote(s)
}

// quoteGlob prints a pattern so that it is never taken for a keyword next to it.
func quoteGlob(s string) string {
	switch s {
	case "bit", "page", "by":
		return quote(s)
	}
	if bare(s) && !strings.ContainsRune(s, ')') {
		return s
	}
	return quote(s)
}

func validGlob(g string) bool {
	if g == "" || g == "/" {
		return false
	}
	_, err := path.Match(g, "")
	return err == nil
}
