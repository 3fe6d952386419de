package redis

import (
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f11: nothing is lost by it; what is back nobody expects.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F11",
			Title: "without persistence a server comes back with the snapshot that was last made for a replica",
			Text: "A full synchronisation that goes by way of the disk (repl-diskless-sync no; on the replica's side always) leaves dump.rdb, as SAVE and BGSAVE do, and a server " +
				"whose persistence is switched off loads it all the same when it starts: old data are back, and a master gives them to its replicas. " +
				"rdb-del-sync-files yes removes the file after the synchronisation.",
		},
		Cause: func(r *finding.Run) bool { return r.FromSync != "" },
	})
}
