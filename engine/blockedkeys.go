package engine

import (
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
)

// Clients that wait for keys: BLPOP and its kin (redis 7.0.15 blocked.c).

// wanted is what a session waits for.
type wanted struct {
	kind keyspace.Kind
	keys []watchKey
	// timedOut answers when nothing came.
	timedOut func()
	// serve tries to answer from a key, which holds o, and reports whether it did.
	serve func(key []byte, o *keyspace.Object) bool
	// lost answers when a stream that was waited for is no longer one; nil: it
	// is waited for all the same.
	lost func(key []byte)
}

// keyWaiters are the sessions that wait for keys, in the order in which they
// began to, and the keys that may have become what they wait for.
type keyWaiters struct {
	byKey map[watchKey][]*Session
	ready []watchKey
}

// blockOnKeys stops a session at the current command until serve can answer it
// from one of keys. timeout is 0 for none. Where a command may not block it is
// answered as if it had timed out. A session is served in its turn, after the
// command or transaction that made a key ready; what serve propagates is logged
// behind that.
func (s *Server) blockOnKeys(c *Session, kind keyspace.Kind, keys [][]byte, timeout time.Duration, timedOut func(), serve func(key []byte, o *keyspace.Object) bool) {
	s.blockOn(c, timeout, &wanted{kind: kind, timedOut: timedOut, serve: serve}, keys)
}

func (s *Server) blockOn(c *Session, timeout time.Duration, w *wanted, keys [][]byte) {
	if s.mayNotBlock(c) {
		w.timedOut()
		return
	}
	if s.waiters.byKey == nil {
		s.waiters.byKey = make(map[watchKey][]*Session)
	}
	for _, key := range keys {
		k := watchKey{c.db, string(key)}
		if slices.Contains(w.keys, k) {
			continue
		}
		w.keys = append(w.keys, k)
		s.waiters.byKey[k] = append(s.waiters.byKey[k], c)
	}
	b := &blockedOn{wanted: w}
	if timeout > 0 {
		b.deadline = s.env.Now() + timeout
	}
	s.block(c, b)
	s.watchKeyspace()
	if c.onBlock != nil {
		c.onBlock()
	}
}

// mayNotBlock reports whether a command is executed where it may not wait.
func (s *Server) mayNotBlock(c *Session) bool { return s.inExec || c.loader || c.master || c.script }

// OnBlock has f called whenever the session begins to wait for keys, so that
// its transport learns when the client goes away meanwhile: it calls Gone then.
func (c *Session) OnBlock(f func()) { c.onBlock = f }

// Gone says that the client has closed its connection.
func (c *Session) Gone() { c.kill() }

// stopWaiting takes a session off the lists of the keys it waits for.
func (s *Server) stopWaiting(c *Session, w *wanted) {
	for _, k := range w.keys {
		list := without(s.waiters.byKey[k], c)
		if len(list) == 0 {
			delete(s.waiters.byKey, k)
		} else {
			s.waiters.byKey[k] = list
		}
	}
	s.watchKeyspace()
}

// watchKeyspace has the keyspace tell what is added to it only while somebody
// waits for keys or listens to new ones.
func (s *Server) watchKeyspace() {
	if len(s.waiters.byKey) == 0 && s.cfg.NotifyEvents&config.NewEvents == 0 {
		s.ks.Watch(nil)
		return
	}
	s.ks.Watch(s.keyEvent)
}

// keyEvent is called by the keyspace, see Keyspace.Watch (redis 7.0.15 db.c
// dbAdd, dbSetValue, dbGenericDelete).
func (s *Server) keyEvent(db int, key []byte, kind keyspace.Kind, added bool) {
	if s.loading {
		return
	}
	s.signalKind(db, key, kind)
	if added {
		s.notify(config.NewEvents, "new", db, key)
	}
}

// signalReady says that clients which wait for a key may be served: it is new,
// or a stream that has grown.
func (s *Server) signalReady(db int, key []byte) {
	if o := s.ks.DB(db).Get(key); o != nil {
		s.signalKind(db, key, o.Kind)
	}
}

// signalKind follows redis 7.0.15 blocked.c signalKeyAsReady.
func (s *Server) signalKind(db int, key []byte, kind keyspace.Kind) {
	if kind != keyspace.List && kind != keyspace.ZSet && kind != keyspace.Stream || len(s.waiters.byKey) == 0 {
		return
	}
	k := watchKey{db, string(key)}
	list := s.waiters.byKey[k]
	if !slices.ContainsFunc(list, func(c *Session) bool { return c.blocked.wanted.kind == kind }) || slices.Contains(s.waiters.ready, k) {
		return
	}
	s.waiters.ready = append(s.waiters.ready, k)
}

// signalDatabase signals every key of a database that somebody waits for: before
// all of it goes, for streams that are no longer there, and after all of it came.
func (s *Server) signalDatabase(db int) {
	if len(s.waiters.byKey) == 0 {
		return
	}
	for _, c := range s.waiting { // not the map's order
		if c.blocked.wanted == nil {
			continue
		}
		for _, k := range c.blocked.wanted.keys {
			if k.db == db {
				s.signalReady(db, []byte(k.key))
			}
		}
	}
}

// serveReady serves the clients that wait for keys which have become ready,
// until serving them makes no other key ready (redis 7.0.15 blocked.c
// handleClientsBlockedOnKeys).
func (s *Server) serveReady() {
	for len(s.waiters.ready) > 0 {
		k := s.waiters.ready[0]
		s.waiters.ready = s.waiters.ready[1:]
		s.serveKey(k)
	}
	s.waiters.ready = nil
}

func (s *Server) serveKey(k watchKey) {
	key := []byte(k.key)
	s.nowMs = 0 // the command may have taken its time
	current := s.tracker.current
	defer func() { s.tracker.current = current }()
	for _, c := range slices.Clone(s.waiters.byKey[k]) {
		s.tracker.current = c // it is told what it did behind its reply
		w := c.blocked.wanted
		// Looked up for each: the one before may have emptied it, or it expires.
		o := s.find(c, key)
		s.propagatePending(c)
		if o != nil {
			s.used(o)
		}
		if o == nil || o.Kind != w.kind {
			if w.lost != nil {
				s.noteUnblocked(c)
				s.answer(c, func() { w.lost(key) })
			}
			continue
		}
		served := false
		acting := s.tracker.acting
		s.tracker.acting = c
		s.tracker.depth++
		reply := s.replyOf(c, func() { served = w.serve(key, o) })
		s.tracker.depth--
		s.tracker.acting = acting
		if served {
			s.noteUnblocked(c)
			s.answerText(c, reply)
		}
		s.propagatePending(c)
		if len(s.tracker.pending) > 0 {
			s.tellPending()
		}
	}
}

// timeoutArg reads a time in seconds; 0 is none (redis 7.0.15 timeout.c
// getTimeoutFromObjectOrReply).
func (c *Session) timeoutArg(b []byte) (time.Duration, bool) {
	v, ok := parseLongDouble(b)
	if !ok {
		c.error("ERR timeout is not a float or out of range")
		return 0, false
	}
	ms := int64(math.MinInt64) // what x86-64 makes of a number beyond all integers
	if v.Mul(&v.Float, big.NewFloat(1000)); v.MantExp(nil) < 64 && !v.IsInf() {
		var accuracy big.Accuracy
		if ms, accuracy = v.Int64(); accuracy == big.Below {
			ms++
		}
	}
	return c.timeoutMs(ms)
}

// timeoutMs checks a time in milliseconds. One that Redis would wait for longer
// than a century is none.
func (c *Session) timeoutMs(ms int64) (time.Duration, bool) {
	if ms < 0 {
		c.error("ERR timeout is negative")
		return 0, false
	}
	if ms > int64(100*365*24*time.Hour/time.Millisecond) {
		return 0, true
	}
	return time.Duration(ms) * time.Millisecond, true
}

// clientUnblock is CLIENT UNBLOCK.
func clientUnblock(s *Server, c *Session, argv [][]byte) {
	byError := false
	if len(argv) == 4 {
		switch {
		case same(argv[3], "timeout"):
		case same(argv[3], "error"):
			byError = true
		default:
			c.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
			return
		}
	} else if len(argv) > 4 {
		c.error("ERR unknown subcommand or wrong number of arguments for 'unblock'. Try CLIENT HELP.")
		return
	}
	id, ok := c.intArg(argv[2])
	if !ok {
		return
	}
	o := s.sessionByID(id)
	if o == nil || o.blocked == nil || o.blocked.paused {
		c.int(0)
		return
	}
	s.noteUnblocked(o)
	s.answer(o, func() {
		switch {
		case byError:
			o.error("UNBLOCKED client unblocked via CLIENT UNBLOCK")
		default:
			s.timedOut(o)
			s.stats.of(o.lastCmd).failed++ // updateStatsOnUnblock is told so in either case
		}
	})
	c.int(1)
}

// timedOut answers a session whose time to wait is over.
func (s *Server) timedOut(c *Session) {
	if c.blocked.wanted != nil {
		c.blocked.wanted.timedOut()
		return
	}
	c.int(int64(s.repl.AckedBy(c.blocked.offset)))
}
