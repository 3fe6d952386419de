package script

import (
	"fmt"
	"math"
	"strings"

	"github.com/torntail/torntail/engine/lua"
)

// cjson 2.1.0, as redis 7.0.15 deps/lua lua_cjson.c has it.

// jsonSettings are what scripts may change of the library.
type jsonSettings struct {
	sparseConvert            bool
	sparseRatio, sparseSafe  int
	encodeDepth, decodeDepth int
	encodeInvalid            int // 0: an error, 1: as they are, 2: null
	decodeInvalid            bool
	precision                int
	keepBuffer               bool
}

// openJSON makes the library's table.
func openJSON(s *lua.State, null lua.Value) *lua.Table {
	c := &jsonSettings{sparseRatio: 2, sparseSafe: 10, encodeDepth: 1000, decodeDepth: 1000, decodeInvalid: true, precision: 14, keepBuffer: true}
	t := s.NewTable(0, 0)
	s.Register(t, []lua.Named{
		{Name: "encode", Func: func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
			if err := oneArgument(l, v); err != nil {
				return nil, err
			}
			e := jsonEncoder{c: c, l: l, null: null}
			e.value(v[0], 0)
			return l.One(lua.String(string(e.out))), e.err
		}},
		{Name: "decode", Func: func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
			if err := oneArgument(l, v); err != nil {
				return nil, err
			}
			a := lua.Arguments(l, v)
			d := jsonDecoder{c: c, l: l, null: null, src: a.Text(1)}
			if a.Err != nil {
				return nil, a.Err
			}
			r := d.all()
			return l.One(r), d.err
		}},
		{Name: "encode_sparse_array", Func: func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
			o := options{lua.Arguments(l, v), 3}
			o.count()
			o.boolean(1, &c.sparseConvert)
			o.integer(2, &c.sparseRatio, 0, math.MaxInt32)
			o.integer(3, &c.sparseSafe, 0, math.MaxInt32)
			return []lua.Value{lua.Bool(c.sparseConvert), lua.Number(float64(c.sparseRatio)), lua.Number(float64(c.sparseSafe))}, o.Err
		}},
		{Name: "encode_max_depth", Func: integerOption(&c.encodeDepth, math.MaxInt32)},
		{Name: "decode_max_depth", Func: integerOption(&c.decodeDepth, math.MaxInt32)},
		{Name: "encode_number_precision", Func: integerOption(&c.precision, 14)},
		{Name: "encode_keep_buffer", Func: booleanOption(&c.keepBuffer)},
		{Name: "encode_invalid_numbers", Func: func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
			o := options{lua.Arguments(l, v), 1}
			o.count()
			if a := o.At(1); a.IsBool() {
				c.encodeInvalid = map[bool]int{true: 1}[a.Truth()]
			} else if !a.IsNil() {
				c.encodeInvalid = o.word(1, "off", "on", "null")
			}
			if c.encodeInvalid == 2 {
				return l.One(lua.String("null")), o.Err
			}
			return l.One(lua.Bool(c.encodeInvalid == 1)), o.Err
		}},
		{Name: "decode_invalid_numbers", Func: booleanOption(&c.decodeInvalid)},
		{Name: "new", Func: func(l *lua.Thread, _ []lua.Value) ([]lua.Value, error) {
			return l.One(lua.TableValue(openJSON(l.State(), null))), nil
		}},
	})
	t.SetField("null", null)
	t.SetField("_NAME", lua.String("cjson"))
	t.SetField("_VERSION", lua.String("2.1.0"))
	return t
}

func oneArgument(l *lua.Thread, v []lua.Value) error {
	if len(v) == 1 {
		return nil
	}
	a := lua.Arguments(l, v)
	a.Fail(1, "expected 1 argument")
	return a.Err
}

// options are the arguments of a function that changes settings.
type options struct {
	*lua.Args
	most int
}

func (o options) count() {
	if o.Len() > o.most {
		o.Fail(o.most+1, "found too many arguments")
	}
}

func (o options) integer(i int, to *int, lo, hi int) {
	if o.At(i).IsNil() {
		return
	}
	n := o.Int32(i)
	if n < lo || n > hi {
		o.Fail(1, fmt.Sprintf("expected integer between %d and %d", lo, hi))
	}
	if o.Err == nil {
		*to = n
	}
}

func (o options) boolean(i int, to *bool) {
	switch a := o.At(i); {
	case a.IsNil():
	case a.IsBool():
		*to = a.Truth()
	default:
		if n := o.word(i, "off", "on"); o.Err == nil {
			*to = n == 1
		}
	}
}

// word is which of the words an argument is (luaL_checkoption).
func (o options) word(i int, words ...string) int {
	s := o.Text(i)
	for n, w := range words {
		if s == w {
			return n
		}
	}
	o.Fail(i, "invalid option '"+s+"'")
	return 0
}

func integerOption(to *int, hi int) lua.GoFunc {
	return func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
		o := options{lua.Arguments(l, v), 1}
		o.count()
		o.integer(1, to, 1, hi)
		return l.One(lua.Number(float64(*to))), o.Err
	}
}

func booleanOption(to *bool) lua.GoFunc {
	return func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
		o := options{lua.Arguments(l, v), 1}
		o.count()
		o.boolean(1, to)
		return l.One(lua.Bool(*to)), o.Err
	}
}

type jsonEncoder struct {
	c    *jsonSettings
	l    *lua.Thread
	null lua.Value
	out  []byte
	err  error
}

func (e *jsonEncoder) refuse(v lua.Value, why string) {
	if e.err == nil {
		e.err = e.l.Raise("Cannot serialise %s: %s", v.Type(), why)
	}
}

func (e *jsonEncoder) value(v lua.Value, depth int) {
	if e.err != nil {
		return
	}
	t := v.AsTable()
	switch {
	case v.IsString():
		s, _ := v.Text()
		e.text(s)
	case v.IsNumber():
		e.number(v)
	case v.IsBool():
		e.out = fmt.Appendf(e.out, "%t", v.Truth())
	case v.IsNil(), v == e.null:
		e.out = append(e.out, "null"...)
	case t != nil:
		depth++
		if depth > e.c.encodeDepth {
			e.err = e.l.Raise("Cannot serialise, excessive nesting (%d)", depth)
			return
		}
		if n := e.arrayLength(t); n > 0 {
			e.array(t, n, depth)
		} else if e.err == nil {
			e.object(t, depth)
		}
	default:
		e.refuse(v, "type not supported")
	}
}

func (e *jsonEncoder) number(v lua.Value) {
	n := v.Float()
	if math.IsNaN(n) || math.IsInf(n, 0) {
		switch {
		case e.c.encodeInvalid == 0:
			e.refuse(v, "must not be NaN or Inf")
			return
		case e.c.encodeInvalid == 2:
			e.out = append(e.out, "null"...)
			return
		case math.IsNaN(n):
			e.out = append(e.out, "nan"...)
			return
		}
	}
	e.out = lua.AppendNumber(e.out, n, e.c.precision)
}

func (e *jsonEncoder) text(s string) {
	const short = "\b\t\n\f\r\"/\\"
	const letters = `btnfr"/\`
	e.out = append(e.out, '"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		if n := strings.IndexByte(short, c); n >= 0 {
			e.out = append(e.out, '\\', letters[n])
		} else if c < 32 || c == 127 {
			e.out = fmt.Appendf(e.out, `\u%04x`, c)
		} else {
			e.out = append(e.out, c)
		}
	}
	e.out = append(e.out, '"')
}

// arrayLength is how many elements a table has as an array; -1 when it is none.
func (e *jsonEncoder) arrayLength(t *lua.Table) int {
	most, items := 0.0, 0
	for k, _, _ := t.Next(lua.Nil); !k.IsNil(); k, _, _ = t.Next(k) {
		n := k.Float()
		if !k.IsNumber() || math.Floor(n) != n || n < 1 {
			return -1
		}
		most = max(most, n)
		items++
	}
	if e.c.sparseRatio > 0 && most > float64(items*e.c.sparseRatio) && most > float64(e.c.sparseSafe) {
		if !e.c.sparseConvert {
			e.refuse(lua.TableValue(t), "excessively sparse array")
		}
		return -1
	}
	return int(most)
}

func (e *jsonEncoder) array(t *lua.Table, n, depth int) {
	e.out = append(e.out, '[')
	for i := 1; i <= n; i++ {
		if i > 1 {
			e.out = append(e.out, ',')
		}
		e.value(t.Index(i), depth)
	}
	e.out = append(e.out, ']')
}

func (e *jsonEncoder) object(t *lua.Table, depth int) {
	e.out = append(e.out, '{')
	first := true
	for k, v, _ := t.Next(lua.Nil); !k.IsNil(); k, v, _ = t.Next(k) {
		if !first {
			e.out = append(e.out, ',')
		}
		first = false
		switch {
		case k.IsNumber():
			e.out = append(e.out, '"')
			e.number(k)
			e.out = append(e.out, `":`...)
		case k.IsString():
			s, _ := k.Text()
			e.text(s)
			e.out = append(e.out, ':')
		default:
			e.refuse(k, "table key must be a number or string")
		}
		e.value(v, depth)
		if e.err != nil {
			return
		}
	}
	e.out = append(e.out, '}')
}

// jsonToken is the kind of a token.
type jsonToken uint8

const (
	jsonObject jsonToken = iota
	jsonObjectEnd
	jsonArray
	jsonArrayEnd
	jsonString
	jsonNumber
	jsonBoolean
	jsonNull
	jsonColon
	jsonComma
	jsonEnd
	jsonError
)

var jsonTokenNames = []string{"T_OBJ_BEGIN", "T_OBJ_END", "T_ARR_BEGIN", "T_ARR_END", "T_STRING", "T_NUMBER", "T_BOOLEAN", "T_NULL", "T_COLON", "T_COMMA", "T_END", "T_ERROR"}

// jsonDecoder reads a text. Behind its end it sees a zero byte, as C does.
type jsonDecoder struct {
	c     *jsonSettings
	l     *lua.Thread
	null  lua.Value
	src   string
	pos   int
	depth int
	err   error

	tok   jsonToken
	index int // where the token begins
	text  string
	num   float64
	truth bool
}

func (d *jsonDecoder) at(i int) byte {
	if d.pos+i < len(d.src) {
		return d.src[d.pos+i]
	}
	return 0
}

func (d *jsonDecoder) all() lua.Value {
	if len(d.src) >= 2 && (d.src[0] == 0 || d.src[1] == 0) {
		d.err = d.l.Raise("JSON parser does not support UTF-16 or UTF-32")
		return lua.Nil
	}
	d.next()
	v := d.value()
	d.next()
	if d.tok != jsonEnd {
		d.expected("the end")
	}
	return v
}

func (d *jsonDecoder) expected(what string) {
	if d.err != nil {
		return
	}
	found := jsonTokenNames[d.tok]
	if d.tok == jsonError {
		found = d.text
	}
	d.err = d.l.Raise("Expected %s but found %s at character %d", what, found, d.index+1)
}

func (d *jsonDecoder) bad(what string) { d.tok, d.index, d.text = jsonError, d.pos, what }

func (d *jsonDecoder) next() {
	if d.err != nil {
		return
	}
	for strings.IndexByte(" \t\n\r", d.at(0)) >= 0 {
		d.pos++
	}
	d.index = d.pos
	c := d.at(0)
	if i := strings.IndexByte("{}[]", c); i >= 0 {
		d.tok = jsonToken(i)
		d.pos++
		return
	}
	rest := d.src[min(d.pos, len(d.src)):]
	switch {
	case c == ':':
		d.tok = jsonColon
		d.pos++
	case c == ',':
		d.tok = jsonComma
		d.pos++
	case c == 0:
		d.tok = jsonEnd
	case c == '"':
		d.string()
	case c == '-' || c >= '0' && c <= '9':
		if !d.c.decodeInvalid && d.invalidNumber(rest) {
			d.bad("invalid number")
			return
		}
		d.number(rest)
	case strings.HasPrefix(rest, "true"), strings.HasPrefix(rest, "false"):
		d.tok, d.truth = jsonBoolean, c == 't'
		d.pos += 4
		if c == 'f' {
			d.pos++
		}
	case strings.HasPrefix(rest, "null"):
		d.tok = jsonNull
		d.pos += 4
	case strings.IndexByte("fiInNt+", c) >= 0 && d.c.decodeInvalid && d.invalidNumber(rest):
		d.number(rest)
	default:
		d.bad("invalid token")
	}
}

// invalidNumber reports whether a text begins as what C reads as a number and JSON
// does not.
func (d *jsonDecoder) invalidNumber(s string) bool {
	if s[0] == '+' {
		return true
	}
	s = strings.TrimPrefix(s, "-") + "\x00\x00\x00"
	switch {
	case s[0] == '0':
		return s[1]|0x20 == 'x' || s[1] >= '0' && s[1] <= '9'
	case s[0] <= '9':
		return false
	}
	word := strings.ToLower(s[:3])
	return word == "inf" || word == "nan"
}

func (d *jsonDecoder) number(rest string) {
	n, end := lua.Strtod(rest)
	if end == 0 {
		d.bad("invalid number")
		return
	}
	d.tok, d.num = jsonNumber, n
	d.pos += end
}

func (d *jsonDecoder) string() {
	const letters = `"\/btnfr`
	const chars = "\"\\/\b\t\n\f\r"
	d.pos++
	var b []byte
	for {
		c := d.at(0)
		switch {
		case c == '"':
			d.pos++
			d.tok, d.text = jsonString, string(b)
			return
		case c == 0:
			d.bad("unexpected end of string")
			return
		case c == '\\' && d.at(1) == 'u':
			r, n := d.unicode()
			if n == 0 {
				d.bad("invalid unicode escape code")
				return
			}
			b = appendUTF8(b, r)
			d.pos += n
		case c == '\\':
			i := strings.IndexByte(letters, d.at(1))
			if i < 0 {
				d.bad("invalid escape code")
				return
			}
			b = append(b, chars[i])
			d.pos += 2
		default:
			b = append(b, c)
			d.pos++
		}
	}
}

// unicode reads \uXXXX, or two of them that make a surrogate pair; n is its length.
func (d *jsonDecoder) unicode() (r, n int) {
	r = d.hex4(2)
	if r < 0 {
		return 0, 0
	}
	if r&0xF800 != 0xD800 {
		return r, 6
	}
	if r&0x400 != 0 || d.at(6) != '\\' || d.at(7) != 'u' {
		return 0, 0
	}
	low := d.hex4(8)
	if low < 0 || low&0xFC00 != 0xDC00 {
		return 0, 0
	}
	return (r&0x3FF<<10 | low&0x3FF) + 0x10000, 12
}

func (d *jsonDecoder) hex4(at int) int {
	n := 0
	for i := range 4 {
		c := d.at(at + i)
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			n = n<<4 | int(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return n
}

// appendUTF8 writes any number as UTF-8, halves of surrogates included.
func appendUTF8(b []byte, r int) []byte {
	switch {
	case r <= 0x7F:
		return append(b, byte(r))
	case r <= 0x7FF:
		return append(b, byte(r>>6)|0xC0, byte(r&0x3F)|0x80)
	case r <= 0xFFFF:
		return append(b, byte(r>>12)|0xE0, byte(r>>6&0x3F)|0x80, byte(r&0x3F)|0x80)
	}
	return append(b, byte(r>>18)|0xF0, byte(r>>12&0x3F)|0x80, byte(r>>6&0x3F)|0x80, byte(r&0x3F)|0x80)
}

func (d *jsonDecoder) descend() {
	d.depth++
	if d.depth > d.c.decodeDepth && d.err == nil {
		d.err = d.l.Raise("Found too many nested data structures (%d) at character %d", d.depth, d.pos)
	}
}

// value makes the value that the current token begins.
func (d *jsonDecoder) value() lua.Value {
	if d.err != nil {
		return lua.Nil
	}
	switch d.tok {
	case jsonString:
		return lua.String(d.text)
	case jsonNumber:
		return lua.Number(d.num)
	case jsonBoolean:
		return lua.Bool(d.truth)
	case jsonNull:
		return d.null
	case jsonObject:
		return d.object()
	case jsonArray:
		return d.array()
	}
	d.expected("value")
	return lua.Nil
}

func (d *jsonDecoder) object() lua.Value {
	d.descend()
	t := d.l.State().NewTable(0, 0)
	for first := true; d.err == nil; first = false {
		d.next()
		if first && d.tok == jsonObjectEnd {
			break
		}
		if d.tok != jsonString {
			d.expected("object key string")
		}
		key := lua.String(d.text)
		d.next()
		if d.tok != jsonColon {
			d.expected("colon")
		}
		d.next()
		_ = t.Set(key, d.value()) // a string is never refused
		d.next()
		if d.tok == jsonObjectEnd {
			break
		}
		if d.tok != jsonComma {
			d.expected("comma or object end")
		}
	}
	d.depth--
	return lua.TableValue(t)
}

func (d *jsonDecoder) array() lua.Value {
	d.descend()
	t := d.l.State().NewTable(0, 0)
	for i := 1; d.err == nil; i++ {
		d.next()
		if i == 1 && d.tok == jsonArrayEnd {
			break
		}
		t.SetIndex(i, d.value())
		d.next()
		if d.tok == jsonArrayEnd {
			break
		}
		if d.tok != jsonComma {
			d.expected("comma or array end")
		}
	}
	d.depth--
	return lua.TableValue(t)
}
