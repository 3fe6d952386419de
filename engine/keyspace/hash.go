package keyspace

import (
	"github.com/torntail/torntail/engine/rdb"
)

func init() {
	register(Hash, "hash", loadHash, rdb.TypeHash, rdb.TypeZipmap, rdb.TypeHashZiplist, rdb.TypeHashListpack)
}

// HashMap is the value of a Hash: as Redis's, a listpack while it is small and
// its fields are short, a hash table for ever after.
type HashMap struct {
	weight
	gen    uint64
	limits *Limits
	small  []Field // in the order of insertion
	large  *dict[Field]
}

// Field is a field of a hash.
type Field struct {
	Name  string
	Value []byte
}

func (f Field) name() string { return f.Name }

// Hash is the hash that an object of that kind holds.
func (o *Object) Hash() *HashMap { return o.Coll.(*HashMap) }

// EditHash returns the hash at key for changing, nil when there is none or the
// key holds something else. A hash that becomes empty must be deleted.
func (db *DB) EditHash(key []byte) *HashMap {
	h, _ := db.edit(key, Hash).(*HashMap)
	return h
}

// NewHash stores an empty hash under a key that does not exist and returns it
// for filling.
func (db *DB) NewHash(key []byte) *HashMap {
	h := &HashMap{gen: db.ks.gen, limits: db.ks.limits}
	db.add(string(key), Object{Kind: Hash, Coll: h}, false)
	return h
}

// Encoding is what OBJECT ENCODING answers.
func (h *HashMap) Encoding() string {
	if h.large != nil {
		return "hashtable"
	}
	return "listpack"
}

// Len is the number of fields.
func (h *HashMap) Len() int {
	if h.large != nil {
		return h.large.n
	}
	return len(h.small)
}

// Elements implements Collection: each field and its value.
func (h *HashMap) Elements(add func(elem []byte)) {
	h.Each(func(f *Field) bool {
		add([]byte(f.Name))
		add(f.Value)
		return true
	})
}

func (h *HashMap) find(name []byte) int {
	if h.large != nil {
		return h.large.find(name)
	}
	for i := range h.small {
		if h.small[i].Name == string(name) {
			return i
		}
	}
	return -1
}

// At is the field at position i, 0 <= i < Len: for drawing one. It must not be changed.
func (h *HashMap) At(i int) *Field {
	if h.large != nil {
		return h.large.at(i)
	}
	return &h.small[i]
}

// Get returns a field's value.
func (h *HashMap) Get(name []byte) (value []byte, ok bool) {
	if i := h.find(name); i >= 0 {
		return h.At(i).Value, true
	}
	return nil, false
}

// Expect makes the hash large if one of the arguments of a command does not fit
// into a small one, be it stored or not (redis 7.0.15 t_hash.c
// hashTypeTryConversion).
func (h *HashMap) Expect(args [][]byte) {
	if h.large != nil {
		return
	}
	for _, a := range args {
		if int64(len(a)) > h.limits.HashValue {
			h.grow(0)
			return
		}
	}
}

// Set stores a field and reports whether it is new. The value belongs to the
// keyspace afterwards, the name does not.
func (h *HashMap) Set(name, value []byte) bool {
	if h.large == nil && (int64(len(name)) > h.limits.HashValue || int64(len(value)) > h.limits.HashValue) {
		h.grow(0)
	}
	i := h.find(name)
	switch {
	case i >= 0 && h.large != nil:
		h.large.edit(i).Value = value
		return false
	case i >= 0:
		h.small[i].Value = value
	case h.large != nil:
		h.large.add(Field{string(name), value})
		return true
	default:
		h.small = append(h.small, Field{string(name), value})
	}
	if int64(len(h.small)) > h.limits.HashEntries {
		h.grow(0)
	}
	return i < 0
}

// Delete removes a field and reports whether it was there.
func (h *HashMap) Delete(name []byte) bool {
	i := h.find(name)
	switch {
	case i < 0:
		return false
	case h.large != nil:
		h.large.remove(i)
	default:
		copy(h.small[i:], h.small[i+1:])
		h.small[len(h.small)-1] = Field{}
		h.small = h.small[:len(h.small)-1]
	}
	return true
}

// Each calls f for every field until it returns false.
func (h *HashMap) Each(f func(f *Field) bool) {
	if h.large != nil {
		h.large.each(f)
		return
	}
	for i := range h.small {
		if !f(&h.small[i]) {
			return
		}
	}
}

// Scan is HSCAN's step: a small hash is met at once.
func (h *HashMap) Scan(cursor uint64, count int, f func(f *Field)) uint64 {
	if h.large != nil {
		return h.large.scan(cursor, count, f)
	}
	for i := range h.small {
		f(&h.small[i])
	}
	return 0
}

// grow makes the hash large, with room for so many fields at least.
func (h *HashMap) grow(room int) {
	h.large = newDict[Field](h.gen, max(room, len(h.small)))
	for _, f := range h.small {
		h.large.add(f)
	}
	h.small = nil
}

func (h *HashMap) generation() uint64 { return h.gen }

func (h *HashMap) fork(gen uint64) Collection {
	f := &HashMap{gen: gen, limits: h.limits}
	if h.large != nil {
		f.large = h.large.fork(gen)
	} else {
		f.small = append(make([]Field, 0, len(h.small)+1), h.small...)
	}
	return f
}

func (h *HashMap) clone(gen uint64) Collection {
	if h.large == nil {
		return h.fork(gen)
	}
	return &HashMap{gen: gen, limits: h.limits, large: h.large.clone(gen)}
}

func (h *HashMap) digest(d *[20]byte) {
	h.Each(func(f *Field) bool {
		var field [20]byte
		mix(&field, []byte(f.Name))
		mix(&field, f.Value)
		xor(d, field[:])
		return true
	})
}

func (h *HashMap) rebuild(key []byte, emit func(argv [][]byte)) {
	argv := make([][]byte, 0, 2+2*itemsPerCommand)
	n := 0
	h.Each(func(f *Field) bool {
		if n%itemsPerCommand == 0 {
			if n > 0 {
				emit(argv)
			}
			argv = append(argv[:0], []byte("HMSET"), key)
		}
		argv = append(argv, []byte(f.Name), f.Value)
		n++
		return true
	})
	emit(argv)
}

func (h *HashMap) rdbType() byte {
	if h.large != nil {
		return rdb.TypeHash
	}
	return rdb.TypeHashListpack
}

func (h *HashMap) saveRDB(e *rdb.Encoder) {
	if h.large != nil {
		e.Len(uint64(h.large.n))
		h.large.each(func(f *Field) bool {
			e.Text(f.Name)
			e.Str(f.Value)
			return true
		})
		return
	}
	p := e.Pack()
	for i := range h.small {
		p.AppendText(h.small[i].Name)
		p.Append(h.small[i].Value)
	}
	e.Packed()
}

// loadHash reads a hash. One that comes as a packed form stays small whatever
// the length of its fields, as long as they are not too many; one that comes
// field by field becomes what it would by HSET (redis 7.0.15 rdb.c
// rdbLoadObject).
func loadHash(d *rdb.Decoder, kind byte, l *Limits) Collection {
	h := &HashMap{limits: l}
	if kind == rdb.TypeHash {
		n := d.Count("a hash")
		if int64(n) > l.HashEntries {
			h.grow(n)
		}
		for ; n > 0 && d.OK(); n-- {
			name, value := d.Str("a field"), d.Str("a value")
			if d.OK() && !h.Set(name, value) {
				d.Fail("Duplicate hash fields detected")
			}
		}
		return h
	}
	var elems [][]byte
	switch kind {
	case rdb.TypeHashZiplist:
		elems = d.Ziplist(nil, "a hash")
	case rdb.TypeZipmap:
		elems = d.Zipmap(nil, "a hash")
		h.Expect(elems) // the one packed form whose fields are measured
	default:
		elems = d.Listpack(nil, "a hash")
	}
	if len(elems)%2 != 0 {
		d.Fail("Hash listpack integrity check failed.")
		return h
	}
	h.fill(d, elems)
	return h
}

// fill takes over the fields of a packed form.
func (h *HashMap) fill(d *rdb.Decoder, elems [][]byte) {
	if h.large == nil && int64(len(elems)/2) > h.limits.HashEntries {
		h.grow(len(elems) / 2)
	}
	seen := make(map[string]bool, len(elems)/2)
	for i := 0; i+1 < len(elems); i += 2 {
		f := Field{string(elems[i]), elems[i+1]}
		if seen[f.Name] {
			d.Fail("Hash listpack integrity check failed.")
			return
		}
		seen[f.Name] = true
		if h.large != nil {
			h.large.add(f)
		} else {
			h.small = append(h.small, f)
		}
	}
}
