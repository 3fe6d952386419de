// Package glob matches the patterns of KEYS, SCAN, CONFIG GET, PSUBSCRIBE and
// SENTINEL RESET.
package glob

// maxGlobCalls bounds the recursion a pattern can cause, so that KEYS
// "*a*a*a*a*b" on a long key does not stop the server for ever.
const maxGlobCalls = 1 << 16

// Match reports whether text matches a pattern:
// *, ?, [set] with ranges and ^, \ before a literal (redis 7.0.15 util.c
// stringmatchlen).
func Match(pattern []byte, text string, nocase bool) bool {
	g := globber{nocase: nocase, calls: maxGlobCalls}
	return g.match(pattern, text)
}

type globber struct {
	nocase bool
	calls  int
}

func (g *globber) fold(c byte) byte {
	if g.nocase && c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func (g *globber) match(p []byte, t string) bool {
	if g.calls--; g.calls < 0 {
		return false
	}
	for len(p) > 0 && len(t) > 0 {
		switch p[0] {
		case '*':
			for len(p) > 1 && p[1] == '*' {
				p = p[1:]
			}
			if len(p) == 1 {
				return true
			}
			for i := 0; i <= len(t); i++ {
				if g.match(p[1:], t[i:]) {
					return true
				}
			}
			return false
		case '?':
			p, t = p[1:], t[1:]
		case '[':
			var in bool
			in, p = g.set(p[1:], t[0])
			if !in {
				return false
			}
			t = t[1:]
		default:
			if p[0] == '\\' && len(p) > 1 {
				p = p[1:]
			}
			if g.fold(p[0]) != g.fold(t[0]) {
				return false
			}
			p, t = p[1:], t[1:]
		}
	}
	if len(t) == 0 {
		for len(p) > 0 && p[0] == '*' {
			p = p[1:]
		}
	}
	return len(p) == 0 && len(t) == 0
}

// set reads a bracket expression after its '[' and returns what follows it. One
// without an end reaches to the end of the pattern.
func (g *globber) set(p []byte, c byte) (in bool, rest []byte) {
	not := len(p) > 0 && p[0] == '^'
	if not {
		p = p[1:]
	}
	c = g.fold(c)
	for {
		switch {
		case len(p) == 0:
			return in != not, nil
		case p[0] == '\\' && len(p) >= 2:
			in = in || p[1] == c
			p = p[2:]
		case p[0] == ']':
			return in != not, p[1:]
		case len(p) >= 3 && p[1] == '-':
			lo, hi := g.fold(p[0]), g.fold(p[2])
			if lo > hi {
				lo, hi = hi, lo
			}
			in = in || c >= lo && c <= hi
			p = p[3:]
		default:
			in = in || g.fold(p[0]) == c
			p = p[1:]
		}
	}
}
