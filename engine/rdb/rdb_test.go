package rdb

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
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
		if n%7 == 0 && len(src) >= 24 {
			require.True(t, ok, "so many equal bytes become fewer")
		}
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

// How large a listpack becomes is known before it is made.
func TestSizesOfElements(t *testing.T) {
	var l Listpack
	for bit := range 64 {
		for _, v := range []int64{1<<bit - 1, 1 << bit, 1<<bit + 1, -1<<bit - 1, -1 << bit, -1<<bit + 1} {
			l.Reset()
			before := l.Size()
			l.AppendInt(v)
			require.Equal(t, l.Size()-before, IntSize(v), "%d", v)
			require.Equal(t, IntSize(v), ElementSize(strconv.AppendInt(nil, v, 10)), "%d", v)
		}
	}
	for _, n := range []int{0, 1, 62, 63, 64, 65, 125, 126, 127, 128, 4094, 4095, 4096, 4097, 16378, 16379, 16380, 16384, 2097140, 2097150, 2097160} {
		s := bytes.Repeat([]byte{'x'}, n)
		l.Reset()
		before := l.Size()
		l.Append(s)
		require.Equal(t, l.Size()-before, ElementSize(s), "%d bytes", n)
	}
}
