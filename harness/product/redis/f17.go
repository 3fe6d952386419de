package redis

import (
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f17: it names the cause of a violation and excuses nothing.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F17",
			Title: "before 7.0, the name of a rewritten AOF is never synced",
			Text: "After BGREWRITEAOF the server renames the new file over the log and syncs what is in it (fdatasync), and does not sync the directory. " +
				"Until something that comes later is synced, a power cut brings back the old file, without what that sync had made durable in the new one.",
		},
		Names: true,
		Cause: func(r *finding.Run) bool { return r.Power && len(r.Anomalies) > 0 && r.NameUnsynced },
	})
}
