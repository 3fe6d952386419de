package lua

import (
	"errors"
	"fmt"
	"strconv"
)

// State is what all threads of an interpreter share.
type State struct {
	Globals *Table
	// Hook is called every HookEvery instructions; its error ends the script,
	// whatever catches errors. Nil: it is not.
	Hook      func() error
	HookEvery int

	main    *Thread
	strMeta *Table
	left    int // instructions until the hook
	ids     uint32
	calls   int // of Go functions and metamethods within each other (nCcalls)
}

// New makes an interpreter without any library.
func New() *State {
	s := &State{HookEvery: 100000}
	s.left = s.HookEvery
	s.Globals = s.NewTable(0, 0)
	s.main = s.newThread()
	return s
}

func (s *State) nextID() uint32 { s.ids++; return s.ids }

// Main is the thread that the host calls functions in.
func (s *State) Main() *Thread { return s.main }

// NewFunction makes a function of Go.
func (s *State) NewFunction(f GoFunc) Value {
	return Value{o: &Function{id: s.nextID(), goFn: f, env: s.Globals}}
}

// NewPointer makes a light userdata.
func (s *State) NewPointer() *Pointer { return &Pointer{id: s.nextID()} }

// Load compiles a chunk, whose name is the one in errors ("user_script"), with
// the globals as they are. The error is a text.
func (s *State) Load(src, name string) (*Function, error) {
	p, err := compile(src, name, "@"+name)
	if err != nil {
		return nil, err
	}
	return &Function{id: s.nextID(), p: p, env: s.Globals}, nil
}

// ResetHook starts the count of instructions again.
func (s *State) ResetHook() { s.left = s.HookEvery }

// Error is an error of a script: any value.
type Error struct{ Value Value }

func (e *Error) Error() string {
	if s, ok := e.Value.Text(); ok {
		return s
	}
	return "(error object is not a string)"
}

// Fatal is an error that no script catches.
type Fatal struct{ Value Value }

func (e *Fatal) Error() string { return (&Error{e.Value}).Error() }

// ValueOf is the value that an error was raised with.
func ValueOf(err error) Value {
	var e *Error
	if errors.As(err, &e) {
		return e.Value
	}
	var f *Fatal
	if errors.As(err, &f) {
		return f.Value
	}
	return String(err.Error())
}

// Thread is a coroutine, or the main thread.
type Thread struct {
	st     *State
	id     uint32
	stack  []Value
	top    int // end of the values of unknown number that were made last
	frames []frame
	open   []*upvalue // of registers, the highest last
	one    [1]Value

	status   status
	started  bool
	goCalls  int     // Go functions that were called since it was resumed and have called back
	transfer []Value // what yield and resume hand over
}

type status uint8

const (
	suspended status = iota
	running
	normal // it has resumed another
	dead
)

var statusNames = []string{"suspended", "running", "normal", "dead"}

// frame is a function that is being executed.
type frame struct {
	fn    *Function
	base  int
	top   int // where others may begin
	pc    int
	ret   int // where results go
	want  int // how many; -1: all
	va    []Value
	tails int // tail calls that led here
}

// upvalue is a variable of a function that a closure has: a register as long as
// that is alive.
type upvalue struct {
	th  *Thread // nil: closed
	at  int
	val Value
}

func (u *upvalue) get() Value {
	if u.th != nil {
		return u.th.stack[u.at]
	}
	return u.val
}

func (u *upvalue) set(v Value) {
	if u.th != nil {
		u.th.stack[u.at] = v
		return
	}
	u.val = v
}

func (s *State) newThread() *Thread { return &Thread{st: s, id: s.nextID()} }

// State is what the thread belongs to.
func (l *Thread) State() *State { return l.st }

func (l *Thread) ensure(n int) {
	if n > len(l.stack) {
		grown := make([]Value, max(n+16, 2*len(l.stack)))
		copy(grown, l.stack)
		l.stack = grown
	}
}

func (l *Thread) findUpvalue(at int) *upvalue {
	i := len(l.open)
	for i > 0 && l.open[i-1].at >= at {
		i--
		if l.open[i].at == at {
			return l.open[i]
		}
	}
	u := &upvalue{th: l, at: at}
	l.open = append(l.open, nil)
	copy(l.open[i+1:], l.open[i:])
	l.open[i] = u
	return u
}

func (l *Thread) closeUpvalues(from int) {
	for n := len(l.open); n > 0 && l.open[n-1].at >= from; n-- {
		u := l.open[n-1]
		u.val, u.th = l.stack[u.at], nil
		l.open[n-1] = nil
		l.open = l.open[:n-1]
	}
}

// One is a single result.
func (l *Thread) One(v Value) []Value {
	l.one[0] = v
	return l.one[:1]
}

// Raise makes an error of a text, with the place of the function that called the
// Go function in front (luaL_error).
func (l *Thread) Raise(format string, a ...any) error {
	return &Error{String(l.where(1) + fmt.Sprintf(format, a...))}
}

// level finds the frame so many calls up, 0 the current one; nil when there is
// none, or when it was left by a tail call.
func (l *Thread) level(n int) *frame {
	for i := len(l.frames) - 1; i >= 0; i-- {
		if n == 0 {
			return &l.frames[i]
		}
		n -= 1 + l.frames[i].tails
		if n < 0 {
			return nil
		}
	}
	return nil
}

func (f *frame) line() int { return int(f.fn.p.lines[max(f.pc-1, 0)]) }

// where is "name:line: " of a level, or nothing (luaL_where).
func (l *Thread) where(n int) string {
	if f := l.level(n); f != nil && f.fn.p != nil {
		return f.fn.p.name + ":" + strconv.Itoa(f.line()) + ": "
	}
	return ""
}

// Place is where an error was raised that Call has just returned: in the function
// itself, or if that is Go's, in the one that called it (the handler of errors of
// redis 7.0.15 eval.c scriptingInit). Source is "" when it is not known.
func (l *Thread) Place() (source string, line int) {
	f := l.level(0)
	if f != nil && f.fn.p == nil {
		f = l.level(1)
		if f == nil && len(l.frames) > 1 {
			return "=(tail call)", -1
		}
	}
	switch {
	case f == nil:
		return "", 0
	case f.fn.p == nil:
		return "=[C]", -1
	}
	return f.fn.p.source, f.line()
}

// runError is an error of the interpreter itself, with the current place
// (luaG_runerror).
func (l *Thread) runError(format string, a ...any) error {
	return &Error{String(l.where(0) + fmt.Sprintf(format, a...))}
}

// depth is what a protected call goes back to when it fails.
type depth struct{ frames, calls, goCalls, stack int }

func (l *Thread) depth() depth {
	return depth{len(l.frames), l.st.calls, l.goCalls, l.freeStack()}
}

// unwind forgets the frames of a call that failed.
func (l *Thread) unwind(d depth) {
	l.closeUpvalues(d.stack)
	l.frames = l.frames[:d.frames]
	l.st.calls, l.goCalls = d.calls, d.goCalls
}

// PCall calls a function for the host or a script and catches its error. failed, if
// not nil, is called while the frames are still there, and returns the error's
// value anew. The error is one that nothing catches, or nil.
func (l *Thread) PCall(fn Value, args []Value, failed func(v Value) Value) (results []Value, caught *Error, err error) {
	d := l.depth()
	results, err = l.Call(fn, args)
	if err == nil {
		return results, nil, nil
	}
	var e *Error
	if !errors.As(err, &e) {
		if failed != nil {
			err = &Fatal{failed(ValueOf(err))}
		}
		l.unwind(d)
		return nil, nil, err
	}
	v := e.Value
	if failed != nil {
		v = failed(v)
	}
	l.unwind(d)
	return nil, &Error{v}, nil
}

// freeStack is where values may be put that belong to no frame.
func (l *Thread) freeStack() int {
	if n := len(l.frames); n > 0 {
		return l.frames[n-1].top
	}
	return 0
}

const maxGoCalls = 200 // LUAI_MAXCCALLS

// Call calls a function. The results are valid until the next call. An error
// leaves the frames as they are: PCall is what cleans up.
func (l *Thread) Call(fn Value, args []Value) ([]Value, error) {
	l.st.calls++
	if l.st.calls >= maxGoCalls {
		if l.st.calls == maxGoCalls {
			return nil, l.runError("C stack overflow")
		}
		if l.st.calls >= maxGoCalls+maxGoCalls>>3 {
			return nil, &Error{String("error in error handling")}
		}
	}
	l.goCalls++
	at := l.freeStack()
	l.ensure(at + len(args) + 1)
	l.stack[at] = fn
	copy(l.stack[at+1:], args)
	entry := len(l.frames)
	if err := l.enter(at, len(args), at, -1); err != nil {
		return nil, err
	}
	if len(l.frames) > entry {
		if err := l.run(entry); err != nil {
			return nil, err
		}
	}
	l.st.calls--
	l.goCalls--
	return append([]Value(nil), l.stack[at:l.top]...), nil
}

// index is a[k] with metamethods.
func (l *Thread) index(obj, key Value) (Value, error) {
	for range 100 {
		t := obj.AsTable()
		var h Value
		if t != nil {
			v := t.Get(key)
			if v.o != nil || t.meta == nil {
				return v, nil
			}
			if h = t.meta.getStr(metaIndex); h.o == nil {
				return Nil, nil
			}
		} else if h = l.metamethod(obj, metaIndex); h.o == nil {
			return Nil, l.typeError("index", obj)
		}
		if h.AsFunction() != nil {
			return l.callOne(h, obj, key)
		}
		obj = h
	}
	return Nil, l.runError("loop in gettable")
}

// setIndex is a[k] = v with metamethods.
func (l *Thread) setIndex(obj, key, v Value) error {
	for range 100 {
		t := obj.AsTable()
		var h Value
		if t != nil {
			if t.meta != nil && t.Get(key).o == nil {
				h = t.meta.getStr(metaNewIndex)
			}
			if h.o == nil {
				if t.ReadOnly {
					return l.runError("%s", errReadOnly)
				}
				if err := t.Set(key, v); err != nil {
					return l.runError("%s", err)
				}
				return nil
			}
		} else if h = l.metamethod(obj, metaNewIndex); h.o == nil {
			return l.typeError("index", obj)
		}
		if h.AsFunction() != nil {
			_, err := l.Call(h, []Value{obj, key, v})
			return err
		}
		obj = h
	}
	return l.runError("loop in settable")
}

// Names of metamethods.
var (
	metaIndex    = &Str{s: "__index"}
	metaNewIndex = &Str{s: "__newindex"}
	metaCall     = &Str{s: "__call"}
	metaConcat   = &Str{s: "__concat"}
	metaUnm      = &Str{s: "__unm"}
	metaEq       = &Str{s: "__eq"}
	metaLt       = &Str{s: "__lt"}
	metaLe       = &Str{s: "__le"}
	metaToString = &Str{s: "__tostring"}
	metaMeta     = &Str{s: "__metatable"}
	metaArith    = map[op]*Str{opAdd: {s: "__add"}, opSub: {s: "__sub"}, opMul: {s: "__mul"}, opDiv: {s: "__div"}, opMod: {s: "__mod"}, opPow: {s: "__pow"}}
)

// metatable is a value's, or nil.
func (l *Thread) metatable(v Value) *Table {
	switch o := v.o.(type) {
	case *Table:
		return o.meta
	case *Str:
		return l.st.strMeta
	}
	return nil
}

func (l *Thread) metamethod(v Value, name *Str) Value {
	if m := l.metatable(v); m != nil {
		return m.getStr(name)
	}
	return Nil
}

func (l *Thread) callOne(fn Value, args ...Value) (Value, error) {
	r, err := l.Call(fn, args)
	if err != nil || len(r) == 0 {
		return Nil, err
	}
	return r[0], nil
}
