package history

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ednDepth is how deep collections may lie in each other.
const ednDepth = 64

// edn is a value of the extensible data notation, in which Jepsen writes.
type edn struct {
	kind  ednKind
	text  string // strings, keywords (without the colon), symbols, numbers as written
	items []edn  // vectors, lists and sets; of maps: key and value in turn
}

type ednKind uint8

const (
	ednNil ednKind = iota
	ednString
	ednKeyword
	ednNumber
	ednSymbol // and true, false
	ednVector // and lists
	ednSet
	ednMap
)

// get is the value of a keyword in a map; nil when it is not there.
func (e *edn) get(keyword string) *edn {
	for i := 0; i+1 < len(e.items); i += 2 {
		if k := &e.items[i]; k.kind == ednKeyword && k.text == keyword {
			return &e.items[i+1]
		}
	}
	return nil
}

// value is a scalar as a history's value; absent is nil.
func (e *edn) value() (text string, absent bool, err error) {
	switch e.kind {
	case ednNil:
		return "", true, nil
	case ednString, ednNumber, ednKeyword, ednSymbol:
		return e.text, false, nil
	}
	return "", false, fmt.Errorf("want a number, a string or nil, not a collection")
}

func (e *edn) number() (int64, error) {
	if e.kind != ednNumber {
		return 0, fmt.Errorf("want a number")
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(e.text, "N"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: want a whole number of at most 63 bits", e.text)
	}
	return n, nil
}

// ednParser reads values from text and counts lines for its errors.
type ednParser struct {
	text string
	at   int
	line int // from 1
}

// next is the next value; ok is false at the end of the text.
func (p *ednParser) next() (v edn, ok bool, err error) {
	if err := p.space(); err != nil {
		return v, false, err
	}
	if p.at == len(p.text) {
		return v, false, nil
	}
	v, err = p.read(0)
	return v, true, err
}

func (p *ednParser) fail(format string, args ...any) error {
	return fmt.Errorf("line %d: %w", p.line, fmt.Errorf(format, args...))
}

// space skips blanks, commas, comments and discarded values (#_).
func (p *ednParser) space() error {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '\n':
			p.line++
			p.at++
		case c == ' ' || c == '\t' || c == '\r' || c == ',' || c == '\f':
			p.at++
		case c == ';':
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
		case strings.HasPrefix(p.text[p.at:], "#_"):
			p.at += 2
			if err := p.space(); err != nil {
				return err
			}
			if _, err := p.read(0); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (p *ednParser) read(depth int) (edn, error) {
	if depth > ednDepth {
		return edn{}, p.fail("collections more than %d deep", ednDepth)
	}
	if p.at == len(p.text) {
		return edn{}, p.fail("cut off: want a value")
	}
	switch c := p.text[p.at]; c {
	case '"':
		return p.str()
	case '[':
		return p.collection(ednVector, ']', depth)
	case '(':
		return p.collection(ednVector, ')', depth)
	case '{':
		return p.collection(ednMap, '}', depth)
	case '#':
		return p.dispatch(depth)
	case ':':
		p.at++
		name := p.token()
		if name == "" {
			return edn{}, p.fail("a colon without a keyword")
		}
		return edn{kind: ednKeyword, text: name}, nil
	case ']', ')', '}':
		return edn{}, p.fail("%q closes nothing", c)
	case '\\':
		p.at++
		_, n := utf8.DecodeRuneInString(p.text[p.at:])
		text := p.text[p.at : p.at+n]
		p.at += n
		return edn{kind: ednString, text: text + p.token()}, nil
	}
	word := p.token()
	switch {
	case word == "":
		return edn{}, p.fail("unexpected %q", p.text[p.at])
	case word == "nil":
		return edn{kind: ednNil}, nil
	case word[0] >= '0' && word[0] <= '9' || len(word) > 1 && (word[0] == '-' || word[0] == '+') && word[1] >= '0' && word[1] <= '9':
		return edn{kind: ednNumber, text: strings.TrimPrefix(word, "+")}, nil
	}
	return edn{kind: ednSymbol, text: word}, nil
}

// dispatch reads sets and tagged values; a tag (#jepsen.history.Op) is dropped.
func (p *ednParser) dispatch(depth int) (edn, error) {
	p.at++
	if p.at < len(p.text) && p.text[p.at] == '{' {
		return p.collection(ednSet, '}', depth)
	}
	if p.token() == "" {
		return edn{}, p.fail("# without a tag")
	}
	if err := p.space(); err != nil {
		return edn{}, err
	}
	return p.read(depth + 1)
}

func (p *ednParser) collection(kind ednKind, end byte, depth int) (edn, error) {
	from := p.line
	p.at++
	v := edn{kind: kind}
	for {
		if err := p.space(); err != nil {
			return v, err
		}
		if p.at == len(p.text) {
			return v, p.fail("cut off: the collection that begins on line %d does not end", from)
		}
		if p.text[p.at] == end {
			p.at++
			if kind == ednMap && len(v.items)%2 != 0 {
				return v, p.fail("a map with a key and no value")
			}
			return v, nil
		}
		item, err := p.read(depth + 1)
		if err != nil {
			return v, err
		}
		v.items = append(v.items, item)
	}
}

func (p *ednParser) str() (edn, error) {
	from := p.line
	var b strings.Builder
	for i := p.at + 1; i < len(p.text); i++ {
		switch c := p.text[i]; c {
		case '"':
			p.at = i + 1
			return edn{kind: ednString, text: b.String()}, nil
		case '\\':
			i++
			if i == len(p.text) {
				break
			}
			switch e := p.text[i]; e {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			case '"', '\\':
				b.WriteByte(e)
			case 'u':
				if i+4 >= len(p.text) {
					return edn{}, p.fail("bad escape")
				}
				r, err := strconv.ParseUint(p.text[i+1:i+5], 16, 16)
				if err != nil {
					return edn{}, p.fail("bad escape \\u%s", p.text[i+1:i+5])
				}
				b.WriteRune(rune(r))
				i += 4
			default:
				return edn{}, p.fail("bad escape \\%c", e)
			}
		case '\n':
			p.line++
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return edn{}, p.fail("cut off: the string that begins on line %d does not end", from)
}

// token is everything up to a blank or a bracket.
func (p *ednParser) token() string {
	from := p.at
	for p.at < len(p.text) && !strings.ContainsRune(" \t\r\n,;\"[](){}\f", rune(p.text[p.at])) {
		p.at++
	}
	return p.text[from:p.at]
}
