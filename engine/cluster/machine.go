// Package cluster is a node of Redis Cluster as a state machine without I/O, following
// redis 7.0.15 cluster.c.
//
// What happens goes in: time (Tick, ten times a second), messages of other nodes, the
// beginning and end of links, what clients ask with CLUSTER. What is to be done comes out of
// Take, in order: links to open and close, whom to follow, nodes.conf to write. Messages to
// other nodes are held back until BeforeSleep, which has the configuration saved first: a
// vote is durable before it is told, and a client that changed the configuration is answered
// after it is in nodes.conf.
//
// The machine draws its randomness from Options.Random and goes through the nodes in the
// order in which it met them, so the same inputs give the same outputs. (Redis goes through a
// table whose order is drawn at each start.) Times are the wall clock's milliseconds, as there.
package cluster

import (
	"fmt"

	"github.com/torntail/torntail/engine/config"
)

// Server is what the machine asks its server. No method may call the machine.
type Server interface {
	Keys() int // in database 0
	KeysInSlot(slot int) int
	// Offset is the end of the replication stream that the server has: its own, or as far
	// as it has executed its master's.
	Offset() int64
	Following() bool // it has a master to follow
	// SinceMaster is for how long it has heard nothing of its master, ms.
	SinceMaster() int64
	Unsent(conn int) int64 // bytes that wait to go out on a link
}

// Options is what a machine is made of.
type Options struct {
	Config *config.Config // read at each use
	Server Server
	Random func() uint64
}

// ActionKind is what an Action asks for.
type ActionKind uint8

// What the machine asks for.
const (
	Dial          ActionKind = iota // a link called Conn to Addr; Connected or Disconnected tells how it went
	Hangup                          // close the link Conn
	Send                            // Bytes on the link Conn, which may not be there yet
	Log                             // Text
	Save                            // Text as nodes.conf; Sync: durably. If it fails, the server ends
	Follow                          // replicate the server at Host and Port
	Promote                         // be a master, with the data that there are
	Flush                           // all data
	DeleteSlot                      // the keys of Slot, which another node owns
	PauseWrites                     // of clients, until ResumeWrites
	ResumeWrites                    //
	Deliver                         // Bytes to the subscribers of Channel, of a shard channel if Shard
	CloseChannels                   // shard channels of Slot: their subscribers are told
)

var actionNames = [...]string{"dial", "hangup", "send", "log", "save", "follow", "promote", "flush", "delete-slot", "pause-writes", "resume-writes", "deliver", "close-channels"}

// Levels of log lines, as in redis-server's log.
const (
	debug   = '.'
	verbose = '-'
	notice  = '*'
	warning = '#'
)

// Action is something to be done.
type Action struct {
	Kind    ActionKind
	Conn    int
	Addr    string
	Host    string
	Port    int
	Slot    int
	Level   byte
	Text    string
	Sync    bool
	Shard   bool
	Channel []byte
	Bytes   []byte
}

// String is the action in golden tests and traces.
func (a Action) String() string {
	s := actionNames[a.Kind]
	switch a.Kind {
	case Dial:
		return fmt.Sprintf("%s %d %s", s, a.Conn, a.Addr)
	case Hangup:
		return fmt.Sprintf("%s %d", s, a.Conn)
	case Send:
		return fmt.Sprintf("%s %d %d bytes", s, a.Conn, len(a.Bytes))
	case Log:
		return fmt.Sprintf("%s %c %s", s, a.Level, a.Text)
	case Save:
		if a.Sync {
			return s + " and sync"
		}
	case Follow:
		return fmt.Sprintf("%s %s:%d", s, a.Host, a.Port)
	case DeleteSlot, CloseChannels:
		return fmt.Sprintf("%s %d", s, a.Slot)
	case Deliver:
		return fmt.Sprintf("%s %q %q shard=%t", s, a.Channel, a.Bytes, a.Shard)
	}
	return s
}

// Things to do before the next turn ends (redis 7.0.15 cluster.h CLUSTER_TODO_HANDLE_FAILOVER
// and those that follow).
type todo uint8

const (
	todoFailover todo = 1 << iota
	todoState
	todoSave
	todoSync
	todoManual
)

// Machine is one node. It belongs to one task.
type Machine struct {
	o    Options
	cfg  *config.Config
	now  int64 // of the last input
	out  []Action
	todo todo

	me           *node
	nodes        []*node // in the order in which they became known, me among them
	byID         map[string]*node
	forgotten    map[string]int64 // names that are not learned again before: Unix seconds
	currentEpoch uint64
	lastVote     uint64 // the epoch of the last vote given

	owner                [Slots]*node
	migrating, importing [Slots]*node // to whom, from whom
	moving               int          // how many of the two are not nil
	notClaimed           SlotSet      // slots that their owner has ceased to claim

	failed       bool // cluster_state:fail
	size         int  // masters with slots
	firstUpdate  int64
	minoritySeen int64 // when this node was last in a minority

	links    []*link // in the order in which they began
	lastLink int
	ticks    uint64
	pings    uint64 // how many were built
	pfails   int    // nodes in state PFail at the last Tick

	sent, received [messageTypes]int64
	overLimit      int64 // links that were closed for what waited on them
	announced      string
	election       election
	manual
}

// New makes a node from nodes.conf; an empty text makes one that nobody knows, with a name
// of its own, whose configuration is to be saved. The error is a *ConfError.
func New(now int64, o Options, conf []byte) (*Machine, error) {
	m := &Machine{
		o: o, cfg: o.Config, now: now, byID: make(map[string]*node), forgotten: make(map[string]int64),
		failed: true, size: 1,
	}
	m.manual.masterOffset = -1
	if len(conf) == 0 {
		m.me = m.newNode("", Myself|Master)
		m.addNode(m.me)
		m.log(notice, "No cluster configuration found, I'm %s", m.me.id)
		m.save(true)
	} else {
		if err := m.load(conf); err != nil {
			return nil, err
		}
		m.log(notice, "Node configuration loaded, I'm %s", m.me.id)
		m.currentEpoch = max(m.currentEpoch, m.greatestEpoch())
	}
	m.announcePorts()
	m.ConfigChanged(now)
	return m, nil
}

// ConfigChanged takes up directives that say what this node announces of itself.
func (m *Machine) ConfigChanged(now int64) {
	m.now = now
	m.announcePorts()
	old := m.me.flags
	m.me.flags &^= NoFailover
	if m.cfg.ClusterNoFailover {
		m.me.flags |= NoFailover
	}
	if m.me.flags != old {
		m.todo |= todoSave | todoState
	}
	if ip := m.cfg.ClusterAnnounceIP; ip != m.announced {
		m.announced = ip
		m.me.ip = clipText(ip, ipLen-1)
	}
	m.me.hostname = m.cfg.ClusterAnnounceHostname
}

// announcePorts follows redis 7.0.15 cluster.c deriveAnnouncedPorts; there is no TLS.
func (m *Machine) announcePorts() {
	port := int(m.cfg.Port)
	m.me.port, m.me.plainPort, m.me.busPort = port, 0, BusPort(m.cfg)
	if p := m.cfg.ClusterAnnouncePort; p != 0 {
		m.me.port = int(p)
	}
	if p := m.cfg.ClusterAnnounceBusPort; p != 0 {
		m.me.busPort = int(p)
	}
}

// portOffset is how far a bus port is from that of clients, unless cluster-port says otherwise.
const portOffset = 10000

// BusPort is where a server's cluster bus listens.
func BusPort(c *config.Config) int {
	if c.ClusterPort != 0 {
		return int(c.ClusterPort)
	}
	return int(c.Port) + portOffset
}

// ID is the node's name.
func (m *Machine) ID() string { return m.me.id }

// IsMaster reports whether the node is one.
func (m *Machine) IsMaster() bool { return m.me.is(Master) }

// MasterAddr is where the master of a replica serves clients; not known for a master, and
// while the address of the other is not.
func (m *Machine) MasterAddr() (host string, port int, known bool) {
	if master := m.me.master; m.me.is(Replica) && master != nil && !master.is(NoAddr) {
		return master.ip, master.port, true
	}
	return "", 0, false
}

// Known is how many nodes are known, this one included.
func (m *Machine) Known() int { return len(m.nodes) }

// Paused reports whether a manual failover goes on: then the replication stream stands still.
func (m *Machine) Paused() bool { return m.manual.end != 0 }

// Take returns what is to be done, in order, but for what BeforeSleep holds back. The slice
// is valid until the next input.
func (m *Machine) Take() []Action {
	out := m.out
	m.out = m.out[:0]
	return out
}

// BeforeSleep does what the turn has left to do, and returns what is to be done: the
// configuration is saved before anything is sent (redis 7.0.15 cluster.c clusterBeforeSleep;
// links have a write barrier there, clusterSendMessage).
func (m *Machine) BeforeSleep(now int64) []Action {
	m.now = now
	what := m.todo
	m.todo = 0
	switch {
	case what&todoManual != 0:
		if m.me.is(Replica) {
			m.handleManual()
			m.handleFailover()
		}
	case what&todoFailover != 0:
		m.handleFailover()
	}
	// What a failover has just asked for is saved before its messages go out; Redis does
	// that a turn later, when they may be out.
	what |= m.todo & (todoState | todoSave | todoSync)
	m.todo &^= what & (todoState | todoSave | todoSync)
	if what&todoState != 0 {
		m.updateState()
	}
	if what&todoSave != 0 {
		m.save(what&todoSync != 0)
	}
	for _, l := range m.links {
		if len(l.out) > 0 {
			m.do(Action{Kind: Send, Conn: l.id, Bytes: l.out})
			l.out = nil
		}
	}
	return m.Take()
}

func (m *Machine) do(a Action) { m.out = append(m.out, a) }

func (m *Machine) log(level byte, format string, a ...any) {
	m.do(Action{Kind: Log, Level: level, Text: fmt.Sprintf(format, a...)})
}

// save asks for nodes.conf to say what is known now.
func (m *Machine) save(sync bool) {
	m.todo &^= todoSave
	if sync {
		m.todo &^= todoSync
	}
	m.do(Action{Kind: Save, Text: m.Conf(), Sync: sync})
}

// clipText is a text of at most n bytes.
func clipText(s string, n int) string { return s[:min(len(s), n)] }

// greatestEpoch is the greatest that is known (redis 7.0.15 cluster.c clusterGetMaxEpoch).
func (m *Machine) greatestEpoch() uint64 {
	e := m.currentEpoch
	for _, n := range m.nodes {
		e = max(e, n.epoch)
	}
	return e
}
