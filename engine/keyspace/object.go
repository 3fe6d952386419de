package keyspace

import "bytes"

// Kind is the type of a value.
type Kind uint8

// The kinds; None marks a free slot and is never the kind of a stored value.
const (
	None Kind = iota
	String
	List
)

// Name is the word of the TYPE command.
func (k Kind) Name() string {
	switch k {
	case String:
		return "string"
	case List:
		return "list"
	}
	return "none"
}

// Object is a stored value. Byte slices in it never change once stored: a
// command that changes a value stores a new slice, so that replies, snapshots
// and the append-only file may go on using the old one.
type Object struct {
	Kind Kind
	Str  []byte // the value of a String
	List *Deque // the value of a List, never empty
}

// StringObject makes a string value. The slice belongs to the keyspace afterwards.
func StringObject(b []byte) Object { return Object{Kind: String, Str: b} }

// ListObject makes a list value of the given elements, first to last. The
// slices belong to the keyspace afterwards.
func ListObject(elems [][]byte) Object {
	return Object{Kind: List, List: &Deque{buf: elems}}
}

// Deque is a list: cheap at both ends, and by index.
type Deque struct {
	buf  [][]byte // elements are buf[head:]
	head int
	gen  uint64 // the keyspace's generation when buf was made
}

// Len is the number of elements.
func (d *Deque) Len() int { return len(d.buf) - d.head }

// At returns element i, 0 <= i < Len.
func (d *Deque) At(i int) []byte { return d.buf[d.head+i] }

// PushBack appends an element.
func (d *Deque) PushBack(b []byte) { d.buf = append(d.buf, b) }

// PushFront puts an element before all others.
func (d *Deque) PushFront(b []byte) {
	if d.head == 0 {
		// Room in front as large as the list, so that pushing costs constant
		// time in the long run.
		n := len(d.buf)
		room := max(n, 4)
		buf := make([][]byte, room+n, room+n+n/4)
		copy(buf[room:], d.buf)
		d.buf, d.head = buf, room
	}
	d.head--
	d.buf[d.head] = b
}

// PopFront removes and returns the first element; the list must not be empty.
func (d *Deque) PopFront() []byte {
	b := d.buf[d.head]
	d.buf[d.head] = nil
	d.head++
	return b
}

// PopBack removes and returns the last element; the list must not be empty.
func (d *Deque) PopBack() []byte {
	n := len(d.buf) - 1
	b := d.buf[n]
	d.buf[n] = nil
	d.buf = d.buf[:n]
	return b
}

// clone copies the list for writing; the elements are shared.
func (d *Deque) clone(gen uint64) *Deque {
	buf := make([][]byte, d.Len(), d.Len()+1+d.Len()/4)
	copy(buf, d.buf[d.head:])
	return &Deque{buf: buf, gen: gen}
}

// Set replaces element i.
func (d *Deque) Set(i int, b []byte) { d.buf[d.head+i] = b }

// Trim keeps the elements [lo, hi).
func (d *Deque) Trim(lo, hi int) {
	end := d.head + hi
	clear(d.buf[d.head : d.head+lo])
	clear(d.buf[end:])
	d.buf = d.buf[:end]
	d.head += lo
}

// Remove removes the elements equal to b, the first count of them, the last
// -count when count is negative, all when it is 0. It returns how many.
func (d *Deque) Remove(b []byte, count int) int {
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
