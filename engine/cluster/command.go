package cluster

import (
	"fmt"
	"strings"
)

// What CLUSTER asks and changes. Methods that change something return why not, as clients are
// told, "" when it was done.

// ErrSlot answers what is no slot.
const ErrSlot = "ERR Invalid or out of range slot"

// Nodes is CLUSTER NODES.
func (m *Machine) Nodes() string { return m.nodesText(0) }

// CheckSlots notes that slots are to be assigned to this node, or with drop to be nobody's.
func (m *Machine) CheckSlots(noted *SlotSet, drop bool, first, last int) string {
	for slot := first; slot <= last; slot++ {
		switch {
		case drop && m.owner[slot] == nil:
			return fmt.Sprintf("ERR Slot %d is already unassigned", slot)
		case !drop && m.owner[slot] != nil:
			return fmt.Sprintf("ERR Slot %d is already busy", slot)
		case noted.Has(slot):
			return fmt.Sprintf("ERR Slot %d specified multiple times", slot)
		}
		noted.add(slot)
	}
	return ""
}

// AssignSlots does what CheckSlots has noted.
func (m *Machine) AssignSlots(now int64, noted *SlotSet, drop bool) {
	m.now = now
	for slot := range Slots {
		if !noted.Has(slot) {
			continue
		}
		m.setImporting(slot, nil)
		if drop {
			m.dropSlot(slot)
		} else {
			m.addSlot(m.me, slot)
		}
	}
	m.todo |= todoState | todoSave
}

// FlushSlots makes this node the owner of nothing.
func (m *Machine) FlushSlots(now int64) string {
	m.now = now
	if m.o.Server.Keys() != 0 {
		return "ERR DB must be empty to perform CLUSTER FLUSHSLOTS."
	}
	m.dropSlots(m.me)
	m.todo |= todoState | todoSave
	return ""
}

// errSetSlot answers CLUSTER SETSLOT with something else than it knows.
const errSetSlot = "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP"

// SetSlot is CLUSTER SETSLOT; parse reads its slot.
func (m *Machine) SetSlot(now int64, parse func() (int, bool), args []string) string {
	m.now = now
	if m.me.is(Replica) {
		return "ERR Please use SETSLOT only with masters."
	}
	slot, ok := parse()
	if !ok {
		return ErrSlot
	}
	action := strings.ToLower(args[0])
	switch {
	case action == "stable" && len(args) == 1:
		m.setImporting(slot, nil)
		m.setMigrating(slot, nil)
		m.todo |= todoSave | todoState
		return ""
	case len(args) != 2 || action != "migrating" && action != "importing" && action != "node":
		return errSetSlot
	case action == "migrating" && m.owner[slot] != m.me:
		return fmt.Sprintf("ERR I'm not the owner of hash slot %d", slot)
	case action == "importing" && m.owner[slot] == m.me:
		return fmt.Sprintf("ERR I'm already the owner of hash slot %d", slot)
	}
	n := m.lookup(args[1])
	switch {
	case n == nil && action == "node":
		return "ERR Unknown node " + args[1]
	case n == nil:
		return "ERR I don't know about node " + args[1]
	case n.is(Replica):
		return "ERR Target node is not a master"
	}
	switch action {
	case "migrating":
		m.setMigrating(slot, n)
	case "importing":
		m.setImporting(slot, n)
	case "node":
		if refusal := m.giveSlot(slot, n); refusal != "" {
			return refusal
		}
	}
	m.todo |= todoSave | todoState
	return ""
}

// giveSlot ends the migration of a slot.
func (m *Machine) giveSlot(slot int, n *node) string {
	mine := m.owner[slot] == m.me
	keys := m.o.Server.KeysInSlot(slot)
	if mine && n != m.me && keys != 0 {
		return fmt.Sprintf("ERR Can't assign hashslot %d to a different node while I still hold keys for this hash slot.", slot)
	}
	if keys == 0 {
		m.setMigrating(slot, nil)
	}
	m.dropSlot(slot)
	m.addSlot(n, slot)
	if mine && n != m.me && m.me.numSlots == 0 && m.cfg.ClusterAllowReplicaMigration {
		m.log(warning, "Configuration change detected. Reconfiguring myself as a replica of %s", n.id)
		m.follow(n)
		m.todo |= todoSave | todoState | todoSync
	}
	if n == m.me && m.importing[slot] != nil {
		// Nobody is asked for the new epoch: that would need a majority that has seen the slot move.
		if m.bumpEpoch() {
			m.log(warning, "configEpoch updated after importing slot %d", slot)
		}
		m.setImporting(slot, nil)
		m.broadcastPong(false)
	}
	return ""
}

// bumpEpoch gives this node an epoch that is greater than all it knows, without asking
// (redis 7.0.15 cluster.c clusterBumpConfigEpochWithoutConsensus).
func (m *Machine) bumpEpoch() bool {
	if m.me.epoch != 0 && m.me.epoch == m.greatestEpoch() {
		return false
	}
	m.currentEpoch++
	m.me.epoch = m.currentEpoch
	m.todo |= todoSave | todoSync
	m.log(warning, "New configEpoch set to %d", m.me.epoch)
	return true
}

// BumpEpoch is CLUSTER BUMPEPOCH.
func (m *Machine) BumpEpoch(now int64) string {
	m.now = now
	word := "STILL"
	if m.bumpEpoch() {
		word = "BUMPED"
	}
	return fmt.Sprintf("%s %d", word, m.me.epoch)
}

// SetConfigEpoch is CLUSTER SET-CONFIG-EPOCH.
func (m *Machine) SetConfigEpoch(now, epoch int64) string {
	m.now = now
	switch {
	case epoch < 0:
		return fmt.Sprintf("ERR Invalid config epoch specified: %d", epoch)
	case len(m.nodes) > 1:
		return "ERR The user can assign a config epoch only when the node does not know any other node."
	case m.me.epoch != 0:
		return "ERR Node config epoch is already non-zero"
	}
	m.me.epoch = uint64(epoch)
	m.log(warning, "configEpoch set to %d via CLUSTER SET-CONFIG-EPOCH", epoch)
	m.currentEpoch = max(m.currentEpoch, uint64(epoch))
	m.todo |= todoState | todoSave
	return ""
}

// Forget is CLUSTER FORGET.
func (m *Machine) Forget(now int64, id string) string {
	m.now = now
	n := m.lookup(id)
	switch {
	case n == nil:
		return "ERR Unknown node " + id
	case n == m.me:
		return "ERR I tried hard but I can't forget myself..."
	case m.me.is(Replica) && m.me.master == n:
		return "ERR Can't forget my master!"
	}
	m.forgotten[n.id] = now/1000 + forgetFor
	m.removeNode(n)
	m.todo |= todoState | todoSave
	return ""
}

// Replicate is CLUSTER REPLICATE.
func (m *Machine) Replicate(now int64, id string) string {
	m.now = now
	n := m.lookup(id)
	switch {
	case n == nil:
		return "ERR Unknown node " + id
	case n == m.me:
		return "ERR Can't replicate myself"
	case n.is(Replica):
		return "ERR I can only replicate a master, not a replica."
	case m.me.is(Master) && (m.me.numSlots != 0 || m.o.Server.Keys() != 0):
		return "ERR To set a master the node must be empty and without assigned slots."
	}
	m.follow(n)
	m.todo |= todoState | todoSave
	return ""
}

// Replicas is CLUSTER REPLICAS.
func (m *Machine) Replicas(id string) (lines []string, refusal string) {
	n := m.lookup(id)
	switch {
	case n == nil:
		return nil, "ERR Unknown node " + id
	case n.is(Replica):
		return nil, "ERR The specified node is not a master"
	}
	for _, r := range n.replicas {
		lines = append(lines, m.describe(r))
	}
	return lines, ""
}

// FailureReports is CLUSTER COUNT-FAILURE-REPORTS.
func (m *Machine) FailureReports(now int64, id string) (count int, refusal string) {
	m.now = now
	n := m.lookup(id)
	if n == nil {
		return 0, "ERR Unknown node " + id
	}
	return m.countReports(n), ""
}

// Failover is CLUSTER FAILOVER: with force, without the master's help; with takeover, without
// that of anybody.
func (m *Machine) Failover(now int64, force, takeover bool) string {
	m.now = now
	master := m.me.master
	switch {
	case m.me.is(Master):
		return "ERR You should send CLUSTER FAILOVER to a replica"
	case master == nil:
		return "ERR I'm a replica but my master is unknown to me"
	case !force && !takeover && (master.is(Fail) || master.link == nil):
		return "ERR Master is down or failed, please use CLUSTER FAILOVER FORCE"
	}
	m.resetManual()
	m.manual.end = now + manualFor
	switch {
	case takeover:
		m.log(warning, "Taking over the master (user request).")
		m.bumpEpoch()
		m.takeOver()
	case force:
		m.log(warning, "Forced failover user request accepted.")
		m.manual.canStart = true
	default:
		m.log(warning, "Manual failover user request accepted.")
		m.send(master.link, m.header(MFStart))
	}
	return ""
}

// Reset is CLUSTER RESET: the other nodes and the slots are forgotten; if it is hard, the
// name and the epochs as well. keys: the client's database has some.
func (m *Machine) Reset(now int64, hard, keys bool) string {
	m.now = now
	if m.me.is(Master) && keys {
		return "ERR CLUSTER RESET can't be called with master nodes containing keys"
	}
	if m.me.is(Replica) {
		m.setMasterRole(m.me)
		m.do(Action{Kind: Promote})
		m.do(Action{Kind: Flush})
	}
	m.closeSlots()
	m.resetManual()
	for slot := range Slots {
		m.dropSlot(slot)
	}
	for i := len(m.nodes) - 1; i >= 0; i-- {
		if m.nodes[i] != m.me {
			m.removeNode(m.nodes[i])
		}
	}
	if hard {
		m.currentEpoch, m.lastVote, m.me.epoch = 0, 0, 0
		m.log(warning, "configEpoch set to 0 via CLUSTER RESET HARD")
		delete(m.byID, m.me.id)
		m.me.id = m.randomID()
		m.byID[m.me.id] = m.me
		m.log(notice, "Node hard reset, now I'm %s", m.me.id)
	}
	m.todo |= todoSave | todoState | todoSync
	return ""
}

// Info is CLUSTER INFO.
func (m *Machine) Info() string {
	assigned, ok, pfail, fail := 0, 0, 0, 0
	for _, n := range m.owner {
		if n == nil {
			continue
		}
		assigned++
		switch {
		case n.is(Fail):
			fail++
		case n.is(PFail):
			pfail++
		default:
			ok++
		}
	}
	state, epoch := "ok", m.me.epoch
	if m.failed {
		state = "fail"
	}
	if m.me.is(Replica) && m.me.master != nil {
		epoch = m.me.master.epoch
	}
	var b strings.Builder
	fmt.Fprintf(&b, "cluster_state:%s\r\ncluster_slots_assigned:%d\r\ncluster_slots_ok:%d\r\ncluster_slots_pfail:%d\r\ncluster_slots_fail:%d\r\n"+
		"cluster_known_nodes:%d\r\ncluster_size:%d\r\ncluster_current_epoch:%d\r\ncluster_my_epoch:%d\r\n",
		state, assigned, ok, pfail, fail, len(m.nodes), m.size, m.currentEpoch, epoch)
	for _, c := range []struct {
		name   string
		counts *[messageTypes]int64
	}{{"sent", &m.sent}, {"received", &m.received}} {
		total := int64(0)
		for t, n := range c.counts {
			if n != 0 {
				fmt.Fprintf(&b, "cluster_stats_messages_%s_%s:%d\r\n", MessageType(t), c.name, n)
			}
			total += n
		}
		fmt.Fprintf(&b, "cluster_stats_messages_%s:%d\r\n", c.name, total)
	}
	fmt.Fprintf(&b, "total_cluster_links_buffer_limit_exceeded:%d\r\n", m.overLimit)
	return b.String()
}

// View is a node as clients are told of it.
type View struct {
	ID, IP, Hostname, Endpoint string
	Port                       int
	Replica                    bool
	Offset                     int64
	Failed                     bool
}

func (m *Machine) view(n *node) View {
	v := View{ID: n.id, IP: n.ip, Hostname: n.hostname, Endpoint: m.endpoint(n), Port: n.port, Replica: n.is(Replica), Offset: n.offset, Failed: n.is(Fail)}
	if n == m.me {
		v.Offset = m.o.Server.Offset()
	}
	return v
}

// Assignment is slots and who serves them: their master, and its replicas.
type Assignment struct {
	Slots []Range
	Nodes []View
}

// SlotRanges are CLUSTER SLOTS: each range by itself, with replicas that have data.
func (m *Machine) SlotRanges() (out []Assignment) {
	var last *node
	for slot := range Slots {
		n := m.owner[slot]
		if n == nil || n != last {
			last = n
			if n == nil {
				continue
			}
			a := Assignment{Slots: []Range{{slot, slot}}, Nodes: []View{m.view(n)}}
			for _, r := range n.replicas {
				if v := m.view(r); !v.Failed && v.Offset != 0 {
					a.Nodes = append(a.Nodes, v)
				}
			}
			out = append(out, a)
			continue
		}
		out[len(out)-1].Slots[0].Last = slot
	}
	return out
}

// Shards are CLUSTER SHARDS: each master, with all its slots and all its replicas.
func (m *Machine) Shards() (out []Assignment) {
	for _, n := range m.nodes {
		if !n.is(Master) {
			continue
		}
		a := Assignment{Slots: n.slots.Ranges()}
		for _, o := range m.shard(n) {
			a.Nodes = append(a.Nodes, m.view(o))
		}
		out = append(out, a)
	}
	return out
}
