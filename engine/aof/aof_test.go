package aof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/faults/vfs/osfs"
)

func words(s string) [][]byte {
	var out [][]byte
	for _, w := range strings.Fields(s) {
		out = append(out, []byte(w))
	}
	return out
}

func TestManifestText(t *testing.T) {
	m := &Manifest{}
	require.True(t, m.Empty())
	require.Equal(t, "appendonly.aof.1.base.rdb", m.NewBase("appendonly.aof", true))
	require.Equal(t, "appendonly.aof.1.incr.aof", m.NewIncr("appendonly.aof"))
	require.Equal(t, "appendonly.aof.2.incr.aof", m.NewIncr("appendonly.aof"))
	require.Equal(t, "appendonly.aof.3.incr.aof", m.NewIncr("appendonly.aof"))
	before := m.Clone()
	require.Equal(t, "appendonly.aof.2.base.aof", m.NewBase("appendonly.aof", false))
	m.RetireIncr(1)
	require.Equal(t, "file appendonly.aof.2.base.aof seq 2 type b\n"+
		"file appendonly.aof.1.incr.aof seq 1 type h\n"+
		"file appendonly.aof.2.incr.aof seq 2 type h\n"+
		"file appendonly.aof.1.base.rdb seq 1 type h\n"+
		"file appendonly.aof.3.incr.aof seq 3 type i\n", string(m.Append(nil)))
	require.Equal(t, "file appendonly.aof.1.base.rdb seq 1 type b\n"+
		"file appendonly.aof.1.incr.aof seq 1 type i\n"+
		"file appendonly.aof.2.incr.aof seq 2 type i\n"+
		"file appendonly.aof.3.incr.aof seq 3 type i\n", string(before.Append(nil)), "a clone changes with its original")
	back, err := ParseManifest("m", m.Append(nil))
	require.NoError(t, err)
	m.Dirty = false
	require.Equal(t, m, back)
	m.RetireIncr(0)
	require.Empty(t, m.Incr)
}

func TestManifestNamesAreQuoted(t *testing.T) {
	for _, name := range []string{"plain", "with space", `quo"te`, "tab\tand\nline", "\x01\xff", "it's"} {
		m := &Manifest{}
		m.NewIncr(name)
		back, err := ParseManifest("m", m.Append(nil))
		require.NoError(t, err, "%s", m.Append(nil))
		require.Equal(t, m.Incr, back.Incr)
	}
}

// A name is quoted if one of its bytes asks for it (redis 7.0.15 sds.c sdsneedsrepr), and
// only then.
func TestWhichManifestNamesAreQuoted(t *testing.T) {
	require.Equal(t, `""`, string(appendName(nil, "")))
	for c := range 256 {
		name := "a" + string([]byte{byte(c)})
		plain := c > ' ' && c <= '~' && !strings.ContainsRune(`\"'`, rune(c))
		require.Equal(t, plain, string(appendName(nil, name)) == name, "%q", name)
		if c == 0 || c == '/' || c == '\\' {
			continue // in no name
		}
		m := &Manifest{}
		m.NewIncr(name)
		back, err := ParseManifest("m", m.Append(nil))
		require.NoError(t, err, "%q", name)
		require.Equal(t, m.Incr, back.Incr, "%q", name)
	}
}

func TestManifestErrors(t *testing.T) {
	const base = "file b seq 1 type b\n"
	for _, c := range []struct {
		text, want string
		line       int
	}{
		{"", "Found an empty AOF manifest", 0},
		{base[:len(base)-1], "contains too long line", 1},
		{base + "file b seq", "contains too long line", 2},
		{strings.Repeat("x", 2000) + "\n", "contains too long line", 1},
		{"file a\x00 seq 1 type b\n", "contains too long line", 1},
		{"\n", "Invalid AOF manifest file format", 1},
		{"\n" + base, "Invalid AOF manifest file format", 1},
		{base + " \t\n", "Invalid AOF manifest file format", 2},
		{"file b seq 1 type\n", "Invalid AOF manifest file format", 1},
		{"file b seq 1 other b\n", "Invalid AOF manifest file format", 1},
		{"file b seq 0 type b\n", "Invalid AOF manifest file format", 1},
		{"file b seq x type b\n", "Invalid AOF manifest file format", 1},
		{"file \"b seq 1 type b\n", "Invalid AOF manifest file format", 1},
		{"file b seq 1 type \"\"\n", "Invalid AOF manifest file format", 1},
		{"file d/b seq 1 type b\n", "File can't be a path", 1},
		{base + base, "Found duplicate base", 2},
		{"file a seq 2 type i\nfile b seq 2 type i\n", "non-monotonic", 2},
		{"file a seq -2 type i\n", "non-monotonic", 1},
		{"file a seq 2 type x\n", "Unknown AOF file type", 1},
	} {
		_, err := ParseManifest("the.manifest", []byte(c.text))
		var bad *ManifestError
		require.ErrorAs(t, err, &bad, "%q", c.text)
		require.ErrorContains(t, err, c.want, "%q", c.text)
		require.ErrorContains(t, err, "the.manifest")
		require.Equal(t, c.line, bad.Line, "%q", c.text)
	}
	m, err := ParseManifest("m", []byte("# "+strings.Repeat("-", 500)+"\n"+"FILE x SEQ 7abc TYPE base future 1\n"))
	require.NoError(t, err, "unknown words and what follows a number are accepted, as redis-server does")
	require.Equal(t, Entry{Name: "x", Seq: 7, Kind: Base}, *m.Base)
}

// Numbers in manifests and logs are read as C's atoll does.
func TestLeadingNumbers(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "x": 0, "-": 0, "+": 0, "7": 7, "7x8": 7, "+7": 7, "-7": -7, " \t\n\v\f\r7": 7, "- 7": 0, "--7": 0, "+-7": 0, "\x0e7": 0, "\x087": 0, "007": 7,
		"9223372036854775806": math.MaxInt64 - 1, "9223372036854775807": math.MaxInt64, "9223372036854775808": math.MaxInt64, "9223372036854775810": math.MaxInt64, "99999999999999999999": math.MaxInt64, "922337203685477580": 922337203685477580,
		"-9223372036854775807": -math.MaxInt64, "1/": 1, "1:": 1, "/1": 0} {
		require.Equal(t, want, leadingInt([]byte(text)), "%q", text)
	}
}

// Lines are as long as redis-server's buffer lets them be, and names may have what is quoted.
func TestLinesOfManifests(t *testing.T) {
	line := func(n int) string { // of n bytes, the newline included
		const head, tail = "file ", " seq 1 type i\n"
		return head + strings.Repeat("n", n-len(head)-len(tail)) + tail
	}
	for n, ok := range map[int]bool{200: true, 1023: true, 1024: true, 1025: false, 3000: false} {
		m, err := ParseManifest("m", []byte(line(n)))
		require.Equal(t, ok, err == nil, "%d bytes: %v", n, err)
		if ok {
			require.Equal(t, line(n), string(m.Append(nil)))
		}
	}
	// Comments may be longer, a part of one at a time: what follows it is a line.
	_, err := ParseManifest("m", []byte("#"+strings.Repeat("c", 1022)+"\n"+line(100)))
	require.NoError(t, err)
	_, err = ParseManifest("m", []byte("#"+strings.Repeat("c", 1023)+"\n"+line(100)))
	require.ErrorContains(t, err, "Invalid AOF manifest file format")
	_, err = ParseManifest("m", []byte("#"+strings.Repeat("c", 1023)+"#\n"+line(100)))
	require.NoError(t, err)
	m := &Manifest{}
	m.NewIncr("\a\b\r\n\t \\\"'\x7f\x1f ~!")
	require.Equal(t, `file "\a\b\r\n\t \\\"'\x7f\x1f ~!.1.incr.aof" seq 1 type i`+"\n", string(m.Append(nil)))
	for name, quoted := range map[string]bool{"!": false, "~": false, " ": true, "\x7f": true, "a\\": true, "a\"": true, "a'": true, "": false} {
		m := &Manifest{}
		m.NewIncr(name)
		require.Equal(t, quoted, strings.Contains(string(m.Append(nil)), `file "`), "%q", name)
	}
	// The number of an incr file may not fall; those of other files may.
	m, err = ParseManifest("m", []byte("file b seq 9 type b\nfile h seq 3 type h\nfile g seq 2 type h\nfile i seq 1 type i\nfile j seq 9223372036854775807 type i\n"))
	require.NoError(t, err)
	require.EqualValues(t, 9, m.BaseSeq)
	require.EqualValues(t, math.MaxInt64, m.IncrSeq)
	require.Len(t, m.History, 2)
	m.RetireIncr(3)
	require.Len(t, m.Incr, 2, "there are not that many to keep")
	require.False(t, m.Dirty)
	m.RetireIncr(2)
	require.Len(t, m.Incr, 2)
	require.True(t, m.Dirty)
}

func readAll(data []byte) (cmds []string, valid int64, err error) {
	var r Reader
	r.Reset("a.aof", bytes.NewReader(data), 0, int64(len(data)))
	for {
		argv, err := r.Next()
		if err == io.EOF {
			return cmds, valid, nil
		}
		if err != nil {
			return cmds, valid, err
		}
		cmds = append(cmds, string(bytes.Join(argv, []byte(" "))))
		valid = r.Offset()
	}
}

// A file that has become shorter since it was asked for its size ends where it ends.
func TestAFileThatBecomesShorter(t *testing.T) {
	const set = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"
	for _, commands := range []int{1, 3, 20_000} {
		for _, cut := range []int{0, 5} {
			data := []byte(strings.Repeat(set, commands))
			data = data[:len(data)-cut]
			var r Reader
			r.Reset("a.aof", bytes.NewReader(data), 0, int64(len(data))+100_000)
			n := 0
			var err error
			for ; err == nil; n++ {
				_, err = r.Next()
			}
			if cut == 0 {
				require.Equal(t, io.EOF, err)
				require.Equal(t, commands, n-1)
				require.EqualValues(t, len(data), r.Offset())
			} else {
				require.ErrorIs(t, err, ErrTruncated)
				require.Equal(t, commands-1, n-1)
			}
		}
	}
}

func TestEndsOfFiles(t *testing.T) {
	const ok = "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n"
	for _, c := range []struct {
		name, text string
		want       error
		commands   int
		offset     int64
	}{
		{"whole", ok + ok, nil, 2, 0},
		{"annotations", "#TS:1\r\n" + ok + "#TS:2\r\n", nil, 1, 0},
		{"CRLF behind an argument is not looked at", "*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n", nil, 2, 0},
		{"a value of NUL bytes", "*2\r\n$3\r\nDEL\r\n$2\r\n\x00\x00\x00\x00", nil, 1, 0},
		{"cut behind the star", ok + "*", ErrTruncated, 1, 20},
		{"cut in the count", ok + "*2", ErrTruncated, 1, 22},
		{"cut behind the count", ok + "*2\r\n", ErrTruncated, 1, 24},
		{"cut behind the dollar", ok + "*2\r\n$", ErrTruncated, 1, 25},
		{"cut in a value", ok + "*2\r\n$3\r\nDE", ErrTruncated, 1, 30},
		{"cut in the last CRLF", ok + ok[:19], ErrTruncated, 1, 39},
		{"a length beyond the file", ok + "*1\r\n$99999999\r\nxx\r\n", ErrTruncated, 1, 39},
		{"NUL tail", ok + "\x00\x00\x00", ErrFormat, 1, 20},
		{"no array", "DEL k\r\n", ErrFormat, 0, 0},
		{"no bulk", "*1\r\n+OK\r\n", ErrFormat, 0, 4},
		{"no arguments", "*0\r\n", ErrFormat, 0, 0},
		{"a negative length", "*1\r\n$-1\r\n", ErrFormat, 0, 4},
		{"star and NUL", "*\x00\n" + ok, ErrUnreadable, 0, 0},
	} {
		cmds, _, err := readAll([]byte(c.text))
		require.Len(t, cmds, c.commands, c.name)
		if c.want == nil {
			require.NoError(t, err, c.name)
			continue
		}
		require.ErrorIs(t, err, c.want, c.name)
		var re *ReadError
		require.ErrorAs(t, err, &re)
		require.Equal(t, c.offset, re.Offset, c.name)
		require.ErrorContains(t, err, "a.aof")
	}
}

func TestACutAnywhereKeepsTheWholeCommands(t *testing.T) {
	var data []byte
	var ends []int
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 40 {
		data = AppendCommand(data, [][]byte{[]byte("SET"), fmt.Append(nil, "key", i), bytes.Repeat([]byte{byte(i)}, rng.IntN(60))})
		ends = append(ends, len(data))
	}
	n := 0
	for cut := range len(data) + 1 {
		for n < len(ends) && ends[n] <= cut {
			n++
		}
		cmds, valid, err := readAll(data[:cut])
		require.Len(t, cmds, n, "cut at %d", cut)
		whole := n > 0 && ends[n-1] == cut || cut == 0
		require.Equal(t, whole, err == nil, "cut at %d: %v", cut, err)
		if !whole {
			require.ErrorIs(t, err, ErrTruncated)
		}
		if n > 0 {
			require.EqualValues(t, ends[n-1], valid)
		}
	}
}

func TestCommandsLargerThanTheBuffer(t *testing.T) {
	var data []byte
	for _, n := range []int{10, firstWindow - 30, firstWindow, 5 * firstWindow, 3, 2*firstWindow + 1} {
		data = AppendCommand(data, [][]byte{[]byte("SET"), []byte("k"), bytes.Repeat([]byte("v"), n)})
	}
	cmds, valid, err := readAll(data)
	require.NoError(t, err)
	require.Len(t, cmds, 6)
	require.EqualValues(t, len(data), valid)
	require.Len(t, cmds[3], 5*firstWindow+6)
}

func TestRebuildingCommands(t *testing.T) {
	str := keyspace.StringObject([]byte("v"))
	require.Equal(t, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*3\r\n$9\r\nPEXPIREAT\r\n$1\r\nk\r\n$2\r\n99\r\n", string(AppendKey(nil, "k", &str, 99)))
	elems := make([][]byte, 130)
	for i := range elems {
		elems[i] = fmt.Append(nil, i)
	}
	list := keyspace.ListObject(elems)
	cmds, _, err := readAll(AppendKey(AppendSelect(nil, 11), "l", &list, 0))
	require.NoError(t, err)
	require.Len(t, cmds, 4)
	require.Equal(t, "SELECT 11", cmds[0])
	require.Equal(t, 66, len(words(cmds[1])), "64 elements a command")
	require.Equal(t, "RPUSH l 128 129", cmds[3])
}

func FuzzCommands(f *testing.F) {
	f.Add([]byte("*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n#TS:1\r\n*1\r\n$4\r\nEXEC\r\n"))
	f.Add([]byte("*99999999999999999999\r\n$1\r\n"))
	f.Add([]byte("*1\r\n$9223372036854775807\r\nx"))
	f.Add([]byte("*1\r\n$-9\r\n*\x00\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cmds, valid, err := readAll(data)
		require.LessOrEqual(t, valid, int64(len(data)))
		if err != nil {
			var re *ReadError
			require.ErrorAs(t, err, &re)
			require.GreaterOrEqual(t, re.Offset, valid)
			require.LessOrEqual(t, re.Offset, int64(len(data)))
		}
		// What was accepted is a prefix that is accepted again on its own.
		again, _, err := readAll(data[:valid])
		require.NoError(t, err)
		require.Equal(t, cmds, again)
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte("file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n"))
	f.Add([]byte("# comment\nfile \"a b\" seq 3 type h\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest("m", data)
		if err != nil {
			var bad *ManifestError
			require.True(t, errors.As(err, &bad))
			return
		}
		text := m.Append(nil)
		if len(text) == 0 { // nothing but comments
			return
		}
		back, err := ParseManifest("m", text)
		if err != nil && bytes.Contains(text, []byte("too long")) {
			return
		}
		require.NoError(t, err, "%q", text)
		require.Equal(t, text, back.Append(nil))
	})
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte("*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n#TS:1\r\n*1\r\n$5\r\nMULTI\r\n"))
	f.Add([]byte("*1\r\n$9223372036854775807\r\nx"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "f.aof"), data, 0o600))
		fs := osfs.New(dir)
		var out strings.Builder
		err := Check(CheckOptions{FS: fs, Path: "f.aof", Fix: true, Out: &out, Confirm: func(string) bool { return true }})
		if err != nil {
			return // an RDB preamble or manifest that is not sane
		}
		require.NoError(t, Check(CheckOptions{FS: fs, Path: "f.aof", Out: &out}), "fixed and still not valid:\n%s", out.String())
	})
}

// What a disk says reads as strerror(3) of glibc, which redis-server logs.
func TestReasonsAreLikeStrerror(t *testing.T) {
	for no, want := range map[syscall.Errno]string{
		syscall.EIO: "Input/output error", syscall.ENOSPC: "No space left on device", syscall.EDQUOT: "Disk quota exceeded", syscall.ENOENT: "No such file or directory",
		syscall.EACCES: "Permission denied", syscall.EROFS: "Read-only file system", syscall.EISDIR: "Is a directory", syscall.ENOTDIR: "Not a directory", syscall.EEXIST: "File exists", syscall.EINVAL: "Invalid argument",
		syscall.ELOOP: syscall.ELOOP.Error(),
	} {
		require.Equal(t, want, Reason(fmt.Errorf("write x: %w", no)))
	}
	require.Equal(t, "something else", Reason(errors.New("something else")))
}

func TestAFunctionIsACommandOfThreeWords(t *testing.T) {
	require.Equal(t, "x*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$6\r\n#!lua\n\r\n", string(AppendFunction([]byte("x"), "#!lua\n")))
}
