package engine

import (
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

// Taking members off the ends of sorted sets, also for those who wait. What that
// does is logged as ZPOPMIN and ZPOPMAX.

var (
	wordZpopmin = []byte("ZPOPMIN")
	wordZpopmax = []byte("ZPOPMAX")
)

func zpopWord(highest bool) []byte {
	if highest {
		return wordZpopmax
	}
	return wordZpopmin
}

// popScored takes n members off an end and answers each, in an array of its own
// if nested.
func (s *Server) popScored(c *Session, key []byte, n int, highest, nested bool) {
	z := s.ks.DB(c.db).EditZSet(key)
	for i := range n {
		var m keyspace.Scored
		at := 0
		if highest {
			at = z.Len() - 1
		}
		z.Range(at, at+1, highest, func(e *keyspace.Scored) bool {
			m = *e
			return true
		})
		z.Delete([]byte(m.Member))
		if i == 0 {
			event := "zpopmin"
			if highest {
				event = "zpopmax"
			}
			s.notify(config.ZSetEvents, event, c.db, key)
			s.touch(c.db, key)
		}
		if nested {
			c.array(2)
		}
		c.bulkText(m.Member)
		c.double(m.Score)
	}
	s.dropEmpty(c, key, z.Len())
}

// zpop is ZPOPMIN and ZPOPMAX (redis 7.0.15 t_zset.c zpopMinMaxCommand).
func (s *Server) zpop(c *Session, argv [][]byte, highest bool) {
	count, counted, ok := c.popCountArg(argv[2:])
	if !ok {
		return
	}
	o, ok := s.writeKind(c, argv[1], keyspace.ZSet)
	if !ok {
		return
	}
	if o == nil || count == 0 {
		c.array(0)
		return
	}
	n := int(min(count, int64(o.ZSet().Len())))
	nested := counted && c.resp == 3
	if nested {
		c.array(n)
	} else {
		c.array(2 * n)
	}
	s.popScored(c, argv[1], n, highest, nested)
	s.propagate(c, n, argv)
}

// blockingZpop is BZPOPMIN and BZPOPMAX.
func (s *Server) blockingZpop(c *Session, argv [][]byte, highest bool) {
	timeout, ok := c.timeoutArg(argv[len(argv)-1])
	if !ok {
		return
	}
	s.popOrWait(c, keyspace.ZSet, argv[1:len(argv)-1], timeout, func(key []byte, _ *keyspace.Object) bool {
		c.array(3)
		c.bulk(key)
		s.popScored(c, key, 1, highest, false)
		s.propagateAs(c, 1, zpopWord(highest), key)
		return true
	})
}

// zmpop is ZMPOP and BZMPOP (redis 7.0.15 t_zset.c zmpopGenericCommand).
func (s *Server) zmpop(c *Session, argv [][]byte, at int) {
	s.mpop(c, argv, at, keyspace.ZSet, "max", "min", zpopWord, func(key []byte, n int, highest bool) {
		s.popScored(c, key, n, highest, true)
	})
}
