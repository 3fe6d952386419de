package plan

// RefuseFork makes every fork(2) of a server fail with EAGAIN until the span ends.
type RefuseFork struct{ Node string }

func (*RefuseFork) Verb() string { return "refuse-fork" }

func (a *RefuseFork) String() string { return "refuse-fork " + a.Node }

func (a *RefuseFork) nodes() []string { return []string{a.Node} }

// Do refuses forks, or no more.
func (a *RefuseFork) Do(t Trigger, on System) (why string, err error) {
	p, why := reach[Forks](on, NeedForks)
	if why != "" {
		return why, nil
	}
	return p.RefuseForks(a.Node, !t.End)
}

func init() {
	register(Verb{
		Name: "refuse-fork", Form: "refuse-fork NODE", Example: "at 1s: refuse-fork n1 for 2s",
		Doc: "fork fails with EAGAIN, until the span ends", needs: []Need{NeedForks}, spans: timeSpan,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			return &RefuseFork{Node: n}, err
		},
	})
}
