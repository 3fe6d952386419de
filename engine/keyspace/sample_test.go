package keyspace_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/keyspace"
)

// Of the keys that are there, and of those that expire, as many different ones are drawn as
// are asked for, whatever has been deleted between them; over time each of them is.
func TestWhatIsDrawnIsThere(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	random := rng.Uint64
	for _, keys := range []int{0, 1, 2, 3, 10, 64, 65, 500} {
		for _, holes := range []bool{false, true} {
			ks := keyspace.New()
			db := ks.DB(2)
			want, volatile := map[string]bool{}, map[string]bool{}
			for n := range keys {
				key := fmt.Sprint("k", n)
				db.Set([]byte(key), keyspace.StringObject([]byte(key)))
				want[key] = true
				if n%2 == 0 {
					db.SetExpire([]byte(key), int64(1000+n))
					volatile[key] = true
				}
				switch {
				case !holes:
				case n%5 == 3 || n%10 == 4:
					db.Delete([]byte(key))
					delete(want, key)
					delete(volatile, key)
				case n%10 == 6:
					db.Persist([]byte(key))
					delete(volatile, key)
				}
			}
			for _, expiring := range []bool{false, true} {
				all := want
				if expiring {
					all = volatile
				}
				for _, n := range []int{0, 1, 2, 5, 16, 1000} {
					met := map[string]bool{}
					for range 200 {
						drawn := map[string]bool{}
						db.Sample(n, expiring, random, func(s keyspace.Sampled) {
							require.False(t, drawn[s.Key], "%s is drawn twice", s.Key)
							drawn[s.Key], met[s.Key] = true, true
							require.True(t, all[s.Key], "%s is not there", s.Key)
							require.Equal(t, s.Key, string(s.Object.Str))
							require.Equal(t, db.ExpireAt([]byte(s.Key)), s.ExpireAt)
						})
						require.LessOrEqual(t, len(drawn), min(n, len(all)))
						if !holes && (expiring || keys == 64) { // each place that is looked at has one
							require.Len(t, drawn, min(n, len(all)))
						}
					}
					if n >= 16 {
						require.Equal(t, len(all), len(met), "%d of %d keys, holes %v, expiring %v", n, keys, holes, expiring)
					}
				}
				met := map[string]bool{}
				for range 200 + 30*keys {
					key, ok := db.Random(expiring, random)
					require.Equal(t, len(all) > 0, ok)
					if ok {
						require.True(t, all[key])
						met[key] = true
					}
				}
				require.Equal(t, len(all), len(met))
			}
		}
	}
}

// Of so many keys each is drawn about as often as any other.
func TestKeysAreDrawnEvenly(t *testing.T) {
	db := keyspace.New().DB(0)
	const keys, draws = 128, 20000
	for n := range keys {
		key := []byte(fmt.Sprint(n))
		db.Set(key, keyspace.StringObject(key))
		db.SetExpire(key, 1)
	}
	rng := rand.New(rand.NewPCG(2, 2))
	for _, expiring := range []bool{false, true} {
		times := map[string]int{}
		pairs := map[[2]string]bool{}
		for range draws {
			key, _ := db.Random(expiring, rng.Uint64)
			times[key]++
			var pair [2]string
			n := 0
			db.Sample(2, expiring, rng.Uint64, func(s keyspace.Sampled) { pair[n], n = s.Key, n+1 })
			pairs[pair] = true
		}
		for key, n := range times {
			require.InDelta(t, draws/keys, n, draws/keys/2, key)
		}
		require.Greater(t, len(pairs), 5000, "who is drawn after whom is drawn as well")
	}
}

// The mean time to live follows what is seen, a fiftieth at a time (redis 7.0.15 expire.c
// activeExpireCycle).
func TestMeanTimeToLive(t *testing.T) {
	db := keyspace.New().DB(0)
	require.Zero(t, db.AvgTTL())
	db.NoteTTL(1000)
	require.EqualValues(t, 1000, db.AvgTTL())
	db.NoteTTL(2050)
	require.EqualValues(t, 20*49+41, db.AvgTTL())
	db.ForgetTTL()
	require.Zero(t, db.AvgTTL())
}

// What has expired or does not any more leaves the list of those that expire.
func TestTheListOfWhatExpiresIsTidied(t *testing.T) {
	db := keyspace.New().DB(0)
	seen := map[string]int{}
	for round := range 40 {
		for n := range 100 {
			key := []byte(fmt.Sprint(round, " ", n))
			db.Set(key, keyspace.StringObject(nil))
			db.SetExpire(key, 5)
			if n%10 != 0 {
				db.Persist(key)
			}
		}
	}
	require.Equal(t, 400, db.Expires())
	require.Equal(t, 400, db.VisitExpiring(400, func(key string, at int64) {
		require.EqualValues(t, 5, at)
		seen[key]++
	}))
	require.Len(t, seen, 400, "each once")
}

// Each key that expires is listed by itself, in whatever order they were given their time.
func TestNeighboursThatExpireAreListed(t *testing.T) {
	for _, step := range []int{1, 63} {
		db := keyspace.New().DB(0)
		key := func(n int) []byte { return []byte(strconv.Itoa(n * step % 64)) }
		for n := range 64 {
			db.Set([]byte(strconv.Itoa(n)), keyspace.StringObject(nil))
		}
		for n := range 64 {
			require.True(t, db.SetExpire(key(n), 5))
		}
		seen := map[string]bool{}
		db.VisitExpiring(64, func(key string, _ int64) { seen[key] = true })
		require.Len(t, seen, 64)
	}
}

// A database that was emptied, or a keyspace that was, is as a new one: the same keys come in
// the same order, on which simulations rely.
func TestAnEmptiedDatabaseIsAsANewOne(t *testing.T) {
	order := func(db *keyspace.DB) (keys []string) {
		for n := range 200 {
			key := []byte(fmt.Sprint(n))
			db.Set(key, keyspace.StringObject(nil))
			db.SetExpire(key, 7)
		}
		require.Equal(t, 150, db.VisitExpiring(150, func(key string, _ int64) { keys = append(keys, key) }))
		db.NoteTTL(100)
		return keys
	}
	ks := keyspace.New()
	want := order(ks.DB(0))
	for range 2 {
		require.Equal(t, 200, ks.DB(0).Flush())
		require.Zero(t, ks.DB(0).Expires())
		require.Zero(t, ks.DB(0).AvgTTL())
		require.Equal(t, want, order(ks.DB(0)))
		ks.Reset()
		require.Equal(t, want, order(ks.DB(0)))
	}
}
