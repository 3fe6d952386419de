package history

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history/edn"
)

// fressed writes a value as Fressian, without what makes it short.
func fressed(b []byte, v *edn.Value) []byte {
	text := func(b []byte, s []byte) []byte { return append(append(b, 0xe3, byte(len(s))), s...) }
	list := func(b []byte, items []edn.Value) []byte {
		b = append(b, 0xec, byte(len(items)))
		for i := range items {
			b = fressed(b, &items[i])
		}
		return b
	}
	switch v.Kind {
	case edn.Nil:
		return append(b, 0xf7)
	case edn.Keyword:
		return text(append(b, 0xca, 0xf7), v.Text)
	case edn.Number:
		n, err := v.Integer()
		if err != nil {
			panic(err)
		}
		return binary.BigEndian.AppendUint64(append(b, 0xf8), uint64(n))
	case edn.Vector:
		return list(b, v.Items)
	case edn.Map:
		return list(append(b, 0xc0), v.Items)
	}
	return text(b, v.Text)
}

// stored is a store of Jepsen's with the operations of an EDN text in one block.
func stored(t *testing.T, text string) []byte {
	t.Helper()
	r := edn.NewReader(strings.NewReader(text), 1)
	var ops [][]byte
	for {
		v, err := r.Next()
		if err != nil {
			break
		}
		ops = append(ops, fressed(nil, v))
	}
	history := append([]byte{0xec, byte(len(ops))}, slices.Concat(ops...)...)
	return storedBlocks([]storedBlock{{blockFressian, fressed(nil, testOf("2"))}, {blockFressian, history}})
}

// testOf is a test whose history is in a block.
func testOf(number string) *edn.Value {
	return &edn.Value{Kind: edn.Map, Items: []edn.Value{
		{Kind: edn.Keyword, Text: []byte("history")},
		{Kind: edn.Map, Items: []edn.Value{{Kind: edn.Keyword, Text: []byte("block-ref")}, {Kind: edn.Number, Text: []byte(number)}}}}}
}

type storedBlock struct {
	kind uint16
	data []byte
}

// storedBlocks is a store of these blocks, numbered from 1, of which the first is the test.
func storedBlocks(blocks []storedBlock) []byte {
	b := append([]byte(storeMagic), 0, 0, 0, 1)
	b = binary.BigEndian.AppendUint64(b, 0) // the offset of the index, known below
	index := binary.BigEndian.AppendUint32(nil, 1)
	for id, bl := range blocks {
		index = binary.BigEndian.AppendUint32(index, uint32(id+1))
		index = binary.BigEndian.AppendUint64(index, uint64(len(b)))
		b = block(b, bl.kind, bl.data)
	}
	binary.BigEndian.PutUint64(b[len(storeMagic)+4:], uint64(len(b)))
	b = block(b, blockIndex, index)
	fixChecksums(b, int64(binary.BigEndian.Uint64(b[len(storeMagic)+4:])))
	return b
}

func block(b []byte, kind uint16, data []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(blockHeader+len(data)))
	b = append(b, 0, 0, 0, 0) // the checksum
	b = binary.BigEndian.AppendUint16(b, kind)
	return append(append(b, make([]byte, 14)...), data...)
}

// TestTheFirstOperationOfAStoreCounts: what a history is about is known by each of
// its operations, the first one of a store among them, and errors name it as Jepsen
// counts.
func TestTheFirstOperationOfAStoreCounts(t *testing.T) {
	for _, tc := range []struct {
		text     string
		workload Workload
		err      string
	}{
		{ok("enqueue", "1", "1"), Queues, ""},
		{ok("txn", "[[:append 1 2]]", "[[:append 1 2]]"), ListAppend, ""},
		{ok("write", "1", "1") + ok("read", "nil", "[1 2]"), Registers, ""},
		{ok("add", "1", "1") + ok("read", "nil", "7"), Counters, ""},
		{ok("add", "\"x\"", "\"x\"") + ok("read", "nil", "7"), "", "operation 0: :add of what is no whole number to a counter (:read found a number at operation 3)"},
		{ok("enqueue", "1", "1") + ok("write", "1", "1"), "", "operation 2: an operation of another kind than :enqueue (operation 0): :write"},
		{"{:process 3 :type :invoke :f :read}\n{:process 3 :type :invoke :f :read}", "", "operation 1: process 3 has an operation under way already, since operation 0"},
	} {
		b := stored(t, tc.text)
		f, err := decodeStore(bytes.NewReader(b), int64(len(b)), Options{})
		if tc.err != "" {
			require.ErrorContains(t, err, tc.err, tc.text)
			continue
		}
		require.NoError(t, err, tc.text)
		require.Equal(t, tc.workload, f.Workload, tc.text)
	}
}

// TestATestThatEndsBehindItsReferenceIsCutOff: of a map in several blocks, the part in this
// one is missing.
func TestATestThatEndsBehindItsReferenceIsCutOff(t *testing.T) {
	b := storedBlocks([]storedBlock{{blockPartialMap, []byte{0, 0, 0, 0}}})
	_, err := decodeStore(bytes.NewReader(b), int64(len(b)), Options{})
	require.EqualError(t, err, "block 1: the test: cut off")
}

// TestReferencesToNoBlockAreRefused: blocks have numbers from 1 to 2^31.
func TestReferencesToNoBlockAreRefused(t *testing.T) {
	for n, want := range map[string]string{
		"0":          "block 1: :history: want the number of a block",
		"2147483648": "block 2147483648 is not in the block index",
		"2147483649": "block 1: :history: want the number of a block",
	} {
		b := storedBlocks([]storedBlock{{blockFressian, fressed(nil, testOf(n))}})
		_, err := decodeStore(bytes.NewReader(b), int64(len(b)), Options{})
		require.EqualError(t, err, want, n)
	}
}
