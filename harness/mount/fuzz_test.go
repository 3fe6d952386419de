package mount

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
)

// FuzzReadRecord: a record, which may be anybody's, is refused or played up to an instant,
// and its files are made in the directory that is named and nowhere else.
func FuzzReadRecord(f *testing.F) {
	record, err := os.ReadFile("../../cmd/torntail/testdata/formats/v1/record")
	require.NoError(f, err)
	f.Add(record, uint64(0), false, 0)
	f.Add(record, uint64(3), true, 0)
	f.Add(record, uint64(0), false, 1)
	f.Add(record[:len(record)/2], uint64(0), false, 0)
	f.Fuzz(func(t *testing.T, record []byte, call uint64, inFlight bool, cut int) {
		r, err := ReadRecord(bytes.NewReader(record), Position{Call: call, InFlight: inFlight, Cut: cut})
		if err != nil {
			return
		}
		r.InPlay()
		var image disk.Disk
		Describe(r.Disk.Image(&image, disk.Choice{}))
		outside := t.TempDir()
		dir := filepath.Join(outside, "named")
		WriteTree(&image, dir, time.Unix(0, 0))
		entries, err := os.ReadDir(outside)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		require.Equal(t, "named", entries[0].Name())
	})
}
