package engine

import (
	"math"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

var sortedSetCommands = []entry{
	{name: "zadd", run: func(s *Server, c *Session, argv [][]byte) { s.zadd(c, argv, false) }},
	{name: "zincrby", run: func(s *Server, c *Session, argv [][]byte) { s.zadd(c, argv, true) }},
	{name: "zrem", run: remover(keyspace.ZSet, (*keyspace.DB).EditZSet, config.ZSetEvents, "zrem")},
	{name: "zcard", run: lengthOf(keyspace.ZSet)},
	{name: "zscore", run: cmdZscore},
	{name: "zmscore", run: cmdZmscore},
	{name: "zrank", run: func(s *Server, c *Session, argv [][]byte) { s.zrank(c, argv, false) }},
	{name: "zrevrank", run: func(s *Server, c *Session, argv [][]byte) { s.zrank(c, argv, true) }},
	{name: "zrandmember", run: cmdZrandmember},
	{name: "zscan", run: cmdZscan},

	{name: "zrange", run: func(s *Server, c *Session, argv [][]byte) { s.zrange(c, argv, 1, zrangeQuery{}) }},
	{name: "zrevrange", run: func(s *Server, c *Session, argv [][]byte) {
		s.zrange(c, argv, 1, zrangeQuery{by: byRank, fixed: true, reverse: true})
	}},
	{name: "zrangebyscore", run: func(s *Server, c *Session, argv [][]byte) {
		s.zrange(c, argv, 1, zrangeQuery{by: byScore, fixed: true})
	}},
	{name: "zrevrangebyscore", run: func(s *Server, c *Session, argv [][]byte) {
		s.zrange(c, argv, 1, zrangeQuery{by: byScore, fixed: true, reverse: true})
	}},
	{name: "zrangebylex", run: func(s *Server, c *Session, argv [][]byte) {
		s.zrange(c, argv, 1, zrangeQuery{by: byLex, fixed: true})
	}},
	{name: "zrevrangebylex", run: func(s *Server, c *Session, argv [][]byte) {
		s.zrange(c, argv, 1, zrangeQuery{by: byLex, fixed: true, reverse: true})
	}},
	{name: "zrangestore", run: func(s *Server, c *Session, argv [][]byte) { s.zrange(c, argv, 2, zrangeQuery{store: true}) }},
	{name: "zcount", run: func(s *Server, c *Session, argv [][]byte) { s.zcount(c, argv, byScore) }},
	{name: "zlexcount", run: func(s *Server, c *Session, argv [][]byte) { s.zcount(c, argv, byLex) }},
	{name: "zremrangebyrank", run: func(s *Server, c *Session, argv [][]byte) { s.zremrange(c, argv, byRank, "zremrangebyrank") }},
	{name: "zremrangebyscore", run: func(s *Server, c *Session, argv [][]byte) { s.zremrange(c, argv, byScore, "zremrangebyscore") }},
	{name: "zremrangebylex", run: func(s *Server, c *Session, argv [][]byte) { s.zremrange(c, argv, byLex, "zremrangebylex") }},

	{name: "zunion", run: func(s *Server, c *Session, argv [][]byte) { s.zcombine(c, argv, 1, zunion, false) }},
	{name: "zinter", run: func(s *Server, c *Session, argv [][]byte) { s.zcombine(c, argv, 1, zinter, false) }},
	{name: "zdiff", run: func(s *Server, c *Session, argv [][]byte) { s.zcombine(c, argv, 1, zdiff, false) }},
	{name: "zintercard", run: func(s *Server, c *Session, argv [][]byte) { s.zcombine(c, argv, 1, zinter, true) }},
	{name: "zunionstore", run: func(s *Server, c *Session, argv [][]byte) { s.zcombine(c, argv, 2, zunion, false) }},
	{name: "zinterstore", run: func(s *Server, c *Session, argv [][]byte) { s.zcombine(c, argv, 2, zinter, false) }},
	{name: "zdiffstore", run: func(s *Server, c *Session, argv [][]byte) { s.zcombine(c, argv, 2, zdiff, false) }},

	{name: "zpopmin", run: func(s *Server, c *Session, argv [][]byte) { s.zpop(c, argv, false) }},
	{name: "zpopmax", run: func(s *Server, c *Session, argv [][]byte) { s.zpop(c, argv, true) }},
	{name: "zmpop", run: func(s *Server, c *Session, argv [][]byte) { s.zmpop(c, argv, 1) }},
	{name: "bzpopmin", run: func(s *Server, c *Session, argv [][]byte) { s.blockingZpop(c, argv, false) }},
	{name: "bzpopmax", run: func(s *Server, c *Session, argv [][]byte) { s.blockingZpop(c, argv, true) }},
	{name: "bzmpop", run: func(s *Server, c *Session, argv [][]byte) { s.zmpop(c, argv, 2) }},
}

// readZSet returns a sorted set for a command that reads, nil when there is
// none; ok is false when the key holds something else, which has been answered.
func (s *Server) readZSet(c *Session, key []byte) (z *keyspace.SortedSet, ok bool) {
	o, ok := s.readKind(c, key, keyspace.ZSet)
	if o == nil {
		return nil, ok
	}
	return o.ZSet(), true
}

// zaddOptions are the words before ZADD's scores.
type zaddOptions struct{ nx, xx, gt, lt, ch, incr bool }

// zaddOptions reads them and returns what follows.
func (c *Session) zaddOptions(args [][]byte) (o zaddOptions, rest [][]byte) {
	for len(args) > 0 {
		switch {
		case same(args[0], "nx"):
			o.nx = true
		case same(args[0], "xx"):
			o.xx = true
		case same(args[0], "gt"):
			o.gt = true
		case same(args[0], "lt"):
			o.lt = true
		case same(args[0], "ch"):
			o.ch = true
		case same(args[0], "incr"):
			o.incr = true
		default:
			return o, args
		}
		args = args[1:]
	}
	return o, args
}

// wrong is "", or what is wrong with the options for so many elements.
func (o zaddOptions) wrong(elements int) string {
	switch {
	case o.nx && o.xx:
		return "ERR XX and NX options at the same time are not compatible"
	case o.gt && o.nx, o.lt && o.nx, o.gt && o.lt:
		return "ERR GT, LT, and/or NX options at the same time are not compatible"
	case o.incr && elements > 1:
		return "ERR INCR option supports a single increment-element pair"
	}
	return ""
}

// zadd follows redis 7.0.15 t_zset.c zaddGenericCommand; ZINCRBY is ZADD INCR.
func (s *Server) zadd(c *Session, argv [][]byte, incrby bool) {
	o, pairs := c.zaddOptions(argv[2:])
	o.incr = o.incr || incrby
	if len(pairs) == 0 || len(pairs)%2 != 0 {
		c.error(errSyntax)
		return
	}
	if wrong := o.wrong(len(pairs) / 2); wrong != "" {
		c.error(wrong)
		return
	}
	scores := make([]float64, len(pairs)/2)
	for i := range scores {
		var ok bool
		if scores[i], ok = parseDouble(pairs[2*i]); !ok {
			c.error(errNotFloat)
			return
		}
	}
	key := argv[1]
	obj, ok := s.writeKind(c, key, keyspace.ZSet)
	if !ok {
		return
	}
	var z *keyspace.SortedSet
	switch db := s.ks.DB(c.db); {
	case obj != nil:
		z = db.EditZSet(key)
	case !o.xx:
		z = db.NewZSet(key)
	}
	added, updated := 0, 0
	score, done := 0.0, false
	for i := 0; z != nil && i < len(scores); i++ {
		member := pairs[2*i+1]
		old, there := z.Score(member)
		score = scores[i]
		if there && o.incr && !o.nx {
			if score += old; math.IsNaN(score) {
				c.error("ERR resulting score is not a number (NaN)")
				return
			}
		}
		switch {
		case there && (o.nx || o.gt && score <= old || o.lt && score >= old), !there && o.xx:
			continue
		case !there:
			added++
		case score != old:
			updated++
		}
		if !there || score != old {
			z.Set(member, score)
		}
		done = true
	}
	switch {
	case o.incr && done:
		c.double(score)
	case o.incr:
		c.null()
	case o.ch:
		c.int(int64(added + updated))
	default:
		c.int(int64(added))
	}
	if added+updated == 0 {
		return
	}
	event := "zadd"
	if o.incr {
		event = "zincr"
	}
	s.touch(c.db, key)
	s.notify(config.ZSetEvents, event, c.db, key)
	s.propagate(c, added+updated, argv)
}

// score replies a member's score, null when there is none; z may be nil.
func (c *Session) score(z *keyspace.SortedSet, member []byte) {
	if z != nil {
		if score, ok := z.Score(member); ok {
			c.double(score)
			return
		}
	}
	c.null()
}

func cmdZscore(s *Server, c *Session, argv [][]byte) {
	if z, ok := s.readZSet(c, argv[1]); ok {
		c.score(z, argv[2])
	}
}

func cmdZmscore(s *Server, c *Session, argv [][]byte) { s.eachScore(c, argv, c.null, c.double) }

// eachScore answers for each member that a command names: what found makes of its
// score, or missing.
func (s *Server) eachScore(c *Session, argv [][]byte, missing func(), found func(score float64)) {
	z, ok := s.readZSet(c, argv[1])
	if !ok {
		return
	}
	c.array(len(argv) - 2)
	for _, m := range argv[2:] {
		score, there := 0.0, false
		if z != nil {
			score, there = z.Score(m)
		}
		if there {
			found(score)
		} else {
			missing()
		}
	}
}

func (s *Server) zrank(c *Session, argv [][]byte, reverse bool) {
	z, ok := s.readZSet(c, argv[1])
	if !ok {
		return
	}
	if z == nil {
		c.null()
		return
	}
	rank, ok := z.Rank(argv[2])
	switch {
	case !ok:
		c.null()
	case reverse:
		c.int(int64(z.Len() - 1 - rank))
	default:
		c.int(int64(rank))
	}
}

// cmdZrandmember follows redis 7.0.15 t_zset.c zrandmemberCommand.
func cmdZrandmember(s *Server, c *Session, argv [][]byte) {
	if len(argv) == 2 {
		z, ok := s.readZSet(c, argv[1])
		switch {
		case !ok:
		case z == nil:
			c.null()
		default:
			c.bulkText(z.At(s.drawn(z.Len())).Member)
		}
		return
	}
	count, ok := c.countArg(argv[2])
	if !ok {
		return
	}
	withScores := len(argv) == 4
	if len(argv) > 4 || withScores && !same(argv[3], "withscores") {
		c.error(errSyntax)
		return
	}
	if withScores && (count < -math.MaxInt64/2 || count > math.MaxInt64/2) {
		c.error("ERR value is out of range")
		return
	}
	z, ok := s.readZSet(c, argv[1])
	if !ok {
		return
	}
	if z == nil || count == 0 {
		c.array(0)
		return
	}
	at := s.positions(c, z.Len(), max(count, -count), count < 0)
	members := make([]keyspace.Scored, len(at))
	for i, p := range at {
		members[i] = *z.At(p)
	}
	c.scored(members, withScores)
}

// scored replies members, with their scores in pairs if wanted.
func (c *Session) scored(members []keyspace.Scored, withScores bool) {
	if !withScores {
		c.array(len(members))
		for i := range members {
			c.bulkText(members[i].Member)
		}
		return
	}
	c.pairsOf(len(members))
	for i := range members {
		c.pair()
		c.bulkText(members[i].Member)
		c.double(members[i].Score)
	}
}

func cmdZscan(s *Server, c *Session, argv [][]byte) {
	o, ok := c.scanArgs(argv[2:], false)
	if !ok {
		return
	}
	z, ok := s.readZSet(c, argv[1])
	if !ok {
		return
	}
	if z == nil {
		c.scanned(0, nil)
		return
	}
	if !o.parse(c) {
		return
	}
	var found []string
	next := z.Scan(o.cursor, o.count, func(m *keyspace.Scored) {
		if o.matches(m.Member) {
			found = append(found, m.Member, string(keyspace.AppendScore(nil, m.Score)))
		}
	})
	c.scanned(next, found)
}
