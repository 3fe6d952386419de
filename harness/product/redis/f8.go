package redis

import (
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f8: it names the cause of a violation and excuses nothing.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F8",
			Title: "before 7.0, a rewritten AOF takes the log's name before all that it holds is synced",
			Text: "At the end of BGREWRITEAOF the server writes what clients have sent meanwhile to the new file, renames it over the log, and syncs it after that. " +
				"A power cut between the two can leave a log without writes that had been synced in the file it replaced, under appendfsync always as well. " +
				"Since 7.0 the log is several files, and the old ones stay until the new ones are durable.",
		},
		Names: true,
		Cause: func(r *finding.Run) bool { return r.Power && len(r.Anomalies) > 0 && r.DraftTookOver },
	})
}
