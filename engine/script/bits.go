package script

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/torntail/torntail/engine/lua"
)

// The library bit, BitOp 1.0.2 (redis 7.0.15 deps/lua lua_bit.c).

// bitArg is an argument as 32 bits: rounded, and what is above them dropped.
func bitArg(a *lua.Args, i int) uint32 {
	n, ok := a.At(i).ToNumber()
	b := uint32(math.Float64bits(n + 6755399441055744)) // 2^52 + 2^51
	if b == 0 && !ok {
		a.Number(i)
	}
	return b
}

func bitFunc(f func(a *lua.Args, b uint32) uint32) lua.GoFunc {
	return func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
		a := lua.Arguments(l, v)
		return l.One(lua.Number(float64(int32(f(a, bitArg(a, 1)))))), a.Err
	}
}

func fold(f func(x, y uint32) uint32) lua.GoFunc {
	return bitFunc(func(a *lua.Args, b uint32) uint32 {
		for i := a.Len(); i > 1; i-- {
			b = f(b, bitArg(a, i))
		}
		return b
	})
}

func shift(f func(x uint32, n int) uint32) lua.GoFunc {
	return bitFunc(func(a *lua.Args, b uint32) uint32 { return f(b, int(bitArg(a, 2)&31)) })
}

func openBit(s *lua.State) *lua.Table {
	t := s.NewTable(0, 0)
	s.Register(t, []lua.Named{
		{Name: "tobit", Func: bitFunc(func(_ *lua.Args, b uint32) uint32 { return b })},
		{Name: "bnot", Func: bitFunc(func(_ *lua.Args, b uint32) uint32 { return ^b })},
		{Name: "band", Func: fold(func(x, y uint32) uint32 { return x & y })},
		{Name: "bor", Func: fold(func(x, y uint32) uint32 { return x | y })},
		{Name: "bxor", Func: fold(func(x, y uint32) uint32 { return x ^ y })},
		{Name: "lshift", Func: shift(func(x uint32, n int) uint32 { return x << n })},
		{Name: "rshift", Func: shift(func(x uint32, n int) uint32 { return x >> n })},
		{Name: "arshift", Func: shift(func(x uint32, n int) uint32 { return uint32(int32(x) >> n) })},
		{Name: "rol", Func: shift(func(x uint32, n int) uint32 { return bits.RotateLeft32(x, n) })},
		{Name: "ror", Func: shift(func(x uint32, n int) uint32 { return bits.RotateLeft32(x, -n) })},
		{Name: "bswap", Func: bitFunc(func(_ *lua.Args, b uint32) uint32 { return bits.ReverseBytes32(b) })},
		{Name: "tohex", Func: func(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
			a := lua.Arguments(l, v)
			b := bitArg(a, 1)
			n := int32(8)
			if a.Len() >= 2 {
				n = int32(bitArg(a, 2))
			}
			text := fmt.Sprintf("%08x", b)
			if n < 0 {
				n = -n
				text = fmt.Sprintf("%08X", b)
			}
			if n > 8 || n < 0 {
				n = 8
			}
			return l.One(lua.String(text[8-n:])), a.Err
		}},
	})
	return t
}
