package engine

import "github.com/torntail/torntail/engine/keyspace"

// lcsOptions are LCS's arguments behind the keys.
type lcsOptions struct {
	idx, length, withLength bool
	least                   int64
}

func (c *Session) lcsOptions(args [][]byte) (o lcsOptions, ok bool) {
	for ; len(args) > 0; args = args[1:] {
		switch {
		case same(args[0], "idx"):
			o.idx = true
		case same(args[0], "len"):
			o.length = true
		case same(args[0], "withmatchlen"):
			o.withLength = true
		case same(args[0], "minmatchlen") && len(args) >= 2:
			if o.least, ok = c.intArg(args[1]); !ok {
				return o, false
			}
			args = args[1:]
		default:
			c.error(errSyntax)
			return o, false
		}
	}
	if o.idx && o.length {
		c.error("ERR If you want both the length and indexes, please just use IDX.")
		return o, false
	}
	return o, true
}

// match is a piece of both strings: bytes [a, a+n) of one, [b, b+n) of the other.
type match struct{ a, b, n int }

// cmdLcs follows redis 7.0.15 t_string.c lcsCommand.
func cmdLcs(s *Server, c *Session, argv [][]byte) {
	var text [2][]byte
	for _, key := range argv[1:3] {
		s.lookupRead(c, key)
	}
	for i, key := range argv[1:3] {
		o := s.ks.DB(c.db).Get(key)
		if o == nil || !s.visible(c, key) {
			continue
		}
		if o.Kind != keyspace.String {
			c.error("ERR The specified keys must contain string values")
			return
		}
		text[i] = o.Str
	}
	o, ok := c.lcsOptions(argv[3:])
	if !ok {
		return
	}
	a, b := text[0], text[1]
	if int64(len(a)+1)*int64(len(b)+1)*4 > s.cfg.ProtoMaxBulkLen {
		c.error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
		return
	}
	table, width := lcsTable(a, b)
	longest := int(table[len(a)*width+len(b)])
	if o.length {
		c.int(int64(longest))
		return
	}
	common, matches := lcsWalk(a, b, table, width)
	if !o.idx {
		c.bulk(common)
		return
	}
	kept := matches[:0]
	for _, m := range matches {
		if int64(m.n) >= o.least {
			kept = append(kept, m)
		}
	}
	c.mapOf(2)
	c.bulkText("matches")
	c.array(len(kept))
	for _, m := range kept {
		if o.withLength {
			c.array(3)
		} else {
			c.array(2)
		}
		for _, from := range []int{m.a, m.b} {
			c.array(2)
			c.int(int64(from))
			c.int(int64(from + m.n - 1))
		}
		if o.withLength {
			c.int(int64(m.n))
		}
	}
	c.bulkText("len")
	c.int(int64(longest))
}

// lcsTable has the length of the longest common subsequence of the first i and j
// bytes at i*width+j.
func lcsTable(a, b []byte) (table []uint32, width int) {
	width = len(b) + 1
	table = make([]uint32, (len(a)+1)*width)
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			if a[i-1] == b[j-1] {
				table[i*width+j] = table[(i-1)*width+j-1] + 1
			} else {
				table[i*width+j] = max(table[(i-1)*width+j], table[i*width+j-1])
			}
		}
	}
	return table, width
}

// lcsWalk goes back through the table and collects the common bytes, and the
// pieces they stand in, last first.
func lcsWalk(a, b []byte, table []uint32, width int) (common []byte, matches []match) {
	i, j := len(a), len(b)
	left := int(table[i*width+j])
	common = make([]byte, left)
	var m match // none while n is 0
	for i > 0 && j > 0 {
		ends := false
		if a[i-1] == b[j-1] {
			left--
			common[left] = a[i-1]
			switch {
			case m.n == 0:
				m = match{i - 1, j - 1, 1}
			case m.a == i && m.b == j:
				m.a, m.b, m.n = i-1, j-1, m.n+1
			default:
				ends = true
			}
			ends = ends || m.a == 0 || m.b == 0
			i--
			j--
		} else {
			if table[(i-1)*width+j] > table[i*width+j-1] {
				i--
			} else {
				j--
			}
			ends = m.n > 0
		}
		if ends {
			matches = append(matches, m)
			m = match{}
		}
	}
	return common, matches
}
