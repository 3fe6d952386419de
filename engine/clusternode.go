package engine

import (
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/cluster"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// member is what makes a server a node of a cluster: the state machine, its links, and
// nodes.conf. The machine's inputs and what they ask for are the main task's; each link has
// tasks of its own, as a Sentinel's connections have.
type member struct {
	s         *Server
	m         *cluster.Machine
	links     map[int]*probe
	listeners []env.Listener
	lock      vfs.File      // nodes.conf, so that no other process takes it
	nextTick  time.Duration // of the machine
	nextLook  time.Duration // at blocked clients
	// downSince is when the link to a former master broke because the master was exchanged,
	// Unix ms; 0: it was not.
	downSince int64
}

// tickEvery is how often the machine is told the time (redis 7.0.15 server.c serverCron).
const tickEvery = 100 * time.Millisecond

// clusterErr ends a server that cannot be a node; its last words are the error.
type clusterErr string

func (e clusterErr) Error() string { return string(e) }

// startCluster makes the server a node of a cluster, before its data are loaded (redis 7.0.15
// cluster.c clusterInit).
func (s *Server) startCluster() error {
	s.ks.IndexSlots(cluster.Slots, cluster.KeySlot)
	n := &member{s: s, links: make(map[int]*probe)}
	if err := n.lockConf(); err != nil {
		return err
	}
	name := s.cfg.ClusterConfigFile
	conf, err := vfs.ReadFile(s.o.FS, name)
	if err != nil {
		return clusterErr("Loading the cluster node config from " + name + ": " + aof.Reason(err))
	}
	n.m, err = cluster.New(s.wallMs(), cluster.Options{Config: s.cfg, Server: n, Random: s.env.Uint64}, conf)
	if err != nil {
		s.warn(name + ": " + err.Error())
		return clusterErr("Unrecoverable error: corrupted cluster config file.")
	}
	s.cluster = n
	n.perform(n.m.Take())
	if s.exiting {
		return clusterErr("The node configuration is not saved.")
	}
	for _, addr := range s.o.Bus {
		l, err := s.env.Listen(addr)
		if err != nil {
			s.warn("Could not create the cluster bus listening socket " + addr + ": " + err.Error())
			return clusterErr("Failed listening on port " + strconv.Itoa(cluster.BusPort(s.cfg)) + " (cluster), aborting.")
		}
		n.listeners = append(n.listeners, l)
		s.env.Go("bus", func() { n.accept(l) })
	}
	// Redis finds its master with the first clusterCron; nothing has been served until then.
	if host, port, known := n.m.MasterAddr(); known {
		s.repl.FollowFromStart(s.env.Now(), host, int64(port))
	}
	return nil
}

// locker is a file that a process can take for itself.
type locker interface {
	// Lock fails with EAGAIN when another has it.
	Lock() error
}

// lockConf makes nodes.conf, if it is not there, and takes it (redis 7.0.15 cluster.c
// clusterLockConfig). In simulation nobody else could.
func (n *member) lockConf() error {
	name := n.s.cfg.ClusterConfigFile
	f, err := n.s.o.FS.Open(name, vfs.WriteOnly|vfs.Create)
	if err != nil {
		return clusterErr("Can't open " + name + " in order to acquire a lock: " + aof.Reason(err))
	}
	n.lock = f
	l, ok := f.(locker)
	if !ok {
		return nil
	}
	switch err := l.Lock(); {
	case errors.Is(err, syscall.EAGAIN):
		return clusterErr("Sorry, the cluster configuration file " + name + " is already used by a different Redis Cluster node. " +
			"Please make sure that different nodes use different cluster configuration files.")
	case err != nil:
		return clusterErr("Impossible to lock " + name + ": " + aof.Reason(err))
	}
	return nil
}

// checkClusterData makes slots and loaded keys agree.
func (s *Server) checkClusterData() error {
	if s.cluster == nil {
		return nil
	}
	if s.cluster.m.IsMaster() {
		for db := 1; db < keyspace.Databases; db++ {
			if s.ks.DB(db).Len() > 0 {
				return clusterErr("You can't have keys in a DB different than DB 0 when in Cluster mode. Exiting.")
			}
		}
	}
	s.cluster.m.CheckKeys(s.wallMs())
	s.cluster.perform(s.cluster.m.Take())
	if s.exiting {
		return clusterErr("The node configuration is not saved.")
	}
	return nil
}

// clusterConnections is INFO's estimate (redis 7.0.15 cluster.c getClusterConnectionsCount).
func (s *Server) clusterConnections() int64 {
	if s.cluster == nil {
		return 0
	}
	return int64(s.cluster.m.Known()-1) * 2
}

// What the machine asks; see cluster.Server.

func (n *member) Keys() int               { return n.s.ks.DB(0).Len() }
func (n *member) KeysInSlot(slot int) int { return n.s.ks.SlotLen(slot) }
func (n *member) Following() bool         { return n.s.repl.Up != nil }

func (n *member) Offset() int64 {
	if n.s.repl.Up == nil {
		return n.s.repl.Offset
	}
	_, applied := n.s.repl.ReplicaOffset()
	return max(applied, 0)
}

// SinceMaster is in whole seconds, as there; a replica that was never connected has not
// heard of its master since 1970.
func (n *member) SinceMaster() int64 {
	now := n.s.env.Now()
	if n.s.repl.LinkUp() {
		return n.s.repl.LastIO(now) * 1000
	}
	if n.s.repl.Up != nil {
		if down := n.s.repl.DownFor(now); down >= 0 {
			return down * 1000
		}
	}
	return (n.s.wallMs()/1000 - n.downSince/1000) * 1000
}

func (n *member) Unsent(conn int) int64 {
	if p := n.links[conn]; p != nil {
		return int64(len(p.queue))
	}
	return 0
}

// cron is the machine's timer, and redirects clients that wait for keys which are served
// elsewhere by now.
func (n *member) cron() {
	now := n.s.env.Now()
	if now < n.nextTick {
		return
	}
	n.nextTick = max(n.nextTick, now-tickEvery) + tickEvery
	n.m.Tick(n.s.wallMs())
	n.perform(n.m.Take())
	if now >= n.nextLook {
		n.nextLook = now + time.Second
		n.redirectBlocked()
	}
}

// beforeSleep saves what has changed, then sends.
func (n *member) beforeSleep() { n.perform(n.m.BeforeSleep(n.s.wallMs())) }

// perform does what the machine asks for, in its order.
func (n *member) perform(actions []cluster.Action) {
	s := n.s
	for _, a := range slices.Clone(actions) {
		switch a.Kind {
		case cluster.Dial:
			n.dial(a.Conn, a.Addr)
		case cluster.Hangup:
			if p := n.links[a.Conn]; p != nil {
				delete(n.links, a.Conn)
				p.end()
			}
		case cluster.Send:
			if p := n.links[a.Conn]; p != nil {
				p.queue = append(p.queue, a.Bytes...)
				p.wake.Signal()
			}
		case cluster.Log:
			s.o.Log(a.Level, a.Text)
		case cluster.Save:
			if err := n.save(a.Text, a.Sync); err != nil {
				s.warn("Fatal: can't update cluster config file.")
				s.exiting, s.exitCode = true, 1
				return
			}
		case cluster.Follow:
			n.noteDown()
			s.repl.Follow(s.env.Now(), a.Host, int64(a.Port))
		case cluster.Promote:
			n.downSince = 0
			s.repl.Promote(s.env.Now())
		case cluster.Flush:
			s.touchEverything()
			s.flushAll()
		case cluster.DeleteSlot:
			for _, key := range s.ks.SlotKeys(a.Slot, s.ks.SlotLen(a.Slot)) {
				s.ks.DB(0).Delete([]byte(key))
			}
		case cluster.PauseWrites:
			s.pauses.failover, s.repl.Still = true, true
		case cluster.ResumeWrites:
			s.repl.Still = false
			s.resumeWrites()
		case cluster.Deliver:
			if a.Shard {
				s.publishShard(a.Channel, a.Bytes)
			} else {
				s.publish(a.Channel, a.Bytes)
			}
		case cluster.CloseChannels:
			n.closeChannels(a.Slot)
		}
		s.replicate()
	}
}

// noteDown remembers for how long the data have been without a master, which the link to
// another master does not know.
func (n *member) noteDown() {
	switch {
	case n.s.repl.Up == nil:
	case n.s.repl.LinkUp():
		n.downSince = n.s.wallMs()
	default:
		if down := n.s.repl.DownFor(n.s.env.Now()); down >= 0 {
			n.downSince = n.s.wallMs() - down*1000
		}
	}
}

func (s *Server) touchEverything() {
	for db := range keyspace.Databases {
		s.touchAll(db)
	}
}

// save writes nodes.conf in place: what is longer is overwritten with blank lines first, so
// that a crash leaves a file that can be read, then cut off (redis 7.0.15 cluster.c
// clusterSaveConfig).
func (n *member) save(text string, sync bool) error {
	f, err := n.s.o.FS.Open(n.s.cfg.ClusterConfigFile, vfs.WriteOnly|vfs.Create)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	data := []byte(text)
	for int64(len(data)) < info.Size {
		data = append(data, '\n')
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if sync {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if len(data) > len(text) {
		_ = f.Truncate(int64(len(text))) // blank lines do no harm
	}
	return nil
}

// closeChannels ends subscriptions to shard channels that another node serves (redis 7.0.15
// cluster.c removeChannelsInSlot).
func (n *member) closeChannels(slot int) {
	s := n.s
	if len(s.pubsub.shards) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.pubsub.shards)) {
		if cluster.KeySlot([]byte(name)) != slot {
			continue
		}
		for _, c := range slices.Clone(s.pubsub.shards[name]) {
			s.unsubscribe(c, byShard, name)
			s.pushTo(c, appendUnsubscribed(nil, c.resp, name, byShard.count(c)))
		}
	}
}

// endAll is for a server that ends.
func (n *member) endAll() {
	for _, l := range n.listeners {
		l.Close()
	}
	for _, id := range slices.Sorted(maps.Keys(n.links)) {
		n.links[id].end()
	}
	clear(n.links)
	if n.lock != nil {
		_ = n.lock.Close() // nothing was written through it
	}
}

func (n *member) dial(id int, addr string) {
	p := &probe{id: id, wake: n.s.env.NewCond()}
	n.links[id] = p
	n.s.env.Go("bus-link", func() {
		wire, err := n.s.env.Dial(addr)
		switch {
		case err != nil:
			n.ended(p, err.Error())
		case p.ended:
			wire.Close() // nobody wants it any more
		default:
			p.wire = wire
			n.s.post(func() {
				if n.links[id] == p {
					n.m.Connected(n.s.wallMs(), id, hostOf(wire.RemoteAddr()), hostOf(wire.LocalAddr()))
					n.perform(n.m.Take())
				}
			})
			n.s.env.Go("bus-writer", func() { p.write() })
			n.ended(p, n.read(p))
		}
	})
}

// accept lets other nodes in.
func (n *member) accept(l env.Listener) {
	for {
		wire, err := l.Accept()
		if err != nil {
			return
		}
		n.s.env.Go("bus-inbound", func() {
			p := &probe{wire: wire, wake: n.s.env.NewCond()}
			// While data are loaded nobody is let in: what he says may change them. A server
			// that is loading does no jobs.
			if !n.s.do(func() {
				p.id = n.m.Accepted(n.s.wallMs(), hostOf(wire.RemoteAddr()), hostOf(wire.LocalAddr()))
				n.links[p.id] = p
			}) {
				wire.Close()
				return
			}
			n.s.env.Go("bus-writer", func() { p.write() })
			n.ended(p, n.read(p))
		})
	}
}

// ended tells the machine that a link is gone, unless it has closed it itself.
func (n *member) ended(p *probe, why string) {
	if p.ended {
		return
	}
	p.end()
	n.s.post(func() {
		if n.links[p.id] == p {
			delete(n.links, p.id)
			n.m.Disconnected(n.s.wallMs(), p.id, why)
			n.perform(n.m.Take())
		}
	})
}

// busRoom is how many bytes of a link are read at once: two pings, about.
const busRoom = 8 << 10

// read takes messages until the link ends, and returns why it did.
func (n *member) read(p *probe) string {
	var in []byte
	buf := make([]byte, busRoom)
	for {
		k, err := p.wire.Read(buf)
		if err != nil {
			return err.Error()
		}
		in = append(in, buf[:k]...)
		var packets [][]byte
		rest := in
		for {
			var packet []byte
			packet, rest, err = cluster.Frame(rest)
			if err != nil {
				break
			}
			packets = append(packets, packet)
		}
		if len(packets) > 0 && !n.s.do(func() { n.received(p, packets) }) {
			return "the server has ended"
		}
		if !errors.Is(err, cluster.ErrIncomplete) {
			n.s.post(func() {
				n.m.Refused(n.s.wallMs(), p.id, err.Error())
				n.perform(n.m.Take())
			})
			return err.Error()
		}
		in = in[:copy(in, rest)]
		if cap(in) > maxIdleReply && len(in) < busRoom {
			in = slices.Clone(in)
		}
	}
}

func (n *member) received(p *probe, packets [][]byte) {
	for _, packet := range packets {
		if n.links[p.id] != p {
			return // what came before ended it
		}
		n.m.Received(n.s.wallMs(), p.id, packet)
		n.perform(n.m.Take())
	}
}

// hostOf is the host of "host:port".
func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	return host
}
