package edn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

const (
	// maxDepth is how deep collections may lie in each other.
	maxDepth = 64
	// MaxValue is how much memory one value of the stream may take at most, in bytes.
	MaxValue = 256 << 20
)

// Reader reads values one after another. Those of a vector or list at the top
// are read one by one as well, so that it does not matter whether a file holds
// its values in brackets or not. Its errors name the line.
type Reader struct {
	// Most is how much memory one value may take, in bytes: MaxValue, unless it
	// is made less.
	Most int

	in      io.Reader
	buf     []byte
	at, end int
	readErr error
	line    int   // from 1
	open    []int // lines of the brackets at the top that are open
	tail    []byte

	// What the values are made of, used again for each.
	text  []byte
	vals  []Value
	stack []Value
}

// NewReader reads from in, which it need not buffer, and counts lines from line.
func NewReader(in io.Reader, line int) *Reader {
	return &Reader{Most: MaxValue, in: in, buf: make([]byte, 1<<16), line: line}
}

// Reset begins again with another input, as NewReader does, with the same memory.
func (r *Reader) Reset(in io.Reader, line int) {
	r.in, r.line, r.at, r.end, r.readErr, r.open = in, line, 0, 0, nil, r.open[:0]
}

// Line is the line on which reading goes on, from 1.
func (r *Reader) Line() int { return r.line }

// Next is the next value, and io.EOF after the last.
func (r *Reader) Next() (*Value, error) {
	r.text, r.vals, r.stack = r.text[:0], r.vals[:0], r.stack[:0]
	for {
		if err := r.space(len(r.open)); err != nil {
			return nil, err
		}
		c, ok := r.peek()
		if !ok {
			switch {
			case r.readErr != nil && !errors.Is(r.readErr, io.EOF):
				return nil, r.fail("read: %w", r.readErr)
			case len(r.open) > 0:
				return nil, r.fail("cut off: the collection that begins on line %d does not end", r.open[len(r.open)-1])
			}
			return nil, io.EOF
		}
		switch {
		case (c == '[' || c == '(') && len(r.open) == 0:
			r.open = append(r.open, r.line)
			r.tail = append(r.tail[:0], closing(c))
			r.at++
		case len(r.open) > 0 && c == r.tail[0]:
			r.open = r.open[:0]
			r.at++
		default:
			v, err := r.read(len(r.open))
			if err != nil {
				return nil, err
			}
			return &v, nil
		}
	}
}

func closing(c byte) byte {
	if c == '[' {
		return ']'
	}
	return ')'
}

func (r *Reader) fail(format string, args ...any) error {
	return fmt.Errorf("line %d: %w", r.line, fmt.Errorf(format, args...))
}

// peek is the next byte; false at the end of the input or when it cannot be read.
func (r *Reader) peek() (byte, bool) {
	if r.at == r.end && !r.fill() {
		return 0, false
	}
	return r.buf[r.at], true
}

func (r *Reader) fill() bool {
	for tries := 0; r.readErr == nil && tries < 100; tries++ {
		n, err := r.in.Read(r.buf)
		r.at, r.end, r.readErr = 0, n, err
		if n > 0 {
			return true
		}
	}
	if r.readErr == nil {
		r.readErr = io.ErrNoProgress
	}
	return false
}

// cutOff is the error at the end of the input, inside of what is named.
func (r *Reader) cutOff(format string, args ...any) error {
	if r.readErr != nil && !errors.Is(r.readErr, io.EOF) {
		return r.fail("read: %w", r.readErr)
	}
	return r.fail("cut off: %w", fmt.Errorf(format, args...))
}

// within fails when a value takes more memory than it may.
func (r *Reader) within() error {
	if len(r.text)+(len(r.vals)+len(r.stack))*int(unsafe.Sizeof(Value{})) > r.Most {
		return r.fail("one value that takes more than %d MiB", r.Most>>20)
	}
	return nil
}

// space skips blanks, commas, comments and discarded values (#_), which may discard
// others in turn.
func (r *Reader) space(depth int) error {
	for {
		c, ok := r.peek()
		if !ok {
			return nil
		}
		switch c {
		case '\n':
			r.line++
			r.at++
		case ' ', '\t', '\r', ',', '\f':
			r.at++
		case ';':
			for ok && c != '\n' {
				r.at++
				c, ok = r.peek()
			}
		case '#':
			if !r.discard() {
				return nil
			}
			if _, err := r.tagged(depth); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// discard takes "#_"; when something else follows the # it takes nothing.
func (r *Reader) discard() bool {
	if r.at+1 == r.end && r.readErr == nil {
		// The # is the last byte of the buffer: make room to look behind it.
		r.buf[0] = r.buf[r.at]
		n, err := r.in.Read(r.buf[1:])
		r.at, r.end, r.readErr = 0, 1+n, err
	}
	if r.at+1 >= r.end || r.buf[r.at+1] != '_' {
		return false
	}
	r.at += 2
	return true
}

func (r *Reader) read(depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, r.tooDeep()
	}
	c, ok := r.peek()
	if !ok {
		return Value{}, r.cutOff("want a value")
	}
	switch c {
	case '"':
		return r.str()
	case '[':
		return r.collection(Vector, ']', depth)
	case '(':
		return r.collection(Vector, ')', depth)
	case '{':
		return r.collection(Map, '}', depth)
	case '#':
		return r.dispatch(depth)
	case ':':
		r.at++
		name, err := r.token()
		if err == nil && len(name) == 0 {
			err = r.fail("a colon without a keyword")
		}
		return Value{Kind: Keyword, Text: name}, err
	case ']', ')', '}':
		return Value{}, r.fail("%q closes nothing", c)
	case '\\':
		return r.char()
	case '^':
		// Metadata says nothing about the value that it stands in front of.
		r.at++
		if _, err := r.tagged(depth); err != nil {
			return Value{}, err
		}
		return r.tagged(depth)
	}
	word, err := r.token()
	switch {
	case err != nil:
		return Value{}, err
	case len(word) == 0:
		return Value{}, r.fail("unexpected %q", c)
	case string(word) == "nil":
		return Value{}, nil
	case digit(word[0]) || len(word) > 1 && (word[0] == '-' || word[0] == '+') && digit(word[1]):
		return Value{Kind: Number, Text: bytes.TrimPrefix(word, []byte("+"))}, nil
	}
	return Value{Kind: Symbol, Text: word}, nil
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// dispatch reads what begins with #: sets and tagged values. A tag
// (#jepsen.history.Op) is dropped.
func (r *Reader) dispatch(depth int) (Value, error) {
	r.at++
	c, _ := r.peek()
	switch c {
	case '{':
		return r.collection(Set, '}', depth)
	case '"': // a regular expression
		return r.str()
	case '#': // ##NaN, ##Inf
		r.at++
		word, err := r.token()
		if w := string(word); err == nil && w != "NaN" && w != "Inf" && w != "-Inf" {
			err = r.fail("##%.20s: want ##NaN, ##Inf or ##-Inf", w)
		}
		return Value{Kind: Symbol, Text: word}, err
	case '\'': // #'a.var
		r.at++
	}
	tag, err := r.token()
	if err != nil {
		return Value{}, err
	}
	if len(tag) == 0 {
		return Value{}, r.fail("# without a tag")
	}
	if c == '\'' {
		if tag[0] == '#' || digit(tag[0]) {
			return Value{}, r.fail("#'%.20s: want the name of a var", tag)
		}
		return Value{Kind: Symbol, Text: tag}, nil
	}
	return r.tagged(depth)
}

// tagged is the value behind a tag.
func (r *Reader) tagged(depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, r.tooDeep()
	}
	if err := r.space(depth + 1); err != nil {
		return Value{}, err
	}
	return r.read(depth + 1)
}

func (r *Reader) tooDeep() error { return r.fail("collections more than %d deep", maxDepth) }

func (r *Reader) collection(kind Kind, end byte, depth int) (Value, error) {
	from, base := r.line, len(r.stack)
	r.at++
	for {
		if err := r.space(depth); err != nil {
			return Value{}, err
		}
		c, ok := r.peek()
		if !ok {
			return Value{}, r.cutOff("the collection that begins on line %d does not end", from)
		}
		if c == end {
			r.at++
			break
		}
		item, err := r.read(depth + 1)
		if err != nil {
			return Value{}, err
		}
		r.stack = append(r.stack, item)
		if err := r.within(); err != nil {
			return Value{}, err
		}
	}
	if kind == Map && (len(r.stack)-base)%2 != 0 {
		return Value{}, r.fail("a map with a key and no value")
	}
	// What was gathered moves to vals; a collection that was put there before
	// keeps its place when vals grows, in the memory that it had.
	start := len(r.vals)
	r.vals = append(r.vals, r.stack[base:]...)
	r.stack = r.stack[:base]
	return Value{Kind: kind, Items: r.vals[start:len(r.vals):len(r.vals)]}, nil
}

func (r *Reader) char() (Value, error) {
	r.at++
	from := len(r.text)
	c, ok := r.peek()
	if !ok {
		return Value{}, r.cutOff("want a character")
	}
	r.text = append(r.text, c)
	r.at++
	if c == '\n' {
		r.line++
	}
	for c >= utf8.RuneSelf { // the rest of its bytes
		if c, ok = r.peek(); !ok || c < utf8.RuneSelf || utf8.RuneStart(c) {
			break
		}
		r.text = append(r.text, c)
		r.at++
	}
	if _, err := r.token(); err != nil {
		return Value{}, err
	}
	return Value{Kind: Char, Text: r.text[from:len(r.text):len(r.text)]}, nil
}

func (r *Reader) str() (Value, error) {
	line, from := r.line, len(r.text)
	r.at++
	for {
		c, ok := r.peek()
		if !ok {
			return Value{}, r.cutOff("the string that begins on line %d does not end", line)
		}
		// Everything up to a quote, an escape or the end of the buffer at once.
		n := bytes.IndexAny(r.buf[r.at:r.end], "\"\\")
		if n < 0 {
			n = r.end - r.at
		}
		if n > 0 {
			r.line += bytes.Count(r.buf[r.at:r.at+n], []byte{'\n'})
			r.text = append(r.text, r.buf[r.at:r.at+n]...)
			r.at += n
			if err := r.within(); err != nil {
				return Value{}, err
			}
			continue
		}
		r.at++
		if c == '"' {
			return Value{Kind: String, Text: r.text[from:len(r.text):len(r.text)]}, nil
		}
		if err := r.escape(); err != nil {
			return Value{}, err
		}
	}
}

// escape reads what follows a backslash in a string.
func (r *Reader) escape() error {
	c, ok := r.peek()
	if !ok {
		return r.cutOff("want the rest of an escape")
	}
	r.at++
	switch c {
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'f':
		c = '\f'
	case 'b':
		c = '\b'
	case '"', '\\':
	case 'u':
		var hex [4]byte
		for i := range hex {
			if hex[i], ok = r.peek(); !ok {
				return r.cutOff("want the rest of an escape")
			}
			r.at++
		}
		n, err := strconv.ParseUint(string(hex[:]), 16, 16)
		if err != nil {
			return r.fail("bad escape \\u%s", hex)
		}
		r.text = utf8.AppendRune(r.text, rune(n))
		return nil
	default:
		return r.fail("bad escape \\%c", c)
	}
	r.text = append(r.text, c)
	return nil
}

// ends tells the bytes that end a token.
var ends = func() (t [256]bool) {
	for _, c := range " \t\r\n,;\"[](){}\f" {
		t[c] = true
	}
	return t
}()

// token is everything up to a blank or a bracket.
func (r *Reader) token() ([]byte, error) {
	from := len(r.text)
	for {
		if _, ok := r.peek(); !ok {
			break
		}
		n := r.at
		for n < r.end && !ends[r.buf[n]] {
			n++
		}
		r.text = append(r.text, r.buf[r.at:n]...)
		r.at = n
		if n < r.end {
			break
		}
		if err := r.within(); err != nil {
			return nil, err
		}
	}
	return r.text[from:len(r.text):len(r.text)], nil
}
