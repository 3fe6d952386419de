// Package persist is everything between an executed command and the disk: the
// append-only file, snapshots, their background work, and loading at start.
//
// It does what redis-server 7.0.15 does, call for call, because the question
// asked of it is what a crash between two calls leaves. Sources: aof.c, rdb.c,
// bio.c and server.c of that version, and traces of its system calls.
package persist

import (
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// Log levels, as redis-server prints them.
const (
	Debug   = '.'
	Verbose = '-'
	Notice  = '*'
	Warning = '#'
)

// Apply executes one command while an append-only file is loaded, as the fake
// client of redis-server does: whatever the command replies is ignored. db is
// the selected database. The byte slices may be kept, the slice of them not.
// SELECT, MULTI and EXEC are dealt with by the loader.
type Apply func(db int, argv [][]byte)

// Options is what a Manager works with.
type Options struct {
	Env      env.Env
	FS       vfs.FS
	Config   *config.Config // read at each use, so CONFIG SET takes effect at once
	Keyspace *keyspace.Keyspace
	Log      func(level byte, msg string) // nil: no log
	Bugs     bugs.Set
	// Known reports whether a command exists: an unknown one in an append-only
	// file is fatal. nil: all do.
	Known func(name []byte) bool
	// Apply executes commands of an append-only file.
	Apply Apply
	// UsedMemory is what snapshots carry in their used-mem field; nil: 0.
	UsedMemory func() int64
}

// Manager is one server's persistence. All methods are for the main task.
type Manager struct {
	o Options
}

// FatalError is a failure after which the server must exit with status 1
// without answering anybody.
type FatalError struct{ Msg string }

func (e *FatalError) Error() string { return e.Msg }

// LoadError is a refusal to start: Msg is redis-server's last log line before exit(1).
type LoadError struct {
	File   string
	Offset int64 // bytes; -1 when no place in the file is to blame
	Msg    string
	Err    error
}

func (e *LoadError) Error() string { return e.Msg }
func (e *LoadError) Unwrap() error { return e.Err }

// Info is the persistence section of INFO.
type Info struct {
	Changes           int64 // rdb_changes_since_last_save
	BgsaveInProgress  bool
	LastSave          int64 // Unix seconds
	LastBgsaveOK      bool
	LastBgsaveSec     int64 // -1: none yet
	CurrentBgsaveSec  int64 // -1: none
	Saves             int64
	LastLoadExpired   int64
	LastLoadKeys      int64
	AofEnabled        bool
	RewriteInProgress bool
	RewriteScheduled  bool
	LastRewriteSec    int64
	CurrentRewriteSec int64
	LastRewriteOK     bool
	Rewrites          int64
	ConsecutiveFails  int64
	LastWriteOK       bool
	CurrentSize       int64
	BaseSize          int64
	PendingRewrite    bool
	BufferLength      int64
	PendingBioFsync   int64
	DelayedFsync      int64
}

// New makes a Manager. Nothing touches the disk before Load.
func New(o Options) *Manager { return &Manager{o: o} }

// Load reads the manifest, then the append-only file (appendonly yes) or the
// snapshot, then opens the append-only file for writing, making the first one
// when there is none. A *LoadError means that redis-server would not start.
func (m *Manager) Load() error { return nil }

// Feed logs an executed write. The caller puts MULTI and EXEC around a
// transaction and has made the command deterministic (PEXPIREAT for EXPIRE).
func (m *Manager) Feed(db int, argv [][]byte) {}

// AddDirty counts n changes of the data towards the save points.
func (m *Manager) AddDirty(n int) {}

// Dirty is the number of changes since the last save.
func (m *Manager) Dirty() int64 { return 0 }

// BeforeSleep is to be called in each turn of the event loop after the commands
// and before any reply goes out. clients is how many clients wrote in this turn.
// An error is fatal (*FatalError): exit with status 1, answer nobody.
func (m *Manager) BeforeSleep(clients int) error { return nil }

// AfterReplies is to be called once the replies of the turn are out.
func (m *Manager) AfterReplies() error { return nil }

// WriteRefusal is "", or the error to answer a write (and PING) with, without
// the leading dash: "MISCONF ...".
func (m *Manager) WriteRefusal() string { return "" }

// Cron is to be called hz times a second. An error is fatal.
func (m *Manager) Cron() error { return nil }

// Save is SAVE.
func (m *Manager) Save() error { return nil }

// BGSave is BGSAVE; it returns the status to reply. schedule is its SCHEDULE
// argument, inExec says that a transaction is being executed.
func (m *Manager) BGSave(schedule, inExec bool) (string, error) { return "", nil }

// BGRewriteAOF is BGREWRITEAOF; it returns the status to reply.
func (m *Manager) BGRewriteAOF(inExec bool) (string, error) { return "", nil }

// FlushAll is to be called by FLUSHALL after the data is gone: it ends a
// running snapshot and, with save points, saves the empty state.
func (m *Manager) FlushAll() {}

// SaveMode is the argument of SHUTDOWN.
type SaveMode uint8

// SHUTDOWN, SHUTDOWN SAVE, SHUTDOWN NOSAVE.
const (
	SaveDefault SaveMode = iota
	SaveForce
	SaveNever
)

// Shutdown finishes the files; on error the server goes on (unless force).
func (m *Manager) Shutdown(mode SaveMode, force bool) error { return nil }

// EnableAOF is CONFIG SET appendonly yes, to be called after the config changed.
func (m *Manager) EnableAOF(inExec bool) error { return nil }

// DisableAOF is CONFIG SET appendonly no.
func (m *Manager) DisableAOF() {}

// LoadAOF is DEBUG LOADAOF; the caller has not emptied the keyspace. A
// *LoadError is fatal.
func (m *Manager) LoadAOF() error { return nil }

// Reload is DEBUG RELOAD: save, empty, load.
func (m *Manager) Reload(save, flush bool) error { return nil }

// LastSave is when the last save ended, Unix seconds.
func (m *Manager) LastSave() int64 { return 0 }

// Loading reports whether data is being loaded.
func (m *Manager) Loading() bool { return false }

// Info returns INFO's persistence fields.
func (m *Manager) Info() Info { return Info{} }

// Close ends the background threads once their queues are empty, as the end of
// the process does.
func (m *Manager) Close() {}

