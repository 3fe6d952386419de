package matching

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADirectoryIsNoPattern(t *testing.T) {
	for _, name := range []string{"plain", "a[1]", "a[", "st*r", `back\slash`, "wh?t"} {
		dir := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.Mkdir(dir, 0o755))
		for _, file := range []string{"b.svg", "a.svg", "c.json"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), nil, 0o644))
		}
		paths, err := In(dir, "*.svg")
		require.NoError(t, err)
		require.Equal(t, []string{filepath.Join(dir, "a.svg"), filepath.Join(dir, "b.svg")}, paths)
	}
	paths, err := In(filepath.Join(t.TempDir(), "none"), "*")
	require.NoError(t, err)
	require.Empty(t, paths)
	_, err = In(t.TempDir(), "[")
	require.Error(t, err)
}
