package cluster

import "strings"

// How a replica takes the place of its master: by itself when that has failed, or because
// somebody asks for it.

// election is an attempt of this node to become a master.
type election struct {
	at         int64 // when it asks for votes, or did
	votes      int
	asked      bool
	rank       int
	epoch      uint64
	cannot     cannot
	toldCannot int64 // Unix seconds
}

// cannot is why a replica does not take over.
type cannot uint8

const (
	canFailover cannot = iota
	oldData
	waitingDelay
	expired
	waitingVotes
)

var cannotTexts = [...]string{
	oldData:      "Disconnected from master for longer than allowed. Please check the 'cluster-replica-validity-factor' configuration option.",
	waitingDelay: "Waiting the delay before I can start a new failover.",
	expired:      "Failover attempt expired.",
	waitingVotes: "Waiting for votes, but majority still not reached.",
}

const (
	relogCannot  = 5 * 60 // seconds (CLUSTER_CANT_FAILOVER_RELOG_PERIOD)
	quietFailure = 5000   // ms after the master's failure in which nothing is said of it
	manualFor    = 5000   // ms that a manual failover may take (CLUSTER_MF_TIMEOUT)
)

// tellCannot logs why there is no failover, once for each reason, and again after a while.
func (m *Machine) tellCannot(why cannot) {
	e := &m.election
	if why == e.cannot && m.now/1000-e.toldCannot < relogCannot {
		return
	}
	e.cannot = why
	if master := m.me.master; master != nil && master.is(Fail) && m.now-master.failedAt < m.cfg.ClusterNodeTimeout+quietFailure {
		return
	}
	e.toldCannot = m.now / 1000
	m.log(warning, "Currently unable to failover: %s", cannotTexts[why])
}

// rank is how many other replicas of the master have more of its data (redis 7.0.15 cluster.c clusterGetSlaveRank).
func (m *Machine) rank() (rank int) {
	if m.me.master == nil {
		return 0
	}
	mine := m.o.Server.Offset()
	for _, r := range m.me.master.replicas {
		if r != m.me && !r.is(NoFailover) && r.offset > mine {
			rank++
		}
	}
	return rank
}

// handleFailover takes the place of a master that has failed, a step at a time (redis 7.0.15
// cluster.c clusterHandleSlaveFailover).
func (m *Machine) handleFailover() {
	m.todo &^= todoFailover
	e, cfg := &m.election, m.cfg
	timeout := max(cfg.ClusterNodeTimeout*2, 2000)
	byHand := m.manual.end != 0 && m.manual.canStart
	master := m.me.master
	if m.me.is(Master) || master == nil || !master.is(Fail) && !byHand || cfg.ClusterNoFailover && !byHand || master.numSlots == 0 {
		e.cannot = canFailover
		return
	}
	age := m.o.Server.SinceMaster()
	if age > cfg.ClusterNodeTimeout {
		age -= cfg.ClusterNodeTimeout
	}
	if f := cfg.ClusterValidityFactor; f != 0 && !byHand && age > cfg.ReplPingPeriod*1000+cfg.ClusterNodeTimeout*f {
		m.tellCannot(oldData)
		return
	}
	passed := m.now - e.at
	if passed > timeout*2 {
		m.prepareElection()
		return
	}
	if !e.asked && m.manual.end == 0 {
		if rank := m.rank(); rank > e.rank {
			added := int64(rank-e.rank) * 1000
			e.at += added
			e.rank = rank
			m.log(warning, "Replica rank updated to #%d, added %d milliseconds of delay.", rank, added)
		}
	}
	switch {
	case m.now < e.at:
		m.tellCannot(waitingDelay)
	case passed > timeout:
		m.tellCannot(expired)
	case !e.asked:
		m.currentEpoch++
		e.epoch = m.currentEpoch
		m.log(warning, "Starting a failover election for epoch %d.", m.currentEpoch)
		msg := m.header(AuthRequest)
		if m.manual.end != 0 {
			msg.Flags |= flagForceAck
		}
		m.broadcast(msg)
		e.asked = true
		m.todo |= todoSave | todoState | todoSync
	case e.votes >= m.quorum():
		m.log(warning, "Failover election won: I'm the new master.")
		if m.me.epoch < e.epoch {
			m.me.epoch = e.epoch
			m.log(warning, "configEpoch set to %d after successful failover", m.me.epoch)
		}
		m.takeOver()
	default:
		m.tellCannot(waitingVotes)
	}
}

// prepareElection says when votes are asked for: not at once, so that masters may learn of
// the failure, and later for those who have less of the data.
func (m *Machine) prepareElection() {
	e := &m.election
	e.votes, e.asked, e.rank = 0, false, m.rank()
	e.at = m.now + 500 + int64(m.o.Random()%500) + int64(e.rank)*1000
	if m.manual.end != 0 {
		e.at, e.rank = m.now, 0
		m.todo |= todoFailover
	}
	m.log(warning, "Start of election delayed for %d milliseconds (rank #%d, offset %d).", e.at-m.now, e.rank, m.o.Server.Offset())
	m.broadcastPong(true) // the others are to know this node's offset
}

// takeOver makes this node the owner of its master's slots (redis 7.0.15 cluster.c
// clusterFailoverReplaceYourMaster).
func (m *Machine) takeOver() {
	old := m.me.master
	if m.me.is(Master) || old == nil {
		return
	}
	m.setMasterRole(m.me)
	m.do(Action{Kind: Promote})
	for slot := range Slots {
		if old.slots.Has(slot) {
			m.dropSlot(slot)
			m.addSlot(m.me, slot)
		}
	}
	m.updateState()
	m.save(true)
	m.broadcastPong(false)
	m.resetManual()
}

// vote gives a replica this master's vote, if it may have it (redis 7.0.15 cluster.c clusterSendFailoverAuthIfNeeded).
func (m *Machine) vote(n *node, msg *Message) {
	if m.me.is(Replica) || m.me.numSlots == 0 {
		return
	}
	deny := func(format string, a ...any) {
		m.log(warning, "Failover auth denied to %s: "+format, append([]any{n.id}, a...)...)
	}
	master := n.master
	switch {
	case msg.CurrentEpoch < m.currentEpoch:
		deny("reqEpoch (%d) < curEpoch(%d)", msg.CurrentEpoch, m.currentEpoch)
		return
	case m.lastVote == m.currentEpoch:
		deny("already voted for epoch %d", m.currentEpoch)
		return
	case n.is(Master):
		deny("it is a master node")
		return
	case master == nil:
		deny("I don't know its master")
		return
	case !master.is(Fail) && msg.Flags&flagForceAck == 0:
		deny("its master is up")
		return
	}
	if wait := m.cfg.ClusterNodeTimeout*2 - (m.now - master.votedAt); wait > 0 {
		deny("can't vote about this master before %d milliseconds", wait)
		return
	}
	for slot := range Slots {
		if msg.Slots.Has(slot) && !m.unclaimed(slot) && m.owner[slot].epoch > msg.ConfigEpoch {
			deny("slot %d epoch (%d) > reqEpoch (%d)", slot, m.owner[slot].epoch, msg.ConfigEpoch)
			return
		}
	}
	m.lastVote = m.currentEpoch
	master.votedAt = m.now
	m.todo |= todoSave | todoSync
	if n.link != nil {
		m.send(n.link, m.header(AuthAck))
	}
	m.log(warning, "Failover auth granted to %s for epoch %d", n.id, m.currentEpoch)
}

// manual is a failover that somebody has asked for, on either side of it.
type manual struct {
	end          int64 // when it is given up; 0: there is none
	pausedFor    *node // of the master: who is to take its place
	masterOffset int64 // of the replica: what the master had when its clients were paused; -1: not known
	canStart     bool  // it may ask for votes
}

// resetManual ends a manual failover, if there is one.
func (m *Machine) resetManual() {
	if m.manual.pausedFor != nil {
		m.do(Action{Kind: ResumeWrites})
	}
	m.manual = manual{masterOffset: -1}
}

// handleManual lets the replica begin once it has all that the master had (redis 7.0.15
// cluster.c clusterHandleManualFailover).
func (m *Machine) handleManual() {
	if m.manual.end == 0 || m.manual.canStart || m.manual.masterOffset == -1 {
		return
	}
	if m.manual.masterOffset != m.o.Server.Offset() {
		m.todo |= todoManual
		return
	}
	m.manual.canStart = true
	m.log(warning, "All master replication stream processed, manual failover can start.")
	m.todo |= todoFailover
}

// startPause has clients of this master wait, for a replica that takes its place.
func (m *Machine) startPause(l *link, sender *node) {
	if sender == nil || sender.master != m.me {
		return
	}
	m.resetManual()
	m.manual.end, m.manual.pausedFor = m.now+manualFor, sender
	m.do(Action{Kind: PauseWrites})
	m.log(warning, "Manual failover requested by replica %s.", sender.id)
	m.sendPing(l, Ping)
}

// migrate gives this replica to a master that has none that works, if its own can do without
// and it is the one to go: of those masters' replicas that have most, the one with the least
// name (redis 7.0.15 cluster.c clusterHandleSlaveMigration).
func (m *Machine) migrate(most int) {
	master := m.me.master
	if m.failed || master == nil {
		return
	}
	working := 0
	for _, r := range master.replicas {
		if !r.is(Fail | PFail) {
			working++
		}
	}
	if int64(working) <= m.cfg.ClusterMigrationBarrier {
		return
	}
	candidate := m.me
	var target *node
	for _, n := range m.nodes {
		working := 0
		if n.is(Master) {
			working = n.workingReplicas()
		}
		if !n.is(Replica|Fail) && n.is(migrateTo) && working == 0 {
			if target == nil && n.numSlots > 0 {
				target = n
			}
			if n.orphanedAt == 0 {
				n.orphanedAt = m.now
			}
		} else {
			n.orphanedAt = 0
		}
		if working != most {
			continue
		}
		for _, r := range n.replicas {
			if strings.Compare(r.id, candidate.id) < 0 {
				candidate = r
			}
		}
	}
	if target != nil && candidate == m.me && m.now-target.orphanedAt > migrationDelay {
		m.log(warning, "Migrating to orphaned master %s", target.id)
		m.follow(target)
	}
}
