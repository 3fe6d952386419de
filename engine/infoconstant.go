package engine

import (
	"runtime"
	"time"
)

// constantFields are the fields of INFO that never change here, and why: each stands at the
// end of its section, so that nothing which reads INFO misses one (redis 7.0.15 server.c
// genRedisInfoString).
var constantFields = []struct{ section, name, value, why string }{
	{"Server", "redis_git_sha1", "00000000", "built from no commit of Redis"},
	{"Server", "redis_git_dirty", "0", "as redis_git_sha1"},
	{"Server", "redis_build_id", "0000000000000000", "as redis_git_sha1"},
	{"Server", "os", runtime.GOOS, "its version is not asked for: simulated servers have none"},
	{"Server", "monotonic_clock", "go", "that of the runtime"},
	{"Server", "multiplexing_api", "torntail", "one loop of its own"},
	{"Server", "atomicvar_api", "go", "as monotonic_clock"},
	{"Server", "gcc_version", "0.0.0", "no C"},
	{"Server", "process_supervised", "no", "supervised has no effect"},
	{"Server", "io_threads_active", "0", "io-threads has no effect"},
	{"Clients", "client_recent_max_input_buffer", "0", "buffers are the runtime's"},
	{"Clients", "client_recent_max_output_buffer", "0", "as the input's"},
	{"Memory", "total_system_memory", "0", "the machine's memory is not asked for"},
	{"Memory", "total_system_memory_human", "0B", "as total_system_memory"},
	{"Memory", "allocator_frag_ratio", "1.00", "nothing is known of the allocator"},
	{"Memory", "allocator_frag_bytes", "0", "as allocator_frag_ratio"},
	{"Memory", "allocator_rss_ratio", "1.00", "as allocator_frag_ratio"},
	{"Memory", "allocator_rss_bytes", "0", "as allocator_frag_ratio"},
	{"Memory", "rss_overhead_ratio", "1.00", "as allocator_frag_ratio"},
	{"Memory", "rss_overhead_bytes", "0", "as allocator_frag_ratio"},
	{"Memory", "mem_cluster_links", "0", "reckoned with the rest"},
	{"Memory", "mem_allocator", "go", "the runtime's"},
	{"Memory", "active_defrag_running", "0", "activedefrag has no effect"},
	{"Memory", "lazyfree_pending_objects", "0", "the runtime collects what is deleted"},
	{"Memory", "lazyfreed_objects", "0", "as lazyfree_pending_objects"},
	{"Persistence", "current_cow_peak", "0", "children share no pages"},
	{"Persistence", "current_cow_size", "0", "as current_cow_peak"},
	{"Persistence", "current_cow_size_age", "0", "as current_cow_peak"},
	{"Persistence", "rdb_last_cow_size", "0", "as current_cow_peak"},
	{"Persistence", "aof_last_cow_size", "0", "as current_cow_peak"},
	{"Persistence", "module_fork_in_progress", "0", "no modules"},
	{"Persistence", "module_fork_last_cow_size", "0", "no modules"},
	{"Stats", "migrate_cached_sockets", "0", "each MIGRATE has a connection of its own"},
	{"Stats", "active_defrag_hits", "0", "activedefrag has no effect"},
	{"Stats", "active_defrag_misses", "0", "activedefrag has no effect"},
	{"Stats", "active_defrag_key_hits", "0", "activedefrag has no effect"},
	{"Stats", "active_defrag_key_misses", "0", "activedefrag has no effect"},
	{"Stats", "total_active_defrag_time", "0", "activedefrag has no effect"},
	{"Stats", "current_active_defrag_time", "0", "activedefrag has no effect"},
	{"Stats", "dump_payload_sanitizations", "0", "RESTORE examines every payload in full"},
	{"Stats", "io_threaded_reads_processed", "0", "io-threads has no effect"},
	{"Stats", "io_threaded_writes_processed", "0", "io-threads has no effect"},
	{"Stats", "reply_buffer_shrinks", "0", "buffers are the runtime's"},
	{"Stats", "reply_buffer_expands", "0", "buffers are the runtime's"},
}

// constantLines are they, by section.
var constantLines = func() map[string]string {
	lines := map[string]string{}
	for _, f := range constantFields {
		lines[f.section] += f.name + ":" + f.value + "\r\n"
	}
	return lines
}()

// constants adds those of a section.
func (t *infoText) constants(section string) { t.b.WriteString(constantLines[section]) }

// rates are how many commands, and bytes of clients and of replication, came by lately:
// sixteen samples, one each 100 ms (redis 7.0.15 server.c trackInstantaneousMetric).
type rates struct {
	of   [5]rate
	next int
}

type rate struct {
	last    int64
	samples [16]int64 // a second
}

// sampleEvery is how often that is.
const sampleEvery = 100 * time.Millisecond

// sampleRates is called by cron.
func (s *Server) sampleRates() {
	now := s.env.Now()
	d := now - s.sampled
	if d < sampleEvery {
		return
	}
	s.sampled = now
	in, out := s.stats.replicationInput, s.stats.replicationOutput
	for i, n := range [...]int64{s.stats.commands, s.stats.input - in, s.stats.output - out, in, out} {
		r := &s.rates.of[i]
		r.samples[s.rates.next] = int64(float64(n-r.last) / d.Seconds())
		r.last = n
	}
	s.rates.next = (s.rates.next + 1) % len(s.rates.of[0].samples)
}

// perSecond is the mean of a rate's samples.
func (s *Server) perSecond(i int) int64 {
	sum := int64(0)
	for _, n := range s.rates.of[i].samples {
		sum += n
	}
	return sum / int64(len(s.rates.of[i].samples))
}
