package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
)

// world is nodes in one goroutine with a clock of their own: messages take two milliseconds,
// links can be cut in either direction, nodes can be stopped and started on their nodes.conf.
type world struct {
	now   int64 // ms
	rng   *rand.Rand
	nodes []*member
	wires []*wire
	cut   map[string]bool // "from to"
	log   []string
	// heldUpdates: nodes whose messages of a type do not arrive, "type from".
	dropped map[string]bool
}

// member is a node: its machine, what stands in for its server, and its file.
type member struct {
	w          *world
	name, host string
	id         string
	cfg        *config.Config
	m          *Machine // nil while it is stopped
	conf       string   // as saved
	synced     string   // what a power cut leaves
	next       int64

	keys    map[int]int // by slot
	offset  int64
	master  string // address it follows
	heard   int64  // of its master, ms
	paused  bool
	stepped int64 // its clock is off by
}

// wire is a connection: bytes in flight in either direction.
type wire struct {
	from, to         *member
	fromConn, toConn int // 0: not yet, or no longer
	since            int64
	there, back      []parcel
}

type parcel struct {
	at   int64
	data []byte
}

func newWorld(seed uint64) *world {
	return &world{now: 1_000_000_000, rng: rand.New(rand.NewPCG(seed, 20)), cut: map[string]bool{}, dropped: map[string]bool{}}
}

func (w *world) random() uint64 { return w.rng.Uint64() }

func (w *world) member(name string) *member {
	for _, n := range w.nodes {
		if n.name == name {
			return n
		}
	}
	panic("no node " + name)
}

func (w *world) at(addr string) *member {
	host, _, _ := net.SplitHostPort(addr)
	for _, n := range w.nodes {
		if n.host == host {
			return n
		}
	}
	return nil
}

func (w *world) add(name string) *member {
	cfg := config.Default()
	cfg.ClusterEnabled, cfg.ClusterNodeTimeout = true, 1000
	n := &member{w: w, name: name, host: "127.0.1." + name[1:], cfg: cfg, keys: map[int]int{}}
	cfg.ClusterAnnounceIP = n.host
	w.nodes = append(w.nodes, n)
	w.start(n)
	return n
}

func (w *world) start(n *member) {
	m, err := New(w.now, Options{Config: n.cfg, Server: n, Random: w.random}, []byte(n.conf))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", n.name, err))
	}
	n.m, n.id, n.next = m, m.ID(), w.now
	n.master = ""
	if host, port, known := m.MasterAddr(); known {
		n.master = net.JoinHostPort(host, strconv.Itoa(port))
	}
	w.do(n, m.Take())
}

func (w *world) addMaster(name, slots string) *member {
	n := w.add(name)
	first, last, _ := strings.Cut(slots, "-")
	var noted SlotSet
	if why := n.m.CheckSlots(&noted, false, atoi(first), atoi(last)); why != "" {
		panic(why)
	}
	n.m.AssignSlots(w.now, &noted, false)
	n.m.SetConfigEpoch(w.now, int64(len(w.nodes)))
	return n
}

// meetAll has the first node meet all others.
func (w *world) meetAll() {
	for _, n := range w.nodes[1:] {
		w.nodes[0].m.Meet(w.now, n.host, n.cfg.Port, n.cfg.Port+portOffset)
	}
}

func (n *member) Keys() (sum int) {
	for _, k := range n.keys {
		sum += k
	}
	return sum
}
func (n *member) KeysInSlot(slot int) int { return n.keys[slot] }
func (n *member) Offset() int64           { return n.offset }
func (n *member) Following() bool         { return n.master != "" }
func (n *member) SinceMaster() int64      { return (n.w.now - n.heard) / 1000 * 1000 }
func (n *member) Unsent(int) int64        { return 0 }

// run lets time pass.
func (w *world) run(ms int64) {
	for end := w.now + ms; w.now < end; w.now++ {
		w.deliver()
		for _, n := range w.nodes {
			if n.m == nil {
				continue
			}
			w.replicate(n)
			if w.now >= n.next {
				n.next = w.now + 100
				n.m.Tick(w.now + n.stepped)
				w.do(n, n.m.Take())
			}
			w.do(n, n.m.BeforeSleep(w.now+n.stepped))
		}
	}
}

// replicate has a replica know what its master has, at once, when it can be reached.
func (w *world) replicate(n *member) {
	if n.master == "" {
		return
	}
	if m := w.at(n.master); m != nil && m.m != nil && !w.cut[m.name+" "+n.name] {
		n.heard = w.now
		n.offset = m.offset
	}
}

func (w *world) deliver() {
	for _, x := range slices.Clone(w.wires) {
		if x.toConn == 0 { // dialing
			if w.now < x.since+2 {
				continue
			}
			switch {
			case x.to == nil || x.to.m == nil:
				w.end(x, "Connection refused")
			case !w.cut[x.from.name+" "+x.to.name] && !w.cut[x.to.name+" "+x.from.name]:
				x.toConn = x.to.m.Accepted(w.now, x.from.host, x.to.host)
				x.from.m.Connected(w.now, x.fromConn, x.to.host, x.from.host)
				w.do(x.from, x.from.m.Take())
			}
			continue
		}
		w.carry(x, &x.there, x.from, x.to, x.toConn)
		w.carry(x, &x.back, x.to, x.from, x.fromConn)
	}
}

// carry hands over what has arrived at one end.
func (w *world) carry(x *wire, parcels *[]parcel, from, to *member, conn int) {
	for len(*parcels) > 0 && (*parcels)[0].at <= w.now && !w.cut[from.name+" "+to.name] && to.m != nil {
		data := (*parcels)[0].data
		*parcels = (*parcels)[1:]
		for len(data) > 0 {
			packet, rest, err := Frame(data)
			if err != nil {
				panic(err)
			}
			data = rest
			if !slices.Contains(w.wires, x) || w.dropped[typeOf(packet).String()+" "+from.name] {
				continue
			}
			to.m.Received(w.now+to.stepped, conn, packet)
			w.do(to, to.m.Take())
		}
	}
}

// end ends a connection for whoever still has it.
func (w *world) end(x *wire, why string) {
	w.wires = slices.DeleteFunc(w.wires, func(o *wire) bool { return o == x })
	if x.from.m != nil && x.fromConn != 0 {
		x.from.m.Disconnected(w.now, x.fromConn, why)
	}
	if x.to != nil && x.to.m != nil && x.toConn != 0 {
		x.to.m.Disconnected(w.now, x.toConn, why)
	}
}

func (w *world) stop(n *member) {
	n.m = nil
	for _, x := range slices.Clone(w.wires) {
		if x.from == n || x.to == n {
			w.end(x, "connection closed")
		}
	}
}

func (w *world) do(n *member, actions []Action) {
	for _, a := range slices.Clone(actions) {
		switch a.Kind {
		case Dial:
			w.wires = append(w.wires, &wire{from: n, to: w.at(a.Addr), fromConn: a.Conn, since: w.now})
			continue
		case Hangup, Send:
			w.link(n, a)
			continue
		case Save:
			n.conf = a.Text
			if a.Sync {
				n.synced = a.Text
			}
			continue
		case Log:
			if a.Level == debug {
				continue
			}
		case Follow:
			n.master = net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
		case Promote:
			n.master = ""
		case DeleteSlot:
			delete(n.keys, a.Slot)
		case Flush:
			clear(n.keys)
		case PauseWrites:
			n.paused = true
		case ResumeWrites:
			n.paused = false
		case CloseChannels:
			continue
		}
		w.log = append(w.log, fmt.Sprintf("%6d %s %s", w.now-1_000_000_000, n.name, a))
	}
}

// link carries out what is about a connection.
func (w *world) link(n *member, a Action) {
	for _, x := range slices.Clone(w.wires) {
		switch {
		case x.from == n && x.fromConn == a.Conn:
			if a.Kind == Send {
				x.there = append(x.there, parcel{w.now + 2, a.Bytes})
				return
			}
			x.fromConn = 0
		case x.to == n && x.toConn == a.Conn:
			if a.Kind == Send {
				x.back = append(x.back, parcel{w.now + 2, a.Bytes})
				return
			}
			x.toConn = 0
		default:
			continue
		}
		w.end(x, "connection closed")
		return
	}
}

// script carries out a statement of a golden test.
func (w *world) script(args []string) string {
	n := w.nodes[0]
	if len(args) > 1 && args[0] != "cut" && args[0] != "heal" {
		n = w.member(args[1])
	}
	say := func(why string) {
		if why == "" {
			why = "OK"
		}
		w.log = append(w.log, fmt.Sprintf("%6d %s> %s", w.now-1_000_000_000, n.name, why))
	}
	if n.m == nil && args[0] != "start" && args[0] != "cut" && args[0] != "heal" {
		return args[1] + " is stopped"
	}
	switch args[0] {
	case "stop":
		w.stop(n)
	case "power-cut":
		n.conf = n.synced
		w.stop(n)
	case "start":
		w.start(n)
	case "cut", "heal":
		w.cut[args[1]+" "+args[2]] = args[0] == "cut"
	case "drop":
		w.dropped[args[2]+" "+args[1]] = true
	case "carry":
		delete(w.dropped, args[2]+" "+args[1])
	case "replicate":
		say(n.m.Replicate(w.now, w.member(args[2]).id))
	case "failover":
		say(n.m.Failover(w.now, slices.Contains(args, "force"), slices.Contains(args, "takeover")))
		w.do(n, n.m.Take())
	case "forget":
		say(n.m.Forget(w.now, w.member(args[2]).id))
		w.do(n, n.m.Take())
	case "reset":
		say(n.m.Reset(w.now, slices.Contains(args, "hard"), n.Keys() > 0))
		w.do(n, n.m.Take())
		n.id = n.m.ID()
	case "meet":
		o := w.member(args[2])
		n.m.Meet(w.now, o.host, o.cfg.Port, o.cfg.Port+portOffset)
	case "setslot":
		rest := slices.Clone(args[3:])
		if len(rest) == 2 {
			rest[1] = w.member(rest[1]).id
		}
		say(n.m.SetSlot(w.now, func() (int, bool) { return atoi(args[2]), true }, rest))
		w.do(n, n.m.Take())
	case "bump":
		say(n.m.BumpEpoch(w.now))
	case "epoch": // as if nobody else had that one
		n.m.me.epoch = strtoull(args[2])
		n.m.currentEpoch = max(n.m.currentEpoch, n.m.me.epoch)
	case "keys":
		n.keys[atoi(args[2])] = atoi(args[3])
	case "offset":
		n.offset = int64(atoi(args[2]))
	case "set":
		if err := n.cfg.Set(args[2], args[3]); err != nil {
			return err.Error()
		}
		n.m.ConfigChanged(w.now)
	case "route":
		slot, refusal := n.m.Route(&Query{Keys: [][]byte{[]byte(args[2])}, Asking: slices.Contains(args, "asking"), ReadOnly: slices.Contains(args, "readonly"),
			Exists: func(key []byte) bool { return n.keys[KeySlot(key)] > 0 }})
		say(fmt.Sprintf("slot %d: %s", slot, refusal))
	case "nodes":
		for _, line := range slices.Sorted(strings.Lines(n.m.Nodes())) {
			f := strings.Fields(line)
			w.log = append(w.log, fmt.Sprintf("  %s: %s %s master=%s epoch=%s %s %s", n.name, f[0], f[2], f[3], f[6], f[7], strings.Join(f[8:], " ")))
		}
	case "info":
		state := strings.Fields(n.m.Info())
		w.log = append(w.log, fmt.Sprintf("  %s: %s size=%d current=%d vote=%d", n.name, state[0], n.m.size, n.m.currentEpoch, n.m.lastVote))
	case "conf":
		w.log = append(w.log, strings.Split(strings.TrimRight(n.conf, "\n"), "\n")...)
	default:
		return "unknown statement " + args[0]
	}
	return ""
}

// named is text with the nodes' names instead of those that they were drawn.
func (w *world) named(text string) string {
	for _, n := range w.nodes {
		text = strings.ReplaceAll(text, n.id, n.name)
	}
	return text
}

// TestScripts plays testdata/scripts: what nodes do and say, as golden text.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		var w *world
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "world" { // "n1 0-5000" a master, "n4 of n1" its replica, "n5" a master without slots
				w = newWorld(1)
				scriptWorld(t, w, d.Input)
				d.Input = ""
			}
			for line := range strings.Lines(d.Input) {
				if why := w.script(strings.Fields(line)); why != "" {
					return why
				}
			}
			for _, a := range d.CmdArgs {
				length, err := time.ParseDuration(a.Vals[0])
				require.NoError(t, err)
				w.run(length.Milliseconds())
			}
			text := w.named(strings.Join(w.log, "\n") + "\n")
			w.log = nil
			return strings.TrimLeft(text, "\n")
		})
	})
}

func scriptWorld(t *testing.T, w *world, input string) {
	for line := range strings.Lines(input) {
		f := strings.Fields(line)
		if len(f) == 2 {
			w.addMaster(f[0], f[1])
		} else {
			w.add(f[0])
		}
	}
	w.meetAll()
	w.run(6000)
	for line := range strings.Lines(input) {
		if f := strings.Fields(line); len(f) == 3 {
			require.Empty(t, w.member(f[0]).m.Replicate(w.now, w.member(f[2]).id))
		}
	}
	w.run(4000)
	for _, n := range w.nodes {
		n.offset = 100
	}
	w.log = nil
}
