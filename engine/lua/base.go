package lua

import (
	"fmt"
	"strconv"
	"strings"
)

// Register puts functions into a table.
func (s *State) Register(t *Table, functions []Named) {
	for _, f := range functions {
		t.SetField(f.Name, s.NewFunction(f.Func))
	}
}

// Named is a function with its name.
type Named struct {
	Name string
	Func GoFunc
}

// OpenLibraries puts the libraries that Redis's scripts have into the globals:
// base, coroutine, string, table and math. Names that set is nil for are left out.
func (s *State) OpenLibraries() {
	g := s.Globals
	g.SetField("_G", TableValue(g))
	s.Register(g, baseFunctions)
	g.SetField("_VERSION", String("Lua 5.1"))
	g.SetField("newproxy", Nil)
	ipairs := s.NewFunction(ipairsNext)
	g.SetField("ipairs", s.NewFunction(func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		a.Table(1)
		return []Value{ipairs, a.At(1), Number(0)}, a.Err
	}))
	next := s.NewFunction(baseNext)
	g.SetField("next", next)
	g.SetField("pairs", s.NewFunction(func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		a.Table(1)
		return []Value{next, a.At(1), Nil}, a.Err
	}))
	for _, lib := range []struct {
		name      string
		functions []Named
	}{{"coroutine", coroutineFunctions}, {"table", tableFunctions}, {"string", stringFunctions}, {"math", mathFunctions}} {
		t := s.NewTable(0, len(lib.functions))
		s.Register(t, lib.functions)
		g.SetField(lib.name, TableValue(t))
		switch lib.name {
		case "math":
			t.SetField("pi", Number(pi))
			t.SetField("huge", Number(huge))
		case "string":
			t.SetField("gfind", t.Field("gmatch"))
			s.strMeta = s.NewTable(0, 1)
			s.strMeta.SetField("__index", TableValue(t))
		}
	}
}

// StringMeta is the metatable of strings.
func (s *State) StringMeta() *Table { return s.strMeta }

var baseFunctions = []Named{
	{"assert", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		a.Any(1)
		if a.Err == nil && !a.At(1).Truth() {
			msg := a.OptText(2, "assertion failed!")
			if a.Err == nil {
				a.Err = l.Raise("%s", msg)
			}
		}
		return v, a.Err
	}},
	{"collectgarbage", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		what := a.OptText(1, "collect")
		switch what {
		case "count":
			return l.One(Number(float64(l.st.ids) / 16)), a.Err
		case "step":
			return l.One(True), a.Err
		case "collect", "stop", "restart":
			return l.One(Number(0)), a.Err
		case "setpause", "setstepmul":
			return l.One(Number(200)), a.Err
		}
		a.Fail(1, "invalid option '"+what+"'")
		return nil, a.Err
	}},
	{"error", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		level := a.OptInt(2, 1)
		if a.Err != nil {
			return nil, a.Err
		}
		e := a.At(1)
		if s, ok := e.Text(); ok && level > 0 {
			e = String(l.where(level) + s)
		}
		return nil, &Error{e}
	}},
	{"gcinfo", func(l *Thread, v []Value) ([]Value, error) {
		return l.One(Number(float64(l.st.ids / 16))), nil
	}},
	{"getmetatable", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		m := l.metatable(a.Any(1))
		if m == nil {
			return l.One(Nil), a.Err
		}
		if p := m.getStr(metaMeta); p.o != nil {
			return l.One(p), nil
		}
		return l.One(TableValue(m)), nil
	}},
	{"load", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		fn := a.Function(1)
		name := a.OptText(2, "=(load)")
		if a.Err != nil {
			return nil, a.Err
		}
		var src strings.Builder
		for {
			r, err := l.callOne(fn)
			if err != nil {
				if e, ok := err.(*Error); ok {
					return []Value{Nil, e.Value}, nil
				}
				return nil, err
			}
			if r.IsNil() {
				break
			}
			s, ok := r.Text()
			if !ok {
				return []Value{Nil, String("reader function must return a string")}, nil
			}
			if s == "" {
				break
			}
			src.WriteString(s)
		}
		return l.load(src.String(), name)
	}},
	{"loadstring", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		src := a.Text(1)
		name := a.OptText(2, src)
		if a.Err != nil {
			return nil, a.Err
		}
		return l.load(src, name)
	}},
	{"rawequal", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		return l.One(Bool(equal(a.Any(1), a.Any(2)))), a.Err
	}},
	{"rawget", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		t, k := a.Table(1), a.Any(2)
		if a.Err != nil {
			return nil, a.Err
		}
		return l.One(t.Get(k)), nil
	}},
	{"rawset", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		t, k, val := a.Table(1), a.Any(2), a.Any(3)
		if a.Err != nil {
			return nil, a.Err
		}
		return v[:1], l.RawSet(t, k, val)
	}},
	{"select", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		if s := a.At(1); s.IsString() {
			if t, _ := s.Text(); strings.HasPrefix(t, "#") {
				return l.One(Number(float64(len(v) - 1))), nil
			}
		}
		i := a.Int(1)
		switch {
		case a.Err != nil:
		case i < 0:
			i += len(v)
		case i > len(v):
			i = len(v)
		}
		if i < 1 {
			a.Fail(1, "index out of range")
		}
		if a.Err != nil {
			return nil, a.Err
		}
		return v[i:], nil
	}},
	{"setmetatable", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		t := a.Table(1)
		m := a.At(2).AsTable()
		if a.Len() < 2 || m == nil && !a.At(2).IsNil() {
			a.Fail(2, "nil or table expected")
		}
		if a.Err != nil {
			return nil, a.Err
		}
		if t.meta != nil && t.meta.getStr(metaMeta).o != nil {
			return nil, l.Raise("cannot change a protected metatable")
		}
		if t.ReadOnly {
			return nil, l.runError("%s", errReadOnly)
		}
		t.meta = m
		return v[:1], nil
	}},
	{"tonumber", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		base := a.OptInt(2, 10)
		if base == 10 {
			x := a.Any(1)
			if n, ok := x.ToNumber(); ok {
				return l.One(Number(n)), a.Err
			}
			return l.One(Nil), a.Err
		}
		s := a.Text(1)
		if base < 2 || base > 36 {
			a.Fail(2, "base out of range")
		}
		if a.Err != nil {
			return nil, a.Err
		}
		return l.One(parseBase(s, base)), nil
	}},
	{"tostring", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		x := a.Any(1)
		if a.Err != nil {
			return nil, a.Err
		}
		s, err := l.ToString(x)
		return l.One(String(s)), err
	}},
	{"type", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		return l.One(String(a.Any(1).Type())), a.Err
	}},
	{"unpack", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		t := a.Table(1)
		from := a.OptInt(2, 1)
		if a.Err != nil {
			return nil, a.Err
		}
		to := a.OptInt(3, t.Len())
		if a.Err != nil || from > to {
			return nil, a.Err
		}
		if n := to - from + 1; n <= 0 || n+len(v) > maxCStack {
			return nil, l.Raise("too many results to unpack")
		}
		out := make([]Value, 0, to-from+1)
		for i := from; i <= to; i++ {
			out = append(out, t.Index(i))
		}
		return out, nil
	}},
	{"pcall", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		a.Any(1)
		if a.Err != nil {
			return nil, a.Err
		}
		r, caught, err := l.PCall(v[0], v[1:], nil)
		switch {
		case err != nil:
			return nil, err
		case caught != nil:
			return []Value{False, caught.Value}, nil
		}
		return append([]Value{True}, r...), nil
	}},
	{"xpcall", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		h := a.Any(2)
		if a.Err != nil {
			return nil, a.Err
		}
		r, caught, err := l.PCall(v[0], nil, func(e Value) Value {
			r, err := l.callOne(h, e)
			if err != nil {
				return String("error in error handling")
			}
			return r
		})
		switch {
		case err != nil:
			return nil, err
		case caught != nil:
			return []Value{False, caught.Value}, nil
		}
		return append([]Value{True}, r...), nil
	}},
}

// maxCStack is how many values a function of C may have (LUAI_MAXCSTACK).
const maxCStack = 8000

// RawSet sets a key without metamethods, for a function that a script called.
func (l *Thread) RawSet(t *Table, k, v Value) error {
	if t.ReadOnly {
		return l.runError("%s", errReadOnly)
	}
	if err := t.Set(k, v); err != nil {
		return l.runError("%s", err)
	}
	return nil
}

func parseBase(s string, base int) Value {
	s = strings.Trim(s, " \t\n\v\f\r")
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	if base == 16 && len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		s = s[2:]
	}
	n, err := strconv.ParseUint(s, base, 64)
	if e, ok := err.(*strconv.NumError); s == "" || strings.Contains(s, "_") || ok && e.Err == strconv.ErrSyntax || s[0] == '+' || s[0] == '-' {
		return Nil
	}
	if neg && err == nil { // strtoul negates what it has read
		n = -n
	}
	return Number(float64(n))
}

// load compiles for load and loadstring.
func (l *Thread) load(src, name string) ([]Value, error) {
	if strings.HasPrefix(src, "\x1b") {
		return []Value{Nil, String(chunkID(name) + ": bad binary format (precompiled chunks are not loaded)")}, nil
	}
	p, err := compile(src, chunkID(name), name)
	if err != nil {
		return []Value{Nil, String(err.Error())}, nil
	}
	return l.One(FunctionValue(&Function{id: l.st.nextID(), p: p, env: l.st.Globals})), nil
}

// chunkID is how a chunk is called in errors (lua 5.1 lobject.c luaO_chunkid).
func chunkID(source string) string {
	const size = 60
	if source != "" && source[0] == '=' {
		return cString(source[1:min(len(source), size)])
	}
	if source != "" && source[0] == '@' {
		s := source[1:]
		if room := size - len(" '...' ") - 1; len(s) > room {
			return "..." + s[len(s)-room:]
		}
		return s
	}
	n := strings.IndexAny(source, "\r\n")
	if n < 0 {
		n = len(source)
	}
	room := size - len(" [string \"...\"] ") - 1
	if n > room {
		n = room
	}
	text := cString(source[:n])
	if n < len(source) {
		text += "..."
	}
	return fmt.Sprintf("[string \"%s\"]", text)
}

func ipairsNext(l *Thread, v []Value) ([]Value, error) {
	a := Arguments(l, v)
	i := a.Int(2) + 1
	t := a.Table(1)
	if a.Err != nil {
		return nil, a.Err
	}
	x := t.Index(i)
	if x.IsNil() {
		return nil, nil
	}
	return []Value{Number(float64(i)), x}, nil
}

func baseNext(l *Thread, v []Value) ([]Value, error) {
	a := Arguments(l, v)
	t := a.Table(1)
	if a.Err != nil {
		return nil, a.Err
	}
	k, x, ok := t.Next(a.At(2))
	switch {
	case !ok:
		return nil, l.runError("invalid key to 'next'")
	case k.IsNil():
		return l.One(Nil), nil
	}
	return []Value{k, x}, nil
}

var coroutineFunctions = []Named{
	{"create", func(l *Thread, v []Value) ([]Value, error) {
		co, err := l.newCoroutine(v)
		return l.One(Value{o: co}), err
	}},
	{"resume", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		co, ok := a.At(1).o.(*Thread)
		if !ok {
			a.Fail(1, "coroutine expected")
			return nil, a.Err
		}
		r, caught, err := l.resume(co, v[1:])
		switch {
		case err != nil:
			return nil, err
		case caught != nil:
			return []Value{False, caught.Value}, nil
		}
		return append([]Value{True}, r...), nil
	}},
	{"running", func(l *Thread, v []Value) ([]Value, error) {
		if l == l.st.main {
			return l.One(Nil), nil
		}
		return l.One(Value{o: l}), nil
	}},
	{"status", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		co, ok := a.At(1).o.(*Thread)
		if !ok {
			a.Fail(1, "coroutine expected")
			return nil, a.Err
		}
		if co == l {
			return l.One(String("running")), nil
		}
		return l.One(String(statusNames[co.status])), nil
	}},
	{"wrap", func(l *Thread, v []Value) ([]Value, error) {
		co, err := l.newCoroutine(v)
		if err != nil {
			return nil, err
		}
		return l.One(l.st.NewFunction(func(l *Thread, v []Value) ([]Value, error) {
			r, caught, err := l.resume(co, v)
			if caught != nil {
				if s, ok := caught.Value.Text(); ok {
					caught = &Error{String(l.where(1) + s)}
				}
				return nil, caught
			}
			return r, err
		})), nil
	}},
	{"yield", func(l *Thread, v []Value) ([]Value, error) {
		if l == l.st.main || l.goCalls > 0 {
			return nil, l.runError("attempt to yield across metamethod/C-call boundary")
		}
		l.transfer = append([]Value(nil), v...)
		return nil, errYield
	}},
}

func (l *Thread) newCoroutine(v []Value) (*Thread, error) {
	a := Arguments(l, v)
	fn := a.At(1).AsFunction()
	if fn == nil || fn.goFn != nil {
		a.Fail(1, "Lua function expected")
		return nil, a.Err
	}
	co := l.st.newThread()
	co.ensure(4)
	co.stack[0] = v[0]
	return co, nil
}

// resume runs a coroutine until it yields or ends. caught is its own error.
func (l *Thread) resume(co *Thread, args []Value) (results []Value, caught *Error, err error) {
	switch {
	case co == l:
		return nil, &Error{String("cannot resume running coroutine")}, nil
	case co.status != suspended:
		return nil, &Error{String("cannot resume " + statusNames[co.status] + " coroutine")}, nil
	}
	calls := l.st.calls
	if calls+1 >= maxGoCalls {
		return nil, &Error{String("C stack overflow")}, nil
	}
	l.st.calls++
	l.status, co.status = normal, running
	if !co.started {
		co.started = true
		co.ensure(len(args) + 1)
		copy(co.stack[1:], args)
		err = co.enter(0, len(args), 0, -1)
	} else {
		y := co.frames[len(co.frames)-1]
		co.frames = co.frames[:len(co.frames)-1]
		co.give(args, y.ret, y.want)
	}
	if err == nil && len(co.frames) > 0 {
		err = co.run(0)
	}
	l.status = running
	l.st.calls = calls
	switch e := err.(type) {
	case nil:
		co.status = dead
		return append([]Value(nil), co.stack[:co.top]...), nil, nil
	case *Error:
		co.status = dead
		return nil, e, nil
	}
	if err == errYield {
		co.status = suspended
		return co.transfer, nil, nil
	}
	co.status = dead
	return nil, nil, err
}
