package plan

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/torntail/torntail/internal/spelling"
)

// cursor reads one line of a plan. Its reading methods skip blanks first and
// say what they expected, and where, when they find something else.
type cursor struct {
	line int
	text string // without comment and trailing blanks
	pos  int
}

// newCursor cuts the comment off: from a # at the start of the line or after a
// blank, outside quotes. (fsync(*.aof)#3 and ack#5 hold none.)
func newCursor(line int, text string) *cursor {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '#' && !quoted && (i == 0 || isBlank(text[i-1])):
			text = text[:i]
		}
	}
	return &cursor{line: line, text: strings.TrimRight(text, " \t\r")}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

func (c *cursor) skip() {
	for c.pos < len(c.text) && isBlank(c.text[c.pos]) {
		c.pos++
	}
}

// end reports whether nothing but blanks is left.
func (c *cursor) end() bool {
	c.skip()
	return c.pos == len(c.text)
}

// expected is the error that something else stands at the byte position.
func (c *cursor) expected(pos int, what string, candidates ...string) *Error {
	saved := c.pos
	c.pos = pos
	found := c.token()
	c.pos = saved
	return &Error{
		Line: c.line, Col: 1 + utf8.RuneCountInString(c.text[:pos]),
		Expected: what, Found: found, Nearest: spelling.Nearest(wordPrefix(found), candidates),
	}
}

// misspelt is the error that the word just read, at pos, is none of the candidates.
func (c *cursor) misspelt(pos int, word, what string, candidates []string) *Error {
	e := c.expected(pos, what)
	if word != "" {
		e.Found = word
	}
	e.Nearest = spelling.Nearest(word, candidates)
	return e
}

// wordPrefix is the leading part of s that a word can consist of.
func wordPrefix(s string) string {
	for i := 0; i < len(s); i++ {
		if !wordByte(s, i) {
			return s[:i]
		}
	}
	return s
}

// wordByte reports whether s[i] belongs to a word: everything but blanks and
// the punctuation of the language. A hyphen does, the arrow -> does not.
func wordByte(s string, i int) bool {
	switch s[i] {
	case ' ', '\t', '\r', ':', '(', ')', '#', ',', '"':
		return false
	case '-':
		return i+1 == len(s) || s[i+1] != '>'
	}
	return true
}

// word reads a word, "" when none stands here, and says where it began.
func (c *cursor) word() (w string, pos int) {
	c.skip()
	pos = c.pos
	for c.pos < len(c.text) && wordByte(c.text, c.pos) {
		c.pos++
	}
	return c.text[pos:c.pos], pos
}

// peek is the next word, unread.
func (c *cursor) peek() string {
	saved := c.pos
	w, _ := c.word()
	c.pos = saved
	return w
}

// token is what follows up to the next blank, unread.
func (c *cursor) token() string {
	c.skip()
	end := c.pos
	for end < len(c.text) && !isBlank(c.text[end]) {
		end++
	}
	return c.text[c.pos:end]
}

// accept reads the word w if it comes next.
func (c *cursor) accept(w string) bool {
	saved := c.pos
	if got, _ := c.word(); got == w {
		return true
	}
	c.pos = saved
	return false
}

// sign reads punctuation that must stand here: "(", ")", ":", "->", "#".
func (c *cursor) sign(s string) *Error {
	c.skip()
	if !strings.HasPrefix(c.text[c.pos:], s) {
		return c.expected(c.pos, strconv.Quote(s))
	}
	c.pos += len(s)
	return nil
}

// oneOf reads one of the given words.
func (c *cursor) oneOf(what string, words ...string) (string, *Error) {
	w, pos := c.word()
	for _, x := range words {
		if w == x {
			return w, nil
		}
	}
	return "", c.misspelt(pos, w, what, words)
}

// node reads the name of a node: a letter, then letters, digits, - and _.
func (c *cursor) node() (string, *Error) {
	w, pos := c.word()
	if !isNode(w) {
		return "", c.expected(pos, "a node, such as n1")
	}
	return w, nil
}

func isNode(w string) bool {
	for i := 0; i < len(w); i++ {
		b := w[i] | 0x20
		letter := b >= 'a' && b <= 'z'
		if !letter && (i == 0 || !(w[i] >= '0' && w[i] <= '9' || w[i] == '-' || w[i] == '_')) {
			return false
		}
	}
	return w != ""
}

// nodeList reads names joined by commas.
func (c *cursor) nodeList() ([]string, *Error) {
	var list []string
	for {
		n, err := c.node()
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if c.skip(); c.pos == len(c.text) || c.text[c.pos] != ',' {
			return list, nil
		}
		c.pos++
	}
}

// duration reads one that is not negative.
func (c *cursor) duration() (time.Duration, *Error) {
	w, pos := c.word()
	d, err := time.ParseDuration(w)
	if err != nil || d < 0 || w[0] == '+' || w[0] == '-' {
		return 0, c.expected(pos, "a duration, such as 200ms or 1.5s")
	}
	if d > longestDuration {
		return 0, c.expected(pos, "a duration of at most 24h")
	}
	return d, nil
}

// longestDuration is the longest that a plan may name: as many statements as a plan can have,
// one after the other, are still within what a time.Duration holds.
const longestDuration = 24 * time.Hour

// count reads a whole number of at least least.
func (c *cursor) count(least int64, what string) (int64, *Error) {
	w, pos := c.word()
	n, err := strconv.ParseUint(w, 10, 63)
	if err != nil || int64(n) < least {
		return 0, c.expected(pos, what)
	}
	return int64(n), nil
}

// number reads the #N of an occurrence.
func (c *cursor) number(what string) (int, *Error) {
	if c.pos == len(c.text) || c.text[c.pos] != '#' {
		return 0, c.expected(c.pos, what)
	}
	c.pos++
	n, err := c.count(1, what)
	return int(n), err
}

// byteUnits are tried largest first when a size is printed.
var byteUnits = []struct {
	name string
	size int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// bytes reads a size: a whole number, KiB, MiB or GiB after it if wanted.
// suffix ("/s") must follow.
func (c *cursor) bytes(least int64, suffix string) (int64, *Error) {
	w, pos := c.word()
	what := "a number of bytes, such as 512 or 64KiB" + suffix
	digits, ok := strings.CutSuffix(w, suffix)
	if !ok {
		return 0, c.expected(pos, what)
	}
	unit := int64(1)
	for _, u := range byteUnits {
		if d, ok := strings.CutSuffix(digits, u.name); ok {
			digits, unit = d, u.size
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || int64(n) < least || int64(n) > (1<<62)/unit {
		return 0, c.expected(pos, what)
	}
	return int64(n) * unit, nil
}

func formatBytes(n int64) string {
	for _, u := range byteUnits {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// glob reads a file pattern: quoted, or up to a blank (and, inside a call, up
// to the closing parenthesis).
func (c *cursor) glob(insideCall bool) (string, *Error) {
	c.skip()
	pos := c.pos
	var g string
	if pos < len(c.text) && c.text[pos] == '"' {
		q, err := c.quoted()
		if err != nil {
			return "", err
		}
		g = q
	} else {
		for c.pos < len(c.text) && !isBlank(c.text[c.pos]) && !(insideCall && c.text[c.pos] == ')') {
			c.pos++
		}
		g = c.text[pos:c.pos]
	}
	if !validGlob(g) {
		return "", c.expected(pos, "a file pattern, such as *.incr.aof")
	}
	return g, nil
}

// quoted reads a string in double quotes, with redis-cli's escapes.
func (c *cursor) quoted() (string, *Error) {
	pos := c.pos
	end := pos + 1
	for ; end < len(c.text) && c.text[end] != '"'; end++ {
		if c.text[end] == '\\' {
			end++
		}
	}
	if end >= len(c.text) {
		return "", c.expected(pos, "a closing quote")
	}
	s, ok := unquote(c.text[pos+1 : end])
	if !ok {
		return "", c.expected(pos, `a string with the escapes \\ \" \n \r \t \xHH`)
	}
	c.pos = end + 1
	return s, nil
}
