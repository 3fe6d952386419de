// Package edn reads the extensible data notation, in which Jepsen writes its
// histories: value by value from a stream, in bounded memory.
package edn

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind is what a value is.
type Kind uint8

const (
	Nil Kind = iota
	String
	Char
	Keyword
	Number
	Symbol // and true, false
	Vector // and lists
	Set
	Map
)

// Value is one value. What a Reader returns is valid until its next one.
type Value struct {
	Kind  Kind
	Text  []byte  // strings, keywords (without the colon), symbols, numbers as written
	Items []Value // vectors, lists and sets; of maps: key and value in turn
}

// Get is the value of a keyword in a map; nil when it is not there.
func (v *Value) Get(keyword string) *Value {
	for i := 0; i+1 < len(v.Items); i += 2 {
		if k := &v.Items[i]; k.Kind == Keyword && string(k.Text) == keyword {
			return &v.Items[i+1]
		}
	}
	return nil
}

// Is reports whether v is that keyword.
func (v *Value) Is(keyword string) bool { return v.Kind == Keyword && string(v.Text) == keyword }

// Integer is a whole number of at most 63 bits.
func (v *Value) Integer() (int64, error) {
	if v.Kind != Number {
		return 0, fmt.Errorf("want a number, not %s", v.brief())
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(string(v.Text), "N"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: want a whole number of at most 63 bits", v.brief())
	}
	return n, nil
}

// brief is the value for an error message.
func (v *Value) brief() string {
	text := v.AppendTo(nil)
	if len(text) > 40 {
		return string(text[:40]) + "..."
	}
	return string(text)
}

// Plain is the value as one string, different for different values: a string
// is itself unless it looks like something else, in which case it is quoted.
func (v *Value) Plain() string {
	if v.Kind == String && !looksOtherwise(v.Text) {
		return string(v.Text)
	}
	return string(v.AppendTo(nil))
}

// looksOtherwise reports whether a string, written without quotes, could be
// taken for a value of another kind.
func looksOtherwise(s []byte) bool {
	if len(s) == 0 {
		return false
	}
	switch c := s[0]; {
	case c >= '0' && c <= '9', strings.IndexByte("+-:\"[({#\\", c) >= 0:
		return true
	}
	return string(s) == "nil" || string(s) == "true" || string(s) == "false"
}

// AppendTo appends the value as it is written: one text for each value,
// members of sets and keys of maps in order of their text.
func (v *Value) AppendTo(b []byte) []byte {
	switch v.Kind {
	case Nil:
		return append(b, "nil"...)
	case String:
		return appendQuoted(b, v.Text)
	case Char:
		return append(append(b, '\\'), v.Text...)
	case Keyword:
		return append(append(b, ':'), v.Text...)
	case Number:
		// 5N is 5; 5NN is no number and stays what it is.
		if n := len(v.Text); n > 1 && v.Text[n-1] == 'N' && digit(v.Text[n-2]) {
			return append(b, v.Text[:n-1]...)
		}
		return append(b, v.Text...)
	case Vector:
		b = append(b, '[')
		for i := range v.Items {
			if i > 0 {
				b = append(b, ' ')
			}
			b = v.Items[i].AppendTo(b)
		}
		return append(b, ']')
	case Set, Map:
		each := 1
		if v.Kind == Map {
			each = 2
		} else {
			b = append(b, '#')
		}
		var texts []string
		for i := 0; i < len(v.Items); i += each {
			text := v.Items[i].AppendTo(nil)
			if each == 2 {
				text = v.Items[i+1].AppendTo(append(text, ' '))
			}
			texts = append(texts, string(text))
		}
		slices.Sort(texts)
		b = append(b, '{')
		for i, text := range texts {
			if i > 0 {
				b = append(b, strings.Repeat(",", each-1)+" "...)
			}
			b = append(b, text...)
		}
		return append(b, '}')
	}
	return append(b, v.Text...)
}

func appendQuoted(b, s []byte) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		case '\r':
			b = append(b, '\\', 'r')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// Quote is a string as it is written.
func Quote(s string) string { return string(appendQuoted(nil, []byte(s))) }
