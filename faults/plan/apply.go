package plan

import (
	"slices"

	"github.com/torntail/torntail/faults/disk"
)

// This file carries out the statements that are about a disk as a whole, the
// same in every world. Faults of single calls are the Runner's.

// OnDisk reports whether Apply carries the action out.
func OnDisk(a Action) bool {
	switch a.(type) {
	case *Full, *ReadOnly, *TruncateAtRest, *CorruptAtRest:
		return true
	}
	return false
}

// Apply carries out a trigger whose action is OnDisk, on the disk of a node. why
// says that it had nothing to strike. files are how many it damaged. Whoever
// applies damage at rest makes sure that no process uses the disk.
func (t Trigger) Apply(d *disk.Disk, node string) (files int, why string) {
	switch a := t.Statement.Action.(type) {
	case *Full:
		if t.End {
			d.SetFree(-1)
		} else {
			d.SetFree(a.Bytes)
		}
	case *ReadOnly:
		d.SetReadOnly(!t.End)
	case *TruncateAtRest:
		return damage(d, a.Matches, node, func(path string) error { return d.TruncateAtRest(path, a.By) })
	case *CorruptAtRest:
		return damage(d, a.Matches, node, func(path string) error {
			if a.Page {
				return d.ZeroAt(path, a.Offset)
			}
			return d.CorruptAt(path, a.Offset/8, 1<<(a.Offset%8))
		})
	}
	return 0, ""
}

// damage does something to every file that matches. Where it cannot, because
// the file is too short for the offset, the file is left as it is; why is set
// when that leaves no file at all.
func damage(d *disk.Disk, matches func(node, path string) bool, node string, do func(path string) error) (files int, why string) {
	why = "no file matches"
	for _, path := range filesBelow(d, disk.Root, "") {
		if !matches(node, path) {
			continue
		}
		if err := do(path); err != nil {
			why = err.Error()
			continue
		}
		files++
	}
	if files > 0 {
		return files, ""
	}
	return 0, why
}

// filesBelow lists the paths of the files below a directory, by name.
func filesBelow(d *disk.Disk, dir disk.Ino, prefix string) []string {
	entries, errno := d.ReadDir(dir)
	if errno != 0 {
		return nil
	}
	var files []string
	for _, e := range slices.Clone(entries) {
		a, errno := d.Attr(e.Ino)
		switch {
		case errno != 0 || a.Symlink:
		case a.Dir:
			files = append(files, filesBelow(d, e.Ino, prefix+e.Name+"/")...)
		default:
			files = append(files, prefix+e.Name)
		}
	}
	return files
}
