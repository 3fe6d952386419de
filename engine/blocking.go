package engine

import (
	"time"

	"github.com/torntail/torntail/engine/config"
)

// blockedOn is why a session's batch does not go on: WAIT, a pause of writes, or
// keys that are not there yet. Replies to what came before it in the batch are sent all the same.
type blockedOn struct {
	paused   bool // the command is executed when the pause ends
	shutdown bool // it has asked for the end of the server
	offset   int64
	replicas int64
	wanted   *wanted       // nil: it does not wait for keys
	deadline time.Duration // 0: none
	took     time.Duration // by the command until then
}

// block stops a session at the current command.
func (s *Server) block(c *Session, b *blockedOn) {
	if len(c.out) > 0 {
		c.startStream() // what came before is answered now
	}
	c.blocked = b
	switch {
	case b.paused:
		s.held = append(s.held, c)
	case !b.shutdown:
		s.waiting = append(s.waiting, c)
	}
}

// unblock takes a session off the lists; its batch does not go on by that.
func (s *Server) unblock(c *Session) {
	if c.blocked == nil {
		return
	}
	if w := c.blocked.wanted; w != nil {
		defer s.stopWaiting(c, w)
	}
	c.blocked = nil
	s.held = without(s.held, c)
	s.waiting = without(s.waiting, c)
}

func without(list []*Session, c *Session) []*Session {
	for i, o := range list {
		if o == c {
			return append(list[:i], list[i+1:]...)
		}
	}
	return list
}

// goOn lets a batch continue behind the command that blocked it.
func (s *Server) goOn(c *Session) {
	s.unblock(c)
	c.next++
	if c.inTurn && c.next == len(c.ends) {
		return // its batch is complete, and answered when this turn ends
	}
	c.resumed = c.inTurn
	s.pending = append(s.pending, c)
	s.wake.Signal()
}

// cmdWait follows redis 7.0.15 replication.c waitCommand.
func cmdWait(s *Server, c *Session, argv [][]byte) {
	if s.repl.Up != nil {
		c.error("ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.")
		return
	}
	replicas, ok := c.intArg(argv[1])
	if !ok {
		return
	}
	timeout, ok := parseInt(argv[2])
	switch {
	case !ok:
		c.error("ERR timeout is not an integer or out of range")
		return
	case timeout < 0:
		c.error("ERR timeout is negative")
		return
	}
	n := int64(s.repl.AckedBy(c.offset))
	if n >= replicas || s.inExec {
		c.int(n)
		return
	}
	b := &blockedOn{offset: c.offset, replicas: replicas}
	if timeout > 0 {
		b.deadline = s.env.Now() + time.Duration(timeout)*time.Millisecond
	}
	s.block(c, b)
	s.repl.AskAcks()
}

// checkWaiting answers WAITs that are fulfilled or late (processClientsWaitingReplicas),
// and whoever has waited for keys long enough (handleBlockedClientsTimeout).
func (s *Server) checkWaiting() {
	for i := 0; i < len(s.waiting); {
		c := s.waiting[i]
		b := c.blocked
		late := b.deadline != 0 && s.env.Now() >= b.deadline
		if b.wanted != nil {
			if late {
				s.answer(c, b.wanted.timedOut)
			} else {
				i++
			}
			continue
		}
		n := int64(s.repl.AckedBy(b.offset))
		if n < b.replicas && !late {
			i++
			continue
		}
		s.answer(c, func() { c.int(n) })
	}
}

// answer replies to a blocked session and lets it go on.
func (s *Server) answer(c *Session, reply func()) { s.answerText(c, s.replyOf(c, reply)) }

// replyOf is what reply answers a session, taken aside. An error is one of the
// command that it waited with (redis 7.0.15 blocked.c updateStatsOnUnblock).
func (s *Server) replyOf(c *Session, reply func()) []byte {
	mark := len(c.out)
	errors := s.stats.errors
	reply()
	if s.stats.errors > errors {
		s.stats.of(c.lastCmd).failed++
	}
	text := append([]byte(nil), c.out[mark:]...)
	c.out = c.out[:mark]
	return text
}

func (s *Server) answerText(c *Session, text []byte) {
	switch {
	case c.replies != replyOn:
	case c.stream == nil:
		c.out = append(c.out, text...)
	default:
		s.pushTo(c, text)
	}
	s.goOn(c)
}

// blockedCommand is the command that a blocked session waits to be answered.
func (c *Session) blockedCommand() [][]byte {
	begin := 0
	if c.next > 0 {
		begin = c.ends[c.next-1]
	}
	return c.args[begin:c.ends[c.next]]
}

// unblockAll ends every WAIT, and waiting for keys, when the role changes (disconnectOrRedirectAllBlockedClients).
func (s *Server) unblockAll() {
	for len(s.waiting) > 0 {
		c := s.waiting[0]
		s.answer(c, func() {
			c.error("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)")
		})
	}
}

// softLimit is the state of an output limit that may be exceeded for a while.
type softLimit struct {
	exceeded bool
	since    time.Duration
}

// over reports whether so many waiting bytes are too many, or have been for too long.
func (l *softLimit) over(limit config.OutputLimit, waiting int64, now time.Duration) bool {
	if limit.Hard > 0 && waiting >= limit.Hard {
		return true
	}
	if limit.Soft == 0 || waiting < limit.Soft {
		l.exceeded = false
		return false
	}
	if !l.exceeded {
		l.exceeded, l.since = true, now
	}
	return now-l.since > time.Duration(limit.Seconds)*time.Second
}
