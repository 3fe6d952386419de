package engine

import (
	"fmt"
)

// cmdMonitor follows redis 7.0.15 replication.c monitorCommand.
func cmdMonitor(s *Server, c *Session, _ [][]byte) {
	switch {
	case s.inExec:
		c.error("ERR MONITOR isn't allowed for DENY BLOCKING client")
	case c.isReplica(), c.monitor: // not a word
	default:
		c.startStream()
		c.monitor = true
		s.monitors = append(s.monitors, c)
		c.ok()
	}
}

func (s *Server) unmonitor(c *Session) {
	if c.monitor {
		c.monitor = false
		s.monitors = without(s.monitors, c)
	}
}

// feedMonitorsAtOnce shows a command that executes others before those.
func (s *Server) feedMonitorsAtOnce(c *Session, argv [][]byte) {
	if len(s.monitors) > 0 && !c.loader {
		s.showMonitors(c, argv)
	}
}

// feedMonitors shows a command that was executed to whoever asked for that (redis
// 7.0.15 replication.c replicationFeedMonitors).
func (s *Server) feedMonitors(c *Session, cmd *command, argv [][]byte) {
	if len(s.monitors) == 0 || c.loader || cmd.spec.Has("skip_monitor") || cmd.spec.Has("admin") {
		return
	}
	s.showMonitors(c, disclosed(cmd, argv))
}

func (s *Server) showMonitors(c *Session, argv [][]byte) {
	now := s.env.Wall().UnixMicro()
	from := c.remote
	if c.overUnix() {
		from = "unix:" + s.cfg.Unixsocket
	}
	line := fmt.Appendf(nil, "+%d.%06d [%d %s]", now/1e6, now%1e6, c.db, from)
	for _, a := range argv {
		line = appendQuoted(append(line, ' '), a)
	}
	line = append(line, '\r', '\n')
	for _, m := range s.monitors {
		s.pushTo(m, line)
	}
}

// appendQuoted appends an argument as people type it (redis 7.0.15 sds.c sdscatrepr).
func appendQuoted(b, arg []byte) []byte {
	b = append(b, '"')
	for _, ch := range arg {
		switch {
		case ch == '\\' || ch == '"':
			b = append(b, '\\', ch)
		case ch == '\n':
			b = append(b, `\n`...)
		case ch == '\r':
			b = append(b, `\r`...)
		case ch == '\t':
			b = append(b, `\t`...)
		case ch == '\a':
			b = append(b, `\a`...)
		case ch == '\b':
			b = append(b, `\b`...)
		case ch < ' ' || ch > '~':
			b = append(b, `\x`...)
			b = append(b, hexDigits[ch>>4], hexDigits[ch&15])
		default:
			b = append(b, ch)
		}
	}
	return append(b, '"')
}

const hexDigits = "0123456789abcdef"
