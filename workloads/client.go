// Package workloads is what clients do to a store while faults strike, and the
// client that records it.
//
// It runs on the seam env, so the same clients drive the simulated engine and a
// real server.
package workloads

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/faults/env"
)

// maxReply is the longest reply a client buffers before it calls the reply
// malformed: Redis's own limit of one bulk string plus its header.
const maxReply = 512<<20 + 64

// ErrProtocol is a reply that the protocol does not have.
var ErrProtocol = errors.New("malformed reply")

// Conn is a client connection that sends commands and reads replies: in RESP, or with Write
// and Take in another Protocol. It never
// retries and never reconnects: after an error what was sent and not answered
// is unknown, and only the caller can say so.
type Conn struct {
	env    env.Env
	conn   env.Conn
	out    []byte
	in     []byte
	r, w   int      // in[r:w] is read and not yet parsed
	values [][]byte // of the last answer
	answer Answer   // where RESP makes one
}

// Dial connects to addr.
func Dial(e env.Env, addr string) (*Conn, error) {
	c := new(Conn)
	return c, c.Dial(e, addr)
}

// Dial makes c a new connection to addr and keeps its buffers' memory, not how long they
// had become: how much is read at once, and so when, is no matter of earlier connections.
func (c *Conn) Dial(e env.Env, addr string) error {
	conn, err := e.Dial(addr)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", addr, err)
	}
	c.env, c.conn = e, conn
	c.out, c.in, c.r, c.w = c.out[:0], c.in[:0], 0, 0
	return nil
}

// Close ends the connection.
func (c *Conn) Close() error {
	if c.conn == nil {
		return nil
	}
	return c.conn.Close()
}

// Begin starts a command of n arguments in the send buffer; Arg adds each.
func (c *Conn) Begin(n int) {
	c.out = append(c.out, '*')
	c.out = strconv.AppendInt(c.out, int64(n), 10)
	c.out = append(c.out, '\r', '\n')
}

// Arg adds one argument.
func (c *Conn) Arg(s string) {
	c.out = append(c.out, '$')
	c.out = strconv.AppendInt(c.out, int64(len(s)), 10)
	c.out = append(c.out, '\r', '\n')
	c.out = append(c.out, s...)
	c.out = append(c.out, '\r', '\n')
}

// words adds a command.
func (c *Conn) words(words ...string) {
	c.Begin(len(words))
	for _, w := range words {
		c.Arg(w)
	}
}

// argPadded adds token followed by filler up to size bytes in all, as one argument.
func (c *Conn) argPadded(token string, size int) {
	n := max(len(token), size)
	c.out = append(c.out, '$')
	c.out = strconv.AppendInt(c.out, int64(n), 10)
	c.out = append(c.out, '\r', '\n')
	c.out = Padded(c.out, token, size)
	c.out = append(c.out, '\r', '\n')
}

// Flush sends what Begin and Arg have gathered.
func (c *Conn) Flush() error {
	buf := c.out
	c.out = c.out[:0]
	for len(buf) > 0 {
		n, err := c.conn.Write(buf)
		if err != nil {
			return err
		}
		buf = buf[n:]
	}
	return nil
}

// Reply reads one RESP reply. Its bytes are valid until the next call.
func (c *Conn) Reply() (redcon.RESP, error) {
	reply, err := c.Take(measureReply)
	if err != nil {
		return redcon.RESP{}, err
	}
	return measured(reply), nil
}

// Write adds bytes to the send buffer, in any protocol. It does not fail.
func (c *Conn) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	return len(p), nil
}

// Take reads one answer in any protocol. length is that of the first answer in b, which
// is not empty; 0 when it is not all there yet. What is returned is valid until the next call.
func (c *Conn) Take(length func(b []byte) (int, error)) ([]byte, error) {
	for {
		if c.r < c.w {
			n, err := length(c.in[c.r:c.w])
			if err != nil {
				return nil, err
			}
			if n > 0 {
				answer := c.in[c.r : c.r+n]
				c.r += n
				return answer, nil
			}
		}
		if c.r == c.w {
			c.r, c.w = 0, 0
		} else if c.w == len(c.in) && c.r > 0 {
			c.w = copy(c.in, c.in[c.r:c.w])
			c.r = 0
		}
		if c.w == len(c.in) {
			if c.w > maxReply {
				return nil, fmt.Errorf("%w: longer than %d bytes", ErrProtocol, maxReply)
			}
			c.in = append(c.in, make([]byte, max(2048, len(c.in)))...)
		}
		n, err := c.conn.Read(c.in[c.w:])
		c.w += n
		if n == 0 && err != nil {
			return nil, err
		}
	}
}

// Do sends one command and reads its reply, waiting at most timeout (0: without end).
func (c *Conn) Do(timeout time.Duration, args ...string) (redcon.RESP, error) {
	c.Deadline(timeout)
	c.words(args...)
	if err := c.Flush(); err != nil {
		return redcon.RESP{}, err
	}
	return c.Reply()
}

// Many sends n commands, at most depth of them at once, and reads their replies, each
// batch within timeout. command gives the words of the i-th. An error reply is a
// *ServerError, with which it ends.
func (c *Conn) Many(timeout time.Duration, n, depth int, command func(i int) []string) error {
	for sent := 0; sent < n; sent += depth {
		c.Deadline(timeout)
		batch := min(depth, n-sent)
		for i := range batch {
			words := command(sent + i)
			c.Begin(len(words))
			for _, w := range words {
				c.Arg(w)
			}
		}
		if err := c.Flush(); err != nil {
			return err
		}
		for range batch {
			reply, err := c.Reply()
			if err != nil {
				return err
			}
			if reply.Type == redcon.Error {
				return &ServerError{string(reply.Data)}
			}
		}
	}
	return nil
}

// Deadline lets what is sent and read from here on take at most timeout; 0 is no limit.
func (c *Conn) Deadline(timeout time.Duration) {
	at := time.Duration(0)
	if timeout > 0 {
		at = c.env.Now() + timeout
	}
	c.conn.SetReadDeadline(at)
	c.conn.SetWriteDeadline(at)
}

// ServerError is an error reply.
type ServerError struct{ Text string }

func (e *ServerError) Error() string { return e.Text }
