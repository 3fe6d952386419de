package engine

import (
	"strconv"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/cluster"
)

// CLUSTER and the other commands of a node of a cluster (redis 7.0.15 cluster.c clusterCommand).

var clusterCommands = []entry{
	{name: "asking", run: inCluster(func(_ *Server, c *Session, _ [][]byte) { c.asking = true; c.ok() })},
	{name: "readonly", run: inCluster(func(_ *Server, c *Session, _ [][]byte) { c.readOnly = true; c.ok() })},
	{name: "readwrite", run: inCluster(func(_ *Server, c *Session, _ [][]byte) { c.readOnly = false; c.ok() })},
	{name: "cluster|addslots", run: inCluster(func(s *Server, c *Session, argv [][]byte) { s.clusterSlotList(c, argv, false) })},
	{name: "cluster|addslotsrange", run: inCluster(func(s *Server, c *Session, argv [][]byte) { s.clusterSlotRanges(c, argv, false) })},
	{name: "cluster|bumpepoch", run: inCluster(func(s *Server, c *Session, _ [][]byte) { c.status(s.cluster.m.BumpEpoch(s.wallMs())) })},
	{name: "cluster|count-failure-reports", run: inCluster(func(s *Server, c *Session, argv [][]byte) {
		n, refusal := s.cluster.m.FailureReports(s.wallMs(), string(argv[2]))
		if refusal != "" {
			c.error(oneLine(refusal))
			return
		}
		c.int(int64(n))
	})},
	{name: "cluster|countkeysinslot", run: inCluster(clusterCountKeys)},
	{name: "cluster|delslots", run: inCluster(func(s *Server, c *Session, argv [][]byte) { s.clusterSlotList(c, argv, true) })},
	{name: "cluster|delslotsrange", run: inCluster(func(s *Server, c *Session, argv [][]byte) { s.clusterSlotRanges(c, argv, true) })},
	{name: "cluster|failover", run: inCluster(clusterFailover)},
	{name: "cluster|flushslots", run: inCluster(func(s *Server, c *Session, _ [][]byte) { c.okUnless(s.cluster.m.FlushSlots(s.wallMs())) })},
	{name: "cluster|forget", run: inCluster(func(s *Server, c *Session, argv [][]byte) {
		c.okUnless(s.cluster.m.Forget(s.wallMs(), string(argv[2])))
	})},
	{name: "cluster|getkeysinslot", run: inCluster(clusterGetKeys)},
	{name: "cluster|info", run: inCluster(func(s *Server, c *Session, _ [][]byte) { c.verbatim(s.cluster.m.Info()) })},
	{name: "cluster|keyslot", run: inCluster(func(_ *Server, c *Session, argv [][]byte) { c.int(int64(cluster.KeySlot(argv[2]))) })},
	{name: "cluster|links", run: inCluster(clusterLinks)},
	{name: "cluster|meet", run: inCluster(clusterMeet)},
	{name: "cluster|myid", run: inCluster(func(s *Server, c *Session, _ [][]byte) { c.bulkText(s.cluster.m.ID()) })},
	{name: "cluster|nodes", run: inCluster(func(s *Server, c *Session, _ [][]byte) { c.verbatim(s.cluster.m.Nodes()) })},
	{name: "cluster|replicas", run: inCluster(clusterReplicas)},
	{name: "cluster|slaves", run: inCluster(clusterReplicas)},
	{name: "cluster|replicate", run: inCluster(func(s *Server, c *Session, argv [][]byte) {
		c.okUnless(s.cluster.m.Replicate(s.wallMs(), string(argv[2])))
	})},
	{name: "cluster|reset", run: inCluster(clusterReset)},
	{name: "cluster|saveconfig", run: inCluster(func(s *Server, c *Session, _ [][]byte) {
		if err := s.cluster.save(s.cluster.m.Conf(), true); err != nil {
			c.error("ERR error saving the cluster node config: " + aof.Reason(err))
			return
		}
		c.ok()
	})},
	{name: "cluster|set-config-epoch", run: inCluster(func(s *Server, c *Session, argv [][]byte) {
		if epoch, ok := c.intArg(argv[2]); ok {
			c.okUnless(s.cluster.m.SetConfigEpoch(s.wallMs(), epoch))
		}
	})},
	{name: "cluster|setslot", run: inCluster(clusterSetSlot)},
	{name: "cluster|shards", run: inCluster(clusterShards)},
	{name: "cluster|slots", run: inCluster(clusterSlots)},
	{name: "cluster|help", run: inCluster(help("CLUSTER",
		"ADDSLOTS <slot> [<slot> ...]", "    Assign slots to current node.",
		"ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]", "    Assign slots which are between <start-slot> and <end-slot> to current node.",
		"BUMPEPOCH", "    Advance the cluster config epoch.",
		"COUNT-FAILURE-REPORTS <node-id>", "    Return number of failure reports for <node-id>.",
		"COUNTKEYSINSLOT <slot>", "    Return the number of keys in <slot>.",
		"DELSLOTS <slot> [<slot> ...]", "    Delete slots information from current node.",
		"DELSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]", "    Delete slots information which are between <start-slot> and <end-slot> from current node.",
		"FAILOVER [FORCE|TAKEOVER]", "    Promote current replica node to being a master.",
		"FORGET <node-id>", "    Remove a node from the cluster.",
		"GETKEYSINSLOT <slot> <count>", "    Return key names stored by current node in a slot.",
		"FLUSHSLOTS", "    Delete current node own slots information.",
		"INFO", "    Return information about the cluster.",
		"KEYSLOT <key>", "    Return the hash slot for <key>.",
		"MEET <ip> <port> [<bus-port>]", "    Connect nodes into a working cluster.",
		"MYID", "    Return the node id.",
		"NODES", "    Return cluster configuration seen by node. Output format:",
		"    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
		"REPLICATE <node-id>", "    Configure current node as replica to <node-id>.",
		"RESET [HARD|SOFT]", "    Reset current node (default: soft).",
		"SET-CONFIG-EPOCH <epoch>", "    Set config epoch of current node.",
		"SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)", "    Set slot state.",
		"REPLICAS <node-id>", "    Return <node-id> replicas.",
		"SAVECONFIG", "    Force saving cluster configuration on disk.",
		"SLOTS", "    Return information about slots range mappings. Each range is made of:", "    start, end, master and replicas IP addresses, ports and ids",
		"SHARDS", "    Return information about slot range mappings and the nodes associated with them.",
		"LINKS", "    Return information about all network links between this node and its peers.",
		"    Output format is an array where each array element is a map containing attributes of a link"))},
}

// inCluster is a command that only nodes of a cluster execute.
func inCluster(run handler) handler {
	return func(s *Server, c *Session, argv [][]byte) {
		if s.cluster == nil {
			c.error("ERR This instance has cluster support disabled")
			return
		}
		run(s, c, argv)
		s.cluster.perform(s.cluster.m.Take())
	}
}

// okUnless answers OK, or why not.
func (c *Session) okUnless(refusal string) {
	if refusal != "" {
		c.error(oneLine(refusal))
		return
	}
	c.ok()
}

// slotNumber reads a slot.
func slotNumber(b []byte) (int, bool) {
	n, ok := parseInt(b)
	if !ok || n < 0 || n >= cluster.Slots {
		return 0, false
	}
	return int(n), true
}

// clusterSlotList is CLUSTER ADDSLOTS and DELSLOTS.
func (s *Server) clusterSlotList(c *Session, argv [][]byte, drop bool) {
	var slots []int
	for _, a := range argv[2:] {
		slot, ok := slotNumber(a)
		if !ok {
			c.error(cluster.ErrSlot)
			return
		}
		slots = append(slots, slot)
	}
	var noted cluster.SlotSet
	for _, slot := range slots {
		if refusal := s.cluster.m.CheckSlots(&noted, drop, slot, slot); refusal != "" {
			c.error(refusal)
			return
		}
	}
	s.cluster.m.AssignSlots(s.wallMs(), &noted, drop)
	c.ok()
}

// clusterSlotRanges is CLUSTER ADDSLOTSRANGE and DELSLOTSRANGE.
func (s *Server) clusterSlotRanges(c *Session, argv [][]byte, drop bool) {
	if len(argv)%2 == 1 {
		c.error("ERR wrong number of arguments for '" + c.lastName() + "' command")
		return
	}
	var noted cluster.SlotSet
	for i := 2; i < len(argv); i += 2 {
		first, ok := slotNumber(argv[i])
		last, okLast := slotNumber(argv[i+1])
		if !ok || !okLast {
			c.error(cluster.ErrSlot)
			return
		}
		if first > last {
			c.error("ERR start slot number " + strconv.Itoa(first) + " is greater than end slot number " + strconv.Itoa(last))
			return
		}
		if refusal := s.cluster.m.CheckSlots(&noted, drop, first, last); refusal != "" {
			c.error(refusal)
			return
		}
	}
	s.cluster.m.AssignSlots(s.wallMs(), &noted, drop)
	c.ok()
}

func clusterCountKeys(s *Server, c *Session, argv [][]byte) {
	slot, ok := c.intArg(argv[2])
	switch {
	case !ok:
	case slot < 0 || slot >= cluster.Slots:
		c.error("ERR Invalid slot")
	default:
		c.int(int64(s.ks.SlotLen(int(slot))))
	}
}

func clusterGetKeys(s *Server, c *Session, argv [][]byte) {
	slot, ok := c.intArg(argv[2])
	if !ok {
		return
	}
	most, ok := c.intArg(argv[3])
	if !ok {
		return
	}
	if slot < 0 || slot >= cluster.Slots || most < 0 {
		c.error("ERR Invalid slot or number of keys")
		return
	}
	keys := s.ks.SlotKeys(int(slot), int(min(most, int64(s.ks.SlotLen(int(slot))))))
	c.array(len(keys))
	for _, k := range keys {
		c.bulkText(k)
	}
}

func clusterMeet(s *Server, c *Session, argv [][]byte) {
	if len(argv) > 5 {
		c.error("ERR unknown subcommand or wrong number of arguments for '" + clip(argv[1], 128) + "'. Try CLUSTER HELP.")
		return
	}
	port, ok := parseInt(argv[3])
	if !ok {
		c.error(oneLine("ERR Invalid TCP base port specified: " + clip(argv[3], len(argv[3]))))
		return
	}
	bus := port + 10000
	if len(argv) == 5 {
		if bus, ok = parseInt(argv[4]); !ok {
			c.error(oneLine("ERR Invalid TCP bus port specified: " + clip(argv[4], len(argv[4]))))
			return
		}
	}
	if !s.cluster.m.Meet(s.wallMs(), string(argv[2]), port, bus) {
		c.error(oneLine("ERR Invalid node address specified: " + clip(argv[2], len(argv[2])) + ":" + clip(argv[3], len(argv[3]))))
		return
	}
	c.ok()
}

func clusterReplicas(s *Server, c *Session, argv [][]byte) {
	lines, refusal := s.cluster.m.Replicas(string(argv[2]))
	if refusal != "" {
		c.error(oneLine(refusal))
		return
	}
	c.array(len(lines))
	for _, l := range lines {
		c.bulkText(l)
	}
}

func clusterFailover(s *Server, c *Session, argv [][]byte) {
	force, takeover := false, false
	if len(argv) > 3 {
		c.error("ERR unknown subcommand or wrong number of arguments for '" + clip(argv[1], 128) + "'. Try CLUSTER HELP.")
		return
	}
	if len(argv) == 3 {
		force, takeover = same(argv[2], "force"), same(argv[2], "takeover")
		if !force && !takeover {
			c.error(errSyntax)
			return
		}
	}
	c.okUnless(s.cluster.m.Failover(s.wallMs(), force, takeover))
}

func clusterReset(s *Server, c *Session, argv [][]byte) {
	hard := false
	if len(argv) > 3 {
		c.error("ERR unknown subcommand or wrong number of arguments for '" + clip(argv[1], 128) + "'. Try CLUSTER HELP.")
		return
	}
	if len(argv) == 3 {
		if hard = same(argv[2], "hard"); !hard && !same(argv[2], "soft") {
			c.error(errSyntax)
			return
		}
	}
	c.okUnless(s.cluster.m.Reset(s.wallMs(), hard, s.ks.DB(c.db).Len() != 0))
}

func clusterSetSlot(s *Server, c *Session, argv [][]byte) {
	var args []string
	for _, a := range argv[3:] {
		args = append(args, string(a))
	}
	c.okUnless(s.cluster.m.SetSlot(s.wallMs(), func() (int, bool) { return slotNumber(argv[2]) }, args))
}

func clusterLinks(s *Server, c *Session, _ [][]byte) {
	links := s.cluster.m.Links()
	c.array(len(links))
	for _, l := range links {
		direction, events := "to", "r"
		if l.Inbound {
			direction = "from"
		}
		if l.Unsent > 0 {
			events = "rw"
		}
		c.mapOf(6)
		c.bulkText("direction")
		c.bulkText(direction)
		c.bulkText("node")
		c.bulkText(l.Node)
		c.bulkText("create-time")
		c.int(l.Created)
		c.bulkText("events")
		c.bulkText(events)
		c.bulkText("send-buffer-allocated")
		c.int(l.Unsent)
		c.bulkText("send-buffer-used")
		c.int(l.Unsent)
	}
}

// clusterSlots follows redis 7.0.15 cluster.c clusterReplyMultiBulkSlots.
func clusterSlots(s *Server, c *Session, _ [][]byte) {
	ranges := s.cluster.m.SlotRanges()
	c.array(len(ranges))
	for _, r := range ranges {
		c.array(2 + len(r.Nodes))
		c.int(int64(r.Slots[0].First))
		c.int(int64(r.Slots[0].Last))
		for _, n := range r.Nodes {
			s.clusterNodeOfSlot(c, n)
		}
	}
}

// clusterNodeOfSlot tells of a node by what clients prefer, and the rest beside it.
func (s *Server) clusterNodeOfSlot(c *Session, n cluster.View) {
	c.array(4)
	prefer := s.cfg.ClusterEndpoint
	if prefer == "unknown-endpoint" {
		c.null()
	} else {
		c.bulkText(n.Endpoint)
	}
	c.int(int64(n.Port))
	c.bulkText(n.ID)
	var more []string
	if prefer != "ip" {
		more = append(more, "ip", n.IP)
	}
	if prefer != "hostname" && n.Hostname != "" {
		more = append(more, "hostname", n.Hostname)
	}
	c.mapOf(len(more) / 2)
	for _, text := range more {
		c.bulkText(text)
	}
}

// clusterShards follows redis 7.0.15 cluster.c clusterReplyShards.
func clusterShards(s *Server, c *Session, _ [][]byte) {
	shards := s.cluster.m.Shards()
	c.array(len(shards))
	for _, shard := range shards {
		c.mapOf(2)
		c.bulkText("slots")
		c.array(2 * len(shard.Slots))
		for _, r := range shard.Slots {
			c.int(int64(r.First))
			c.int(int64(r.Last))
		}
		c.bulkText("nodes")
		c.array(len(shard.Nodes))
		for _, n := range shard.Nodes {
			c.clusterNodeOfShard(n)
		}
	}
}

func (c *Session) clusterNodeOfShard(n cluster.View) {
	fields := 6
	if n.Port != 0 {
		fields++
	}
	if n.Hostname != "" {
		fields++
	}
	c.mapOf(fields)
	c.bulkText("id")
	c.bulkText(n.ID)
	if n.Port != 0 {
		c.bulkText("port")
		c.int(int64(n.Port))
	}
	c.bulkText("ip")
	c.bulkText(n.IP)
	c.bulkText("endpoint")
	c.bulkText(n.Endpoint)
	if n.Hostname != "" {
		c.bulkText("hostname")
		c.bulkText(n.Hostname)
	}
	role, health := "master", "online"
	if n.Replica {
		role = "replica"
	}
	switch {
	case n.Failed:
		health = "fail"
	case n.Replica && n.Offset == 0:
		health = "loading"
	}
	c.bulkText("role")
	c.bulkText(role)
	c.bulkText("replication-offset")
	c.int(n.Offset)
	c.bulkText("health")
	c.bulkText(health)
}
