package lua

import (
	"math"
	"strconv"
)

// Args are the arguments of a function of Go. The first that is not what it must
// be makes Err, and the rest of the function work on zero values.
type Args struct {
	L   *Thread
	V   []Value
	Err error
}

// Arguments makes them.
func Arguments(l *Thread, v []Value) *Args { return &Args{L: l, V: v} }

// Len is how many there are.
func (a *Args) Len() int { return len(a.V) }

// At is the argument i, from 1; nil when there is none.
func (a *Args) At(i int) Value {
	if i <= len(a.V) {
		return a.V[i-1]
	}
	return Nil
}

// Fail says what is wrong with an argument (luaL_argerror).
func (a *Args) Fail(i int, msg string) {
	if a.Err == nil {
		a.Err = a.L.argError(i, msg)
	}
}

func (l *Thread) argError(i int, msg string) error {
	kind, name := l.calledAs()
	if kind == "method" {
		i--
		if i == 0 {
			return l.Raise("calling '%s' on bad self (%s)", name, msg)
		}
	}
	if kind == "" {
		name = "?"
	}
	return l.Raise("bad argument #%d to '%s' (%s)", i, name, msg)
}

// calledAs is by which name the current function was called.
func (l *Thread) calledAs() (kind, name string) {
	n := len(l.frames)
	if n < 2 || l.frames[n-1].tails > 0 || l.frames[n-2].fn.p == nil {
		return "", ""
	}
	f := &l.frames[n-2]
	in := f.fn.p.code[f.pc-1]
	if in.op != opCall && in.op != opTail {
		return "", ""
	}
	return f.fn.p.describe(f.pc-1, int(in.a))
}

func (a *Args) typeName(i int) string {
	if i > len(a.V) {
		return "no value"
	}
	return a.V[i-1].Type()
}

func (a *Args) wrongType(i int, want string) { a.Fail(i, want+" expected, got "+a.typeName(i)) }

// Any is an argument that must be there.
func (a *Args) Any(i int) Value {
	if i > len(a.V) {
		a.Fail(i, "value expected")
	}
	return a.At(i)
}

// Text is a string, or a number as one.
func (a *Args) Text(i int) string {
	s, ok := a.At(i).Text()
	if !ok {
		a.wrongType(i, "string")
	}
	return s
}

// OptText is Text with a default.
func (a *Args) OptText(i int, or string) string {
	if a.At(i).IsNil() {
		return or
	}
	return a.Text(i)
}

// Number is a number, or a string that looks like one.
func (a *Args) Number(i int) float64 {
	n, ok := a.At(i).ToNumber()
	if !ok {
		a.wrongType(i, "number")
	}
	return n
}

// Int is a number cut to an integer, as C does.
func (a *Args) Int(i int) int { return ToInt(a.Number(i)) }

// Int32 is Int in 32 bits, as luaL_checkint.
func (a *Args) Int32(i int) int { return int(int32(ToInt(a.Number(i)))) }

// ToInt cuts a number to an integer; what does not fit becomes the least one, as on
// x86-64.
func ToInt(n float64) int {
	if n != n || n >= math.MaxInt64 || n < math.MinInt64 {
		return math.MinInt64
	}
	return int(n)
}

// OptInt is Int with a default.
func (a *Args) OptInt(i, or int) int {
	if a.At(i).IsNil() {
		return or
	}
	return a.Int(i)
}

// Table is a table.
func (a *Args) Table(i int) *Table {
	t := a.At(i).AsTable()
	if t == nil {
		a.wrongType(i, "table")
	}
	return t
}

// Function is a function.
func (a *Args) Function(i int) Value {
	if a.At(i).AsFunction() == nil {
		a.wrongType(i, "function")
	}
	return a.At(i)
}

// ToString is tostring.
func (l *Thread) ToString(v Value) (string, error) {
	if h := l.metamethod(v, metaToString); h.o != nil {
		r, err := l.callOne(h, v)
		if err != nil {
			return "", err
		}
		s, ok := r.Text()
		if !ok {
			return "", l.Raise("'tostring' must return a string to 'print'")
		}
		return s, nil
	}
	return Show(v), nil
}

// Show prints a value without asking it.
func Show(v Value) string {
	switch o := v.o.(type) {
	case nil:
		return "nil"
	case bool:
		return strconv.FormatBool(o)
	case *Table:
		return "table: " + address(o.id)
	case *Function:
		return "function: " + address(o.id)
	case *Thread:
		return "thread: " + address(o.id)
	case *Pointer:
		return "userdata: " + address(o.id)
	}
	s, _ := v.Text()
	return s
}

// address stands for the place in memory that C prints.
func address(id uint32) string {
	if id == 0 {
		return "(nil)"
	}
	return "0x" + strconv.FormatUint(0x7f0000000000+uint64(id)*32, 16)
}
