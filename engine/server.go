// Package engine is the embedded Redis-compatible server: the default system
// under test. It speaks RESP and behaves, as far as its commands go, like
// redis-server 7.0.15: replies, error texts, what goes to disk and when.
//
// It runs in two worlds. All it knows of its surroundings are the seams env and
// vfs, so the same code runs in simulation, where its tasks are coroutines and a
// crash may strike at every seam call, and on real sockets (engine/listen).
//
// One task, Run, executes all commands. Connection tasks read, hand over what
// they read as a batch, and wait. A turn of Run takes every batch that waits,
// executes all of them, lets the persistence manager write and sync, and only
// then wakes the connection tasks to send their replies: group commit, with the
// guarantee of appendfsync always. On real sockets the main task reads the
// connections itself, where it waits: commands are executed in the order in which
// they arrive (Options.Wait).
package engine

import (
	"time"

	"github.com/torntail/torntail/engine/acl"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/front"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/persist"
	"github.com/torntail/torntail/engine/replication"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// RedisVersion is the version whose behaviour the engine follows and which it
// reports where clients look for one.
const RedisVersion = "7.0.15"

// Options is what a server is made of.
type Options struct {
	Env    env.Env
	FS     vfs.FS         // rooted at the working directory (directive dir)
	Config *config.Config // changed by CONFIG SET
	Log    func(level byte, msg string)
	Bugs   bugs.Set
	// ConfigFile is the absolute path of the configuration file, for INFO and
	// CONFIG REWRITE; "" when there is none. ConfigFS is rooted at its directory.
	ConfigFile string
	ConfigFS   vfs.FS
	// Chdir goes to another working directory, named as seen from the present one, and
	// returns its file system and its absolute path; nil: there is one only.
	Chdir func(dir string) (vfs.FS, string, error)
	// Reach returns the file system below a directory, by its absolute path, outside of FS:
	// where aclfile may be. Nil: nothing outside is reached.
	Reach func(dir string) (vfs.FS, error)
	// Rebind listens on the configuration's port and addresses instead of the former;
	// nil: they are what they were at the start.
	Rebind func() error
	// Pid is what INFO shows and temporary files are named after; 0 in
	// simulation, where there is no process.
	Pid int
	// Memory returns the bytes the process uses; nil estimates it from the data,
	// which is the same in every run.
	Memory func() int64
	// Usage is the CPU time that the process and its children have taken; nil: none is.
	Usage func() Usage
	// Spawn starts children that are processes of their own; nil: they are tasks.
	Spawn persist.Spawn
	// Bus are the addresses on which a node of a cluster listens to others.
	Bus []string
	// Wait is what the main task waits on, and another task signals when it has something for
	// it; nil: a condition of Env. A wait hands over what clients have sent (see Submit); one of
	// no time does so too, and comes between two turns when there is something to do.
	Wait env.Cond
	// Yield lets the tasks that read connections have their turn while the main
	// task loads data; nil: clients are not served before that has ended.
	Yield func()
	// Evicted is told of each key as it is evicted. What it returns, if that is not nil, is
	// called when the deletion is as durable as the configuration demands of replies.
	Evicted func(db int, key []byte) (settled func())
	// Keyspace to use, emptied before; nil makes a new one. It lets a
	// simulation of many short lives reuse memory.
	Keyspace *keyspace.Keyspace
}

// Usage is CPU time.
type Usage struct{ Sys, User, SysChildren, UserChildren time.Duration }

// Server is one incarnation of the server. All its methods are for tasks of
// its environment.
type Server struct {
	o    Options
	env  env.Env
	cfg  *config.Config
	ks   *keyspace.Keyspace
	mgr  *persist.Manager
	bugs bugs.Set

	wake     env.Cond   // Run waits here
	pending  []*Session // with a batch to execute, first come first served
	turn     []*Session // the batches of the current turn
	turnAt   int        // which of them is executed
	sessions []*Session // connected, by id
	nextID   int64
	names    map[string]*command // what clients call commands; nil: their own names
	users    *acl.Users
	denied   acl.Log
	loader   *Session // executes the commands of an append-only file

	// Of the current command.
	clock  uint32 // of accesses: Unix seconds, 24 bits
	minute uint32 // of accesses: Unix minutes, 16 bits
	// sharedAccess is when small numbers were last used, firstClock when the others were made.
	sharedAccess map[int64]uint32
	firstClock   uint32
	nowMs        int64 // wall clock in ms; 0: not looked at yet
	inExec       bool
	loading      bool
	receiving    receiving
	ops          []op // writes to propagate when the command or transaction ends
	opArgs       [][]byte
	trig         *trigonometry // tables; nil: nobody has asked for a distance

	repl     *replication.Machine
	link     *link // to the master; nil: none is wanted
	jobs     []*job
	waiting  []*Session // blocked by WAIT
	waiters  keyWaiters // blocked until keys are there
	held     []*Session // blocked by a pause
	pauses   pauses
	transfer *transfer // of the snapshot that goes to replicas as it is made

	sentinel  *watcher // makes the server a Sentinel; nil: it is none
	cluster   *member  // makes it a node of a cluster; nil: it is none
	watched   map[watchKey][]*Session
	pubsub    pubsub
	tracker   tracker
	pushed    []*Session // with something to send once the turn ends
	monitors  []*Session
	slow      []slowEntry // the latest last
	slowID    int64
	spikes    []*spikes
	expiring  expiring
	evicting  evicting
	cycles    expireCycles
	behind    []watchKey // of bugs.ExpiryLoggedBehind
	scripting scripting
	// queuedBytes is what commands in transactions take that are not executed yet.
	queuedBytes int64
	peak        int64 // of used memory
	noExpire    bool  // DEBUG SET-ACTIVE-EXPIRE 0
	cronPaused  bool  // DEBUG PAUSE-CRON 1
	unchecked   bool  // DEBUG SET-SKIP-CHECKSUM-VALIDATION 1
	nextCron    time.Duration
	started     time.Duration
	ending      ending
	attacked    int64         // when HTTP was last told of in the log, Unix seconds
	unwritten   time.Duration // when appliesUnwritten told of it last
	exiting     bool
	exitCode    int

	stats   stats
	rates   rates
	sampled time.Duration // when they were last taken
	runID   string
}

// stats are the counters of INFO and of CONFIG RESETSTAT.
type stats struct {
	connections int64
	rejected    int64
	commands    int64
	expired     int64
	evicted     int64
	// evictedClients were disconnected for what they took.
	evictedClients int64
	hits           int64
	misses         int64
	errors         int64
	unexpected     int64 // of errors, those that no client was sent
	// errorsBefore is how many there were when failedSince was last called.
	errorsBefore int64
	byCommand    []*commandStats  // by command.id; nil: nothing is counted yet
	byCode       map[string]int64 // of errors
	input        int64            // bytes
	output       int64            // bytes
	// Of these, those of replication.
	replicationInput, replicationOutput int64
	reads, writes                       int64 // calls
}

// New makes a server that has not touched its disk yet.
func New(o Options) *Server {
	s := &Server{o: o, env: o.Env, cfg: o.Config, ks: o.Keyspace, bugs: o.Bugs, nextID: 1}
	if s.ks == nil {
		s.ks = keyspace.New()
	} else {
		s.ks.Reset()
	}
	s.ks.SetLimits(&s.cfg.Limits)
	s.watchKeyspace()
	if s.o.Log == nil {
		s.o.Log = func(byte, string) {}
	}
	if s.wake = o.Wait; s.wake == nil {
		s.wake = s.env.NewCond()
	}
	s.started = s.env.Now()
	s.tickClock()
	s.firstClock = s.clock
	s.nameCommands()
	s.users = acl.New()
	s.users.Default.SetPassword(s.cfg.Requirepass)
	s.loader = &Session{s: s, loader: true, authed: true, resp: 2}
	s.repl = replication.New(replication.Options{Config: s.cfg, Bugs: o.Bugs, Log: s.o.Log, Random: s.env.Uint64})
	var progress func() bool
	if o.Yield != nil {
		progress = s.serveWhileLoading
	}
	s.mgr = persist.New(persist.Options{
		Env:      s.env,
		FS:       o.FS,
		Config:   s.cfg,
		Keyspace: s.ks,
		Log:      s.o.Log,
		Bugs:     o.Bugs,
		Known:    func(name []byte) bool { return s.findCommand(name) != nil },
		Apply:    s.apply,
		Stopped:  func() bool { return s.exiting },
		Pid:      o.Pid,
		Spawn:    o.Spawn,

		Place:         s.place,
		Replica:       func() bool { return s.repl.Up != nil },
		Progress:      progress,
		LeftOut:       func(db int, key []byte) { s.repl.Feed(db, [][]byte{deletion(s.cfg.LazyfreeLazyExpire), key}) },
		SnapshotEnded: s.snapshotEnded,
		UsedMemory:    s.usedMemory,
		Hint:          s.hint,
		Access:        s.accessOf,

		Functions:      s.functionCodes,
		LoadFunction:   s.loadFunction,
		FlushFunctions: s.flushFunctions,
	})
	return s
}

// Load reads the data from disk, as redis-server does before it accepts
// connections; a Sentinel has no data but its configuration. An error means that
// the server does not start: a *persist.LoadError, of a Sentinel a *config.ParseError.
func (s *Server) Load() error {
	if s.cfg.SentinelMode {
		return s.startSentinel()
	}
	if err := s.loadUsers(); err != nil {
		return err
	}
	if s.cfg.ClusterEnabled {
		if err := s.startCluster(); err != nil {
			return err
		}
	}
	s.followConfigured()
	if !s.cfg.AppendOnly {
		s.repl.BeginLoad(s.env.Now())
	}
	s.loading = true
	err := s.mgr.Load()
	s.loading = false
	if err == nil {
		s.restorePlace()
		err = s.checkClusterData()
	}
	return err
}

// Keyspace is the data. Only for reading, and only while Run is not executing.
func (s *Server) Keyspace() *keyspace.Keyspace { return s.ks }

// Run is the main loop. It returns the exit status when the server has shut
// down or cannot go on; sessions that wait for an answer then end without one.
func (s *Server) Run() int {
	s.nextCron = s.env.Now() + s.period()
	for {
		if len(s.pending) == 0 && len(s.jobs) == 0 && !s.endIsDue() && !s.evicting.unfinished {
			if d := s.nextCron - s.env.Now(); d > 0 {
				s.wake.WaitFor(d)
			}
		} else if s.o.Wait != nil {
			s.wake.WaitFor(0)
		}
		cronDue := s.endIsDue() || s.env.Now() >= s.nextCron
		if s.o.Wait != nil {
			s.runJobs() // before the turn: a job that loads data serves those who are pending
		}
		s.turn, s.pending = s.pending, s.turn[:0]
		writers := 0
		s.runJobs()
		if s.exiting {
			return s.exit(s.exitCode)
		}
		if s.evicting.unfinished {
			s.evicting.unfinished = false
			s.evict()
		}
		for _, c := range s.turn {
			c.inTurn = true
		}
		for s.turnAt = 0; s.turnAt < len(s.turn); s.turnAt++ { // a script may shorten it
			if s.runBatch(s.turn[s.turnAt]) {
				writers++
			}
			if s.exiting {
				return s.exit(s.exitCode)
			}
		}
		if cronDue {
			s.nextCron = s.env.Now() + s.period()
			if err := s.cron(); err != nil {
				return s.fatal(err)
			}
			if s.exiting {
				return s.exit(s.exitCode)
			}
		}
		if s.cluster != nil {
			s.cluster.beforeSleep()
			if s.exiting {
				return s.exit(s.exitCode)
			}
		}
		if s.cycles.timedOut && !s.noExpire && s.repl.Up == nil && !s.pauses.on() {
			s.activeExpire(true)
		}
		s.checkWaiting()
		s.broadcastInvalid()
		if err := s.mgr.BeforeSleep(writers); err != nil {
			return s.fatal(err)
		}
		s.settleEvicted()
		s.feedOut()
		for _, c := range s.turn {
			c.release()
		}
		s.sendPushed()
		s.evictClients(nil)
		if len(s.turn) == 0 {
			continue
		}
		if err := s.mgr.AfterReplies(); err != nil {
			return s.fatal(err)
		}
	}
}

// Close ends the background threads of a server whose Run has returned and
// whose process goes on.
func (s *Server) Close() { s.mgr.Close() }

// period is the time between two calls of cron.
func (s *Server) period() time.Duration {
	if s.sentinel != nil {
		return s.sentinel.period
	}
	return time.Second / time.Duration(config.BoundHz(s.cfg.Hz))
}

// fatal ends the server the way an unrecoverable write error does: status 1,
// nobody is answered.
func (s *Server) fatal(err error) int {
	s.o.Log(persist.Warning, err.Error())
	return s.exit(1)
}

// exit makes every session end. Nobody gets a reply any more: what a batch of
// this turn would have been told is unknown to its client.
func (s *Server) exit(code int) int {
	s.exiting = true
	for _, c := range s.sessions {
		c.kill()
	}
	s.endLink()
	if s.sentinel != nil {
		s.sentinel.endAll()
	}
	if s.cluster != nil {
		s.cluster.endAll()
	}
	for _, j := range s.jobs {
		j.finish()
	}
	return code
}

// cron does what is due hz times a second (redis 7.0.15 server.c serverCron).
func (s *Server) cron() error {
	if s.cronPaused {
		return nil
	}
	s.shutdownCron()
	if s.exiting {
		return nil
	}
	if s.sentinel != nil {
		s.sentinel.tick()
		return nil
	}
	s.tickClock()
	if s.tracker.clients > 0 {
		s.limitTracked()
	}
	s.sampleRates()
	s.sampleClients()
	s.closeIdle()
	if s.pauses.until != 0 && s.env.Now() >= s.pauses.until {
		s.endPause()
	}
	switch {
	case s.noExpire:
	case s.repl.Up != nil:
		s.expireOwn()
	case !s.pauses.on():
		s.activeExpire(false)
	}
	if err := s.mgr.Cron(); err != nil {
		return err
	}
	s.replicationCron()
	if s.cluster != nil {
		s.cluster.cron()
	}
	return nil
}

// now is the time at which the current command or transaction executes, Unix
// ms. It does not move in between (redis 7.0.15 server.c fixed_time_expire).
func (s *Server) now() int64 {
	if s.nowMs == 0 {
		s.nowMs = s.env.Wall().UnixMilli()
	}
	return s.nowMs
}

// Limits are the bounds of one command for the current configuration.
func (s *Server) Limits() front.Limits {
	l := front.RedisLimits
	l.Bulk = s.cfg.ProtoMaxBulkLen
	l.Buffer = s.cfg.ClientQueryBufferLimit
	return l
}
