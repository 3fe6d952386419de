package process_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/process"
)

// Whatever a program does that is asked for its version, torntail goes on, with what is wrong.
func TestVersion(t *testing.T) {
	for name, row := range map[string]struct{ script, version, kind, wrong string }{
		"redis":            {script: "echo 'Redis server v=7.0.15 sha=0'", version: "7.0.15", kind: "redis"},
		"valkey":           {script: "echo 'Valkey server v=8.1.1 sha=0'", version: "8.1.1", kind: "valkey"},
		"no version":       {script: "echo hello", wrong: `no version in "hello"`},
		"a failure":        {script: "echo 'no such option' >&2; exit 3", wrong: `exit status 3: "no such option"`},
		"never ends":       {script: "echo 'Redis server v=7.0.15'; sleep 1000", wrong: "has not ended after 5s"},
		"never stops":      {script: "yes Redis server v=7.0.15", wrong: "prints more than 65536 bytes"},
		"one endless line": {script: "tr '\\0' x </dev/zero", wrong: "prints more than 65536 bytes"},
		"leaves a child":   {script: "sleep 1000 & echo 'Redis server v=7.0.15'", version: "7.0.15", kind: "redis"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "server")
			require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+row.script+"\n"), 0o755))
			t.Parallel() // only now: a child that another starts meanwhile holds the file open, and the system runs none that is (ETXTBSY)
			v, kind, err := process.Kind(path)
			if row.wrong != "" {
				require.ErrorContains(t, err, row.wrong)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, []string{row.version, row.kind}, []string{v, kind})
		})
	}
	_, err := process.Version(filepath.Join(t.TempDir(), "nowhere"))
	assert.ErrorContains(t, err, "no such file")
}
