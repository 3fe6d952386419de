package engine

import (
	"slices"
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/acl"
)

// connectionCommands are those about the connection itself.
var connectionCommands = []entry{
	{name: "ping", run: cmdPing, flags: sentinels | ping | pubsubOK},
	{name: "echo", run: cmdEcho},
	{name: "auth", run: cmdAuth, flags: sentinels},
	{name: "hello", run: cmdHello, flags: sentinels},
	{name: "quit", run: cmdQuit, flags: sentinels | control | leavesMulti | pubsubOK},
	{name: "reset", run: cmdReset, flags: control | leavesMulti | pubsubOK},
	{name: "client", flags: sentinels},
}

func cmdPing(_ *Server, c *Session, argv [][]byte) {
	if c.restricted() && len(argv) <= 2 {
		// As a message, which a RESP2 subscriber's client expects.
		c.array(2)
		c.bulkText("pong")
		if len(argv) == 2 {
			c.bulk(argv[1])
		} else {
			c.bulkText("")
		}
		return
	}
	switch len(argv) {
	case 1:
		c.status("PONG")
	case 2:
		c.bulk(argv[1])
	default:
		c.error("ERR wrong number of arguments for 'ping' command")
	}
}

func cmdEcho(_ *Server, c *Session, argv [][]byte) { c.bulk(argv[1]) }

func cmdQuit(_ *Server, c *Session, _ [][]byte) {
	c.ok()
	c.closing = true
}

func cmdReset(s *Server, c *Session, _ [][]byte) {
	s.discard(c)
	s.unsubscribeAll(c)
	s.unmonitor(c)
	s.untrack(c)
	c.db, c.resp, c.name, c.noEvict = 0, 2, nil, false
	c.asking, c.readOnly = false, false
	c.replies = replyOn
	c.logout()
	c.status("RESET")
}

const errWrongPass = "WRONGPASS invalid username-password pair or user is disabled."

func cmdAuth(s *Server, c *Session, argv [][]byte) {
	switch {
	case len(argv) > 3:
		c.error(errSyntax)
	case len(argv) == 2 && s.users.Default.NoPass():
		c.error("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
	case len(argv) == 2 && s.login(c, argv[0], "default", argv[1]),
		len(argv) == 3 && s.login(c, argv[0], string(argv[1]), argv[2]):
		c.ok()
	default:
		c.error(errWrongPass)
	}
}

// login makes a session a user's, if the password is. command is what ACL LOG names
// otherwise.
func (s *Server) login(c *Session, command []byte, name string, password []byte) bool {
	u := s.users.Find(name)
	if u == nil || !u.Passes(password) {
		s.noteDenied(c, acl.DeniedAuth, c.context(), string(command), name)
		return false
	}
	c.user, c.authed = u, true
	return true
}

// logout makes the session that of somebody who has not said who he is.
func (c *Session) logout() {
	c.user = c.s.users.Default
	c.authed = c.user.Open()
}

// cmdHello follows redis 7.0.15 networking.c helloCommand.
func cmdHello(s *Server, c *Session, argv [][]byte) {
	version := int64(0)
	if len(argv) > 1 {
		n, ok := parseInt(argv[1])
		if !ok {
			c.error("ERR Protocol version is not an integer or out of range")
			return
		}
		if n != 2 && n != 3 {
			c.error("NOPROTO unsupported protocol version")
			return
		}
		version = n
	}
	var name []byte
	named := false
	for i := 2; i < len(argv); i++ {
		switch {
		case same(argv[i], "auth") && i+2 < len(argv):
			if !s.login(c, argv[0], string(argv[i+1]), argv[i+2]) {
				c.error(errWrongPass)
				return
			}
			i += 2
		case same(argv[i], "setname") && i+1 < len(argv):
			if !c.validName(argv[i+1]) {
				return
			}
			name, named = argv[i+1], true
			i++
		default:
			c.error("ERR Syntax error in HELLO option '" + string(argv[i]) + "'")
			return
		}
	}
	if !c.authed {
		c.error("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
		return
	}
	if named {
		c.name = append([]byte(nil), name...)
	}
	if version != 0 {
		c.resp = int(version)
	}
	if s.sentinel != nil {
		c.mapOf(6) // a Sentinel has no role
	} else {
		c.mapOf(7)
	}
	c.bulkText("server")
	c.bulkText("redis")
	c.bulkText("version")
	c.bulkText(RedisVersion)
	c.bulkText("proto")
	c.int(int64(c.resp))
	c.bulkText("id")
	c.int(c.id)
	c.bulkText("mode")
	c.bulkText(s.mode())
	if s.sentinel == nil {
		c.bulkText("role")
		c.bulkText("master")
	}
	c.bulkText("modules")
	c.array(0)
}

// validName answers a client name that would break CLIENT LIST's format.
func (c *Session) validName(name []byte) bool {
	for _, b := range name {
		if b < '!' || b > '~' {
			c.error("ERR Client names cannot contain spaces, newlines or special characters.")
			return false
		}
	}
	return true
}

var clientCommands = []entry{
	{name: "client|id", run: func(_ *Server, c *Session, _ [][]byte) { c.int(c.id) }},
	{name: "client|getname", run: func(_ *Server, c *Session, _ [][]byte) {
		if len(c.name) == 0 {
			c.null()
			return
		}
		c.bulk(c.name)
	}},
	{name: "client|setname", run: func(_ *Server, c *Session, argv [][]byte) {
		if c.validName(argv[2]) {
			c.name = append([]byte(nil), argv[2]...)
			c.ok()
		}
	}},
	{name: "client|list", run: clientList},
	{name: "client|info", run: func(s *Server, c *Session, _ [][]byte) {
		var b strings.Builder
		s.describe(&b, c)
		c.verbatim(b.String())
	}},
	{name: "client|no-evict", run: func(_ *Server, c *Session, argv [][]byte) {
		switch {
		case same(argv[2], "on"):
			c.noEvict = true
			c.ok()
		case same(argv[2], "off"):
			c.noEvict = false
			c.ok()
		default:
			c.error(errSyntax)
		}
	}},
	{name: "client|reply", run: func(_ *Server, c *Session, argv [][]byte) {
		switch {
		case same(argv[2], "on"):
			c.replies = replyOn
			c.ok()
		case same(argv[2], "off"):
			c.replies = replyOff
		case same(argv[2], "skip"):
			if c.replies == replyOn {
				c.replies = replySkipNext
			}
		default:
			c.error(errSyntax)
		}
	}},
	{name: "client|kill", run: clientKill},
	{name: "client|unblock", run: clientUnblock},
	{name: "client|pause", run: clientPause},
	{name: "client|unpause", run: clientUnpause},
	{name: "client|tracking", run: clientTracking},
	{name: "client|trackinginfo", run: clientTrackingInfo},
	{name: "client|getredir", run: func(_ *Server, c *Session, _ [][]byte) { c.int(c.redirection()) }},
	{name: "client|caching", run: clientCaching},
	{name: "client|help", run: help("CLIENT",
		"CACHING (YES|NO)", "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
		"GETREDIR", "    Return the client ID we are redirecting to when tracking is enabled.",
		"GETNAME", "    Return the name of the current connection.",
		"ID", "    Return the ID of the current connection.",
		"INFO", "    Return information about the current client connection.",
		"KILL <ip:port>", "    Kill connection made from <ip:port>.",
		"KILL <option> <value> [<option> <value> [...]]", "    Kill connections. Options are:", "    * ADDR (<ip:port>|<unixsocket>:0)", "      Kill connections made from the specified address", "    * LADDR (<ip:port>|<unixsocket>:0)", "      Kill connections made to specified local address", "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)", "      Kill connections by type.", "    * USER <username>", "      Kill connections authenticated by <username>.", "    * SKIPME (YES|NO)", "      Skip killing current connection (default: yes).",
		"LIST [options ...]", "    Return information about client connections. Options:", "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)", "      Return clients of specified type.",
		"UNPAUSE", "    Stop the current client pause, resuming traffic.",
		"PAUSE <timeout> [WRITE|ALL]", "    Suspend all, or just write, clients for <timeout> milliseconds.",
		"REPLY (ON|OFF|SKIP)", "    Control the replies sent to the current connection.",
		"SETNAME <name>", "    Assign the name <name> to the current connection.",
		"UNBLOCK <clientid> [TIMEOUT|ERROR]", "    Unblock the specified blocked client.",
		"TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]", "         [OPTIN] [OPTOUT] [NOLOOP]", "    Control server assisted client side caching.",
		"TRACKINGINFO", "    Report tracking status for the current connection.",
		"NO-EVICT (ON|OFF)", "    Protect current client connection from eviction.")},
}

func clientList(s *Server, c *Session, argv [][]byte) {
	list := s.clients()
	switch {
	case len(argv) == 2:
	case len(argv) == 4 && same(argv[2], "type"):
		kind, ok := classByName(lower(argv[3]))
		if !ok {
			c.error("ERR Unknown client type '" + string(argv[3]) + "'")
			return
		}
		list = slices.DeleteFunc(list, func(o *Session) bool { return o.class() != kind })
	case len(argv) > 3 && same(argv[2], "id"):
		list = nil
		for _, a := range argv[3:] {
			id, ok := parseInt(a)
			if !ok || id < 1 {
				c.error("ERR Invalid client ID")
				return
			}
			if o := s.sessionByID(id); o != nil {
				list = append(list, o)
			}
		}
	default:
		c.error(errSyntax)
		return
	}
	var b strings.Builder
	for _, o := range list {
		s.describe(&b, o)
	}
	c.verbatim(b.String())
}

func (s *Server) sessionByID(id int64) *Session {
	for _, o := range s.sessions {
		if o.id == id {
			return o
		}
	}
	return nil
}

// describe writes a line of CLIENT LIST. Sizes of buffers Redis has and the
// engine does not are 0.
func (s *Server) describe(b *strings.Builder, c *Session) {
	now := s.env.Wall().Unix()
	field := func(name, value string) { b.WriteString(name + "=" + value + " ") }
	number := func(name string, n int64) { field(name, strconv.FormatInt(n, 10)) }
	number("id", c.id)
	field("addr", c.remote)
	field("laddr", c.local)
	number("fd", 0)
	field("name", string(c.name))
	number("age", now-c.created)
	number("idle", now-c.active)
	multi := int64(-1)
	if c.multi {
		multi = int64(len(c.queue))
	}
	field("flags", c.flagLetters())
	number("db", int64(c.db))
	number("sub", int64(len(c.channels)))
	number("psub", int64(len(c.patterns)))
	number("ssub", int64(len(c.shards)))
	number("multi", multi)
	number("qbuf", c.input+c.batch)
	number("qbuf-free", 0)
	number("argv-mem", c.batch)
	number("multi-mem", 0)
	number("rbs", int64(cap(c.out)))
	number("rbp", int64(cap(c.out)))
	number("obl", int64(len(c.out)))
	unsent := int64(0)
	if c.stream != nil {
		unsent = c.stream.unsent
	}
	number("oll", 0)
	number("omem", unsent)
	number("tot-mem", c.memory())
	field("events", "r")
	last := "NULL"
	if c.lastCmd != nil {
		last = c.lastCmd.fullName
	}
	field("cmd", last)
	user := "(superuser)"
	if c.user != nil {
		user = c.user.Name
	}
	field("user", user)
	number("redir", c.redirection())
	b.WriteString("resp=" + strconv.Itoa(c.resp) + "\n")
}
