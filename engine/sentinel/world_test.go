package sentinel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/engine/bugs"
)

// world is Sentinels, and stand-ins for Redis servers, in one goroutine with a
// clock of its own: commands and replies take a few milliseconds, links can be
// cut in either direction, and everything can be killed and started again.
type world struct {
	now       int64 // ms
	rng       *rand.Rand
	sentinels []*watcher
	servers   []*server
	wires     []*wire
	cut       map[string]bool // "from to"
	log       []string
	verbose   bool
	// votes: Sentinel, master and epoch to the candidate it told somebody.
	votes map[string]string
	twice []string // votes told that contradict an earlier one
	// elected are the leaders of each epoch.
	elected map[string]string
	plant   bugs.Set // of every Sentinel
}

// watcher is a Sentinel process and its configuration file.
type watcher struct {
	name, addr string
	id         string
	m          *Machine // nil while it is dead
	saved      []Line
	first      []ConfigLine
	next       int64
	step       int64 // its clock is off by
}

// server stands in for a Redis server.
type server struct {
	name, addr string
	up         bool
	master     string // "" for a master
	priority   int
	offset     int
	queued     [][]string
	inMulti    bool
	reports    string // role it claims whatever it is
}

// wire is one connection of a Sentinel.
type wire struct {
	from     *watcher
	conn     int
	to       string // address
	state    int    // 0 dialing, 1 open, 2 closed
	since    int64
	toServer []packet
	toClient []packet
	subbed   bool
}

type packet struct {
	at    int64
	args  []string
	reply Reply
}

func newWorld(seed uint64) *world {
	return &world{now: 1_000_000, rng: rand.New(rand.NewPCG(seed, 7)), cut: map[string]bool{}, votes: map[string]string{}, elected: map[string]string{}}
}

func (w *world) addServer(name string) *server {
	s := &server{name: name, addr: "127.0.1." + name[1:] + ":6379", up: true, priority: 100}
	if len(w.servers) > 0 {
		s.master = w.servers[0].addr
	}
	w.servers = append(w.servers, s)
	return s
}

func (w *world) addSentinel(name string, quorum int, more ...string) *watcher {
	s := &watcher{name: name, addr: "127.0.2." + name[1:] + ":26379"}
	host, _, _ := strings.Cut(w.servers[0].addr, ":")
	for i, text := range append([]string{
		fmt.Sprintf("monitor mymaster %s 6379 %d", host, quorum),
		"announce-ip 127.0.2." + name[1:],
		"down-after-milliseconds mymaster 1000", "failover-timeout mymaster 3000",
	}, more...) {
		s.first = append(s.first, ConfigLine{i + 1, strings.Fields(text)})
	}
	w.sentinels = append(w.sentinels, s)
	w.start(s)
	return s
}

// start starts a Sentinel on what it saved last.
func (w *world) start(s *watcher) {
	conf := s.first
	if s.saved != nil {
		conf = nil
		for i, l := range s.saved {
			conf = append(conf, ConfigLine{i + 1, strings.Fields(l.Text)[1:]})
		}
	}
	now := w.now + s.step
	m, err := New(Options{Now: now, Rand: w.rng.Uint64, Port: 26379, Bugs: w.plant}, conf)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", s.name, err))
	}
	s.m = m
	m.Start(now)
	s.id = m.ID()
	s.next = w.now
	w.do(s)
}

// kill ends a process, with what it had not sent.
func (w *world) kill(name string) {
	if s := w.watcher(name); s != nil {
		s.m = nil
		for _, c := range w.wires {
			if c.from == s {
				c.state = 2
			}
		}
	} else {
		w.server(name).up = false
	}
	addr := w.addrOf(name)
	for _, c := range w.wires {
		if c.to == addr && c.state == 1 {
			w.end(c)
		}
	}
}

func (w *world) revive(name string) {
	if s := w.watcher(name); s != nil {
		w.start(s)
	} else {
		w.server(name).up = true
	}
}

// end closes a connection from the far end.
func (w *world) end(c *wire) {
	c.state = 2
	if m := c.from.m; m != nil {
		m.Disconnected(w.now+c.from.step, c.conn, "closed")
		w.do(c.from)
	}
}

func (w *world) watcher(name string) *watcher {
	for _, s := range w.sentinels {
		if s.name == name || s.addr == name {
			return s
		}
	}
	return nil
}

func (w *world) server(name string) *server {
	for _, s := range w.servers {
		if s.name == name || s.addr == name {
			return s
		}
	}
	return nil
}

func (w *world) addrOf(name string) string {
	if s := w.watcher(name); s != nil {
		return s.addr
	}
	return w.server(name).addr
}

func (w *world) nameOf(addr string) string {
	if s := w.watcher(addr); s != nil {
		return s.name
	}
	if s := w.server(addr); s != nil {
		return s.name
	}
	return addr
}

// do does what a Sentinel asks for.
func (w *world) do(s *watcher) {
	for _, a := range slices.Clone(s.m.Take()) {
		if w.verbose && (a.Kind != Event && a.Kind != Log) {
			w.printf("%s %s", s.name, a)
		}
		switch a.Kind {
		case Dial:
			w.wires = append(w.wires, &wire{from: s, conn: a.Conn, to: a.Addr.String(), since: w.now})
		case Hangup:
			if c := w.wire(s, a.Conn); c != nil {
				c.state = 2
			}
		case Send:
			if c := w.wire(s, a.Conn); c != nil {
				c.toServer = append(c.toServer, packet{at: w.now + 1 + w.rng.Int64N(5), args: a.Args})
			}
		case Event:
			if a.Level != Debug {
				w.printf("%s %c %s %s", s.name, a.Level, a.Name, a.Text)
			}
			if a.Name == "+elected-leader" {
				key := fmt.Sprint(s.m.masters[0].failoverEpoch)
				if old, ok := w.elected[key]; ok && old != s.name {
					w.twice = append(w.twice, fmt.Sprintf("epoch %s has two leaders, %s and %s", key, old, s.name))
				}
				w.elected[key] = s.name
			}
		case Log:
			w.printf("%s %c %s", s.name, a.Level, a.Text)
		case Save:
			s.saved = a.Lines
		case Crash:
			w.printf("%s crashes", s.name)
			w.kill(s.name)
			return
		}
	}
}

func (w *world) printf(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%7.3f ", float64(w.now-1_000_000)/1000)+fmt.Sprintf(format, args...))
}

func (w *world) wire(s *watcher, conn int) *wire {
	for _, c := range w.wires {
		if c.from == s && c.conn == conn && c.state != 2 {
			return c
		}
	}
	return nil
}

func (w *world) isCut(from, to string) bool {
	return w.cut[w.nameOf(from)+" "+w.nameOf(to)]
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	for end := w.now + d.Milliseconds(); w.now < end; {
		w.now++
		for _, s := range w.sentinels {
			if s.m != nil && w.now >= s.next {
				s.next = w.now + s.m.Tick(w.now+s.step).Milliseconds()
				w.do(s)
			}
		}
		for i := 0; i < len(w.wires); i++ { // new ones may come
			w.pump(w.wires[i])
		}
		if w.now%1000 == 0 {
			w.wires = slices.DeleteFunc(w.wires, func(c *wire) bool { return c.state == 2 })
			for _, s := range w.servers {
				if s.up && s.master == "" {
					s.offset += 100
				} else if o := w.server(s.master); s.up && o != nil && o.up && !w.cut[o.name+" "+s.name] {
					s.offset = o.offset
				}
			}
		}
	}
}

// pump moves what is on a connection.
func (w *world) pump(c *wire) {
	if c.state == 2 || c.state == 1 && len(c.toServer)+len(c.toClient) == 0 || c.from.m == nil {
		return
	}
	out, back := w.isCut(c.from.addr, c.to), w.isCut(c.to, c.from.addr)
	up := false
	if s := w.server(c.to); s != nil {
		up = s.up
	} else if s := w.watcher(c.to); s != nil {
		up = s.m != nil
	}
	if c.state == 0 {
		if out || back || w.now < c.since+2 {
			return
		}
		if !up {
			w.end(c)
			return
		}
		c.state = 1
		c.from.m.Connected(w.now+c.from.step, c.conn, strings.Split(c.from.addr, ":")[0])
		w.do(c.from)
	}
	for c.state == 1 && !out && len(c.toServer) > 0 && w.now >= c.toServer[0].at {
		p := c.toServer[0]
		c.toServer = c.toServer[1:]
		w.serve(c, p.args)
	}
	for c.state == 1 && !back && len(c.toClient) > 0 && w.now >= c.toClient[0].at {
		p := c.toClient[0]
		c.toClient = c.toClient[1:]
		c.from.m.Received(w.now+c.from.step, c.conn, p.reply)
		w.do(c.from)
	}
}

func (w *world) reply(c *wire, r Reply) {
	c.toClient = append(c.toClient, packet{at: w.now + 1 + w.rng.Int64N(5), reply: r})
}

// serve executes a command at the far end of a connection.
func (w *world) serve(c *wire, args []string) {
	if s := w.watcher(c.to); s != nil {
		w.reply(c, w.sentinelServe(s, args))
		return
	}
	s := w.server(c.to)
	if s.inMulti && args[0] != "EXEC" {
		s.queued = append(s.queued, args)
		w.reply(c, Reply{Kind: Status, Text: "QUEUED"})
		return
	}
	switch args[0] {
	case "PING":
		w.reply(c, Reply{Kind: Status, Text: "PONG"})
	case "INFO":
		w.reply(c, bulk(w.info(s)))
	case "SUBSCRIBE":
		c.subbed = true
		w.reply(c, Reply{Kind: Array, Elems: []Reply{bulk("subscribe"), bulk(args[1]), {Kind: Integer, N: 1}}})
	case "PUBLISH":
		for _, o := range w.wires {
			if o.to == s.addr && o.subbed && o.state == 1 {
				w.reply(o, Reply{Kind: Array, Elems: []Reply{bulk("message"), bulk(args[1]), bulk(args[2])}})
			}
		}
		w.reply(c, Reply{Kind: Integer, N: 1})
	case "MULTI":
		s.inMulti = true
		w.reply(c, okReply)
	case "EXEC":
		s.inMulti = false
		for _, q := range s.queued {
			if q[0] == "SLAVEOF" && q[1] == "NO" {
				s.master = ""
			} else if q[0] == "SLAVEOF" {
				s.master = q[1] + ":" + q[2]
			}
		}
		s.queued = nil
		w.reply(c, Reply{Kind: Array})
	default:
		w.reply(c, okReply)
	}
}

func (w *world) sentinelServe(s *watcher, args []string) Reply {
	defer func() {
		if s.m != nil {
			w.do(s)
		}
	}()
	switch args[0] {
	case "PING":
		return Reply{Kind: Status, Text: "PONG"}
	case "PUBLISH":
		s.m.Hello(w.now+s.step, args[2])
		return Reply{Kind: Integer, N: 1}
	case "SENTINEL":
		r := s.m.Command(w.now+s.step, args[1:]).Reply
		if r.Kind == Array && len(r.Elems) == 3 && r.Elems[1].Text != "*" {
			key := fmt.Sprintf("%s %s epoch %d", s.name, args[2]+":"+args[3], r.Elems[2].N)
			if old, ok := w.votes[key]; ok && old != r.Elems[1].Text {
				w.twice = append(w.twice, fmt.Sprintf("%s: told %s, then %s", key, old, r.Elems[1].Text))
			}
			w.votes[key] = r.Elems[1].Text
		}
		return r
	}
	return okReply
}

// info is a server's INFO, as far as Sentinel reads it.
func (w *world) info(s *server) string {
	lines := []string{"# Server", "run_id:" + strings.Repeat(s.name[1:], 40)[:40], "# Replication"}
	role := "master"
	if s.master != "" {
		role = "slave"
	}
	if s.reports != "" {
		role = s.reports
	}
	lines = append(lines, "role:"+role)
	if role == "slave" {
		host, port, _ := strings.Cut(s.master, ":")
		o := w.server(s.master)
		status := "up"
		if o == nil || !o.up || w.cut[o.name+" "+s.name] || w.cut[s.name+" "+o.name] {
			status = "down"
			lines = append(lines, "master_link_down_since_seconds:1")
		}
		lines = append(lines, "master_host:"+host, "master_port:"+port, "master_link_status:"+status,
			"slave_repl_offset:"+strconv.Itoa(s.offset), "slave_priority:"+strconv.Itoa(s.priority), "replica_announced:1")
	} else {
		n := 0
		for _, o := range w.servers {
			if o.master == s.addr && o.up {
				host, port, _ := strings.Cut(o.addr, ":")
				lines = append(lines, fmt.Sprintf("slave%d:ip=%s,port=%s,state=online,offset=%d,lag=0", n, host, port, o.offset))
				n++
			}
		}
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}
