package plan

import (
	"strings"
)

// Do sends a command to a node, on a connection of its own.
type Do struct {
	Node string
	Args []string // the command and its arguments
}

func (*Do) Verb() string { return "do" }

func (a *Do) String() string {
	var b strings.Builder
	b.WriteString("do " + a.Node)
	for _, arg := range a.Args {
		b.WriteByte(' ')
		b.WriteString(quoteArgument(arg))
	}
	return b.String()
}

func (a *Do) nodes() []string { return []string{a.Node} }

// Do sends the command.
func (a *Do) Do(t Trigger, on System) (why string, err error) {
	c, why := reach[Commands](on, NeedCommands)
	if why != "" {
		return why, nil
	}
	return c.Command(a.Node, a.Args, t.answered)
}

func init() {
	register(Verb{
		Name: "do", Form: "do NODE COMMAND [ARGS...]", Example: "at 1.2s: do n1 BGREWRITEAOF",
		Doc: "send a command to a node", needs: []Need{NeedCommands}, weight: 2,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			if err != nil {
				return nil, err
			}
			args, err := c.arguments()
			if err == nil && len(args) == 0 {
				err = c.expected(c.pos, "a command, such as BGSAVE")
			}
			return &Do{Node: n, Args: args}, err
		},
		generate: func(g *generator) Action { return &Do{Node: g.server(), Args: g.command()} },
	})
}

// arguments reads everything up to the end of the line, as redis-cli would.
func (c *cursor) arguments() ([]string, *Error) {
	var args []string
	for !c.end() {
		pos := c.pos
		if c.text[pos] == '"' {
			s, err := c.quoted()
			if err != nil {
				return nil, err
			}
			if c.pos < len(c.text) && !isBlank(c.text[c.pos]) {
				return nil, c.expected(c.pos, "a blank after the closing quote")
			}
			args = append(args, s)
			continue
		}
		for c.pos < len(c.text) && !isBlank(c.text[c.pos]) {
			if c.text[c.pos] == '"' || c.text[c.pos] == '\\' {
				return nil, c.expected(pos, "quotes around an argument with a quote or a backslash in it")
			}
			c.pos++
		}
		args = append(args, c.text[pos:c.pos])
	}
	return args, nil
}
