package image

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/workloads"
)

func TestMain(m *testing.M) {
	guard.Main()
	os.Exit(m.Run())
}

// TestAMountedImageSaysWhatIsWrongWithIt: an image that is started on where it stands is
// read as any other: that there is no data, and that the start cut a torn tail off.
func TestAMountedImageSaysWhatIsWrongWithIt(t *testing.T) {
	rig, err := machine.NewRig(redis.Store, needs.Program(t, "redis-server"), machine.HostDirs(""))
	require.NoError(t, err)
	defer rig.Close()
	mode, err := redis.ModeByName("always")
	require.NoError(t, err)
	x := &experiment.Experiment{Mode: mode, Workload: workloads.Default()}
	for name, c := range map[string]struct {
		lose      func(dir string) error
		noData    bool
		truncated bool
	}{
		"whole": {func(string) error { return nil }, false, false},
		"without manifest": {func(dir string) error {
			return os.Remove(filepath.Join(dir, redis.Store.DataFile(&product.Mode{AOF: true})))
		}, true, false},
		"with a torn tail": {tornTail, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, rig.Allow(dir))
			redis, err := rig.Launch(context.Background(), dir, mode.Directives, nil)
			require.NoError(t, err)
			s, err := NewServer(rig, x, 0, t.TempDir())
			require.NoError(t, err)
			defer s.Close()
			_, err = (&directory{s: s, redis: redis}).probe()
			machine.End(redis)
			require.NoError(t, err)
			require.NoError(t, c.lose(dir))
			left, err := ReadCrashImage(dir, &mode)
			require.NoError(t, err)
			files, err := left.Disk(disk.Options{})
			require.NoError(t, err)
			got, start, _, err := s.StartOn(context.Background(), dir, left, files)
			require.NoError(t, err)
			require.Equal(t, machine.ByItself, got.How)
			require.Equal(t, c.noData, got.NoData)
			require.Equal(t, c.truncated, got.Truncated)
			require.Positive(t, start)
			require.Less(t, time.Duration(0), got.At)
		})
	}
}

// tornTail takes the last byte of the AOF.
func tornTail(dir string) error {
	name := filepath.Join(dir, redis.AOFDir, "appendonly.aof.1.incr.aof")
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return os.Truncate(name, info.Size()-1)
}
