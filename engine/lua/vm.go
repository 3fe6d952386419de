package lua

import (
	"errors"
	"math"
	"strings"
)

// errYield leaves run when the thread gives way; its frames stay.
var errYield = errors.New("yield")

const maxDepth = 16380 // of frames: half of what LUAI_MAXCALLS would be doubled to

// enter begins the call of the value at a place of the stack, with so many
// arguments behind it. A function of Go has been executed when it returns, one of
// Lua has a frame.
func (l *Thread) enter(at, args, ret, want int) error {
	fn := l.stack[at].AsFunction()
	if fn == nil {
		h := l.metamethod(l.stack[at], metaCall)
		if h.AsFunction() == nil {
			return l.typeErrorAt("call", l.stack[at], at)
		}
		l.ensure(at + args + 2)
		copy(l.stack[at+1:], l.stack[at:at+args+1])
		l.stack[at] = h
		fn = h.AsFunction()
		args++
	}
	if len(l.frames) >= maxDepth {
		if len(l.frames) >= maxDepth+maxDepth/8 {
			return &Error{String("error in error handling")}
		}
		return l.runError("stack overflow")
	}
	base := at + 1
	if fn.goFn != nil {
		return l.enterGo(fn, base, args, ret, want)
	}
	p := fn.p
	f := frame{fn: fn, base: base, top: base + p.maxReg, ret: ret, want: want}
	if p.vararg && args > p.params {
		f.va = append([]Value(nil), l.stack[base+p.params:base+args]...)
	}
	l.ensure(base + p.maxReg)
	for i := base + args; i < base+p.params; i++ {
		l.stack[i] = Nil
	}
	l.frames = append(l.frames, f)
	return nil
}

func (l *Thread) enterGo(fn *Function, base, args, ret, want int) error {
	l.frames = append(l.frames, frame{fn: fn, base: base, top: base + args, ret: ret, want: want})
	depth := len(l.frames)
	results, err := fn.goFn(l, l.stack[base:base+args:base+args])
	if err != nil {
		return err // the frame stays, for those who look where it was
	}
	l.frames = l.frames[:depth-1]
	l.give(results, ret, want)
	return nil
}

// give puts results where a call wants them.
func (l *Thread) give(results []Value, ret, want int) {
	if want < 0 {
		l.ensure(ret + len(results))
		copy(l.stack[ret:], results)
		l.top = ret + len(results)
		return
	}
	l.ensure(ret + want)
	n := copy(l.stack[ret:ret+want], results)
	for ; n < want; n++ {
		l.stack[ret+n] = Nil
	}
}

// run executes the uppermost frame until there are only so many.
func (l *Thread) run(entry int) error {
	st := l.st
newFrame:
	f := &l.frames[len(l.frames)-1]
	code, consts := f.fn.p.code, f.fn.p.consts
	regs := l.stack[f.base:]
	pc := f.pc
	rk := func(i int32) Value {
		if i < 0 {
			return consts[-1-i]
		}
		return regs[i]
	}
	for {
		in := &code[pc]
		pc++
		f.pc = pc
		if st.left--; st.left <= 0 {
			st.left = st.HookEvery
			if st.Hook != nil {
				if err := st.Hook(); err != nil {
					return err
				}
			}
		}
		switch in.op {
		case opMove:
			regs[in.a] = regs[in.b]
		case opConst:
			regs[in.a] = consts[in.b]
		case opNil:
			for i := in.a; i <= in.b; i++ {
				regs[i] = Nil
			}
		case opBool:
			regs[in.a] = Bool(in.b != 0)
		case opGetUp:
			regs[in.a] = f.fn.up[in.b].get()
		case opSetUp:
			f.fn.up[in.a].set(rk(in.b))
		case opGetGlobal:
			env := f.fn.env
			v := env.Get(consts[in.b])
			if v.o == nil && env.meta != nil {
				var err error
				if v, err = l.index(TableValue(env), consts[in.b]); err != nil {
					return err
				}
				f, regs = l.again()
			}
			regs[in.a] = v
		case opSetGlobal:
			if err := l.setIndex(TableValue(f.fn.env), consts[in.a], rk(in.b)); err != nil {
				return err
			}
			f, regs = l.again()
		case opIndex:
			key := rk(in.c)
			if t, ok := regs[in.b].o.(*Table); ok {
				if v := t.Get(key); v.o != nil || t.meta == nil {
					regs[in.a] = v
					continue
				}
			}
			v, err := l.index(regs[in.b], key)
			if err != nil {
				return err
			}
			f, regs = l.again()
			regs[in.a] = v
		case opSetIndex:
			if err := l.setIndex(regs[in.a], rk(in.b), rk(in.c)); err != nil {
				return err
			}
			f, regs = l.again()
		case opSelf:
			obj := regs[in.b]
			v, err := l.index(obj, consts[in.c])
			if err != nil {
				return err
			}
			f, regs = l.again()
			regs[in.a+1] = obj
			regs[in.a] = v
		case opAdd, opSub, opMul, opDiv, opMod, opPow:
			a, b := rk(in.b), rk(in.c)
			if a.IsNumber() && b.IsNumber() {
				regs[in.a] = Number(arithmetic(in.op, a.n, b.n))
				continue
			}
			v, err := l.arith(in.op, a, b)
			if err != nil {
				return err
			}
			f, regs = l.again()
			regs[in.a] = v
		case opNeg:
			a := regs[in.b]
			if n, ok := a.ToNumber(); ok {
				regs[in.a] = Number(-n)
				continue
			}
			h := l.metamethod(a, metaUnm)
			if h.o == nil {
				return l.typeError("perform arithmetic on", a)
			}
			v, err := l.callOne(h, a, a)
			if err != nil {
				return err
			}
			f, regs = l.again()
			regs[in.a] = v
		case opNot:
			regs[in.a] = Bool(!regs[in.b].Truth())
		case opLen:
			switch o := regs[in.b].o.(type) {
			case *Table:
				regs[in.a] = Number(float64(o.Len()))
			case *Str:
				regs[in.a] = Number(float64(len(o.s)))
			default:
				return l.typeError("get length of", regs[in.b])
			}
		case opConcat:
			v, err := l.concat(regs[in.b : in.c+1])
			if err != nil {
				return err
			}
			f, regs = l.again()
			regs[in.a] = v
		case opEq, opLt, opLe, opIfEq, opIfLt, opIfLe:
			r, err := l.compare(in.op, rk(in.b), rk(in.c))
			if err != nil {
				return err
			}
			f, regs = l.again()
			switch {
			case in.op <= opLe:
				regs[in.a] = Bool(r)
			case r == (in.a&1 != 0):
				pc = int(in.a >> 1)
			}
		case opJump:
			pc = int(in.a)
		case opTest:
			if regs[in.b].Truth() == (in.c != 0) {
				pc = int(in.a)
			}
		case opCall:
			at := f.base + int(in.a)
			n := int(in.b)
			if n < 0 {
				n = l.top - at - 1
			}
			depth := len(l.frames)
			if err := l.enter(at, n, at, int(in.c)); err != nil {
				return err
			}
			if len(l.frames) > depth {
				goto newFrame
			}
			f, regs = l.again()
		case opTail:
			at := f.base + int(in.a)
			n := int(in.b)
			if n < 0 {
				n = l.top - at - 1
			}
			depth := len(l.frames)
			if err := l.enter(at, n, at, -1); err != nil {
				return err
			}
			if len(l.frames) == depth { // Go's: the return that follows takes the results
				f, regs = l.again()
				continue
			}
			// The new frame takes the place of this one.
			called := l.frames[depth]
			f = &l.frames[depth-1]
			l.closeUpvalues(f.base)
			size := called.fn.p.maxReg
			copy(l.stack[f.base:f.base+size], l.stack[called.base:called.base+size])
			called.base, called.top = f.base, f.base+size
			called.ret, called.want, called.tails = f.ret, f.want, f.tails+1
			l.frames = l.frames[:depth]
			l.frames[depth-1] = called
			goto newFrame
		case opReturn:
			n := int(in.b)
			from := f.base + int(in.a)
			if n < 0 {
				n = l.top - from
			}
			if len(l.open) > 0 {
				l.closeUpvalues(f.base)
			}
			l.give(l.stack[from:from+n], f.ret, f.want)
			l.frames = l.frames[:len(l.frames)-1]
			if len(l.frames) == entry {
				return nil
			}
			goto newFrame
		case opForPrep:
			for i, what := range []string{"initial value", "limit", "step"} {
				n, ok := regs[int(in.a)+i].ToNumber()
				if !ok {
					return l.runError("'for' %s must be a number", what)
				}
				regs[int(in.a)+i] = Number(n)
			}
			regs[in.a].n -= regs[in.a+2].n
			pc = int(in.b)
		case opForLoop:
			step := regs[in.a+2].n
			i := regs[in.a].n + step
			if limit := regs[in.a+1].n; step > 0 && i <= limit || step <= 0 && limit <= i {
				regs[in.a].n = i
				regs[in.a+3] = Number(i)
				pc = int(in.b)
			}
		case opTForCall:
			at := f.base + int(in.a)
			l.ensure(at + 7)
			copy(l.stack[at+3:at+6], l.stack[at:at+3])
			depth := len(l.frames)
			if err := l.enter(at+3, 2, at+3, int(in.b)); err != nil {
				return err
			}
			if len(l.frames) > depth {
				goto newFrame
			}
			f, regs = l.again()
		case opTFor:
			if regs[in.a+3].o == nil {
				pc = int(in.c)
			} else {
				regs[in.a+2] = regs[in.a+3]
			}
		case opTable:
			regs[in.a] = TableValue(st.NewTable(int(in.b), int(in.c)))
		case opSetList:
			t := regs[in.a].AsTable()
			n := int(in.b)
			if n < 0 {
				n = l.top - f.base - int(in.a) - 1
			}
			if last := n + int(in.c) - 1; last > len(t.arr) {
				t.growArray(last)
			}
			for i := n - 1; i >= 0; i-- {
				t.SetIndex(int(in.c)+i, l.stack[f.base+int(in.a)+1+i])
			}
			regs = l.stack[f.base:]
		case opClosure:
			p := f.fn.p.protos[in.b]
			fn := &Function{id: st.nextID(), p: p, env: f.fn.env}
			for _, u := range p.upvalues {
				if u.inStack {
					fn.up = append(fn.up, l.findUpvalue(f.base+u.at))
				} else {
					fn.up = append(fn.up, f.fn.up[u.at])
				}
			}
			regs[in.a] = FunctionValue(fn)
		case opVararg:
			n := int(in.b)
			at := f.base + int(in.a)
			if n < 0 {
				n = len(f.va)
				l.ensure(at + n)
				l.top = at + n
				regs = l.stack[f.base:]
			}
			m := copy(l.stack[at:at+n], f.va)
			for ; m < n; m++ {
				l.stack[at+m] = Nil
			}
		case opClose:
			l.closeUpvalues(f.base + int(in.a))
		}
	}
}

// again is the uppermost frame and its registers, after calls that may have moved them.
func (l *Thread) again() (*frame, []Value) {
	f := &l.frames[len(l.frames)-1]
	return f, l.stack[f.base:]
}

// arithmetic computes with numbers.
func arithmetic(o op, a, b float64) float64 {
	switch o {
	case opAdd:
		return a + b
	case opSub:
		return a - b
	case opMul:
		return a * b
	case opDiv:
		return a / b
	case opMod:
		return a - math.Floor(a/b)*b
	}
	return power(a, b)
}

func power(a, b float64) float64 { return math.Pow(a, b) }

func (l *Thread) arith(o op, a, b Value) (Value, error) {
	x, okX := a.ToNumber()
	y, okY := b.ToNumber()
	if okX && okY {
		return Number(arithmetic(o, x, y)), nil
	}
	h := l.metamethod(a, metaArith[o])
	if h.o == nil {
		h = l.metamethod(b, metaArith[o])
	}
	if h.o == nil {
		if okX {
			a = b
		}
		return Nil, l.typeError("perform arithmetic on", a)
	}
	return l.callOne(h, a, b)
}

// concat joins values, from the right.
func (l *Thread) concat(vs []Value) (Value, error) {
	vs = append([]Value(nil), vs...)
	for len(vs) > 1 {
		n := len(vs)
		a, b := vs[n-2], vs[n-1]
		_, okA := a.Text()
		textB, okB := b.Text()
		if !okA || !okB {
			h := l.metamethod(a, metaConcat)
			if h.o == nil {
				h = l.metamethod(b, metaConcat)
			}
			if h.o == nil {
				if okA {
					a = b
				}
				return Nil, l.typeError("concatenate", a)
			}
			v, err := l.callOne(h, a, b)
			if err != nil {
				return Nil, err
			}
			vs = append(vs[:n-2], v)
			continue
		}
		first := n - 1
		size := len(textB)
		for first > 0 {
			t, ok := vs[first-1].Text()
			if !ok {
				break
			}
			size += len(t)
			first--
		}
		if size > maxString {
			return Nil, l.runError("string length overflow")
		}
		var s strings.Builder
		s.Grow(size)
		for _, v := range vs[first:] {
			t, _ := v.Text()
			s.WriteString(t)
		}
		vs = append(vs[:first], String(s.String()))
	}
	return vs[0], nil
}

// maxString bounds a string: memory is the host's.
const maxString = 1 << 30

// compare is ==, < and <=.
func (l *Thread) compare(o op, a, b Value) (bool, error) {
	switch o {
	case opEq, opIfEq:
		return l.equals(a, b)
	case opLt, opIfLt:
		return l.less(a, b)
	}
	return l.lessEqual(a, b)
}

func (l *Thread) equals(a, b Value) (bool, error) {
	if equal(a, b) {
		return true, nil
	}
	x, y := a.AsTable(), b.AsTable()
	if x == nil || y == nil || x.meta == nil || y.meta == nil {
		return false, nil
	}
	h := x.meta.getStr(metaEq)
	if h.o == nil || !equal(h, y.meta.getStr(metaEq)) {
		return false, nil
	}
	v, err := l.callOne(h, a, b)
	return v.Truth(), err
}

func (l *Thread) less(a, b Value) (bool, error) {
	if a.IsNumber() && b.IsNumber() {
		return a.n < b.n, nil
	}
	if x, ok := a.o.(*Str); ok {
		if y, ok := b.o.(*Str); ok {
			return x.s < y.s, nil
		}
	}
	r, ok, err := l.orderMeta(a, b, metaLt)
	if err == nil && !ok {
		return false, l.orderError(a, b)
	}
	return r, err
}

func (l *Thread) lessEqual(a, b Value) (bool, error) {
	if a.IsNumber() && b.IsNumber() {
		return a.n <= b.n, nil
	}
	if x, ok := a.o.(*Str); ok {
		if y, ok := b.o.(*Str); ok {
			return x.s <= y.s, nil
		}
	}
	r, ok, err := l.orderMeta(a, b, metaLe)
	if err != nil || ok {
		return r, err
	}
	r, ok, err = l.orderMeta(b, a, metaLt)
	if err == nil && !ok {
		return false, l.orderError(a, b)
	}
	return !r, err
}

// orderMeta asks the metamethod that both have (call_orderTM).
func (l *Thread) orderMeta(a, b Value, name *Str) (result, ok bool, err error) {
	if a.Type() != b.Type() {
		return false, false, nil
	}
	h := l.metamethod(a, name)
	if h.o == nil || !equal(h, l.metamethod(b, name)) {
		return false, false, nil
	}
	v, err := l.callOne(h, a, b)
	return v.Truth(), true, err
}

func (l *Thread) orderError(a, b Value) error {
	if a.Type() == b.Type() {
		return l.runError("attempt to compare two %s values", a.Type())
	}
	return l.runError("attempt to compare %s with %s", a.Type(), b.Type())
}

// typeError says that a value cannot be used so, and which variable it is if that
// can be told from the instruction.
func (l *Thread) typeError(what string, v Value) error {
	f := &l.frames[len(l.frames)-1]
	if f.fn.p != nil {
		in := f.fn.p.code[f.pc-1]
		var operands []int32
		switch in.op {
		case opIndex, opSelf:
			operands = []int32{in.b}
		case opSetIndex:
			operands = []int32{in.a}
		case opNeg, opLen:
			operands = []int32{in.b}
		case opConcat:
			for r := in.b; r <= in.c; r++ {
				operands = append(operands, r)
			}
		default:
			operands = []int32{in.b, in.c}
		}
		for _, r := range operands {
			if r >= 0 && int(r) < len(l.stack)-f.base && same(l.stack[f.base+int(r)], v) {
				if kind, name := f.fn.p.describe(f.pc-1, int(r)); kind != "" {
					return l.runError("attempt to %s %s '%s' (a %s value)", what, kind, name, v.Type())
				}
			}
		}
	}
	return l.runError("attempt to %s a %s value", what, v.Type())
}

// same reports whether two values are the same one, not a number included.
func same(a, b Value) bool { return a == b }

// typeErrorAt is typeError of a value at a place of the stack.
func (l *Thread) typeErrorAt(what string, v Value, at int) error {
	if n := len(l.frames); n > 0 && l.frames[n-1].fn.p != nil {
		f := &l.frames[n-1]
		if in := f.fn.p.code[f.pc-1]; (in.op == opCall || in.op == opTail) && f.base+int(in.a) == at {
			if kind, name := f.fn.p.describe(f.pc-1, int(in.a)); kind != "" {
				return l.runError("attempt to %s %s '%s' (a %s value)", what, kind, name, v.Type())
			}
		}
	}
	return l.runError("attempt to %s a %s value", what, v.Type())
}

// describe says what a register holds before an instruction: global x; nothing
// when it cannot be told (getobjname).
func (p *proto) describe(pc, reg int) (kind, name string) {
	for _, v := range p.locals {
		if v.reg == reg && v.begin <= pc && pc < v.end {
			return "local", v.name
		}
	}
	for i := pc - 1; i >= 0; i-- {
		in := p.code[i]
		switch in.op {
		case opSetUp, opSetGlobal, opSetIndex, opJump, opTest, opIfEq, opIfLt, opIfLe, opReturn, opForPrep, opSetList, opClose, opTFor:
			continue
		case opCall, opTail, opTForCall:
			if int(in.a) <= reg {
				return "", ""
			}
			continue
		case opNil:
			if int(in.a) <= reg && reg <= int(in.b) {
				return "", ""
			}
			continue
		case opSelf:
			if int(in.a) == reg {
				return "method", p.constName(in.c)
			}
			if int(in.a)+1 == reg {
				return "", ""
			}
			continue
		}
		if int(in.a) != reg {
			continue
		}
		switch in.op {
		case opGetGlobal:
			return "global", p.constName(in.b)
		case opMove:
			if in.b < in.a {
				return p.describe(i, int(in.b))
			}
		case opIndex:
			name = "?"
			if in.c < 0 {
				name = p.constName(-1 - in.c)
			}
			return "field", name
		case opGetUp:
			return "upvalue", p.upvalues[in.b].name
		}
		return "", ""
	}
	return "", ""
}

func (p *proto) constName(i int32) string {
	if s, ok := p.consts[i].o.(*Str); ok {
		return s.s
	}
	return "?"
}
