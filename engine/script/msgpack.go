package script

import (
	"encoding/binary"
	"math"

	"github.com/torntail/torntail/engine/lua"
)

// cmsgpack 0.4.0, as redis 7.0.15 deps/lua lua_cmsgpack.c has it.

const packNesting = 16 // tables within tables that are packed

func openMsgpack(s *lua.State) *lua.Table {
	t := s.NewTable(0, 0)
	s.Register(t, []lua.Named{
		{Name: "pack", Func: func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
			if len(v) == 0 {
				a := lua.Arguments(l, v)
				a.Fail(0, "MessagePack pack needs input.")
				return nil, a.Err
			}
			var b []byte
			for _, x := range v {
				b = pack(b, x, 0)
			}
			return l.One(lua.String(string(b))), nil
		}},
		{Name: "unpack", Func: func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
			return unpack(lua.Arguments(l, v), 0, 0)
		}},
		{Name: "unpack_one", Func: func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
			a := lua.Arguments(l, v)
			return unpack(a, 1, a.OptInt(2, 0))
		}},
		{Name: "unpack_limit", Func: func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
			a := lua.Arguments(l, v)
			return unpack(a, a.Int(2), a.OptInt(3, 0))
		}},
	})
	t.SetField("_NAME", lua.String("cmsgpack"))
	t.SetField("_VERSION", lua.String("lua-cmsgpack 0.4.0"))
	t.SetField("_COPYRIGHT", lua.String("Copyright (C) 2012, Salvatore Sanfilippo"))
	t.SetField("_DESCRIPTION", lua.String("MessagePack C implementation for Lua"))
	return t
}

func pack(b []byte, v lua.Value, level int) []byte {
	t := v.AsTable()
	switch {
	case v.IsString():
		s, _ := v.Text()
		return append(packHeader(b, len(s), 31, 0xa0, 0xd9, 0xda, 0xdb), s...)
	case v.IsBool():
		if v.Truth() {
			return append(b, 0xc3)
		}
		return append(b, 0xc2)
	case v.IsNumber():
		return packNumber(b, v.Float())
	case t != nil && level < packNesting:
		if n, ok := packedArray(t); ok {
			b = packHeader(b, n, 15, 0x90, 0, 0xdc, 0xdd)
			for i := 1; i <= n; i++ {
				b = pack(b, t.Index(i), level+1)
			}
			return b
		}
		n := 0
		for k, _, _ := t.Next(lua.Nil); !k.IsNil(); k, _, _ = t.Next(k) {
			n++
		}
		b = packHeader(b, n, 15, 0x80, 0, 0xde, 0xdf)
		for k, x, _ := t.Next(lua.Nil); !k.IsNil(); k, x, _ = t.Next(k) {
			b = pack(pack(b, k, level+1), x, level+1)
		}
		return b
	}
	return append(b, 0xc0)
}

// packHeader writes a length: within the first byte up to small, then in one byte
// (where there is such a form), two, or four.
func packHeader(b []byte, n, small int, fix, one, two, four byte) []byte {
	switch {
	case n <= small:
		return append(b, fix|byte(n))
	case n <= 0xff && one != 0:
		return append(b, one, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, two), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(b, four), uint32(n))
}

// packedArray reports whether a table has the elements from 1 to a number and no
// other keys.
func packedArray(t *lua.Table) (n int, ok bool) {
	most, count := 0, 0
	for k, _, _ := t.Next(lua.Nil); !k.IsNil(); k, _, _ = t.Next(k) {
		f := k.Float()
		if !k.IsNumber() || f <= 0 || f != float64(int32(lua.ToInt(f))) || math.IsInf(f, 0) {
			return 0, false
		}
		most = max(most, int(f))
		count++
	}
	if most != count {
		return 0, false
	}
	return t.Len(), true
}

func packNumber(b []byte, f float64) []byte {
	n := int64(lua.ToInt(f))
	if math.IsInf(f, 0) || float64(n) != f {
		if single := float32(f); float64(single) == f {
			return binary.BigEndian.AppendUint32(append(b, 0xca), math.Float32bits(single))
		}
		return binary.BigEndian.AppendUint64(append(b, 0xcb), math.Float64bits(f))
	}
	switch {
	case n >= 0 && n <= 127, n < 0 && n >= -32:
		return append(b, byte(n))
	case n >= 0 && n <= 0xff:
		return append(b, 0xcc, byte(n))
	case n >= 0 && n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, 0xcd), uint16(n))
	case n >= 0 && n <= 0xffffffff:
		return binary.BigEndian.AppendUint32(append(b, 0xce), uint32(n))
	case n >= 0:
		return binary.BigEndian.AppendUint64(append(b, 0xcf), uint64(n))
	case n >= -128:
		return append(b, 0xd0, byte(n))
	case n >= -32768:
		return binary.BigEndian.AppendUint16(append(b, 0xd1), uint16(n))
	case n >= -2147483648:
		return binary.BigEndian.AppendUint32(append(b, 0xd2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xd3), uint64(n))
}

// unpack reads values: limit of them from an offset on, or all when both are 0.
func unpack(a *lua.Args, limit, offset int) ([]lua.Value, error) {
	s := a.Text(1)
	switch {
	case a.Err != nil:
		return nil, a.Err
	case offset < 0 || limit < 0:
		return nil, a.L.Raise("Invalid request to unpack with offset of %d and limit of %d.", offset, len(s))
	case offset > len(s):
		return nil, a.L.Raise("Start offset %d greater than input length %d.", offset, len(s))
	}
	all := limit == 0 && offset == 0
	if all {
		limit = math.MaxInt32
	}
	u := unpacker{l: a.L, in: []byte(s[offset:])}
	var out []lua.Value
	if !all {
		out = append(out, lua.Nil)
	}
	for n := 0; len(u.in) > 0 && n < limit; n++ {
		v := u.value()
		if u.err != "" {
			return nil, a.L.Raise("%s", u.err)
		}
		if len(out) >= 7900 { // luaL_checkstack
			return nil, a.L.Raise("stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)")
		}
		out = append(out, v)
	}
	if !all {
		next := float64(len(s) - len(u.in))
		if len(u.in) == 0 {
			next = -1
		}
		out[0] = lua.Number(next)
	}
	return out, nil
}

type unpacker struct {
	l     *lua.Thread
	in    []byte
	depth int
	err   string
}

// need takes so many bytes, or fails.
func (u *unpacker) need(n int) []byte {
	if u.err != "" || n > len(u.in) {
		if u.err == "" {
			u.err = "Missing bytes in input."
		}
		return make([]byte, min(n, 8))
	}
	p := u.in[:n]
	u.in = u.in[n:]
	return p
}

func (u *unpacker) uint(size int) uint64 {
	var n uint64
	for _, c := range u.need(size) {
		n = n<<8 | uint64(c)
	}
	return n
}

func (u *unpacker) text(n int) lua.Value {
	p := u.need(n)
	return lua.String(string(p))
}

func (u *unpacker) value() lua.Value {
	if len(u.in) == 0 {
		u.err = "Missing bytes in input."
		return lua.Nil
	}
	c := u.need(1)[0]
	number := func(n int64) lua.Value { return lua.Number(float64(n)) }
	switch {
	case c <= 0x7f:
		return number(int64(c))
	case c >= 0xe0:
		return number(int64(int8(c)))
	case c >= 0xa0 && c <= 0xbf:
		return u.text(int(c & 0x1f))
	case c >= 0x90 && c <= 0x9f:
		return u.array(int(c & 0xf))
	case c >= 0x80 && c <= 0x8f:
		return u.hash(int(c & 0xf))
	}
	switch c {
	case 0xc0:
		return lua.Nil
	case 0xc2:
		return lua.False
	case 0xc3:
		return lua.True
	case 0xca:
		return lua.Number(float64(math.Float32frombits(uint32(u.uint(4)))))
	case 0xcb:
		return lua.Number(math.Float64frombits(u.uint(8)))
	case 0xcc:
		return number(int64(u.uint(1)))
	case 0xcd:
		return number(int64(u.uint(2)))
	case 0xce:
		return number(int64(u.uint(4)))
	case 0xcf, 0xd3:
		return number(int64(u.uint(8)))
	case 0xd0:
		return number(int64(int8(u.uint(1))))
	case 0xd1:
		return number(int64(int16(u.uint(2))))
	case 0xd2:
		return number(int64(int32(u.uint(4))))
	case 0xd9:
		return u.text(int(u.uint(1)))
	case 0xda:
		return u.text(int(u.uint(2)))
	case 0xdb:
		return u.text(int(u.uint(4)))
	case 0xdc:
		return u.array(int(u.uint(2)))
	case 0xdd:
		return u.array(int(u.uint(4)))
	case 0xde:
		return u.hash(int(u.uint(2)))
	case 0xdf:
		return u.hash(int(u.uint(4)))
	}
	u.err = "Bad data format in input."
	return lua.Nil
}

// deeper bounds the nesting: each level takes a place of Lua's stack of C.
func (u *unpacker) deeper() bool {
	u.depth++
	if u.depth > 3900 && u.err == "" {
		u.err = "stack overflow (in function mp_decode_to_lua_array)"
	}
	return u.err == ""
}

func (u *unpacker) array(n int) lua.Value {
	t := u.l.State().NewTable(0, 0)
	if u.deeper() {
		for i := 1; i <= n; i++ {
			v := u.value()
			if u.err != "" {
				break
			}
			t.SetIndex(i, v)
		}
	}
	u.depth--
	return lua.TableValue(t)
}

func (u *unpacker) hash(n int) lua.Value {
	t := u.l.State().NewTable(0, 0)
	if u.deeper() {
		for range n {
			k := u.value()
			if u.err != "" {
				break
			}
			v := u.value()
			if u.err != "" {
				break
			}
			if err := t.Set(k, v); err != nil {
				u.err = err.Error()
			}
		}
	}
	u.depth--
	return lua.TableValue(t)
}
