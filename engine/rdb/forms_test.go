package rdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Elements of listpacks and ziplists in every form, at the ends of each: what is one
// byte too short is none, and what follows is not looked at.
func TestEveryFormOfAnElement(t *testing.T) {
	text := func(n int) string { return strings.Repeat("t", n) }
	le := func(n int, v int64) string {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(v))
		return string(b[:n])
	}
	be := func(v int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(v))) }
	for _, c := range []struct {
		decode     func(p []byte) ([]byte, int, bool)
		form, want string
	}{
		{element, "\x00", "0"}, {element, "\x7f", "127"},
		{element, "\x80", ""}, {element, "\x81t", "t"}, {element, "\xbf" + text(63), text(63)},
		{element, "\xc0\x00", "0"}, {element, "\xcf\xff", "4095"}, {element, "\xd0\x00", "-4096"}, {element, "\xdf\xff", "-1"},
		{element, "\xe0\x00", ""}, {element, "\xe0\x40" + text(64), text(64)}, {element, "\xef\xff" + text(4095), text(4095)},
		{element, "\xf0" + le(4, 0), ""}, {element, "\xf0" + le(4, 4096) + text(4096), text(4096)},
		{element, "\xf1" + le(2, -1), "-1"}, {element, "\xf1" + le(2, math.MaxInt16), "32767"}, {element, "\xf1" + le(2, math.MinInt16), "-32768"},
		{element, "\xf2" + le(3, 1<<23-1), "8388607"}, {element, "\xf2" + le(3, -1<<23), "-8388608"},
		{element, "\xf3" + le(4, math.MaxInt32), "2147483647"}, {element, "\xf3" + le(4, math.MinInt32), "-2147483648"},
		{element, "\xf4" + le(8, math.MaxInt64), "9223372036854775807"}, {element, "\xf4" + le(8, math.MinInt64), "-9223372036854775808"},
		{ziplistEntry, "\x00", ""}, {ziplistEntry, "\x3f" + text(63), text(63)}, {ziplistEntry, "\x40\x40" + text(64), text(64)}, {ziplistEntry, "\x7f\xff" + text(16383), text(16383)},
		{ziplistEntry, "\x40\x00", ""}, {ziplistEntry, "\x80" + be(0), ""}, {ziplistEntry, "\x80" + be(16384) + text(16384), text(16384)},
		{ziplistEntry, "\xc0" + le(2, -32768), "-32768"}, {ziplistEntry, "\xd0" + le(4, math.MinInt32), "-2147483648"}, {ziplistEntry, "\xe0" + le(8, math.MinInt64), "-9223372036854775808"},
		{ziplistEntry, "\xf0" + le(3, -1<<23), "-8388608"}, {ziplistEntry, "\xf0" + le(3, 1<<23-1), "8388607"}, {ziplistEntry, "\xfe\x80", "-128"}, {ziplistEntry, "\xfe\x7f", "127"},
		{ziplistEntry, "\xf1", "0"}, {ziplistEntry, "\xf2", "1"}, {ziplistEntry, "\xfd", "12"},
	} {
		name := fmt.Sprintf("%.12q", c.form)
		for _, behind := range []string{"", "\xff", text(20)} {
			v, size, ok := c.decode([]byte(c.form + behind))
			require.True(t, ok, name)
			require.Equal(t, c.want, string(v), name)
			require.Equal(t, len(c.form), size, name)
		}
		for short := 1; short < min(len(c.form), 12); short++ {
			_, _, ok := c.decode([]byte(c.form[:len(c.form)-short]))
			require.False(t, ok, "%s, %d short", name, short)
			_, _, ok = c.decode([]byte(c.form[:short]))
			require.False(t, ok, "%s, the first %d bytes", name, short)
		}
	}
	for b := 0xf5; b <= 0xff; b++ {
		_, _, ok := element([]byte{byte(b), 1, 2, 3, 4, 5, 6, 7, 8, 9})
		require.False(t, ok, "%x is no listpack's", b)
	}
	for _, b := range []byte{0x81, 0xbf, 0xc1, 0xcf, 0xd1, 0xe1, 0xef, 0xff} {
		_, _, ok := ziplistEntry([]byte{b, 1, 2, 3, 4, 5, 6, 7, 8, 9})
		require.False(t, ok, "%x is no ziplist's", b)
	}
	for form, want := range map[string][2]int{"": {}, "\xff": {}, "\x00": {0, 1}, "\xfd": {253, 1}, "\xfe": {}, "\xfe\x01\x00\x00": {}, "\xfe\x01\x00\x00\x00": {1, 5}, "\xfe\x00\x00\x01\x00zz": {65536, 5}} {
		n, size := zipmapLength([]byte(form))
		require.Equal(t, want, [2]int{int(n), size}, "%q", form)
	}
}

// Every packed form that is cut, one byte longer than it says, or wrong in one of its
// counts and lengths is refused.
func TestPackedFormsAreWhole(t *testing.T) {
	var l Listpack
	l.Reset()
	for _, e := range []string{"a", "1", "-70000", strings.Repeat("y", 130), ""} {
		l.Append([]byte(e))
	}
	listpack := string(l.Bytes())
	require.Equal(t, 5, l.Count())
	ziplist := "\x14\x00\x00\x00\x11\x00\x00\x00\x03\x00" + "\x00\x01a" + "\x03\x02bc" + "\x04\xf3" + "\xff"
	// Behind an entry of 254 bytes or more its length takes five bytes.
	long := "\x41\x01\x00\x00\x39\x01\x00\x00\x02\x00" + "\x00\x41\x2c" + strings.Repeat("l", 300) + "\xfe\x2f\x01\x00\x00\x01b" + "\xff"
	zipmap := "\x02" + "\x01f\x01\x00v" + "\x02gg\x03\x02www??" + "\xff"
	for name, c := range map[string]struct {
		take func(dst [][]byte, p []byte) ([][]byte, int, string)
		form string
		want int
	}{"listpack": {listpackElements, listpack, 5}, "ziplist": {ziplistElements, ziplist, 3}, "ziplist with a long entry": {ziplistElements, long, 2}, "zipmap": {zipmapElements, zipmap, 4}} {
		elems, _, wrong := c.take([][]byte{[]byte("before")}, []byte(c.form))
		require.Empty(t, wrong, name)
		require.Len(t, elems, c.want+1, name)
		for n := range len(c.form) {
			_, _, wrong := c.take(nil, []byte(c.form[:n]))
			require.NotEmpty(t, wrong, "%s cut to %d", name, n)
			// The length that it tells may be right for what is left.
			cut := []byte(c.form[:n])
			if n >= 4 && name != "zipmap" {
				binary.LittleEndian.PutUint32(cut, uint32(n))
				_, _, wrong = c.take(nil, cut)
				require.NotEmpty(t, wrong, "%s of %d bytes, cut", name, n)
			}
		}
		longer := []byte(c.form + "\xff")
		_, _, wrong = c.take(nil, longer)
		require.NotEmpty(t, wrong, name)
		if name != "zipmap" {
			binary.LittleEndian.PutUint32(longer, uint32(len(longer)))
			_, _, wrong = c.take(nil, longer)
			require.NotEmpty(t, wrong, name)
		}
	}
	for at, count := range map[int]string{4: listpack, 8: ziplist} {
		take := listpackElements
		if at == 8 {
			take = ziplistElements
		}
		for _, n := range []int{0, 2, 4, 6, 65534, 65535} {
			p := []byte(count)
			binary.LittleEndian.PutUint16(p[at:], uint16(n))
			_, where, wrong := take(nil, p)
			require.Equal(t, n == 65535, wrong == "", "%d elements", n)
			if wrong != "" {
				require.Equal(t, at, where)
			}
		}
	}
	for _, n := range []byte{0, 1, 3, 253, 254, 255} {
		_, _, wrong := zipmapElements(nil, []byte(string([]byte{n})+zipmap[1:]))
		require.Equal(t, n == 254, wrong == "", "%d fields", n)
	}
	for _, empty := range []string{"\x07\x00\x00\x00\x00\x00\xff", "\x0b\x00\x00\x00\x0a\x00\x00\x00\x00\x00\xff"} {
		take := listpackElements
		if len(empty) > 7 {
			take = ziplistElements
		}
		_, _, wrong := take(nil, []byte(empty))
		require.Empty(t, wrong)
	}
	_, _, wrong := zipmapElements(nil, []byte("\x00\xff"))
	require.Empty(t, wrong)
}

// Lengths, numbers and sets of numbers have the shortest of their forms, and are read back.
func TestShortestForms(t *testing.T) {
	write := func(f func(e *Encoder)) []byte {
		var out bytes.Buffer
		e := Encoder{out: &out}
		f(&e)
		e.flush()
		return out.Bytes()
	}
	decoder := func(p []byte) *Decoder {
		d := new(Decoder)
		d.Reset("f", bytes.NewReader(p), int64(len(p)), false)
		return d
	}
	for n, size := range map[uint64]int{0: 1, 63: 1, 64: 2, 16383: 2, 16384: 5, 1<<32 - 1: 5, 1 << 32: 9, 1<<64 - 1: 9} {
		p := write(func(e *Encoder) { e.Len(n) })
		require.Len(t, p, size, "%d", n)
		require.Equal(t, n, decoder(p).Len("n"))
		for cut := range p {
			d := decoder(p[:cut])
			require.Zero(t, d.Len("n"))
			require.ErrorContains(t, d.Err(), "unexpected end of file in n")
		}
	}
	for s, size := range map[string]int{"0": 2, "127": 2, "128": 3, "-128": 2, "-129": 3, "32767": 3, "32768": 5, "-32768": 3, "-32769": 5, "2147483647": 5, "2147483648": 11,
		"-2147483648": 5, "-2147483649": 12, "": 1, "-": 2, "-0": 3, "00": 3, "+1": 3, "1x": 3, "12345678901": 12} {
		p := write(func(e *Encoder) { e.Text(s) })
		require.Len(t, p, size, s)
		require.Equal(t, s, string(decoder(p).Str("s")))
		require.Equal(t, s, string(decoder(p).Blob("s")))
		for cut := range p {
			d := decoder(p[:cut])
			d.Str("s")
			require.ErrorContains(t, d.Err(), "unexpected end of file in s", "%q cut to %d", s, cut)
		}
	}
	for _, c := range []struct {
		ints []int64
		size int
	}{{nil, 2}, {[]int64{0}, 2}, {[]int64{-32768, 32767}, 2}, {[]int64{-32769}, 4}, {[]int64{32768}, 4}, {[]int64{-32769, 5}, 4}, {[]int64{5, 32768}, 4}, {[]int64{math.MinInt32, math.MaxInt32}, 4},
		{[]int64{math.MinInt32 - 1, 5}, 8}, {[]int64{5, math.MaxInt32 + 1}, 8}, {[]int64{math.MinInt64, -1, 0, math.MaxInt64}, 8}} {
		p := write(func(e *Encoder) { e.Intset(c.ints) })
		require.Len(t, p, 1+8+c.size*len(c.ints), "%d", c.ints)
		require.EqualValues(t, c.size, p[1])
		got := decoder(p).Intset("s")
		require.Equal(t, fmt.Sprint(c.ints), fmt.Sprint(got))
	}
	for form, what := range map[string]string{"": "shorter than its header", "\x02\x00\x00\x00\x00\x00\x00": "shorter", "\x03\x00\x00\x00\x00\x00\x00\x00": "another size", "\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00": "another number",
		"\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x01\x00": "do not ascend", "\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x01\x00": "do not ascend", "\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x01\x00": "another number"} {
		d := decoder(append([]byte{byte(len(form))}, form...))
		require.Nil(t, d.Intset("s"))
		require.ErrorContains(t, d.Err(), what, "%q", form)
	}
	for text, want := range map[string]bool{"9223372036854775807": true, "9223372036854775808": false, "-9223372036854775808": true, "-9223372036854775809": false, "18446744073709551615": false, "18446744073709551616": false,
		"99999999999999999999": false, "-99999999999999999999": false, "-18446744073709551616": false, "123456789012345678901": false, "0": true, "-0": false, "-": false, "": false, "1-": false, "9": true, ":": false, "/": false, "1:": false, "1/": false} {
		v, ok := canonicalInt(text)
		require.Equal(t, want, ok, text)
		if ok {
			require.Equal(t, text, strconv.FormatInt(v, 10))
		}
	}
	for head, want := range map[string]float64{"\x011": 1, "\x04-1.5": -1.5, "\xfe": math.Inf(1), "\xff": math.Inf(-1), "\x051e400": math.Inf(1)} {
		d := decoder([]byte(head))
		require.Equal(t, want, d.OldDouble("a score"), "%q", head)
		require.NoError(t, d.Err())
	}
	require.True(t, math.IsNaN(decoder([]byte{253}).OldDouble("a score")))
	for _, bad := range []string{"", "\x02x1", "\x031", "\x00"} {
		d := decoder([]byte(bad))
		require.Zero(t, d.OldDouble("a score"))
		require.Error(t, d.Err(), "%q", bad)
	}
	for b := 0x82; b < 0xc0; b++ {
		d := decoder([]byte{byte(b), 1, 2, 3, 4, 5, 6, 7, 8})
		require.Zero(t, d.Len("n"))
		require.ErrorContains(t, d.Err(), "Unknown length encoding")
	}
	for b := 0xc0; b <= 0xff; b++ {
		d := decoder([]byte{byte(b), 1, 2, 3, 4, 5, 6, 7, 8})
		require.Zero(t, d.Len("n"))
		require.ErrorContains(t, d.Err(), "an encoded string where the length of n should be")
		if b > 0xc3 {
			d = decoder([]byte{byte(b), 1, 2, 3, 4, 5, 6, 7, 8})
			require.Nil(t, d.Str("s"))
			require.ErrorContains(t, d.Err(), fmt.Sprintf("Unknown RDB string encoding type %d", b&63))
		}
	}
	// A count is of parts that take a byte at least.
	for form, ok := range map[string]bool{"\x02ab": true, "\x02a": false, "\x00": true, "\x81\xff\xff\xff\xff\xff\xff\xff\xff": false} {
		d := decoder([]byte(form))
		n := d.Count("parts")
		require.Equal(t, ok, d.OK(), "%q", form)
		require.Equal(t, ok && form != "\x00", n == 2, "%q", form)
	}
}

// Libraries are dumped and read back; a payload that is not whole, or holds something else,
// is refused with redis-server's words.
func TestPayloadsOfFunctions(t *testing.T) {
	codes := []string{"#!lua name=a\nreturn 1", strings.Repeat("#!lua name=b ", 100)}
	for _, compress := range []bool{false, true} {
		p := FunctionPayload(compress, codes)
		got, err := OpenFunctionPayload(p)
		require.NoError(t, err)
		require.Equal(t, codes, got)
		for n := range p {
			_, err := OpenFunctionPayload(p[:n])
			require.ErrorIs(t, err, ErrPayload, "cut to %d", n)
		}
	}
	none, err := OpenFunctionPayload(FunctionPayload(true, nil))
	require.NoError(t, err)
	require.Empty(t, none)
	sealedWith := func(b ...byte) []byte {
		b = binary.LittleEndian.AppendUint16(b, Version)
		return binary.LittleEndian.AppendUint64(b, updateCRC(0, b))
	}
	// Before 7.0.0 a library's name and engine, and if it has one its description, stood beside its code.
	old, err := OpenFunctionPayload(sealedWith([]byte("\xf6\x04name\x03LUA\x00\x04code\xf6\x01n\x03LUA\x01\x04desc\x01c")...))
	require.NoError(t, err)
	require.Equal(t, []string{"#!LUA name=name\ncode", "#!LUA name=n\nc"}, old)
	_, err = OpenFunctionPayload(sealedWith(0, 1, 'x'))
	require.EqualError(t, err, "given type is not a function")
	_, err = OpenFunctionPayload(sealedWith(0xf5, 60, 'x'))
	require.EqualError(t, err, "Failed loading library data")
	later := binary.LittleEndian.AppendUint16([]byte{0xf5, 1, 'x'}, Version+1)
	_, err = OpenFunctionPayload(binary.LittleEndian.AppendUint64(later, updateCRC(0, later)))
	require.ErrorIs(t, err, ErrPayload, "of a later version")
}

// TestDamageOfAListpackIsPlaced: what is wrong is said with the place of the part that is.
func TestDamageOfAListpackIsPlaced(t *testing.T) {
	// Two elements of one byte each, 1 and 2: a size, a number of elements, each element
	// with its length for walking back, an end.
	const sound = "\x0b\x00\x00\x00\x02\x00\x01\x01\x02\x01\xff"
	elems, _, wrong := listpackElements(nil, []byte(sound))
	require.Empty(t, wrong)
	require.Len(t, elems, 2)
	for _, c := range []struct {
		lp    string
		at    int
		wrong string
	}{
		{sound[:6], 0, "shorter than its header"},
		{"\x0c" + sound[1:], 0, "length differs"},
		{sound[:8] + "\xf0" + sound[9:], 8, "bad listpack element"},
		{sound[:9] + "\x02\xff", 9, "wrong back length"},
		{sound[:10] + "\x03", 10, "past the end"},
		{sound[:8] + "\xff" + sound[9:], 8, "ends early"},
	} {
		_, at, wrong := listpackElements(nil, []byte(c.lp))
		require.Contains(t, wrong, c.wrong, "%q", c.lp)
		require.Equal(t, c.at, at, "%q", c.lp)
	}
}
