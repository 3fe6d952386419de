package lint

import (
	"go/types"
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
	Where string // "engine/listen", "checker/history.Save", "harness/explore.explorer" (a type's methods)
	Why   string
}

// embedded ends the place of a row of Tables.Elsewhere that is about a type and about
// those types of its package that embed it: "harness/machine.Process...". What has the
// type in a field with a name, or stands in another package, is no such type.
const embedded = "..."

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

// elsewhere is the row of a function on the other side of a seam, -1 of any other.
func (t *Tables) elsewhere(fn *ssa.Function) int {
	pkg, name := relative(packageOf(fn)), nameOf(fn)
	method, _ := original(fn).Object().(*types.Func)
	for i, r := range t.Elsewhere {
		where, kin := strings.CutSuffix(r.Where, embedded)
		if placed(where, pkg, name) || kin && embeds(receiver(method), where) {
			return i
		}
	}
	return -1
}

// embeds reports whether a type embeds the one at a place in its own package.
func embeds(n *types.Named, where string) bool {
	if n == nil {
		return false
	}
	s, ok := n.Underlying().(*types.Struct)
	for i := 0; ok && i < s.NumFields(); i++ {
		f := s.Field(i)
		in := named(f.Type())
		if f.Embedded() && in != nil && in.Obj().Pkg() == n.Obj().Pkg() && relative(in.Obj().Pkg().Path())+"."+in.Obj().Name() == where {
			return true
		}
	}
	return false
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
