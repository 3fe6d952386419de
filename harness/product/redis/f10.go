package redis

import (
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f10: damage that the tool of other versions mends. It names the cause of a violation and
// excuses nothing.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F10",
			Title: "valkey-check-aof 9.1 calls a healthy log broken whose base is a snapshot, and mends nothing",
			Text: "Since valkey 9 a snapshot begins with VALKEY instead of REDIS, and valkey-check-aof does not know such a base for one: it reads it as commands, " +
				"calls it broken (\"AOF ... .base.rdb format error\"), and cuts nothing off the file at the end, which is where a crash leaves damage. " +
				"The server does not start, and the tool that it asks for does not help. Cut the tail off by hand, or with the tool of valkey 8 on that file alone.",
		},
		Names: true,
		Cause: func(r *finding.Run) bool { return r.Refused && r.BaseRefused },
	})
}
