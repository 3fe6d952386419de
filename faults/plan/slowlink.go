package plan

import (
	"github.com/torntail/torntail/faults/network"
)

// SlowLink limits the rate, in bytes a second.
type SlowLink struct {
	Links
	Rate int64
}

func (*SlowLink) Verb() string { return "slow-link" }

func (a *SlowLink) String() string {
	return "slow-link " + a.Links.String() + " " + formatBytes(a.Rate) + "/s"
}

// Do sets the links.
func (a *SlowLink) Do(t Trigger, on System) (why string, err error) { return doLinks(a, t, on) }

func (a *SlowLink) onLink(l *network.Link) {
	if l.BytesPerSecond == 0 || a.Rate < l.BytesPerSecond {
		l.BytesPerSecond = a.Rate
	}
}

func init() {
	register(Verb{
		Name: "slow-link", Form: "slow-link NODES -> NODES BYTES/s", Example: "at 1s: slow-link n1 -> n2 64KiB/s for 5s",
		Shown: "at 0s: slow-link c1 -> n1 100000/s for 1s",
		Doc:   "a limited rate", needs: []Need{NeedLinks}, spans: timeSpan, weight: 1,
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
}
