package fressian_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history/fressian"
)

func read(data []byte) (texts []string, err error) {
	r := fressian.NewReader(data)
	for {
		v, err := r.Next()
		if errors.Is(err, io.EOF) {
			return texts, nil
		}
		if err != nil {
			return texts, err
		}
		texts = append(texts, string(v.AppendTo(nil)))
	}
}

func TestValues(t *testing.T) {
	for _, tc := range []struct {
		name string
		data []byte
		want []string
	}{
		{"small integers", []byte{0x00, 0x3f, 0xff}, []string{"0", "63", "-1"}},
		{"packed integers", []byte{0x50, 0x40, 0x4f, 0xff, 0x68, 0x10, 0x00, 0x72, 0x01, 0x00, 0x00}, []string{"64", "-1", "4096", "65536"}},
		{"longer integers", []byte{0x76, 1, 0, 0, 0, 0x7a, 1, 0, 0, 0, 0, 0x7e, 1, 0, 0, 0, 0, 0}, []string{"16777216", "4294967296", "1099511627776"}},
		{"64 bits", []byte{0xf8, 0x80, 0, 0, 0, 0, 0, 0, 0}, []string{"-9223372036854775808"}},
		{"constants", []byte{0xf7, 0xf5, 0xf6, 0xfb, 0xfc}, []string{"nil", "true", "false", "0.0", "1.0"}},
		{"a double", []byte{0xfa, 0x40, 0x0e, 0, 0, 0, 0, 0, 0}, []string{"3.75"}},
		{"strings", []byte{0xda, 0xdb, 'a', 0xe3, 2, 'b', 'c', 0xe2, 1, 'd', 0xdb, 'e'}, []string{`""`, `"a"`, `"bc"`, `"de"`}},
		{"lists", []byte{0xe4, 0xe5, 1, 0xec, 2, 1, 2, 0xed, 3, 0xfd, 0xee, 4}, []string{"[]", "[1]", "[1 2]", "[3]", "[4]"}},
		{"a map and a set", []byte{0xc0, 0xe6, 0xdb, 'k', 1, 0xc1, 0xe6, 2, 1}, []string{`{"k" 1}`, "#{1 2}"}},
		{"keywords", []byte{0xca, 0xf7, 0xdb, 'k', 0xca, 0xdb, 'n', 0xdb, 'k'}, []string{":k", ":n/k"}},
		{"the cache", []byte{0xcd, 0xdb, 'a', 0x80, 0xcc, 0x00, 0xfe, 0xcd, 5, 0x80}, []string{`"a"`, `"a"`, `"a"`, "5", "5"}},
		{"a structure that nobody knows, twice", []byte{0xef, 0xdb, 'x', 2, 1, 2, 0xa0, 3, 4, 0xf0, 0, 5, 6}, []string{"[1 2]", "[3 4]", "[5 6]"}},
		{"large integers", []byte{0xc6, 0xd1, 0xff, 0xc6, 0xd2, 1, 0}, []string{"-1", "256"}},
		{"an array", []byte{0xb0, 2, 7, 8}, []string{"[7 8]"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := read(tc.data)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestMalformedValuesAreNamed(t *testing.T) {
	// Each value holds the one before it twice: a few bytes that would be written
	// out as more than there is memory for.
	bomb := []byte{0xcd, 0xdb, 'x'}
	for i := range 60 {
		bomb = append(bomb, 0xcd, 0xe6, 0xcc, byte(i), 0xcc, byte(i))
	}
	deep := []byte{}
	for range 300 {
		deep = append(deep, 0xe5)
	}
	for _, tc := range []struct {
		name string
		data []byte
		want string
	}{
		{"cut in an integer", []byte{0xf8, 1}, "cut off"},
		{"cut in a string", []byte{0xe3, 9, 'a'}, "cut off"},
		{"a list longer than the data", []byte{0xec, 0x7c, 0, 0, 0, 0, 0, 0}, "want a count"},
		{"a list of more than there is", []byte{0xec, 0x3f}, "cut off"},
		{"not a code", []byte{0xf3}, "code 0xf3"},
		{"the cache is empty", []byte{0x80}, "value 0 of the cache, which has 0"},
		{"a value within itself", []byte{0xcd, 0xe5, 0x80}, "a value that contains itself"},
		{"a structure that was not named", []byte{0xa0}, "structure 0, of 0"},
		{"an odd map", []byte{0xc0, 0xe5, 1}, "no list of keys and values"},
		{"the cache emptied within", []byte{0xcd, 0xe6, 1, 0xfe, 2}, "the cache is emptied inside"},
		{"too deep", deep, "values more than 200 deep"},
		{"doubled again and again", bomb, "a value of more than"},
		{"a number that takes long to write", append([]byte{0xc6, 0xd9, 0x68, 0x11, 0x00}, make([]byte, 0x1100)...), "a number of 4352 bytes: want at most 4096"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := fressian.NewReader(tc.data)
			var err error
			for err == nil {
				_, err = r.Next()
			}
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// TestEveryCode compares with testdata/codes what is read when a value begins with
// each of the codes, with something in the caches, and in front of bytes of several
// kinds; and of each place at which the data may be cut off. -rewrite writes the file
// anew.
//
//	codes HEX       each code in front of these bytes
//	cut HEX         so many of these bytes
func TestEveryCode(t *testing.T) {
	datadriven.RunTest(t, "testdata/codes", func(t *testing.T, d *datadriven.TestData) string {
		tail, err := hex.DecodeString(strings.ReplaceAll(d.Input, " ", ""))
		require.NoError(t, err)
		tell := func(data []byte) string {
			texts, err := read(data)
			if err != nil {
				texts = append(texts, err.Error())
			}
			return strings.Trim(strconv.QuoteToASCII(strings.Join(texts, " ")), `"`)
		}
		var b strings.Builder
		if d.Cmd == "cut" {
			for n := range len(tail) + 1 {
				fmt.Fprintf(&b, "%d: %s\n", n, tell(tail[:n:n]))
			}
			return b.String()
		}
		for code := 0x3f; code < 256; code++ {
			// In front of it: a value in the cache, and a structure of two fields.
			data := append([]byte{0xcd, 0xdb, 'c', 0xef, 0xdb, 's', 2, 7, 8, byte(code)}, tail...)
			fmt.Fprintf(&b, "%02x: %s\n", code, strings.TrimPrefix(tell(data), `\"c\" [7 8] `))
		}
		return b.String()
	})
}

// TestLargestValue: a string may be as long as the largest value, and no longer.
func TestLargestValue(t *testing.T) {
	const most = 16 << 20
	long := func(n int) []byte {
		return append([]byte{0xe3, 0x76, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, bytes.Repeat([]byte{'x'}, n)...)
	}
	r := fressian.NewReader(long(most))
	v, err := r.Next()
	require.NoError(t, err)
	require.Len(t, v.Text, most)
	r = fressian.NewReader(long(most + 1))
	_, err = r.Next()
	require.ErrorContains(t, err, "a value of more than 16 Mi values and bytes")
	// Twice the half is too much with the list around it, and one byte less is not.
	for n, want := range map[int]bool{most/2 - 2: true, most/2 - 1: false} {
		_, err := fressian.NewReader(append([]byte{0xe6, 0xcd}, append(long(n), 0x80)...)).Next()
		require.Equal(t, want, err == nil, "%d: %v", n, err)
	}
}

func TestAValueMayBeMadeSmall(t *testing.T) {
	r := fressian.NewReader([]byte{0xec, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
	r.Most = 10
	_, err := r.Next()
	require.ErrorContains(t, err, "a value of more than 10 values and bytes")
}

// TestNumbersThatAreRepeatedCount: a number from the cache counts as one value each time, also
// in a list that comes from the cache itself.
func TestNumbersThatAreRepeatedCount(t *testing.T) {
	list := func(n int, first ...byte) []byte { // of something, and the second of the cache
		b := append([]byte{0xec, 0x76, 0, 0, byte(n >> 8), byte(n)}, first...)
		return append(b, bytes.Repeat([]byte{0x81}, n-1)...)
	}
	inner := append([]byte{0xcd}, list(1<<12-1, 0xcd, 7)...) // the list is the first of the cache, and the number the second
	for n, want := range map[int]bool{1<<12 - 1: true, 1 << 12: false} {
		outer := append([]byte{0xec, 0x76, 0, 0, byte(n >> 8), byte(n)}, inner...)
		_, err := fressian.NewReader(append(outer, bytes.Repeat([]byte{0x80}, n-1)...)).Next()
		require.Equal(t, want, err == nil, "%d: %v", n, err)
	}
}

// TestDepth: lists, caches and structures lie 200 deep in each other, and no deeper.
func TestDepth(t *testing.T) {
	for _, around := range [][]byte{{0xe5}, {0xed}, {0xcd}, {0xef}, {0xc1, 0xe5}} {
		levels := len(around)
		deepest := sort.Search(400, func(n int) bool {
			_, err := fressian.NewReader(append(bytes.Repeat(around, n), 1)).Next()
			return err != nil && strings.Contains(err.Error(), "values more than 200 deep")
		})
		require.Equal(t, 200/levels, deepest-1, "%x", around)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte{0xef, 0xdb, 'x', 2, 1, 2, 0xa0, 3, 4, 0xcd, 0xdb, 'a', 0x80})
	f.Add([]byte{0xc0, 0xe6, 0xca, 0xf7, 0xdb, 'k', 0xee, 1, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := fressian.NewReader(data)
		for range 1000 {
			if _, err := r.Next(); err != nil {
				return
			}
		}
	})
}
