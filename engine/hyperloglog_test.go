package engine_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hllDraws are compared with redis-server.
const hllDraws draws = `
	PFADD {string} <{member}>
	PFADD {hll} <{counted}>
	PFADD {hll} <{counted}> <{counted}> <{counted}> <{counted}>
	PFADD {hll}
	PFCOUNT {hll}
	PFCOUNT <{hll}> {hll}
	PFMERGE {hll} <{hll}>
	PFMERGE {string} {hll} {key}
	PFDEBUG (DECODE|ENCODING|TODENSE|X) {hll}
	PFSELFTEST
	PFDEBUG ENCODING {string}
	GET {hll}
`

// hllFills make HyperLogLogs.
const hllFills draws = `
	PFADD {own} <{counted}>
	PFADD {own} <{counted}> <{counted}> <{counted}> <{counted}>
`

// What is counted from any registers is redis-server's number: registers that are full
// (51), beyond that, all alike, or empty are met by no elements that one would add.
func TestCountsOfAnyRegistersLikeRedis(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	rng := rand.New(rand.NewPCG(16, 2))
	for n := range 300 {
		low, high, odd := rng.IntN(64), rng.IntN(64), rng.IntN(64)
		if n%2 == 0 { // full ones count beside others that are nearly so
			low = 36 + rng.IntN(14)
			high, odd = low+rng.IntN(3), 51
		}
		switch n {
		case 0, 1, 2: // none, all full, all but one
			low, high, odd = 51*min(n, 1), 51*min(n, 1), 51*(n%2)
		case 3:
			low, high, odd = 0, 50, 51
		}
		hll := make([]byte, 16+16384*6/8)
		copy(hll, "HYLL")
		hll[15] = 0x80 // dense, without a count
		for r := range 16384 {
			value := min(low, high) + rng.IntN(max(low, high)-min(low, high)+1)
			if rng.IntN(20) == 0 {
				value = odd
			}
			at := 16 + r*6/8
			hll[at] |= byte(value << (r * 6 % 8))
			if r*6%8 > 2 {
				hll[at+1] |= byte(value >> (8 - r*6%8))
			}
		}
		set := []string{"SET", "h", string(hll)}
		require.Equal(t, theirs.do(set...), ours.do(set...))
		require.Equal(t, theirs.do("PFCOUNT", "h"), ours.do("PFCOUNT", "h"), "registers from %d to %d, and some of %d", low, high, odd)
		assert.Equal(t, theirs.do("GET", "h"), ours.do("GET", "h"), fmt.Sprint(n)) // with the count in it
	}
}

// A sparse HyperLogLog grows to its limit, byte by byte, and becomes a dense one with the
// element that would make it longer, under every limit.
func TestSparseHyperLogLogsGrowToTheirLimit(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	for limit := range 90 {
		set := []string{"CONFIG", "SET", "hll-sparse-max-bytes", fmt.Sprint(limit)}
		require.Equal(t, theirs.do(set...), ours.do(set...))
		for n := range 40 {
			key := fmt.Sprint("h", limit)
			add := []string{"PFADD", key, fmt.Sprint(limit*7 + n*n)}
			require.Equal(t, theirs.do(add...), ours.do(add...))
			require.Equal(t, theirs.do("STRLEN", key), ours.do("STRLEN", key), "%q with a limit of %d", add, limit)
		}
	}
	// In short runs an element takes a byte more, or two.
	for _, run := range []struct {
		byte
		length int
	}{{0x00, 1}, {0x01, 2}, {0x03, 4}, {0x80, 1}, {0x81, 2}, {0x83, 4}} {
		const header = "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"
		hll := header + strings.Repeat(string([]byte{run.byte}), 16384/run.length)
		for more := -1; more < 4; more++ {
			for _, argv := range [][]string{{"CONFIG", "SET", "hll-sparse-max-bytes", fmt.Sprint(len(hll) + more)}, {"SET", "runs", hll}} {
				require.Equal(t, theirs.do(argv...), ours.do(argv...))
			}
			for n := range 12 {
				add := []string{"PFADD", "runs", fmt.Sprint(n)}
				require.Equal(t, theirs.do(add...), ours.do(add...), "%q to runs of %d", add, run.length)
				require.Equal(t, theirs.do("GET", "runs"), ours.do("GET", "runs"), "%q to runs of %d, limit %d more", add, run.length, more)
			}
		}
	}
	assert.Equal(t, theirs.do("DEBUG", "DIGEST"), ours.do("DEBUG", "DIGEST"))
}

// A run that is cut at its end is no HyperLogLog to anybody who gets there.
func TestHyperLogLogsThatEndInHalfARun(t *testing.T) {
	w := startWorld(t, "")
	c := w.connect()
	cut := "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7e\xff\x40"
	for n := range 1000 {
		c.do("SET", "cut", cut)
		element := fmt.Sprint(n)
		reply := c.do("PFADD", "cut", element)
		if reply == "-INVALIDOBJ Corrupted HLL object detected\r\n" {
			assert.Equal(t, fmt.Sprintf("$%d\r\n%s\r\n", len(cut), cut), c.do("GET", "cut"))
			return
		}
		require.Equal(t, ":1\r\n", reply)
	}
	t.Fatal("none of the elements is behind the run that is cut")
}
