package listen

import (
	"cmp"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/front"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
)

// readRoom is how many bytes are read from a socket at once at least (redis 7.0.15
// PROTO_IOBUF_LEN). However much of its replies a client leaves unread, it is read from.
const readRoom = 16 << 10

// clients are all connections, and what the main task waits on: for them, and for whatever
// other tasks have for it. It reads them in the order in which their bytes arrive and executes
// what it has read in that order, as redis-server's event loop does: a client that sends on one
// connection and then on another finds the first command executed first. Replies are written
// at the end of a turn; what a socket does not take at once goes through the session's
// stream, and blocks nobody.
//
// All fields and methods are under the environment's lock, but what is said of accept.
type clients struct {
	env    *osenv.Env
	server *engine.Server // is set before the first is let in
	ready  readiness
	all    map[int32]*client
	last   int32     // id that was given
	ids    []int32   // that are ready
	closed []*client // by the engine, and still to be ended
	unix   string    // the directive
	asleep bool      // the main task waits, without the lock
	woken  bool      // and has been told not to
}

// readiness tells which connections there is something to read from, or have
// ended, in the order in which that came about: once, or until it has been read. One that
// has ended may be told twice, of what it sent and of its end. Connections are named by ids.
type readiness interface {
	add(id int32, fd int) error
	// more has a connection be told again: not all of what is there has been read.
	more(id int32)
	// pause has a connection not be looked at until resume; what wait has found
	// already it tells.
	pause(id int32, fd int)
	resume(id int32, fd int)
	// forget is called before a connection is closed.
	forget(id int32, fd int)
	// now appends the ids of who is ready to into.
	now(into []int32) ([]int32, error)
	// wait is now, but waits for somebody to be ready, for wake, or for a time at most. It is
	// called without the lock, by one goroutine.
	wait(into []int32, d time.Duration) ([]int32, error)
	// wake has a call of wait return, the current one or the next.
	wake()
	// close is called after the last wait.
	close()
}

func newClients(world *osenv.Env) (*clients, error) {
	ready, err := newReadiness()
	if err != nil {
		return nil, err
	}
	return &clients{env: world, ready: ready, all: make(map[int32]*client)}, nil
}

// client is one connection.
type client struct {
	of      *clients
	id      int32
	fd      int
	local   string
	remote  string
	session *engine.Session
	// stream is the connection for the session's stream, which waits until it is written;
	// nil until there is one.
	stream env.Conn
	gate   front.Gate
	ahead  []byte // read while the session was busy
	paused bool
	eof    bool // the client sends no more; its last batch is being executed
	ended  bool
}

// transport is what the engine has of a connection.
type transport struct{ c *client }

func (t transport) LocalAddr() string  { return t.c.local }
func (t transport) RemoteAddr() string { return t.c.remote }

// Write implements engine.Transport. Only connections with streams are known to the
// runtime's own list of those that are ready, as well as to readiness.
func (t transport) Write(b []byte) (int, error) {
	if t.c.ended {
		return 0, env.ErrClosed
	}
	if t.c.stream == nil {
		fd, err := duplicate(t.c.fd)
		if err != nil {
			return 0, err
		}
		file := os.NewFile(uintptr(fd), "socket")
		defer file.Close() // conn has one of its own
		conn, err := net.FileConn(file)
		if err != nil {
			return 0, err
		}
		t.c.stream = t.c.of.env.Wrap(conn)
	}
	return t.c.stream.Write(b)
}

func duplicate(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

// Close implements engine.Transport: the main task ends the connection.
func (t transport) Close() error {
	l := t.c.of
	l.closed = append(l.closed, t.c)
	l.Signal()
	return nil
}

// accept lets clients in until the listener is closed. It is called without the lock.
func (l *clients) accept(from net.Listener) {
	for {
		conn, err := from.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of file descriptors, say
			time.Sleep(10 * time.Millisecond)
			continue
		}
		l.env.Enter()
		l.open(conn)
		l.env.Leave()
	}
}

// open takes over a connection.
func (l *clients) open(conn net.Conn) {
	c := &client{of: l, fd: -1, local: l.address(conn.LocalAddr()), remote: l.address(conn.RemoteAddr())}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err == nil {
		err = cmp.Or(raw.Control(func(fd uintptr) { c.fd, err = duplicate(int(fd)) }), err)
	}
	conn.Close() // which takes it from the runtime's list of connections
	if err != nil {
		return
	}
	session, refusal := l.server.Open(transport{c})
	if session == nil {
		c.write([]byte(refusal)) // best effort, the client is not welcome
		unix.Close(c.fd)
		return
	}
	l.last++
	c.id, c.session = l.last, session
	session.OnAnswer(c.answered)
	c.gate.Reset(l.server.Limits(), readRoom)
	c.gate.Guard(session.Stranger)
	l.all[c.id] = c
	if err := l.ready.add(c.id, c.fd); err != nil {
		c.end()
	}
}

// address has the socket's name and no port for whoever came by it (redis
// 7.0.15 networking.c genClientAddrString).
func (l *clients) address(a net.Addr) string {
	if a.Network() == "unix" {
		return l.unix + ":0"
	}
	return a.String()
}

// stop ends all connections, of a server that has ended.
func (l *clients) stop() {
	for _, c := range l.all {
		c.end()
	}
	l.ready.close()
}

// Wait implements env.Cond.
func (l *clients) Wait() { l.WaitFor(time.Hour) }

// WaitFor implements env.Cond: the main task waits until there is something to read, which it
// reads, until Signal, or for a time at most. When that is 0 it reads what there is, and lets other
// tasks have their turn.
func (l *clients) WaitFor(d time.Duration) (woken bool) {
	l.endClosed()
	ids, err := l.ready.now(l.ids[:0])
	if len(ids) == 0 && err == nil && d > 0 {
		l.asleep = true
		l.env.Leave()
		ids, err = l.ready.wait(ids, d)
		l.env.Enter()
		woken = l.woken
		l.asleep, l.woken = false, false
	} else {
		l.env.GiveWay()
	}
	if err != nil {
		panic(err) // no client would ever be heard again
	}
	for _, id := range ids {
		if c := l.all[id]; c != nil && !c.paused {
			c.read()
		}
	}
	l.ids = ids
	l.endClosed()
	return woken || len(ids) > 0
}

// Signal implements env.Cond. Who does not wait looks around before it does.
func (l *clients) Signal() {
	if l.asleep && !l.woken {
		l.woken = true
		l.ready.wake()
	}
}

// Broadcast implements env.Cond.
func (l *clients) Broadcast() { l.Signal() }

// endClosed ends what the engine wants to be rid of.
func (l *clients) endClosed() {
	for len(l.closed) > 0 { // the end of one may be that of others
		c := l.closed[0]
		l.closed = l.closed[1:]
		c.end()
	}
	l.closed = nil
}

// read takes what a connection has, once.
func (c *client) read() {
	busy := c.session.Busy()
	into := c.ahead[:cap(c.ahead)]
	switch {
	case !busy:
		into = c.gate.Space()
	case len(into) == 0: // the gate's buffer holds what is being executed
		into = make([]byte, readRoom)
	}
	n, err := c.readNow(into)
	switch {
	case err == syscall.EAGAIN:
	case !busy && err != nil, err != nil && c.session.Blocked():
		c.end()
	case busy:
		c.pause()
		c.ahead, c.eof = into[:n], err != nil
	default:
		c.received(n)
		c.next()
	}
	if n > 0 && n == len(into) && !c.paused && !c.ended {
		c.of.ready.more(c.id)
	}
}

// readNow is Read, but does not wait: EAGAIN says that there is nothing.
func (c *client) readNow(into []byte) (int, error) {
	return nonblocking(func() (int, error) { return readSocket(c.fd, into) }, true)
}

func (c *client) received(n int) {
	c.gate.Added(n)
	c.session.Received(n)
}

// next submits what has been read, as far as it is complete.
func (c *client) next() {
	commands, err := c.gate.Next()
	switch {
	case err != nil:
		c.send(c.session.Refuse(err), false)
	case commands == nil:
	case c.session.AddAll(commands) != nil: // the parser disagrees with the gate
		c.end()
	case !c.session.Submit():
		c.end()
	}
}

// answered is called by the main task at the end of a turn.
func (c *client) answered(reply []byte, more bool) {
	switch {
	case c.ended:
		return
	case c.session.Busy():
		if c.eof && c.session.Blocked() { // nothing is popped for nobody
			c.end()
		}
		return
	}
	c.send(reply, more)
	c.session.Sent()
	switch {
	case c.ended, !more:
		return
	}
	c.goOn()
}

// goOn goes on with what was read ahead.
func (c *client) goOn() {
	if c.ended {
		return
	}
	for data := c.ahead; len(data) > 0; {
		n := copy(c.gate.Space(), data)
		c.received(n)
		data = data[n:]
	}
	c.ahead = c.ahead[:0]
	c.next()
	switch {
	case c.ended || c.session.Busy():
	case c.eof:
		c.end()
	case c.paused:
		c.paused = false
		c.of.ready.resume(c.id, c.fd)
	}
}

func (c *client) pause() {
	if !c.paused {
		c.paused = true
		c.of.ready.pause(c.id, c.fd)
	}
}

// send writes a reply; it is the last one unless there is more.
func (c *client) send(reply []byte, more bool) {
	if c.session.Unsent() == 0 {
		n, err := c.write(reply)
		reply = reply[n:]
		if err != nil || len(reply) == 0 && !more {
			c.end()
			return
		}
	}
	if len(reply) > 0 || !more {
		c.session.Queue(reply, !more)
	}
}

// write writes what the socket takes at once.
func (c *client) write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := nonblocking(func() (int, error) { return writeSocket(c.fd, b) }, false)
	if err == syscall.EAGAIN {
		err = nil
	}
	return n, err
}

// end closes the connection.
func (c *client) end() {
	if c.ended {
		return
	}
	c.ended = true
	delete(c.of.all, c.id)
	c.session.Close()
	c.of.ready.forget(c.id, c.fd)
	unix.Close(c.fd)
	if c.stream != nil {
		c.stream.Close() // a writer that waits is told
	}
}
