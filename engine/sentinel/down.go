package sentinel

import (
	"fmt"
	"strconv"
)

// checkSubjectivelyDown decides whether an instance is down for this Sentinel,
// and drops connections that seem dead.
func (m *Machine) checkSubjectivelyDown(ri *instance) {
	l := ri.link
	elapsed := int64(0)
	switch {
	case l.actPing != 0:
		elapsed = m.now - l.actPing
	case l.disconnected:
		elapsed = m.now - l.lastAvail
	}
	if c := l.commands; c != nil && m.now-c.began > m.p.minReconnect && l.actPing != 0 &&
		m.now-l.actPing > ri.downAfter/2 && m.now-l.lastPong > ri.downAfter/2 {
		m.closeConn(l, c)
	}
	if c := l.pubsub; c != nil && m.now-c.began > m.p.minReconnect && m.now-l.pubsubActivity > m.p.publish*3 {
		m.closeConn(l, c)
	}
	// A master that says it is a replica is as good as gone, after time enough
	// for two reports.
	down := elapsed > ri.downAfter ||
		ri.is(isMaster) && ri.role == isReplica && m.now-ri.roleTime > ri.downAfter+m.p.info*2 ||
		ri.is(rebooted) && m.now-ri.rebootedAt > ri.rebootDownAfter
	switch {
	case down && !ri.is(sDown):
		m.event(Warning, "+sdown", ri, ri.String())
		ri.sDownSince = m.now
		ri.flags |= sDown
	case !down && ri.is(sDown):
		m.event(Warning, "-sdown", ri, ri.String())
		ri.flags &^= sDown | scriptKillSent
	}
}

// checkObjectivelyDown decides whether enough Sentinels hold a master to be
// down. Their opinions need not be of the same moment.
func (m *Machine) checkObjectivelyDown(master *instance) {
	agree := 0
	if master.is(sDown) {
		agree = 1
		for _, si := range master.sentinels {
			if si.is(masterDown) {
				agree++
			}
		}
	}
	switch down := agree > 0 && agree >= master.quorum; {
	case down && !master.is(oDown):
		m.event(Warning, "+odown", master, fmt.Sprintf("%s #quorum %d/%d", master, agree, master.quorum))
		master.flags |= oDown
		master.oDownSince = m.now
	case !down && master.is(oDown):
		m.event(Warning, "-odown", master, master.String())
		master.flags &^= oDown
	}
}

// ask asks the other Sentinels whether a master is down for them, and, during a
// failover, for their vote.
func (m *Machine) ask(master *instance, force bool) {
	for _, si := range master.sentinels {
		elapsed := m.now - si.lastDownReply
		if elapsed > m.p.ask*5 {
			si.flags &^= masterDown
			si.leader = ""
		}
		if !master.is(sDown) || si.link.disconnected || !force && elapsed < m.p.ask {
			continue
		}
		candidate := "*"
		if master.state > noFailover {
			candidate = m.id
		}
		m.send(si.link.commands, downReply, si.command("SENTINEL"), "is-master-down-by-addr",
			master.addr.Host, strconv.Itoa(master.addr.Port), strconv.FormatUint(m.epoch, 10), candidate)
	}
}

// receivedDown is a Sentinel's answer to ask.
func (m *Machine) receivedDown(si *instance, r Reply) {
	if r.Kind != Array || len(r.Elems) != 3 || r.Elems[0].Kind != Integer || r.Elems[1].Kind != Bulk || r.Elems[2].Kind != Integer {
		return
	}
	si.lastDownReply = m.now
	if r.Elems[0].N == 1 {
		si.flags |= masterDown
	} else {
		si.flags &^= masterDown
	}
	if leader := r.Elems[1].Text; leader != "*" {
		epoch := uint64(r.Elems[2].N)
		if si.leaderEpoch != epoch {
			m.log(Warning, fmt.Sprintf("%s voted for %s %d", si.name, leader, epoch))
		}
		si.leader, si.leaderEpoch = leader, epoch
	}
}
