package plan

import (
	"slices"
	"time"

	"github.com/torntail/torntail/faults/network"
)

// Flap cuts the links for a Period, opens them for a Period, and so on until its
// span ends.
type Flap struct {
	Links
	Period time.Duration
	How    CutHow
	Both   bool
}

func (*Flap) Verb() string { return "flap" }

func (a *Flap) String() string {
	return "flap " + a.Links.String() + " " + a.Period.String() + howWords(a.How, a.Both)
}

// Do sets the links.
func (a *Flap) Do(t Trigger, on System) (why string, err error) { return doLinks(a, t, on) }

func (a *Flap) onLink(l *network.Link) { l.Cut = a.How.onLink() }
func (a *Flap) both() bool             { return a.Both }
func (a *Flap) cutsOff() []string      { return a.nodes() }
func (a *Flap) period() time.Duration  { return a.Period }

func init() {
	register(Verb{
		Name: "flap", Form: "flap NODES -> NODES PERIOD [hold|reset|drop] [both]",
		Example: "at 2s: flap n1 -> n2,n3 500ms both for 10s",
		Shown:   "at 0s: flap c1 -> n1 250ms for 600ms",
		Doc:     "cut for a period, open for a period, and so on", needs: []Need{NeedLinks}, spans: timeSpan, weight: 1,
		optional: append(slices.Clone(cutWords), "both"),
		parse: func(c *cursor) (Action, *Error) {
			l, err := c.links()
			if err != nil {
				return nil, err
			}
			c.skip()
			pos := c.pos
			d, err := c.duration()
			if err != nil {
				return nil, err
			}
			if d < time.Millisecond {
				return nil, c.expected(pos, "a period of at least 1ms")
			}
			a := &Flap{Links: l, Period: d}
			a.How, a.Both = c.how()
			return a, nil
		},
		generate: func(g *generator) Action {
			return &Flap{Links: g.links(), Period: g.duration(time.Millisecond, 2*time.Second), How: CutHow(g.rng.IntN(len(cutWords))), Both: g.chance(2)}
		},
	})
}
