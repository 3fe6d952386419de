package redis

import (
	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f3: the end of the old file is gone and the new one is there: the server
// refuses, or loads what comes after the gap. A sync of the new file
// covers what the old one has lost, so clause (b) is broken as well.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F3",
			Title: "a power cut early in an AOF rewrite can damage the log before its end",
			Text: "When a rewrite begins, new writes go to a new incr file, and the old one is synced and closed in the background. " +
				"Until that sync has returned, a power cut can take the end of the old file and leave later writes in the new one: " +
				"the server refuses to start, because only the last file may be cut short, or it starts with a hole in what it loads.",
		},
		Cause:    func(r *finding.Run) bool { return r.Power && r.OldIncrUnsynced },
		Explains: finding.Only(anomaly.Unrecoverable, anomaly.Hole, anomaly.SilentTruncation, anomaly.TornTransaction, anomaly.LostWrite),
	})
}
