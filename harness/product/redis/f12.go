package redis

import (
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f12: a transaction that is torn in the middle of one of its commands is cut off behind the
// command before (aof.c loadSingleAppendOnlyFile takes valid_up_to there, and the place before
// MULTI only where a file ends between two commands). It names the cause and excuses nothing.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F12",
			Title: "a torn transaction stays open in the AOF, and takes all that is written after it",
			Text: "When a crash tears a transaction inside one of its commands, the server cuts the log off behind the command before, and leaves MULTI in it. " +
				"All that is written from then on stands in the log behind that MULTI: the next start executes of the torn transaction what is there as soon as " +
				"another EXEC comes, or, when none has come, drops all of it as an incomplete transaction, with every write acknowledged since, under always too. " +
				"Run redis-check-aof --fix before the first start after a crash, or rewrite the log right after it.",
		},
		Names: true,
		Cause: func(r *finding.Run) bool {
			return r.OpenTransaction && len(r.Anomalies) > 0 && r.History != nil && len(r.History.Epochs) > 1
		},
	})
}
