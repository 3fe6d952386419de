package yamlform

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bomb stands for 10^9 values in few lines.
var bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + func() string {
	var b strings.Builder
	for _, n := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		last := string('0' + n[0] - '1')
		b.WriteString("a" + n + ": &a" + n + " [" + strings.Repeat("*a"+last+",", 9) + "*a" + last + "]\n")
	}
	return b.String()
}()

func TestWhatIsRefused(t *testing.T) {
	for in, want := range map[string]string{
		"a: 1\n---\nb: 2\n":               "line 2: a second document begins: a file holds one",
		"a: 1\n--- [\n":                   "line 2: did not find expected node content",
		"a: \x00":                         "line 1, column 4: a NUL byte: want text",
		"a: &x [1, *x]\n":                 `line 1: anchor "x" stands for a value that it is in itself`,
		bomb:                              "line 6: more than 200000 values, with those that aliases stand for",
		strings.Repeat("[", 100_000):      "exceeded max depth of 10000",
		strings.Repeat("a: 1\n", 300_000): "1500000 bytes: want at most 1048576",
		"[" + strings.Repeat("1,", 250_000) + "]": "line 1: more than 200000 values, with those that aliases stand for",
	} {
		_, err := Node([]byte(in))
		require.ErrorContains(t, err, want, "%.40q", in)
		require.ErrorContains(t, Decode([]byte(in), new(map[string]any)), want, "%.40q", in)
	}
}

func TestWhatIsRead(t *testing.T) {
	for _, in := range []string{"", "# nothing\n", "---\n"} {
		n, err := Node([]byte(in))
		require.NoError(t, err)
		if n == nil {
			require.Equal(t, io.EOF, Decode([]byte(in), new(map[string]any)))
		}
	}
	var v struct{ A, B []int }
	require.NoError(t, Decode([]byte("---\na: &x [1, 2]\nb: *x\n...\n"), &v))
	require.Equal(t, []int{1, 2}, v.B)
	require.ErrorContains(t, Decode([]byte("a: [1]\na: [2]\n"), &v), `line 2: mapping key "a" already defined at line 1`)
	require.ErrorContains(t, Decode([]byte("c: 1\n"), &v), "line 1: field c not found")
}
