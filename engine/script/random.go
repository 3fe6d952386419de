package script

import (
	"math"

	"github.com/torntail/torntail/engine/lua"
)

// Random is the generator of math.random: that of lrand48, which begins at the
// same place in each process (redis 7.0.15 rand.c).
type Random struct{ x uint64 }

// NewRandom begins the sequence.
func NewRandom() *Random { return &Random{0x1234ABCD330E} }

// Seed is srand48.
func (r *Random) Seed(n int32) { r.x = uint64(uint32(n))<<16 | 0x330E }

// next is a number of 31 bits.
func (r *Random) next() int64 {
	r.x = (r.x*0x5DEECE66D + 0xB) & (1<<48 - 1)
	return int64(r.x >> 17)
}

func (in *interp) mathRandom(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	if in.run == nil {
		return nil, l.Raise("math.random can only be called inside a script invocation")
	}
	r := float64(in.random.next()%math.MaxInt32) / math.MaxInt32
	a := lua.Arguments(l, v)
	lo, hi := 1, 0
	switch len(v) {
	case 0:
		return l.One(lua.Number(r)), nil
	case 1:
		hi = a.Int32(1)
	case 2:
		lo, hi = a.Int32(1), a.Int32(2)
	default:
		return nil, l.Raise("wrong number of arguments")
	}
	if lo > hi {
		a.Fail(len(v), "interval is empty")
	}
	return l.One(lua.Number(math.Floor(r*float64(int32(hi-lo+1))) + float64(lo))), a.Err
}

func (in *interp) mathRandomSeed(l *lua.Thread, v []lua.Value) ([]lua.Value, error) {
	if in.run == nil {
		return nil, l.Raise("math.randomseed can only be called inside a script invocation")
	}
	a := lua.Arguments(l, v)
	n := a.Int32(1)
	if a.Err == nil {
		in.random.Seed(int32(n))
	}
	return nil, a.Err
}
