package sentinel

import (
	"fmt"
	"net/netip"
	"strconv"
)

// link is the connections to one instance: one for commands and, except to
// Sentinels, one that is subscribed to the hello channel.
type link struct {
	commands, pubsub *conn
	disconnected     bool // one of the two is missing
	pending          int  // commands without a reply
	lastReconnect    int64
	pubsubActivity   int64
	actPing          int64 // first ping without a good reply; 0: none is out
	lastPing         int64
	lastAvail        int64 // a reply that shows the instance well
	lastPong         int64 // any reply to a ping
}

// conn is one connection.
type conn struct {
	id      int
	ri      *instance
	pubsub  bool
	began   int64
	local   string // this end's host, once connected
	waiting []replyKind
}

// replyKind is what a command's reply is for.
type replyKind uint8

const (
	discard replyKind = iota
	pingReply
	infoReply
	publishReply
	downReply
)

// newLink is a link that is not connected. The ping counts as sent now, so that
// an instance which cannot be reached at all is noticed.
func (m *Machine) newLink() *link {
	return &link{disconnected: true, actPing: m.now, lastAvail: m.now, lastPong: m.now}
}

func (m *Machine) dial(ri *instance, pubsub bool) *conn {
	m.lastConn++
	c := &conn{id: m.lastConn, ri: ri, pubsub: pubsub, began: m.now}
	m.conns[c.id] = c
	m.do(Action{Kind: Dial, Conn: c.id, Addr: ri.addr})
	return c
}

// closeConn ends a connection of a link, if it is there.
func (m *Machine) closeConn(l *link, c *conn) {
	if c == nil {
		return
	}
	m.forget(l, c)
	m.do(Action{Kind: Hangup, Conn: c.id})
}

func (m *Machine) closeLink(l *link) {
	m.closeConn(l, l.commands)
	m.closeConn(l, l.pubsub)
}

func (m *Machine) forget(l *link, c *conn) {
	delete(m.conns, c.id)
	if l.commands == c {
		l.commands, l.pending = nil, 0
	}
	if l.pubsub == c {
		l.pubsub = nil
	}
	l.disconnected = true
}

// Connected says that a connection is there, and the host of its near end.
func (m *Machine) Connected(now int64, id int, localHost string) {
	m.now = now
	if c := m.conns[id]; c != nil {
		c.local = localHost
	}
}

// Disconnected says that a connection ended, or never came to be.
func (m *Machine) Disconnected(now int64, id int, why string) {
	m.now = now
	c := m.conns[id]
	if c == nil {
		return
	}
	name := "-cmd-link"
	if c.pubsub {
		name = "-pubsub-link"
	}
	m.event(Debug, name, c.ri, fmt.Sprintf("%s #%s", c.ri, why))
	m.forget(c.ri.link, c)
}

// Received is a reply, or a message of the hello channel.
func (m *Machine) Received(now int64, id int, r Reply) {
	m.now = now
	c := m.conns[id]
	if c == nil {
		return
	}
	if len(c.waiting) == 0 {
		if c.pubsub {
			m.received(c.ri, r)
		}
		return // a command connection that talks by itself is not listened to
	}
	what := c.waiting[0]
	c.waiting = c.waiting[1:]
	l, ri := c.ri.link, c.ri
	l.pending--
	switch what {
	case pingReply:
		m.receivedPong(ri, r)
	case infoReply:
		if r.Kind == Bulk {
			m.refreshInfo(ri, r.Text)
		}
	case publishReply:
		if r.Kind != Error {
			ri.lastPub = m.now
		}
	case downReply:
		m.receivedDown(ri, r)
	}
}

// send sends a command on a connection and expects its reply.
func (m *Machine) send(c *conn, what replyKind, args ...string) {
	c.waiting = append(c.waiting, what)
	c.ri.link.pending++
	m.do(Action{Kind: Send, Conn: c.id, Args: args})
}

// reconnect opens the connections that are missing, at most once a ping period.
func (m *Machine) reconnect(ri *instance) {
	l := ri.link
	if !l.disconnected || ri.addr.Port == 0 || m.now-l.lastReconnect < m.p.ping {
		return
	}
	l.lastReconnect = m.now
	if l.commands == nil {
		l.commands = m.dial(ri, false)
		l.pending = 0
		m.authenticate(ri, l.commands)
		m.setName(ri, l.commands, "cmd")
		m.sendPing(ri)
	}
	if ri.is(isMaster|isReplica) && l.pubsub == nil {
		l.pubsub = m.dial(ri, true)
		m.authenticate(ri, l.pubsub)
		m.setName(ri, l.pubsub, "pubsub")
		m.do(Action{Kind: Send, Conn: l.pubsub.id, Args: []string{ri.command("SUBSCRIBE"), HelloChannel}})
	}
	l.disconnected = false
}

// authenticate sends the password of the master, or the one Sentinels share.
func (m *Machine) authenticate(ri *instance, c *conn) {
	user, pass := ri.own().authUser, ri.own().authPass
	if ri.is(isSentinel) {
		if user, pass = m.user, m.pass; pass == "" {
			user, pass = "", m.o.Requirepass
		}
	}
	switch {
	case pass == "":
	case user == "":
		m.send(c, discard, ri.command("AUTH"), pass)
	default:
		m.send(c, discard, ri.command("AUTH"), user, pass)
	}
}

func (m *Machine) setName(ri *instance, c *conn, what string) {
	m.send(c, discard, ri.command("CLIENT"), "SETNAME", fmt.Sprintf("sentinel-%.8s-%s", m.id, what))
}

// sendSlaveof makes an instance a replica of to, or a master for a nil to. The
// transaction also saves its configuration and disconnects its clients, which
// then ask for the master's address again. Whether it worked the next INFO shows.
func (m *Machine) sendSlaveof(ri *instance, to *Addr) bool {
	c := ri.link.commands
	if c == nil {
		return false
	}
	host, port := "NO", "ONE"
	if to != nil {
		host, port = to.Host, strconv.Itoa(to.Port)
	}
	m.send(c, discard, ri.command("MULTI"))
	m.send(c, discard, ri.command("SLAVEOF"), host, port)
	m.send(c, discard, ri.command("CONFIG"), "REWRITE")
	m.send(c, discard, ri.command("CLIENT"), "KILL", "TYPE", "normal")
	m.send(c, discard, ri.command("CLIENT"), "KILL", "TYPE", "pubsub")
	m.send(c, discard, ri.command("EXEC"))
	return true
}

// localHost is what this Sentinel calls itself towards an instance.
func (m *Machine) localHost(ri *instance) string {
	if m.announceIP != "" {
		return m.announceIP
	}
	c := ri.link.commands
	if c == nil {
		return ""
	}
	if a, err := netip.ParseAddr(c.local); err == nil {
		return a.Unmap().String()
	}
	return c.local
}
