package keyspace_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/engine/keyspace"
)

// entry is what the model knows of a key.
type entry struct {
	str    string
	list   []string
	isList bool
	expire int64
}

func (e entry) String() string {
	return fmt.Sprintf("%q %q %v %d", e.str, e.list, e.isList, e.expire)
}

type model map[string]entry

func (m model) clone() model {
	out := make(model, len(m))
	for k, e := range m {
		e.list = slices.Clone(e.list)
		out[k] = e
	}
	return out
}

func seen(o *keyspace.Object, expire int64) entry {
	e := entry{expire: expire}
	switch o.Kind {
	case keyspace.String:
		e.str = string(o.Str)
	case keyspace.List:
		e.isList = true
		for i := range o.List().Len() {
			e.list = append(e.list, string(o.List().At(i)))
		}
	}
	return e
}

// contents walks a database or a snapshot's part of it.
func contents(each func(add func(key string, o *keyspace.Object, expire int64))) model {
	out := model{}
	each(func(key string, o *keyspace.Object, expire int64) { out[key] = seen(o, expire) })
	return out
}

func equal(t require.TestingT, want, got model, what string) {
	require.Equal(t, len(want), len(got), what)
	for k, e := range want {
		require.Equal(t, e.String(), got[k].String(), "%s: key %q", what, k)
	}
}

// Whatever is done to a keyspace, it must hold what a map would, and its
// snapshots what it held when they were taken.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ks := keyspace.New()
		db := ks.DB(3)
		now := model{}
		type frozen struct {
			snap *keyspace.Snapshot
			want model
		}
		var snaps []frozen
		key := func() string { return "k" + strconv.Itoa(rapid.IntRange(0, 150).Draw(rt, "key")) }
		text := func() string { return rapid.StringN(0, 3, -1).Draw(rt, "text") }
		listAt := func(k string) (*keyspace.Deque, []string, bool) {
			l := db.EditList([]byte(k))
			e, ok := now[k]
			require.Equal(rt, ok && e.isList, l != nil)
			return l, e.list, l != nil
		}
		store := func(k string, list []string) {
			e := now[k]
			e.list, e.isList = list, true
			if len(list) == 0 {
				require.True(rt, db.Delete([]byte(k)))
				delete(now, k)
				return
			}
			now[k] = e
		}
		rt.Repeat(map[string]func(*rapid.T){
			"set": func(*rapid.T) {
				k, v := key(), text()
				_, had := now[k]
				require.Equal(rt, !had, db.Set([]byte(k), keyspace.StringObject([]byte(v))))
				now[k] = entry{str: v}
			},
			"replace": func(*rapid.T) {
				k, v := key(), text()
				db.Replace([]byte(k), keyspace.StringObject([]byte(v)))
				now[k] = entry{str: v, expire: now[k].expire}
			},
			"delete": func(*rapid.T) {
				k := key()
				_, had := now[k]
				require.Equal(rt, had, db.Delete([]byte(k)))
				delete(now, k)
			},
			"list": func(*rapid.T) {
				k := key()
				if _, had := now[k]; had {
					return
				}
				v := text()
				db.NewList([]byte(k)).PushBack([]byte(v))
				now[k] = entry{isList: true, list: []string{v}}
			},
			"push": func(*rapid.T) {
				k, v := key(), text()
				if l, list, ok := listAt(k); ok {
					if rapid.Bool().Draw(rt, "front") {
						l.PushFront([]byte(v))
						list = append([]string{v}, list...)
					} else {
						l.PushBack([]byte(v))
						list = append(slices.Clone(list), v)
					}
					store(k, list)
				}
			},
			"pop": func(*rapid.T) {
				k := key()
				if l, list, ok := listAt(k); ok {
					if rapid.Bool().Draw(rt, "front") {
						require.Equal(rt, list[0], string(l.PopFront()))
						list = list[1:]
					} else {
						require.Equal(rt, list[len(list)-1], string(l.PopBack()))
						list = list[:len(list)-1]
					}
					store(k, slices.Clone(list))
				}
			},
			"expire": func(*rapid.T) {
				k, at := key(), int64(rapid.IntRange(1, 1000).Draw(rt, "at"))
				e, had := now[k]
				require.Equal(rt, had, db.SetExpire([]byte(k), at))
				if had {
					e.expire = at
					now[k] = e
				}
			},
			"persist": func(*rapid.T) {
				k := key()
				e, had := now[k]
				require.Equal(rt, had && e.expire != 0, db.Persist([]byte(k)))
				if had {
					e.expire = 0
					now[k] = e
				}
			},
			"due": func(*rapid.T) {
				limit := int64(rapid.IntRange(0, 1000).Draw(rt, "now"))
				seen := map[string]bool{}
				n := db.Expires() * 2 // twice round: what moves is missed once at most
				require.Equal(rt, db.Expires() > 0, db.VisitExpiring(n, func(k string, at int64) {
					require.Equal(rt, now[k].expire, at)
					seen[k] = true
					if at < limit {
						db.Delete([]byte(k))
						delete(now, k)
					}
				}) > 0)
				for k, e := range now {
					require.Equal(rt, e.expire != 0, seen[k], k)
				}
				for k, e := range now {
					require.False(rt, e.expire != 0 && e.expire < limit, "%s was due", k)
				}
			},
			"snapshot": func(*rapid.T) {
				if len(snaps) < 4 {
					snaps = append(snaps, frozen{ks.Snapshot(), now.clone()})
				}
			},
			"release": func(*rapid.T) {
				if len(snaps) > 0 {
					snaps[0].snap.Release()
					snaps = snaps[1:]
				}
			},
			"flush": func(*rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "really") == 0 {
					require.Equal(rt, len(now), db.Flush())
					now = model{}
				}
			},
			"": func(*rapid.T) {
				equal(rt, now, contents(func(add func(string, *keyspace.Object, int64)) {
					db.Each(func(k string, o *keyspace.Object, at int64) bool { add(k, o, at); return true })
				}), "now")
				require.Equal(rt, len(now), db.Len())
				expires := 0
				for k, e := range now {
					if e.expire != 0 {
						expires++
					}
					require.Equal(rt, e.String(), seen(db.Get([]byte(k)), db.ExpireAt([]byte(k))).String())
				}
				require.Equal(rt, expires, db.Expires())
				weighs(rt, ks)
				for i, s := range snaps {
					require.Equal(rt, len(s.want), s.snap.Len())
					equal(rt, s.want, contents(func(add func(string, *keyspace.Object, int64)) {
						require.NoError(rt, s.snap.Each(func(n int, k string, o *keyspace.Object, at int64) error {
							require.Equal(rt, 3, n)
							add(k, o, at)
							return nil
						}))
					}), fmt.Sprintf("snapshot %d", i))
				}
			},
		})
	})
}

// A scan visits every key that is there from its first call to its last,
// whatever else comes and goes in between.
func TestScanMissesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		db := keyspace.New().DB(0)
		set := func(k string) { db.Set([]byte(k), keyspace.StringObject(nil)) }
		for i := range rapid.IntRange(0, 300).Draw(rt, "keys") {
			set("stay" + strconv.Itoa(i))
			set("go" + strconv.Itoa(i))
		}
		want := db.Len() / 2
		found := map[string]bool{}
		for cursor := uint64(0); ; {
			cursor = db.Scan(cursor, rapid.IntRange(1, 50).Draw(rt, "count"), func(k string, _ *keyspace.Object) { found[k] = true })
			if cursor == 0 {
				break
			}
			db.Delete([]byte("go" + strconv.Itoa(rapid.IntRange(0, 300).Draw(rt, "delete"))))
			set("new" + strconv.Itoa(rapid.IntRange(0, 300).Draw(rt, "add")))
		}
		stayed := 0
		for k := range found {
			if strings.HasPrefix(k, "stay") {
				stayed++
			}
		}
		require.Equal(rt, want, stayed)
	})
}

func TestDequeRemoveAndTrim(t *testing.T) {
	make := func() *keyspace.Deque {
		return keyspace.ListObject([][]byte{[]byte("a"), []byte("b"), []byte("a"), []byte("c"), []byte("a")}).Coll.(*keyspace.Deque)
	}
	show := func(d *keyspace.Deque) string {
		var b strings.Builder
		for i := range d.Len() {
			b.Write(d.At(i))
		}
		return b.String()
	}
	for _, c := range []struct {
		count, removed int
		left           string
	}{{0, 3, "bc"}, {1, 1, "baca"}, {2, 2, "bca"}, {-1, 1, "abac"}, {-2, 2, "abc"}, {9, 3, "bc"}, {-9, 3, "bc"}} {
		d := make()
		assert.Equal(t, c.removed, d.Remove([]byte("a"), c.count), "count %d", c.count)
		assert.Equal(t, c.left, show(d), "count %d", c.count)
	}
	d := make()
	d.PushFront([]byte("x"))
	d.Trim(1, 3)
	assert.Equal(t, "ab", show(d))
	d.Set(1, []byte("z"))
	assert.Equal(t, "az", show(d))
	d.Trim(0, 0)
	assert.Equal(t, 0, d.Len())
}

// Renewing an expiry time again and again must not make the keyspace grow.
func TestRenewedExpiryDoesNotGrow(t *testing.T) {
	db := keyspace.New().DB(0)
	db.Set([]byte("k"), keyspace.StringObject(nil))
	at := int64(1)
	renew := func() {
		for range 1000 {
			at++
			db.SetExpire([]byte("k"), at)
		}
	}
	renew()
	assert.Zero(t, testing.AllocsPerRun(20, renew))
}

// Reset keeps the memory: a simulation's next life allocates little.
func TestResetReusesMemory(t *testing.T) {
	ks := keyspace.New()
	value := keyspace.StringObject([]byte("v"))
	names := [][]byte{}
	for i := range 200 {
		names = append(names, []byte("key"+strconv.Itoa(i)))
	}
	life := func() {
		for _, k := range names {
			ks.DB(0).Set(k, value)
		}
		ks.Reset()
	}
	life()
	assert.LessOrEqual(t, testing.AllocsPerRun(20, life), 200.0, "one for each key's name, none for pages")
	assert.Zero(t, ks.Len())
}

// The digest tells contents apart, not the order in which they came.
func TestDigestDependsOnContent(t *testing.T) {
	build := func(order []int, last string) [20]byte {
		ks := keyspace.New()
		for _, i := range order {
			ks.DB(0).Set([]byte(strconv.Itoa(i)), keyspace.StringObject([]byte("v")))
		}
		ks.DB(1).NewList([]byte("l")).PushBack([]byte(last))
		return ks.Digest()
	}
	assert.Equal(t, build([]int{1, 2, 3}, "a"), build([]int{3, 1, 2}, "a"))
	assert.NotEqual(t, build([]int{1, 2, 3}, "a"), build([]int{1, 2, 3}, "b"))
	assert.Equal(t, [20]byte{}, keyspace.New().Digest())
}

func BenchmarkSnapshotWhileWriting(b *testing.B) {
	ks := keyspace.New()
	db := ks.DB(0)
	names := make([][]byte, 100_000)
	for i := range names {
		names[i] = []byte("key:" + strconv.Itoa(i))
		db.Set(names[i], keyspace.StringObject([]byte("v")))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s := ks.Snapshot()
		for range 1000 {
			db.Replace(names[i%len(names)], keyspace.StringObject([]byte("w")))
			i++
		}
		s.Release()
	}
}
