package history

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// compressors are the forms of compression that are undone.
var compressors = map[string]func(w io.Writer) (io.WriteCloser, error){
	"gzip": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestSpeed) },
	"zstd": func(w io.Writer) (io.WriteCloser, error) {
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	},
}

func compress(t testing.TB, name string, write func(w io.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := compressors[name](&b)
	require.NoError(t, err)
	write(z)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestCompressedFilesAreRead(t *testing.T) {
	for name := range compressors {
		for _, c := range formats {
			if c.err != "" {
				continue
			}
			packed := compress(t, name, func(w io.Writer) { _, _ = io.WriteString(w, c.text) })
			h, format, err := DecodeAny(bytes.NewReader(packed), Options{})
			require.NoError(t, err, "%s of %s", name, c.name)
			require.Equal(t, c.format, format)
			require.Len(t, h[0].Ops, c.ops)
			_, _, err = DecodeAny(bytes.NewReader(packed[:len(packed)-5]), Options{})
			require.Error(t, err, "%s of %s, cut", name, c.name)
		}
	}
}

// A few kilobytes that would become gigabytes: blanks, which no form counts.
func TestBombsAreRefused(t *testing.T) {
	blanks := bytes.Repeat([]byte{' '}, 1<<20)
	for name := range compressors {
		packed := compress(t, name, func(w io.Writer) {
			_, _ = io.WriteString(w, "{:process 0 :type :invoke :f :read}")
			for range 70 {
				_, _ = w.Write(blanks)
			}
		})
		_, _, err := DecodeAny(bytes.NewReader(packed), Options{})
		require.ErrorContains(t, err, "that is no history", name)
	}
}

func TestLongTextIsRefused(t *testing.T) {
	line := "{:process 0 :type :info :f :x}                                            \n" // of no kind, so that nothing is kept
	in := io.MultiReader(strings.NewReader("{:process 0 :type :invoke :f :read}\n{:process 0 :type :ok :f :read}\n"),
		&repeated{line: strings.Replace(line, ":process 0", ":process :n", 1), left: 1 << 20})
	_, _, err := DecodeAny(in, Options{Memory: 1 << 20})
	require.Error(t, err)
	_, _, err = DecodeAny(io.MultiReader(strings.NewReader("{:process 0 :type :invoke :f :read}"), &repeated{line: " ", left: 10 << 20}), Options{Memory: 1 << 20})
	require.ErrorContains(t, err, "more than 4 MiB of text")
}

// repeated is a line again and again.
type repeated struct {
	line string
	left int // bytes
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && r.left > 0 {
		c := copy(p[n:], r.line[r.at:])
		r.at = (r.at + c) % len(r.line)
		n, r.left = n+c, r.left-c
	}
	return n, nil
}

// counted lines are made by a function of their number.
type numbered struct {
	line func(n int) string
	n    int
	rest string
}

func (s *numbered) Read(p []byte) (int, error) {
	if s.rest == "" {
		s.rest = s.line(s.n)
		s.n++
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Endless histories of every form are refused before they have taken much more
// memory than they may.
func TestMemoryIsBounded(t *testing.T) {
	const most = 8 << 20
	for _, tc := range []struct {
		name, head string
		line       func(n int) string
	}{
		{"torntail", "{\"history\":1}\n", func(n int) string {
			return fmt.Sprintf("{\"op\":\"write\",\"client\":0,\"key\":\"k\",\"value\":\"v%d\",\"invoke\":%d,\"outcome\":\"unknown\"}\n", n, n)
		}},
		{"torntail, lists", "{\"history\":1}\n", func(n int) string {
			return fmt.Sprintf("{\"op\":\"read-list\",\"client\":0,\"key\":\"k\",\"invoke\":%d,\"outcome\":\"unknown\",\"values\":[%s\"\"]}\n", n, strings.Repeat("\"\",", 1000))
		}},
		{"torntail, recovered keys", "{\"history\":1}\n{\"state\":1}\n", func(n int) string { return fmt.Sprintf("{\"found\":\"%09d\"}\n", n) }},
		{"torntail, writes of the disk", "{\"history\":1}\n{\"epoch\":0}\n", func(n int) string { return fmt.Sprintf("{\"log-write\":[%d]}\n", n) }},
		{"edn", "", func(n int) string { return fmt.Sprintf("{:process %d :type :invoke :f :write :value %d}\n", n, n) }},
		{"edn, pairs of which nobody knows what they are", "", func(n int) string { return fmt.Sprintf("{:process %d :type :invoke :f :write :value [%d 1]}\n", n, n) }},
		{"edn, one list", "{:process 1 :type :invoke :f :txn :value [", func(int) string { return "[] " }},
		{"edn, one word", "{:process 1 :type :invoke :f :txn :value ", func(int) string { return "aaaaaaaaaaaaaaaa" }},
		{"edn, reads of sets", "", func(n int) string {
			return fmt.Sprintf("{:process %d :type :invoke :f :read}{:process %d :type :ok :f :read :value #{%s}}\n", n, n, strings.Repeat("1 ", 1000))
		}},
		{"edn, the nemesis", "", func(int) string { return "{:process :nemesis :type :info :f :x}\n" }},
		{"log lines", "", func(n int) string { return fmt.Sprintf("INFO jepsen.util - %d :invoke :write %d\n", n, n) }},
		{"json", "{\"ops\":[{\"op\":\"del\",\"invoke\":0,\"status\":\"unknown\"}\n", func(n int) string {
			return fmt.Sprintf(",{\"op\":\"write\",\"key\":\"k\",\"value\":\"%d\",\"invoke\":%d,\"status\":\"unknown\"}\n", n, n)
		}},
		{"edn, discards in each other", "", func(int) string { return "#_" }},
		{"edn, discards and lists in each other", "", func(int) string { return "#_[" }},
		{"edn, tags of each other", "", func(int) string { return "#a ^b " }},
		{"json, histories", "", func(int) string { return "{}\n" }},
		{"json, names", "", func(n int) string { return fmt.Sprintf("{\"name\":%q}\n", strings.Repeat("n", 1000)) }},
		{"json, a transaction", "{\"ops\":[{\"op\":\"txn\",\"invoke\":0,\"status\":\"unknown\",\"value\":{\"writes\":[[1,1]\n", func(int) string { return ",[1,1]" }},
		{"json, lists in each other", "{\"ops\":[{\"op\":\"write\",\"value\":", func(int) string { return "[" }},
		{"json, one value", "{\"ops\":[{\"op\":\"", func(int) string { return "aaaaaaaaaaaaaaaa" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			_, _, err := DecodeAny(io.MultiReader(strings.NewReader(tc.head), &numbered{line: tc.line}), Options{Memory: most})
			runtime.ReadMemStats(&after)
			require.Error(t, err)
			require.Regexp(t, "more than .* (of memory|of text|MiB|deep)|one value|exceeded max depth", err.Error())
			require.NotContains(t, err.Error(), "\n")
			// What was allocated on the way is more than what was held at any time.
			held := after.Sys - before.Sys
			require.Less(t, held, uint64(6*most+32<<20), "memory that was asked of the system")
		})
	}
}

// TestLimitsAreExact: what takes just as much as it may is read.
func TestLimitsAreExact(t *testing.T) {
	const memory = 100
	for n, want := range map[int]bool{inputFactor * memory: true, inputFactor*memory + 1: false} {
		in, err := open(strings.NewReader(strings.Repeat("x", n)), memory)
		require.NoError(t, err)
		text, err := io.ReadAll(in)
		require.Equal(t, want, err == nil, "%d bytes: %v", n, err)
		if want {
			require.Len(t, text, n)
		}
	}
	b := newBudget(memory)
	require.NoError(t, b.spend(memory))
	require.EqualError(t, b.spend(1), "the history takes more than 100 bytes of memory")
	require.Equal(t, int64(DefaultMemory), newBudget(0).left)
}

func TestOnlyRegularFilesAreRead(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "history.edn")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, _, err := LoadFile(pipe, Options{})
	require.ErrorContains(t, err, "is a pipe: a history is read from a regular file")
	require.False(t, Recognize(pipe))
	_, _, err = LoadFile(os.DevNull, Options{})
	require.ErrorContains(t, err, "is a device")
	_, _, err = LoadFile(t.TempDir(), Options{})
	require.ErrorContains(t, err, "is a directory")
	_, err = Load(pipe)
	require.ErrorContains(t, err, "is a pipe", "torntail's own form as well")
}

func TestRecognize(t *testing.T) {
	dir := t.TempDir()
	for _, c := range formats {
		path := filepath.Join(dir, "h")
		require.NoError(t, os.WriteFile(path, []byte(c.text), 0o644))
		require.Equal(t, c.format != "" && c.name != "json, malformed" && c.name != "edn, malformed", Recognize(path), c.name)
	}
	for _, text := range []string{"{:valid? true, :count 3}", `[{"file": "a.json"}]`, `{"name": "x"}`, "[1 2 3]"} {
		path := filepath.Join(dir, "other")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		require.False(t, Recognize(path), text)
	}
	stem, ext := FileName("a/history.edn.gz")
	require.Equal(t, "history.edn", stem+ext)
	_, ext = FileName("a/latency.png")
	require.Empty(t, ext)
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{1 << 60: "1048576 TiB", 1023: "1023 bytes", 7: "7 bytes", 1 << 10: "1 KiB", 3 << 19: "1.5 MiB", 2 << 30: "2 GiB"} {
		require.Equal(t, want, Size(n))
	}
}

// TestTheMemoryThatNobodyGave is the default, and no less than what somebody gave.
func TestTheMemoryThatNobodyGave(t *testing.T) {
	for given, want := range map[int64]int64{-1: DefaultMemory, 0: DefaultMemory, 1: 1, 1 << 20: 1 << 20} {
		require.Equal(t, budget{left: want, most: want}, newBudget(given))
	}
}
