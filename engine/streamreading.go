package engine

import (
	"strconv"
	"time"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

// XREAD and XREADGROUP, also for those who wait for an entry. Reading for a group
// is logged as what it changes: XCLAIM for each entry that becomes pending, XGROUP
// for the rest.

// blockedReadCount is how many entries a client that has waited gets at most when
// it does not say (redis 7.0.15 t_stream.c XREAD_BLOCKED_DEFAULT_COUNT).
const blockedReadCount = 1000

// streamRead is what XREAD and XREADGROUP are asked for.
type streamRead struct {
	group, consumer []byte // nil: XREAD
	noAck           bool
	count           int64         // 0: no limit
	timeout         time.Duration // 0: none
	waits           bool
	keys, ids       [][]byte
}

// streamRead follows redis 7.0.15 t_stream.c xreadCommand.
func (c *Session) streamRead(argv [][]byte, grouped bool) (r streamRead, ok bool) {
	for i := 1; i < len(argv); i++ {
		word, more := argv[i], len(argv)-1-i
		switch {
		case same(word, "block") && more > 0:
			if c.script {
				c.error("ERR " + string(argv[0]) + " command is not allowed with BLOCK option from scripts")
				return r, false
			}
			i++
			ms, ok := c.rangeArg(argv[i], -1<<63, 1<<63-1, "timeout is not an integer or out of range")
			if !ok {
				return r, false
			}
			if r.timeout, ok = c.timeoutMs(ms); !ok {
				return r, false
			}
			r.waits = true
		case same(word, "count") && more > 0:
			i++
			if r.count, ok = c.intArg(argv[i]); !ok {
				return r, false
			}
			r.count = max(r.count, 0)
		case same(word, "streams") && more > 0:
			rest := argv[i+1:]
			if len(rest)%2 != 0 {
				c.error("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.")
				return r, false
			}
			r.keys, r.ids = rest[:len(rest)/2], rest[len(rest)/2:]
			if grouped && r.group == nil {
				c.error("ERR Missing GROUP option for XREADGROUP")
				return r, false
			}
			return r, true
		case same(word, "group") && more >= 2:
			if !grouped {
				c.error("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.")
				return r, false
			}
			r.group, r.consumer = argv[i+1], argv[i+2]
			i += 2
		case same(word, "noack"):
			if !grouped {
				c.error("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.")
				return r, false
			}
			r.noAck = true
		default:
			c.error(errSyntax)
			return r, false
		}
	}
	c.error(errSyntax)
	return r, false
}

// onlyNew stands for ">", and the last identifier of all for it, as in Redis.
var onlyNew = keyspace.MaxStreamID

// after reads the identifier behind which to read a stream, or answers what is
// wrong.
func (r *streamRead) after(s *Server, c *Session, i int) (id keyspace.StreamID, ok bool) {
	key := r.keys[i]
	log, ok := s.readStream(c, key)
	if !ok {
		return id, false
	}
	if r.group != nil && (log == nil || log.Group(r.group) == nil) {
		c.error("NOGROUP No such key '" + clip(key, len(key)) + "' or consumer group '" + clip(r.group, len(r.group)) + "' in XREADGROUP with GROUP option")
		return id, false
	}
	switch text := r.ids[i]; {
	case string(text) == "$" && r.group != nil:
		c.error("ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.")
		return id, false
	case string(text) == "$":
		if log != nil {
			id = log.Last
		}
		return id, true
	case string(text) == ">" && r.group == nil:
		c.error("ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.")
		return id, false
	case string(text) == ">":
		return onlyNew, true
	default:
		return c.streamIDArg(text, 0)
	}
}

func (s *Server) xread(c *Session, argv [][]byte, grouped bool) {
	r, ok := c.streamRead(argv, grouped)
	if !ok {
		return
	}
	after := make([]keyspace.StreamID, len(r.keys))
	for i := range after {
		if after[i], ok = r.after(s, c, i); !ok {
			return
		}
	}
	served := 0
	reply := s.replyOf(c, func() {
		for i, key := range r.keys {
			if s.readNow(c, key, after[i], &r) {
				served++
			}
		}
	})
	switch {
	case served > 0:
		c.streamsOf(served)
		c.out = append(c.out, reply...)
	case r.waits:
		s.readLater(c, &r, after)
	default:
		c.nullArray()
	}
}

// streamsOf starts a reply of n streams: pairs of a key and entries.
func (c *Session) streamsOf(n int) {
	if c.resp == 3 {
		c.mapOf(n)
		return
	}
	c.array(n)
}

// readNow answers what a stream has to give, and reports whether it has.
func (s *Server) readNow(c *Session, key []byte, after keyspace.StreamID, r *streamRead) bool {
	o := s.lookupRead(c, key)
	if o == nil {
		return false
	}
	log := o.Stream()
	history := r.group != nil && after != onlyNew
	if !history {
		if r.group != nil {
			after = log.Group(r.group).Last
		}
		last, ok := log.End(false)
		if !ok || last.Compare(after) <= 0 {
			return false
		}
	}
	s.readStreamAfter(c, key, after, r, r.count, history)
	if r.group != nil {
		s.mgr.AddDirty(1)
	}
	return true
}

// readStreamAfter answers a stream's name and its entries after an identifier, or
// the consumer's own of those.
func (s *Server) readStreamAfter(c *Session, key []byte, after keyspace.StreamID, r *streamRead, count int64, history bool) {
	if c.resp != 3 {
		c.array(2)
	}
	c.bulk(key)
	from, _ := after.Next()
	if r.group == nil {
		c.streamEntries(entriesOf(s.ks.DB(c.db).Get(key).Stream(), from, keyspace.MaxStreamID, count, false))
		return
	}
	log := s.ks.DB(c.db).EditStream(key)
	g := log.EditGroup(r.group)
	consumer, created := s.consumer(c, key, g, r.consumer)
	if created && r.noAck {
		s.propagateBeside(c, 0, wordXgroup, wordCreateconsumer, key, r.group, r.consumer)
	}
	if history {
		s.readHistory(c, log, g, consumer, from, count)
		return
	}
	entries := entriesOf(log, from, keyspace.MaxStreamID, count, false)
	c.streamEntries(entries)
	moved := false
	for _, e := range entries {
		if e.ID.Compare(g.Last) > 0 {
			log.Deliver(g, e.ID)
			moved = true
		}
		if !r.noAck {
			p := keyspace.Pending{ID: e.ID, Consumer: consumer.Name, DeliveredMs: s.now(), Deliveries: 1}
			g.Set(p)
			s.propagateClaim(c, key, r.group, g, &p, e.ID.Bytes())
		}
	}
	if r.noAck && moved {
		s.propagateGroup(c, key, r.group, g)
	}
}

// readHistory answers what is pending for a consumer, which is another delivery.
func (s *Server) readHistory(c *Session, log *keyspace.EntryLog, g *keyspace.Group, consumer *keyspace.Consumer, from keyspace.StreamID, count int64) {
	var ids []keyspace.StreamID
	consumer.Each(from, func(id keyspace.StreamID) bool {
		ids = append(ids, id)
		return int64(len(ids)) != count
	})
	c.array(len(ids))
	for _, id := range ids {
		e := log.Get(id)
		if e == nil {
			c.array(2)
			c.streamID(id)
			c.nullArray()
			continue
		}
		c.streamEntry(e)
		p := *g.Find(id)
		p.DeliveredMs = s.now()
		p.Deliveries++
		g.Set(p)
	}
}

// consumer returns a consumer of a group, who is seen now, and makes it if need
// be.
func (s *Server) consumer(c *Session, key []byte, g *keyspace.Group, name []byte) (consumer *keyspace.Consumer, created bool) {
	if consumer = g.Consumer(name); consumer != nil {
		consumer.SeenMs = s.now()
		return consumer, false
	}
	consumer = g.NewConsumer(name, s.now())
	s.mgr.AddDirty(1)
	s.notify(config.StreamEvents, "xgroup-createconsumer", c.db, key)
	return consumer, true
}

// readLater waits for an entry.
func (s *Server) readLater(c *Session, r *streamRead, after []keyspace.StreamID) {
	count := r.count
	if count == 0 {
		count = blockedReadCount
	}
	w := &wanted{kind: keyspace.Stream, timedOut: c.nullArray}
	w.serve = func(key []byte, o *keyspace.Object) bool {
		return s.serveReader(c, key, o.Stream(), r, after, count)
	}
	if r.group != nil {
		w.lost = func([]byte) { c.error("UNBLOCKED the stream key no longer exists") }
	}
	s.blockOn(c, r.timeout, w, r.keys)
}

// serveReader answers a client that waits for entries of a stream (redis 7.0.15
// blocked.c serveClientsBlockedOnStreamKey).
func (s *Server) serveReader(c *Session, key []byte, log *keyspace.EntryLog, r *streamRead, after []keyspace.StreamID, count int64) bool {
	var behind keyspace.StreamID
	if r.group == nil {
		for i := range r.keys {
			if string(r.keys[i]) == string(key) {
				behind = after[i]
				break
			}
		}
	} else {
		g := log.Group(r.group)
		if g == nil {
			c.error("NOGROUP the consumer group this client was blocked on no longer exists")
			return true
		}
		behind = g.Last
	}
	if log.Last.Compare(behind) <= 0 {
		return false
	}
	c.streamsOf(1)
	s.readStreamAfter(c, key, behind, r, count, false)
	return true
}

var (
	wordXclaim         = []byte("XCLAIM")
	wordXgroup         = []byte("XGROUP")
	wordCreateconsumer = []byte("CREATECONSUMER")
	wordSetid          = []byte("SETID")
	wordEntriesread    = []byte("ENTRIESREAD")
	wordTime           = []byte("TIME")
	wordRetrycount     = []byte("RETRYCOUNT")
	wordForce          = []byte("FORCE")
	wordJustid         = []byte("JUSTID")
	wordLastid         = []byte("LASTID")
	wordZero           = []byte("0")
)

// propagateClaim logs that an entry is pending, and how far the group has come.
func (s *Server) propagateClaim(c *Session, key, group []byte, g *keyspace.Group, p *keyspace.Pending, id []byte) {
	s.propagateBeside(c, 0, wordXclaim, key, group, []byte(p.Consumer), wordZero, id,
		wordTime, strconv.AppendInt(nil, p.DeliveredMs, 10), wordRetrycount, strconv.AppendUint(nil, p.Deliveries, 10),
		wordForce, wordJustid, wordLastid, g.Last.Bytes())
}

// propagateGroup logs how far a group has come.
func (s *Server) propagateGroup(c *Session, key, group []byte, g *keyspace.Group) {
	s.propagateBeside(c, 0, wordXgroup, wordSetid, key, group, g.Last.Bytes(), wordEntriesread, strconv.AppendInt(nil, g.Read, 10))
}
