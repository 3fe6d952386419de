package lua

import "strings"

// Patterns of lua 5.1 lstrlib.c.

const maxCaptures = 32

const (
	capUnfinished = -1
	capPosition   = -2
)

type matcher struct {
	l        *Thread
	src, pat string
	level    int
	caps     [maxCaptures]struct{ start, n int }
	err      error
}

func (m *matcher) fail(format string, a ...any) int {
	if m.err == nil {
		m.err = m.l.Raise(format, a...)
	}
	return -1
}

// class matches a character against the letter of a class.
func class(c, cl byte) bool {
	var r bool
	switch cl | 0x20 {
	case 'a':
		r = isAlpha(c)
	case 'c':
		r = c < 32 || c == 127
	case 'd':
		r = isDigit(c)
	case 'l':
		r = c >= 'a' && c <= 'z'
	case 'p':
		r = c > 32 && c < 127 && !isAlnum(c)
	case 's':
		r = isSpace(c)
	case 'u':
		r = c >= 'A' && c <= 'Z'
	case 'w':
		r = isAlnum(c)
	case 'x':
		r = isHex(c)
	case 'z':
		r = c == 0
	default:
		return cl == c
	}
	if !isAlpha(cl) {
		return cl == c
	}
	if cl >= 'A' && cl <= 'Z' {
		return !r
	}
	return r
}

// classEnd is behind the single character class that begins at p.
func (m *matcher) classEnd(p int) int {
	c := m.pat[p]
	p++
	switch c {
	case '%':
		if p >= len(m.pat) {
			return m.fail("malformed pattern (ends with '%%')")
		}
		return p + 1
	case '[':
		if p < len(m.pat) && m.pat[p] == '^' {
			p++
		}
		for first := true; first || p >= len(m.pat) || m.pat[p] != ']'; first = false {
			if p >= len(m.pat) {
				return m.fail("malformed pattern (missing ']')")
			}
			c := m.pat[p]
			p++
			if c == '%' && p < len(m.pat) {
				p++
			}
		}
		return p + 1
	}
	return p
}

// set matches a character against [...], of which end is the ].
func (m *matcher) set(c byte, p, end int) bool {
	sense := true
	if m.pat[p+1] == '^' {
		sense = false
		p++
	}
	for p++; p < end; p++ {
		switch {
		case m.pat[p] == '%':
			p++
			if class(c, m.pat[p]) {
				return sense
			}
		case p+2 < end && m.pat[p+1] == '-':
			if m.pat[p] <= c && c <= m.pat[p+2] {
				return sense
			}
			p += 2
		case m.pat[p] == c:
			return sense
		}
	}
	return !sense
}

func (m *matcher) single(s, p, end int) bool {
	c := m.src[s]
	switch m.pat[p] {
	case '.':
		return true
	case '%':
		return class(c, m.pat[p+1])
	case '[':
		return m.set(c, p, end-1)
	}
	return m.pat[p] == c
}

// match matches the pattern from p on at s, and returns where it ends; -1 for none.
func (m *matcher) match(s, p int) int {
	for m.err == nil {
		if p == len(m.pat) {
			return s
		}
		switch m.pat[p] {
		case '(':
			if p+1 < len(m.pat) && m.pat[p+1] == ')' {
				return m.startCapture(s, p+2, capPosition)
			}
			return m.startCapture(s, p+1, capUnfinished)
		case ')':
			return m.endCapture(s, p+1)
		case '%':
			if p+1 < len(m.pat) {
				switch c := m.pat[p+1]; {
				case c == 'b':
					if s = m.balance(s, p+2); s < 0 {
						return -1
					}
					p += 4
					continue
				case c == 'f':
					p += 2
					if p >= len(m.pat) || m.pat[p] != '[' {
						return m.fail("missing '[' after '%%f' in pattern")
					}
					end := m.classEnd(p)
					if m.err != nil {
						return -1
					}
					var before, here byte
					if s > 0 {
						before = m.src[s-1]
					}
					if s < len(m.src) {
						here = m.src[s]
					}
					if m.set(before, p, end-1) || !m.set(here, p, end-1) {
						return -1
					}
					p = end
					continue
				case isDigit(c):
					if s = m.backReference(s, c); s < 0 {
						return -1
					}
					p += 2
					continue
				}
			}
		case '$':
			if p+1 == len(m.pat) {
				if s == len(m.src) {
					return s
				}
				return -1
			}
		}
		end := m.classEnd(p)
		if m.err != nil {
			return -1
		}
		here := s < len(m.src) && m.single(s, p, end)
		var next byte
		if end < len(m.pat) {
			next = m.pat[end]
		}
		switch next {
		case '?':
			if here {
				if r := m.match(s+1, end+1); r >= 0 {
					return r
				}
			}
			p = end + 1
		case '*':
			return m.most(s, p, end)
		case '+':
			if !here {
				return -1
			}
			return m.most(s+1, p, end)
		case '-':
			return m.least(s, p, end)
		default:
			if !here {
				return -1
			}
			s, p = s+1, end
		}
	}
	return -1
}

func (m *matcher) most(s, p, end int) int {
	i := 0
	for s+i < len(m.src) && m.single(s+i, p, end) {
		i++
	}
	for ; i >= 0 && m.err == nil; i-- {
		if r := m.match(s+i, end+1); r >= 0 {
			return r
		}
	}
	return -1
}

func (m *matcher) least(s, p, end int) int {
	for m.err == nil {
		if r := m.match(s, end+1); r >= 0 {
			return r
		}
		if s >= len(m.src) || !m.single(s, p, end) {
			return -1
		}
		s++
	}
	return -1
}

func (m *matcher) startCapture(s, p, kind int) int {
	if m.level >= maxCaptures {
		return m.fail("too many captures")
	}
	m.caps[m.level].start, m.caps[m.level].n = s, kind
	m.level++
	r := m.match(s, p)
	if r < 0 {
		m.level--
	}
	return r
}

func (m *matcher) endCapture(s, p int) int {
	for i := m.level - 1; i >= 0; i-- {
		if m.caps[i].n == capUnfinished {
			m.caps[i].n = s - m.caps[i].start
			r := m.match(s, p)
			if r < 0 {
				m.caps[i].n = capUnfinished
			}
			return r
		}
	}
	return m.fail("invalid pattern capture")
}

func (m *matcher) balance(s, p int) int {
	if p+1 >= len(m.pat) {
		return m.fail("unbalanced pattern")
	}
	if s >= len(m.src) || m.src[s] != m.pat[p] {
		return -1
	}
	depth := 1
	for s++; s < len(m.src); s++ {
		switch m.src[s] {
		case m.pat[p+1]:
			if depth--; depth == 0 {
				return s + 1
			}
		case m.pat[p]:
			depth++
		}
	}
	return -1
}

func (m *matcher) backReference(s int, c byte) int {
	i := int(c) - '1'
	if i < 0 || i >= m.level || m.caps[i].n == capUnfinished {
		return m.fail("invalid capture index")
	}
	start, n := m.caps[i].start, m.caps[i].n
	if n >= 0 && len(m.src)-s >= n && m.src[start:start+n] == m.src[s:s+n] {
		return s + n
	}
	return -1
}

// capture is the capture i, or the whole match when there is none at all.
func (m *matcher) capture(i, s, e int) Value {
	if i >= m.level {
		if i != 0 {
			m.fail("invalid capture index")
			return Nil
		}
		return String(m.src[s:e])
	}
	c := m.caps[i]
	switch c.n {
	case capUnfinished:
		m.fail("unfinished capture")
		return Nil
	case capPosition:
		return Number(float64(c.start + 1))
	}
	return String(m.src[c.start : c.start+c.n])
}

// captures are all of them; the whole match when there is none and whole is set.
func (m *matcher) captures(s, e int, whole bool) (out []Value) {
	n := m.level
	if n == 0 && whole {
		n = 1
	}
	for i := range n {
		out = append(out, m.capture(i, s, e))
	}
	return out
}

func stringFind(l *Thread, v []Value, find bool) ([]Value, error) {
	a := Arguments(l, v)
	s, pat := a.Text(1), a.Text(2)
	init := a.OptInt(3, 1)
	if a.Err != nil {
		return nil, a.Err
	}
	if init < 0 {
		init += len(s) + 1
	}
	init = min(max(init-1, 0), len(s))
	if find && (a.At(4).Truth() || !strings.ContainsAny(pat, "^$*+?.([%-")) {
		i := strings.Index(s[init:], pat)
		if i < 0 {
			return l.One(Nil), nil
		}
		return []Value{Number(float64(init + i + 1)), Number(float64(init + i + len(pat)))}, nil
	}
	anchor := strings.HasPrefix(pat, "^")
	m := &matcher{l: l, src: s, pat: strings.TrimPrefix(pat, "^")}
	for at := init; ; at++ {
		m.level = 0
		e := m.match(at, 0)
		if m.err != nil {
			return nil, m.err
		}
		if e >= 0 {
			if find {
				out := append([]Value{Number(float64(at + 1)), Number(float64(e))}, m.captures(at, e, false)...)
				return out, m.err
			}
			return m.captures(at, e, true), m.err
		}
		if anchor || at >= len(s) {
			return l.One(Nil), nil
		}
	}
}

func stringGmatch(l *Thread, v []Value) ([]Value, error) {
	a := Arguments(l, v)
	s, pat := a.Text(1), a.Text(2)
	if a.Err != nil {
		return nil, a.Err
	}
	from := 0
	return l.One(l.st.NewFunction(func(l *Thread, _ []Value) ([]Value, error) {
		m := &matcher{l: l, src: s, pat: pat}
		for at := from; at <= len(s); at++ {
			m.level = 0
			e := m.match(at, 0)
			if m.err != nil {
				return nil, m.err
			}
			if e >= 0 {
				from = e
				if e == at {
					from++
				}
				return m.captures(at, e, true), m.err
			}
		}
		return nil, nil
	})), nil
}

func stringGsub(l *Thread, v []Value) ([]Value, error) {
	a := Arguments(l, v)
	s, pat := a.Text(1), a.Text(2)
	repl := a.At(3)
	text, isText := repl.Text()
	if a.Err == nil && !isText && repl.AsTable() == nil && repl.AsFunction() == nil {
		a.Fail(3, "string/function/table expected")
	}
	limit := a.OptInt(4, len(s)+1)
	if a.Err != nil {
		return nil, a.Err
	}
	anchor := strings.HasPrefix(pat, "^")
	m := &matcher{l: l, src: s, pat: strings.TrimPrefix(pat, "^")}
	var b strings.Builder
	at, n := 0, 0
	for n < limit {
		m.level = 0
		e := m.match(at, 0)
		if m.err != nil {
			return nil, m.err
		}
		if e >= 0 {
			n++
			if err := m.replace(&b, at, e, repl, text, isText); err != nil {
				return nil, err
			}
		}
		switch {
		case e >= 0 && e > at:
			at = e
		case at < len(s):
			b.WriteByte(s[at])
			at++
		default:
			at = len(s) + 1
		}
		if at > len(s) || anchor {
			break
		}
	}
	if at < len(s) {
		b.WriteString(s[at:])
	}
	return []Value{String(b.String()), Number(float64(n))}, nil
}

// replace writes what takes the place of a match.
func (m *matcher) replace(b *strings.Builder, s, e int, repl Value, text string, isText bool) error {
	var v Value
	var err error
	switch {
	case isText:
		for i := 0; i < len(text); i++ {
			c := text[i]
			if c != '%' {
				b.WriteByte(c)
				continue
			}
			i++
			switch {
			case i >= len(text):
				b.WriteByte(0) // the end of a string in C
			case !isDigit(text[i]):
				b.WriteByte(text[i])
			case text[i] == '0':
				b.WriteString(m.src[s:e])
			default:
				t, _ := m.capture(int(text[i]-'1'), s, e).Text()
				b.WriteString(t)
			}
		}
		return m.err
	case repl.AsFunction() != nil:
		v, err = m.l.callOne(repl, m.captures(s, e, true)...)
	default:
		v, err = m.l.index(repl, m.capture(0, s, e))
	}
	switch {
	case m.err != nil:
		return m.err
	case err != nil:
		return err
	case !v.Truth():
		b.WriteString(m.src[s:e])
		return nil
	}
	t, ok := v.Text()
	if !ok {
		return m.l.Raise("invalid replacement value (a %s)", v.Type())
	}
	b.WriteString(t)
	return nil
}
