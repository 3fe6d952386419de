package sentinel

import (
	"fmt"
	"math"
	"strings"

	"github.com/torntail/torntail/engine/bugs"
)

// report is what Sentinel reads in an INFO reply.
type report struct {
	runID    string
	role     flags // 0: not said
	replicas []Addr
	linkDown int64 // ms
	// Said by replicas only; nil: not said.
	masterHost *string
	masterPort *int
	linkUp     *bool
	priority   *int
	offset     *uint64
	announced  *bool
}

// parseInfo reads an INFO reply (redis 7.0.15 sentinelRefreshInstanceInfo). What
// it does not understand it does not see.
func parseInfo(text string) (r report) {
	for line := range strings.SplitSeq(text, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		if len(name) > 5 && strings.HasPrefix(name, "slave") && name[5] >= '0' && name[5] <= '9' {
			if a, ok := parseReplica(value); ok {
				r.replicas = append(r.replicas, a)
			}
			continue
		}
		switch name {
		case "run_id":
			if len(value) >= 40 {
				r.runID = value[:40]
			}
		case "master_link_down_since_seconds":
			r.linkDown = satMul(atoi(value), 1000)
		case "role":
			switch {
			case strings.HasPrefix(value, "master"):
				r.role = isMaster
			case strings.HasPrefix(value, "slave"):
				r.role = isReplica
			}
		}
		if r.role != isReplica {
			continue
		}
		switch name {
		case "master_host":
			r.masterHost = ptr(value)
		case "master_port":
			r.masterPort = ptr(int(int32(atoi(value))))
		case "master_link_status":
			r.linkUp = ptr(strings.EqualFold(value, "up"))
		case "slave_priority":
			r.priority = ptr(int(int32(atoi(value))))
		case "slave_repl_offset":
			r.offset = ptr(uint64(atoi(value)))
		case "replica_announced":
			r.announced = ptr(atoi(value) != 0)
		}
	}
	return r
}

func ptr[T any](v T) *T { return &v }

// parseReplica reads "ip=127.0.0.1,port=6380,..." or the old "127.0.0.1,6380,...".
func parseReplica(value string) (Addr, bool) {
	var host, port string
	if strings.Contains(value, "ip=") {
		for field := range strings.SplitSeq(value, ",") {
			if v, ok := strings.CutPrefix(field, "ip="); ok {
				host = v
			} else if v, ok := strings.CutPrefix(field, "port="); ok {
				port = v
			}
		}
	} else {
		parts := strings.SplitN(value, ",", 3)
		if len(parts) < 3 {
			return Addr{}, false
		}
		host, port = parts[0], parts[1]
	}
	return Addr{host, int(int32(atoi(port)))}, host != "" && port != ""
}

// atoi is C's strtoll: digits as far as they go, saturating.
func atoi(s string) int64 {
	s = strings.TrimLeft(s, " \t")
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimLeft(s, "+-")
	var n int64
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			break
		}
		if n > (math.MaxInt64-int64(c-'0'))/10 {
			n = math.MaxInt64
			break
		}
		n = n*10 + int64(c-'0')
	}
	if negative {
		return -n
	}
	return n
}

func satMul(n, by int64) int64 {
	if n > math.MaxInt64/by {
		return math.MaxInt64
	}
	return n * by
}

// refreshInfo takes in an INFO reply and acts on what it says.
func (m *Machine) refreshInfo(ri *instance, text string) {
	ri.info = text
	r := parseInfo(text)
	ri.masterLinkDown = r.linkDown
	if r.runID != "" && r.runID != ri.runID {
		if ri.runID != "" {
			m.event(Notice, "+reboot", ri, ri.String())
			if ri.is(isMaster) && ri.rebootDownAfter != 0 {
				ri.flags |= rebooted
				ri.rebootedAt = m.now
			}
		}
		ri.runID = r.runID
	}
	if ri.is(isMaster) {
		for _, a := range r.replicas {
			if replica, err := m.create(isReplica, "", a.Host, a.Port, ri.quorum, ri); err == nil {
				m.event(Notice, "+slave", replica, replica.String())
				m.save()
			}
		}
	}
	m.takeReplicaFields(ri, r)
	ri.infoRefresh = m.now

	if r.role != ri.role {
		ri.roleTime = m.now
		ri.role = r.role
		if r.role == isReplica {
			ri.confChange = m.now
		}
		name, says := "-role-change", "slave"
		if ri.flags&(isMaster|isReplica) == r.role {
			name = "+role-change"
		}
		if r.role == isMaster {
			says = "master"
		}
		m.event(Verbose, name, ri, fmt.Sprintf("%s new reported role is %s", ri, says))
	}
	if m.tilt || !ri.is(isReplica) {
		return
	}
	switch r.role {
	case isMaster:
		m.replicaBecameMaster(ri)
	case isReplica:
		m.checkReplicaOf(ri)
	}
}

func (m *Machine) takeReplicaFields(ri *instance, r report) {
	if r.masterHost != nil && !strings.EqualFold(*r.masterHost, ri.masterHost) {
		ri.masterHost = *r.masterHost
		ri.confChange = m.now
	}
	if r.masterPort != nil && *r.masterPort != ri.masterPort {
		ri.masterPort = *r.masterPort
		ri.confChange = m.now
	}
	if r.linkUp != nil {
		ri.masterLinkUp = *r.linkUp
	}
	if r.priority != nil {
		ri.priority = *r.priority
	}
	if r.offset != nil {
		ri.offset = *r.offset
	}
	if r.announced != nil {
		ri.announced = *r.announced
	}
}

// replicaBecameMaster: the promoted replica takes over, any other is made a
// replica again, after some time in which news of a failover may come.
func (m *Machine) replicaBecameMaster(ri *instance) {
	master := ri.master
	if ri.is(promoted) && master.is(failingOver) && master.state == waitPromotion {
		// The new configuration's epoch is the one in which this Sentinel won
		// the election; with it the others take it over.
		if !m.o.Bugs.Has(bugs.EpochNotRaised) {
			master.configEpoch = master.failoverEpoch
		}
		master.setState(m, reconfReplicas)
		m.save()
		m.event(Warning, "+promoted-slave", ri, ri.String())
		if m.failures&crashAfterPromotion != 0 {
			m.crash()
		}
		m.event(Warning, "+failover-state-reconf-slaves", master, master.String())
		m.forceHello(master)
		return
	}
	wait := m.p.publish * 4
	if !ri.is(promoted) && m.looksSane(master) && m.noDownFor(ri, wait) && m.now-ri.roleTime > wait {
		if m.sendSlaveof(ri, &master.addr) {
			m.event(Notice, "+convert-to-slave", ri, ri.String())
		}
	}
}

// checkReplicaOf mends a replica that follows another master, and notices how
// far one that is being reconfigured has come.
func (m *Machine) checkReplicaOf(ri *instance) {
	master := ri.master
	if !master.addr.same(ri.masterHost, ri.masterPort) {
		wait := master.timeout
		if m.looksSane(master) && m.noDownFor(ri, wait) && m.now-ri.confChange > wait {
			if m.sendSlaveof(ri, &master.addr) {
				m.event(Notice, "+fix-slave-config", ri, ri.String())
			}
		}
	}
	if ri.is(reconfSent) && master.promotedOne != nil && master.promotedOne.addr.same(ri.masterHost, ri.masterPort) {
		ri.flags = ri.flags&^reconfSent | reconfInProgress
		m.event(Notice, "+slave-reconf-inprog", ri, ri.String())
	}
	if ri.is(reconfInProgress) && ri.masterLinkUp {
		ri.flags = ri.flags&^reconfInProgress | reconfDone
		m.event(Notice, "+slave-reconf-done", ri, ri.String())
	}
}
