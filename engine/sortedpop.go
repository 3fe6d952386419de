package engine

import (
	"strconv"
	"time"

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
	if len(argv) > 3 {
		c.error(errSyntax)
		return
	}
	count, counted := int64(1), len(argv) == 3
	if counted {
		n, ok := c.positiveArg(argv[2])
		if !ok {
			return
		}
		count = n
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
	s.zpopOrWait(c, argv[1:len(argv)-1], timeout, func(key []byte, _ *keyspace.Object) bool {
		c.array(3)
		c.bulk(key)
		s.popScored(c, key, 1, highest, false)
		s.propagateAs(c, 1, zpopWord(highest), key)
		return true
	})
}

// zpopOrWait pops from the first of the keys that is there, or waits for one.
func (s *Server) zpopOrWait(c *Session, keys [][]byte, timeout time.Duration, pop func(key []byte, o *keyspace.Object) bool) {
	if !s.popFirst(c, keyspace.ZSet, keys, pop) {
		s.blockOnKeys(c, keyspace.ZSet, keys, timeout, c.nullArray, pop)
	}
}

// zmpop is ZMPOP, whose number of keys is argument 1, and BZMPOP, whose is
// argument 2, behind the timeout (redis 7.0.15 t_zset.c zmpopGenericCommand).
func (s *Server) zmpop(c *Session, argv [][]byte, at int) {
	n, ok := c.rangeArg(argv[at], 1, 1<<63-1, "numkeys should be greater than 0")
	if !ok {
		return
	}
	if n >= int64(len(argv)-at-1) {
		c.error(errSyntax)
		return
	}
	keys, rest := argv[at+1:at+1+int(n)], argv[at+1+int(n):]
	highest := same(rest[0], "max")
	if !highest && !same(rest[0], "min") {
		c.error(errSyntax)
		return
	}
	count := int64(-1)
	for args := rest[1:]; len(args) > 0; args = args[2:] {
		if len(args) < 2 || count != -1 || !same(args[0], "count") {
			c.error(errSyntax)
			return
		}
		if count, ok = c.rangeArg(args[1], 1, 1<<63-1, "count should be greater than 0"); !ok {
			return
		}
	}
	count = max(count, 1)
	pop := func(key []byte, o *keyspace.Object) bool {
		n := int(min(count, int64(o.ZSet().Len())))
		c.array(2)
		c.bulk(key)
		c.array(n)
		s.popScored(c, key, n, highest, true)
		s.propagateAs(c, n, zpopWord(highest), key, strconv.AppendInt(nil, int64(n), 10))
		return true
	}
	if at == 1 {
		if !s.popFirst(c, keyspace.ZSet, keys, pop) {
			c.nullArray()
		}
		return
	}
	if timeout, ok := c.timeoutArg(argv[1]); ok {
		s.zpopOrWait(c, keys, timeout, pop)
	}
}
