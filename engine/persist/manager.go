// Package persist is everything between an executed command and the disk: the
// append-only file, snapshots, their background work, and loading at start.
//
// It does what redis-server 7.0.15 does, call for call, because the question
// asked of it is what a crash between two calls leaves. Sources: aof.c, rdb.c,
// bio.c and server.c of that version, and traces of its system calls.
package persist

import (
	"fmt"
	"time"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
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
// SELECT, MULTI and EXEC are dealt with by the loader. Changes it makes count as
// dirty (AddDirty), as in redis-server.
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
	// Stopped reports whether a command of an append-only file has ended the server, which
	// touches nothing any more: ErrStopped. nil: none does.
	Stopped func() bool
	// Pid names temporary files; children get the numbers after it. 0: drawn from
	// the clock, so that a restarted server does not meet its predecessor's files.
	Pid int
	// Place says where in the history of replication the data are now, for
	// snapshots; nil: nowhere.
	Place func() rdb.Place
	// Hint says which hints about use keys are saved with, and by which clock;
	// Access makes an Access of loaded hints, -1 for none. Nil: there are no hints.
	Hint   func() (rdb.Hint, uint32)
	Access func(freq int, idleSeconds int64) uint32
	// Replica reports whether this server follows a master, which alone deletes
	// keys that are past their time; nil: no.
	Replica func() bool
	// Progress lets others have their turn while data are loaded; false ends the
	// loading, and with it the server. Nil: nobody waits for that.
	Progress func() bool
	// LeftOut is told of the keys that a snapshot loaded by Load holds, and that a
	// master leaves out because they have expired; nil: nobody is.
	LeftOut func(db int, key []byte)
	// SnapshotEnded is told of the end of a snapshot started for replicas.
	SnapshotEnded func(ok bool)
	// Functions are the libraries to save, LoadFunction takes one over, and says why
	// it cannot, FlushFunctions forgets all. Nil: there are none, and those of files
	// are passed over.
	Functions      func() []string
	LoadFunction   func(code string, replace bool) (wrong string)
	FlushFunctions func()
	// Spawn starts children that are processes of their own; nil: they are tasks.
	Spawn Spawn
	// UsedMemory is what snapshots carry in their used-mem field; nil: 0.
	UsedMemory func() int64
}

// Manager is one server's persistence. All methods are for the main task.
type Manager struct {
	o   Options
	pid int // of this process; children count on from it

	manifest *aof.Manifest
	state    aofState
	incr     vfs.File // the file appended to; nil: none
	text     []byte   // of a manifest, reused

	// The flush (redis-server's names: aof_buf, aof_selected_db,
	// aof_flush_postponed_start, aof_last_fsync, aof_last_incr_size,
	// aof_last_incr_fsync_offset, aof_current_size, aof_rewrite_base_size). Times
	// are Unix seconds of the wall clock, as there.
	buf            []byte
	db             int   // selected by the last command in buf or the file; -1: none
	annotated      int64 // second of the last #TS annotation
	postponed      int64 // 0: no write is held back
	lastFsync      int64
	incrSize       int64
	incrSynced     int64
	currentSize    int64
	baseSize       int64
	delayedFsyncs  int64
	flushSleep     time.Duration // DEBUG AOF-FLUSH-SLEEP
	writeErr       error         // why the last write failed; nil: it did not
	writeErrLogged int64
	retried        time.Duration // of the environment's clock
	fatal          *FatalError

	syncer bioThread // BIO_AOF_FSYNC
	closer bioThread // BIO_CLOSE_FILE
	bioErr error     // of the last background fsync

	child    *child
	children int
	forkTook time.Duration // the last of them

	rewriteScheduled  bool
	rewriteStarted    int64
	rewriteLastSec    int64
	rewriteOK         bool
	rewrites          int64
	rewriteFails      int64 // in a row
	uncounted         int   // children before ResetStats
	retryDelayMinutes int64
	retryAt           int64

	dirty             int64
	dirtyBeforeBgsave int64
	lastSave          int64
	lastBgsaveTry     int64
	bgsaveOK          bool
	bgsaveScheduled   bool
	bgsaveLastSec     int64
	saves             int64

	forReplicas           bool // the snapshot file was made for replicas
	loading               bool
	starting              bool // Load loads
	merging               bool // what is loaded takes the place of what is there
	badLibrary            bool // a library of functions could not be loaded
	progress              progress
	loadedKeys, loadedOld int64 // of the last RDB load
	loadedPlace           rdb.Place

	plant plantState
}

type aofState uint8

const (
	aofOff aofState = iota
	aofOn
	// aofWait: switched on at run time, and in force once the first rewrite has
	// ended (AOF_WAIT_REWRITE).
	aofWait
)

// FatalError is a failure after which the server must exit with status 1
// without answering anybody. Its text is for the log, which has not got it yet.
type FatalError struct{ Msg string }

func (e *FatalError) Error() string { return e.Msg }

// LoadError is a refusal to start: Msg is redis-server's last log line before exit(1).
type LoadError struct {
	File   string
	Offset int64 // bytes; -1 when no place in the file is to blame
	Msg    string
	Err    error
}

func (e *LoadError) Error() string {
	if e.Err == nil {
		return e.Msg
	}
	return e.Msg + ": " + e.Err.Error()
}

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
	KeysSaved         int64 // by the child, as it last told
	KeysToSave        int64 // by the child
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
func New(o Options) *Manager {
	m := &Manager{o: o, pid: o.Pid, db: -1, rewriteOK: true, bgsaveOK: true,
		rewriteStarted: -1, rewriteLastSec: -1, bgsaveLastSec: -1}
	if m.pid == 0 {
		m.pid = 1000 + int(o.Env.Now()/time.Microsecond%30000)
	}
	m.manifest = &aof.Manifest{}
	if o.Config.AppendOnly {
		m.state = aofOn
	}
	m.lastSave = m.unix()
	m.lastFsync = m.lastSave
	m.syncer = bioThread{env: o.Env, name: "bio_aof", do: m.bioSync}
	m.closer = bioThread{env: o.Env, name: "bio_close_file", do: m.bioSyncAndClose}
	return m
}

// unix is the wall clock in whole seconds: server.unixtime.
func (m *Manager) unix() int64 { return m.o.Env.Wall().Unix() }

func (m *Manager) log(level byte, format string, a ...any) {
	if m.o.Log == nil {
		return
	}
	m.o.Log(level, fmt.Sprintf(format, a...))
}

// die makes a failure fatal: nothing more is written, and BeforeSleep reports it.
func (m *Manager) die(format string, a ...any) {
	if m.fatal == nil {
		m.fatal = &FatalError{Msg: fmt.Sprintf(format, a...)}
	}
}

func (m *Manager) fatalError() error {
	if m.fatal == nil {
		return nil
	}
	return m.fatal
}

// AddDirty counts n changes of the data towards the save points.
func (m *Manager) AddDirty(n int) { m.dirty += int64(n) }

// Dirty is the number of changes since the last save.
func (m *Manager) Dirty() int64 { return m.dirty }

// LastSave is when the last save ended, Unix seconds; at first, when the server started.
func (m *Manager) LastSave() int64 { return m.lastSave }

// ChangeDir has files be looked for and made elsewhere from now on. Those that are
// open stay where they are, and so does a child.
func (m *Manager) ChangeDir(fsys vfs.FS) { m.o.FS = fsys }

// Loading reports whether data is being loaded.
func (m *Manager) Loading() bool { return m.loading }

// WriteRefusal is "", or the error to answer a write (and PING) with, without
// the leading dash (redis 7.0.15 writeCommandsDeniedByDiskError).
func (m *Manager) WriteRefusal() string {
	c := m.o.Config
	if c.StopWritesOnBgsaveError && len(c.Save) > 0 && !m.bgsaveOK {
		return "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. " +
			"Commands that may modify the data set are disabled, because this instance is configured to report errors " +
			"during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). " +
			"Please check the Redis logs for details about the RDB error."
	}
	if m.state == aofOff {
		return ""
	}
	err := m.writeErr
	if err == nil {
		err = m.bioErr
	}
	if err == nil {
		return ""
	}
	return "MISCONF Errors writing to the AOF file: " + aof.Reason(err)
}

// Percent is how much of its work the child has done.
func (i *Info) Percent() float64 { return 100 * float64(i.KeysSaved) / float64(max(i.KeysToSave, 1)) }

// Info returns INFO's persistence fields.
func (m *Manager) Info() Info {
	now := m.unix()
	i := Info{
		Changes:           m.dirty,
		BgsaveInProgress:  m.childIs(rdbChild),
		LastSave:          m.lastSave,
		LastBgsaveOK:      m.bgsaveOK,
		LastBgsaveSec:     m.bgsaveLastSec,
		CurrentBgsaveSec:  -1,
		Saves:             m.saves,
		LastLoadExpired:   m.loadedOld,
		LastLoadKeys:      m.loadedKeys,
		AofEnabled:        m.state != aofOff,
		RewriteInProgress: m.childIs(aofChild),
		RewriteScheduled:  m.rewriteScheduled,
		LastRewriteSec:    m.rewriteLastSec,
		CurrentRewriteSec: -1,
		LastRewriteOK:     m.rewriteOK,
		Rewrites:          m.rewrites,
		ConsecutiveFails:  m.rewriteFails,
		LastWriteOK:       m.writeErr == nil && m.bioErr == nil,
		CurrentSize:       m.currentSize,
		BaseSize:          m.baseSize,
		PendingRewrite:    m.rewriteScheduled,
		BufferLength:      int64(len(m.buf)),
		PendingBioFsync:   int64(m.syncer.pending),
		DelayedFsync:      m.delayedFsyncs,
	}
	if i.BgsaveInProgress {
		i.CurrentBgsaveSec = now - m.child.started
	}
	if m.child != nil {
		i.KeysSaved, i.KeysToSave = m.child.saved, int64(m.child.data.Len())
	}
	if i.RewriteInProgress {
		i.CurrentRewriteSec = now - m.rewriteStarted
	}
	return i
}

// Forks is how many children there were, and how long it took to fork the last.
func (m *Manager) Forks() (n int64, took time.Duration) {
	return int64(m.children - m.uncounted), m.forkTook
}

// ResetStats begins to count anew (redis 7.0.15 server.c resetServerStats).
func (m *Manager) ResetStats() {
	m.saves, m.rewrites, m.rewriteFails = 0, 0, 0
	m.uncounted, m.forkTook = m.children, 0
}

// Close ends the background threads once their queues are empty, as the end of
// the process does, and waits for them.
func (m *Manager) Close() {
	m.syncer.stop()
	m.closer.stop()
}

// Buffered is how many bytes wait to be written to the log.
func (m *Manager) Buffered() int64 { return int64(len(m.buf)) }
