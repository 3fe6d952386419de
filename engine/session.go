package engine

import (
	"io"
	"strconv"
	"strings"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/engine/acl"
	"github.com/torntail/torntail/faults/env"
)

// Session is one client of the server, without its transport. A connection
// task adds commands, lets the server execute them with Execute, sends the
// reply, and starts over. Where one task reads all connections, it hands over
// each batch with Submit, and what OnAnswer was given sends the reply.
type Session struct {
	s       *Server
	id      int64
	name    []byte
	wire    Transport
	remote  string
	local   string
	created int64 // Unix seconds
	active  int64 // Unix seconds of the last command

	// The batch: arguments of all commands, and where each command ends.
	args [][]byte
	ends []int
	// busy: the batch waits for the main task or is being executed by it.
	busy     bool
	answered env.Cond
	onAnswer func(reply []byte, more bool) // see OnAnswer; nil: Execute waits
	dead     bool                          // the server has ended, or CLIENT KILL struck

	out     []byte  // replies of the batch
	stream  *stream // set once the session is sent more than replies
	inTurn  bool    // its batch belongs to the current turn of Run
	closing bool    // close once out is sent
	resp    int     // protocol version, 2 or 3
	db      int
	authed  bool
	user    *acl.User // nil: one who may do everything, as who executes a log
	loader  bool      // executes an append-only file
	script  bool      // executes the commands of scripts
	noEvict bool
	soft    softLimit // of its replies
	// input is what was received and is no whole command yet, batch what the batch takes; bytes.
	input, batch int64
	sampled      int64     // see sampleClients
	tracking     *tracking // CLIENT TRACKING; nil: off
	monitor      bool      // it is shown all commands
	lastCmd      *command
	asking       bool // ASKING: the next command is about a slot that is being imported
	readOnly     bool // READONLY: a replica may answer
	slot         int  // of the keys of the current command; -1: none
	replies      replyMode
	answering    bool   // a command is executed
	pushes       []byte // of the current command, while replies are off

	multi bool
	queue []queued
	// queuedArgs and queuedMem are the memory of what is queued.
	queuedArgs [][]byte
	queuedMem  []byte
	dirtyCAS   bool // a watched key changed
	dirtyExec  bool // a command could not be queued
	watching   []watch
	wrote      bool // the batch changed data
	channels   subscriptions
	patterns   subscriptions
	shards     subscriptions

	replica *replica   // it follows this server, or has said that it will
	master  bool       // the link to this server's master
	raw     []byte     // the batch as the master sent it
	rawEnds []int      // where each command of it ends
	rawDone int        // what lies before has been executed, transactions whole
	offset  int64      // of the replication stream behind the last command: what WAIT waits for
	next    int        // command of the batch to execute next
	blocked *blockedOn // why it is not executed yet; nil: nothing
	resumed bool       // it was blocked and goes on within one turn
	onBlock func()     // see OnBlock
}

// replyMode is the state of CLIENT REPLY.
type replyMode uint8

const (
	replyOn replyMode = iota
	replyOff
	replySkipNext // set by CLIENT REPLY SKIP itself
	replySkip     // the next command
)

// Transport is the server's end of a client's connection. The connection task
// reads it and sends replies; the server closes it when it wants to be rid of
// the client, and writes to it what is no reply (see stream). An env.Conn is one.
type Transport interface {
	io.Writer     // blocks until the peer takes it; called by one task at a time
	Close() error // at any time, more than once
	LocalAddr() string
	RemoteAddr() string
}

// Open makes a session. A nil Session means that the server has too many: send
// refusal and close.
func (s *Server) Open(wire Transport) (c *Session, refusal string) {
	if s.exiting {
		return nil, ""
	}
	s.stats.connections++
	if int64(len(s.sessions)) >= s.cfg.Maxclients {
		s.stats.rejected++
		return nil, "-ERR max number of clients reached\r\n"
	}
	unix := s.env.Wall().Unix()
	c = &Session{
		s: s, id: s.nextID, wire: wire, remote: wire.RemoteAddr(), local: wire.LocalAddr(),
		created: unix, active: unix, resp: 2,
		answered: s.env.NewCond(),
	}
	c.logout()
	s.nextID++
	s.sessions = append(s.sessions, c)
	return c, ""
}

// Stranger reports whether the client has yet to authenticate itself (redis
// 7.0.15 networking.c authRequired).
func (c *Session) Stranger() bool { return !c.authed && !c.s.users.Default.Open() }

// Add puts a command into the batch. argv itself may be reused afterwards, its
// elements not before Execute has returned.
func (c *Session) Add(argv [][]byte) {
	c.args = append(c.args, argv...)
	c.ends = append(c.ends, len(c.args))
}

// AddAll parses commands as a front.Gate returns them. An error means that
// redcon disagrees with the gate about what a command is.
func (c *Session) AddAll(commands []byte) error {
	c.batch = int64(len(commands))
	c.input = max(c.input-c.batch, 0)
	for len(commands) > 0 {
		n := len(c.args)
		complete, argv, _, rest, err := redcon.ReadNextCommand(commands, c.args[n:])
		if err != nil {
			return err
		}
		if !complete {
			return errIncomplete
		}
		// When there was room, argv already is where append puts it.
		c.args = append(c.args, argv...)
		c.ends = append(c.ends, len(c.args))
		commands = rest
	}
	return nil
}

// addMaster is AddAll for a piece of the master's stream, of which replicas are
// sent every byte: it remembers where each command ends. A command may be in
// the middle of a transaction that began in an earlier batch; then the bytes of
// that are still here.
func (c *Session) addMaster(commands []byte) error {
	c.raw = append(c.raw[:copy(c.raw, c.raw[c.rawDone:])], commands...)
	c.rawDone, c.rawEnds = 0, c.rawEnds[:0]
	for base := len(c.raw) - len(commands); len(commands) > 0; {
		complete, argv, _, rest, err := redcon.ReadNextCommand(commands, c.args[len(c.args):])
		if err != nil {
			return err
		}
		if !complete {
			return errIncomplete
		}
		c.Add(argv)
		base += len(commands) - len(rest)
		c.rawEnds = append(c.rawEnds, base)
		commands = rest
	}
	return nil
}

// Execute has the main task execute the batch and waits until its replies may
// be sent: until everything they promise is as durable as the configuration
// demands. more is false when the connection is to be closed after sending
// reply, which is valid until the next Add.
func (c *Session) Execute() (reply []byte, more bool) {
	if !c.Submit() {
		return nil, false
	}
	for c.busy && !c.dead {
		c.answered.Wait()
	}
	if c.busy { // the server has ended, or the client was killed: no reply was released
		return nil, false
	}
	reply = c.finish()
	if c.stream != nil && c.closing {
		c.stream.drain(c)
	}
	return reply, !c.closing && !c.dead
}

// Submit has the main task execute the batch, without waiting for it. It reports
// whether it will be.
func (c *Session) Submit() bool {
	if c.dead || c.s.exiting {
		return false
	}
	c.out = c.out[:0]
	c.next = 0
	c.busy = true
	c.s.pending = append(c.s.pending, c)
	c.s.wake.Signal()
	return true
}

// OnAnswer has the main task call f, which must not give way, when the replies
// of a batch given to Submit may be sent, with what Execute would have returned;
// f may submit the next batch, which takes its place behind all that wait. A
// batch that does not come to its end in a turn makes f be called as well: then
// the session is still Busy.
func (c *Session) OnAnswer(f func(reply []byte, more bool)) { c.onAnswer = f }

// Busy reports whether a batch is being executed or waits for that.
func (c *Session) Busy() bool { return c.busy }

// Blocked reports whether the batch waits for something else than its turn.
func (c *Session) Blocked() bool { return c.blocked != nil }

// finish makes room for the next batch and returns what is to be sent; nothing
// when the session's stream sends it.
func (c *Session) finish() (reply []byte) {
	clear(c.args)
	c.args, c.ends = c.args[:0], c.ends[:0]
	c.batch = 0
	if c.stream != nil {
		return nil
	}
	c.s.stats.output += int64(len(c.out))
	c.s.stats.writes++
	return c.out
}

// release lets the replies of the batch go out.
func (c *Session) release() {
	c.inTurn = false
	if c.stream != nil {
		c.stream.add(c, c.out)
		c.out = c.out[:0]
	}
	if c.blocked != nil || c.resumed {
		c.resumed = false
		if c.onAnswer != nil {
			c.onAnswer(nil, true)
		}
		return // it comes back with the rest of its batch
	}
	c.busy = false
	if c.onAnswer != nil {
		c.onAnswer(c.finish(), !c.closing && !c.dead)
		return
	}
	c.answered.Signal()
}

// Refuse makes the reply to a violation of the protocol, after which the
// connection is closed: err is a Gate's.
func (c *Session) Refuse(err error) (reply []byte) {
	c.out = c.out[:0]
	if msg := err.Error(); msg != "" {
		c.error(msg)
	}
	return c.out
}

// kill ends the session at once, whatever it is doing.
func (c *Session) kill() {
	c.dead = true
	c.s.unsubscribeAll(c)
	c.answered.Signal()
	if c.stream != nil {
		c.stream.wake.Signal()
	}
	c.wire.Close() // its error says that it is closed
}

// Received counts bytes that came from the client, for INFO.
func (c *Session) Received(n int) {
	c.s.stats.input += int64(n)
	c.s.stats.reads++
	c.input += int64(n)
	c.s.evictClients(nil)
}

// Sent says that the reply is out, and lets go of a large buffer.
func (c *Session) Sent() {
	if cap(c.out) > maxIdleReply {
		c.out = nil
	}
}

// maxIdleReply is the largest reply buffer kept between batches, in bytes.
const maxIdleReply = 64 << 10

// Close ends the session. It must not be executing.
func (c *Session) Close() {
	s := c.s
	c.dead = true
	s.forgetQueued(c)
	s.unwatchAll(c)
	s.unblock(c)
	s.replicaGone(c)
	s.unsubscribeAll(c)
	s.unmonitor(c)
	s.untrack(c)
	if c.stream != nil {
		c.stream.wake.Signal()
	}
	for i, o := range s.sessions {
		if o == c {
			s.sessions = append(s.sessions[:i], s.sessions[i+1:]...)
			break
		}
	}
}

// String is a session in log lines.
// overUnix reports whether the client came by the socket of a name, and not of a port.
func (c *Session) overUnix() bool { return strings.HasSuffix(c.remote, ":0") }

func (c *Session) String() string { return "id=" + strconv.FormatInt(c.id, 10) + " addr=" + c.remote }

// flagLetters are the flags of CLIENT LIST.
func (c *Session) flagLetters() string {
	var b []byte
	switch {
	case c.isReplica() && c.monitor:
		b = append(b, 'O')
	case c.isReplica():
		b = append(b, 'S')
	case c.monitor:
		b = append(b, 'O')
	}
	if c.master {
		b = append(b, 'M')
	}
	if c.subscribed() > 0 {
		b = append(b, 'P')
	}
	if c.multi {
		b = append(b, 'x')
	}
	if c.blocked != nil {
		b = append(b, 'b')
	}
	if t := c.tracking; t != nil {
		b = append(b, 't')
		if t.broken {
			b = append(b, 'R')
		}
		if t.bcast {
			b = append(b, 'B')
		}
	}
	if c.dirtyCAS {
		b = append(b, 'd')
	}
	if c.closing {
		b = append(b, 'c')
	}
	if c.overUnix() {
		b = append(b, 'U')
	}
	if c.readOnly {
		b = append(b, 'r')
	}
	if c.noEvict {
		b = append(b, 'e')
	}
	if len(b) == 0 {
		return "N"
	}
	return string(b)
}
