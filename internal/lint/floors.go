package lint

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strconv"
	"strings"
)

// floors says how high a package stands; the longest prefix counts. A package
// imports what stands lower, or belongs to its own tree. Ten is a floor of the
// architecture, numbers between are landings: those of harness are the house in
// which experiments live, from what it knows of products up to what people run.
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
	{"harness/product", 41},
	{"harness/yamlnode", 41},
	{"harness/until", 41},
	{"harness/fidelity", 41},
	{"harness/mount", 43},
	{"harness/splitbrain", 44},
	{"harness/target", 44},
	{"harness/servers", 41},
	{"harness/conduct", 42},
	{"harness/machine", 43},
	{"harness/account", 44},
	{"harness/cluster", 45},
	{"harness/guest", 45},
	{"harness/simcluster", 45},
	{"harness/experiment", 45},
	{"harness", 40}, // nothing stands there itself; a package below it has a row of its own
	{"harness/image", 46},
	{"harness/campaign", 46},
	{"harness/saved", 47},
	{"harness/explore", 48},
	{"harness/policies", 48},
	{"harness/shrink", 48},
	{"harness/claims", 48},
	{"harness/hunt", 49},
	{"harness/suite", 50},
	{"cmd", 51},
	{"targets", 0},  // servers to be tested; they import nothing of torntail
	{"examples", 0}, // somebody's own client, as above
	{"internal/atomicfile", 0},
	{"internal/bounded", 0},
	{"internal/inside", 0},
	{"internal/matching", 0},
	{"internal/yamlform", 1},
	{"internal/jsonform", 0},
	{"internal/quantile", 0},
	{"internal/runtimedeath", 0},
	{"internal/redisconf", 0},
	{"internal/seeding", 0},
	{"internal/spelling", 0},
	{"internal/lint", 0},   // imports nothing of torntail
	{"internal/needs", 0},  // for tests
	{"internal/matrix", 0}, // calls binaries; imports nothing of torntail
	{"faults/witness", 5},
	{"internal/gotest", 0},
	{"internal/mutants", 0}, // changes sources and runs tests
}

// closed are the trees that may import of torntail only what is named, whatever
// the floors would allow.
var closed = map[string][]string{
	// The engine is a server like any other: it knows its seams and nothing of
	// faults, histories or verdicts.
	"engine": {"faults/env", "faults/vfs"},
	// But for the engine on the real machine.
	"engine/listen": {"faults/env", "faults/vfs", "faults/env/osenv", "faults/vfs/osfs"},
	// Checkers judge saved histories: they know nothing of who made them or who
	// prints what they say. Files of anybody they read within bounds, as all do.
	"checker": {"internal/bounded", "internal/yamlform"},
}

// badNames say nothing of what a package holds.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "type", "types", "misc", "base", "shared", "lib"}

func floorOf(pkg string) (tree string, floor int, ok bool) {
	for _, f := range floors {
		if within(pkg, f.tree) && len(f.tree) > len(tree) {
			tree, floor, ok = f.tree, f.floor, true
		}
	}
	if tree == "harness" && pkg != tree {
		return "", 0, false
	}
	return tree, floor, ok
}

// within reports whether a package is the tree's root or below it.
func within(pkg, tree string) bool {
	return pkg == tree || strings.HasPrefix(pkg, tree+"/")
}

// Floors checks the places, imports and names of the module's packages among list.
func Floors(src *Source, list []*Package) []Finding {
	var findings []Finding
	for _, pkg := range list {
		if pkg.Own {
			findings = append(findings, floorsOf(src, pkg)...)
		}
	}
	return findings
}

func floorsOf(src *Source, pkg *Package) (findings []Finding) {
	report := func(at ast.Node, rule, format string, args ...any) {
		p := src.Fset.Position(at.Pos())
		findings = append(findings, Finding{File: p.Filename, Line: p.Line, Rule: rule, Text: fmt.Sprintf(format, args...)})
	}
	name := pkg.Files[0].Name
	if _, _, ok := floorOf(pkg.Name()); !ok {
		report(name, "floors", "package %s has no floor: give it one in internal/lint/floors.go", pkg.Name())
		return findings
	}
	for _, bad := range badNames {
		if name.Name == bad || path.Base(pkg.Path) == bad {
			report(name, "names", "package name %s says nothing: name it for what it holds", bad)
		}
	}
	for _, f := range pkg.Files {
		for _, spec := range f.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if imported != Module && !strings.HasPrefix(imported, Module+"/") {
				continue
			}
			imported = relative(imported)
			if why := mayNotImport(pkg.Name(), imported); why != "" {
				report(spec, "floors", "%s may not import %s: %s", pkg.Name(), imported, why)
			}
		}
	}
	return findings
}

// closedAround is the innermost closed tree that a package is in.
func closedAround(pkg string) (tree string, allowed []string) {
	for t, names := range closed { // any order: the longest counts
		if within(pkg, t) && len(t) > len(tree) {
			tree, allowed = t, names
		}
	}
	return tree, allowed
}

func mayNotImport(pkg, imported string) string {
	tree, floor, _ := floorOf(pkg)
	itsTree, itsFloor, ok := floorOf(imported)
	if !ok {
		return "it has no floor"
	}
	root, _, _ := strings.Cut(tree, "/")
	if itsTree == tree || within(imported, root) && (root == "engine" || root == "checker" || root == "reports") && itsFloor <= floor {
		return ""
	}
	if closedTree, allowed := closedAround(pkg); closedTree != "" && !slices.Contains(allowed, imported) {
		if len(allowed) == 0 {
			return fmt.Sprintf("of torntail, %s knows only itself", closedTree)
		}
		return fmt.Sprintf("of torntail, %s knows only %s", closedTree, strings.Join(allowed, " and "))
	} else if closedTree != "" {
		return ""
	}
	if itsFloor >= floor {
		return fmt.Sprintf("it stands on floor %g, the importer on %g", float64(itsFloor)/10, float64(floor)/10)
	}
	return ""
}
