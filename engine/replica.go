package engine

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/persist"
	"github.com/torntail/torntail/engine/rdb"
	"github.com/torntail/torntail/engine/replication"
	"github.com/torntail/torntail/faults/vfs"
)

// This file carries out what the replication machine wants done for the
// replicas of this server; upstream.go does it for the link to its master.

// replica is what a session needs to send data to a replica. Its writer task
// sends, in this order, what is queued in the session's stream, the snapshot,
// and then the replication stream, of which it copies nothing.
type replica struct {
	*replication.Replica
	phase    sendPhase
	file     vfs.File // of the snapshot, while sendingFile
	sent     int64    // of the snapshot
	transfer *transfer
	soft     softLimit
}

// sendPhase is what a replica is being sent.
type sendPhase uint8

const (
	sendingNothing sendPhase = iota
	sendingFile
	sendingSocket
	sendingStream
)

// sendRoom is how many bytes of a snapshot file are sent at once.
const sendRoom = 16 << 10

func (c *Session) isReplica() bool {
	return c.replica != nil && c.replica.State != replication.Greeting
}

// asReplica is the session's replica, made when it first speaks like one.
func (c *Session) asReplica() *replica {
	if c.replica == nil {
		peer := c.remote
		if i := strings.LastIndexByte(peer, ':'); i >= 0 {
			peer = peer[:i]
		}
		c.replica = &replica{Replica: &replication.Replica{Number: c.id, Peer: peer}}
	}
	return c.replica
}

func cmdReplconf(s *Server, c *Session, argv [][]byte) {
	switch reply := s.repl.Replconf(s.env.Now(), c.asReplica().Replica, argv); reply {
	case "":
	case "OK":
		c.ok()
	default:
		c.error(reply)
	}
}

func cmdSync(s *Server, c *Session, _ [][]byte) { s.syncWith(c, "", 0, false) }

func cmdPsync(s *Server, c *Session, argv [][]byte) {
	offset, ok := parseInt(argv[2])
	if len(argv[1]) == 0 {
		c.error("ERR value is not an integer or out of range")
		return
	}
	if len(c.out) == 0 && !c.isReplica() && !ok {
		c.error(errNotInteger)
		return
	}
	s.syncWith(c, string(argv[1]), offset, len(argv) > 3 && same(argv[3], "failover"))
}

func (s *Server) syncWith(c *Session, id string, offset int64, failover bool) {
	if c.isReplica() {
		return
	}
	if len(c.out) > 0 {
		c.error("ERR SYNC and PSYNC are invalid with pending output")
		return
	}
	c.startStream()
	if reply := s.repl.Sync(s.env.Now(), c.asReplica().Replica, id, offset, failover); reply != "" {
		c.error(reply)
	}
}

// sessionOf finds a replica's session; nil when its connection is gone.
func (s *Server) sessionOf(r *replication.Replica) *Session {
	for _, c := range s.sessions {
		if c.replica != nil && c.replica.Replica == r && !c.dead {
			return c
		}
	}
	return nil
}

// replicate carries out what the machine wants done.
func (s *Server) replicate() {
	if !s.repl.Pending() {
		return
	}
	s.noteRole()
	for s.repl.Pending() {
		for _, e := range append([]replication.Effect(nil), s.repl.Take()...) {
			if e.Replica == nil {
				s.doEffect(e)
			} else if c := s.sessionOf(e.Replica); c != nil {
				s.doForReplica(c, e)
			}
		}
	}
}

// noteRole lets the configuration say whom this server follows, as CONFIG REWRITE
// writes it: perhaps in the transaction that changed it.
func (s *Server) noteRole() {
	s.cfg.ReplicaOf = ""
	if u := s.repl.Up; u != nil && s.cluster == nil { // nodes.conf has that of a cluster
		s.cfg.ReplicaOf = u.Host + " " + strconv.FormatInt(u.Port, 10)
	}
}

func (s *Server) doEffect(e replication.Effect) {
	switch e.Kind {
	case replication.SaveFile:
		s.saveForReplicas(false)
	case replication.SaveSocket:
		s.saveForReplicas(true)
	case replication.StopSave:
		s.mgr.StopReplicaSave()
		s.transfer.abandon()
	case replication.Dial:
		s.dialMaster(e.Text)
	case replication.Hangup:
		s.endLink()
	case replication.SayMaster:
		s.link.say(e.Text)
	case replication.Receive:
		s.link.mode = linkReceiving
	case replication.Follow:
		s.link.mode = linkFollowing
		s.link.db = int(e.From)
	case replication.Unblock:
		s.unblockAll()
	case replication.RestartLog:
		s.restartLog()
	case replication.PauseWrites:
		s.pauses.failover = true
	case replication.ResumeWrites:
		s.resumeWrites()
	}
}

func (s *Server) doForReplica(c *Session, e replication.Effect) {
	r := c.replica
	switch e.Kind {
	case replication.Say:
		s.pushTo(c, []byte(e.Text))
	case replication.Drop:
		c.finishAfterOutput()
	case replication.SendStream:
		r.phase = sendingStream
		c.stream.wake.Signal()
	case replication.SendFile:
		s.openSnapshot(c)
	case replication.SendSocket:
		r.phase, r.sent, r.transfer = sendingSocket, 0, s.transfer
		s.transfer.readers = append(s.transfer.readers, c)
		c.stream.wake.Signal()
	}
}

// finishAfterOutput ends a session from the main task: what was queued for it
// may still go out, if the peer takes it at once.
func (c *Session) finishAfterOutput() {
	if len(c.stream.queue) == 0 {
		c.kill()
		return
	}
	c.stream.last = true
	c.stream.wake.Signal()
}

// saveForReplicas starts the snapshot that replicas wait for.
func (s *Server) saveForReplicas(socket bool) {
	if s.mgr.Busy() {
		s.repl.SaveBusy()
		return
	}
	ok := false
	if socket {
		// The mark tells the end of the snapshot from its content by being unlikely.
		mark := fmt.Sprintf("%016x%016x%08x", s.env.Uint64(), s.env.Uint64(), uint32(s.env.Uint64()))
		s.transfer = &transfer{env: s.env, mark: mark, room: s.env.NewCond()}
		s.transfer.put([]byte("$EOF:" + mark + "\r\n"))
		ok = s.mgr.SaveForReplicas(s.transfer)
	} else {
		ok = s.mgr.SaveForReplicas(nil)
	}
	if !ok {
		s.warn("BGSAVE for replication failed")
		s.transfer = nil
	}
	s.repl.SaveStarted(s.env.Now(), socket, ok)
}

// snapshotEnded is told by the persistence manager.
func (s *Server) snapshotEnded(ok bool) {
	if t := s.transfer; t != nil && ok {
		t.put([]byte(t.mark))
		t.ended = true
		s.transfer = nil
	}
	s.repl.SaveEnded(s.env.Now(), ok)
	s.replicate()
}

// openSnapshot begins to send a replica the snapshot file as it is now: a later
// snapshot replaces its name, not its content.
func (s *Server) openSnapshot(c *Session) {
	r := c.replica
	f, err := s.o.FS.Open(s.cfg.Dbfilename, vfs.ReadOnly)
	var info vfs.Info
	if err == nil {
		info, err = f.Stat()
	}
	if err != nil {
		s.warn("SYNC failed. Can't open/stat DB after BGSAVE: " + aof.Reason(err))
		c.kill()
		return
	}
	s.pushTo(c, []byte("$"+strconv.FormatInt(info.Size, 10)+"\r\n"))
	r.file, r.sent, r.phase = f, 0, sendingFile
	c.stream.wake.Signal()
}

// replicaDue reports whether the writer of a replica's session has something
// to send beside the queue.
func (c *Session) replicaDue() bool {
	r := c.replica
	if r == nil {
		return false
	}
	switch r.phase {
	case sendingFile:
		return true
	case sendingSocket:
		return r.transfer.has(r.sent)
	case sendingStream:
		return c.s.repl.ToSend(r.Replica) != nil
	}
	return false
}

// sendReplica sends a piece of what replicaDue promises. It runs in the writer
// task, and gives way while it writes.
func (c *Session) sendReplica() {
	s, r := c.s, c.replica
	switch r.phase {
	case sendingStream:
		b := s.repl.ToSend(r.Replica)
		s.repl.Sent(r.Replica, c.writeOut(b))
	case sendingSocket:
		t := r.transfer
		b := t.from(r.sent)
		n := c.writeOut(b)
		r.sent += int64(n)
		t.trim()
	case sendingFile:
		b := make([]byte, sendRoom)
		n, err := r.file.ReadAt(b, r.sent)
		if n > 0 {
			r.sent += int64(c.writeOut(b[:n]))
			return
		}
		r.phase = sendingNothing
		_ = r.file.Close() // nothing was written
		if err != nil && err != io.EOF {
			// What came next would be taken for the rest of the file.
			s.warn("Read error sending DB to replica: " + aof.Reason(err))
			c.kill()
			return
		}
		s.post(func() { s.repl.FileSent(s.env.Now(), r.Replica) })
	}
}

// writeOut writes to the peer and returns len(b); a failure ends the session.
func (c *Session) writeOut(b []byte) int {
	_, err := c.wire.Write(b)
	c.s.stats.output += int64(len(b))
	c.s.stats.replicationOutput += int64(len(b))
	c.s.stats.writes++
	if err != nil && !c.dead {
		c.kill()
	}
	return len(b)
}

// replicaGone is called when a session ends.
func (s *Server) replicaGone(c *Session) {
	r := c.replica
	if r == nil {
		return
	}
	c.replica = nil
	if r.transfer != nil {
		r.transfer.leave(c)
	}
	if r.phase == sendingFile {
		_ = r.file.Close() // nothing was written
	}
	s.post(func() { s.repl.Gone(s.env.Now(), r.Replica) })
}

// feedOut lets the replication stream go out at the end of a turn, and ends
// replicas that are too far behind.
func (s *Server) feedOut() {
	if !s.repl.Release() {
		return
	}
	for _, c := range s.sessions {
		if !c.isReplica() {
			continue
		}
		if s.overReplicaLimit(c) {
			s.warn("Client " + c.String() + " scheduled to be closed ASAP for overcoming of output buffer limits.")
			c.kill()
			continue
		}
		if c.replica.phase == sendingStream {
			c.stream.wake.Signal()
		}
	}
}

func (s *Server) overReplicaLimit(c *Session) bool {
	l := s.cfg.OutputLimits.Replica
	// A limit below the backlog would end replicas that can still go on partially
	// (redis 7.0.15 checkClientOutputBufferLimits).
	if l.Hard > 0 {
		l.Hard = max(l.Hard, s.cfg.ReplBacklogSize)
	}
	return c.replica.soft.over(l, s.repl.Behind(c.replica.Replica), s.env.Now())
}

// place is where the data are in the history of replication, for snapshots.
func (s *Server) place() rdb.Place {
	db, ok := s.repl.StreamDB()
	if !ok {
		return rdb.Place{}
	}
	return rdb.Place{ID: s.repl.ID, Offset: s.repl.Offset, DB: db}
}

// restorePlace takes up the history the loaded snapshot was made in, if it was
// made in any.
func (s *Server) restorePlace() {
	p := s.mgr.LoadedPlace()
	s.repl.Restore(s.env.Now(), p.ID, p.Offset, p.DB)
}

// restartLog brings back an append-only file that a synchronisation stopped
// (restartAOFAfterSYNC).
func (s *Server) restartLog() {
	if !s.cfg.AppendOnly || !s.mgr.AOFOff() || s.bugs.Has(bugs.LogNotRestarted) {
		return
	}
	for range 10 {
		if s.mgr.EnableAOF(s.inExec) == nil {
			return
		}
		s.warn("Failed enabling the AOF after successful master synchronization! Trying it again in one second.")
		s.env.Sleep(1e9)
	}
	s.warn("FATAL: this replica instance finished the synchronization with its master, but the AOF can't be turned on. Exiting now.")
	s.exiting, s.exitCode = true, 1
}

// replicationCron is the part of serverCron that has to do with replication.
func (s *Server) replicationCron() {
	if s.repl.Cron(s.env.Now()) {
		s.mgr.RemoveReplicaFile(s.repl.FileNeeded)
	}
	s.replicate()
}

func (s *Server) notice(msg string) { s.o.Log(persist.Notice, msg) }
