package cluster

import "slices"

// link is a connection to a node, which this node has opened, or from one. Each node pings
// and is answered on links of its own; what it is asked comes on the others'.
type link struct {
	id      int
	created int64
	node    *node // nil: an inbound link whose node is not known
	inbound bool
	out     []byte // to be sent when the turn ends
	peer    string // the address at its other end
	local   string // at this one
}

func (m *Machine) link(id int) *link {
	for _, l := range m.links {
		if l.id == id {
			return l
		}
	}
	return nil
}

func (m *Machine) newLink(n *node) *link {
	m.lastLink++
	l := &link{id: m.lastLink, created: m.now, node: n, inbound: n == nil}
	m.links = append(m.links, l)
	if n != nil {
		n.link = l
	}
	return l
}

// closeLink ends a link, if it is there.
func (m *Machine) closeLink(l *link) {
	if l == nil {
		return
	}
	m.forgetLink(l)
	m.do(Action{Kind: Hangup, Conn: l.id})
}

func (m *Machine) forgetLink(l *link) {
	m.links = slices.DeleteFunc(m.links, func(o *link) bool { return o == l })
	if n := l.node; n != nil {
		if n.link == l {
			n.link = nil
		}
		if n.inbound == l {
			n.inbound = nil
		}
	}
}

// known says whose an inbound link is. A node that has lost its link opens another, perhaps
// before the loss of the first is noticed here (redis 7.0.15 cluster.c setClusterNodeToInboundClusterLink).
func (m *Machine) known(l *link, n *node) {
	if n.inbound != nil {
		m.log(debug, "Replacing inbound link %d from node %s with %d", n.inbound.id, n.id, l.id)
		m.closeLink(n.inbound)
	}
	n.inbound, l.node = l, n
}

// Accepted says that somebody has connected, from the host peer to local, and returns what
// the link is called.
func (m *Machine) Accepted(now int64, peer, local string) (conn int) {
	m.now = now
	l := m.newLink(nil)
	l.peer, l.local = peer, local
	return l.id
}

// Connected says that a link is there, and the hosts at its ends (redis 7.0.15 cluster.c
// clusterLinkConnectHandler).
func (m *Machine) Connected(now int64, conn int, peer, local string) {
	m.now = now
	l := m.link(conn)
	if l == nil || l.node == nil {
		return
	}
	l.peer, l.local = peer, local
	n, what := l.node, Ping
	if n.is(meeting) {
		what = Meet
	}
	before := n.pingSent
	m.sendPing(l, what)
	if before != 0 {
		n.pingSent = before // it has not been answered, on whatever link
	}
	n.flags &^= meeting
	m.log(debug, "Connecting with Node %s at %s:%d", n.id, n.ip, n.busPort)
}

// Disconnected says that a link has ended, or never came to be.
func (m *Machine) Disconnected(now int64, conn int, why string) {
	m.now = now
	if l := m.link(conn); l != nil {
		m.log(debug, "I/O error reading from node link: %s", why)
		m.forgetLink(l)
	}
}

// Refused says that what came on a link is no bus; the link is closed.
func (m *Machine) Refused(now int64, conn int, why string) {
	m.now = now
	if l := m.link(conn); l != nil {
		m.log(warning, "%s", why)
		m.closeLink(l)
	}
}

// send queues a message on a link, if that is there.
func (m *Machine) send(l *link, msg *Message) {
	if l == nil {
		return
	}
	l.out = msg.Append(l.out)
	if msg.Type < messageTypes {
		m.sent[msg.Type]++
	}
}

// broadcast sends a message to everybody.
func (m *Machine) broadcast(msg *Message) {
	for _, n := range m.nodes {
		if !n.is(Myself | Handshake) {
			m.send(n.link, msg)
		}
	}
}

// limitLinks closes links on which too much waits (cluster-link-sendbuf-limit; redis 7.0.15
// cluster.c freeClusterLinkOnBufferLimitReached).
func (m *Machine) limitLinks() {
	limit := m.cfg.ClusterLinkLimit
	if limit == 0 {
		return
	}
	for _, l := range slices.Clone(m.links) {
		waiting := m.o.Server.Unsent(l.id) + int64(len(l.out))
		if l.node == nil || waiting <= limit {
			continue
		}
		from := "to"
		if l.inbound {
			from = "from"
		}
		m.log(warning, "Freeing cluster link(%s node %s, used memory: %d) due to exceeding send buffer memory limit.", from, l.node.id, waiting)
		m.closeLink(l)
		m.overLimit++
	}
}

// Link is a link in CLUSTER LINKS.
type Link struct {
	Inbound bool
	Node    string
	Created int64 // Unix ms
	Unsent  int64 // bytes
}

// Links are those whose node is known, node by node.
func (m *Machine) Links() (out []Link) {
	for _, n := range m.nodes {
		for _, l := range []*link{n.link, n.inbound} {
			if l != nil {
				out = append(out, Link{l.inbound, n.id, l.created, m.o.Server.Unsent(l.id) + int64(len(l.out))})
			}
		}
	}
	return out
}
