package engine

import (
	"slices"

	"github.com/torntail/torntail/engine/cluster"
)

// Commands about keys that another node of the cluster serves.

// routed are the keys of a command, and the shard channels, for the purpose of slots.
func (cmd *command) routed(argv [][]byte) (keys [][]byte) {
	if cmd.shardChannels() {
		if cmd.name == "spublish" {
			return argv[1:2]
		}
		return argv[1:]
	}
	found, _ := cmd.keys(argv)
	for _, k := range found {
		keys = append(keys, argv[k.at])
	}
	return keys
}

// shardChannels reports whether the command is about channels that belong to slots.
func (cmd *command) shardChannels() bool {
	return cmd.name == "ssubscribe" || cmd.name == "sunsubscribe" || cmd.name == "spublish"
}

// redirect is "", or what a client is told whose command another node has to execute (redis
// 7.0.15 server.c processCommand).
func (s *Server) redirect(c *Session, cmd *command, argv [][]byte, f flags) string {
	c.slot = -1
	if c.master || c.loader || len(cmd.spec.Keys) == 0 && cmd != execCmd {
		return ""
	}
	q := cluster.Query{Writes: f&write != 0, Changes: f&write != 0}
	if cmd == execCmd {
		if !c.multi {
			return ""
		}
		for _, queued := range c.queue {
			q.Keys = append(q.Keys, queued.cmd.routed(queued.argv)...)
		}
		q.Changes = q.Changes || c.queues(write)
	} else {
		q.Keys = cmd.routed(argv)
	}
	return s.route(c, c, cmd, &q)
}

// route asks for a command that c executes on behalf of a client.
func (s *Server) route(c, client *Session, cmd *command, q *cluster.Query) (refusal string) {
	q.Channels = cmd.shardChannels()
	q.Asking = client.asking || slices.Contains(cmd.spec.Flags, "asking")
	q.ReadOnly = client.readOnly
	q.Migrate = cmd.name == "migrate"
	q.Exists = func(key []byte) bool { return s.ks.DB(0).Get(key) != nil && !s.isExpired(0, key) }
	c.slot, refusal = s.cluster.m.Route(q)
	return refusal
}

// rejectElsewhere answers with a redirection, which ends a transaction without a word of that.
func (s *Server) rejectElsewhere(c *Session, cmd *command, msg string) {
	if cmd == execCmd {
		s.discard(c)
	} else if c.multi {
		c.dirtyExec = true
	}
	s.stats.of(cmd).rejected++
	c.error(msg)
}

// scriptRedirect is "", or why a script may not use keys (redis 7.0.15 script.c
// scriptVerifyClusterState).
func (s *Server) scriptRedirect(r *scriptRun, cmd *command, argv [][]byte) string {
	if s.cluster == nil || r.caller.master || r.caller.loader {
		return ""
	}
	q := cluster.Query{Keys: cmd.routed(argv), Writes: cmd.flags&write != 0, Changes: cmd.flags&write != 0}
	sc := s.scripting.client
	switch s.route(sc, r.caller, cmd, &q) {
	case "":
	case cluster.ErrReadsOnly:
		return "Script attempted to execute a write command while the cluster is down and readonly"
	case cluster.ErrDown:
		return "Script attempted to execute a command while the cluster is down"
	default:
		return "Script attempted to access a non local key in a cluster node"
	}
	if sc.slot < 0 || r.crossSlot {
		return ""
	}
	if r.caller.slot == -1 {
		r.caller.slot = sc.slot
	}
	if r.caller.slot != sc.slot {
		return "Script attempted to access keys that do not hash to the same slot"
	}
	return ""
}

// redirectBlocked tells clients that wait for keys which are served elsewhere by now.
func (n *member) redirectBlocked() {
	for _, c := range slices.Clone(n.s.waiting) {
		if c.blocked == nil || c.blocked.wanted == nil {
			continue
		}
		key := []byte(c.blocked.wanted.keys[0].key)
		if refusal := n.m.RouteBlocked(key, c.readOnly, c.lastCmd.flags&write != 0); refusal != "" {
			n.s.answer(c, func() { c.error(refusal) })
		}
	}
}
