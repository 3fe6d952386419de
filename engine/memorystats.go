package engine

import (
	"fmt"

	"github.com/torntail/torntail/engine/keyspace"
)

// figure is a line of MEMORY STATS: a number of bytes, or a share.
type figure struct {
	name  string
	value any // int64 or float64
}

// cmdMemoryStats tells what INFO's section tells, by the names of redis 7.0.15 object.c
// memoryCommand. Nothing is known of the allocator.
func cmdMemoryStats(s *Server, c *Session, _ [][]byte) {
	used, keys, data := s.usedMemory(), s.ks.Overhead(), s.ks.Bytes()
	s.peak = max(s.peak, used)
	rss, overhead := s.resident(used), used-data+keys
	stream, beyond := s.streamMemory()
	count := int64(s.ks.Len())
	percent := func(n, of int64) float64 { return 100 * float64(n) / float64(max(of, 1)) }
	var databases []int
	for i := range keyspace.Databases {
		if s.ks.DB(i).Len() > 0 {
			databases = append(databases, i)
		}
	}
	tell := func(figures ...figure) {
		for _, f := range figures {
			c.bulkText(f.name)
			switch v := f.value.(type) {
			case int64:
				c.int(v)
			case float64:
				c.double(v)
			}
		}
	}
	scripts, functions := s.scriptMemory()
	c.mapOf(27 + len(databases))
	tell(figure{"peak.allocated", s.peak}, figure{"total.allocated", used}, figure{"startup.allocated", int64(startupMemory)},
		figure{"replication.backlog", stream - beyond}, figure{"clients.slaves", beyond}, figure{"clients.normal", s.clientsMemory()},
		figure{"cluster.links", int64(0)}, figure{"aof.buffer", s.mgr.Buffered()}, figure{"lua.caches", scripts}, figure{"functions.caches", functions})
	for _, i := range databases {
		main, expires := s.ks.DB(i).Overhead()
		c.bulkText(fmt.Sprintf("db.%d", i))
		c.mapOf(3)
		tell(figure{"overhead.hashtable.main", main}, figure{"overhead.hashtable.expires", expires}, figure{"overhead.hashtable.slot-to-keys", int64(0)})
	}
	tell(figure{"overhead.total", overhead}, figure{"keys.count", count}, figure{"keys.bytes-per-key", (used - startupMemory) / max(count, 1)},
		figure{"dataset.bytes", used - overhead}, figure{"dataset.percentage", percent(used-overhead, used-startupMemory)}, figure{"peak.percentage", percent(used, s.peak)},
		figure{"allocator.allocated", used}, figure{"allocator.active", used}, figure{"allocator.resident", rss},
		figure{"allocator-fragmentation.ratio", 1.0}, figure{"allocator-fragmentation.bytes", int64(0)}, figure{"allocator-rss.ratio", 1.0}, figure{"allocator-rss.bytes", int64(0)},
		figure{"rss-overhead.ratio", 1.0}, figure{"rss-overhead.bytes", int64(0)},
		figure{"fragmentation", float64(rss) / float64(used)}, figure{"fragmentation.bytes", rss - used})
}

// cmdMemoryDoctor follows redis 7.0.15 object.c getMemoryDoctorReport, whose other issues are
// the allocator's and those of buffers.
func cmdMemoryDoctor(s *Server, c *Session, _ [][]byte) {
	const little = 5 << 20
	used := s.usedMemory()
	s.peak = max(s.peak, used)
	switch {
	case used < little:
		c.verbatim("Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in these conditions. " +
			"Please, leave for your mission on Earth and fill it with some data. The new Sam and I will be back to our programming as soon as I finished rebooting.\n")
	case 2*s.peak > 3*used:
		c.verbatim("Sam, I detected a few issues in this Redis instance memory implants:\n\n" +
			" * Peak memory: In the past this instance used more than 150% the memory that is currently using. The allocator is normally not able to release memory after a peak, " +
			"so you can expect to see a big fragmentation ratio, however this is actually harmless and is only due to the memory peak, and if the Redis instance Resident Set Size (RSS) " +
			"is currently bigger than expected, the memory will be used as soon as you fill the Redis instance with more data. If the memory peak was only occasional and you want to try " +
			"to reclaim memory, please try the MEMORY PURGE command, otherwise the only other option is to shutdown and restart the instance.\n\nI'm here to keep you safe, Sam. I want to help you.\n")
	default:
		c.verbatim("Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this base.\n")
	}
}
