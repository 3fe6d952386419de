package lua

import "math"

const pi = math.Pi

var huge = math.Inf(1)

func one(f func(float64) float64) GoFunc {
	return func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		return l.One(Number(f(a.Number(1)))), a.Err
	}
}

func two(f func(x, y float64) float64) GoFunc {
	return func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		return l.One(Number(f(a.Number(1), a.Number(2)))), a.Err
	}
}

// best is math.min and math.max.
func best(better func(x, y float64) bool) GoFunc {
	return func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		r := a.Number(1)
		for i := 2; i <= len(v); i++ {
			if x := a.Number(i); better(x, r) {
				r = x
			}
		}
		return l.One(Number(r)), a.Err
	}
}

// mathFunctions are all but random and randomseed, which are Redis's own.
var mathFunctions = []Named{
	{"abs", one(math.Abs)}, {"acos", one(math.Acos)}, {"asin", one(math.Asin)}, {"atan", one(math.Atan)},
	{"atan2", two(math.Atan2)}, {"ceil", one(math.Ceil)}, {"cosh", one(math.Cosh)}, {"cos", one(math.Cos)},
	{"deg", one(func(x float64) float64 { return x / (pi / 180) })}, {"exp", one(math.Exp)}, {"floor", one(math.Floor)},
	{"fmod", two(math.Mod)}, {"mod", two(math.Mod)},
	{"frexp", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		f, e := math.Frexp(a.Number(1))
		return []Value{Number(f), Number(float64(e))}, a.Err
	}},
	{"ldexp", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		return l.One(Number(math.Ldexp(a.Number(1), a.Int32(2)))), a.Err
	}},
	{"log10", one(math.Log10)}, {"log", one(math.Log)},
	{"max", best(func(x, y float64) bool { return x > y })}, {"min", best(func(x, y float64) bool { return x < y })},
	{"modf", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		x := a.Number(1)
		whole := math.Trunc(x)
		part := x - whole
		if math.IsInf(x, 0) {
			part = math.Copysign(0, x)
		} else {
			part = math.Copysign(part, x)
		}
		return []Value{Number(whole), Number(part)}, a.Err
	}},
	{"pow", two(power)}, {"rad", one(func(x float64) float64 { return x * (pi / 180) })},
	{"sinh", one(math.Sinh)}, {"sin", one(math.Sin)}, {"sqrt", one(math.Sqrt)}, {"tanh", one(math.Tanh)}, {"tan", one(math.Tan)},
}
