package plan

// KillChild is SIGKILL of the processes that a server has forked, and of nothing else:
// a snapshot or rewrite in the making fails, the server goes on.
type KillChild struct{ Node string }

func (*KillChild) Verb() string { return "kill-child" }

func (a *KillChild) String() string { return "kill-child " + a.Node }

func (a *KillChild) nodes() []string { return []string{a.Node} }

// Do kills the children.
func (a *KillChild) Do(_ Trigger, on System) (why string, err error) {
	p, why := reach[Children](on, NeedChildren)
	if why != "" {
		return why, nil
	}
	return p.KillChildren(a.Node)
}

func init() {
	register(Verb{
		Name: "kill-child", Form: "kill-child NODE", Example: "at +1ms: kill-child n1",
		Doc: "SIGKILL of the snapshot or rewrite child alone", needs: []Need{NeedChildren},
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			return &KillChild{Node: n}, err
		},
	})
}
