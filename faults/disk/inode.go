package disk

import (
	"cmp"
	"slices"
	"syscall"
	"time"
)

// inode is a file or directory: what calls see of it now (vol) and what the
// disk surely has (base).
type inode struct {
	ino     Ino
	dir     bool
	symlink bool
	mode    uint32
	uid     uint32
	gid     uint32
	mtime   time.Duration
	ctime   time.Duration

	links int // names in vol
	opens int // Retain less Release
	names int // name micro-operations in play about it or in it

	parent  Ino // of the name given last; for paths
	name    string
	path    string // cached while pathGen is the disk's own
	pathGen uint64

	// A file's contents. While alias, base is vol cut to baseSize, so that a file
	// which is only appended to exists once in memory; the bytes up to baseEnd are
	// durable too, though the size that shows them is not.
	vol      content
	base     content
	alias    bool
	baseSize int64
	baseEnd  int64

	// A directory's entries, sorted by name.
	ents  []Dirent
	bents []Dirent

	dirtyAt   time.Duration    // entry of the first write that is not written back
	dirty     int              // data and size micro-operations not durable
	unwritten int              // those of them that a write-back of the file makes durable
	allocated int64            // end of the last page with a block on the disk
	maxDirty  int64            // end of the furthest data written since the file was clean
	lastPage  int64            // page of the last write and
	lastSeq   uint64           // its number in the order; 0: none
	mapped    bool             // pages is kept up
	pages     map[int64]uint64 // number of the last data micro-operation in play on a page
	lost      int              // data micro-operations that a failed sync dropped
	reverted  bool             // such were, and memory has forgotten them as well

	errSeq ErrSeq // counts failed syncs
	err    syscall.Errno
	// touched: a call or damage has changed it since an Imager made it.
	touched bool
	retID   uint64 // last write that returned, and when
	retAt   time.Duration

	// Scratch of one pass over the micro-operations, valid while pass is that pass's number.
	pass      uint64
	blocked   bool
	lastSize  int32
	lastTrunc int32
}

// begin makes an inode that is reset an empty file.
func (n *inode) begin(ino Ino) { n.ino, n.alias, n.lastPage = ino, true, -1 }

func (n *inode) reset(p *chunkPool) {
	n.vol.release(p)
	n.base.release(p)
	vc, bc, e, b, pages := n.vol.chunks, n.base.chunks, n.ents, n.bents, n.pages
	clear(e)
	clear(b)
	clear(pages)
	*n = inode{}
	n.vol.chunks, n.base.chunks, n.ents, n.bents, n.pages = vc, bc, e[:0], b[:0], pages
}

// find is the place of a name in sorted entries.
func find(ents []Dirent, name string) (int, bool) {
	if len(ents) <= 8 {
		for i := range ents {
			if ents[i].Name >= name {
				return i, ents[i].Name == name
			}
		}
		return len(ents), false
	}
	return slices.BinarySearchFunc(ents, name, func(e Dirent, name string) int { return cmp.Compare(e.Name, name) })
}

// setEntry adds a name or points it elsewhere.
func setEntry(ents []Dirent, name string, ino Ino) []Dirent {
	i, ok := find(ents, name)
	if ok {
		ents[i].Ino = ino
		return ents
	}
	return slices.Insert(ents, i, Dirent{Name: name, Ino: ino})
}

// dropEntry removes a name if it is there.
func dropEntry(ents []Dirent, name string) []Dirent {
	if i, ok := find(ents, name); ok {
		return slices.Delete(ents, i, i+1)
	}
	return ents
}
