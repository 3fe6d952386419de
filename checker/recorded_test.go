package checker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
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

// TestWaitsExplainWhatTheyLast: a sync that is late by as long as the server waited for a
// processor is unknown, one that is late by more is violated.
func TestWaitsExplainWhatTheyLast(t *testing.T) {
	c, err := contract.For("everysec", contract.Power, contract.Config{})
	require.NoError(t, err)
	const waited = time.Second / 2
	life := history.Epoch{DiskSeen: true, LogWrites: []history.DiskWrite{{Enter: 1, Return: 2}}, Waits: []history.Wait{{From: time.Second, To: 2 * time.Second, By: waited}}}
	for more, want := range map[time.Duration]time.Duration{0: waited, 1: 0} {
		life.Ended = 2 + c.SyncWithin + c.SyncSlack + waited + more
		late, is := durability.LateSync(&life, &c)
		require.True(t, is)
		require.Equal(t, want, late.Waited)
	}
}
