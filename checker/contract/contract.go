// Package contract says what must survive which fault under which
// configuration. It is a table of data: the built-in one states what Redis
// promises (and what its source does beyond its documentation), and a user can
// state a stricter or looser one for his own server in a file.
package contract

import (
	"time"
)

// Level is the condition that the recovered state must meet.
type Level string

const (
	// Durable is durable linearizability (Izraelevitz, Mendes, Scott, DISC 2016):
	// every acknowledged operation survives, pending ones may.
	Durable Level = "durable"
	// Buffered is buffered durable linearizability: the state after some prefix
	// survives, and the prefix holds at least what Contract.Keeps names.
	Buffered Level = "buffered"
	// Empty: nothing is promised to survive, and nothing does; but see KeepsSync.
	Empty Level = "empty"
)

// Keeps is the part of the acknowledged operations that a Buffered contract
// promises in every prefix: clause (b).
type Keeps string

const (
	// KeepsNothing: any prefix will do.
	KeepsNothing Keeps = "nothing"
	// KeepsSynced: everything acknowledged before the last write(2) that a returned sync covers.
	KeepsSynced Keeps = "synced"
	// KeepsWritten: everything whose write(2) was made. Only writes postponed
	// behind a sync in flight may be missing: the page cache survives.
	KeepsWritten Keeps = "written"
	// KeepsSnapshot: everything acknowledged before the fork of the last snapshot that is in place.
	KeepsSnapshot Keeps = "snapshot"
	// KeepsSync is of an Empty contract: what comes back, if anything does, is the snapshot
	// that was made last for a replica's full synchronisation, or by a command, and all of it.
	// It stays on the disk, and a start loads what is there (redis 7.0.15 replication.c
	// startBgsaveForReplication and readSyncBulkPayload, server.c loadDataFromDisk) unless
	// rdb-del-sync-files is set.
	KeepsSync Keeps = "sync"
	// KeepsAll: everything acknowledged.
	KeepsAll Keeps = "all"
)

// AfterFailedSync is what a server does once a sync of its log has failed. One that ends
// always does right: nothing is acknowledged any more.
type AfterFailedSync string

const (
	GoesOn AfterFailedSync = "goes-on" // or "": no promise
	// Refuses: no write is acknowledged until another sync has succeeded (redis 7.0.15
	// server.c writeCommandsDeniedByDiskError).
	Refuses AfterFailedSync = "refuses"
	// Stops: nothing that was asked later is acknowledged (7.0.15 aof.c
	// flushAppendOnlyFile exits under always).
	Stops AfterFailedSync = "stops"
)

// Crash is a kind of crash, by the name it has on the command line.
type Crash string

const (
	Kill        Crash = "kill"
	KillInSync  Crash = "kill-in-fsync"
	Power       Crash = "power"
	PowerInSync Crash = "power-in-fsync"
	Term        Crash = "term"
	// OwnEnd is no kind of crash: the server has ended by itself. It takes what a kill does.
	OwnEnd Crash = "exit"
)

// LosesPageCache reports whether what was only written, and not synced, may be gone.
func (c Crash) LosesPageCache() bool { return c == Power || c == PowerInSync }

// InSync reports whether the crash must strike while a sync has entered and not returned.
func (c Crash) InSync() bool { return c == PowerInSync || c == KillInSync }

// Crashes lists the kinds of crash in the order of reports.
func Crashes() []Crash { return []Crash{Kill, Power, PowerInSync, KillInSync, Term} }

// Bound is one figure for how far back a loss may reach.
type Bound struct {
	Name  string // "documented", "source", "modelled"
	Value time.Duration
	// From is where the figure comes from.
	From string
}

// SavePoint is one `save SECONDS CHANGES`.
type SavePoint struct {
	After   time.Duration
	Changes int
}

// Contract is what one configuration promises for one kind of crash.
type Contract struct {
	Mode  string
	Crash Crash
	Level Level
	Keeps Keeps
	// SyncWithin is clause (c): a sync must start within it of the first write(2)
	// that none covers, unless one is in flight or failing. 0: no such promise.
	SyncWithin time.Duration
	// SyncSlack is what scheduling may add to SyncWithin, DurableWithin and PostponeUpTo.
	SyncSlack time.Duration
	// SyncedFirst: a reply waits for the sync of its write, but for what children delay.
	SyncedFirst bool
	// Logged: replies depend on an append-only file, so that an acknowledged write has
	// been written to it.
	Logged bool
	// PostponeUpTo bounds how long an acknowledged write may wait for its
	// write(2) behind a sync in flight. 0: not at all.
	PostponeUpTo time.Duration
	// SavePoints are clause (c) of snapshots: a snapshot must begin once one of
	// them is due. Empty: no such promise.
	SavePoints []SavePoint
	// AfterFailedSync is what the server must do once a sync of the log has failed.
	AfterFailedSync AfterFailedSync
	// DurableWithin is how soon the sync of its directory must begin after a snapshot has
	// got its name. 0: no such promise.
	DurableWithin time.Duration
	// ChildrenMayDelaySync: while a snapshot or rewrite child runs nothing is
	// synced (no-appendfsync-on-rewrite yes), and what was acknowledged meanwhile may be lost.
	ChildrenMayDelaySync bool
	// AllFrom, when not 0, is the instant from which on all that was sent and then
	// acknowledged is promised, whatever Keeps says of what came before.
	AllFrom time.Duration
	// Bounds are the figures to show beside the measured loss window. They do not
	// by themselves make a verdict; the first is the documented one.
	Bounds []Bound
	// MaxWindow and MaxLost make a verdict: a certain loss beyond them is a
	// violation. Negative: no limit.
	MaxWindow time.Duration
	MaxLost   int
	// MaxRefused and MaxRefusedFor bound the writes that the server answers it does not take
	// for now, and for how long at a stretch it takes none. nil: no limit.
	MaxRefused    *int
	MaxRefusedFor *time.Duration
	// AllowRepair: needing the product's own repair tool before the start is allowed.
	AllowRepair bool
	// AllowRefusal: not starting at all is allowed.
	AllowRefusal bool
}

// Documented is the documented bound of the loss window, and whether there is one.
func (c *Contract) Documented() (time.Duration, bool) {
	for _, b := range c.Bounds {
		if b.Name == "documented" {
			return b.Value, true
		}
	}
	return 0, false
}

// Slack is the default of Contract.SyncSlack. redis 7.0.15 starts the sync from
// flushAppendOnlyFile, called from beforeSleep on each turn of the event loop
// and from serverCron every 1000/hz ms (100 ms by default). It compares whole
// seconds of a cached clock that serverCron refreshes, so that "once a second"
// is up to 2 s (inside SyncWithin already). What is left for the slack is one
// period of serverCron when the loop is idle (100 ms), one for the clock's
// refresh (100 ms), the turn of the loop that is under way, and the start of the
// background thread. Half a second covers them with a margin of more than two.
const Slack = 500 * time.Millisecond

// Timer is the period of redis's serverCron by default (hz 10).
const Timer = 100 * time.Millisecond

// Config is what a contract depends on beside the mode's name. The zero Config
// takes the values that Redis 7.0.15 and Linux have by default.
type Config struct {
	SavePoints []SavePoint
	// WriteBackExpire and WriteBackInterval are the kernel's (or the disk
	// model's) dirty_expire and dirty_writeback: 30 s and 5 s by default.
	WriteBackExpire, WriteBackInterval time.Duration
	// Modelled: the write-back is a parameter of a model, not of a kernel.
	Modelled bool
	// NoSyncOnRewrite is no-appendfsync-on-rewrite yes.
	NoSyncOnRewrite bool
	// Writes is how many a second the clients make; 0: not known. Save points that
	// so few do not reach in their time bound nothing.
	Writes float64
	// WriteBackKnown: the disk is known to write back by then, size and data.
	WriteBackKnown bool
	// Slack replaces the default slack, for machines with more to do than cores.
	Slack time.Duration
	// Timer is how often the server looks at what is due, when it is more seldom than by
	// default (redis 7.0.15: 1/hz).
	Timer time.Duration
}

func (c Config) withDefaults() Config {
	if c.SavePoints == nil {
		c.SavePoints = []SavePoint{{3600 * time.Second, 1}, {300 * time.Second, 100}, {60 * time.Second, 10000}}
	}
	if c.WriteBackExpire == 0 {
		c.WriteBackExpire = 30 * time.Second
	}
	if c.WriteBackInterval == 0 {
		c.WriteBackInterval = 5 * time.Second
	}
	if c.Slack == 0 {
		c.Slack = Slack
	}
	c.Timer = max(c.Timer, Timer)
	return c
}
