package plan

// Heal ends all faults of links.
type Heal struct{}

func (*Heal) Verb() string { return "heal" }

func (*Heal) String() string { return "heal" }

func (*Heal) nodes() []string { return nil }

// Do ends all faults of links.
func (*Heal) Do(_ Trigger, on System) (why string, err error) {
	l, why := reach[Linked](on, NeedLinks)
	if why != "" {
		return why, nil
	}
	return l.Links().heal(), nil
}

func (*Heal) heals() {}

func init() {
	register(Verb{
		Name: "heal", Form: "heal", Example: "at +10s: heal",
		Shown: "at 0s: cut c1 -> n1\nat 1s: heal",
		Doc:   "ends all faults of links", needs: []Need{NeedLinks}, weight: 1,
		parse:    func(*cursor) (Action, *Error) { return &Heal{}, nil },
		generate: func(*generator) Action { return &Heal{} },
	})
}
