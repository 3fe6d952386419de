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

// LoseNew loses the opening message of new connections; established ones go on.
type LoseNew struct{ Links }

// Flap cuts the links for a Period, opens them for a Period, and so on until its
// span ends.
type Flap struct {
	Links
	Period time.Duration
	How    CutHow
	Both   bool
}

// Heal ends all faults of links.
type Heal struct{}

func (*Cut) Verb() string      { return "cut" }
func (*Delay) Verb() string    { return "delay" }
func (*SlowLink) Verb() string { return "slow-link" }
func (*LoseNew) Verb() string  { return "lose-new" }
func (*Flap) Verb() string     { return "flap" }
func (*Heal) Verb() string     { return "heal" }

func (a *Cut) String() string { return "cut " + a.Links.String() + howWords(a.How, a.Both) }

// howWords are the words behind the links of a cut, each with a blank before it.
func howWords(how CutHow, both bool) (s string) {
	if how != CutHold {
		s = " " + cutWords[how]
	}
	if both {
		s += " both"
	}
	return s
}
func (a *Delay) String() string { return "delay " + a.Links.String() + " " + a.By.String() }
func (a *SlowLink) String() string {
	return "slow-link " + a.Links.String() + " " + formatBytes(a.Rate) + "/s"
}
func (a *LoseNew) String() string { return "lose-new " + a.Links.String() }
func (a *Flap) String() string {
	return "flap " + a.Links.String() + " " + a.Period.String() + howWords(a.How, a.Both)
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
	if b == Sim || b == Cluster {
		return ""
	}
	return "connections between real processes do not pass through torntail in this backend; torntail splitbrain and torntail topology put proxies between them"
}

// how reads the words behind the links of a cut.
func (c *cursor) how() (how CutHow, both bool) {
	for i, w := range cutWords {
		if c.accept(w) {
			how = CutHow(i)
			break
		}
	}
	return how, c.accept("both")
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
			a.How, a.Both = c.how()
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
		Name: "lose-new", Form: "lose-new NODES -> NODES", Example: "at 1s: lose-new n1 -> n2 for 5s",
		Doc: "new connections in that direction are never answered; established ones go on", spans: timeSpan, weight: 1, available: needsLinks,
		parse: func(c *cursor) (Action, *Error) {
			l, err := c.links()
			return &LoseNew{l}, err
		},
		generate: func(g *generator) Action { return &LoseNew{g.links()} },
	})
	register(Verb{
		Name: "flap", Form: "flap NODES -> NODES PERIOD [hold|reset|drop] [both]",
		Example: "at 2s: flap n1 -> n2,n3 500ms both for 10s",
		Doc:     "cut for a period, open for a period, and so on", spans: timeSpan, weight: 1,
		optional: append(slices.Clone(cutWords), "both"), available: needsLinks,
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
	register(Verb{
		Name: "heal", Form: "heal", Example: "at +10s: heal",
		Doc: "ends all faults of links", weight: 1, available: needsLinks,
		parse:    func(*cursor) (Action, *Error) { return &Heal{}, nil },
		generate: func(*generator) Action { return &Heal{} },
	})
}
