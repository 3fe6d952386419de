package disk

import (
	"syscall"
	"time"
)

// Ino is the number of a file or directory. It does not change over a crash.
type Ino uint64

// Root is the number of the root directory.
const Root Ino = 1

// OpKind is what a call does.
type OpKind uint8

const (
	OpOpen OpKind = iota + 1 // of a file that is there
	OpCreate
	OpRead
	OpWrite
	OpTruncate
	OpAllocate
	OpRename
	OpLink
	OpSymlink
	OpUnlink
	OpMkdir
	OpRmdir
	OpFsync
	OpFdatasync
	OpSyncRange
	OpDirSync // fsync or fdatasync of a directory
	OpSyncFS  // sync, syncfs
	OpStat
	OpList
)

// kindNames are the words of logs; kindWords the words of fault plans, which
// have fewer: a create is an open, fdatasync is fsync.
var kindNames = [...]string{"", "open", "create", "read", "write", "truncate", "allocate", "rename", "link", "symlink",
	"unlink", "mkdir", "rmdir", "fsync", "fdatasync", "syncrange", "dirsync", "syncfs", "stat", "list"}

var kindWords = [...]string{"", "open", "open", "read", "write", "truncate", "allocate", "rename", "link", "symlink",
	"unlink", "mkdir", "rmdir", "fsync", "fsync", "syncrange", "dirsync", "syncfs", "stat", "list"}

// String is the name in logs and records.
func (k OpKind) String() string { return kindNames[k] }

// Word is the name in fault plans: "open" for a create, "fsync" for fdatasync.
func (k OpKind) Word() string { return kindWords[k] }

// IsSync reports whether the call makes something durable when it returns.
func (k OpKind) IsSync() bool { return k >= OpFsync && k <= OpSyncFS }

// Mutates reports whether the call changes a file or a directory.
func (k OpKind) Mutates() bool {
	return k == OpCreate || k >= OpWrite && k <= OpRmdir
}

// Held reports whether a decision keeps a call from going its way.
func (d *Decision) Held() bool { return d.Err != 0 || d.Delay > 0 || d.Stall }

// Never is the return time of a call that has not returned.
const Never = time.Duration(1<<63 - 1)

// Call is one call to the file system, from its entry to its return.
type Call struct {
	ID    uint64 // from 1, in the order of Begin; names the call in choices
	Kind  OpKind
	Flags CallFlags
	Path  string // of the file or directory, relative to the root; "" when not known
	Path2 string // rename, link: the new name
	Ino   Ino    // file called upon; 0 while it is not known
	// Off and Len are the range of read, write, allocate and sync-range. A
	// truncate's Len is the new size.
	Off, Len int64
	// Enter and Return are on the world's clock; Return is Never until the call returns.
	Enter, Return time.Duration
	Err           syscall.Errno // 0: it succeeded
	// Untold is why a sync failed that answers success: the next one tells of it
	// (FailureMode.Late).
	Untold syscall.Errno

	rec   int64 // place in the log plus one; 0: not logged
	tape  int32 // place on the tape plus one; 0: not taped
	ended bool
}

// CallFlags are what changes the meaning of a call.
type CallFlags uint8

const (
	// CallAppend: a write goes to the end of the file; Off is filled in.
	CallAppend CallFlags = 1 << iota
	// CallSync and CallDataSync: O_SYNC and O_DSYNC writes, durable on return.
	CallSync
	CallDataSync
	// CallNoReplace: a rename fails with EEXIST when the new name is there.
	CallNoReplace
)

// Place says where in a call's duration a fault strikes.
type Place uint8

const (
	PlaceEnter    Place = iota // before any effect
	PlaceInFlight              // after the effect has begun, before the call returns
	PlaceReturn                // as the call returns
)

// Decision is what a fault says about one call. The zero Decision: nothing.
type Decision struct {
	Err      syscall.Errno // the call fails with it; a failing sync follows the failure mode
	Short    int64         // > 0: a write takes at most so many bytes
	Delay    time.Duration // added to the call's duration
	Stall    bool          // not answered until the world says so
	Strike   func()        // run by the world once, outside the calling task, at Place
	Place    Place
	Fraction float64 // with PlaceInFlight: where in the call's duration, 0 to 1; for a sync also the share of its dirty pages that is durable by then
}

// Hook is asked once for each call, as it enters, before any effect.
type Hook func(c *Call) Decision

// Gate is how a world makes calls take time and lets faults strike in them. It
// is called from the task that makes the call.
type Gate interface {
	// Enter comes before any effect and sets c.Enter.
	Enter(c *Call) Decision
	// Wait stands between the beginning and the end of the effect: it blocks for
	// the call's duration and runs d.Strike. The task may be unwound in it.
	Wait(c *Call, d Decision)
	// Return comes after the effect and sets c.Return.
	Return(c *Call)
}
