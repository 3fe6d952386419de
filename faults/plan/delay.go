package plan

import (
	"time"

	"github.com/torntail/torntail/faults/network"
)

// Delay adds By to the time of flight, or to that of a share of the bytes.
type Delay struct {
	Links
	By time.Duration
}

func (*Delay) Verb() string { return "delay" }

func (a *Delay) String() string { return "delay " + a.Links.String() + " " + a.By.String() }

// Do sets the links.
func (a *Delay) Do(t Trigger, on System) (why string, err error) { return doLinks(a, t, on) }

func (a *Delay) onLink(l *network.Link) { l.Delay += a.By }

// onShare is onLink for a share of the bytes. Of several shares on one link the largest counts,
// and their delays add up.
func (a *Delay) onShare(l *network.Link, percent float64) {
	l.LateBy, l.LatePercent = l.LateBy+a.By, max(l.LatePercent, percent)
}

func init() {
	register(Verb{
		Name: "delay", Form: "delay NODES -> NODES DURATION", Example: "at 1s: delay n1 -> n2 50ms for 5s",
		Shown: "at 0s: delay c1 -> n1 80ms for 1s",
		Doc:   "longer time of flight; with a share (with 5%) of that much of the bytes", needs: []Need{NeedLinks}, spans: timeSpan, weight: 1,
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
}
