package engine

var transactionCommands = []entry{
	{name: "multi", run: cmdMulti, flags: control},
	{name: "exec", run: cmdExec, flags: control},
	{name: "discard", run: cmdDiscard, flags: control | leavesMulti},
	{name: "watch", run: cmdWatch, flags: control},
	{name: "unwatch", run: cmdUnwatch},
}

// queued is a command of a transaction, with arguments of its own.
type queued struct {
	cmd   *command
	argv  [][]byte
	flags flags // see flagsOf
}

// watchKey is a key of a database.
type watchKey struct {
	db  int
	key string
}

// watch is a key a session watches. expired: it was past its time already when
// WATCH was called, so that its deletion is no change.
type watch struct {
	watchKey
	expired bool
}

// enqueue copies a command into the transaction: the request's buffer is
// reused before EXEC. The memory is that of the session's last transaction, all of
// which has been logged by now.
func (c *Session) enqueue(cmd *command, argv [][]byte, f flags) {
	if len(c.queue) == 0 {
		clear(c.queuedArgs)
		c.queuedArgs, c.queuedMem = c.queuedArgs[:0], c.queuedMem[:0]
		if cap(c.queuedMem) > queuedKept {
			c.queuedArgs, c.queuedMem = nil, nil
		}
	}
	n, first := 0, len(c.queuedArgs)
	for _, a := range argv {
		from := len(c.queuedMem)
		c.queuedMem = append(c.queuedMem, a...)
		c.queuedArgs = append(c.queuedArgs, c.queuedMem[from:len(c.queuedMem):len(c.queuedMem)])
		n += len(a)
	}
	c.queue = append(c.queue, queued{cmd, c.queuedArgs[first:len(c.queuedArgs):len(c.queuedArgs)], f})
	c.batch = max(c.batch-int64(n), 0) // it is the transaction's now
	c.s.queuedBytes += int64(n + queuedOverhead)
}

// queuedKept is how many bytes of arguments a session keeps the memory of.
const queuedKept = 64 << 10

// queuedOverhead is about what a queued command takes beside its arguments, bytes.
const queuedOverhead = 128

// queues reports whether the transaction contains a command with one of those flags.
func (c *Session) queues(f flags) bool {
	for _, q := range c.queue {
		if q.flags&f != 0 {
			return true
		}
	}
	return false
}

// forgetQueued takes what the transaction takes off the account of memory.
func (s *Server) forgetQueued(c *Session) {
	for _, q := range c.queue {
		n := queuedOverhead
		for _, a := range q.argv {
			n += len(a)
		}
		s.queuedBytes -= int64(n)
	}
}

// queuesWithout reports whether the transaction contains a command that lacks a flag.
func (c *Session) queuesWithout(f flags) bool {
	for _, q := range c.queue {
		if q.flags&f == 0 {
			return true
		}
	}
	return false
}

func cmdMulti(s *Server, c *Session, _ [][]byte) {
	if c.multi {
		c.error("ERR MULTI calls can not be nested")
		return
	}
	c.multi = true
	c.ok()
}

func cmdDiscard(s *Server, c *Session, _ [][]byte) {
	if !c.multi {
		c.error("ERR DISCARD without MULTI")
		return
	}
	s.discard(c)
	c.ok()
}

func (s *Server) discard(c *Session) {
	c.multi, c.dirtyCAS, c.dirtyExec = false, false, false
	s.forgetQueued(c)
	clear(c.queue)
	c.queue = c.queue[:0]
	s.unwatchAll(c)
}

// cmdExec follows redis 7.0.15 multi.c execCommand. What the commands write is
// logged together by propagatePending once this returns.
func cmdExec(s *Server, c *Session, _ [][]byte) {
	if !c.multi {
		c.error("ERR EXEC without MULTI")
		return
	}
	for _, w := range c.watching {
		if !w.expired && s.isExpired(w.db, []byte(w.key)) {
			c.dirtyCAS = true
		}
	}
	if c.dirtyExec {
		s.discard(c)
		c.error("EXECABORT Transaction discarded because of previous errors.")
		return
	}
	if c.dirtyCAS {
		s.discard(c)
		c.nullArray()
		return
	}
	s.unwatchAll(c)
	c.multi = false
	s.inExec = true
	c.array(len(c.queue))
	for _, q := range c.queue {
		c.lastCmd = q.cmd
		if refusal := s.queuedRefusal(c, &q); refusal != "" {
			c.error(refusal)
			continue
		}
		s.call(c, q.cmd, q.argv)
	}
	s.inExec = false
	// The arguments stay until propagatePending has logged them; only the
	// session's list of them is reused.
	s.discard(c)
	c.lastCmd = execCmd
}

func cmdWatch(s *Server, c *Session, argv [][]byte) {
	if c.multi {
		c.error("ERR WATCH inside MULTI is not allowed")
		return
	}
	if !c.dirtyCAS { // else EXEC fails anyway
		for _, key := range argv[1:] {
			s.watch(c, key)
		}
	}
	c.ok()
}

func (s *Server) watch(c *Session, key []byte) {
	k := watchKey{c.db, string(key)}
	for _, w := range c.watching {
		if w.watchKey == k {
			return
		}
	}
	if s.watched == nil {
		s.watched = make(map[watchKey][]*Session)
	}
	s.watched[k] = append(s.watched[k], c)
	c.watching = append(c.watching, watch{k, s.isExpired(c.db, key)})
}

func cmdUnwatch(s *Server, c *Session, _ [][]byte) {
	s.unwatchAll(c)
	c.dirtyCAS = false
	c.ok()
}

func (s *Server) unwatchAll(c *Session) {
	for _, w := range c.watching {
		list := s.watched[w.watchKey]
		for i, o := range list {
			if o == c {
				list = append(list[:i], list[i+1:]...)
				break
			}
		}
		if len(list) == 0 {
			delete(s.watched, w.watchKey)
		} else {
			s.watched[w.watchKey] = list
		}
	}
	c.watching = c.watching[:0]
}

// touch tells the sessions that watch a key that it changes. It is called
// while the key's old state can still be told from a deletion of what had
// expired before (redis 7.0.15 multi.c touchWatchedKey).
func (s *Server) touch(db int, key []byte) {
	if s.tracker.clients > 0 {
		s.invalidate(key, s.tracker.acting, true)
	}
	if len(s.watched) == 0 {
		return
	}
	k := watchKey{db, string(key)}
	for _, c := range append([]*Session(nil), s.watched[k]...) {
		s.touchOne(c, k, s.isExpired(db, key))
	}
}

// touchAsNobody is touch for a key that expires or is evicted, whosoever command meets it.
func (s *Server) touchAsNobody(db int, key []byte) {
	acting := s.tracker.acting
	s.tracker.acting = nil
	s.touch(db, key)
	s.tracker.acting = acting
}

// touchOne marks one session's transaction as failed, unless all that happens
// is that a key which had expired when it was watched goes away.
func (s *Server) touchOne(c *Session, k watchKey, goesAway bool) {
	for i := range c.watching {
		w := &c.watching[i]
		if w.watchKey != k {
			continue
		}
		if w.expired && goesAway {
			w.expired = false
			return
		}
	}
	c.dirtyCAS = true
	s.unwatchAll(c)
}

// touchAll tells the sessions that watch existing keys of a database that all
// of it goes away (redis 7.0.15 multi.c touchAllWatchedKeysInDb).
func (s *Server) touchAll(db int) {
	if len(s.watched) == 0 {
		return
	}
	for _, c := range s.sessions {
		for _, w := range c.watching {
			if w.db == db && s.ks.DB(db).Get([]byte(w.key)) != nil {
				s.touchOne(c, w.watchKey, s.isExpired(db, []byte(w.key)))
			}
			if c.dirtyCAS {
				break // and c.watching is empty now
			}
		}
	}
}
