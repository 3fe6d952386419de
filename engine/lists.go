package engine

import (
	"github.com/torntail/torntail/engine/keyspace"
)

var listCommands = []entry{
	{name: "rpush", run: cmdRpush},
	{name: "lpush", run: cmdLpush},
	{name: "rpushx", run: cmdRpushx},
	{name: "lpushx", run: cmdLpushx},
	{name: "lpop", run: cmdLpop},
	{name: "rpop", run: cmdRpop},
	{name: "llen", run: cmdLlen},
	{name: "lindex", run: cmdLindex},
	{name: "lrange", run: cmdLrange},
	{name: "lset", run: cmdLset},
	{name: "ltrim", run: cmdLtrim},
	{name: "lrem", run: cmdLrem},
}

// lookupList returns a list for a command that reads; ok is false when the key
// holds something else, which has been answered.
func (s *Server) lookupList(c *Session, key []byte) (l *keyspace.Deque, ok bool) {
	o := s.lookupRead(c, key)
	if o == nil {
		return nil, true
	}
	if o.Kind != keyspace.List {
		c.error(errWrongType)
		return nil, false
	}
	return o.List(), true
}

func cmdRpush(s *Server, c *Session, argv [][]byte)  { s.push(c, argv, false, false) }
func cmdLpush(s *Server, c *Session, argv [][]byte)  { s.push(c, argv, true, false) }
func cmdRpushx(s *Server, c *Session, argv [][]byte) { s.push(c, argv, false, true) }
func cmdLpushx(s *Server, c *Session, argv [][]byte) { s.push(c, argv, true, true) }

func (s *Server) push(c *Session, argv [][]byte, front, onlyExisting bool) {
	key := argv[1]
	o := s.lookup(c, key)
	if o != nil && o.Kind != keyspace.List {
		c.error(errWrongType)
		return
	}
	db := s.ks.DB(c.db)
	var l *keyspace.Deque
	switch {
	case o != nil:
		l = db.EditList(key)
	case onlyExisting:
		c.int(0)
		return
	default:
		l = db.NewList(key)
	}
	for _, v := range argv[2:] {
		if front {
			l.PushFront(c.keep(v))
		} else {
			l.PushBack(c.keep(v))
		}
	}
	s.touch(c.db, key)
	s.propagate(c, len(argv)-2, argv)
	c.int(int64(l.Len()))
}

func cmdLpop(s *Server, c *Session, argv [][]byte) { s.pop(c, argv, true) }
func cmdRpop(s *Server, c *Session, argv [][]byte) { s.pop(c, argv, false) }

// pop follows redis 7.0.15 t_list.c popGenericCommand.
func (s *Server) pop(c *Session, argv [][]byte, front bool) {
	if len(argv) > 3 {
		name := "rpop"
		if front {
			name = "lpop"
		}
		c.error("ERR wrong number of arguments for '" + name + "' command")
		return
	}
	count, counted := int64(1), len(argv) == 3
	if counted {
		n, ok := parseInt(argv[2])
		if !ok || n < 0 {
			c.error("ERR value is out of range, must be positive")
			return
		}
		count = n
	}
	key := argv[1]
	o := s.lookup(c, key)
	switch {
	case o == nil && counted:
		c.nullArray()
		return
	case o == nil:
		c.null()
		return
	case o.Kind != keyspace.List:
		c.error(errWrongType)
		return
	case count == 0:
		c.array(0)
		return
	}
	db := s.ks.DB(c.db)
	l := db.EditList(key)
	n := int(min(count, int64(l.Len())))
	if counted {
		c.array(n)
	}
	for range n {
		if front {
			c.bulk(l.PopFront())
		} else {
			c.bulk(l.PopBack())
		}
	}
	if l.Len() == 0 {
		db.Delete(key)
	}
	s.touch(c.db, key)
	s.propagate(c, n, argv)
}

func cmdLlen(s *Server, c *Session, argv [][]byte) {
	l, ok := s.lookupList(c, argv[1])
	switch {
	case !ok:
	case l == nil:
		c.int(0)
	default:
		c.int(int64(l.Len()))
	}
}

func cmdLindex(s *Server, c *Session, argv [][]byte) {
	l, ok := s.lookupList(c, argv[1])
	if !ok {
		return
	}
	if l == nil {
		c.null()
		return
	}
	i, ok := c.intArg(argv[2])
	if !ok {
		return
	}
	if i < 0 {
		i += int64(l.Len())
	}
	if i < 0 || i >= int64(l.Len()) {
		c.null()
		return
	}
	c.bulk(l.At(int(i)))
}

func cmdLrange(s *Server, c *Session, argv [][]byte) {
	start, ok := c.intArg(argv[2])
	if !ok {
		return
	}
	end, ok := c.intArg(argv[3])
	if !ok {
		return
	}
	l, ok := s.lookupList(c, argv[1])
	if !ok {
		return
	}
	if l == nil {
		c.array(0)
		return
	}
	lo, hi := bounds(start, end, l.Len())
	c.array(hi - lo)
	for i := lo; i < hi; i++ {
		c.bulk(l.At(i))
	}
}

// cmdLset, cmdLtrim and cmdLrem change lists in place: redis-server writes them
// to the append-only files that the engine loads.

func cmdLset(s *Server, c *Session, argv [][]byte) {
	o := s.lookup(c, argv[1])
	if o == nil {
		c.error(errNoKey)
		return
	}
	if o.Kind != keyspace.List {
		c.error(errWrongType)
		return
	}
	i, ok := c.intArg(argv[2])
	if !ok {
		return
	}
	l := s.ks.DB(c.db).EditList(argv[1])
	if i < 0 {
		i += int64(l.Len())
	}
	if i < 0 || i >= int64(l.Len()) {
		c.error("ERR index out of range")
		return
	}
	l.Set(int(i), c.keep(argv[3]))
	s.touch(c.db, argv[1])
	s.propagate(c, 1, argv)
	c.ok()
}

func cmdLtrim(s *Server, c *Session, argv [][]byte) {
	start, ok := c.intArg(argv[2])
	if !ok {
		return
	}
	end, ok := c.intArg(argv[3])
	if !ok {
		return
	}
	o := s.lookup(c, argv[1])
	if o == nil {
		c.ok()
		return
	}
	if o.Kind != keyspace.List {
		c.error(errWrongType)
		return
	}
	l := s.ks.DB(c.db).EditList(argv[1])
	lo, hi := bounds(start, end, l.Len())
	removed := l.Len() - (hi - lo)
	l.Trim(lo, hi)
	if l.Len() == 0 {
		s.ks.DB(c.db).Delete(argv[1])
	}
	s.touch(c.db, argv[1])
	if removed > 0 {
		s.propagate(c, removed, argv)
	}
	c.ok()
}

func cmdLrem(s *Server, c *Session, argv [][]byte) {
	count, ok := c.intArg(argv[2])
	if !ok {
		return
	}
	o := s.lookup(c, argv[1])
	if o == nil {
		c.int(0)
		return
	}
	if o.Kind != keyspace.List {
		c.error(errWrongType)
		return
	}
	removed := s.ks.DB(c.db).EditList(argv[1]).Remove(argv[3], int(count))
	if removed > 0 {
		if s.ks.DB(c.db).Get(argv[1]).List().Len() == 0 {
			s.ks.DB(c.db).Delete(argv[1])
		}
		s.touch(c.db, argv[1])
		s.propagate(c, removed, argv)
	}
	c.int(int64(removed))
}
