package cluster

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Flags of a node, as messages have them (redis 7.0.15 cluster.h CLUSTER_NODE_MASTER and
// those that follow).
type Flags uint16

// The flags of a node.
const (
	Master Flags = 1 << iota
	Replica
	PFail // it does not answer; whether others think so too is not known
	Fail  // the majority of the masters think so
	Myself
	Handshake // its name is not known yet
	NoAddr    // its address is not known
	meeting   // it is to be sent MEET
	migrateTo // it has had replicas: it may be given another
	NoFailover
)

// flagNames are in the order in which Redis writes them.
var flagNames = []struct {
	flag Flags
	name string
}{{Myself, "myself"}, {Master, "master"}, {Replica, "slave"}, {PFail, "fail?"}, {Fail, "fail"}, {Handshake, "handshake"}, {NoAddr, "noaddr"}, {NoFailover, "nofailover"}}

// String is the flags in CLUSTER NODES and nodes.conf.
func (f Flags) String() string {
	var names []string
	for _, n := range flagNames {
		if f&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	if names == nil {
		return "noflags"
	}
	return strings.Join(names, ",")
}

// node is what is known of a node. Times are Unix ms, 0 for never.
type node struct {
	id      string // 40 characters
	flags   Flags
	created int64
	// epoch is the config epoch under which it claims its slots.
	epoch    uint64
	slots    SlotSet
	numSlots int
	replicas []*node
	master   *node // of a replica; nil while it is not known

	inGossip     uint64 // the number of the ping that last told of it
	pingSent     int64  // 0: none waits for its pong
	pongReceived int64
	dataReceived int64
	failedAt     int64
	votedAt      int64 // when a replica of it last got this node's vote
	orphanedAt   int64
	offset       int64 // of its replication stream

	ip, hostname             string
	port, busPort, plainPort int
	link                     *link // to it
	inbound                  *link // from it
	reports                  []report
}

// report is somebody's word that a node fails.
type report struct {
	by *node
	at int64
}

func (n *node) is(f Flags) bool { return n.flags&f != 0 }

// addr is where its bus is.
func (n *node) addr() string { return net.JoinHostPort(n.ip, strconv.Itoa(n.busPort)) }

func (n *node) addReplica(r *node) {
	if !slices.Contains(n.replicas, r) {
		n.replicas = append(n.replicas, r)
		n.flags |= migrateTo
	}
}

func (n *node) removeReplica(r *node) {
	i := slices.Index(n.replicas, r)
	if i < 0 {
		return
	}
	n.replicas = slices.Delete(n.replicas, i, i+1)
	if len(n.replicas) == 0 {
		n.flags &^= migrateTo
	}
}

// workingReplicas are those that have not failed.
func (n *node) workingReplicas() (count int) {
	for _, r := range n.replicas {
		if !r.is(Fail) {
			count++
		}
	}
	return count
}

// describe is the node's line of CLUSTER NODES and nodes.conf (redis 7.0.15 cluster.c
// clusterGenNodeDescription).
func (m *Machine) describe(n *node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s:%d@%d", n.id, n.ip, n.port, n.busPort)
	if n.hostname != "" {
		b.WriteString("," + n.hostname)
	}
	master, epoch, link := "-", n.epoch, "disconnected"
	if n.master != nil {
		master = n.master.id
		if n.is(Replica) {
			epoch = n.master.epoch
		}
	}
	if n.link != nil || n.is(Myself) {
		link = "connected"
	}
	fmt.Fprintf(&b, " %s %s %d %d %d %s", n.flags, master, n.pingSent, n.pongReceived, epoch, link)
	for _, r := range n.slots.Ranges() {
		b.WriteString(" " + r.String())
	}
	if n == m.me && m.moving > 0 {
		for slot := range Slots {
			if to := m.migrating[slot]; to != nil {
				fmt.Fprintf(&b, " [%d->-%s]", slot, to.id)
			} else if from := m.importing[slot]; from != nil {
				fmt.Fprintf(&b, " [%d-<-%s]", slot, from.id)
			}
		}
	}
	return b.String()
}

// endpoint is how clients are told of a node (redis 7.0.15 cluster.c getPreferredEndpoint).
func (m *Machine) endpoint(n *node) string {
	switch m.cfg.ClusterEndpoint {
	case "hostname":
		if n.hostname == "" {
			return "?"
		}
		return n.hostname
	case "unknown-endpoint":
		return ""
	}
	return n.ip
}

// lookup finds a node by its name.
func (m *Machine) lookup(id string) *node { return m.byID[id] }

// newNode makes a node; without a name, with one that is its own until it tells its real one.
func (m *Machine) newNode(id string, f Flags) *node {
	if id == "" {
		id = m.randomID()
	}
	return &node{id: id, created: m.now, flags: f}
}

func (m *Machine) randomID() string {
	return fmt.Sprintf("%016x%016x%08x", m.o.Random(), m.o.Random(), uint32(m.o.Random()))
}

func (m *Machine) addNode(n *node) {
	m.nodes = append(m.nodes, n)
	m.byID[n.id] = n
}

// rename gives a node its real name (redis 7.0.15 cluster.c clusterRenameNode).
func (m *Machine) rename(n *node, id string) {
	m.log(debug, "Renaming node %s into %s", n.id, id)
	delete(m.byID, n.id)
	n.id = id
	m.byID[id] = n
}

// removeNode forgets a node, with its links, its slots and what it has said of others
// (redis 7.0.15 cluster.c clusterDelNode).
func (m *Machine) removeNode(n *node) {
	for slot := range Slots {
		if m.importing[slot] == n {
			m.setImporting(slot, nil)
		}
		if m.migrating[slot] == n {
			m.setMigrating(slot, nil)
		}
		if m.owner[slot] == n {
			m.dropSlot(slot)
		}
	}
	for _, o := range m.nodes {
		if o != n {
			m.removeReport(o, n)
		}
	}
	for _, r := range n.replicas {
		r.master = nil
	}
	if n.is(Replica) && n.master != nil {
		n.master.removeReplica(n)
	}
	if m.pausedFor == n {
		m.resetManual() // redis 7.0.15 keeps a pointer to a node that is gone
	}
	m.closeLink(n.link)
	m.closeLink(n.inbound)
	delete(m.byID, n.id)
	m.nodes = slices.DeleteFunc(m.nodes, func(o *node) bool { return o == n })
}

// validID reports whether a text can be a node's name (redis 7.0.15 cluster.c verifyClusterNodeId).
func validID(id string) bool {
	if len(id) != idLen {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// owning: who owns a slot, and what is moved.

// addSlot gives a slot that nobody owns to a node.
func (m *Machine) addSlot(n *node, slot int) bool {
	if m.owner[slot] != nil {
		return false
	}
	m.owner[slot] = n
	if !n.slots.Has(slot) {
		n.slots.add(slot)
		n.numSlots++
		// A master with its first slots may be given replicas, if anybody has any
		// (redis 7.0.15 cluster.c clusterNodeSetSlotBit).
		if n.numSlots == 1 && m.mastersHaveReplicas() {
			n.flags |= migrateTo
		}
	}
	return true
}

func (m *Machine) mastersHaveReplicas() bool {
	return slices.ContainsFunc(m.nodes, func(n *node) bool { return !n.is(Replica) && len(n.replicas) > 0 })
}

// dropSlot takes a slot from its owner. Shard channels that were served here have no
// subscribers any more (redis 7.0.15 cluster.c clusterDelSlot).
func (m *Machine) dropSlot(slot int) bool {
	n := m.owner[slot]
	if n == nil {
		return false
	}
	if n == m.me || n == m.me.master || n.master != nil && (n.master == m.me || n.master == m.me.master) {
		m.do(Action{Kind: CloseChannels, Slot: slot})
	}
	n.slots.remove(slot)
	n.numSlots--
	m.owner[slot] = nil
	return true
}

func (m *Machine) dropSlots(n *node) {
	for slot := range Slots {
		if n.slots.Has(slot) {
			m.dropSlot(slot)
		}
	}
}

// unclaimed reports whether nobody claims a slot: its owner may have ceased to.
func (m *Machine) unclaimed(slot int) bool { return m.owner[slot] == nil || m.notClaimed.Has(slot) }

func (m *Machine) setMigrating(slot int, to *node)   { m.setMoving(&m.migrating[slot], to) }
func (m *Machine) setImporting(slot int, from *node) { m.setMoving(&m.importing[slot], from) }

func (m *Machine) setMoving(at **node, n *node) {
	if *at != nil {
		m.moving--
	}
	if *at = n; n != nil {
		m.moving++
	}
}

// closeSlots ends all migrations of slots.
func (m *Machine) closeSlots() {
	clear(m.migrating[:])
	clear(m.importing[:])
	m.moving = 0
}
