// Package product is what torntail knows of Redis and its kin: the directives of
// persistence and the modes made of them, which files the server keeps and what
// their names mean, what it says in its log, how its own tool repairs what a crash
// left, and how to find out whether it takes writes again. Whatever else in harness
// depends on one of these asks here.
//
// A store that is not Redis is another package beside it.
package product

import (
	"fmt"
	"strings"
	"time"

	"github.com/torntail/torntail/engine/config"
)

// Directive is one line of redis.conf.
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

// Mode is a named set of persistence directives, and how long and how hard
// clients must write for its loss window to be a measurement.
type Mode struct {
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

// base are the directives every mode states, so that neither server's own
// defaults (save points on, preamble on) blur what is compared.
func base(aof, fsync, preamble, save string) []Directive {
	return []Directive{
		{"appendonly", aof},
		{"appendfsync", fsync},
		{"aof-use-rdb-preamble", preamble},
		{"save", save},
		{"auto-aof-rewrite-percentage", "0"},
		{"no-appendfsync-on-rewrite", "no"},
		{"aof-load-truncated", "yes"},
	}
}

// saveEvery is the save point of the scaled snapshot modes: one change in two seconds.
const saveEvery = 2 * time.Second

// Modes are the presets, in the order in which tables show them.
var Modes = []Mode{
	{
		Name: "always", About: "AOF, fsync before each reply",
		Directives: base("yes", "always", "no", ""), AOF: true, Sync: true,
		// Nothing may be lost, so there is no period to span; a closed loop keeps
		// an fsync in flight nearly all the time.
		Period: 100 * time.Millisecond, Span: 600 * time.Millisecond,
	},
	{
		Name: "everysec", About: "AOF, fsync once a second in the background",
		Directives: base("yes", "everysec", "no", ""), AOF: true,
		// Source bound of the first sync: a crash before it would lose the whole run.
		Period: 2 * time.Second, Span: 7 * time.Second, Rate: 80,
	},
	{
		Name: "no", About: "AOF, the kernel decides when to write",
		Directives: base("yes", "no", "no", ""), AOF: true,
		// 30 s expiry, 5 s between two looks, and 5 s until the journal commits the size.
		Period: 40 * time.Second, Span: 130 * time.Second, Rate: 8,
	},
	{
		Name: "rdb", About: "snapshots only (one change in 2 s saves)",
		Directives: base("no", "everysec", "no", "2 1"), RDB: true,
		// More than 2 whole seconds: the first snapshot is in place after 4 s.
		Period: 2 * saveEvery, Span: 16 * time.Second, Rate: 40,
	},
	{
		Name: "hybrid", About: "AOF everysec with an RDB preamble",
		Directives: base("yes", "everysec", "yes", ""), AOF: true,
		// Source bound of the first sync: a crash before it would lose the whole run.
		Period: 2 * time.Second, Span: 7 * time.Second, Rate: 80,
	},
	{
		Name: "none", About: "no persistence",
		Directives: base("no", "everysec", "no", ""),
		Period:     100 * time.Millisecond, Span: time.Second, Rate: 300,
	},
	{
		Name: "hybrid-always", About: "AOF always with an RDB preamble",
		Directives: base("yes", "always", "yes", ""), AOF: true, Sync: true,
		Period: 100 * time.Millisecond, Span: 600 * time.Millisecond,
	},
	{
		Name: "everysec+rdb", About: "AOF everysec and save points, as many production servers run",
		Directives: base("yes", "everysec", "yes", "2 1"), AOF: true, RDB: true,
		Period: time.Second, Span: 12 * time.Second, Rate: 40,
	},
	Mode{
		Name: "defaults", About: "nothing is set: the server's own defaults (redis 7.0.15: snapshots, no AOF)", RDB: true,
	}.paced(config.Default().Save),
}

// DefaultModes are the modes of a run that names none.
var DefaultModes = []string{"always", "everysec", "no", "rdb", "hybrid", "none"}

// ModeByName finds a preset.
func ModeByName(name string) (Mode, error) {
	names := make([]string, len(Modes))
	for i, m := range Modes {
		if m.Name == name {
			return m, nil
		}
		names[i] = m.Name
	}
	return Mode{}, fmt.Errorf("mode %q is not known: want one of %s", name, strings.Join(names, ", "))
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

// Check reports a directive that the engine's configuration does not take.
func (m *Mode) Check() error {
	_, err := m.Config()
	return err
}

// Config is the engine's configuration in this mode.
func (m *Mode) Config() (*config.Config, error) {
	c := config.Default()
	for _, d := range m.Directives {
		if err := c.Set(d.Name, d.Arguments()...); err != nil {
			return nil, fmt.Errorf("directive %q: %w", d.String(), err)
		}
	}
	return c, nil
}
