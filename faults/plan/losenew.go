package plan

import (
	"strconv"

	"github.com/torntail/torntail/faults/network"
)

// mostFirst is how many connections a statement may be about.
const mostFirst = 1_000_000

// LoseNew loses the opening message of new connections, of the first First of them where that
// is above 0; established ones go on.
type LoseNew struct {
	Links
	First int
}

func (*LoseNew) Verb() string { return "lose-new" }

func (a *LoseNew) String() string {
	text := "lose-new " + a.Links.String()
	if a.First > 0 {
		text += " first " + strconv.Itoa(a.First)
	}
	return text
}

// Do sets the links.
func (a *LoseNew) Do(t Trigger, on System) (why string, err error) { return doLinks(a, t, on) }

func (a *LoseNew) onLink(l *network.Link) {
	switch {
	case !l.LoseNew:
		l.First = a.First
	case l.First > 0 && (a.First == 0 || a.First > l.First):
		l.First = a.First // of several the one that loses most counts
	}
	l.LoseNew = true
}

func init() {
	register(Verb{
		Name: "lose-new", Form: "lose-new NODES -> NODES [first N]", Example: "at 1s: lose-new n1 -> n2 for 5s",
		Shown: "at 0s: lose-new c1 -> n1 for 1s",
		Doc:   "new connections in that direction are never answered, or the first N of them; established ones go on", needs: []Need{NeedLinks}, spans: timeSpan, weight: 1,
		optional: []string{"first"},
		parse: func(c *cursor) (Action, *Error) {
			l, err := c.links()
			if err != nil || !c.accept("first") {
				return &LoseNew{Links: l}, err
			}
			n, err := c.count(1, "how many connections, from 1")
			if err == nil && n > mostFirst {
				err = c.expected(c.pos, "at most a million connections")
			}
			return &LoseNew{l, int(n)}, err
		},
		generate: func(g *generator) Action { return &LoseNew{Links: g.links()} },
	})
}
