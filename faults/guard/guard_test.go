package guard

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinesOfThePipeReadBack(t *testing.T) {
	for _, e := range []entry{
		{1, kindGroup, "4711", ""},
		{2, kindMount, "53", "/tmp/a b\n\"c\""},
		{3, kindConn, "54", ""},
		{18446744073709551615, kindDir, "0", "/tmp/torntail-1"},
	} {
		got, remove, err := parseLine(e.String())
		require.NoError(t, err)
		require.False(t, remove)
		require.Equal(t, e, got)
	}
	got, remove, err := parseLine("- 7")
	require.NoError(t, err)
	require.True(t, remove)
	require.EqualValues(t, 7, got.id)
}

func TestHalfALineIsRefused(t *testing.T) {
	whole := entry{3, kindDir, "0", "/tmp/torntail-1"}.String()
	for n := range len(whole) {
		_, _, err := parseLine(whole[:n])
		require.Error(t, err, "a writer that dies after %d bytes must not make %q an order", n, whole[:n])
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add(entry{1, kindGroup, "4711", ""}.String())
	f.Add(entry{2, kindMount, "53", "/tmp/x y"}.String())
	f.Add("- 9")
	f.Fuzz(func(t *testing.T, line string) {
		e, remove, err := parseLine(line)
		if err != nil || remove {
			return
		}
		again, _, err := parseLine(e.String())
		if err != nil || again != e {
			t.Fatalf("%q reads as %+v, printed and read again as %+v, %v", line, e, again, err)
		}
	})
}
