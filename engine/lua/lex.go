package lua

import (
	"fmt"
	"strings"
)

// token is the kind of a token: a character, or one of the following.
type token int

const (
	tkEOF token = iota + 256
	tkName
	tkString
	tkNumber
	tkConcat // ..
	tkDots   // ...
	tkEq     // ==
	tkGe
	tkLe
	tkNe
	tkAnd // the reserved words, in the order of words
	tkBreak
	tkDo
	tkElse
	tkElseif
	tkEnd
	tkFalse
	tkFor
	tkFunction
	tkIf
	tkIn
	tkLocal
	tkNil
	tkNot
	tkOr
	tkRepeat
	tkReturn
	tkThen
	tkTrue
	tkUntil
	tkWhile
)

var words = []string{"and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while"}

var symbols = map[token]string{tkEOF: "<eof>", tkName: "<name>", tkString: "<string>", tkNumber: "<number>", tkConcat: "..", tkDots: "...", tkEq: "==", tkGe: ">=", tkLe: "<=", tkNe: "~="}

func reserved(name string) token {
	for i, w := range words {
		if w == name {
			return tkAnd + token(i)
		}
	}
	return tkName
}

// name is how a kind of token is called in errors (luaX_token2str).
func (t token) name() string {
	switch {
	case t >= tkAnd:
		return words[t-tkAnd]
	case t >= tkEOF:
		return symbols[t]
	case t < 32 || t == 127:
		return fmt.Sprintf("char(%d)", int(t))
	}
	return string([]byte{byte(t)})
}

// lexer splits a chunk into tokens.
type lexer struct {
	src   string
	pos   int
	chunk string // its name, for errors

	line     int // of the token read last
	lastLine int // of the one before, which the parser is done with
	tok      token
	text     string // of a name or string
	num      float64
	from, to int    // where the token stands, for errors
	raw      string // a string as far as it was read, for errors

	ahead   token // 0: nothing was read ahead
	aheadAt struct {
		text     string
		num      float64
		from, to int
		raw      string
	}
}

// SyntaxError is an error that ends the parsing. It is thrown within this
// package only.
type syntaxError struct{ msg string }

func (x *lexer) fail(msg string, near string) {
	panic(&syntaxError{fmt.Sprintf("%s:%d: %s near '%s'", x.chunk, x.line, msg, near)})
}

// near is a token as an error shows it (luaX's txtToken).
func (x *lexer) near() string {
	switch x.tok {
	case tkString:
		return cString(x.raw)
	case tkName, tkNumber:
		return cString(x.src[x.from:x.to])
	}
	return x.tok.name()
}

// cString is what C sees of a text: nothing behind a zero byte.
func cString(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

func (x *lexer) next() {
	x.lastLine = x.line
	if x.ahead != 0 {
		x.tok, x.text, x.num, x.from, x.to, x.raw = x.ahead, x.aheadAt.text, x.aheadAt.num, x.aheadAt.from, x.aheadAt.to, x.aheadAt.raw
		x.ahead = 0
		return
	}
	x.tok = x.scan()
	x.to = x.pos
}

// lookAhead is the kind of the token behind the current one.
func (x *lexer) lookAhead() token {
	tok, text, num, from, to, raw := x.tok, x.text, x.num, x.from, x.to, x.raw
	x.ahead = x.scan()
	x.aheadAt.text, x.aheadAt.num, x.aheadAt.from, x.aheadAt.to, x.aheadAt.raw = x.text, x.num, x.from, x.pos, x.raw
	x.tok, x.text, x.num, x.from, x.to, x.raw = tok, text, num, from, to, raw
	return x.ahead
}

// at is the character i behind the position; 0 behind the end.
func (x *lexer) at(i int) byte {
	if x.pos+i < len(x.src) {
		return x.src[x.pos+i]
	}
	return 0
}

// newline passes a line's end, which may be of two characters.
func (x *lexer) newline() {
	c := x.at(0)
	x.pos++
	if d := x.at(0); x.pos < len(x.src) && (d == '\n' || d == '\r') && d != c {
		x.pos++
	}
	x.line++
}

func (x *lexer) scan() token {
	for x.pos < len(x.src) {
		x.from = x.pos
		c := x.src[x.pos]
		switch {
		case c == '\n' || c == '\r':
			x.newline()
		case c == '-' && x.at(1) == '-':
			x.comment()
		case c == '-':
			x.pos++
			return token(c)
		case c == '[':
			if level := x.longLevel(); level >= 0 {
				x.text = x.long(level, true)
				fence := strings.Repeat("=", level)
				x.raw = "[" + fence + "[" + x.text + "]" + fence + "]"
				return tkString
			} else if level == -2 {
				x.pos++
				for x.at(0) == '=' {
					x.pos++
				}
				x.failText("invalid long string delimiter")
			}
			x.pos++
			return token(c)
		case c == '=' || c == '<' || c == '>' || c == '~':
			x.pos++
			if x.at(0) != '=' {
				return token(c)
			}
			x.pos++
			return map[byte]token{'=': tkEq, '<': tkLe, '>': tkGe, '~': tkNe}[c]
		case c == '"' || c == '\'':
			return x.quoted(c)
		case c == '.':
			switch {
			case x.at(1) == '.' && x.at(2) == '.':
				x.pos += 3
				return tkDots
			case x.at(1) == '.':
				x.pos += 2
				return tkConcat
			case isDigit(x.at(1)):
				return x.number()
			}
			x.pos++
			return token(c)
		case isSpace(c):
			x.pos++
		case isDigit(c):
			return x.number()
		case isAlpha(c) || c == '_':
			for isAlnum(x.at(0)) || x.at(0) == '_' {
				x.pos++
			}
			x.text = x.src[x.from:x.pos]
			return reserved(x.text)
		default:
			x.pos++
			return token(c)
		}
	}
	x.from = x.pos
	return tkEOF
}

// failText is an error near the text of the token that is being read.
func (x *lexer) failText(msg string) { x.fail(msg, cString(x.src[x.from:min(x.pos, len(x.src))])) }

func (x *lexer) comment() {
	x.pos += 2
	if x.at(0) == '[' {
		if level := x.longLevel(); level >= 0 {
			x.long(level, false)
			return
		}
	}
	for x.pos < len(x.src) && x.src[x.pos] != '\n' && x.src[x.pos] != '\r' {
		x.pos++
	}
}

// longLevel is how many = a long bracket has at the position; -1 when there is
// none, -2 when it is begun and not ended.
func (x *lexer) longLevel() int {
	n := 0
	for x.at(1+n) == '=' {
		n++
	}
	switch {
	case x.at(1+n) == '[':
		return n
	case n > 0:
		return -2
	}
	return -1
}

// long reads a text in long brackets.
func (x *lexer) long(level int, isString bool) string {
	x.pos += level + 2
	if c := x.at(0); c == '\n' || c == '\r' {
		x.newline()
	}
	var b strings.Builder
	for x.pos < len(x.src) {
		switch c := x.src[x.pos]; c {
		case ']':
			if end := x.pos + level + 2; end <= len(x.src) && x.src[x.pos:end] == "]"+strings.Repeat("=", level)+"]" {
				x.pos = end
				return b.String()
			}
			b.WriteByte(c)
			x.pos++
		case '[':
			if level == 0 && x.at(1) == '[' {
				x.pos++
				x.fail("nesting of [[...]] is deprecated", "[")
			}
			b.WriteByte(c)
			x.pos++
		case '\n', '\r':
			b.WriteByte('\n')
			x.newline()
		default:
			b.WriteByte(c)
			x.pos++
		}
	}
	if isString {
		x.fail("unfinished long string", "<eof>")
	}
	x.fail("unfinished long comment", "<eof>")
	return ""
}

func (x *lexer) quoted(quote byte) token {
	x.pos++
	var b strings.Builder
	for {
		if x.pos >= len(x.src) {
			x.fail("unfinished string", "<eof>")
		}
		c := x.src[x.pos]
		switch {
		case c == quote:
			x.pos++
			x.text = b.String()
			x.raw = string(quote) + x.text + string(quote)
			return tkString
		case c == '\n' || c == '\r':
			x.fail("unfinished string", cString(string(quote)+b.String()))
		case c == '\\':
			x.pos++
			x.escape(&b)
		default:
			b.WriteByte(c)
			x.pos++
		}
	}
}

func (x *lexer) escape(b *strings.Builder) {
	if x.pos >= len(x.src) {
		return // the next round says what is wrong
	}
	c := x.src[x.pos]
	if i := strings.IndexByte("abfnrtv", c); i >= 0 {
		b.WriteByte("\a\b\f\n\r\t\v"[i])
		x.pos++
		return
	}
	switch {
	case c == '\n' || c == '\r':
		b.WriteByte('\n')
		x.newline()
	case isDigit(c):
		n := 0
		for i := 0; i < 3 && isDigit(x.at(0)); i++ {
			n = n*10 + int(x.at(0)-'0')
			x.pos++
		}
		if n > 255 {
			x.fail("escape sequence too large", cString(x.src[x.from:x.from+1]+b.String()))
		}
		b.WriteByte(byte(n))
	default:
		b.WriteByte(c)
		x.pos++
	}
}

func (x *lexer) number() token {
	for isDigit(x.at(0)) || x.at(0) == '.' {
		x.pos++
	}
	if c := x.at(0); c == 'e' || c == 'E' {
		x.pos++
		if c := x.at(0); c == '+' || c == '-' {
			x.pos++
		}
	}
	for isAlnum(x.at(0)) || x.at(0) == '_' {
		x.pos++
	}
	n, ok := ParseNumber(x.src[x.from:x.pos])
	if !ok {
		x.failText("malformed number")
	}
	x.num = n
	return tkNumber
}
