package engine

import (
	"math"
	"strings"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

// Groups of consumers: XGROUP, XACK and XPENDING.

// wrongSubcommand answers arguments that a subcommand cannot make sense of.
func (c *Session) wrongSubcommand(argv [][]byte) {
	c.error("ERR unknown subcommand or wrong number of arguments for '" + clip(argv[1], 128) + "'. Try " + strings.ToUpper(lower(argv[0])) + " HELP.")
}

// groupOptions are what follows the identifier of XGROUP CREATE and SETID.
func (c *Session) groupOptions(argv [][]byte, create bool) (mkstream bool, read int64, ok bool) {
	read = keyspace.UnknownRead
	for i := 5; i < len(argv); i++ {
		switch {
		case create && same(argv[i], "mkstream"):
			mkstream = true
		case same(argv[i], "entriesread") && i+1 < len(argv):
			i++
			if read, ok = c.intArg(argv[i]); !ok {
				return false, 0, false
			}
			if read < 0 && read != keyspace.UnknownRead {
				c.error("ERR value for ENTRIESREAD must be positive or -1")
				return false, 0, false
			}
		default:
			c.wrongSubcommand(argv)
			return false, 0, false
		}
	}
	return mkstream, read, true
}

// streamOfGroup returns the stream of an XGROUP command; nil when that has been
// answered: there is none, or none of such a group if it must be there.
func (s *Server) streamOfGroup(c *Session, argv [][]byte, must bool) *keyspace.EntryLog {
	log, ok := s.editStream(c, argv[2])
	switch {
	case !ok:
	case log == nil:
		c.error("ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.")
	case must && log.Group(argv[3]) == nil:
		c.noGroupOf(argv[2], argv[3])
	default:
		return log
	}
	return nil
}

func (c *Session) noGroupOf(key, group []byte) {
	c.error("NOGROUP No such consumer group '" + clip(group, len(group)) + "' for key name '" + clip(key, len(key)) + "'")
}

func (c *Session) noKeyOrGroup(key, group []byte) {
	c.error("NOGROUP No such key '" + clip(key, len(key)) + "' or consumer group '" + clip(group, len(group)) + "'")
}

func cmdXgroupCreate(s *Server, c *Session, argv [][]byte) {
	mkstream, read, ok := c.groupOptions(argv, true)
	if !ok {
		return
	}
	var log *keyspace.EntryLog
	if mkstream {
		if log, ok = s.editStream(c, argv[2]); !ok {
			return
		}
	} else if log = s.streamOfGroup(c, argv, false); log == nil {
		return
	}
	if len(argv) > 8 {
		c.wrongSubcommand(argv)
		return
	}
	var id keyspace.StreamID
	if string(argv[4]) != "$" {
		if id, ok = c.streamIDArg(argv[4], 0); !ok {
			return
		}
	} else if log != nil {
		id = log.Last
	}
	if log == nil {
		log = s.ks.DB(c.db).NewStream(argv[2])
		s.touch(c.db, argv[2])
	}
	if log.NewGroup(argv[3], id, read) == nil {
		c.error("BUSYGROUP Consumer Group name already exists")
		return
	}
	c.ok()
	s.notify(config.StreamEvents, "xgroup-create", c.db, argv[2])
	s.propagate(c, 1, argv)
}

func cmdXgroupSetid(s *Server, c *Session, argv [][]byte) {
	_, read, ok := c.groupOptions(argv, false)
	if !ok {
		return
	}
	log := s.streamOfGroup(c, argv, true)
	if log == nil {
		return
	}
	if len(argv) > 7 {
		c.wrongSubcommand(argv)
		return
	}
	id := log.Last
	if string(argv[4]) != "$" {
		if id, ok = parseStreamID(argv[4], 0); !ok {
			c.error(errStreamID)
			return
		}
	}
	g := log.EditGroup(argv[3])
	g.Last, g.Read = id, read
	c.ok()
	s.notify(config.StreamEvents, "xgroup-setid", c.db, argv[2])
	s.propagate(c, 1, argv)
}

func cmdXgroupDestroy(s *Server, c *Session, argv [][]byte) {
	log := s.streamOfGroup(c, argv, false)
	if log == nil {
		return
	}
	if !log.DropGroup(argv[3]) {
		c.int(0)
		return
	}
	c.int(1)
	s.notify(config.StreamEvents, "xgroup-destroy", c.db, argv[2])
	s.propagate(c, 1, argv)
	s.signalReady(c.db, argv[2]) // who waits for the group is told that it is gone
}

func cmdXgroupCreateconsumer(s *Server, c *Session, argv [][]byte) {
	log := s.streamOfGroup(c, argv, true)
	if log == nil {
		return
	}
	if log.EditGroup(argv[3]).NewConsumer(argv[4], s.now()) == nil {
		c.int(0)
		return
	}
	s.notify(config.StreamEvents, "xgroup-createconsumer", c.db, argv[2])
	c.int(1)
	s.propagate(c, 1, argv)
}

func cmdXgroupDelconsumer(s *Server, c *Session, argv [][]byte) {
	log := s.streamOfGroup(c, argv, true)
	if log == nil {
		return
	}
	pending, ok := log.EditGroup(argv[3]).DropConsumer(argv[4])
	if ok {
		s.notify(config.StreamEvents, "xgroup-delconsumer", c.db, argv[2])
		s.propagate(c, 1, argv)
	}
	c.int(int64(pending))
}

// groupFor finds the group of a command that is not XGROUP; nil when the key, or
// the group, is not there. ok is false when the key holds something else, which
// has been answered.
func (s *Server) groupFor(c *Session, key, group []byte) (log *keyspace.EntryLog, g *keyspace.Group, ok bool) {
	log, ok = s.readStream(c, key)
	if log != nil {
		g = log.Group(group)
	}
	return log, g, ok
}

// editGroup is the group, which is there, for changing.
func (s *Server) editGroup(c *Session, key, group []byte) *keyspace.Group {
	return s.ks.DB(c.db).EditStream(key).EditGroup(group)
}

func cmdXack(s *Server, c *Session, argv [][]byte) {
	_, g, ok := s.groupFor(c, argv[1], argv[2])
	if !ok {
		return
	}
	if g == nil {
		c.int(0)
		return
	}
	ids, ok := c.streamIDArgs(argv[3:])
	if !ok {
		return
	}
	g = s.editGroup(c, argv[1], argv[2])
	acknowledged := 0
	for _, id := range ids {
		if g.Drop(id) {
			acknowledged++
		}
	}
	c.int(int64(acknowledged))
	if acknowledged > 0 {
		s.propagate(c, acknowledged, argv)
	}
}

// cmdXpending follows redis 7.0.15 t_stream.c xpendingCommand.
func cmdXpending(s *Server, c *Session, argv [][]byte) {
	if len(argv) != 3 && (len(argv) < 6 || len(argv) > 9) {
		c.error(errSyntax)
		return
	}
	var idle, count int64
	var lo, hi keyspace.StreamID
	var consumer []byte
	ok := true
	if len(argv) > 3 {
		args := argv[3:]
		if same(args[0], "idle") {
			if idle, ok = c.intArg(args[1]); !ok {
				return
			}
			if args = args[2:]; len(args) < 3 {
				c.error(errSyntax)
				return
			}
		}
		if count, ok = c.intArg(args[2]); !ok {
			return
		}
		if lo, ok = c.lowArg(args[0]); !ok {
			return
		}
		if hi, ok = c.highArg(args[1]); !ok {
			return
		}
		if len(args) > 3 {
			consumer = args[3]
		}
	}
	_, g, ok := s.groupFor(c, argv[1], argv[2])
	switch {
	case !ok:
	case g == nil:
		c.noKeyOrGroup(argv[1], argv[2])
	case len(argv) == 3:
		c.pendingOverview(g)
	case consumer != nil && g.Consumer(consumer) == nil:
		c.array(0)
	default:
		s.pendingRange(c, g, consumer, lo, hi, max(count, 0), idle)
	}
}

// pendingOverview replies how much is pending, from where to where, and for whom.
func (c *Session) pendingOverview(g *keyspace.Group) {
	c.array(4)
	c.int(int64(g.Pending()))
	if g.Pending() == 0 {
		c.null()
		c.null()
		c.nullArray()
		return
	}
	c.streamID(g.FirstFrom(keyspace.StreamID{}).ID)
	c.streamID(g.LastPending().ID)
	busy := 0
	for _, consumer := range g.Consumers() {
		busy += number(consumer.Len() > 0)
	}
	c.array(busy)
	for _, consumer := range g.Consumers() {
		if consumer.Len() > 0 {
			c.array(2)
			c.bulkText(consumer.Name)
			c.bulkNumber(int64(consumer.Len()))
		}
	}
}

// pendingRange replies what is pending between two identifiers, of a consumer if
// one is given, and has been for so many milliseconds.
func (s *Server) pendingRange(c *Session, g *keyspace.Group, consumer []byte, lo, hi keyspace.StreamID, count, idle int64) {
	var found []*keyspace.Pending
	take := func(p *keyspace.Pending) bool {
		if int64(len(found)) == count || hi.Compare(p.ID) < 0 {
			return false
		}
		if idle == 0 || s.now()-p.DeliveredMs >= idle {
			found = append(found, p)
		}
		return true
	}
	if consumer == nil {
		g.Each(lo, take)
	} else {
		g.Consumer(consumer).Each(lo, func(id keyspace.StreamID) bool { return take(g.Find(id)) })
	}
	c.array(len(found))
	for _, p := range found {
		c.array(4)
		c.streamID(p.ID)
		c.bulkText(p.Consumer)
		c.int(max(s.now()-p.DeliveredMs, 0))
		c.int(int64(p.Deliveries))
	}
}

// idleArg reads the least time, in milliseconds, for which an entry to be claimed
// has been pending.
func (c *Session) idleArg(b []byte, cmd string) (int64, bool) {
	n, ok := c.rangeArg(b, math.MinInt64, math.MaxInt64, "Invalid min-idle-time argument for "+cmd)
	return max(n, 0), ok
}
