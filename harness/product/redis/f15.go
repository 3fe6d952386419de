package redis

import (
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f15: aof.c openNewIncrAofForAppend opens the log that a rewrite goes on in without O_APPEND,
// and flushAppendOnlyFile cuts a short write off with ftruncate, which moves no file offset. It
// names the cause and excuses nothing.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F15",
			Title: "after a rewrite, a disk that was full for a moment leaves a hole of zeroes in the AOF",
			Text: "When the disk is full the server takes back what it could write of a command, and writes again when there is space: in a log that was begun by a " +
				"rewrite not at its new end, but where it had stopped. Between the two are zeroes. The next start refuses the file (\"Bad file format\"), and " +
				"redis-check-aof --fix cuts off the hole with all that was written after it, fsynced or not. Rewrite the log, or restart, after a full disk.",
		},
		Names: true,
		Cause: func(r *finding.Run) bool { return r.Gap && len(r.Anomalies) > 0 },
	})
}
