package lint

import (
	"strings"

	"golang.org/x/tools/go/ssa"
)

// Tables are what the fence is made of. Each row of them has a reason, and one
// that nothing needs any more is a finding.
type Tables struct {
	Scheduler string // the package that runs the tasks
	Trees     []Row  // of the world as a whole, whether tasks reach them or not
	Outside   []Row  // what stands in a tree and is not of the world
	Allowed   []Allowed
	May       []Permission
	Elsewhere []Row // what seams lead to in a real run: calls through them are not followed
}

// Row is a package, a tree, a type or a function, and why it is where it is.
type Row struct {
	Where string // "engine/listen", "checker/history.Save", "harness.ServerRunner" (a type's methods)
	Why   string
}

// Allowed are the names of a package that the world may use.
type Allowed struct {
	Package string
	Names   string // space-separated: "Cut", "Time.Add", "Time.*"; "*" is all; "-Time.Local" takes one out
	Why     string
}

// Permission lets a function or a package do what others may not.
type Permission struct {
	Where string // as in Row
	What  string // space-separated: a rule ("go"), a function ("iter.Pull")
	Why   string
}

func (r Row) covers(fn *ssa.Function) bool {
	return placed(r.Where, relative(packageOf(fn)), nameOf(fn))
}

// placed reports whether a row's place holds a function.
func placed(where, pkg, name string) bool {
	if within(pkg, where) {
		return true
	}
	full := pkg + "." + name
	return full == where || strings.HasPrefix(full, where+".") && strings.Contains(where[strings.LastIndexByte(where, '/')+1:], ".")
}

func (m Permission) covers(fn *ssa.Function, what string) bool {
	if !placed(m.Where, relative(packageOf(fn)), nameOf(fn)) {
		return false
	}
	for _, w := range strings.Fields(m.What) {
		if w == what {
			return true
		}
	}
	return false
}

// tree is the row of the tree that a package is in, "" for none.
func (t *Tables) tree(pkg string) string {
	for _, r := range t.Trees {
		if within(pkg, r.Where) {
			return r.Where
		}
	}
	return ""
}

// root reports whether a function is of the world wherever it is called from.
func (t *Tables) root(fn *ssa.Function) bool {
	for _, r := range t.Trees {
		if r.covers(fn) {
			return true
		}
	}
	return false
}

func (t *Tables) elsewhere(pkg, name string) int {
	for i, r := range t.Elsewhere {
		if placed(r.Where, pkg, name) {
			return i
		}
	}
	return -1
}

// allows reports whether the world may use a function or variable of a package
// that is not torntail's.
func (t *Tables) allows(pkg, name string) bool {
	for _, a := range t.Allowed {
		if a.Package != pkg {
			continue
		}
		ok := false
		for _, n := range strings.Fields(a.Names) {
			n, minus := strings.CutPrefix(n, "-")
			if n == name || n == "*" || strings.HasSuffix(n, "*") && strings.HasPrefix(name, strings.TrimSuffix(n, "*")) {
				ok = !minus
			}
		}
		if ok {
			return true
		}
	}
	return false
}

// reads reports whether a dependency is read: one that the world may use.
func (t *Tables) reads(path string) bool {
	for _, a := range t.Allowed {
		if a.Package == path {
			return true
		}
	}
	return false
}
