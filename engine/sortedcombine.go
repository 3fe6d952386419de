package engine

import (
	"math"
	"slices"

	"github.com/torntail/torntail/engine/keyspace"
)

// Unions, intersections and differences of sets and sorted sets.

// zcombination is what is made of several sets.
type zcombination uint8

const (
	zunion zcombination = iota
	zinter
	zdiff
)

var zstoreEvents = [...]string{zunion: "zunionstore", zinter: "zinterstore", zdiff: "zdiffstore"}

// zsource is a set, whose members score 1, or a sorted set, or nothing.
type zsource struct {
	set    *keyspace.Members
	zset   *keyspace.SortedSet
	weight float64
}

func (z *zsource) len() int {
	switch {
	case z.set != nil:
		return z.set.Len()
	case z.zset != nil:
		return z.zset.Len()
	}
	return 0
}

func (z *zsource) score(member []byte) (float64, bool) {
	switch {
	case z.set != nil:
		return 1, z.set.Has(member)
	case z.zset != nil:
		return z.zset.Score(member)
	}
	return 0, false
}

func (z *zsource) each(f func(member []byte, score float64) bool) {
	switch {
	case z.set != nil:
		z.set.Each(func(m string) bool { return f([]byte(m), 1) })
	case z.zset != nil:
		z.zset.Each(func(m *keyspace.Scored) bool { return f([]byte(m.Member), m.Score) })
	}
}

// sameAs reports whether both are one key's.
func (z *zsource) sameAs(o *zsource) bool { return z.set == o.set && z.zset == o.zset }

// weighted is a score times the weight; 0 times an infinity is 0.
func (z *zsource) weighted(score float64) float64 {
	if score *= z.weight; math.IsNaN(score) {
		return 0
	}
	return score
}

// aggregate joins two scores of a member.
type aggregate func(a, b float64) float64

func aggregateSum(a, b float64) float64 {
	if a += b; math.IsNaN(a) { // inf and -inf
		return 0
	}
	return a
}

func aggregateMin(a, b float64) float64 {
	if b < a {
		return b
	}
	return a
}

func aggregateMax(a, b float64) float64 {
	if b > a {
		return b
	}
	return a
}

// zcombineOptions are the arguments behind the keys.
type zcombineOptions struct {
	aggregate  aggregate
	withScores bool
	limit      int64
}

func (c *Session) zcombineOptions(args [][]byte, sources []zsource, op zcombination, store, count bool) (o zcombineOptions, ok bool) {
	o.aggregate = aggregateSum
	joins := op != zdiff && !count
	for len(args) > 0 {
		switch {
		case joins && len(args) > len(sources) && same(args[0], "weights"):
			for i := range sources {
				w, ok := parseDouble(args[1+i])
				if !ok {
					c.error("ERR weight value is not a float")
					return o, false
				}
				sources[i].weight = w
			}
			args = args[1+len(sources):]
		case joins && len(args) >= 2 && same(args[0], "aggregate"):
			switch {
			case same(args[1], "sum"):
				o.aggregate = aggregateSum
			case same(args[1], "min"):
				o.aggregate = aggregateMin
			case same(args[1], "max"):
				o.aggregate = aggregateMax
			default:
				c.error(errSyntax)
				return o, false
			}
			args = args[2:]
		case !store && !count && same(args[0], "withscores"):
			o.withScores = true
			args = args[1:]
		case count && len(args) >= 2 && same(args[0], "limit"):
			n, ok := c.rangeArg(args[1], 0, math.MaxInt64, "LIMIT can't be negative")
			if !ok {
				return o, false
			}
			o.limit = n
			args = args[2:]
		default:
			c.error(errSyntax)
			return o, false
		}
	}
	return o, true
}

// readSources returns the sets of several keys; ok is false when one is neither
// set nor sorted set, which has been answered.
func (s *Server) readSources(c *Session, keys [][]byte) (sources []zsource, ok bool) {
	for _, key := range keys {
		if o := s.lookupRead(c, key); o != nil && o.Kind != keyspace.ZSet && o.Kind != keyspace.Set {
			c.error(errWrongType)
			return nil, false
		}
	}
	sources = make([]zsource, len(keys))
	for i, key := range keys {
		sources[i].weight = 1
		o := s.ks.DB(c.db).Get(key)
		if o == nil || !s.visible(c, key) {
			continue
		}
		if o.Kind == keyspace.Set {
			sources[i].set = o.Set()
		} else {
			sources[i].zset = o.ZSet()
		}
	}
	return sources, true
}

// zcombine follows redis 7.0.15 t_zset.c zunionInterDiffGenericCommand. The
// number of keys is argument at; when that is 2, argument 1 is where to store.
// count: only how many members there are is wanted.
func (s *Server) zcombine(c *Session, argv [][]byte, at int, op zcombination, count bool) {
	n, ok := c.intArg(argv[at])
	if !ok {
		return
	}
	if n < 1 {
		c.error("ERR at least 1 input key is needed for '" + c.lastName() + "' command")
		return
	}
	if n > int64(len(argv)-at-1) {
		c.error(errSyntax)
		return
	}
	sources, ok := s.readSources(c, argv[at+1:at+1+int(n)])
	if !ok {
		return
	}
	store := at == 2
	o, ok := c.zcombineOptions(argv[at+1+int(n):], sources, op, store, count)
	if !ok {
		return
	}
	if op != zdiff {
		slices.SortStableFunc(sources, func(a, b zsource) int { return a.len() - b.len() })
	}
	result := s.ks.DB(c.db).MakeZSet()
	result.Enlarge() // whatever its size: a score of -0, which is none when packed, lasts until it is stored
	members := int64(0)
	switch op {
	case zunion:
		uniteScored(result, sources, o.aggregate)
	case zdiff:
		subtractScored(result, sources)
	default:
		intersectScored(sources, o.aggregate, func(member []byte, score float64) bool {
			members++
			if !count {
				result.Set(member, score)
			}
			return !count || o.limit == 0 || members < o.limit
		})
	}
	switch {
	case store:
		result.Pack()
		s.storeZSet(c, argv, result, zstoreEvents[op])
	case count:
		c.int(members)
	default:
		all := make([]keyspace.Scored, 0, result.Len())
		result.Each(func(m *keyspace.Scored) bool {
			all = append(all, *m)
			return true
		})
		c.scored(all, o.withScores)
	}
}

func uniteScored(result *keyspace.SortedSet, sources []zsource, join aggregate) {
	for i := range sources {
		src := &sources[i]
		src.each(func(member []byte, score float64) bool {
			score = src.weighted(score)
			if old, there := result.Score(member); there {
				score = join(old, score)
			}
			result.Set(member, score)
			return true
		})
	}
}

func intersectScored(sources []zsource, join aggregate, f func(member []byte, score float64) bool) {
	first := &sources[0]
	if first.len() == 0 {
		return
	}
	first.each(func(member []byte, own float64) bool {
		score := first.weighted(own)
		for i := 1; i < len(sources); i++ {
			src := &sources[i]
			value := own
			if !src.sameAs(first) {
				var there bool
				if value, there = src.score(member); !there {
					return true
				}
			}
			score = join(score, value*src.weight)
		}
		return f(member, score)
	})
}

func subtractScored(result *keyspace.SortedSet, sources []zsource) {
	sources[0].each(func(member []byte, score float64) bool {
		for i := 1; i < len(sources); i++ {
			if _, there := sources[i].score(member); there {
				return true
			}
		}
		result.Set(member, score)
		return true
	})
}
