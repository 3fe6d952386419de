package redis

import (
	"slices"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f7: what a failed sync was to make durable stays in the page cache as if it were, and
// nobody writes it again. It names the cause of a violation and excuses nothing. The cause
// is there as long as the file is: a rewrite that has ended has put another in its place.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F7",
			Title: "what one failed fsync of the AOF drops is lost with all that is acknowledged after it",
			Text: "The kernel reports a failed write-back once and takes the pages for clean. Under everysec the server refuses writes until an fsync " +
				"succeeds, which is the next one, and takes them again; under always it exits, and starts on what the page cache still shows; of the file " +
				"that a rewrite leaves behind it does not hear. A later power cut leaves a hole where the failed fsync was to write, and the server refuses " +
				"to start, or loads what came before the hole. On btrfs memory forgets it at once, and a start after any end finds the hole.",
		},
		Names: true,
		Cause: func(r *finding.Run) bool {
			if len(r.Anomalies) == 0 || slices.Contains(r.Anomalies, anomaly.Refused) || r.History == nil {
				return false
			}
			return r.Reverted || r.Power && r.Dropped && (r.FailedBefore || builtOnFailedSync(r.History))
		},
	})
}

// builtOnFailedSync reports whether a sync of the log had failed and the server has gone
// by a later one, did not hear of it, or was started on what it had dropped.
func builtOnFailedSync(h *history.History) bool {
	for i := range h.Epochs {
		syncs := h.Epochs[i].LogSyncs
		failed := slices.IndexFunc(syncs, func(s history.DiskSync) bool { return s.Failed })
		if failed < 0 {
			continue
		}
		later := func(s history.DiskSync) bool { return !s.Failed && s.Return != history.Never }
		unheard := func(s history.DiskSync) bool { return s.Failed && s.Left }
		if i < len(h.Epochs)-1 || slices.ContainsFunc(syncs[failed:], later) || slices.ContainsFunc(syncs, unheard) {
			return true
		}
	}
	return false
}
