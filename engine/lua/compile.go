package lua

import "math"

// op is an instruction of the register machine.
type op uint8

const (
	opMove op = iota
	opConst
	opNil  // registers a to b
	opBool // b is 1 or 0
	opGetUp
	opSetUp // a: upvalue, b: operand
	opGetGlobal
	opSetGlobal // a: constant, b: operand
	opIndex
	opSetIndex // a[b] = c
	opSelf
	opAdd
	opSub
	opMul
	opDiv
	opMod
	opPow
	opNeg
	opNot
	opLen
	opConcat // a = b .. up to register c
	opEq
	opLt
	opLe
	opJump   // to a
	opTest   // jump to a when the truth of register b is c
	opIfEq   // as opEq, and jump to a/2 when the outcome is a%2
	opIfLt   //
	opIfLe   //
	opCall   // a: function, b: arguments, c: results; -1: up to the top
	opTail   // a: function, b: arguments
	opReturn // a: first, b: how many
	opForPrep
	opForLoop
	opTForCall // a: generator, b: variables
	opTFor     // a: generator, c: where it ends
	opTable    // a, with b elements and c fields
	opSetList  // a: table, b: elements behind it, c: index of the first
	opClosure  //
	opVararg   // a, b: how many
	opClose    // upvalues from register a on
)

// instr is an instruction. Operands below zero are constants, -1 the first.
type instr struct {
	op      op
	a, b, c int32
}

// proto is a compiled function.
type proto struct {
	code     []instr
	lines    []int32
	consts   []Value
	protos   []*proto
	upvalues []upvalueFrom
	locals   []localName
	params   int
	vararg   bool
	maxReg   int
	name     string // of the chunk, for errors
	source   string // the chunk as debug would name it
	line     int
}

type upvalueFrom struct {
	name    string
	inStack bool // a register of the function around; else an upvalue of it
	at      int
}

// localName says which variable a register is between two places of the code.
type localName struct {
	name       string
	reg        int
	begin, end int
}

type compiler struct {
	parent *compiler
	scope  *funcScope
	p      *proto
	free   int
	vars   []liveVar
	breaks [][]int // of each loop around
	loops  []int   // len(vars) where each loop began
	consts map[any]int
}

type liveVar struct {
	v     *variable
	reg   int
	begin int
}

// compile makes a function of a chunk.
func compile(src, name, source string) (*proto, error) {
	tree, err := parse(src, name)
	if err != nil {
		return nil, err
	}
	return compileFunction(nil, tree, name, source), nil
}

func compileFunction(parent *compiler, f *function, name, source string) *proto {
	c := &compiler{parent: parent, scope: f.scope, consts: map[any]int{}, p: &proto{name: name, source: source, vararg: f.vararg, params: len(f.params), line: int(f.line)}}
	for _, v := range f.params {
		c.declare(v)
	}
	for _, u := range f.scope.upvalues {
		from := upvalueFrom{name: u.name}
		if u.owner == parent.scope {
			from.inStack, from.at = true, u.reg
		} else {
			from.at = parent.upvalue(u)
		}
		c.p.upvalues = append(c.p.upvalues, from)
	}
	c.stmts(f.body)
	c.emit(f.endLine, opReturn, 0, 0, 0)
	c.endVars(0)
	c.p.maxReg += 2
	return c.p
}

func (c *compiler) upvalue(v *variable) int {
	for i, u := range c.scope.upvalues {
		if u == v {
			return i
		}
	}
	return 0
}

func (c *compiler) emit(line int, o op, a, b, d int) int {
	c.p.code = append(c.p.code, instr{o, int32(a), int32(b), int32(d)})
	c.p.lines = append(c.p.lines, int32(line))
	return len(c.p.code) - 1
}

func (c *compiler) here() int { return len(c.p.code) }

// land has jumps go to the present place.
func (c *compiler) land(jumps ...int) {
	for _, j := range jumps {
		in := &c.p.code[j]
		switch in.op {
		case opIfEq, opIfLt, opIfLe:
			in.a = int32(c.here())<<1 | in.a&1
		case opTFor:
			in.c = int32(c.here())
		default:
			in.a = int32(c.here())
		}
	}
}

func (c *compiler) alloc(n int) int {
	r := c.free
	c.free += n
	c.p.maxReg = max(c.p.maxReg, c.free)
	return r
}

// declare gives a variable the next register.
func (c *compiler) declare(v *variable) int {
	r := c.alloc(1)
	c.live(v, r)
	return r
}

func (c *compiler) live(v *variable, reg int) {
	v.reg = reg
	c.vars = append(c.vars, liveVar{v, reg, c.here()})
}

// endVars ends the scope of the variables from mark on; captured reports whether
// a closure has one of them.
func (c *compiler) endVars(mark int) (captured bool) {
	for _, l := range c.vars[mark:] {
		captured = captured || l.v.captured
		c.p.locals = append(c.p.locals, localName{l.v.name, l.reg, l.begin, c.here()})
	}
	c.vars = c.vars[:mark]
	return captured
}

func (c *compiler) captured(mark int) bool {
	for _, l := range c.vars[mark:] {
		if l.v.captured {
			return true
		}
	}
	return false
}

func (c *compiler) constant(v Value) int {
	var key any
	switch o := v.o.(type) {
	case nil:
		key = struct{}{}
	case number:
		key = v.n // 0 and -0 are one constant, as in Lua
		if v.n != v.n {
			key = math.Float64bits(v.n)
		}
	case *Str:
		key = o.s
	default:
		key = o
	}
	if i, ok := c.consts[key]; ok {
		return i
	}
	c.p.consts = append(c.p.consts, v)
	c.consts[key] = len(c.p.consts) - 1
	return len(c.p.consts) - 1
}

func (c *compiler) block(b *block) {
	free, mark := c.free, len(c.vars)
	c.stmts(b)
	if c.captured(mark) {
		c.emit(b.end, opClose, free, 0, 0)
	}
	c.endVars(mark)
	c.free = free
}

func (c *compiler) stmts(b *block) {
	for _, s := range b.stmts {
		free := c.free
		switch s := s.(type) {
		case *localStmt:
			c.localStmt(s)
			continue
		case *localFunction:
			r := c.declare(s.v)
			c.to(s.fn, r)
			continue
		case *assign:
			c.assign(s)
		case *callStmt:
			c.call(s.c, 0)
		case *doStmt:
			c.block(s.body)
		case *while:
			start := c.here()
			out := c.jumpIf(s.cond, false)
			c.loopBody(s.body)
			c.emit(s.line, opJump, start, 0, 0)
			c.land(out...)
			c.endLoop()
		case *repeat:
			c.repeat(s)
		case *ifStmt:
			c.ifStmt(s)
		case *forNum:
			c.forNum(s)
		case *forIn:
			c.forIn(s)
		case *returnStmt:
			c.returnStmt(s)
		case *breakStmt:
			n := len(c.loops) - 1
			if c.captured(c.loops[n]) {
				c.emit(s.line, opClose, c.vars[c.loops[n]].reg, 0, 0)
			}
			c.breaks[n] = append(c.breaks[n], c.emit(s.line, opJump, 0, 0, 0))
		}
		c.free = free
	}
}

func (c *compiler) beginLoop() {
	c.breaks = append(c.breaks, nil)
	c.loops = append(c.loops, len(c.vars))
}

// endLoop is where the loop's breaks go.
func (c *compiler) endLoop() {
	n := len(c.loops) - 1
	c.land(c.breaks[n]...)
	c.breaks, c.loops = c.breaks[:n], c.loops[:n]
}

func (c *compiler) loopBody(b *block) {
	c.beginLoop()
	c.block(b)
}

func (c *compiler) repeat(s *repeat) {
	c.beginLoop()
	free, mark, start := c.free, len(c.vars), c.here()
	c.stmts(s.body)
	if !c.captured(mark) {
		back := c.jumpIf(s.cond, false)
		for _, j := range back {
			c.aim(j, start)
		}
	} else {
		out := c.jumpIf(s.cond, true)
		c.emit(s.line, opClose, free, 0, 0)
		c.emit(s.line, opJump, start, 0, 0)
		c.land(out...)
		c.emit(s.line, opClose, free, 0, 0)
	}
	c.endVars(mark)
	c.free = free
	c.endLoop()
}

// aim has a jump go to a place.
func (c *compiler) aim(j, where int) {
	in := &c.p.code[j]
	switch in.op {
	case opIfEq, opIfLt, opIfLe:
		in.a = int32(where)<<1 | in.a&1
	default:
		in.a = int32(where)
	}
}

func (c *compiler) ifStmt(s *ifStmt) {
	var end []int
	for i, cond := range s.conds {
		skip := c.jumpIf(cond, false)
		c.block(s.blocks[i])
		if i < len(s.blocks)-1 {
			end = append(end, c.emit(s.line, opJump, 0, 0, 0))
		}
		c.land(skip...)
	}
	if len(s.blocks) > len(s.conds) {
		c.block(s.blocks[len(s.conds)])
	}
	c.land(end...)
}

func (c *compiler) forNum(s *forNum) {
	c.beginLoop()
	free, mark := c.free, len(c.vars)
	base := c.free
	c.next(s.from)
	c.next(s.to)
	if s.step != nil {
		c.next(s.step)
	} else {
		c.emit(s.headerLine, opConst, c.alloc(1), c.constant(Number(1)), 0)
	}
	hidden := []string{"(for index)", "(for limit)", "(for step)"}
	for i, n := range hidden {
		c.live(&variable{name: n}, base+i)
	}
	prep := c.emit(s.headerLine, opForPrep, base, 0, 0)
	inner := len(c.vars)
	c.declare(s.v)
	c.stmts(s.body)
	if c.captured(inner) {
		c.emit(s.body.end, opClose, base+3, 0, 0)
	}
	c.endVars(inner)
	c.p.code[prep].b = int32(c.here())
	c.emit(s.line, opForLoop, base, prep+1, 0)
	c.endVars(mark)
	c.free = free
	c.endLoop()
}

func (c *compiler) forIn(s *forIn) {
	c.beginLoop()
	free, mark := c.free, len(c.vars)
	base := c.free
	c.list(s.exprs, 3, s.line)
	for i, n := range []string{"(for generator)", "(for state)", "(for control)"} {
		c.live(&variable{name: n}, base+i)
	}
	start := c.here()
	c.emit(s.line, opTForCall, base, len(s.vars), 0)
	tfor := c.emit(s.line, opTFor, base, 0, 0)
	inner := len(c.vars)
	for _, v := range s.vars {
		c.declare(v)
	}
	c.alloc(3)
	c.free -= 3
	c.stmts(s.body)
	if c.captured(inner) {
		c.emit(s.body.end, opClose, base+3, 0, 0)
	}
	c.endVars(inner)
	c.emit(s.line, opJump, start, 0, 0)
	c.land(tfor)
	c.endVars(mark)
	c.free = free
	c.endLoop()
}

func (c *compiler) returnStmt(s *returnStmt) {
	if len(s.exprs) == 1 {
		if call, ok := s.exprs[0].(*call); ok {
			base := c.free
			n := c.callSetup(call)
			c.emit(int(call.line), opTail, base, n, 0)
			c.emit(int(call.line), opReturn, base, -1, 0)
			return
		}
		if l, ok := s.exprs[0].(*local); ok && l.v.owner == c.scope {
			c.emit(s.line, opReturn, l.v.reg, 1, 0)
			return
		}
	}
	base := c.free
	n := c.list(s.exprs, -1, s.line)
	c.emit(s.line, opReturn, base, n, 0)
}

// list evaluates expressions into the next registers: want of them, or with -1
// all, of which the last may have several values. It returns how many there are,
// -1 for those up to the top.
func (c *compiler) list(exprs []expr, want, line int) int {
	base := c.free
	for i, e := range exprs {
		last := i == len(exprs)-1
		if last {
			switch {
			case want < 0 && multiple(e):
				c.multi(e, -1)
				return -1
			case want > len(exprs)-1 && multiple(e):
				n := want - i
				c.multi(e, n)
				c.free = base + want
				return want
			}
		}
		if want >= 0 && i >= want { // evaluated, and not used
			free := c.free
			c.next(e)
			c.free = free
			continue
		}
		c.next(e)
	}
	if want > len(exprs) {
		r := c.alloc(want - len(exprs))
		c.emit(line, opNil, r, base+want-1, 0)
	}
	return len(exprs)
}

func multiple(e expr) bool {
	switch e.(type) {
	case *call, *varargs:
		return true
	}
	return false
}

// multi evaluates what has several values into the next registers.
func (c *compiler) multi(e expr, n int) {
	switch e := e.(type) {
	case *call:
		c.call(e, n)
	case *varargs:
		r := c.alloc(max(n, 1))
		c.emit(e.at(), opVararg, r, n, 0)
	}
}

func (c *compiler) localStmt(s *localStmt) {
	base := c.free
	c.list(s.exprs, len(s.vars), s.line)
	c.free = base + len(s.vars)
	c.p.maxReg = max(c.p.maxReg, c.free)
	for i, v := range s.vars {
		c.live(v, base+i)
	}
}

func (c *compiler) assign(s *assign) {
	if len(s.targets) == 1 && len(s.exprs) == 1 {
		c.assignOne(s.targets[0], s.exprs[0], s.line)
		return
	}
	type place struct{ obj, key int }
	places := make([]place, len(s.targets))
	for i, t := range s.targets {
		if ix, ok := t.(*index); ok { // copies: a variable may be assigned to as well
			places[i].obj = c.next(ix.obj)
			if k, ok := ix.key.(*constant); ok {
				places[i].key = -1 - c.constant(k.v)
			} else {
				places[i].key = c.next(ix.key)
			}
		}
	}
	base := c.free
	c.list(s.exprs, len(s.targets), s.line)
	for i := len(s.targets) - 1; i >= 0; i-- {
		switch t := s.targets[i].(type) {
		case *local:
			c.storeLocal(t, base+i, s.line)
		case *global:
			c.emit(s.line, opSetGlobal, c.constant(String(t.name)), base+i, 0)
		case *index:
			c.emit(s.line, opSetIndex, places[i].obj, places[i].key, base+i)
		}
	}
}

func (c *compiler) storeLocal(t *local, from, line int) {
	if t.v.owner == c.scope {
		c.emit(line, opMove, t.v.reg, from, 0)
		return
	}
	c.emit(line, opSetUp, c.upvalue(t.v), from, 0)
}

func (c *compiler) assignOne(target, e expr, line int) {
	switch t := target.(type) {
	case *local:
		if t.v.owner != c.scope {
			c.emit(line, opSetUp, c.upvalue(t.v), c.operand(e), 0)
			return
		}
		switch e.(type) {
		case *constant, *local, *global, *index, *binary, *unary, *function:
			c.to(e, t.v.reg) // its operands are read before it is written
		default:
			c.emit(line, opMove, t.v.reg, c.next(e), 0)
		}
	case *global:
		c.emit(line, opSetGlobal, c.constant(String(t.name)), c.operand(e), 0)
	case *index:
		obj := c.register(t.obj)
		key := c.operand(t.key)
		c.emit(line, opSetIndex, obj, key, c.operand(e))
	}
}

// next evaluates into the next register.
func (c *compiler) next(e expr) int {
	if call, ok := e.(*call); ok {
		r := c.free
		c.call(call, 1)
		return r
	}
	r := c.alloc(1)
	c.to(e, r)
	return r
}

// operand is where an instruction finds a value: a register or a constant.
func (c *compiler) operand(e expr) int {
	switch e := e.(type) {
	case *constant:
		return -1 - c.constant(e.v)
	case *local:
		if e.v.owner == c.scope {
			return e.v.reg
		}
	case *paren:
		if !multiple(e.e) {
			return c.operand(e.e)
		}
	}
	return c.next(e)
}

// register is an operand that is no constant.
func (c *compiler) register(e expr) int {
	if r := c.operand(e); r >= 0 {
		return r
	}
	return c.next(e)
}

// to evaluates into a register that nothing of the expression reads once it has
// begun to be written.
func (c *compiler) to(e expr, dst int) {
	free := c.free
	line := e.at()
	switch e := e.(type) {
	case *constant:
		switch o := e.v.o.(type) {
		case nil:
			c.emit(line, opNil, dst, dst, 0)
		case bool:
			c.emit(line, opBool, dst, btoi(o), 0)
		default:
			c.emit(line, opConst, dst, c.constant(e.v), 0)
		}
	case *varargs:
		c.emit(line, opVararg, dst, 1, 0)
	case *local:
		if e.v.owner != c.scope {
			c.emit(line, opGetUp, dst, c.upvalue(e.v), 0)
		} else if e.v.reg != dst {
			c.emit(line, opMove, dst, e.v.reg, 0)
		}
	case *global:
		c.emit(line, opGetGlobal, dst, c.constant(String(e.name)), 0)
	case *index:
		obj := c.register(e.obj)
		c.emit(line, opIndex, dst, obj, c.operand(e.key))
	case *call:
		c.emit(line, opMove, dst, c.next(e), 0)
	case *function:
		c.p.protos = append(c.p.protos, compileFunction(c, e, c.p.name, c.p.source))
		c.emit(e.scopeEnd(), opClosure, dst, len(c.p.protos)-1, 0)
	case *binary:
		a := c.operand(e.a)
		b := c.operand(e.b)
		if e.swap {
			a, b = b, a
		}
		c.emit(line, e.op, dst, a, b)
	case *unary:
		c.emit(line, e.op, dst, c.register(e.a), 0)
	case *concat:
		first := c.free
		for _, p := range e.parts {
			c.next(p)
		}
		c.emit(line, opConcat, dst, first, c.free-1)
	case *logical:
		c.to(e.a, dst)
		j := c.emit(line, opTest, 0, dst, btoi(!e.and))
		c.to(e.b, dst)
		c.land(j)
	case *paren:
		c.to(e.e, dst)
	case *constructor:
		c.constructor(e, dst)
	}
	c.free = free
}

func (f *function) scopeEnd() int { return f.endLine }

const fieldsPerFlush = 50

func (c *compiler) constructor(e *constructor, dst int) {
	t := c.alloc(1)
	array, hash := 0, 0
	for _, it := range e.items {
		if it.key == nil {
			array++
		} else {
			hash++
		}
	}
	if n := len(e.items); n > 0 && e.items[n-1].key == nil && multiple(e.items[n-1].value) {
		array--
	}
	c.emit(e.at(), opTable, t, roundFloating(array), roundFloating(hash))
	pending, stored := 0, 0
	flush := func(line int) {
		if pending > 0 {
			c.emit(line, opSetList, t, pending, stored+1)
			stored += pending
			pending = 0
			c.free = t + 1
		}
	}
	for i, it := range e.items {
		if it.key != nil {
			free := c.free
			key := c.operand(it.key)
			c.emit(it.line, opSetIndex, t, key, c.operand(it.value))
			c.free = free
			continue
		}
		if pending == fieldsPerFlush {
			flush(it.line)
		}
		if i == len(e.items)-1 && multiple(it.value) {
			c.multi(it.value, -1)
			c.emit(it.line, opSetList, t, -1, stored+1)
			pending = 0
			break
		}
		c.next(it.value)
		pending++
	}
	flush(e.at())
	if t != dst {
		c.emit(e.at(), opMove, dst, t, 0)
	}
}

// roundFloating rounds up to a number of three bits and an exponent, as sizes of
// new tables are (luaO_int2fb).
func roundFloating(n int) int {
	e := 0
	x := n
	for x >= 16 {
		x = (x + 1) >> 1
		e++
	}
	return x << e
}

// callSetup puts a function and its arguments into the next registers.
func (c *compiler) callSetup(e *call) (args int) {
	base := c.free
	self := 0
	if e.method != "" {
		obj := c.register(e.fn)
		c.free = base
		c.alloc(2)
		c.emit(int(e.line), opSelf, base, obj, c.constant(String(e.method)))
		self = 1
	} else {
		c.next(e.fn)
	}
	n := c.list(e.args, -1, e.at())
	if n >= 0 {
		n += self
	}
	return n
}

// call calls into the next registers, which the results take.
func (c *compiler) call(e *call, results int) {
	base := c.free
	n := c.callSetup(e)
	c.emit(e.at(), opCall, base, n, results)
	c.free = base
	c.alloc(max(results, 0))
}

// jumpIf goes on when the truth of a condition is not sense, and returns the
// jumps that are taken when it is.
func (c *compiler) jumpIf(e expr, sense bool) []int {
	free := c.free
	defer func() { c.free = free }()
	line := e.at()
	switch e := e.(type) {
	case *constant:
		if e.v.Truth() == sense {
			return []int{c.emit(line, opJump, 0, 0, 0)}
		}
		return nil
	case *paren:
		if !multiple(e.e) {
			return c.jumpIf(e.e, sense)
		}
	case *unary:
		if e.op == opNot {
			return c.jumpIf(e.a, !sense)
		}
	case *logical:
		if e.and != sense { // decided by either
			return append(c.jumpIf(e.a, sense), c.jumpIf(e.b, sense)...)
		}
		skip := c.jumpIf(e.a, !sense)
		jumps := c.jumpIf(e.b, sense)
		c.land(skip...)
		return jumps
	case *binary:
		if o, ok := map[op]op{opEq: opIfEq, opLt: opIfLt, opLe: opIfLe}[e.op]; ok {
			a := c.operand(e.a)
			b := c.operand(e.b)
			if e.swap {
				a, b = b, a
			}
			return []int{c.emit(line, o, btoi(sense), a, b)}
		}
	}
	return []int{c.emit(line, opTest, 0, c.register(e), btoi(sense))}
}
