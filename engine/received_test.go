package engine

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/vfs"
)

// sender is the connection to a master that sends so many bytes.
type sender struct {
	env.Conn
	left int
}

func (s *sender) Read(p []byte) (int, error) {
	n := min(len(p), s.left)
	if s.left -= n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// pushedFile is a file that remembers which ranges were pushed to the disk.
type pushedFile struct {
	vfs.File
	size   int64
	ranges [][2]int64
}

func (f *pushedFile) Write(p []byte) (int, error) {
	f.size += int64(len(p))
	return len(p), nil
}

func (f *pushedFile) SyncRange(off, n int64) error {
	f.ranges = append(f.ranges, [2]int64{off, n})
	return nil
}

// What a replica receives of a snapshot is pushed to the disk every 8 MiB, all of it
// that came until then.
func TestReceivedSnapshotIsPushedToTheDisk(t *testing.T) {
	const size = 20 << 20
	s := New(Options{Env: osenv.New("n1", 1), Config: config.Default()})
	f := &pushedFile{}
	l := &link{s: s, conn: &sender{left: size}}
	require.NoError(t, l.copySnapshot(f, size, nil))
	assert.EqualValues(t, size, f.size)
	require.Len(t, f.ranges, 2, "%v", f.ranges)
	end := int64(0)
	for _, r := range f.ranges {
		assert.Equal(t, end, r[0])
		assert.GreaterOrEqual(t, r[1], int64(8<<20))
		assert.Less(t, r[1], int64(8<<20+linkRoom))
		end = r[0] + r[1]
	}
}
