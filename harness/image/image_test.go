package image

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product/redis"
)

// TestImagesFollowEachOther: whatever images a directory held before, it holds
// the last one and nothing else.
func TestImagesFollowEachOther(t *testing.T) {
	mode, err := redis.ModeByName("always")
	require.NoError(t, err)
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		var before *CrashImage
		for range rapid.IntRange(1, 6).Draw(rt, "images") {
			d := disk.New(disk.Options{})
			fsys := d.FS(nil)
			require.NoError(t, fsys.Mkdir("d"))
			for range rapid.IntRange(0, 5).Draw(rt, "files") {
				name := rapid.SampledFrom([]string{"a", "b", "d/a", "d/e", "e"}).Draw(rt, "name")
				if name == "e" {
					fsys.Mkdir("e") // a directory, where the one before may have had a file, or nothing
					continue
				}
				f, err := fsys.Open(name, vfs.WriteOnly|vfs.Create|vfs.Truncate)
				require.NoError(t, err)
				_, err = f.Write([]byte(rapid.StringOfN(rapid.SampledFrom([]rune("ab")), 0, 6, -1).Draw(rt, "data")))
				require.NoError(t, err)
				require.NoError(t, f.Close())
			}
			image, err := NewCrashImage(d, &mode)
			require.NoError(t, err)
			if rapid.Bool().Draw(rt, "forgotten") {
				before = nil
			}
			require.NoError(t, image.WriteTo(dir, before))
			read, err := ReadCrashImage(dir, &mode)
			require.NoError(t, err)
			require.Equal(t, image, read)
			before = image
		}
	})
}
