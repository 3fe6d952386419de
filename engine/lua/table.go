package lua

import (
	"errors"
	"math"
	"math/bits"
)

// Table is a table: an array part and a hash part, which grow and are searched as
// those of lua 5.1 ltable.c, because the order of pairs and the border that # finds
// follow from it.
type Table struct {
	id       uint32
	arr      []Value
	node     []node // a power of two; none: empty
	lastFree int    // all nodes from here on are taken
	meta     *Table
	// ReadOnly is Redis's own addition: writing to it is an error.
	ReadOnly bool
}

type node struct {
	key, val Value
	next     int32 // in the chain, counted from 1; 0: none
}

// The errors of keys.
var (
	errNilKey = errors.New("table index is nil")
	errNaNKey = errors.New("table index is NaN")
	//lint:ignore ST1005 redis-server words it so
	errReadOnly = errors.New("Attempt to modify a readonly table")
)

const maxArray = 1 << 26

// NewTable makes an empty table with room for so many elements and fields.
func (s *State) NewTable(array, hash int) *Table {
	t := &Table{id: s.nextID()}
	if array > 0 {
		t.arr = make([]Value, array)
	}
	if hash > 0 {
		t.makeNodes(hash)
	}
	return t
}

func (t *Table) makeNodes(n int) {
	if n == 0 {
		t.node, t.lastFree = nil, 0
		return
	}
	size := 1 << bits.Len(uint(n-1))
	t.node, t.lastFree = make([]node, size), size
}

// Meta is the metatable, or nil.
func (t *Table) Meta() *Table { return t.meta }

// SetMeta gives the table a metatable.
func (t *Table) SetMeta(m *Table) { t.meta = m }

// mainPosition is where a key belongs.
func (t *Table) mainPosition(key Value) int {
	size := uint32(len(t.node))
	odd := (size - 1) | 1
	switch o := key.o.(type) {
	case *Str:
		return int(o.hashOf() & (size - 1))
	case number:
		if key.n == 0 {
			return 0
		}
		b := math.Float64bits(key.n)
		return int((uint32(b) + uint32(b>>32)) % odd)
	case bool:
		return btoi(o) & int(size-1)
	case *Table:
		return int(o.id % odd)
	case *Function:
		return int(o.id % odd)
	case *Thread:
		return int(o.id % odd)
	case *Pointer:
		return int(o.id % odd)
	}
	return 0
}

// find is the node of a key, or nil.
func (t *Table) find(key Value) *node {
	if len(t.node) == 0 {
		return nil
	}
	for i := t.mainPosition(key); ; {
		n := &t.node[i]
		if equal(n.key, key) {
			return n
		}
		if n.next == 0 {
			return nil
		}
		i = int(n.next - 1)
	}
}

// arrayIndex is a key's place in the array part if it may have one, from 1; else 0.
func arrayIndex(key Value) int {
	if _, ok := key.o.(number); !ok {
		return 0
	}
	k := int(key.n)
	if float64(k) != key.n || k < 1 || k > maxArray {
		return 0
	}
	return k
}

// Get is the value of a key, without metamethods.
func (t *Table) Get(key Value) Value {
	switch o := key.o.(type) {
	case nil:
		return Nil
	case *Str:
		return t.getStr(o)
	case number:
		return t.getNumber(key.n)
	}
	if n := t.find(key); n != nil {
		return n.val
	}
	return Nil
}

func (t *Table) getNumber(f float64) Value {
	if k := int(f); float64(k) == f && k >= 1 && k <= len(t.arr) {
		return t.arr[k-1]
	}
	if n := t.find(Number(f)); n != nil {
		return n.val
	}
	return Nil
}

func (t *Table) getStr(s *Str) Value {
	if len(t.node) == 0 {
		return Nil
	}
	for i := int(s.hashOf() & uint32(len(t.node)-1)); ; {
		n := &t.node[i]
		if k, ok := n.key.o.(*Str); ok && (k == s || k.s == s.s) {
			return n.val
		}
		if n.next == 0 {
			return Nil
		}
		i = int(n.next - 1)
	}
}

// Field is the value of a name.
func (t *Table) Field(name string) Value { return t.getStr(&Str{s: name}) }

// Index is the value of an integer key.
func (t *Table) Index(k int) Value { return t.getNumber(float64(k)) }

// SetField sets a name.
func (t *Table) SetField(name string, v Value) { _ = t.Set(String(name), v) }

// SetIndex sets an integer key.
func (t *Table) SetIndex(k int, v Value) { _ = t.Set(Number(float64(k)), v) }

// Set sets a key, without metamethods. The error is about the key.
func (t *Table) Set(key, v Value) error {
	if _, ok := key.o.(number); ok {
		if k := int(key.n); float64(k) == key.n && k >= 1 && k <= len(t.arr) {
			t.arr[k-1] = v
			return nil
		}
		if key.n != key.n {
			return errNaNKey
		}
	}
	if key.o == nil {
		return errNilKey
	}
	if n := t.find(key); n != nil {
		n.val = v
		return nil
	}
	t.insert(key, v)
	return nil
}

// insert adds a key that is not there (luaH_set, newkey). As in Lua, a new key
// takes its room even when its value is nil.
func (t *Table) insert(key, v Value) {
	if len(t.node) == 0 {
		t.rehash(key)
		_ = t.Set(key, v)
		return
	}
	mp := t.mainPosition(key)
	if t.node[mp].val.o != nil {
		free := t.freePosition()
		if free < 0 {
			t.rehash(key)
			_ = t.Set(key, v)
			return
		}
		other := t.mainPosition(t.node[mp].key)
		if other != mp { // it is there because its own place was taken: it moves
			for t.node[other].next != int32(mp+1) {
				other = int(t.node[other].next - 1)
			}
			t.node[other].next = int32(free + 1)
			t.node[free] = t.node[mp]
			t.node[mp] = node{}
		} else {
			t.node[free].next = t.node[mp].next
			t.node[mp].next = int32(free + 1)
			mp = free
		}
	}
	t.node[mp].key, t.node[mp].val = key, v
}

func (t *Table) freePosition() int {
	for t.lastFree > 0 {
		t.lastFree--
		if t.node[t.lastFree].key.o == nil {
			return t.lastFree
		}
	}
	return -1
}

// rehash chooses new sizes so that more than half of the array part is used.
func (t *Table) rehash(extra Value) {
	var counts [27]int // of integer keys in (2^(i-1), 2^i]
	integers, total := 0, 0
	count := func(key Value) {
		if k := arrayIndex(key); k > 0 {
			counts[bits.Len(uint(k-1))]++
			integers++
		}
		total++
	}
	for i, v := range t.arr {
		if v.o != nil {
			count(Number(float64(i + 1)))
		}
	}
	for i := range t.node {
		if t.node[i].val.o != nil {
			count(t.node[i].key)
		}
	}
	count(extra)
	size, inArray := 0, 0
	for i, power, below := 0, 1, 0; power/2 < integers; i, power = i+1, power*2 {
		if counts[i] > 0 {
			below += counts[i]
			if below > power/2 {
				size, inArray = power, below
			}
		}
		if below == integers {
			break
		}
	}
	t.resize(size, total-inArray)
}

func (t *Table) resize(array, hash int) {
	old, oldArr := t.node, t.arr
	t.makeNodes(hash)
	switch {
	case array > len(t.arr):
		arr := make([]Value, array)
		copy(arr, t.arr)
		t.arr = arr
	case array < len(t.arr):
		t.arr = append([]Value(nil), t.arr[:array]...)
		for i := array; i < len(oldArr); i++ {
			if oldArr[i].o != nil {
				_ = t.Set(Number(float64(i+1)), oldArr[i])
			}
		}
	}
	for i := len(old) - 1; i >= 0; i-- {
		if old[i].val.o != nil {
			_ = t.Set(old[i].key, old[i].val)
		}
	}
}

// growArray makes room in the array part (luaH_resizearray).
func (t *Table) growArray(n int) {
	if n > len(t.arr) {
		hash := len(t.node)
		t.resize(n, hash)
	}
}

// Len is a border: an index with a value whose successor has none (luaH_getn).
func (t *Table) Len() int {
	j := len(t.arr)
	if j > 0 && t.arr[j-1].o == nil {
		i := 0
		for j-i > 1 {
			if m := (i + j) / 2; t.arr[m-1].o == nil {
				j = m
			} else {
				i = m
			}
		}
		return i
	}
	if len(t.node) == 0 {
		return j
	}
	i := j
	for j++; t.Index(j).o != nil; {
		i = j
		j *= 2
		if j > math.MaxInt32-2 { // built to be slow: the plain way
			for i = 1; t.Index(i).o != nil; i++ {
			}
			return i - 1
		}
	}
	for j-i > 1 {
		if m := (i + j) / 2; t.Index(m).o == nil {
			j = m
		} else {
			i = m
		}
	}
	return i
}

// Next is the pair behind a key, nil to begin; ok is false when the key is none
// of the table. The end is a nil key.
func (t *Table) Next(key Value) (k, v Value, ok bool) {
	i := 0
	if key.o != nil {
		if i = arrayIndex(key); i == 0 || i > len(t.arr) {
			n := t.find(key)
			if n == nil {
				return Nil, Nil, false
			}
			i = len(t.arr) + t.indexOf(key) + 1
		}
	}
	for ; i < len(t.arr); i++ {
		if t.arr[i].o != nil {
			return Number(float64(i + 1)), t.arr[i], true
		}
	}
	for i -= len(t.arr); i < len(t.node); i++ {
		if n := &t.node[i]; n.val.o != nil {
			return n.key, n.val, true
		}
	}
	return Nil, Nil, true
}

// indexOf is where a key's node is, which is there.
func (t *Table) indexOf(key Value) int {
	i := t.mainPosition(key)
	for !equal(t.node[i].key, key) {
		i = int(t.node[i].next - 1)
	}
	return i
}
