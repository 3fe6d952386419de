package harness

import (
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
)

// This file is what happens to a disk at rest, between a crash and the
// restart: damage that a plan asks for, a look at what the crash left, and the
// server's own repair tool.

// namesMayVanish reports whether a personality can lose a name that the server
// may think is there: one that is not persisted with its file or directory, or
// a rename of which neither the old nor the new name survives.
func namesMayVanish(personality string) bool {
	p, err := disk.PersonalityByName(personality)
	return err == nil && (!p.Has(disk.SyncNames) || !p.Has(disk.AtomicNames))
}

// namesInAnyOrder reports whether a personality may make a later name durable
// before an earlier one.
func namesInAnyOrder(personality string) bool {
	p, err := disk.PersonalityByName(personality)
	return err == nil && !p.Has(disk.MetaInOrder) && !p.Has(disk.AllInOrder)
}

// commitsCarryData reports whether a disk that makes a name or a size durable
// makes all data durable that was written before: its log has the data too, or
// everything is in order.
func commitsCarryData(personality string) bool {
	p, err := disk.PersonalityByName(personality)
	return err == nil && (p.Has(disk.DataInLog) || p.Has(disk.AllInOrder))
}

// damage carries out a statement about files at rest and returns why it had
// nothing to strike, or "". The damaged image takes the place of the one that
// the crash left as what the server must be started on, unless that had been
// replaced already: then the audit is to find it.
func (o *Outcome) damage(d *disk.Disk, t plan.Trigger) (why string) {
	untouched := d.Hash() == o.image
	files, why := t.Apply(d, server)
	o.CutFiles += files
	if untouched {
		o.image = d.Hash()
	}
	return why
}
