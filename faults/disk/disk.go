package disk

import (
	"strings"
	"syscall"
	"time"
)

// Options say what kind of disk New makes.
type Options struct {
	Personality *Personality // nil: ext4
	WriteBack   WriteBack    // zero: DefaultWriteBack
	Failure     *FailureMode // nil: the personality's own
	KeepLog     bool         // keep a Record of every call that changes or syncs something
	Plant       Plant        // deliberate faults of the disk itself, for tests of the harness
	Tape        *Tape        // an empty one records all that is done to the disk; nil: nobody records
}

// Plant is a set of deliberate faults of the model, so that a harness can be
// seen to notice a disk that does not do what it says.
type Plant uint8

const (
	// PlantLoseNothing: a power cut keeps everything, as a process kill would.
	PlantLoseNothing Plant = 1 << iota
	// PlantIgnoreSync: syncs return success and make nothing durable.
	PlantIgnoreSync
	// PlantIgnoreThird: every third sync does.
	PlantIgnoreThird
	// PlantNoWriteBack: nothing is written that nobody asks for.
	PlantNoWriteBack
)

// WriteBack is what the kernel writes by itself, without being asked.
type WriteBack struct {
	Expire   time.Duration // a file dirty for so long is written (vm.dirty_expire_centisecs); negative: never
	Interval time.Duration // time between two looks (vm.dirty_writeback_centisecs)
}

// DefaultWriteBack is Linux's: 30 s and 5 s.
var DefaultWriteBack = WriteBack{Expire: 30 * time.Second, Interval: 5 * time.Second}

// Disk is a file system that knows what a power cut may leave of it.
//
// It is not safe for concurrent use: whoever shares it calls it under one lock.
// It has no clock: calls carry their times. Calls take effect in what other
// calls see (vol) when they are made; what is durable (base) moves when syncs
// end and when Tick writes back; the difference is the list of micro-operations
// in play, of which a power cut may keep any part that the personality's rules
// allow.
type Disk struct {
	o       Options
	p       *Personality
	failure FailureMode

	inodes []*inode // by number; nil: free
	micros []micro  // not folded into base, in the order of effects
	tape   *Tape    // nil: nobody records
	seq    uint64   // number of the last micro-operation, or of the last entry into the metadata log
	part   int32    // of the call being carried out

	settled64 uint64 // sum over all micro-operations that became durable; see Signature

	nextID   uint64
	log      []Record
	dropped  int64  // records dropped from the front of log
	flight   []Call // entered with an effect, not returned
	syncs    []syncState
	begun    int           // of PlantIgnoreThird
	tickAt   time.Duration // no background work is due before it
	ticking  bool          // there is a tickAt
	free     int64         // bytes that may still be added; negative: no limit
	readOnly bool
	denied   uint64 // calls that found no room, or met a disk that is read-only
	frozen   bool
	moves    uint64 // renames and removals so far: generation of cached paths

	arena     []byte
	arenaLive int

	// Memory for reuse and scratch of single calls.
	pool       chunkPool
	freeInodes []*inode
	settled    []*inode
	nameless   []Ino
	nameLeft   []int32
	pass       uint64
	rel        relation
	related    bool // rel is up to date
	keep       []bool
}

// New makes an empty disk: a root directory, durable.
func New(o Options) *Disk {
	d := &Disk{}
	d.Reset(o)
	return d
}

// Reset makes the disk what New makes, with the memory it has. Disks made from
// it by PowerCut and Clone are not affected.
func (d *Disk) Reset(o Options) {
	if o.Personality == nil {
		o.Personality = Ext4()
	}
	if o.WriteBack == (WriteBack{}) {
		o.WriteBack = DefaultWriteBack
	}
	if o.Plant&PlantNoWriteBack != 0 {
		o.WriteBack.Expire = -1
	}
	d.empty()
	if d.tape = o.Tape; d.tape != nil {
		d.tape.o = o
	}
	o.Tape = nil // it is this disk's alone, not that of its clones and images
	d.o, d.p, d.failure = o, o.Personality, o.Personality.Failure
	if o.Failure != nil {
		d.failure = *o.Failure
	}
	d.nextID, d.seq, d.begun = 0, 0, 0
	root := d.newInode(Root)
	root.dir, root.links, root.mode = true, 2, 0o755
}

// empty drops everything but memory.
func (d *Disk) empty() {
	for i, n := range d.inodes {
		if n != nil {
			d.discard(Ino(i))
		}
	}
	d.inodes = d.inodes[:0]
	d.rest()
}

// rest drops all that has been done on the disk and may still be undone: what
// is in play and in flight, the log, what was set by hand.
func (d *Disk) rest() {
	clear(d.micros)
	d.micros, d.related, d.settled64 = d.micros[:0], false, 0
	clear(d.log)
	d.log, d.dropped = d.log[:0], 0
	d.flight = d.flight[:0]
	for i := range d.syncs {
		d.syncs[i].active = false
	}
	d.ticking, d.free, d.readOnly, d.denied, d.frozen = false, -1, false, 0, false
	d.arena, d.arenaLive = d.arena[:0], 0
	d.settled, d.nameless = d.settled[:0], d.nameless[:0]
}

// newInode makes file or directory ino; 0 picks the next number.
func (d *Disk) newInode(ino Ino) *inode {
	for len(d.inodes) <= int(max(ino, Root)) {
		d.inodes = append(d.inodes, nil)
	}
	if ino == 0 {
		ino = Ino(len(d.inodes))
		d.inodes = append(d.inodes, nil)
	}
	var n *inode
	if k := len(d.freeInodes); k > 0 {
		n = d.freeInodes[k-1]
		d.freeInodes = d.freeInodes[:k-1]
	} else {
		n = &inode{}
	}
	n.begin(ino)
	d.inodes[ino] = n
	return n
}

// get finds a file or directory by number.
func (d *Disk) get(ino Ino) (*inode, syscall.Errno) {
	if ino == 0 || int(ino) >= len(d.inodes) || d.inodes[ino] == nil {
		return nil, syscall.ESTALE
	}
	return d.inodes[ino], 0
}

// getDir is get for directories.
func (d *Disk) getDir(ino Ino) (*inode, syscall.Errno) {
	n, e := d.get(ino)
	if e == 0 && !n.dir {
		return nil, syscall.ENOTDIR
	}
	return n, e
}

// Personality is the disk's.
func (d *Disk) Personality() *Personality { return d.p }

// SetReadOnly makes every change fail with EROFS, as after a remount.
func (d *Disk) SetReadOnly(on bool) {
	s := step{kind: StepReadOnly}
	if on {
		s.n = 1
	}
	d.tape.plain(s)
	d.readOnly = on
}

// SetFree limits how many bytes files may still grow by; beyond it writes are
// cut short or fail with ENOSPC. Negative: no limit. Space that is given back
// by truncating and removing counts again.
func (d *Disk) SetFree(bytes int64) {
	d.tape.plain(step{kind: StepFree, n: bytes})
	d.free = bytes
}

// Freeze makes every further call fail with EIO and change nothing.
func (d *Disk) Freeze() { d.frozen = true }

// Thaw undoes Freeze. A disk whose power was cut, and which nobody uses any more, can be read
// then as it was.
func (d *Disk) Thaw() { d.frozen = false }

// Frozen reports whether the disk was frozen, by Freeze or by a power cut.
func (d *Disk) Frozen() bool { return d.frozen }

// changeable is the error of a call that would change something.
func (d *Disk) changeable() syscall.Errno {
	switch {
	case d.frozen:
		return syscall.EIO
	case d.readOnly:
		return d.deny(syscall.EROFS)
	}
	return 0
}

// deny counts a call that SetFree or SetReadOnly has failed, or cut short.
func (d *Disk) deny(e syscall.Errno) syscall.Errno {
	d.denied++
	return e
}

// Denied is how many calls have met SetFree or SetReadOnly so far, those of the disks
// included whose crash images it comes from.
func (d *Disk) Denied() uint64 { return d.denied }

// took accounts for a file that grew by n bytes.
func (d *Disk) took(n int64) {
	if d.free >= 0 {
		d.free = max(0, d.free-n)
	}
}

// Retain keeps a file, and what calls see of it, while it is open, names or not.
func (d *Disk) Retain(ino Ino) {
	if n, e := d.get(ino); e == 0 {
		d.tape.plain(step{kind: StepRetain, ino: ino})
		n.opens++
	}
}

// Release undoes one Retain.
func (d *Disk) Release(ino Ino) {
	if n, e := d.get(ino); e == 0 && n.opens > 0 {
		d.tape.plain(step{kind: StepRelease, ino: ino})
		n.opens--
		d.mayFree(n)
		d.sweep()
	}
}

// Attr describes a file or directory.
type Attr struct {
	Ino          Ino
	Dir, Symlink bool
	Size         int64
	Links        int
	Mode         uint32 // permission bits
	UID, GID     uint32
	MTime, CTime time.Duration // on the clock of the calls
}

// Attr describes a file or directory, or fails with ESTALE.
func (d *Disk) Attr(ino Ino) (Attr, syscall.Errno) {
	n, e := d.get(ino)
	if e != 0 {
		return Attr{}, e
	}
	return Attr{Ino: ino, Dir: n.dir, Symlink: n.symlink, Size: n.vol.size, Links: n.links, Mode: n.mode,
		UID: n.uid, GID: n.gid, MTime: n.mtime, CTime: n.ctime}, 0
}

// SetMode, SetOwner and SetTime change what Attr says. They survive a power cut
// always: no property that is checked depends on them.
func (d *Disk) SetMode(ino Ino, mode uint32) syscall.Errno {
	n, e := d.get(ino)
	if e == 0 {
		e = d.changeable()
	}
	if e == 0 {
		n.mode = mode & 0o7777
		d.tape.plain(step{kind: StepMode, ino: ino, n: int64(n.mode)})
		n.touched = true
	}
	return e
}

// SetOwner changes user and group.
func (d *Disk) SetOwner(ino Ino, uid, gid uint32) syscall.Errno {
	n, e := d.get(ino)
	if e == 0 {
		e = d.changeable()
	}
	if e == 0 {
		n.uid, n.gid = uid, gid
		d.tape.plain(step{kind: StepOwner, ino: ino, n: int64(uid)<<32 | int64(gid)})
		n.touched = true
	}
	return e
}

// SetTime changes the modification time.
func (d *Disk) SetTime(ino Ino, mtime time.Duration) syscall.Errno {
	n, e := d.get(ino)
	if e == 0 {
		e = d.changeable()
	}
	if e == 0 {
		n.mtime = mtime
		d.tape.plain(step{kind: StepTime, ino: ino, n: int64(mtime)})
		n.touched = true
	}
	return e
}

// PathOf is a path that leads to a file or directory now: "." for the root, ""
// when there is none. Of several names it is the one given last.
func (d *Disk) PathOf(ino Ino) string {
	n, e := d.get(ino)
	if e != 0 || n.links == 0 {
		return ""
	}
	if ino == Root {
		return "."
	}
	if n.path == "" || n.pathGen != d.moves {
		n.path = n.name
		if n.parent != Root {
			up := d.PathOf(n.parent)
			if up == "" {
				return ""
			}
			n.path = strings.Join([]string{up, n.name}, "/")
		}
		n.pathGen = d.moves
	}
	return n.path
}

// Used is the sum of all file sizes.
func (d *Disk) Used() int64 {
	var sum int64
	for _, n := range d.inodes {
		if n != nil {
			sum += n.vol.size
		}
	}
	return sum
}
