package image

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/product/redis"
)

// FuzzReadCrashImage: a crash image, which may be anybody's, is read whatever its files hold,
// and is the same once it has been written and read again.
func FuzzReadCrashImage(f *testing.F) {
	f.Add("file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n", "*1\r\n$4\r\nPING\r\n", "REDIS0011\xff")
	f.Add("file ../../x seq -1 type i", "*999999999\r\n", "")
	f.Fuzz(func(t *testing.T, manifest, log, snapshot string) {
		m, err := redis.ModeByName("hybrid")
		require.NoError(t, err)
		dir, again := t.TempDir(), t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "appendonlydir"), 0o755))
		for name, text := range map[string]string{"appendonlydir/appendonly.aof.manifest": manifest, "appendonlydir/appendonly.aof.1.incr.aof": log, "dump.rdb": snapshot} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		c, err := ReadCrashImage(dir, &m)
		if err != nil {
			return
		}
		require.NoError(t, c.WriteTo(again, nil))
		same, err := ReadCrashImage(again, &m)
		require.NoError(t, err)
		require.Equal(t, c, same)
		_, err = c.Disk(disk.Options{})
		require.NoError(t, err)
	})
}
