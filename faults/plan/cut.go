package plan

import (
	"fmt"
	"slices"

	"github.com/torntail/torntail/faults/network"
)

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

func (*Cut) Verb() string { return "cut" }

func (a *Cut) String() string { return "cut " + a.Links.String() + howWords(a.How, a.Both) }

// Do sets the links.
func (a *Cut) Do(t Trigger, on System) (why string, err error) { return doLinks(a, t, on) }

func (a *Cut) onLink(l *network.Link) { l.Cut = a.How.onLink() }
func (a *Cut) both() bool             { return a.Both }
func (a *Cut) cutsOff() []string      { return a.nodes() }

func init() {
	register(Verb{
		Name: "cut", Form: "cut NODES -> NODES [hold|reset|drop] [both]",
		Example: "at 2s: cut n1 -> n2,n3,s1,s2,s3 hold both for 10s",
		Shown:   "at 0s: cut c1 -> n1 for 1s",
		Doc:     "no traffic in that direction: held back (the default), reset, or dropped; both: nor the other way", needs: []Need{NeedLinks},
		spans: timeSpan, weight: 2, optional: append(slices.Clone(cutWords), "both"),
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
}

// onLink is the cut as a link knows it.
func (h CutHow) onLink() network.Cut {
	how, err := network.ParseCut(cutWords[h])
	if err != nil {
		panic(fmt.Sprintf("plan: the words of cuts differ: %v", err))
	}
	return how
}

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
