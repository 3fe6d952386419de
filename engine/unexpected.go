package engine

// aborted is the exit status of a process that abort(3) has ended.
const aborted = 128 + 6

// unexpectedError is an error reply to nobody: to the master, whose command did something
// else there, or to the append-only file that is loaded. It is told, and with
// propagation-error-behavior the end of a server that would go on with other data than it
// is meant to have (redis 7.0.15 networking.c afterErrorReply).
func (s *Server) unexpectedError(c *Session, msg string) {
	from, to := "replica", "master"
	if c.loader {
		from, to = "server", "AOF-loading-client"
	}
	behind := " after processing the command '" + c.lastName() + "'"
	s.warn("== CRITICAL == This " + from + " is sending an error to its " + to + ": '-" + msg + "'" + behind)
	s.stats.unexpected++
	behavior := s.cfg.PropagationErrorBehavior
	if c.loader && behavior == "panic" || c.master && behavior != "ignore" && s.cfg.ReplicaReadOnly {
		s.warn("!!! Software Failure. Press left mouse button to continue")
		s.warn("Guru Meditation: This " + from + " panicked sending an error to its " + to + behind + " #networking.c:555")
		s.exiting, s.exitCode = true, aborted
	}
}
