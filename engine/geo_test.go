package engine_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// geoDraws are compared with redis-server.
const geoDraws draws = `
	ZADD {zset} (inf|-inf|1e19|9223372036854775808|9223372036854775807|18446744073709551616|-1) {member}
	GEOPOS {zset} a b c d 1 2 -3 10 member
	GEOHASH {zset} a b c d 1 2 -3 10 member
	GEOADD {zset} <{long} {lat} {member}>
	GEOADD {zset} <{long} {lat} {member}>
	GEOADD {zset} [(NX|XX)] [CH] <{long} {lat} {member}>
	GEODIST {zset} {member} {member} [(m|km|ft|mi|x)]
	GEOHASH {zset} <{member}>
	GEOPOS {zset} <{member}>
	GEOSEARCH {zset} FROMLONLAT {long} {lat} BYRADIUS {meters} (m|km|mi|ft|x) (ASC|DESC) [COUNT {count}] [WITHDIST] [WITHCOORD] [WITHHASH]
	GEOSEARCH {zset} FROMMEMBER {member} BYBOX {meters} {meters} (m|km) [COUNT {count} ANY] [WITHDIST]
	GEOSEARCH {zset} (FROMMEMBER a|BYRADIUS 1 m) [ANY]
	GEOSEARCHSTORE {zset} {zset} FROMLONLAT {long} {lat} BYRADIUS {meters} km (ASC|DESC|WITHDIST|STOREDIST) [COUNT {count}]
	GEORADIUS {zset} {long} {lat} {meters} (m|km) [WITHDIST] [WITHHASH] [(STORE|STOREDIST) {zset}]
	GEORADIUS_RO {zset} {long} {lat} {meters} km [WITHCOORD] [STORE x]
	GEORADIUSBYMEMBER {zset} {member} {meters} (m|km) [ASC] [(STORE|STOREDIST) {zset}]
	GEORADIUSBYMEMBER_RO {zset} {member} {meters} km [COUNT {count} [ANY]]
`

// What STOREDIST stores has all digits: they are redis-server's own.
func TestDistancesLikeRedis(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	rng := rand.New(rand.NewPCG(16, 0))
	place := func() (long, lat string) {
		return fmt.Sprint(rng.Float64()*360 - 180), fmt.Sprint(rng.Float64()*170 - 85)
	}
	const points, centers = 20_000, 5
	add := []string{"GEOADD", "g"}
	for n := range points {
		long, lat := place()
		add = append(add, long, lat, fmt.Sprint(n))
	}
	require.Equal(t, theirs.do(add...), ours.do(add...))
	differ := 0
	for range centers {
		long, lat := place()
		search := []string{"GEOSEARCHSTORE", "d", "g", "FROMLONLAT", long, lat, "BYRADIUS", "25000000", "m", "STOREDIST"}
		require.Equal(t, fmt.Sprintf(":%d\r\n", points), theirs.do(search...))
		require.Equal(t, fmt.Sprintf(":%d\r\n", points), ours.do(search...))
		want, got := elements(theirs.do("ZRANGE", "d", "0", "-1", "WITHSCORES")), elements(ours.do("ZRANGE", "d", "0", "-1", "WITHSCORES"))
		require.Len(t, got, len(want))
		for i := range want {
			if want[i] != got[i] {
				differ++
			}
		}
	}
	assert.Zero(t, differ, "of %d", points*centers)
}

// What a search finds, and in which order, is what redis-server finds with its nine
// squares: of all sizes, at the poles, at the date line, in long boxes.
func TestSearchesFindWhatRedisFinds(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	rng := rand.New(rand.NewPCG(16, 4))
	between := func(low, high float64) string { return fmt.Sprint(low + rng.Float64()*(high-low)) }
	add := []string{"GEOADD", "g"}
	for n := range 3000 {
		long, lat := between(-180, 180), between(-85.05, 85.05)
		switch n % 4 {
		case 1: // a town
			long, lat = between(10, 10.2), between(50, 50.2)
		case 2: // at the date line
			long, lat = fmt.Sprint(math.Remainder(180+rng.NormFloat64()*2, 360)), between(-20, 20)
		case 3: // in the north
			lat = between(60, 85)
		}
		add = append(add, long, lat, fmt.Sprint(n))
	}
	require.Equal(t, theirs.do(add...), ours.do(add...))
	found := 0
	for n := range 3000 {
		search := []string{"GEOSEARCH", "g", "FROMLONLAT", between(-180, 180), between(-85, 85)}
		switch n % 5 {
		case 1:
			search = append(search[:3], between(9.9, 10.3), between(49.9, 50.3))
		case 2:
			search = append(search[:3], []string{"-180", "180", "179.9", "-179.99"}[rng.IntN(4)], between(-20, 20))
		case 3:
			search = append(search[:3], between(-180, 180), between(60, 85))
		case 4:
			search = append(search[:2], "FROMMEMBER", fmt.Sprint(rng.IntN(3000)))
		}
		size := func() string { return fmt.Sprint(math.Exp(rng.Float64() * 17)) } // up to 24,000 km
		if n%2 == 0 {
			search = append(search, "BYRADIUS", size(), "m", "WITHHASH")
		} else {
			search = append(search, "BYBOX", size(), size(), "m", "WITHDIST")
		}
		switch rng.IntN(6) {
		case 0:
			search = append(search, "COUNT", fmt.Sprint(1+rng.IntN(20)), "ANY")
		case 1:
			search = append(search, "COUNT", fmt.Sprint(1+rng.IntN(20)))
		case 2:
			search = append(search, "DESC")
		}
		want, got := theirs.do(search...), ours.do(search...)
		require.Equal(t, want, got, "%q", search)
		found += len(elements(got))
	}
	assert.Greater(t, found, 10_000)
}
