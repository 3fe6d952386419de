package lint

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// floors says how high a package stands; the longest prefix counts. A package
// imports what stands lower, or belongs to its own tree. Ten is a floor of the
// architecture, numbers between are landings.
var floors = []struct {
	tree  string
	floor int
}{
	{"faults/env", 10},
	{"faults/vfs", 10},
	{"faults/env/osenv", 15},
	{"faults/vfs/osfs", 15},
	{"checker/history", 10},
	{"checker/verdict", 10},
	{"reports/result", 15},
	{"engine", 20},
	{"faults/disk", 20},
	{"faults/network", 20},
	{"faults/guard", 20},
	{"checker", 20},
	{"workloads", 20},
	{"faults/plan", 30},
	{"faults/sim", 30},
	{"faults/fusefs", 30},
	{"faults/blocklog", 30},
	{"faults/proxy", 30},
	{"faults/process", 30},
	{"reports", 30},
	{"harness", 40},
	{"cmd", 50},
	{"internal/atomicfile", 0},
	{"internal/quantile", 0},
	{"internal/redisconf", 0},
	{"internal/seeding", 0},
	{"internal/spelling", 0},
	{"internal/lint", 0},    // imports nothing of torntail
	{"internal/mutants", 0}, // changes sources and runs tests
	{"internal/needs", 0},   // for tests
}

// closed are the trees that may import of torntail only what is named, whatever
// the floors would allow.
var closed = map[string][]string{
	// The engine is a server like any other: it knows its seams and nothing of
	// faults, histories or verdicts.
	"engine": {"faults/env", "faults/vfs"},
	// Checkers judge saved histories: they know nothing of who made them or who
	// prints what they say.
	"checker": {},
}

// badNames say nothing of what a package holds.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "type", "types", "misc", "base", "shared", "lib"}

func floorOf(pkg string) (tree string, floor int, ok bool) {
	for _, f := range floors {
		if within(pkg, f.tree) && len(f.tree) > len(tree) {
			tree, floor, ok = f.tree, f.floor, true
		}
	}
	return tree, floor, ok
}

// within reports whether a package is the tree's root or below it.
func within(pkg, tree string) bool {
	return pkg == tree || strings.HasPrefix(pkg, tree+"/")
}

// imports checks a package's place, its imports and its name.
func (c *check) imports() {
	tree, floor, ok := floorOf(c.pkg.Path)
	if !ok {
		c.report(c.pkg.Files[0].Name.Pos(), "floors", "package %s has no floor: give it one in internal/lint/floors.go", c.pkg.Path)
		return
	}
	for _, bad := range badNames {
		if name := c.pkg.Files[0].Name.Name; name == bad || path.Base(c.pkg.Path) == bad {
			c.report(c.pkg.Files[0].Name.Pos(), "names", "package name %s says nothing: name it for what it holds", bad)
		}
	}
	for _, f := range c.pkg.Files {
		for _, spec := range f.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if imported != Module && !strings.HasPrefix(imported, Module+"/") {
				continue
			}
			imported = strings.TrimPrefix(imported, Module+"/")
			if why := mayNotImport(tree, floor, imported); why != "" {
				c.report(spec.Pos(), "floors", "%s may not import %s: %s", c.pkg.Path, imported, why)
			}
		}
	}
}

func mayNotImport(tree string, floor int, imported string) string {
	itsTree, itsFloor, ok := floorOf(imported)
	if !ok {
		return "it has no floor"
	}
	root, _, _ := strings.Cut(tree, "/")
	if itsTree == tree || within(imported, root) && (root == "engine" || root == "checker" || root == "reports") && itsFloor <= floor {
		return ""
	}
	for closedTree, allowed := range closed { // any order: at most one tree matches
		if !within(tree, closedTree) {
			continue
		}
		for _, a := range allowed {
			if imported == a {
				return ""
			}
		}
		if len(allowed) == 0 {
			return fmt.Sprintf("of torntail, %s knows only itself", closedTree)
		}
		return fmt.Sprintf("of torntail, %s knows only %s", closedTree, strings.Join(allowed, " and "))
	}
	if itsFloor >= floor {
		return fmt.Sprintf("it stands on floor %g, the importer on %g", float64(itsFloor)/10, float64(floor)/10)
	}
	return ""
}
