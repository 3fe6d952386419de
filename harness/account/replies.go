package account

import (
	"bytes"
	"errors"
	"strconv"
)

// reply is what is kept of one: its kind, its beginning, and of an array the elements.
type reply struct {
	kind  byte   // as in the protocol: + - : $ * and those of RESP3
	text  string // of a short one
	null  bool
	items []reply // of an array, shallow, as many as mostItems
}

// Limits of what is looked at. A connection beyond them is followed no more.
const (
	mostItems   = 10_000
	deepest     = 32
	longestHead = 4096 // bytes of a line
)

var errReply = errors.New("a reply that is not understood")

// replies takes a stream of replies apart as it comes, in RESP2 and RESP3. Long strings are
// passed over and not kept.
type replies struct {
	line  []byte  // of the head of a reply that is not all there
	body  int64   // bytes of a string, and of its end, that are still to come
	into  *reply  // whose string that is; nil: nobody's
	open  []frame // arrays that are not all there
	ready func(reply) error
}

type frame struct {
	of   *reply
	left int64 // elements
}

// take takes what has come.
func (s *replies) take(data []byte) error {
	for len(data) > 0 {
		if s.body > 0 {
			n := min(s.body, int64(len(data)))
			if s.into != nil && len(s.into.text) < longestHead {
				s.into.text += string(data[:min(n, longestHead)])
			}
			s.body -= n
			data = data[n:]
			if s.body == 0 {
				done := s.into
				s.into = nil
				done.text = shortened(string(bytes.TrimSuffix([]byte(done.text), []byte("\r\n"))))
				if err := s.done(*done); err != nil {
					return err
				}
			}
			continue
		}
		end := bytes.IndexByte(data, '\n')
		part := data
		if end >= 0 {
			part = data[:end+1]
		}
		if len(s.line)+len(part) > longestHead {
			return errReply
		}
		s.line = append(s.line, part...)
		data = data[len(part):]
		if end < 0 {
			return nil
		}
		line := bytes.TrimRight(s.line, "\r\n")
		err := s.head(line)
		s.line = s.line[:0]
		if err != nil {
			return err
		}
	}
	return nil
}

// head takes the first line of a reply, or of an element.
func (s *replies) head(line []byte) error {
	if len(line) == 0 {
		return errReply
	}
	r := reply{kind: line[0]}
	rest := string(line[1:])
	switch r.kind {
	case '+', '-', ':', '_', '#', ',', '(':
		r.text, r.null = rest, r.kind == '_'
		return s.done(r)
	case '$', '=', '!':
		n, err := strconv.ParseInt(rest, 10, 64)
		switch {
		case err != nil || n < -1 || n > 1<<40:
			return errReply
		case n < 0:
			r.null = true
			return s.done(r)
		}
		if r.kind == '!' {
			r.kind = '-'
		}
		s.into, s.body = &r, n+2
		return nil
	case '*', '~', '>', '%':
		n, err := strconv.ParseInt(rest, 10, 64)
		if err != nil || n < -1 || n > 1<<32 || len(s.open) == deepest {
			return errReply
		}
		if r.kind == '%' {
			n *= 2
		}
		if n <= 0 {
			r.null = n < 0
			return s.done(r)
		}
		s.open = append(s.open, frame{&r, n})
		return nil
	}
	return errReply
}

// done hands a whole reply on, or puts it into its array.
func (s *replies) done(r reply) error {
	for {
		if len(s.open) == 0 {
			if r.kind == '>' { // pushed: no reply
				return nil
			}
			return s.ready(r)
		}
		f := &s.open[len(s.open)-1]
		if len(f.of.items) < mostItems && len(s.open) == 1 {
			f.of.items = append(f.of.items, r)
		}
		if f.left--; f.left > 0 {
			return nil
		}
		r = *f.of
		s.open = s.open[:len(s.open)-1]
	}
}
