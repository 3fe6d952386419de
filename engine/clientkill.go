package engine

import (
	"slices"

	"github.com/torntail/torntail/engine/acl"
	"github.com/torntail/torntail/engine/persist"
)

// killFilter is what CLIENT KILL selects by. Its zero value selects everybody.
type killFilter struct {
	id          int64
	addr, laddr string
	class       class
	byClass     bool
	user        *acl.User // nil: whoever
	spareSelf   bool
}

func (f *killFilter) selects(c, self *Session) bool {
	switch {
	case f.id != 0 && c.id != f.id,
		f.addr != "" && c.remote != f.addr,
		f.laddr != "" && c.local != f.laddr,
		f.byClass && c.class() != f.class,
		f.user != nil && c.user != f.user,
		f.spareSelf && c == self:
		return false
	}
	return true
}

// clientKill follows redis 7.0.15 networking.c clientCommand: the old form with
// an address, which must be there and may be the caller's own, or filters,
// which spare the caller unless told otherwise.
func clientKill(s *Server, c *Session, argv [][]byte) {
	old := len(argv) == 3
	f := killFilter{spareSelf: !old}
	if old {
		f.addr = string(argv[2])
	} else if msg := f.parse(argv[2:], s.users); msg != "" {
		c.error(msg)
		return
	}
	killed := int64(0)
	for _, o := range s.clients() { // killing may change the list
		if o.dead || !f.selects(o, c) {
			continue
		}
		killed++
		if o.master {
			s.link.conn.Close() // its error says that it is closed; the reader loses its master
			continue
		}
		if o == c {
			c.closing = true // after the reply
		} else {
			o.kill()
		}
	}
	switch {
	case !old:
		c.int(killed)
	case killed == 0:
		c.error("ERR No such client")
	default:
		c.ok()
	}
}

// clients are all sessions, that of the master among them, once it is followed.
func (s *Server) clients() []*Session {
	all := slices.Clone(s.sessions)
	if l := s.link; l != nil && l.c != nil && !l.closed {
		all = append(all, l.c)
	}
	return all
}

// parse reads "<filter> <value>" pairs and returns the error to answer.
func (f *killFilter) parse(argv [][]byte, users *acl.Users) string {
	for ; len(argv) > 0; argv = argv[2:] {
		if len(argv) == 1 {
			return errSyntax
		}
		name, value := argv[0], argv[1]
		switch {
		case same(name, "id"):
			id, ok := parseInt(value)
			if !ok || id < 1 {
				return "ERR client-id should be greater than 0"
			}
			f.id = id
		case same(name, "type"):
			kind, ok := classByName(lower(value))
			if !ok {
				return "ERR Unknown client type '" + string(value) + "'"
			}
			f.class, f.byClass = kind, true
		case same(name, "addr"):
			f.addr = string(value)
		case same(name, "laddr"):
			f.laddr = string(value)
		case same(name, "user"):
			if f.user = users.Find(string(value)); f.user == nil {
				return "ERR No such user '" + string(value) + "'"
			}
		case same(name, "skipme") && same(value, "yes"):
			f.spareSelf = true
		case same(name, "skipme") && same(value, "no"):
			f.spareSelf = false
		default:
			return errSyntax
		}
	}
	return ""
}

// closeIdle closes the connections of clients from which no command came for too long;
// replicas, who waits, and who listens to others are left alone (redis 7.0.15 timeout.c
// clientsCronHandleTimeout).
func (s *Server) closeIdle() {
	if s.cfg.Timeout == 0 {
		return
	}
	now := s.env.Wall().Unix()
	for _, c := range s.sessions {
		if c.replica == nil && !c.master && !c.dead && c.blocked == nil && !c.busy && c.subscribed() == 0 && now-c.active > s.cfg.Timeout {
			s.o.Log(persist.Verbose, "Closing idle client")
			c.kill()
		}
	}
}
