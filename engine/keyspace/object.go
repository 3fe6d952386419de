package keyspace

import (
	"strconv"

	"github.com/torntail/torntail/engine/rdb"
)

// Kind is the type of a value. The numbers are those of redis 7.0.15 server.h
// OBJ_STRING and so on, plus one. All but String have a file that makes them known
// (register).
type Kind uint8

// The kinds; None marks a free slot and is never the kind of a stored value.
const (
	None Kind = iota
	String
	List
	Set
	ZSet
	Hash
	module // has no values here
	Stream
)

var kindNames = [256]string{None: "none", String: "string"}

// Name is the word of the TYPE command.
func (k Kind) Name() string { return kindNames[k] }

// forms are how values are read from a snapshot, by their types there.
var forms [256]struct {
	kind Kind
	load func(d *rdb.Decoder, kind byte, l *Limits) Collection
}

// register makes a kind of collections known: its name, how it is read from a snapshot,
// and the types that it has there. It is called from init functions only.
func register(k Kind, name string, load func(d *rdb.Decoder, kind byte, l *Limits) Collection, types ...byte) {
	kindNames[k] = name
	for _, t := range types {
		forms[t].kind, forms[t].load = k, load
	}
}

// Object is a stored value. Byte slices in it never change once stored: a
// command that changes a value stores a new slice, so that replies, snapshots
// and the append-only file may go on using the old one.
type Object struct {
	Kind Kind
	form form
	// Access is when the value was last used, or how often, as the policy of
	// maxmemory has it (redis 7.0.15 server.h robj.lru, 24 bits).
	Access uint32
	Str    []byte     // the value of a String
	Coll   Collection // the value of any other kind, never empty
}

// Collection is the value of a key of any kind but String. Each kind has a file
// of its own here, which says how it is held, when its encoding changes, and
// what form it has in a snapshot, in a rewritten append-only file and in the
// digest.
//
// A collection belongs to the keyspace. It is changed only through DB's Edit
// methods, which put a fork in its place while a snapshot holds it.
type Collection interface {
	// Len is the number of elements, for the type's own command of that sense.
	Len() int
	// Encoding is what OBJECT ENCODING answers.
	Encoding() string
	// Elements gives what the type's own command answers that reads the whole, such
	// as HGETALL: nested arrays one after the other. add may not keep it.
	Elements(add func(elem []byte))

	// weighed is what memory is reckoned for it, and bytes reckons anew, from so many of
	// its elements; 0: all.
	weighed() *weight
	bytes(samples int) int64

	// generation is the keyspace's when the collection was made or forked.
	generation() uint64
	// fork is a copy to be changed while the receiver, which nobody changes any
	// more, is read by a snapshot. It shares what it can with the receiver.
	fork(gen uint64) Collection
	// clone is a copy that is changed while the receiver is changed too, for COPY.
	// They may share what is older than gen on both sides.
	clone(gen uint64) Collection
	// digest adds the elements to a key's digest (redis 7.0.15 debug.c
	// xorObjectDigest).
	digest(d *[20]byte)
	// rebuild emits the commands of a rewritten append-only file (redis 7.0.15
	// aof.c rewriteListObject and so on). emit may not keep argv.
	rebuild(key []byte, emit func(argv [][]byte))
	// rdbType and saveRDB are the form in a snapshot (redis 7.0.15 rdb.c
	// rdbSaveObjectType, rdbSaveObject).
	rdbType() byte
	saveRDB(e *rdb.Encoder)
}

// form is how Redis would hold a String, where its text does not say so.
type form uint8

const (
	formAuto form = iota // a number if it is one, else as formText
	formOwn              // as formAuto, but never a number that all share
	formText             // embstr or raw, by its length
	formRaw              // raw
)

// longestEmbstr is the longest string that is embedded in its object, in bytes
// (redis 7.0.15 object.c OBJ_ENCODING_EMBSTR_SIZE_LIMIT).
const longestEmbstr = 44

// StringObject makes a string value. The slice belongs to the keyspace afterwards.
func StringObject(b []byte) Object { return Object{Kind: String, Str: b} }

// TextObject makes a string value that is not held as a number even if it is
// one: what INCRBYFLOAT stores.
func TextObject(b []byte) Object { return Object{Kind: String, form: formText, Str: b} }

// RawObject makes a string value that was changed in place: what APPEND,
// SETRANGE and SETBIT store.
func RawObject(b []byte) Object { return Object{Kind: String, form: formRaw, Str: b} }

// Encoding is what OBJECT ENCODING answers.
func (o *Object) Encoding() string {
	if o.Kind != String {
		return o.Coll.Encoding()
	}
	if _, ok := CanonicalInt(o.Str); ok && o.form <= formOwn {
		return "int"
	}
	if len(o.Str) <= longestEmbstr && o.form != formRaw {
		return "embstr"
	}
	return "raw"
}

// sharedIntegers are the small numbers of which Redis has one object each
// (OBJ_SHARED_INTEGERS).
const sharedIntegers = 10000

// Shared reports whether Redis would hold the value, unless the policy of maxmemory
// forbids it, as an object that all keys with the same number share, and which number
// that is.
func (o *Object) Shared() (n int64, ok bool) {
	if o.Kind != String || o.form != formAuto || len(o.Str) > 4 {
		return 0, false
	}
	for _, digit := range o.Str { // every string that is used comes by here
		if digit < '0' || digit > '9' {
			return 0, false
		}
		n = n*10 + int64(digit-'0')
	}
	return n, len(o.Str) == 1 || len(o.Str) > 1 && o.Str[0] != '0'
}

// CanonicalInt returns the integer whose decimal form b is, byte for byte
// (redis 7.0.15 util.c string2ll).
func CanonicalInt(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 20 || b[0] != '-' && (b[0] < '0' || b[0] > '9') {
		return 0, false
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, false
	}
	var digits [20]byte
	return n, string(strconv.AppendInt(digits[:0], n, 10)) == string(b)
}

// Clone is a copy of a value, to be stored under another key of the keyspace.
func (k *Keyspace) Clone(o *Object) Object {
	c := Object{Kind: o.Kind, form: max(o.form, formOwn), Str: o.Str}
	if o.Coll != nil {
		k.gen++ // so that what both share is older than either
		c.Coll = o.Coll.clone(k.gen)
		*c.Coll.weighed() = weight{}
	}
	return c
}

// Rebuild emits the commands that make a collection anew.
func (o *Object) Rebuild(key []byte, emit func(argv [][]byte)) { o.Coll.rebuild(key, emit) }

// itemsPerCommand is how many elements a rewrite puts into one command (redis
// 7.0.15 aof.c AOF_REWRITE_ITEMS_PER_CMD).
const itemsPerCommand = 64
