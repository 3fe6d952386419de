package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLargeResultsAreTold, with what makes them smaller, and stay.
func TestLargeResultsAreTold(t *testing.T) {
	t.Chdir(t.TempDir())
	defer func() { rootUsed = false }()
	file := filepath.Join(outRoot, "20260102-030405", "history.jsonl")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	said := func() string {
		var b bytes.Buffer
		sayLarge(&b)
		return b.String()
	}
	require.NoError(t, os.Truncate(file, muchOutput+muchOutput/2))
	require.Empty(t, said(), "of a command that has put nothing there")
	rootUsed = true
	require.Equal(t, "torntail: the results in torntail-out have 1.5 GiB; this removes those that are older than a week: find torntail-out -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -r {} +\n", said())
	require.FileExists(t, file)
	require.NoError(t, os.Truncate(file, muchOutput))
	require.Empty(t, said())
}
