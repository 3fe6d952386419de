package engine

import (
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/engine/replication"
)

// Commands about whom this server follows, and what a role allows.

// cmdReplicaof follows redis 7.0.15 replication.c replicaofCommand.
func cmdReplicaof(s *Server, c *Session, argv [][]byte) {
	if s.cluster != nil {
		c.error("ERR REPLICAOF not allowed in cluster mode.")
		return
	}
	if s.repl.Failover.State != replication.NoFailover {
		c.error("ERR REPLICAOF not allowed while failing over.")
		return
	}
	if same(argv[1], "no") && same(argv[2], "one") {
		if s.repl.Up != nil {
			s.repl.Promote(s.env.Now())
			s.noteRole()
			s.notice("MASTER MODE enabled (user request from '" + c.String() + "')")
		}
		c.ok()
		return
	}
	if c.isReplica() {
		c.error("ERR Command is not valid when client is a replica.")
		return
	}
	port, ok := parseInt(argv[2])
	if !ok || port < 0 || port > 65535 {
		c.error("ERR Invalid master port")
		return
	}
	host := string(argv[1])
	if s.repl.SameMaster(host, port) {
		s.notice("REPLICAOF would result into synchronization with the master we are already connected with. No operation performed.")
		c.status("OK Already connected to specified master")
		return
	}
	s.repl.Follow(s.env.Now(), host, port)
	s.noteRole()
	s.notice("REPLICAOF " + host + ":" + string(argv[2]) + " enabled (user request from '" + c.String() + "')")
	c.ok()
}

// followConfigured makes the server the replica its configuration says it is.
func (s *Server) followConfigured() {
	host, port, ok := strings.Cut(s.cfg.ReplicaOf, " ")
	if !ok {
		return
	}
	n, err := strconv.ParseInt(port, 10, 64)
	if err != nil {
		return // the configuration does not let that happen
	}
	s.repl.FollowFromStart(s.env.Now(), host, n)
}

// cmdFailover follows redis 7.0.15 replication.c failoverCommand.
func cmdFailover(s *Server, c *Session, argv [][]byte) {
	if s.cluster != nil {
		c.error("ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.")
		return
	}
	var host string
	var port, timeout int64
	force, abort := false, false
	for i := 1; i < len(argv); i++ {
		left := len(argv) - 1 - i
		ok := true
		switch {
		case same(argv[i], "timeout") && left >= 1 && timeout == 0:
			if timeout, ok = c.intArg(argv[i+1]); !ok {
				return
			}
			if timeout <= 0 {
				c.error("ERR FAILOVER timeout must be greater than 0")
				return
			}
			i++
		case same(argv[i], "abort") && len(argv) == 2:
			abort = true
		case same(argv[i], "to") && left >= 2 && host == "":
			if port, ok = c.intArg(argv[i+2]); !ok {
				return
			}
			host = string(argv[i+1])
			i += 2
		case same(argv[i], "force") && !force:
			force = true
		default:
			c.error(errSyntax)
			return
		}
	}
	var reply string
	if abort {
		reply = s.repl.AbortFailover(s.env.Now())
	} else {
		reply = s.repl.BeginFailover(s.env.Now(), host, port, force, time.Duration(timeout)*time.Millisecond)
	}
	if reply != "OK" {
		c.error(reply)
		return
	}
	c.ok()
}

// cmdRole follows redis 7.0.15 replication.c roleCommand.
func cmdRole(s *Server, c *Session, _ [][]byte) {
	if s.sentinel != nil {
		s.sentinel.role(c)
		return
	}
	m := s.repl
	if u := m.Up; u != nil {
		c.array(5)
		c.bulkText("slave")
		c.bulkText(u.Host)
		c.int(u.Port)
		c.bulkText(u.State.RoleName())
		if m.LinkUp() {
			c.int(u.Applied)
		} else {
			c.int(-1)
		}
		return
	}
	c.array(3)
	c.bulkText("master")
	c.int(m.Offset)
	online := 0
	for _, r := range m.Replicas {
		if r.State == replication.Online {
			online++
		}
	}
	c.array(online)
	for _, r := range m.Replicas {
		if r.State == replication.Online {
			c.array(3)
			c.bulkText(r.Host())
			c.bulkText(strconv.FormatInt(r.Port, 10))
			c.bulkText(strconv.FormatInt(r.Acked, 10))
		}
	}
}

const (
	errReadOnly   = "READONLY You can't write against a read only replica."
	errNoReplicas = "NOREPLICAS Not enough good replicas to write."
	errMasterDown = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
)

// writeRefusal is "", or why a write (or a PING, which reports a broken disk)
// is refused.
func (s *Server) writeRefusal(c *Session, cmd *command) string {
	if refusal := s.mgr.WriteRefusal(); refusal != "" {
		if !c.master {
			return refusal
		}
		s.appliesUnwritten(cmd)
		return ""
	}
	switch {
	case cmd.flags&ping != 0 || c.master:
		return ""
	case s.repl.TooFewReplicas():
		return errNoReplicas
	case s.repl.Up != nil && s.cfg.ReplicaReadOnly:
		return errReadOnly
	}
	return ""
}

// unwrittenEvery is how often a replica says in its log that it cannot write what it applies.
const unwrittenEvery = 10 * time.Second

// appliesUnwritten is what a replica does about a command of its master that it cannot
// write to disk (redis 7.0.15 server.c processCommand).
func (s *Server) appliesUnwritten(cmd *command) {
	if !s.cfg.ReplicaIgnoreDiskWriteErrors && cmd.flags&ping == 0 {
		// The replica can no longer be what its master believes it is.
		s.warn("Replica was unable to write command to disk.")
		s.exiting, s.exitCode = true, 1
		return
	}
	if now := s.env.Now(); s.unwritten == 0 || now >= s.unwritten+unwrittenEvery {
		s.unwritten = now
		s.warn("Replica is applying a command even though it is unable to write to disk.")
	}
}

// staleRefusal is "", or why a replica without a link answers nothing.
func (s *Server) staleRefusal(c *Session, cmd *command, f flags) string {
	if s.repl.Up == nil || s.repl.LinkUp() || s.cfg.ReplicaServeStaleData || c.master {
		return ""
	}
	if f&staleToo != 0 && !(cmd == execCmd && c.queuesWithout(staleToo)) {
		return ""
	}
	return errMasterDown
}

// infoReplication is INFO's section (redis 7.0.15 server.c genRedisInfoString).
func (s *Server) infoReplication(t *infoText) {
	if !t.section("Replication") {
		return
	}
	m, now := s.repl, s.env.Now()
	if u := m.Up; u == nil {
		t.text("role", "master")
	} else {
		t.text("role", "slave")
		t.text("master_host", u.Host)
		t.number("master_port", u.Port)
		status := "down"
		if m.LinkUp() {
			status = "up"
		}
		t.text("master_link_status", status)
		t.number("master_last_io_seconds_ago", m.LastIO(now))
		t.flag("master_sync_in_progress", u.State == replication.Transfer)
		read, applied := m.ReplicaOffset()
		t.number("slave_read_repl_offset", read)
		t.number("slave_repl_offset", applied)
		if !m.LinkUp() {
			t.number("master_link_down_since_seconds", m.DownFor(now))
		}
		t.number("slave_priority", s.cfg.ReplicaPriority)
		t.flag("slave_read_only", s.cfg.ReplicaReadOnly)
		t.flag("replica_announced", s.cfg.ReplicaAnnounced)
	}
	t.number("connected_slaves", int64(len(m.Replicas)))
	if s.cfg.MinReplicasToWrite > 0 && s.cfg.MinReplicasMaxLag > 0 {
		t.number("min_slaves_good_slaves", int64(m.Good()))
	}
	for i, r := range m.Replicas {
		lag := int64(0)
		if r.State == replication.Online {
			lag = m.Lag(now, r)
		}
		t.text("slave"+strconv.Itoa(i), "ip="+r.Host()+",port="+strconv.FormatInt(r.Port, 10)+
			",state="+r.State.String()+",offset="+strconv.FormatInt(r.Acked, 10)+",lag="+strconv.FormatInt(lag, 10))
	}
	t.text("master_failover_state", m.Failover.State.InfoName())
	t.text("master_replid", m.ID)
	t.text("master_replid2", m.ID2)
	t.number("master_repl_offset", m.Offset)
	t.number("second_repl_offset", m.SecondOffset)
	t.flag("repl_backlog_active", m.Stream != nil)
	t.number("repl_backlog_size", s.cfg.ReplBacklogSize)
	if m.Stream != nil {
		t.number("repl_backlog_first_byte_offset", m.Stream.First)
		t.number("repl_backlog_histlen", m.Stream.Len())
	} else {
		t.number("repl_backlog_first_byte_offset", 0)
		t.number("repl_backlog_histlen", 0)
	}
}
