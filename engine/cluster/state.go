package cluster

import "slices"

// Who fails, and whether the cluster can serve.

// Times of redis 7.0.15 cluster.c and cluster.h, in ms or as multiples of cluster-node-timeout.
const (
	reportValidity = 2
	failUndo       = 2
	minRejoin      = 500
	maxRejoin      = 5000
	writableDelay  = 2000 // CLUSTER_WRITABLE_DELAY: a master that has started waits to hear of others
	migrationDelay = 5000
)

func (m *Machine) addReport(n, by *node) (isNew bool) {
	for i := range n.reports {
		if n.reports[i].by == by {
			n.reports[i].at = m.now
			return false
		}
	}
	n.reports = append(n.reports, report{by, m.now})
	return true
}

func (m *Machine) removeReport(n, by *node) bool {
	i := slices.IndexFunc(n.reports, func(r report) bool { return r.by == by })
	if i < 0 {
		return false
	}
	n.reports = slices.Delete(n.reports, i, i+1)
	m.countReports(n)
	return true
}

// countReports counts those that are not too old, and drops the others.
func (m *Machine) countReports(n *node) int {
	oldest := m.now - m.cfg.ClusterNodeTimeout*reportValidity
	n.reports = slices.DeleteFunc(n.reports, func(r report) bool { return r.at < oldest })
	return len(n.reports)
}

// quorum is the majority of the masters that have slots.
func (m *Machine) quorum() int { return m.size/2 + 1 }

// markFailed has a node that does not answer this one failed once the majority of the masters
// has said so (redis 7.0.15 cluster.c markNodeAsFailingIfNeeded).
func (m *Machine) markFailed(n *node) {
	if !n.is(PFail) || n.is(Fail) {
		return
	}
	failures := m.countReports(n)
	if m.me.is(Master) {
		failures++
	}
	if failures < m.quorum() {
		return
	}
	m.log(notice, "Marking node %s as failing (quorum reached).", n.id)
	n.flags = n.flags&^PFail | Fail
	n.failedAt = m.now
	msg := m.header(Failed)
	msg.About = n.id
	m.broadcast(msg)
	m.todo |= todoState | todoSave
}

// mayBeBack clears the failure of a node that answers again: of a master with slots when
// nobody has taken its place for long (redis 7.0.15 cluster.c clearNodeFailureIfNeeded).
func (m *Machine) mayBeBack(n *node) {
	switch {
	case n.is(Replica) || n.numSlots == 0:
		what := "master without slots"
		if n.is(Replica) {
			what = "replica"
		}
		m.log(notice, "Clear FAIL state for node %s: %s is reachable again.", n.id, what)
	case n.is(Master) && m.now-n.failedAt > m.cfg.ClusterNodeTimeout*failUndo:
		m.log(notice, "Clear FAIL state for node %s: is reachable again and nobody is serving its slots after some time.", n.id)
	default:
		return
	}
	n.flags &^= Fail
	m.todo |= todoState | todoSave
}

// updateState decides whether the cluster can serve (redis 7.0.15 cluster.c clusterUpdateState).
func (m *Machine) updateState() {
	m.todo &^= todoState
	if m.firstUpdate == 0 {
		m.firstUpdate = m.now
	}
	if m.me.is(Master) && m.failed && m.now-m.firstUpdate < writableDelay {
		return
	}
	failed := false
	if m.cfg.ClusterRequireFullCoverage {
		failed = slices.ContainsFunc(m.owner[:], func(n *node) bool { return n == nil || n.is(Fail) })
	}
	reachable := 0
	m.size = 0
	for _, n := range m.nodes {
		if n.is(Master) && n.numSlots > 0 {
			m.size++
			if !n.is(Fail | PFail) {
				reachable++
			}
		}
	}
	if reachable < m.quorum() {
		failed = true
		m.minoritySeen = m.now
	}
	if failed == m.failed {
		return
	}
	rejoin := min(max(m.cfg.ClusterNodeTimeout, minRejoin), maxRejoin)
	if !failed && m.me.is(Master) && m.now-m.minoritySeen < rejoin {
		return
	}
	state := "ok"
	if failed {
		state = "fail"
	}
	m.log(warning, "Cluster state changed: %s", state)
	m.failed = failed
}

// Tick is the timer, due ten times a second (redis 7.0.15 cluster.c clusterCron).
func (m *Machine) Tick(now int64) {
	m.now = now
	m.ticks++
	m.me.hostname = m.cfg.ClusterAnnounceHostname
	m.limitLinks()
	m.connectAll()
	if m.ticks%10 == 0 {
		m.pingOldest()
	}
	orphaned, most, mine, changed := m.watchNodes()
	if host, port, known := m.MasterAddr(); known && !m.o.Server.Following() {
		m.do(Action{Kind: Follow, Host: host, Port: port})
	}
	if m.manual.end != 0 && m.manual.end < now {
		m.log(warning, "Manual failover timed out.")
		m.resetManual()
	}
	if m.me.is(Replica) {
		m.handleManual()
		m.handleFailover()
		if orphaned > 0 && most >= 2 && mine == most && m.cfg.ClusterAllowReplicaMigration {
			m.migrate(most)
		}
	}
	if changed || m.failed {
		m.updateState()
	}
}

// connectAll opens the links that are missing, and gives up acquaintances that are not made.
func (m *Machine) connectAll() {
	m.pfails = 0
	patience := max(m.cfg.ClusterNodeTimeout, 1000)
	for _, n := range slices.Clone(m.nodes) {
		switch {
		case n.is(Myself | NoAddr):
			continue
		case n.is(PFail):
			m.pfails++
		}
		if n.is(Handshake) && m.now-n.created > patience {
			m.removeNode(n)
			continue
		}
		if n.link == nil {
			m.do(Action{Kind: Dial, Conn: m.newLink(n).id, Addr: n.addr()})
		}
	}
}

// pingOldest pings, of five nodes drawn at random, the one that was heard of longest ago.
func (m *Machine) pingOldest() {
	var oldest *node
	for range 5 {
		n := m.randomNode()
		if n.link == nil || n.pingSent != 0 || n.is(Myself|Handshake) {
			continue
		}
		if oldest == nil || oldest.pongReceived > n.pongReceived {
			oldest = n
		}
	}
	if oldest != nil {
		m.log(debug, "Pinging node %s", oldest.id)
		m.sendPing(oldest.link, Ping)
	}
}

// watchNodes pings whom nobody has heard of for half of the timeout, and finds those that do
// not answer. It counts, for a replica, the masters without working replicas, how many the
// best one has, and its own.
func (m *Machine) watchNodes() (orphaned, most, mine int, changed bool) {
	timeout := m.cfg.ClusterNodeTimeout
	for _, n := range m.nodes {
		if n.is(Myself | NoAddr | Handshake) {
			continue
		}
		if m.me.is(Replica) && n.is(Master) && !n.is(Fail) {
			working := n.workingReplicas()
			if working == 0 && n.numSlots > 0 && n.is(migrateTo) {
				orphaned++
			}
			most = max(most, working)
			if m.me.master == n {
				mine = working
			}
		}
		pingDelay, dataDelay := m.now-n.pingSent, m.now-n.dataReceived
		// Half of the timeout without an answer: another link may get one.
		if n.link != nil && m.now-n.link.created > timeout && n.pingSent != 0 && pingDelay > timeout/2 && dataDelay > timeout/2 {
			m.closeLink(n.link)
		}
		if n.link != nil && n.pingSent == 0 && m.now-n.pongReceived > timeout/2 {
			m.sendPing(n.link, Ping)
			continue
		}
		if m.manual.end != 0 && m.me.is(Master) && m.manual.pausedFor == n && n.link != nil {
			m.sendPing(n.link, Ping) // it waits for the offset
			continue
		}
		if n.pingSent == 0 {
			continue
		}
		if min(pingDelay, dataDelay) > timeout && !n.is(PFail|Fail) {
			m.log(debug, "*** NODE %s possibly failing", n.id)
			n.flags |= PFail
			changed = true
		}
	}
	return orphaned, most, mine, changed
}

// CheckKeys makes this node's slots and its keys agree when it has loaded data (redis 7.0.15
// cluster.c verifyClusterConfigWithData).
func (m *Machine) CheckKeys(now int64) {
	m.now = now
	if m.me.is(Replica) {
		return
	}
	changed := false
	for slot := range Slots {
		if m.owner[slot] == m.me || m.importing[slot] != nil || m.o.Server.KeysInSlot(slot) == 0 {
			continue
		}
		changed = true
		if m.owner[slot] == nil {
			m.log(warning, "I have keys for unassigned slot %d. Taking responsibility for it.", slot)
			m.addSlot(m.me, slot)
		} else {
			m.log(warning, "I have keys for slot %d, but the slot is assigned to another node. Setting it to importing state.", slot)
			m.setImporting(slot, m.owner[slot])
		}
	}
	if changed {
		m.save(true)
	}
}
