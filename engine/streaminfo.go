package engine

import "github.com/torntail/torntail/engine/keyspace"

// XINFO.

// infoStream returns the stream of an XINFO command; nil when that has been
// answered.
func (s *Server) infoStream(c *Session, key []byte) *keyspace.EntryLog {
	log, ok := s.readStream(c, key)
	if ok && log == nil {
		c.error(errNoKey)
	}
	return log
}

// Names of what XINFO replies.

func (c *Session) namedInt(name string, n int64) {
	c.bulkText(name)
	c.int(n)
}

func (c *Session) namedID(name string, id keyspace.StreamID) {
	c.bulkText(name)
	c.streamID(id)
}

// cmdXinfoStream follows redis 7.0.15 t_stream.c xinfoReplyWithStreamInfo.
func cmdXinfoStream(s *Server, c *Session, argv [][]byte) {
	log := s.infoStream(c, argv[2])
	if log == nil {
		return
	}
	full := len(argv) > 3
	count := int64(10)
	if full {
		if len(argv) != 4 && len(argv) != 6 || !same(argv[3], "full") || len(argv) == 6 && !same(argv[4], "count") {
			c.wrongSubcommand(argv)
			return
		}
		if len(argv) == 6 {
			n, ok := c.intArg(argv[5])
			if !ok {
				return
			}
			if n >= 0 {
				count = n
			}
		}
	}
	c.mapOf(10 - number(full))
	c.namedInt("length", int64(log.Len()))
	c.namedInt("radix-tree-keys", int64(log.Nodes()))
	c.namedInt("radix-tree-nodes", int64(log.RadixNodes()))
	c.namedID("last-generated-id", log.Last)
	c.namedID("max-deleted-entry-id", log.MaxDeleted)
	c.namedInt("entries-added", int64(log.Added))
	c.namedID("recorded-first-entry-id", log.First)
	if full {
		c.bulkText("entries")
		c.streamEntries(entriesOf(log, keyspace.StreamID{}, keyspace.MaxStreamID, count, false))
		c.bulkText("groups")
		c.array(len(log.Groups()))
		for _, g := range log.Groups() {
			c.groupInfo(log, g, count)
		}
		return
	}
	c.namedInt("groups", int64(len(log.Groups())))
	for _, end := range []struct {
		name      string
		backwards bool
	}{{"first-entry", false}, {"last-entry", true}} {
		c.bulkText(end.name)
		if e := entriesOf(log, keyspace.StreamID{}, keyspace.MaxStreamID, 1, end.backwards); len(e) > 0 {
			c.streamEntry(e[0])
		} else {
			c.null()
		}
	}
}

// progress replies how far a group has come.
func (c *Session) progress(log *keyspace.EntryLog, g *keyspace.Group) {
	c.namedID("last-delivered-id", g.Last)
	c.bulkText("entries-read")
	if g.Read != keyspace.UnknownRead {
		c.int(g.Read)
	} else {
		c.null()
	}
	c.bulkText("lag")
	if lag, ok := log.Lag(g); ok {
		c.int(lag)
	} else {
		c.null()
	}
}

// groupInfo is XINFO STREAM FULL's of a group, with so much of what is pending; 0
// is all.
func (c *Session) groupInfo(log *keyspace.EntryLog, g *keyspace.Group, count int64) {
	c.mapOf(7)
	c.bulkText("name")
	c.bulkText(g.Name)
	c.progress(log, g)
	c.namedInt("pel-count", int64(g.Pending()))
	c.bulkText("pending")
	var pending []*keyspace.Pending
	g.Each(keyspace.StreamID{}, func(p *keyspace.Pending) bool {
		pending = append(pending, p)
		return int64(len(pending)) != count
	})
	c.array(len(pending))
	for _, p := range pending {
		c.array(4)
		c.streamID(p.ID)
		c.bulkText(p.Consumer)
		c.int(p.DeliveredMs)
		c.int(int64(p.Deliveries))
	}
	c.bulkText("consumers")
	c.array(len(g.Consumers()))
	for _, consumer := range g.Consumers() {
		c.mapOf(4)
		c.bulkText("name")
		c.bulkText(consumer.Name)
		c.namedInt("seen-time", consumer.SeenMs)
		c.namedInt("pel-count", int64(consumer.Len()))
		c.bulkText("pending")
		pending = pending[:0]
		consumer.Each(keyspace.StreamID{}, func(id keyspace.StreamID) bool {
			pending = append(pending, g.Find(id))
			return int64(len(pending)) != count
		})
		c.array(len(pending))
		for _, p := range pending {
			c.array(3)
			c.streamID(p.ID)
			c.int(p.DeliveredMs)
			c.int(int64(p.Deliveries))
		}
	}
}

func cmdXinfoGroups(s *Server, c *Session, argv [][]byte) {
	log := s.infoStream(c, argv[2])
	if log == nil {
		return
	}
	c.array(len(log.Groups()))
	for _, g := range log.Groups() {
		c.mapOf(6)
		c.bulkText("name")
		c.bulkText(g.Name)
		c.namedInt("consumers", int64(len(g.Consumers())))
		c.namedInt("pending", int64(g.Pending()))
		c.progress(log, g)
	}
}

func cmdXinfoConsumers(s *Server, c *Session, argv [][]byte) {
	log := s.infoStream(c, argv[2])
	if log == nil {
		return
	}
	g := log.Group(argv[3])
	if g == nil {
		c.noGroupOf(argv[2], argv[3])
		return
	}
	c.array(len(g.Consumers()))
	for _, consumer := range g.Consumers() {
		c.mapOf(3)
		c.bulkText("name")
		c.bulkText(consumer.Name)
		c.namedInt("pending", int64(consumer.Len()))
		c.namedInt("idle", max(s.now()-consumer.SeenMs, 0))
	}
}
