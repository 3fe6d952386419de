package plan

import (
	"strconv"
	"time"

	"github.com/torntail/torntail/faults/disk"
)

// InstantKind says what an instant waits for.
type InstantKind uint8

const (
	AtTime    InstantKind = iota // Time since the start of the run
	AtAfter                      // Time after the previous statement took place
	AtAck                        // the N-th acknowledged write of the run
	AtRequest                    // the N-th request of a client in the run
	AtCall                       // a disk call
)

// Instant is when a statement strikes (or, after until, when it ends).
type Instant struct {
	Kind InstantKind
	Time time.Duration // AtTime, AtAfter; AtCall ("after"): calls that enter earlier in the run are not counted
	N    int           // AtAck, AtRequest, AtCall: counted from 1

	// The rest is for AtCall: the N-th call on Node that matches.
	Node  string
	Call  CallPattern
	Place disk.Place
	// Fraction is where in the call's duration PlaceInFlight is, 0 to 1; of a
	// sync, also the share of what it covers that has become durable by then.
	Fraction float64
}

// defaultFraction is what "in-flight" means without a number.
const defaultFraction = 0.5

func (t Instant) String() string {
	switch t.Kind {
	case AtTime:
		return t.Time.String()
	case AtAfter:
		return "+" + t.Time.String()
	case AtAck:
		return "ack#" + strconv.Itoa(t.N)
	case AtRequest:
		return "request#" + strconv.Itoa(t.N)
	}
	s := t.Node + " " + t.Call.String() + "#" + strconv.Itoa(t.N)
	if t.Time > 0 {
		s += " after " + t.Time.String()
	}
	switch t.Place {
	case disk.PlaceReturn:
		s += " return"
	case disk.PlaceInFlight:
		s += " in-flight"
		if t.Fraction != defaultFraction {
			s += " " + strconv.FormatFloat(t.Fraction, 'f', -1, 64)
		}
	}
	return s
}

func (t Instant) nodes() []string {
	if t.Node == "" {
		return nil
	}
	return []string{t.Node}
}

// CallPattern matches disk calls: an operation word and a glob on file names.
type CallPattern struct {
	Op   string // one of Ops
	Glob string
}

func (p CallPattern) String() string {
	return p.Op + "(" + quoteGlob(p.Glob) + ")"
}
