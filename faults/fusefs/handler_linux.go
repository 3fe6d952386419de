package fusefs

import (
	"slices"
	"sort"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/torntail/torntail/faults/disk"
)

// A node id, by which the kernel names a file, is the epoch of the volume's
// disk above the number of the file on it. The root of the mount is 1.
const (
	rootNode  = uint64(fuse.FUSE_ROOT_ID)
	epochBits = 40
	// anyEpoch is the epoch of requests to the root of a disk served at the root
	// of the mount: that node's id cannot change when the disk does.
	anyEpoch = uint64(0)
)

// handler answers the kernel's requests.
type handler struct {
	fuse.RawFileSystem // ENOSYS for what is not overridden: the kernel then does without
	m                  *Mount
}

func (h *handler) String() string { return "torntail" }

// request is who asks and about what.
type request struct {
	tid    uint32 // calling thread; 0: the kernel itself
	epoch  uint64
	ino    disk.Ino
	name   string // in the directory ino; "": ino itself
	newDir disk.Ino
	// newName is the second name of a rename or link.
	newName string
	handle  uint64 // an open file's; 0: none
}

// find resolves the node a request is about. Node ids of disks that are gone
// answer ESTALE, as a network file system's do after the server was rebuilt.
func (h *handler) find(header *fuse.InHeader) (*Volume, request, syscall.Errno) {
	r := request{tid: header.Pid}
	h.m.mu.RLock()
	defer h.m.mu.RUnlock()
	if header.NodeId == rootNode {
		if h.m.root == nil {
			return nil, r, syscall.EPERM // only volumes live in the root of the mount
		}
		r.epoch, r.ino = anyEpoch, disk.Root
		return h.m.root, r, 0
	}
	r.epoch, r.ino = header.NodeId>>epochBits, disk.Ino(header.NodeId&(1<<epochBits-1))
	v := h.m.byEpoch[r.epoch]
	if v == nil || r.epoch == anyEpoch {
		return nil, r, syscall.ESTALE
	}
	return v, r, 0
}

// second resolves the other directory of a rename or the file of a link, which
// must be on the same disk.
func (h *handler) second(v *Volume, node uint64) (disk.Ino, syscall.Errno) {
	other, r, errno := h.find(&fuse.InHeader{NodeId: node})
	switch {
	case errno == syscall.EPERM, errno == 0 && other != v:
		return 0, syscall.EXDEV
	case errno != 0:
		return 0, errno
	}
	return r.ino, 0
}

// node is the id of a file. The caller holds v.mu.
func (v *Volume) node(ino disk.Ino) uint64 {
	if v.mount.root == v && ino == disk.Root {
		return rootNode
	}
	return v.epoch<<epochBits | uint64(ino)
}

// attr fills in what stat(2) shows. The caller holds v.mu.
func (v *Volume) attr(ino disk.Ino, out *fuse.Attr) syscall.Errno {
	a, errno := v.disk.Attr(ino)
	if errno != 0 {
		return errno
	}
	out.Ino = uint64(a.Ino)
	out.Size = uint64(a.Size)
	out.Blocks = uint64(a.Size+511) / 512
	out.Blksize = 4096
	out.Nlink = uint32(a.Links)
	out.Owner = fuse.Owner{Uid: a.UID, Gid: a.GID}
	out.Mode = a.Mode | typeOf(a)
	mtime, ctime := v.mount.wall(a.MTime), v.mount.wall(a.CTime)
	out.SetTimes(&mtime, &mtime, &ctime)
	return 0
}

func typeOf(a disk.Attr) uint32 {
	switch {
	case a.Dir:
		return syscall.S_IFDIR
	case a.Symlink:
		return syscall.S_IFLNK
	default:
		return syscall.S_IFREG
	}
}

// entry fills in the answer to a look-up; its time-outs stay 0. The caller holds v.mu.
func (v *Volume) entry(ino disk.Ino, out *fuse.EntryOut) syscall.Errno {
	out.NodeId = v.node(ino)
	return v.attr(ino, &out.Attr)
}

// born gives a new file the mode and the owner of whoever made it. The caller holds v.mu.
func (v *Volume) born(ino disk.Ino, mode uint32, by fuse.Owner) {
	v.disk.SetMode(ino, mode&0o7777)
	v.disk.SetOwner(ino, by.Uid, by.Gid)
}

// open makes a handle. The caller holds v.mu.
func (v *Volume) open(ino disk.Ino, out *fuse.OpenOut) {
	v.disk.Retain(ino)
	v.lastHandle++
	v.handles[v.lastHandle] = &handle{ino: ino, seen: v.disk.ErrSeq(ino)}
	out.Fh = v.lastHandle
	// No FLUSH at close(2): nothing waits in the kernel to be flushed.
	out.OpenFlags = fuse.FOPEN_NOFLUSH
	if !v.mount.options.Buffered {
		out.OpenFlags |= fuse.FOPEN_DIRECT_IO
	}
}

func (h *handler) Lookup(_ <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if header.NodeId == rootNode && h.m.root == nil {
		v := h.m.volume(name)
		if v == nil {
			return fuse.ENOENT
		}
		return fuse.Status(v.quiet(anyEpoch, func() syscall.Errno { return v.entry(disk.Root, out) }))
	}
	v, r, errno := h.find(header)
	if errno != 0 {
		return fuse.Status(errno)
	}
	return fuse.Status(v.quiet(r.epoch, func() syscall.Errno {
		ino, errno := v.disk.Lookup(r.ino, name)
		if errno != 0 {
			return errno
		}
		return v.entry(ino, out)
	}))
}

func (h *handler) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	if in.NodeId == rootNode && h.m.root == nil {
		now := time.Now()
		out.Ino, out.Mode, out.Nlink = rootNode, syscall.S_IFDIR|0o755, 2
		out.SetTimes(&now, &now, &now)
		return fuse.OK
	}
	v, r, errno := h.find(&in.InHeader)
	if errno != 0 {
		return fuse.Status(errno)
	}
	return fuse.Status(v.quiet(r.epoch, func() syscall.Errno { return v.attr(r.ino, &out.Attr) }))
}

func (h *handler) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	v, r, errno := h.find(&in.InHeader)
	if errno != 0 {
		return fuse.Status(errno)
	}
	if size, ok := in.GetSize(); ok {
		c := &disk.Call{Kind: disk.OpTruncate, Ino: r.ino, Len: int64(size)}
		if errno := v.call(r, c, func(*disk.Decision) syscall.Errno { return v.disk.Truncate(c) }); errno != 0 {
			return fuse.Status(errno)
		}
	}
	return fuse.Status(v.quiet(r.epoch, func() syscall.Errno {
		a, errno := v.disk.Attr(r.ino)
		if errno != 0 {
			return errno
		}
		if mode, ok := in.GetMode(); ok {
			errno = v.disk.SetMode(r.ino, mode)
		}
		uid, setUID := in.GetUID()
		gid, setGID := in.GetGID()
		if errno == 0 && (setUID || setGID) {
			if !setUID {
				uid = a.UID
			}
			if !setGID {
				gid = a.GID
			}
			errno = v.disk.SetOwner(r.ino, uid, gid)
		}
		if mtime, ok := in.GetMTime(); errno == 0 && ok {
			errno = v.disk.SetTime(r.ino, mtime.Sub(v.mount.began)+v.mount.started)
		}
		if errno != 0 {
			return errno
		}
		return v.attr(r.ino, &out.Attr)
	}))
}

// make carries out the calls that make a name.
func (h *handler) make(header *fuse.InHeader, kind disk.OpKind, name string, mode uint32, out *fuse.EntryOut, opened *fuse.OpenOut,
	effect func(v *Volume, c *disk.Call, dir disk.Ino) (disk.Ino, syscall.Errno)) fuse.Status {
	v, r, errno := h.find(header)
	if errno != 0 {
		return fuse.Status(errno)
	}
	r.name = name
	c := &disk.Call{Kind: kind}
	return fuse.Status(v.call(r, c, func(*disk.Decision) syscall.Errno {
		ino, errno := effect(v, c, r.ino)
		if errno != 0 {
			return errno
		}
		v.born(ino, mode, header.Owner)
		if opened != nil {
			v.open(ino, opened)
		}
		return v.entry(ino, out)
	}))
}

func (h *handler) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	return h.make(&in.InHeader, disk.OpCreate, name, in.Mode, &out.EntryOut, &out.OpenOut,
		func(v *Volume, c *disk.Call, dir disk.Ino) (disk.Ino, syscall.Errno) {
			return v.disk.Create(c, dir, name)
		})
}

func (h *handler) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	if in.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return fuse.EPERM // devices, sockets and pipes are no matter of crashes
	}
	return h.make(&in.InHeader, disk.OpCreate, name, in.Mode, out, nil,
		func(v *Volume, c *disk.Call, dir disk.Ino) (disk.Ino, syscall.Errno) {
			return v.disk.Create(c, dir, name)
		})
}

func (h *handler) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return h.make(&in.InHeader, disk.OpMkdir, name, in.Mode, out, nil,
		func(v *Volume, c *disk.Call, dir disk.Ino) (disk.Ino, syscall.Errno) {
			return v.disk.Mkdir(c, dir, name)
		})
}

func (h *handler) Symlink(_ <-chan struct{}, header *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	return h.make(header, disk.OpSymlink, name, 0o777, out, nil,
		func(v *Volume, c *disk.Call, dir disk.Ino) (disk.Ino, syscall.Errno) {
			return v.disk.Symlink(c, dir, name, target)
		})
}

func (h *handler) Readlink(_ <-chan struct{}, header *fuse.InHeader) ([]byte, fuse.Status) {
	v, r, errno := h.find(header)
	if errno != 0 {
		return nil, fuse.Status(errno)
	}
	var target string
	errno = v.quiet(r.epoch, func() (errno syscall.Errno) {
		target, errno = v.disk.Readlink(r.ino)
		return errno
	})
	return []byte(target), fuse.Status(errno)
}

func (h *handler) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	v, r, errno := h.find(&in.InHeader)
	if errno != 0 {
		return fuse.Status(errno)
	}
	ino, errno := h.second(v, in.Oldnodeid)
	if errno != 0 {
		return fuse.Status(errno)
	}
	dir := r.ino
	c := &disk.Call{Kind: disk.OpLink, Ino: ino}
	r.newDir, r.newName = dir, name
	return fuse.Status(v.call(r, c, func(*disk.Decision) syscall.Errno {
		if errno := v.disk.Link(c, ino, dir, name); errno != 0 {
			return errno
		}
		return v.entry(ino, out)
	}))
}

func (h *handler) Unlink(_ <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	return h.remove(header, disk.OpUnlink, name, func(v *Volume, c *disk.Call, dir disk.Ino) syscall.Errno { return v.disk.Unlink(c, dir, name) })
}

func (h *handler) Rmdir(_ <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	return h.remove(header, disk.OpRmdir, name, func(v *Volume, c *disk.Call, dir disk.Ino) syscall.Errno { return v.disk.Rmdir(c, dir, name) })
}

func (h *handler) remove(header *fuse.InHeader, kind disk.OpKind, name string, effect func(v *Volume, c *disk.Call, dir disk.Ino) syscall.Errno) fuse.Status {
	v, r, errno := h.find(header)
	if errno != 0 {
		return fuse.Status(errno)
	}
	r.name = name
	c := &disk.Call{Kind: kind}
	return fuse.Status(v.call(r, c, func(*disk.Decision) syscall.Errno { return effect(v, c, r.ino) }))
}

// renameNoReplace is RENAME_NOREPLACE of renameat2(2).
const renameNoReplace = 1

func (h *handler) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	v, r, errno := h.find(&in.InHeader)
	if errno != 0 {
		return fuse.Status(errno)
	}
	if in.Flags&^renameNoReplace != 0 {
		return fuse.EINVAL // exchange and white-out, as file systems that lack them answer
	}
	newDir, errno := h.second(v, in.Newdir)
	if errno != 0 {
		return fuse.Status(errno)
	}
	r.name, r.newDir, r.newName = oldName, newDir, newName
	c := &disk.Call{Kind: disk.OpRename}
	if in.Flags&renameNoReplace != 0 {
		c.Flags |= disk.CallNoReplace
	}
	return fuse.Status(v.call(r, c, func(*disk.Decision) syscall.Errno {
		return v.disk.Rename(c, r.ino, oldName, newDir, newName)
	}))
}

func (h *handler) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	v, r, errno := h.find(&in.InHeader)
	if errno != 0 {
		return fuse.Status(errno)
	}
	c := &disk.Call{Kind: disk.OpOpen, Ino: r.ino}
	return fuse.Status(v.call(r, c, func(*disk.Decision) syscall.Errno {
		if _, errno := v.disk.Attr(r.ino); errno != 0 {
			return errno
		}
		v.open(r.ino, out)
		return 0
	}))
}

func (h *handler) Release(_ <-chan struct{}, in *fuse.ReleaseIn) { h.release(in) }

func (h *handler) ReleaseDir(in *fuse.ReleaseIn) { h.release(in) }

func (h *handler) release(in *fuse.ReleaseIn) {
	v, _, errno := h.find(&in.InHeader)
	if errno != 0 {
		return // the disk is gone, and its handles with it
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if f := v.handles[in.Fh]; f != nil {
		delete(v.handles, in.Fh)
		v.disk.Release(f.ino)
	}
}

func (h *handler) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	v, r, errno := h.find(&in.InHeader)
	if errno != 0 {
		return nil, fuse.Status(errno)
	}
	c := &disk.Call{Kind: disk.OpRead, Ino: r.ino, Off: int64(in.Offset), Len: int64(len(buf))}
	n := 0
	errno = v.call(r, c, func(*disk.Decision) (errno syscall.Errno) {
		n, errno = v.disk.Read(r.ino, c.Off, buf)
		return errno
	})
	return fuse.ReadResultData(buf[:n]), fuse.Status(errno)
}

func (h *handler) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	v, r, errno := h.find(&in.InHeader)
	if errno != 0 {
		return 0, fuse.Status(errno)
	}
	r.handle = in.Fh
	c := &disk.Call{Kind: disk.OpWrite, Ino: r.ino, Off: int64(in.Offset), Len: int64(len(data)), Flags: writeFlags(in)}
	n := 0
	errno = v.call(r, c, func(d *disk.Decision) (errno syscall.Errno) {
		if d.Short > 0 && d.Short < int64(len(data)) {
			data = data[:d.Short]
		}
		n, errno = v.disk.Write(c, data)
		switch {
		case n > 0:
			return 0 // a write that could do a part says how much
		case errno == 0 && len(data) > 0:
			return syscall.EIO // never 0 bytes: Redis would try for ever
		}
		return errno
	})
	return uint32(n), fuse.Status(errno)
}

// writeFlags takes over what the open flags mean for one write. In a write from
// the page cache the flags are somebody's, not this data's.
func writeFlags(in *fuse.WriteIn) disk.CallFlags {
	if in.WriteFlags&fuse.WRITE_CACHE != 0 {
		return 0
	}
	var flags disk.CallFlags
	if in.Flags&syscall.O_APPEND != 0 {
		flags |= disk.CallAppend
	}
	// O_SYNC holds the bit of O_DSYNC.
	switch {
	case in.Flags&syscall.O_SYNC == syscall.O_SYNC:
		flags |= disk.CallSync
	case in.Flags&syscall.O_DSYNC != 0:
		flags |= disk.CallDataSync
	}
	return flags
}

// fallocKeepSize is FALLOC_FL_KEEP_SIZE of fallocate(2).
const fallocKeepSize = 1

func (h *handler) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	v, r, errno := h.find(&in.InHeader)
	if errno != 0 {
		return fuse.Status(errno)
	}
	c := &disk.Call{Kind: disk.OpAllocate, Ino: r.ino, Off: int64(in.Offset), Len: int64(in.Length)}
	switch in.Mode {
	case 0:
		return fuse.Status(v.call(r, c, func(*disk.Decision) syscall.Errno { return v.disk.Allocate(c) }))
	case fallocKeepSize:
		// Space is all it reserves, and of that the model has no shortage but by a
		// fault: nothing that a crash could show.
		return fuse.Status(v.call(r, c, func(*disk.Decision) syscall.Errno { return 0 }))
	}
	return fuse.Status(syscall.EOPNOTSUPP) // punching holes and the like
}

// fsyncDataOnly is FUSE_FSYNC_FDATASYNC of the protocol.
const fsyncDataOnly = 1

func (h *handler) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	kind := disk.OpFsync
	if in.FsyncFlags&fsyncDataOnly != 0 {
		kind = disk.OpFdatasync
	}
	return h.sync(in, kind)
}

// FsyncDir is the sync of a directory, which the kernel sends to its handle.
func (h *handler) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if in.NodeId == rootNode && h.m.root == nil {
		return fuse.OK // the root of the mount has nothing that could be lost
	}
	return h.sync(in, disk.OpDirSync)
}

func (h *handler) sync(in *fuse.FsyncIn, kind disk.OpKind) fuse.Status {
	v, r, errno := h.find(&in.InHeader)
	if errno != 0 {
		return fuse.Status(errno)
	}
	r.handle = in.Fh
	return fuse.Status(v.call(r, &disk.Call{Kind: kind, Ino: r.ino}, nil))
}

func (h *handler) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if in.NodeId == rootNode && h.m.root == nil {
		return fuse.OK
	}
	v, r, errno := h.find(&in.InHeader)
	if errno != 0 {
		return fuse.Status(errno)
	}
	return fuse.Status(v.quiet(r.epoch, func() syscall.Errno {
		v.open(r.ino, out)
		out.OpenFlags = 0 // neither cached nor direct: those are for files
		return 0
	}))
}

func (h *handler) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	if in.NodeId == rootNode && h.m.root == nil {
		h.listVolumes(in.Offset, out)
		return fuse.OK
	}
	v, r, errno := h.find(&in.InHeader)
	if errno != 0 {
		return fuse.Status(errno)
	}
	return fuse.Status(v.quiet(r.epoch, func() syscall.Errno {
		f := v.handles[in.Fh]
		if f == nil {
			return syscall.EBADF
		}
		// The listing is of the moment when reading began: names that come and
		// go meanwhile neither appear twice nor push others out.
		if in.Offset == 0 || f.list == nil {
			list, errno := v.disk.ReadDir(r.ino)
			if errno != 0 {
				return errno
			}
			f.list = slices.Clone(list)
		}
		for i := in.Offset; i < uint64(len(f.list))+2; i++ {
			e := fuse.DirEntry{Name: ".", Mode: syscall.S_IFDIR, Ino: uint64(r.ino), Off: i + 1}
			switch i {
			case 0:
			case 1:
				e.Name, e.Ino = "..", 0
			default:
				d := f.list[i-2]
				a, errno := v.disk.Attr(d.Ino)
				if errno != 0 {
					continue // removed meanwhile
				}
				e.Name, e.Mode, e.Ino = d.Name, typeOf(a), uint64(d.Ino)
			}
			if !out.AddDirEntry(e) {
				break
			}
		}
		return 0
	}))
}

// listVolumes lists the root of the mount.
func (h *handler) listVolumes(from uint64, out *fuse.DirEntryList) {
	h.m.mu.RLock()
	names := make([]string, 0, len(h.m.byName)+2)
	for name := range h.m.byName {
		names = append(names, name)
	}
	h.m.mu.RUnlock()
	sort.Strings(names)
	names = append([]string{".", ".."}, names...)
	for i := from; i < uint64(len(names)); i++ {
		if !out.AddDirEntry(fuse.DirEntry{Name: names[i], Mode: syscall.S_IFDIR, Off: i + 1}) {
			return
		}
	}
}

// StatFs shows a disk of a terabyte with room: fullness is a fault of the plan
// (ENOSPC at a write), not something a program should learn beforehand.
func (h *handler) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	const blocks = 1 << 40 / 4096
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks, out.Bfree, out.Bavail = blocks, blocks, blocks
	out.Files, out.Ffree = 1<<20, 1<<20
	return fuse.OK
}
