package engine

import (
	"strconv"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/persist"
	"github.com/torntail/torntail/engine/rdb"
)

var dumpCommands = []entry{
	{name: "dump", run: cmdDump},
	{name: "restore", run: cmdRestore},
	{name: "restore-asking", run: cmdRestore},
	{name: "migrate", run: cmdMigrate},
}

func cmdDump(s *Server, c *Session, argv [][]byte) {
	o := s.lookupRead(c, argv[1])
	if o == nil {
		c.null()
		return
	}
	c.bulk(o.Dump(s.cfg.RdbCompression))
}

// restoreOptions are the arguments of RESTORE behind the payload.
type restoreOptions struct {
	replace, absolute bool
	idle              int64 // seconds; -1: not given
	freq              int   // -1: not given
}

func (c *Session) restoreOptions(args [][]byte) (o restoreOptions, ok bool) {
	o = restoreOptions{idle: -1, freq: -1}
	for ; len(args) > 0; args = args[1:] {
		switch {
		case same(args[0], "replace"):
			o.replace = true
		case same(args[0], "absttl"):
			o.absolute = true
		case same(args[0], "idletime") && len(args) >= 2 && o.freq == -1:
			n, ok := c.intArg(args[1])
			if !ok {
				return o, false
			}
			if n < 0 {
				c.error("ERR Invalid IDLETIME value, must be >= 0")
				return o, false
			}
			o.idle = n
			args = args[1:]
		case same(args[0], "freq") && len(args) >= 2 && o.idle == -1:
			n, ok := c.intArg(args[1])
			if !ok {
				return o, false
			}
			if n < 0 || n > lfuSaturate {
				c.error("ERR Invalid FREQ value, must be >= 0 and <= 255")
				return o, false
			}
			o.freq = int(n)
			args = args[1:]
		default:
			c.error(errSyntax)
			return o, false
		}
	}
	return o, true
}

var wordAbsttl = []byte("ABSTTL")

// packedWords are what the log says of a payload of each packed type that is damaged (redis
// 7.0.15 rdb.c rdbReportCorruptRDB).
var packedWords = map[byte]string{
	9: "Zipmap", 10: "List ziplist", 11: "Intset", 12: "Zset ziplist", 13: "Hash ziplist", 14: "Ziplist",
	15: "Stream listpack", 16: "Hash listpack", 17: "Zset listpack", 18: "Listpack", 19: "Stream listpack",
}

// cmdRestore follows redis 7.0.15 cluster.c restoreCommand.
func cmdRestore(s *Server, c *Session, argv [][]byte) {
	o, ok := c.restoreOptions(argv[4:])
	if !ok {
		return
	}
	key := argv[1]
	if !o.replace && s.lookup(c, key) != nil {
		c.error("BUSYKEY Target key name already exists.")
		return
	}
	ttl, ok := c.intArg(argv[2])
	if !ok {
		return
	}
	if ttl < 0 {
		c.error("ERR Invalid TTL value, must be >= 0")
		return
	}
	open := rdb.OpenPayload
	if s.unchecked {
		open = rdb.OpenUnchecked
	}
	d, kind, err := open(argv[3])
	if err != nil {
		c.error("ERR " + err.Error())
		return
	}
	var obj keyspace.Object
	if kind <= rdb.NewestType { // a file may have what 7.0 does not know, a payload may not
		obj = keyspace.LoadObject(d, kind, &s.cfg.Limits)
	}
	if obj.Kind == keyspace.None {
		if what := packedWords[kind]; what != "" {
			s.o.Log(persist.Verbose, "Internal error in RDB reading offset 0, function at rdb.c -> "+what+" integrity check failed.")
		}
		c.error("ERR Bad data format")
		return
	}
	db := s.ks.DB(c.db)
	deleted := o.replace && db.Delete(key)
	at := ttl
	if ttl != 0 && !o.absolute {
		at += s.now()
	}
	if ttl != 0 && at <= s.now() && !s.loading && s.repl.Up == nil {
		if deleted {
			s.touch(c.db, key)
			s.notify(config.GenericEvents, "del", c.db, key)
			s.propagateAs(c, 1, wordDel, key)
		}
		c.ok()
		return
	}
	if at := s.accessOf(o.freq, o.idle); at != 0 {
		s.setAccess(&obj, at)
	}
	db.Set(key, obj)
	logged := argv
	if ttl != 0 {
		s.setExpire(c, c.db, key, at)
		if !o.absolute {
			logged = append([][]byte{argv[0], key, strconv.AppendInt(nil, at, 10)}, append(argv[3:len(argv):len(argv)], wordAbsttl)...)
		}
	}
	s.touch(c.db, key)
	s.notify(config.GenericEvents, "restore", c.db, key)
	s.propagateAs(c, 1, logged...)
	c.ok()
}
