package rdb

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
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
	for _, bad := range []string{"00", "ff", "200000", "e0", "e000", "2000", "0561", "1f6162"} {
		p, _ := hex.DecodeString(bad)
		require.False(t, decompress(make([]byte, 8), p), bad)
	}
}

// A match is as long as it can be, up to 264 bytes, and up to 8,192 bytes away; four bytes
// must be saved. Nil: it is not compressed.
func TestLZFFormsOfMatches(t *testing.T) {
	unique := func(n int) (b []byte) { // no three bytes of which are there twice
		for i := range n/3 + 1 {
			b = append(b, byte(i), 0x80|byte(i>>7), 0x40|byte(i>>4))
		}
		return b[:n]
	}
	run := strings.Repeat("a", 400)
	far := string(unique(3000))
	literals := func(text string) string { return string(appendLiterals(nil, []byte(text))) }
	for name, c := range map[string]struct{ src, want string }{
		"a run":                      {run[:21], "\x00a\xe0\x0b\x00"},
		"a match of 8":               {"12345678\x00\x0112345678", "\x0912345678\x00\x01\xc0\x09"},
		"of 9":                       {"123456789\x00\x01123456789", "\x0a123456789\x00\x01\xe0\x00\x0a"},
		"the longest":                {run[:265], "\x00a\xe0\xff\x00"},
		"longer than that by two":    {run[:267], "\x00a\xe0\xff\x00\x01aa"},
		"by three":                   {run[:268], "\x00a\xe0\xff\x00\x21\x07"}, // only where a match begins is remembered
		"matches on the way":         {"abc0123456789abcdef0123456789", "\x0cabc0123456789\x20\x0c\x02def\xe0\x01\x0f"},
		"saves four bytes":           {"1234567812345678", "\x0712345678\xc0\x07"},
		"saves three":                {"123456712345678", ""},
		"33 literals before a match": {far[:33] + run[:21], literals(far[:33]+"a") + "\xe0\x0b\x00"},
		"without a match":            {far, ""},
		"nothing":                    {"", ""},
	} {
		got, ok := new(compressor).compress(nil, []byte(c.src))
		require.Equal(t, c.want != "", ok, name)
		if ok {
			require.Equal(t, c.want, string(got), name)
		}
	}

	for distance, end := range map[int]string{8192: "\xff\x15\xff", 8193: far[:30]} {
		got, ok := new(compressor).compress(nil, []byte(far[:30]+strings.Repeat("a", distance-30)+far[:30]))
		require.True(t, ok)
		require.True(t, strings.HasSuffix(string(got), end), "%d bytes away: %q", distance, got)
	}

	// The table is shared by texts one after another, also when positions have become large:
	// each is compressed as the first is, and as ever.
	c := compressor{base: 1<<31 - 100_000}
	var fresh compressor
	rng := rand.New(rand.NewPCG(16, 5))
	sum, size := fnv.New64a(), 0
	for n := range 400 {
		var src []byte
		for n%2 == 1 && len(src) < 4000 { // letters, of which some three are in another's place
			src = append(src, byte('a'+rng.IntN(4+n%40)))
		}
		for range rng.IntN(200) {
			src = append(src, fmt.Sprintf("word%d ", rng.IntN(40)*rng.IntN(40)*(1+rng.IntN(3)))...)
		}
		fresh = compressor{}
		want, ok := fresh.compress(nil, src)
		got, same := c.compress([]byte("before"), src)
		require.Equal(t, ok, same)
		if ok {
			require.Equal(t, "before"+string(want), string(got))
			sum.Write(got)
			size += len(want)
			out := make([]byte, len(src))
			require.True(t, decompress(out, want))
			require.Equal(t, src, out)
		}
	}
	require.Equal(t, "888379 bytes, 352baad384502b54", fmt.Sprintf("%d bytes, %x", size, sum.Sum64()))
}

// How long the length behind an element is (redis 7.0.15 listpack.c lpEncodeBacklen), which
// does not use the last of what its bytes could hold.
func TestLengthsBehindElements(t *testing.T) {
	for n, size := range map[int]int{0: 1, 127: 1, 128: 2, 16382: 2, 16383: 3, 2097150: 3, 2097151: 4, 268435454: 4, 268435455: 5} {
		require.Equal(t, size, backlenSize(n), "%d", n)
		b := appendBacklen(nil, n)
		require.Len(t, b, size)
		back := 0
		for i, c := range b {
			back = back<<7 | int(c&127)
			require.Equal(t, i > 0, c&128 != 0, "%d: only the first byte ends it", n)
		}
		require.Equal(t, n, back)
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
