package engine

import (
	"math"
	"strconv"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

var hashCommands = []entry{
	{name: "hset", run: func(s *Server, c *Session, argv [][]byte) { s.hset(c, argv, false) }},
	{name: "hmset", run: func(s *Server, c *Session, argv [][]byte) { s.hset(c, argv, true) }},
	{name: "hsetnx", run: cmdHsetnx},
	{name: "hget", run: cmdHget},
	{name: "hmget", run: cmdHmget},
	{name: "hgetall", run: func(s *Server, c *Session, argv [][]byte) { s.hgetall(c, argv, true, true) }},
	{name: "hkeys", run: func(s *Server, c *Session, argv [][]byte) { s.hgetall(c, argv, true, false) }},
	{name: "hvals", run: func(s *Server, c *Session, argv [][]byte) { s.hgetall(c, argv, false, true) }},
	{name: "hlen", run: lengthOf(keyspace.Hash)},
	{name: "hstrlen", run: cmdHstrlen},
	{name: "hexists", run: cmdHexists},
	{name: "hdel", run: remover(keyspace.Hash, (*keyspace.DB).EditHash, config.HashEvents, "hdel")},
	{name: "hincrby", run: cmdHincrby},
	{name: "hincrbyfloat", run: cmdHincrbyfloat},
	{name: "hrandfield", run: cmdHrandfield},
	{name: "hscan", run: cmdHscan},
}

// readHash returns a hash for a command that reads, nil when there is none; ok
// is false when the key holds something else, which has been answered.
func (s *Server) readHash(c *Session, key []byte) (h *keyspace.HashMap, ok bool) {
	o, ok := s.readKind(c, key, keyspace.Hash)
	if o == nil {
		return nil, ok
	}
	return o.Hash(), true
}

// hashForSet returns the hash a command sets fields of, a new one when there is
// none; nil when the key holds something else, which has been answered.
func (s *Server) hashForSet(c *Session, key []byte) *keyspace.HashMap {
	o, ok := s.writeKind(c, key, keyspace.Hash)
	switch {
	case !ok:
		return nil
	case o == nil:
		return s.ks.DB(c.db).NewHash(key)
	}
	return s.ks.DB(c.db).EditHash(key)
}

// hset follows redis 7.0.15 t_hash.c hsetCommand; HMSET answers OK.
func (s *Server) hset(c *Session, argv [][]byte, hmset bool) {
	if len(argv)%2 == 1 {
		c.error("ERR wrong number of arguments for '" + lower(argv[0]) + "' command")
		return
	}
	h := s.hashForSet(c, argv[1])
	if h == nil {
		return
	}
	h.Expect(argv[2:])
	created := 0
	for i := 2; i < len(argv); i += 2 {
		if h.Set(argv[i], c.keep(argv[i+1])) {
			created++
		}
	}
	if hmset {
		c.ok()
	} else {
		c.int(int64(created))
	}
	s.touch(c.db, argv[1])
	s.notify(config.HashEvents, "hset", c.db, argv[1])
	if created > 0 || !s.bugs.Has(bugs.UpdateNotCounted) {
		s.propagate(c, (len(argv)-2)/2, argv)
	}
}

func cmdHsetnx(s *Server, c *Session, argv [][]byte) {
	h := s.hashForSet(c, argv[1])
	if h == nil {
		return
	}
	if _, ok := h.Get(argv[2]); ok {
		c.int(0)
		return
	}
	h.Expect(argv[2:4])
	h.Set(argv[2], c.keep(argv[3]))
	c.int(1)
	s.touch(c.db, argv[1])
	s.notify(config.HashEvents, "hset", c.db, argv[1])
	s.propagate(c, 1, argv)
}

func cmdHget(s *Server, c *Session, argv [][]byte) {
	if h, ok := s.readHash(c, argv[1]); ok {
		c.field(h, argv[2])
	}
}

// field replies a field's value, null when there is none; h may be nil.
func (c *Session) field(h *keyspace.HashMap, name []byte) {
	if h != nil {
		if v, ok := h.Get(name); ok {
			c.bulk(v)
			return
		}
	}
	c.null()
}

func cmdHmget(s *Server, c *Session, argv [][]byte) {
	h, ok := s.readHash(c, argv[1])
	if !ok {
		return
	}
	c.array(len(argv) - 2)
	for _, name := range argv[2:] {
		c.field(h, name)
	}
}

func (s *Server) hgetall(c *Session, argv [][]byte, names, values bool) {
	h, ok := s.readHash(c, argv[1])
	if !ok {
		return
	}
	n := 0
	if h != nil {
		n = h.Len()
	}
	if names && values {
		c.mapOf(n)
	} else {
		c.array(n)
	}
	if h == nil {
		return
	}
	h.Each(func(f *keyspace.Field) bool {
		if names {
			c.bulkText(f.Name)
		}
		if values {
			c.bulk(f.Value)
		}
		return true
	})
}

func cmdHstrlen(s *Server, c *Session, argv [][]byte) {
	h, ok := s.readHash(c, argv[1])
	switch {
	case !ok:
	case h == nil:
		c.int(0)
	default:
		v, _ := h.Get(argv[2])
		c.int(int64(len(v)))
	}
}

func cmdHexists(s *Server, c *Session, argv [][]byte) {
	h, ok := s.readHash(c, argv[1])
	if !ok {
		return
	}
	if h != nil {
		if _, ok := h.Get(argv[2]); ok {
			c.int(1)
			return
		}
	}
	c.int(0)
}

func cmdHincrby(s *Server, c *Session, argv [][]byte) {
	by, ok := c.intArg(argv[3])
	if !ok {
		return
	}
	h := s.hashForSet(c, argv[1])
	if h == nil {
		return
	}
	var n int64
	if old, there := h.Get(argv[2]); there {
		if n, ok = parseInt(old); !ok {
			c.error("ERR hash value is not an integer")
			return
		}
	}
	if by < 0 && n < math.MinInt64-by || by > 0 && n > math.MaxInt64-by {
		c.error(errOverflow)
		return
	}
	n += by
	h.Set(argv[2], strconv.AppendInt(make([]byte, 0, 20), n, 10))
	c.int(n)
	s.touch(c.db, argv[1])
	s.notify(config.HashEvents, "hincrby", c.db, argv[1])
	s.propagate(c, 1, argv)
}

var wordHset = []byte("HSET")

// cmdHincrbyfloat is logged as an HSET of the result, so that rounding cannot
// differ when the log is replayed.
func cmdHincrbyfloat(s *Server, c *Session, argv [][]byte) {
	by, ok := parseLongDouble(argv[3])
	if !ok {
		c.error(errNotFloat)
		return
	}
	if by.IsInf() {
		c.error("ERR value is NaN or Infinity")
		return
	}
	h := s.hashForSet(c, argv[1])
	if h == nil {
		return
	}
	n := newLongDouble()
	if old, there := h.Get(argv[2]); there {
		if n, ok = parseLongDouble(old); !ok {
			c.error("ERR hash value is not a float")
			return
		}
	}
	if !n.add(by) {
		c.error("ERR increment would produce NaN or Infinity")
		return
	}
	value := n.human()
	h.Set(argv[2], value)
	c.bulk(value)
	s.touch(c.db, argv[1])
	s.notify(config.HashEvents, "hincrbyfloat", c.db, argv[1])
	s.propagateAs(c, 1, wordHset, argv[1], argv[2], value)
}

// cmdHrandfield follows redis 7.0.15 t_hash.c hrandfieldCommand.
func cmdHrandfield(s *Server, c *Session, argv [][]byte) {
	if len(argv) == 2 {
		h, ok := s.readHash(c, argv[1])
		switch {
		case !ok:
		case h == nil:
			c.null()
		default:
			c.bulkText(h.At(s.drawn(h.Len())).Name)
		}
		return
	}
	count, ok := c.countArg(argv[2])
	if !ok {
		return
	}
	withValues := len(argv) == 4
	if len(argv) > 4 || withValues && !same(argv[3], "withvalues") {
		c.error(errSyntax)
		return
	}
	if withValues && (count < -math.MaxInt64/2 || count > math.MaxInt64/2) {
		c.error("ERR value is out of range")
		return
	}
	h, ok := s.readHash(c, argv[1])
	if !ok {
		return
	}
	if h == nil || count == 0 {
		c.array(0)
		return
	}
	at := s.positions(c, h.Len(), max(count, -count), count < 0)
	if withValues {
		c.pairsOf(len(at))
	} else {
		c.array(len(at))
	}
	for _, i := range at {
		f := h.At(i)
		if withValues {
			c.pair()
		}
		c.bulkText(f.Name)
		if withValues {
			c.bulk(f.Value)
		}
	}
}

func cmdHscan(s *Server, c *Session, argv [][]byte) {
	o, ok := c.scanArgs(argv[2:], false)
	if !ok {
		return
	}
	h, ok := s.readHash(c, argv[1])
	if !ok {
		return
	}
	if h == nil {
		c.scanned(0, nil)
		return
	}
	if !o.parse(c) {
		return
	}
	var found []string
	next := h.Scan(o.cursor, o.count, func(f *keyspace.Field) {
		if o.matches(f.Name) {
			found = append(found, f.Name, string(f.Value))
		}
	})
	c.scanned(next, found)
}
