package engine

import (
	"math"

	"github.com/torntail/torntail/engine/keyspace"
)

// XCLAIM and XAUTOCLAIM, by which a consumer takes over what is pending for
// another. Each entry taken is logged as an XCLAIM that does the same whenever it
// is executed.

// claim is what XCLAIM is asked for.
type claim struct {
	ids           [][]byte
	idle          int64 // least, milliseconds
	at            int64 // Unix time in milliseconds of the delivery
	deliveries    int64 // -1: one more than before
	force, justID bool
	last          keyspace.StreamID
}

// claim follows redis 7.0.15 t_stream.c xclaimCommand.
func (s *Server) claim(c *Session, argv [][]byte) (l claim, ok bool) {
	if l.idle, ok = c.idleArg(argv[4], "XCLAIM"); !ok {
		return l, false
	}
	i := 5
	for ; i < len(argv); i++ {
		if _, ok := parseStrictStreamID(argv[i], 0); !ok {
			break
		}
	}
	l.ids = argv[5:i]
	l.at, l.deliveries = -1, -1
	number := func(name string) (n int64, ok bool) {
		i++
		return c.rangeArg(argv[i], math.MinInt64, math.MaxInt64, "Invalid "+name+" option argument for XCLAIM")
	}
	for ; i < len(argv); i++ {
		word, more, ok := argv[i], i+1 < len(argv), true
		switch {
		case same(word, "force"):
			l.force = true
		case same(word, "justid"):
			l.justID = true
		case same(word, "idle") && more:
			l.at, ok = number("IDLE")
			l.at = s.now() - l.at
		case same(word, "time") && more:
			l.at, ok = number("TIME")
		case same(word, "retrycount") && more:
			l.deliveries, ok = number("RETRYCOUNT")
		case same(word, "lastid") && more:
			i++
			l.last, ok = c.streamIDArg(argv[i], 0)
		default:
			c.error("ERR Unrecognized XCLAIM option '" + clip(word, len(word)) + "'")
			ok = false
		}
		if !ok {
			return l, false
		}
	}
	if l.at < 0 || l.at > s.now() {
		l.at = s.now()
	}
	return l, true
}

func cmdXclaim(s *Server, c *Session, argv [][]byte) {
	key, group, name := argv[1], argv[2], argv[3]
	_, g, ok := s.groupFor(c, key, group)
	if !ok {
		return
	}
	if g == nil {
		c.noKeyOrGroup(key, group)
		return
	}
	l, ok := s.claim(c, argv)
	if !ok {
		return
	}
	log := s.ks.DB(c.db).EditStream(key)
	g = log.EditGroup(group)
	moved := g.Last.Compare(l.last) < 0
	if moved {
		g.Last = l.last
	}
	claimed := 0
	reply := s.replyOf(c, func() {
		for _, text := range l.ids {
			id, _ := parseStrictStreamID(text, 0)
			p, entry := g.Find(id), log.Get(id)
			switch {
			case entry == nil && p != nil:
				s.propagateClaim(c, key, group, g, p, text)
				s.mgr.AddDirty(1)
				g.Drop(id)
				moved = false
				continue
			case entry == nil, p == nil && !l.force, p != nil && l.idle > 0 && s.now()-p.DeliveredMs < l.idle:
				continue
			}
			consumer, _ := s.consumer(c, key, g, name)
			taken := keyspace.Pending{ID: id, Consumer: consumer.Name, DeliveredMs: l.at, Deliveries: 1}
			if p != nil {
				taken.Deliveries = p.Deliveries
			}
			switch {
			case l.deliveries >= 0:
				taken.Deliveries = uint64(l.deliveries)
			case !l.justID:
				taken.Deliveries++
			}
			s.take(c, key, group, g, &taken, text, entry, l.justID)
			claimed++
			moved = false
		}
	})
	if moved {
		s.propagateGroup(c, key, group, g)
		s.mgr.AddDirty(1)
	}
	c.array(claimed)
	c.out = append(c.out, reply...)
}

// take makes an entry pending anew, answers and logs it.
func (s *Server) take(c *Session, key, group []byte, g *keyspace.Group, p *keyspace.Pending, id []byte, entry *keyspace.StreamEntry, justID bool) {
	g.Set(*p)
	if justID {
		c.streamID(p.ID)
	} else {
		c.streamEntry(entry)
	}
	s.propagateClaim(c, key, group, g, p, id)
	s.mgr.AddDirty(1)
}

const (
	// claimAttempts is how many pending entries XAUTOCLAIM looks at for each that
	// it may take.
	claimAttempts = 10
	// claimMost is how many entries it may be asked for; Redis has memory for the
	// identifiers of all, sixteen bytes each, before it begins.
	claimMost = 1 << 38
)

// cmdXautoclaim follows redis 7.0.15 t_stream.c xautoclaimCommand.
func cmdXautoclaim(s *Server, c *Session, argv [][]byte) {
	key, group, name := argv[1], argv[2], argv[3]
	o := s.lookupRead(c, key)
	idle, ok := c.idleArg(argv[4], "XAUTOCLAIM")
	if !ok {
		return
	}
	at, ok := c.lowArg(argv[5])
	if !ok {
		return
	}
	count, justID := int64(100), false
	for i := 6; i < len(argv); i++ {
		switch {
		case same(argv[i], "count") && i+1 < len(argv):
			i++
			if count, ok = c.rangeArg(argv[i], 1, math.MaxInt64/16, "COUNT must be > 0"); !ok {
				return
			}
		case same(argv[i], "justid"):
			justID = true
		default:
			c.error(errSyntax)
			return
		}
	}
	if _, ok := c.isKind(o, keyspace.Stream); !ok {
		return
	}
	if o == nil || o.Stream().Group(group) == nil {
		c.noKeyOrGroup(key, group)
		return
	}
	if count > claimMost {
		c.error("ERR Insufficient memory, failed allocating transient memory, COUNT too high.")
		return
	}
	log := s.ks.DB(c.db).EditStream(key)
	g := log.EditGroup(group)
	var deleted []keyspace.StreamID
	claimed, more := 0, true
	reply := s.replyOf(c, func() {
		for attempts := count * claimAttempts; attempts > 0 && count > 0 && more; attempts-- {
			p := g.FirstFrom(at)
			if p == nil {
				more = false
				break
			}
			id, entry := p.ID, log.Get(p.ID)
			at, more = id.Next()
			switch {
			case entry == nil:
				s.propagateClaim(c, key, group, g, p, id.Bytes())
				s.mgr.AddDirty(1)
				g.Drop(id)
				deleted = append(deleted, id)
				count--
				continue
			case idle > 0 && s.now()-p.DeliveredMs < idle:
				continue
			}
			consumer, _ := s.consumer(c, key, g, name)
			taken := keyspace.Pending{ID: id, Consumer: consumer.Name, DeliveredMs: s.now(), Deliveries: p.Deliveries + uint64(number(!justID))}
			s.take(c, key, group, g, &taken, id.Bytes(), entry, justID)
			claimed++
			count--
		}
	})
	var next keyspace.StreamID
	if more {
		if p := g.FirstFrom(at); p != nil {
			next = p.ID
		}
	}
	c.array(3)
	c.streamID(next)
	c.array(claimed)
	c.out = append(c.out, reply...)
	c.array(len(deleted))
	for _, id := range deleted {
		c.streamID(id)
	}
}
