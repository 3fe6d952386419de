package product

import "fmt"

// Conf is what a configuration file says, as far as experiments obey it.
type Conf struct {
	File       string
	Directives []Directive
	// Mode is what the file amounts to: the preset that keeps its data in the same way,
	// with the file's own directives.
	Mode Mode
	// Overridden are lines that an experiment decides on itself.
	Overridden []ConfLine
	// Evicts is the line, as FILE:LINE, by which the server deletes keys to make room; "": it does not.
	Evicts string
}

// ConfLine is a line of a configuration file.
type ConfLine struct {
	File string
	Line int
	Directive
}

func (l ConfLine) String() string { return fmt.Sprintf("%s:%d: %s", l.File, l.Line, l.Directive) }

// On is a mode on top of the file: the mode's directives win. The second result
// are the file's lines that are overridden by it.
func (c *Conf) On(m Mode) (Mode, []Directive) {
	var kept, lost []Directive
	for _, d := range c.Directives {
		if m.States(d.Name) {
			if d.Value != m.Get(d.Name) {
				lost = append(lost, d)
			}
			continue
		}
		kept = append(kept, d)
	}
	m.Directives = append(kept, m.Directives...)
	return m, lost
}
