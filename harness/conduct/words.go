package conduct

import (
	"errors"
	"fmt"
	"strings"

	"github.com/torntail/torntail/faults/plan"
)

// This file is what people say to a Conductor that stays (torntail fault), and what
// they hear.

// ParseFaults reads what a user gives to torntail fault: a plan as docs/plans.md
// has it, or statements without the plan's first line. A statement may leave
// "at INSTANT:" out; it then strikes at once. Statements may be separated by
// semicolons as well as by lines.
func ParseFaults(text string) (*plan.Plan, error) {
	if first, _, _ := strings.Cut(strings.TrimSpace(text), " "); first == "plan" {
		return plan.Parse(text)
	}
	p := new(plan.Plan)
	for i, line := range statements(text) {
		word, _, _ := strings.Cut(line, " ")
		shift := 0
		if word != "at" {
			const now = "at 0s: "
			line, shift = now+line, len(now)
		}
		s, err := plan.ParseStatement(line)
		var where *plan.Error
		if errors.As(err, &where) {
			where.Line, where.Col = i+1, where.Col-shift
		}
		if err != nil {
			return nil, err
		}
		p.Statements = append(p.Statements, s)
	}
	if len(p.Statements) == 0 {
		return nil, errors.New("no fault is given: want a statement such as \"fail fsync(*) EIO for 1 calls\"")
	}
	return p, nil
}

// statements splits a text at newlines and semicolons outside quotes and drops
// comments and empty lines.
func statements(text string) []string {
	var list []string
	quoted, from := false, 0
	add := func(to int) {
		if s := strings.TrimSpace(text[from:to]); s != "" && s[0] != '#' {
			list = append(list, s)
		}
		from = to + 1
	}
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case b == '\n', b == ';' && !quoted:
			add(i)
			quoted = false
		}
	}
	if from < len(text) {
		add(len(text))
	}
	return list
}

// Impossible is a plan with statements that cannot strike.
type Impossible struct{ Why []string }

func (e *Impossible) Error() string {
	return "nothing was put in place: " + strings.Join(e.Why, "; ")
}

// check is an *Impossible with all statements of a plan that cannot strike in a
// system with these nodes, or nil.
func check(p *plan.Plan, on plan.System, nodes []string) error {
	refused := new(Impossible)
	for i := range p.Statements {
		if err := p.Statements[i].Check(on, nodes); err != nil {
			refused.Why = append(refused.Why, err.Error())
		}
	}
	if len(refused.Why) > 0 {
		return refused
	}
	return nil
}

// Status says of each statement of the plans that are not over how far it has come.
func (c *Conductor) Status() string {
	c.world.Lock()
	defer c.world.Unlock()
	var text string
	for _, g := range c.given {
		if !g.runner.Over() {
			text += standings("fault: ", g.runner.Report())
		}
	}
	return text
}

// standings is a line for each statement.
func standings(before string, list []plan.StatementReport) string {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "%s%s: %s\n", before, s.Text, Standing(s))
	}
	return b.String()
}

// Standing is a statement's report in a few words.
func Standing(s plan.StatementReport) string {
	switch {
	case s.Hits == 1:
		return "struck"
	case s.Struck:
		return fmt.Sprintf("struck %d times", s.Hits)
	case s.State == plan.Missed:
		return "missed: " + s.Why
	case s.State == plan.Placed:
		return "in place"
	case s.State == plan.Ended:
		return "over, struck nothing"
	}
	return "waiting"
}
