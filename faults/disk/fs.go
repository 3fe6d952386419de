package disk

import (
	"io"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/torntail/torntail/faults/vfs"
)

// FS is the disk as one process sees it, by path. With a gate every call that
// can block passes it; without one (nil) calls take no time, happen at time 0
// and meet no faults, which is how a harness looks at an image.
//
// A change takes effect for other calls when it has passed Gate.Enter; a sync
// covers what is dirty then and makes it durable when Gate.Wait is over.
func (d *Disk) FS(g Gate) vfs.FS { return &pathFS{d: d, g: g} }

// pathFS implements vfs.FS.
type pathFS struct {
	d *Disk
	g Gate
}

// enter begins a call and asks the gate what is to become of it.
func (f *pathFS) enter(c *Call) Decision {
	f.d.Begin(c)
	if f.g == nil {
		return Decision{}
	}
	return f.g.Enter(c)
}

// noSync says that a call is no sync.
const noSync SyncID = -1

// leave ends a call: it takes its time, and returns.
func (f *pathFS) leave(c *Call, dec Decision) syscall.Errno {
	if f.g == nil {
		c.Return = c.Enter
		f.d.End(c)
		return c.Err
	}
	defer f.d.unwound(c, noSync)
	f.d.Held(c, &dec)
	f.g.Wait(c, dec)
	f.g.Return(c)
	f.d.End(c)
	return c.Err
}

// leaveSync ends a sync: what it covers is durable when it has taken its time,
// the first of it earlier when a fault in flight is to find it so.
func (f *pathFS) leaveSync(c *Call, id SyncID, dec Decision, seen *ErrSeq) syscall.Errno {
	if dec.Place == PlaceInFlight && dec.Fraction > 0 {
		f.d.SyncProgress(id, dec.Fraction)
	}
	if f.g == nil {
		c.Err = f.d.EndSync(id, dec.Err, seen)
		c.Return = c.Enter
		f.d.End(c)
		return c.Err
	}
	defer f.d.unwound(c, id)
	f.g.Wait(c, dec)
	if c.Err = f.d.EndSync(id, dec.Err, seen); c.Err == 0 {
		c.Untold = dec.Err
	}
	f.g.Return(c)
	f.d.End(c)
	return c.Err
}

// refused ends a call that a fault fails before it has any effect.
func (f *pathFS) refused(c *Call, dec Decision) syscall.Errno {
	c.Err = dec.Err
	if c.Kind.Mutates() {
		f.d.Refuse(c)
	}
	return f.leave(c, dec)
}

// split finds the directory and the last element of a path.
func (f *pathFS) split(name string) (Ino, string, syscall.Errno) {
	name = clean(name)
	dir, base := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, base = name[:i], name[i+1:]
	}
	ino, e := f.d.Find(dir)
	if e == 0 {
		_, e = f.d.getDir(ino)
	}
	return ino, base, e
}

// clean makes a path one that Find understands; ".." does not lead out of the root.
func clean(name string) string {
	if strings.Contains(name, "..") || strings.Contains(name, "//") || strings.HasSuffix(name, "/") || strings.HasPrefix(name, "/") {
		name = path.Clean("/" + name)[1:]
	}
	if name == "" {
		return "."
	}
	return name
}

// lookup finds a path; 0 and its directory when only the last element is missing.
func (f *pathFS) lookup(name string) (ino, dir Ino, base string, e syscall.Errno) {
	if clean(name) == "." {
		return Root, Root, ".", 0
	}
	dir, base, e = f.split(name)
	if e != 0 {
		return 0, 0, "", e
	}
	ino, e = f.d.Lookup(dir, base)
	return ino, dir, base, e
}

func (f *pathFS) Open(name string, flag vfs.Flag) (vfs.File, error) {
	ino, dir, base, e := f.lookup(name)
	h := &file{fs: f, name: name, path: name, moves: f.d.moves, flag: flag}
	c := &h.call
	*c = Call{Kind: OpOpen, Path: name, Ino: ino}
	if e == syscall.ENOENT && dir != 0 && flag&vfs.Create != 0 {
		c.Kind = OpCreate
	}
	dec := f.enter(c)
	if dec.Err != 0 {
		return nil, vfs.PathError("open", name, f.refused(c, dec))
	}
	c.Err = f.open(c, h, ino, dir, base, flag, e)
	if e := f.leave(c, dec); e != 0 {
		return nil, vfs.PathError("open", name, e)
	}
	f.d.Retain(c.Ino)
	h.ino = c.Ino
	h.seen = f.d.ErrSeq(c.Ino)
	return h, nil
}

// open carries an open out: it finds or makes the file and cuts it if asked to.
func (f *pathFS) open(c *Call, h *file, ino, dir Ino, base string, flag vfs.Flag, e syscall.Errno) syscall.Errno {
	if c.Kind == OpCreate {
		_, e = f.d.Create(c, dir, base)
		return e
	}
	if e != 0 {
		return e
	}
	if f.d.frozen {
		return syscall.EIO
	}
	if flag&vfs.Create != 0 && flag&vfs.Exclusive != 0 {
		return syscall.EEXIST
	}
	n, e := f.d.get(ino)
	switch {
	case e != 0:
		return e
	case n.dir:
		return syscall.EISDIR
	case flag.Writable() && f.d.readOnly:
		return f.d.deny(syscall.EROFS)
	}
	if flag&vfs.Truncate != 0 && n.vol.size > 0 {
		// The cut is an effect of its own in the log.
		cut := *c
		cut.Kind, cut.Len = OpTruncate, 0
		e = f.d.Truncate(&cut)
		c.rec, c.tape = cut.rec, cut.tape
	}
	return e
}

func (f *pathFS) OpenDir(name string) (vfs.File, error) {
	ino, _, _, e := f.lookup(name)
	h := &file{fs: f, name: name, path: name, moves: f.d.moves, ino: ino, dir: true}
	c := &h.call
	*c = Call{Kind: OpOpen, Path: name, Ino: ino}
	dec := f.enter(c)
	c.Err = dec.Err
	if c.Err == 0 {
		c.Err = e
	}
	if c.Err == 0 {
		if n, e := f.d.get(ino); e != 0 {
			c.Err = e
		} else if !n.dir {
			c.Err = syscall.ENOTDIR
		} else if f.d.frozen {
			c.Err = syscall.EIO
		}
	}
	if e := f.leave(c, dec); e != 0 {
		return nil, vfs.PathError("open", name, e)
	}
	f.d.Retain(ino)
	h.seen = f.d.ErrSeq(ino)
	return h, nil
}

func (f *pathFS) SyncFS() error {
	c := Call{Kind: OpSyncFS, Path: "."}
	dec := f.enter(&c)
	if e := f.leaveSync(&c, f.d.BeginSync(&c), dec, nil); e != 0 {
		return vfs.PathError("syncfs", ".", e)
	}
	return nil
}

func (f *pathFS) Rename(oldname, newname string) error {
	c := Call{Kind: OpRename, Path: oldname, Path2: newname}
	dec := f.enter(&c)
	if dec.Err != 0 {
		return linkError("rename", oldname, newname, f.refused(&c, dec))
	}
	c.Err = f.rename(&c)
	return linkError("rename", oldname, newname, f.leave(&c, dec))
}

func (f *pathFS) rename(c *Call) syscall.Errno {
	if clean(c.Path) == "." || clean(c.Path2) == "." {
		return syscall.EBUSY
	}
	from, name, e := f.split(c.Path)
	if e != 0 {
		return e
	}
	to, newName, e := f.split(c.Path2)
	if e != 0 {
		return e
	}
	return f.d.Rename(c, from, name, to, newName)
}

func (f *pathFS) Link(oldname, newname string) error {
	ino, _, _, e := f.lookup(oldname)
	c := Call{Kind: OpLink, Path: oldname, Path2: newname, Ino: ino}
	dec := f.enter(&c)
	if dec.Err != 0 {
		return linkError("link", oldname, newname, f.refused(&c, dec))
	}
	if e == 0 {
		var dir Ino
		var base string
		if dir, base, e = f.split(newname); e == 0 {
			e = f.d.Link(&c, ino, dir, base)
		}
	}
	c.Err = e
	return linkError("link", oldname, newname, f.leave(&c, dec))
}

func linkError(op, oldname, newname string, e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return &os.LinkError{Op: op, Old: oldname, New: newname, Err: e}
}

func (f *pathFS) Remove(name string) error {
	ino, dir, base, e := f.lookup(name)
	c := Call{Kind: OpUnlink, Path: name, Ino: ino}
	if e == 0 && f.d.inodes[ino].dir {
		c.Kind = OpRmdir
	}
	dec := f.enter(&c)
	if dec.Err != 0 {
		return vfs.PathError("unlink", name, f.refused(&c, dec))
	}
	switch {
	case e != 0:
	case ino == Root:
		e = syscall.EBUSY
	case c.Kind == OpRmdir:
		e = f.d.Rmdir(&c, dir, base)
	default:
		e = f.d.Unlink(&c, dir, base)
	}
	c.Err = e
	if e := f.leave(&c, dec); e != 0 {
		return vfs.PathError("unlink", name, e)
	}
	return nil
}

func (f *pathFS) Mkdir(name string) error {
	c := Call{Kind: OpMkdir, Path: name}
	dec := f.enter(&c)
	if dec.Err != 0 {
		return vfs.PathError("mkdir", name, f.refused(&c, dec))
	}
	dir, base, e := f.split(name)
	if e == 0 {
		_, e = f.d.Mkdir(&c, dir, base)
	}
	c.Err = e
	if e := f.leave(&c, dec); e != 0 {
		return vfs.PathError("mkdir", name, e)
	}
	return nil
}

func (f *pathFS) List(name string) ([]string, error) {
	c := Call{Kind: OpList, Path: name}
	dec := f.enter(&c)
	c.Err = dec.Err
	var names []string
	if c.Err == 0 {
		ino, _, _, e := f.lookup(name)
		var ents []Dirent
		if e == 0 {
			ents, e = f.d.ReadDir(ino)
		}
		if c.Err = e; e == 0 {
			names = make([]string, len(ents))
			for i := range ents {
				names[i] = ents[i].Name
			}
		}
	}
	if e := f.leave(&c, dec); e != 0 {
		return nil, vfs.PathError("readdir", name, e)
	}
	return names, nil
}

func (f *pathFS) Stat(name string) (vfs.Info, error) {
	c := Call{Kind: OpStat, Path: name}
	dec := f.enter(&c)
	c.Err = dec.Err
	var info vfs.Info
	if c.Err == 0 {
		ino, _, _, e := f.lookup(name)
		if c.Err = e; e == 0 {
			info = f.info(ino, name)
		}
	}
	if e := f.leave(&c, dec); e != 0 {
		return vfs.Info{}, vfs.PathError("stat", name, e)
	}
	return info, nil
}

func (f *pathFS) info(ino Ino, name string) vfs.Info {
	n := f.d.inodes[ino]
	base := clean(name)
	if base == "." {
		base = "/"
	} else if i := strings.LastIndexByte(base, '/'); i >= 0 {
		base = base[i+1:]
	}
	return vfs.Info{Name: base, Size: n.vol.size, Dir: n.dir, Ino: uint64(ino), Links: n.links, ModTime: n.mtime}
}

// file implements vfs.File. Its calls share one Call as long as one task at a
// time uses it; a call that meets another in flight (a write while a background
// thread syncs, say) has its own.
type file struct {
	fs     *pathFS
	name   string // that it was opened with
	path   string // its name now, as of the disk's moves; a removed file keeps its last
	moves  uint64
	ino    Ino
	flag   vfs.Flag
	dir    bool
	closed bool
	pos    int64
	seen   ErrSeq
	call   Call
}

func (h *file) Name() string { return h.name }

// begin starts a call on the file.
func (h *file) begin(kind OpKind, off, n int64) (*Call, Decision) {
	c := &h.call
	if !c.ended {
		c = new(Call)
	}
	if d := h.fs.d; h.moves != d.moves {
		h.moves = d.moves
		if now := d.PathOf(h.ino); now != "" {
			h.path = now
		}
	}
	*c = Call{Kind: kind, Path: h.path, Ino: h.ino, Off: off, Len: n}
	return c, h.fs.enter(c)
}

func (h *file) fail(op string, e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return vfs.PathError(op, h.name, e)
}

func (h *file) Close() error {
	if h.closed {
		return h.fail("close", syscall.EBADF)
	}
	h.closed = true
	h.fs.d.Release(h.ino)
	return nil
}

func (h *file) Stat() (vfs.Info, error) {
	if h.closed {
		return vfs.Info{}, h.fail("fstat", syscall.EBADF)
	}
	return h.fs.info(h.ino, h.name), nil
}

func (h *file) Read(p []byte) (int, error) {
	n, err := h.read(p, h.pos)
	h.pos += int64(n)
	return n, err
}

func (h *file) ReadAt(p []byte, off int64) (int, error) {
	n, err := h.read(p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (h *file) read(p []byte, off int64) (int, error) {
	switch {
	case h.closed || !h.dir && !h.flag.Readable():
		return 0, h.fail("read", syscall.EBADF)
	case h.dir:
		return 0, h.fail("read", syscall.EISDIR)
	case off < 0:
		return 0, h.fail("read", syscall.EINVAL)
	}
	c, dec := h.begin(OpRead, off, int64(len(p)))
	n := 0
	c.Err = dec.Err
	if c.Err == 0 {
		n, c.Err = h.fs.d.Read(h.ino, off, p)
	}
	if e := h.fs.leave(c, dec); e != 0 {
		return 0, h.fail("read", e)
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (h *file) Write(p []byte) (int, error) {
	n, at, err := h.write(p, h.pos)
	if n > 0 {
		h.pos = at + int64(n)
	}
	return n, err
}

func (h *file) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || h.flag&vfs.Append != 0 {
		return 0, h.fail("write", syscall.EINVAL)
	}
	n, _, err := h.write(p, off)
	return n, err
}

// write returns also where it wrote: for an append that is the end of the file.
func (h *file) write(p []byte, off int64) (n int, at int64, err error) {
	if h.closed || !h.flag.Writable() {
		return 0, 0, h.fail("write", syscall.EBADF)
	}
	c, dec := h.begin(OpWrite, off, int64(len(p)))
	if h.flag&vfs.Append != 0 {
		c.Flags |= CallAppend
	}
	sync := h.flag & (vfs.SyncWrite | vfs.DataSync)
	if sync&vfs.SyncWrite != 0 {
		c.Flags |= CallSync
	} else if sync != 0 {
		c.Flags |= CallDataSync
	}
	if dec.Err != 0 && dec.Short <= 0 {
		return 0, 0, h.fail("write", h.fs.refused(c, dec))
	}
	whole := len(p)
	if dec.Short > 0 && dec.Short < int64(whole) {
		p = p[:dec.Short]
	}
	n, e := h.fs.d.Write(c, p)
	c.Err = e
	rest := dec.Err
	if e == 0 && sync != 0 {
		id := h.fs.d.BeginSync(c)
		dec.Err = 0 // it is about the part that a short write left out
		e = h.fs.leaveSync(c, id, dec, &h.seen)
	} else {
		e = h.fs.leave(c, dec)
	}
	if e != 0 {
		return 0, 0, h.fail("write", e)
	}
	if n < whole {
		// What a loop over write(2) would have met next.
		switch {
		case rest != 0:
			return n, c.Off, h.fail("write", rest)
		case dec.Short > 0:
			return n, c.Off, &os.PathError{Op: "write", Path: h.name, Err: io.ErrShortWrite}
		}
		next := Call{Kind: OpWrite, Path: c.Path, Ino: c.Ino, Off: c.Off + int64(n), Enter: c.Return}
		h.fs.d.Begin(&next)
		next.Return, next.Err = c.Return, syscall.ENOSPC
		h.fs.d.End(&next)
		return n, c.Off, h.fail("write", syscall.ENOSPC)
	}
	return n, c.Off, nil
}

func (h *file) Truncate(size int64) error {
	switch {
	case h.closed:
		return h.fail("truncate", syscall.EBADF)
	case size < 0 || !h.flag.Writable():
		return h.fail("truncate", syscall.EINVAL)
	}
	c, dec := h.begin(OpTruncate, 0, size)
	if dec.Err != 0 {
		return h.fail("truncate", h.fs.refused(c, dec))
	}
	c.Err = h.fs.d.Truncate(c)
	return h.fail("truncate", h.fs.leave(c, dec))
}

func (h *file) Allocate(off, n int64) error {
	switch {
	case h.closed:
		return h.fail("fallocate", syscall.EBADF)
	case off < 0 || n <= 0:
		return h.fail("fallocate", syscall.EINVAL)
	case !h.flag.Writable():
		return h.fail("fallocate", syscall.EBADF)
	}
	c, dec := h.begin(OpAllocate, off, n)
	if dec.Err != 0 {
		return h.fail("fallocate", h.fs.refused(c, dec))
	}
	c.Err = h.fs.d.Allocate(c)
	return h.fail("fallocate", h.fs.leave(c, dec))
}

func (h *file) Sync() error {
	return h.sync("fsync", OpFsync, 0, 0)
}

func (h *file) SyncData() error {
	return h.sync("fdatasync", OpFdatasync, 0, 0)
}

func (h *file) SyncRange(off, n int64) error {
	return h.sync("sync_file_range", OpSyncRange, off, n)
}

// sync carries out a sync: what is dirty on entry is covered, and durable when
// the call has taken its time.
func (h *file) sync(op string, kind OpKind, off, n int64) error {
	switch {
	case h.closed:
		return h.fail(op, syscall.EBADF)
	case off < 0 || n < 0:
		return h.fail(op, syscall.EINVAL)
	case h.dir && kind == OpSyncRange:
		return h.fail(op, syscall.ESPIPE)
	case h.dir:
		kind = OpDirSync
	}
	c, dec := h.begin(kind, off, n)
	if kind == OpSyncRange && n == 0 {
		c.Len = 1<<62 - off // to the end, as sync_file_range(2) has it
	}
	return h.fail(op, h.fs.leaveSync(c, h.fs.d.BeginSync(c), dec, &h.seen))
}
