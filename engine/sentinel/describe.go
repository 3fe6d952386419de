package sentinel

import (
	"fmt"
	"strings"
)

// flagNames are the flags in the order in which SENTINEL MASTER lists them;
// "disconnected" comes between sentinel and master_down.
var flagNames = []struct {
	flag flags
	name string
}{
	{sDown, "s_down"}, {oDown, "o_down"}, {isMaster, "master"}, {isReplica, "slave"}, {isSentinel, "sentinel"},
	{0, "disconnected"}, {masterDown, "master_down"}, {failingOver, "failover_in_progress"}, {promoted, "promoted"},
	{reconfSent, "reconf_sent"}, {reconfInProgress, "reconf_inprog"}, {reconfDone, "reconf_done"},
	{forced, "force_failover"}, {scriptKillSent, "script_kill_sent"},
}

func (ri *instance) flagText() string {
	var names []string
	for _, f := range flagNames {
		if f.flag == 0 && ri.link.disconnected || ri.is(f.flag) {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ",")
}

// describe is an instance as SENTINEL MASTER shows it.
func (m *Machine) describe(ri *instance) Reply {
	var f fields
	l := ri.link
	since := func(t int64) int64 {
		if t == 0 {
			return 0
		}
		return m.now - t
	}
	f.text("name", ri.name)
	f.text("ip", ri.addr.Host)
	f.number("port", int64(ri.addr.Port))
	f.text("runid", ri.runID)
	f.text("flags", ri.flagText())
	f.number("link-pending-commands", int64(l.pending))
	f.number("link-refcount", 1)
	if ri.is(failingOver) {
		f.text("failover-state", ri.state.String())
	}
	f.number("last-ping-sent", since(l.actPing))
	f.number("last-ok-ping-reply", m.now-l.lastAvail)
	f.number("last-ping-reply", m.now-l.lastPong)
	if ri.is(sDown) {
		f.number("s-down-time", m.now-ri.sDownSince)
	}
	if ri.is(oDown) {
		f.number("o-down-time", m.now-ri.oDownSince)
	}
	f.number("down-after-milliseconds", ri.downAfter)
	if !ri.is(isSentinel) {
		f.number("info-refresh", since(ri.infoRefresh))
		role := "slave"
		if ri.role == isMaster {
			role = "master"
		}
		f.text("role-reported", role)
		f.number("role-reported-time", m.now-ri.roleTime)
	}
	switch {
	case ri.is(isMaster):
		ri.describeMaster(&f)
	case ri.is(isReplica):
		ri.describeReplica(&f)
	default:
		f.number("last-hello-message", m.now-ri.lastHello)
		f.text("voted-leader", orQuestion(ri.leader))
		f.number("voted-leader-epoch", int64(ri.leaderEpoch))
	}
	return f.reply()
}

func (ri *instance) describeMaster(f *fields) {
	f.number("config-epoch", int64(ri.configEpoch))
	f.number("num-slaves", int64(len(ri.replicas)))
	f.number("num-other-sentinels", int64(len(ri.sentinels)))
	f.number("quorum", int64(ri.quorum))
	f.number("failover-timeout", ri.timeout)
	f.number("parallel-syncs", int64(ri.parallelSyncs))
	if ri.notificationScript != "" {
		f.text("notification-script", ri.notificationScript)
	}
	if ri.reconfigScript != "" {
		f.text("client-reconfig-script", ri.reconfigScript)
	}
}

func (ri *instance) describeReplica(f *fields) {
	f.number("master-link-down-time", ri.masterLinkDown)
	status := "err"
	if ri.masterLinkUp {
		status = "ok"
	}
	f.text("master-link-status", status)
	f.text("master-host", orQuestion(ri.masterHost))
	f.number("master-port", int64(ri.masterPort))
	f.number("slave-priority", int64(ri.priority))
	f.number("slave-repl-offset", int64(ri.offset))
	announced := int64(0)
	if ri.announced {
		announced = 1
	}
	f.number("replica-announced", announced)
}

func orQuestion(s string) string {
	if s == "" {
		return "?"
	}
	return s
}

// describeAll leaves out replicas that do not want to be announced.
func (m *Machine) describeAll(instances []*instance) Reply {
	r := Reply{Kind: Array}
	for _, ri := range instances {
		if !ri.is(isReplica) || ri.announced {
			r.Elems = append(r.Elems, m.describe(ri))
		}
	}
	return r
}

// Masters are the names of the masters that are watched, for ROLE.
func (m *Machine) Masters() (names []string) {
	for _, ri := range m.masters {
		names = append(names, ri.name)
	}
	return names
}

// Info is INFO's section about Sentinel, name and value.
func (m *Machine) Info(now int64) [][2]string {
	number := func(name string, n int64) [2]string { return [2]string{name, fmt.Sprint(n)} }
	tilt, since := int64(0), int64(-1)
	if m.tilt {
		tilt, since = 1, (now-m.tiltAt)/1000
	}
	out := [][2]string{
		number("sentinel_masters", int64(len(m.masters))),
		number("sentinel_tilt", tilt),
		number("sentinel_tilt_since_seconds", since),
		number("sentinel_running_scripts", 0),
		number("sentinel_scripts_queue_length", 0),
		number("sentinel_simulate_failure_flags", int64(m.failures)),
	}
	for i, ri := range m.masters {
		status := "ok"
		switch {
		case ri.is(oDown):
			status = "odown"
		case ri.is(sDown):
			status = "sdown"
		}
		out = append(out, [2]string{fmt.Sprintf("master%d", i), fmt.Sprintf("name=%s,status=%s,address=%s,slaves=%d,sentinels=%d",
			ri.name, status, ri.addr, len(ri.replicas), len(ri.sentinels)+1)})
	}
	return out
}
