package suite

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzRecord: the record of a suite and the shards of one, which may be anybody's, are
// refused or put together and told; nothing panics.
func FuzzRecord(f *testing.F) {
	const kept = "../../cmd/torntail/testdata/formats/v1"
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(kept, name))
		if err != nil {
			f.Fatal(err)
		}
		return string(text)
	}
	f.Add(read("suite/suite.json"), read("suite/cells/00000.json"), "{}", "{}")
	f.Add(read("suite-shard-1/suite.json"), read("suite-shard-1/cells/00000.json"), read("suite-shard-2/suite.json"), "{}")
	f.Fuzz(func(t *testing.T, head, cell, head2, cell2 string) {
		dir := t.TempDir()
		var dirs []string
		for i, shard := range [][2]string{{head, cell}, {head2, cell2}} {
			at := filepath.Join(dir, string('a'+rune(i)))
			require.NoError(t, os.MkdirAll(filepath.Join(at, cellDir), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(at, headFile), []byte(shard[0]), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(at, cellDir, cellFile(0)), []byte(shard[1]), 0o600))
			dirs = append(dirs, at)
		}
		SeedOf(dirs[0])
		for _, list := range [][]string{dirs[:1], dirs} {
			if r, err := Merge(list); err == nil {
				require.NotNil(t, r.Report())
				require.GreaterOrEqual(t, r.Left(), 0)
			}
		}
	})
}

// FuzzParseShard: what is taken prints as it was written.
func FuzzParseShard(f *testing.F) {
	f.Add("1/4")
	f.Add("99999999999999999999/1")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseShard(text)
		if err != nil {
			return
		}
		require.NoError(t, s.check())
		again, err := ParseShard(s.String()[len("shard "):])
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}
