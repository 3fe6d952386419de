// Package history is the record of one experiment: what clients asked and were
// told, which faults struck, what the disk was told to keep, and what was found
// after each restart. Everything else reads it or writes it: workloads record
// operations, the harness adds faults and observed states, checkers judge it.
//
// All times are durations since the world began, on one monotonic clock shared
// by clients, servers, disk and harness.
package history

import (
	"iter"
	"slices"
	"strings"
	"time"
)

// Never is the return time of an operation that got no reply.
const Never = time.Duration(1<<63 - 1)

// NoOffset is the replication offset of a reply that does not tell one.
const NoOffset = -1

// Outcome is what a client knows of its operation.
type Outcome uint8

const (
	// Unknown: no reply, or one that does not say whether it took effect.
	Unknown Outcome = iota
	// OK: a reply that says that it took effect. The operation is acknowledged.
	OK
	// Failed: surely not executed (refused, or never sent).
	Failed
)

// Op is one operation of one client.
type Op struct {
	ID      int // place in History.Ops
	Client  int // number of the client (a client has one operation at a time unless it pipelines)
	Kind    Kind
	Key     string
	Value   string // written, appended, added, or read
	Absent  bool   // the read (or the value replaced) found no key
	Invoke  time.Duration
	Return  time.Duration // Never when there was no reply
	Outcome Outcome

	// The rest is rarely set; it hangs off a pointer to keep Op small.
	More *More
}

// More holds what only some operations have.
type More struct {
	Result      string        // reply that is not the value itself
	Expect      string        // CAS
	Values      []string      // ReadList
	Parts       []Op          // Txn: its reads and writes, in order; their times and outcome are the transaction's
	Deadline    time.Duration // when the key expires, on the world's clock; 0: never
	Replaced    string        // SET ... GET: the value replaced
	HasReplaced bool
	Node        string // node that replied
	Offset      int64  // its replication offset at the reply; NoOffset when it is not known
	Field       string // of a hash, or of a stream's entry
	Score       string // SortedAdd, SortedIncr
	Head        bool   // Append and Push: at the head (LPUSH); Pop and ListMove: from the head (LPOP); SortedPop: the lowest
	Err         string // the error reply or connection error; of a part of a transaction that took effect, that part's error reply

	Index    int64  // SetRange, SetBit, GetBit: the offset; ListRemove and GroupRead: the count
	To       string // ListMove: the list that gets the element
	ToHead   bool   // ListMove: at its head
	Entry    string // of a stream: an entry's ID
	Group    string // of a stream
	Consumer string // GroupRead
	// ExpectAbsent: CAS from nothing (SET NX). ToAbsent: CAS to nothing (a
	// conditional DEL), or a Write of nothing.
	ExpectAbsent, ToAbsent bool
	// Evicted: of Delete, nobody asked for it; the server made room. It returned when it
	// was as durable as what clients were told by then.
	Evicted bool
}

// Acked reports whether the client was told that the operation took effect.
func (o *Op) Acked() bool { return o.Outcome == OK }

// Evicts reports whether it is the server's own deletion.
func (o *Op) Evicts() bool { return o.More != nil && o.More.Evicted }

// Idle reports whether the reply says that the operation has changed nothing, because what it was
// to take away, to add or to compare was not as it wanted: such a command is no change by any count
// of the server's, and it is not logged (redis 7.0.15: server.dirty is left as it is).
func (o *Op) Idle() bool {
	if o.Outcome != OK {
		return false
	}
	switch o.Kind {
	case Delete, SetAdd, SetRemove, HashRemove, SortedRemove, ListRemove, StreamRemove, GroupAck, Expire, Persist, CAS:
		return o.More != nil && o.More.Result == "0"
	case Pop, ListMove, SortedPop, GetDelete:
		return o.Absent
	}
	return false
}

// Writes reports whether the operation may change state.
func (o *Op) Writes() bool {
	if o.Kind == Txn && o.More != nil {
		// A transaction of reads only is a read.
		for i := range o.More.Parts {
			if o.More.Parts[i].Writes() {
				return true
			}
		}
		return len(o.More.Parts) == 0
	}
	return int(o.Kind) >= len(kindRows) || !kindRows[o.Kind].reads
}

// Each is what an operation consists of: the parts of a transaction, or itself.
func (o *Op) Each() iter.Seq[*Op] {
	return func(yield func(*Op) bool) {
		if o.Kind != Txn || o.More == nil {
			yield(o)
			return
		}
		for i := range o.More.Parts {
			if !yield(&o.More.Parts[i]) {
				return
			}
		}
	}
}

// EventKind names what happened to a node.
type EventKind string

const (
	ProcessKill  EventKind = "kill"      // SIGKILL: memory gone, page cache survives
	PowerCut     EventKind = "power-cut" // memory and page cache gone
	Terminated   EventKind = "term"      // SIGTERM or SHUTDOWN
	Exited       EventKind = "exit"      // the process ended by itself
	Restarted    EventKind = "restart"   // started again
	Ready        EventKind = "ready"     // serves clients again
	Refused      EventKind = "refused"   // would not start on what the crash left
	Repaired     EventKind = "repaired"  // the product's own tool was needed before it started
	FaultStruck  EventKind = "fault"     // another fault of the plan struck (Text is the statement)
	ConfigChange EventKind = "config"    // Text is "directive value"

	Promoted EventKind = "promoted" // a replica became master; Offset is its second_repl_offset, Text its master_replid2 and master_replid, as they were then
	Began    EventKind = "began"    // Text is the name of a master's history: of the first when clients began, of one that returned once a replica shares it
	RoleSeen EventKind = "role"     // a poll of ROLE; Text is "master", "slave", or "down" when nobody answered it
	Returned EventKind = "returned" // a master that was started again is back as one; its offsets begin anew, Text is its master_replid
	Resumed  EventKind = "resumed"  // a server that had been promoted follows Node, its predecessor, who has been a master all along: the failover was called off
	Lacks    EventKind = "lacks"    // of one that was promoted or returned: Text names the keys of acknowledged writes that it does not hold, blanks between
	CutOff   EventKind = "cut"      // Node was cut off from others; Text says which
	Healed   EventKind = "heal"     // all cuts are gone
	DownSeen EventKind = "odown"    // the Sentinels agreed that Node is down
)

// Event is something that happened to a node.
type Event struct {
	At   time.Duration
	Kind EventKind
	Node string
	Text string
	// Offset is a replication offset: of Promoted, the first that the new master's
	// history does not share with its predecessor's; of Restarted, the one at which the
	// server was in its life before; 0 where that is not known.
	Offset int64
}

// KV is one key of an observed state.
type KV struct {
	Key   string
	Value string        // strings
	List  []string      // lists, head first; the elements of other types in the order of their reads; nil for strings
	Type  string        // "set", "hash", "zset", "stream" (Kind.Type); empty for strings and lists
	TTL   time.Duration // time left at the dump; 0 means no expiry
	// Deadline is when it expires, on the world's clock, as the server says; 0: that
	// was not read, or it does not.
	Deadline time.Duration
	// Groups are a stream's consumer groups by name, when GroupsRead says that
	// they were read.
	Groups     []Group
	GroupsRead bool
}

// Group is a consumer group of a stream.
type Group struct {
	Name    string
	Last    string   // ID of the entry delivered last
	Pending []string // ID and consumer in turn, in order of ID
}

// State is a full read of a node after a restart (or after convergence).
type State struct {
	At    time.Duration // when the read ended; no client wrote while it went on
	Began time.Duration // when the read began
	Node  string
	Epoch int // number of restarts before it; 0 is the first life
	// Converged: read after the faults had healed and replication had caught up,
	// not at the start of an epoch.
	Converged bool
	Keys      []KV // sorted by Key
	// Beside is what the keys of the client beside the workload hold, as one word; "": there
	// was none.
	Beside string
}

// DiskWrite is one write(2) to the log file that replies depend on.
type DiskWrite struct {
	Enter, Return time.Duration // Return is Never when a crash struck inside
	Bytes         int64
}

// DiskSync is one fsync or fdatasync of that file.
type DiskSync struct {
	Enter, Return time.Duration // Return is Never when a crash struck inside
	Covers        time.Duration // Return of the last write(2) that had returned when the sync entered; -1 when none
	Failed        bool
	// Left: of a file that the server had gone on from by then, whose result it need not hear.
	Left bool
}

// Snapshot is one completed (or started) snapshot.
type Snapshot struct {
	// Fork: everything acknowledged before it is in the snapshot. When the exact
	// instant is not known (real servers) it is a lower bound.
	Fork time.Duration
	// Durable is when the snapshot had replaced its predecessor durably: the
	// return of the sync that made the rename durable. Never when it was not.
	Durable time.Duration
	// Began is when writing began, Renamed when it took its name; Never if not.
	Began, Renamed time.Duration
	// Failed: the sync that was to make the rename durable failed.
	Failed bool
	// For is who asked for it, where that is known: a replica, or a command. "": the server's
	// own save points, as far as is known.
	For string
}

// Epoch is one life of a server: from the state it started with to the crash that ended it.
type Epoch struct {
	Began time.Duration // ready to serve
	Ended time.Duration // crash instant; Never when the history ends before
	How   EventKind     // what ended it
	// DiskSeen: the disk's log was at hand. Without it empty lists below mean that
	// nobody looked; with it, that nothing was written or synced.
	DiskSeen bool
	// What its disk was told, in order of Enter.
	LogWrites []DiskWrite
	LogSyncs  []DiskSync
	Snapshots []Snapshot
	// Blocked are the syncs of other files (manifest, directory, snapshot) that
	// took long: the main thread may have sat in one, in order of From.
	Blocked []Interval
	// ChildRunning are the intervals during which a rewrite or snapshot child ran.
	ChildRunning []Interval
	// Waits are the stretches in which the server, or those on whom it depends, were seen
	// to wait for a processor, in order of From. None: nobody waited, or nobody looked.
	Waits []Wait
}

// Wait is a stretch of time in which By of it was spent waiting for a processor, or in the kernel
// for memory of the waiting process itself. Where several waited one after the other for the
// same thing, By may be longer than the stretch.
type Wait struct {
	From, To time.Duration
	By       time.Duration
}

// Interval is a half-open stretch of time.
type Interval struct{ From, To time.Duration }

// Beside is what a client beside the workload's sent at once: one of the steps that it
// repeats (see workloads). No checker of operations judges it.
type Beside struct {
	At, Answered time.Duration // Answered is Never when no reply came
	Step         int           // its number in all lives of the server; the first is 0
	Text         string        // its commands
	Refused      bool          // the server took one of them not, for now
}

// refusing are the first words with which a server answers that takes no writes for now:
// redis 7.0.15 server.c processCommand (deny-write conditions of disk, replicas and memory)
// and multi.c, where a transaction is discarded for one of them.
var refusing = []string{"MISCONF ", "NOREPLICAS ", "OOM ", "EXECABORT "}

// RefusesForNow reports whether an error reply is that of a server that takes no writes for now.
func RefusesForNow(reply string) bool {
	return slices.ContainsFunc(refusing, func(word string) bool { return strings.HasPrefix(reply, word) })
}

// History is one experiment.
type History struct {
	Ops    []Op // in order of Invoke
	Events []Event
	Epochs []Epoch
	States []State  // one after each restart, in order: States[i] was found at the start of epoch i+1
	Beside []Beside // in order of At; none: there was no such client
}

// During reports whether an instant is in life n, or between the one before and it.
func (h *History) During(n int, at time.Duration) bool {
	if len(h.Epochs) == 0 {
		return true
	}
	return (n == 0 || at > h.Epochs[n-1].Ended) && at <= h.Epochs[n].Ended
}
