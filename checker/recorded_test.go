package checker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
)

// TestWhatIsARecordOfTheDisk: one write, sync or snapshot is, and that somebody looked.
func TestWhatIsARecordOfTheDisk(t *testing.T) {
	require.False(t, durability.Recorded(&history.Epoch{}))
	for _, e := range []history.Epoch{{DiskSeen: true}, {LogWrites: make([]history.DiskWrite, 1)}, {LogSyncs: make([]history.DiskSync, 1)}, {Snapshots: make([]history.Snapshot, 1)}} {
		require.True(t, durability.Recorded(&e))
	}
}
