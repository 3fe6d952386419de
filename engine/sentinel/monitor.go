package sentinel

import "strings"

// sendPing pings an instance. The first ping without a good reply is what an
// instance is judged by, not the latest.
func (m *Machine) sendPing(ri *instance) {
	l := ri.link
	m.send(l.commands, pingReply, ri.command("PING"))
	l.lastPing = m.now
	if l.actPing == 0 {
		l.actPing = m.now
	}
}

// sendPeriodic sends INFO, PING and hello when they are due.
func (m *Machine) sendPeriodic(ri *instance) {
	l := ri.link
	if l.disconnected || l.pending >= maxPending {
		return
	}
	// Replicas are watched closely while they may be turned into masters, or
	// have lost theirs.
	infoPeriod := m.p.info
	if ri.is(isReplica) && (ri.master.is(oDown|failingOver) || ri.masterLinkDown != 0) {
		infoPeriod = infoPeriodIfDown
	}
	pingPeriod := min(ri.downAfter, m.p.ping)
	if !ri.is(isSentinel) && (ri.infoRefresh == 0 || m.now-ri.infoRefresh > infoPeriod) {
		m.send(l.commands, infoReply, ri.command("INFO"))
	}
	if m.now-l.lastPong > pingPeriod && m.now-l.lastPing > pingPeriod/2 {
		m.sendPing(ri)
	}
	if m.now-ri.lastPub > m.p.publish {
		m.sendHello(ri)
	}
}

func (m *Machine) receivedPong(ri *instance, r Reply) {
	l := ri.link
	if r.Kind == Status || r.Kind == Error {
		switch {
		case strings.HasPrefix(r.Text, "PONG"), strings.HasPrefix(r.Text, "LOADING"), strings.HasPrefix(r.Text, "MASTERDOWN"):
			l.lastAvail = m.now
			l.actPing = 0
			if ri.is(rebooted) && strings.HasPrefix(r.Text, "PONG") {
				ri.flags &^= rebooted
			}
		case strings.HasPrefix(r.Text, "BUSY") && ri.is(sDown) && !ri.is(scriptKillSent) && l.commands != nil:
			m.send(l.commands, discard, ri.command("SCRIPT"), "KILL")
			ri.flags |= scriptKillSent
		}
	}
	l.lastPong = m.now
}

// looksSane reports whether a master is one, says so, answers, and has said so lately.
func (m *Machine) looksSane(master *instance) bool {
	return master.is(isMaster) && master.role == isMaster && !master.is(sDown|oDown) &&
		m.now-master.infoRefresh < m.p.info*2
}
