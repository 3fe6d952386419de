package engine

import (
	"maps"
	"slices"

	"github.com/torntail/torntail/engine/sentinel"
)

// The commands of a server that is a Sentinel.

// sentinelCommands are SENTINEL and its subcommands.
func sentinelCommands() []entry {
	subs := []entry{{name: "sentinel", arity: -2, flags: sentinels | onlySentinels}}
	for _, name := range slices.Sorted(maps.Keys(sentinel.Arity)) {
		subs = append(subs, entry{name: "sentinel|" + name, arity: sentinel.Arity[name], run: cmdSentinel})
	}
	return append(subs, entry{name: "sentinel|help", arity: 2, run: help("SENTINEL",
		"CKQUORUM <master-name>", "    Check if the current Sentinel configuration is able to reach the quorum",
		"    needed to failover a master and the majority needed to authorize the", "    failover.",
		"CONFIG SET <param> <value>", "    Set a global Sentinel configuration parameter.",
		"CONFIG GET <param>", "    Get global Sentinel configuration parameter.",
		"DEBUG [<param> <value> ...]", "    Show a list of configurable time parameters and their values (milliseconds).",
		"    Or update current configurable parameters values (one or more).",
		"GET-MASTER-ADDR-BY-NAME <master-name>", "    Return the ip and port number of the master with that name.",
		"FAILOVER <master-name>", "    Manually failover a master node without asking for agreement from other", "    Sentinels",
		"FLUSHCONFIG", "    Force Sentinel to rewrite its configuration on disk, including the current", "    Sentinel state.",
		"INFO-CACHE <master-name>", "    Return last cached INFO output from masters and all its replicas.",
		"IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>", "    Check if the master specified by ip:port is down from current Sentinel's", "    point of view.",
		"MASTER <master-name>", "    Show the state and info of the specified master.",
		"MASTERS", "    Show a list of monitored masters and their state.",
		"MONITOR <name> <ip> <port> <quorum>", "    Start monitoring a new master with the specified name, ip, port and quorum.",
		"MYID", "    Return the ID of the Sentinel instance.",
		"PENDING-SCRIPTS", "    Get pending scripts information.",
		"REMOVE <master-name>", "    Remove master from Sentinel's monitor list.",
		"REPLICAS <master-name>", "    Show a list of replicas for this master and their state.",
		"RESET <pattern>", "    Reset masters for specific master name matching this pattern.",
		"SENTINELS <master-name>", "    Show a list of Sentinel instances for this master and their state.",
		"SET <master-name> <option> <value> [<option> <value> ...]", "    Set configuration parameters for certain masters.",
		"SIMULATE-FAILURE [CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]", "    Simulate a Sentinel crash.")})
}

// cmdSentinel answers once what the command caused to be saved is durable: a
// vote is not told before.
func cmdSentinel(s *Server, c *Session, argv [][]byte) {
	args := make([]string, len(argv)-1)
	for i, a := range argv[1:] {
		args[i] = string(a)
	}
	answer := s.sentinel.m.Command(s.wallMs(), args)
	if saved := s.sentinel.perform(); answer.OnSave && !saved {
		answer.Reply = sentinel.ErrSave
	}
	c.reply(answer.Reply)
}

// reply is a reply of the machine in the client's protocol.
func (c *Session) reply(r sentinel.Reply) {
	switch r.Kind {
	case sentinel.Status:
		c.status(r.Text)
	case sentinel.Error:
		c.error(r.Text)
	case sentinel.Integer:
		c.int(r.N)
	case sentinel.Bulk:
		c.bulkText(r.Text)
	case sentinel.Nil:
		c.null()
	case sentinel.NilArray:
		c.nullArray()
	case sentinel.Map, sentinel.Array:
		if r.Kind == sentinel.Map {
			c.mapOf(len(r.Elems) / 2)
		} else {
			c.array(len(r.Elems))
		}
		for _, e := range r.Elems {
			c.reply(e)
		}
	}
}

// hello is PUBLISH at a Sentinel: another one introduces itself.
func (w *watcher) hello(c *Session, argv [][]byte) {
	if string(argv[1]) != sentinel.HelloChannel {
		c.error("ERR Only HELLO messages are accepted by Sentinel instances.")
		return
	}
	w.m.Hello(w.s.wallMs(), string(argv[2]))
	w.perform()
	c.int(1)
}

// role is ROLE at a Sentinel.
func (w *watcher) role(c *Session) {
	names := w.m.Masters()
	c.array(2)
	c.bulkText("sentinel")
	c.array(len(names))
	for _, n := range names {
		c.bulkText(n)
	}
}

// info is INFO's section about what is watched.
func (w *watcher) info(t *infoText) {
	if t.section("Sentinel") {
		for _, l := range w.m.Info(w.s.wallMs()) {
			t.text(l[0], l[1])
		}
	}
}
