package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/servers/serverstest"
	"github.com/torntail/torntail/reports/result"
)

// What the archive has no more ends with status 5 and what there is instead; what it has is
// got once.
func TestServersGet(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	archive := serverstest.New(t)
	archive.Add("sid", "valkey", "9.2.0-1")
	get := func(names ...string) (string, error) {
		var out strings.Builder
		err := (&serversGetCmd{Names: names}).get(&app{stdout: &out, stderr: io.Discard}, archive.Etc)
		return out.String(), err
	}
	_, err := get("valkey-9.1")
	var f *failure
	require.ErrorAs(t, err, &f)
	assert.Equal(t, result.ExitEnvironment, f.status)
	assert.ErrorContains(t, err, "there is valkey-9.2.0 (sid)")

	said, err := get("valkey-9.2")
	require.NoError(t, err)
	assert.Contains(t, said, "valkey-9.2: version 9.2.0, valkey-tools 9.2.0-1 (sid) sha256:")
	require.NoError(t, os.RemoveAll(archive.Etc)) // it is not asked again
	again, err := get("valkey-9.2")
	require.NoError(t, err)
	assert.Equal(t, said, again)
	left, err := os.ReadDir(filepath.Join(cache, "torntail", "servers"))
	require.NoError(t, err)
	assert.Len(t, left, 1)
}
