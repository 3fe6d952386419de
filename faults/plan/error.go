package plan

import (
	"fmt"
	"strconv"
)

// Error is what is wrong with a plan's text, and where.
type Error struct {
	Line, Col int    // from 1; Col counts characters
	Expected  string // what would have been right here
	Found     string // what stands here instead; "" at the end of the line
	Nearest   string // the right word that Found resembles, or ""
}

func (e *Error) Error() string {
	found := "the end of the line"
	if e.Found != "" {
		found = strconv.Quote(e.Found)
	}
	s := fmt.Sprintf("plan line %d:%d: expected %s, found %s", e.Line, e.Col, e.Expected, found)
	if e.Nearest != "" {
		s += fmt.Sprintf("; did you mean %q?", e.Nearest)
	}
	return s
}
