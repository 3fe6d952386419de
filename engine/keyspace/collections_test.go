package keyspace_test

import (
	"bytes"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
)

// bag is one collection under test, and how its type is asked. A member is
// anything its text identifies: a field with its value, a member with its score.
type bag struct {
	kind   keyspace.Kind
	create func(db *keyspace.DB, key []byte)
	put    func(db *keyspace.DB, key []byte, name string, n int)
	remove func(db *keyspace.DB, key []byte, name string) bool
	all    func(o *keyspace.Object) map[string]int
}

var bags = []bag{
	{
		kind:   keyspace.Hash,
		create: func(db *keyspace.DB, key []byte) { db.NewHash(key) },
		put: func(db *keyspace.DB, key []byte, name string, n int) {
			db.EditHash(key).Set([]byte(name), strconv.AppendInt(nil, int64(n), 10))
		},
		remove: func(db *keyspace.DB, key []byte, name string) bool { return db.EditHash(key).Delete([]byte(name)) },
		all: func(o *keyspace.Object) map[string]int {
			m := map[string]int{}
			o.Hash().Each(func(f *keyspace.Field) bool {
				m[f.Name], _ = strconv.Atoi(string(f.Value))
				return true
			})
			return m
		},
	},
	{
		kind:   keyspace.Set,
		create: func(db *keyspace.DB, key []byte) { db.NewSet(key) },
		put:    func(db *keyspace.DB, key []byte, name string, _ int) { db.EditSet(key).Add([]byte(name)) },
		remove: func(db *keyspace.DB, key []byte, name string) bool { return db.EditSet(key).Delete([]byte(name)) },
		all: func(o *keyspace.Object) map[string]int {
			m := map[string]int{}
			o.Set().Each(func(v string) bool {
				m[v] = 0
				return true
			})
			return m
		},
	},
	{
		kind:   keyspace.ZSet,
		create: func(db *keyspace.DB, key []byte) { db.NewZSet(key) },
		put: func(db *keyspace.DB, key []byte, name string, n int) {
			db.EditZSet(key).Set([]byte(name), float64(n))
		},
		remove: func(db *keyspace.DB, key []byte, name string) bool { return db.EditZSet(key).Delete([]byte(name)) },
		all: func(o *keyspace.Object) map[string]int {
			m := map[string]int{}
			previous := keyspace.Scored{Score: -1}
			o.ZSet().Each(func(e *keyspace.Scored) bool {
				if e.Score < previous.Score || e.Score == previous.Score && e.Member <= previous.Member {
					panic("out of order")
				}
				previous = *e
				m[e.Member] = int(e.Score)
				return true
			})
			return m
		},
	},
}

// frozenAll is what a snapshot shows of one key.
func frozenAll(b bag, s *keyspace.Snapshot) (m map[string]int) {
	_ = s.Each(func(_ int, key string, o *keyspace.Object, _ int64) error {
		if key == "k" {
			m = b.all(o)
		}
		return nil
	})
	return m
}

// Whatever is done to a collection it holds what a map would, each snapshot what
// there was when it was taken, and a copy what there was when it was made.
func TestCollectionsAgainstMaps(t *testing.T) {
	for _, b := range bags {
		t.Run(b.kind.Name(), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				limits := keyspace.Limits{HashEntries: 3, HashValue: 5, SetInts: 3, ZSetEntries: 3, ZSetValue: 5}
				if rapid.Bool().Draw(rt, "roomy") {
					limits = keyspace.DefaultLimits
				}
				ks := keyspace.New()
				ks.SetLimits(&limits)
				db := ks.DB(0)
				key := []byte("k")
				b.create(db, key)
				now := map[string]int{}
				type frozen struct {
					s    *keyspace.Snapshot
					want map[string]int
				}
				var snaps []frozen
				var copied map[string]int
				span := rapid.SampledFrom([]int{5, 400}).Draw(rt, "names")
				letter := rapid.SampledFrom([]string{"", "m"}).Draw(rt, "letter")
				for range rapid.IntRange(1, 400).Draw(rt, "steps") {
					name := letter + strconv.Itoa(rapid.IntRange(0, span).Draw(rt, "name"))
					n := rapid.IntRange(0, 9).Draw(rt, "n")
					switch rapid.IntRange(0, 20).Draw(rt, "what") {
					case 0:
						snaps = append(snaps, frozen{ks.Snapshot(), maps.Clone(now)})
					case 1:
						if len(snaps) > 0 {
							snaps[0].s.Release()
							snaps = snaps[1:]
						}
					case 2:
						db.Set([]byte("copy"), ks.Clone(db.Get(key)))
						copied = maps.Clone(now)
					case 3, 4, 5, 6, 7:
						_, there := now[name]
						require.Equal(rt, there, b.remove(db, key, name))
						delete(now, name)
					default:
						b.put(db, key, name, n)
						if b.kind == keyspace.Set {
							n = 0
						}
						now[name] = n
					}
				}
				require.Equal(rt, now, b.all(db.Get(key)))
				require.Equal(rt, len(now), db.Get(key).Coll.Len())
				weighs(rt, ks)
				for _, f := range snaps {
					require.Equal(rt, f.want, frozenAll(b, f.s))
				}
				if copied != nil {
					require.Equal(rt, copied, b.all(db.Get([]byte("copy"))))
				}
			})
		})
	}
}

// A list that is written while snapshots hold it holds what a slice would, and
// the snapshots what there was.
func TestListsAgainstSlices(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ks := keyspace.New()
		db := ks.DB(0)
		key := []byte("k")
		db.NewList(key).PushBack([]byte("first"))
		now := []string{"first"}
		type frozen struct {
			s    *keyspace.Snapshot
			want []string
		}
		var snaps []frozen
		elements := func(l *keyspace.Deque) (out []string) {
			for i := range l.Len() {
				out = append(out, string(l.At(i)))
			}
			return out
		}
		var copied *keyspace.Deque
		var copyWant []string
		for step := range rapid.IntRange(1, 120).Draw(rt, "steps") {
			v := strconv.Itoa(step)
			l := db.EditList(key)
			switch rapid.IntRange(0, 13).Draw(rt, "what") {
			case 0, 1, 2:
				l.PushBack([]byte(v))
				now = append(now, v)
			case 3, 4, 5:
				l.PushFront([]byte(v))
				now = append([]string{v}, now...)
			case 6, 7:
				if len(now) > 1 {
					require.Equal(rt, now[0], string(l.PopFront()))
					now = now[1:]
				}
			case 8, 9:
				if len(now) > 1 {
					require.Equal(rt, now[len(now)-1], string(l.PopBack()))
					now = now[:len(now)-1]
				}
			case 10:
				i := rapid.IntRange(0, len(now)-1).Draw(rt, "at")
				l.Set(i, []byte(v))
				now = slices.Clone(now)
				now[i] = v
			case 11:
				i := rapid.IntRange(0, len(now)).Draw(rt, "at")
				l.Insert(i, []byte(v))
				now = slices.Insert(slices.Clone(now), i, v)
			case 12:
				if len(now) > 3 {
					l.Trim(1, len(now)-1)
					now = now[1 : len(now)-1]
				}
			default:
				if rapid.Bool().Draw(rt, "copy") {
					o := ks.Clone(db.Get(key))
					copied, copyWant = o.List(), slices.Clone(now)
				}
				snaps = append(snaps, frozen{ks.Snapshot(), slices.Clone(now)})
			}
			now = slices.Clone(now)
		}
		require.Equal(rt, now, elements(db.Get(key).List()))
		for _, f := range snaps {
			_ = f.s.Each(func(_ int, _ string, o *keyspace.Object, _ int64) error {
				require.Equal(rt, f.want, elements(o.List()))
				return nil
			})
		}
		if copied != nil {
			require.Equal(rt, copyWant, elements(copied))
		}
	})
}

// What an earlier snapshot holds is kept when a later one is made of a list that is shorter
// by then, and what the later one holds when the list had grown.
func TestTwoSnapshotsOfAList(t *testing.T) {
	for _, grows := range []bool{false, true} {
		ks := keyspace.New()
		db, key := ks.DB(0), []byte("k")
		l := db.NewList(key)
		for _, v := range "abcdef" {
			l.PushBack([]byte(string(v)))
		}
		first := ks.Snapshot()
		want := []string{"abcdef", "abc"}
		l = db.EditList(key)
		if grows {
			l.PushBack([]byte("g"))
			l.PushBack([]byte("h"))
			want[1] = "abcdefgh"
		} else {
			l.Trim(0, 3)
		}
		second := ks.Snapshot()
		l = db.EditList(key)
		l.PopBack()
		l.PopBack()
		for _, v := range "uvwxyz" {
			l.PushBack([]byte(string(v)))
		}
		for i, s := range []*keyspace.Snapshot{first, second} {
			got := ""
			require.NoError(t, s.Each(func(_ int, _ string, o *keyspace.Object, _ int64) error {
				for n := range o.List().Len() {
					got += string(o.List().At(n))
				}
				return nil
			}))
			require.Equal(t, want[i], got, "snapshot %d, grows %v", i, grows)
		}
	}
}

// A queue that never empties does not grow.
func TestAQueueStaysSmall(t *testing.T) {
	ks := keyspace.New()
	l := ks.DB(0).NewList([]byte("k"))
	l.PushBack([]byte("x"))
	allocated := testing.AllocsPerRun(1000, func() {
		l.PushBack([]byte("x"))
		l.PopFront()
	})
	require.LessOrEqual(t, allocated, 1.0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100_000 {
		l.PushBack(nil)
		l.PopFront()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(1<<20))
	require.Equal(t, 1, l.Len())
}

// A snapshot of a large collection that is written meanwhile costs what is
// touched, not the whole.
func TestOnlyWhatIsTouchedIsCopied(t *testing.T) {
	const n = 100_000
	for _, b := range bags {
		t.Run(b.kind.Name(), func(t *testing.T) {
			ks := keyspace.New()
			db := ks.DB(0)
			key := []byte("k")
			b.create(db, key)
			for i := range n {
				b.put(db, key, fmt.Sprint("member", i), i%1000)
			}
			i := 0
			touched := bytesAllocated(func() {
				s := ks.Snapshot()
				b.put(db, key, fmt.Sprint("member", i%n), 5000+i%7)
				b.put(db, key, fmt.Sprint("new", i), 1)
				i++
				s.Release()
			})
			// The list of leaves (32 bytes for 64 members, in the worst case twice)
			// and some leaves; the members alone are 16 bytes each.
			require.Less(t, touched, int64(n*16/4), "bytes to take a snapshot and write two members")
		})
	}
}

// bytesAllocated is how much memory f allocates, in the mean of a thousand calls.
func bytesAllocated(f func()) int64 {
	const calls = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		f()
	}
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc-before.TotalAlloc) / calls
}

// What a type writes is read back, in a snapshot and in commands, whole or not at all.
func TestFormsOfCollections(t *testing.T) {
	for _, b := range bags {
		for _, members := range []int{1, 4, 700} {
			for _, letter := range []string{"", "m"} {
				t.Run(fmt.Sprint(b.kind.Name(), members, letter), func(t *testing.T) {
					ks := keyspace.New()
					db := ks.DB(0)
					key := []byte("k")
					b.create(db, key)
					for i := range members {
						b.put(db, key, fmt.Sprint(letter, i*i*i-500), i%13)
					}
					want := b.all(db.Get(key))
					data := write(t, ks, rdb.WriteOptions{Checksum: true, Compress: true})
					got, _, err := read(data)
					require.NoError(t, err)
					require.Equal(t, want, b.all(got.DB(0).Get(key)))
					require.Equal(t, db.Get(key).Encoding(), got.DB(0).Get(key).Encoding())
					var elems []string
					db.Get(key).Coll.Elements(func(e []byte) { elems = append(elems, string(e)) })
					require.Len(t, elems, len(want)*map[keyspace.Kind]int{keyspace.Set: 1, keyspace.Hash: 2, keyspace.ZSet: 2}[b.kind])
					for i := 0; i < len(elems); i += len(elems) / len(want) {
						n, there := want[elems[i]]
						require.True(t, there, elems[i])
						if b.kind != keyspace.Set {
							require.Equal(t, strconv.Itoa(n), elems[i+1])
						}
					}
					require.Equal(t, ks.Digest(), got.Digest())

					var words []string
					longest := 0
					db.Get(key).Rebuild(key, func(argv [][]byte) {
						longest = max(longest, len(argv))
						words = append(words, string(bytes.Join(argv[2:], []byte(" "))))
					})
					require.LessOrEqual(t, longest, 2+2*64)
					all := strings.Fields(strings.Join(words, " "))
					for name := range want {
						require.True(t, slices.Contains(all, name), name)
					}

					if members > 4 {
						return
					}
					plain := write(t, ks, rdb.WriteOptions{Checksum: true})
					for i := range plain {
						_, _, err := read(plain[:i])
						require.Error(t, err, "cut to %d", i)
						for bit := range 8 {
							plain[i] ^= 1 << bit
							_, _, err := read(plain)
							require.Error(t, err, "bit %d of byte %d", bit, i)
							plain[i] ^= 1 << bit
						}
					}
				})
			}
		}
	}
}

// A scan meets every member that is there from its beginning to its end.
func TestScanOfALargeCollection(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ks := keyspace.New()
		db := ks.DB(0)
		s := db.NewSet([]byte("k"))
		for i := range rapid.IntRange(1, 300).Draw(rt, "members") {
			s.Add([]byte(fmt.Sprint("m", i)))
		}
		stays := map[string]bool{}
		s.Each(func(m string) bool { stays[m] = true; return true })
		met := map[string]bool{}
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			cursor = s.Scan(cursor, rapid.IntRange(1, 40).Draw(rt, "count"), func(m string) { met[m] = true })
			for range rapid.IntRange(0, 10).Draw(rt, "changes") {
				name := fmt.Sprint("m", rapid.IntRange(0, 320).Draw(rt, "name"))
				if rapid.Bool().Draw(rt, "remove") {
					s.Delete([]byte(name))
					delete(stays, name)
				} else {
					s.Add([]byte(name))
				}
			}
		}
		for m := range stays {
			require.True(rt, met[m], m)
		}
	})
}
