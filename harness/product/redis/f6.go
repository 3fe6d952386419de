package redis

import (
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f6: of a rename neither the old name nor the new survived, while it was under way.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F6",
			Title: "a power cut in a rename can take the manifest, or dump.rdb, where a rename is not atomic on the disk",
			Text: "The server replaces its manifest and its snapshot by a rename, and syncs their directory after it. Where a file system " +
				"promises of a rename only what POSIX does, which says nothing of crashes, neither the old file nor the new may have the name " +
				"until that sync has returned, and the server starts empty. Journaling file systems keep the one or the other.",
		},
		Cause: func(r *finding.Run) bool {
			return r.Power && r.DataVanished && r.RenameUnsynced && lacks(r.Personality, disk.AtomicNames)
		},
		Drowns: true,
	})
}
