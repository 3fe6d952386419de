package engine

import (
	"math"
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

// Streams: adding, ranging over and removing entries.

var streamCommands = []entry{
	{name: "xadd", run: cmdXadd},
	{name: "xlen", run: lengthOf(keyspace.Stream)},
	{name: "xrange", run: func(s *Server, c *Session, argv [][]byte) { s.xrange(c, argv, argv[2], argv[3], false) }},
	{name: "xrevrange", run: func(s *Server, c *Session, argv [][]byte) { s.xrange(c, argv, argv[3], argv[2], true) }},
	{name: "xdel", run: cmdXdel},
	{name: "xtrim", run: cmdXtrim},
	{name: "xsetid", run: cmdXsetid},
	{name: "xread", run: func(s *Server, c *Session, argv [][]byte) { s.xread(c, argv, false) }},
	{name: "xreadgroup", run: func(s *Server, c *Session, argv [][]byte) { s.xread(c, argv, true) }},
	{name: "xgroup|create", run: cmdXgroupCreate},
	{name: "xgroup|setid", run: cmdXgroupSetid},
	{name: "xgroup|destroy", run: cmdXgroupDestroy},
	{name: "xgroup|createconsumer", run: cmdXgroupCreateconsumer},
	{name: "xgroup|delconsumer", run: cmdXgroupDelconsumer},
	{name: "xgroup|help", run: help("XGROUP",
		"CREATE <key> <groupname> <id|$> [option]", "    Create a new consumer group. Options are:", "    * MKSTREAM", "      Create the empty stream if it does not exist.",
		"    * ENTRIESREAD entries_read", "      Set the group's entries_read counter (internal use).",
		"CREATECONSUMER <key> <groupname> <consumer>", "    Create a new consumer in the specified group.",
		"DELCONSUMER <key> <groupname> <consumer>", "    Remove the specified consumer.",
		"DESTROY <key> <groupname>", "    Remove the specified group.",
		"SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]", "    Set the current group ID and entries_read counter.")},
	{name: "xack", run: cmdXack},
	{name: "xpending", run: cmdXpending},
	{name: "xclaim", run: cmdXclaim},
	{name: "xautoclaim", run: cmdXautoclaim},
	{name: "xinfo|stream", run: cmdXinfoStream},
	{name: "xinfo|groups", run: cmdXinfoGroups},
	{name: "xinfo|consumers", run: cmdXinfoConsumers},
	{name: "xinfo|help", run: help("XINFO",
		"CONSUMERS <key> <groupname>", "    Show consumers of <groupname>.",
		"GROUPS <key>", "    Show the stream consumer groups.",
		"STREAM <key> [FULL [COUNT <count>]", "    Show information about the stream.")},
}

// readStream returns a stream for a command that Redis says only reads, nil when
// there is none; ok is false when the key holds something else, which has been
// answered.
func (s *Server) readStream(c *Session, key []byte) (log *keyspace.EntryLog, ok bool) {
	o, ok := s.readKind(c, key, keyspace.Stream)
	if o == nil {
		return nil, ok
	}
	return o.Stream(), true
}

// editStream is readStream for a command that may change the key.
func (s *Server) editStream(c *Session, key []byte) (log *keyspace.EntryLog, ok bool) {
	o, ok := s.writeKind(c, key, keyspace.Stream)
	if o == nil {
		return nil, ok
	}
	return s.ks.DB(c.db).EditStream(key), true
}

// parseStreamID reads an identifier whose second number may be missing, and is
// missingSeq then. "-" and "+" are the first and the last of all (redis 7.0.15
// t_stream.c streamGenericParseIDOrReply).
func parseStreamID(b []byte, missingSeq uint64) (id keyspace.StreamID, ok bool) {
	switch string(b) {
	case "-":
		return keyspace.StreamID{}, true
	case "+":
		return keyspace.MaxStreamID, true
	}
	return parseStrictStreamID(b, missingSeq)
}

// parseStrictStreamID is parseStreamID without "-" and "+".
func parseStrictStreamID(b []byte, missingSeq uint64) (id keyspace.StreamID, ok bool) {
	if len(b) > 127 {
		return id, false
	}
	ms, seq, both := strings.Cut(clip(b, len(b)), "-")
	if id.Ms, ok = parseUnsigned(ms); !ok {
		return id, false
	}
	if !both {
		id.Seq = missingSeq
		return id, true
	}
	id.Seq, ok = parseUnsigned(seq)
	return id, ok
}

// parseUnsigned reads a number as redis 7.0.15 util.c string2ull does: what is no
// canonical integer is left to strtoull, which takes signs and leading zeroes.
func parseUnsigned(text string) (uint64, bool) {
	if n, ok := parseInt([]byte(text)); ok {
		return uint64(n), n >= 0
	}
	text = strings.TrimLeft(text, "\t\n\v\f\r ")
	digits, negative := strings.CutPrefix(text, "-")
	if !negative {
		digits = strings.TrimPrefix(text, "+")
	}
	if digits == "" || digits[0] < '0' || digits[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if negative {
		n = -n
	}
	return n, err == nil
}

const errStreamID = "ERR Invalid stream ID specified as stream command argument"

// streamIDArg reads an identifier, strictly, or answers that it is none.
func (c *Session) streamIDArg(b []byte, missingSeq uint64) (keyspace.StreamID, bool) {
	id, ok := parseStrictStreamID(b, missingSeq)
	if !ok {
		c.error(errStreamID)
	}
	return id, ok
}

// streamIDArgs is streamIDArg for several.
func (c *Session) streamIDArgs(args [][]byte) (ids []keyspace.StreamID, ok bool) {
	ids = make([]keyspace.StreamID, len(args))
	for i, b := range args {
		if ids[i], ok = c.streamIDArg(b, 0); !ok {
			return nil, false
		}
	}
	return ids, true
}

// lowArg reads the beginning of an interval, "(" for what is after it.
func (c *Session) lowArg(b []byte) (id keyspace.StreamID, ok bool) {
	id, open, ok := c.boundArg(b, 0)
	if ok && open {
		if id, ok = id.Next(); !ok {
			c.error("ERR invalid start ID for the interval")
		}
	}
	return id, ok
}

// highArg reads the end of an interval, "(" for what is before it.
func (c *Session) highArg(b []byte) (id keyspace.StreamID, ok bool) {
	id, open, ok := c.boundArg(b, math.MaxUint64)
	if ok && open {
		if id, ok = id.Previous(); !ok {
			c.error("ERR invalid end ID for the interval")
		}
	}
	return id, ok
}

func (c *Session) boundArg(b []byte, missingSeq uint64) (id keyspace.StreamID, open, ok bool) {
	if open = len(b) > 1 && b[0] == '('; open {
		id, ok = parseStrictStreamID(b[1:], missingSeq)
	} else {
		id, ok = parseStreamID(b, missingSeq)
	}
	if !ok {
		c.error(errStreamID)
	}
	return id, open, ok
}

// streamID replies an identifier.
func (c *Session) streamID(id keyspace.StreamID) {
	var b [44]byte
	c.bulk(id.Append(b[:0]))
}

// streamEntry replies an entry.
func (c *Session) streamEntry(e *keyspace.StreamEntry) {
	c.array(2)
	c.streamID(e.ID)
	c.array(2 * len(e.Names))
	for i := range e.Names {
		c.bulk(e.Names[i])
		c.bulk(e.Values[i])
	}
}

// entriesOf are the entries from lo to hi, no more than count unless that is 0.
func entriesOf(log *keyspace.EntryLog, lo, hi keyspace.StreamID, count int64, backwards bool) (found []*keyspace.StreamEntry) {
	log.Range(lo, hi, backwards, func(e *keyspace.StreamEntry) bool {
		found = append(found, e)
		return int64(len(found)) != count
	})
	return found
}

// streamEntries replies entries.
func (c *Session) streamEntries(entries []*keyspace.StreamEntry) {
	c.array(len(entries))
	for _, e := range entries {
		c.streamEntry(e)
	}
}

// xaddOptions are the arguments of XADD before the fields, and those of XTRIM.
type xaddOptions struct {
	trims, mayCreate bool
	trim             keyspace.Trim
	threshold        int // index of the argument that says how far to trim
	at               int // index of the identifier
	id               keyspace.StreamID
	auto, autoSeq    bool // the identifier, or its second number, is to be made
}

// xaddOptions follows redis 7.0.15 t_stream.c streamParseAddOrTrimArgsOrReply.
func (s *Server) xaddOptions(c *Session, argv [][]byte, xadd bool) (o xaddOptions, ok bool) {
	o.mayCreate = true
	var maxLen, limit int64
	limited := false
	i := 2
options:
	for ; i < len(argv); i++ {
		word, more := argv[i], len(argv)-1-i
		byID := same(word, "minid")
		switch {
		case xadd && string(word) == "*":
			o.auto = true
			break options
		case (byID || same(word, "maxlen")) && more > 0:
			if o.trims {
				c.error("ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
				return o, false
			}
			next := string(argv[i+1])
			if more >= 2 && (next == "~" || next == "=") {
				o.trim.Whole = next == "~"
				i++
			}
			i++
			if byID {
				o.trim.MinID, ok = c.streamIDArg(argv[i], 0)
			} else if maxLen, ok = c.intArg(argv[i]); ok && maxLen < 0 {
				c.error("ERR The MAXLEN argument must be >= 0.")
				ok = false
			}
			if !ok {
				return o, false
			}
			o.trims, o.trim.ByID, o.threshold = true, byID, i
		case same(word, "limit") && more > 0:
			i++
			if limit, ok = c.intArg(argv[i]); !ok {
				return o, false
			}
			if limit < 0 {
				c.error("ERR The LIMIT argument must be >= 0.")
				return o, false
			}
			limited = true
		case xadd && same(word, "nomkstream"):
			o.mayCreate = false
		case xadd:
			ms, partly := strings.CutSuffix(clip(word, len(word)), "-*")
			if o.autoSeq = partly && !strings.Contains(ms, "-"); o.autoSeq {
				word = []byte(ms)
			}
			if o.id, ok = c.streamIDArg(word, 0); !ok {
				return o, false
			}
			break options
		default:
			c.error(errSyntax)
			return o, false
		}
	}
	o.at = i
	o.trim.MaxLen = int(maxLen)
	switch {
	case limit > 0 && !o.trims:
		c.error("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
		return o, false
	case !xadd && !o.trims:
		c.error("ERR syntax error, XTRIM must be called with a trimming strategy")
		return o, false
	case c.loader || c.master: // what was trimmed is told exactly
	case limited && !o.trim.Whole:
		c.error("ERR syntax error, LIMIT cannot be used without the special ~ option")
		return o, false
	case limited:
		o.trim.Limit = int(limit)
	case o.trim.Whole:
		o.trim.Limit = s.trimLimit()
	}
	return o, true
}

// trimLimit bounds the work of one trimming of whole nodes: a hundred of them.
func (s *Server) trimLimit() int {
	const most = 1_000_000
	if n := s.cfg.Limits.StreamNode; n > 0 {
		return int(min(n, most/100)) * 100
	}
	return 10_000
}

// logged is how a command that has trimmed is logged: whole nodes are this
// server's own business, so what is told is the outcome (redis 7.0.15 t_stream.c
// streamRewriteTrimArgument).
func (o *xaddOptions) logged(argv [][]byte, log *keyspace.EntryLog) [][]byte {
	if !o.trim.Whole {
		return argv
	}
	argv = append([][]byte(nil), argv...)
	argv[o.threshold-1] = []byte("=")
	if o.trim.ByID {
		argv[o.threshold] = log.FirstStored().Bytes()
	} else {
		argv[o.threshold] = strconv.AppendInt(nil, int64(log.Len()), 10)
	}
	return argv
}

// nextID makes the identifier of a new entry, or answers why there is none
// (redis 7.0.15 t_stream.c streamAppendItem).
func (o *xaddOptions) nextID(c *Session, last keyspace.StreamID, nowMs int64) (id keyspace.StreamID, ok bool) {
	id = o.id
	switch {
	case last == keyspace.MaxStreamID:
		c.error("ERR The stream has exhausted the last possible ID, unable to add more items")
		return id, false
	case o.auto && uint64(nowMs) > last.Ms:
		return keyspace.StreamID{Ms: uint64(nowMs)}, true
	case o.auto:
		return last.Next()
	case o.autoSeq && id.Ms == last.Ms:
		if last.Seq == math.MaxUint64 {
			c.error(errEntryTooLarge) // sic
			return id, false
		}
		id.Seq = last.Seq + 1
	}
	if id.Compare(last) <= 0 {
		c.error("ERR The ID specified in XADD is equal or smaller than the target stream top item")
		return id, false
	}
	return id, true
}

const errEntryTooLarge = "ERR Elements are too large to be stored"

func cmdXadd(s *Server, c *Session, argv [][]byte) {
	o, ok := s.xaddOptions(c, argv, true)
	if !ok {
		return
	}
	key := argv[1]
	fields := argv[min(o.at+1, len(argv)):]
	if len(fields) < 2 || len(fields)%2 == 1 {
		c.error("ERR wrong number of arguments for 'xadd' command")
		return
	}
	if !o.auto && !o.autoSeq && o.id.IsZero() {
		c.error("ERR The ID specified in XADD must be greater than 0-0")
		return
	}
	log, ok := s.editStream(c, key)
	switch {
	case !ok:
		return
	case log == nil && !o.mayCreate:
		c.null()
		return
	case log == nil:
		log = s.ks.DB(c.db).NewStream(key)
	}
	id, ok := o.nextID(c, log.Last, s.now())
	if !ok {
		return
	}
	if keyspace.TooLarge(fields) {
		c.error(errEntryTooLarge)
		return
	}
	log.Append(id, c.keepAll(fields))
	c.streamID(id)
	s.touch(c.db, key)
	s.notify(config.StreamEvents, "xadd", c.db, key)
	logged := argv
	if o.trims {
		if log.Trim(&o.trim) > 0 {
			s.notify(config.StreamEvents, "xtrim", c.db, key)
		}
		logged = o.logged(argv, log)
	}
	if o.auto || o.autoSeq {
		logged = append([][]byte(nil), logged...)
		logged[o.at] = id.Bytes()
	}
	s.propagateAs(c, 1, logged...)
	s.signalReady(c.db, key)
}

// keepAll is keep for several, in memory that they share.
func (c *Session) keepAll(args [][]byte) [][]byte {
	size := 0
	for _, a := range args {
		size += len(a)
	}
	kept := make([][]byte, len(args))
	room := make([]byte, 0, size)
	for i, a := range args {
		begin := len(room)
		room = append(room, a...)
		kept[i] = room[begin:len(room):len(room)]
	}
	return kept
}

// xrange follows redis 7.0.15 t_stream.c xrangeGenericCommand.
func (s *Server) xrange(c *Session, argv [][]byte, low, high []byte, backwards bool) {
	lo, ok := c.lowArg(low)
	if !ok {
		return
	}
	hi, ok := c.highArg(high)
	if !ok {
		return
	}
	count := int64(-1)
	for args := argv[4:]; len(args) > 0; args = args[2:] {
		if len(args) < 2 || !same(args[0], "count") {
			c.error(errSyntax)
			return
		}
		if count, ok = c.intArg(args[1]); !ok {
			return
		}
		count = max(count, 0)
	}
	log, ok := s.readStream(c, argv[1])
	switch {
	case !ok:
	case log == nil:
		c.array(0)
	case count == 0:
		c.nullArray()
	default:
		c.streamEntries(entriesOf(log, lo, hi, max(count, 0), backwards))
	}
}

// streamOrZero returns a stream for changing; nil when that has been answered: 0
// where there is none.
func (s *Server) streamOrZero(c *Session, key []byte) *keyspace.EntryLog {
	log, ok := s.editStream(c, key)
	if ok && log == nil {
		c.int(0)
	}
	return log
}

func cmdXdel(s *Server, c *Session, argv [][]byte) {
	log := s.streamOrZero(c, argv[1])
	if log == nil {
		return
	}
	ids, ok := c.streamIDArgs(argv[2:])
	if !ok {
		return
	}
	deleted := log.Delete(ids)
	if deleted > 0 {
		s.touch(c.db, argv[1])
		s.notify(config.StreamEvents, "xdel", c.db, argv[1])
		s.propagate(c, deleted, argv)
	}
	c.int(int64(deleted))
}

func cmdXtrim(s *Server, c *Session, argv [][]byte) {
	o, ok := s.xaddOptions(c, argv, false)
	if !ok {
		return
	}
	log := s.streamOrZero(c, argv[1])
	if log == nil {
		return
	}
	deleted := log.Trim(&o.trim)
	if deleted > 0 {
		s.notify(config.StreamEvents, "xtrim", c.db, argv[1])
		s.touch(c.db, argv[1])
		s.propagateAs(c, deleted, o.logged(argv, log)...)
	}
	c.int(int64(deleted))
}

// cmdXsetid follows redis 7.0.15 t_stream.c xsetidCommand.
func cmdXsetid(s *Server, c *Session, argv [][]byte) {
	id, ok := c.streamIDArg(argv[2], 0)
	if !ok {
		return
	}
	added := int64(-1)
	var deleted keyspace.StreamID
	for args := argv[3:]; len(args) > 0; args = args[2:] {
		switch {
		case len(args) >= 2 && same(args[0], "entriesadded"):
			if added, ok = c.intArg(args[1]); !ok {
				return
			}
			if added < 0 {
				c.error("ERR entries_added must be positive")
				return
			}
		case len(args) >= 2 && same(args[0], "maxdeletedid"):
			if deleted, ok = c.streamIDArg(args[1], 0); !ok {
				return
			}
			if id.Compare(deleted) < 0 {
				c.error("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
				return
			}
		default:
			c.error(errSyntax)
			return
		}
	}
	log, ok := s.editStream(c, argv[1])
	switch {
	case !ok:
		return
	case log == nil:
		c.error(errNoKey)
		return
	}
	if last, there := log.End(false); there {
		switch {
		case id.Compare(last) < 0:
			c.error("ERR The ID specified in XSETID is smaller than the target stream top item")
			return
		case added != -1 && int64(log.Len()) > added:
			c.error("ERR The entries_added specified in XSETID is smaller than the target stream length")
			return
		}
	}
	log.Last = id
	if added != -1 {
		log.Added = uint64(added)
	}
	if !deleted.IsZero() {
		log.MaxDeleted = deleted
	}
	c.ok()
	s.notify(config.StreamEvents, "xsetid", c.db, argv[1])
	s.propagate(c, 1, argv)
}
