package sentinel

import (
	"fmt"
	"strconv"
	"strings"
)

// sendHello tells an instance's subscribers, or a Sentinel itself, of this
// Sentinel and of the master it knows.
func (m *Machine) sendHello(ri *instance) {
	master := ri.own()
	ip := m.localHost(ri)
	if ri.link.disconnected || ip == "" {
		return
	}
	port := m.announcePort
	if port == 0 {
		port = m.o.Port
	}
	addr := master.current()
	hello := fmt.Sprintf("%s,%d,%s,%d,%s,%s,%d,%d",
		ip, port, m.id, m.epoch, master.name, addr.Host, addr.Port, master.configEpoch)
	m.send(ri.link.commands, publishReply, ri.command("PUBLISH"), HelloChannel, hello)
}

// forceHello makes the next tick send a hello to all that belong to a master.
func (m *Machine) forceHello(master *instance) {
	force := func(ri *instance) {
		if by := m.p.publish + 1; ri.lastPub >= by {
			ri.lastPub -= by
		}
	}
	force(master)
	for _, ri := range master.sentinels {
		force(ri)
	}
	for _, ri := range master.replicas {
		force(ri)
	}
}

// received is a message of an instance's hello channel.
func (m *Machine) received(ri *instance, r Reply) {
	// One's own messages count too: they show that the connection lives.
	ri.link.pubsubActivity = m.now
	if r.Kind != Array || len(r.Elems) != 3 || r.Elems[0].Text != "message" {
		return
	}
	for _, e := range r.Elems {
		if e.Kind != Bulk {
			return
		}
	}
	if text := r.Elems[2].Text; !strings.Contains(text, m.id) {
		m.hello(text)
	}
}

// Hello is a hello message sent to this Sentinel with PUBLISH.
func (m *Machine) Hello(now int64, text string) {
	m.now = now
	m.hello(text)
}

// greeting is a hello message.
type greeting struct {
	addr        Addr
	runID       string
	epoch       uint64
	master      string
	masterAddr  Addr
	configEpoch uint64
}

// parseHello reads "ip,port,runid,epoch,name,ip,port,config-epoch".
func parseHello(text string) (g greeting, ok bool) {
	f := strings.Split(text, ",")
	if len(f) != 8 || f[2] == "" || strings.ContainsAny(text, "\r\n\x00\" ") {
		return g, false
	}
	return greeting{
		addr: Addr{f[0], int(int32(atoi(f[1])))}, runID: f[2], epoch: atou(f[3]), master: f[4],
		masterAddr: Addr{f[5], int(int32(atoi(f[6])))}, configEpoch: atou(f[7]),
	}, true
}

// atou is C's strtoull for what Sentinels send.
func atou(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return uint64(max(atoi(s), 0))
	}
	return n
}

// hello takes in a hello message: a Sentinel, its epoch, and the configuration
// it knows, which replaces this one's if it is newer.
func (m *Machine) hello(text string) {
	g, ok := parseHello(text)
	if !ok {
		return
	}
	master := m.master(g.master)
	if master == nil {
		return
	}
	si := findAt(master.sentinels, g.addr.Host, g.addr.Port, g.runID)
	if si == nil {
		si = m.meet(master, g)
	}
	if g.epoch > m.epoch {
		m.epoch = g.epoch
		m.save()
		m.event(Warning, "+new-epoch", master, strconv.FormatUint(m.epoch, 10))
	}
	if si != nil && master.configEpoch < g.configEpoch {
		master.configEpoch = g.configEpoch
		if !master.addr.same(g.masterAddr.Host, g.masterAddr.Port) {
			m.event(Warning, "+config-update-from", si, si.String())
			m.switchMaster(master, g.masterAddr)
		}
	}
	if si != nil {
		si.lastHello = m.now
	}
}

// meet makes the acquaintance of a Sentinel, or of the new address of one.
func (m *Machine) meet(master *instance, g greeting) *instance {
	removed := m.removeSentinel(master, g.runID)
	if removed {
		m.event(Notice, "+sentinel-address-switch", master, fmt.Sprintf("%s ip %s port %d for %s", master, g.addr.Host, g.addr.Port, g.runID))
	} else if other := findAt(master.sentinels, g.addr.Host, g.addr.Port, ""); other != nil {
		// The address belongs to a Sentinel of another id now: the old one is gone.
		m.event(Notice, "+sentinel-invalid-addr", other, other.String())
		for _, o := range m.masters {
			m.removeSentinel(o, other.runID)
		}
	}
	si, err := m.create(isSentinel, g.runID, g.addr.Host, g.addr.Port, master.quorum, master)
	if err != nil {
		return nil
	}
	if !removed {
		m.event(Notice, "+sentinel", si, si.String())
	}
	si.runID = g.runID
	if removed {
		m.moveSentinel(si)
	}
	m.save()
	return si
}

// moveSentinel tells the other masters of a Sentinel's new address.
func (m *Machine) moveSentinel(si *instance) {
	moved := 0
	for _, master := range m.masters {
		for _, o := range master.sentinels {
			if o.runID == si.runID && o != si {
				m.closeLink(o.link)
				o.addr = si.addr
				moved++
			}
		}
	}
	if moved > 0 {
		m.event(Notice, "+sentinel-address-update", si, fmt.Sprintf("%s %d additional matching instances", si, moved))
	}
}
