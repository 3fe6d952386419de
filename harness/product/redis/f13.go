package redis

import (
	"slices"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f13: what a start loads nobody syncs before something is written. It names the cause and
// excuses nothing.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F13",
			Title: "a server that is started after a kill does not sync what it has loaded, and a later power cut takes it",
			Text: "A process kill leaves what was written in the page cache. The server that is started on it takes it for durable " +
				"(aof.c: a load sets aof_fsync_offset to the size of the file): under everysec nothing is synced before the next write, however long that takes, and a power " +
				"cut until then reaches back behind the restart. Of a log that goes on from one file to the next, nobody syncs the files before the last: where a kill, or a " +
				"SIGTERM, came before the sync with which a rewrite closes the old one, a power cut takes the end of that until a later rewrite has ended.",
		},
		Names: true,
		Cause: func(r *finding.Run) bool {
			return r.Power && len(r.Anomalies) > 0 && r.History != nil && (r.EarlierUnsynced || loadedUnsynced(r))
		},
	})
}

// leavesUnsynced reports whether a life may end with writes that no sync has covered: a
// SIGTERM has them synced, and goes on when that fails (server.c finishShutdown).
func leavesUnsynced(e *history.Epoch) bool {
	switch e.How {
	case history.ProcessKill, history.Exited:
		return true
	case history.Terminated:
		n := len(e.LogSyncs)
		return n > 0 && e.LogSyncs[n-1].Failed && !e.LogSyncs[n-1].Left
	}
	return false
}

// loadedUnsynced reports whether a life that a power cut ended had begun on writes that no
// sync of the life before had covered, and none of its own.
func loadedUnsynced(r *finding.Run) bool {
	h := r.History
	for i := 1; i < len(h.Epochs); i++ {
		if h.Epochs[i].How != history.PowerCut {
			continue
		}
		for n := i - 1; n >= 0 && leavesUnsynced(&h.Epochs[n]); n-- {
			before := &h.Epochs[n]
			if k := len(before.Snapshots); k > 0 && before.Snapshots[k-1].Durable > before.Ended {
				renamed := before.Snapshots[k-1].Renamed
				if renamed <= before.Ended || renamed == history.Never && r.RenameUnsynced { // the kill came in the rename
					return true // its name; nobody syncs the directory when it is loaded
				}
			}
			synced := func(s history.DiskSync) bool { return !s.Failed && s.Return <= h.Epochs[i].Ended }
			if w := len(before.LogWrites); w > 0 && !slices.ContainsFunc(before.LogSyncs, func(s history.DiskSync) bool {
				return synced(s) && s.Covers >= before.LogWrites[w-1].Return
			}) && !slices.ContainsFunc(h.Epochs[i].LogSyncs, synced) {
				return true
			}
		}
	}
	return false
}
