package sentinel

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/glob"
)

// Answer is the answer to a command. OnSave means that the state had to be
// saved: the client hears the reply only if that succeeded.
type Answer struct {
	Reply  Reply
	OnSave bool
}

// ErrSave is what the client hears when it did not.
var ErrSave = errorReply("Failed to save config file. Check server logs.")

// Command is a SENTINEL subcommand: args are what follows the word SENTINEL, at
// least one, their number already checked where the subcommand fixes it.
func (m *Machine) Command(now int64, args []string) Answer {
	m.now = now
	reply := func(r Reply) Answer { return Answer{Reply: r} }
	saved := func() Answer {
		m.save()
		return Answer{okReply, true}
	}
	rest := args[1:]
	switch name := strings.ToLower(args[0]); name {
	case "masters":
		return reply(m.describeAll(m.masters))
	case "myid":
		return reply(bulk(m.id))
	case "pending-scripts":
		return reply(Reply{Kind: Array})
	case "flushconfig":
		return saved()
	case "debug":
		return reply(m.debug(rest))
	case "config":
		return m.config(rest)
	case "is-master-down-by-addr":
		return reply(m.isMasterDown(rest))
	case "get-master-addr-by-name":
		master := m.master(rest[0])
		if master == nil {
			return reply(Reply{Kind: NilArray})
		}
		a := master.current()
		return reply(Reply{Kind: Array, Elems: []Reply{bulk(a.Host), bulk(strconv.Itoa(a.Port))}})
	case "reset":
		n := int64(0)
		for _, master := range m.masters {
			if glob.Match([]byte(rest[0]), master.name, false) {
				m.reset(master, false)
				m.event(Warning, "+reset-master", master, master.String())
				n++
			}
		}
		return reply(Reply{Kind: Integer, N: n})
	case "monitor":
		return m.monitor(rest)
	case "info-cache":
		return reply(m.infoCache(rest))
	case "simulate-failure":
		return reply(m.simulateFailure(rest))
	case "master", "slaves", "replicas", "sentinels", "failover", "remove", "ckquorum", "set":
		master := m.master(rest[0])
		if master == nil {
			return reply(errorReply("No such master with that name"))
		}
		switch name {
		case "master":
			return reply(m.describe(master))
		case "sentinels":
			return reply(m.describeAll(master.sentinels))
		case "failover":
			return reply(m.forceFailover(master))
		case "ckquorum":
			return reply(m.checkQuorum(master))
		case "set":
			return m.set(master, rest[1:])
		case "remove":
			m.event(Warning, "-monitor", master, master.String())
			m.remove(master)
			return saved()
		}
		return reply(m.describeAll(master.replicas))
	}
	return reply(errorReply("unknown subcommand '%.128s'. Try SENTINEL HELP.", args[0]))
}

func (m *Machine) remove(master *instance) {
	m.release(master)
	for i, o := range m.masters {
		if o == master {
			m.masters = append(m.masters[:i], m.masters[i+1:]...)
			return
		}
	}
}

// parseNumber reads a number as Redis's getLongLongFromObject.
func parseNumber(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == s
}

func (m *Machine) monitor(args []string) Answer {
	quorum, ok := parseNumber(args[3])
	if !ok {
		return Answer{Reply: errorReply("Invalid quorum")}
	}
	port, ok := parseNumber(args[2])
	switch {
	case !ok:
		return Answer{Reply: errorReply("Invalid port")}
	case quorum <= 0 || quorum > 1<<31-1:
		return Answer{Reply: errorReply("Quorum must be 1 or greater.")}
	case m.validAddr(args[1], 1) != nil:
		return Answer{Reply: errorReply("Invalid IP address or hostname specified")}
	}
	if why := wordError(args[0]); why != "" {
		return Answer{Reply: errorReply("%s", why)}
	}
	master, err := m.create(isMaster, args[0], args[1], int(min(max(port, -1), 1<<16)), int(quorum), nil)
	if err != nil {
		return Answer{Reply: errorReply("%s", createError(err, "Duplicate master name."))}
	}
	m.save()
	m.event(Warning, "+monitor", master, fmt.Sprintf("%s quorum %d", master, master.quorum))
	return Answer{okReply, true}
}

// isMasterDown is another Sentinel asking: is the master at this address down
// for you, and will you vote for this candidate in this epoch?
func (m *Machine) isMasterDown(args []string) Reply {
	port, ok1 := parseNumber(args[1])
	epoch, ok2 := parseNumber(args[2])
	if !ok1 || !ok2 {
		return errorReply("value is not an integer or out of range")
	}
	var master *instance
	if port >= 0 && port <= 65535 {
		master = findAt(m.masters, args[0], int(port), "")
	}
	down, leader, leaderEpoch := int64(0), "*", uint64(0)
	if master != nil && master.is(sDown) && !m.tilt {
		down = 1
	}
	if candidate := args[3]; master != nil && candidate != "*" && wordError(candidate) == "" && epoch >= 0 {
		if l, e := m.vote(master, uint64(epoch), candidate); l != "" {
			leader, leaderEpoch = l, e
		} else {
			leaderEpoch = e
		}
	}
	return Reply{Kind: Array, Elems: []Reply{{Kind: Integer, N: down}, bulk(leader), {Kind: Integer, N: int64(leaderEpoch)}}}
}

func (m *Machine) forceFailover(master *instance) Reply {
	if master.is(failingOver) {
		return Reply{Kind: Error, Text: "INPROG Failover already in progress"}
	}
	if m.best(master) == nil {
		return Reply{Kind: Error, Text: "NOGOODSLAVE No suitable replica to promote"}
	}
	m.log(Warning, "Executing user requested FAILOVER of '"+master.name+"'")
	m.startFailover(master)
	master.flags |= forced
	return okReply
}

func (m *Machine) checkQuorum(master *instance) Reply {
	usable := 1
	for _, si := range master.sentinels {
		if !si.is(sDown | oDown) {
			usable++
		}
	}
	var why []string
	if usable < master.quorum {
		why = append(why, "Not enough available Sentinels to reach the specified quorum for this master")
	}
	if usable < (len(master.sentinels)+1)/2+1 {
		why = append(why, "Not enough available Sentinels to reach the majority and authorize a failover")
	}
	if why != nil {
		return Reply{Kind: Error, Text: fmt.Sprintf("NOQUORUM %d usable Sentinels. %s", usable, strings.Join(why, ". "))}
	}
	return Reply{Kind: Status, Text: fmt.Sprintf("OK %d usable Sentinels. Quorum and failover authorization can be reached", usable)}
}

func (m *Machine) infoCache(names []string) Reply {
	var out []Reply
	for _, name := range names {
		master := m.master(name)
		if master == nil {
			continue
		}
		entry := func(ri *instance) Reply {
			age, info := int64(0), Reply{Kind: Nil}
			if ri.infoRefresh != 0 {
				age, info = m.now-ri.infoRefresh, bulk(ri.info)
			}
			return Reply{Kind: Array, Elems: []Reply{{Kind: Integer, N: age}, info}}
		}
		infos := []Reply{entry(master)}
		for _, r := range master.replicas {
			infos = append(infos, entry(r))
		}
		out = append(out, bulk(master.name), Reply{Kind: Array, Elems: infos})
	}
	return Reply{Kind: Array, Elems: out}
}

func (m *Machine) simulateFailure(args []string) Reply {
	m.failures = 0
	for _, a := range args {
		switch strings.ToLower(a) {
		case "crash-after-election":
			m.failures |= crashAfterElection
			m.log(Warning, "Failure simulation: this Sentinel will crash after being successfully elected as failover leader")
		case "crash-after-promotion":
			m.failures |= crashAfterPromotion
			m.log(Warning, "Failure simulation: this Sentinel will crash after promoting the selected replica to master")
		case "help":
			return Reply{Kind: Array, Elems: []Reply{bulk("crash-after-election"), bulk("crash-after-promotion")}}
		default:
			return errorReply("Unknown failure simulation specified")
		}
	}
	return okReply
}

// Arity is how many words each subcommand takes, SENTINEL and its own name
// included; at least -n for a negative n (redis 7.0.15 COMMAND INFO sentinel).
var Arity = map[string]int{
	"ckquorum": 3, "config": -3, "debug": -2, "failover": 3, "flushconfig": 2,
	"get-master-addr-by-name": 3, "info-cache": -3, "is-master-down-by-addr": 6,
	"master": 3, "masters": 2, "monitor": 6, "myid": 2, "pending-scripts": 2, "remove": 3,
	"replicas": 3, "reset": 3, "sentinels": 3, "set": -5, "simulate-failure": -3, "slaves": 3,
}
