package engine

import (
	"bytes"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

var listCommands = []entry{
	{name: "rpush", run: cmdRpush},
	{name: "lpush", run: cmdLpush},
	{name: "rpushx", run: cmdRpushx},
	{name: "lpushx", run: cmdLpushx},
	{name: "lpop", run: cmdLpop},
	{name: "rpop", run: cmdRpop},
	{name: "llen", run: lengthOf(keyspace.List)},
	{name: "lindex", run: cmdLindex},
	{name: "lrange", run: cmdLrange},
	{name: "lset", run: cmdLset},
	{name: "ltrim", run: cmdLtrim},
	{name: "lrem", run: cmdLrem},
	{name: "linsert", run: cmdLinsert},
	{name: "lpos", run: cmdLpos},
	{name: "lmove", run: cmdLmove},
	{name: "rpoplpush", run: func(s *Server, c *Session, argv [][]byte) { s.move(c, argv, argv[1], argv[2], false, true) }},
	{name: "lmpop", run: func(s *Server, c *Session, argv [][]byte) { s.lmpop(c, argv, 1) }},
	{name: "blpop", run: func(s *Server, c *Session, argv [][]byte) { s.blockingPop(c, argv, true) }},
	{name: "brpop", run: func(s *Server, c *Session, argv [][]byte) { s.blockingPop(c, argv, false) }},
	{name: "blmove", run: cmdBlmove},
	{name: "brpoplpush", run: cmdBrpoplpush},
	{name: "blmpop", run: func(s *Server, c *Session, argv [][]byte) { s.lmpop(c, argv, 2) }},
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
	c.int(int64(l.Len()))
	s.touch(c.db, key)
	s.notify(config.ListEvents, pushed(front), c.db, key)
	s.propagate(c, len(argv)-2, argv)
}

// pushed and popped are the events of the two ends.
func pushed(front bool) string {
	if front {
		return "lpush"
	}
	return "rpush"
}

func popped(front bool) string {
	if front {
		return "lpop"
	}
	return "rpop"
}

func cmdLpop(s *Server, c *Session, argv [][]byte) { s.pop(c, argv, true) }
func cmdRpop(s *Server, c *Session, argv [][]byte) { s.pop(c, argv, false) }

// pop follows redis 7.0.15 t_list.c popGenericCommand.
func (s *Server) pop(c *Session, argv [][]byte, front bool) {
	if len(argv) > 3 {
		c.error("ERR wrong number of arguments for '" + popped(front) + "' command")
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
		c.bulk(l.Pop(front))
	}
	s.listPopped(c, key, l, front)
	s.propagate(c, n, argv)
}

// listPopped tells of elements taken from one end of a list (redis 7.0.15
// t_list.c listElementsRemoved).
func (s *Server) listPopped(c *Session, key []byte, l *keyspace.Deque, front bool) {
	s.notify(config.ListEvents, popped(front), c.db, key)
	s.dropEmpty(c, key, l.Len())
	s.touch(c.db, key)
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
	start, end, ok := c.startEndArgs(argv[2:4])
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
	o, ok := s.writeKind(c, argv[1], keyspace.List)
	if !ok {
		return
	}
	if o == nil {
		c.error(errNoKey)
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
	s.notify(config.ListEvents, "lset", c.db, argv[1])
	s.propagate(c, 1, argv)
	c.ok()
}

func cmdLtrim(s *Server, c *Session, argv [][]byte) {
	start, end, ok := c.startEndArgs(argv[2:4])
	if !ok {
		return
	}
	o, ok := s.writeKind(c, argv[1], keyspace.List)
	if !ok {
		return
	}
	if o == nil {
		c.ok()
		return
	}
	l := s.ks.DB(c.db).EditList(argv[1])
	lo, hi := bounds(start, end, l.Len())
	removed := l.Len() - (hi - lo)
	l.Trim(lo, hi)
	s.notify(config.ListEvents, "ltrim", c.db, argv[1])
	s.dropEmpty(c, argv[1], l.Len())
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
	o, ok := s.writeKind(c, argv[1], keyspace.List)
	if !ok {
		return
	}
	if o == nil {
		c.int(0)
		return
	}
	l := s.ks.DB(c.db).EditList(argv[1])
	removed := l.Remove(argv[3], int(count))
	if removed > 0 {
		s.touch(c.db, argv[1])
		s.notify(config.ListEvents, "lrem", c.db, argv[1])
		s.dropEmpty(c, argv[1], l.Len())
		s.propagate(c, removed, argv)
	}
	c.int(int64(removed))
}

func cmdLinsert(s *Server, c *Session, argv [][]byte) {
	after := same(argv[2], "after")
	if !after && !same(argv[2], "before") {
		c.error(errSyntax)
		return
	}
	o, ok := s.writeKind(c, argv[1], keyspace.List)
	if !ok {
		return
	}
	if o == nil {
		c.int(0)
		return
	}
	at := -1
	for i := range o.List().Len() {
		if bytes.Equal(o.List().At(i), argv[3]) {
			at = i
			break
		}
	}
	if at < 0 {
		c.int(-1)
		return
	}
	if after {
		at++
	}
	l := s.ks.DB(c.db).EditList(argv[1])
	l.Insert(at, c.keep(argv[4]))
	s.touch(c.db, argv[1])
	s.notify(config.ListEvents, "linsert", c.db, argv[1])
	s.propagate(c, 1, argv)
	c.int(int64(l.Len()))
}

// cmdLpos follows redis 7.0.15 t_list.c lposCommand.
func cmdLpos(s *Server, c *Session, argv [][]byte) {
	rank, count, maxlen := int64(1), int64(-1), int64(0)
	for args := argv[3:]; len(args) > 0; args = args[2:] {
		if len(args) < 2 {
			c.error(errSyntax)
			return
		}
		var ok bool
		switch {
		case same(args[0], "rank"):
			if rank, ok = c.intArg(args[1]); ok && rank == 0 {
				c.error("ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list")
				return
			}
		case same(args[0], "count"):
			count, ok = c.rangeArg(args[1], 0, 1<<63-1, "COUNT can't be negative")
		case same(args[0], "maxlen"):
			maxlen, ok = c.rangeArg(args[1], 0, 1<<63-1, "MAXLEN can't be negative")
		default:
			c.error(errSyntax)
			return
		}
		if !ok {
			return
		}
	}
	l, ok := s.lookupList(c, argv[1])
	if !ok {
		return
	}
	var found []int
	if l != nil {
		found = findElements(l, argv[2], rank, max(count, 0), maxlen, count < 0)
	}
	switch {
	case count >= 0:
		c.array(len(found))
		for _, i := range found {
			c.int(int64(i))
		}
	case len(found) == 0:
		c.null()
	default:
		c.int(int64(found[0]))
	}
}

// findElements are the positions of elements equal to b from the rank-th on,
// counted from the end when rank is negative: at most count of them, 0 for all,
// or the first. maxlen elements are looked at, 0 for all.
func findElements(l *keyspace.Deque, b []byte, rank, count, maxlen int64, first bool) (found []int) {
	backwards := rank < 0
	if backwards {
		rank = -rank
	}
	matches := int64(0)
	for i := range l.Len() {
		if maxlen > 0 && int64(i) >= maxlen {
			break
		}
		at := i
		if backwards {
			at = l.Len() - 1 - i
		}
		if !bytes.Equal(l.At(at), b) {
			continue
		}
		if matches++; matches < rank { // the lowest rank has no positive, and is below all
			continue
		}
		found = append(found, at)
		if first || count > 0 && matches-rank+1 >= count { // never, from the lowest rank
			break
		}
	}
	return found
}

// endArg reads LEFT or RIGHT.
func (c *Session) endArg(b []byte) (front, ok bool) {
	return c.eitherArg(b, "left", "right")
}

func cmdLmove(s *Server, c *Session, argv [][]byte) {
	from, ok := c.endArg(argv[3])
	if !ok {
		return
	}
	if to, ok := c.endArg(argv[4]); ok {
		s.move(c, argv, argv[1], argv[2], from, to)
	}
}

// move follows redis 7.0.15 t_list.c lmoveGenericCommand. logged is what is
// propagated.
func (s *Server) move(c *Session, logged [][]byte, src, dst []byte, from, to bool) {
	o, ok := s.writeKind(c, src, keyspace.List)
	if !ok {
		return
	}
	if o == nil {
		c.null()
		return
	}
	if _, ok := s.writeKind(c, dst, keyspace.List); !ok {
		return
	}
	l := s.ks.DB(c.db).EditList(src)
	s.moveElement(c, l, dst, from, to)
	s.listPopped(c, src, l, from)
	s.propagateAs(c, 1, logged...)
}

// moveElement takes an element of a list and puts it into the list at dst, which
// may be the same, and answers it.
func (s *Server) moveElement(c *Session, l *keyspace.Deque, dst []byte, from, to bool) {
	v := l.Pop(from)
	db := s.ks.DB(c.db)
	target := db.EditList(dst)
	if target == nil {
		target = db.NewList(dst)
	}
	s.touch(c.db, dst)
	target.Push(v, to)
	s.notify(config.ListEvents, pushed(to), c.db, dst)
	c.bulk(v)
}
