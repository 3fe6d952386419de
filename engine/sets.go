package engine

import (
	"math"
	"slices"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

var setCommands = []entry{
	{name: "sadd", run: cmdSadd},
	{name: "srem", run: remover(keyspace.Set, (*keyspace.DB).EditSet, config.SetEvents, "srem")},
	{name: "smove", run: cmdSmove},
	{name: "sismember", run: cmdSismember},
	{name: "smismember", run: cmdSmismember},
	{name: "scard", run: lengthOf(keyspace.Set)},
	{name: "spop", run: cmdSpop},
	{name: "srandmember", run: cmdSrandmember},
	{name: "smembers", run: func(s *Server, c *Session, argv [][]byte) { s.sinter(c, argv[1:2], nil) }},
	{name: "sinter", run: func(s *Server, c *Session, argv [][]byte) { s.sinter(c, argv[1:], nil) }},
	{name: "sinterstore", run: func(s *Server, c *Session, argv [][]byte) { s.sinter(c, argv[2:], argv) }},
	{name: "sintercard", run: cmdSintercard},
	{name: "sunion", run: func(s *Server, c *Session, argv [][]byte) { s.sunion(c, argv[1:], nil) }},
	{name: "sunionstore", run: func(s *Server, c *Session, argv [][]byte) { s.sunion(c, argv[2:], argv) }},
	{name: "sdiff", run: func(s *Server, c *Session, argv [][]byte) { s.sdiff(c, argv[1:], nil) }},
	{name: "sdiffstore", run: func(s *Server, c *Session, argv [][]byte) { s.sdiff(c, argv[2:], argv) }},
	{name: "sscan", run: cmdSscan},
}

// readSet returns a set for a command that reads, nil when there is none; ok is
// false when the key holds something else, which has been answered.
func (s *Server) readSet(c *Session, key []byte) (m *keyspace.Members, ok bool) {
	o, ok := s.readKind(c, key, keyspace.Set)
	if o == nil {
		return nil, ok
	}
	return o.Set(), true
}

func cmdSadd(s *Server, c *Session, argv [][]byte) {
	o, ok := s.writeKind(c, argv[1], keyspace.Set)
	if !ok {
		return
	}
	db := s.ks.DB(c.db)
	var m *keyspace.Members
	if o == nil {
		m = db.NewSet(argv[1])
	} else {
		m = db.EditSet(argv[1])
	}
	added := 0
	for _, v := range argv[2:] {
		if m.Add(v) {
			added++
		}
	}
	if added > 0 {
		s.touch(c.db, argv[1])
		s.notify(config.SetEvents, "sadd", c.db, argv[1])
		s.propagate(c, added, argv)
	}
	c.int(int64(added))
}

// cmdSmove follows redis 7.0.15 t_set.c smoveCommand.
func cmdSmove(s *Server, c *Session, argv [][]byte) {
	from, to, member := argv[1], argv[2], argv[3]
	src := s.lookup(c, from)
	dst := s.lookup(c, to)
	if src == nil {
		c.int(0)
		return
	}
	// Each lookup may delete the key: what was found first is asked for again.
	if _, ok := c.isKind(s.ks.DB(c.db).Get(from), keyspace.Set); !ok {
		return
	}
	if _, ok := c.isKind(dst, keyspace.Set); !ok {
		return
	}
	db := s.ks.DB(c.db)
	if string(from) == string(to) {
		c.boolean(db.Get(from).Set().Has(member))
		return
	}
	m := db.EditSet(from)
	if !m.Delete(member) {
		c.int(0)
		return
	}
	s.notify(config.SetEvents, "srem", c.db, from)
	s.dropEmpty(c, from, m.Len())
	s.touch(c.db, from)
	added := db.EditSet(to)
	if added == nil {
		added = db.NewSet(to)
	}
	changes := 1
	if added.Add(member) {
		changes++
		s.touch(c.db, to)
		s.notify(config.SetEvents, "sadd", c.db, to)
	}
	s.propagate(c, changes, argv)
	c.int(1)
}

func cmdSismember(s *Server, c *Session, argv [][]byte) {
	if m, ok := s.readSet(c, argv[1]); ok {
		c.boolean(m != nil && m.Has(argv[2]))
	}
}

func cmdSmismember(s *Server, c *Session, argv [][]byte) {
	m, ok := s.readSet(c, argv[1])
	if !ok {
		return
	}
	c.array(len(argv) - 2)
	for _, v := range argv[2:] {
		c.boolean(m != nil && m.Has(v))
	}
}

var wordSrem = []byte("SREM")

// cmdSpop is logged as what it removed, or as DEL when that is all (redis 7.0.15
// t_set.c spopCommand).
func cmdSpop(s *Server, c *Session, argv [][]byte) {
	count, counted, ok := c.popCountArg(argv[2:])
	if !ok {
		return
	}
	key := argv[1]
	o, ok := s.writeKind(c, key, keyspace.Set)
	switch {
	case !ok:
		return
	case o == nil && !counted:
		c.null()
		return
	case o == nil || count == 0:
		c.set(0)
		return
	}
	m := s.ks.DB(c.db).EditSet(key)
	n := int(min(count, int64(m.Len())))
	s.notify(config.SetEvents, "spop", c.db, key)
	if counted {
		c.set(n)
		if n == m.Len() {
			m.Each(func(v string) bool {
				c.bulkText(v)
				return true
			})
			s.dropEmpty(c, key, 0)
			s.touch(c.db, key)
			s.propagateAs(c, n, wordDel, key)
			return
		}
	}
	for range n {
		v := []byte(m.At(s.drawn(m.Len())))
		m.Delete(v)
		c.bulk(v)
		if counted {
			s.propagateBeside(c, 1, wordSrem, key, v)
		} else {
			s.propagateAs(c, 1, wordSrem, key, v)
		}
	}
	s.dropEmpty(c, key, m.Len())
	s.touch(c.db, key)
}

func cmdSrandmember(s *Server, c *Session, argv [][]byte) {
	if len(argv) > 3 {
		c.error(errSyntax)
		return
	}
	count, counted := int64(1), len(argv) == 3
	if counted {
		n, ok := c.countArg(argv[2])
		if !ok {
			return
		}
		count = n
	}
	m, ok := s.readSet(c, argv[1])
	switch {
	case !ok:
		return
	case m == nil && !counted:
		c.null()
		return
	case m == nil || count == 0:
		c.array(0)
		return
	case !counted:
		c.bulkText(m.At(s.drawn(m.Len())))
		return
	}
	at := s.positions(c, m.Len(), max(count, -count), count < 0)
	c.array(len(at))
	for _, i := range at {
		c.bulkText(m.At(i))
	}
}

// readSets returns the sets of several keys, nil for each that is not there; ok
// is false when one holds something else, which has been answered. Looking up a
// key may delete another's expired value, so that they are found twice.
func (s *Server) readSets(c *Session, keys [][]byte) (sets []*keyspace.Members, ok bool) {
	for _, key := range keys {
		if _, ok := s.readKind(c, key, keyspace.Set); !ok {
			return nil, false
		}
	}
	sets = make([]*keyspace.Members, len(keys))
	for i, key := range keys {
		if o := s.ks.DB(c.db).Get(key); o != nil && s.visible(c, key) {
			sets[i] = o.Set()
		}
	}
	return sets, true
}

// sinter answers the intersection, or stores it under argv[1] when argv is not
// nil (redis 7.0.15 t_set.c sinterGenericCommand).
func (s *Server) sinter(c *Session, keys [][]byte, argv [][]byte) {
	sets, ok := s.readSets(c, keys)
	if !ok {
		return
	}
	if argv != nil {
		result := s.ks.DB(c.db).MakeSet()
		intersect(sets, func(v string) bool { result.Add([]byte(v)); return true })
		s.storeSet(c, argv, result, "sinterstore")
		return
	}
	var found []string
	if len(sets) == 1 && sets[0] != nil {
		found = make([]string, 0, sets[0].Len()) // SMEMBERS
	}
	intersect(sets, func(v string) bool { found = append(found, v); return true })
	c.members(found)
}

// intersect calls f for what is in all sets, until it returns false, in the
// order of the smallest. A nil set is empty.
func intersect(sets []*keyspace.Members, f func(v string) bool) {
	if slices.Contains(sets, nil) {
		return
	}
	slices.SortStableFunc(sets, func(a, b *keyspace.Members) int { return a.Len() - b.Len() })
	sets[0].Each(func(v string) bool {
		for _, o := range sets[1:] {
			if o != sets[0] && !o.Has([]byte(v)) {
				return true
			}
		}
		return f(v)
	})
}

func (c *Session) members(found []string) {
	c.set(len(found))
	for _, v := range found {
		c.bulkText(v)
	}
}

// storeSet answers and stores the result of a command under its first key.
func (s *Server) storeSet(c *Session, argv [][]byte, m *keyspace.Members, event string) {
	c.int(int64(m.Len()))
	s.storeResult(c, argv, argv[1], keyspace.SetObject(m), config.SetEvents, event, 1)
}

func cmdSintercard(s *Server, c *Session, argv [][]byte) {
	n, ok := c.rangeArg(argv[1], 1, math.MaxInt64, "numkeys should be greater than 0")
	if !ok {
		return
	}
	if n > int64(len(argv)-2) {
		c.error("ERR Number of keys can't be greater than number of args")
		return
	}
	limit := int64(0)
	for args := argv[2+n:]; len(args) > 0; args = args[2:] {
		if len(args) < 2 || !same(args[0], "limit") {
			c.error(errSyntax)
			return
		}
		if limit, ok = c.rangeArg(args[1], 0, math.MaxInt64, "LIMIT can't be negative"); !ok {
			return
		}
	}
	sets, ok := s.readSets(c, argv[2:2+n])
	if !ok {
		return
	}
	found := int64(0)
	intersect(sets, func(string) bool {
		found++
		return limit == 0 || found < limit
	})
	c.int(found)
}

func (s *Server) sunion(c *Session, keys [][]byte, argv [][]byte) {
	sets, ok := s.readSets(c, keys)
	if !ok {
		return
	}
	result := s.ks.DB(c.db).MakeSet()
	for _, m := range sets {
		if m != nil {
			m.Each(func(v string) bool { result.Add([]byte(v)); return true })
		}
	}
	s.answerSet(c, argv, result, "sunionstore")
}

// sdiff is what is in the first set and in no other.
func (s *Server) sdiff(c *Session, keys [][]byte, argv [][]byte) {
	sets, ok := s.readSets(c, keys)
	if !ok {
		return
	}
	result := s.ks.DB(c.db).MakeSet()
	if sets[0] != nil {
		sets[0].Each(func(v string) bool {
			for _, o := range sets[1:] {
				if o != nil && o.Has([]byte(v)) {
					return true
				}
			}
			result.Add([]byte(v))
			return true
		})
	}
	s.answerSet(c, argv, result, "sdiffstore")
}

// answerSet answers a set, or stores it under argv[1] when argv is not nil.
func (s *Server) answerSet(c *Session, argv [][]byte, m *keyspace.Members, event string) {
	if argv != nil {
		s.storeSet(c, argv, m, event)
		return
	}
	c.set(m.Len())
	m.Each(func(v string) bool {
		c.bulkText(v)
		return true
	})
}

func cmdSscan(s *Server, c *Session, argv [][]byte) {
	o, ok := c.scanArgs(argv[2:], false)
	if !ok {
		return
	}
	m, ok := s.readSet(c, argv[1])
	if !ok {
		return
	}
	if m == nil {
		c.scanned(0, nil)
		return
	}
	if !o.parse(c) {
		return
	}
	var found []string
	next := m.Scan(o.cursor, o.count, func(v string) {
		if o.matches(v) {
			found = append(found, v)
		}
	})
	c.scanned(next, found)
}
