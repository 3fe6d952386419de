package harness

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
)

// This file is what happens to a disk at rest, between a crash and the
// restart: damage that a plan asks for, a look at what the crash left, and the
// server's own repair tool.

// Where the data is, in every mode.
const (
	aofDir      = "appendonlydir"
	aofManifest = aofDir + "/appendonly.aof.manifest"
	snapshot    = "dump.rdb"
)

// dataFile is the file without which a server in the mode starts empty and says
// nothing: the AOF's manifest, or the snapshot.
func dataFile(m *Mode) string {
	if m.AOF {
		return aofManifest
	}
	return snapshot
}

// hasData reports whether a mode's data can be found on a disk.
func hasData(fsys vfs.FS, m *Mode) bool {
	_, err := fsys.Stat(dataFile(m))
	return err == nil
}

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

// strayBytes are what stands where the size of an append survived and its data
// did not: zeroes, or what the block held before (disk.OldBytesText, without
// its line end). No command of a workload has any of them.
const strayBytes = "\x00~-oldbytes"

// nulBytes reports whether an incr file of the AOF holds stray bytes.
func nulBytes(fsys vfs.FS) bool {
	names, err := fsys.List(aofDir)
	if err != nil {
		return false
	}
	for _, name := range names {
		if !isIncr(name) {
			continue
		}
		data, err := vfs.ReadFile(fsys, path.Join(aofDir, name))
		if err != nil {
			continue
		}
		if bytes.IndexByte(data, 0) >= 0 || bytes.ContainsAny(bytes.ReplaceAll(data, []byte(probeKey), nil), strayBytes) {
			return true
		}
	}
	return false
}

// fixAOF is the engine's redis-check-aof --fix, as an operator would run it
// after the server has refused to start.
func fixAOF(fsys vfs.FS, conf *config.Config, e env.Env) error {
	var report strings.Builder
	err := aof.Check(aof.CheckOptions{
		FS: fsys, Path: path.Join(conf.Appenddirname, conf.Appendfilename+".manifest"),
		Fix: true, Confirm: func(string) bool { return true },
		Out: &report, NowMs: e.Wall().UnixMilli(),
	})
	if err != nil {
		return fmt.Errorf("check-aof --fix: %w", err)
	}
	return nil
}

// damage carries out a statement about files at rest and returns why it had
// nothing to strike, or "". The damaged image takes the place of the one that
// the crash left as what the server must be started on, unless that had been
// replaced already: then the audit is to find it.
func (o *Outcome) damage(d *disk.Disk, t plan.Trigger) (why string) {
	untouched := d.Hash() == o.image
	files, why := t.Apply(d, server)
	o.cutFiles += files
	if untouched {
		o.image = d.Hash()
	}
	return why
}
