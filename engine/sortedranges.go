package engine

import (
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

// Ranges of sorted sets, by rank, by score and by name.

// zrangeBy is what a range is stated in.
type zrangeBy uint8

const (
	byRank zrangeBy = iota
	byScore
	byLex
)

// span is a range of members: those between what lies before it and what lies
// behind it.
type span struct{ before, behind func(m *keyspace.Scored) bool }

// ranks are the ranks [lo, hi) of a span's members.
func (p span) ranks(z *keyspace.SortedSet) (lo, hi int) {
	lo = z.First(func(m *keyspace.Scored) bool { return !p.before(m) })
	return lo, max(lo, z.First(p.behind))
}

// spanArg reads the ends of a range by score or name, or answers what is wrong.
func (c *Session) spanArg(lo, hi []byte, by zrangeBy) (span, bool) {
	if by == byLex {
		p, ok := lexSpan(lo, hi)
		if !ok {
			c.error("ERR min or max not valid string range item")
		}
		return p, ok
	}
	min, minOpen, ok := scoreEnd(lo)
	max, maxOpen, ok2 := scoreEnd(hi)
	if !ok || !ok2 {
		c.error("ERR min or max is not a float")
		return span{}, false
	}
	return span{
		before: func(m *keyspace.Scored) bool { return m.Score < min || minOpen && m.Score == min },
		behind: func(m *keyspace.Scored) bool { return m.Score > max || maxOpen && m.Score == max },
	}, true
}

// scoreEnd reads a score, open when "(" is in front of it (redis 7.0.15 t_zset.c
// zslParseRange).
func scoreEnd(b []byte) (score float64, open, ok bool) {
	if len(b) > 0 && b[0] == '(' {
		b, open = b[1:], true
	}
	score, _, ok = cDouble(b)
	return score, open, ok
}

// lexSpan reads ends by name: "-" and "+" for all, "[name" and "(name" with and
// without that name.
func lexSpan(lo, hi []byte) (p span, ok bool) {
	never := func(*keyspace.Scored) bool { return false }
	always := func(*keyspace.Scored) bool { return true }
	switch {
	case len(lo) == 0 || len(hi) == 0:
		return p, false
	case string(lo) == "-":
		p.before = never
	case string(lo) == "+":
		p.before = always
	case lo[0] == '[':
		p.before = func(m *keyspace.Scored) bool { return m.Member < string(lo[1:]) }
	case lo[0] == '(':
		p.before = func(m *keyspace.Scored) bool { return m.Member <= string(lo[1:]) }
	default:
		return p, false
	}
	switch {
	case string(hi) == "+":
		p.behind = never
	case string(hi) == "-":
		p.behind = always
	case hi[0] == '[':
		p.behind = func(m *keyspace.Scored) bool { return m.Member > string(hi[1:]) }
	case hi[0] == '(':
		p.behind = func(m *keyspace.Scored) bool { return m.Member >= string(hi[1:]) }
	default:
		return p, false
	}
	return p, true
}

// zrangeQuery says what ZRANGE or one of its kin asks for.
type zrangeQuery struct {
	by            zrangeBy
	fixed         bool // by and reverse are the command's own, not arguments
	reverse       bool
	store         bool // under argument 1
	withScores    bool
	offset, limit int64 // limit -1: none
}

func (c *Session) zrangeOptions(q *zrangeQuery, args [][]byte) bool {
	q.limit = -1
	by := false
	for ; len(args) > 0; args = args[1:] {
		switch {
		case !q.store && same(args[0], "withscores"):
			q.withScores = true
		case same(args[0], "limit") && len(args) >= 3:
			var ok bool
			if q.offset, ok = c.intArg(args[1]); !ok {
				return false
			}
			if q.limit, ok = c.intArg(args[2]); !ok {
				return false
			}
			args = args[2:]
		case !q.fixed && !q.reverse && same(args[0], "rev"):
			q.reverse = true
		case !q.fixed && !by && same(args[0], "bylex"):
			q.by, by = byLex, true
		case !q.fixed && !by && same(args[0], "byscore"):
			q.by, by = byScore, true
		default:
			c.error(errSyntax)
			return false
		}
	}
	switch {
	case q.limit != -1 && q.by == byRank:
		c.error("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
		return false
	case q.withScores && q.by == byLex:
		c.error("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
		return false
	}
	return true
}

// zrange follows redis 7.0.15 t_zset.c zrangeGenericCommand. The source is
// argument at.
func (s *Server) zrange(c *Session, argv [][]byte, at int, q zrangeQuery) {
	if !c.zrangeOptions(&q, argv[at+3:]) {
		return
	}
	from, to := argv[at+1], argv[at+2]
	var start, end int64
	var p span
	ok := true
	switch {
	case q.by == byRank:
		if start, ok = c.intArg(from); !ok {
			return
		}
		if end, ok = c.intArg(to); !ok {
			return
		}
	case q.reverse:
		p, ok = c.spanArg(to, from, q.by)
	default:
		p, ok = c.spanArg(from, to, q.by)
	}
	if !ok {
		return
	}
	z, ok := s.readZSet(c, argv[at])
	if !ok {
		return
	}
	var found []keyspace.Scored
	if z != nil {
		lo, hi := 0, 0
		if q.by == byRank {
			lo, hi = bounds(start, end, z.Len())
			if q.reverse {
				lo, hi = z.Len()-hi, z.Len()-lo
			}
		} else {
			lo, hi = p.ranks(z)
		}
		found = q.take(z, lo, hi)
	}
	if q.store {
		result := s.ks.DB(c.db).MakeZSet()
		for _, m := range found {
			result.Set([]byte(m.Member), m.Score)
		}
		s.storeZSet(c, argv, result, "zrangestore")
		return
	}
	c.scored(found, q.withScores)
}

// take are the members of ranks [lo, hi), in the query's direction, behind its
// offset and within its limit.
func (q *zrangeQuery) take(z *keyspace.SortedSet, lo, hi int) (found []keyspace.Scored) {
	if q.by != byRank {
		n := int64(hi - lo)
		if q.offset < 0 || q.offset >= n {
			return nil
		}
		n -= q.offset
		if q.limit >= 0 {
			n = min(n, q.limit)
		}
		if q.reverse {
			hi -= int(q.offset)
			lo = hi - int(n)
		} else {
			lo += int(q.offset)
			hi = lo + int(n)
		}
	}
	found = make([]keyspace.Scored, 0, hi-lo)
	z.Range(lo, hi, q.reverse, func(m *keyspace.Scored) bool {
		found = append(found, *m)
		return true
	})
	return found
}

// storeZSet answers and stores the result of a command under its first key.
func (s *Server) storeZSet(c *Session, argv [][]byte, z *keyspace.SortedSet, event string) {
	c.int(int64(z.Len()))
	s.storeResult(c, argv, argv[1], keyspace.ZSetObject(z), config.ZSetEvents, event, 1)
}

func (s *Server) zcount(c *Session, argv [][]byte, by zrangeBy) {
	p, ok := c.spanArg(argv[2], argv[3], by)
	if !ok {
		return
	}
	z, ok := s.readZSet(c, argv[1])
	if !ok {
		return
	}
	if z == nil {
		c.int(0)
		return
	}
	lo, hi := p.ranks(z)
	c.int(int64(hi - lo))
}

func (s *Server) zremrange(c *Session, argv [][]byte, by zrangeBy, event string) {
	var start, end int64
	var p span
	var ok bool
	if by == byRank {
		if start, end, ok = c.startEndArgs(argv[2:4]); !ok {
			return
		}
	} else if p, ok = c.spanArg(argv[2], argv[3], by); !ok {
		return
	}
	o, ok := s.writeKind(c, argv[1], keyspace.ZSet)
	if !ok {
		return
	}
	if o == nil {
		c.int(0)
		return
	}
	z := s.ks.DB(c.db).EditZSet(argv[1])
	lo, hi := 0, 0
	if by == byRank {
		lo, hi = bounds(start, end, z.Len())
	} else {
		lo, hi = p.ranks(z)
	}
	var gone [][]byte
	z.Range(lo, hi, false, func(m *keyspace.Scored) bool {
		gone = append(gone, []byte(m.Member))
		return true
	})
	for _, m := range gone {
		z.Delete(m)
	}
	if len(gone) > 0 {
		s.touch(c.db, argv[1])
		s.notify(config.ZSetEvents, event, c.db, argv[1])
		s.dropEmpty(c, argv[1], z.Len())
		s.propagate(c, len(gone), argv)
	}
	c.int(int64(len(gone)))
}
