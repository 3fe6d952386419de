package plan

import (
	"slices"
	"strings"
)

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

// StrikesDisk reports whether an action makes the disk of a node fail or changes its files.
func StrikesDisk(a Action, node string) bool {
	switch a.(type) {
	case CallFault, *Full, *ReadOnly:
	default:
		if !DamagesFiles(a) {
			return false
		}
	}
	nodes := a.nodes()
	return nodes == nil || slices.Contains(nodes, node)
}

// Denies is the node whose disk an action makes refuse writes, for lack of room or as one
// that is read-only.
func Denies(a Action) (node string, ok bool) {
	switch a := a.(type) {
	case *Full:
		return a.Node, true
	case *ReadOnly:
		return a.Node, true
	}
	return "", false
}

// Named are the nodes that an action names; All where it names none.
func Named(a Action) []string {
	if nodes := a.nodes(); nodes != nil {
		return nodes
	}
	return []string{All}
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
