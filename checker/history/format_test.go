package history

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// formats is one small history in each form; "" is an error.
var formats = []struct {
	name, text string
	format     Format
	ops        int
	err        string
}{
	{"native", "{\"history\":1}\n{\"op\":\"write\",\"client\":0,\"key\":\"k\",\"value\":\"v\",\"invoke\":1,\"return\":2,\"outcome\":\"ok\"}\n{\"end\":2}\n",
		Native, 1, ""},
	{"native cut off", "{\"history\":1}\n", Native, 0, "as torntail: line 1: the file is cut off"},
	{"edn", "; a comment\n\n{:process 0, :type :invoke, :f :write, :value 3}\n{:process 0, :type :ok, :f :write, :value 3}\n", EDN, 1, ""},
	{"edn in a vector", "[{:process 0 :type :invoke :f :read}]", EDN, 1, ""},
	{"edn with a tag", "#jepsen.Op{:process 0, :type :invoke, :f :read, :value nil}", EDN, 1, ""},
	{"edn, malformed", "{:process 0, :type", EDN, 0, "as edn: line 1"},
	{"jepsen log", "INFO  jepsen.util - 4\t:invoke\t:write\t2\nINFO  jepsen.util - 4\t:ok\t:write\t2\n", JepsenLog, 1, ""},
	{"json", " {\"ops\": [{\"process\": 0, \"op\": \"write\", \"key\": \"k\", \"value\": 1, \"invoke\": 1, \"return\": 2, \"status\": \"ok\"}]}", JSON, 1, ""},
	{"json, malformed", "{}}", JSON, 0, "as json: history 2: offset 2: invalid character"},
	{"empty", " \n", "", 0, "the file is empty"},
	{"something else", "plan 1\nat 1s kill n1\n", "", 0, "no history in a form that is known"},
}

func TestFormatIsKnownByTheContent(t *testing.T) {
	for _, c := range formats {
		var compressed bytes.Buffer
		z := gzip.NewWriter(&compressed)
		_, err := z.Write([]byte(c.text))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		for _, file := range []string{c.text, compressed.String()} {
			h, format, err := DecodeAny(bytes.NewReader([]byte(file)), Options{})
			require.Equal(t, c.format, format, c.name)
			if c.err != "" {
				require.ErrorContains(t, err, c.err, c.name)
				continue
			}
			require.NoError(t, err, c.name)
			require.Len(t, h, 1, c.name)
			require.Len(t, h[0].Ops, c.ops, c.name)
		}
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h")
	_, _, err := LoadFile(path, Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, []byte("{:process"), 0o644))
	_, _, err = LoadFile(path, Options{})
	require.ErrorContains(t, err, path)
}

// FuzzDecodeAny: whatever the bytes, an error or a history, and compressed the same.
func FuzzDecodeAny(f *testing.F) {
	for _, c := range formats {
		f.Add([]byte(c.text))
		for name := range compressors { // any order: each is a seed
			f.Add(compress(f, name, func(w io.Writer) { _, _ = io.WriteString(w, c.text) }))
		}
	}
	o := Options{Memory: 16 << 20}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, format, err := DecodeAny(bytes.NewReader(data), o)
		require.Equal(t, err == nil, h != nil)
		require.False(t, h != nil && format == "")
		if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) || bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
			return // compressed twice is no history
		}
		packed := compress(t, "gzip", func(w io.Writer) { _, _ = w.Write(data) })
		again, as, errAgain := DecodeAny(bytes.NewReader(packed), o)
		require.Equal(t, err == nil, errAgain == nil)
		require.Equal(t, format, as)
		require.Equal(t, len(h), len(again))
	})
}
