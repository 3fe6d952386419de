package redis

import (
	"strings"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f5: the manifest's new name survived, and that of a file it speaks of did not: one
// sync of the directory is to make both durable.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F5",
			Title: "a power cut right after the manifest is renamed can leave one that names a file that is not there",
			Text: "A rewrite makes a new incr file, and later a new base, and then renames the manifest that names it; one fsync of the directory follows for both names. " +
				"Where names become durable in any order (POSIX demands no more, and btrfs promises no more), a power cut before that fsync has returned can keep the " +
				"manifest's name and lose the other: the server refuses to start (\"Unable to obtain the AOF file ... length\"). Nothing is lost: the old files are there, " +
				"and the line can be taken out of the manifest by hand.",
		},
		Cause: func(r *finding.Run) bool {
			return r.Power && r.ManifestAhead && lacks(r.Personality, disk.MetaInOrder) && r.Refused && refusedForMissingFile(r.History)
		},
		Explains: finding.Only(anomaly.Unrecoverable),
	})
}

func refusedForMissingFile(h *history.History) bool {
	for i := range h.Events {
		if e := &h.Events[i]; e.Kind == history.Refused && !MissesFile(e.Text) {
			return false
		}
	}
	return true
}

// MissesFile reports whether a server that says this in refusing to start does so because
// a file that the manifest names is not there (redis 7.0.15 aof.c getAppendOnlyFileSize).
func MissesFile(refusal string) bool {
	return strings.Contains(refusal, "Unable to obtain the AOF file")
}
