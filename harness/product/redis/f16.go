package redis

import (
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f16: ext4 with data=journal answers the fsync whose write-back fails with success, and tells
// of it at the next (docs/fidelity.md). It names the cause and excuses nothing.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F16",
			Title: "an fsync that fails and says so only later leaves a manifest, base or snapshot without data under its name",
			Text: "A file that replaces another (manifest, base of a rewrite, dump.rdb) is written, fsynced and renamed. Where the file system answers a failed fsync with " +
				"success and tells of it at the next (ext4 with data=journal), or the server does not look at the answer, the name stands for a file whose data the disk does not " +
				"have; a power cut leaves zeroes, and the server refuses to start.",
		},
		Cause: func(r *finding.Run) bool { return r.Power && r.DroppedElse && len(r.Anomalies) > 0 },
	})
}
