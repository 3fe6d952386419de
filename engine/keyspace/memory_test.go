package keyspace_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/keyspace"
)

// weighs holds what a keyspace says of its size against its values, each reckoned anew.
func weighs(t require.TestingT, ks *keyspace.Keyspace) {
	sum := ks.Overhead()
	for n := range keyspace.Databases {
		ks.DB(n).Each(func(_ string, o *keyspace.Object, _ int64) bool {
			sum += o.Bytes(5)
			return true
		})
	}
	require.Equal(t, sum, ks.Bytes())
}

// What data take is reckoned as redis-server asks its allocator for: of strings and of what is
// packed its own MEMORY USAGE says these numbers (less the key's); tables have entries of 32
// bytes, which it counts as 24.
func TestWhatDataTake(t *testing.T) {
	text := func(n int) keyspace.Object { return keyspace.StringObject([]byte(strings.Repeat("v", n))) }
	ks := keyspace.New()
	of := func(kind keyspace.Kind, n int, long bool) keyspace.Object {
		db, key := ks.DB(0), []byte("k")
		db.Delete(key)
		tail := ""
		if long {
			tail = strings.Repeat("l", 60)
		}
		switch kind {
		case keyspace.Hash:
			db.NewHash(key)
		case keyspace.Set:
			db.NewSet(key)
		case keyspace.ZSet:
			db.NewZSet(key)
		case keyspace.List:
			db.NewList(key)
		}
		for i := range n {
			name := []byte(fmt.Sprint("m", i, tail))
			switch kind {
			case keyspace.Hash:
				db.EditHash(key).Set(name, []byte("v"))
			case keyspace.Set:
				db.EditSet(key).Add(name)
			case keyspace.ZSet:
				db.EditZSet(key).Set(name, 1)
			case keyspace.List:
				db.EditList(key).PushBack(name)
			}
		}
		return *db.Get(key)
	}
	ints := func(values ...string) keyspace.Object {
		m := ks.DB(0).MakeSet()
		for _, v := range values {
			m.Add([]byte(v))
		}
		return keyspace.SetObject(m)
	}
	listOf := func(n, size int) keyspace.Object {
		l := keyspace.New().DB(0).NewList([]byte("k"))
		for range n {
			l.PushBack([]byte(strings.Repeat("x", size)))
		}
		return keyspace.Object{Kind: keyspace.List, Coll: l}
	}
	for _, c := range []struct {
		name string
		o    keyspace.Object
		want int64
	}{
		{"string of 5", text(5), 32}, {"of 12", text(12), 32}, {"of 13", text(13), 48}, {"of 44, which is embedded", text(44), 64}, {"of 45", text(45), 16 + 64}, {"of 60", text(60), 16 + 64}, {"of 61", text(61), 16 + 80},
		{"of 255", text(255), 16 + 320}, {"of 256", text(256), 16 + 320}, {"of 1000", text(1000), 16 + 1024}, {"of 1018", text(1018), 16 + 1024}, {"of 1019", text(1019), 16 + 1280}, {"of 65535", text(65535), 16 + 81920}, {"of 70000", text(70000), 16 + 81920}, {"of 100000", text(100000), 16 + 114688},
		{"of 252", text(252), 16 + 256}, {"of 253", text(253), 16 + 320}, {"of 65530", text(65530), 16 + 65536}, {"of 65531", text(65531), 16 + 81920}, {"of 81910", text(81910), 16 + 81920}, {"of 81911", text(81911), 16 + 98304},
		{"numbers of 16 bits", ints("1", "-32768", "32767"), 16 + 16}, {"of 32", ints("1", "32768"), 16 + 16}, {"of 32 below", ints("-32769", "1", "2"), 16 + 32}, {"of 64", ints("2147483648", "1"), 16 + 32}, {"of 64 below", ints("-2147483649"), 16 + 16},
		{"the least of 16 bits", ints("-32768", "1", "2", "3"), 16 + 16}, {"the least of 32", ints("-2147483648", "1", "2", "3"), 16 + 32}, {"the greatest of 32", ints("2147483647", "1", "2", "3"), 16 + 32}, {"the greatest of 16", ints("32767", "1", "2", "3"), 16 + 16},
		{"hash of one", of(keyspace.Hash, 1, false), 16 + 16}, {"of ten", of(keyspace.Hash, 10, false), 16 + 80}, {"of long ones", of(keyspace.Hash, 2, true), 16 + 160},
		{"hash that is a table", of(keyspace.Hash, 513, false), 16 + 64 + 1024*8 + 513*(32+8+8)},
		{"set of four", of(keyspace.Set, 4, false), 16 + 64 + 4*8 + 4*(32+8)}, {"of five", of(keyspace.Set, 5, false), 16 + 64 + 8*8 + 5*(32+8)}, {"of long ones", of(keyspace.Set, 2, true), 16 + 64 + 32 + 2*(32+80)},
		{"sorted set of three", of(keyspace.ZSet, 3, false), 16 + 48}, {"that is a skip list", of(keyspace.ZSet, 129, false), 16 + 16 + 64 + 32 + 256*8 + 129*(32+56+8)},
		{"list of three", of(keyspace.List, 3, false), 16 + 48 + 32 + 32}, {"of long ones", of(keyspace.List, 400, true), 16 + 48 + 4*(32+7168)},
		{"of two nodes", listOf(128, 62), 16 + 48 + 2*(32+5120)}, {"of nearly two", listOf(127, 62), 16 + 48 + 32 + 8192}, {"of one of 63", listOf(1, 63), 16 + 48 + 32 + 80}, {"of ones of 64", listOf(2, 64), 16 + 48 + 32 + 160}, {"of one of 4085", listOf(1, 4085), 16 + 48 + 32 + 4096},
		{"of one of 4095", listOf(1, 4095), 16 + 48 + 32 + 5120}, {"of one of 5103", listOf(1, 5103), 16 + 48 + 32 + 5120}, {"of one of 5104", listOf(1, 5104), 16 + 48 + 32 + 6144},
	} {
		require.Equal(t, c.want, c.o.Bytes(0), c.name)
	}
	require.EqualValues(t, 8+32, keyspace.KeyBytes("k"))
	require.EqualValues(t, 48+32, keyspace.KeyBytes(strings.Repeat("k", 32)))
}

// Some elements of a large collection stand for all of it.
func TestFewElementsStandForAll(t *testing.T) {
	l := keyspace.New().DB(0).NewList([]byte("k"))
	for n := range 100 {
		l.PushBack([]byte(strings.Repeat("x", 1+n%2*40)))
	}
	o := keyspace.Object{Kind: keyspace.List, Coll: l}
	all := o.Bytes(0)
	require.Equal(t, all, o.Bytes(100))
	require.Equal(t, all, o.Bytes(1000))
	require.Greater(t, all, o.Bytes(1), "the first one is short")
	require.InDelta(t, all, o.Bytes(20), float64(all)/2)

	// Those that are looked at are spread evenly.
	h := keyspace.New().DB(0).NewHash([]byte("k"))
	for n := range 600 {
		h.Set([]byte(fmt.Sprint("m", n)), []byte(strings.Repeat("v", 8*n)))
	}
	sum := int64(8 + 1024 + 2048 + 3072 + 4096) // values 0, 120, 240, 360 and 480
	o = keyspace.Object{Kind: keyspace.Hash, Coll: h}
	require.Equal(t, 16+64+1024*8+600*(32+8)+sum*600/5, o.Bytes(5))
}

// A stream takes its nodes, and what its groups remember.
func TestWhatStreamsTake(t *testing.T) {
	s := keyspace.New().DB(0).NewStream([]byte("k"))
	o := keyspace.Object{Kind: keyspace.Stream, Coll: s}
	require.EqualValues(t, 16+80, o.Bytes(0))
	s.Append(keyspace.StreamID{Ms: 1}, [][]byte{[]byte("f"), []byte(strings.Repeat("v", 200))})
	one := o.Bytes(0)
	require.EqualValues(t, 16+80+64+256, one)
	for n := range 100 {
		s.Append(keyspace.StreamID{Ms: uint64(n) + 2}, [][]byte{[]byte("f"), []byte(strings.Repeat("v", 200))})
	}
	require.Greater(t, s.Nodes(), 5)
	many := o.Bytes(0)
	require.Greater(t, many, int64(101*200+s.Nodes()*64))
	g := s.NewGroup([]byte("g"), keyspace.StreamID{}, 0)
	require.EqualValues(t, 80+8, o.Bytes(0)-many)
	g.NewConsumer([]byte("c"), 0)
	g.Set(keyspace.Pending{ID: keyspace.StreamID{Ms: 1}, Consumer: "c"})
	g.Set(keyspace.Pending{ID: keyspace.StreamID{Ms: 2}, Consumer: "c"})
	require.EqualValues(t, 80+8+48+2*96, o.Bytes(0)-many)
}

// Overhead is of every key and of tables, also of what expires.
func TestKeysTakeMemoryToo(t *testing.T) {
	ks := keyspace.New()
	require.Zero(t, ks.Bytes())
	for n := range 5 {
		ks.DB(3).Set([]byte{'a' + byte(n)}, keyspace.StringObject([]byte("v")))
	}
	require.EqualValues(t, 5*(8+32)+8*8, ks.Overhead())
	require.EqualValues(t, 5*(8+32)+8*8+5*32, ks.Bytes())
	ks.DB(3).SetExpire([]byte("a"), 1)
	require.EqualValues(t, 5*(8+32)+8*8+32+4*8, ks.Overhead())
	ks.DB(3).Delete([]byte("a"))
	require.EqualValues(t, 4*(8+32)+4*8, ks.Overhead())
	ks.Swap(3, 4)
	weighs(t, ks)
	ks.DB(4).Flush()
	require.Zero(t, ks.Bytes())
}

// What waits to be weighed is weighed before it becomes too much, and what was deleted or
// flushed meanwhile counts for nothing.
func TestWhatWaitsIsWeighed(t *testing.T) {
	ks := keyspace.New()
	for n := range 600 {
		key := []byte(fmt.Sprint(n))
		ks.DB(n % 3).NewList(key).PushBack([]byte(strings.Repeat("x", n)))
		switch n % 7 {
		case 0:
			ks.DB(n % 3).Delete(key)
		case 1:
			ks.DB(n%3).Set(key, keyspace.StringObject(key))
		}
		ks.Tidy()
		if n%100 == 50 {
			weighs(t, ks)
		}
	}
	ks.DB(1).Flush()
	weighs(t, ks)
}
