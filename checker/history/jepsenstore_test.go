package history

import (
	"bytes"
	"encoding/binary"
	"flag"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The stores in testdata/jepsen were written by Fressian's own FressianWriter
// (0.6.x), with the tags and blocks of jepsen.store.format.

func loadStore(t *testing.T, name string) (*File, error) {
	t.Helper()
	files, format, err := LoadFile(filepath.Join("testdata", "jepsen", name), Options{})
	require.Equal(t, JepsenStore, format)
	if err != nil {
		return nil, err
	}
	require.Len(t, files, 1)
	return &files[0], nil
}

func TestJepsenStores(t *testing.T) {
	f, err := loadStore(t, "register.jepsen")
	require.NoError(t, err)
	require.Equal(t, Registers, f.Workload)
	require.True(t, f.Keyed, "map entries are keys and values")
	require.Len(t, f.Ops, 5)
	require.Len(t, f.Events, 1)
	require.Equal(t, Event{At: 3 * time.Millisecond, Kind: FaultStruck, Node: "nemesis", Text: "start-partition"}, f.Events[0])
	require.Equal(t, CAS, f.Ops[1].Kind)
	require.Equal(t, "7", f.Ops[1].Key)
	require.Equal(t, "1", f.Ops[1].More.Expect)
	require.Equal(t, "-300", f.Ops[1].Value)
	require.Equal(t, "-300", f.Ops[2].Value, "the second chunk of the vector")
	require.Equal(t, 6*time.Second+1, f.Ops[2].Return)
	require.Equal(t, Unknown, f.Ops[3].Outcome)
	require.Equal(t, "70000", f.Ops[3].Value)
	require.Equal(t, Failed, f.Ops[4].Outcome)

	f, err = loadStore(t, "append.jepsen")
	require.NoError(t, err)
	require.Equal(t, ListAppend, f.Workload)
	require.Equal(t, []string{"8", "9", "10", "11", "12", "13", "14", "15", "16"}, f.Ops[0].More.Parts[1].More.Values)
	require.Equal(t, "123456789012345", f.Ops[1].More.Parts[0].Value)

	f, err = loadStore(t, "set-v0.jepsen") // version 0: maps, in one block
	require.NoError(t, err)
	require.Equal(t, Sets, f.Workload)
	require.Len(t, f.Ops, 2)
}

// change is a store with bytes changed.
func change(t *testing.T, name string, do func(b []byte) []byte) error {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "jepsen", name))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, do(b), 0o644))
	_, _, err = LoadFile(path, Options{})
	return err
}

func TestDamagedStoresAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(b []byte) []byte
		want string
	}{
		{"cut in the header", func(b []byte) []byte { return b[:12] }, "the header is cut off"},
		{"cut at the end", func(b []byte) []byte { return b[:len(b)-1] }, "a block of"},
		{"no index", func(b []byte) []byte { clear(b[10:18]); return b }, "no block index"},
		{"index beyond the end", func(b []byte) []byte { b[12] = 1; return b }, "beyond the end of the file"},
		{"another version", func(b []byte) []byte { b[9] = 9; return b }, "version 9 of Jepsen's store"},
		{"a byte of a block", func(b []byte) []byte { b[len(b)/2]++; return b }, "checksum is wrong"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.ErrorContains(t, change(t, "register.jepsen", tc.do), tc.want)
		})
	}
}

// TestBlocksLieInTheFile: the first byte is in it, the one before and the last header's
// second are not.
func TestBlocksLieInTheFile(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "jepsen", "register.jepsen"))
	require.NoError(t, err)
	s := &store{f: bytes.NewReader(b), size: int64(len(b)), most: 1 << 30}
	for offset, want := range map[int64]string{-1: "beyond the end", 0: "offset 0: a block of",
		s.size - int64(blockHeader): "more", s.size - int64(blockHeader) + 1: "beyond the end"} {
		_, _, err := s.blockAt(offset)
		require.ErrorContains(t, err, want)
	}
}

// Bytes changed at random, with the checksums put right: an error or a history,
// and no panic.
func TestChangedStoresAreReadOrRefused(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("testdata", "jepsen", "register.jepsen"))
	require.NoError(t, err)
	var places []int
	for at := 18; at < len(whole); at++ {
		places = append(places, at)
	}
	require.NoError(t, flag.Set("rapid.checks", "2000"))
	require.NoError(t, flag.Set("rapid.nofailfile", "true"))
	refused, read := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		b := bytes.Clone(whole)
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			b[rapid.SampledFrom(places).Draw(t, "place")] = rapid.Byte().Draw(t, "byte")
		}
		fixChecksums(b, int64(binary.BigEndian.Uint64(b[10:])))
		h, err := decodeStore(bytes.NewReader(b), int64(len(b)), Options{Memory: 1 << 26})
		require.Equal(t, err == nil, h != nil)
		if err != nil {
			refused++
		} else {
			read++
		}
	})
	require.Greater(t, refused, (refused+read)/4)
	require.Positive(t, read)
}

// fixChecksums puts the checksums right of the block at offset, and of those
// that it names if it is an index.
func fixChecksums(b []byte, offset int64) {
	for _, at := range append(fix(b, offset), offset) {
		fix(b, at)
	}
}

// fix returns the offsets that an index names.
func fix(b []byte, offset int64) (names []int64) {
	if offset < 0 || offset > int64(len(b)-blockHeader) {
		return nil
	}
	length := int64(binary.BigEndian.Uint64(b[offset:]))
	if length < int64(blockHeader) || length > int64(len(b))-offset {
		return nil
	}
	head := append([]byte{}, b[offset:offset+int64(blockHeader)]...)
	clear(head[8:12])
	clear(head[14:])
	data := b[offset+int64(blockHeader) : offset+length]
	crc := crc32.NewIEEE()
	crc.Write(data)
	crc.Write(head)
	binary.BigEndian.PutUint32(b[offset+8:], crc.Sum32())
	if binary.BigEndian.Uint16(head[12:]) == blockIndex && len(data) >= 4 {
		for data = data[4:]; len(data) >= 12; data = data[12:] {
			names = append(names, int64(binary.BigEndian.Uint64(data[4:])))
		}
	}
	return names
}

func FuzzJepsenStore(f *testing.F) {
	for _, name := range []string{"register.jepsen", "append.jepsen", "set-v0.jepsen"} {
		b, err := os.ReadFile(filepath.Join("testdata", "jepsen", name))
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		// Checksums are put right, or nothing behind them would be reached.
		b = bytes.Clone(b) // the input is the fuzzer's
		if len(b) > 18 {
			fixChecksums(b, int64(binary.BigEndian.Uint64(b[10:])))
		}
		h, err := decodeStore(bytes.NewReader(b), int64(len(b)), Options{Memory: 1 << 26})
		require.Equal(t, err == nil, h != nil)
	})
}
