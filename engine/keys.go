package engine

import (
	"math"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/glob"
	"github.com/torntail/torntail/engine/keyspace"
)

// keyCommands are those about keys of any type.
var keyCommands = []entry{
	{name: "del", run: cmdDel},
	{name: "unlink", run: cmdDel},
	{name: "exists", run: cmdExists},
	{name: "touch", run: cmdTouch},
	{name: "type", run: cmdType},
	{name: "rename", run: cmdRename},
	{name: "renamenx", run: cmdRenamenx},
	{name: "expire", run: cmdExpire},
	{name: "pexpire", run: cmdPexpire},
	{name: "expireat", run: cmdExpireat},
	{name: "pexpireat", run: cmdPexpireat},
	{name: "ttl", run: cmdTTL},
	{name: "pttl", run: cmdPTTL},
	{name: "expiretime", run: cmdExpiretime},
	{name: "pexpiretime", run: cmdPexpiretime},
	{name: "persist", run: cmdPersist},
	{name: "dbsize", run: cmdDbsize},
	{name: "keys", run: cmdKeys},
	{name: "scan", run: cmdScan},
	{name: "randomkey", run: cmdRandomkey},
	{name: "flushdb", run: cmdFlushdb},
	{name: "flushall", run: cmdFlushall},
	{name: "select", run: cmdSelect},
}

func cmdDel(s *Server, c *Session, argv [][]byte) {
	n := 0
	for _, key := range argv[1:] {
		s.find(c, key)
		if !s.ks.DB(c.db).Delete(key) { // on a replica also one past its time
			continue
		}
		s.touch(c.db, key)
		s.notify(config.GenericEvents, "del", c.db, key)
		n++
	}
	if n > 0 {
		s.propagate(c, n, argv)
	}
	c.int(int64(n))
}

func cmdExists(s *Server, c *Session, argv [][]byte) {
	var n int64
	for _, key := range argv[1:] {
		if s.lookupUntouched(c, key) != nil {
			n++
		}
	}
	c.int(n)
}

func cmdTouch(s *Server, c *Session, argv [][]byte) {
	var n int64
	for _, key := range argv[1:] {
		if s.lookupRead(c, key) != nil {
			n++
		}
	}
	c.int(n)
}

func cmdType(s *Server, c *Session, argv [][]byte) {
	o := s.lookupUntouched(c, argv[1])
	if o == nil {
		c.status("none")
		return
	}
	c.status(o.Kind.Name())
}

func cmdRename(s *Server, c *Session, argv [][]byte)   { s.rename(c, argv, false) }
func cmdRenamenx(s *Server, c *Session, argv [][]byte) { s.rename(c, argv, true) }

// rename follows redis 7.0.15 db.c renameGenericCommand.
func (s *Server) rename(c *Session, argv [][]byte, nx bool) {
	from, to := argv[1], argv[2]
	o := s.lookup(c, from)
	if o == nil {
		c.error(errNoKey)
		return
	}
	moved := *o
	if string(from) == string(to) {
		if nx {
			c.int(0)
		} else {
			c.ok()
		}
		return
	}
	db := s.ks.DB(c.db)
	at := db.ExpireAt(from)
	if s.lookup(c, to) != nil && nx {
		c.int(0)
		return
	}
	db.Delete(from)
	db.Delete(to) // a new key, to whoever waits for it
	db.Set(to, moved)
	if at != 0 {
		s.setExpire(c, c.db, to, at)
	}
	s.touch(c.db, from)
	s.touch(c.db, to)
	s.notify(config.GenericEvents, "rename_from", c.db, from)
	s.notify(config.GenericEvents, "rename_to", c.db, to)
	s.propagate(c, 1, argv)
	if nx {
		c.int(1)
	} else {
		c.ok()
	}
}

func cmdDbsize(s *Server, c *Session, _ [][]byte) { c.int(int64(s.ks.DB(c.db).Len())) }

// cmdKeys leaves out keys past their time; it does not delete them.
func cmdKeys(s *Server, c *Session, argv [][]byte) {
	var names []string
	all := string(argv[1]) == "*"
	s.ks.DB(c.db).Each(func(key string, _ *keyspace.Object, at int64) bool {
		if (at <= 0 || s.now() <= at) && (all || glob.Match(argv[1], key, false)) {
			names = append(names, key)
		}
		return true
	})
	c.array(len(names))
	for _, n := range names {
		c.bulkText(n)
	}
}

func cmdRandomkey(s *Server, c *Session, _ [][]byte) {
	db := s.ks.DB(c.db)
	tries := 100 // on a replica keys past their time stay: do not look for ever
	for n := db.Len(); n > 0 && (s.repl.Up == nil || tries > 0); n = db.Len() {
		tries--
		skip := int(s.env.Uint64() % uint64(n))
		var key string
		db.Each(func(k string, _ *keyspace.Object, _ int64) bool {
			key = k
			skip--
			return skip >= 0
		})
		if s.find(c, []byte(key)) != nil {
			c.bulkText(key)
			return
		}
	}
	c.null()
}

// flushArg reads the optional ASYNC or SYNC, which make no difference here.
func (c *Session) flushArg(argv [][]byte) bool {
	if len(argv) == 1 || len(argv) == 2 && (same(argv[1], "async") || same(argv[1], "sync")) {
		return true
	}
	c.error(errSyntax)
	return false
}

func cmdFlushdb(s *Server, c *Session, argv [][]byte) {
	if !c.flushArg(argv) {
		return
	}
	s.touchAll(c.db)
	s.invalidateAll()
	s.signalDatabase(c.db)
	n := s.ks.DB(c.db).Flush()
	s.propagate(c, n, argv)
	c.ok()
}

func cmdFlushall(s *Server, c *Session, argv [][]byte) {
	if !c.flushArg(argv) {
		return
	}
	for db := range keyspace.Databases {
		s.touchAll(db)
		s.signalDatabase(db)
	}
	s.invalidateAll()
	s.mgr.AddDirty(s.flushAll())
	if !s.loading {
		s.mgr.FlushAll()
	}
	s.propagate(c, 0, argv)
	c.ok()
}

// flushAll empties all databases and returns how many keys there were. A writable
// replica must not delete keys of the same names that it is given later
// (flushSlaveKeysWithExpireList).
func (s *Server) flushAll() int {
	s.expiring = expiring{}
	return s.ks.FlushAll()
}

func cmdSelect(s *Server, c *Session, argv [][]byte) {
	if n, ok := parseInt(argv[1]); ok && n != 0 && s.cluster != nil && n == int64(int32(n)) {
		c.error("ERR SELECT is not allowed in cluster mode")
		return
	}
	if n, ok := s.dbArg(c, argv[1]); ok {
		c.db = n
		c.ok()
	}
}

// dbArg reads the number of a database there is.
func (s *Server) dbArg(c *Session, b []byte) (int, bool) {
	n, ok := c.rangeArg(b, math.MinInt32, math.MaxInt32, "")
	if !ok {
		return 0, false
	}
	if n < 0 || n >= s.cfg.Databases {
		c.error("ERR DB index is out of range")
		return 0, false
	}
	return int(n), true
}
