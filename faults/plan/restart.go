package plan

// Restart starts the server again on what its disk holds.
type Restart struct{ Node string }

func (*Restart) Verb() string { return "restart" }

func (a *Restart) String() string { return "restart " + a.Node }

func (a *Restart) nodes() []string { return []string{a.Node} }

// Do starts the server.
func (a *Restart) Do(_ Trigger, on System) (why string, err error) {
	s, why := reach[Restarts](on, NeedRestarts)
	if why != "" {
		return why, nil
	}
	return s.Restart(a.Node)
}

func init() {
	register(Verb{
		Name: "restart", Form: "restart NODE", Example: "at +200ms: restart n1",
		Doc: "start the server again on what its disk holds", needs: []Need{NeedRestarts}, weight: 3,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			return &Restart{Node: n}, err
		},
		generate: func(g *generator) Action { return &Restart{Node: g.server()} },
	})
}
