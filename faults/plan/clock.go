package plan

import (
	"time"
)

// Clock moves the wall clock of a node. By is not zero.
type Clock struct {
	Node string
	By   time.Duration
}

func (*Clock) Verb() string { return "clock" }

func (a *Clock) String() string {
	sign := "+"
	if a.By < 0 {
		sign = "" // the duration brings its own
	}
	return "clock " + a.Node + " " + sign + a.By.String()
}

func (a *Clock) nodes() []string { return []string{a.Node} }

// Do moves the clock.
func (a *Clock) Do(_ Trigger, on System) (why string, err error) {
	c, why := reach[Clocks](on, NeedClocks)
	if why != "" {
		return why, nil
	}
	return c.MoveClock(a.Node, a.By)
}

func init() {
	register(Verb{
		Name: "clock", Form: "clock NODE +DURATION|-DURATION", Example: "at 1s: clock n1 +30s",
		Doc: "move the node's wall clock", needs: []Need{NeedClocks}, weight: 1,
		parse: parseClock,
		generate: func(g *generator) Action {
			by := g.duration(time.Millisecond, time.Minute)
			if g.chance(2) {
				by = -by
			}
			return &Clock{Node: g.server(), By: by}
		},
	})
}

func parseClock(c *cursor) (Action, *Error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	w, pos := c.word()
	d, perr := time.ParseDuration(w)
	if perr != nil || d == 0 || w[0] != '+' && w[0] != '-' {
		return nil, c.expected(pos, "how far to move the clock, such as +30s or -5s")
	}
	return &Clock{Node: n, By: d}, nil
}
