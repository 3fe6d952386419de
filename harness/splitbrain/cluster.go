package splitbrain

import (
	"sync"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
)

// Master is the name under which the Sentinels watch the master.
const Master = "mymaster"

// Admin is the name of the node on which the experiment is conducted. No fault of
// the network strikes its connections.
const Admin = "admin"

// Watched is a Cluster the calls of whose disks are seen.
type Watched interface {
	// WatchCalls has f asked about each call of a node to its disk as it enters.
	WatchCalls(f func(node string, c *disk.Call) disk.Decision)
	// WatchPower has f shown the files of each node whose power is cut, as they were at that
	// instant.
	WatchPower(f func(node string, before vfs.FS))
	// Locker is held while a plan is told something: a call is told on a goroutine of the
	// disk's. In simulation it does nothing.
	sync.Locker
	// Wake runs f, which wakes who keeps the plan's time, where a call may do that; elsewhere
	// that one looks often.
	Wake(f func())
	// Striking begins a strike, for which a call waits when inCall is set.
	Striking(inCall bool) (end func())
	// Heal ends what faults of disks have left in place.
	Heal()
	// Denied is how many calls of a node have met a full disk, or one that is read-only.
	Denied(node string) uint64
}

// Cluster is the world of one experiment: servers and Sentinels that have been
// started and need not be ready yet. Its methods are called from tasks of Admin's
// environment, under its exclusion; they may give way.
type Cluster interface {
	// A plan strikes its processes, restarts them, and what else it implements of what
	// plan.System names, but for links and commands, which are the experiment's.
	plan.System
	plan.Processes
	plan.Restarts
	// Network sets the links between servers, Sentinels and clients.
	plan.Network

	// Env is the environment of a client, or of Admin. All of them belong to one
	// exclusion: of the tasks of all at most one runs at a time.
	Env(node string) env.Env
	// Addr is where clients, servers and Sentinels reach a server or Sentinel: what
	// it announces. Faults of the network strike here.
	Addr(node string) string
	// AdminAddr is where Admin reaches it, whatever is cut.
	AdminAddr(node string) string
	// NodeAt is the node that announces an address, "" when none does: the
	// inverse of Addr.
	NodeAt(addr string) string

	// Acknowledged is how many replicas may have acknowledged a master's stream up to an
	// offset by now, counted where they say so and not where the master counts; known is
	// false when that cannot be told.
	Acknowledged(master string, offset int64) (replicas int, known bool)

	// EndedItself is what a server or Sentinel said that does not run though nobody has
	// ended it, or that refused to start again; "" for every other.
	EndedItself(node string) (words string)

	// Files gives the data directory of a server, to be read when the experiment is over.
	Files(server string, f func(fsys vfs.FS)) error
}
