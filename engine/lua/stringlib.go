package lua

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// position is a relative position: from the end when it is negative.
func position(i, n int) int {
	if i < 0 {
		i += n + 1
	}
	return max(i, 0)
}

func mapText(f func(string) string) GoFunc {
	return func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		return l.One(String(f(a.Text(1)))), a.Err
	}
}

// inASCII changes letters, as in the C locale.
func inASCII(from, to byte, flip byte) func(string) string {
	return func(s string) string {
		b := []byte(s)
		for i, c := range b {
			if c >= from && c <= to {
				b[i] = c ^ flip
			}
		}
		return string(b)
	}
}

var stringFunctions = []Named{
	{"byte", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		s := a.Text(1)
		from := position(a.OptInt(2, 1), len(s))
		to := position(a.OptInt(3, from), len(s))
		if a.Err != nil {
			return nil, a.Err
		}
		from, to = max(from, 1), min(to, len(s))
		if from > to {
			return nil, nil
		}
		if to-from+1+len(v) > maxCStack {
			return nil, l.Raise("stack overflow (%s)", "string slice too long")
		}
		var out []Value
		for _, c := range []byte(s[from-1 : to]) {
			out = append(out, Number(float64(c)))
		}
		return out, nil
	}},
	{"char", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		b := make([]byte, len(v))
		for i := range v {
			c := a.Int32(i + 1)
			if c < 0 || c > 255 {
				a.Fail(i+1, "invalid value")
			}
			b[i] = byte(c)
		}
		return l.One(String(string(b))), a.Err
	}},
	{"dump", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		a.Function(1)
		if a.Err != nil {
			return nil, a.Err
		}
		if a.At(1).AsFunction().p == nil {
			return nil, l.Raise("unable to dump given function")
		}
		// The head of a compiled chunk alone: nothing loads one (redis 7.0.15 deps/lua ldo.c f_parser).
		return l.One(String("\x1bLuaQ\x00\x01\x04\x08\x04\x08\x00")), nil
	}},
	{"find", func(l *Thread, v []Value) ([]Value, error) { return stringFind(l, v, true) }},
	{"format", stringFormat},
	{"gmatch", stringGmatch},
	{"gsub", stringGsub},
	{"len", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		return l.One(Number(float64(len(a.Text(1))))), a.Err
	}},
	{"lower", mapText(inASCII('A', 'Z', 0x20))},
	{"match", func(l *Thread, v []Value) ([]Value, error) { return stringFind(l, v, false) }},
	{"rep", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		s, n := a.Text(1), a.Int(2)
		if a.Err != nil {
			return nil, a.Err
		}
		if n > 0 && len(s) > 0 && n > maxString/len(s) {
			return nil, &Error{String("not enough memory")}
		}
		return l.One(String(strings.Repeat(s, max(n, 0)))), nil
	}},
	{"reverse", mapText(func(s string) string {
		b := []byte(s)
		for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
		return string(b)
	})},
	{"sub", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		s := a.Text(1)
		from, to := a.Int(2), a.OptInt(3, -1)
		if a.Err != nil {
			return nil, a.Err
		}
		from, to = max(position(from, len(s)), 1), min(position(to, len(s)), len(s))
		if from > to {
			return l.One(String("")), nil
		}
		return l.One(String(s[from-1 : to])), nil
	}},
	{"upper", mapText(inASCII('a', 'z', 0x20))},
}

// directive is a conversion of a format: %-5.2f.
type directive struct {
	flags      string
	width      int
	precision  int // -1: none
	conversion byte
}

func stringFormat(l *Thread, v []Value) ([]Value, error) {
	a := Arguments(l, v)
	format := a.Text(1)
	var b []byte
	arg := 1
	for i := 0; i < len(format) && a.Err == nil; i++ {
		c := format[i]
		if c != '%' {
			b = append(b, c)
			continue
		}
		i++
		if i < len(format) && format[i] == '%' {
			b = append(b, '%')
			continue
		}
		d, n, err := parseDirective(l, format[i:])
		if err != nil {
			return nil, err
		}
		i += n
		if arg++; arg > len(v) {
			a.Fail(arg, "no value")
		}
		switch d.conversion {
		case 'c':
			b = d.pad(b, string([]byte{byte(a.Int(arg))}))
		case 'd', 'i':
			b = d.integer(b, int64(a.Int(arg)))
		case 'o', 'u', 'x', 'X':
			b = d.unsigned(b, toUnsigned(a.Number(arg)))
		case 'e', 'E', 'f', 'g', 'G':
			b = d.float(b, a.Number(arg))
		case 'q':
			b = appendQuoted(b, a.Text(arg))
		case 's':
			s := a.Text(arg)
			if d.precision < 0 && len(s) >= 100 {
				b = append(b, s...)
			} else {
				s = cString(s)
				if d.precision >= 0 && len(s) > d.precision {
					s = s[:d.precision]
				}
				b = d.pad(b, s)
			}
		default:
			if a.Err == nil {
				a.Err = l.Raise("invalid option '%%%s' to 'format'", cString(string([]byte{d.conversion})))
			}
		}
	}
	return l.One(String(string(b))), a.Err
}

func toUnsigned(n float64) uint64 {
	if n >= math.MaxInt64 && n < math.MaxUint64 {
		return uint64(n)
	}
	return uint64(ToInt(n))
}

// parseDirective reads what follows a %; n is how many characters come before the
// conversion.
func parseDirective(l *Thread, s string) (d directive, n int, err error) {
	d.precision = -1
	for n < len(s) && strings.IndexByte("-+ #0", s[n]) >= 0 {
		n++
	}
	if n > 5 {
		return d, n, l.Raise("invalid format (repeated flags)")
	}
	d.flags = s[:n]
	digits := func() int {
		v, from := 0, n
		for n < len(s) && isDigit(s[n]) && n-from < 2 {
			v = v*10 + int(s[n]-'0')
			n++
		}
		return v
	}
	d.width = digits()
	if n < len(s) && s[n] == '.' {
		n++
		d.precision = digits()
	}
	if n < len(s) && isDigit(s[n]) {
		return d, n, l.Raise("invalid format (width or precision too long)")
	}
	if n < len(s) {
		d.conversion = s[n]
	}
	return d, n, nil
}

func (d *directive) has(flag byte) bool { return strings.IndexByte(d.flags, flag) >= 0 }

func (d *directive) pad(b []byte, s string) []byte {
	fill := strings.Repeat(" ", max(0, d.width-len(s)))
	if d.has('-') {
		return append(append(b, s...), fill...)
	}
	return append(append(b, fill...), s...)
}

// number pads digits with their sign, with zeroes if wanted.
func (d *directive) number(b []byte, sign, digits string, zeroes bool) []byte {
	if zeroes && d.has('0') && !d.has('-') {
		digits = strings.Repeat("0", max(0, d.width-len(sign)-len(digits))) + digits
	}
	return d.pad(b, sign+digits)
}

func (d *directive) sign(negative bool) string {
	switch {
	case negative:
		return "-"
	case d.has('+'):
		return "+"
	case d.has(' '):
		return " "
	}
	return ""
}

func (d *directive) integer(b []byte, n int64) []byte {
	u := uint64(n)
	if n < 0 {
		u = -u
	}
	return d.number(b, d.sign(n < 0), d.digits(strconv.FormatUint(u, 10)), d.precision < 0)
}

// digits are at least as many as the precision says.
func (d *directive) digits(s string) string {
	if d.precision == 0 && s == "0" {
		return ""
	}
	return strings.Repeat("0", max(0, d.precision-len(s))) + s
}

func (d *directive) unsigned(b []byte, u uint64) []byte {
	base := map[byte]int{'o': 8, 'u': 10, 'x': 16, 'X': 16}[d.conversion]
	s := d.digits(strconv.FormatUint(u, base))
	prefix := ""
	if d.has('#') && u != 0 {
		switch d.conversion {
		case 'x', 'X':
			prefix = "0x"
		case 'o':
			s = "0" + s
		}
	}
	if d.conversion == 'X' {
		s, prefix = strings.ToUpper(s), strings.ToUpper(prefix)
	}
	return d.number(b, prefix, s, d.precision < 0)
}

func (d *directive) float(b []byte, n float64) []byte {
	sign := d.sign(math.Signbit(n))
	n = math.Abs(n)
	if math.IsNaN(n) || math.IsInf(n, 0) {
		s := "inf"
		if math.IsNaN(n) {
			s = "nan"
		}
		if d.conversion < 'a' {
			s = strings.ToUpper(s)
		}
		return d.pad(b, sign+s)
	}
	spec := "%"
	if d.has('#') {
		spec += "#"
	}
	precision := d.precision
	if precision < 0 {
		precision = 6
	}
	if d.has('#') || d.conversion|0x20 != 'g' {
		return d.number(b, sign, fmt.Sprintf(spec+"."+strconv.Itoa(precision)+string(rune(d.conversion)), n), true)
	}
	s := strconv.FormatFloat(n, d.conversion, max(precision, 1), 64)
	return d.number(b, sign, s, true)
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\', '\n':
			b = append(b, '\\', c)
		case '\r':
			b = append(b, `\r`...)
		case 0:
			b = append(b, `\000`...)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
