package engine

import "fmt"

// What the server reckons to take beside its data, in bytes: as much as redis 7.0.15
// takes when it starts, and for each client with its buffers.
const (
	startupMemory = 856 << 10
	clientMemory  = 20 << 10
)

// streamMemory is what the replication stream takes; of it, what replicas that lag make it
// take beyond the backlog is no reason to evict (redis 7.0.15 evict.c
// freeMemoryGetNotCountedMemory).
func (s *Server) streamMemory() (all, beyond int64) {
	if s.repl.Stream == nil {
		return 0, 0
	}
	all = int64(s.repl.Stream.Len())
	return all, max(all-s.cfg.ReplBacklogSize, 0)
}

// notCounted is what is taken that deleting keys may add to, so that it is no reason to evict.
func (s *Server) notCounted() int64 {
	_, beyond := s.streamMemory()
	return beyond + s.mgr.Buffered()
}

// clientsMemory is what clients take: each as much as a buffer of both ways, and beyond that
// what it has sent and what it has not read.
func (s *Server) clientsMemory() int64 {
	sum := clientMemory * int64(len(s.sessions))
	for _, c := range s.sessions {
		sum += max(0, c.input+c.batch+c.Unsent()-replyRoom)
	}
	return sum
}

// countedMemory is what is held against maxmemory.
func (s *Server) countedMemory() int64 {
	all, beyond := s.streamMemory()
	return startupMemory + s.ks.Bytes() + s.clientsMemory() + s.queuedBytes + all - beyond
}

// usedMemory is INFO's used_memory: reckoned, not measured, so that it is the same in every
// run (keyspace/memory.go).
func (s *Server) usedMemory() int64 { return s.countedMemory() + s.notCounted() }

// resident is what the process takes; in simulation, what it is reckoned to.
func (s *Server) resident(used int64) int64 {
	if s.o.Memory != nil {
		return s.o.Memory()
	}
	return used
}

// infoMemory is INFO's section. Nothing is known of the allocator, and of fragmentation
// only what is resident.
func (s *Server) infoMemory(t *infoText) {
	if !t.section("Memory") {
		return
	}
	used, keys, data := s.usedMemory(), s.ks.Overhead(), s.ks.Bytes()
	s.peak = max(s.peak, used)
	rss, overhead := s.resident(used), used-data+keys
	human := func(name string, n int64) {
		t.number(name, n)
		t.text(name+"_human", humanBytes(n))
	}
	percent := func(n, of int64) string { return fmt.Sprintf("%.2f%%", 100*float64(n)/float64(max(of, 1))) }
	ratio := fmt.Sprintf("%.2f", float64(rss)/float64(used))
	human("used_memory", used)
	human("used_memory_rss", rss)
	human("used_memory_peak", s.peak)
	t.text("used_memory_peak_perc", percent(used, s.peak))
	t.number("used_memory_overhead", overhead)
	t.number("used_memory_startup", startupMemory)
	t.number("used_memory_dataset", used-overhead)
	t.text("used_memory_dataset_perc", percent(used-overhead, used-startupMemory))
	t.number("allocator_allocated", used)
	t.number("allocator_active", used)
	t.number("allocator_resident", rss)
	human("maxmemory", s.cfg.Maxmemory)
	t.text("maxmemory_policy", s.cfg.MaxmemoryPolicy)
	t.text("mem_fragmentation_ratio", ratio)
	t.number("mem_fragmentation_bytes", rss-used)
	t.number("mem_not_counted_for_evict", s.notCounted())
	stream, beyond := s.streamMemory()
	if len(s.repl.Replicas) == 0 { // it is nobody's but the backlog's
		beyond = 0
	}
	t.number("mem_replication_backlog", stream-beyond)
	t.number("mem_total_replication_buffers", stream)
	t.number("mem_clients_normal", s.clientsMemory())
	t.number("mem_clients_slaves", beyond)
	t.number("mem_aof_buffer", s.mgr.Buffered())
	s.infoScripts(t)
	t.constants("Memory")
}
