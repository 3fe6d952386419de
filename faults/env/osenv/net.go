package osenv

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/witness"
)

// Listen implements env.Env: TCP, on loopback addresses only, because what
// listens here is under test. Port 0 takes a free one, see Addr.
func (e *Env) Listen(addr string) (env.Listener, error) {
	if err := loopback(addr); err != nil {
		return nil, err
	}
	e.mu.Unlock()
	defer e.mu.Lock()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &listener{env: e, l: l}, nil
}

// Dial implements env.Env, to loopback addresses only.
func (e *Env) Dial(addr string) (env.Conn, error) {
	if err := loopback(addr); err != nil {
		return nil, err
	}
	return e.dial(&net.Dialer{}, addr)
}

func (e *Env) dial(d *net.Dialer, addr string) (env.Conn, error) {
	e.mu.Unlock()
	defer e.mu.Lock()
	c, err := d.Dial("tcp", addr)
	if err == nil && e.secure != nil {
		c, err = e.secure(c)
	}
	if err != nil {
		return nil, seamError(err)
	}
	return &conn{env: e, c: c}, nil
}

// As is the environment under the name of another node, whose connections come
// from a loopback address of its own: by that a proxy knows whose they are. Clock,
// tasks and exclusion are shared.
func (e *Env) As(node string, from netip.Addr) env.Env {
	return &named{Env: e, node: node, dialer: net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}}
}

type named struct {
	*Env
	node   string
	dialer net.Dialer
}

func (n *named) Node() string { return n.node }

func (n *named) Dial(addr string) (env.Conn, error) {
	if err := loopback(addr); err != nil {
		return nil, err
	}
	return n.dial(&n.dialer, addr)
}

// loopback refuses an address that other machines can reach.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if host == "localhost" {
		return nil
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s is not a loopback address", addr)
}

type listener struct {
	env *Env
	l   net.Listener
}

func (l *listener) Accept() (env.Conn, error) {
	l.env.mu.Unlock()
	defer l.env.mu.Lock()
	c, err := l.l.Accept()
	if err != nil {
		return nil, seamError(err)
	}
	return &conn{env: l.env, c: c}, nil
}

func (l *listener) Close() error { return l.l.Close() }
func (l *listener) Addr() string { return l.l.Addr().String() }

// Wrap makes a connection somebody else accepted one of the seam, for the
// environment's tasks.
func (e *Env) Wrap(c net.Conn) env.Conn { return &conn{env: e, c: c} }

type conn struct {
	env *Env
	c   net.Conn
}

func (c *conn) Read(p []byte) (int, error) {
	c.env.mu.Unlock()
	defer c.env.mu.Lock()
	n, err := c.c.Read(p)
	return n, seamError(err)
}

func (c *conn) Write(p []byte) (int, error) {
	c.env.mu.Unlock()
	defer c.env.mu.Lock()
	if witness.Heard() {
		witness.SawCommands(c.c.RemoteAddr().String(), p)
	}
	n, err := c.c.Write(p)
	return n, seamError(err)
}

func (c *conn) Close() error { return seamError(c.c.Close()) }

// The errors of setting a deadline say that the connection is closed, which
// the next Read or Write says too.

func (c *conn) SetReadDeadline(t time.Duration)  { _ = c.c.SetReadDeadline(c.env.instant(t)) }
func (c *conn) SetWriteDeadline(t time.Duration) { _ = c.c.SetWriteDeadline(c.env.instant(t)) }

func (e *Env) instant(t time.Duration) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return e.start.Add(t)
}

// Nobody told the real network the names of nodes.

func (c *conn) LocalNode() string  { return "" }
func (c *conn) RemoteNode() string { return "" }
func (c *conn) LocalAddr() string  { return c.c.LocalAddr().String() }
func (c *conn) RemoteAddr() string { return c.c.RemoteAddr().String() }

// seamError puts the seam's error for a condition in front of the system's.
func seamError(err error) error {
	var timeout net.Error
	switch {
	case err == nil, err == io.EOF:
		return err
	case errors.Is(err, net.ErrClosed):
		return env.ErrClosed
	case errors.As(err, &timeout) && timeout.Timeout():
		return env.ErrTimeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("%w (%v)", env.ErrReset, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w (%v)", env.ErrRefused, err)
	}
	return err
}
