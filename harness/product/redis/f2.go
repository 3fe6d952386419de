package redis

import (
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f2: nothing is lost by it but time. Where a sync had returned, or before the power was cut,
// there are no stray bytes by this cause.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F2",
			Title: "a power cut can leave NUL bytes at the end of the AOF, and the server then refuses to start",
			Text: "On ext4 the size of an append can become durable before its data, so the tail of the incr file reads zeroes. " +
				"aof-load-truncated does not cover that: the server says \"Bad file format\" until redis-check-aof --fix has cut the tail off. " +
				"Nothing acknowledged under appendfsync always is in that tail.",
		},
		Cause: func(r *finding.Run) bool { return r.Power && r.Repaired && r.NULBytes && !r.NULBytesSynced },
	})
}
