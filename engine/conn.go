package engine

import (
	"errors"

	"github.com/torntail/torntail/engine/front"
	"github.com/torntail/torntail/engine/persist"
	"github.com/torntail/torntail/faults/env"
)

var errIncomplete = errors.New("incomplete command")

// room is how many bytes a connection of the seam reads at once at least. Small:
// a simulation has thousands of connections and short commands.
const room = 512

// Serve accepts connections from a listener of the seam until it is closed.
func (s *Server) Serve(l env.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		s.env.Go("conn", func() { s.serveConn(nc) })
	}
}

// serveConn is the connection task.
func (s *Server) serveConn(nc env.Conn) {
	c, refusal := s.Open(nc)
	if c == nil {
		nc.Write([]byte(refusal)) // best effort, the client is not welcome
		nc.Close()
		return
	}
	var gate front.Gate
	gate.Reset(s.Limits(), room)
	gate.Guard(c.Stranger)
	ahead := &readAhead{s: s, c: c, nc: nc}
	c.OnBlock(ahead.start)
	for s.serveBatch(c, nc, &gate, ahead) {
	}
	c.Close()
	nc.Close()
}

// serveBatch reads once at most, executes what is complete and answers. It
// reports whether the connection goes on.
func (s *Server) serveBatch(c *Session, nc env.Conn, gate *front.Gate, ahead *readAhead) bool {
	commands, err := gate.Next()
	if err != nil {
		nc.Write(c.Refuse(err)) // the connection ends either way
		return false
	}
	if commands == nil && ahead.started {
		return ahead.take(gate)
	}
	if commands == nil {
		n, err := nc.Read(gate.Space())
		if err != nil {
			return false
		}
		gate.Added(n)
		c.Received(n)
		return true
	}
	if err := c.AddAll(commands); err != nil {
		s.o.Log(persist.Warning, "Closing a connection whose input was let through by mistake: "+err.Error())
		return false
	}
	reply, more := c.Execute()
	if len(reply) > 0 {
		if _, err := nc.Write(reply); err != nil {
			return false
		}
	}
	c.Sent()
	return more
}

// readAhead reads a connection on while its task waits for a blocked command:
// only so is it seen that the client goes away, and nothing is popped for nobody.
type readAhead struct {
	s       *Server
	c       *Session
	nc      env.Conn
	started bool // and not taken yet
	ended   bool
	data    []byte
	err     error
	done    env.Cond
}

// start begins to read in a task of its own, if none does.
func (a *readAhead) start() {
	if a.started {
		return
	}
	a.started, a.ended = true, false
	a.done = a.s.env.NewCond()
	a.s.env.Go("read ahead", func() {
		buf := make([]byte, room)
		n, err := a.nc.Read(buf)
		a.data, a.err, a.ended = buf[:n], err, true
		if err != nil && !a.c.dead {
			a.c.Gone()
		}
		a.done.Broadcast()
	})
}

// take waits for what was read and gives it to the gate. It reports whether the
// connection goes on.
func (a *readAhead) take(gate *front.Gate) bool {
	for !a.ended {
		a.done.Wait()
	}
	a.started = false
	if a.err != nil {
		return false
	}
	for data := a.data; len(data) > 0; {
		n := copy(gate.Space(), data)
		gate.Added(n)
		data = data[n:]
	}
	a.c.Received(len(a.data))
	return true
}
