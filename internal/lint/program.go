package lint

import (
	"go/ast"
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// program is the source in the form that its flow is followed in.
type program struct {
	src      *Source
	ssa      *ssa.Program
	flow     *flow
	list     []*Package // dependencies first
	packages map[*types.Package]*Package
}

// newProgram makes a program of packages of src, dependencies first.
func newProgram(src *Source, list []*Package) *program {
	p := &program{src: src, list: list, ssa: ssa.NewProgram(src.Fset, ssa.InstantiateGenerics), packages: map[*types.Package]*Package{}}
	made := map[*types.Package]bool{}
	var std func(t *types.Package)
	std = func(t *types.Package) {
		if made[t] {
			return
		}
		made[t] = true
		p.ssa.CreatePackage(t, nil, nil, true)
		for _, i := range t.Imports() {
			std(i)
		}
	}
	for _, own := range list {
		made[own.Types] = true
		p.packages[own.Types] = own
		p.ssa.CreatePackage(own.Types, own.Files, own.Info, true)
	}
	for _, own := range list {
		for _, i := range own.Types.Imports() {
			std(i)
		}
	}
	p.ssa.Build()
	read := map[*types.Package]bool{}
	for _, own := range list {
		read[own.Types] = true
	}
	p.flow = newFlow(p.ssa, read)
	for _, own := range list {
		for _, fn := range p.declared(own) {
			p.flow.add(fn)
		}
	}
	p.flow.run()
	return p
}

// declared are the functions and methods that a package declares, its
// initialiser first.
func (p *program) declared(pkg *Package) []*ssa.Function {
	sp := p.ssa.Package(pkg.Types)
	all := []*ssa.Function{sp.Func("init")}
	for _, f := range pkg.Files {
		for _, d := range f.Decls {
			if fn := p.declaration(pkg, d); fn != nil {
				all = append(all, fn)
			}
		}
	}
	return all
}

// standard reports whether a package is of the standard library: the first word
// of its path has no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// packageOf is the path of the package that declares a function, also when it
// was made from it: an instance, a wrapper, a bound method.
func packageOf(fn *ssa.Function) string {
	if t := typesPackageOf(fn); t != nil {
		return t.Path()
	}
	return ""
}

func typesPackageOf(fn *ssa.Function) *types.Package {
	fn = original(fn)
	if fn.Pkg != nil {
		return fn.Pkg.Pkg
	}
	if obj := fn.Object(); obj != nil {
		return obj.Pkg()
	}
	return nil
}

// nameOf is what the tables call a function: "Now", "Time.Local", "listener.Accept".
// A function literal has the name of the function around it.
func nameOf(fn *ssa.Function) string {
	fn = original(fn)
	if obj, ok := fn.Object().(*types.Func); ok {
		return funcName(obj)
	}
	return fn.Name()
}

// original is the function around a function literal, and the generic one that an
// instance was made from.
func original(fn *ssa.Function) *ssa.Function {
	for fn.Parent() != nil {
		fn = fn.Parent()
	}
	if o := fn.Origin(); o != nil {
		return o
	}
	return fn
}

func funcName(obj *types.Func) string {
	if n := receiver(obj); n != nil {
		return n.Obj().Name() + "." + obj.Name()
	}
	return obj.Name()
}

// receiver is the type whose method a function is; nil when it is none.
func receiver(obj *types.Func) *types.Named {
	if obj == nil || obj.Signature().Recv() == nil {
		return nil
	}
	return named(obj.Signature().Recv().Type())
}

// named is a type that has a name, or to which t points; nil when there is none.
func named(t types.Type) *types.Named {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	n, _ := types.Unalias(t).(*types.Named)
	return n
}

func (p *program) declaration(pkg *Package, d ast.Decl) *ssa.Function {
	decl, ok := d.(*ast.FuncDecl)
	if !ok {
		return nil
	}
	obj, ok := pkg.Info.Defs[decl.Name].(*types.Func)
	if !ok {
		return nil
	}
	return p.ssa.FuncValue(obj)
}
