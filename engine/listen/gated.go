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
			n, err := c.Conn.Read(c.gate.Space())
			if err != nil {
				return 0, err
			}
			c.gate.Added(n)
			continue
		}
		c.whole = whole
	}
	n := copy(p, c.whole)
	c.whole = c.whole[n:]
	return n, nil
}
