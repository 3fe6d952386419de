package lua

import "strings"

var tableFunctions = []Named{
	{"concat", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		sep := a.OptText(2, "")
		t := a.Table(1)
		if a.Err != nil {
			return nil, a.Err
		}
		i := a.OptInt(3, 1)
		last := a.OptInt(4, t.Len())
		if a.Err != nil {
			return nil, a.Err
		}
		var b strings.Builder
		for ; i <= last; i++ {
			x := t.Index(i)
			s, ok := x.Text()
			if !ok {
				return nil, l.Raise("invalid value (%s) at index %d in table for 'concat'", x.Type(), i)
			}
			b.WriteString(s)
			if i < last {
				b.WriteString(sep)
			}
		}
		return l.One(String(b.String())), nil
	}},
	{"foreach", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		t, fn := a.Table(1), a.Function(2)
		if a.Err != nil {
			return nil, a.Err
		}
		for k := Nil; ; {
			var x Value
			var ok bool
			if k, x, ok = t.Next(k); !ok {
				return nil, l.runError("invalid key to 'next'")
			}
			if k.IsNil() {
				return nil, nil
			}
			r, err := l.callOne(fn, k, x)
			if err != nil || !r.IsNil() {
				return l.One(r), err
			}
		}
	}},
	{"foreachi", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		t, fn := a.Table(1), a.Function(2)
		if a.Err != nil {
			return nil, a.Err
		}
		n := t.Len()
		for i := 1; i <= n; i++ {
			r, err := l.callOne(fn, Number(float64(i)), t.Index(i))
			if err != nil || !r.IsNil() {
				return l.One(r), err
			}
		}
		return nil, nil
	}},
	{"getn", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		t := a.Table(1)
		if a.Err != nil {
			return nil, a.Err
		}
		return l.One(Number(float64(t.Len()))), nil
	}},
	{"maxn", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		t := a.Table(1)
		if a.Err != nil {
			return nil, a.Err
		}
		most := 0.0
		for k, _, _ := t.Next(Nil); !k.IsNil(); k, _, _ = t.Next(k) {
			if k.IsNumber() && k.n > most {
				most = k.n
			}
		}
		return l.One(Number(most)), nil
	}},
	{"insert", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		t := a.Table(1)
		if a.Err != nil {
			return nil, a.Err
		}
		e := t.Len() + 1
		at := e
		switch len(v) {
		case 2:
		case 3:
			at = a.Int(2)
			if a.Err != nil {
				return nil, a.Err
			}
			if at > e {
				e = at
			}
			for i := e; i > at; i-- {
				if err := l.RawSet(t, Number(float64(i)), t.Index(i-1)); err != nil {
					return nil, err
				}
			}
		default:
			return nil, l.Raise("wrong number of arguments to 'insert'")
		}
		return nil, l.RawSet(t, Number(float64(at)), v[len(v)-1])
	}},
	{"remove", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		t := a.Table(1)
		if a.Err != nil {
			return nil, a.Err
		}
		e := t.Len()
		at := a.OptInt(2, e)
		if a.Err != nil || at < 1 || at > e {
			return nil, a.Err
		}
		x := t.Index(at)
		for ; at < e; at++ {
			if err := l.RawSet(t, Number(float64(at)), t.Index(at+1)); err != nil {
				return nil, err
			}
		}
		return l.One(x), l.RawSet(t, Number(float64(e)), Nil)
	}},
	{"setn", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		a.Table(1)
		if a.Err != nil {
			return nil, a.Err
		}
		return nil, l.Raise("'setn' is obsolete")
	}},
	{"sort", func(l *Thread, v []Value) ([]Value, error) {
		a := Arguments(l, v)
		t := a.Table(1)
		if a.Err != nil {
			return nil, a.Err
		}
		s := sorter{l: l, t: t}
		if !a.At(2).IsNil() {
			s.less = a.Function(2)
		}
		if a.Err != nil {
			return nil, a.Err
		}
		s.sort(1, t.Len())
		return nil, s.err
	}},
}

// sorter is the quicksort of lua 5.1 ltablib.c: which elements are compared, and
// where equal ones end, is seen by scripts.
type sorter struct {
	l    *Thread
	t    *Table
	less Value
	err  error
}

func (s *sorter) get(i int) Value { return s.t.Index(i) }

func (s *sorter) set(i int, v Value) {
	if s.err == nil {
		s.err = s.l.RawSet(s.t, Number(float64(i)), v)
	}
}

func (s *sorter) before(a, b Value) bool {
	if s.err != nil {
		return false
	}
	var r bool
	if s.less.IsNil() {
		r, s.err = s.l.less(a, b)
		return r
	}
	v, err := s.l.callOne(s.less, a, b)
	s.err = err
	return v.Truth()
}

func (s *sorter) swapIf(i, j int) { // when the later is before the earlier
	if a, b := s.get(i), s.get(j); s.before(b, a) {
		s.set(i, b)
		s.set(j, a)
	}
}

func (s *sorter) sort(lo, hi int) {
	for lo < hi && s.err == nil {
		s.swapIf(lo, hi)
		if hi-lo == 1 {
			return
		}
		mid := (lo + hi) / 2
		a, b := s.get(mid), s.get(lo)
		if s.before(a, b) {
			s.set(mid, b)
			s.set(lo, a)
		} else if c := s.get(hi); s.before(c, a) {
			s.set(mid, c)
			s.set(hi, a)
		}
		if hi-lo == 2 {
			return
		}
		pivot := s.get(mid)
		other := s.get(hi - 1)
		s.set(mid, other)
		s.set(hi-1, pivot)
		i, j := lo, hi-1
		for s.err == nil {
			for i++; s.before(s.get(i), pivot); i++ {
				if i > hi {
					s.err = s.l.Raise("invalid order function for sorting")
					return
				}
			}
			for j--; s.before(pivot, s.get(j)); j-- {
				if j < lo {
					s.err = s.l.Raise("invalid order function for sorting")
					return
				}
			}
			if j < i {
				break
			}
			x, y := s.get(i), s.get(j)
			s.set(i, y)
			s.set(j, x)
		}
		x, y := s.get(hi-1), s.get(i)
		s.set(hi-1, y)
		s.set(i, x)
		if i-lo < hi-i {
			s.sort(lo, i-1)
			lo = i + 1
		} else {
			s.sort(i+1, hi)
			hi = i - 1
		}
	}
}
