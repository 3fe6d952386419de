package listen

import (
	"io"
	"net"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/engine/front"
)

// readRoom is how many bytes are read from a socket at once at least (redis
// 7.0.15 PROTO_IOBUF_LEN).
const readRoom = 16 << 10

// gatedListener puts a front.Gate between every connection and redcon.
type gatedListener struct {
	net.Listener
	limits func() front.Limits
}

func (l *gatedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &gatedConn{Conn: c}
	g.gate.Reset(l.limits(), readRoom)
	return g, nil
}

// gatedConn lets whole, bounded commands through to the reader. A violation is
// answered here: by the time redcon reads on, it has sent the replies to all
// that came before.
type gatedConn struct {
	net.Conn
	gate  front.Gate
	whole []byte // commands not read yet
	ended bool
	ahead chan read // what is read while a command blocks; nil: nothing
}

// read is the result of one Read.
type read struct {
	data []byte
	err  error
}

// readAhead reads on while the connection's goroutine waits for a blocked
// command; gone is called when the client has gone away meanwhile.
func (c *gatedConn) readAhead(gone func()) {
	if c.ahead != nil {
		return
	}
	ahead := make(chan read, 1)
	c.ahead = ahead
	go func() {
		buf := make([]byte, readRoom)
		n, err := c.Conn.Read(buf)
		ahead <- read{buf[:n], err}
		if err != nil {
			gone()
		}
	}()
}

// more reads into the gate.
func (c *gatedConn) more() error {
	if c.ahead == nil {
		n, err := c.Conn.Read(c.gate.Space())
		if err == nil {
			c.gate.Added(n)
		}
		return err
	}
	r := <-c.ahead
	c.ahead = nil
	for data := r.data; len(data) > 0; {
		n := copy(c.gate.Space(), data)
		c.gate.Added(n)
		data = data[n:]
	}
	return r.err
}

func (c *gatedConn) Read(p []byte) (int, error) {
	for len(c.whole) == 0 {
		if c.ended {
			return 0, io.EOF
		}
		whole, err := c.gate.Next()
		if err != nil {
			c.ended = true
			if msg := err.Error(); msg != "" {
				c.Conn.Write(redcon.AppendError(nil, msg)) // the connection ends either way
			}
			return 0, io.EOF
		}
		if whole == nil {
			if err := c.more(); err != nil {
				return 0, err
			}
			continue
		}
		c.whole = whole
	}
	n := copy(p, c.whole)
	c.whole = c.whole[n:]
	return n, nil
}
