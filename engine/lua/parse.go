package lua

import "fmt"

// Limits of lua 5.1 (llimits.h, luaconf.h).
const (
	maxLocals   = 200
	maxUpvalues = 60
	maxLevels   = 200
)

// parser makes the tree of a chunk (the grammar of lua 5.1 lparser.c).
type parser struct {
	lexer
	fn     *funcScope
	levels int
}

// parse reads a whole chunk.
func parse(src, name string) (fn *function, err error) {
	p := &parser{lexer: lexer{src: src, chunk: name, line: 1, lastLine: 1}}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *syntaxError:
			err = r
		default:
			panic(r)
		}
	}()
	p.fn = &funcScope{vararg: true}
	p.next()
	body := p.block()
	p.check(tkEOF)
	return &function{line: 0, vararg: true, body: body, scope: p.fn, endLine: p.line}, nil
}

func (e *syntaxError) Error() string { return e.msg }

func (p *parser) syntax(msg string) { p.fail(msg, p.near()) }

func (p *parser) check(t token) {
	if p.tok != t {
		p.syntax("'" + t.name() + "' expected")
	}
}

func (p *parser) accept(t token) bool {
	if p.tok != t {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(t token) {
	p.check(t)
	p.next()
}

// match ends what began with who on a line.
func (p *parser) match(what, who token, where int) {
	if p.accept(what) {
		return
	}
	if where == p.line {
		p.check(what)
	}
	p.syntax(fmt.Sprintf("'%s' expected (to close '%s' at line %d)", what.name(), who.name(), where))
}

func (p *parser) ident() string {
	p.check(tkName)
	name := p.text
	p.next()
	return name
}

// limit fails when a function has too much of something (errorlimit).
func (p *parser) limit(n, limit int, what string) {
	if n <= limit {
		return
	}
	msg := fmt.Sprintf("main function has more than %d %s", limit, what)
	if p.fn.line != 0 {
		msg = fmt.Sprintf("function at line %d has more than %d %s", p.fn.line, limit, what)
	}
	p.fail(msg, p.near())
}

func (p *parser) enter() {
	p.levels++
	if p.levels > maxLevels {
		p.failPlain("chunk has too many syntax levels")
	}
}

// failPlain is an error that shows no token (luaX_lexerror without one).
func (p *parser) failPlain(msg string) {
	panic(&syntaxError{fmt.Sprintf("%s:%d: %s", p.chunk, p.line, msg)})
}

func (p *parser) leave() { p.levels-- }

// declare makes a variable that is visible once it is activated.
func (p *parser) declare(name string, pending int) *variable {
	p.limit(len(p.fn.active)+pending+1, maxLocals, "local variables")
	return &variable{name: name, owner: p.fn}
}

func (p *parser) activate(vars ...*variable) { p.fn.active = append(p.fn.active, vars...) }

func blockEnds(t token) bool {
	switch t {
	case tkElse, tkElseif, tkEnd, tkEOF, tkUntil:
		return true
	}
	return false
}

// block reads statements up to the block's end, in a scope of its own.
func (p *parser) block() *block {
	mark := len(p.fn.active)
	b := p.openBlock()
	p.fn.active = p.fn.active[:mark]
	return b
}

// openBlock is block with a scope that stays open.
func (p *parser) openBlock() *block {
	b := &block{}
	p.enter()
	for last := false; !last && !blockEnds(p.tok); {
		var s stmt
		s, last = p.statement()
		b.stmts = append(b.stmts, s)
		p.accept(';')
	}
	p.leave()
	b.end = p.line
	return b
}

func (p *parser) statement() (s stmt, last bool) {
	line := p.line
	switch p.tok {
	case tkIf:
		return p.ifStatement(line), false
	case tkWhile:
		p.next()
		w := &while{cond: p.expr(), line: line}
		p.expect(tkDo)
		w.body = p.loop()
		p.match(tkEnd, tkWhile, line)
		return w, false
	case tkDo:
		p.next()
		d := &doStmt{p.block()}
		p.match(tkEnd, tkDo, line)
		return d, false
	case tkFor:
		return p.forStatement(line), false
	case tkRepeat:
		p.next()
		mark := len(p.fn.active)
		p.fn.loops++
		r := &repeat{body: p.openBlock(), line: line}
		p.fn.loops--
		p.match(tkUntil, tkRepeat, line)
		r.cond = p.expr()
		p.fn.active = p.fn.active[:mark]
		return r, false
	case tkFunction:
		return p.functionStatement(line), false
	case tkLocal:
		p.next()
		if p.accept(tkFunction) {
			v := p.declare(p.ident(), 0)
			p.activate(v)
			return &localFunction{v: v, fn: p.body(false, p.line), line: line}, false
		}
		return p.localStatement(line), false
	case tkReturn:
		p.next()
		r := &returnStmt{line: line}
		if !blockEnds(p.tok) && p.tok != ';' {
			r.exprs = p.exprList()
		}
		r.line = p.lastLine
		return r, true
	case tkBreak:
		p.next()
		if p.fn.loops == 0 {
			p.syntax("no loop to break")
		}
		return &breakStmt{line}, true
	}
	return p.exprStatement(line), false
}

func (p *parser) loop() *block {
	p.fn.loops++
	b := p.block()
	p.fn.loops--
	return b
}

func (p *parser) ifStatement(line int) stmt {
	s := &ifStmt{line: line}
	for {
		p.next() // if, elseif
		s.conds = append(s.conds, p.expr())
		p.expect(tkThen)
		s.blocks = append(s.blocks, p.block())
		if p.tok != tkElseif {
			break
		}
	}
	if p.accept(tkElse) {
		s.blocks = append(s.blocks, p.block())
	}
	p.match(tkEnd, tkIf, line)
	return s
}

func (p *parser) forStatement(line int) stmt {
	p.next()
	name := p.ident()
	mark := len(p.fn.active)
	hidden := &variable{name: "(for generator)", owner: p.fn}
	var s stmt
	switch p.tok {
	case '=':
		p.next()
		f := &forNum{line: line}
		f.from = p.expr()
		p.expect(',')
		f.to = p.expr()
		if p.accept(',') {
			f.step = p.expr()
		}
		f.headerLine = p.line
		p.expect(tkDo)
		p.activate(hidden, hidden, hidden)
		f.v = p.declare(name, 0)
		p.activate(f.v)
		f.body = p.loop()
		s = f
	case ',', tkIn:
		f := &forIn{line: line}
		names := []string{name}
		for p.accept(',') {
			names = append(names, p.ident())
		}
		p.expect(tkIn)
		f.line = p.line
		f.exprs = p.exprList()
		p.expect(tkDo)
		p.activate(hidden, hidden, hidden)
		for i, n := range names {
			f.vars = append(f.vars, p.declare(n, i))
		}
		p.activate(f.vars...)
		f.body = p.loop()
		s = f
	default:
		p.syntax("'=' or 'in' expected")
	}
	p.fn.active = p.fn.active[:mark]
	p.match(tkEnd, tkFor, line)
	return s
}

func (p *parser) functionStatement(line int) stmt {
	p.next()
	target := p.variable()
	method := false
	for p.tok == '.' || p.tok == ':' {
		method = p.tok == ':'
		p.next()
		key := p.name()
		target = &index{lineOf(p.lastLine), target, key}
		if method {
			break
		}
	}
	fn := p.body(method, line)
	return &assign{targets: []expr{target}, exprs: []expr{fn}, line: line}
}

func lineOf(n int) line { return line(n) }

// name is an identifier as a constant.
func (p *parser) name() expr {
	s := p.ident()
	return &constant{lineOf(p.lastLine), String(s)}
}

func (p *parser) localStatement(line int) stmt {
	s := &localStmt{line: line}
	for {
		s.vars = append(s.vars, p.declare(p.ident(), len(s.vars)))
		if !p.accept(',') {
			break
		}
	}
	if p.accept('=') {
		s.exprs = p.exprList()
	}
	s.line = p.lastLine
	p.activate(s.vars...)
	return s
}

func (p *parser) exprStatement(line int) stmt {
	e := p.primary()
	if c, ok := e.(*call); ok {
		return &callStmt{c}
	}
	s := &assign{targets: []expr{e}, line: line}
	for {
		switch s.targets[len(s.targets)-1].(type) {
		case *local, *global, *index:
		default:
			p.syntax("syntax error")
		}
		if !p.accept(',') {
			break
		}
		s.targets = append(s.targets, p.primary())
		if len(s.targets) > maxLevels-p.levels {
			p.limit(len(s.targets), maxLevels-p.levels, "variables in assignment")
		}
	}
	p.expect('=')
	s.exprs = p.exprList()
	s.line = p.lastLine
	return s
}

func (p *parser) exprList() []expr {
	list := []expr{p.expr()}
	for p.accept(',') {
		list = append(list, p.expr())
	}
	return list
}

// variable is a name: local, of a function around, or global.
func (p *parser) variable() expr {
	name := p.ident()
	for f := p.fn; f != nil; f = f.parent {
		for i := len(f.active) - 1; i >= 0; i-- {
			v := f.active[i]
			if v.name != name {
				continue
			}
			if f != p.fn {
				v.captured = true
				for g := p.fn; g != f; g = g.parent {
					p.upvalue(g, v)
				}
			}
			return &local{lineOf(p.lastLine), v}
		}
	}
	return &global{lineOf(p.lastLine), name}
}

// upvalue notes that a function uses a variable of one around it.
func (p *parser) upvalue(f *funcScope, v *variable) {
	for _, u := range f.upvalues {
		if u == v {
			return
		}
	}
	f.upvalues = append(f.upvalues, v)
	if len(f.upvalues) > maxUpvalues {
		p.limit(len(f.upvalues), maxUpvalues, "upvalues")
	}
}

func (p *parser) primary() expr {
	var e expr
	switch p.tok {
	case '(':
		where := p.line
		p.next()
		e = p.expr()
		p.match(')', '(', where)
		e = &paren{lineOf(p.lastLine), e}
	case tkName:
		e = p.variable()
	default:
		p.syntax("unexpected symbol")
	}
	for {
		switch p.tok {
		case '.':
			p.next()
			e = &index{lineOf(p.lastLine), e, p.name()}
		case '[':
			p.next()
			key := p.expr()
			p.expect(']')
			e = &index{lineOf(p.lastLine), e, key}
		case ':':
			p.next()
			method := p.ident()
			c := &call{fn: e, method: method}
			p.args(c)
			e = c
		case '(', tkString, '{':
			c := &call{fn: e}
			p.args(c)
			e = c
		default:
			return e
		}
	}
}

func (p *parser) args(c *call) {
	where := p.line
	c.line = lineOf(where)
	switch p.tok {
	case '(':
		if where != p.lastLine {
			p.syntax("ambiguous syntax (function call x new statement)")
		}
		p.next()
		if p.tok != ')' {
			c.args = p.exprList()
		}
		p.match(')', '(', where)
	case '{':
		c.args = []expr{p.constructor()}
	case tkString:
		c.args = []expr{&constant{lineOf(p.line), String(p.text)}}
		p.next()
	default:
		p.syntax("function arguments expected")
	}
}

func (p *parser) constructor() expr {
	where := p.line
	t := &constructor{line: lineOf(where)}
	p.expect('{')
	for p.tok != '}' {
		switch {
		case p.tok == tkName && p.lookAhead() == '=':
			key := p.name()
			p.next()
			t.items = append(t.items, item{key, p.expr(), p.lastLine})
		case p.tok == '[':
			p.next()
			key := p.expr()
			p.expect(']')
			p.expect('=')
			t.items = append(t.items, item{key, p.expr(), p.lastLine})
		default:
			t.items = append(t.items, item{nil, p.expr(), p.lastLine})
		}
		if !p.accept(',') && !p.accept(';') {
			break
		}
	}
	p.match('}', '{', where)
	return t
}

// body reads a function's parameters and statements.
func (p *parser) body(method bool, where int) *function {
	f := &function{line: lineOf(where)}
	p.fn = &funcScope{parent: p.fn, line: where}
	f.scope = p.fn
	if method {
		f.params = append(f.params, p.declare("self", 0))
	}
	p.expect('(')
	if p.tok != ')' {
		for {
			if p.accept(tkDots) {
				f.vararg = true
				break
			}
			if p.tok != tkName {
				p.syntax("<name> or '...' expected")
			}
			f.params = append(f.params, p.declare(p.ident(), len(f.params)))
			if !p.accept(',') {
				break
			}
		}
	}
	p.fn.vararg = f.vararg
	p.activate(f.params...)
	p.expect(')')
	f.body = p.block()
	f.endLine = p.line
	p.match(tkEnd, tkFunction, where)
	p.fn = p.fn.parent
	return f
}

// priority of the binary operators, left and right.
var priority = map[token][2]int{
	'+': {6, 6}, '-': {6, 6}, '*': {7, 7}, '/': {7, 7}, '%': {7, 7}, '^': {10, 9}, tkConcat: {5, 4},
	tkNe: {3, 3}, tkEq: {3, 3}, '<': {3, 3}, tkLe: {3, 3}, '>': {3, 3}, tkGe: {3, 3}, tkAnd: {2, 2}, tkOr: {1, 1},
}

const unaryPriority = 8

func (p *parser) expr() expr { return p.subexpr(0) }

func (p *parser) subexpr(limit int) expr {
	p.enter()
	defer p.leave()
	var e expr
	switch p.tok {
	case tkNot, '-', '#':
		o := map[token]op{tkNot: opNot, '-': opNeg, '#': opLen}[p.tok]
		p.next()
		e = unaryOf(p.subexpr(unaryPriority), o, p.lastLine)
	default:
		e = p.simple()
	}
	for {
		t := p.tok
		pri, ok := priority[t]
		if !ok || pri[0] <= limit {
			return e
		}
		p.next()
		right := p.subexpr(pri[1])
		e = p.combine(t, e, right)
	}
}

func (p *parser) simple() expr {
	at := lineOf(p.line)
	var v Value
	switch p.tok {
	case tkNumber:
		v = Number(p.num)
	case tkString:
		v = String(p.text)
	case tkNil:
	case tkTrue:
		v = True
	case tkFalse:
		v = False
	case tkDots:
		if !p.fn.vararg {
			p.syntax("cannot use '...' outside a vararg function")
		}
		p.next()
		return &varargs{at}
	case '{':
		return p.constructor()
	case tkFunction:
		p.next()
		return p.body(false, int(at))
	default:
		return p.primary()
	}
	p.next()
	return &constant{at, v}
}

func isNumber(e expr) (float64, bool) {
	c, ok := e.(*constant)
	if !ok || !c.v.IsNumber() {
		return 0, false
	}
	return c.v.n, true
}

// unaryOf makes an operation, or its result where lua 5.1 lcode.c folds it.
func unaryOf(a expr, o op, at int) expr {
	if n, ok := isNumber(a); ok && o == opNeg && n == n {
		return &constant{lineOf(at), Number(-n)}
	}
	if c, ok := a.(*constant); ok && o == opNot {
		return &constant{lineOf(at), Bool(!c.v.Truth())}
	}
	return &unary{lineOf(at), o, a}
}

func (p *parser) combine(t token, a, b expr) expr {
	at := lineOf(p.lastLine)
	switch t {
	case tkAnd:
		return &logical{at, true, a, b}
	case tkOr:
		return &logical{at, false, a, b}
	case tkConcat:
		if c, ok := b.(*concat); ok {
			return &concat{at, append([]expr{a}, c.parts...), nil}
		}
		return &concat{at, []expr{a, b}, nil}
	case '>':
		return &binary{at, opLt, a, b, true}
	case tkGe:
		return &binary{at, opLe, a, b, true}
	case tkLe:
		return &binary{at, opLe, a, b, false}
	case '<':
		return &binary{at, opLt, a, b, false}
	case tkEq:
		return &binary{at, opEq, a, b, false}
	case tkNe:
		return &unary{at, opNot, &binary{at, opEq, a, b, false}}
	}
	o := map[token]op{'+': opAdd, '-': opSub, '*': opMul, '/': opDiv, '%': opMod, '^': opPow}[t]
	if x, ok := isNumber(a); ok {
		if y, ok := isNumber(b); ok && !((o == opDiv || o == opMod) && y == 0) {
			if r := arithmetic(o, x, y); r == r {
				return &constant{at, Number(r)}
			}
		}
	}
	return &binary{at, o, a, b, false}
}
