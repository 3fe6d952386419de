package listen

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/front"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
)

// readRoom is how many bytes are read from a socket at once at least (redis 7.0.15
// PROTO_IOBUF_LEN). However much of its replies a client leaves unread, it is read from.
const readRoom = 16 << 10

// clients are all connections. One goroutine reads them, in the order in which
// their bytes arrive, and the main task executes what it has read in that order,
// as redis-server's event loop does: a client that sends on one connection and
// then on another finds the first command executed first. Replies are written by
// the main task at the end of a turn; what a socket does not take at once goes
// through the session's stream, and blocks nobody.
//
// All fields and methods are under the environment's lock, but what is said of
// serve and accept.
type clients struct {
	env    *osenv.Env
	server *engine.Server
	ready  readiness
	all    map[int32]*client
	last   int32     // id that was given
	closed []*client // by the engine, and still to be ended
	unix   string    // the directive
	ending bool
}

// readiness tells which connections there is something to read from, or have
// ended, in the order in which that came about. It goes on telling until that has
// been read. Connections are named by ids.
type readiness interface {
	add(id int32, c syscall.RawConn) error
	// pause has a connection not be looked at until resume; what wait has found
	// already it tells.
	pause(id int32, c syscall.RawConn)
	resume(id int32, c syscall.RawConn)
	// forget is called before a connection is closed.
	forget(id int32)
	// wait appends the ids of who is ready to into, at least one, or none after
	// wake. It is called without the lock, by one goroutine.
	wait(into []int32) ([]int32, error)
	// wake has a call of wait return, the current one or the next.
	wake()
	// close is called after the last wait.
	close()
}

func newClients(world *osenv.Env, server *engine.Server) (*clients, error) {
	ready, err := newReadiness()
	if err != nil {
		return nil, err
	}
	return &clients{env: world, server: server, ready: ready, all: make(map[int32]*client)}, nil
}

// client is one connection.
type client struct {
	of      *clients
	id      int32
	conn    net.Conn
	raw     syscall.RawConn
	session *engine.Session
	gate    front.Gate
	ahead   []byte // read while the session was busy
	paused  bool
	eof     bool // the client sends no more; its last batch is being executed
	ended   bool
}

// transport is what the engine has of a connection.
type transport struct {
	env.Conn
	c *client
}

// LocalAddr and RemoteAddr have the socket's name and no port for whoever came by it (redis
// 7.0.15 networking.c genClientAddrString).

func (t transport) LocalAddr() string { return t.address(t.Conn.LocalAddr()) }

func (t transport) RemoteAddr() string { return t.address(t.Conn.RemoteAddr()) }

func (t transport) address(port string) string {
	if _, ok := t.c.conn.(*net.UnixConn); ok {
		return t.c.of.unix + ":0"
	}
	return port
}

// Close implements engine.Transport: whoever reads the connection ends it.
func (t transport) Close() error {
	l := t.c.of
	l.closed = append(l.closed, t.c)
	l.ready.wake()
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

func (l *clients) open(conn net.Conn) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		conn.Close()
		return
	}
	l.last++
	c := &client{of: l, id: l.last, conn: conn, raw: raw}
	session, refusal := l.server.Open(transport{l.env.Wrap(conn), c})
	if session == nil {
		c.write([]byte(refusal)) // best effort, the client is not welcome
		conn.Close()
		return
	}
	c.session = session
	session.OnAnswer(c.answered)
	c.gate.Reset(l.server.Limits(), readRoom)
	c.gate.Guard(session.Stranger)
	l.all[c.id] = c
	if err := l.ready.add(c.id, raw); err != nil {
		c.end()
	}
}

// stop has serve return once all connections have ended.
func (l *clients) stop() {
	l.ending = true
	l.ready.wake()
}

// serve reads the connections until stop is called. It is called without the lock.
func (l *clients) serve() {
	defer l.ready.close()
	var ids []int32
	for {
		var err error
		if ids, err = l.ready.wait(ids[:0]); err != nil {
			panic(err) // no client would ever be heard again
		}
		l.env.Enter()
		for _, id := range ids {
			if c := l.all[id]; c != nil && !c.paused {
				c.read()
			}
		}
		for _, c := range l.closed {
			c.end()
		}
		l.closed = nil
		done := l.ending && len(l.all) == 0
		l.env.Leave()
		if done {
			return
		}
	}
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
}

// readNow is Read, but does not wait: EAGAIN says that there is nothing.
func (c *client) readNow(into []byte) (n int, err error) {
	closed := c.raw.Read(func(fd uintptr) bool {
		n, err = uninterrupted(func() (int, error) { return syscall.Read(int(fd), into) })
		return true
	})
	switch {
	case err == nil && closed != nil:
		err = closed
	case err == nil && n == 0:
		err = io.EOF
	}
	return max(n, 0), err
}

// uninterrupted makes a system call until no signal interrupts it.
func uninterrupted(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != syscall.EINTR {
			return n, err
		}
	}
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
		c.of.ready.resume(c.id, c.raw)
	}
}

func (c *client) pause() {
	if !c.paused {
		c.paused = true
		c.of.ready.pause(c.id, c.raw)
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
func (c *client) write(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	closed := c.raw.Write(func(fd uintptr) bool {
		n, err = uninterrupted(func() (int, error) { return syscall.Write(int(fd), b) })
		return true
	})
	switch {
	case err == syscall.EAGAIN:
		err = nil
	case err == nil:
		err = closed
	}
	return max(n, 0), err
}

// end closes the connection.
func (c *client) end() {
	if c.ended {
		return
	}
	c.ended = true
	delete(c.of.all, c.id)
	c.session.Close()
	c.of.ready.forget(c.id)
	c.conn.Close()
	if c.of.ending {
		c.of.ready.wake()
	}
}
