package keyspace

import (
	"cmp"
	"slices"
)

// Group is a group of consumers: each entry after Last is for one of them, who
// is to acknowledge it. What is delivered and not acknowledged is pending.
type Group struct {
	gen       uint64
	Name      string
	Last      StreamID // the last entry that was delivered
	Read      int64    // how many entries there were up to Last; UnknownRead
	pending   sorted[Pending]
	consumers []*Consumer // by name
}

// UnknownRead is a Group's Read that cannot be told.
const UnknownRead = -1

// Pending is an entry that was delivered to a consumer and is not acknowledged.
type Pending struct {
	ID          StreamID
	Consumer    string
	DeliveredMs int64 // Unix time, of the last delivery
	Deliveries  uint64
}

//lint:ignore U1000 the order of sorted
func (p Pending) before(o Pending) bool { return p.ID.before(o.ID) }

// Consumer is one of a group.
type Consumer struct {
	Name    string
	SeenMs  int64 // Unix time, of its last command
	pending sorted[StreamID]
}

// Len is how many entries are pending for the consumer.
func (c *Consumer) Len() int { return c.pending.n }

// Each calls f for what is pending for the consumer, from an identifier on, until
// it returns false.
func (c *Consumer) Each(from StreamID, f func(id StreamID) bool) {
	c.pending.from(from, func(id *StreamID) bool { return f(*id) })
}

func byName[E any](list []E, name string, nameOf func(E) string) (i int, there bool) {
	return slices.BinarySearchFunc(list, name, func(e E, name string) int { return cmp.Compare(nameOf(e), name) })
}

func (s *EntryLog) findGroup(name string) (i int, there bool) {
	return byName(s.groups, name, func(g *Group) string { return g.Name })
}

// Groups are all groups, by name. They must not be changed.
func (s *EntryLog) Groups() []*Group { return s.groups }

// Group returns a group, nil when there is none. It must not be changed.
func (s *EntryLog) Group(name []byte) *Group {
	if i, there := s.findGroup(string(name)); there {
		return s.groups[i]
	}
	return nil
}

// EditGroup is Group for changing.
func (s *EntryLog) EditGroup(name []byte) *Group {
	i, there := s.findGroup(string(name))
	if !there {
		return nil
	}
	if s.groups[i].gen != s.own {
		s.groups[i] = s.groups[i].fork(s.own)
	}
	return s.groups[i]
}

// NewGroup makes a group; nil when there is one of that name.
func (s *EntryLog) NewGroup(name []byte, last StreamID, read int64) *Group {
	i, there := s.findGroup(string(name))
	if there {
		return nil
	}
	g := &Group{gen: s.own, Name: string(name), Last: last, Read: read, pending: sorted[Pending]{own: s.own}}
	s.groups = slices.Insert(s.groups, i, g)
	return g
}

// DropGroup removes a group and reports whether it was there.
func (s *EntryLog) DropGroup(name []byte) bool {
	i, there := s.findGroup(string(name))
	if there {
		s.groups = slices.Delete(s.groups, i, i+1)
	}
	return there
}

// fork is a copy to be changed while nobody changes the receiver any more.
func (g *Group) fork(gen uint64) *Group {
	f := *g
	f.gen, f.pending = gen, g.pending.fork(gen)
	f.consumers = make([]*Consumer, len(g.consumers))
	for i, c := range g.consumers {
		f.consumers[i] = &Consumer{Name: c.Name, SeenMs: c.SeenMs, pending: c.pending.fork(gen)}
	}
	return &f
}

func (g *Group) findConsumer(name string) (i int, there bool) {
	return byName(g.consumers, name, func(c *Consumer) string { return c.Name })
}

// Consumers are all consumers, by name. They must not be changed.
func (g *Group) Consumers() []*Consumer { return g.consumers }

// Consumer returns a consumer, nil when there is none. Of a group for changing
// it may be changed.
func (g *Group) Consumer(name []byte) *Consumer {
	if i, there := g.findConsumer(string(name)); there {
		return g.consumers[i]
	}
	return nil
}

// NewConsumer makes a consumer; nil when there is one of that name.
func (g *Group) NewConsumer(name []byte, nowMs int64) *Consumer {
	i, there := g.findConsumer(string(name))
	if there {
		return nil
	}
	c := &Consumer{Name: string(name), SeenMs: nowMs, pending: sorted[StreamID]{own: g.gen}}
	g.consumers = slices.Insert(g.consumers, i, c)
	return c
}

// DropConsumer removes a consumer with all that is pending for it, and returns
// how much that was; ok is false when there is none of that name.
func (g *Group) DropConsumer(name []byte) (pending int, ok bool) {
	i, there := g.findConsumer(string(name))
	if !there {
		return 0, false
	}
	c := g.consumers[i]
	c.Each(StreamID{}, func(id StreamID) bool {
		g.pending.cut(Pending{ID: id})
		return true
	})
	g.consumers = slices.Delete(g.consumers, i, i+1)
	return c.Len(), true
}

// Pending is how many entries are pending.
func (g *Group) Pending() int { return g.pending.n }

// Find returns what is pending of an entry, nil when nothing is. It must not be
// changed.
func (g *Group) Find(id StreamID) *Pending { return g.pending.find(Pending{ID: id}) }

// Each calls f for what is pending, from an identifier on, until it returns
// false. It must not be changed meanwhile.
func (g *Group) Each(from StreamID, f func(p *Pending) bool) { g.pending.from(Pending{ID: from}, f) }

// FirstFrom is the first that is pending from an identifier on, nil when nothing
// is.
func (g *Group) FirstFrom(from StreamID) (first *Pending) {
	g.Each(from, func(p *Pending) bool {
		first = p
		return false
	})
	return first
}

// LastPending is the last that is pending, nil when nothing is.
func (g *Group) LastPending() (last *Pending) {
	g.pending.ranks(g.pending.n-1, g.pending.n, true, func(p *Pending) bool {
		last = p
		return false
	})
	return last
}

// Set makes an entry pending, or says anew of whom and since when. The consumer
// must be one of the group.
func (g *Group) Set(p Pending) {
	old := g.Find(p.ID)
	if old == nil || old.Consumer != p.Consumer {
		if old != nil {
			g.Consumer([]byte(old.Consumer)).pending.cut(p.ID)
		}
		c := g.Consumer([]byte(p.Consumer))
		c.pending.set(p.ID)
		p.Consumer = c.Name // one text for all
	} else {
		p.Consumer = old.Consumer
	}
	g.pending.set(p)
}

// Drop makes an entry no longer pending and reports whether it was.
func (g *Group) Drop(id StreamID) bool {
	p := g.Find(id)
	if p == nil {
		return false
	}
	g.Consumer([]byte(p.Consumer)).pending.cut(id)
	return g.pending.cut(Pending{ID: id})
}

// HasDeleted reports whether XDEL has removed an entry from id on that the
// stream might still hold (redis 7.0.15 t_stream.c streamRangeHasTombstones).
func (s *EntryLog) HasDeleted(from StreamID) bool {
	if s.live == 0 || s.MaxDeleted.IsZero() || s.MaxDeleted.before(s.First) {
		return false
	}
	return !s.MaxDeleted.before(from)
}

// ReadUpTo is how many entries there ever were up to an identifier, UnknownRead
// when that cannot be told (redis 7.0.15 t_stream.c
// streamEstimateDistanceFromFirstEverEntry).
func (s *EntryLog) ReadUpTo(id StreamID) int64 {
	switch last := id.Compare(s.Last); {
	case s.Added == 0:
		return 0
	case s.live == 0 && last <= 0, last == 0:
		return int64(s.Added)
	case last > 0:
		return UnknownRead
	}
	if !s.MaxDeleted.IsZero() && !s.MaxDeleted.before(s.First) {
		return UnknownRead
	}
	switch id.Compare(s.First) {
	case -1:
		return int64(s.Added) - int64(s.live)
	case 0:
		return int64(s.Added) - int64(s.live) + 1
	}
	return UnknownRead
}

// Deliver moves a group on to an entry that is after its Last (redis 7.0.15
// t_stream.c streamReplyWithRange).
func (s *EntryLog) Deliver(g *Group, id StreamID) {
	if g.Read != UnknownRead && !s.HasDeleted(id) {
		g.Read++
	} else if s.Added > 0 {
		g.Read = s.ReadUpTo(id)
	}
	g.Last = id
}

// Lag is how many entries a group has not been delivered; ok is false when that
// cannot be told (redis 7.0.15 t_stream.c streamReplyWithCGLag).
func (s *EntryLog) Lag(g *Group) (lag int64, ok bool) {
	if s.Added == 0 {
		return 0, true
	}
	read := g.Read
	if read == UnknownRead || s.HasDeleted(g.Last) {
		read = s.ReadUpTo(g.Last)
	}
	return int64(s.Added) - read, read != UnknownRead
}
