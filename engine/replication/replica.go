package replication

import (
	"strings"
	"time"

	"github.com/torntail/torntail/engine/bugs"
)

// State is how far a replica is (slave.replstate).
type State uint8

// The states of a replica.
const (
	Greeting  State = iota // has sent REPLCONF, perhaps
	WaitStart              // waits for the next snapshot to begin
	WaitEnd                // waits for the snapshot in the making
	SendBulk               // is being sent the snapshot file
	Online                 // follows the stream
)

func (s State) String() string {
	switch s {
	case WaitStart, WaitEnd:
		return "wait_bgsave"
	case SendBulk:
		return "send_bulk"
	case Online:
		return "online"
	}
	return "greeting"
}

// Replica is a server that follows this one.
type Replica struct {
	Number int64  // of its session
	Peer   string // address it comes from
	IP     string // as announced; "": not announced
	Port   int64  // as announced; 0: not announced

	// What REPLCONF capa said.
	EOF, Psync2 bool

	State State
	// Acked is the last offset it said it has executed, and when.
	Acked   int64
	ackedAt time.Duration
	askedAt time.Duration // for a snapshot
	// initial is the offset of its snapshot.
	initial int64
	// next is the offset it will be sent next; only once streaming is set.
	next      int64
	streaming bool
	onAck     bool // the stream begins with its first ACK, after a snapshot over the socket
	legacy    bool // SYNC: no reply, no ACK
	socket    bool // its snapshot comes over the socket
}

// wants reports whether the stream must be kept for this replica.
func (r *Replica) wants() bool { return r.State >= WaitEnd }

// Next returns the offset of what is to be sent next.
func (r *Replica) Next() int64 { return r.next }

// Behind is how many bytes wait to be sent to a replica: what its output limit
// counts. (In redis-server a replica that waits for a snapshot accumulates too.)
func (m *Machine) Behind(r *Replica) int64 {
	if m.Stream == nil || !r.wants() {
		return 0
	}
	return m.Stream.End - r.next
}

// ToSend returns bytes that may be sent to a replica now, nil if there are none.
func (m *Machine) ToSend(r *Replica) []byte {
	if m.Stream == nil || !r.streaming || r.next > m.released {
		return nil
	}
	b := m.Stream.At(r.next)
	return b[:min(int64(len(b)), m.released+1-r.next)]
}

// Sent says that n bytes of ToSend are on their way.
func (m *Machine) Sent(r *Replica, n int) {
	r.next += int64(n)
	if m.o.Bugs.Has(bugs.AckBeforeApply) {
		r.Acked = max(r.Acked, r.next-1)
	}
}

// Replconf is the command of a replica that introduces itself. It returns the
// reply: "" for none, otherwise OK or an error with its code.
func (m *Machine) Replconf(now time.Duration, r *Replica, argv [][]byte) string {
	m.now = now
	if len(argv)%2 == 0 {
		return "ERR syntax error"
	}
	for i := 1; i < len(argv); i += 2 {
		name, value := strings.ToLower(string(argv[i])), argv[i+1]
		switch name {
		case "listening-port":
			n, ok := parseInt(value)
			if !ok {
				return "ERR value is not an integer or out of range"
			}
			r.Port = n
		case "ip-address":
			if len(value) >= 46 {
				return "ERR REPLCONF ip-address provided by replica instance is too long: " + itoa(int64(len(value))) + " bytes"
			}
			r.IP = string(value)
		case "capa":
			switch strings.ToLower(string(value)) {
			case "eof":
				r.EOF = true
			case "psync2":
				r.Psync2 = true
			}
		case "ack":
			m.ack(r, value)
			return ""
		case "getack":
			m.sendAck()
			return ""
		case "rdb-only", "rdb-filter-only":
			// Only redis-cli --rdb asks for these; it gets all there is.
			if _, ok := parseInt(value); name == "rdb-only" && !ok {
				return "ERR value is not an integer or out of range"
			}
		default:
			return "ERR Unrecognized REPLCONF option: " + string(argv[i])
		}
	}
	return "OK"
}

// ack is REPLCONF ACK of a replica.
func (m *Machine) ack(r *Replica, value []byte) {
	if r.State == Greeting {
		return
	}
	n, ok := parseInt(value)
	if !ok {
		return
	}
	r.Acked = max(r.Acked, n)
	r.ackedAt = m.now
	if r.onAck && r.State == Online {
		m.startStream(r)
	}
}

// startStream begins to send the stream (replicaStartCommandStream).
func (m *Machine) startStream(r *Replica) {
	r.onAck = false
	r.streaming = true
	m.emit(Effect{Kind: SendStream, Replica: r, From: r.next})
}

// Sync is the command of a replica that wants to follow. id "" is SYNC.
// The reply is "" (whatever is to be said is said by effects) or an error.
func (m *Machine) Sync(now time.Duration, r *Replica, id string, offset int64, failover bool) string {
	m.now = now
	if r.State != Greeting {
		return "" // a replica asks once
	}
	if failover {
		m.log(warning, "Failover request received for replid %s.", id)
		switch {
		case m.Up == nil:
			return "ERR PSYNC FAILOVER can't be sent to a master."
		case !strings.EqualFold(id, m.ID):
			return "ERR PSYNC FAILOVER replid must match my replid."
		}
		m.unfollow()
		m.log(notice, "MASTER MODE enabled (failover request from '%s')", m.name(r))
	}
	if m.Failover.State != NoFailover {
		return "NOMASTERLINK Can't SYNC while failing over"
	}
	if m.Up != nil && m.Up.State != Connected {
		return "NOMASTERLINK Can't SYNC while not connected with my master"
	}
	m.log(notice, "Replica %s asks for synchronization", m.name(r))
	if id != "" {
		if m.tryPartial(r, id, offset) {
			m.PartialOK++
			return ""
		}
		if id[0] != '?' {
			m.PartialErr++
		}
	} else {
		r.legacy = true
	}
	m.FullSyncs++
	r.State, r.askedAt = WaitStart, m.now
	m.Replicas = append(m.Replicas, r)
	if len(m.Replicas) == 1 && m.Stream == nil {
		// A backlog from nothing: there is no valid past history.
		m.changeID()
		m.clearID2()
		m.createStream()
		m.log(notice, "Replication backlog created, my new replication IDs are '%s' and '%s'", m.ID, m.ID2)
	}
	m.awaitSnapshot(r)
	return ""
}

// Accepts reports whether a replica that has everything of history id before
// offset may go on from there: the rule that keeps two histories apart.
func (m *Machine) accepts(r *Replica, id string, offset int64) bool {
	if strings.EqualFold(id, m.ID) || strings.EqualFold(id, m.ID2) && offset <= m.SecondOffset {
		return true
	}
	switch {
	case id[0] == '?':
		m.log(notice, "Full resync requested by replica %s", m.name(r))
	case !strings.EqualFold(id, m.ID2):
		m.log(notice, "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '%s', my replication IDs are '%s' and '%s')", id, m.ID, m.ID2)
		return m.o.Bugs.Has(bugs.ForeignPartialSync) && id[0] != '?'
	default:
		if m.trusting {
			return true
		}
		m.log(notice, "Partial resynchronization not accepted: Requested offset for second ID was %d, but I can reply up to %d", offset, m.SecondOffset)
	}
	return false
}

// tryPartial answers with the missing part of the stream (masterTryPartialResync).
func (m *Machine) tryPartial(r *Replica, id string, offset int64) bool {
	if !m.accepts(r, id, offset) {
		return false
	}
	if m.trusting && m.Stream != nil && offset > m.Stream.End {
		offset = m.Stream.End // the plant: what comes next
	}
	if m.Stream == nil || !m.Stream.Holds(offset) {
		m.log(notice, "Unable to partial resync with replica %s for lack of backlog (Replica request was: %d).", m.name(r), offset)
		if offset > m.Offset {
			m.log(warning, "Warning: replica %s tried to PSYNC with an offset that is greater than the master replication offset.", m.name(r))
		}
		return false
	}
	r.State = Online
	r.ackedAt = m.now
	r.next = offset
	m.Replicas = append(m.Replicas, r)
	if r.Psync2 {
		m.say(r, "+CONTINUE "+m.ID+"\r\n")
	} else {
		m.say(r, "+CONTINUE\r\n")
	}
	m.log(notice, "Partial resynchronization request from %s accepted. Sending %d bytes of backlog starting from offset %d.", m.name(r), m.Stream.End-offset, offset)
	m.startStream(r)
	m.countGood()
	return true
}

func (m *Machine) say(r *Replica, text string) {
	m.emit(Effect{Kind: Say, Replica: r, Text: text})
}

// awaitSnapshot decides which snapshot a replica gets (the three cases of syncCommand).
func (m *Machine) awaitSnapshot(r *Replica) {
	switch m.saving {
	case saveFile:
		for _, o := range m.Replicas {
			// Who joins must get the stream from the same place on.
			if o.State == WaitEnd && (!o.EOF || r.EOF) && (!o.Psync2 || r.Psync2) {
				m.begin(r, o.initial)
				m.log(notice, "Waiting for end of BGSAVE for SYNC")
				return
			}
		}
		m.log(notice, "Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC")
	case saveSocket:
		m.log(notice, "Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC")
	default:
		if m.o.Config.ReplDisklessSync && r.EOF && m.o.Config.ReplDisklessSyncDelay > 0 {
			m.log(notice, "Delay next BGSAVE for diskless SYNC")
			return
		}
		m.save()
	}
}

// save asks for a snapshot for those who wait (startBgsaveForReplication).
func (m *Machine) save() {
	socket := m.o.Config.ReplDisklessSync
	for _, r := range m.Replicas {
		if r.State == WaitStart && !r.EOF {
			socket = false
		}
	}
	kind, target := SaveFile, "disk"
	if socket {
		kind, target = SaveSocket, "replicas sockets"
	}
	m.log(notice, "Starting BGSAVE for SYNC with target: %s", target)
	m.emit(Effect{Kind: kind})
}

// SaveStarted says that the snapshot asked for, or one for another reason that
// goes to the file, contains the data as they are now. ok is false when it
// could not be started.
func (m *Machine) SaveStarted(now time.Duration, socket, ok bool) {
	m.now = now
	if !ok {
		for _, r := range append([]*Replica(nil), m.Replicas...) {
			if r.State == WaitStart {
				m.say(r, "-BGSAVE failed, replication can't continue\r\n")
				m.drop(r)
			}
		}
		return
	}
	m.saving = saveFile
	if socket {
		m.saving = saveSocket
	}
	for _, r := range m.Replicas {
		if r.State == WaitStart && (!socket || r.EOF) {
			m.begin(r, m.Offset)
			r.socket = socket
			if socket {
				m.emit(Effect{Kind: SendSocket, Replica: r})
			}
		}
	}
}

// SaveBusy says that another child runs: cron tries again.
func (m *Machine) SaveBusy() {
	m.log(notice, "No BGSAVE in progress, but another BG operation is active. BGSAVE for replication delayed")
}

// begin tells a replica where its snapshot stands in the history
// (replicationSetupSlaveForFullResync).
func (m *Machine) begin(r *Replica, offset int64) {
	r.initial, r.next = offset, offset+1
	r.State = WaitEnd
	m.selected = -1 // the stream behind the snapshot says which database it means
	if !r.legacy {
		m.say(r, "+FULLRESYNC "+m.ID+" "+itoa(offset)+"\r\n")
	}
}

// SaveEnded says that the snapshot in the making has ended (updateSlavesWaitingBgsave).
func (m *Machine) SaveEnded(now time.Duration, ok bool) {
	m.now = now
	socket := m.saving == saveSocket
	m.saving = notSaving
	for _, r := range append([]*Replica(nil), m.Replicas...) {
		switch {
		case r.State != WaitEnd || r.socket != socket:
		case !ok:
			m.log(warning, "SYNC failed. BGSAVE child returned an error")
			m.drop(r)
		case socket:
			m.log(notice, "Streamed replica with replica %s succeeded using socket. Waiting for REPLCONF ACK from replica to enable streaming", m.name(r))
			m.putOnline(r)
			r.onAck = true
		default:
			r.State = SendBulk
			m.emit(Effect{Kind: SendFile, Replica: r, From: r.next})
		}
	}
}

// FileSent says that a replica has been sent the whole snapshot file.
func (m *Machine) FileSent(now time.Duration, r *Replica) {
	m.now = now
	if r.State != SendBulk {
		return
	}
	m.putOnline(r)
	m.startStream(r)
}

func (m *Machine) putOnline(r *Replica) {
	r.State = Online
	r.ackedAt = m.now
	m.countGood()
	m.log(notice, "Synchronization with replica %s succeeded", m.name(r))
}

// Gone says that the connection of a replica has ended.
func (m *Machine) Gone(now time.Duration, r *Replica) {
	m.now = now
	if r.State == Greeting {
		return
	}
	m.log(warning, "Connection with replica %s lost.", m.name(r))
	m.forget(r)
}

func (m *Machine) forget(r *Replica) {
	socket := r.State == WaitEnd && r.socket
	r.State, r.streaming = Greeting, false
	for i, o := range m.Replicas {
		if o == r {
			m.Replicas = append(m.Replicas[:i:i], m.Replicas[i+1:]...)
			break
		}
	}
	if len(m.Replicas) == 0 {
		m.lonely = m.now
	}
	if m.Stream != nil {
		m.trim() // what was kept for it (networking.c freeReplicaReferencedReplBuffer)
	}
	m.countGood()
	if socket && m.saving == saveSocket {
		for _, o := range m.Replicas {
			if o.State == WaitEnd && o.socket {
				return
			}
		}
		m.emit(Effect{Kind: StopSave}) // nobody is left to send it to
	}
}

// drop disconnects a replica.
func (m *Machine) drop(r *Replica) {
	m.emit(Effect{Kind: Drop, Replica: r})
	m.forget(r)
}

// dropAll disconnects every replica, so that it hears of a new id.
func (m *Machine) dropAll() {
	for len(m.Replicas) > 0 {
		m.drop(m.Replicas[0])
	}
}

// name is how log lines call a replica (replicationGetSlaveName).
func (m *Machine) name(r *Replica) string {
	if r.Port == 0 {
		return r.Host() + ":<unknown-replica-port>"
	}
	return r.Host() + ":" + itoa(r.Port)
}

// Host is where a replica can be reached: what it announced, or where it comes from.
func (r *Replica) Host() string {
	if r.IP != "" {
		return r.IP
	}
	return r.Peer
}

// Lag is how long ago a replica was last heard of, in whole seconds as
// redis-server counts them.
func (m *Machine) Lag(now time.Duration, r *Replica) int64 {
	return seconds(now) - seconds(r.ackedAt)
}

// seconds is redis-server's unixtime: whole seconds are compared, not durations.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// AllAcked reports whether every replica has said that it has all that is in the
// stream (redis 7.0.15 server.c isReadyToShutdown).
func (m *Machine) AllAcked() bool { return m.lagging() == 0 }

func (m *Machine) lagging() (n int) {
	for _, r := range m.Replicas {
		if r.Acked != m.Offset {
			n++
		}
	}
	return n
}

// LogLagging tells which replicas lag when the server ends (redis 7.0.15 server.c
// finishShutdown).
func (m *Machine) LogLagging(now time.Duration) {
	for _, r := range m.Replicas {
		if r.Acked == m.Offset {
			continue
		}
		lag := int64(0)
		if r.State == Online {
			lag = m.Lag(now, r)
		}
		m.log(warning, "Lagging replica %s reported offset %d behind master, lag=%d, state=%s.", m.name(r), m.Offset-r.Acked, lag, r.State)
	}
	if n := len(m.Replicas); n > 0 {
		m.log(notice, "%d of %d replicas are in sync when shutting down.", n-m.lagging(), n)
	}
}

// Recount is to be called when CONFIG SET has changed who counts (redis 7.0.15
// config.c updateGoodSlaves).
func (m *Machine) Recount(now time.Duration) {
	m.now = now
	m.countGood()
}

// countGood is refreshGoodSlavesCount.
func (m *Machine) countGood() {
	c := m.o.Config
	m.good = 0
	if c.MinReplicasToWrite == 0 || c.MinReplicasMaxLag == 0 {
		return
	}
	for _, r := range m.Replicas {
		if r.State == Online && m.Lag(m.now, r) <= c.MinReplicasMaxLag {
			m.good++
		}
	}
}

// Good is how many replicas count for min-replicas-to-write.
func (m *Machine) Good() int { return m.good }

// TooFewReplicas reports whether a master must refuse writes.
func (m *Machine) TooFewReplicas() bool {
	c := m.o.Config
	return m.Up == nil && c.MinReplicasToWrite > 0 && c.MinReplicasMaxLag > 0 && int64(m.good) < c.MinReplicasToWrite
}

// AckedBy is how many replicas have executed the stream up to an offset.
func (m *Machine) AckedBy(offset int64) (n int) {
	for _, r := range m.Replicas {
		if r.State == Online && r.Acked >= offset {
			n++
		}
	}
	if m.o.Bugs.Has(bugs.WaitCountsOneMore) {
		n++
	}
	return n
}
