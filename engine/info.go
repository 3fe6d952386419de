package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/engine/keyspace"
)

// infoText collects INFO's lines.
type infoText struct {
	b    strings.Builder
	argv [][]byte
}

// infoRoom is more than the lines of a server with some replicas need.
const infoRoom = 4 << 10

// section starts a section and reports whether it is wanted.
func (t *infoText) section(name string) bool {
	return wantSection(t.argv, name) && t.begin(name)
}

// named is section for one that is not shown by default.
func (t *infoText) named(name string) bool {
	for _, a := range t.argv[1:] {
		if same(a, name) || same(a, "all") || same(a, "everything") {
			return t.begin(name)
		}
	}
	return false
}

func (t *infoText) begin(name string) bool {
	if t.b.Len() > 0 {
		t.b.WriteString("\r\n")
	}
	t.b.WriteString("# ")
	t.b.WriteString(name)
	t.b.WriteString("\r\n")
	return true
}

// wantSection reports whether INFO was asked for a section.
func wantSection(argv [][]byte, name string) bool {
	if len(argv) == 1 {
		return true
	}
	for _, a := range argv[1:] {
		if same(a, name) || same(a, "all") || same(a, "default") || same(a, "everything") {
			return true
		}
	}
	return false
}

// text adds a line. Sentinels ask every server for some eighty of them at each
// INFO, so none is put together beforehand.
func (t *infoText) text(name, value string) {
	t.b.WriteString(name)
	t.b.WriteByte(':')
	t.b.WriteString(value)
	t.b.WriteString("\r\n")
}

func (t *infoText) number(name string, n int64) {
	t.b.WriteString(name)
	t.b.WriteByte(':')
	var digits [20]byte
	t.b.Write(strconv.AppendInt(digits[:0], n, 10))
	t.b.WriteString("\r\n")
}

func (t *infoText) flag(name string, on bool) {
	if on {
		t.text(name, "1")
	} else {
		t.text(name, "0")
	}
}

func (t *infoText) status(name string, ok bool) {
	if ok {
		t.text(name, "ok")
	} else {
		t.text(name, "err")
	}
}

func cmdInfo(s *Server, c *Session, argv [][]byte) {
	t := &infoText{argv: argv}
	t.b.Grow(infoRoom)
	s.infoServer(t)
	s.infoClients(t)
	if s.sentinel != nil {
		s.infoStats(t)
		s.sentinel.info(t)
		c.verbatim(t.b.String())
		return
	}
	s.infoMemory(t)
	s.infoPersistence(t)
	s.infoStats(t)
	s.infoReplication(t)
	s.infoCPU(t)
	t.named("Modules")
	s.infoCommandStats(t)
	s.infoErrorStats(t)
	s.infoLatencyStats(t)
	if t.section("Cluster") {
		t.flag("cluster_enabled", s.cluster != nil)
	}
	s.infoKeyspace(t)
	c.verbatim(t.b.String())
}

func (s *Server) infoClients(t *infoText) {
	if t.section("Clients") {
		t.number("connected_clients", int64(len(s.clients())-len(s.repl.Replicas)))
		t.number("maxclients", s.cfg.Maxclients)
		t.number("tracking_clients", int64(s.tracker.clients))
		t.number("blocked_clients", int64(len(s.waiting)+len(s.held)+len(s.ending.clients)))
		timed := int64(0)
		for _, c := range s.sessions {
			if c.blocked != nil && c.blocked.deadline != 0 {
				timed++
			}
		}
		t.number("clients_in_timeout_table", timed)
		t.number("cluster_connections", s.clusterConnections())
		t.constants("Clients")
	}
}

func (s *Server) infoServer(t *infoText) {
	if !t.section("Server") {
		return
	}
	up := int64((s.env.Now() - s.started).Seconds())
	t.text("redis_version", RedisVersion)
	t.text("redis_mode", s.mode())
	t.text("server_name", "torntail")
	t.number("arch_bits", 64)
	t.number("process_id", int64(s.o.Pid))
	t.text("run_id", s.runid())
	t.number("tcp_port", s.cfg.Port)
	t.number("server_time_usec", s.env.Wall().UnixMicro())
	t.number("uptime_in_seconds", up)
	t.number("uptime_in_days", up/86400)
	t.number("hz", min(max(s.cfg.Hz, 1), 500))
	t.number("configured_hz", s.cfg.Hz)
	t.number("lru_clock", int64(s.clock))
	t.text("executable", "torntail")
	t.text("config_file", s.o.ConfigFile)
	t.constants("Server")
	if s.ending.until != 0 {
		t.number("shutdown_in_milliseconds", max(0, (s.ending.until-s.env.Now()).Milliseconds()))
	}
}

// runid is drawn when somebody asks first, so that it costs a simulation nothing.
func (s *Server) runid() string {
	if s.runID == "" {
		s.runID = fmt.Sprintf("%016x%016x%08x", s.env.Uint64(), s.env.Uint64(), uint32(s.env.Uint64()))
	}
	return s.runID
}

func (s *Server) infoPersistence(t *infoText) {
	if !t.section("Persistence") {
		return
	}
	p := s.mgr.Info()
	t.flag("loading", s.loading || s.receiving == receivingLoads)
	t.flag("async_loading", s.receiving == receivingBeside)
	t.text("current_fork_perc", fmt.Sprintf("%.2f", p.Percent()))
	t.number("current_save_keys_processed", p.KeysSaved)
	t.number("current_save_keys_total", p.KeysToSave)
	t.number("rdb_changes_since_last_save", p.Changes)
	t.flag("rdb_bgsave_in_progress", p.BgsaveInProgress)
	t.number("rdb_last_save_time", p.LastSave)
	t.status("rdb_last_bgsave_status", p.LastBgsaveOK)
	t.number("rdb_last_bgsave_time_sec", p.LastBgsaveSec)
	t.number("rdb_current_bgsave_time_sec", p.CurrentBgsaveSec)
	t.number("rdb_saves", p.Saves)
	t.number("rdb_last_load_keys_expired", p.LastLoadExpired)
	t.number("rdb_last_load_keys_loaded", p.LastLoadKeys)
	t.flag("aof_enabled", p.AofEnabled)
	t.flag("aof_rewrite_in_progress", p.RewriteInProgress)
	t.flag("aof_rewrite_scheduled", p.RewriteScheduled)
	t.number("aof_last_rewrite_time_sec", p.LastRewriteSec)
	t.number("aof_current_rewrite_time_sec", p.CurrentRewriteSec)
	t.status("aof_last_bgrewrite_status", p.LastRewriteOK)
	t.number("aof_rewrites", p.Rewrites)
	t.number("aof_rewrites_consecutive_failures", p.ConsecutiveFails)
	t.status("aof_last_write_status", p.LastWriteOK)
	if p.AofEnabled {
		t.number("aof_current_size", p.CurrentSize)
		t.number("aof_base_size", p.BaseSize)
		t.flag("aof_pending_rewrite", p.PendingRewrite)
		t.number("aof_buffer_length", p.BufferLength)
		t.number("aof_pending_bio_fsync", p.PendingBioFsync)
		t.number("aof_delayed_fsync", p.DelayedFsync)
	}
	t.constants("Persistence")
	if s.loading {
		s.infoLoading(t)
	}
}

// infoCPU tells of the process; a simulated one takes no time.
func (s *Server) infoCPU(t *infoText) {
	if !t.section("CPU") {
		return
	}
	var u Usage
	if s.o.Usage != nil {
		u = s.o.Usage()
	}
	for _, f := range []struct {
		name  string
		spent time.Duration
	}{{"sys", u.Sys}, {"user", u.User}, {"sys_children", u.SysChildren}, {"user_children", u.UserChildren}, {"sys_main_thread", u.Sys}, {"user_main_thread", u.User}} {
		t.text("used_cpu_"+f.name, fmt.Sprintf("%.6f", f.spent.Seconds()))
	}
}

func (s *Server) infoStats(t *infoText) {
	if !t.section("Stats") {
		return
	}
	t.number("total_connections_received", s.stats.connections)
	t.number("total_commands_processed", s.stats.commands)
	t.number("instantaneous_ops_per_sec", s.perSecond(0))
	t.number("total_net_input_bytes", s.stats.input-s.stats.replicationInput)
	t.number("total_net_output_bytes", s.stats.output-s.stats.replicationOutput)
	t.number("total_net_repl_input_bytes", s.stats.replicationInput)
	t.number("total_net_repl_output_bytes", s.stats.replicationOutput)
	for i, name := range [...]string{"input", "output", "input_repl", "output_repl"} {
		t.text("instantaneous_"+name+"_kbps", fmt.Sprintf("%.2f", float64(s.perSecond(1+i))/1024))
	}
	t.number("rejected_connections", s.stats.rejected)
	t.number("sync_full", s.repl.FullSyncs)
	t.number("sync_partial_ok", s.repl.PartialOK)
	t.number("sync_partial_err", s.repl.PartialErr)
	t.number("expired_keys", s.stats.expired)
	t.text("expired_stale_perc", fmt.Sprintf("%.2f", s.cycles.stale*100))
	t.number("expired_time_cap_reached_count", s.cycles.timeouts)
	t.number("expire_cycle_cpu_milliseconds", s.cycles.took.Milliseconds())
	t.number("evicted_keys", s.stats.evicted)
	t.number("evicted_clients", s.stats.evictedClients)
	t.number("unexpected_error_replies", s.stats.unexpected)
	t.number("tracking_total_keys", int64(len(s.tracker.keys)))
	t.number("tracking_total_items", int64(s.tracker.items))
	t.number("tracking_total_prefixes", int64(len(s.tracker.prefixes)))
	over := time.Duration(0)
	if s.evicting.over != 0 {
		over = s.env.Now() - s.evicting.over
	}
	t.number("total_eviction_exceeded_time", (s.evicting.overBefore + over).Milliseconds())
	t.number("current_eviction_exceeded_time", over.Milliseconds())
	t.number("keyspace_hits", s.stats.hits)
	t.number("keyspace_misses", s.stats.misses)
	t.number("pubsub_channels", int64(len(s.pubsub.channels)))
	t.number("pubsub_patterns", int64(len(s.pubsub.patterns)))
	t.number("pubsubshard_channels", int64(len(s.pubsub.shards)))
	forks, took := s.mgr.Forks()
	t.number("latest_fork_usec", took.Microseconds())
	t.number("total_forks", forks)
	t.number("slave_expires_tracked_keys", int64(len(s.expiring.keys)))
	t.number("total_error_replies", s.stats.errors)
	t.number("total_reads_processed", s.stats.reads)
	t.number("total_writes_processed", s.stats.writes)
	t.constants("Stats")
}

func (s *Server) infoKeyspace(t *infoText) {
	if !t.section("Keyspace") {
		return
	}
	for i := range keyspace.Databases {
		db := s.ks.DB(i)
		if db.Len() > 0 {
			t.text("db"+strconv.Itoa(i), fmt.Sprintf("keys=%d,expires=%d,avg_ttl=%d", db.Len(), db.Expires(), db.AvgTTL()))
		}
	}
}

func humanBytes(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}} {
		if n >= u.size {
			return fmt.Sprintf("%.2f%s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%dB", n)
}

func cmdTime(s *Server, c *Session, _ [][]byte) {
	us := s.env.Wall().UnixMicro()
	c.array(2)
	c.bulkNumber(us / 1e6)
	c.bulkNumber(us % 1e6)
}
