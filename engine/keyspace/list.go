package keyspace

import (
	"bytes"
	"slices"

	"github.com/torntail/torntail/engine/rdb"
)

func init() {
	register(List, "list", loadList, rdb.TypeList, rdb.TypeListZiplist, rdb.TypeListQuicklist, rdb.TypeListQuicklist2)
}

// Deque is a list: cheap at both ends, and by index.
type Deque struct {
	weight
	buf  [][]byte // elements are buf[head:]
	head int
	gen  uint64 // the keyspace's generation when the list was made or forked
	// buf[keepLo:keepHi] is also a snapshot's and may not be written. What is
	// pushed stands before or behind it, so that only a change in the middle, or a
	// push after a pop, copies the list.
	keepLo, keepHi int
}

// ListObject makes a list value of the given elements, first to last. The
// slices belong to the keyspace afterwards.
func ListObject(elems [][]byte) Object {
	return Object{Kind: List, Coll: &Deque{buf: elems}}
}

// ListObject makes a list value for this database. The slices belong to the
// keyspace afterwards.
func (db *DB) ListObject(elems [][]byte) Object {
	return Object{Kind: List, Coll: &Deque{buf: elems, gen: db.ks.gen}}
}

// List is the list that an object of that kind holds.
func (o *Object) List() *Deque { return o.Coll.(*Deque) }

// EditList returns the list at key for changing, nil when there is none or the
// key holds something else. A list that becomes empty must be deleted.
func (db *DB) EditList(key []byte) *Deque {
	l, _ := db.edit(key, List).(*Deque)
	return l
}

// NewList stores an empty list under a key that does not exist and returns it for filling.
func (db *DB) NewList(key []byte) *Deque {
	d := &Deque{gen: db.ks.gen}
	db.add(string(key), Object{Kind: List, Coll: d}, false)
	return d
}

// Encoding is always a list of listpacks.
func (d *Deque) Encoding() string { return "quicklist" }

// Len is the number of elements.
func (d *Deque) Len() int { return len(d.buf) - d.head }

// Elements implements Collection.
func (d *Deque) Elements(add func(elem []byte)) {
	for i := range d.Len() {
		add(d.At(i))
	}
}

// At returns element i, 0 <= i < Len.
func (d *Deque) At(i int) []byte { return d.buf[d.head+i] }

// PushBack appends an element.
func (d *Deque) PushBack(b []byte) {
	switch n := len(d.buf); {
	case n < d.keepHi:
		d.own()
	case n == cap(d.buf) && d.head > n/2: // a queue: what was popped takes the most room
		d.own()
	case n == cap(d.buf):
		d.keepLo, d.keepHi = 0, 0 // append makes a new one
	}
	d.buf = append(d.buf, b)
}

// PushFront puts an element before all others.
func (d *Deque) PushFront(b []byte) {
	if d.head == 0 || d.keeps(d.head-1) {
		// Room in front as large as the list, so that pushing costs constant
		// time in the long run.
		n := d.Len()
		room := max(n, 4)
		buf := make([][]byte, room+n, room+n+n/4)
		copy(buf[room:], d.buf[d.head:])
		d.buf, d.head = buf, room
		d.keepLo, d.keepHi = 0, 0
	}
	d.head--
	d.buf[d.head] = b
}

// PopFront removes and returns the first element; the list must not be empty.
func (d *Deque) PopFront() []byte {
	b := d.buf[d.head]
	if !d.keeps(d.head) {
		d.buf[d.head] = nil
	}
	d.head++
	return b
}

// PopBack removes and returns the last element; the list must not be empty.
func (d *Deque) PopBack() []byte {
	n := len(d.buf) - 1
	b := d.buf[n]
	if !d.keeps(n) {
		d.buf[n] = nil
	}
	d.buf = d.buf[:n]
	return b
}

// keeps reports whether a place of buf may not be written.
func (d *Deque) keeps(i int) bool { return i >= d.keepLo && i < d.keepHi }

// own makes all of the list this one's alone, with some room behind it.
func (d *Deque) own() {
	buf := make([][]byte, d.Len(), d.Len()+1+d.Len()/4)
	copy(buf, d.buf[d.head:])
	d.buf, d.head = buf, 0
	d.keepLo, d.keepHi = 0, 0
}

// ownAll is own for a change that may strike anywhere.
func (d *Deque) ownAll() {
	if d.keepHi > 0 {
		d.own()
	}
}

// Pop removes and returns the element at one end; the list must not be empty.
func (d *Deque) Pop(front bool) []byte {
	if front {
		return d.PopFront()
	}
	return d.PopBack()
}

// Push adds an element at one end.
func (d *Deque) Push(b []byte, front bool) {
	if front {
		d.PushFront(b)
	} else {
		d.PushBack(b)
	}
}

// Insert puts an element before element i, 0 <= i <= Len.
func (d *Deque) Insert(i int, b []byte) {
	d.ownAll()
	d.buf = slices.Insert(d.buf, d.head+i, b)
}

// Set replaces element i.
func (d *Deque) Set(i int, b []byte) {
	d.ownAll()
	d.buf[d.head+i] = b
}

// Trim keeps the elements [lo, hi).
func (d *Deque) Trim(lo, hi int) {
	end := d.head + hi
	if d.keepHi == 0 {
		clear(d.buf[d.head : d.head+lo])
		clear(d.buf[end:])
	}
	d.buf = d.buf[:end]
	d.head += lo
}

// Remove removes the elements equal to b, the first count of them, the last
// -count when count is negative, all when it is 0. It returns how many.
func (d *Deque) Remove(b []byte, count int) int {
	d.ownAll()
	elems := d.buf[d.head:]
	limit := count
	if count <= 0 {
		limit = -count
	}
	if limit == 0 {
		limit = len(elems)
	}
	skip := 0 // equal elements before the ones to remove
	if count < 0 {
		for _, e := range elems {
			if bytes.Equal(e, b) {
				skip++
			}
		}
		skip = max(skip-limit, 0)
	}
	kept := elems[:0]
	removed := 0
	for _, e := range elems {
		if removed < limit && bytes.Equal(e, b) {
			if skip == 0 {
				removed++
				continue
			}
			skip--
		}
		kept = append(kept, e)
	}
	clear(elems[len(kept):])
	d.buf = d.buf[:d.head+len(kept)]
	return removed
}

func (d *Deque) generation() uint64 { return d.gen }

// fork shares the buffer: the receiver is not written any more, and the fork
// writes only where no snapshot reads.
func (d *Deque) fork(gen uint64) Collection {
	lo, hi := d.head, len(d.buf)
	if d.keepHi > 0 {
		lo, hi = min(lo, d.keepLo), max(hi, d.keepHi)
	}
	return &Deque{buf: d.buf, head: d.head, gen: gen, keepLo: lo, keepHi: hi}
}

func (d *Deque) clone(gen uint64) Collection {
	c := *d
	c.gen = gen
	c.own()
	return &c
}

func (d *Deque) digest(sum *[20]byte) {
	for i := range d.Len() {
		mix(sum, d.At(i))
	}
}

func (d *Deque) rebuild(key []byte, emit func(argv [][]byte)) {
	argv := make([][]byte, 0, 2+itemsPerCommand)
	for i, n := 0, d.Len(); i < n; i += itemsPerCommand {
		argv = append(argv[:0], []byte("RPUSH"), key)
		for j := i; j < min(n, i+itemsPerCommand); j++ {
			argv = append(argv, d.At(j))
		}
		emit(argv)
	}
}

// maxListpack is how long a node may become, in bytes (list-max-listpack-size -2).
const maxListpack = 8192

func (d *Deque) rdbType() byte { return rdb.TypeListQuicklist2 }

// saveRDB writes a quicklist: as many nodes as its elements need at 8 KiB each.
// The count comes first, so the nodes are counted in a first pass over the
// lengths.
func (d *Deque) saveRDB(e *rdb.Encoder) {
	e.Len(uint64(d.countNodes(e.Pack())))
	for i := 0; i < d.Len(); {
		i = d.fillNode(e.Pack(), i)
		e.Len(nodePacked)
		e.Packed()
	}
}

// Nodes is how many nodes the list has in a snapshot.
func (d *Deque) Nodes() int { return d.countNodes(new(rdb.Listpack)) }

func (d *Deque) countNodes(p *rdb.Listpack) (nodes int) {
	for i := 0; i < d.Len(); nodes++ {
		p.Reset()
		i = d.fillNode(p, i)
	}
	return nodes
}

// fillNode puts elements from i on into a listpack until it is full, and returns
// the index of the first that is not in it. An element larger than a node has
// one of its own.
func (d *Deque) fillNode(p *rdb.Listpack, i int) int {
	for first := i; i < d.Len(); i++ {
		before := p.Size()
		p.Append(d.At(i))
		if i > first && p.Size() > maxListpack {
			p.Undo(before, 1)
			break
		}
	}
	return i
}

// Containers of a quicklist's nodes (redis 7.0.15 quicklist.h).
const (
	nodePlain  = 1
	nodePacked = 2
)

func loadList(d *rdb.Decoder, kind byte, _ *Limits) Collection {
	var elems [][]byte
	if kind == rdb.TypeListZiplist {
		return &Deque{buf: d.Ziplist(nil, "a list")}
	}
	for n := d.Count("a list"); n > 0 && d.OK(); n-- {
		container := uint64(nodePlain)
		if kind == rdb.TypeListQuicklist {
			elems = d.Ziplist(elems, "a list node")
			continue
		}
		if kind == rdb.TypeListQuicklist2 {
			container = d.Len("a list node")
		}
		switch container {
		case nodePlain:
			e := d.Str("a list element")
			if len(e) == 0 && kind == rdb.TypeListQuicklist2 {
				d.Fail("Quicklist integrity check failed: an empty node")
			}
			elems = append(elems, e)
		case nodePacked:
			elems = d.Listpack(elems, "a list node")
		default:
			d.Fail("Quicklist integrity check failed: container %d", container)
		}
	}
	return &Deque{buf: elems}
}
