// Package product is what torntail must know of a server in order to test it, whatever
// its make: a Store says how its kind keeps data and in which modes, what the names of
// its files mean and the words of its log, how it is started, asked and repaired, and
// what is known of it. Whatever else in harness depends on one of these asks the Store
// of the mode.
//
// Redis and its kin, the embedded engine among them, are package redis. A store that is
// not Redis is another package beside it, and a row of target.Stores.
package product

import (
	"path"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/workloads"
)

// Store is a kind of server.
type Store interface {
	// Name is what target files and saved failures call it, Program what the binary of
	// its server is called.
	Name() string
	Program() string
	// Server is how a server of that binary is started and asked whether it serves; nil:
	// as redis-server is.
	Server(binary string) *process.Server
	// Findings are what is known of it.
	Findings() []*finding.Finding

	// Protocol is how its clients ask it.
	workloads.Protocol
	Keeping
	Files
	Log
	Upkeep
	Strangers
}

// Strangers is what a store takes from a saved failure, which may come from anybody: what
// decides what is durable, and nothing that reaches beyond the server's own data. What is
// not known is refused.
type Strangers interface {
	// Takes says why a directive is not taken from there.
	Takes(d Directive) error
	// Obeys says why a command of a plan is not sent because it stands there.
	Obeys(words []string) error
}

// Keeping is how a store keeps its data.
type Keeping interface {
	// Modes are its presets, in the order in which tables show them, and DefaultModes
	// the names of those of a run that names none. What a mode promises is the row of
	// its name in checker/contract.
	Modes() []Mode
	DefaultModes() []string
	// Policy is what a mode's directives amount to. The error is of a directive that
	// cannot be read.
	Policy(m *Mode) (Policy, error)
	// Lacks is why the server cannot be tested in a mode; "" when it can.
	Lacks(m *Mode) string
	// On is the mode as the server has it: with the store's own understanding of files,
	// and without what it does not know.
	On(m Mode) Mode
	// Settings are directives that have an effect on what it keeps, as experiments draw
	// them, by name.
	Settings() []Setting
	// Check says what is wrong with a directive that somebody asks for.
	Check(d Directive) error
	// ReadConf reads a configuration file. foreign says that the server may know
	// directives that torntail does not.
	ReadConf(file string, foreign bool) (*Conf, error)
}

// Setting is a directive, and values of it that make a difference.
type Setting struct {
	Name   string
	Values []string
	With   []string // settings without which it has no effect: they are drawn along with it
}

// Policy is what plans and contracts ask of a mode's directives.
type Policy struct {
	// Fsync is when the log is synced: Always, EverySecond or Never. "": not stated.
	Fsync string
	// Timer is how often the server looks at what is due; 0: not stated.
	Timer time.Duration
	// NoSyncOnRewrite: nothing is synced while a rewrite or snapshot goes on.
	NoSyncOnRewrite bool
	// SavePoints are those that are stated; nil: the store's own.
	SavePoints []contract.SavePoint
	// RefusesCut: of a log whose end is missing the server's repair tool must make one that
	// ends with a whole command, before the server starts.
	RefusesCut bool
	// Evicts: keys go that nobody has deleted, and why they may be missing is known only
	// where the server tells of each.
	Evicts bool
}

// When a log is synced.
const (
	Always      = "always"
	EverySecond = "everysec"
	Never       = "no"
)

// Files is what the files of a store mean. Paths are relative to its directory.
type Files interface {
	Role(path string) Role
	// Globs are patterns of the files that are the log, and of snapshots. "": it has none.
	Globs() (log, snapshot string)
	// DataFile is the file without which a server in the mode starts empty and says nothing.
	DataFile(m *Mode) string
	// Stray says where a log holds what no client of torntail writes: zeroes, or what the
	// disk held before (disk.OldBytesText), where the size of an append survived and its
	// data did not.
	Stray(fsys vfs.FS) Stray
	// OpenTransaction reports whether a log ends within a transaction that has begun.
	OpenTransaction(fsys vfs.FS) bool
	// HoldsCommands reports whether blocks of a disk carry a part of a log.
	HoldsCommands(block []byte) bool
	// BetweenLogs reports whether a rewrite has gone on to the next log and not ended,
	// as the files say.
	BetweenLogs(fsys vfs.FS) bool
}

// Stray has the files of a log in which there are stray bytes, by their paths, and the
// offset of the first byte in each. nil: there are none.
type Stray map[string]int64

// Role is what a file is for.
type Role uint8

const (
	Other  Role = iota
	TheLog      // takes the commands on whose being there replies depend
	LogDir      // the directory of the log's files, or one in it that is none of the others
	Index       // names the files that make up the log; their names are good once it has its own
	Base        // the commands before the log, as a rewrite made them
	Draft       // a base that is being written
	SnapshotDraft
)

// OfRewrite reports whether a file in the role is written by a rewrite alone.
func (r Role) OfRewrite() bool { return r == Draft || r == Base || r == Index }

// OfLog reports whether a file in the role is in the log's directory.
func (r Role) OfLog() bool { return r == TheLog || r == LogDir || r == Index || r == Base }

// Log is what a server writes into its log for people.
type Log interface {
	// Line takes a line apart: when it was written by the server's own clock, and the
	// message. ok is false when it has no time.
	Line(text string) (at time.Time, msg string, ok bool)
	// Says is what a message tells, and of which file if of one.
	Says(msg string) (what Said, file string)
}

// Said is what a message tells.
type Said uint8

const (
	Nothing Said = iota
	// SnapshotForked: a child was forked that writes a snapshot. Nothing was executed
	// between the fork and the message.
	SnapshotForked
	RewriteBegan
	ChildEnded // that of the snapshot or rewrite, its result handed over
	TailCut    // the torn tail of a file was cut off at the start
	// BaseRefused: the repair tool calls a snapshot at the beginning of the log no log.
	BaseRefused
	// FormatRefused: a file is of a later version than the server reads.
	FormatRefused
	// SyncWritten: a snapshot is written to the disk next for a replica, which asked for a
	// full synchronisation.
	SyncWritten
)

// Upkeep is what a server can be told to do beside its clients' work.
type Upkeep interface {
	// Operation is what a command of a plan is in a history: nil when it changes no data,
	// a transaction without parts when it deletes all keys. An error says that it
	// changes something in a way that a history cannot say.
	Operation(words []string) (*history.Op, error)
	// Rewrite is the command that has it rewrite its log, in a mode without one write a
	// snapshot; nil: there is nothing of the kind.
	Rewrite(m *Mode) []string
	// Tour is what it does in a run that is to be explored.
	Tour(m *Mode) Tour
	// Reload is how a running server loads files that were put under it; nil: it cannot.
	Reload(m *Mode) *Reload
	// Repair is the command of the repair tool that belongs to a server's binary, in
	// which {{dir}} is where its files are; nil: there is none.
	Repair(binary string) []string
}

// Told is a Store that knows its servers by somebody's word alone.
type Told interface {
	// Told reports whether it does: then what is not seen of a server, such as a write to
	// its log, may be called otherwise there.
	Told() bool
}

// Owner is a Store that has directives on which an experiment decides.
type Owner interface{ Owns(directive string) bool }

// TellsEvictions is a Store whose servers tell of each key that they evict.
type TellsEvictions interface {
	// HearEvictions asks for word of each, on a connection that is used for nothing else.
	HearEvictions(c *workloads.Conn, limit time.Duration) error
	// MarkEvictions asks for a mark, which comes in the order of what is told.
	MarkEvictions(c *workloads.Conn) error
	// NextEviction is the next that is told: a key, or a mark.
	NextEviction(c *workloads.Conn) (key string, mark bool, err error)
	// CountEvictions is how many the server says it has evicted since it was started.
	CountEvictions(c *workloads.Conn, limit time.Duration) (int, error)
	// LimitMemory has it keep to a limit from now on.
	LimitMemory(c *workloads.Conn, limit time.Duration, to string) error
	// Deleted are the keys that the files of the log delete, in order.
	Deleted(fsys vfs.FS) []string
}

// Tour is what a server does in a run that is to show all that a mode does to its disk:
// a rewrite, on which the run holds its files up, then more.
type Tour struct {
	Held  string      // glob of the files that the first rewrite makes
	Often []Directive // so that the server soon sees that a rewrite is over
	Later []Stop
	End   []string // command that ends the server in an orderly way; nil: SIGTERM
}

// Stop is a command after a share of the run's commands.
type Stop struct {
	At      float64
	Command string
}

// Reload is how a running server loads files.
type Reload struct {
	Command []string
	Waiting []Directive // of a server that waits for files, and keeps none of its own
	// Removes reports whether a server that loads a file removes others that it names.
	Removes func(path string, data []byte) bool
}

// Missing says what of a mode's data is not on a disk: the file without which a server
// starts empty, and the directory that the file is in.
func Missing(fsys vfs.FS, m *Mode) (file, dir bool) {
	name := m.Store.DataFile(m)
	_, err := fsys.Stat(name)
	if file = err != nil; file && path.Dir(name) != "." {
		_, err = fsys.Stat(path.Dir(name))
		dir = err != nil
	}
	return file, dir
}

// IsRoot reports whether a path is that of a server's directory.
func IsRoot(path string) bool { return path == "" || path == "." || path == "/" }
