package edn_test

import (
	"errors"
	"io"
	"sort"
	"strings"
	"testing"
	"testing/iotest"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history/edn"
)

// all reads every value and writes it back.
func all(in io.Reader) (texts []string, err error) {
	r := edn.NewReader(in, 1)
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
		text string
		want []string
	}{
		{"", nil},
		{"nil true sym :key 1 -2 +3 4N 2.5", []string{"nil", "true", "sym", ":key", "1", "-2", "3", "4", "2.5"}},
		{`{:a 1, :b [1 (2 3) #{5 4}]}`, []string{`{:a 1, :b [1 [2 3] #{4 5}]}`}},
		{`{:b 1 :a 2}`, []string{`{:a 2, :b 1}`}},
		{`#a.b{:a #inst "2026"} ; comment` + "\n#_ {:gone 1} 2", []string{`{:a "2026"}`, "2"}},
		{`{:s "q\"\\\n\t\u00e9\f"}`, []string{`{:s "q\"\\\n\té` + "\f" + `"}`}},
		{"[1 2\n3]", []string{"1", "2", "3"}},
		{"([1] [2 3]) 4", []string{"[1]", "[2 3]", "4"}},
		{`{:c [\a \newline \é]}`, []string{`{:c [\a \newline \é]}`}},
		{`{:e #object[java.lang.Object 0x5f "x"], :r #"a+", :n ##NaN, :m ^{:x 1} y, :v #'a/b, :ns #:foo{:k 1}}`,
			[]string{`{:e [java.lang.Object 0x5f "x"], :m y, :n NaN, :ns {:k 1}, :r "a+", :v a/b}`}},
	} {
		for _, in := range []io.Reader{strings.NewReader(tc.text), iotest.OneByteReader(strings.NewReader(tc.text))} {
			got, err := all(in)
			require.NoError(t, err, tc.text)
			require.Equal(t, tc.want, got, tc.text)
		}
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"{:a 1\n :b", "line 2: cut off: the collection that begins on line 1 does not end"},
		{"[1\n2", "line 2: cut off: the collection that begins on line 1 does not end"},
		{"\"ab", "line 1: cut off: the string that begins on line 1 does not end"},
		{`"a\`, "line 1: cut off: want the rest of an escape"},
		{`"\u12`, "line 1: cut off: want the rest of an escape"},
		{`"\q"`, `line 1: bad escape \q`},
		{`"\uzzzz"`, `line 1: bad escape \uzzzz`},
		{"\n}", "line 2: '}' closes nothing"},
		{"{:a}", "line 1: a map with a key and no value"},
		{": x", "line 1: a colon without a keyword"},
		{"# x", "line 1: # without a tag"},
		{"#a", "line 1: cut off: want a value"},
		{strings.Repeat("[", 100), "line 1: collections more than 64 deep"},
		{strings.Repeat("#a ", 100) + "1", "line 1: collections more than 64 deep"},
	} {
		_, err := all(strings.NewReader(tc.text))
		require.ErrorContains(t, err, tc.want, tc.text)
	}
	broken := errors.New("broken disk")
	_, err := all(io.MultiReader(strings.NewReader("{:a"), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
}

func TestPlainTellsValuesApart(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{"nil", `"nil"`, "1", `"1"`, "+7", `"+7"`, "-1", `"-1"`, `":b"`, `"\\c"`, "\\c", `"#x"`, `"(1"`, ":a", `":a"`, "true", `"true"`, "a", "[1]", `"[1]"`, "#{1}", "{1 2}", `"\""`, `"+1"`, `""`} {
		v, err := edn.NewReader(strings.NewReader(" #x "+text), 1).Next()
		require.NoError(t, err)
		require.NotContains(t, seen, v.Plain(), "%s and %s are one", text, seen[v.Plain()])
		seen[v.Plain()] = text
	}
}

func TestOneValueIsBounded(t *testing.T) {
	for _, tc := range [][2]string{{`{:a "`, "x"}, {"{:a [", "1 "}, {"{:a :", "x"}, {"{:a [", "[] "}} {
		r := edn.NewReader(io.MultiReader(strings.NewReader(tc[0]), &endless{tc[1]}), 1)
		r.Most = 1 << 20
		_, err := r.Next()
		require.ErrorContains(t, err, "one value that takes more than 1 MiB")
	}
}

// TestTheBoundIsExact: a value is read with as much memory as it takes, and refused
// with one byte less.
func TestTheBoundIsExact(t *testing.T) {
	size := int(unsafe.Sizeof(edn.Value{}))
	for text, want := range map[string]int{
		`"abcdef"`: 6, "abcdef": 6, ":abcdef": 6, `"a\nb"`: 3, "{:a [1 2 3]}": 4 + 5*size,
		"{:a [[1] [2]]}": 3 + 6*size, `{"ab" "cd"}`: 4 + 2*size, "#{1 2}": 2 + 2*size,
	} {
		r := edn.NewReader(strings.NewReader(text), 1)
		least := sort.Search(1<<12, func(most int) bool {
			r.Reset(strings.NewReader(text), 1)
			r.Most = most
			_, err := r.Next()
			return err == nil
		})
		assert.Equal(t, want, least, text)
	}
}

// TestDepth: collections, tags and what is in front of values count together.
func TestDepth(t *testing.T) {
	for _, pair := range [][2]string{{"[", "]"}, {"{1 ", "}"}, {"#{", "}"}, {"(", ")"}, {"#a ", ""}, {"^1 ", ""}} {
		deepest := sort.Search(200, func(n int) bool {
			_, err := edn.NewReader(strings.NewReader("{0 "+strings.Repeat(pair[0], n)+"1"+strings.Repeat(pair[1], n)+"}"), 1).Next()
			return err != nil
		})
		require.Equal(t, 64, deepest, pair[0])
	}
}

func TestErrorsShowTheBeginningOfAValue(t *testing.T) {
	for n, want := range map[int]string{38: strings.Repeat("x", 38) + `"`, 39: strings.Repeat("x", 39) + "..."} {
		v := edn.Value{Kind: edn.String, Text: []byte(strings.Repeat("x", n))}
		_, err := v.Integer()
		require.EqualError(t, err, `want a number, not "`+want)
	}
}

// TestAnInputThatGivesNothingIsRefused: one that neither ends nor goes on does not hang.
func TestAnInputThatGivesNothingIsRefused(t *testing.T) {
	_, err := edn.NewReader(silent{}, 1).Next()
	require.ErrorIs(t, err, io.ErrNoProgress)
}

// silent is an input that gives nothing, and no error.
type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

// endless is an input without an end.
type endless struct{ text string }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.text[i%len(e.text)]
	}
	return len(p) - len(p)%len(e.text), nil
}

func FuzzReader(f *testing.F) {
	f.Add(`[#a.b{:process 1, :type :invoke, :f :cas, :value [1 [2 3]]} #{1} "\u00e9" \x ; c` + "\n #_ 1]")
	f.Add(`#"r" ##Inf ^{:a 1} {:b "\n"} #'x #:a{:b 1}`)
	f.Fuzz(func(t *testing.T, text string) {
		whole, err := all(strings.NewReader(text))
		bytewise, again := all(iotest.OneByteReader(strings.NewReader(text)))
		require.Equal(t, whole, bytewise, "where the buffer ends must not matter")
		require.Equal(t, err == nil, again == nil)
		for _, w := range whole {
			// What is written is read as the same value, unless it was no
			// symbol that could be: these are taken as they come.
			if back, err := all(strings.NewReader("{0 " + w + "}")); err == nil && len(back) == 1 && len(w) < 100 {
				if twice, err := all(strings.NewReader(back[0])); err == nil && len(twice) == 1 {
					require.Equal(t, back, twice)
				}
			}
		}
	})
}

// TestWhatWasReadBeforeIsNotBehindTheEnd: a # at the very end is cut off, whatever the
// reader still has of what came earlier.
func TestWhatWasReadBeforeIsNotBehindTheEnd(t *testing.T) {
	last := func(text string) error {
		r := edn.NewReader(strings.NewReader(text), 1)
		for {
			if _, err := r.Next(); err != nil {
				return err
			}
		}
	}
	want := last("x #")
	for n := 1; n < 200_000; n += 997 {
		require.EqualError(t, last(strings.Repeat("_", n)+" #"), want.Error(), "%d", n)
	}
}

// TestCharactersOfAnyLength: a character is one, however many bytes it takes.
func TestCharactersOfAnyLength(t *testing.T) {
	for _, c := range []string{"c", "é", "€", "𝄞"} {
		values, err := all(strings.NewReader(`[\` + c + ` 7]`))
		require.NoError(t, err, c)
		require.Len(t, values, 2)
		require.Equal(t, `\`+c, values[0])
	}
	_, err := all(strings.NewReader("[\\\xc3"))
	require.Error(t, err)
}
