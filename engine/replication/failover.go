package replication

import (
	"strings"
	"time"
)

// FailoverState is how far a FAILOVER command has come.
type FailoverState uint8

// The states of a coordinated failover.
const (
	NoFailover         FailoverState = iota
	FailoverWaitSync                 // writes are paused, replicas catch up
	FailoverInProgress               // the target has been asked to take over
)

// InfoName is the state as INFO shows it.
func (s FailoverState) InfoName() string {
	return [...]string{"no-failover", "waiting-for-sync", "failover-in-progress"}[s]
}

// Failover is the coordinated failover that a FAILOVER command has begun.
type Failover struct {
	State    FailoverState
	host     string // "": any replica that has caught up
	port     int64
	force    bool
	deadline time.Duration // 0: none
}

// BeginFailover is the command FAILOVER: with no host any replica will do. It
// returns "OK" or an error (redis 7.0.15 replication.c failoverCommand).
func (m *Machine) BeginFailover(now time.Duration, host string, port int64, force bool, timeout time.Duration) string {
	m.now = now
	switch {
	case m.Failover.State != NoFailover:
		return "ERR FAILOVER already in progress."
	case m.Up != nil:
		return "ERR FAILOVER is not valid when server is a replica."
	case len(m.Replicas) == 0:
		return "ERR FAILOVER requires connected replicas."
	case force && (timeout == 0 || host == ""):
		return "ERR FAILOVER with force option requires both a timeout and target HOST and IP."
	}
	if host != "" {
		r := m.replicaAt(host, port)
		switch {
		case r == nil:
			return "ERR FAILOVER target HOST and PORT is not a replica."
		case r.State != Online:
			return "ERR FAILOVER target replica is not online."
		}
	}
	f := Failover{State: FailoverWaitSync, host: host, port: port, force: force}
	if timeout > 0 {
		f.deadline = now + timeout
	}
	m.Failover = f
	m.log(notice, "FAILOVER requested to %s.", f.target())
	m.emit(Effect{Kind: PauseWrites})
	return "OK"
}

func (f *Failover) target() string {
	if f.host == "" {
		return "any replica"
	}
	return f.host + ":" + itoa(f.port)
}

// AbortFailover is FAILOVER ABORT.
func (m *Machine) AbortFailover(now time.Duration) string {
	m.now = now
	if m.Failover.State == NoFailover {
		return "ERR No failover in progress."
	}
	m.abortFailover("Failover manually aborted")
	return "OK"
}

// abortFailover undoes what was begun; a server that already follows the
// target becomes a master again.
func (m *Machine) abortFailover(why string) {
	if m.Failover.State == NoFailover {
		return
	}
	m.log(notice, "Aborting failover to %s, state: %s: %s", m.Failover.target(), m.Failover.State.InfoName(), why)
	followed := m.Failover.State == FailoverInProgress
	m.finishFailover(false)
	if followed && m.Up != nil {
		m.unfollow()
	}
}

// finishFailover lets clients write again; the writes meet the new role.
func (m *Machine) finishFailover(ok bool) {
	if ok {
		m.log(notice, "Failover to %s finished", m.Failover.target())
	}
	m.Failover = Failover{}
	m.emit(Effect{Kind: ResumeWrites})
}

// endFailover is called when the link to the target breaks.
func (m *Machine) endFailover(u *Upstream) {
	if m.Failover.State == FailoverInProgress && u.failing {
		u.failing = false // the next attempt asks again
	}
}

func (m *Machine) replicaAt(host string, port int64) *Replica {
	for _, r := range m.Replicas {
		if strings.EqualFold(r.Host(), host) && r.Port == port {
			return r
		}
	}
	return nil
}

// checkFailover moves a failover on (updateFailoverStatus and the timeout in
// replicationCron).
func (m *Machine) checkFailover() {
	f := &m.Failover
	if f.State != FailoverWaitSync {
		return
	}
	if f.deadline != 0 && m.now >= f.deadline {
		if !f.force {
			m.abortFailover("Replica never caught up before timeout")
			return
		}
		m.log(notice, "Failover to %s time out exceeded, failing over.", f.target())
		m.takeOver(f.host, f.port)
		return
	}
	for _, r := range m.Replicas {
		if f.host != "" && r != m.replicaAt(f.host, f.port) || r.State != Online || r.Acked != m.Offset {
			continue
		}
		f.host, f.port = r.Host(), r.Port
		m.log(notice, "Failover target %s is synced, failing over.", f.target())
		m.takeOver(f.host, f.port)
		return
	}
}

// takeOver follows the target and asks it to become the master.
func (m *Machine) takeOver(host string, port int64) {
	m.Failover.State = FailoverInProgress
	m.Follow(m.now, host, port)
}
