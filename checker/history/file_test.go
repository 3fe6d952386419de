package history

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// full has every field of the format once.
func full() *History {
	ms := time.Millisecond
	return &History{
		Ops: []Op{
			{ID: 0, Client: 1, Kind: Write, Key: "k", Value: "v \"1\"\n\x00ü", Invoke: 1, Return: 2, Outcome: OK},
			{ID: 1, Client: 2, Kind: Read, Key: "k", Absent: true, Invoke: 2, Return: Never},
			{ID: 2, Client: 2, Kind: CAS, Key: "k", Value: "\xff\xfe", Invoke: 2, Return: 9, Outcome: Failed,
				More: &More{Offset: -1, Expect: "a", Result: "1", Err: "ERR no"}},
			{ID: 3, Client: 3, Kind: Txn, Invoke: 3, Return: 9, Outcome: OK, More: &More{Offset: 77, Node: "n1",
				Parts: []Op{{Kind: Write, Key: "a", Value: "1"}, {Kind: Read, Key: "b", Absent: true}}}},
			{ID: 4, Client: 3, Kind: ReadList, Key: "l", Invoke: 4, Return: 9, Outcome: OK,
				More: &More{Offset: -1, Values: []string{"x", "", "y"}}},
			{ID: 5, Client: 3, Kind: Write, Key: "l", Value: "w", Invoke: 5, Return: 9, Outcome: OK,
				More: &More{Offset: -1, HasReplaced: true, Replaced: "u", Deadline: 5 * ms}},
			{ID: 6, Client: 3, Kind: HashSet, Key: "h", Value: "w", Invoke: 6, Return: 9, Outcome: OK,
				More: &More{Offset: -1, Field: "f"}},
			{ID: 7, Client: 3, Kind: SortedAdd, Key: "z", Value: "w", Invoke: 6, Return: 9, Outcome: OK,
				More: &More{Offset: -1, Score: "1.5"}},
			{ID: 8, Client: 3, Kind: Push, Key: "l", Value: "w", Invoke: 6, Return: 9, Outcome: OK,
				More: &More{Offset: -1, Head: true}},
		},
		Events: []Event{{At: 10, Kind: PowerCut, Node: "n1", Text: "all"}, {At: 11, Kind: Restarted}, {At: 12, Kind: Promoted, Node: "n2", Offset: 4711}},
		Epochs: []Epoch{
			{Began: 0, Ended: 10, How: PowerCut, DiskSeen: true,
				LogWrites:    []DiskWrite{{Enter: 1, Return: 2, Bytes: 40}, {Enter: 3, Return: Never, Bytes: 9}},
				LogSyncs:     []DiskSync{{Enter: 2, Return: 3, Covers: 2}, {Enter: 4, Return: Never, Covers: -1, Failed: true}},
				Snapshots:    []Snapshot{{Fork: 2, Began: 3, Renamed: 5, Durable: Never}},
				ChildRunning: []Interval{{From: 2, To: 6}}},
			{Began: 20, Ended: Never},
		},
		States: []State{{At: 19, Began: 18, Node: "n1", Epoch: 1, Keys: []KV{
			{Key: "a", Value: "1", TTL: ms}, {Key: "l", List: []string{"x"}}, {Key: "s", List: []string{"m"}, Type: "set"}}},
			{At: 30, Began: 29, Node: "n2", Epoch: 2, Converged: true}},
	}
}

// typed has the fields of lists that move, streams and conditions, which came later.
func typed() *History {
	return &History{
		Ops: []Op{
			{ID: 0, Kind: ListMove, Key: "l", Invoke: 1, Return: 2, Outcome: OK,
				More: &More{Offset: -1, To: "m", Head: true, ToHead: true, Result: "e"}},
			{ID: 1, Kind: SetRange, Key: "k", Value: "v", Invoke: 1, Return: 2, Outcome: OK, More: &More{Offset: -1, Index: -7}},
			{ID: 2, Kind: GroupRead, Key: "x", Invoke: 1, Return: 2, Outcome: OK,
				More: &More{Offset: -1, Group: "g", Consumer: "c", Values: []string{"1-1", "f", "v"}}},
			{ID: 3, Kind: CAS, Key: "k", Invoke: 1, Return: 2, Outcome: OK, More: &More{Offset: -1, ExpectAbsent: true, ToAbsent: true}},
			{ID: 4, Kind: Delete, Key: "k", Invoke: 1, Return: 2, Outcome: OK, More: &More{Offset: -1, Evicted: true}},
			{ID: 5, Kind: StreamRemove, Key: "x", Invoke: 1, Return: 2, Outcome: OK, More: &More{Offset: -1, Entry: "1-1"}},
		},
		Epochs: []Epoch{{Ended: Never, Snapshots: []Snapshot{{Fork: 2, Began: 3, Renamed: 5, Durable: Never, Failed: true}}}},
		Beside: []Beside{{At: 1, Answered: 2, Text: "SET s v"}, {At: 3, Answered: Never, Step: 1, Text: "MULTI; INCR n; EXEC"}, {At: 4, Answered: 5, Step: 2, Refused: true}},
		States: []State{{Beside: "word", Keys: []KV{{Key: "x", List: []string{"1-1", "f", "v"}, Type: "stream", GroupsRead: true,
			Groups: []Group{{Name: "g", Last: "1-1", Pending: []string{"1-1", "c"}}, {Name: "h", Last: "0-0", Pending: []string{}}}}}}},
	}
}

func encode(t require.TestingT, h *History) []byte {
	var b bytes.Buffer
	require.NoError(t, Encode(&b, h))
	return b.Bytes()
}

func TestEveryFieldSurvivesTheFile(t *testing.T) {
	for _, h := range []*History{full(), typed()} {
		got, err := Decode(bytes.NewReader(encode(t, h)))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(h, got))
	}
}

// TestWhatIsWrittenIsTheSameByteByByte: text that needs no escape is written as it is,
// and all of a history in one form.
func TestWhatIsWrittenIsTheSameByteByByte(t *testing.T) {
	for text, want := range map[string]string{
		"a <b>&c~ !": `"a <b>&c~ !"`, `a"b`: `"a\"b"`, `a\b`: `"a\\b"`, "a\x1fb": `"a\u001fb"`, "a\x7f": "\"a\x7f\"", "ü": `"ü"`, "": `""`,
		"<\n": `"\u003c\n"`, "\xff": `{"base64":"/w=="}`,
	} {
		require.Equal(t, want, string(appendString(nil, text)))
	}
	version1, err := os.ReadFile(filepath.Join("testdata", "version1.jsonl"))
	require.NoError(t, err)
	require.Equal(t, string(version1), string(encode(t, full())))
}

func TestCompressedFile(t *testing.T) {
	for _, name := range []string{"h.jsonl", "h.jsonl.gz"} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, Save(path, full()))
		got, err := Load(path)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(full(), got))
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, strings.HasSuffix(name, ".gz"), raw[0] == 0x1f)
	}
}

// The file of version 1 stays readable: this one was written when it was new.
func TestGoldenFileOfVersion1(t *testing.T) {
	path := filepath.Join("testdata", "version1.jsonl")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, Save(path, full()))
	}
	got, err := Load(path)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(full(), got))
}

func TestErrorsNameTheLine(t *testing.T) {
	const first = `{"history":1}` + "\n"
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "line 1: the file is empty"},
		{"no header", `{"end":0}`, `line 1: want {"history":1} as the first line, and only there`},
		{"later version", `{"history":2}`, "line 1: version 2: this program reads versions 1 to 1"},
		{"cut between lines", first, `line 1: the file is cut off: want a last line {"end":1}`},
		{"cut in a line", first + `{"op":"write","client":1,"ke`, "line 2: cut off at column 29: want the end of the string"},
		{"lines missing", first + `{"end":5}`, "line 2: the file should have 5 lines before this one and has 1"},
		{"more after the end", first + `{"end":1}` + "\n{}", "line 3: something follows the line that ends the history"},
		{"unknown field", first + `{"op":"write","klient":1}`, `line 2: column 15: unknown field "klient"`},
		{"unknown record", first + `{"opp":"write"}`, `line 2: unknown record "opp"`},
		{"unknown operation", first + `{"op":"wriet"}`, `line 2: operation "wriet": want one of read, write`},
		{"unknown outcome", first + `{"op":"write","outcome":"maybe"}`, `line 2: outcome "maybe": want ok, failed or unknown`},
		{"wrong type", first + `{"op":"write","client":"one"}`, `line 2: column 24: want a whole number, not '"'`},
		{"fraction", first + `{"op":"write","invoke":1.5}`, `line 2: column 25: want a whole number, not '.'`},
		{"too large", first + `{"op":"write","invoke":99999999999999999999}`, `line 2: column 24: want a number of at most 63 bits`},
		{"not an object", first + `[1]`, "line 2: column 1: want an object, not '['"},
		{"two objects", first + `{"op":"read","key":"k","invoke":1,"outcome":"unknown"} {}`, "line 2: column 56: want the end of the line"},
		{"returned before invoked", first + `{"op":"read","invoke":5,"return":3,"outcome":"ok"}`, "line 2: it returned at 3, before it was invoked at 5"},
		{"acknowledged without return", first + `{"op":"read","invoke":5,"outcome":"ok"}`, `line 2: an acknowledged operation needs "return"`},
		{"no outcome", first + `{"op":"read","invoke":5}`, `line 2: an operation needs "invoke" and "outcome"`},
		{"time backwards", first + `{"op":"read","invoke":5,"return":6,"outcome":"ok"}` + "\n" + `{"op":"read","invoke":4,"return":6,"outcome":"ok"}`,
			"line 3: time goes backwards: invoked at 4, after an operation invoked at 5"},
		{"epoch backwards", first + `{"epoch":0,"began":9,"ended":3}`, "line 2: the epoch ended at 3, before it began at 9"},
		{"log before epoch", first + `{"log-write":[1,2]}`, `line 2: "log-write" without an epoch before it`},
		{"found before state", first + `{"found":"k"}`, `line 2: "found" without a state before it`},
		{"keys not sorted", first + `{"state":1}` + "\n" + `{"found":"b"}` + "\n" + `{"found":"a"}`, `line 4: key "a" follows "b": want them sorted, each once`},
		{"nested transaction", first + `{"op":"txn","parts":[{"op":"txn","parts":[]}]}`, "line 2: a transaction inside a transaction"},
		{"bad base64", first + `{"op":"write","value":{"base64":"***"}}`, "line 2: column 37: bad base64"},
		{"raw bytes", first + "{\"op\":\"write\",\"value\":\"\xff\"}", "line 2: column 25: not valid UTF-8"},
		{"bad gzip", "\x1f\x8bxx", "line 1: bad gzip header"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Decode(strings.NewReader(tc.text))
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// TestAnInstantIsAStretchOfTime: what ends when it begins is no error.
func TestAnInstantIsAStretchOfTime(t *testing.T) {
	h, err := Decode(strings.NewReader(`{"history":1}
{"op":"write","client":1,"key":"k","invoke":5,"return":5,"outcome":"ok"}
{"op":"write","client":2,"key":"k","invoke":5,"return":5,"outcome":"ok"}
{"epoch":0,"began":5,"ended":5}
{"log-write":[5,5]}
{"log-write":[5,5]}
{"log-sync":[5,5]}
{"log-sync":[5,5]}
{"end":8}`))
	require.NoError(t, err)
	require.Equal(t, []DiskWrite{{Enter: 5, Return: 5}, {Enter: 5, Return: 5}}, h.Epochs[0].LogWrites)
}

func TestCutCompressedFile(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(encode(t, full()))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	_, err = Decode(bytes.NewReader(b.Bytes()[:b.Len()-20]))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "line ")
}

// endless is a line that does not end.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, errors.New("read past the limit")
	}
	n := min(len(p), e.left)
	e.left -= n
	for i := range p[:n] {
		p[i] = 'x'
	}
	return n, nil
}

func TestLongLineIsRefusedBeforeItFillsMemory(t *testing.T) {
	in := io.MultiReader(strings.NewReader(`{"history":1}`+"\n"), &endless{left: 100 << 20})
	_, err := Decode(in)
	require.EqualError(t, err, "line 2: longer than 64 MiB")
}

func TestRandomHistoriesSurviveTheFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &History{}
		at := time.Duration(0)
		text := rapid.OneOf(rapid.String(), rapid.StringMatching("[a-z]{1,3}"),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		for i := range rapid.IntRange(0, 20).Draw(t, "ops") {
			at += time.Duration(rapid.IntRange(0, 9).Draw(t, "step"))
			op := Op{ID: i, Invoke: at, Return: Never, Key: text.Draw(t, "key"), Value: text.Draw(t, "value"),
				Kind: Kind(rapid.IntRange(1, int(LastKind)).Draw(t, "kind")), Absent: rapid.Bool().Draw(t, "absent")}
			row := &kindRows[op.Kind]
			if op.Kind == Txn {
				op.Key = ""
			}
			if rapid.Bool().Draw(t, "acked") {
				op.Outcome, op.Return = OK, at+3
			}
			if rapid.Bool().Draw(t, "more") {
				op.More = &More{Offset: -1, Node: "n", Values: []string{text.Draw(t, "element")}, Result: text.Draw(t, "result")}
				if row.turn != nil {
					op.More.Values = map[string][]string{"field": {"f", "v"}, "member": {"m", "-1.5"}, "ID": {"1-2", "f", "v"}}[row.turn[0]]
					op.More.Values = op.More.Values[:len(row.turn)]
				}
				if row.fields&hasValues == 0 {
					op.More.Values = nil
				}
				if row.fields&hasResult == 0 {
					op.More.Result = ""
				}
			}
			if row.fields&hasValue == 0 {
				op.Value = ""
			}
			op.Absent = op.Absent && row.fields&hasAbsent != 0
			if op.Kind == Append && op.Outcome == OK && (op.More == nil || op.More.Result == "") {
				op.More = &More{Offset: -1, Result: "1"} // or nothing may tell what it was
			}
			h.Ops = append(h.Ops, op)
		}
		got, err := Decode(bytes.NewReader(encode(t, h)))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(h, got))
	})
}

// FuzzDecode: whatever the bytes, an error or a history that survives being
// written and read again.
func FuzzDecode(f *testing.F) {
	f.Add(encode(f, full()))
	f.Add([]byte(`{"history":1}` + "\n" + `{"end":1}` + "\n"))
	f.Add([]byte("{\"history\":1}\n{\"op\":\"read\",\"key\":\"\\u00e9\",\"invoke\":1,\"outcome\":\"unknown\"}\n{\"end\":2}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, err := Decode(bytes.NewReader(encode(t, h)))
		require.NoError(t, err)
		require.Equal(t, len(h.Ops), len(again.Ops))
		require.Equal(t, encode(t, h), encode(t, again))
	})
}
