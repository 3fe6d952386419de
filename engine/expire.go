package engine

import (
	"math"
	"strconv"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

// lookup returns a key's value for a command that may change it, which counts as
// an access.
func (s *Server) lookup(c *Session, key []byte) *keyspace.Object {
	o := s.findFor(c, key, !s.cfg.ReplicaReadOnly)
	if o != nil {
		s.used(o)
	}
	return o
}

// find returns a key's value; a key past its time is deleted first, and the
// deletion is propagated (redis 7.0.15 db.c expireIfNeeded).
func (s *Server) find(c *Session, key []byte) *keyspace.Object { return s.findFor(c, key, false) }

// findFor is find; force: a replica deletes the key too, because it is about to be
// written there (EXPIRE_FORCE_DELETE_EXPIRED).
func (s *Server) findFor(c *Session, key []byte, force bool) *keyspace.Object {
	db := s.ks.DB(c.db)
	if s.isExpired(c.db, key) {
		if s.repl.Up != nil && (c.master || !force) {
			return s.expiredOnReplica(c, key)
		}
		if s.pauses.on() { // it must not change while replicas catch up
			return nil
		}
		s.stats.expired++
		s.touchAsNobody(c.db, key)
		db.Delete(key)
		s.notify(config.ExpiredEvents, "expired", c.db, key)
		if s.bugs.Has(bugs.ExpiryLoggedBehind) {
			s.behind = append(s.behind, watchKey{c.db, string(key)})
			return nil
		}
		s.propagateAs(c, 0, deletion(s.cfg.LazyfreeLazyExpire), key)
		if n := len(s.ops); n > 0 {
			s.ops[n-1].everywhere = true
		}
		return nil
	}
	return db.Get(key)
}

// expiredOnReplica is lookup of a key past its time on a replica: it is there
// until the master's DEL comes, but only the master's own commands see it.
func (s *Server) expiredOnReplica(c *Session, key []byte) *keyspace.Object {
	if c.master || s.bugs.Has(bugs.ExpiredServed) {
		return s.ks.DB(c.db).Get(key)
	}
	return nil
}

// visible reports whether a key that is in the database is there for a client.
func (s *Server) visible(c *Session, key []byte) bool {
	return !s.isExpired(c.db, key) || s.repl.Up != nil && (c.master || s.bugs.Has(bugs.ExpiredServed))
}

// lookupRead is lookup for commands that only read, which count hits and misses.
func (s *Server) lookupRead(c *Session, key []byte) *keyspace.Object {
	o := s.lookupUntouched(c, key)
	if o != nil {
		s.used(o)
	}
	return o
}

// lookupUntouched is lookupRead for a command that is no access to the value.
func (s *Server) lookupUntouched(c *Session, key []byte) *keyspace.Object {
	o := s.peek(c, key)
	if o == nil {
		s.notify(config.MissEvents, "keymiss", c.db, key)
	}
	return o
}

// peek is lookupUntouched for OBJECT, which tells nobody of a missing key.
func (s *Server) peek(c *Session, key []byte) *keyspace.Object {
	o := s.find(c, key)
	if o == nil {
		s.stats.misses++
	} else {
		s.stats.hits++
	}
	return o
}

// isExpired reports whether a key is past its time. While an append-only file
// is loaded nothing is: the file says itself when a key was deleted. A time before
// 1970, which a replica's clients may set, is none until a cycle meets the key
// (redis 7.0.15 db.c keyIsExpired).
func (s *Server) isExpired(db int, key []byte) bool {
	if s.loading {
		return false
	}
	at := s.ks.DB(db).ExpireAt(key)
	return at > 0 && s.now() > at
}

// expireActively deletes a key that is past its time, whom no command has asked for.
func (s *Server) expireActively(db int, key []byte) {
	s.stats.expired++
	s.touchAsNobody(db, key)
	s.ks.DB(db).Delete(key)
	s.notify(config.ExpiredEvents, "expired", db, key)
	s.feedDeletion(db, key, s.cfg.LazyfreeLazyExpire)
}

// expiring is which keys a writable replica deletes itself when their time comes,
// because its clients have set that time: their master does not know of it.
type expiring struct {
	known map[watchKey]bool
	keys  []watchKey // to draw from
}

// setExpire gives a key a time to end (redis 7.0.15 db.c setExpire).
func (s *Server) setExpire(c *Session, db int, key []byte, at int64) {
	s.ks.DB(db).SetExpire(key, at)
	if s.repl.Up == nil || s.cfg.ReplicaReadOnly || c.master {
		return
	}
	k, e := watchKey{db, string(key)}, &s.expiring
	if !e.known[k] {
		if e.known == nil {
			e.known = make(map[watchKey]bool)
		}
		e.known[k] = true
		e.keys = append(e.keys, k)
	}
}

// expireOwn deletes keys that a writable replica remembers and whose time has
// passed: some drawn ones, until more than three were not due (redis 7.0.15
// expire.c expireSlaveKeys).
func (s *Server) expireOwn() {
	s.nowMs = 0
	e := &s.expiring
	for early := 0; early <= 3 && len(e.keys) > 0; {
		i := s.drawn(len(e.keys))
		k := e.keys[i]
		key := []byte(k.key)
		at, volatile := s.ks.DB(k.db).ExpireAt(key), s.ks.DB(k.db).Volatile(key)
		if volatile && s.now() <= at {
			early++
			continue
		}
		if volatile {
			s.expireActively(k.db, key)
		}
		last := len(e.keys) - 1
		e.keys[i] = e.keys[last]
		e.keys = e.keys[:last]
		delete(e.known, k)
	}
}

// expireUnit says how a command states a time.
type expireUnit struct {
	seconds  bool
	absolute bool
}

// expireTime converts to Unix milliseconds; ok is false on overflow.
func (s *Server) expireTime(n int64, u expireUnit) (int64, bool) {
	if u.seconds {
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return 0, false
		}
		n *= 1000
	}
	if !u.absolute {
		if n > math.MaxInt64-s.now() {
			return 0, false
		}
		n += s.now()
	}
	return n, true
}

func invalidExpire(cmd string) string { return "ERR invalid expire time in '" + cmd + "' command" }

// expireFlags are the conditions of EXPIRE.
type expireFlags struct{ nx, xx, gt, lt bool }

func (c *Session) expireFlags(args [][]byte) (f expireFlags, ok bool) {
	for _, a := range args {
		switch {
		case same(a, "nx"):
			f.nx = true
		case same(a, "xx"):
			f.xx = true
		case same(a, "gt"):
			f.gt = true
		case same(a, "lt"):
			f.lt = true
		default:
			c.error("ERR Unsupported option " + string(a))
			return f, false
		}
	}
	if f.nx && (f.xx || f.gt || f.lt) {
		c.error("ERR NX and XX, GT or LT options at the same time are not compatible")
		return f, false
	}
	if f.gt && f.lt {
		c.error("ERR GT and LT options at the same time are not compatible")
		return f, false
	}
	return f, true
}

// allow reports whether the conditions let a key that expires at current (0:
// never) expire at when.
func (f expireFlags) allow(current, when int64) bool {
	switch {
	case f.nx && current != 0, f.xx && current == 0:
		return false
	case f.gt && (current == 0 || when <= current):
		return false
	case f.lt && current != 0 && when >= current:
		return false
	}
	return true
}

func cmdExpire(s *Server, c *Session, argv [][]byte) {
	s.expireGeneric(c, argv, "expire", expireUnit{seconds: true})
}
func cmdPexpire(s *Server, c *Session, argv [][]byte) {
	s.expireGeneric(c, argv, "pexpire", expireUnit{})
}
func cmdExpireat(s *Server, c *Session, argv [][]byte) {
	s.expireGeneric(c, argv, "expireat", expireUnit{seconds: true, absolute: true})
}
func cmdPexpireat(s *Server, c *Session, argv [][]byte) {
	s.expireGeneric(c, argv, "pexpireat", expireUnit{absolute: true})
}

// expireGeneric follows redis 7.0.15 expire.c expireGenericCommand. What is
// logged is PEXPIREAT with the absolute time, or DEL when the time has passed.
func (s *Server) expireGeneric(c *Session, argv [][]byte, name string, u expireUnit) {
	f, ok := c.expireFlags(argv[3:])
	if !ok {
		return
	}
	n, ok := c.intArg(argv[2])
	if !ok {
		return
	}
	when, ok := s.expireTime(n, u)
	if !ok {
		c.error(invalidExpire(name))
		return
	}
	key := argv[1]
	if s.lookup(c, key) == nil {
		c.int(0)
		return
	}
	db := s.ks.DB(c.db)
	if !f.allow(db.ExpireAt(key), when) {
		c.int(0)
		return
	}
	s.touch(c.db, key)
	if when <= s.now() && !s.loading && s.repl.Up == nil {
		db.Delete(key)
		s.notify(config.GenericEvents, "del", c.db, key)
		s.propagateAs(c, 1, deletion(s.cfg.LazyfreeLazyExpire), key)
		c.int(1)
		return
	}
	if when == 0 {
		when = 1 // as long past, and 0 is none
	}
	s.setExpire(c, c.db, key, when)
	s.notify(config.GenericEvents, "expire", c.db, key)
	switch {
	case !u.seconds && u.absolute:
		s.propagate(c, 1, argv)
	default:
		at := strconv.AppendInt(nil, when, 10)
		s.propagateAs(c, 1, append([][]byte{wordPexpireat, key, at}, argv[3:]...)...)
	}
	c.int(1)
}

func cmdTTL(s *Server, c *Session, argv [][]byte)  { s.ttlGeneric(c, argv[1], 1000, false) }
func cmdPTTL(s *Server, c *Session, argv [][]byte) { s.ttlGeneric(c, argv[1], 1, false) }
func cmdExpiretime(s *Server, c *Session, argv [][]byte) {
	s.ttlGeneric(c, argv[1], 1000, true)
}
func cmdPexpiretime(s *Server, c *Session, argv [][]byte) {
	s.ttlGeneric(c, argv[1], 1, true)
}

func (s *Server) ttlGeneric(c *Session, key []byte, unit int64, absolute bool) {
	if s.lookupUntouched(c, key) == nil {
		c.int(-2)
		return
	}
	at := s.ks.DB(c.db).ExpireAt(key)
	if at == 0 {
		c.int(-1)
		return
	}
	if !absolute {
		at -= s.now()
	}
	at = max(at, 0)
	if unit > 1 {
		at = int64((uint64(at) + uint64(unit)/2) / uint64(unit)) // unsigned: the sum may pass 63 bits
	}
	c.int(at)
}

func cmdPersist(s *Server, c *Session, argv [][]byte) {
	if s.lookup(c, argv[1]) == nil || !s.ks.DB(c.db).Persist(argv[1]) {
		c.int(0)
		return
	}
	s.touch(c.db, argv[1])
	s.notify(config.GenericEvents, "persist", c.db, argv[1])
	s.propagate(c, 1, argv)
	c.int(1)
}
