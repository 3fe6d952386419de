package sentinel

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// Kind is what a reply is.
type Kind uint8

// The kinds of replies. Map holds keys and values in turn; RESP2 clients get it
// as an array.
const (
	Nil Kind = iota
	NilArray
	Status
	Error
	Integer
	Bulk
	Array
	Map
)

// Reply is a reply of an instance, or the answer to a client.
type Reply struct {
	Kind  Kind
	Text  string // of Status, Error and Bulk
	N     int64
	Elems []Reply
}

// Bounds of what an instance may send: far beyond what a real one does, so that
// a hostile one costs little.
const (
	maxLine  = 64 << 10
	maxBulk  = 16 << 20
	maxElems = 1 << 16
	maxDepth = 4
)

// ErrIncomplete means that more input is needed.
var ErrIncomplete = errors.New("incomplete reply")

// Parse reads one RESP2 reply and returns what follows it.
func Parse(b []byte) (r Reply, rest []byte, err error) { return parse(b, 0) }

func parse(b []byte, depth int) (r Reply, rest []byte, err error) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		if len(b) > maxLine {
			return r, b, fmt.Errorf("a line of a reply is longer than %d bytes", maxLine)
		}
		return r, b, ErrIncomplete
	}
	line := bytes.TrimSuffix(b[:end], []byte{'\r'})
	b = b[end+1:]
	if len(line) == 0 {
		return r, b, errors.New("empty line where a reply was expected")
	}
	switch line[0] {
	case '+':
		return Reply{Kind: Status, Text: string(line[1:])}, b, nil
	case '-':
		return Reply{Kind: Error, Text: string(line[1:])}, b, nil
	case ':', '$', '*':
	default:
		return r, b, fmt.Errorf("a reply begins with %q", line[0])
	}
	n, err := strconv.ParseInt(string(line[1:]), 10, 64)
	if err != nil {
		return r, b, fmt.Errorf("number in a reply: %.40q", line[1:])
	}
	switch {
	case line[0] == ':':
		return Reply{Kind: Integer, N: n}, b, nil
	case line[0] == '$' && n < 0:
		return Reply{Kind: Nil}, b, nil
	case line[0] == '$':
		if n > maxBulk {
			return r, b, fmt.Errorf("a reply of %d bytes", n)
		}
		if int64(len(b)) < n+2 {
			return r, b, ErrIncomplete
		}
		return Reply{Kind: Bulk, Text: string(b[:n])}, b[n+2:], nil
	case n < 0:
		return Reply{Kind: NilArray}, b, nil
	case n > maxElems:
		return r, b, fmt.Errorf("a reply of %d elements", n)
	case depth == maxDepth:
		return r, b, errors.New("a reply is nested too deeply")
	}
	r = Reply{Kind: Array}
	for range n {
		var e Reply
		if e, b, err = parse(b, depth+1); err != nil {
			return r, b, err
		}
		r.Elems = append(r.Elems, e)
	}
	return r, b, nil
}

// fields collects a Map.
type fields struct{ elems []Reply }

func (f *fields) text(name, value string)     { f.add(name, value) }
func (f *fields) number(name string, n int64) { f.add(name, strconv.FormatInt(n, 10)) }
func (f *fields) add(name, value string) {
	f.elems = append(f.elems, Reply{Kind: Bulk, Text: name}, Reply{Kind: Bulk, Text: value})
}
func (f *fields) reply() Reply { return Reply{Kind: Map, Elems: f.elems} }

var okReply = Reply{Kind: Status, Text: "OK"}

func errorReply(format string, args ...any) Reply {
	return Reply{Kind: Error, Text: "ERR " + fmt.Sprintf(format, args...)}
}

func bulk(s string) Reply { return Reply{Kind: Bulk, Text: s} }
