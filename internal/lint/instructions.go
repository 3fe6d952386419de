package lint

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

func (f *flow) body(fn *ssa.Function) {
	for _, b := range fn.Blocks {
		for _, instr := range b.Instrs {
			f.instruction(fn, instr)
		}
	}
}

func (f *flow) instruction(fn *ssa.Function, instr ssa.Instruction) {
	switch i := instr.(type) {
	case *ssa.Store:
		f.assign(f.value(i.Val), f.value(i.Addr), i.Val.Type())
	case *ssa.UnOp:
		switch i.Op {
		case token.MUL:
			f.assign(f.value(i.X), f.value(i), i.Type())
		case token.ARROW:
			if i.CommaOk {
				t := i.Type().(*types.Tuple).At(0).Type()
				f.assign(f.value(i.X), f.result(i, 0, t), t)
			} else {
				f.assign(f.value(i.X), f.value(i), i.Type())
			}
		}
	case *ssa.FieldAddr:
		if v := fieldOf(i.X.Type(), i.Field); v != nil {
			f.unify(f.field(v), f.value(i))
			f.unify(f.value(i.X), f.value(i)) // of a struct of the standard library
		}
	case *ssa.Field:
		if v := fieldOf(i.X.Type(), i.Field); v != nil {
			f.assign(f.field(v), f.value(i), i.Type())
			f.assign(f.value(i.X), f.value(i), i.Type())
		}
	case *ssa.IndexAddr:
		f.unify(f.value(i.X), f.value(i))
	case *ssa.Index:
		f.assign(f.value(i.X), f.value(i), i.Type())
	case *ssa.Lookup:
		if i.CommaOk {
			t := i.Type().(*types.Tuple).At(0).Type()
			f.assign(f.value(i.X), f.result(i, 0, t), t)
		} else {
			f.assign(f.value(i.X), f.value(i), i.Type())
		}
	case *ssa.Next:
		if r, ok := i.Iter.(*ssa.Range); ok && !i.IsString {
			tuple := i.Type().(*types.Tuple)
			for n := 1; n < tuple.Len(); n++ {
				if t := tuple.At(n).Type(); t != types.Typ[types.Invalid] {
					f.assign(f.value(r.X), f.result(i, n, t), t)
				}
			}
		}
	case *ssa.Extract:
		f.assign(f.result(i.Tuple, i.Index, i.Type()), f.value(i), i.Type())
	case *ssa.Phi:
		for _, e := range i.Edges {
			f.assign(f.value(e), f.value(i), i.Type())
		}
	case *ssa.ChangeType:
		f.assign(f.value(i.X), f.value(i), i.Type())
	case *ssa.ChangeInterface:
		f.flows(f.value(i.X), f.value(i), nil)
	case *ssa.Convert:
		f.assign(f.value(i.X), f.value(i), i.Type())
	case *ssa.MultiConvert:
		f.assign(f.value(i.X), f.value(i), i.Type())
	case *ssa.SliceToArrayPointer:
		f.unify(f.value(i.X), f.value(i))
	case *ssa.Slice:
		f.unify(f.value(i.X), f.value(i))
	case *ssa.MakeInterface:
		if t := i.X.Type(); !types.IsInterface(t) {
			f.put(f.value(i), f.typeObject(t))
		}
		f.flows(f.value(i.X), f.value(i), nil)
	case *ssa.TypeAssert:
		t, to := i.AssertedType, f.value(i)
		if i.CommaOk {
			to = f.result(i, 0, t)
		}
		f.flows(f.value(i.X), to, t)
	case *ssa.MakeClosure:
		fn := i.Fn.(*ssa.Function)
		f.add(fn)
		f.put(f.value(i), f.function(fn))
		for n, b := range i.Bindings {
			f.assign(f.value(b), f.value(fn.FreeVars[n]), b.Type())
		}
	case *ssa.MapUpdate:
		f.assign(f.value(i.Key), f.value(i.Map), i.Key.Type())
		f.assign(f.value(i.Value), f.value(i.Map), i.Value.Type())
	case *ssa.Send:
		f.assign(f.value(i.X), f.value(i.Chan), i.X.Type())
	case *ssa.Select:
		tuple := i.Type().(*types.Tuple)
		received := 2
		for _, s := range i.States {
			if s.Dir == types.SendOnly {
				f.assign(f.value(s.Send), f.value(s.Chan), s.Send.Type())
				continue
			}
			t := tuple.At(received).Type()
			f.assign(f.value(s.Chan), f.result(i, received, t), t)
			received++
		}
	case *ssa.Return:
		for n, r := range i.Results {
			f.assign(f.value(r), f.result(fn, n, r.Type()), r.Type())
		}
	case *ssa.Panic:
		f.flows(f.value(i.X), f.panics, nil)
	case ssa.CallInstruction:
		f.call(i)
	}
}

func (f *flow) call(site ssa.CallInstruction) {
	c := site.Common()
	if b, ok := c.Value.(*ssa.Builtin); ok {
		f.builtin(site, b)
		return
	}
	if c.IsInvoke() {
		iface, _ := c.Value.Type().Underlying().(*types.Interface)
		f.watch(f.value(c.Value), func(o object) {
			switch {
			case o.std != nil:
				f.invokedResult(site, o.std)
			case o.typ != nil:
				if m := f.method(o.typ, c.Method); m != nil {
					f.connect(site, called{fn: m, via: iface}, c.Value, c.Args)
				}
			}
		})
		return
	}
	if fn := c.StaticCallee(); fn != nil {
		f.value(c.Value) // has a closure's body read
		f.add(fn)
		f.connect(site, called{fn: fn}, nil, c.Args)
		return
	}
	f.watch(f.value(c.Value), func(o object) {
		switch {
		case o.fn != nil:
			f.connect(site, called{fn: o.fn}, nil, c.Args)
		case o.std != nil:
			f.invokedResult(site, o.std)
		}
	})
}

// invokedResult notes that something the standard library made is called.
func (f *flow) invokedResult(site ssa.CallInstruction, made *ssa.Function) {
	key := calledKey{site, made}
	if f.called[key] {
		return
	}
	f.called[key] = true
	f.stdResult[site] = append(f.stdResult[site], made)
	f.pot(site, made, nil, site.Common().Args)
}

// method is T's method of the name that an interface's method has.
func (f *flow) method(t types.Type, m *types.Func) *ssa.Function {
	sel := f.prog.MethodSets.MethodSet(t).Lookup(m.Pkg(), m.Name())
	if sel == nil {
		return nil
	}
	fn := f.prog.MethodValue(sel)
	f.add(fn)
	return fn
}

// connect makes a call's arguments the callee's parameters and its results the call's.
func (f *flow) connect(site ssa.CallInstruction, c called, recv ssa.Value, args []ssa.Value) {
	key := calledKey{site, c.fn}
	if f.called[key] {
		return
	}
	f.called[key] = true
	if site.Common().IsInvoke() || site.Common().StaticCallee() == nil {
		f.calls[site] = append(f.calls[site], c)
	}
	if bodyless(c.fn) {
		f.pot(site, c.fn, recv, args)
		return
	}
	params := c.fn.Params
	if recv != nil && len(params) > 0 {
		f.intoReceiver(f.value(recv), params[0])
		params = params[1:]
	}
	for i := range min(len(params), len(args)) {
		f.assign(f.value(args[i]), f.value(params[i]), params[i].Type())
	}
	results := c.fn.Signature.Results()
	for i := range results.Len() {
		t := results.At(i).Type()
		f.assign(f.result(c.fn, i, t), f.resultNode(site, i, results.Len(), t), t)
	}
}

// intoReceiver lets what is in an interface be the receiver of a method.
func (f *flow) intoReceiver(iface node, recv *ssa.Parameter) {
	if k := f.kind(recv.Type()); k == leaf {
		f.flows(iface, f.value(recv), recv.Type())
	} else if k == container {
		f.flows(iface, f.value(recv), nil)
	}
}

func (f *flow) builtin(site ssa.CallInstruction, b *ssa.Builtin) {
	args := site.Common().Args
	switch b.Name() {
	case "append", "copy", "ssa:wrapnilchk":
		for _, a := range args {
			f.unify(f.value(args[0]), f.value(a))
		}
		if v := site.Value(); v != nil && b.Name() != "copy" {
			f.unify(f.value(args[0]), f.value(v))
			if len(args) > 1 { // append(nil, a...)
				f.unify(f.value(args[1]), f.value(v))
			}
		}
	case "recover":
		f.flows(f.panics, f.value(site.Value()), nil)
	}
}
