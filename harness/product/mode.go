package product

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Directive is one line of a server's configuration.
type Directive struct{ Name, Value string }

func (d Directive) String() string {
	if d.Value == "" {
		return d.Name + ` ""`
	}
	return d.Name + " " + d.Value
}

// Arguments are the value as the words of a configuration line.
func (d Directive) Arguments() []string {
	words := strings.Fields(d.Value)
	if len(words) == 0 {
		return []string{""}
	}
	return words
}

// Mode is a named set of persistence directives of a store, and how long and how hard
// clients must write for its loss window to be a measurement.
type Mode struct {
	Store      Store
	Name       string
	About      string
	Directives []Directive

	AOF  bool // replies depend on an append-only file
	RDB  bool // snapshots at save points
	Sync bool // an acknowledged write is meant to be durable

	// Period is what the documented loss window comes from: the fsync interval,
	// the save interval, the kernel's write-back. The clients of a run write for
	// at least five of them (three for write-back), and the crash comes at a
	// uniform time after the first.
	Period time.Duration
	Span   time.Duration
	asked  bool // the span was asked for
	// Rate is the operations a second of all clients together; 0 is a closed loop.
	Rate float64
}

// ModeByName finds a preset of a store.
func ModeByName(s Store, name string) (Mode, error) {
	names := make([]string, len(s.Modes()))
	for i, m := range s.Modes() {
		if m.Name == name {
			return m, nil
		}
		names[i] = m.Name
	}
	return Mode{}, fmt.Errorf("mode %q is not known: want one of %s", name, strings.Join(names, ", "))
}

// Fsync is when the mode syncs its log, as Policy says.
func (m *Mode) Fsync() string {
	p, _ := m.Store.Policy(m) // of which only the save points can be wrong
	return p.Fsync
}

// Get returns what the mode sets a directive to, or "".
func (m *Mode) Get(directive string) string {
	value := ""
	for _, d := range m.Directives {
		if d.Name == directive {
			value = d.Value
		}
	}
	return value
}

// States reports whether the mode sets a directive.
func (m *Mode) States(name string) bool {
	return slices.ContainsFunc(m.Directives, func(d Directive) bool { return d.Name == name })
}

// With returns the mode with further directives, which override its own.
func (m Mode) With(more []Directive) Mode {
	m.Directives = append(append([]Directive(nil), m.Directives...), more...)
	return m
}

// Spanning returns the mode with another span than its own; the crash comes
// after the first third of it if the mode's period is longer.
func (m Mode) Spanning(span time.Duration) Mode {
	m.Span, m.Period, m.asked = span, min(m.Period, span/3), true
	return m
}

// SpanAsked reports whether somebody asked for the span.
func (m *Mode) SpanAsked() bool { return m.asked }

// longestReal is how long clients of a real server write at most, unless
// somebody asks for more: of the presets, only the kernel's write-back takes
// longer. A shorter run shows that and how it loses; how much it could lose it
// shows as censored.
const longestReal = 20 * time.Second

// shortestReal is for how long, at least, paced clients of a real server write
// before the crash may come: when many servers start at once, the first reply
// may take half a second.
const shortestReal = time.Second

// InRealTime is the mode as it runs where time is real.
func (m Mode) InRealTime() Mode {
	switch {
	case m.asked:
	case m.Span > longestReal:
		m.Span, m.Period = 12*time.Second, 2*time.Second
	case m.Rate > 0 && m.Period < shortestReal:
		m.Span, m.Period = m.Span+2*shortestReal, shortestReal
	}
	return m
}
