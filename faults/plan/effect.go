package plan

import "strings"

// This file is what others may ask about an action without knowing which it is.

// EndsLife reports whether an action is meant to end the life of a server.
func EndsLife(a Action) bool {
	_, ok := a.(interface{ endsLife() })
	return ok
}

// Ends are the nodes whose processes an action ends, if it strikes; All stands for every node.
func Ends(a Action) []string {
	do, is := a.(*Do)
	switch nodes := a.nodes(); {
	case !EndsLife(a) && !(is && strings.EqualFold(do.Args[0], "SHUTDOWN")):
		return nil
	case nodes == nil:
		return []string{All}
	default:
		return nodes
	}
}

// CutOff are the nodes that an action takes out of the reach of others.
func CutOff(a Action) []string {
	if c, ok := a.(interface{ cutsOff() []string }); ok {
		return c.cutsOff()
	}
	return nil
}

// Heals reports whether an action ends faults of others.
func Heals(a Action) bool {
	_, ok := a.(interface{ heals() })
	return ok
}
