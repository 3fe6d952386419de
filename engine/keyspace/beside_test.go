package keyspace_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
)

// A snapshot may be encoded by another thread while the keyspace goes on changing, with
// no lock between them (persist.Spawn): the race detector is to be silent about this, and
// the bytes are those of the fork.
func TestSnapshotsAreEncodedBesideWrites(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	k := keyspace.New()
	const keys = 400
	key := func(i int) []byte { return fmt.Append(nil, "key", i) }
	change := func(db *keyspace.DB, i int) {
		name := key(i)
		bag := &bags[i%len(bags)]
		member := fmt.Sprint("m", rng.IntN(1+i)) // few or many: in each encoding
		o := db.Get(name)
		switch n := rng.IntN(20); {
		case n == 0 && o != nil:
			db.Delete(name)
		case n == 1:
			db.Set(name, keyspace.StringObject([]byte(member)))
		case n == 2 && o != nil:
			db.SetExpire(name, 1<<41)
		case i%7 == 0:
			l := db.EditList(name)
			if l == nil {
				db.Delete(name)
				l = db.NewList(name)
			}
			l.PushBack([]byte(member))
			if rng.IntN(3) == 0 && l.Len() > 1 {
				l.PopFront()
			}
		default:
			if o != nil && o.Kind != bag.kind {
				db.Delete(name)
				o = nil
			}
			if o == nil {
				bag.create(db, name)
			}
			bag.put(db, name, member, rng.IntN(100))
			if rng.IntN(3) == 0 {
				bag.put(db, name, "stays", 1)
				bag.remove(db, name, member)
			}
		}
	}
	encode := func(s *keyspace.Snapshot) []byte {
		var out bytes.Buffer
		require.NoError(t, s.WriteRDB(&out, rdb.WriteOptions{Compress: true, Checksum: true}))
		return out.Bytes()
	}
	for range 20_000 {
		change(k.DB(0), rng.IntN(keys))
	}
	for round := range 20 {
		s := k.Snapshot()
		want := encode(s)
		var got []byte
		var encoding sync.WaitGroup
		encoding.Go(func() { got = encode(s) })
		for range 5000 {
			change(k.DB(0), rng.IntN(keys))
		}
		if round%5 == 4 {
			k.FlushAll()
		}
		encoding.Wait()
		require.True(t, bytes.Equal(want, got), "round %d", round)
		s.Release()
	}
}
