package plan

import (
	"slices"

	"github.com/torntail/torntail/faults/disk"
)

// This file is what the faults of files at rest share.

// damage does something to every file at rest that matches.
func damage(on System, node, pattern string, do func(d *disk.Disk, path string) error) (why string, err error) {
	rest, why := reach[AtRest](on, NeedAtRest)
	if why != "" {
		return why, nil
	}
	g := compileGlob(pattern)
	return rest.AtRest(node, func(d *disk.Disk, at string) (files int, why string) {
		if node != "" && node != at {
			return 0, noFile
		}
		return damageFiles(d, &g, func(path string) error { return do(d, path) })
	})
}

// noFile is why damage at rest missed.
const noFile = "no file matches"

// damageFiles does something to every file of a disk that matches. Where it cannot,
// because the file is too short for the offset, the file is left as it is; why is
// set when that leaves no file at all.
func damageFiles(d *disk.Disk, matches *glob, do func(path string) error) (files int, why string) {
	why = noFile
	for _, path := range filesBelow(d, disk.Root, "") {
		if !matches.match(path) {
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

func nodePrefix(node string) string {
	if node == "" {
		return ""
	}
	return node + " "
}

// nodeAndGlob reads [NODE] GLOB before one of the keywords. With one word
// before the keyword it is the pattern, with two the first is the node.
func (c *cursor) nodeAndGlob(keywords ...string) (node, g string, err *Error) {
	saved := c.pos
	w, _ := c.word()
	aWord := isNode(w) && c.pos < len(c.text) && isBlank(c.text[c.pos])
	if next := c.token(); aWord && next != "" && !slices.Contains(keywords, next) {
		node = w
	} else {
		c.pos = saved
	}
	g, err = c.glob(false)
	return node, g, err
}
