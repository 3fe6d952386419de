package lint

import (
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// pot is what a call of the standard library has in hand: all that it is given.
// It may call each function in it and each method in it that libraries call,
// with what is in the pot; all of it may come out as a result or stay behind
// what it got a pointer to.
func (f *flow) pot(site ssa.CallInstruction, std *ssa.Function, recv ssa.Value, args []ssa.Value) {
	if packageOf(std) == "reflect" {
		return
	}
	pot := f.newNode()
	if recv != nil {
		args = append([]ssa.Value{recv}, args...)
	}
	for _, a := range args {
		n := f.value(a)
		if n == none {
			continue
		}
		f.flows(n, pot, nil)
		if keeps(a.Type()) && packageOf(std) != "fmt" {
			f.flows(pot, n, nil)
		}
	}
	results := std.Signature.Results()
	if site.Common().IsInvoke() {
		results = site.Common().Method.Signature().Results()
	} else if sig, ok := site.Common().Value.Type().Underlying().(*types.Signature); ok {
		results = sig.Results()
	}
	for i := range results.Len() {
		t := results.At(i).Type()
		n := f.resultNode(site, i, results.Len(), t)
		if n == none {
			continue
		}
		if f.kind(t) == leaf {
			f.flows(pot, n, t)
			f.put(n, f.madeBy(std, i, t))
		} else {
			f.flows(pot, n, nil)
		}
	}
	names, reflects := callbacks(std)
	seen := map[types.Type]bool{}
	var typed func(t types.Type)
	typed = func(t types.Type) {
		if seen[t] {
			return
		}
		seen[t] = true
		mset := f.prog.MethodSets.MethodSet(t)
		for i := range mset.Len() {
			if m := mset.At(i); names[m.Obj().Name()] {
				fn := f.prog.MethodValue(m)
				f.add(fn)
				f.calledBack(site, fn, pot)
			}
		}
		if reflects {
			f.nested(t, pot, typed)
		}
	}
	f.watch(pot, func(o object) {
		if o.fn != nil {
			f.calledBack(site, o.fn, pot)
		} else if o.typ != nil {
			typed(o.typ)
		}
	})
}

// nested calls typed for the types of the values in a value of type t, and puts
// what is in its fields into the pot.
func (f *flow) nested(t types.Type, pot node, typed func(types.Type)) {
	if n, ok := types.Unalias(t).(*types.Named); ok && !f.read[n.Obj().Pkg()] {
		return
	}
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		typed(u.Elem())
	case *types.Slice:
		typed(u.Elem())
	case *types.Array:
		typed(u.Elem())
	case *types.Map:
		typed(u.Key())
		typed(u.Elem())
	case *types.Struct:
		for i := range u.NumFields() {
			v := u.Field(i)
			if f.kind(v.Type()) == leaf {
				if types.IsInterface(v.Type()) {
					f.flows(f.field(v), pot, nil)
				}
				continue
			}
			typed(v.Type())
		}
	}
}

// callbacks are the names of the methods that a function of the standard
// library may call on what it is given, and whether it looks into structs for more.
func callbacks(std *ssa.Function) (names map[string]bool, reflects bool) {
	names = map[string]bool{}
	pkg := packageOf(std)
	switch pkg {
	case "fmt", "errors", "log", "log/slog", "encoding/json", "encoding/xml", "text/template", "html/template":
		reflects = pkg != "errors"
		for _, n := range printing {
			names[n] = true
		}
	default:
		for _, n := range printing {
			names[n] = true
		}
		for _, n := range streaming {
			names[n] = true
		}
	}
	params := std.Signature.Params()
	for i := range params.Len() {
		if iface, ok := params.At(i).Type().Underlying().(*types.Interface); ok {
			for m := range iface.Methods() {
				names[m.Name()] = true
			}
		}
	}
	return names, reflects
}

// What the standard library looks for in values of any type, or of the type of
// another interface.
var (
	printing = []string{"Error", "String", "GoString", "Format", "Is", "As", "Unwrap", "LogValue",
		"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText", "MarshalBinary", "UnmarshalBinary"}
	streaming = []string{"Read", "Write", "ReadByte", "UnreadByte", "WriteByte", "ReadRune", "UnreadRune", "ReadAt", "WriteAt",
		"WriteString", "WriteTo", "ReadFrom", "Seek", "Len", "Less", "Swap", "Push", "Pop", "Sum64", "Uint64", "Int63"}
)

func (f *flow) calledBack(site ssa.CallInstruction, fn *ssa.Function, pot node) {
	if fn == nil {
		return
	}
	key := calledKey{site, fn}
	if f.called[key] {
		return
	}
	f.called[key] = true
	f.calls[site] = append(f.calls[site], called{fn: fn, back: true})
	for _, p := range fn.Params {
		if n := f.value(p); n != none {
			if f.kind(p.Type()) == leaf {
				f.flows(pot, n, p.Type())
			} else {
				f.flows(pot, n, nil)
			}
		}
	}
	for i := range fn.Signature.Results().Len() {
		f.flows(f.result(fn, i, fn.Signature.Results().At(i).Type()), pot, nil)
	}
}

// keeps reports whether a callee can leave something in an argument of the type.
func keeps(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Pointer, *types.Map, *types.Chan, *types.Slice:
		return true
	}
	return false
}

// bodyless reports whether a function has no source that was read.
func bodyless(fn *ssa.Function) bool { return fn.Blocks == nil }
