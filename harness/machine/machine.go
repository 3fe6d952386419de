// Package machine is a computer with a disk and a server on it: it is started,
// killed, paused, its power is cut, it is brought back on what is left, and it says
// what it saw of all that. Everything in harness that runs a server runs it here.
//
//	Simulated   the embedded engine on a machine of the simulated world
//	Process     a real server: on the fault disk (OnFaultDisk), on the host's own
//	            disk (OnHost), on a real file system over a logged disk (OnBlocks)
//
// Several machines of one world, or of one rig, are the nodes of a cluster
// (harness/splitbrain): each has a name, a place in the network and a configuration file
// of its own (Setup), and they are driven together.
//
// What a plan can strike on a machine is what its type implements of the interfaces
// of faults/plan. Another kind of disk is another type that embeds Process.
package machine

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/conduct"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// Node is the name of a machine that stands alone, in plans, histories and traces.
const Node = "n1"

// How long, on the machine's own clock, one waits for things that must happen.
const (
	StartLimit = 60 * time.Second // a start, loading included
	ChildLimit = 60 * time.Second // snapshot children that outlive their parent
	// quiet is how long after a crash replies that were under way still arrive.
	quiet = 50 * time.Millisecond
)

// Machine is a computer on which at most one life of a server goes on at a time. A
// life begins with Start; it ends when the server exits or is killed or the power is
// cut.
//
// Whoever drives the machine does so from the task that Drive runs, which holds the
// exclusion of Env; methods that block let others run meanwhile. What plan.System
// has strikes from elsewhere, without it.
type Machine interface {
	plan.System
	plan.Processes
	plan.Children
	plan.Commands
	// What conduct.World wants of the world in which plans strike the machine, but for
	// Strike; conducted by a Conductor.
	sync.Locker
	Now() time.Duration
	Outside(f func())
	Wake(next time.Duration)
	Conducted(by *conduct.Conductor)
	// KeepTime lets the instants of the plans come, until the life is over.
	KeepTime()

	// Reset makes it a fresh machine with an empty disk. Nobody drives it.
	Reset(s *Setup) error
	// Close ends what is left.
	Close() error

	// Drive runs f as the task that drives the machine, and ends what is left when f
	// has returned. f's error is returned as it is; any other is the world's own
	// failure, or ctx's.
	Drive(ctx context.Context, f func() error) error

	// Wanted reports whether the driving goes on; not after ctx has ended.
	Wanted(ctx context.Context) bool

	// Env is the environment of the task that drives. Clients is that of the
	// clients' tasks.
	Env() env.Env
	Clients() env.Env
	// Addr is where the server listens in this life.
	Addr() string

	// Configure gives the next life of the server a mode's directives, instead of those
	// of the setup.
	Configure(m *product.Mode) error
	// Start starts the server on what the disk holds and waits until it serves. A
	// *Refusal is the server's own word that it will not; any other error says
	// nothing about the server.
	Start(ctx context.Context) error
	// Took is how long the last start took until the server served.
	Took() time.Duration
	// Repair runs the server's own repair tool on what the disk holds, and reports
	// whether it says that all is in order now; false as well when there is no tool.
	Repair(ctx context.Context) (fixed bool, said string, err error)

	// Strike begins a strike of a plan: the end of a life that it brings about counts
	// from the call of end. ok is false when nothing may strike any more.
	Strike(t plan.Trigger) (end func(), ok bool)
	// Running reports whether the server runs.
	Running() bool
	// AwaitExit waits until the process of the server itself has ended, which somebody has
	// asked it to; its children may go on.
	AwaitExit()
	// AwaitDown waits until the life is over, at most until that instant of Env's
	// clock, and reports whether it is.
	AwaitDown(ctx context.Context, until time.Duration) bool
	// GiveUp ends a life that nobody has ended; over: somebody had.
	GiveUp() (over bool)
	// AwaitGone waits until no process of the last life is left, children included; where
	// time is virtual it looks that often.
	AwaitGone(every time.Duration) error
	// Down is how and when the last life ended.
	Down() (how history.EventKind, at time.Duration)
	// Settle waits for all that outlives a life: replies under way, clients, snapshot
	// children, output. Then the disk is at rest.
	Settle() error
	// AtRestNow calls f, which carries out what waited for the files to be at rest;
	// not in a world in which nothing has to wait.
	AtRestNow(f func())

	// Exit is how the last life ended that ended by itself.
	Exit() Exit
	// LastWords are the last lines that the server wrote; "" where nobody keeps them.
	LastWords() string
	// Resident is the server's memory in bytes, with its children's; 0: not known.
	Resident() int64
	// GiveWay runs f, which blocks or strikes, while others have the exclusion of Env.
	GiveWay(f func())
	// Exclusively runs f under the exclusion of Env, for what strikes from elsewhere.
	Exclusively(f func())
	// Mark puts a mark into the world's trace, and Trace is that trace's hash; 0 where
	// there is none.
	Mark(what string, n uint64)
	Trace() uint64
	// Slack is how much later than on a machine with nothing else to do the server's own
	// timers may fire (contract.Config.Slack); 0: the contracts' default.
	Slack() time.Duration
	// Waits are the stretches of the life that is over in which the server waited for a
	// processor; none where nothing has to.
	Waits() []history.Wait

	// Files gives what the disk holds. Nobody may be writing.
	Files(f func(fsys vfs.FS)) error
	// Calls are the calls to the disk since its last image, in order; seen is false
	// where nobody sees them.
	Calls() (log []disk.Record, seen bool)
	// Hash is that of what the disk holds, and Expected that of what it must hold: the
	// crash image and what plans did to it at rest. Both are 0 where the disk is
	// not ours.
	Hash() uint64
	Expected() uint64
	// Damaged is how many files plans have damaged at rest.
	Damaged() int
	// Cut is the last power cut.
	Cut() *PowerLoss
}

// PowerLoss is a power cut and what is known of it.
type PowerLoss struct {
	disk.Cut
	Asked disk.Choice // what was to survive
	// Unseen, when not nil, is all that is known where nobody sees the server's calls.
	Unseen *Unseen
}

// Unseen is what a power cut of a disk shows whose calls nobody sees.
type Unseen struct {
	InFlush  bool // the disk was in the middle of a flush
	NextIncr bool // product.Store.BetweenLogs of what is left
}

// Watch is what somebody wants to hear of a machine. Any part may be nil.
type Watch struct {
	// Call is asked about each call of the server to its disk as it enters; where only
	// requests of a disk are seen, about those. In real worlds it is called under
	// the disk's lock.
	Call func(c *disk.Call) disk.Decision
	// Down is told that a life is over, once for each, before anybody waiting for it
	// goes on, under Env's exclusion. late: replies that arrive later were sent before.
	Down func(how history.EventKind, at time.Duration, late bool)
	// Exits is told that a server that served has ended by itself, before Down is.
	Exits func()
	// Frozen is shown the disk as it was when the power was cut; midway says that no sync
	// in flight had done all its work. Under Env's exclusion.
	Frozen func(before *disk.Disk, at time.Duration, midway bool)
	// Evicted is told of each key that the server evicts, as it does; what it returns is
	// called when that is as durable as the server's replies. Only the engine tells; nil: no
	// server may evict.
	Evicted func(key string) (settled func())
	// Says is told what the server writes into its log, and when, or a time before that.
	Says func(at time.Duration, msg string)
}

// Setup is what a machine is made for.
type Setup struct {
	// Name and Listen are those of one machine among several: what it is called, and where
	// its server listens (HOST:PORT). "": it is called Node, and listens where it likes.
	Name, Listen string

	Mode *product.Mode // its directives are the server's
	// Conf, when not "", is what stands in the server's configuration file instead. The
	// file is on the machine's disk, and the server may rewrite it. Sentinel: it is
	// started as one.
	Conf     string
	Sentinel bool

	Personality string // of the disk; see disk.Personalities
	Profile     string // of latencies; see sim.ProfileNames
	Seed        uint64 // the experiment's, of which the machine's own are derived
	// SyncLatency is how long each sync of a real server takes on the fault disk; nil:
	// drawn as Profile has it. Under the disk's lock.
	SyncLatency func(*disk.Call) time.Duration

	// Planted faults: in the engine, in the disk, and in the harness, which starts
	// the server again on the disk as it was before the power cut.
	Bugs            bugs.Set
	DiskPlant       disk.Plant
	ReopenUncrashed bool

	Watch Watch
	Trace io.Writer  // of the simulated world; nil: none
	Tape  *disk.Tape // records the fault disk; nil: none
	// KeepBlocks keeps the log of a logged disk; see OnBlocks. Forget keeps none of the
	// fault disk, for measurements: then nothing has Calls, and the power cannot be cut.
	KeepBlocks, Forget bool
}

// file is the name of the server's configuration file.
func (s *Setup) file() string {
	if s.Sentinel {
		return "sentinel.conf"
	}
	return "redis.conf"
}

// name is what the machine is called.
func (s *Setup) name() string {
	if s.Name == "" {
		return Node
	}
	return s.Name
}

// Refusal is a server's own word that it does not start on what its disk holds.
type Refusal struct {
	Words string // the last that it said
	// ByDisk: the file system itself could not be mounted, so that there is nothing to
	// repair.
	ByDisk bool
	// Cause, when not nil, has the whole of its last lines.
	Cause error
}

func (r *Refusal) Error() string {
	if r.Cause != nil {
		return r.Cause.Error()
	}
	return "the server does not start: " + r.Words
}

func (r *Refusal) Unwrap() error { return r.Cause }

// Exit is how a server ended that nobody had struck.
type Exit struct {
	Words string // "killed by signal 6 (aborted)", or what it said
	// Outside: by a signal that a program does not give itself, or because one has asked it to
	// that torntail did not send, or for lack of memory; of the server it says nothing.
	Outside bool
	// Hidden: the exit is that of a script, and what ended the server behind it is not known.
	Hidden bool
}

// account is what every machine remembers of what became of it.
type account struct {
	exit     Exit
	took     time.Duration // by the last start
	last     lifeOf
	cut      PowerLoss
	expected uint64 // hash of what the disk must hold
	damaged  int    // files, by plans, at rest
	copy     backup // of its files, by a plan; nil: none
}

// lifeOf is how a life has ended; "" while it lasts.
type lifeOf struct {
	how history.EventKind
	at  time.Duration
}

// Took implements Machine, as do the next five.
func (a *account) Took() time.Duration { return a.took }

func (a *account) Down() (how history.EventKind, at time.Duration) { return a.last.how, a.last.at }
func (a *account) Cut() *PowerLoss                                 { return &a.cut }
func (a *account) Exit() Exit                                      { return a.exit }
func (a *account) Expected() uint64                                { return a.expected }
func (a *account) Damaged() int                                    { return a.damaged }

// damage damages a disk. The damaged image takes the place of the one that the crash
// left as what the server must be started on, unless that had been replaced already:
// then the audit is to find it.
func (a *account) damage(d *disk.Disk, f func(d *disk.Disk, node string) (files int, why string)) (why string) {
	untouched := d.Hash() == a.expected
	files, why := f(d, Node)
	a.damaged += files
	if untouched {
		a.expected = d.Hash()
	}
	return why
}

// changed is damage for what is done to the files as a whole.
func (a *account) changed(d *disk.Disk, do func(fsys vfs.FS) error) (why string) {
	return a.damage(d, func(d *disk.Disk, _ string) (files int, why string) {
		if err := do(d.FS(nil)); err != nil {
			return 1, err.Error()
		}
		return 1, ""
	})
}

// send sends a command of a plan, on a connection of its own, and says what came of it.
func send(e env.Env, addr string, s product.Store, words []string) (o history.Outcome, why string) {
	conn, err := workloads.Dial(e, addr)
	if err != nil {
		return history.Failed, err.Error()
	}
	defer conn.Close()
	conn.Deadline(product.ReplyLimit)
	err = s.Command(conn, words)
	var refusal *workloads.ServerError
	switch {
	case errors.As(err, &refusal):
		return history.Failed, "the server answered " + refusal.Text
	case err != nil:
		return history.Unknown, err.Error()
	}
	return history.OK, ""
}

// Why statements of a plan miss, or the end of a pause has nothing to do.
const (
	pausedIsGone = "the process that was paused is gone"
	down         = "the server was down already"
	notAtRest    = "the server runs, so its files are not at rest"
	noRestart    = `"restart" has no effect in an experiment with one server`
)
