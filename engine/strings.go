package engine

import (
	"math"
	"strconv"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

var stringCommands = []entry{
	{name: "get", run: cmdGet},
	{name: "set", run: cmdSet},
	{name: "setnx", run: cmdSetnx},
	{name: "setex", run: cmdSetex},
	{name: "psetex", run: cmdPsetex},
	{name: "getset", run: cmdGetset},
	{name: "getdel", run: cmdGetdel},
	{name: "getex", run: cmdGetex},
	{name: "getrange", run: cmdGetrange},
	{name: "substr", run: cmdGetrange},
	{name: "setrange", run: cmdSetrange},
	{name: "mget", run: cmdMget},
	{name: "mset", run: cmdMset},
	{name: "msetnx", run: cmdMsetnx},
	{name: "strlen", run: cmdStrlen},
	{name: "append", run: cmdAppend},
	{name: "incr", run: cmdIncr},
	{name: "decr", run: cmdDecr},
	{name: "incrby", run: cmdIncrby},
	{name: "decrby", run: cmdDecrby},
	{name: "incrbyfloat", run: cmdIncrbyfloat},
	{name: "lcs", run: cmdLcs},
}

// lookupString returns a string's value for a command that reads; ok is false
// when the key holds something else, which has been answered. A missing key is
// nil and ok.
func (s *Server) lookupString(c *Session, key []byte) (o *keyspace.Object, ok bool) {
	return s.readKind(c, key, keyspace.String)
}

func cmdGet(s *Server, c *Session, argv [][]byte) {
	if o, ok := s.lookupString(c, argv[1]); ok {
		c.bulkOrNull(o)
	}
}

func (c *Session) bulkOrNull(o *keyspace.Object) {
	if o == nil {
		c.null()
		return
	}
	c.bulk(o.Str)
}

// setString stores a value that is new to the keyspace and drops the key's
// expiry time.
func (s *Server) setString(c *Session, key, value []byte) {
	s.ks.DB(c.db).Set(key, keyspace.StringObject(c.keep(value)))
	s.touch(c.db, key)
	s.notify(config.StringEvents, "set", c.db, key)
}

// setOptions are the arguments of SET and GETEX after the value.
type setOptions struct {
	nx, xx, get, keepTTL, persist bool
	expire                        []byte // nil: none
	unit                          expireUnit
}

// parseSetOptions follows redis 7.0.15 t_string.c
// parseExtendedStringArgumentsOrReply. forGetex: GETEX's options, not SET's.
func (c *Session) parseSetOptions(args [][]byte, forGetex bool) (o setOptions, ok bool) {
	for i := 0; i < len(args); i++ {
		a := args[i]
		var unit *expireUnit
		switch {
		case same(a, "nx") && !o.xx && !forGetex:
			o.nx = true
		case same(a, "xx") && !o.nx && !forGetex:
			o.xx = true
		case same(a, "get") && !forGetex:
			o.get = true
		case same(a, "keepttl") && !o.persist && o.expire == nil && !forGetex:
			o.keepTTL = true
		case same(a, "persist") && !o.keepTTL && o.expire == nil && forGetex:
			o.persist = true
		case same(a, "ex"):
			unit = &expireUnit{seconds: true}
		case same(a, "px"):
			unit = &expireUnit{}
		case same(a, "exat"):
			unit = &expireUnit{seconds: true, absolute: true}
		case same(a, "pxat"):
			unit = &expireUnit{absolute: true}
		default:
			c.error(errSyntax)
			return o, false
		}
		if unit == nil {
			continue
		}
		// The same option may come twice, the last one counts; two kinds may not meet.
		if o.keepTTL || o.persist || o.expire != nil && o.unit != *unit || i+1 == len(args) {
			c.error(errSyntax)
			return o, false
		}
		i++
		o.expire, o.unit = args[i], *unit
	}
	return o, true
}

// expireArg converts the time of SET, SETEX or GETEX, or answers what is wrong with it.
func (s *Server) expireArg(c *Session, arg []byte, u expireUnit, cmd string) (int64, bool) {
	n, ok := c.intArg(arg)
	if !ok {
		return 0, false
	}
	if n > 0 {
		if at, ok := s.expireTime(n, u); ok {
			return at, true
		}
	}
	c.error(invalidExpire(cmd))
	return 0, false
}

// cmdSet follows redis 7.0.15 t_string.c setGenericCommand.
func cmdSet(s *Server, c *Session, argv [][]byte) {
	if len(argv) == 3 { // the plain SET, most of all traffic
		s.lookupForWrite(c, argv[1])
		s.setString(c, argv[1], argv[2])
		s.propagate(c, 1, argv)
		c.ok()
		return
	}
	o, ok := c.parseSetOptions(argv[3:], false)
	if !ok {
		return
	}
	key, value := argv[1], argv[2]
	var at int64
	if o.expire != nil {
		if at, ok = s.expireArg(c, o.expire, o.unit, "set"); !ok {
			return
		}
	}
	if o.get {
		old, ok := s.lookupString(c, key)
		if !ok {
			return
		}
		c.bulkOrNull(old)
	}
	found := s.lookup(c, key) != nil
	if o.nx && found || o.xx && !found {
		if !o.get {
			c.null()
		}
		return
	}
	db := s.ks.DB(c.db)
	obj := keyspace.StringObject(c.keep(value))
	if o.keepTTL {
		db.Replace(key, obj)
	} else {
		db.Set(key, obj)
	}
	s.touch(c.db, key)
	s.notify(config.StringEvents, "set", c.db, key)
	switch {
	case o.expire != nil:
		s.setExpire(c, c.db, key, at)
		s.notify(config.GenericEvents, "expire", c.db, key)
		if s.bugs.Has(bugs.ExpiryNotLogged) {
			s.propagateAs(c, 1, wordSet, key, value)
			break
		}
		s.propagateExpiring(c, key, value, at)
	case o.get:
		s.propagateAs(c, 1, withoutGet(argv)...)
	default:
		s.propagate(c, 1, argv)
	}
	if !o.get {
		c.ok()
	}
}

// propagateExpiring logs a value with when it expires, in milliseconds since 1970
// (redis 7.0.15 t_string.c, setGenericCommand).
func (s *Server) propagateExpiring(c *Session, key, value []byte, at int64) {
	if s.bugs.Has(bugs.DeadlinesRestarted) {
		s.propagateAs(c, 1, wordSet, key, value, wordPx, strconv.AppendInt(nil, max(1, at-s.now()), 10))
		return
	}
	s.propagateAs(c, 1, wordSet, key, value, wordPxat, strconv.AppendInt(nil, at, 10))
}

// lookupForWrite deletes the key if it is past its time, so that the deletion
// is logged before the write, and tells whether it is there.
func (s *Server) lookupForWrite(c *Session, key []byte) bool { return s.lookup(c, key) != nil }

// withoutGet is a SET without its GET option, which does not concern a log.
func withoutGet(argv [][]byte) [][]byte {
	out := make([][]byte, 0, len(argv))
	for i, a := range argv {
		if i < 3 || !same(a, "get") {
			out = append(out, a)
		}
	}
	return out
}

func cmdSetnx(s *Server, c *Session, argv [][]byte) {
	if s.lookupForWrite(c, argv[1]) {
		c.int(0)
		return
	}
	s.setString(c, argv[1], argv[2])
	s.propagate(c, 1, argv)
	c.int(1)
}

func cmdSetex(s *Server, c *Session, argv [][]byte) {
	s.setexGeneric(c, argv, "setex", expireUnit{seconds: true})
}
func cmdPsetex(s *Server, c *Session, argv [][]byte) {
	s.setexGeneric(c, argv, "psetex", expireUnit{})
}

func (s *Server) setexGeneric(c *Session, argv [][]byte, name string, u expireUnit) {
	at, ok := s.expireArg(c, argv[2], u, name)
	if !ok {
		return
	}
	s.lookupForWrite(c, argv[1])
	s.setString(c, argv[1], argv[3])
	s.setExpire(c, c.db, argv[1], at)
	s.notify(config.GenericEvents, "expire", c.db, argv[1])
	s.propagateExpiring(c, argv[1], argv[3], at)
	c.ok()
}

func cmdGetset(s *Server, c *Session, argv [][]byte) {
	old, ok := s.lookupString(c, argv[1])
	if !ok {
		return
	}
	c.bulkOrNull(old)
	s.lookupForWrite(c, argv[1]) // a writable replica has one past its time still
	s.setString(c, argv[1], argv[2])
	s.propagateAs(c, 1, wordSet, argv[1], argv[2])
}

func cmdGetdel(s *Server, c *Session, argv [][]byte) {
	old, ok := s.lookupString(c, argv[1])
	if !ok {
		return
	}
	c.bulkOrNull(old)
	if s.ks.DB(c.db).Delete(argv[1]) { // on a replica also one past its time
		s.touch(c.db, argv[1])
		s.notify(config.GenericEvents, "del", c.db, argv[1])
		s.propagateAs(c, 1, deletion(s.cfg.LazyfreeLazyUserDel), argv[1])
	}
}

// cmdGetex follows redis 7.0.15 t_string.c getexCommand: what it does to the
// expiry time is logged as PEXPIREAT, PERSIST or DEL.
func cmdGetex(s *Server, c *Session, argv [][]byte) {
	o, ok := c.parseSetOptions(argv[2:], true)
	if !ok {
		return
	}
	key := argv[1]
	old, ok := s.lookupString(c, key)
	if !ok {
		return
	}
	if old == nil {
		c.null()
		return
	}
	var at int64
	if o.expire != nil {
		if at, ok = s.expireArg(c, o.expire, o.unit, "getex"); !ok {
			return
		}
	}
	c.bulk(old.Str)
	db := s.ks.DB(c.db)
	switch {
	case o.expire != nil && o.unit.absolute && at <= s.now() && !s.loading && s.repl.Up == nil:
		db.Delete(key)
		s.touch(c.db, key)
		s.notify(config.GenericEvents, "del", c.db, key)
		s.propagateAs(c, 1, deletion(s.cfg.LazyfreeLazyExpire), key)
	case o.expire != nil:
		s.setExpire(c, c.db, key, at)
		s.touch(c.db, key)
		s.notify(config.GenericEvents, "expire", c.db, key)
		s.propagateAs(c, 1, wordPexpireat, key, strconv.AppendInt(nil, at, 10))
	case o.persist && db.Persist(key):
		s.touch(c.db, key)
		s.notify(config.GenericEvents, "persist", c.db, key)
		s.propagateAs(c, 1, wordPersist, key)
	}
}

func cmdMget(s *Server, c *Session, argv [][]byte) {
	c.array(len(argv) - 1)
	for _, key := range argv[1:] {
		o := s.lookupRead(c, key)
		if o != nil && o.Kind != keyspace.String {
			o = nil
		}
		c.bulkOrNull(o)
	}
}

func cmdMset(s *Server, c *Session, argv [][]byte) {
	if len(argv)%2 == 0 {
		c.error("ERR wrong number of arguments for 'mset' command")
		return
	}
	s.setAll(c, argv)
	c.ok()
}

func cmdMsetnx(s *Server, c *Session, argv [][]byte) {
	if len(argv)%2 == 0 {
		c.error("ERR wrong number of arguments for 'msetnx' command")
		return
	}
	for i := 1; i < len(argv); i += 2 {
		if s.lookupForWrite(c, argv[i]) {
			c.int(0)
			return
		}
	}
	s.setAll(c, argv)
	c.int(1)
}

func (s *Server) setAll(c *Session, argv [][]byte) {
	for i := 1; i < len(argv); i += 2 {
		s.lookupForWrite(c, argv[i])
		s.setString(c, argv[i], argv[i+1])
	}
	s.propagate(c, (len(argv)-1)/2, argv)
}

func cmdStrlen(s *Server, c *Session, argv [][]byte) {
	o, ok := s.lookupString(c, argv[1])
	switch {
	case !ok:
	case o == nil:
		c.int(0)
	default:
		c.int(int64(len(o.Str)))
	}
}

// lookupStringForWrite is lookupString without counting a hit or miss.
func (s *Server) lookupStringForWrite(c *Session, key []byte) (o *keyspace.Object, ok bool) {
	return s.writeKind(c, key, keyspace.String)
}

const errTooLong = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"

func cmdAppend(s *Server, c *Session, argv [][]byte) {
	o, ok := s.lookupStringForWrite(c, argv[1])
	if !ok {
		return
	}
	var old []byte
	if o != nil {
		old = o.Str
	}
	n := len(old) + len(argv[2])
	if o != nil && int64(n) > s.cfg.ProtoMaxBulkLen {
		c.error(errTooLong)
		return
	}
	value := append(append(make([]byte, 0, n), old...), argv[2]...)
	obj := keyspace.RawObject(value)
	if o == nil {
		obj = keyspace.StringObject(value)
	}
	s.ks.DB(c.db).Replace(argv[1], obj)
	s.touch(c.db, argv[1])
	s.notify(config.StringEvents, "append", c.db, argv[1])
	s.propagate(c, 1, argv)
	c.int(int64(n))
}

func cmdSetrange(s *Server, c *Session, argv [][]byte) {
	offset, ok := c.intArg(argv[2])
	if !ok {
		return
	}
	if offset < 0 {
		c.error("ERR offset is out of range")
		return
	}
	o, ok := s.lookupStringForWrite(c, argv[1])
	if !ok {
		return
	}
	var old []byte
	if o != nil {
		old = o.Str
	}
	if len(argv[3]) == 0 {
		c.int(int64(len(old)))
		return
	}
	if offset > s.cfg.ProtoMaxBulkLen-int64(len(argv[3])) {
		c.error(errTooLong)
		return
	}
	value := make([]byte, max(len(old), int(offset)+len(argv[3])))
	copy(value, old)
	copy(value[offset:], argv[3])
	s.ks.DB(c.db).Replace(argv[1], keyspace.RawObject(value))
	s.touch(c.db, argv[1])
	s.notify(config.StringEvents, "setrange", c.db, argv[1])
	s.propagate(c, 1, argv)
	c.int(int64(len(value)))
}

func cmdGetrange(s *Server, c *Session, argv [][]byte) {
	start, end, ok := c.startEndArgs(argv[2:4])
	if !ok {
		return
	}
	o, ok := s.lookupString(c, argv[1])
	if !ok {
		return
	}
	if o == nil {
		c.bulk(nil)
		return
	}
	if start < 0 && end < 0 && start > end {
		c.bulk(nil)
		return
	}
	// Unlike LRANGE, an end before the start of the value means its first byte.
	if n := int64(len(o.Str)); n > 0 && end < -n {
		end = -n
	}
	lo, hi := bounds(start, end, len(o.Str))
	c.bulk(o.Str[lo:hi])
}

// bounds turns Redis's inclusive range with negative indexes into a slice's.
func bounds(start, end int64, n int) (lo, hi int) {
	length := int64(n)
	if start < 0 {
		start = max(start+length, 0)
	}
	if end < 0 {
		end = max(end+length, -1)
	}
	end = min(end, length-1)
	if start > end {
		return 0, 0
	}
	return int(start), int(end) + 1
}

func cmdIncr(s *Server, c *Session, argv [][]byte) { s.addTo(c, argv, 1) }
func cmdDecr(s *Server, c *Session, argv [][]byte) { s.addTo(c, argv, -1) }

func cmdIncrby(s *Server, c *Session, argv [][]byte) {
	if n, ok := c.intArg(argv[2]); ok {
		s.addTo(c, argv, n)
	}
}

func cmdDecrby(s *Server, c *Session, argv [][]byte) {
	n, ok := c.intArg(argv[2])
	if !ok {
		return
	}
	if n == math.MinInt64 {
		c.error("ERR decrement would overflow")
		return
	}
	s.addTo(c, argv, -n)
}

// addTo follows redis 7.0.15 t_string.c incrDecrCommand.
func (s *Server) addTo(c *Session, argv [][]byte, by int64) {
	key := argv[1]
	o, ok := s.lookupStringForWrite(c, key)
	if !ok {
		return
	}
	var n int64
	if o != nil {
		if n, ok = c.intArg(o.Str); !ok {
			return
		}
	}
	if by < 0 && n < math.MinInt64-by || by > 0 && n > math.MaxInt64-by {
		c.error(errOverflow)
		return
	}
	n += by
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], n, 10)
	s.ks.DB(c.db).Replace(key, keyspace.StringObject(append(make([]byte, 0, len(text)), text...))) // no room that stays empty
	s.touch(c.db, key)
	s.notify(config.StringEvents, "incrby", c.db, key)
	s.propagate(c, 1, argv)
	c.int(n)
}

// cmdIncrbyfloat is logged as a SET of the result, so that rounding cannot
// differ when the log is replayed.
func cmdIncrbyfloat(s *Server, c *Session, argv [][]byte) {
	key := argv[1]
	o, ok := s.lookupStringForWrite(c, key)
	if !ok {
		return
	}
	n := newLongDouble()
	if o != nil {
		if n, ok = parseLongDouble(o.Str); !ok {
			c.error(errNotFloat)
			return
		}
	}
	by, ok := parseLongDouble(argv[2])
	if !ok {
		c.error(errNotFloat)
		return
	}
	if !n.add(by) {
		c.error("ERR increment would produce NaN or Infinity")
		return
	}
	value := n.human()
	s.ks.DB(c.db).Replace(key, keyspace.TextObject(value))
	s.touch(c.db, key)
	s.notify(config.StringEvents, "incrbyfloat", c.db, key)
	s.propagateAs(c, 1, wordSet, key, value, wordKeepTTL)
	c.bulk(value)
}
