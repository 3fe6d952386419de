// Package fressian reads Fressian, the binary notation of Clojure's values in
// which Jepsen stores its tests (org.fressian.FressianReader, fressian 0.6; the
// tags are those of clojure.data.fressian and of jepsen.store.fressian). Values
// come out as those of package edn.
package fressian

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/torntail/torntail/checker/history/edn"
)

// Codes, as in org.fressian.impl.Codes. Integers are below 0x80, and 0xff.
const (
	cachePacked   = 0x80
	structPacked  = 0xa0
	longArray     = 0xb0
	doubleArray   = 0xb1
	booleanArray  = 0xb2
	intArray      = 0xb3
	floatArray    = 0xb4
	objectArray   = 0xb5
	codeMap       = 0xc0
	codeSet       = 0xc1
	codeUUID      = 0xc3
	codeRegex     = 0xc4
	codeURI       = 0xc5
	codeBigInt    = 0xc6
	codeBigDec    = 0xc7
	codeInst      = 0xc8
	codeSym       = 0xc9
	codeKey       = 0xca
	getCache      = 0xcc
	putCache      = 0xcd
	bytesPacked   = 0xd0
	bytesChunk    = 0xd8
	codeBytes     = 0xd9
	stringPacked  = 0xda
	stringChunk   = 0xe2
	codeString    = 0xe3
	listPacked    = 0xe4
	codeList      = 0xec
	closedList    = 0xed
	openList      = 0xee
	structType    = 0xef
	codeStruct    = 0xf0
	codeTrue      = 0xf5
	codeFalse     = 0xf6
	codeNull      = 0xf7
	codeInt       = 0xf8
	codeFloat     = 0xf9
	codeDouble    = 0xfa
	codeDouble0   = 0xfb
	codeDouble1   = 0xfc
	endCollection = 0xfd
	resetCaches   = 0xfe
	minusOne      = 0xff
)

const (
	maxDepth = 200
	// maxWeight is how large a value may be, in values and bytes of text, with
	// what it repeats from the cache counted each time.
	maxWeight = 16 << 20
	// maxBigInt is how long a whole number may be, in bytes: to write a longer one
	// takes time.
	maxBigInt = 1 << 12
)

// BlockRef is the name of the map {BlockRef id} that stands for a reference to
// another block of a Jepsen store.
const BlockRef = "block-ref"

// Reader reads the values of one block.
type Reader struct {
	data    []byte
	at      int
	cache   []item
	structs []structure
	// Most is how large one value may be, in values and bytes of text: maxWeight,
	// unless it is made less.
	Most int
	left int // that may still be built of the value at hand
}

// item is a value and its weight.
type item struct {
	v      edn.Value
	weight int
	making bool // still being read
}

type structure struct {
	tag    string
	fields int
}

// NewReader reads data, which must not change while values are in use.
func NewReader(data []byte) *Reader { return &Reader{data: data, Most: maxWeight} }

// Next is the next value, and io.EOF after the last. Errors name the offset.
func (r *Reader) Next() (*edn.Value, error) {
	if r.at == len(r.data) {
		return nil, io.EOF
	}
	r.left = r.Most
	it, err := r.object(0)
	if err != nil {
		return nil, fmt.Errorf("offset %d: %w", r.at, err)
	}
	return &it.v, nil
}

var errCut = errors.New("cut off")

func (r *Reader) byte() (byte, error) {
	if r.at >= len(r.data) {
		return 0, errCut
	}
	r.at++
	return r.data[r.at-1], nil
}

// bytes are the next n bytes.
func (r *Reader) bytes(n int64) ([]byte, error) {
	if n < 0 || n > int64(len(r.data)-r.at) {
		return nil, errCut
	}
	r.at += int(n)
	return r.data[r.at-int(n) : r.at], nil
}

// raw is an integer of so many bytes, big-endian.
func (r *Reader) raw(bytes int) (int64, error) {
	b, err := r.bytes(int64(bytes))
	n := uint64(0)
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return int64(n), err
}

// weigh takes the weight of something off what may be built.
func (r *Reader) weigh(n int) error {
	if r.left -= n; r.left < 0 {
		most, unit := r.Most, ""
		if most%(1<<20) == 0 {
			most, unit = most>>20, "Mi "
		}
		return fmt.Errorf("a value of more than %d %svalues and bytes", most, unit)
	}
	return nil
}

func number(n int64) edn.Value {
	return edn.Value{Kind: edn.Number, Text: strconv.AppendInt(nil, n, 10)}
}

func symbol(s string) edn.Value { return edn.Value{Kind: edn.Symbol, Text: []byte(s)} }

func (r *Reader) object(depth int) (item, error) {
	code, err := r.byte()
	if err != nil {
		return item{}, err
	}
	return r.coded(code, depth)
}

// coded reads what follows a code.
func (r *Reader) coded(code byte, depth int) (item, error) {
	if depth > maxDepth {
		return item{}, fmt.Errorf("values more than %d deep", maxDepth)
	}
	if n, ok, err := r.integer(code); ok || err != nil {
		return item{v: number(n), weight: 1}, err
	}
	switch {
	case code >= cachePacked && code < structPacked:
		return r.cached(int64(code - cachePacked))
	case code >= structPacked && code < longArray:
		return r.known(int64(code-structPacked), depth)
	case code >= bytesPacked && code < bytesChunk:
		return r.blob(int64(code-bytesPacked), false)
	case code >= stringPacked && code < stringChunk:
		return r.text(int64(code-stringPacked), false)
	case code >= listPacked && code < codeList:
		return r.list(int64(code-listPacked), depth)
	case code >= longArray && code <= objectArray:
		n, err := r.count()
		if err != nil {
			return item{}, err
		}
		return r.list(n, depth)
	}
	switch code {
	case codeNull:
		return item{weight: 1}, nil
	case codeTrue:
		return item{v: symbol("true"), weight: 1}, nil
	case codeFalse:
		return item{v: symbol("false"), weight: 1}, nil
	case codeFloat, codeDouble, codeDouble0, codeDouble1:
		return r.float(code)
	case codeBytes, bytesChunk:
		n, err := r.count()
		if err != nil {
			return item{}, err
		}
		return r.blob(n, code == bytesChunk)
	case codeString, stringChunk:
		n, err := r.count()
		if err != nil {
			return item{}, err
		}
		return r.text(n, code == stringChunk)
	case codeList:
		n, err := r.count()
		if err != nil {
			return item{}, err
		}
		return r.list(n, depth)
	case closedList, openList:
		return r.streamed(depth, code == openList)
	case putCache:
		place := len(r.cache)
		r.cache = append(r.cache, item{making: true})
		it, err := r.object(depth + 1)
		switch {
		case err != nil:
			return it, err
		case place >= len(r.cache):
			return it, errors.New("the cache is emptied inside of a value that it is to hold")
		}
		r.cache[place] = it
		return it, nil
	case getCache:
		n, err := r.count()
		if err != nil {
			return item{}, err
		}
		return r.cached(n)
	case structType:
		tag, err := r.object(depth + 1)
		if err != nil {
			return item{}, err
		}
		fields, err := r.count()
		if err != nil {
			return item{}, err
		}
		r.structs = append(r.structs, structure{string(tag.v.Text), int(fields)})
		return r.known(int64(len(r.structs)-1), depth)
	case codeStruct:
		n, err := r.count()
		if err != nil {
			return item{}, err
		}
		return r.known(n, depth)
	case resetCaches:
		r.cache, r.structs = r.cache[:0:0], r.structs[:0:0]
		return r.object(depth + 1)
	}
	if tag, ok := tags[code]; ok {
		return r.tagged(tag, depth)
	}
	return item{}, fmt.Errorf("code %#x: not one of a value", code)
}

// tags are the structures that have a code of their own.
var tags = map[byte]structure{
	codeMap: {"map", 1}, codeSet: {"set", 1}, codeUUID: {"uuid", 2}, codeRegex: {"regex", 1}, codeURI: {"uri", 1},
	codeBigInt: {"bigint", 1}, codeBigDec: {"bigdec", 2}, codeInst: {"inst", 1}, codeSym: {"sym", 2}, codeKey: {"key", 2},
}

// integer is one that the code begins; ok is false for other codes.
func (r *Reader) integer(code byte) (n int64, ok bool, err error) {
	packed := func(zero byte, bytes int) (int64, bool, error) {
		low, err := r.raw(bytes)
		return int64(int(code)-int(zero))<<(8*bytes) | low, true, err
	}
	switch {
	case code < 0x40:
		return int64(code), true, nil
	case code < 0x60:
		return packed(0x50, 1)
	case code < 0x70:
		return packed(0x68, 2)
	case code < 0x74:
		return packed(0x72, 3)
	case code < 0x78:
		return packed(0x76, 4)
	case code < 0x7c:
		return packed(0x7a, 5)
	case code < 0x80:
		return packed(0x7e, 6)
	case code == codeInt:
		n, err = r.raw(8)
		return n, true, err
	case code == minusOne:
		return -1, true, nil
	}
	return 0, false, nil
}

// count is an integer that says how much follows.
func (r *Reader) count() (int64, error) {
	code, err := r.byte()
	if err != nil {
		return 0, err
	}
	n, ok, err := r.integer(code)
	if err == nil && (!ok || n < 0 || n > math.MaxInt32) {
		err = fmt.Errorf("code %#x: want a count", code)
	}
	return n, err
}

func (r *Reader) float(code byte) (item, error) {
	f := 0.0
	switch code {
	case codeDouble1:
		f = 1
	case codeDouble:
		b, err := r.bytes(8)
		if err != nil {
			return item{}, err
		}
		f = math.Float64frombits(binary.BigEndian.Uint64(b))
	case codeFloat:
		b, err := r.bytes(4)
		if err != nil {
			return item{}, err
		}
		f = float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return item{v: symbol(strconv.FormatFloat(f, 'g', -1, 64)), weight: 1}, nil
	}
	text := strconv.AppendFloat(nil, f, 'g', -1, 64)
	if _, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		text = append(text, ".0"...)
	}
	return item{v: edn.Value{Kind: edn.Number, Text: text}, weight: 1}, nil
}

// blob are bytes; more chunks may follow.
func (r *Reader) blob(n int64, more bool) (item, error) {
	return r.chunks(n, more, func(code byte) (n int64, more bool, err error) {
		if code != bytesChunk && code != codeBytes {
			return 0, false, fmt.Errorf("code %#x: want the rest of some bytes", code)
		}
		n, err = r.count()
		return n, code == bytesChunk, err
	})
}

// text is a string; more chunks may follow.
func (r *Reader) text(n int64, more bool) (item, error) {
	return r.chunks(n, more, func(code byte) (n int64, more bool, err error) {
		switch {
		case code == stringChunk || code == codeString:
			n, err = r.count()
			return n, code == stringChunk, err
		case code < stringPacked || code > stringChunk:
			return 0, false, fmt.Errorf("code %#x: want the rest of a string", code)
		}
		return int64(code) - stringPacked, false, nil
	})
}

// chunks are n bytes, and while there are more as many as next says that follow a code.
func (r *Reader) chunks(n int64, more bool, next func(code byte) (n int64, more bool, err error)) (item, error) {
	all, err := r.bytes(n)
	for more && err == nil {
		var code byte
		if code, err = r.byte(); err != nil {
			break
		}
		if n, more, err = next(code); err != nil {
			break
		}
		var part []byte
		part, err = r.bytes(n)
		all = append(all[:len(all):len(all)], part...)
	}
	if err == nil {
		err = r.weigh(len(all))
	}
	return item{v: edn.Value{Kind: edn.String, Text: all}, weight: 1 + len(all)}, err
}

func (r *Reader) list(n int64, depth int) (item, error) {
	if n > int64(len(r.data)-r.at) { // each takes a byte at least
		return item{}, errCut
	}
	out := item{v: edn.Value{Kind: edn.Vector, Items: make([]edn.Value, 0, min(n, 64))}, weight: 1}
	for range n {
		it, err := r.object(depth + 1)
		if err != nil {
			return out, err
		}
		if err := r.push(&out, it); err != nil {
			return out, err
		}
	}
	return out, nil
}

// push adds an element to a collection.
func (r *Reader) push(to *item, it item) error {
	to.v.Items = append(to.v.Items, it.v)
	to.weight += it.weight
	if to.weight > maxWeight {
		most, unit := r.Most, ""
		if most%(1<<20) == 0 {
			most, unit = most>>20, "Mi "
		}
		return fmt.Errorf("a value of more than %d %svalues and bytes", most, unit)
	}
	return r.weigh(1)
}

// streamed is a list up to its end; an open one may end with the data.
func (r *Reader) streamed(depth int, open bool) (item, error) {
	out := item{v: edn.Value{Kind: edn.Vector}, weight: 1}
	for {
		if open && r.at == len(r.data) {
			return out, nil
		}
		code, err := r.byte()
		if err != nil {
			return out, err
		}
		if code == endCollection {
			return out, nil
		}
		it, err := r.coded(code, depth+1)
		if err != nil {
			return out, err
		}
		if err := r.push(&out, it); err != nil {
			return out, err
		}
	}
}

func (r *Reader) cached(n int64) (item, error) {
	if n >= int64(len(r.cache)) {
		return item{}, fmt.Errorf("value %d of the cache, which has %d", n, len(r.cache))
	}
	it := r.cache[n]
	if it.making {
		return it, errors.New("a value that contains itself")
	}
	return it, nil
}

// known is a structure whose type was read before.
func (r *Reader) known(n int64, depth int) (item, error) {
	if n >= int64(len(r.structs)) {
		return item{}, fmt.Errorf("structure %d, of %d", n, len(r.structs))
	}
	return r.tagged(r.structs[n], depth)
}

// tagged reads the fields of a structure and makes of them what they mean.
func (r *Reader) tagged(s structure, depth int) (item, error) {
	fields, err := r.list(int64(s.fields), depth)
	if err != nil {
		return item{}, err
	}
	f := fields.v.Items
	if want, ok := arity[s.tag]; ok && want != len(f) {
		return item{}, fmt.Errorf("a %s of %d fields: want %d", s.tag, len(f), want)
	}
	out := item{v: fields.v, weight: fields.weight}
	switch s.tag {
	case "map":
		if f[0].Kind != edn.Vector || len(f[0].Items)%2 != 0 {
			return out, errors.New("a map that is no list of keys and values")
		}
		out.v = edn.Value{Kind: edn.Map, Items: f[0].Items}
	case "set", "persistent-hash-set", "persistent-sorted-set":
		out.v = edn.Value{Kind: edn.Set, Items: f[0].Items}
	case "vec", "atom", "byte", "inst", "instant", "date-time", "regex", "uri":
		out.v = f[0]
	case "key", "sym":
		out.v = edn.Value{Kind: edn.Keyword, Text: f[1].Text}
		if s.tag == "sym" {
			out.v.Kind = edn.Symbol
		}
		if len(f[0].Text) > 0 {
			out.v.Text = append(append(append([]byte{}, f[0].Text...), '/'), f[1].Text...)
		}
	case "bigint":
		if len(f[0].Text) > maxBigInt {
			return out, fmt.Errorf("a number of %d bytes: want at most %d", len(f[0].Text), maxBigInt)
		}
		out.v = edn.Value{Kind: edn.Number, Text: bigInt(f[0].Text)}
	case "ratio":
		out.v = edn.Value{Kind: edn.Number, Text: append(append(append([]byte{}, f[0].Text...), '/'), f[1].Text...)}
	case "char":
		n, err := f[0].Integer()
		if err != nil {
			return out, err
		}
		out.v = edn.Value{Kind: edn.Char, Text: utf8.AppendRune(nil, rune(n))}
	case "record":
		out.v = f[1]
	case BlockRef:
		out.v = edn.Value{Kind: edn.Map, Items: []edn.Value{{Kind: edn.Keyword, Text: []byte(BlockRef)}, f[0]}}
	case "jepsen.history.Op":
		out.v = operation(f)
	}
	return out, nil
}

// arity is how many fields the structures have that are taken apart.
var arity = map[string]int{
	"map": 1, "set": 1, "persistent-hash-set": 1, "persistent-sorted-set": 1, "vec": 1, "atom": 1, "byte": 1, "inst": 1, "instant": 1,
	"date-time": 1, "regex": 1, "uri": 1, "key": 2, "sym": 2, "bigint": 1, "ratio": 2, "char": 1, "record": 2, BlockRef: 1, "jepsen.history.Op": 7,
}

// bigInt is a number in two's complement.
func bigInt(b []byte) []byte {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n.Append(nil, 10)
}

// operation is jepsen.history.Op as the map that it is in history.edn.
func operation(f []edn.Value) edn.Value {
	m := edn.Value{Kind: edn.Map}
	for i, name := range []string{"index", "time", "type", "process", "f", "value"} {
		m.Items = append(m.Items, edn.Value{Kind: edn.Keyword, Text: []byte(name)}, f[i])
	}
	if f[6].Kind == edn.Map {
		m.Items = append(m.Items, f[6].Items...)
	}
	return m
}
