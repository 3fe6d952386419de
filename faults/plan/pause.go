package plan

// Pause stops the process (SIGSTOP) until the span ends or it is restarted.
type Pause struct{ Node string }

func (*Pause) Verb() string { return "pause" }

func (a *Pause) String() string { return "pause " + a.Node }

func (a *Pause) nodes() []string { return []string{a.Node} }

// Do stops the process, and lets it go on when the span is over.
func (a *Pause) Do(t Trigger, on System) (why string, err error) {
	p, why := reach[Processes](on, NeedProcesses)
	switch {
	case why != "":
		return why, nil
	case t.End:
		return p.Resume(a.Node)
	}
	return p.Pause(a.Node)
}

func (a *Pause) cutsOff() []string { return []string{a.Node} }

func init() {
	register(Verb{
		Name: "pause", Form: "pause NODE", Example: "at ack#5000: pause n2 for 3s",
		Doc: "SIGSTOP, until the span ends", needs: []Need{NeedProcesses}, spans: timeSpan, weight: 1,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			return &Pause{Node: n}, err
		},
		generate: func(g *generator) Action { return &Pause{Node: g.server()} },
	})
}
