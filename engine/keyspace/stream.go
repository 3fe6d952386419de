package keyspace

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"strconv"

	"github.com/torntail/torntail/engine/rdb"
)

// StreamID identifies an entry of a stream: a Unix time in milliseconds, and a
// number among the entries of that millisecond.
type StreamID struct{ Ms, Seq uint64 }

// MaxStreamID is the last there can be.
var MaxStreamID = StreamID{math.MaxUint64, math.MaxUint64}

// Compare is -1, 0 or 1 as a is before b, equal to it or after it.
func (a StreamID) Compare(b StreamID) int {
	if c := cmp.Compare(a.Ms, b.Ms); c != 0 {
		return c
	}
	return cmp.Compare(a.Seq, b.Seq)
}

func (a StreamID) before(b StreamID) bool { return a.Compare(b) < 0 }

// IsZero reports whether it is 0-0, which no entry has.
func (a StreamID) IsZero() bool { return a == StreamID{} }

// Next is the one after a. There is none after the last: ok is false then, and
// next is 0-0.
func (a StreamID) Next() (next StreamID, ok bool) {
	if a.Seq < math.MaxUint64 {
		return StreamID{a.Ms, a.Seq + 1}, true
	}
	return StreamID{a.Ms + 1, 0}, a.Ms < math.MaxUint64
}

// Previous is the one before a. There is none before 0-0: ok is false then, and
// previous is the last of all.
func (a StreamID) Previous() (previous StreamID, ok bool) {
	if a.Seq > 0 {
		return StreamID{a.Ms, a.Seq - 1}, true
	}
	return StreamID{a.Ms - 1, math.MaxUint64}, a.Ms > 0
}

// Append appends its text: "1526919030474-55".
func (a StreamID) Append(dst []byte) []byte {
	dst = append(strconv.AppendUint(dst, a.Ms, 10), '-')
	return strconv.AppendUint(dst, a.Seq, 10)
}

// Bytes is its text.
func (a StreamID) Bytes() []byte { return a.Append(make([]byte, 0, 24)) }

// EntryLog is the value of a Stream: entries in the order of their identifiers,
// and the groups of consumers that read them.
//
// Entries stand in nodes, each a listpack in Redis and in a snapshot. Where a
// node ends can be seen (MAXLEN ~ removes whole nodes only), and so can it that
// an entry which is deleted stays in its node, marked, until all of the node
// goes. Both are kept here as redis 7.0.15 t_stream.c keeps them.
type EntryLog struct {
	weight
	gen    uint64
	own    uint64 // the generation of nodes and groups that are this log's alone
	limits *Limits
	nodes  []*streamNode // by master
	live   int
	groups []*Group // by name

	First      StreamID // of the first entry; 0-0 in an empty stream
	Last       StreamID // the highest ever given, or what XSETID says
	MaxDeleted StreamID // the highest that XDEL has removed
	Added      uint64   // how many entries there ever were
}

// streamNode holds entries that came one after the other. The names of the first
// one's fields are told once for all entries that have the same.
type streamNode struct {
	gen     uint64
	master  StreamID // of the first, as it was added
	names   [][]byte
	entries []StreamEntry
	live    int // those that are not deleted
	body    int // bytes of the listpack's elements, but for the two counts in front
}

// StreamEntry is an entry of a stream: its fields in the order in which they
// were given, values beside names.
type StreamEntry struct {
	ID            StreamID
	Names, Values [][]byte
	same          bool // Names are the node's
	deleted       bool
}

// maxStreamNode is how long a node may become whatever the limits say, and how
// much an entry may hold, in bytes (redis 7.0.15 t_stream.c
// STREAM_LISTPACK_MAX_SIZE).
const maxStreamNode = 1 << 30

// Stream is the log that an object of that kind holds.
func (o *Object) Stream() *EntryLog { return o.Coll.(*EntryLog) }

// EditStream returns the log at key for changing, nil when there is none or the
// key holds something else. One that becomes empty stays.
func (db *DB) EditStream(key []byte) *EntryLog {
	s, _ := db.edit(key, Stream).(*EntryLog)
	return s
}

// NewStream stores an empty log under a key that does not exist and returns it
// for filling.
func (db *DB) NewStream(key []byte) *EntryLog {
	s := &EntryLog{gen: db.ks.gen, own: db.ks.gen, limits: db.ks.limits}
	db.add(string(key), Object{Kind: Stream, Coll: s}, false)
	return s
}

// Encoding is always "stream".
func (s *EntryLog) Encoding() string { return "stream" }

// Len is the number of entries.
func (s *EntryLog) Len() int { return s.live }

// Elements implements Collection: of each entry its identifier, a field and a value, as often as it has fields.
func (s *EntryLog) Elements(add func(elem []byte)) {
	s.Range(StreamID{}, MaxStreamID, false, func(e *StreamEntry) bool {
		for i := range e.Names {
			add(e.ID.Bytes())
			add(e.Names[i])
			add(e.Values[i])
		}
		return true
	})
}

// Nodes is how many nodes there are.
func (s *EntryLog) Nodes() int { return len(s.nodes) }

// TooLarge reports whether an entry of these fields and values is too large to
// be stored.
func TooLarge(fields [][]byte) bool {
	total := 0
	for _, f := range fields {
		total += len(f)
	}
	return total > maxStreamNode
}

// Append adds an entry, which must be after Last. Fields are names and values by
// turns; they belong to the keyspace afterwards.
func (s *EntryLog) Append(id StreamID, fields [][]byte) {
	e := StreamEntry{ID: id, Names: make([][]byte, len(fields)/2), Values: make([][]byte, len(fields)/2)}
	size := 0
	for i := range e.Names {
		e.Names[i], e.Values[i] = fields[2*i], fields[2*i+1]
		size += len(e.Names[i]) + len(e.Values[i])
	}
	last := len(s.nodes) - 1
	if last < 0 || s.nodes[last].full(size, s.limits) {
		last = s.addNode(&streamNode{gen: s.own, master: id, names: e.Names, body: masterSize(e.Names)})
	}
	n := s.edit(last)
	if e.same = slices.EqualFunc(e.Names, n.names, func(a, b []byte) bool { return string(a) == string(b) }); e.same {
		e.Names = n.names
	}
	n.entries = append(n.entries, e)
	n.live++
	n.body += e.size(n.master)
	s.live++
	s.Added++
	s.Last = id
	if s.live == 1 {
		s.First = id
	}
}

// addNode puts a node in its place and returns where that is: the end, unless
// XSETID has led identifiers back behind nodes of deleted entries.
func (s *EntryLog) addNode(n *streamNode) int {
	i, there := s.place(n.master)
	if there {
		s.nodes[i] = n
	} else {
		s.nodes = slices.Insert(s.nodes, i, n)
	}
	return i
}

// place is where the node of a master is, or would be.
func (s *EntryLog) place(master StreamID) (i int, there bool) {
	i = sort.Search(len(s.nodes), func(i int) bool { return !s.nodes[i].master.before(master) })
	return i, i < len(s.nodes) && s.nodes[i].master == master
}

// edit makes a node this log's alone.
func (s *EntryLog) edit(i int) *streamNode {
	n := s.nodes[i]
	if n.gen != s.own {
		c := *n
		c.gen = s.own
		c.entries = append(make([]StreamEntry, 0, len(n.entries)+1+len(n.entries)/4), n.entries...)
		n = &c
		s.nodes[i] = n
	}
	return n
}

// full reports whether the next entry, whose fields have size bytes, begins a
// node of its own.
func (n *streamNode) full(size int, l *Limits) bool {
	limit := l.StreamBytes
	if limit == 0 || limit > maxStreamNode {
		limit = maxStreamNode
	}
	return int64(n.size()+size) >= limit || l.StreamNode != 0 && int64(len(n.entries)) >= l.StreamNode
}

// size is the length of the listpack, in bytes.
func (n *streamNode) size() int {
	return rdb.ListpackFrame + rdb.IntSize(int64(n.live)) + rdb.IntSize(int64(len(n.entries)-n.live)) + n.body
}

// masterSize is what the names of a node's first entry take, with their number
// and the end mark.
func masterSize(names [][]byte) int {
	size := rdb.IntSize(int64(len(names))) + rdb.IntSize(0)
	for _, name := range names {
		size += rdb.ElementSize(name)
	}
	return size
}

// size is what an entry takes in its node's listpack, in bytes.
func (e *StreamEntry) size(master StreamID) int {
	size := rdb.IntSize(e.flags()) + rdb.IntSize(int64(e.ID.Ms-master.Ms)) + rdb.IntSize(int64(e.ID.Seq-master.Seq)) + rdb.IntSize(e.elements())
	if !e.same {
		size += rdb.IntSize(int64(len(e.Names)))
		for _, name := range e.Names {
			size += rdb.ElementSize(name)
		}
	}
	for _, v := range e.Values {
		size += rdb.ElementSize(v)
	}
	return size
}

// Flags of an entry in a listpack (redis 7.0.15 stream.h).
const (
	entryDeleted    = 1
	entrySameFields = 2
)

func (e *StreamEntry) flags() (f int64) {
	if e.deleted {
		f |= entryDeleted
	}
	if e.same {
		f |= entrySameFields
	}
	return f
}

// elements is how many elements of a listpack an entry has before the last,
// which tells that number.
func (e *StreamEntry) elements() int64 {
	n := int64(3 + len(e.Values))
	if !e.same {
		n += 1 + int64(len(e.Names))
	}
	return n
}

// Range calls f for the entries from lo to hi, both included, backwards if
// wanted, until it returns false.
func (s *EntryLog) Range(lo, hi StreamID, backwards bool, f func(e *StreamEntry) bool) {
	edge := lo
	if backwards {
		edge = hi
	}
	i, there := s.place(edge)
	if !there {
		i = max(i-1, 0)
	}
	if !backwards {
		for ; i < len(s.nodes); i++ {
			entries := s.nodes[i].entries
			for j := range entries {
				e := &entries[j]
				if e.deleted || e.ID.before(lo) {
					continue
				}
				if hi.before(e.ID) || !f(e) {
					return
				}
			}
		}
		return
	}
	for i = min(i, len(s.nodes)-1); i >= 0; i-- {
		entries := s.nodes[i].entries
		for j := len(entries) - 1; j >= 0; j-- {
			e := &entries[j]
			if e.deleted || hi.before(e.ID) {
				continue
			}
			if e.ID.before(lo) || !f(e) {
				return
			}
		}
	}
}

// Get returns an entry, nil when there is none.
func (s *EntryLog) Get(id StreamID) (entry *StreamEntry) {
	s.Range(id, id, false, func(e *StreamEntry) bool {
		entry = e
		return false
	})
	return entry
}

// End is the identifier of the first entry, or of the last one; ok is false in
// an empty stream.
func (s *EntryLog) End(first bool) (id StreamID, ok bool) {
	s.Range(StreamID{}, MaxStreamID, !first, func(e *StreamEntry) bool {
		id, ok = e.ID, true
		return false
	})
	return id, ok
}

// FirstStored is the identifier of the first entry that is held, be it deleted
// or not; the last of all when nothing is.
func (s *EntryLog) FirstStored() StreamID {
	for _, n := range s.nodes {
		if len(n.entries) > 0 {
			return n.entries[0].ID
		}
	}
	return MaxStreamID
}

// Delete removes entries and returns how many of them there were (redis 7.0.15
// t_stream.c xdelCommand).
func (s *EntryLog) Delete(ids []StreamID) (deleted int) {
	for _, id := range ids {
		if !s.mark(id) {
			continue
		}
		deleted++
		if s.MaxDeleted.before(id) {
			s.MaxDeleted = id
		}
	}
	if deleted > 0 {
		s.findFirst()
	}
	return deleted
}

// mark marks an entry as deleted, or removes its node when it was the last one
// there.
func (s *EntryLog) mark(id StreamID) bool {
	i, there := s.place(id)
	if !there {
		i = max(i-1, 0)
	}
	for ; i < len(s.nodes); i++ {
		for j := range s.nodes[i].entries {
			e := &s.nodes[i].entries[j]
			if e.deleted || e.ID.before(id) {
				continue
			}
			if e.ID != id {
				return false
			}
			s.live--
			if s.nodes[i].live == 1 {
				s.nodes = slices.Delete(s.nodes, i, i+1)
				return true
			}
			n := s.edit(i)
			n.entries[j].deleted = true
			n.live--
			return true
		}
	}
	return false
}

// findFirst brings First up to date when entries have gone.
func (s *EntryLog) findFirst() { s.First, _ = s.End(true) }

// Trim says which entries to remove from the front.
type Trim struct {
	ByID   bool
	MinID  StreamID // those before it, ByID
	MaxLen int      // as many as there are more than that, otherwise
	Whole  bool     // whole nodes only
	Limit  int      // not more than that many; 0: no limit
}

// Trim removes entries from the front and returns how many (redis 7.0.15
// t_stream.c streamTrim).
func (s *EntryLog) Trim(t *Trim) (deleted int) {
	whole := 0 // nodes that go
	for ; whole < len(s.nodes); whole++ {
		n := s.nodes[whole]
		if !t.ByID && s.live <= t.MaxLen || t.Limit > 0 && deleted+n.live > t.Limit {
			break
		}
		goes := s.live-n.live >= t.MaxLen
		if t.ByID {
			goes = len(n.entries) > 0 && n.entries[len(n.entries)-1].ID.before(t.MinID)
		}
		if !goes {
			if !t.Whole {
				deleted += s.trimNode(whole, t)
			}
			break
		}
		s.live -= n.live
		deleted += n.live
	}
	s.nodes = slices.Delete(s.nodes, 0, whole)
	if s.live == 0 {
		s.First = StreamID{}
	} else if deleted > 0 {
		s.findFirst()
	}
	return deleted
}

// trimNode marks entries at the front of a node.
func (s *EntryLog) trimNode(i int, t *Trim) (deleted int) {
	n := s.edit(i)
	for j := range n.entries {
		e := &n.entries[j]
		if t.ByID && !e.ID.before(t.MinID) || !t.ByID && s.live <= t.MaxLen {
			break
		}
		if !e.deleted {
			e.deleted = true
			n.live--
			s.live--
			deleted++
		}
	}
	return deleted
}

// RadixNodes is how many nodes the radix tree has in which Redis keeps the
// listpacks, by the sixteen bytes of their masters.
func (s *EntryLog) RadixNodes() int {
	if len(s.nodes) == 0 {
		return 1
	}
	keys := make([][16]byte, len(s.nodes))
	for i, n := range s.nodes {
		keys[i] = n.master.key()
	}
	return radixNodes(keys, 0)
}

// radixNodes counts the nodes below and with the one at a depth that keys, which
// are sorted, have in common: a run of bytes without a fork is one node, and so
// is each fork and each key.
func radixNodes(keys [][16]byte, depth int) int {
	if len(keys) == 1 {
		if depth == len(keys[0]) {
			return 1
		}
		return 2
	}
	nodes := 1
	first, last := keys[0], keys[len(keys)-1]
	if first[depth] == last[depth] {
		nodes++
		for first[depth] == last[depth] {
			depth++
		}
	}
	for len(keys) > 0 {
		n := sort.Search(len(keys), func(i int) bool { return keys[i][depth] > keys[0][depth] })
		nodes += radixNodes(keys[:n], depth+1)
		keys = keys[n:]
	}
	return nodes
}

func (s *EntryLog) generation() uint64 { return s.gen }

func (s *EntryLog) fork(gen uint64) Collection {
	f := *s
	f.gen, f.own = gen, gen
	f.nodes = append(make([]*streamNode, 0, len(s.nodes)+1), s.nodes...)
	f.groups = slices.Clone(s.groups)
	return &f
}

func (s *EntryLog) clone(gen uint64) Collection {
	s.own = gen // neither may take what is older for its own
	return s.fork(gen)
}

func (s *EntryLog) digest(d *[20]byte) {
	s.Range(StreamID{}, MaxStreamID, false, func(e *StreamEntry) bool {
		id := append(strconv.AppendUint(nil, e.ID.Ms, 10), '.')
		mix(d, strconv.AppendUint(id, e.ID.Seq, 10))
		for i := range e.Names {
			mix(d, e.Names[i])
			mix(d, e.Values[i])
		}
		return true
	})
}
