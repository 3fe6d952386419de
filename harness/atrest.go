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

// damage carries out a statement about files at rest and returns how many it
// damaged, or why it had nothing to strike.
func damage(d *disk.Disk, node string, a plan.Action) (files int, why string) {
	for _, p := range filesOf(d) {
		var err error
		switch a := a.(type) {
		case *plan.TruncateAtRest:
			if !a.Matches(node, p) {
				continue
			}
			err = d.TruncateAtRest(p, a.By)
		case *plan.CorruptAtRest:
			if !a.Matches(node, p) {
				continue
			}
			if a.Page {
				err = d.ZeroAt(p, a.Offset)
			} else {
				err = d.CorruptAt(p, a.Offset/8, 1<<(a.Offset%8))
			}
		}
		if err != nil {
			return files, err.Error()
		}
		files++
	}
	if files == 0 {
		return 0, "no file matches"
	}
	return files, ""
}

// filesOf lists the paths of all files on a disk, in order of name.
func filesOf(d *disk.Disk) []string {
	fsys := d.FS(nil)
	var files []string
	var walk func(dir string)
	walk = func(dir string) {
		names, err := fsys.List(dir)
		if err != nil {
			return
		}
		for _, name := range names {
			p := path.Join(dir, name)
			if info, err := fsys.Stat(p); err == nil && info.Dir {
				walk(p)
			} else {
				files = append(files, p)
			}
		}
	}
	walk(".")
	return files
}

// hasAOF reports whether the AOF can be found: its directory, and the manifest
// in it. Without either the server starts empty and says nothing.
func hasAOF(fsys vfs.FS) bool {
	_, err := fsys.Stat("appendonlydir/appendonly.aof.manifest")
	return err == nil
}

// namesMayVanish reports whether a personality can lose a name that the server
// may think is there: one that is not persisted with its file or directory, or
// a rename of which neither the old nor the new name survives.
func namesMayVanish(personality string) bool {
	p, err := disk.PersonalityByName(personality)
	return err == nil && (!p.Has(disk.SyncNames) || !p.Has(disk.AtomicNames))
}

// nulBytes reports whether an incr file of the AOF holds NUL bytes, which no
// command of a workload does: an append whose size survived and whose data did not.
func nulBytes(fsys vfs.FS) bool {
	names, err := fsys.List("appendonlydir")
	if err != nil {
		return false
	}
	for _, name := range names {
		if !isIncr(name) {
			continue
		}
		if data, err := vfs.ReadFile(fsys, path.Join("appendonlydir", name)); err == nil && bytes.IndexByte(data, 0) >= 0 {
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
