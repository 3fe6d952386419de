package cluster

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// What messages say, and what is sent of one's own accord.

// header is a message of this node without what is special to its type (redis 7.0.15
// cluster.c clusterBuildMessageHdr).
func (m *Machine) header(t MessageType) *Message {
	owner := m.me
	msg := &Message{Type: t, Sender: m.me.id, IP: m.cfg.ClusterAnnounceIP, CurrentEpoch: m.currentEpoch, NodeFlags: m.me.flags}
	if m.me.master != nil {
		msg.Master = m.me.master.id
		if m.me.is(Replica) {
			owner = m.me.master
		}
	}
	msg.Slots, msg.ConfigEpoch = owner.slots, owner.epoch
	msg.Port, msg.PlainPort, msg.BusPort = uint16(m.me.port), uint16(m.me.plainPort), uint16(m.me.busPort)
	msg.Offset = uint64(m.o.Server.Offset())
	if m.failed {
		msg.State = 1
	}
	if m.me.is(Master) && m.manual.end != 0 {
		msg.Flags |= flagPaused
	}
	return msg
}

// sendPing sends a ping, a pong or a meet, with what this node knows of a few others drawn at
// random, and of all that it believes to fail (redis 7.0.15 cluster.c clusterSendPing).
func (m *Machine) sendPing(l *link, t MessageType) {
	m.pings++
	fresh := len(m.nodes) - 2 // without this node and the receiver
	wanted := min(max(len(m.nodes)/10, 3), fresh)
	if !l.inbound && t == Ping {
		l.node.pingSent = m.now
	}
	msg := m.header(t)
	for tries := wanted * 3; fresh > 0 && len(msg.Gossip) < wanted && tries > 0; tries-- {
		n := m.randomNode()
		if n == m.me || n.is(PFail) {
			continue
		}
		if n.is(Handshake|NoAddr) || n.link == nil && n.numSlots == 0 {
			fresh--
			continue
		}
		if n.inGossip == m.pings {
			continue
		}
		msg.Gossip = append(msg.Gossip, gossipOf(n))
		n.inGossip = m.pings
		fresh--
	}
	for left, i := m.pfails, 0; left > 0 && i < len(m.nodes); i++ {
		if n := m.nodes[i]; n.is(PFail) && !n.is(Handshake|NoAddr) {
			msg.Gossip = append(msg.Gossip, gossipOf(n))
			left--
		}
	}
	if m.me.hostname != "" {
		msg.Flags |= flagExtData
		msg.Extensions = []Extension{hostnameExtension(m.me.hostname)}
	}
	m.send(l, msg)
}

func (m *Machine) randomNode() *node { return m.nodes[m.o.Random()%uint64(len(m.nodes))] }

func gossipOf(n *node) Gossip {
	return Gossip{
		ID: n.id, PingSent: uint32(n.pingSent / 1000), PongGot: uint32(n.pongReceived / 1000), IP: n.ip,
		Port: uint16(n.port), BusPort: uint16(n.busPort), Plain: uint16(n.plainPort), Flags: n.flags,
	}
}

// broadcastPong tells everybody of a change, or the replicas of one master.
func (m *Machine) broadcastPong(siblingsOnly bool) {
	for _, n := range m.nodes {
		if n.link == nil || n == m.me || n.is(Handshake) {
			continue
		}
		if siblingsOnly && !(n.is(Replica) && n.master != nil && (n.master == m.me || n.master == m.me.master)) {
			continue
		}
		m.sendPing(n.link, Pong)
	}
}

// Received is a message that Frame has returned.
func (m *Machine) Received(now int64, conn int, packet []byte) {
	m.now = now
	l := m.link(conn)
	if l == nil {
		return
	}
	if t := typeOf(packet); t < messageTypes {
		m.received[t]++
	}
	msg, err := Decode(packet)
	switch {
	case errors.Is(err, errVersion):
		return
	case err != nil:
		m.log(warning, "%s", err)
		return
	}
	m.process(l, msg)
}

// sender is who has sent a message, nil for somebody unknown (redis 7.0.15 cluster.c getNodeFromLinkAndMsg).
func (m *Machine) sender(l *link, msg *Message) *node {
	if l.node != nil && !l.node.is(Handshake) {
		return l.node
	}
	n := m.lookup(msg.Sender)
	if n != nil && l.node == nil {
		m.known(l, n)
	}
	return n
}

// process follows redis 7.0.15 cluster.c clusterProcessPacket.
func (m *Machine) process(l *link, msg *Message) {
	sender := m.sender(l, msg)
	if sender != nil {
		sender.dataReceived = m.now
		if !sender.is(Handshake) {
			m.heed(sender, msg)
		}
	}
	switch msg.Type {
	case Ping, Meet, Pong:
		if msg.Type != Pong {
			m.answerPing(l, sender, msg)
		}
		m.processPing(l, sender, msg)
	case Failed:
		m.processFailed(sender, msg)
	case Publish, PublishShard:
		if sender != nil {
			m.do(Action{Kind: Deliver, Channel: msg.Channel, Bytes: msg.Payload, Shard: msg.Type == PublishShard})
		}
	case AuthRequest:
		if sender != nil {
			m.vote(sender, msg)
		}
	case AuthAck:
		if sender != nil && sender.is(Master) && sender.numSlots > 0 && msg.CurrentEpoch >= m.election.epoch {
			m.election.votes++
			m.todo |= todoFailover
		}
	case MFStart:
		m.startPause(l, sender)
	case Update:
		m.processUpdate(sender, msg)
	case Module: // there are no modules
	default:
		m.log(warning, "Received unknown packet type: %d", msg.Type)
	}
}

// heed takes up what every message says.
func (m *Machine) heed(sender *node, msg *Message) {
	m.currentEpoch = max(m.currentEpoch, msg.CurrentEpoch)
	if msg.ConfigEpoch > sender.epoch {
		sender.epoch = msg.ConfigEpoch
		m.todo |= todoSave | todoSync
	}
	sender.offset = int64(msg.Offset)
	if m.manual.end != 0 && m.me.is(Replica) && m.me.master == sender && msg.Flags&flagPaused != 0 && m.manual.masterOffset == -1 {
		m.manual.masterOffset = sender.offset
		m.todo |= todoManual
		m.log(warning, "Received replication offset for paused master manual failover: %d", m.manual.masterOffset)
	}
}

// answerPing answers a ping or a meet. This node learns its own address from where it is met.
func (m *Machine) answerPing(l *link, sender *node, msg *Message) {
	if (msg.Type == Meet || m.me.ip == "") && m.cfg.ClusterAnnounceIP == "" && l.local != "" && l.local != m.me.ip {
		m.me.ip = l.local
		m.log(warning, "IP address for this node updated to %s", m.me.ip)
		m.todo |= todoSave
	}
	if sender == nil && msg.Type == Meet {
		n := m.newNode("", Handshake)
		if n.ip = msg.IP; n.ip == "" {
			n.ip = l.peer
		}
		n.port, n.plainPort, n.busPort = int(msg.Port), int(msg.PlainPort), int(msg.BusPort)
		m.addNode(n)
		m.todo |= todoSave
		m.processGossip(l, nil, msg)
	}
	m.sendPing(l, Pong)
}

// processPing is what pings, pongs and meets have in common.
func (m *Machine) processPing(l *link, sender *node, msg *Message) {
	if !l.inbound && !m.recognise(l, sender, msg) {
		return
	}
	if sender != nil {
		sender.flags = sender.flags&^NoFailover | msg.NodeFlags&NoFailover
		if msg.Type == Ping && !sender.is(Handshake) && m.updateAddress(sender, l, msg) {
			m.todo |= todoSave | todoState
		}
	}
	if !l.inbound && msg.Type == Pong {
		n := l.node
		n.pongReceived, n.pingSent = m.now, 0
		switch {
		case n.is(PFail):
			n.flags &^= PFail
			m.todo |= todoSave | todoState
		case n.is(Fail):
			m.mayBeBack(n)
		}
	}
	if sender == nil {
		return
	}
	m.updateRole(sender, msg)
	m.updateSlots(sender, msg)
	if sender.is(Master) && m.me.is(Master) && msg.ConfigEpoch == m.me.epoch {
		m.resolveCollision(sender)
	}
	m.processGossip(l, sender, msg)
	for _, e := range msg.Extensions {
		if e.Type != 0 {
			m.log(warning, "Received unknown extension type %d", e.Type)
		}
	}
	sender.hostname = msg.hostname()
}

// recognise compares who answers on a link of this node with whom it was opened to. It
// reports whether the link is still there.
func (m *Machine) recognise(l *link, sender *node, msg *Message) bool {
	n := l.node
	switch {
	case n.is(Handshake) && sender != nil:
		m.log(verbose, "Handshake: we already know node %s, updating the address if needed.", sender.id)
		if m.updateAddress(sender, l, msg) {
			m.todo |= todoSave | todoState
		}
		m.removeNode(n)
		return false
	case n.is(Handshake) && !validID(msg.Sender): // Redis takes it, and a nodes.conf that it cannot read
		m.log(warning, "Handshake: %q is no name of a node.", msg.Sender)
		m.removeNode(n)
		return false
	case n.is(Handshake):
		m.rename(n, msg.Sender)
		m.log(debug, "Handshake with node %s completed.", n.id)
		n.flags = n.flags&^Handshake | msg.NodeFlags&(Master|Replica)
		m.todo |= todoSave
	case n.id != msg.Sender:
		m.log(debug, "PONG contains mismatching sender ID. About node %s added %d ms ago, having flags %d", n.id, m.now-n.created, n.flags)
		n.flags |= NoAddr
		n.ip, n.port, n.plainPort, n.busPort = "", 0, 0, 0
		m.closeLink(l)
		m.todo |= todoSave
		return false
	}
	return true
}

// updateAddress takes up where a node says that it is (redis 7.0.15 cluster.c nodeUpdateAddressIfNeeded).
func (m *Machine) updateAddress(n *node, l *link, msg *Message) bool {
	if l == n.link {
		return false
	}
	ip := msg.IP
	if ip == "" {
		ip = l.peer
	}
	if ip == "" || n.ip == ip && n.port == int(msg.Port) && n.busPort == int(msg.BusPort) && n.plainPort == int(msg.PlainPort) {
		return false
	}
	n.ip, n.port, n.plainPort, n.busPort = ip, int(msg.Port), int(msg.PlainPort), int(msg.BusPort)
	m.closeLink(n.link)
	n.flags &^= NoAddr
	m.log(warning, "Address updated for node %s, now %s:%d", n.id, n.ip, n.port)
	if m.me.is(Replica) && m.me.master == n {
		m.do(Action{Kind: Follow, Host: n.ip, Port: n.port})
	}
	return true
}

// updateRole takes up what a node says that it is.
func (m *Machine) updateRole(sender *node, msg *Message) {
	if msg.Master == "" {
		m.setMasterRole(sender)
		return
	}
	master := m.lookup(msg.Master)
	if sender.is(Master) {
		m.dropSlots(sender)
		sender.flags = sender.flags&^(Master|migrateTo) | Replica
		m.todo |= todoSave | todoState
	}
	if master != nil && sender.master != master {
		if sender.master != nil {
			sender.master.removeReplica(sender)
		}
		master.addReplica(sender)
		sender.master = master
		m.todo |= todoSave
	}
}

// setMasterRole makes a replica a master (redis 7.0.15 cluster.c clusterSetNodeAsMaster).
func (m *Machine) setMasterRole(n *node) {
	if n.is(Master) {
		return
	}
	if n.master != nil {
		n.master.removeReplica(n)
		if n != m.me {
			n.flags |= migrateTo
		}
	}
	n.flags = n.flags&^Replica | Master
	n.master = nil
	m.todo |= todoSave | todoState
}

// updateSlots takes up the slots that a master claims, and tells one that claims those of
// another, who has a newer right to them.
func (m *Machine) updateSlots(sender *node, msg *Message) {
	master := sender
	if !sender.is(Master) {
		master = sender.master
	}
	if master == nil || master.slots == msg.Slots {
		return
	}
	if sender.is(Master) {
		m.claim(sender, msg.ConfigEpoch, &msg.Slots)
	}
	for slot := range Slots {
		if !msg.Slots.Has(slot) || m.owner[slot] == sender || m.unclaimed(slot) {
			continue
		}
		if owner := m.owner[slot]; owner.epoch > msg.ConfigEpoch {
			m.log(verbose, "Node %s has old slots configuration, sending an UPDATE message about %s", sender.id, owner.id)
			m.sendUpdate(sender.link, owner)
			return
		}
	}
}

func (m *Machine) sendUpdate(l *link, about *node) {
	if l == nil {
		return
	}
	msg := m.header(Update)
	msg.UpdateNode, msg.UpdateEpoch, msg.UpdateSlots = about.id, about.epoch, about.slots
	for i := range msg.UpdateSlots {
		msg.UpdateSlots[i] &^= m.notClaimed[i]
	}
	m.send(l, msg)
}

// claim gives a node the slots that it claims, where its epoch is newer than the owner's. A
// node that loses its last slot follows who has it (redis 7.0.15 cluster.c clusterUpdateSlotsConfigWith).
func (m *Machine) claim(sender *node, epoch uint64, slots *SlotSet) {
	if sender == m.me {
		m.log(warning, "Discarding UPDATE message about myself.")
		return
	}
	current := m.me
	if !m.me.is(Master) {
		current = m.me.master
	}
	var newMaster *node
	var dirty []int
	claimed, taken := 0, 0
	for slot := range Slots {
		owner := m.owner[slot]
		if !slots.Has(slot) {
			if owner == sender {
				m.notClaimed.add(slot)
			}
			continue
		}
		claimed++
		if owner == sender {
			m.notClaimed.remove(slot)
			continue
		}
		if m.importing[slot] != nil {
			continue // it is being moved here by hand
		}
		if !m.unclaimed(slot) && owner.epoch >= epoch {
			continue
		}
		if owner == m.me && m.o.Server.KeysInSlot(slot) > 0 {
			dirty = append(dirty, slot)
		}
		if owner == current { // of no known master: as there, where both are NULL
			newMaster = sender
			taken++
		}
		m.dropSlot(slot)
		m.addSlot(sender, slot)
		m.notClaimed.remove(slot)
		m.todo |= todoSave | todoState | todoSync
	}
	switch {
	case newMaster != nil && current != nil && current.numSlots == 0 && (m.cfg.ClusterAllowReplicaMigration || claimed == taken):
		m.log(warning, "Configuration change detected. Reconfiguring myself as a replica of %s", sender.id)
		m.follow(sender)
		m.todo |= todoSave | todoState | todoSync
	case m.me.master != nil && m.me.master.master != nil && m.me.master.master != m.me:
		m.log(warning, "I'm a sub-replica! Reconfiguring myself as a replica of grandmaster %s", m.me.master.master.id)
		m.follow(m.me.master.master)
		m.todo |= todoSave | todoState | todoSync
	default:
		for _, slot := range dirty {
			m.do(Action{Kind: DeleteSlot, Slot: slot})
		}
	}
}

// follow makes this node, which has no slots, a replica (redis 7.0.15 cluster.c clusterSetMaster).
func (m *Machine) follow(n *node) {
	if m.me.is(Master) {
		m.me.flags = m.me.flags&^(Master|migrateTo) | Replica
		m.closeSlots()
	} else if m.me.master != nil {
		m.me.master.removeReplica(m.me)
	}
	m.me.master = n
	n.addReplica(m.me)
	m.do(Action{Kind: Follow, Host: n.ip, Port: n.port})
	m.resetManual()
}

// resolveCollision gives one of two masters with the same epoch another: the one whose name
// is the lesser (redis 7.0.15 cluster.c clusterHandleConfigEpochCollision).
func (m *Machine) resolveCollision(sender *node) {
	if sender.epoch != m.me.epoch || strings.Compare(sender.id, m.me.id) <= 0 {
		return
	}
	m.currentEpoch++
	m.me.epoch = m.currentEpoch
	m.save(true)
	m.log(verbose, "WARNING: configEpoch collision with node %s. configEpoch set to %d", sender.id, m.me.epoch)
}

// processGossip takes up what a node says of others (redis 7.0.15 cluster.c clusterProcessGossipSection).
// sender may be one that nobody else knows.
func (m *Machine) processGossip(l *link, sender *node, msg *Message) {
	if l.node != nil {
		sender = l.node
	}
	for i := range msg.Gossip {
		g := &msg.Gossip[i]
		n := m.lookup(g.ID)
		if n == nil {
			if sender != nil && g.Flags&NoAddr == 0 && !m.isForgotten(g.ID) && validID(g.ID) {
				n = m.newNode(g.ID, g.Flags&^Myself)
				n.ip, n.port, n.plainPort, n.busPort = g.IP, int(g.Port), int(g.Plain), int(g.BusPort)
				m.addNode(n)
			}
			continue
		}
		failing := g.Flags&(Fail|PFail) != 0
		if sender != nil && sender.is(Master) && n != m.me {
			if failing {
				if m.addReport(n, sender) {
					m.log(verbose, "Node %s reported node %s as not reachable.", sender.id, n.id)
				}
				m.markFailed(n)
			} else if m.removeReport(n, sender) {
				m.log(verbose, "Node %s reported node %s is back online.", sender.id, n.id)
			}
		}
		if failing {
			continue
		}
		if n.pingSent == 0 && m.countReports(n) == 0 {
			if pong := int64(g.PongGot) * 1000; pong <= m.now+500 && pong > n.pongReceived {
				n.pongReceived = pong
			}
		}
		if n.is(Fail|PFail) && g.Flags&NoAddr == 0 && (!strings.EqualFold(n.ip, g.IP) || n.port != int(g.Port) || n.busPort != int(g.BusPort)) {
			m.closeLink(n.link)
			n.ip, n.port, n.plainPort, n.busPort = g.IP, int(g.Port), int(g.Plain), int(g.BusPort)
			n.flags &^= NoAddr
		}
	}
}

// processFailed takes up that the majority of the masters think that a node fails.
func (m *Machine) processFailed(sender *node, msg *Message) {
	if sender == nil {
		m.log(notice, "Ignoring FAIL message from unknown node %s about %s", msg.Sender, msg.About)
		return
	}
	if n := m.lookup(msg.About); n != nil && !n.is(Fail|Myself) {
		m.log(notice, "FAIL message received from %s about %s", msg.Sender, msg.About)
		n.flags = n.flags&^PFail | Fail
		n.failedAt = m.now
		m.todo |= todoSave | todoState
	}
}

// processUpdate takes up that slots belong to another than this node believes.
func (m *Machine) processUpdate(sender *node, msg *Message) {
	if sender == nil {
		return
	}
	n := m.lookup(msg.UpdateNode)
	if n == nil || n.epoch >= msg.UpdateEpoch {
		return
	}
	m.setMasterRole(n)
	n.epoch = msg.UpdateEpoch
	m.todo |= todoSave | todoSync
	m.claim(n, msg.UpdateEpoch, &msg.UpdateSlots)
}

// Publish tells the other nodes of a message to a channel: all of them, or those that serve
// this node's slots (redis 7.0.15 cluster.c clusterPropagatePublish).
func (m *Machine) Publish(now int64, channel, payload []byte, shard bool) {
	m.now = now
	msg := m.header(Publish)
	msg.Channel, msg.Payload = channel, payload
	if !shard {
		m.broadcast(msg)
		return
	}
	msg.Type = PublishShard
	for _, n := range m.shard(m.me) {
		if !n.is(Myself | Handshake) {
			m.send(n.link, msg)
		}
	}
}

// shard is a master and its replicas.
func (m *Machine) shard(n *node) []*node {
	if !n.is(Master) && n.master != nil {
		n = n.master
	}
	return append([]*node{n}, n.replicas...)
}

// Meet begins to make a node's acquaintance. It reports whether the address is one
// (redis 7.0.15 cluster.c clusterStartHandshake).
func (m *Machine) Meet(now int64, ip string, port, busPort int64) bool {
	m.now = now
	a, err := netip.ParseAddr(ip)
	if err != nil || a.Zone() != "" || port <= 0 || port > 65535 || busPort <= 0 || busPort > 65535 {
		return false
	}
	ip = a.String()
	if slices.ContainsFunc(m.nodes, func(n *node) bool {
		return n.is(Handshake) && strings.EqualFold(n.ip, ip) && n.port == int(port) && n.busPort == int(busPort)
	}) {
		return true
	}
	n := m.newNode("", Handshake|meeting)
	n.ip, n.port, n.busPort = ip, int(port), int(busPort)
	m.addNode(n)
	return true
}

// forgetFor is for how long a node that CLUSTER FORGET names is not learned again, seconds
// (redis 7.0.15 cluster.c CLUSTER_BLACKLIST_TTL).
const forgetFor = 60

func (m *Machine) isForgotten(id string) bool {
	until, ok := m.forgotten[id]
	if ok && until < m.now/1000 {
		delete(m.forgotten, id)
		return false
	}
	return ok
}
