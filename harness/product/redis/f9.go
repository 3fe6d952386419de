package redis

import (
	"slices"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f9: it names the cause of a violation and excuses nothing.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F9",
			Title: "before 7.0.3, the name of a snapshot is never synced",
			Text: "The server writes a snapshot to a temporary file, syncs it and renames it to dump.rdb, and does not sync the directory. " +
				"Until the file system has done so by itself (ext4: some five seconds), a power cut brings back the snapshot before, or none.",
		},
		Names: true,
		Cause: func(r *finding.Run) bool {
			return slices.Contains(r.Anomalies, anomaly.LateSync) && !r.RootSynced && r.History != nil && namesUnsynced(r.History)
		},
	})
}

// namesUnsynced reports whether snapshots got their name in a life, one of them so long
// before its end that its sync, if there is one, cannot be what comes next, and none was made durable.
func namesUnsynced(h *history.History) bool {
	named := false
	for i := range h.Epochs {
		e := &h.Epochs[i]
		for _, s := range e.Snapshots {
			if s.Durable != history.Never || s.Failed {
				return false
			}
			named = named || s.Renamed != history.Never && e.Ended-s.Renamed > time.Second
		}
	}
	return named
}
