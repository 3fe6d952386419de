package suite

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/result"
)

func TestOldNightsAreDeletedAndNothingElse(t *testing.T) {
	root := t.TempDir()
	at := func(n int) time.Time { return time.Date(2026, 11, n, 2, 0, 0, 0, time.UTC) }
	for i := 1; i <= 5; i++ {
		dir := filepath.Join(root, fmt.Sprintf("night-%d", 6-i)) // the names say nothing
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, write(filepath.Join(dir, headFile), Head{Schema: RecordSchema, Suite: "nightly", Started: at(i)}))
	}
	other, merged, mine := filepath.Join(root, "other"), filepath.Join(root, "merged"), filepath.Join(root, "mine")
	for _, dir := range []string{other, merged, mine} {
		require.NoError(t, os.MkdirAll(dir, 0o755))
	}
	require.NoError(t, write(filepath.Join(other, headFile), Head{Schema: RecordSchema, Suite: "weekly", Started: at(1)}))
	require.NoError(t, (&result.Report{Schema: result.Schema, Started: at(1), Suite: &result.Suite{Name: "nightly"}}).Save(filepath.Join(merged, resultFile)))
	outside := t.TempDir()
	require.NoError(t, write(filepath.Join(outside, headFile), Head{Schema: RecordSchema, Suite: "nightly", Started: at(1)}))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "link")))

	gone, err := Prune(filepath.Join(root, "night-1"), "nightly", 3)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{filepath.Join(root, "night-4"), filepath.Join(root, "night-5"), merged}, gone)
	for _, dir := range []string{"night-1", "night-2", "night-3", "other", "mine"} {
		require.DirExists(t, filepath.Join(root, dir))
	}
	require.FileExists(t, filepath.Join(root, "link", headFile))
	gone, err = Prune(filepath.Join(root, "night-1"), "nightly", 1)
	require.NoError(t, err)
	require.Len(t, gone, 2)
	require.DirExists(t, filepath.Join(root, "night-1"))
}
