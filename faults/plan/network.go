package plan

import (
	"slices"
	"strings"
	"time"
)

// Links are the directed links from each of From to each of To.
type Links struct{ From, To []string }

func (l Links) String() string {
	return strings.Join(l.From, ",") + " -> " + strings.Join(l.To, ",")
}

func (l Links) nodes() []string { return slices.Concat(l.From, l.To) }

// CutHow is what happens to what is sent over a cut link.
type CutHow uint8

const (
	CutHold  CutHow = iota // kept and delivered after the heal, as TCP would resend it
	CutReset               // connections are reset
	CutDrop                // lost for good
)

var cutWords = []string{"hold", "reset", "drop"}

// Cut stops traffic in the direction of the links; Both also backwards.
type Cut struct {
	Links
	How  CutHow
	Both bool
}

// Delay adds By to the time of flight.
type Delay struct {
	Links
	By time.Duration
}

// SlowLink limits the rate, in bytes a second.
type SlowLink struct {
	Links
	Rate int64
}

// Heal ends all cuts, delays and limits.
type Heal struct{}

func (*Cut) Verb() string      { return "cut" }
func (*Delay) Verb() string    { return "delay" }
func (*SlowLink) Verb() string { return "slow-link" }
func (*Heal) Verb() string     { return "heal" }

func (a *Cut) String() string {
	s := "cut " + a.Links.String()
	if a.How != CutHold {
		s += " " + cutWords[a.How]
	}
	if a.Both {
		s += " both"
	}
	return s
}
func (a *Delay) String() string { return "delay " + a.Links.String() + " " + a.By.String() }
func (a *SlowLink) String() string {
	return "slow-link " + a.Links.String() + " " + formatBytes(a.Rate) + "/s"
}
func (*Heal) String() string { return "heal" }

func (*Heal) nodes() []string { return nil }

func (c *cursor) links() (l Links, err *Error) {
	if l.From, err = c.nodeList(); err != nil {
		return l, err
	}
	if err = c.sign("->"); err != nil {
		return l, err
	}
	l.To, err = c.nodeList()
	return l, err
}

// needsLinks is why faults of the network cannot strike in a backend.
func needsLinks(b Backend) string {
	if b == Sim {
		return ""
	}
	return "connections between real processes do not pass through torntail in this backend; use the simulation"
}

func init() {
	register(Verb{
		Name: "cut", Form: "cut NODES -> NODES [hold|reset|drop] [both]",
		Example: "at 2s: cut n1 -> n2,n3,s1,s2,s3 hold both for 10s",
		Doc:     "no traffic in that direction: held back (the default), reset, or dropped; both: nor the other way",
		spans:   timeSpan, weight: 2, optional: append(slices.Clone(cutWords), "both"), available: needsLinks,
		parse: func(c *cursor) (Action, *Error) {
			l, err := c.links()
			if err != nil {
				return nil, err
			}
			a := &Cut{Links: l}
			for i, w := range cutWords {
				if c.accept(w) {
					a.How = CutHow(i)
					break
				}
			}
			a.Both = c.accept("both")
			return a, nil
		},
		generate: func(g *generator) Action {
			return &Cut{Links: g.links(), How: CutHow(g.rng.IntN(len(cutWords))), Both: g.chance(2)}
		},
	})
	register(Verb{
		Name: "delay", Form: "delay NODES -> NODES DURATION", Example: "at 1s: delay n1 -> n2 50ms for 5s",
		Doc: "longer time of flight", spans: timeSpan, weight: 1, available: needsLinks,
		parse: func(c *cursor) (Action, *Error) {
			l, err := c.links()
			if err != nil {
				return nil, err
			}
			d, err := c.duration()
			return &Delay{l, d}, err
		},
		generate: func(g *generator) Action { return &Delay{g.links(), g.duration(time.Millisecond, 2*time.Second)} },
	})
	register(Verb{
		Name: "slow-link", Form: "slow-link NODES -> NODES BYTES/s", Example: "at 1s: slow-link n1 -> n2 64KiB/s for 5s",
		Doc: "a limited rate", spans: timeSpan, weight: 1, available: needsLinks,
		parse: func(c *cursor) (Action, *Error) {
			l, err := c.links()
			if err != nil {
				return nil, err
			}
			n, err := c.bytes(1, "/s")
			return &SlowLink{l, n}, err
		},
		generate: func(g *generator) Action { return &SlowLink{g.links(), 1 + g.rng.Int64N(1<<20)} },
	})
	register(Verb{
		Name: "heal", Form: "heal", Example: "at +10s: heal",
		Doc: "ends all cuts, delays and limits of links", weight: 1, available: needsLinks,
		parse:    func(*cursor) (Action, *Error) { return &Heal{}, nil },
		generate: func(*generator) Action { return &Heal{} },
	})
}
