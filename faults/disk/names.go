package disk

import "syscall"

// maxName is the longest name in a directory, in bytes (NAME_MAX).
const maxName = 255

// Dirent is one name in a directory.
type Dirent struct {
	Name string
	Ino  Ino
}

// Lookup finds a name in a directory.
func (d *Disk) Lookup(dir Ino, name string) (Ino, syscall.Errno) {
	n, e := d.getDir(dir)
	if e != 0 {
		return 0, e
	}
	i, ok := find(n.ents, name)
	if !ok {
		if len(name) > maxName {
			return 0, syscall.ENAMETOOLONG
		}
		return 0, syscall.ENOENT
	}
	return n.ents[i].Ino, 0
}

// ReadDir is the entries of a directory, sorted by name. The slice is the
// disk's own and good until the next change.
func (d *Disk) ReadDir(dir Ino) ([]Dirent, syscall.Errno) {
	n, e := d.getDir(dir)
	if e != 0 {
		return nil, e
	}
	return n.ents, 0
}

// Readlink is the target of a symbolic link.
func (d *Disk) Readlink(ino Ino) (string, syscall.Errno) {
	n, e := d.get(ino)
	if e != 0 {
		return "", e
	}
	if !n.symlink {
		return "", syscall.EINVAL
	}
	p := make([]byte, n.vol.size)
	n.vol.read(p, 0, n.vol.size)
	return string(p), 0
}

// room checks that a new name can be made in a directory.
func (d *Disk) room(dir Ino, name string) (*inode, syscall.Errno) {
	n, e := d.getDir(dir)
	if e != 0 {
		return nil, e
	}
	if e := d.changeable(); e != 0 {
		return nil, e
	}
	if n.links == 0 {
		return nil, syscall.ENOENT // removed while somebody had it open
	}
	if len(name) > maxName {
		return nil, syscall.ENAMETOOLONG
	}
	if _, ok := find(n.ents, name); ok || name == "." || name == ".." || name == "" {
		return nil, syscall.EEXIST
	}
	return n, 0
}

// make gives a new inode its first name.
func (d *Disk) make(c *Call, dir *inode, name string) *inode {
	n := d.newInode(0)
	n.links, n.mtime, n.ctime = 1, c.Enter, c.Enter
	c.Ino = n.ino
	d.enter(c, dir, name, n)
	return n
}

// enter adds a name to a directory, now and in play.
func (d *Disk) enter(c *Call, dir *inode, name string, n *inode) *micro {
	dir.ents = setEntry(dir.ents, name, n.ino)
	dir.mtime = c.Enter
	n.parent, n.name, n.path = dir.ino, name, ""
	return d.addName(c, microAdd, dir.ino, name, n.ino)
}

// leave takes a name out of a directory, now and in play.
func (d *Disk) leave(c *Call, dir *inode, name string, n *inode) {
	dir.ents = dropEntry(dir.ents, name)
	dir.mtime = c.Enter
	d.moves++
	d.addName(c, microDel, dir.ino, name, n.ino)
	if n.parent == dir.ino && n.name == name {
		n.path = ""
		d.rename(n)
	}
}

// rename finds another name for a file whose last name went.
func (d *Disk) rename(n *inode) {
	if n.links <= 1 || n.dir {
		return
	}
	for _, dir := range d.inodes {
		if dir == nil || !dir.dir {
			continue
		}
		for _, e := range dir.ents {
			if e.Ino == n.ino {
				n.parent, n.name = dir.ino, e.Name
				return
			}
		}
	}
}

// gone accounts for a name that a file has no more.
func (d *Disk) gone(n *inode) {
	n.links--
	if n.links == 0 && !n.dir && d.free >= 0 {
		d.free += n.vol.size
	}
}

// Create makes an empty file. EEXIST, ENOTDIR, ENOENT, ENAMETOOLONG, EROFS, EIO.
func (d *Disk) Create(c *Call, dir Ino, name string) (Ino, syscall.Errno) {
	at, e := d.room(dir, name)
	if e != 0 {
		return 0, e
	}
	d.tape.effect(c, dir, 0, name, "", nil)
	d.logged(c)
	n := d.make(c, at, name)
	n.mode = 0o644
	d.micros[len(d.micros)-1].creates = true
	d.relog(c)
	return n.ino, 0
}

// Mkdir makes an empty directory.
func (d *Disk) Mkdir(c *Call, dir Ino, name string) (Ino, syscall.Errno) {
	at, e := d.room(dir, name)
	if e != 0 {
		return 0, e
	}
	d.tape.effect(c, dir, 0, name, "", nil)
	d.logged(c)
	n := d.make(c, at, name)
	n.dir, n.links, n.mode = true, 2, 0o755
	at.links++
	d.micros[len(d.micros)-1].creates = true
	d.relog(c)
	return n.ino, 0
}

// Symlink makes a symbolic link. Its target is durable when its name is.
func (d *Disk) Symlink(c *Call, dir Ino, name, target string) (Ino, syscall.Errno) {
	at, e := d.room(dir, name)
	if e != 0 {
		return 0, e
	}
	if len(target) >= pageSize {
		return 0, syscall.ENAMETOOLONG
	}
	d.tape.effect(c, dir, 0, name, target, nil)
	d.logged(c)
	n := d.make(c, at, name)
	n.symlink, n.mode = true, 0o777
	n.vol.put(0, []byte(target), &d.pool)
	n.vol.size, n.baseSize = int64(len(target)), int64(len(target))
	d.micros[len(d.micros)-1].creates = true
	d.relog(c)
	return n.ino, 0
}

// Unlink removes a name of a file. ENOENT, EISDIR.
func (d *Disk) Unlink(c *Call, dir Ino, name string) syscall.Errno {
	at, n, e := d.entry(dir, name)
	if e != 0 {
		return e
	}
	if n.dir {
		return syscall.EISDIR
	}
	c.Ino = n.ino
	d.tape.effect(c, dir, 0, name, "", nil)
	d.logged(c)
	d.leave(c, at, name, n)
	n.ctime = c.Enter
	d.gone(n)
	return 0
}

// Rmdir removes an empty directory. ENOENT, ENOTDIR, ENOTEMPTY.
func (d *Disk) Rmdir(c *Call, dir Ino, name string) syscall.Errno {
	at, n, e := d.entry(dir, name)
	switch {
	case e != 0:
		return e
	case !n.dir:
		return syscall.ENOTDIR
	case len(n.ents) > 0:
		return syscall.ENOTEMPTY
	}
	c.Ino = n.ino
	d.tape.effect(c, dir, 0, name, "", nil)
	d.logged(c)
	d.leave(c, at, name, n)
	n.links = 0
	at.links--
	return 0
}

// entry finds a name that is to be changed.
func (d *Disk) entry(dir Ino, name string) (*inode, *inode, syscall.Errno) {
	at, e := d.getDir(dir)
	if e != 0 {
		return nil, nil, e
	}
	if e := d.changeable(); e != 0 {
		return nil, nil, e
	}
	ino, e := d.Lookup(dir, name)
	if e != 0 {
		return nil, nil, e
	}
	return at, d.inodes[ino], 0
}

// Link gives a file another name. EPERM for directories.
func (d *Disk) Link(c *Call, ino, dir Ino, name string) syscall.Errno {
	n, e := d.get(ino)
	if e != 0 {
		return e
	}
	at, e := d.room(dir, name)
	if e != 0 {
		return e
	}
	if n.dir {
		return syscall.EPERM
	}
	if n.links == 0 {
		return syscall.ENOENT
	}
	c.Ino = ino
	d.tape.effect(c, dir, 0, name, "", nil)
	d.logged(c)
	n.links++
	n.ctime = c.Enter
	d.enter(c, at, name, n)
	return 0
}

// Rename moves a name, replacing what the new name led to, as rename(2).
func (d *Disk) Rename(c *Call, dir Ino, name string, newDir Ino, newName string) syscall.Errno {
	from, n, e := d.entry(dir, name)
	if e != 0 {
		return e
	}
	to, e := d.getDir(newDir)
	if e != 0 {
		return e
	}
	if len(newName) > maxName {
		return syscall.ENAMETOOLONG
	}
	if to.links == 0 {
		return syscall.ENOENT
	}
	c.Ino = n.ino
	var old *inode
	if i, ok := find(to.ents, newName); ok {
		old = d.inodes[to.ents[i].Ino]
	}
	// In the order of Linux (fs/namei.c do_renameat2, vfs_rename).
	switch {
	case old != nil && c.Flags&CallNoReplace != 0:
		return syscall.EEXIST
	case n.dir && d.under(to, n):
		return syscall.EINVAL
	case old == nil:
	case old.dir && d.under(from, old):
		return syscall.ENOTEMPTY
	case old == n:
		d.tape.effect(c, dir, newDir, name, newName, nil)
		d.logged(c) // two names of one file: both stay
		return 0
	case old.dir && !n.dir:
		return syscall.EISDIR
	case !old.dir && n.dir:
		return syscall.ENOTDIR
	case len(old.ents) > 0:
		return syscall.ENOTEMPTY
	}
	d.tape.effect(c, dir, newDir, name, newName, nil)
	d.logged(c)
	if old != nil {
		if d.p.Has(RenameAllocates) {
			d.logSizes(n.ino)
		}
		d.leave(c, to, newName, old)
		d.gone(old)
		if old.dir {
			old.links = 0
			to.links--
		}
	}
	d.enter(c, to, newName, n)
	d.leave(c, from, name, n)
	n.ctime = c.Enter
	if n.dir {
		from.links--
		to.links++
	}
	return 0
}

// under reports whether directory n is dir or one above it.
func (d *Disk) under(dir, n *inode) bool {
	for at := dir; at.ino != Root; at = d.inodes[at.parent] {
		if at == n {
			return true
		}
		if at.parent == 0 || d.inodes[at.parent] == nil {
			return false
		}
	}
	return n.ino == Root
}

// logSizes puts the sizes of a file that wait for write-back into the metadata log.
func (d *Disk) logSizes(ino Ino) {
	d.related = false
	for i := range d.micros {
		if m := &d.micros[i]; m.ino == ino && m.kind == microSize && m.log == 0 {
			d.seq++
			m.log = d.seq
		}
	}
}
