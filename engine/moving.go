package engine

import (
	"math"

	"github.com/torntail/torntail/engine/config"
)

// movingCommands bring values to other keys and databases.
var movingCommands = []entry{
	{name: "move", run: cmdMove},
	{name: "copy", run: cmdCopy},
	{name: "swapdb", run: cmdSwapdb},
}

const errSameObject = "ERR source and destination objects are the same"

// inDB has f see the session in another database.
func (c *Session) inDB(db int, f func()) {
	own := c.db
	c.db = db
	f()
	c.db = own
}

// cmdMove follows redis 7.0.15 db.c moveCommand.
func cmdMove(s *Server, c *Session, argv [][]byte) {
	if s.cluster != nil {
		c.error("ERR MOVE is not allowed in cluster mode")
		return
	}
	to, ok := s.dbArg(c, argv[2])
	if !ok {
		return
	}
	if to == c.db {
		c.error(errSameObject)
		return
	}
	key := argv[1]
	if s.lookup(c, key) == nil {
		c.int(0)
		return
	}
	there := false
	c.inDB(to, func() { there = s.lookup(c, key) != nil })
	if there {
		c.int(0)
		return
	}
	src, dst := s.ks.DB(c.db), s.ks.DB(to)
	o, at := *src.Get(key), src.ExpireAt(key)
	dst.Set(key, o)
	if at != 0 {
		s.setExpire(c, to, key, at)
	}
	src.Delete(key)
	s.touch(c.db, key)
	s.touch(to, key)
	s.notify(config.GenericEvents, "move_from", c.db, key)
	s.notify(config.GenericEvents, "move_to", to, key)
	s.propagate(c, 1, argv)
	c.int(1)
}

// cmdCopy follows redis 7.0.15 db.c copyCommand.
func cmdCopy(s *Server, c *Session, argv [][]byte) {
	to, replace := c.db, false
	for args := argv[3:]; len(args) > 0; args = args[1:] {
		switch {
		case same(args[0], "replace"):
			replace = true
		case same(args[0], "db") && len(args) >= 2:
			n, ok := s.dbArg(c, args[1])
			if !ok {
				return
			}
			to = n
			args = args[1:]
		default:
			c.error(errSyntax)
			return
		}
	}
	if s.cluster != nil && (c.db != 0 || to != 0) {
		c.error("ERR Copying to another database is not allowed in cluster mode")
		return
	}
	from, key := argv[1], argv[2]
	if to == c.db && string(from) == string(key) {
		c.error(errSameObject)
		return
	}
	if s.lookupRead(c, from) == nil {
		c.int(0)
		return
	}
	there := false
	c.inDB(to, func() { there = s.lookup(c, key) != nil })
	if there && !replace {
		c.int(0)
		return
	}
	src, dst := s.ks.DB(c.db), s.ks.DB(to)
	o, at := s.ks.Clone(src.Get(from)), src.ExpireAt(from)
	if there {
		dst.Delete(key)
	}
	dst.Set(key, o)
	if at != 0 {
		s.setExpire(c, to, key, at)
	}
	s.touch(to, key)
	s.notify(config.GenericEvents, "copy_to", to, key)
	s.propagate(c, 1, argv)
	c.int(1)
}

// cmdSwapdb follows redis 7.0.15 db.c swapdbCommand.
func cmdSwapdb(s *Server, c *Session, argv [][]byte) {
	if s.cluster != nil {
		c.error("ERR SWAPDB is not allowed in cluster mode")
		return
	}
	i, ok := c.rangeArg(argv[1], math.MinInt32, math.MaxInt32, "invalid first DB index")
	if !ok {
		return
	}
	j, ok := c.rangeArg(argv[2], math.MinInt32, math.MaxInt32, "invalid second DB index")
	if !ok {
		return
	}
	if i < 0 || i >= s.cfg.Databases || j < 0 || j >= s.cfg.Databases {
		c.error("ERR DB index is out of range")
		return
	}
	if i != j {
		a, b := int(i), int(j)
		s.touchSwapped(a, b)
		s.touchSwapped(b, a)
		for _, db := range []int{a, b} { // streams that go
			s.signalDatabase(db)
		}
		s.ks.Swap(a, b)
		for _, db := range []int{a, b} { // what comes
			s.signalDatabase(db)
		}
	}
	s.propagate(c, 1, argv)
	c.ok()
}

// touchSwapped tells the sessions that watch keys of a database that it is
// replaced with another (redis 7.0.15 multi.c touchAllWatchedKeysInDb). A key
// past its time is as good as none.
func (s *Server) touchSwapped(db, with int) {
	for _, c := range s.sessions { // not the map's order
		for i := range c.watching {
			w := &c.watching[i]
			key := []byte(w.key)
			if w.db != db {
				continue
			}
			before, after := s.ks.DB(db).Get(key) != nil, s.ks.DB(with).Get(key) != nil
			switch {
			case !before && !after:
			case w.expired && !after:
				w.expired = false
			case w.expired && s.isExpired(with, key):
			case !w.expired && !before && s.isExpired(with, key):
				w.expired = true
			default:
				c.dirtyCAS = true
			}
		}
		if c.dirtyCAS {
			s.unwatchAll(c)
		}
	}
}
