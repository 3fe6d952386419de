package redis

import (
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f19: aof.c rewriteAppendOnlyFileBackground flushes what is in the buffer, and does not ask
// whether it could be written. It names the cause and excuses nothing.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F19",
			Title: "a rewrite that begins while the disk takes no writes applies the last of them twice",
			Text: "What could not be written to the log stays in a buffer. A rewrite that begins then has it in its base, and the server writes it to the log that goes on behind that base " +
				"as soon as there is space: the next start executes it twice, so that lists have elements double and counters are too high. Do not rewrite the log (an automatic " +
				"rewrite does it, too) before the server takes writes again.",
		},
		Cause: func(r *finding.Run) bool { return r.CarriedOver && len(r.Anomalies) > 0 },
	})
}
