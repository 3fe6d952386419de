package engine

import (
	"errors"
	"time"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/persist"
)

// ending is an orderly end of the server that was asked for and is not over yet.
type ending struct {
	signal string // the one that asked for it last; "": none has
	how    config.Shutdown
	// until is how long replicas that lag are waited for; 0: nobody is waited for.
	until time.Duration
	// clients have asked for it and are told if nothing comes of it.
	clients []*Session
}

// Terminate asks for an orderly end, as a signal does; name is SIGTERM or SIGINT.
// insist is true when a signal had asked before and the end is still to come: with
// SIGINT the process is to end at once (redis 7.0.15 server.c sigShutdownHandler).
func (s *Server) Terminate(name string) (insist bool) {
	insist = s.ending.signal != ""
	if insist && name == "SIGINT" {
		return true
	}
	if s.loading {
		s.warn("Received shutdown signal during loading, scheduling shutdown.")
	} else {
		s.warn("Received " + name + " scheduling shutdown...")
	}
	s.ending.signal = name
	s.wake.Signal()
	return insist
}

// mustEnd reports whether a signal has asked for the end and nothing was done
// about it yet.
func (s *Server) mustEnd() bool { return s.ending.signal != "" && s.ending.until == 0 }

// endIsDue reports whether cron, which sees to the signal, is not to be waited for.
func (s *Server) endIsDue() bool { return s.mustEnd() && !s.cronPaused }

// cmdShutdown ends the server without a reply, perhaps after a while, or goes on
// when the files cannot be finished (redis 7.0.15 db.c shutdownCommand).
func cmdShutdown(s *Server, c *Session, argv [][]byte) {
	var how config.Shutdown
	abort := false
	for _, a := range argv[1:] {
		switch {
		case same(a, "nosave"):
			how.Nosave = true
		case same(a, "save"):
			how.Save = true
		case same(a, "now"):
			how.Now = true
		case same(a, "force"):
			how.Force = true
		case same(a, "abort"):
			abort = true
		default:
			c.error(errSyntax)
			return
		}
	}
	if abort && how != (config.Shutdown{}) || how.Save && how.Nosave {
		c.error(errSyntax)
		return
	}
	if abort {
		if s.abortShutdown() {
			c.ok()
		} else {
			c.error("ERR No shutdown in progress.")
		}
		return
	}
	if r := s.scripting.run; r != nil && r.late && !how.Nosave {
		if r.Eval {
			c.error(errSlowEval)
		} else {
			c.error(errSlowScript)
		}
		return
	}
	s.prepareShutdown(how)
	switch {
	case s.exiting:
	case s.ending.until != 0:
		s.block(c, &blockedOn{shutdown: true})
		s.ending.clients = append(s.ending.clients, c)
	default:
		c.error(errShutdown)
	}
}

const errShutdown = "ERR Errors trying to SHUTDOWN. Check logs."

// prepareShutdown begins the end: at once, or when the replicas have what was
// written here (redis 7.0.15 server.c prepareForShutdown).
func (s *Server) prepareShutdown(how config.Shutdown) {
	e := &s.ending
	if e.until != 0 {
		return
	}
	if s.loading || s.sentinel != nil { // half of the data must not take the place of all
		how.Save, how.Nosave = false, true
	}
	e.how = how
	s.warn("User requested shutdown...")
	if !how.Now && s.cfg.ShutdownTimeout != 0 && !s.repl.AllAcked() {
		e.until = s.env.Now() + time.Duration(s.cfg.ShutdownTimeout)*time.Second
		if !s.pauses.on() {
			s.repl.AskAcks()
		}
		s.pauses.shutdown = true
		s.notice("Waiting for replicas before shutting down.")
		return
	}
	s.finishShutdown()
}

// shutdownCron begins the end that a signal has asked for, and goes on with one
// that waits (redis 7.0.15 server.c serverCron).
func (s *Server) shutdownCron() {
	switch e := &s.ending; {
	case s.mustEnd():
		how := s.cfg.ShutdownOnSigterm
		if e.signal == "SIGINT" {
			how = s.cfg.ShutdownOnSigint
		}
		s.prepareShutdown(how)
	case e.until != 0 && (s.env.Now() >= e.until || s.repl.AllAcked()):
		s.finishShutdown()
	}
}

// finishShutdown finishes the files, after which the server ends, unless that
// fails (redis 7.0.15 server.c finishShutdown).
func (s *Server) finishShutdown() {
	if s.sentinel != nil {
		s.warn("Sentinel is now ready to exit, bye bye...")
		s.exiting, s.exitCode = true, 0
		return
	}
	s.repl.LogLagging(s.env.Now())
	how := s.ending.how
	mode := persist.SaveDefault
	switch {
	case how.Save:
		mode = persist.SaveForce
	case how.Nosave:
		mode = persist.SaveNever
	}
	if err := s.mgr.Shutdown(mode, how.Force); err != nil {
		var fatal *persist.FatalError
		if errors.As(err, &fatal) { // it ends, but not in order
			s.warn(fatal.Msg)
			s.exiting, s.exitCode = true, 1
			return
		}
		s.warn("Errors trying to shut down the server. Check the logs for more information.")
		s.cancelShutdown()
		return
	}
	s.warn("Redis is now ready to exit, bye bye...")
	s.exiting, s.exitCode = true, 0
}

// cancelShutdown has the server go on, whoever asked for its end.
func (s *Server) cancelShutdown() {
	clients := s.ending.clients
	s.ending = ending{}
	for _, c := range clients {
		if c.blocked != nil && c.blocked.shutdown {
			s.answer(c, func() { c.error(errShutdown) })
		}
	}
	if s.pauses.shutdown {
		s.pauses.shutdown = false
		s.executeHeld()
	}
}

// abortShutdown is SHUTDOWN ABORT; it reports whether there was anything to abort.
func (s *Server) abortShutdown() bool {
	switch {
	case s.ending.until != 0:
		s.cancelShutdown()
	case s.ending.signal != "":
		s.ending.signal = ""
	default:
		return false
	}
	s.notice("Shutdown manually aborted.")
	return true
}
