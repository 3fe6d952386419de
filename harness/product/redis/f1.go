package redis

import (
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/reports/result"
)

// f1: the file system was never asked to keep the directory's name. What the rest of
// the run would say about the contract is drowned by it.
func init() {
	register(finding.Finding{
		Finding: result.Finding{
			Name:  "F1",
			Title: "a power cut can take the whole AOF directory",
			Text: "The server fsyncs appendonlydir but not the directory that holds it, until the first save does. " +
				"On a file system that does not persist a new name with a file's own sync (POSIX demands no more), the first " +
				"power cuts can leave no appendonlydir at all, and the server starts empty. Sync the data directory once after the first start. Where a rename itself can be torn, dump.rdb can vanish in the same way while a snapshot replaces it.",
		},
		Cause:  func(r *finding.Run) bool { return r.Power && r.WholeAOFVanished && namesMayVanish(r.Personality) },
		Drowns: true,
	})
}

// namesMayVanish reports whether a personality may take a name that an application
// may think is there: one that is not persisted with its file or directory, or
// a rename of which neither the old nor the new name survives.
func namesMayVanish(personality string) bool {
	p, err := disk.PersonalityByName(personality)
	return err == nil && (!p.Has(disk.SyncNames) || !p.Has(disk.AtomicNames))
}
