package keyspace_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
)

// Payloads of forms that are only read, as older and newer servers write them.

// bulk is a string with its length, at most 16383 bytes.
func bulk(b []byte) []byte {
	return append([]byte{0x40 | byte(len(b)>>8), byte(len(b))}, b...)
}

// ziplist packs elements, numbers in every size there is.
func ziplist(elems ...string) []byte {
	body := make([]byte, 10)
	previous, last := 0, 10
	for _, e := range elems {
		start := len(body)
		if previous < 254 {
			body = append(body, byte(previous))
		} else {
			body = binary.LittleEndian.AppendUint32(append(body, 0xFE), uint32(previous))
		}
		v, number := keyspace.CanonicalInt([]byte(e))
		switch n := len(e); {
		case number && v >= 0 && v <= 12:
			body = append(body, 0xF1+byte(v))
		case number && v == int64(int8(v)):
			body = append(body, 0xFE, byte(v))
		case number && v == int64(int16(v)):
			body = append(body, 0xC0, byte(v), byte(v>>8))
		case number && v >= -1<<23 && v < 1<<23:
			body = append(body, 0xF0, byte(v), byte(v>>8), byte(v>>16))
		case number && v == int64(int32(v)):
			body = binary.LittleEndian.AppendUint32(append(body, 0xD0), uint32(v))
		case number:
			body = binary.LittleEndian.AppendUint64(append(body, 0xE0), uint64(v))
		case n < 64:
			body = append(append(body, byte(n)), e...)
		case n < 16384:
			body = append(append(body, 0x40|byte(n>>8), byte(n)), e...)
		default:
			body = append(binary.BigEndian.AppendUint32(append(body, 0x80), uint32(n)), e...)
		}
		previous, last = len(body)-start, start
	}
	body = append(body, 0xFF)
	binary.LittleEndian.PutUint32(body, uint32(len(body)))
	binary.LittleEndian.PutUint32(body[4:], uint32(last))
	binary.LittleEndian.PutUint16(body[8:], uint16(len(elems)))
	return body
}

// zipmap packs fields and values, each value with some unused bytes behind it.
func zipmap(elems ...string) []byte {
	b := []byte{byte(len(elems) / 2)}
	for i, e := range elems {
		if len(e) < 254 {
			b = append(b, byte(len(e)))
		} else {
			b = binary.LittleEndian.AppendUint32(append(b, 0xFE), uint32(len(e)))
		}
		if i%2 == 1 {
			b = append(b, 2)
		}
		b = append(b, e...)
		if i%2 == 1 {
			b = append(b, "??"...)
		}
	}
	return append(b, 0xFF)
}

var oddElements = []string{"f", "0", "12", "13", "-1", "-128", "127", "128", "-32768", "32768", "8388607", "-8388609", "2147483647", "-2147483649",
	"9223372036854775807", "x", strings.Repeat("y", 63), strings.Repeat("y", 64), strings.Repeat("z", 300), ""}

func load(kind byte, form []byte) (keyspace.Object, error) {
	var d rdb.Decoder
	d.Reset("payload", bytes.NewReader(form), int64(len(form)), false)
	o := keyspace.LoadObject(&d, kind, &keyspace.DefaultLimits)
	if d.Err() == nil && d.Left() > 0 {
		return o, fmt.Errorf("%d bytes left", d.Left())
	}
	return o, d.Err()
}

// oldForms are payloads without their type, by type, and what they hold.
func oldForms() []struct {
	name     string
	kind     byte
	form     []byte
	encoding string
	want     string
} {
	short := oddElements[:16]
	fields := fmt.Sprintf("%q", short)
	nodes := append(append([]byte{2}, bulk(ziplist(oddElements[:7]...))...), bulk(ziplist(oddElements[7:]...))...)
	var plain []byte
	plain = append(plain, byte(len(oddElements)))
	for _, e := range oddElements {
		plain = append(plain, bulk([]byte(e))...)
	}
	return []struct {
		name     string
		kind     byte
		form     []byte
		encoding string
		want     string
	}{
		{"list", rdb.TypeList, plain, "quicklist", fmt.Sprintf("%q", oddElements)},
		{"list as a ziplist", rdb.TypeListZiplist, bulk(ziplist(oddElements...)), "quicklist", fmt.Sprintf("%q", oddElements)},
		{"list of ziplists", rdb.TypeListQuicklist, nodes, "quicklist", fmt.Sprintf("%q", oddElements)},
		{"hash as a ziplist", rdb.TypeHashZiplist, bulk(ziplist(short...)), "listpack", fields},
		{"hash as a zipmap", rdb.TypeZipmap, bulk(zipmap(short...)), "listpack", fields},
		{"hash with a long value as a zipmap", rdb.TypeZipmap, bulk(zipmap("f", strings.Repeat("v", 300))), "hashtable", fmt.Sprintf("%q", []string{"f", strings.Repeat("v", 300)})},
	}
}

// shown is a value as text.
func shown(o keyspace.Object) string {
	var elems []string
	switch o.Kind {
	case keyspace.List:
		for i := range o.List().Len() {
			elems = append(elems, string(o.List().At(i)))
		}
	case keyspace.Hash:
		o.Hash().Each(func(f *keyspace.Field) bool {
			elems = append(elems, f.Name, string(f.Value))
			return true
		})
	}
	return fmt.Sprintf("%q", elems)
}

func TestOldFormsAreRead(t *testing.T) {
	for _, c := range oldForms() {
		t.Run(c.name, func(t *testing.T) {
			o, err := load(c.kind, c.form)
			require.NoError(t, err)
			require.Equal(t, c.want, shown(o))
			require.Equal(t, c.encoding, o.Encoding())
			for n := range len(c.form) {
				_, err := load(c.kind, c.form[:n])
				require.Error(t, err, "cut to %d bytes", n)
			}
			for i := range c.form {
				for bit := range 8 {
					damaged := bytes.Clone(c.form)
					damaged[i] ^= 1 << bit
					load(c.kind, damaged) // no panic, no large memory
				}
			}
		})
	}
}

func TestWhatIsNotReadIsRefusedByName(t *testing.T) {
	for form, want := range map[string]string{
		"\x18": "hash with expiring fields",
		"\x19": "hash with expiring fields",
		"\x07\x81\x85\x2a\xa3\x5b\x9a\x2d\xb8\x01": "module type",
		"\x63": "Unknown RDB encoding type 99",
	} {
		_, err := load(form[0], []byte(form[1:]))
		require.ErrorContains(t, err, want)
	}
	library := "#!lua name=mylib\nredis.register_function('f', function() end)"
	_, _, err := read([]byte("REDIS0010\xf5" + string(bulk([]byte(library))) + "\xff\x00\x00\x00\x00\x00\x00\x00\x00"))
	require.NoError(t, err, "a library that nobody takes is passed over")
}

func TestVersionsThatAreRead(t *testing.T) {
	for head, ok := range map[string]bool{"REDIS0001": true, "REDIS0006": true, "REDIS0012": true, "REDIS0013": false, "VALKEY080": true, "VALKEY081": false, "VALKEX080": false,
		"REDIS0000": false, "VALKEY000": false, "REDIS001x": false, "REDIS  12": false} {
		data := head + "\xfe\x00\xf4\x05\x01\x00\x00\x01k\x01v\xff\x00\x00\x00\x00\x00\x00\x00\x00"
		k, _, err := read([]byte(data))
		require.Equal(t, ok, err == nil, "%s: %v", head, err)
		if ok {
			require.Equal(t, "v", string(k.DB(0).Get([]byte("k")).Str))
		}
	}
}

// Before version 5 there was no checksum behind the end.
func TestFilesWithoutAChecksum(t *testing.T) {
	for head, ok := range map[string]bool{"REDIS0001": true, "REDIS0004": true, "REDIS0005": false, "REDIS0010": false} {
		_, end, err := read([]byte(head + "\xfe\x00\x00\x01k\x01v\xff"))
		require.Equal(t, ok, err == nil, "%s: %v", head, err)
		if ok {
			require.EqualValues(t, 17, end)
		}
	}
}

// What is loaded has the form that its size asks for, exactly at each limit: members that
// come one by one as those that a client adds, packed ones as they came unless they are too many
// (redis 7.0.15 rdb.c rdbLoadObject).
func TestFormsThatAreLoadedAtTheirLimits(t *testing.T) {
	limits := keyspace.Limits{HashEntries: 3, HashValue: 5, SetInts: 3, ZSetEntries: 3, ZSetValue: 5, ListNode: -2, StreamBytes: 4096, StreamNode: 100}
	one := func(elems ...string) []byte {
		out := []byte{byte(len(elems))}
		for _, e := range elems {
			out = append(out, bulk([]byte(e))...)
		}
		return out
	}
	pairs := func(elems ...string) []byte {
		out := one(elems...)
		out[0] /= 2
		return out
	}
	scored := func(members ...string) []byte {
		out := []byte{byte(len(members))}
		for i, m := range members {
			out = append(out, bulk([]byte(m))...)
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(float64(i)))
		}
		return out
	}
	ints := func(n int) []byte {
		b := binary.LittleEndian.AppendUint32([]byte{2, 0, 0, 0}, uint32(n))
		for i := range n {
			b = binary.LittleEndian.AppendUint16(b, uint16(i))
		}
		return bulk(b)
	}
	for _, c := range []struct {
		name     string
		kind     byte
		form     []byte
		encoding string
	}{
		{"set of as many numbers", rdb.TypeSet, one("1", "2", "3"), "intset"},
		{"set of more numbers", rdb.TypeSet, one("1", "2", "3", "4"), "hashtable"},
		{"set of a word", rdb.TypeSet, one("1", "x"), "hashtable"},
		{"as many packed numbers", rdb.TypeSetIntset, ints(3), "intset"},
		{"more packed numbers", rdb.TypeSetIntset, ints(4), "hashtable"},
		{"hash of as many fields", rdb.TypeHash, pairs("a", "1", "b", "2", "c", "3"), "listpack"},
		{"hash of more fields", rdb.TypeHash, pairs("a", "1", "b", "2", "c", "3", "d", "4"), "hashtable"},
		{"hash with a field at the limit", rdb.TypeHash, pairs("abcde", "12345"), "listpack"},
		{"hash with a longer field", rdb.TypeHash, pairs("abcdef", "1"), "hashtable"},
		{"hash with a longer value", rdb.TypeHash, pairs("a", "123456"), "hashtable"},
		{"as many packed fields", rdb.TypeHashZiplist, bulk(ziplist("a", "1", "b", "2", "c", "3")), "listpack"},
		{"more packed fields", rdb.TypeHashZiplist, bulk(ziplist("a", "1", "b", "2", "c", "3", "d", "4")), "hashtable"},
		{"longer packed fields", rdb.TypeHashZiplist, bulk(ziplist("abcdef", "1")), "listpack"},
		{"zipmap with a value at the limit", rdb.TypeZipmap, bulk(zipmap("abcde", "vwxyz")), "listpack"},
		{"zipmap with a longer value", rdb.TypeZipmap, bulk(zipmap("a", "uvwxyz")), "hashtable"},
		{"zipmap of as many fields", rdb.TypeZipmap, bulk(zipmap("a", "1", "b", "2", "c", "3")), "listpack"},
		{"zipmap of more fields", rdb.TypeZipmap, bulk(zipmap("a", "1", "b", "2", "c", "3", "d", "4")), "hashtable"},
		{"sorted set of as many members", rdb.TypeZSet2, scored("a", "b", "c"), "listpack"},
		{"sorted set of more members", rdb.TypeZSet2, scored("a", "b", "c", "d"), "skiplist"},
		{"sorted set with a member at the limit", rdb.TypeZSet2, scored("abcde"), "listpack"},
		{"sorted set with a longer member", rdb.TypeZSet2, scored("a", "abcdef"), "skiplist"},
		{"as many packed members", rdb.TypeZSetZiplist, bulk(ziplist("a", "0", "b", "1", "c", "2")), "listpack"},
		{"more packed members", rdb.TypeZSetZiplist, bulk(ziplist("a", "0", "b", "1", "c", "2", "d", "3")), "skiplist"},
		{"longer packed members", rdb.TypeZSetZiplist, bulk(ziplist("abcdef", "0")), "listpack"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d rdb.Decoder
			d.Reset("payload", bytes.NewReader(c.form), int64(len(c.form)), false)
			o := keyspace.LoadObject(&d, c.kind, &limits)
			require.NoError(t, d.Err())
			require.Zero(t, d.Left())
			require.Equal(t, c.encoding, o.Encoding())
		})
	}
}

// Collections with the same element twice, or one that none can have, are refused with
// redis-server's words.
func TestDamagedCollectionsAreRefused(t *testing.T) {
	listpack := func(elems ...string) []byte {
		var l rdb.Listpack
		l.Reset()
		for _, e := range elems {
			l.Append([]byte(e))
		}
		return bulk(l.Bytes())
	}
	plain := func(n byte, elems ...string) []byte {
		out := []byte{n}
		for _, e := range elems {
			out = append(out, bulk([]byte(e))...)
		}
		return out
	}
	score := func(v float64) string { return string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))) }
	for _, c := range []struct {
		kind byte
		form []byte
		want string // "": it is loaded
	}{
		{rdb.TypeSet, plain(3, "a", "b", "c"), ""},
		{rdb.TypeSet, plain(3, "a", "b", "a"), "Duplicate set members detected"},
		{rdb.TypeSet, plain(2, "1", "1"), "Duplicate set members detected"},
		{rdb.TypeSetListpack, listpack("a", "1", "b"), ""},
		{rdb.TypeSetListpack, listpack("a", "1", "a"), "Duplicate set members detected"},
		{rdb.TypeHash, plain(2, "f", "1", "g", "1"), ""},
		{rdb.TypeHash, plain(2, "f", "1", "f", "2"), "Duplicate hash fields detected"},
		{rdb.TypeHashListpack, listpack("f", "1", "g", "1"), ""},
		{rdb.TypeHashListpack, listpack("f", "1", "f", "2"), "Hash listpack integrity check failed."},
		{rdb.TypeHashListpack, listpack("f", "1", "g"), "Hash listpack integrity check failed."},
		{rdb.TypeZSet2, []byte("\x02\x01a" + score(1) + "\x01b" + score(math.Inf(-1))), ""},
		{rdb.TypeZSet2, []byte("\x02\x01a" + score(1) + "\x01b" + score(math.NaN())), "Zset with NAN score detected"},
		{rdb.TypeZSet2, []byte("\x02\x01a" + score(1) + "\x01a" + score(2)), "Duplicate zset fields detected"},
		{rdb.TypeZSet, []byte("\x04\x01a\xff\x01b\xfe\x01c\x031.5\x01d\x02-7"), ""},
		{rdb.TypeZSet, []byte("\x01\x01a\xfd"), "Zset with NAN score detected"},
		{rdb.TypeZSetListpack, listpack("a", "1", "b", "2.5"), ""},
		{rdb.TypeZSetListpack, listpack("a", "1", "b"), "Zset listpack integrity check failed."},
		{rdb.TypeZSetListpack, listpack("a", "1", "a", "2"), "Zset listpack integrity check failed."},
		{rdb.TypeListQuicklist2, append([]byte{2, 2}, append(listpack("a"), append([]byte{1}, bulk([]byte("whole"))...)...)...), ""},
		{rdb.TypeListQuicklist2, append([]byte{1, 1}, bulk(nil)...), "Quicklist integrity check failed: an empty node"},
		{rdb.TypeListQuicklist2, append([]byte{1, 3}, listpack("a")...), "Quicklist integrity check failed: container 3"},
	} {
		o, err := load(c.kind, c.form)
		if c.want != "" {
			require.ErrorContains(t, err, c.want, "%d %q", c.kind, c.form)
			continue
		}
		require.NoError(t, err, "%d %q", c.kind, c.form)
		require.NotEqual(t, keyspace.None, o.Kind)
		require.Positive(t, o.Coll.Len())
	}
	o, err := load(rdb.TypeZSet, []byte("\x04\x01a\xff\x01b\xfe\x01c\x031.5\x01d\x02-7"))
	require.NoError(t, err)
	var scores []string
	o.ZSet().Each(func(m *keyspace.Scored) bool {
		scores = append(scores, fmt.Sprint(m.Member, m.Score))
		return len(scores) < 3
	})
	require.Equal(t, []string{"a-Inf", "d-7", "c1.5"}, scores, "the fourth was not asked for")
}
