// Package replication is the replication of redis 7.0.15 (replication.c) as a
// state machine without I/O: who follows whom, at which place of which history,
// and what is to be said next. It reads no clock, opens no connection and
// touches no data. Its owner feeds it what arrives (commands of replicas, lines
// of the master, the end of a snapshot, the passing of time) and carries out
// the Effects it takes from it, in order.
//
// One Machine is one server, in both of its roles at once: a replica has
// replicas of its own, to which it passes on the stream of its master byte for
// byte, under the same replication id and the same offsets. Everything that
// decides whether acknowledged writes survive a failover is here: which offset
// belongs to which history (the two ids), who may go on with a partial
// resynchronisation, what the backlog still holds, who counts as a replica that
// has a write.
package replication

import (
	"fmt"
	"time"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
)

// IDLen is the length of a replication id.
const IDLen = 40

var noID = "0000000000000000000000000000000000000000"

// Options is what a Machine is made of.
type Options struct {
	Config *config.Config // read at each use
	Bugs   bugs.Set
	Log    func(level byte, msg string)
	Random func() uint64
}

// Machine is one server's replication. It belongs to one task.
type Machine struct {
	o   Options
	now time.Duration // of the last input
	out []Effect

	// The history this server is at the end of, and the one it went on from
	// (replid, master_repl_offset, replid2, second_replid_offset).
	ID           string
	Offset       int64 // of the last byte of the stream
	ID2          string
	SecondOffset int64 // ID2 is the same history up to before this offset; -1: no ID2

	// Stream is the backlog and what replicas have not been sent; nil: nobody
	// has asked for it yet.
	Stream *Stream
	// Replicas in the order in which they asked to be some.
	Replicas []*Replica
	selected int // database selected in the stream; -1: the next write says it
	feedBuf  []byte
	released int64 // Offset up to which replicas may be sent
	lonely   time.Duration
	good     int // replicas that count for min-replicas-to-write
	cron     time.Duration
	loops    int64
	saving   saving
	askAcks  bool // GETACK before the next release
	// Still: a manual failover of a cluster goes on, the offset must not move by itself.
	Still bool

	// Up is the link to the master; nil on a master.
	Up *Upstream
	// cached says where this server may try to go on, after its link broke or
	// when it is told to follow another.
	cached *position

	Failover Failover

	// Said is how far of each history, by its name, this server has told a master that it
	// has executed it.
	Said map[string]int64

	FullSyncs, PartialOK, PartialErr int64

	trusting bool // the plant RestartTrustsReplicas is on, and this master has loaded a snapshot
}

// position is a place in a history.
type position struct {
	id     string
	offset int64 // of the last byte that is here
	db     int   // selected there
}

// saving is what the snapshot in the making is for.
type saving uint8

const (
	notSaving  saving = iota
	saveFile          // a file every replica that came in time is sent
	saveSocket        // sent to the replicas as it is made
)

// Kind is what an Effect asks for.
type Kind uint8

// The kinds of effects.
const (
	Say         Kind = iota // send Text to Replica, out of the stream's turn
	Drop                    // disconnect Replica
	SendStream              // send Replica the stream from From on, and go on
	SendFile                // send Replica the snapshot file, then the stream from From on
	SendSocket              // send Replica the snapshot as it is made, then wait for SendStream
	SaveFile                // start a snapshot to the file; tell SaveStarted
	SaveSocket              // start a snapshot to the waiting replicas; tell SaveStarted
	StopSave                // nobody waits for the snapshot any more
	Dial                    // connect to Addr; tell Connected or ConnectFailed
	Hangup                  // close the connection to the master, or give up dialling
	SayMaster               // send Text to the master
	Receive                 // read a snapshot from the master; tell Received or ReceiveFailed
	Follow                  // the stream of the master begins, in database From
	Unblock                 // the role changes: no client may go on waiting
	RestartLog              // an append-only file that a synchronisation stopped may run again
	PauseWrites             // no write is executed until ResumeWrites
	ResumeWrites
)

var kindNames = [...]string{Say: "say", Drop: "drop", SendStream: "send-stream", SendFile: "send-file", SendSocket: "send-socket",
	SaveFile: "save-file", SaveSocket: "save-socket", StopSave: "stop-save", Dial: "dial", Hangup: "hangup", SayMaster: "say-master",
	Receive: "receive", Follow: "follow", Unblock: "unblock", RestartLog: "restart-log", PauseWrites: "pause-writes", ResumeWrites: "resume-writes"}

// Effect is something the owner of a Machine has to do.
type Effect struct {
	Kind    Kind
	Replica *Replica
	Text    string
	From    int64
}

func (e Effect) String() string {
	s := kindNames[e.Kind]
	if e.Replica != nil {
		s += fmt.Sprintf(" replica %d", e.Replica.Number)
	}
	if e.Text != "" {
		s += fmt.Sprintf(" %q", e.Text)
	}
	switch e.Kind {
	case SendStream, SendFile, Follow:
		s += fmt.Sprintf(" from %d", e.From)
	}
	return s
}

// New makes a master with a history of its own.
func New(o Options) *Machine {
	m := &Machine{o: o, ID2: noID, SecondOffset: -1, selected: -1}
	m.changeID()
	return m
}

// Take hands out what is to be done, and forgets it. The slice is valid until
// the next input.
func (m *Machine) Take() []Effect {
	e := m.out
	m.out = m.out[:0]
	return e
}

// Pending reports whether there is something to Take.
func (m *Machine) Pending() bool { return len(m.out) > 0 }

func (m *Machine) emit(e Effect) { m.out = append(m.out, e) }

const (
	notice  = '*'
	warning = '#'
	verbose = '-'
)

func (m *Machine) log(level byte, format string, a ...any) {
	if m.o.Log != nil {
		m.o.Log(level, fmt.Sprintf(format, a...))
	}
}

// changeID begins a new history (changeReplicationId).
func (m *Machine) changeID() {
	m.ID = fmt.Sprintf("%016x%016x%08x", m.o.Random(), m.o.Random(), uint32(m.o.Random()))
}

// ChangeID begins another history, of which nobody has anything.
func (m *Machine) ChangeID() {
	m.changeID()
	m.clearID2()
}

func (m *Machine) clearID2() { m.ID2, m.SecondOffset = noID, -1 }

// shiftID goes on under a new id, and keeps the old one for those who followed
// the same master (shiftReplicationId). The second offset is one more than what
// is here: a replica that asks for the next byte has all of the old history.
func (m *Machine) shiftID() {
	if m.o.Bugs.Has(bugs.PromotedWithoutSecondID) {
		m.changeID()
		return
	}
	m.ID2, m.SecondOffset = m.ID, m.Offset+1
	m.changeID()
	m.log(warning, "Setting secondary replication ID to %s, valid up to offset: %d. New replication ID is %s", m.ID2, m.SecondOffset, m.ID)
}

// createStream begins the backlog: empty, at the end of the history.
func (m *Machine) createStream() {
	if m.Stream == nil {
		m.Stream = &Stream{First: m.Offset + 1, End: m.Offset + 1}
		m.lonely = m.now
		m.released = m.Offset
	}
}

func (m *Machine) freeStream() { m.Stream = nil }

// append puts bytes at the end of the stream.
func (m *Machine) append(p []byte) {
	m.Offset += int64(len(p))
	m.Stream.write(p)
	if m.Stream.Len() > m.o.Config.ReplBacklogSize+chunkSize {
		m.trim()
	}
}

func (m *Machine) trim() {
	from := m.Stream.End
	for _, r := range m.Replicas {
		if r.wants() {
			from = min(from, r.next)
		}
	}
	m.Stream.trim(max(m.o.Config.ReplBacklogSize, chunkSize), from)
}

// Feed puts a write into the stream of a master. A replica's stream is its
// master's (see Applied).
func (m *Machine) Feed(db int, argv [][]byte) {
	if m.Up != nil || m.Stream == nil {
		return
	}
	b := m.feedBuf[:0]
	if db != m.selected {
		m.selected = db
		b = aof.AppendSelect(b, db)
	}
	b = aof.AppendCommand(b, argv)
	m.append(b)
	m.feedBuf = b
}

// FeedAsIs puts a command into the stream, whatever database is selected there.
func (m *Machine) FeedAsIs(argv [][]byte) { m.Feed(max(m.selected, 0), argv) }

// Release lets what is in the stream go out, once it is as durable here as the
// configuration demands. It reports whether any replica has something to be sent.
func (m *Machine) Release() bool {
	if m.askAcks && m.Failover.State == NoFailover && !m.Still { // else the offset must stand still
		m.askAcks = false
		if m.Up == nil && len(m.Replicas) > 0 && m.Stream != nil {
			m.append(getAck)
		}
	}
	if m.Stream == nil || m.released == m.Offset {
		return false
	}
	m.released = m.Offset
	return len(m.Replicas) > 0
}

// AskAcks has replicas asked how far they are with the next Release.
func (m *Machine) AskAcks() { m.askAcks = true }

// StreamDB is the database selected at the end of the stream, for a snapshot's
// repl-stream-db; ok is false when a snapshot has no place in any history
// (redis 7.0.15 rdbPopulateSaveInfo).
func (m *Machine) StreamDB() (db int, ok bool) {
	switch {
	case m.Up == nil && m.Stream != nil:
		return max(m.selected, 0), true
	case m.Up != nil && m.Up.State == Connected:
		return m.Up.DB, true
	case m.Up != nil && m.cached != nil:
		return m.cached.db, true
	}
	return 0, false
}

// BeginLoad is to be called before a snapshot is loaded at the start: a master
// has replicas told of the keys it leaves out because they have expired, so that
// those which go on from the snapshot's place delete them too. Feed takes the
// deletions, Restore gives them their offsets (redis 7.0.15 server.c loadDataFromDisk).
func (m *Machine) BeginLoad(now time.Duration) {
	m.now = now
	if m.Up == nil {
		m.createStream()
	}
}

// Restore takes up the history a snapshot was made in, when the server has
// loaded it at its start; an id of no length: in none (redis 7.0.15 server.c
// loadDataFromDisk).
func (m *Machine) Restore(now time.Duration, id string, offset int64, db int) {
	m.now = now
	if len(id) != IDLen || offset < 0 {
		m.freeStream() // what was fed keeps its place in Offset, as there
		return
	}
	if m.Up != nil {
		m.ID, m.Offset = id, offset
		m.cached = &position{id: id, offset: offset, db: db}
		return
	}
	m.ID2, m.SecondOffset = id, offset+1
	m.trusting = m.o.Bugs.Has(bugs.RestartTrustsReplicas)
	m.createStream()
	m.Stream.First += offset
	m.Stream.End += offset
	m.Offset += offset
	m.released = m.Offset
	m.lonely = now
}

// Forget drops a restored place in a history: the data has changed since the
// snapshot, or comes from elsewhere.
func (m *Machine) Forget() { m.cached = nil }
