package engine

import (
	"strconv"

	"github.com/torntail/torntail/engine/config"
)

// What a server does for its clients while it loads its data.

const errLoading = "LOADING Redis is loading the dataset in memory"

// serveWhileLoading executes what clients have sent meanwhile: few commands are
// (redis 7.0.15 networking.c processEventsWhileBlocked, server.c whileBlockedCron).
// It reports whether the loading goes on.
func (s *Server) serveWhileLoading() bool {
	if !s.serveOthers() {
		return false
	}
	if s.mustEnd() {
		s.prepareShutdown(config.Shutdown{Nosave: true})
		if !s.exiting {
			s.warn("SIGTERM received but errors trying to shut down the server, check the logs for more information")
			s.ending.signal = ""
		}
	}
	s.nowMs = 0
	return !s.exiting
}

// serveOthers has the tasks that read connections have their turn, and executes what
// they hand over. What comes from the master waits: a refusal would break the stream
// (redis 7.0.15 networking.c processInputBuffer). It reports whether the server goes on.
func (s *Server) serveOthers() bool {
	for range 4 {
		if s.o.Yield != nil {
			s.o.Yield()
		}
		var turn, masters []*Session
		for _, c := range s.pending {
			if c.master {
				masters = append(masters, c)
			} else {
				turn = append(turn, c)
			}
		}
		if len(turn) == 0 {
			break
		}
		s.pending = masters
		for _, c := range turn {
			c.inTurn = true
		}
		for _, c := range turn {
			s.runBatch(c)
			if s.exiting {
				return false
			}
		}
		for _, c := range turn {
			c.release()
		}
		s.sendPushed()
	}
	return true
}

// receiving is what clients are told while a snapshot comes from the master that passes
// through no file (redis 7.0.15 replication.c readSyncBulkPayload).
type receiving uint8

const (
	receivingNothing receiving = iota
	receivingLoads             // LOADING
	receivingBeside            // what is there is served: it is of the same history (async_loading)
)

// loadingRefusal is "", or why a command is not executed now (redis 7.0.15 server.c
// processCommand, is_denyloading_command).
func (s *Server) loadingRefusal(c *Session, cmd *command) string {
	if s.receiving == receivingBeside && cmd.spec.Has("no_async_loading") {
		return errLoading
	}
	if !s.loading && s.receiving != receivingLoads {
		return ""
	}
	if cmd.flags&loadingToo == 0 {
		return errLoading
	}
	if cmd == execCmd {
		for _, q := range c.queue {
			if q.cmd.flags&loadingToo == 0 {
				return errLoading
			}
		}
	}
	return ""
}

// NotLoaded ends the sessions of a server whose Load has failed, and returns the
// exit status: it may have been asked to end.
func (s *Server) NotLoaded() int {
	if !s.exiting {
		s.exitCode = 1
	}
	return s.exit(s.exitCode)
}

// infoLoading is what INFO says of the loading.
func (s *Server) infoLoading(t *infoText) {
	started, total, loaded := s.mgr.Progress()
	t.number("loading_start_time", started)
	t.number("loading_total_bytes", total)
	t.number("loading_rdb_used_mem", 0)
	t.number("loading_loaded_bytes", loaded)
	perc, eta := 0.0, int64(1)
	if total > 0 {
		perc = float64(loaded) / float64(total) * 100
	}
	if elapsed := s.env.Wall().Unix() - started; elapsed > 0 {
		eta = elapsed * max(0, total-loaded) / (loaded + 1)
	}
	t.text("loading_loaded_perc", strconv.FormatFloat(perc, 'f', 2, 64))
	t.number("loading_eta_seconds", eta)
}
