package engine

import (
	"fmt"

	"github.com/torntail/torntail/engine/keyspace"
)

var memoryCommands = []entry{
	{name: "memory|usage", run: cmdMemoryUsage},
	{name: "memory|purge", run: func(_ *Server, c *Session, _ [][]byte) { c.ok() }},
	{name: "memory|stats", run: cmdMemoryStats},
	{name: "memory|doctor", run: cmdMemoryDoctor},
	{name: "memory|malloc-stats", run: func(_ *Server, c *Session, _ [][]byte) { c.bulkText("Stats not supported for the current allocator") }},
	{name: "memory|help", run: help("MEMORY",
		"DOCTOR", "    Return memory problems reports.",
		"MALLOC-STATS", "    Return internal statistics report from the memory allocator.",
		"PURGE", "    Attempt to purge dirty pages for reclamation by the allocator.",
		"STATS", "    Return information about the memory usage of the server.",
		"USAGE <key> [SAMPLES <count>]", "    Return memory in bytes used by <key> and its value. Nested values are", "    sampled up to <count> times (default: 5, 0 means sample all).")},
}

// cmdMemoryUsage answers what is reckoned for a key and its value.
func cmdMemoryUsage(s *Server, c *Session, argv [][]byte) {
	samples := 5
	for args := argv[3:]; len(args) > 0; args = args[2:] {
		if len(args) < 2 || !same(args[0], "samples") {
			c.error(errSyntax)
			return
		}
		n, ok := c.intArg(args[1])
		if !ok {
			return
		}
		if n < 0 {
			c.error(errSyntax)
			return
		}
		samples = int(n)
	}
	o := s.peek(c, argv[2])
	if o == nil {
		c.null()
		return
	}
	c.int(keyspace.KeyBytes(string(argv[2])) + o.Bytes(samples))
}

// debugObject is DEBUG OBJECT. The address is nobody's business.
func (s *Server) debugObject(c *Session, key []byte) {
	o := s.ks.DB(c.db).Get(key)
	if o == nil {
		c.error(errNoKey)
		return
	}
	size := len(o.Dump(s.cfg.RdbCompression)) - 1 - 2 - 8 // without type, version and checksum
	text := fmt.Sprintf("Value at:0x0 refcount:1 encoding:%s serializedlength:%d lru:%d lru_seconds_idle:%d",
		o.Encoding(), size, s.access(o), keyspace.IdleSeconds(s.access(o), s.clock))
	if o.Kind == keyspace.List {
		nodes := o.List().Nodes()
		text += fmt.Sprintf(" ql_nodes:%d ql_avg_node:%.2f ql_listpack_max:%d ql_compressed:0 ql_uncompressed_size:%d",
			nodes, float64(o.List().Len())/float64(nodes), s.cfg.Limits.ListNode, size)
	}
	c.status(text)
}
