package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/network"
	"github.com/torntail/torntail/faults/vfs"
)

// even makes a message take ten milliseconds and nothing else take time.
func even() *Profile {
	d := 10 * time.Millisecond
	return &Profile{Name: "even", OneWay: Dist{d, d, d, d, d, d}}
}

// echo is a server that answers what it is sent.
func echo(e env.Env, _ vfs.FS) {
	l, err := e.Listen(":6379")
	if err != nil {
		panic(err)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		e.Go("conn", func() {
			io.Copy(conn, conn)
			conn.Close()
		})
	}
}

// TestBytesArriveInOrder sends more than a window each way through odd buffers.
func TestBytesArriveInOrder(t *testing.T) {
	w := New(Options{Seed: 5})
	defer w.Close()
	w.Node("n1", nil).Start(echo)
	sent := make([]byte, 3*window+12345)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	var got bytes.Buffer
	w.Node("c1", nil).Go("client", func(e env.Env) {
		conn, err := e.Dial("n1:6379")
		if err != nil {
			t.Error(err)
			return
		}
		if conn.LocalNode() != "c1" || conn.RemoteNode() != "n1" || conn.RemoteAddr() != "n1:6379" {
			t.Errorf("ends %s, %s (%s)", conn.LocalNode(), conn.RemoteNode(), conn.RemoteAddr())
		}
		reader := e.Go("reader", func() {
			buf := make([]byte, 9973)
			for got.Len() < len(sent) {
				n, err := conn.Read(buf)
				if err != nil {
					t.Error(err)
					return
				}
				got.Write(buf[:n])
			}
		})
		for off := 0; off < len(sent); {
			n := min(len(sent)-off, 1+int(e.Uint64()%100_000))
			if m, err := conn.Write(sent[off : off+n]); m != n || err != nil {
				t.Errorf("wrote %d of %d, %v", m, n, err)
			}
			off += n
		}
		reader.Wait()
		conn.Close()
	})
	run(t, w, time.Hour)
	if !bytes.Equal(got.Bytes(), sent) {
		t.Errorf("%d bytes came back of %d, or others", got.Len(), len(sent))
	}
	if len(w.streams) != 0 {
		t.Errorf("%d connections left", len(w.streams))
	}
}

// TestWhatThePeerSees: the end of a server as its client sees it. The client
// sends a request at 0 (it arrives 10 ms later, the answer at 20 ms), something
// happens, and the client reads twice with a deadline of 10 s and then writes.
func TestWhatThePeerSees(t *testing.T) {
	const msec = time.Millisecond
	never := func(*Node) {}
	tests := []struct {
		name  string
		at    time.Duration // after the connection was made, at which the request is sent
		what  func(n *Node)
		reads string
		write string
	}{
		{"nothing", 0, never, "answer, timeout", "ok"},
		{"kill while the answer is on its way: what is in flight arrives, then FIN", 15 * msec, func(n *Node) { n.Kill(false) }, "answer, EOF", "ok"},
		{"kill while the request is on its way: FIN, and the RST that answers the request comes later", 5 * msec, func(n *Node) { n.Kill(false) }, "EOF, EOF", "ok"},
		{"kill with the request unread: RST at once", 12 * msec, func(n *Node) { n.Kill(false) }, "reset, reset", "reset"},
		{"power cut while the answer is on its way: it arrives, then silence", 15 * msec, func(n *Node) { n.PowerCut(disk.Choice{}) }, "answer, timeout", "ok"},
		{"power cut while the request is on its way: silence", 5 * msec, func(n *Node) { n.PowerCut(disk.Choice{}) }, "timeout, timeout", "ok"},
		{"power cut and back: retransmission meets a kernel that knows nothing", 5 * msec, func(n *Node) {
			n.PowerCut(disk.Choice{})
			n.w.After(5*time.Second, func() { n.Start(echo) })
		}, "reset, reset", "reset"},
		{"power cut and back, nothing to retransmit: silence until the client writes", 15 * msec, func(n *Node) {
			n.PowerCut(disk.Choice{})
			n.w.After(5*time.Second, func() { n.Start(echo) })
		}, "answer, timeout", "ok"},
		{"pause: the kernel takes the request, nobody answers", 5 * msec, (*Node).Pause, "timeout, timeout", "ok"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := New(Options{Profile: even()})
			defer w.Close()
			n := w.Node("n1", disk.New(disk.Options{}))
			n.Start(func(e env.Env, fs vfs.FS) {
				l, _ := e.Listen(":6379")
				conn, _ := l.Accept()
				buf := make([]byte, 16)
				for first := true; ; first = false {
					if first && strings.Contains(tt.name, "unread") {
						e.Sleep(time.Second)
					}
					k, err := conn.Read(buf)
					if err != nil {
						return
					}
					conn.Write(buf[:k])
				}
			})
			var reads []string
			write := ""
			w.Node("c1", nil).Go("client", func(e env.Env) {
				e.Sleep(1)
				conn, err := e.Dial("n1:6379")
				if err != nil {
					t.Error(err)
					return
				}
				w.After(tt.at, func() { tt.what(n) })
				conn.Write([]byte("request"))
				buf := make([]byte, 16)
				for range 2 {
					conn.SetReadDeadline(e.Now() + 10*time.Second)
					_, err := conn.Read(buf)
					reads = append(reads, outcome(err, "answer"))
				}
				_, err = conn.Write([]byte("more"))
				write = outcome(err, "ok")
			})
			run(t, w, time.Hour)
			if got := strings.Join(reads, ", "); got != tt.reads || write != tt.write {
				t.Errorf("reads %s; write %s; want %s; %s", got, write, tt.reads, tt.write)
			}
		})
	}
}

func outcome(err error, good string) string {
	switch {
	case err == nil:
		return good
	case errors.Is(err, io.EOF):
		return "EOF"
	case errors.Is(err, env.ErrReset):
		return "reset"
	case errors.Is(err, env.ErrTimeout):
		return "timeout"
	case errors.Is(err, env.ErrRefused):
		return "refused"
	case errors.Is(err, env.ErrClosed):
		return "closed"
	}
	return err.Error()
}

// TestCutsHaveADirection cuts one direction, or both, of a connection that
// answers within 20 ms, for 5 s, and says what each of the client's requests saw.
func TestCutsHaveADirection(t *testing.T) {
	tests := []struct {
		how         network.Cut
		there, back bool
		want        string // request during the cut, how long it took, request after the heal
		served      int    // requests that reached the server during the cut
	}{
		{network.Hold, true, false, "answer after 5.01s, answer", 0},
		{network.Hold, false, true, "answer after 5s, answer", 1},
		{network.Hold, true, true, "answer after 5.01s, answer", 0},
		{network.Drop, true, false, "reset, reset", 0},
		{network.Drop, false, true, "reset, reset", 1},
		{network.Drop, true, true, "reset, reset", 0},
		{network.Reset, true, false, "reset, reset", 0},
		{network.Reset, false, true, "reset, reset", 0},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%v there=%v back=%v", tt.how, tt.there, tt.back), func(t *testing.T) {
			w := New(Options{Profile: even()})
			defer w.Close()
			served, servedInCut := 0, 0
			w.Node("n1", nil).Start(func(e env.Env, _ vfs.FS) {
				l, _ := e.Listen(":6379")
				for {
					conn, _ := l.Accept()
					e.Go("conn", func() {
						buf := make([]byte, 16)
						for {
							n, err := conn.Read(buf)
							if err != nil {
								conn.Close()
								return
							}
							served++
							conn.Write(buf[:n])
						}
					})
				}
			})
			w.Node("c2", nil)
			got := ""
			w.Node("c1", nil).Go("client", func(e env.Env) {
				e.Sleep(1)
				conn, _ := e.Dial("n1:6379")
				buf := make([]byte, 16)
				ask := func() string {
					if _, err := conn.Write([]byte("x")); err != nil {
						return outcome(err, "")
					}
					_, err := conn.Read(buf)
					return outcome(err, "answer")
				}
				if a := ask(); a != "answer" {
					t.Error("before the cut:", a)
				}
				w.Outside(func() {
					if tt.there {
						w.Cut("c1", "n1", tt.how)
					}
					if tt.back {
						w.Cut("n1", "c1", tt.how)
					}
				})
				w.After(5*time.Second-30*time.Millisecond, func() { servedInCut = served - 1 })
				w.After(5*time.Second-20*time.Millisecond, func() { w.HealAll() })
				began := e.Now()
				got = ask()
				if took := e.Now() - began; got == "answer" {
					got += " after " + (took + 10*time.Millisecond).String()
				}
				if tt.how == network.Reset {
					if _, err := e.Dial("n1:6379"); !errors.Is(err, env.ErrRefused) {
						t.Errorf("a dial over a link that resets: %v", err)
					}
				}
				got += ", " + ask()
				if fresh, err := e.Dial("n1:6379"); err == nil {
					conn = fresh
				}
				e.Sleep(6 * time.Second)
				if tt.how != network.Reset {
					return
				}
				if _, err := e.Dial("n1:6379"); err != nil {
					t.Errorf("a dial after the heal: %v", err)
				}
			})
			run(t, w, time.Hour)
			if got != tt.want || servedInCut != tt.served {
				t.Errorf("got %q, %d served; want %q, %d", got, servedInCut, tt.want, tt.served)
			}
		})
	}
}

func TestDial(t *testing.T) {
	tests := []struct {
		name  string
		setup func(w *World, n *Node)
		addr  string
		want  string
		at    time.Duration
	}{
		{"nobody listens", func(w *World, n *Node) {}, "n1:1", "refused", 20 * time.Millisecond},
		{"no such node", func(w *World, n *Node) {}, "n7:6379", "refused", 0},
		{"listens", func(w *World, n *Node) { n.Start(echo) }, "n1:6379", "ok", 20 * time.Millisecond},
		{"killed", func(w *World, n *Node) { n.Start(echo); n.Kill(true) }, "n1:6379", "refused", 20 * time.Millisecond},
		{"paused: the kernel accepts", func(w *World, n *Node) { n.Start(echo); w.Run(0); n.Pause() }, "n1:6379", "ok", 20 * time.Millisecond},
		{"off", func(w *World, n *Node) { n.PowerCut(disk.Choice{}) }, "n1:6379", "timeout", 127*time.Second + 10*time.Millisecond},
		{"off, back after 2 s: the second retransmission gets through", func(w *World, n *Node) {
			n.PowerCut(disk.Choice{})
			w.At(2*time.Second, func() { n.Start(echo) })
		}, "n1:6379", "ok", 3*time.Second + 20*time.Millisecond},
		{"there held", func(w *World, n *Node) { n.Start(echo); w.Cut("c1", "n1", network.Hold) }, "n1:6379", "timeout", 127*time.Second + 10*time.Millisecond},
		{"back dropped", func(w *World, n *Node) { n.Start(echo); w.Cut("n1", "c1", network.Drop) }, "n1:6379", "timeout", 127*time.Second + 10*time.Millisecond},
		{"other direction of another link held", func(w *World, n *Node) { n.Start(echo); w.Cut("n1", "n1", network.Hold) }, "n1:6379", "ok", 20 * time.Millisecond},
		{"new connections lost", func(w *World, n *Node) { n.Start(echo); w.LoseNew("c1", "n1", true) }, "n1:6379", "timeout", 127*time.Second + 10*time.Millisecond},
		{"delayed", func(w *World, n *Node) { n.Start(echo); w.Delay("c1", "n1", time.Second) }, "n1:6379", "ok", 1020 * time.Millisecond},
		{"bad address", func(w *World, n *Node) {}, "n1", `dial: address "n1": expected host:port`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := New(Options{Profile: even()})
			defer w.Close()
			n, c := w.Node("n1", disk.New(disk.Options{})), w.Node("c1", nil)
			tt.setup(w, n)
			var got string
			var at time.Duration
			c.Go("client", func(e env.Env) {
				_, err := e.Dial(tt.addr)
				got, at = outcome(err, "ok"), e.Now()
			})
			run(t, w, time.Hour)
			if got != tt.want || at != tt.at {
				t.Errorf("%s at %v, want %s at %v", got, at, tt.want, tt.at)
			}
		})
	}
}

func TestListen(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	n := w.Node("n1", nil)
	n.Start(func(e env.Env, _ vfs.FS) {
		l, err := e.Listen("127.0.0.1:6379")
		if err != nil || l.Addr() != "n1:6379" {
			t.Errorf("%v, %v", l, err)
		}
		if _, err := e.Listen(":6379"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("second listener: %v", err)
		}
		if _, err := e.Listen("n2:6380"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("another node's address: %v", err)
		}
		if _, err := e.Listen("nonsense"); err == nil {
			t.Error("an address without port is accepted")
		}
		if any, err := e.Listen(":0"); err != nil || any.Addr() == "n1:0" {
			t.Errorf("port 0: %v, %v", any, err)
		}
		e.Go("closer", func() { e.Sleep(time.Second); l.Close() })
		if _, err := l.Accept(); !errors.Is(err, env.ErrClosed) {
			t.Errorf("accept on a closed listener: %v", err)
		}
		if _, err := e.Listen(":6379"); err != nil {
			t.Errorf("the port after Close: %v", err)
		}
	})
	if err := w.Run(time.Hour); err != nil {
		t.Fatal(err)
	}
	if len(n.listeners) != 0 {
		t.Errorf("%d ports open after the exit", len(n.listeners))
	}
}

// TestDeadlinesAndClose: what ends a wait on a connection from this side.
func TestDeadlinesAndClose(t *testing.T) {
	w := New(Options{Profile: even()})
	defer w.Close()
	w.Node("n1", nil).Start(func(e env.Env, _ vfs.FS) {
		l, _ := e.Listen(":6379")
		for {
			l.Accept() // and never read
		}
	})
	var got []string
	w.Node("c1", nil).Go("client", func(e env.Env) {
		e.Sleep(1)
		note := func(err error) { got = append(got, fmt.Sprint(outcome(err, "ok"), " ", e.Now().Truncate(time.Second))) }
		conn, _ := e.Dial("n1:6379")
		conn.SetReadDeadline(e.Now() + time.Second)
		_, err := conn.Read(make([]byte, 1))
		note(err)
		_, err = conn.Read(make([]byte, 1)) // a deadline that has passed
		note(err)
		conn.SetReadDeadline(0)
		e.Go("setter", func() { e.Sleep(time.Second); conn.SetReadDeadline(e.Now()) })
		_, err = conn.Read(make([]byte, 1)) // moved while it waits
		note(err)
		conn.SetWriteDeadline(e.Now() + time.Second)
		n, err := conn.Write(make([]byte, window+1))
		if n != window {
			t.Errorf("wrote %d into a window of %d", n, window)
		}
		note(err)
		conn.SetReadDeadline(0)
		e.Go("closer", func() { e.Sleep(time.Second); conn.Close() })
		_, err = conn.Read(make([]byte, 1))
		note(err)
		_, err = conn.Write([]byte("x"))
		note(err)
		note(conn.Close())
	})
	run(t, w, time.Hour)
	want := "timeout 1s, timeout 1s, timeout 2s, timeout 3s, closed 4s, closed 4s, closed 4s"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// TestSlowLinkTakesItsTime: 100 kB over a link of 10 kB/s.
func TestSlowLinkTakesItsTime(t *testing.T) {
	w := New(Options{Profile: even()})
	defer w.Close()
	w.Node("n1", nil).Start(echo)
	c := w.Node("c1", nil)
	w.SlowLink("c1", "n1", 10_000)
	var at time.Duration
	c.Go("client", func(e env.Env) {
		e.Sleep(1)
		conn, _ := e.Dial("n1:6379")
		conn.Write(make([]byte, 100_000))
		io.ReadFull(conn, make([]byte, 100_000))
		at = e.Now()
	})
	run(t, w, time.Hour)
	if at < 10*time.Second || at > 10100*time.Millisecond {
		t.Errorf("came back at %v", at)
	}
	if l := w.Link("c1", "n1"); l.BytesPerSecond != 10_000 {
		t.Errorf("link is %+v", l)
	}
}

// TestHeldBytesOfADeadMachineNeverArrive: what a held link has not delivered
// would be retransmitted by the sender, and the sender has no power.
func TestHeldBytesOfADeadMachineNeverArrive(t *testing.T) {
	for _, power := range []bool{false, true} {
		w := New(Options{Profile: even()})
		n, c := w.Node("n1", disk.New(disk.Options{})), w.Node("c1", nil)
		n.Start(func(e env.Env, _ vfs.FS) {
			l, _ := e.Listen(":1")
			conn, _ := l.Accept()
			e.Sleep(time.Second)
			conn.Write([]byte("x"))
			e.Sleep(time.Hour)
		})
		got := ""
		c.Go("client", func(e env.Env) {
			e.Sleep(1)
			conn, _ := e.Dial("n1:1")
			conn.SetReadDeadline(time.Minute)
			_, err := conn.Read(make([]byte, 1))
			got = outcome(err, "answer")
		})
		w.At(500*time.Millisecond, func() { w.Cut("n1", "c1", network.Hold) })
		w.At(2*time.Second, func() {
			if power {
				n.PowerCut(disk.Choice{})
			} else {
				n.Kill(true)
			}
		})
		w.At(3*time.Second, func() { w.Heal("n1", "c1") })
		run(t, w, time.Hour)
		if want := map[bool]string{false: "answer", true: "timeout"}[power]; got != want {
			t.Errorf("power cut %v: client saw %s, want %s", power, got, want)
		}
		w.Close()
	}
}

// FuzzAddress: an address is refused or names a port, and prints back to itself.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"n1:6379", ":0", "", ":", "n1:65536", "n1:-1", "a:b:1", "n1:+5", "n1:007"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		host, port, err := splitAddr(addr)
		if err != nil {
			return
		}
		if port < 0 || port > 65535 || !strings.HasPrefix(addr, host+":") {
			t.Errorf("%q is host %q, port %d", addr, host, port)
		}
		again, p, err := splitAddr(fmt.Sprintf("%s:%d", host, port))
		if err != nil || again != host || p != port {
			t.Errorf("%q prints as %s:%d, which is %q, %d, %v", addr, host, port, again, p, err)
		}
	})
}
