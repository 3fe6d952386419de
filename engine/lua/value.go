// Package lua is a Lua 5.1 interpreter, as redis-server 7.0.15 embeds it: the
// language, its libraries as far as scripts may use them, the words of its
// errors, and what a script can see of its inside: the order of pairs, the
// border of a table, how numbers are printed.
//
// It is a state machine: a thread's frames are data, so that coroutines need no
// goroutines, a script in the middle of its work can be left for good, and the
// count of instructions says when the hook is called. It does no input or
// output. Errors are returned, so that a panic of a seam passes through.
package lua

import (
	"math"
	"strconv"
	"strings"
)

// Value is a Lua value. The zero Value is nil.
type Value struct {
	o any
	n float64
}

// number marks a Value that is one; boolean values are Go's own.
type number struct{}

// Str is a string with its hash, once that was wanted.
type Str struct {
	s      string
	hash   uint32
	hashed bool
}

// Pointer is a light userdata: equal to itself alone.
type Pointer struct{ id uint32 }

// Function is a function of Lua or of Go.
type Function struct {
	id   uint32
	goFn GoFunc
	p    *proto
	up   []*upvalue
	env  *Table
}

// GoFunc is a function written in Go. What it returns is used before anything
// else is called.
type GoFunc func(l *Thread, args []Value) ([]Value, error)

// Nil, True and False are values.
var (
	Nil   = Value{}
	True  = Value{o: true}
	False = Value{o: false}
)

// Number, String and so on make values.
func Number(n float64) Value { return Value{o: number{}, n: n} }

// String makes a string.
func String(s string) Value { return Value{o: &Str{s: s}} }

// Bool makes a boolean.
func Bool(b bool) Value { return Value{o: b} }

// TableValue makes a value of a table.
func TableValue(t *Table) Value { return Value{o: t} }

// FunctionValue makes a value of a function.
func FunctionValue(f *Function) Value { return Value{o: f} }

// PointerValue makes a value of a light userdata.
func PointerValue(p *Pointer) Value { return Value{o: p} }

// IsNil reports whether there is no value.
func (v Value) IsNil() bool { return v.o == nil }

// Truth is what a condition sees: everything but nil and false.
func (v Value) Truth() bool {
	if v.o == nil {
		return false
	}
	b, isBool := v.o.(bool)
	return !isBool || b
}

// AsTable is the table, or nil.
func (v Value) AsTable() *Table {
	t, _ := v.o.(*Table)
	return t
}

// AsFunction is the function, or nil.
func (v Value) AsFunction() *Function {
	f, _ := v.o.(*Function)
	return f
}

// AsPointer is the light userdata, or nil.
func (v Value) AsPointer() *Pointer {
	p, _ := v.o.(*Pointer)
	return p
}

// IsNumber reports whether the value is a number, no string that looks like one.
func (v Value) IsNumber() bool { _, ok := v.o.(number); return ok }

// Float is the number of a Value that is one.
func (v Value) Float() float64 { return v.n }

// IsString reports whether the value is a string.
func (v Value) IsString() bool { _, ok := v.o.(*Str); return ok }

// IsBool reports whether the value is a boolean.
func (v Value) IsBool() bool { _, ok := v.o.(bool); return ok }

// Text is the text of a string or a number (lua_tolstring).
func (v Value) Text() (string, bool) {
	switch o := v.o.(type) {
	case *Str:
		return o.s, true
	case number:
		return FormatNumber(v.n), true
	}
	return "", false
}

// ToNumber is the number that a number or a string stands for (lua_tonumber).
func (v Value) ToNumber() (float64, bool) {
	switch o := v.o.(type) {
	case number:
		return v.n, true
	case *Str:
		return ParseNumber(o.s)
	}
	return 0, false
}

// Type is the name of the value's type.
func (v Value) Type() string {
	switch v.o.(type) {
	case nil:
		return "nil"
	case bool:
		return "boolean"
	case number:
		return "number"
	case *Str:
		return "string"
	case *Table:
		return "table"
	case *Function:
		return "function"
	case *Thread:
		return "thread"
	}
	return "userdata"
}

// equal is raw equality.
func equal(a, b Value) bool {
	switch x := a.o.(type) {
	case nil:
		return b.o == nil
	case bool:
		y, ok := b.o.(bool)
		return ok && x == y
	case number:
		_, ok := b.o.(number)
		return ok && a.n == b.n
	case *Str:
		y, ok := b.o.(*Str)
		return ok && (x == y || x.s == y.s)
	case *Table:
		y, ok := b.o.(*Table)
		return ok && x == y
	case *Function:
		y, ok := b.o.(*Function)
		return ok && x == y
	case *Thread:
		y, ok := b.o.(*Thread)
		return ok && x == y
	case *Pointer:
		y, ok := b.o.(*Pointer)
		return ok && x == y
	}
	return false
}

// hashOf is the hash of a string (lua 5.1 lstring.c luaS_newlstr).
func (s *Str) hashOf() uint32 {
	if !s.hashed {
		h := uint32(len(s.s))
		step := len(s.s)>>5 + 1
		for l := len(s.s); l >= step; l -= step {
			h ^= h<<5 + h>>2 + uint32(s.s[l-1])
		}
		s.hash, s.hashed = h, true
	}
	return s.hash
}

// FormatNumber prints a number as %.14g does.
func FormatNumber(n float64) string { return string(AppendNumber(nil, n, 14)) }

// AppendNumber prints a number as %.*g does.
func AppendNumber(b []byte, n float64, digits int) []byte {
	switch {
	case math.IsNaN(n) && math.Signbit(n):
		return append(b, "-nan"...)
	case math.IsNaN(n):
		return append(b, "nan"...)
	case math.IsInf(n, 1):
		return append(b, "inf"...)
	case math.IsInf(n, -1):
		return append(b, "-inf"...)
	}
	return strconv.AppendFloat(b, n, 'g', digits, 64)
}

// ParseNumber reads a number as lua 5.1 lobject.c luaO_str2d does: what strtod
// takes, or a hexadecimal integer, with blanks around.
func ParseNumber(s string) (float64, bool) {
	n, end := Strtod(s)
	if end == 0 {
		return 0, false
	}
	rest := strings.TrimLeft(s[end:], " \t\n\v\f\r")
	return n, rest == ""
}

// Strtod reads the longest number at the start of s, and says where it ends; 0
// when there is none (C's strtod).
func Strtod(s string) (n float64, end int) {
	i := 0
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	start := i
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	neg := i > start && s[start] == '-'
	rest := strings.ToLower(s[i:min(len(s), i+8)])
	for _, w := range []struct {
		word string
		n    float64
	}{{"infinity", math.Inf(1)}, {"inf", math.Inf(1)}, {"nan", math.NaN()}} {
		if strings.HasPrefix(rest, w.word) {
			n = w.n
			if neg {
				n = math.Copysign(n, -1)
			}
			return n, i + len(w.word)
		}
	}
	digits := func(hex bool) bool {
		from := i
		for i < len(s) && (isDigit(s[i]) || hex && isHex(s[i])) {
			i++
		}
		return i > from
	}
	hex := strings.HasPrefix(rest, "0x")
	if hex {
		i += 2
	}
	whole := digits(hex)
	part := false
	if i < len(s) && s[i] == '.' {
		i++
		part = digits(hex)
		if !whole && !part {
			i--
		}
	}
	if !whole && !part {
		if !hex {
			return 0, 0
		}
		return math.Copysign(0, map[bool]float64{true: -1, false: 1}[neg]), start + 1 + btoi(i > start && (s[start] == '+' || neg)) // the 0 of "0x"
	}
	text := s[start:i]
	if i < len(s) && (!hex && (s[i] == 'e' || s[i] == 'E') || hex && (s[i] == 'p' || s[i] == 'P')) {
		mark := i
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if digits(false) {
			text = s[start:i]
		} else {
			i = mark
		}
	}
	if hex && !strings.ContainsAny(text, "pP") {
		text += "p0"
	}
	n, _ = strconv.ParseFloat(text, 64) // out of range: infinite, as C
	return n, i
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }
