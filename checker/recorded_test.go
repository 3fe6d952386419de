package checker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
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
		require.Equal(t, map[bool]verdict.Verdict{true: verdict.Unknown, false: verdict.Violated}[more == 0], judgedAlone(life, c))
	}
	life.Waits[0].By = 1
	life.Ended = 2 + c.SyncWithin + c.SyncSlack + 1
	require.Equal(t, verdict.Unknown, judgedAlone(life, c))
}

// TestWaitsExplainALateSnapshot: as of syncs, and also when a snapshot that came later was made
// in time, is still being written, or failed.
func TestWaitsExplainALateSnapshot(t *testing.T) {
	c, err := contract.For("rdb", contract.Power, contract.Config{SavePoints: []contract.SavePoint{{After: time.Second, Changes: 1}}})
	require.NoError(t, err)
	for _, waited := range []time.Duration{1, time.Second / 2} {
		for more, want := range map[time.Duration]time.Duration{0: waited, 1: 0} {
			until := time.Second + time.Second + c.SyncSlack + waited + more // the save point, and whole seconds
			for name, snapshots := range map[string][]history.Snapshot{
				"none": nil, "whole": {{Fork: until, Began: until, Renamed: until + 2, Durable: until + 3}},
				"not synced": {{Fork: until, Began: until, Renamed: until + 2, Durable: history.Never}}, "failed": {{Fork: until, Began: until, Renamed: until + 2, Failed: true}},
				"being written": {{Fork: until, Began: until, Renamed: history.Never, Durable: history.Never}},
			} {
				life := history.Epoch{DiskSeen: true, Snapshots: snapshots, Waits: []history.Wait{{From: time.Second / 4, To: time.Second, By: waited}}, Ended: until}
				if snapshots != nil {
					life.Ended += 10
				}
				late, is := durability.LateSnapshot(&life, &c, &durability.Changes{Invoked: []int64{1}, Acked: []int64{2}})
				require.True(t, is, "%s %v", name, waited)
				require.Equal(t, want, late.Waited, "%s %v", name, waited)
				require.Equal(t, map[bool]verdict.Verdict{true: verdict.Unknown, false: verdict.Violated}[more == 0], judgedAlone(life, c), "%s %v", name, waited)
			}
		}
	}
}

// TestWaitsExplainALateName: as of syncs, of the directory of a renamed snapshot.
func TestWaitsExplainALateName(t *testing.T) {
	c, err := contract.For("rdb", contract.Power, contract.Config{SavePoints: []contract.SavePoint{{After: time.Second, Changes: 100}}})
	require.NoError(t, err)
	require.Positive(t, c.DurableWithin)
	for _, waited := range []time.Duration{1, time.Second / 2} {
		for more, want := range map[time.Duration]time.Duration{0: waited, 1: 0} {
			snapshot := history.Snapshot{Began: 3, Renamed: 4, Durable: history.Never}
			life := history.Epoch{DiskSeen: true, Snapshots: []history.Snapshot{snapshot}, Waits: []history.Wait{{From: 10, To: time.Second, By: waited}}}
			life.Ended = 4 + c.DurableWithin + c.SyncSlack + waited + more
			late, is := durability.LateRename(&life, &c)
			require.True(t, is)
			require.Equal(t, want, late.Waited)
			require.Equal(t, map[bool]verdict.Verdict{true: verdict.Unknown, false: verdict.Violated}[more == 0], judgedAlone(life, c))
			life.Blocked = []history.Interval{{From: 4 + c.DurableWithin + c.SyncSlack, To: history.Never}}
			_, is = durability.LateRename(&life, &c)
			require.False(t, is, "its sync is in flight")
		}
	}
}

// judgedAlone judges a life with one write, which is found after it.
func judgedAlone(life history.Epoch, c contract.Contract) verdict.Verdict {
	life.How = history.PowerCut
	h := &history.History{Ops: []history.Op{{Kind: history.Write, Key: "a", Value: "1", Invoke: 1, Return: 2, Outcome: history.OK}}, Epochs: []history.Epoch{life},
		States: []history.State{{Began: life.Ended + 1, At: life.Ended + 2, Epoch: 1, Keys: []history.KV{{Key: "a", Value: "1"}}}}}
	out := (&Judge{Options: unhurried}).Judge(h, c)
	return out.Verdict
}

// TestWhatAnAskedForSnapshotHolds: in mode none what comes back is the last snapshot that was
// asked for; where nobody saw whether it was in place it is unknown, and without one it may not
// come back.
func TestWhatAnAskedForSnapshotHolds(t *testing.T) {
	c, err := contract.For("none", contract.Power, contract.Config{Modelled: true})
	require.NoError(t, err)
	there, since := history.Snapshot{Began: 20, Renamed: 40, Durable: 50, For: "a sync"}, history.Snapshot{Began: 30, Renamed: history.Never, Durable: history.Never, For: "a sync"}
	own := there
	own.For = ""
	kill, cut := history.ProcessKill, history.PowerCut
	for _, row := range []struct {
		name      string
		how       history.EventKind
		unseen    bool
		snapshots []history.Snapshot
		found     string // of a
		want      verdict.Verdict
	}{
		{"in place", cut, false, []history.Snapshot{there}, "1", verdict.Holds},
		{"in place, and nothing came back", cut, false, []history.Snapshot{there}, "", verdict.Holds}, // nothing is promised
		{"in place, and something else came back", cut, false, []history.Snapshot{there}, "2", verdict.Violated},
		{"in place, unseen by the disk", cut, true, []history.Snapshot{there}, "1", verdict.Holds},
		{"not in place", cut, false, []history.Snapshot{since}, "1", verdict.Violated},
		{"not in place, and nothing came back", cut, false, []history.Snapshot{since}, "", verdict.Holds},
		{"nobody saw", cut, true, []history.Snapshot{since}, "1", verdict.Unknown},
		{"nobody asked", cut, false, []history.Snapshot{own}, "1", verdict.Violated},
		{"a child that outlives its killed server", kill, false, []history.Snapshot{since}, "1", verdict.Holds},
		{"not the last of those", kill, false, []history.Snapshot{since, own}, "1", verdict.Holds},
	} {
		crash := contract.Power
		if row.how == kill {
			crash = contract.Kill
		}
		c.Crash = crash
		h := &history.History{Ops: []history.Op{{Kind: history.Write, Key: "a", Value: "1", Invoke: 5, Return: 6, Outcome: history.OK}},
			Epochs: []history.Epoch{{Ended: 100, How: row.how, DiskSeen: !row.unseen, Snapshots: row.snapshots}},
			States: []history.State{{Began: 200, At: 201, Epoch: 1}}}
		if row.found != "" {
			h.States[0].Keys = []history.KV{{Key: "a", Value: row.found}}
		}
		out := (&Judge{Options: unhurried}).Judge(h, c)
		require.Equal(t, row.want, out.Verdict, "%s: %s %v", row.name, out.Why, out.Anomalies)
	}
}
