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
				"power cuts can leave no appendonlydir at all, and the server starts empty. Sync the data directory once after the first start.",
		},
		Cause: func(r *finding.Run) bool {
			return r.Power && r.WholeAOFVanished && !r.RootSynced && lacks(r.Personality, disk.SyncNames)
		},
		Drowns: true,
	})
}

// lacks reports whether a personality is known not to promise something.
func lacks(personality string, rule disk.Rule) bool {
	p, err := disk.PersonalityByName(personality)
	return err == nil && !p.Has(rule) && !p.Has(disk.AllInOrder)
}
