package keyspace

import (
	"encoding/binary"
	"strconv"

	"github.com/torntail/torntail/engine/rdb"
)

func init() {
	register(Stream, "stream", loadStream, rdb.TypeStream, rdb.TypeStream2, rdb.TypeStream3)
}

// A stream's forms in a snapshot and in a rewritten append-only file.

// key is an identifier as Redis sorts it: sixteen bytes, most significant first.
func (a StreamID) key() (k [16]byte) {
	binary.BigEndian.PutUint64(k[:], a.Ms)
	binary.BigEndian.PutUint64(k[8:], a.Seq)
	return k
}

func streamIDOf(key []byte) StreamID {
	return StreamID{binary.BigEndian.Uint64(key), binary.BigEndian.Uint64(key[8:])}
}

// rebuild emits an entry a command, then what the entries do not tell, and the
// groups (redis 7.0.15 aof.c rewriteStreamObject).
func (s *EntryLog) rebuild(key []byte, emit func(argv [][]byte)) {
	var argv [][]byte
	command := func(words ...string) {
		argv = argv[:0]
		for _, w := range words {
			argv = append(argv, []byte(w))
		}
	}
	s.Range(StreamID{}, MaxStreamID, false, func(e *StreamEntry) bool {
		command("XADD")
		argv = append(argv, key, e.ID.Bytes())
		for i := range e.Names {
			argv = append(argv, e.Names[i], e.Values[i])
		}
		emit(argv)
		return true
	})
	if s.live == 0 {
		command("XADD", string(key), "MAXLEN", "0", "0-1", "x", "y")
		emit(argv)
	}
	command("XSETID", string(key), string(s.Last.Bytes()), "ENTRIESADDED", strconv.FormatUint(s.Added, 10), "MAXDELETEDID", string(s.MaxDeleted.Bytes()))
	emit(argv)
	for _, g := range s.groups {
		command("XGROUP", "CREATE", string(key), g.Name, string(g.Last.Bytes()), "ENTRIESREAD", strconv.FormatInt(g.Read, 10))
		emit(argv)
		for _, c := range g.consumers {
			if c.Len() == 0 {
				command("XGROUP", "CREATECONSUMER", string(key), g.Name, c.Name)
				emit(argv)
			}
			c.Each(StreamID{}, func(id StreamID) bool {
				p := g.Find(id)
				command("XCLAIM", string(key), g.Name, c.Name, "0", string(id.Bytes()), "TIME", strconv.FormatInt(p.DeliveredMs, 10),
					"RETRYCOUNT", strconv.FormatUint(p.Deliveries, 10), "JUSTID", "FORCE")
				emit(argv)
				return true
			})
		}
	}
}

func (s *EntryLog) rdbType() byte { return rdb.TypeStream2 }

func (s *EntryLog) saveRDB(e *rdb.Encoder) {
	e.Len(uint64(len(s.nodes)))
	for _, n := range s.nodes {
		key := n.master.key()
		e.Str(key[:])
		n.pack(e.Pack())
		e.Packed()
	}
	e.Len(uint64(s.live))
	saveID(e, s.Last)
	saveID(e, s.First)
	saveID(e, s.MaxDeleted)
	e.Len(s.Added)
	e.Len(uint64(len(s.groups)))
	for _, g := range s.groups {
		g.saveRDB(e)
	}
}

func saveID(e *rdb.Encoder, id StreamID) {
	e.Len(id.Ms)
	e.Len(id.Seq)
}

// pack puts a node into a listpack: how many entries are there and how many are
// deleted, the names of the first one's fields, 0, and the entries. An entry is
// its flags, its distance from the master, its fields, or only their values when
// the names are the first one's, and how many elements that was (redis 7.0.15
// t_stream.c streamAppendItem).
func (n *streamNode) pack(p *rdb.Listpack) {
	p.AppendInt(int64(n.live))
	p.AppendInt(int64(len(n.entries) - n.live))
	p.AppendInt(int64(len(n.names)))
	for _, name := range n.names {
		p.Append(name)
	}
	p.AppendInt(0)
	for i := range n.entries {
		e := &n.entries[i]
		p.AppendInt(e.flags())
		p.AppendInt(int64(e.ID.Ms - n.master.Ms))
		p.AppendInt(int64(e.ID.Seq - n.master.Seq))
		if !e.same {
			p.AppendInt(int64(len(e.Names)))
		}
		for j := range e.Names {
			if !e.same {
				p.Append(e.Names[j])
			}
			p.Append(e.Values[j])
		}
		p.AppendInt(e.elements())
	}
}

func (g *Group) saveRDB(e *rdb.Encoder) {
	e.Text(g.Name)
	saveID(e, g.Last)
	e.Len(uint64(g.Read))
	e.Len(uint64(g.pending.n))
	g.Each(StreamID{}, func(p *Pending) bool {
		key := p.ID.key()
		e.Bytes(key[:])
		e.Uint64(uint64(p.DeliveredMs))
		e.Len(p.Deliveries)
		return true
	})
	e.Len(uint64(len(g.consumers)))
	for _, c := range g.consumers {
		e.Text(c.Name)
		e.Uint64(uint64(c.SeenMs))
		e.Len(uint64(c.Len()))
		c.Each(StreamID{}, func(id StreamID) bool {
			key := id.key()
			e.Bytes(key[:])
			return true
		})
	}
}

// loadStream reads a stream. Servers before 7.0 did not write the first
// identifier, the highest deleted one and how many entries there were; those from
// 7.2 on also write when a consumer last got something, of which 7.0 knows
// nothing (redis 7.0.15 rdb.c rdbLoadObject).
func loadStream(d *rdb.Decoder, kind byte, l *Limits) Collection {
	s := &EntryLog{limits: l}
	live := 0
	for n := d.Count("a stream"); n > 0 && d.OK(); n-- {
		node := loadStreamNode(d)
		if node == nil {
			return s
		}
		if _, there := s.place(node.master); there {
			d.Fail("Listpack re-added with existing key")
			return s
		}
		s.addNode(node)
		live += node.live
	}
	s.live = int(d.Len("a stream's length"))
	s.Last = loadID(d)
	if kind == rdb.TypeStream {
		s.Added = uint64(s.live)
		s.First = MaxStreamID
		if id, ok := s.End(true); ok {
			s.First = id
		}
	} else {
		s.First = loadID(d)
		s.MaxDeleted = loadID(d)
		s.Added = d.Len("a stream's entries")
	}
	if d.OK() && s.live != live {
		d.Fail("Stream length inconsistent with rax entries")
	}
	for n := d.Count("a stream's groups"); n > 0 && d.OK(); n-- {
		s.loadGroup(d, kind)
	}
	return s
}

func loadID(d *rdb.Decoder) StreamID {
	return StreamID{d.Len("a stream identifier"), d.Len("a stream identifier")}
}

func loadKey(d *rdb.Decoder) StreamID {
	if key := d.Bytes(16, "a stream identifier"); key != nil {
		return streamIDOf(key)
	}
	return StreamID{}
}

// loadStreamNode reads a node; nil after an error.
func loadStreamNode(d *rdb.Decoder) *streamNode {
	key := d.Str("a stream node's key")
	if d.OK() && len(key) != 16 {
		d.Fail("Stream node key entry is not the size of a stream ID")
	}
	elems := d.Listpack(nil, "a stream node")
	if !d.OK() {
		return nil
	}
	n := &streamNode{master: streamIDOf(key)}
	if !n.unpack(elems) {
		d.Fail("Stream listpack integrity check failed.")
		return nil
	}
	return n
}

// unpack takes a node's listpack apart and reports whether it makes sense (redis
// 7.0.15 t_stream.c streamValidateListpackIntegrity, deep; the two counts are
// held against the entries besides).
func (n *streamNode) unpack(elems [][]byte) bool {
	good := true
	number := func() (v int64) {
		if len(elems) > 0 {
			v, good = CanonicalInt(elems[0])
			elems = elems[1:]
			return v
		}
		good = false
		return 0
	}
	words := func(n int64) (w [][]byte) {
		if n < 0 || n > int64(len(elems)) {
			good = false
			return nil
		}
		w, elems = elems[:n:n], elems[n:]
		return w
	}
	numbers := func(into ...*int64) bool {
		for _, v := range into {
			if *v = number(); !good {
				return false
			}
		}
		return true
	}
	var live, deleted, fields, zero int64
	if !numbers(&live, &deleted, &fields) {
		return false
	}
	n.names = words(fields)
	if !good || !numbers(&zero) || zero != 0 {
		return false
	}
	n.body = masterSize(n.names)
	for len(elems) > 0 {
		var flags, ms, seq, count int64
		if !numbers(&flags, &ms, &seq) || flags&^(entryDeleted|entrySameFields) != 0 {
			return false
		}
		e := StreamEntry{ID: StreamID{n.master.Ms + uint64(ms), n.master.Seq + uint64(seq)}, Names: n.names}
		e.deleted, e.same = flags&entryDeleted != 0, flags&entrySameFields != 0
		if e.same {
			e.Values = words(int64(len(n.names)))
		} else {
			if !numbers(&fields) || fields < 0 || fields > int64(len(elems))/2 {
				return false
			}
			e.Names, e.Values = make([][]byte, fields), make([][]byte, fields)
			for i := range e.Names {
				e.Names[i], e.Values[i] = elems[2*i], elems[2*i+1]
			}
			elems = elems[2*fields:]
		}
		if !good || !numbers(&count) || count != e.elements() {
			return false
		}
		if !e.deleted {
			n.live++
		}
		n.entries = append(n.entries, e)
		n.body += e.size(n.master)
	}
	return live == int64(n.live) && deleted == int64(len(n.entries)-n.live)
}

func (s *EntryLog) loadGroup(d *rdb.Decoder, kind byte) {
	name, last := d.Str("a group's name"), loadID(d)
	read := s.ReadUpTo(last)
	if kind != rdb.TypeStream {
		read = int64(d.Len("a group's entries"))
	}
	if !d.OK() {
		return
	}
	g := s.NewGroup(name, last, read)
	if g == nil {
		d.Fail("Duplicated consumer group name %s", name)
		return
	}
	for n := d.Count("a group's pending entries"); n > 0 && d.OK(); n-- {
		p := Pending{ID: loadKey(d), DeliveredMs: int64(d.Uint64("a delivery time")), Deliveries: d.Len("a number of deliveries")}
		if d.OK() && g.Find(p.ID) != nil {
			d.Fail("Duplicated global PEL entry loading stream consumer group")
		}
		g.pending.set(p)
	}
	owned := make(map[StreamID]bool, g.pending.n)
	for n := d.Count("a group's consumers"); n > 0 && d.OK(); n-- {
		g.loadConsumer(d, kind, owned)
	}
	if d.OK() && len(owned) != g.pending.n {
		d.Fail("Stream CG PEL entry without consumer")
	}
}

// loadConsumer reads a consumer. What is pending for it must be pending for the
// group, and for nobody else.
func (g *Group) loadConsumer(d *rdb.Decoder, kind byte, owned map[StreamID]bool) {
	name, seen := d.Str("a consumer's name"), int64(d.Uint64("a consumer's time"))
	if kind == rdb.TypeStream3 {
		d.Uint64("a consumer's time")
	}
	if !d.OK() {
		return
	}
	c := g.NewConsumer(name, seen)
	if c == nil {
		d.Fail("Duplicate stream consumer detected.")
		return
	}
	for n := d.Count("a consumer's pending entries"); n > 0 && d.OK(); n-- {
		id := loadKey(d)
		p := g.Find(id)
		switch {
		case !d.OK():
			return
		case p == nil:
			d.Fail("Consumer entry not found in group global PEL")
			return
		case owned[id]:
			d.Fail("Duplicated consumer PEL entry  loading a stream consumer group")
			return
		}
		owned[id] = true
		c.pending.set(id)
		mine := *p
		mine.Consumer = c.Name
		g.pending.set(mine)
	}
}
