package engine

//lint:file-ignore ST1005 errors of a link become lines of the log, worded as redis-server words them

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/front"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// job is something another task has the main task do between two batches.
type job struct {
	run  func()
	done bool
	cond env.Cond // nil: nobody waits
}

func (j *job) finish() {
	j.done = true
	if j.cond != nil {
		j.cond.Signal()
	}
}

// post has the main task do something, some time.
func (s *Server) post(run func()) {
	if s.exiting {
		return
	}
	s.jobs = append(s.jobs, &job{run: run})
	s.wake.Signal()
}

// do has the main task do something and waits until it is done. It reports
// whether it was: not when the server has ended.
func (s *Server) do(run func()) bool {
	if s.exiting {
		return false
	}
	ran := false
	j := &job{run: func() { run(); ran = true }, cond: s.env.NewCond()}
	s.jobs = append(s.jobs, j)
	s.wake.Signal()
	for !j.done {
		j.cond.Wait()
	}
	return ran
}

// runJobs does what other tasks have asked for.
func (s *Server) runJobs() {
	for len(s.jobs) > 0 && !s.exiting {
		j := s.jobs[0]
		s.jobs = s.jobs[1:]
		j.run()
		j.finish()
		s.replicate()
	}
}

// linkMode is what the bytes of the master are.
type linkMode uint8

const (
	linkLines     linkMode = iota // replies of the handshake
	linkReceiving                 // a snapshot
	linkFollowing                 // the replication stream
)

// link is one attempt to follow the master: a connection, the task that reads
// it and the task that writes it. A new attempt is a new link; the old one's
// tasks find out that they are not wanted any more.
type link struct {
	s      *Server
	conn   env.Conn // nil while dialling
	closed bool
	mode   linkMode
	db     int
	in     []byte // read and not used yet
	out    []byte
	wake   env.Cond
	c      *Session // executes the stream
}

// linkRoom is how many bytes of the master are read at once.
const linkRoom = 16 << 10

// dialMaster begins a new link.
func (s *Server) dialMaster(addr string) {
	s.endLink()
	l := &link{s: s, wake: s.env.NewCond()}
	s.link = l
	s.env.Go("replication", func() { l.run(addr) })
}

// endLink closes the link, whatever it is doing.
func (s *Server) endLink() {
	l := s.link
	if l == nil {
		return
	}
	s.link = nil
	l.closed = true
	if l.c != nil {
		l.c.dead = true
		l.c.answered.Signal()
	}
	if l.conn != nil {
		l.conn.Close() // its error says that it is closed
	}
	l.wake.Signal()
}

// say queues text for the master.
func (l *link) say(text string) {
	if l == nil || l.closed {
		return
	}
	l.out = append(l.out, text...)
	l.wake.Signal()
}

// write is the task that writes to the master.
func (l *link) write() {
	for {
		for len(l.out) == 0 && !l.closed {
			l.wake.Wait()
		}
		if l.closed {
			return
		}
		out := l.out
		l.out = nil
		if _, err := l.conn.Write(out); err != nil {
			return // the reader meets it too
		}
	}
}

// tell has the main task tell the machine something, unless the link is not
// wanted any more. It reports whether it still is.
func (l *link) tell(what func()) bool {
	return l.s.do(func() {
		if !l.closed {
			what()
		}
	}) && !l.closed
}

// run is the task that reads from the master.
func (l *link) run(addr string) {
	s := l.s
	conn, err := s.env.Dial(addr)
	if l.closed {
		if err == nil {
			conn.Close()
		}
		return
	}
	if err != nil {
		l.tell(func() { s.repl.ConnectFailed(s.env.Now(), err.Error()) })
		return
	}
	l.conn = conn
	s.env.Go("replication-out", l.write)
	if !l.tell(func() { s.repl.ConnectionOpen(s.env.Now()) }) {
		return
	}
	err = l.read()
	conn.Close()
	var bad *front.ProtocolError
	l.tell(func() { s.repl.Lost(s.env.Now(), err.Error(), errors.As(err, &bad)) })
}

// errUnwanted ends a link that the server itself has closed.
var errUnwanted = errors.New("the link is closed")

// read is the whole conversation with the master; it ends with an error.
func (l *link) read() error {
	s := l.s
	for l.mode == linkLines {
		line, err := l.line()
		if err != nil {
			return err
		}
		if !l.tell(func() { s.repl.Line(s.env.Now(), line) }) {
			return errUnwanted
		}
	}
	if l.mode == linkReceiving {
		if err := l.receive(); err != nil {
			l.tell(func() { s.repl.ReceiveFailed(s.env.Now(), err.Error()) })
			return err
		}
	}
	return l.follow()
}

// fill reads more from the master.
func (l *link) fill() error {
	if cap(l.in)-len(l.in) < linkRoom {
		l.in = append(make([]byte, 0, 2*len(l.in)+linkRoom), l.in...)
	}
	n, err := l.conn.Read(l.in[len(l.in):cap(l.in)])
	l.in = l.in[:len(l.in)+n]
	if l.closed {
		return errUnwanted
	}
	l.s.stats.input += int64(n)
	l.s.stats.replicationInput += int64(n)
	l.s.repl.Heard(l.s.env.Now())
	if err == io.EOF {
		return errors.New("Connection lost")
	}
	return err
}

// lineMax is the longest line of a handshake (a buffer of syncWithMaster).
const lineMax = 4096

// line reads a line, without its end.
func (l *link) line() (string, error) {
	for {
		if i := bytes.IndexByte(l.in, '\n'); i >= 0 {
			line := strings.TrimSuffix(string(l.in[:i]), "\r")
			l.in = l.in[i+1:]
			return line, nil
		}
		if len(l.in) > lineMax {
			return "", fmt.Errorf("a line of more than %d bytes", lineMax)
		}
		if err := l.fill(); err != nil {
			return "", err
		}
	}
}

// receive reads a snapshot into a file and has it loaded (readSyncBulkPayload).
func (l *link) receive() error {
	s := l.s
	head, err := "", error(nil)
	for head == "" { // empty lines: the master is alive, the snapshot is not ready
		if head, err = l.line(); err != nil {
			return fmt.Errorf("I/O error reading bulk count from MASTER: %w", err)
		}
	}
	var size int64
	var mark []byte
	to, diskless := "to disk", l.disklessLoad()
	if diskless {
		to = "to parser"
	}
	switch {
	case strings.HasPrefix(head, "$EOF:") && len(head) == 5+40:
		mark = []byte(head[5:])
		s.notice("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF " + to)
	case strings.HasPrefix(head, "$"):
		if size, err = strconv.ParseInt(head[1:], 10, 63); err != nil || size < 0 {
			return fmt.Errorf("Bad protocol from MASTER: a snapshot of %q bytes", head[1:])
		}
		s.notice(fmt.Sprintf("MASTER <-> REPLICA sync: receiving %d bytes from master %s", size, to))
	case strings.HasPrefix(head, "-"):
		return fmt.Errorf("MASTER aborted replication with an error: %s", head[1:])
	default:
		return fmt.Errorf("Bad protocol from MASTER, the first byte is not '$' (we received '%.64s'), are you sure the host and port are right?", head)
	}
	if diskless {
		var data received
		s.receiving = receivingLoads
		if s.cfg.ReplDisklessLoad == "swapdb" && s.repl.SameHistory() {
			s.receiving = receivingBeside
		}
		defer func() { s.receiving = receivingNothing }()
		if err := l.copySnapshot(&data, size, mark); err != nil {
			return err
		}
		err = errUnwanted
		l.tell(func() {
			if s.cfg.ReplDisklessLoad == "swapdb" { // what there is stays if that cannot take its place
				if err = s.mgr.CheckReceived(data.bytes); err != nil {
					return
				}
			}
			err = l.load(func() (rdb.Place, error) { return s.mgr.LoadReceived(data.bytes) })
		})
		return err
	}
	temp := s.mgr.TempSync()
	f, err := s.o.FS.Open(temp, vfs.ReadWrite|vfs.Create|vfs.Truncate)
	if err != nil {
		return fmt.Errorf("Opening the temp file needed for MASTER <-> REPLICA synchronization: %s", aof.Reason(err))
	}
	defer f.Close()
	if err := l.copySnapshot(f, size, mark); err != nil {
		_ = s.o.FS.Remove(temp) // it may never have got its name
		return err
	}
	err = errUnwanted
	l.tell(func() { err = l.load(func() (rdb.Place, error) { return s.mgr.LoadFromMaster(temp, f) }) })
	if err != nil {
		_ = s.o.FS.Remove(temp)
	}
	return err
}

// disklessLoad reports whether the snapshot does not pass through a file (redis 7.0.15
// replication.c useDisklessLoad).
func (l *link) disklessLoad() bool {
	switch l.s.cfg.ReplDisklessLoad {
	case "swapdb":
		return true
	case "on-empty-db":
		return l.s.ks.Len() == 0
	}
	return false
}

// inbound is where a snapshot is received: a file, or memory.
type inbound interface {
	io.Writer
	SyncRange(off, n int64) error
	Truncate(size int64) error
}

// received is one in memory. redis-server parses what it receives at once; here it is
// parsed when it is there, and clients are told the same meanwhile (see receiving).
type received struct{ bytes []byte }

func (r *received) Write(p []byte) (int, error) {
	r.bytes = append(r.bytes, p...)
	return len(p), nil
}
func (*received) SyncRange(_, _ int64) error { return nil }
func (r *received) Truncate(size int64) error {
	r.bytes = r.bytes[:size]
	return nil
}

// receivedPerSync is after how many bytes what was received is pushed to the disk,
// so that the sync at the end does not take long (redis 7.0.15 replication.c
// REPL_MAX_WRITTEN_BEFORE_FSYNC).
const receivedPerSync = 8 << 20

// copySnapshot writes what the master sends to the file: size bytes, or all up
// to a mark that is not part of it.
func (l *link) copySnapshot(f inbound, size int64, mark []byte) error {
	var total, synced int64
	var tail []byte // the last bytes, where the mark may be
	for mark != nil || total < size {
		if len(l.in) == 0 {
			if err := l.fill(); err != nil {
				return fmt.Errorf("I/O error trying to sync with MASTER: %w", err)
			}
			continue
		}
		p := l.in
		if mark == nil {
			p = p[:min(int64(len(p)), size-total)]
		}
		if _, err := f.Write(p); err != nil {
			return fmt.Errorf("Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA synchronization: %s", aof.Reason(err))
		}
		total += int64(len(p))
		if total-synced >= receivedPerSync { // its failure is met by the fsync at the end
			_ = f.SyncRange(synced, total-synced)
			synced = total
		}
		if mark != nil {
			tail = append(tail, p[max(0, len(p)-len(mark)):]...)
			tail = append(tail[:0], tail[max(0, len(tail)-len(mark)):]...)
		}
		l.in = l.in[len(p):]
		if mark != nil && bytes.Equal(tail, mark) {
			if err := f.Truncate(total - int64(len(mark))); err != nil {
				return fmt.Errorf("Error truncating the RDB file received from the master for SYNC: %s", aof.Reason(err))
			}
			return nil
		}
	}
	return nil
}

// load makes the received snapshot the data of this server. It runs in the main task.
func (l *link) load(into func() (rdb.Place, error)) error {
	s := l.s
	if !s.mgr.AOFOff() {
		s.mgr.DisableAOF()
	}
	s.notice("MASTER <-> REPLICA sync: Flushing old data")
	s.repl.Loading(s.env.Now())
	s.replicate()
	for db := range keyspace.Databases {
		s.touchAll(db)
	}
	if !s.bugs.Has(bugs.OldDataKept) {
		s.flushAll()
	}
	s.flushFunctions()
	s.loading = true
	place, err := into()
	s.loading = false
	if l.closed { // while the disk worked, somebody told this server to follow another
		return errUnwanted
	}
	if err != nil {
		return err
	}
	s.repl.Received(s.env.Now(), place.DB)
	return nil
}

// follow executes the stream.
func (l *link) follow() error {
	s := l.s
	l.c = &Session{s: s, id: s.nextID, created: s.env.Wall().Unix(), master: true, authed: true, resp: 2, db: l.db, answered: s.env.NewCond(),
		remote: l.conn.RemoteAddr(), local: l.conn.LocalAddr()}
	s.nextID++
	var gate front.Gate
	gate.Reset(s.Limits(), linkRoom)
	gate.FromMaster()
	n := copyInto(&gate, l.in)
	s.repl.ReadFrom(s.env.Now(), n)
	l.in = nil
	for {
		raw, err := gate.Next()
		if err != nil {
			return fmt.Errorf("Protocol error (Master using the inline protocol. Desync?) from client: %w", err)
		}
		if raw == nil {
			n, err := l.conn.Read(gate.Space())
			if l.closed {
				return errUnwanted
			}
			if err != nil {
				return err
			}
			gate.Added(n)
			s.stats.input += int64(n)
			s.stats.replicationInput += int64(n)
			s.repl.ReadFrom(s.env.Now(), n)
			continue
		}
		if err := l.c.addMaster(raw); err != nil {
			return err
		}
		l.c.Execute()
		if l.closed {
			return errUnwanted
		}
	}
}

func copyInto(g *front.Gate, p []byte) int {
	total := len(p)
	for len(p) > 0 {
		n := copy(g.Space(), p)
		g.Added(n)
		p = p[n:]
	}
	return total
}
