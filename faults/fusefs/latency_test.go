package fusefs

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLatenciesAreMeasuredAndDrawn(t *testing.T) {
	dir := t.TempDir()
	l, err := MeasureSync(dir)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(l), fewestSyncs)
	require.LessOrEqual(t, len(l), mostSyncs)
	require.True(t, slices.IsSorted(l))
	require.Positive(t, l[0])
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)

	a, b := l.Source(7), l.Source(7)
	for range 100 {
		d := a(nil)
		require.Equal(t, d, b(nil), "the same seed draws the same")
		require.Contains(t, l, d)
	}
	require.Zero(t, Latencies(nil).Source(1)(nil))

	_, err = MeasureSync(dir + "/missing")
	require.ErrorIs(t, err, os.ErrNotExist)
}
