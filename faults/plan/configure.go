package plan

import "strings"

// Configure adds lines to the configuration file of a server that is down: it has them from
// its next start on.
type Configure struct {
	Node  string
	Lines []string // "appendonly no"
}

func (*Configure) Verb() string { return "configure" }

func (a *Configure) String() string {
	text := "configure " + a.Node
	for _, line := range a.Lines {
		text += " " + quoteArgument(line)
	}
	return text
}

func (a *Configure) nodes() []string { return []string{a.Node} }

// Do does it.
func (a *Configure) Do(_ Trigger, on System) (why string, err error) {
	c, why := reach[Configured](on, NeedConfigured)
	if why != "" {
		return why, nil
	}
	return c.AddLines(a.Node, a.Lines)
}

// Configures reports whether the plan gives a server other settings at a restart.
func (p *Plan) Configures(node string) bool {
	for i := range p.Statements {
		if c, ok := p.Statements[i].Action.(*Configure); ok && c.Node == node {
			return true
		}
	}
	return false
}

func init() {
	register(Verb{
		Name: "configure", Form: "configure NODE LINES...", Example: `at +50ms: configure n1 "appendonly no" "save 60 1"`,
		Doc: "a server that is down has these lines of its configuration file from its next start on", needs: []Need{NeedConfigured},
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			if err != nil {
				return nil, err
			}
			a := &Configure{Node: n}
			at := c.pos
			a.Lines, err = c.arguments()
			switch {
			case err != nil:
			case len(a.Lines) == 0:
				err = c.expected(c.pos, `a line in quotes, such as "appendonly no"`)
			default:
				for _, line := range a.Lines {
					if name, value, ok := strings.Cut(line, " "); !ok || name == "" || strings.TrimSpace(value) == "" || strings.ContainsAny(line, "\r\n\x00") {
						err = c.expected(at, `lines in quotes, each of them a directive and its value, such as "appendonly no"`)
					}
				}
			}
			return a, err
		},
	})
}
