// Package plan is the language of fault plans: text that says when which fault
// strikes. A report prints it, torntail replay reads it, shrinking reduces it,
// and a user writes it in a suite.
//
//	plan 1
//	at 1.2s: do n1 BGREWRITEAOF
//	at n1 fsync(*.incr.aof)#3 in-flight: power-cut n1 keep torn 512
//	at +200ms: restart n1
//
// Parse and String are each other's inverse. A Runner follows one run: it is
// told of every disk call, every acknowledgement and the time, and says what
// strikes. It knows no threads and no clock; the world it runs in (simulation,
// or real processes) calls it under its own exclusion and carries out what is
// not a matter of the disk: kills, restarts, cuts of the network.
//
// Each fault has a file of its own, named for its word, which holds everything
// about it: how it is written, read and drawn, what it needs of the System it
// strikes in (system.go), and what it does there. call.go, atrest.go and links.go
// are what the faults of single calls, of files at rest and of links share.
package plan

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Version is the version of the language, named by a plan's first line.
const Version = 1

// Plan is a parsed plan. The zero value is the plan in which nothing happens.
type Plan struct {
	Statements []Statement
}

// Statement is one line: an action, the instant at which it strikes and, for
// faults that end, how long they last.
type Statement struct {
	At     Instant
	Action Action
	// Percent is how many of the calls that match a fault of single calls strikes:
	// above 0 and at most 100; 0: all of them. Of a delay: how many of the bytes.
	Percent float64
	Span    Span // zero: once, or for good
}

// Action is what a statement does. Its concrete types are the exported
// structs of this package that are named for a verb: Kill, PowerCut, Fail...
type Action interface {
	// Verb is the word it begins with.
	Verb() string
	// String is its text, verb included.
	String() string
	// Do carries out on a system what a trigger of it says: that it strikes, that its
	// span is over, or, of a flap, that it turns. why: there was nothing to strike.
	// An error means that the world cannot go on, or is ErrNotYet.
	Do(t Trigger, on System) (why string, err error)
	// nodes are the nodes it names; "all" and "" are not among them.
	nodes() []string
}

// String prints the plan as Parse reads it, with a final newline.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan %d\n", Version)
	for i := range p.Statements {
		b.WriteString(p.Statements[i].String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Instants are when statements strike, as far as their text says: the time that is stated,
// counted from that of the statement before where it is stated so. For calls and
// acknowledgements it is the earliest.
func (p *Plan) Instants() []time.Duration {
	list := make([]time.Duration, len(p.Statements))
	before := time.Duration(0)
	for i := range p.Statements {
		list[i] = p.Statements[i].At.Time
		switch p.Statements[i].At.Kind {
		case AtAfter:
			list[i] += before
		case AtAck, AtRequest:
			list[i] = before
		}
		before = list[i]
	}
	return list
}

// String prints the statement as one line without a newline.
func (s *Statement) String() string {
	var b strings.Builder
	b.WriteString("at ")
	b.WriteString(s.At.String())
	b.WriteString(": ")
	b.WriteString(s.Action.String())
	if s.Percent > 0 {
		b.WriteString(" with " + strconv.FormatFloat(s.Percent, 'f', -1, 64) + "%")
	}
	if !s.Span.IsZero() {
		b.WriteString(" for ")
		b.WriteString(s.Span.String())
	}
	return b.String()
}

// SpanKind says what a span counts.
type SpanKind uint8

const (
	NoSpan    SpanKind = iota
	SpanTime           // For
	SpanCalls          // Calls
	SpanUntil          // Until
)

// Span is how long a fault lasts.
type Span struct {
	Kind  SpanKind
	For   time.Duration
	Calls int
	// Until ends the fault. Its calls are counted from when the fault began; a
	// time without + is one since the start of the run, as everywhere.
	Until Instant
}

// IsZero reports whether there is no span.
func (s Span) IsZero() bool { return s.Kind == NoSpan }

func (s Span) String() string {
	switch s.Kind {
	case SpanTime:
		return s.For.String()
	case SpanCalls:
		return fmt.Sprintf("%d calls", s.Calls)
	case SpanUntil:
		return "until " + s.Until.String()
	}
	return ""
}

// MarshalText and UnmarshalText are the plan's own text, in files.
func (p *Plan) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Plan) UnmarshalText(text []byte) error {
	read, err := Parse(string(text))
	if err == nil {
		*p = *read
	}
	return err
}
