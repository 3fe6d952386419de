package redis

import (
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f18: aof.c writeAofManifestFile renames the manifest and then syncs its directory; where that
// fails it reports an error, and the server goes on with the old log. It names the cause and
// excuses nothing.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F18",
			Title: "a rewrite that could not sync the manifest's directory has the server write a log that is not the last",
			Text: "When the sync of appendonlydir fails after the manifest has been renamed, the server takes the rewrite for one that has not begun and goes on in the old log; " +
				"the manifest on the disk names a newer one after it. What a power cut does to the end of the log that is written (F2, or a torn command) is then damage before the " +
				"last file: the server refuses to start, and redis-check-aof does not mend it. After such an error in the log, BGREWRITEAOF once more.",
		},
		Names: true,
		Cause: func(r *finding.Run) bool { return r.Halfway && len(r.Anomalies) > 0 },
	})
}
