package needs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// MemoryCgroup is a new memory cgroup, which goes with the test, with a limit in bytes.
func MemoryCgroup(t testing.TB, limit int) (dir string) {
	t.Helper()
	err := error(fs.ErrNotExist)
	// The older form first: where it is, /sys/fs/cgroup is a directory like any other.
	for _, form := range [][2]string{{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"}} {
		if dir, err = os.MkdirTemp(form[0], "torntail-test-"); err != nil {
			continue
		}
		file := filepath.Join(dir, form[1])
		if _, err = os.Stat(file); err == nil {
			err = os.WriteFile(file, []byte(strconv.Itoa(limit)), 0o644)
		}
		if err == nil {
			t.Cleanup(func() {
				if err := os.Remove(dir); err != nil {
					t.Error(err)
				}
			})
			return dir
		}
		err = errors.Join(err, os.Remove(dir))
	}
	Working(t, err)
	return ""
}
