package blocklog

import (
	"strconv"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// handler answers the kernel's requests: a root directory, and below it one file
// for each device, by number.
type handler struct {
	fuse.RawFileSystem // ENOSYS for what is not overridden: the kernel then does without

	mu      sync.RWMutex
	devices map[uint64]*Device // by node id
	last    uint64
}

func newHandler() *handler {
	return &handler{RawFileSystem: fuse.NewDefaultRawFileSystem(), devices: map[uint64]*Device{}, last: fuse.FUSE_ROOT_ID}
}

func (h *handler) String() string { return "torntail" }

// add makes a device a file and returns its name.
func (h *handler) add(d *Device) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	h.devices[h.last] = d
	return strconv.FormatUint(h.last, 10)
}

// remove takes the file away; who has it open gets EIO.
func (h *handler) remove(name string) {
	id, err := strconv.ParseUint(name, 10, 64)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.devices, id)
}

func (h *handler) device(id uint64) *Device {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.devices[id]
}

func (h *handler) attr(id uint64, out *fuse.Attr) fuse.Status {
	out.Ino, out.Nlink, out.Blksize = id, 1, PageSize
	if id == fuse.FUSE_ROOT_ID {
		out.Mode = syscall.S_IFDIR | 0o700
		return fuse.OK
	}
	d := h.device(id)
	if d == nil {
		return fuse.ENOENT
	}
	out.Mode = syscall.S_IFREG | 0o600
	out.Size = uint64(d.Size())
	out.Blocks = out.Size / SectorSize
	return fuse.OK
}

func (h *handler) Lookup(_ <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	id, err := strconv.ParseUint(name, 10, 64)
	if header.NodeId != fuse.FUSE_ROOT_ID || err != nil || id == fuse.FUSE_ROOT_ID {
		return fuse.ENOENT
	}
	out.NodeId = id
	return h.attr(id, &out.Attr)
}

func (h *handler) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	return h.attr(in.NodeId, &out.Attr)
}

// SetAttr changes nothing: the loop device does not ask for it, opening may (times).
func (h *handler) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if in.Valid&fuse.FATTR_SIZE != 0 {
		return fuse.EPERM
	}
	return h.attr(in.NodeId, &out.Attr)
}

func (h *handler) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if h.device(in.NodeId) == nil {
		return fuse.ENOENT
	}
	out.OpenFlags = fuse.FOPEN_DIRECT_IO // no second copy in the page cache
	return fuse.OK
}

func (h *handler) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	d := h.device(in.NodeId)
	if d == nil {
		return nil, fuse.EIO
	}
	n, _ := d.ReadAt(buf[:min(len(buf), int(in.Size))], int64(in.Offset)) // EOF is a short read
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

func (h *handler) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	d := h.device(in.NodeId)
	if d == nil {
		return 0, fuse.EIO
	}
	// The buffer is go-fuse's, and used again.
	errno := d.Write(append([]byte(nil), data...), int64(in.Offset))
	return uint32(len(data)), fuse.Status(errno)
}

func (h *handler) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	d := h.device(in.NodeId)
	if d == nil {
		return fuse.EIO
	}
	return fuse.Status(d.Flush())
}

// Fallocate refuses discards and zeroing; the kernel then writes zeroes where it
// needs them.
func (h *handler) Fallocate(_ <-chan struct{}, _ *fuse.FallocateIn) fuse.Status {
	return fuse.Status(syscall.EOPNOTSUPP)
}
