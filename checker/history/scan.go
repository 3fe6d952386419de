package history

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// scanner takes one line of JSON apart without building anything: a million
// lines must be read in seconds, and an error must name what was expected where.
// Its methods consume what they are named for and the space after it.
type scanner struct {
	b     []byte
	i     int
	space []byte // of strings with escapes
}

func (s *scanner) reset(line []byte) {
	s.b, s.i = line, 0
	s.blank()
}

func (s *scanner) blank() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// want is the error "column N: want WHAT".
func (s *scanner) want(what string) error {
	if s.i >= len(s.b) {
		return fmt.Errorf("cut off at column %d: want %s", s.i+1, what)
	}
	return fmt.Errorf("column %d: want %s, not %q", s.i+1, what, rune(s.b[s.i]))
}

func (s *scanner) take(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		s.blank()
		return true
	}
	return false
}

func (s *scanner) literal(word string) bool {
	if len(s.b)-s.i >= len(word) && string(s.b[s.i:s.i+len(word)]) == word {
		s.i += len(word)
		s.blank()
		return true
	}
	return false
}

// object calls each for every field, which must consume the value. name is
// valid until then.
func (s *scanner) object(each func(name []byte) error) error {
	if !s.take('{') {
		return s.want("an object")
	}
	if s.take('}') {
		return nil
	}
	for {
		at := s.i
		name, err := s.bytes()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return s.want("a colon after the field's name")
		}
		if err := each(name); err != nil {
			if errors.Is(err, errField) {
				return fmt.Errorf("column %d: unknown field %q", at+1, name)
			}
			return err
		}
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.want("a comma or the end of the object")
		}
	}
}

var errField = errors.New("unknown field")

func (s *scanner) array(each func() error) error {
	if !s.take('[') {
		return s.want("an array")
	}
	if s.take(']') {
		return nil
	}
	for {
		if err := each(); err != nil {
			return err
		}
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return s.want("a comma or the end of the array")
		}
	}
}

// bytes is a JSON string, valid until the next call.
func (s *scanner) bytes() ([]byte, error) {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return nil, s.want("a string")
	}
	start := s.i
	plain := true
	for j := s.i + 1; j < len(s.b); j++ {
		switch c := s.b[j]; {
		case c == '"':
			raw := s.b[start+1 : j]
			s.i = j + 1
			s.blank()
			if plain {
				return raw, nil
			}
			return s.unquote(s.b[start : j+1])
		case c == '\\':
			plain = false
			j++
		case c < ' ':
			s.i = j
			return nil, s.want("an escape instead of a control character")
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	s.i = len(s.b)
	return nil, s.want("the end of the string")
}

func (s *scanner) unquote(quoted []byte) ([]byte, error) {
	if !utf8.Valid(quoted) {
		return nil, fmt.Errorf("column %d: not valid UTF-8: want {\"base64\": ...}", s.i)
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return nil, fmt.Errorf("column %d: bad string: %w", s.i, err)
	}
	s.space = append(s.space[:0], text...)
	return s.space, nil
}

// text is a string of the file format: a JSON string or {"base64": ...}.
func (s *scanner) text() ([]byte, error) {
	if s.i >= len(s.b) || s.b[s.i] != '{' {
		return s.bytes()
	}
	var out []byte
	seen := false
	err := s.object(func(name []byte) error {
		if string(name) != "base64" {
			return errField
		}
		coded, err := s.bytes()
		if err != nil {
			return err
		}
		seen = true
		if out, err = base64.StdEncoding.AppendDecode(nil, coded); err != nil {
			return fmt.Errorf("column %d: bad base64: %w", s.i, err)
		}
		return nil
	})
	if err == nil && !seen {
		err = s.want("the field base64")
	}
	return out, err
}

// number is an integer that fits into 64 bits.
func (s *scanner) number() (int64, error) {
	start := s.i
	negative := s.i < len(s.b) && s.b[s.i] == '-'
	if negative {
		s.i++
	}
	digits := s.i
	n := uint64(0)
	for ; s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9'; s.i++ {
		d := uint64(s.b[s.i] - '0')
		if n > (math.MaxInt64-d)/10 {
			s.i = start
			return 0, s.want("a number of at most 63 bits")
		}
		n = n*10 + d
	}
	if s.i == digits || s.i-digits > 1 && s.b[digits] == '0' {
		s.i = start
		return 0, s.want("a whole number")
	}
	if s.i < len(s.b) && (s.b[s.i] == '.' || s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		return 0, s.want("a whole number")
	}
	s.blank()
	if negative {
		return -int64(n), nil
	}
	return int64(n), nil
}

func (s *scanner) time() (time.Duration, error) {
	n, err := s.number()
	return time.Duration(n), err
}

func (s *scanner) flag() (bool, error) {
	switch {
	case s.literal("true"):
		return true, nil
	case s.literal("false"):
		return false, nil
	}
	return false, s.want("true or false")
}

// finish fails when something follows the object.
func (s *scanner) finish() error {
	if s.i < len(s.b) {
		return s.want("the end of the line")
	}
	return nil
}
