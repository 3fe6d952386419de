package terminal

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Shown passes on what commands print, without what a terminal or the log of a job on GitHub
// would obey, whoever it comes from: the last net under texts that nobody has made clean. What
// is not let through stands there as \uHHHH, which is what it is in JSON, too, or as \xHH where
// it is no character at all. Line breaks and tabs stay.
type Shown struct {
	mu     sync.Mutex // whoever is told of a signal prints beside the command
	to     io.Writer
	colors bool   // those of this package are let through
	part   []byte // of a character, or of a colour, that is not whole yet
	line   string // what commands could begin with, of the line so far: spaces, and one of the two marks
	buffer []byte
}

// NewShown prints to w. With colors, those of this package are let through.
func NewShown(w io.Writer, colors bool) *Shown { return &Shown{to: w, colors: colors} }

// Unwrap is what it prints to.
func (s *Shown) Unwrap() io.Writer { return s.to }

func (s *Shown) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(p)
}

func (s *Shown) write(p []byte) (int, error) {
	text := append(s.part, p...)
	s.buffer = s.buffer[:0]
	for n := 1; n > 0 && len(text) > 0; text = text[n:] {
		n = s.next(text)
	}
	s.part = append([]byte(nil), text...)
	if len(s.buffer) > 0 {
		if _, err := s.to.Write(s.buffer); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Close prints what was the beginning of something, and never became whole.
func (s *Shown) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.part
	s.part, s.colors = nil, false
	if _, err := s.write(text); err != nil {
		return err
	}
	for _, b := range s.part {
		if _, err := fmt.Fprintf(s.to, `\x%02x`, b); err != nil {
			return err
		}
	}
	return nil
}

// next takes what text begins with; 0: it is not whole.
func (s *Shown) next(text []byte) int {
	if text[0] == '\x1b' && s.colors {
		if n, whole := color(text); n > 0 || !whole {
			s.buffer = append(s.buffer, text[:n]...)
			return n
		}
	}
	if !utf8.FullRune(text) {
		return 0
	}
	r, n := utf8.DecodeRune(text)
	switch {
	case r == utf8.RuneError && n == 1:
		s.buffer = fmt.Appendf(s.buffer, `\x%02x`, text[0])
		s.line = "-"
	case s.begins(r) || r != '\n' && r != '\t' && (r == utf8.RuneError || !unicode.IsPrint(r)):
		if r > 0xffff { // as JSON has them
			hi, lo := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
			s.buffer = fmt.Appendf(s.buffer, `\u%04x\u%04x`, hi, lo)
			break
		}
		s.buffer = fmt.Appendf(s.buffer, `\u%04x`, r)
	default:
		s.buffer = append(s.buffer, text[:n]...)
	}
	return n
}

// begins reports whether a character would make of the line so far the beginning of a
// command, of those that wording.Clean knows.
func (s *Shown) begins(r rune) bool {
	was := s.line
	switch {
	case r == '\n':
		s.line = ""
	case (r == ' ' || r == '\t') && was == "":
	case r == ':' && was == "":
		s.line = ":"
	case r == '#' && strings.HasSuffix(was, "#"):
		s.line = "##"
	case r == '#':
		s.line = "#"
	default:
		s.line = "-"
	}
	return r == ':' && was == ":" || r == '[' && was == "##"
}

// color is how long a colour is that text begins with, 0 for none; whole says whether more of
// the text could make it one.
func color(text []byte) (n int, whole bool) {
	for _, sgr := range []string{"0", dim, bold, red, green, yellow} {
		c := "\x1b[" + sgr + "m"
		switch {
		case strings.HasPrefix(string(text[:min(len(text), len(c))]), c):
			return len(c), true
		case strings.HasPrefix(c, string(text)):
			return 0, false
		}
	}
	return 0, true
}
