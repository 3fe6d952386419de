package sentinel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/torntail/torntail/engine/bugs"
)

// Addr is where an instance listens.
type Addr struct {
	Host string
	Port int
}

func (a Addr) String() string {
	if strings.Contains(a.Host, ":") {
		return fmt.Sprintf("[%s]:%d", a.Host, a.Port)
	}
	return fmt.Sprintf("%s:%d", a.Host, a.Port)
}

func (a Addr) same(host string, port int) bool {
	return a.Port == port && strings.EqualFold(a.Host, host)
}

// flags are the state of an instance (SRI_*).
type flags uint16

const (
	isMaster flags = 1 << iota
	isReplica
	isSentinel
	sDown      // does not answer this Sentinel
	oDown      // nor enough others
	masterDown // a Sentinel that says that the master is down
	failingOver
	promoted
	reconfSent
	reconfInProgress
	reconfDone
	forced // SENTINEL FAILOVER
	scriptKillSent
	rebooted
)

// failoverState is how far a failover has come.
type failoverState uint8

const (
	noFailover failoverState = iota
	waitStart
	selectReplica
	sendSlaveofNoOne
	waitPromotion
	reconfReplicas
	updateConfig
)

func (s failoverState) String() string {
	return [...]string{"none", "wait_start", "select_slave", "send_slaveof_noone", "wait_promotion", "reconf_slaves", "update_config"}[s]
}

// instance is a master, one of its replicas, or another Sentinel that watches
// it. Times are in ms, 0 for never.
type instance struct {
	flags flags
	name  string // a replica's is its address, a Sentinel's its run id
	runID string
	addr  Addr
	link  *link

	lastPub       int64 // hello sent
	lastHello     int64 // Sentinels: hello received
	lastDownReply int64 // Sentinels: is-master-down-by-addr answered
	sDownSince    int64
	oDownSince    int64
	downAfter     int64
	infoRefresh   int64 // INFO received
	info          string

	role       flags // isMaster or isReplica, as INFO says
	roleTime   int64
	confChange int64 // a replica's master changed

	// Masters.
	configEpoch        uint64
	replicas           []*instance
	sentinels          []*instance
	quorum             int
	parallelSyncs      int
	authUser, authPass string
	rebootDownAfter    int64
	rebootedAt         int64
	notificationScript string
	reconfigScript     string
	renamed            [][2]string // commands the instance knows under another name

	// Replicas.
	master         *instance // Sentinels' too
	masterHost     string
	masterPort     int
	masterLinkUp   bool
	masterLinkDown int64 // for how long
	priority       int
	offset         uint64
	announced      bool
	reconfSentTime int64
	// Failover. A Sentinel's leader is the one it voted for.
	leader        string
	leaderEpoch   uint64
	failoverEpoch uint64
	state         failoverState
	stateChange   int64
	startTime     int64
	timeout       int64
	delayLogged   int64
	promotedOne   *instance
}

func (ri *instance) is(f flags) bool { return ri.flags&f != 0 }

// own is the master an instance belongs to, itself for a master.
func (ri *instance) own() *instance {
	if ri.is(isMaster) {
		return ri
	}
	return ri.master
}

func (ri *instance) kind() string {
	switch {
	case ri.is(isMaster):
		return "master"
	case ri.is(isReplica):
		return "slave"
	}
	return "sentinel"
}

// String is how events name an instance.
func (ri *instance) String() string {
	s := fmt.Sprintf("%s %s %s %d", ri.kind(), ri.name, ri.addr.Host, ri.addr.Port)
	if m := ri.master; m != nil {
		s += fmt.Sprintf(" @ %s %s %d", m.name, m.addr.Host, m.addr.Port)
	}
	return s
}

var (
	errDuplicate = errors.New("duplicate")
	//lint:ignore ST1005 redis-server words it so
	errHost = errors.New("Can't resolve instance hostname.")
	//lint:ignore ST1005 redis-server words it so
	errPort = errors.New("Invalid port number.")
)

// validAddr follows createSentinelAddr. Names are never resolved here: with
// resolve-hostnames they are kept, and whoever dials resolves them.
func (m *Machine) validAddr(host string, port int) error {
	if port < 0 || port > 65535 {
		return errPort
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if !m.resolve || host == "" || len(host) > 255 || strings.ContainsFunc(host, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_')
	}) {
		return errHost
	}
	return nil
}

// create makes an instance and puts it into its table. name is ignored for a replica.
func (m *Machine) create(kind flags, name, host string, port, quorum int, master *instance) (*instance, error) {
	if err := m.validAddr(host, port); err != nil {
		return nil, err
	}
	addr := Addr{host, port}
	table := &m.masters
	switch kind {
	case isReplica:
		table, name = &master.replicas, addr.String()
	case isSentinel:
		table = &master.sentinels
	}
	if find(*table, name) != nil {
		return nil, errDuplicate
	}
	ri := &instance{
		flags: kind, name: name, addr: addr, quorum: quorum, master: master,
		lastPub: m.now, lastHello: m.now, lastDownReply: m.now,
		downAfter: m.p.downAfter, timeout: m.p.failoverTimeout,
		parallelSyncs: defaultSyncs, priority: defaultPriority, announced: true,
		role: kind & (isMaster | isReplica), roleTime: m.now, confChange: m.now,
	}
	if master != nil {
		ri.downAfter = master.downAfter
	}
	ri.link = m.newLink()
	*table = append(*table, ri)
	return ri, nil
}

// release lets go of an instance that is in no table any more.
func (m *Machine) release(ri *instance) {
	for _, o := range ri.replicas {
		m.release(o)
	}
	for _, o := range ri.sentinels {
		m.release(o)
	}
	m.closeLink(ri.link)
	if ri.is(promoted) && ri.master != nil && ri.master.promotedOne == ri {
		ri.master.promotedOne = nil
	}
}

func find(table []*instance, name string) *instance {
	for _, ri := range table {
		if ri.name == name {
			return ri
		}
	}
	return nil
}

// findAt finds an instance by address and run id; an empty runID matches any.
func findAt(table []*instance, host string, port int, runID string) *instance {
	for _, ri := range table {
		if ri.addr.same(host, port) && (runID == "" || ri.runID == runID) {
			return ri
		}
	}
	return nil
}

func (m *Machine) master(name string) *instance { return find(m.masters, name) }

// removeSentinel forgets the Sentinels of a master that have a run id.
func (m *Machine) removeSentinel(master *instance, runID string) (removed bool) {
	master.sentinels = slices.DeleteFunc(master.sentinels, func(ri *instance) bool {
		if ri.runID != runID {
			return false
		}
		m.release(ri)
		removed = true
		return true
	})
	return removed
}

// reset makes a master what it was when it was first monitored: no replicas,
// no failover, and, unless they are to stay, no Sentinels.
func (m *Machine) reset(ri *instance, keepSentinels bool) {
	for _, o := range ri.replicas {
		m.release(o)
	}
	ri.replicas = nil
	if !keepSentinels {
		for _, o := range ri.sentinels {
			m.release(o)
		}
		ri.sentinels = nil
	}
	m.closeLink(ri.link)
	ri.flags &= isMaster
	ri.leader = ""
	ri.state, ri.stateChange = noFailover, 0
	ri.startTime = 0
	ri.promotedOne = nil
	ri.runID, ri.masterHost = "", ""
	l := ri.link
	l.actPing, l.lastPing, l.lastAvail, l.lastPong = m.now, 0, m.now, m.now
	ri.roleTime, ri.role = m.now, isMaster
}

// changeAddress makes a master's address another one: that of the promoted
// replica. Its replicas stay its replicas, and the old address becomes one.
func (m *Machine) changeAddress(master *instance, to Addr) bool {
	if m.validAddr(to.Host, to.Port) != nil {
		return false
	}
	old := master.addr
	var keep []Addr
	for _, r := range master.replicas {
		if r.addr != to {
			keep = append(keep, r.addr)
		}
	}
	if old != to && !m.o.Bugs.Has(bugs.OldMasterForgotten) {
		keep = append(keep, old)
	}
	m.reset(master, true)
	master.addr = to
	master.oDownSince, master.sDownSince = 0, 0
	for _, a := range keep {
		if r, err := m.create(isReplica, "", a.Host, a.Port, master.quorum, master); err == nil {
			m.event(Notice, "+slave", r, r.String())
		}
	}
	m.save()
	return true
}

// noDownFor reports whether an instance has not been down in the last ms.
func (m *Machine) noDownFor(ri *instance, ms int64) bool {
	last := max(ri.sDownSince, ri.oDownSince)
	return last == 0 || m.now-last > ms
}

// current is the address clients are told: the promoted replica's once it has
// taken over.
func (master *instance) current() Addr {
	if master.is(failingOver) && master.promotedOne != nil && master.state >= reconfReplicas {
		return master.promotedOne.addr
	}
	return master.addr
}

// propagateDownAfter gives a master's down-after time to all that belong to it.
func (master *instance) propagateDownAfter() {
	for _, ri := range slices.Concat(master.replicas, master.sentinels) {
		ri.downAfter = master.downAfter
	}
}

// command is the name an instance knows a command by.
func (ri *instance) command(name string) string {
	for _, r := range ri.own().renamed {
		if strings.EqualFold(r[0], name) {
			return r[1]
		}
	}
	return name
}
