package plan

import (
	"github.com/torntail/torntail/faults/network"
)

// LoseNew loses the opening message of new connections; established ones go on.
type LoseNew struct{ Links }

func (*LoseNew) Verb() string { return "lose-new" }

func (a *LoseNew) String() string { return "lose-new " + a.Links.String() }

// Do sets the links.
func (a *LoseNew) Do(t Trigger, on System) (why string, err error) { return doLinks(a, t, on) }

func (*LoseNew) onLink(l *network.Link) { l.LoseNew = true }

func init() {
	register(Verb{
		Name: "lose-new", Form: "lose-new NODES -> NODES", Example: "at 1s: lose-new n1 -> n2 for 5s",
		Shown: "at 0s: lose-new c1 -> n1 for 1s",
		Doc:   "new connections in that direction are never answered; established ones go on", needs: []Need{NeedLinks}, spans: timeSpan, weight: 1,
		parse: func(c *cursor) (Action, *Error) {
			l, err := c.links()
			return &LoseNew{l}, err
		},
		generate: func(g *generator) Action { return &LoseNew{g.links()} },
	})
}
