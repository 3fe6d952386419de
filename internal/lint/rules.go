package lint

import (
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// anyOrder is the comment that lets a loop go over a map.
const anyOrder = "any order: "

// comments notes where a package says that order does not matter.
func (w *World) comments(pkg *Package) {
	for _, f := range pkg.Files {
		lines := map[int]bool{}
		for _, group := range f.Comments {
			for _, comment := range group.List {
				text := strings.TrimSpace(strings.TrimPrefix(comment.Text, "//"))
				if reason, ok := strings.CutPrefix(text, anyOrder); ok && len(strings.TrimSpace(reason)) > 3 {
					line := w.p.src.Fset.Position(comment.Pos()).Line
					lines[line], lines[line+1] = true, true
				}
			}
		}
		w.anyOrder[w.p.src.Fset.Position(f.Pos()).Filename] = lines
	}
}

func (w *World) orderDoesNotMatter(fn *ssa.Function, instr ssa.Instruction) bool {
	p := w.p.src.Fset.Position(w.position(fn, instr))
	return w.anyOrder[p.Filename][p.Line]
}

// blankImports: a package that is imported for what its init does.
func (w *World) blankImports(pkg *Package) {
	for _, f := range pkg.Files {
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if spec.Name != nil && spec.Name.Name == "_" && path != "embed" && !strings.HasPrefix(path, Module+"/") {
				p := w.p.src.Fset.Position(spec.Pos())
				w.findings = append(w.findings, Finding{File: p.Filename, Line: p.Line, Rule: "import",
					Text: path + " is imported for what it does as the program starts, which cannot be read"})
			}
		}
	}
}

// rules checks what an instruction does by itself.
func (w *World) rules(fn *ssa.Function, instr ssa.Instruction) {
	report := func(rule, format string, args ...any) { w.report(fn, instr, rule, rule, format, args...) }
	switch i := instr.(type) {
	case *ssa.Go:
		report("go", "go statement: start tasks with env.Env.Go or Fork")
	case *ssa.Select:
		report("channel", "select: wait on an env.Cond")
	case *ssa.Send:
		report("channel", "send on a channel: use memory and an env.Cond")
	case *ssa.MakeChan:
		report("channel", "channel: use memory and an env.Cond")
	case *ssa.UnOp:
		if i.Op == token.ARROW {
			report("channel", "receive from a channel: wait on an env.Cond")
		}
	case *ssa.Range:
		if hasMap(i.X.Type()) && !w.orderDoesNotMatter(fn, instr) {
			report("map", "loop over a map: sort the keys, or say why it does not matter: // %s<why>", anyOrder)
		}
	case *ssa.Convert:
		if isUnsafe(i.Type()) != isUnsafe(i.X.Type()) && isUintptr(i.Type()) {
			report("address", "an address as a number: it differs in each run")
		} else if isUnsafe(i.Type()) != isUnsafe(i.X.Type()) {
			report("unsafe", "conversion to or from unsafe.Pointer")
		}
	case ssa.CallInstruction:
		w.callRules(fn, i)
	}
}

func isUnsafe(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Kind() == types.UnsafePointer
}

func isUintptr(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Kind() == types.Uintptr
}

// hasMap reports whether a type is a map, or a type parameter that may be one.
func hasMap(t types.Type) bool {
	if tp, ok := types.Unalias(t).(*types.TypeParam); ok {
		iface := tp.Underlying().(*types.Interface)
		for e := range iface.EmbeddedTypes() {
			switch e := e.(type) {
			case *types.Union:
				for term := range e.Terms() {
					if hasMap(term.Type()) {
						return true
					}
				}
			default:
				if hasMap(e) {
					return true
				}
			}
		}
		return false
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}

// callRules checks calls whose harm lies in what they are given or in what
// becomes of their result.
func (w *World) callRules(fn *ssa.Function, call ssa.CallInstruction) {
	report := func(rule, format string, args ...any) { w.report(fn, call, rule, rule, format, args...) }
	if b, ok := call.Common().Value.(*ssa.Builtin); ok {
		switch b.Name() {
		case "recover":
			if !panics(fn) {
				report("recover", "recover without a panic in the same function: it would keep a killed task alive")
			}
		case "close":
			if _, ok := call.Common().Args[0].Type().Underlying().(*types.Chan); ok {
				report("channel", "close of a channel: use memory and an env.Cond")
			}
		case "print", "println":
			report("os", "%s writes to the real standard error", b.Name())
		case "String", "StringData", "Slice", "SliceData", "Add":
			report("unsafe", "unsafe.%s", b.Name())
		}
		return
	}
	w.pointers(fn, call)
	callee := call.Common().StaticCallee()
	if callee == nil {
		return
	}
	pkg, name := packageOf(callee), nameOf(callee)
	switch pkg {
	case "maps":
		if unordered(callee) && !onlyUsedBy(call, sorts) && !w.orderDoesNotMatter(fn, call) {
			report("map", "maps.%s: wrap it in slices.Sorted, or say why the order does not matter: // %s<why>", name, anyOrder)
		}
	case "time":
		if strings.HasPrefix(name, "Unix") && !onlyUsedBy(call, zoneless) {
			report("zone", "time.%s is in the machine's time zone: call UTC on it at once", name)
		}
	case "fmt":
		w.formatting(fn, call, name)
	}
}

// panics reports whether a function has a panic of its own.
func panics(fn *ssa.Function) bool {
	for _, b := range fn.Blocks {
		for _, i := range b.Instrs {
			if _, ok := i.(*ssa.Panic); ok && i.Pos().IsValid() {
				return true
			}
		}
	}
	return false
}

// onlyUsedBy reports whether the result of a call is given to functions that suit, and nowhere else.
func onlyUsedBy(call ssa.CallInstruction, suits func(*ssa.Function) bool) bool {
	v := call.Value()
	if v == nil || v.Referrers() == nil {
		return false
	}
	for _, r := range *v.Referrers() {
		switch r := r.(type) {
		case *ssa.DebugRef:
		case *ssa.ChangeType:
			for _, r := range *r.Referrers() {
				if c, ok := r.(*ssa.Call); !ok || c.Call.StaticCallee() == nil || !suits(c.Call.StaticCallee()) {
					return false
				}
			}
		case *ssa.Call:
			if c := r.Call.StaticCallee(); c == nil || !suits(c) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// unordered reports whether a function makes an iterator over a map.
func unordered(fn *ssa.Function) bool {
	name := nameOf(fn)
	return packageOf(fn) == "maps" && (name == "Keys" || name == "Values" || name == "All")
}

func sorts(fn *ssa.Function) bool {
	return packageOf(fn) == "slices" && strings.HasPrefix(nameOf(fn), "Sorted")
}

// zoneless are the methods of a time that do not depend on its zone.
func zoneless(fn *ssa.Function) bool {
	if packageOf(fn) != "time" {
		return false
	}
	switch nameOf(fn) {
	case "Time.UTC", "Time.In", "Time.Unix", "Time.UnixNano", "Time.UnixMilli", "Time.UnixMicro", "Time.Sub", "Time.Before", "Time.After", "Time.Equal", "Time.Compare", "Time.IsZero":
		return true
	}
	return false
}

// formatting checks that a print function is not given addresses: package fmt
// prints maps in the order of their keys, but a pointer within a value as a number.
func (w *World) formatting(fn *ssa.Function, call ssa.CallInstruction, name string) {
	args := call.Common().Args
	if len(args) == 0 || strings.Contains(name, "can") { // Sscan is given addresses to write to
		return
	}
	print := func(t types.Type) {
		if in := addressIn(t, 0, false, nil); in != nil {
			w.report(fn, call, "address", "address", "fmt.%s prints the address in a %s: it differs in each run", name, types.TypeString(in, (*types.Package).Name))
		}
	}
	last := args[len(args)-1]
	values := variadic(last)
	if values == nil { // args...
		w.p.flow.typesIn(last, print)
	}
	verbs := verbsOf(constantFormat(call))
	for n, v := range values {
		if n < len(verbs) && verbs[n] == 'T' {
			continue
		}
		if m, ok := v.(*ssa.MakeInterface); ok {
			print(m.X.Type())
		} else {
			w.p.flow.typesIn(v, print)
		}
	}
}

// pointers checks the constant format of any function that takes one, fmt's or
// a wrapper's.
func (w *World) pointers(fn *ssa.Function, call ssa.CallInstruction) {
	if strings.IndexByte(string(verbsOf(constantFormat(call))), 'p') >= 0 {
		w.report(fn, call, "address", "address", "%%p prints an address: it differs in each run")
	}
}

// constantFormat is the format in a call of a function that ends in (format
// string, args ...any), "" when it has none or is not known.
func constantFormat(call ssa.CallInstruction) string {
	sig, args := call.Common().Signature(), call.Common().Args
	if n := len(args); !sig.Variadic() || n < 2 || !types.IsInterface(sig.Params().At(sig.Params().Len()-1).Type().(*types.Slice).Elem()) {
		return ""
	} else if c, ok := args[n-2].(*ssa.Const); ok && c.Value != nil && c.Value.Kind() == constant.String {
		return constant.StringVal(c.Value)
	}
	return ""
}

// verbsOf are the verbs of a format, one for each argument ('*' for a width that
// is an argument); nil when arguments have explicit indexes.
func verbsOf(format string) (verbs []byte) {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		for i++; i < len(format) && strings.IndexByte("+-# 0123456789.*[", format[i]) >= 0; i++ {
			switch format[i] {
			case '*':
				verbs = append(verbs, '*')
			case '[':
				return nil
			}
		}
		if i < len(format) && format[i] != '%' {
			verbs = append(verbs, format[i])
		}
	}
	return verbs
}

// variadic are the values stored in the slice that the compiler makes of
// variadic arguments.
func variadic(v ssa.Value) []ssa.Value {
	s, ok := v.(*ssa.Slice)
	if !ok {
		return nil
	}
	array, ok := s.X.(*ssa.Alloc)
	if !ok {
		return nil
	}
	var values []ssa.Value
	for _, r := range *array.Referrers() {
		addr, ok := r.(*ssa.IndexAddr)
		if !ok {
			continue
		}
		for _, r := range *addr.Referrers() {
			if st, ok := r.(*ssa.Store); ok {
				values = append(values, st.Val)
			}
		}
	}
	return values
}

// addressIn is the type within t whose values package fmt prints as an address,
// nil when there is none. depth is that of fmt's printValue: a pointer to a
// composite is followed at depth 0 only. What is hidden in an unexported field
// cannot print itself.
func addressIn(t types.Type, depth int, hidden bool, above []types.Type) types.Type {
	if types.IsInterface(t) || !hidden && printsItself(t) { // the type in an interface was looked at where it was made
		return nil
	}
	if _, ok := t.Underlying().(*types.Pointer); ok && depth > 0 {
		return t
	}
	if slices.ContainsFunc(above, func(a types.Type) bool { return types.Identical(a, t) }) {
		return nil
	}
	above = append(above, t)
	first := func(all ...types.Type) types.Type {
		for _, in := range all {
			if a := addressIn(in, depth+1, hidden, above); a != nil {
				return a
			}
		}
		return nil
	}
	switch u := t.Underlying().(type) {
	case *types.Signature, *types.Chan:
		return t
	case *types.Basic:
		if u.Kind() == types.UnsafePointer {
			return t
		}
	case *types.Pointer:
		switch u.Elem().Underlying().(type) {
		case *types.Struct, *types.Array, *types.Slice, *types.Map:
			return first(u.Elem())
		}
		return t
	case *types.Slice:
		return first(u.Elem())
	case *types.Array:
		return first(u.Elem())
	case *types.Map:
		return first(u.Key(), u.Elem())
	case *types.Struct:
		for v := range u.Fields() {
			if a := addressIn(v.Type(), depth+1, hidden || !v.Exported(), above); a != nil {
				return a
			}
		}
	}
	return nil
}

// printsItself reports whether package fmt calls a method of the value instead
// of looking into it.
func printsItself(t types.Type) bool {
	mset := types.NewMethodSet(t)
	for _, name := range []string{"Error", "String", "Format"} {
		if mset.Lookup(nil, name) != nil {
			return true
		}
	}
	return false
}
