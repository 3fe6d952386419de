package replication

import "time"

// Cron is to be called often; once a second (ten times during a failover) it
// does what time demands (replicationCron). It reports whether it did.
func (m *Machine) Cron(now time.Duration) bool {
	m.now = now
	if m.Failover.State != NoFailover {
		m.checkFailover()
	}
	if now < m.cron {
		return false
	}
	period := time.Second
	if m.Failover.State != NoFailover {
		period = 100 * time.Millisecond
	}
	m.cron = now + period
	if m.Up != nil {
		m.watchMaster()
	}
	m.watchReplicas()
	m.countGood()
	m.loops++
	return true
}

// FileNeeded reports whether a replica waits for a snapshot or is being sent one.
func (m *Machine) FileNeeded() bool {
	for _, r := range m.Replicas {
		if r.State == WaitStart || r.State == WaitEnd || r.State == SendBulk {
			return true
		}
	}
	return false
}

// NextCron is when Cron has something to do next.
func (m *Machine) NextCron() time.Duration { return m.cron }

// late reports whether more whole seconds than repl-timeout have passed since.
func (m *Machine) late(since time.Duration) bool {
	return seconds(m.now)-seconds(since) > m.o.Config.ReplTimeout
}

// watchMaster gives up a link that says nothing, dials, and acknowledges.
func (m *Machine) watchMaster() {
	u := m.Up
	switch u.State {
	case Connecting, Handshake:
		if m.late(u.lastIO) {
			m.log(warning, "Timeout connecting to the MASTER...")
			m.closeLink()
		}
	case Transfer:
		if m.late(u.lastIO) {
			m.log(warning, "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter in redis.conf to a larger value.")
			m.closeLink()
		}
	case Connected:
		if m.late(u.lastIO) {
			m.log(warning, "MASTER timeout: no data nor PING received...")
			u.downAt = m.now
			m.closeLink()
			m.dial()
		}
	}
	if u.State == ToConnect {
		m.log(notice, "Connecting to MASTER %s:%d", u.Host, u.Port)
		m.dial()
	}
	m.sendAck()
}

func (m *Machine) watchReplicas() {
	c := m.o.Config
	if len(m.Replicas) > 0 && m.Up == nil && m.Stream != nil && m.loops%c.ReplPingPeriod == 0 && m.Failover.State == NoFailover && !m.Still {
		m.append(pingCommand)
	}
	for _, r := range append([]*Replica(nil), m.Replicas...) {
		switch {
		case r.State == WaitStart, r.State == WaitEnd && !r.socket:
			m.say(r, "\n") // alive, and not ready
		case r.State == Online && !r.legacy && m.late(r.ackedAt):
			m.log(warning, "Disconnecting timedout replica (streaming sync): %s", m.name(r))
			m.drop(r)
		}
	}
	if len(m.Replicas) == 0 && m.Up == nil && m.Stream != nil && c.ReplBacklogTTL > 0 &&
		seconds(m.now)-seconds(m.lonely) > c.ReplBacklogTTL {
		// Writes from now on are in no stream: whoever comes back must not believe
		// that the offsets still mean the same bytes.
		m.changeID()
		m.clearID2()
		m.freeStream()
		m.log(notice, "Replication backlog freed after %d seconds without connected replicas.", c.ReplBacklogTTL)
	}
	m.startSave()
}

// startSave begins the snapshot that somebody waits for long enough
// (replicationStartPendingFork).
func (m *Machine) startSave() {
	if m.saving != notSaving {
		return
	}
	c := m.o.Config
	waiting, longest := int64(0), time.Duration(0)
	for _, r := range m.Replicas {
		if r.State == WaitStart {
			waiting++
			longest = max(longest, m.now-r.askedAt)
		}
	}
	if waiting == 0 {
		return
	}
	if !c.ReplDisklessSync || longest >= time.Duration(c.ReplDisklessSyncDelay)*time.Second ||
		c.ReplDisklessMaxReplicas > 0 && waiting >= c.ReplDisklessMaxReplicas {
		m.save()
	}
}

var (
	pingCommand = []byte(command("PING"))
	getAck      = []byte(command("REPLCONF", "GETACK", "*"))
)
