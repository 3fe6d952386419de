package proxy_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/proxy"
	"github.com/torntail/torntail/faults/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is what client c1 does to the echo server n1, and how faults strike in
// between. It runs in simulation and over a proxy, and must tell the same story.
//
//	plan TEXT    a statement strikes; "end" ends it, "turn open" and "turn cut" turn it
//	next         what the plan that is carried out has due next strikes, ends, turns
//	dial A       makes connection A and exchanges a byte on it
//	send A N     sends N bytes on A
//	hear A N     hears N bytes on A (waits as long as it takes)
//	silent A     hears nothing on A for a while
//	reset A      A breaks
//	late D       what was heard last took at least D
//	refused      a new connection is refused
//	unheard A    begins to make connection A, which is not answered for a while
//	answered A   now it is; "given-up A": it never will be
type script struct{ name, text string }

var scripts = []script{
	{"cut holds both bytes and their order", `dial A; plan cut c1 -> n1; send A 3; silent A; end; hear A 3; send A 1; hear A 1`},
	{"a cut of the way back holds the answer", `dial A; plan cut n1 -> c1; send A 3; silent A; end; hear A 3`},
	{"a cut of another link does nothing", `dial A; plan cut n1 -> n2 both; send A 3; hear A 3`},
	{"cut both", `dial A; plan cut c1 -> n1 both; send A 3; silent A; end; hear A 3`},
	{"cut reset breaks connections and refuses new ones", `dial A; plan cut n1 -> c1 reset; reset A; refused; end; dial B`},
	{"cut drop: silence, and a reset after the heal", `dial A; dial B; plan cut c1 -> n1 drop; send A 3; silent A; end; reset A; send B 1; hear B 1`},
	{"heal ends a cut", `dial A; plan cut c1 -> n1; send A 3; silent A; plan heal; hear A 3`},
	{"a new connection over a cut link is not answered before the heal", `plan cut c1 -> n1; unheard A; end; answered A`},
	{"nor when only the way back is cut", `plan cut n1 -> c1; unheard A; end; answered A`},
	{"delay", `dial A; plan delay c1 -> n1 150ms; send A 1; hear A 1; late 150ms; end; send A 1; hear A 1`},
	{"delays of both directions add up", `dial A; plan delay c1 -> n1 80ms; plan delay n1 -> c1 80ms; send A 1; hear A 1; late 160ms`},
	{"a delayed stream is not slow", `dial A; plan delay c1 -> n1 150ms; send A 1; send A 1; send A 1; hear A 3; late 150ms`},
	{"slow-link", `dial A; plan slow-link c1 -> n1 100000/s; send A 20000; hear A 20000; late 190ms`},
	{"slow-link is shared by connections", `dial A; dial B; plan slow-link c1 -> n1 100000/s; send A 10000; send B 10000; hear A 10000; hear B 10000; late 150ms`},
	{"lose-new leaves established connections", `dial A; plan lose-new c1 -> n1; unheard B; send A 1; hear A 1; end; answered B`},
	{"lose-new of the first connections", `dial A; plan lose-new c1 -> n1 first 2; unheard B; unheard C; dial D; send A 1; hear A 1; end; answered B; answered C`},
	{"lose-new of the first connections that begin, not of those that a cut holds up", `plan cut c1 -> n1; unheard A; plan lose-new c1 -> n1 first 1; plan heal; answered A; plan lose-new c1 -> n1 first 1; unheard B; dial C; plan delay c1 -> n1 1ms; dial D; plan heal; answered B`},
	{"two statements about first connections: the one that loses most", `plan lose-new c1 -> n1 first 1; plan lose-new c1 -> n1 first 2; unheard A; unheard B; dial C; plan heal; answered A; answered B`},
	{"a delay of all of the bytes", `dial A; plan delay c1 -> n1 150ms with 100%; send A 1; hear A 1; late 150ms; end; send A 1; hear A 1`},
	{"flap cuts and opens in turn", `dial A; plan flap c1 -> n1 250ms; send A 1; silent A; turn open; hear A 1; turn cut; send A 1; silent A; end; hear A 1`},
}

// quiet is how long "silent" listens.
const quiet = 120 * time.Millisecond

type told struct {
	t     *testing.T
	e     env.Env
	addr  string
	conns map[string]env.Conn
	ended map[string]string // what became of connections that could not be made
	links *plan.LinkFaults
	last  *plan.Statement
	plan  *plan.Runner // that is carried out; nil: none
	sent  time.Duration
	heard time.Duration
}

func newTold(t *testing.T, e env.Env, n plan.Network, addr string) *told {
	return &told{t: t, e: e, links: plan.NewLinkFaults(n), addr: addr, conns: map[string]env.Conn{}, ended: map[string]string{}}
}

func (s *told) carriesOut(p *plan.Plan) {
	if p != nil {
		s.plan = p.Start()
	}
}

// next carries out what a plan has due next, now: the plan's time goes by what has been
// exchanged. more is false when there is nothing.
func (s *told) next() (why string, more bool) {
	now, more := s.plan.NextTime()
	if !more {
		return "", false
	}
	for _, trigger := range s.plan.Due(now) {
		if why := s.strike(trigger); why != "" {
			return why, true
		}
		s.plan.Struck(trigger, now)
	}
	return "", true
}

// strike carries out a trigger of the statement.
func (s *told) strike(trigger plan.Trigger) string {
	why, err := trigger.Statement.Action.Do(trigger, linked{s.links})
	require.NoError(s.t, err)
	return why
}

// run tells the script's story, "" when it is the expected one.
func (s *told) run(text string) string {
	for step := range strings.SplitSeq(text, "; ") {
		word, rest, _ := strings.Cut(step, " ")
		var name string
		var n int
		fmt.Sscanf(rest, "%s %d", &name, &n)
		why := ""
		switch word {
		case "plan":
			st, err := plan.ParseStatement("at 0s: " + rest)
			require.NoError(s.t, err)
			s.last = &st
			why = s.strike(plan.Trigger{Statement: s.last})
		case "end":
			why = s.strike(plan.Trigger{Statement: s.last, End: true})
		case "turn":
			why = s.strike(plan.Trigger{Statement: s.last, Turn: true, Open: rest == "open"})
		case "next":
			why, _ = s.next()
		case "dial":
			why = s.dial(name)
		case "send":
			s.sent = s.e.Now()
			if _, err := s.conns[name].Write(make([]byte, n)); err != nil {
				why = err.Error()
			}
		case "hear":
			why = s.hear(name, n)
		case "silent":
			s.conns[name].SetReadDeadline(s.e.Now() + quiet)
			if k, err := s.conns[name].Read(make([]byte, 1)); !errors.Is(err, env.ErrTimeout) {
				why = fmt.Sprintf("heard %d, %v", k, err)
			}
		case "reset":
			s.conns[name].SetReadDeadline(0)
			if k, err := s.conns[name].Read(make([]byte, 1)); !errors.Is(err, env.ErrReset) {
				why = fmt.Sprintf("heard %d, %v", k, err)
			}
		case "late":
			d, err := time.ParseDuration(rest)
			require.NoError(s.t, err)
			if took := s.heard - s.sent; took < d {
				why = fmt.Sprintf("took %v", took)
			}
		case "refused":
			c, err := s.e.Dial(s.addr)
			if err == nil {
				_, err = c.Read(make([]byte, 1))
				c.Close()
			}
			if !errors.Is(err, env.ErrRefused) && !errors.Is(err, env.ErrReset) {
				why = fmt.Sprint(err)
			}
		case "unheard":
			s.begin(name)
			s.e.Sleep(quiet)
			if s.conns[name] != nil || s.ended[name] != "" {
				why = "it was made" + s.ended[name]
			}
		case "answered", "given-up":
			for s.conns[name] == nil && s.ended[name] == "" {
				s.e.Sleep(time.Millisecond)
			}
			if (word == "answered") != (s.conns[name] != nil) {
				why = "it was made, or not: " + s.ended[name]
			}
		default:
			s.t.Fatal(step)
		}
		if why != "" {
			return step + ": " + why
		}
	}
	return ""
}

// begin begins to make a connection.
func (s *told) begin(name string) {
	s.e.Go("dial", func() {
		if why := s.dial(name); why != "" {
			s.ended[name] = why
		}
	})
}

// dial makes a connection and exchanges a byte, so that it is known to be made.
func (s *told) dial(name string) string {
	c, err := s.e.Dial(s.addr)
	if err != nil {
		return err.Error()
	}
	if _, err := c.Write([]byte{1}); err != nil {
		return err.Error()
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		return err.Error()
	}
	s.conns[name] = c
	return ""
}

func (s *told) hear(name string, n int) string {
	c := s.conns[name]
	c.SetReadDeadline(0)
	for buf := make([]byte, n); n > 0; {
		k, err := c.Read(buf[:n])
		if err != nil {
			return err.Error()
		}
		n -= k
	}
	s.heard = s.e.Now()
	return ""
}

// echo serves until its listener closes.
func echo(e env.Env, l env.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		e.Go("echo", func() {
			defer c.Close()
			buf := make([]byte, 64<<10)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				if _, err := c.Write(buf[:n]); err != nil {
					return
				}
			}
		})
	}
}

func TestEachWordStrikesInBothWorlds(t *testing.T) {
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			t.Run("sim", func(t *testing.T) { inSimulation(t, func(c *told) string { return c.run(s.text) }) })
			t.Run("proxy", func(t *testing.T) { t.Parallel(); overProxies(t, nil, s.text) })
		})
	}
}

// linked is a system that has links and nothing else.
type linked struct{ links *plan.LinkFaults }

func (linked) Name() string              { return "links" }
func (linked) Lacks(plan.Need) string    { return "" }
func (l linked) Links() *plan.LinkFaults { return l.links }

// inSimulation lets c1 do f in simulation, which says why it is not content.
func inSimulation(t *testing.T, f func(s *told) (why string)) {
	w := sim.New(sim.Options{Seed: 1})
	defer w.Close()
	server, client := w.Node("n1", nil), w.Node("c1", nil)
	w.Node("n2", nil)
	server.Go("serve", func(e env.Env) {
		l, err := e.Listen(":7000")
		require.NoError(t, err)
		echo(e, l)
	})
	why := "it did not end"
	client.Go("script", func(e env.Env) {
		why = f(newTold(t, e, w, "n1:7000"))
		w.Stop()
	})
	require.NoError(t, w.Run(10*time.Minute))
	require.Empty(t, why)
}

// network starts proxies for the given servers and for client c1, on addresses that
// nobody else uses.
func network(t *testing.T, servers ...string) (*proxy.Net, []proxy.Node) {
	for range 20 {
		a, b := byte(64+rand.IntN(120)), byte(rand.IntN(256))
		ip := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, a, b, byte(i)}) }
		port := uint16(10000 + rand.IntN(10000))
		var nodes []proxy.Node
		for i, name := range servers {
			nodes = append(nodes, proxy.Node{Name: name, From: ip(1 + i), Listen: netip.AddrPortFrom(ip(1+i), port), Target: netip.AddrPortFrom(ip(1+i), port+10000)})
		}
		nodes = append(nodes, proxy.Node{Name: "c1", From: ip(201)})
		n, err := proxy.Start(proxy.Options{Nodes: nodes, Source: ip(250)})
		if err == nil {
			t.Cleanup(func() { n.Close() })
			return n, nodes
		}
		t.Log(err)
	}
	t.Fatal("no free addresses")
	return nil, nil
}

// overProxies lets c1 do what a script says over proxies, while a plan is carried out.
func overProxies(t *testing.T, p *plan.Plan, text string) {
	n, nodes := network(t, "n1", "n2")
	e := osenv.New("test", 1)
	e.Enter()
	l, err := e.Listen(nodes[0].Target.String())
	require.NoError(t, err)
	serving := e.Go("serve", func() { echo(e, l) })
	s := newTold(t, e.As("c1", nodes[2].From), n, nodes[0].Listen.String())
	s.carriesOut(p)
	why := s.run(text)
	for _, c := range s.conns {
		c.Close()
	}
	l.Close()
	serving.Wait()
	e.Leave()
	require.Empty(t, why)
}

// TestHeldBytesNeverReachASuccessor: what a client has sent to a process that ended
// while the link was cut is not given to the process that takes its place.
func TestHeldBytesNeverReachASuccessor(t *testing.T) {
	for _, c := range []struct {
		name        string
		established bool // the connection is older than the cut
	}{{"established", true}, {"begun during the cut", false}} {
		t.Run(c.name, func(t *testing.T) {
			n, nodes := network(t, "n1")
			e := osenv.New("test", 1)
			e.Enter()
			defer e.Leave()
			var mu sync.Mutex
			var got []string
			serve := func(life string) (env.Listener, env.Task, *[]env.Conn) {
				l, err := e.Listen(nodes[0].Target.String())
				require.NoError(t, err)
				var conns []env.Conn
				return l, e.Go("serve", func() {
					for {
						conn, err := l.Accept()
						if err != nil {
							return
						}
						conns = append(conns, conn)
						e.Go("read", func() {
							defer conn.Close()
							buf := make([]byte, 16)
							for {
								k, err := conn.Read(buf)
								if err != nil {
									return
								}
								mu.Lock()
								got = append(got, life+":"+string(buf[:k]))
								mu.Unlock()
							}
						})
					}
				}), &conns
			}
			heard := func(what string) {
				for ok := false; !ok; e.Sleep(time.Millisecond) {
					mu.Lock()
					for _, g := range got {
						ok = ok || g == what
					}
					mu.Unlock()
				}
			}
			client := e.As("c1", nodes[1].From)
			l1, task1, conns1 := serve("first")
			var held env.Conn
			var err error
			if c.established {
				held, err = client.Dial(nodes[0].Listen.String())
				require.NoError(t, err)
				held.Write([]byte("before"))
				heard("first:before")
			}
			cut, err := plan.ParseStatement("at 0s: cut c1 -> n1")
			require.NoError(t, err)
			on := linked{plan.NewLinkFaults(n)}
			why, err := cut.Action.Do(plan.Trigger{Statement: &cut}, on)
			require.NoError(t, err)
			require.Empty(t, why)
			if !c.established {
				held, err = client.Dial(nodes[0].Listen.String())
				require.NoError(t, err)
			}
			_, err = held.Write([]byte("held"))
			require.NoError(t, err)
			e.Sleep(20 * time.Millisecond) // so that the proxy has it; if not, the test proves less
			l1.Close()
			task1.Wait()
			for _, conn := range *conns1 {
				conn.Close()
			}
			n.Ended("n1")
			l2, task2, _ := serve("second")
			why, err = cut.Action.Do(plan.Trigger{Statement: &cut, End: true}, on)
			require.NoError(t, err)
			require.Empty(t, why)
			_, err = held.Read(make([]byte, 1))
			require.Error(t, err, "the client hears that its connection is gone")
			held.Close()
			after, err := client.Dial(nodes[0].Listen.String())
			require.NoError(t, err)
			after.Write([]byte("after"))
			heard("second:after")
			after.Close()
			l2.Close()
			task2.Wait()
			require.NotContains(t, got, "second:held")
		})
	}
}

// TestAConnectionGivenUpDuringACutIsNeverMade: on a network whoever closes a
// connection before it is answered has sent nothing.
func TestAConnectionGivenUpDuringACutIsNeverMade(t *testing.T) {
	n, nodes := network(t, "n1")
	e := osenv.New("test", 1)
	e.Enter()
	defer e.Leave()
	l, err := e.Listen(nodes[0].Target.String())
	require.NoError(t, err)
	accepted := 0
	serving := e.Go("serve", func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted++
			c.Close()
		}
	})
	client := e.As("c1", nodes[1].From)
	cut, err := plan.ParseStatement("at 0s: cut n1 -> c1")
	require.NoError(t, err)
	on := linked{plan.NewLinkFaults(n)}
	cut.Action.Do(plan.Trigger{Statement: &cut}, on)
	given, err := client.Dial(nodes[0].Listen.String())
	require.NoError(t, err)
	given.Write([]byte("x"))
	given.Close()
	e.Sleep(20 * time.Millisecond)
	cut.Action.Do(plan.Trigger{Statement: &cut, End: true}, on)
	kept, err := client.Dial(nodes[0].Listen.String())
	require.NoError(t, err)
	kept.Read(make([]byte, 1)) // ends when the server has closed it
	kept.Close()
	l.Close()
	serving.Wait()
	require.Equal(t, 1, accepted)
}
