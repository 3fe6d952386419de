package plan

// Term is SIGTERM: an orderly shutdown.
type Term struct{ Node string }

func (*Term) Verb() string { return "term" }

func (a *Term) String() string { return "term " + a.Node }

func (a *Term) nodes() []string { return []string{a.Node} }

// Do asks the process to end.
func (a *Term) Do(_ Trigger, on System) (why string, err error) {
	p, why := reach[Processes](on, NeedProcesses)
	if why != "" {
		return why, nil
	}
	return p.Terminate(a.Node)
}

func (*Term) endsLife() {}

func init() {
	register(Verb{
		Name: "term", Form: "term NODE", Example: "at 1.2s: term n1",
		Doc: "SIGTERM: an orderly shutdown", needs: []Need{NeedProcesses}, weight: 1,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			return &Term{Node: n}, err
		},
		generate: func(g *generator) Action { return &Term{Node: g.server()} },
	})
}
