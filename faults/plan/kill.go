package plan

// Kill is SIGKILL: memory is gone, the page cache survives. Tree kills the
// process's children with it; without, a snapshot child lives on.
type Kill struct {
	Node string
	Tree bool
}

func (*Kill) Verb() string { return "kill" }

func (a *Kill) String() string {
	if a.Tree {
		return "kill " + a.Node + " tree"
	}
	return "kill " + a.Node
}

func (a *Kill) nodes() []string { return []string{a.Node} }

// Do kills the process.
func (a *Kill) Do(_ Trigger, on System) (why string, err error) {
	p, why := reach[Processes](on, NeedProcesses)
	if why != "" {
		return why, nil
	}
	return p.Kill(a.Node, a.Tree)
}

func (*Kill) endsLife()           {}
func (a *Kill) cutsOff() []string { return []string{a.Node} }

func init() {
	register(Verb{
		Name: "kill", Form: "kill NODE [tree]", Example: "at 1.2s: kill n1",
		Doc: "SIGKILL: memory is gone, what reached write(2) survives; with tree its children die too", needs: []Need{NeedProcesses},
		optional: []string{"tree"}, weight: 3,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			return &Kill{Node: n, Tree: err == nil && c.accept("tree")}, err
		},
		generate: func(g *generator) Action { return &Kill{Node: g.server(), Tree: g.chance(2)} },
	})
}
