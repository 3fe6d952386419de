package disk

import (
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/vfs"
)

// Options say what kind of disk New makes.
type Options struct {
	Personality *Personality // nil: ext4
	WriteBack   WriteBack    // zero: DefaultWriteBack
	FailureMode *FailureMode // nil: the personality's own
	Seed        uint64       // of choices that draw
	KeepLog     bool         // keep a Record of every call that changes or syncs something
	Plant       Plant        // deliberate faults of the disk itself, for tests of the harness
}

// Plant is a set of deliberate faults of the model, so that a harness can be
// seen to notice a disk that does not do what it says.
type Plant uint8

const (
	// PlantLoseNothing: a power cut keeps everything, as a process kill would.
	PlantLoseNothing Plant = 1 << iota
	// PlantIgnoreSync: syncs return success and make nothing durable.
	PlantIgnoreSync
)

// WriteBack is what the kernel writes by itself, without being asked.
type WriteBack struct {
	Expire   time.Duration // a file dirty for longer is written (vm.dirty_expire_centisecs); 0: never
	Interval time.Duration // time between two looks (vm.dirty_writeback_centisecs)
}

// DefaultWriteBack is Linux's: 30 s and 5 s.
var DefaultWriteBack = WriteBack{Expire: 30 * time.Second, Interval: 5 * time.Second}

// Attr describes a file or directory.
type Attr struct {
	Ino              Ino
	Dir              bool
	Symlink          bool
	Size             int64
	Links            int
	Mode             uint32 // permission bits
	UID, GID         uint32
	MTime, CTime     time.Duration
	AllocatedInBytes int64
}

// Dirent is one name in a directory.
type Dirent struct {
	Name string
	Ino  Ino
}

// SyncID names a sync that has begun and not ended.
type SyncID int

// ErrSeq is what one open descriptor knows of a file's write errors: each
// descriptor is told of each failure once. It starts as Disk.ErrSeq(ino) at open.
type ErrSeq uint32

// Disk is a file system that knows what a power cut may leave of it.
type Disk struct{}

func New(o Options) *Disk                       { return &Disk{} }
func (d *Disk) Reset(o Options)                 {}
func (d *Disk) FS(g Gate) vfs.FS                { return nil }
func (d *Disk) Begin(c *Call)                   {}
func (d *Disk) End(c *Call)                     {}
func (d *Disk) Personality() *Personality       { return nil }
func (d *Disk) PathOf(ino Ino) string           { return "" }
func (d *Disk) Retain(ino Ino)                  {}
func (d *Disk) Release(ino Ino)                 {}
func (d *Disk) ErrSeq(ino Ino) ErrSeq           { return 0 }
func (d *Disk) SetReadOnly(on bool)             {}
func (d *Disk) SetFree(bytes int64)             {}
func (d *Disk) Freeze()                         {}
func (d *Disk) Tick(now time.Duration)          {}
func (d *Disk) NextTick() (time.Duration, bool) { return 0, false }

func (d *Disk) Lookup(dir Ino, name string) (Ino, syscall.Errno)          { return 0, syscall.ENOSYS }
func (d *Disk) Attr(ino Ino) (Attr, syscall.Errno)                        { return Attr{}, syscall.ENOSYS }
func (d *Disk) SetMode(ino Ino, mode uint32) syscall.Errno                { return syscall.ENOSYS }
func (d *Disk) SetOwner(ino Ino, uid, gid uint32) syscall.Errno           { return syscall.ENOSYS }
func (d *Disk) SetTime(ino Ino, mtime time.Duration) syscall.Errno        { return syscall.ENOSYS }
func (d *Disk) ReadDir(dir Ino) ([]Dirent, syscall.Errno)                 { return nil, syscall.ENOSYS }
func (d *Disk) Readlink(ino Ino) (string, syscall.Errno)                  { return "", syscall.ENOSYS }
func (d *Disk) Read(ino Ino, off int64, p []byte) (int, syscall.Errno)    { return 0, syscall.ENOSYS }
func (d *Disk) Create(c *Call, dir Ino, name string) (Ino, syscall.Errno) { return 0, syscall.ENOSYS }
func (d *Disk) Mkdir(c *Call, dir Ino, name string) (Ino, syscall.Errno)  { return 0, syscall.ENOSYS }
func (d *Disk) Symlink(c *Call, dir Ino, name, target string) (Ino, syscall.Errno) {
	return 0, syscall.ENOSYS
}
func (d *Disk) Unlink(c *Call, dir Ino, name string) syscall.Errno { return syscall.ENOSYS }
func (d *Disk) Rmdir(c *Call, dir Ino, name string) syscall.Errno  { return syscall.ENOSYS }
func (d *Disk) Rename(c *Call, dir Ino, name string, newDir Ino, newName string) syscall.Errno {
	return syscall.ENOSYS
}
func (d *Disk) Link(c *Call, ino, dir Ino, name string) syscall.Errno { return syscall.ENOSYS }
func (d *Disk) Write(c *Call, p []byte) (int, syscall.Errno)          { return 0, syscall.ENOSYS }
func (d *Disk) Truncate(c *Call) syscall.Errno                        { return syscall.ENOSYS }
func (d *Disk) Allocate(c *Call) syscall.Errno                        { return syscall.ENOSYS }

func (d *Disk) BeginSync(c *Call) SyncID                                          { return 0 }
func (d *Disk) SyncProgress(id SyncID, fraction float64)                          {}
func (d *Disk) EndSync(id SyncID, fail syscall.Errno, seen *ErrSeq) syscall.Errno { return 0 }

func (d *Disk) PowerCut(c Choice, now time.Duration) (*Disk, Cut) { return d, Cut{} }
func (d *Disk) Clone() *Disk                                      { return d }
func (d *Disk) Hash() uint64                                      { return 0 }
func (d *Disk) Dirty() []DirtyFile                                { return nil }
func (d *Disk) Log() []Record                                     { return nil }
func (d *Disk) CorruptAt(path string, off int64, mask byte) error { return nil }
func (d *Disk) TruncateAtRest(path string, by int64) error        { return nil }

// DirtyFile is what is not durable of one file or directory.
type DirtyFile struct {
	Ino   Ino
	Path  string
	Ops   int           // calls with an effect that is not durable
	Bytes int64         // data written and not durable
	Since time.Duration // entry of the oldest of them
}

// Record is one call of the log and, for a sync, what it covered.
type Record struct {
	Call
	// Covers is, for a sync of a file, the ID of the last write to it that had
	// returned when the sync entered; 0 when there was none.
	Covers uint64
}

// Cut says what a power cut took and left.
type Cut struct {
	Choice    Choice // asked for
	At        time.Duration
	Ops       int   // calls in play: with an effect that was not durable
	Bytes     int64 // data in play
	LostOps   int   // calls in play of which something is missing from the image
	LostBytes int64
	InFlight  []Call // calls that had entered and not returned
	Image     uint64 // hash of the image
}
