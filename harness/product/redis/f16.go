package redis

import (
	"slices"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f16: ext4 with data=journal answers the fsync whose write-back fails with success, and tells
// of it at the next (docs/fidelity.md). It names the cause and excuses nothing.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F16",
			Title: "an fsync that fails and says so only later leaves a file without its data",
			Text: "A file that replaces another (manifest, base of a rewrite, dump.rdb) is written, fsynced and renamed. Where the file system answers a failed fsync with " +
				"success and tells of it at the next (ext4 with data=journal), or the server does not look at the answer, the name stands for a file whose data the disk does not " +
				"have; a power cut leaves zeroes, and the server refuses to start.",
		},
		Names: true,
		Cause: func(r *finding.Run) bool {
			return r.Power && len(r.Anomalies) > 0 && (r.DroppedElse || r.Untold || r.Dropped && (r.UntoldBefore || r.History != nil && !anyFailedSync(r.History)))
		},
	})
}

// anyFailedSync reports whether the server was told that a sync of its log had failed.
func anyFailedSync(h *history.History) bool {
	return slices.ContainsFunc(h.Epochs, func(e history.Epoch) bool {
		return slices.ContainsFunc(e.LogSyncs, func(s history.DiskSync) bool { return s.Failed })
	})
}
