package replication

import (
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/engine/bugs"
)

// LinkState is how far the link to the master has come (repl_state).
type LinkState uint8

// The states of a link.
const (
	ToConnect  LinkState = iota // cron will dial
	Connecting                  // dialling
	Handshake                   // greeting the master, line by line
	Transfer                    // receiving a snapshot
	Connected                   // following the stream
)

// RoleName is the state as ROLE shows it.
func (s LinkState) RoleName() string {
	switch s {
	case ToConnect:
		return "connect"
	case Connecting:
		return "connecting"
	case Handshake:
		return "handshake"
	case Transfer:
		return "sync"
	}
	return "connected"
}

// Upstream is the link to the master.
type Upstream struct {
	Host string
	Port int64

	State   LinkState
	expect  []step // replies of the handshake that are still to come
	lastIO  time.Duration
	downAt  time.Duration // since when the link is not Connected; <0: never was
	full    position      // of the snapshot being received
	failing bool          // this server takes over from it (PSYNC … FAILOVER)

	// While Connected: what was executed, what has arrived, and the database
	// selected behind the former.
	Applied  int64
	Received int64
	DB       int
}

// step is a reply the handshake waits for.
type step uint8

const (
	stepPing step = iota
	stepAuth
	stepPort
	stepIP
	stepCapa
	stepPsync
)

// Follow makes this server a replica of another (replicationSetMaster). What
// was a master tries to go on from its own history: if nobody has written here
// what the new master does not have, a partial resynchronisation suffices.
func (m *Machine) Follow(now time.Duration, host string, port int64) {
	m.now = now
	wasMaster := m.Up == nil
	m.closeLink()
	m.emit(Effect{Kind: Unblock})
	if wasMaster {
		m.cached = &position{id: m.ID, offset: m.Offset, db: max(m.selected, 0)}
		m.log(notice, "Before turning into a replica, using my own master parameters to synthesize a cached master: I may be able to synchronize with the new master with just a partial transfer.")
	}
	m.Up = &Upstream{Host: host, Port: port, downAt: -1}
	m.log(notice, "Connecting to MASTER %s:%d", host, port)
	m.dial()
}

// FollowFromStart is Follow of a server that has not loaded its data yet.
func (m *Machine) FollowFromStart(now time.Duration, host string, port int64) {
	m.now = now
	m.Up = &Upstream{Host: host, Port: port, downAt: -1}
}

// SameMaster reports whether the server already follows an address.
func (m *Machine) SameMaster(host string, port int64) bool {
	return m.Up != nil && strings.EqualFold(m.Up.Host, host) && m.Up.Port == port
}

// Promote makes a replica a master (REPLICAOF NO ONE).
func (m *Machine) Promote(now time.Duration) {
	m.now = now
	if m.Up != nil {
		m.unfollow()
	}
}

// unfollow is replicationUnsetMaster.
func (m *Machine) unfollow() {
	m.closeLink()
	m.Up, m.cached = nil, nil
	m.shiftID()
	// Replicas hear of the new id when they come back; they can go on partially.
	m.dropAll()
	m.selected = -1
	m.lonely = m.now
	m.emit(Effect{Kind: Unblock})
	m.emit(Effect{Kind: RestartLog})
}

// closeLink ends the link, whatever its state, and remembers where it was.
func (m *Machine) closeLink() {
	u := m.Up
	if u == nil || u.State == ToConnect {
		return
	}
	if u.State == Connected {
		m.cached = &position{id: m.ID, offset: u.Applied, db: u.DB}
	}
	u.State = ToConnect
	u.expect = nil
	m.emit(Effect{Kind: Hangup})
}

func (m *Machine) dial() {
	u := m.Up
	u.State = Connecting
	u.lastIO = m.now
	m.log(notice, "MASTER <-> REPLICA sync started")
	m.emit(Effect{Kind: Dial, Text: u.Host + ":" + itoa(u.Port)})
}

// ConnectFailed says that the master could not be reached.
func (m *Machine) ConnectFailed(now time.Duration, why string) {
	m.now = now
	if m.Up == nil || m.Up.State != Connecting {
		return
	}
	m.log(warning, "Error condition on socket for SYNC: %s", why)
	m.Up.State = ToConnect
}

// ConnectionOpen says that the connection to the master stands.
func (m *Machine) ConnectionOpen(now time.Duration) {
	m.now = now
	u := m.Up
	if u == nil || u.State != Connecting {
		return
	}
	m.log(notice, "Non blocking connect for SYNC fired the event.")
	u.State = Handshake
	u.lastIO = m.now
	u.expect = append(u.expect[:0], stepPing)
	m.emit(Effect{Kind: SayMaster, Text: command("PING")})
}

// Lost says that the connection to the master has ended. desync says that what
// the master sent made no sense: whatever this server has of its history is not
// to be trusted, and everything must be sent again (redis 7.0.15 networking.c
// freeClient does not cache a master after a protocol error).
func (m *Machine) Lost(now time.Duration, why string, desync bool) {
	m.now = now
	u := m.Up
	if u == nil || u.State < Handshake {
		return
	}
	switch u.State {
	case Connected:
		m.log(warning, "Connection with master lost.")
		m.log(notice, "Caching the disconnected master state.")
		u.downAt = m.now
	case Transfer:
		m.log(warning, "I/O error trying to sync with MASTER: %s", why)
	default:
		m.log(warning, "Failed to read response from the server: %s", why)
	}
	m.closeLink()
	if desync {
		m.cached = nil
	}
	m.endFailover(u)
	if u.State == ToConnect && u.downAt == m.now {
		m.dial() // at once, after a link that worked (replicationHandleMasterDisconnection)
	}
}

// Line is one line of the master's during the handshake, without its end.
func (m *Machine) Line(now time.Duration, line string) {
	m.now = now
	u := m.Up
	if u == nil || u.State != Handshake || len(u.expect) == 0 {
		return
	}
	u.lastIO = m.now
	if line == "" {
		return // the master makes us wait for the reply to PSYNC, and is alive
	}
	s := u.expect[0]
	u.expect = u.expect[1:]
	bad := strings.HasPrefix(line, "-")
	switch s {
	case stepPing:
		// A master that wants a password first says so, and is one all the same.
		if line[0] != '+' && !hasAnyPrefix(line, "-NOAUTH", "-NOPERM", "-ERR operation not permitted") {
			m.log(warning, "Error reply to PING from master: '%s'", line)
			m.closeLink()
			return
		}
		m.log(notice, "Master replied to PING, replication can continue...")
		m.introduce()
	case stepAuth:
		if bad {
			m.log(warning, "Unable to AUTH to MASTER: %s", line)
			m.closeLink()
		}
	case stepPort:
		if bad {
			m.log(notice, "(Non critical) Master does not understand REPLCONF listening-port: %s", line)
		}
	case stepIP:
		if bad {
			m.log(notice, "(Non critical) Master does not understand REPLCONF ip-address: %s", line)
		}
	case stepCapa:
		if bad {
			m.log(notice, "(Non critical) Master does not understand REPLCONF capa: %s", line)
		}
		m.ask()
	case stepPsync:
		m.answered(line)
	}
}

// introduce says who asks: all at once, the replies come in order.
func (m *Machine) introduce() {
	u, c := m.Up, m.o.Config
	text := ""
	if c.Masterauth != "" {
		if c.Masteruser != "" {
			text += command("AUTH", c.Masteruser, c.Masterauth)
		} else {
			text += command("AUTH", c.Masterauth)
		}
		u.expect = append(u.expect, stepAuth)
	}
	port := c.ReplicaAnnouncePort
	if port == 0 {
		port = c.Port
	}
	text += command("REPLCONF", "listening-port", itoa(port))
	u.expect = append(u.expect, stepPort)
	if c.ReplicaAnnounceIP != "" {
		text += command("REPLCONF", "ip-address", c.ReplicaAnnounceIP)
		u.expect = append(u.expect, stepIP)
	}
	text += command("REPLCONF", "capa", "eof", "capa", "psync2")
	u.expect = append(u.expect, stepCapa)
	m.emit(Effect{Kind: SayMaster, Text: text})
}

// ask is the first half of slaveTryPartialResynchronization.
func (m *Machine) ask() {
	id, offset := "?", int64(-1)
	if m.cached != nil {
		id, offset = m.cached.id, m.cached.offset+1
		m.log(notice, "Trying a partial resynchronization (request %s:%d).", id, offset)
	} else {
		m.log(notice, "Partial resynchronization not possible (no cached master)")
	}
	words := []string{"PSYNC", id, itoa(offset)}
	if m.Failover.State == FailoverInProgress {
		words = append(words, "FAILOVER")
		m.log(notice, "Initiating coordinated failover PSYNC request to %s:%d.", m.Up.Host, m.Up.Port)
		m.Up.failing = true
	}
	m.Up.expect = append(m.Up.expect[:0], stepPsync)
	m.emit(Effect{Kind: SayMaster, Text: command(words...)})
}

// SameHistory reports whether the snapshot that is being received is of the history that the
// data here are of, if older ones.
func (m *Machine) SameHistory() bool { return m.Up != nil && m.Up.full.id == m.ID }

// answered is the second half.
func (m *Machine) answered(line string) {
	u := m.Up
	if u.failing {
		u.failing = false
		if hasAnyPrefix(line, "+CONTINUE", "+FULLRESYNC") {
			m.finishFailover(true)
		} else {
			m.abortFailover("Failover target rejected psync request")
			m.closeLink()
			return
		}
	}
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case word == "+FULLRESYNC":
		id, offset, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseInt(offset, 10, 63)
		if len(id) != IDLen || err != nil || n < 0 {
			m.log(warning, "Master replied with wrong +FULLRESYNC syntax.")
			m.closeLink()
			return
		}
		m.log(notice, "Full resync from master: %s:%d", id, n)
		u.full = position{id: id, offset: n}
		u.State = Transfer
		m.emit(Effect{Kind: Receive})
	case word == "+CONTINUE" && m.cached != nil:
		m.log(notice, "Successful partial resynchronization with master.")
		if id := strings.TrimSpace(rest); len(id) == IDLen && id != m.cached.id {
			// The master goes on under a new id: what we have of the old one is the
			// beginning of it, and our own replicas must hear of it.
			m.ID2, m.SecondOffset = m.cached.id, m.cached.offset+1
			m.ID = id
			m.log(warning, "Master replication ID changed to %s", id)
			m.dropAll()
		} else {
			m.ID = m.cached.id
		}
		m.Offset = m.cached.offset
		m.createStream()
		m.connected(m.cached.offset, m.cached.db)
	case hasAnyPrefix(line, "-NOMASTERLINK", "-LOADING"):
		m.log(notice, "Master is currently unable to PSYNC but should be in the future: %s", line)
		m.closeLink()
	default:
		m.log(warning, "Unexpected reply to PSYNC from master: %s", line)
		m.cached = nil
		m.closeLink()
	}
}

// connected begins to follow the stream behind an offset.
func (m *Machine) connected(offset int64, db int) {
	u := m.Up
	u.State = Connected
	u.Applied, u.Received, u.DB = offset, offset, db
	u.lastIO = m.now
	m.cached = nil
	m.emit(Effect{Kind: Follow, From: int64(db)})
	m.sendAck()
	m.emit(Effect{Kind: RestartLog})
}

// Heard says that bytes of the master have arrived.
func (m *Machine) Heard(now time.Duration) {
	if m.Up != nil {
		m.Up.lastIO = now
	}
}

// Loading says that the snapshot received is about to replace the data: from
// here on this server's old history is nobody's any more
// (replicationAttachToNewMaster).
func (m *Machine) Loading(now time.Duration) {
	m.now = now
	m.cached = nil
	m.dropAll()
	if !m.o.Bugs.Has(bugs.BacklogKept) {
		m.freeStream()
	}
}

// Received says that the snapshot is loaded; db is its repl-stream-db.
func (m *Machine) Received(now time.Duration, db int) {
	m.now = now
	u := m.Up
	if u == nil || u.State != Transfer {
		return
	}
	m.ID, m.Offset = u.full.id, u.full.offset
	m.clearID2()
	if m.Stream != nil && m.o.Bugs.Has(bugs.BacklogKept) {
		// The plant: the bytes stay, under offsets of the new history.
		n := m.Stream.Len()
		m.Stream.End = m.Offset + 1
		m.Stream.First = m.Stream.End - n
		m.released = m.Offset
	}
	m.createStream()
	m.log(notice, "MASTER <-> REPLICA sync: Finished with success")
	m.connected(u.full.offset, db)
}

// ReceiveFailed says that the snapshot could not be received or loaded.
func (m *Machine) ReceiveFailed(now time.Duration, why string) {
	m.now = now
	if m.Up == nil || m.Up.State != Transfer {
		return
	}
	m.log(warning, "%s", why)
	m.closeLink()
}

// ReadFrom says how many bytes of the stream have arrived.
func (m *Machine) ReadFrom(now time.Duration, n int) {
	if m.Up != nil {
		m.Up.Received += int64(n)
		m.Up.lastIO = now
	}
}

// Executed says that a piece of the master's stream, whole commands and whole
// transactions only, has been executed; raw is passed on to the replicas of
// this server (replicationFeedStreamFromMasterStream).
func (m *Machine) Executed(raw []byte, db int) {
	u := m.Up
	if u == nil || u.State != Connected {
		return
	}
	u.Applied += int64(len(raw))
	u.DB = db
	if m.Stream != nil {
		m.append(raw)
	}
}

// sendAck tells the master how far this server is (replicationSendAck).
func (m *Machine) sendAck() {
	if u := m.Up; u != nil && u.State == Connected {
		if m.Said == nil {
			m.Said = map[string]int64{}
		}
		m.Said[m.ID] = max(m.Said[m.ID], u.Applied)
		m.emit(Effect{Kind: SayMaster, Text: command("REPLCONF", "ACK", itoa(u.Applied))})
	}
}

// LinkUp reports whether a replica is connected with its master.
func (m *Machine) LinkUp() bool { return m.Up != nil && m.Up.State == Connected }

// LastIO is how many seconds ago the master was heard of; -1: the link is down.
func (m *Machine) LastIO(now time.Duration) int64 {
	if !m.LinkUp() {
		return -1
	}
	return seconds(now) - seconds(m.Up.lastIO)
}

// DownFor is how many seconds the link has been down; -1: it never was up
// since the server is a replica.
func (m *Machine) DownFor(now time.Duration) int64 {
	if m.Up.downAt < 0 {
		return -1
	}
	return seconds(now) - seconds(m.Up.downAt)
}

// ReplicaOffset is what INFO's slave_repl_offset shows of a replica.
func (m *Machine) ReplicaOffset() (read, applied int64) {
	switch {
	case m.LinkUp():
		return m.Up.Received, m.Up.Applied
	case m.cached != nil:
		return m.cached.offset, m.cached.offset
	}
	return 0, 0
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// parseInt reads a decimal of the protocol.
func parseInt(b []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}

// command is a command made of words, for a handshake.
func command(words ...string) string {
	text := "*" + strconv.Itoa(len(words)) + "\r\n"
	for _, w := range words {
		text += "$" + strconv.Itoa(len(w)) + "\r\n" + w + "\r\n"
	}
	return text
}
