package engine

import "time"

// pauses are why clients have to wait, together.
type pauses struct {
	failover bool // writes, until it is over
	shutdown bool // writes, until the server ends or does not
	// until is when CLIENT PAUSE ends, of all commands or of writes alone; 0: there is none.
	until time.Duration
	all   bool
}

// on reports whether anybody has to wait; then nothing may change by itself either.
func (p *pauses) on() bool { return p.failover || p.shutdown || p.until != 0 }

// clientPause is CLIENT PAUSE. A second one makes it longer and stricter, never
// the contrary (redis 7.0.15 networking.c pauseClients).
func clientPause(s *Server, c *Session, argv [][]byte) {
	all := true
	switch {
	case len(argv) > 4:
		c.error("ERR unknown subcommand or wrong number of arguments for '" + string(argv[1]) + "'. Try CLIENT HELP.")
		return
	case len(argv) == 4 && same(argv[3], "write"):
		all = false
	case len(argv) == 4 && !same(argv[3], "all"):
		c.error("ERR CLIENT PAUSE mode must be WRITE or ALL")
		return
	}
	ms, ok := parseInt(argv[2])
	if !ok {
		c.error("ERR timeout is not an integer or out of range")
		return
	}
	d, ok := c.timeoutMs(ms)
	if !ok {
		return
	}
	if d > 0 {
		s.pauses.until = max(s.pauses.until, s.env.Now()+d)
		s.pauses.all = s.pauses.all || all
	}
	c.ok()
}

func clientUnpause(s *Server, c *Session, _ [][]byte) {
	s.endPause()
	c.ok()
}

// endPause ends what CLIENT PAUSE began.
func (s *Server) endPause() {
	s.pauses.until, s.pauses.all = 0, false
	s.executeHeld()
}

// resumeWrites ends a failover's pause: what was held back is executed now, in the
// role the server has by then.
func (s *Server) resumeWrites() {
	s.pauses.failover = false
	s.executeHeld()
}

// executeHeld has everybody who waited for the end of a pause tried again.
func (s *Server) executeHeld() {
	for len(s.held) > 0 {
		c := s.held[0]
		s.unblock(c)
		s.pending = append(s.pending, c)
	}
	s.wake.Signal()
}

// mustPause reports whether a command has to wait for the end of a pause. Those of the
// master have to as well: a replica in a pause stays behind.
func (s *Server) mustPause(c *Session, cmd *command, f flags) bool {
	switch {
	case !s.pauses.on(), c.isReplica():
		return false
	case s.pauses.all:
		return true
	}
	return f&(write|replicates) != 0 || cmd == execCmd && c.queues(write|replicates)
}

// mayReplicate are the commands that write nothing of their own, but may be sent to
// replicas (redis 7.0.15 CMD_MAY_REPLICATE, which COMMAND does not tell).
var mayReplicate = map[string]bool{"publish": true, "spublish": true, "pfcount": true, "eval": true, "evalsha": true, "fcall": true}
