// Package proxy puts TCP proxies between real processes, so that faults of the
// network can strike their connections: cuts by link and direction, delays, slow
// links, the loss of new connections. The state of the links is faults/network's,
// so that a fault means the same as in simulation.
//
// There is one listener for each destination. A node has a loopback address of its
// own from which it dials, so the address of the peer says whose connection it is.
// A node really listens on another port than the one that it announces, which is
// the proxy's:
//
//	n1 --127.90.7.1--> [proxy of n2 at 127.90.7.2:6379] --127.90.7.250--> n2 at 127.90.7.2:16379
//
// What differs from a network between machines: the kernel completes the handshake
// of a connection before the proxy sees it. So whoever connects over a cut link is
// connected, and hears nothing; nothing of what he sends arrives if he has closed
// the connection by the time of the heal, because on a network it would not have
// been made.
//
// Bytes that were held back for a process that has ended are never given to its
// successor.
package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/torntail/torntail/faults/network"
	"github.com/torntail/torntail/faults/witness"
)

// Node is one end of links.
type Node struct {
	Name string
	// From is the address that the node's own connections come from. It may be
	// invalid for at most one node, which is then whoever else connects.
	From netip.Addr
	// Listen is what the node announces, where its proxy listens; Target is where
	// its process listens. Both are invalid for a node that nobody connects to.
	Listen, Target netip.AddrPort
}

// Options say what to connect.
type Options struct {
	Nodes []Node
	// Source is the address that the proxies dial from.
	Source netip.Addr
	// Tap, when not nil, is asked at each connection for who looks at what the dialler
	// sends, and at what the listener answers: in order, each part just before it is
	// given to the other; nil: nobody. None may block, nor keep the bytes.
	Tap func(from, to string) (sent, answered func(data []byte))
}

// window is how many bytes a proxy takes from a sender before the receiver has
// taken any; the kernel's buffers at both sides come on top.
const window = 1 << 20

// Net is the network of a set of nodes. Its methods may be called from any goroutine.
type Net struct {
	o         Options
	byAddr    map[netip.Addr]int
	byName    map[string]int
	other     int // the node of unknown addresses; -1: they are refused
	listeners []*net.TCPListener
	open      sync.WaitGroup
	start     time.Time

	mu      sync.Mutex
	links   network.Links
	lives   []int // of each node: how many of its processes have ended
	conns   map[*conn]bool
	changed sync.Cond // a link, or a life, for connections that are being made
	closed  bool
}

// Start opens all listeners. An error that is syscall.EADDRINUSE means that one of
// the addresses is taken.
func Start(o Options) (*Net, error) {
	n := &Net{o: o, byAddr: map[netip.Addr]int{}, byName: map[string]int{}, other: -1,
		start: time.Now(), lives: make([]int, len(o.Nodes)), conns: map[*conn]bool{}}
	n.changed.L = &n.mu
	n.links.Grow(len(o.Nodes))
	for i, node := range o.Nodes {
		n.byName[node.Name] = i
		if node.From.IsValid() {
			n.byAddr[node.From] = i
		} else {
			n.other = i
		}
	}
	for i, node := range o.Nodes {
		if !node.Listen.IsValid() {
			continue
		}
		if !node.Listen.Addr().IsLoopback() || !node.Target.Addr().IsLoopback() {
			n.Close()
			return nil, fmt.Errorf("proxy of %s: %v or %v is not a loopback address", node.Name, node.Listen, node.Target)
		}
		l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(node.Listen))
		if err != nil {
			n.Close()
			return nil, fmt.Errorf("proxy of %s: %w", node.Name, err)
		}
		n.listeners = append(n.listeners, l)
		n.open.Add(1)
		go n.accept(l, i)
	}
	return n, nil
}

// Close ends all connections and listeners, and waits until nothing is left.
func (n *Net) Close() error {
	n.mu.Lock()
	n.closed = true
	for c := range n.conns { // any order: all end
		c.abort()
	}
	n.changed.Broadcast()
	n.mu.Unlock()
	for _, l := range n.listeners {
		l.Close()
	}
	n.open.Wait()
	return nil
}

// now is the time on the clock of the links.
func (n *Net) now() time.Duration { return time.Since(n.start) }

// SetLink gives the link from one node to another these faults, and no others. What
// was held back arrives when a cut ends; connections that lost bytes are reset then.
func (n *Net) SetLink(from, to string, want network.Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, okA := n.byName[from]
	b, okB := n.byName[to]
	if !okA || !okB {
		panic(fmt.Sprintf("proxy: link between unknown nodes %q and %q", from, to))
	}
	n.links.Link(a, b).Become(want)
	witness.Saw("link "+from+" -> "+to, "cut %v, delay %v, %d bytes a second, loses new %v%s", want.Cut, want.Delay, want.BytesPerSecond, want.LoseNew, more(want))
	for c := range n.conns { // any order: each is by itself
		p := c.over(a, b)
		switch {
		case p == nil:
		case want.Cut == network.Reset, want.Cut == network.Open && p.lost:
			c.abort()
		default:
			p.changed.Broadcast()
		}
	}
	n.changed.Broadcast()
}

// more are the words for what few links have.
func more(l network.Link) (text string) {
	if l.First > 0 {
		text += fmt.Sprintf(", the first %d", l.First)
	}
	if l.LatePercent > 0 {
		text += fmt.Sprintf(", %v%% of the bytes late by %v", l.LatePercent, l.LateBy)
	}
	return text
}

// Link is the link from one node to another, to look at.
func (n *Net) Link(from, to string) network.Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	return *n.links.Link(n.byName[from], n.byName[to])
}

// Ended says that the process of a node has ended. Connections to it that are still
// being made end with it: its successor never sees them. It is called before the
// successor starts.
func (n *Net) Ended(node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lives[n.byName[node]]++
	witness.Saw("proxy of "+node, "its process has ended")
	n.changed.Broadcast()
}

// accept takes the connections to one node.
func (n *Net) accept(l *net.TCPListener, to int) {
	defer n.open.Done()
	for {
		client, err := l.AcceptTCP()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(time.Millisecond) // out of file descriptors: some will be given back
			continue
		}
		from := n.nodeOf(client.RemoteAddr())
		c := &conn{net: n, from: from, to: to, client: client}
		n.mu.Lock()
		if n.closed || from < 0 {
			n.mu.Unlock()
			reset(client)
			continue
		}
		c.life = n.lives[to]
		n.conns[c] = true
		n.open.Add(1)
		n.mu.Unlock()
		go c.serve()
	}
}

// NodeOf is the name of the node whose connections come from an address, "" when
// there is none.
func (n *Net) NodeOf(addr netip.Addr) string {
	if i, ok := n.byAddr[addr]; ok {
		return n.o.Nodes[i].Name
	}
	return ""
}

// nodeOf is the node that a connection comes from.
func (n *Net) nodeOf(addr net.Addr) int {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		if i, ok := n.byAddr[tcp.AddrPort().Addr().Unmap()]; ok {
			return i
		}
	}
	return n.other
}

// reset closes a connection with a RST.
func reset(c *net.TCPConn) {
	if c != nil {
		c.SetLinger(0)
		c.Close()
	}
}
