package sentinel

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

func (ri *instance) setState(m *Machine, s failoverState) {
	ri.state, ri.stateChange = s, m.now
}

// startFailover begins an attempt, in an epoch of its own.
func (m *Machine) startFailover(master *instance) {
	master.state = waitStart
	master.flags |= failingOver
	m.epoch++
	master.failoverEpoch = m.epoch
	m.event(Warning, "+new-epoch", master, fmt.Sprint(m.epoch))
	m.event(Warning, "+try-failover", master, master.String())
	master.startTime = m.now + int64(m.o.Rand()%maxDesync)
	master.stateChange = m.now
}

// startFailoverIfNeeded starts one when the master is objectively down, none is
// in progress, and the last attempt, of any Sentinel voted for, is long enough ago.
func (m *Machine) startFailoverIfNeeded(master *instance) bool {
	if !master.is(oDown) || master.is(failingOver) {
		return false
	}
	if m.now-master.startTime < master.timeout*2 {
		if master.delayLogged != master.startTime {
			master.delayLogged = master.startTime
			at := time.UnixMilli(master.startTime + master.timeout*2).UTC()
			m.log(Warning, "Next failover delay: I will not start a failover before "+at.Format(time.ANSIC))
		}
		return false
	}
	m.startFailover(master)
	return true
}

// failover moves a failover in progress on.
func (m *Machine) failover(master *instance) {
	if !master.is(failingOver) {
		return
	}
	switch master.state {
	case waitStart:
		m.waitStart(master)
	case selectReplica:
		m.selectReplica(master)
	case sendSlaveofNoOne:
		m.promote(master)
	case waitPromotion:
		// What ends it is the replica's INFO; see replicaBecameMaster.
		if m.now-master.stateChange > master.timeout {
			m.event(Warning, "-failover-abort-slave-timeout", master, master.String())
			m.abort(master)
		}
	case reconfReplicas:
		m.reconfigure(master)
	}
}

func (m *Machine) waitStart(master *instance) {
	leader := m.leader(master, master.failoverEpoch)
	if !strings.EqualFold(leader, m.id) && !master.is(forced) {
		if m.now-master.startTime > min(m.p.election, master.timeout) {
			m.event(Warning, "-failover-abort-not-elected", master, master.String())
			m.abort(master)
		}
		return
	}
	m.event(Warning, "+elected-leader", master, master.String())
	if m.failures&crashAfterElection != 0 {
		m.crash()
	}
	master.setState(m, selectReplica)
	m.event(Warning, "+failover-state-select-slave", master, master.String())
}

func (m *Machine) crash() {
	m.log(Warning, "Sentinel CRASH because of SENTINEL simulate-failure")
	m.do(Action{Kind: Crash})
}

func (m *Machine) selectReplica(master *instance) {
	best := m.best(master)
	if best == nil {
		m.event(Warning, "-failover-abort-no-good-slave", master, master.String())
		m.abort(master)
		return
	}
	m.event(Warning, "+selected-slave", best, best.String())
	best.flags |= promoted
	master.promotedOne = best
	master.setState(m, sendSlaveofNoOne)
	m.event(Notice, "+failover-state-send-slaveof-noone", best, best.String())
}

// best is the replica to promote: of those that are well, the one with the
// lowest priority number, the largest offset, the smallest run id.
func (m *Machine) best(master *instance) *instance {
	maxLinkDown := master.downAfter * 10
	infoValid := m.p.info * 3
	if master.is(sDown) {
		maxLinkDown += m.now - master.sDownSince
		infoValid = m.p.ping * 5
	}
	var fit []*instance
	for _, r := range master.replicas {
		if r.is(sDown|oDown) || r.link.disconnected ||
			m.now-r.link.lastAvail > m.p.ping*5 || r.priority == 0 ||
			m.now-r.infoRefresh > infoValid || r.masterLinkDown > maxLinkDown {
			continue
		}
		fit = append(fit, r)
	}
	if len(fit) == 0 {
		return nil
	}
	return slices.MinFunc(fit, func(a, b *instance) int {
		return cmp.Or(
			cmp.Compare(a.priority, b.priority),
			cmp.Compare(b.offset, a.offset),
			compareRunIDs(a.runID, b.runID),
		)
	})
}

// compareRunIDs puts an unknown id last.
func compareRunIDs(a, b string) int {
	if (a == "") != (b == "") {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
}

func (m *Machine) promote(master *instance) {
	r := master.promotedOne
	if r == nil || r.link.disconnected {
		if m.now-master.stateChange > master.timeout {
			m.event(Warning, "-failover-abort-slave-timeout", master, master.String())
			m.abort(master)
		}
		return
	}
	if !m.sendSlaveof(r, nil) {
		return
	}
	m.event(Notice, "+failover-state-wait-promotion", r, r.String())
	master.setState(m, waitPromotion)
}

// abort gives a failover up, which is possible until the replica is promoted.
func (m *Machine) abort(master *instance) {
	master.flags &^= failingOver | forced
	master.setState(m, noFailover)
	if master.promotedOne != nil {
		master.promotedOne.flags &^= promoted
		master.promotedOne = nil
	}
}

// reconfigure makes the other replicas follow the new master, parallelSyncs at a time.
func (m *Machine) reconfigure(master *instance) {
	inProgress := 0
	for _, r := range master.replicas {
		if r.is(reconfSent | reconfInProgress) {
			inProgress++
		}
	}
	for _, r := range master.replicas {
		if inProgress >= master.parallelSyncs || master.promotedOne == nil {
			break
		}
		if r.is(promoted | reconfDone) {
			continue
		}
		// One that takes too long counts as done; it is mended later.
		if r.is(reconfSent) && m.now-r.reconfSentTime > m.p.reconfTimeout {
			m.event(Notice, "-slave-reconf-sent-timeout", r, r.String())
			r.flags = r.flags&^reconfSent | reconfDone
		}
		if r.is(reconfSent|reconfInProgress) || r.link.disconnected {
			continue
		}
		if m.sendSlaveof(r, &master.promotedOne.addr) {
			r.flags |= reconfSent
			r.reconfSentTime = m.now
			m.event(Notice, "+slave-reconf-sent", r, r.String())
			inProgress++
		}
	}
	m.detectEnd(master)
}

// detectEnd ends the failover once all reachable replicas follow the new
// master, or when time is up; then the rest are told without waiting for them.
func (m *Machine) detectEnd(master *instance) {
	if master.promotedOne == nil || master.promotedOne.is(sDown) {
		return
	}
	missing := slices.ContainsFunc(master.replicas, func(r *instance) bool {
		return !r.is(promoted|reconfDone) && !r.is(sDown)
	})
	timeout := m.now-master.stateChange > master.timeout
	if timeout {
		missing = false
		m.event(Warning, "+failover-end-for-timeout", master, master.String())
	}
	if !missing {
		m.event(Warning, "+failover-end", master, master.String())
		master.setState(m, updateConfig)
	}
	if !timeout {
		return
	}
	for _, r := range master.replicas {
		if r.is(promoted|reconfDone|reconfSent) || r.link.disconnected {
			continue
		}
		if m.sendSlaveof(r, &master.promotedOne.addr) {
			m.event(Notice, "+slave-reconf-sent-be", r, r.String())
			r.flags |= reconfSent
		}
	}
}

// switchToPromoted makes the promoted replica the master that is watched.
func (m *Machine) switchToPromoted(master *instance) {
	to := master.addr
	if master.promotedOne != nil {
		to = master.promotedOne.addr
	}
	m.switchMaster(master, to)
}

// switchMaster tells clients of the new address and watches it from now on.
func (m *Machine) switchMaster(master *instance, to Addr) {
	m.event(Warning, "+switch-master", master, fmt.Sprintf("%s %s %d %s %d",
		master.name, master.addr.Host, master.addr.Port, to.Host, to.Port))
	m.changeAddress(master, to)
}
