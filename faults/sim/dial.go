package sim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/network"
)

const (
	// firstEphemeralPort begins the ports of dialling ends and of Listen with port 0.
	firstEphemeralPort = 49152
	// backlog is Redis's default tcp-backlog; a full one loses SYNs, as in Linux.
	backlog = 511
	// synRetries is Linux's tcp_syn_retries: a lost SYN is sent again after 1, 2, 4,
	// 8, 16 and 32 s, and given up 64 s after the last, 127 s in all.
	synRetries = 6
)

// dialState is how far a connection has come.
type dialState uint8

const (
	dialing     dialState = iota // the SYN is on its way
	answered                     // the target has answered, the answer is on its way back
	established                  // the dialler knows
	failed
)

// listener implements env.Listener.
type listener struct {
	p         *proc
	port      int
	pending   []*stream // made by their diallers, not yet accepted
	acceptors waitList
	closed    bool
}

// Listen opens a port of the node: ":6379", "n1:6379", "127.0.0.1:6379"; port 0
// picks a free one.
func (p *proc) Listen(addr string) (env.Listener, error) {
	owner := p.owner("Listen")
	n := owner.node
	host, port, err := splitAddr(addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	switch host {
	case "", "0.0.0.0", "127.0.0.1", "localhost", "*", n.name:
	default:
		return nil, fmt.Errorf("listen %s on %s: %w", addr, n.name, syscall.EADDRNOTAVAIL)
	}
	if port == 0 {
		port = n.freePort()
	}
	if n.listening(port) != nil {
		return nil, fmt.Errorf("listen %s on %s: %w", addr, n.name, syscall.EADDRINUSE)
	}
	l := &listener{p: owner, port: port}
	n.listeners = append(n.listeners, l)
	return l, nil
}

func (n *Node) listening(port int) *listener {
	for _, l := range n.listeners {
		if l.port == port {
			return l
		}
	}
	return nil
}

func (n *Node) freePort() int {
	for {
		p := n.nextPort
		n.nextPort++
		if n.nextPort > 65535 {
			n.nextPort = firstEphemeralPort
		}
		if n.listening(p) == nil {
			return p
		}
	}
}

var errAddr = errors.New("expected host:port")

func splitAddr(addr string) (host string, port int, err error) {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		return "", 0, fmt.Errorf("address %q: %w", addr, errAddr)
	}
	port, err = strconv.Atoi(addr[i+1:])
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("address %q: %w", addr, errAddr)
	}
	return addr[:i], port, nil
}

// Accept blocks until somebody has dialled.
func (l *listener) Accept() (env.Conn, error) {
	w := l.p.w
	t := w.self("Listener.Accept")
	for len(l.pending) == 0 {
		if l.closed {
			return nil, env.ErrClosed
		}
		t.waitOn(&l.acceptors, 0, waitAccept, l)
	}
	t.use(w.profile.Syscall)
	s := l.pending[0]
	l.pending = slices.Delete(l.pending, 0, 1)
	w.event(traceAccept, s.id, 0)
	s.ends[1].own(l.p)
	return &s.ends[1], nil
}

// Close stops listening; connections nobody has accepted are reset.
func (l *listener) Close() error {
	l.p.w.alive()
	if l.closed {
		return env.ErrClosed
	}
	l.shut(closeByKernel)
	return nil
}

// Addr is "node:port".
func (l *listener) Addr() string { return l.p.node.name + ":" + strconv.Itoa(l.port) }

func (l *listener) shut(how closing) {
	n := l.p.node
	l.closed = true
	i := slices.Index(n.listeners, l)
	n.listeners = slices.Delete(n.listeners, i, i+1)
	for _, s := range l.pending {
		e := &s.ends[1]
		if how == vanish {
			e.shut(vanish)
			continue
		}
		e.closed = true
		s.pipes[1].sendControl(segReset, 0)
		s.releaseIfOver()
	}
	l.pending = nil
	n.w.wakeAll(&l.acceptors)
}

// Dial connects to "node:port"; "localhost" and "127.0.0.1" are the node itself.
// It fails with ErrRefused when nobody listens there, and with ErrTimeout, after
// 127 s as in Linux, when nobody answers.
func (p *proc) Dial(addr string) (env.Conn, error) {
	w := p.w
	t := w.self("Dial")
	owner := p.owner("Dial")
	t.spend(w.profile.Syscall)
	host, port, err := splitAddr(addr)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	target := owner.node
	if host != "" && host != "localhost" && host != "127.0.0.1" {
		target = w.lookup(host)
	}
	if target == nil {
		return nil, fmt.Errorf("dial %s: no such node: %w", addr, env.ErrRefused)
	}
	s := w.newStream(owner.node, target)
	s.ends[0].port, s.ends[1].port = owner.node.freePort(), port
	s.ends[0].own(owner)
	w.event(traceDial, s.id, uint64(target.id)<<16|uint64(port))
	if w.trace != nil {
		w.line("dial conn %d %s -> %s", s.id, owner.node.name, addr)
	}
	w.timers.arm(&s.timer, w.now+w.messageLatency(owner.node, target, s.pipes[0].link(), 0))
	for s.state == dialing || s.state == answered {
		t.waitOn(&s.dialer, 0, waitDial, s)
	}
	if s.state == failed {
		s.abandon()
		return nil, s.err
	}
	return &s.ends[0], nil
}

// dialStep is what happens when the SYN arrives, is to be sent again, or its
// answer arrives.
func (s *stream) dialStep() {
	w := s.w
	from, to := &s.ends[0], &s.ends[1]
	if s.state == answered {
		s.state = established
		if s.err != nil {
			s.state = failed
		}
		w.wakeAll(&s.dialer)
		return
	}
	if s.tries > synRetries {
		s.state, s.err = failed, env.ErrTimeout
		w.wakeAll(&s.dialer)
		return
	}
	there, back := s.pipes[0].link(), s.pipes[1].link()
	l := to.node.listening(to.port)
	switch {
	case there.Cut == network.Reset || back.Cut == network.Reset:
		s.err = env.ErrRefused
	case !there.Passes() || !back.Passes() || there.Loses(&s.number) || to.node.off,
		l != nil && len(l.pending) >= backlog:
		s.tries++
		w.timers.arm(&s.timer, w.now+time.Second<<(s.tries-1))
		return
	case l == nil:
		s.err = env.ErrRefused
	default:
		l.pending = append(l.pending, s)
		if l.acceptors.head != nil {
			w.wake(l.acceptors.head)
		}
	}
	s.state = answered
	w.timers.arm(&s.timer, w.now+w.messageLatency(to.node, from.node, back, 0))
}

// abandon forgets a connection whose dialler has died or was refused before
// the target knew of it.
func (s *stream) abandon() {
	s.ends[0].disown()
	for i := range s.ends {
		s.ends[i].closed = true
	}
	s.w.timers.disarm(&s.timer)
	s.releaseIfOver()
}
