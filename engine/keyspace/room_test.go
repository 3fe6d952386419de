package keyspace

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A list that elements go through takes as much room as those that are in it, and to put
// one in costs the same whatever its length: a queue does not grow for ever.
func TestListsTakeNoMoreRoomThanTheyNeed(t *testing.T) {
	v := []byte("v")
	for _, into := range []bool{true, false} {
		for _, outOf := range []bool{true, false} {
			l := New().DB(0).NewList([]byte("l"))
			allocations := testing.AllocsPerRun(1, func() {
				for range 1000 {
					l.Push(v, into)
				}
			})
			require.LessOrEqual(t, allocations, 40.0, "into the front: %v", into)
			require.LessOrEqual(t, cap(l.buf), 4*l.Len())
			for l.Len() > 10 {
				l.Pop(outOf)
			}
			allocations = testing.AllocsPerRun(1, func() {
				for range 10_000 {
					l.Push(v, into)
					l.Pop(outOf)
				}
			})
			require.Equal(t, 10, l.Len())
			for l.Len() < 40 {
				l.Push(v, into)
			}
			if into == outOf {
				require.Zero(t, allocations)
				continue // the room for all of them is left
			}
			require.LessOrEqual(t, allocations, 1500.0, "into the front: %v", into)
			require.LessOrEqual(t, cap(l.buf), 100, "into the front: %v", into)
		}
	}
}

// Places of keys that have gone are used again, and the list of those that expire keeps no
// more that do not than those that do.
func TestDatabasesTakeNoMoreRoomThanTheyNeed(t *testing.T) {
	k := New()
	db := k.DB(1)
	for n := range 1000 {
		key := []byte(fmt.Sprint("k", n))
		db.Set(key, StringObject([]byte("v")))
		db.SetExpire(key, int64(n+1))
		if n >= 10 {
			db.Delete([]byte(fmt.Sprint("k", n-10)))
		}
		require.LessOrEqual(t, len(db.volatile), 2*db.expires+pageSlots)
	}
	require.Len(t, db.pages, 1)
	for n := range 1000 {
		db.SetExpire([]byte("k995"), int64(n+1))
		db.Persist([]byte("k995"))
		require.LessOrEqual(t, len(db.volatile), 2*db.expires+pageSlots)
	}
	// They stand in an order that has to do with nothing, and is the same in every run.
	k.DB(2).Set([]byte("other"), StringObject([]byte("v")))
	var order string
	for n := range 8 {
		key := []byte(fmt.Sprint(n))
		k.DB(3).Set(key, StringObject(key))
		k.DB(3).SetExpire(key, 1)
	}
	require.Equal(t, 8, k.DB(3).VisitExpiring(8, func(key string, _ int64) { order += key }))
	require.Equal(t, "42016537", order)
	require.Zero(t, k.DB(2).VisitExpiring(8, func(string, int64) {}))
}

// A step of SCAN looks at ten times as many places as it may find keys.
func TestStepsOfAScanAreBounded(t *testing.T) {
	db := New().DB(0)
	for n := range 640 {
		db.Set([]byte(fmt.Sprint(n)), StringObject([]byte("v")))
	}
	for n := range 600 {
		db.Delete([]byte(fmt.Sprint(n)))
	}
	found := 0
	scan := func(cursor uint64, count int) uint64 {
		found = 0
		return db.Scan(cursor, count, func(string, *Object) { found++ })
	}
	require.EqualValues(t, 30, scan(0, 3))
	require.Zero(t, found)
	require.EqualValues(t, 603, scan(598, 3))
	require.Equal(t, 3, found)
	require.EqualValues(t, 639, scan(630, 9))
	require.Zero(t, scan(630, 10))
	require.Equal(t, 10, found)
	require.Zero(t, scan(639, 10))
	require.Equal(t, 1, found)
	require.Zero(t, scan(640, 10))
	require.Zero(t, found)
	for n := range 640 {
		db.Delete([]byte(fmt.Sprint(n)))
	}
	require.Zero(t, scan(0, 1), "there is nothing to come")
}
