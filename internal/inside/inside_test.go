package inside_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/inside"
)

func TestWhatLeadsOut(t *testing.T) {
	top := t.TempDir()
	root := filepath.Join(top, "root")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "a", "b"), 0o755))
	for _, file := range []string{"outside", "root/file", "root/a/b/file"} {
		require.NoError(t, os.WriteFile(filepath.Join(top, file), nil, 0o644))
	}
	require.NoError(t, inside.Tree(root))
	links := map[string]string{ // to where
		"in": "a/b", "absolute": filepath.Join(top, "outside"), "up": "../outside", "dangling": "a/none",
		"new": filepath.Join(top, "none"), "a/over": "../../outside", "a/across": "../file", "loop": "loop",
	}
	for name, to := range links {
		require.NoError(t, os.Symlink(to, filepath.Join(root, name)))
	}
	for name, leads := range map[string]bool{
		"": false, "a/b/file": false, "a/b": false, "none": false, "a/none/file": false, "in/file": false, "a/across": false, "dangling": false,
		"absolute": true, "up": true, "new": true, "a/over": true, "loop": true, "../outside": true, "a/../../outside": true, "../root": false,
	} {
		err := inside.Check(root, filepath.Join(root, name))
		require.Equal(t, leads, err != nil, "%s: %v", name, err)
		if leads {
			require.ErrorIs(t, err, inside.ErrNotFollowed)
			require.False(t, inside.Has(root, filepath.Join(root, name)))
		}
	}
	require.ErrorIs(t, inside.Tree(root), inside.ErrNotFollowed)
	require.True(t, inside.Has(root, filepath.Join(root, "in", "file")))
	require.False(t, inside.Has(root, filepath.Join(root, "none")))

	other := filepath.Join(top, "other") // the directory itself is the user's
	require.NoError(t, os.Symlink(root, other))
	require.NoError(t, inside.Check(other, filepath.Join(other, "file")))
	for name := range links {
		os.Remove(filepath.Join(root, name))
	}
	require.NoError(t, inside.Tree(other))
	require.Error(t, inside.Tree(filepath.Join(top, "none")))
}
