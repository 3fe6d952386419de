package engine

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// What of a slow command is kept (redis 7.0.15 slowlog.h).
const (
	slowArgs = 32
	slowText = 128 // bytes of one argument
)

// slowEntry is a command that took its time.
type slowEntry struct {
	id     int64
	at     int64 // Unix seconds
	took   time.Duration
	argv   []string
	client string
	name   string
}

var slowlogCommands = []entry{
	{name: "slowlog|get", run: slowlogGet},
	{name: "slowlog|len", run: func(s *Server, c *Session, _ [][]byte) { c.int(int64(len(s.slow))) }},
	{name: "slowlog|reset", run: func(s *Server, c *Session, _ [][]byte) {
		s.slow = nil
		c.ok()
	}},
	{name: "slowlog|help", run: help("SLOWLOG",
		"GET [<count>]", "    Return top <count> entries from the slowlog (default: 10, -1 mean all).", "    Entries are made of:",
		"    id, timestamp, time in microseconds, arguments array, client IP and port,", "    client name",
		"LEN", "    Return the length of the slowlog.",
		"RESET", "    Reset the slowlog.")},
}

func slowlogGet(s *Server, c *Session, argv [][]byte) {
	count := int64(10)
	switch len(argv) {
	case 2:
	case 3:
		n, ok := parseInt(argv[2])
		if !ok || n < -1 {
			c.error("ERR count should be greater than or equal to -1")
			return
		}
		if count = n; n == -1 {
			count = math.MaxInt64
		}
	default:
		c.error("ERR unknown subcommand or wrong number of arguments for '" + string(argv[1]) + "'. Try SLOWLOG HELP.")
		return
	}
	count = min(count, int64(len(s.slow)))
	c.array(int(count))
	for i := range count {
		e := s.slow[int64(len(s.slow))-1-i] // the latest first
		c.array(6)
		c.int(e.id)
		c.int(e.at)
		c.int(e.took.Microseconds())
		c.array(len(e.argv))
		for _, a := range e.argv {
			c.bulkText(a)
		}
		c.bulkText(e.client)
		c.bulkText(e.name)
	}
}

// noteSlow keeps a command that took longer than the configuration wants to hear
// of (redis 7.0.15 slowlog.c slowlogPushEntryIfNeeded).
func (s *Server) noteSlow(c *Session, cmd *command, argv [][]byte, took time.Duration) {
	if s.cfg.SlowlogLogSlowerThan < 0 || took.Microseconds() < s.cfg.SlowlogLogSlowerThan || cmd.spec.Has("skip_slowlog") {
		return
	}
	e := slowEntry{id: s.slowID, at: s.env.Wall().Unix(), took: took, client: c.remote, name: string(c.name)}
	s.slowID++
	shown := disclosed(cmd, argv)
	for i, a := range shown {
		if len(shown) > slowArgs && i == slowArgs-1 {
			e.argv = append(e.argv, fmt.Sprintf("... (%d more arguments)", len(shown)-slowArgs+1))
			break
		}
		text := string(a)
		if len(a) > slowText {
			text = string(a[:slowText]) + "... (" + strconv.Itoa(len(a)-slowText) + " more bytes)"
		}
		e.argv = append(e.argv, text)
	}
	s.slow = append(s.slow, e)
	if most := s.cfg.SlowlogMaxLen; int64(len(s.slow)) > most {
		s.slow = append([]slowEntry(nil), s.slow[int64(len(s.slow))-most:]...)
	}
}

// noteUnblocked is for a command that has waited, once it is over.
func (s *Server) noteUnblocked(c *Session) {
	s.noteTime(s.stats.of(c.lastCmd), c.blocked.took)
	s.noteSlow(c, c.lastCmd, c.blockedCommand(), c.blocked.took)
}

// disclosed is a command as it may be shown to others: without passwords (redis
// 7.0.15 networking.c redactClientCommandArgument and its callers).
func disclosed(cmd *command, argv [][]byte) [][]byte {
	out := argv
	hide := func(i int) {
		if i >= len(argv) {
			return
		}
		if &out[0] == &argv[0] {
			out = append([][]byte(nil), argv...)
		}
		out[i] = []byte("(redacted)")
	}
	switch cmd.fullName {
	case "auth":
		if len(argv) <= 3 {
			hide(1)
			hide(2)
		}
	case "hello":
		for i := 2; i+2 < len(argv); i++ {
			if same(argv[i], "auth") {
				hide(i + 1)
				hide(i + 2)
				i += 2
			}
		}
	case "config|set":
		for i := 2; i+1 < len(argv); i += 2 {
			switch lower(argv[i]) {
			case "requirepass", "masterauth", "masteruser", "tls-key-file-pass", "tls-client-key-file-pass":
				hide(i + 1)
			}
		}
	case "acl|setuser":
		for i := 2; i < len(argv); i++ {
			hide(i)
		}
	case "migrate":
		for i := 6; i+1 < len(argv); i++ {
			switch {
			case same(argv[i], "keys"):
				return out
			case same(argv[i], "auth"):
				hide(i + 1)
				i++
			case same(argv[i], "auth2"):
				hide(i + 1)
				hide(i + 2)
				i += 2
			}
		}
	}
	return out
}
