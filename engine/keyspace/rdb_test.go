package keyspace_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
)

// dump is a keyspace as text, one line a key.
func dump(k *keyspace.Keyspace) string {
	var b strings.Builder
	s := k.Snapshot()
	defer s.Release()
	_ = s.Each(func(db int, key string, o *keyspace.Object, expireAtMs int64) error {
		fmt.Fprintf(&b, "%d %q %d ", db, key, expireAtMs)
		if o.Kind == keyspace.String {
			fmt.Fprintf(&b, "%q\n", o.Str)
			return nil
		}
		for i := range o.List().Len() {
			fmt.Fprintf(&b, "[%q]", o.List().At(i))
		}
		b.WriteByte('\n')
		return nil
	})
	return b.String()
}

func write(t require.TestingT, k *keyspace.Keyspace, o rdb.WriteOptions) []byte {
	var out bytes.Buffer
	s := k.Snapshot()
	defer s.Release()
	require.NoError(t, s.WriteRDB(&out, o))
	return out.Bytes()
}

func read(data []byte) (*keyspace.Keyspace, int64, error) {
	return readFrom(bytes.NewReader(data), int64(len(data)))
}

func readFrom(from io.ReaderAt, size int64) (*keyspace.Keyspace, int64, error) {
	k := keyspace.New()
	var r rdb.Reader
	end, err := keyspace.LoadRDB(&r, "dump.rdb", from, size, rdb.ReadOptions{
		Checksum: true, Databases: keyspace.Databases,
	}, &keyspace.DefaultLimits, func(e *rdb.Entry, o keyspace.Object) error {
		if !k.DB(e.DB).Set(e.Key, o) {
			return errors.New("duplicate key")
		}
		if e.ExpireAtMs > 0 {
			k.DB(e.DB).SetExpire(e.Key, e.ExpireAtMs)
		}
		return nil
	})
	return k, end, err
}

// mixed is a keyspace with every form that a value can take in the file.
func mixed() *keyspace.Keyspace {
	k := keyspace.New()
	set := func(db int, key, value string) {
		k.DB(db).Set([]byte(key), keyspace.StringObject([]byte(value)))
	}
	for i, v := range []string{"", "0", "-1", "127", "128", "-128", "-129", "32767", "32768", "2147483647", "-2147483648",
		"2147483648", "007", "+5", "-0", "9223372036854775807", "plain", strings.Repeat("a", 20), strings.Repeat("a", 21),
		strings.Repeat("abc", 3000), strings.Repeat("x", 70000), "\x00\xff\r\n"} {
		set(0, fmt.Sprint("s", i), v)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 20000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	set(3, "noise", string(noise))
	set(3, strings.Repeat("long key ", 9), "v")
	k.DB(3).SetExpire([]byte("noise"), 1<<42)
	l := k.DB(15).NewList([]byte("list"))
	for i, v := range []string{"", "0", "127", "128", "-1", "-4096", "4095", "4096", "-4097", "32767", "-32768", "32768", "8388607", "-8388608",
		"8388608", "2147483647", "-2147483648", "2147483648", "-9223372036854775808", "9223372036854775807", "9223372036854775808",
		"x", strings.Repeat("y", 63), strings.Repeat("y", 64), strings.Repeat("y", 4095), strings.Repeat("y", 4096), strings.Repeat("z", 20000)} {
		l.PushBack([]byte(v))
		if i%2 == 0 {
			l.PushBack([]byte(fmt.Sprint("between ", i)))
		}
	}
	return k
}

func TestWhatWasWrittenIsReadBack(t *testing.T) {
	for _, o := range []rdb.WriteOptions{{}, {Compress: true}, {Compress: true, Checksum: true}, {Checksum: true, AOFBase: true, Created: 1 << 33}} {
		k := mixed()
		data := write(t, k, o)
		got, end, err := read(append(data, "tail that is not ours"...))
		require.NoError(t, err, "%+v", o)
		require.EqualValues(t, len(data), end)
		require.Equal(t, dump(k), dump(got), "%+v", o)
	}
}

// What the RDB format's RESIZEDB says: the keys of each database, and how many of them expire.
func TestCountsOfASnapshot(t *testing.T) {
	s := mixed().Snapshot()
	defer s.Release()
	for db, want := range map[int][2]int{0: {22, 0}, 1: {0, 0}, 3: {2, 1}, 15: {1, 0}} { // any order: each by itself
		keys, expires := s.Counts(db)
		require.Equal(t, want, [2]int{keys, expires}, "database %d", db)
	}
}

func TestRandomKeyspacesAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := keyspace.New()
		value := rapid.OneOf(
			rapid.SliceOfN(rapid.Byte(), 0, 300),
			rapid.Map(rapid.Int64(), func(v int64) []byte { return fmt.Append(nil, v) }),
			rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]byte("ab")), 0, 9000), func(b []byte) []byte { return b }),
		)
		for range rapid.IntRange(0, 12).Draw(t, "keys") {
			db := k.DB(rapid.IntRange(0, 15).Draw(t, "db"))
			key := value.Draw(t, "key")
			if rapid.Bool().Draw(t, "list") {
				db.Set(key, keyspace.ListObject(rapid.SliceOfN(value, 1, 40).Draw(t, "elements")))
			} else {
				db.Set(key, keyspace.StringObject(value.Draw(t, "value")))
			}
			if rapid.Bool().Draw(t, "expires") {
				db.SetExpire(key, rapid.Int64Range(1, 1<<45).Draw(t, "at"))
			}
		}
		data := write(t, k, rdb.WriteOptions{Compress: rapid.Bool().Draw(t, "compress"), Checksum: true})
		got, _, err := read(data)
		if err != nil {
			t.Fatal(err)
		}
		if dump(got) != dump(k) {
			t.Fatalf("read back\n%s\nfor\n%s", dump(got), dump(k))
		}
	})
}

// pieces is a file of which at most so many bytes are read at once.
type pieces struct {
	data []byte
	most int
}

func (p pieces) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(p.data)) {
		return 0, io.EOF
	}
	return copy(b[:min(len(b), p.most)], p.data[off:]), nil
}

// A file may be read in pieces; where it has become shorter than it was, it ends early.
func TestFilesAreReadInPieces(t *testing.T) {
	k := mixed()
	k.DB(0).Set([]byte("long"), keyspace.StringObject(bytes.Repeat([]byte("0123456789abcdef"), 40_000)))
	data := write(t, k, rdb.WriteOptions{Checksum: true})
	for _, most := range []int{7, 4096, 100_000} {
		got, end, err := readFrom(pieces{data, most}, int64(len(data)))
		require.NoError(t, err)
		require.EqualValues(t, len(data), end)
		require.Equal(t, dump(k), dump(got))
	}
	for _, p := range []pieces{{data, 0}, {data[:len(data)-1], 5000}, {data[:len(data)/2], 5000}, {data[:100], 5000}} {
		var bad *rdb.Error
		_, _, err := readFrom(p, int64(len(data)))
		require.ErrorAs(t, err, &bad)
		require.Equal(t, rdb.Short, bad.Kind, "%v", err)
	}
}

func TestEveryCutIsAnError(t *testing.T) {
	data := write(t, mixed(), rdb.WriteOptions{Compress: true, Checksum: true})
	for n := 0; n < len(data); n += 1 + n/300 {
		_, _, err := read(data[:n])
		var bad *rdb.Error
		require.ErrorAs(t, err, &bad, "cut to %d bytes", n)
		require.Equal(t, rdb.Short, bad.Kind, "cut to %d bytes: %v", n, err)
		require.LessOrEqual(t, bad.Offset, int64(n))
		require.Equal(t, "dump.rdb", bad.File)
	}
}

func TestEveryFlippedBitIsAnError(t *testing.T) {
	k := keyspace.New()
	k.DB(0).Set([]byte("key"), keyspace.StringObject([]byte(strings.Repeat("value", 20))))
	k.DB(1).Set([]byte("list"), keyspace.ListObject([][]byte{[]byte("a"), []byte("12345")}))
	k.DB(1).SetExpire([]byte("list"), 1<<41)
	data := write(t, k, rdb.WriteOptions{Compress: true, Checksum: true})
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			_, _, err := read(data)
			require.Error(t, err, "bit %d of byte %d", bit, i)
			data[i] ^= 1 << bit
		}
	}
	_, _, err := read(data)
	require.NoError(t, err)
}

func FuzzRead(f *testing.F) {
	k := keyspace.New()
	k.DB(0).Set([]byte("key"), keyspace.StringObject([]byte(strings.Repeat("value", 6))))
	k.DB(1).Set([]byte("list"), keyspace.ListObject([][]byte{[]byte("a"), []byte("12345"), []byte("-7")}))
	k.DB(1).SetExpire([]byte("list"), 1<<41)
	f.Add(write(f, k, rdb.WriteOptions{Compress: true}))
	f.Add(write(f, k, rdb.WriteOptions{}))
	f.Add([]byte("REDIS0010\xfe\x00\x12\x01k\x01\x02\x0b\x0b\x00\x00\x00\x02\x00\x81a\x02\x05\x01\xff\xff"))
	f.Add([]byte("REDIS0010\x00\x01k\xc3\x04\x80\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, end, err := read(data)
		if err != nil {
			var bad *rdb.Error
			require.ErrorAs(t, err, &bad)
			require.NotEmpty(t, bad.What)
			require.GreaterOrEqual(t, bad.Offset, int64(0))
			return
		}
		require.LessOrEqual(t, end, int64(len(data)))
		again, _, err := read(write(t, k, rdb.WriteOptions{Compress: true, Checksum: true}))
		require.NoError(t, err)
		require.Equal(t, dump(k), dump(again))
	})
}

func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{0, 100, 100000} {
		k := keyspace.New()
		for i := range n {
			k.DB(0).Set(fmt.Append(nil, "key:", i), keyspace.StringObject(fmt.Append(nil, "value of a client, number ", i)))
		}
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			s := k.Snapshot()
			for b.Loop() {
				var out countWriter
				if err := s.WriteRDB(&out, rdb.WriteOptions{Compress: true, Checksum: true}); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(out))
			}
		})
	}
}

type countWriter int

func (c *countWriter) Write(p []byte) (int, error) { *c += countWriter(len(p)); return len(p), nil }

// How long ago a value was used, or how often, is in the file if it is asked for, and comes
// back with the value.
func TestHintsAreReadBack(t *testing.T) {
	k := keyspace.New()
	for key, access := range map[string]uint32{"now": 1000, "before": 900, "wrapped": 1<<24 - 10} {
		k.DB(0).Set([]byte(key), keyspace.Object{Kind: keyspace.String, Str: []byte("v"), Access: access})
	}
	for hint, want := range map[rdb.Hint]map[string][2]int64{
		rdb.NoHint:   {"now": {-1, -1}, "before": {-1, -1}, "wrapped": {-1, -1}},
		rdb.HintIdle: {"now": {0, -1}, "before": {100, -1}, "wrapped": {1000 + 9, -1}},
		rdb.HintFreq: {"now": {-1, 1000 % 256}, "before": {-1, 900 % 256}, "wrapped": {-1, 246}},
	} {
		data := write(t, k, rdb.WriteOptions{Checksum: true, Hint: hint, Clock: 1000})
		got := map[string][2]int64{}
		var r rdb.Reader
		_, err := keyspace.LoadRDB(&r, "dump.rdb", bytes.NewReader(data), int64(len(data)), rdb.ReadOptions{Checksum: true, Databases: 1}, &keyspace.DefaultLimits,
			func(e *rdb.Entry, _ keyspace.Object) error {
				got[string(e.Key)] = [2]int64{e.Idle, int64(e.Freq)}
				return nil
			})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// OBJECT ENCODING of strings: numbers that are written so, short ones, and what was changed in
// place.
func TestEncodingsOfStrings(t *testing.T) {
	short, long := []byte(strings.Repeat("x", 44)), []byte(strings.Repeat("x", 45))
	for _, c := range []struct {
		o    keyspace.Object
		want string
	}{
		{keyspace.StringObject([]byte("12")), "int"}, {keyspace.StringObject([]byte("012")), "embstr"}, {keyspace.StringObject(short), "embstr"}, {keyspace.StringObject(long), "raw"},
		{keyspace.TextObject([]byte("12")), "embstr"}, {keyspace.TextObject(long), "raw"}, {keyspace.RawObject([]byte("12")), "raw"}, {keyspace.RawObject(short), "raw"}, {keyspace.RawObject(long), "raw"},
	} {
		require.Equal(t, c.want, c.o.Encoding(), "%s", c.o.Str)
	}
}
