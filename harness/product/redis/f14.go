package redis

import (
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f14: the reply is in the client's buffer before the log is written, and a write that fails
// does not take it back (aof.c flushAppendOnlyFile: under always the server exits instead). It
// names the cause and excuses nothing.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F14",
			Title: "the write that meets a full disk is acknowledged, and lost if the server ends before there is space",
			Text: "Under everysec and no the server answers a command although its write to the log has failed, and refuses only those after it. What it " +
				"could not write it tries again to write, and loses when it is ended before that succeeds, by SIGTERM as well. Watch aof_last_write_status, " +
				"and make space before you restart.",
		},
		Names: true,
		Cause: func(r *finding.Run) bool { return r.WriteRefused && len(r.Anomalies) > 0 },
	})
}
