package disk

import (
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// Damage at rest: what happens to a disk that nobody uses, between a crash and
// the restart. It reaches memory and disk alike.

// CorruptAt flips the bits of mask in the byte at off of a file.
func (d *Disk) CorruptAt(path string, off int64, mask byte) error {
	n, err := d.atRest("corrupt", path)
	if err != nil {
		return err
	}
	if off < 0 || off >= n.vol.size {
		return beyond(path, off)
	}
	d.tape.damage(StepCorrupt, path, off, mask)
	var b [1]byte
	n.vol.read(b[:], off, n.vol.size)
	b[0] ^= mask
	d.damage(n, off, b[:])
	return nil
}

// ZeroAt makes the page that holds byte off of a file read zeroes.
func (d *Disk) ZeroAt(path string, off int64) error {
	n, err := d.atRest("corrupt", path)
	if err != nil {
		return err
	}
	if off < 0 || off >= n.vol.size {
		return beyond(path, off)
	}
	d.tape.damage(StepZero, path, off, 0)
	off &^= pageSize - 1
	d.damage(n, off, make([]byte, min(pageSize, n.vol.size-off)))
	return nil
}

// beyond is what is said of damage where a file has no byte.
func beyond(path string, off int64) error {
	return fmt.Errorf("%s has no byte %d: %w", path, off, syscall.EINVAL)
}

// TruncateAtRest takes up to by bytes off the end of a file.
func (d *Disk) TruncateAtRest(path string, by int64) error {
	n, err := d.atRest("truncate", path)
	if err != nil {
		return err
	}
	d.tape.damage(StepShorten, path, by, 0)
	size := max(0, n.vol.size-max(0, by))
	d.ownBase(n)
	n.vol.cut(size, &d.pool)
	n.vol.size = size
	n.base.cut(size, &d.pool)
	n.base.size = min(n.base.size, size)
	d.clean(n)
	return nil
}

// damage replaces bytes in memory and on the disk.
func (d *Disk) damage(n *inode, off int64, p []byte) {
	d.ownBase(n)
	n.vol.put(off, p, &d.pool)
	if off < n.base.size {
		n.base.put(off, p[:min(int64(len(p)), n.base.size-off)], &d.pool)
	}
	d.clean(n)
}

func (d *Disk) atRest(op, path string) (*inode, error) {
	ino, e := d.Find(path)
	if e == 0 {
		if n := d.inodes[ino]; !n.dir {
			n.touched = true
			return n, nil
		}
		e = syscall.EISDIR
	}
	return nil, &fs.PathError{Op: op, Path: path, Err: e}
}

// Find looks a path up from the root.
func (d *Disk) Find(path string) (Ino, syscall.Errno) {
	at := Root
	for rest := path; rest != "" && rest != "."; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if name == "" || name == "." {
			continue
		}
		var e syscall.Errno
		if at, e = d.Lookup(at, name); e != 0 {
			return 0, e
		}
	}
	return at, 0
}
