package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/torntail/torntail/faults/network"
)

// conn is one connection through a proxy: from the node that dialled to the one
// that listens.
type conn struct {
	net            *Net
	from, to       int
	life           int // of the listening node, when the connection was begun
	client, server *net.TCPConn
	pipes          [2]*pipe // what the dialler sends, what the listener sends; nil until it is made
	ended          bool     // under net.mu: aborted, or both directions are over
	number         int      // of a new connection, see network.Link.Loses
}

// over is the direction of the connection that goes over a link; nil when none
// does, or when the connection is not made yet (then it watches the links itself).
func (c *conn) over(from, to int) *pipe {
	if c.pipes[0] == nil {
		return nil
	}
	switch {
	case c.from == from && c.to == to:
		return c.pipes[0]
	case c.from == to && c.to == from:
		return c.pipes[1]
	}
	return nil
}

// abort resets both ends. The caller holds net.mu.
func (c *conn) abort() {
	if c.ended {
		return
	}
	c.ended = true
	reset(c.client)
	reset(c.server)
	for _, p := range c.pipes {
		if p != nil {
			p.changed.Broadcast()
		}
	}
	c.net.changed.Broadcast()
}

// serve makes the connection, forwards in both directions and ends it.
func (c *conn) serve() {
	n := c.net
	defer n.open.Done()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.conns, c)
		if !c.ended {
			c.ended = true
			c.client.Close()
			if c.server != nil {
				c.server.Close()
			}
		}
	}()
	if !c.dial() {
		return
	}
	var both sync.WaitGroup
	for _, p := range c.pipes {
		both.Add(2)
		go func() { defer both.Done(); p.read() }()
		go func() { defer both.Done(); p.write() }()
	}
	both.Wait()
}

// dial waits until the links let a handshake pass, and connects to the process.
func (c *conn) dial() bool {
	n := c.net
	n.mu.Lock()
	defer n.mu.Unlock()
	waited := false
	for {
		there, back := n.links.Link(c.from, c.to), n.links.Link(c.to, c.from)
		switch {
		case c.ended:
			return false
		case c.life != n.lives[c.to], there.Cut == network.Reset, back.Cut == network.Reset:
			c.abort()
			return false
		}
		if there.Passes() && back.Passes() && !there.Loses(&c.number) {
			break
		}
		waited = true
		n.changed.Wait()
	}
	if waited && hungUp(c.client) {
		return false // whoever dialled has given up: on a network there would be no connection
	}
	life := c.life
	n.mu.Unlock()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: n.o.Source.AsSlice()}}
	made, err := dialer.Dial("tcp4", n.o.Nodes[c.to].Target.String())
	n.mu.Lock()
	server, _ := made.(*net.TCPConn)
	if err != nil || c.ended || life != n.lives[c.to] {
		reset(server)
		c.abort()
		return false
	}
	c.server = server
	var taps [2]func(data []byte)
	if n.o.Tap != nil {
		taps[0], taps[1] = n.o.Tap(n.o.Nodes[c.from].Name, n.o.Nodes[c.to].Name)
	}
	for i, ends := range [2][2]*net.TCPConn{{c.client, server}, {server, c.client}} {
		p := &pipe{c: c, src: ends[0], dst: ends[1], from: c.from, to: c.to, tap: taps[i]}
		if i == 1 {
			p.from, p.to = c.to, c.from
		}
		p.changed.L = &n.mu
		c.pipes[i] = p
	}
	return true
}

// segment is what one read brought: bytes, the end of the stream, or its break.
type segment struct {
	at    time.Duration // when it arrives
	data  []byte
	fin   bool
	reset bool
}

// pipe is one direction of a connection. A goroutine reads from the sender, another
// writes to the receiver when the link lets it. All fields are under net.mu.
type pipe struct {
	c        *conn
	src, dst *net.TCPConn
	from, to int
	tap      func(data []byte)
	changed  sync.Cond

	queue    []segment
	queued   int  // bytes in the queue
	lost     bool // something met a cut that drops: nothing will arrive any more
	broken   bool // the receiver takes no more
	readOver bool // the reader has ended
}

func (p *pipe) link() *network.Link { return p.c.net.links.Link(p.from, p.to) }

// other is the opposite direction.
func (p *pipe) other() *pipe {
	if p == p.c.pipes[0] {
		return p.c.pipes[1]
	}
	return p.c.pipes[0]
}

// put queues a segment behind what is on the link already: a stream keeps its order.
func (p *pipe) put(s segment) {
	n := p.c.net
	now := n.now()
	s.at = now + p.link().Send(now, len(s.data))
	if len(p.queue) > 0 {
		s.at = max(s.at, p.queue[len(p.queue)-1].at)
	}
	p.queue = append(p.queue, s)
	p.queued += len(s.data)
	p.changed.Broadcast()
}

// read takes what the sender sends, up to a window ahead of the receiver. From a
// direction that has lost something it reads no more: the sender's kernel would
// have no acknowledgement either.
func (p *pipe) read() {
	n := p.c.net
	buf := make([]byte, 32<<10)
	for {
		k, err := p.src.Read(buf)
		n.mu.Lock()
		if k > 0 {
			p.put(segment{data: append([]byte(nil), buf[:k]...)})
		}
		if err != nil {
			p.put(segment{fin: errors.Is(err, io.EOF), reset: !errors.Is(err, io.EOF)})
		}
		for !p.c.ended && !p.broken && err == nil && (p.queued >= window || p.lost) {
			p.changed.Wait()
		}
		over := p.c.ended || p.broken || err != nil
		p.readOver = over
		n.mu.Unlock()
		if over {
			return
		}
	}
}

// write gives the receiver what has arrived.
func (p *pipe) write() {
	n := p.c.net
	n.mu.Lock()
	defer n.mu.Unlock()
	for !p.c.ended {
		if len(p.queue) == 0 || p.lost || p.link().Cut == network.Hold {
			p.changed.Wait()
			continue
		}
		if p.link().Cut == network.Drop {
			p.lost, p.queue, p.queued = true, nil, 0
			continue
		}
		s := p.queue[0]
		if wait := s.at - n.now(); wait > 0 {
			timer := time.AfterFunc(wait, func() {
				n.mu.Lock()
				defer n.mu.Unlock()
				p.changed.Broadcast()
			})
			p.changed.Wait()
			timer.Stop()
			continue
		}
		p.queue = p.queue[1:]
		p.queued -= len(s.data)
		switch {
		case s.reset:
			p.c.abort()
			return
		case s.fin:
			p.dst.CloseWrite()
			return
		}
		p.changed.Broadcast() // there is room for the reader
		if p.tap != nil {
			p.tap(s.data)
		}
		n.mu.Unlock()
		_, err := p.dst.Write(s.data)
		n.mu.Lock()
		if err != nil {
			// The receiver is gone. The sender hears of it as of anything else that it
			// sends: over the opposite link, and not while that is cut.
			p.broken = true
			p.queue, p.queued = nil, 0
			p.changed.Broadcast()
			// Its own reader reports that, unless the receiver had said before that it
			// would send no more.
			back := p.other()
			for back.readOver && !p.c.ended && !back.link().Passes() {
				n.changed.Wait()
			}
			if back.readOver {
				p.c.abort()
			}
			return
		}
	}
}
