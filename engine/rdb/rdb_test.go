package rdb

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCRCIsRedisOwn(t *testing.T) {
	require.Equal(t, uint64(0xe9c6d914c4b8d9ca), updateCRC(0, []byte("123456789")), "the check value of redis crc64.c")
	require.Equal(t, updateCRC(0, []byte("123456789")), updateCRC(updateCRC(0, []byte("1234")), []byte("56789")))
}

func TestLZFExpandsOnlyWhatItShould(t *testing.T) {
	var c compressor
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range 2000 {
		src := make([]byte, rng.IntN(400))
		for i := range src {
			src[i] = byte(rng.Uint32N(uint32(1 + n%7)))
		}
		p, ok := c.compress(nil, src)
		if !ok {
			continue
		}
		require.LessOrEqual(t, len(p), len(src)-4)
		out := make([]byte, len(src))
		require.True(t, decompress(out, p))
		require.Equal(t, src, out)
		require.False(t, decompress(make([]byte, len(src)-1), p), "one byte too many")
		require.False(t, decompress(make([]byte, len(src)+1), p), "one byte too few")
	}
	for _, bad := range []string{"00", "ff", "200000", "e0", "e000", "2000"} {
		p, _ := hex.DecodeString(bad)
		require.False(t, decompress(make([]byte, 8), p), bad)
	}
}
