package persist

import (
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
)

// plantState is what planted bugs remember. All zero in the correct server.
type plantState struct {
	syncs   int  // fsyncs under always, for AlwaysSkips50th
	clients int  // that wrote in this turn, for GroupReplyBeforeSync
	owed    bool // a sync was put off until the replies are out
	inMulti int  // commands since MULTI, counting it, for SplitTransaction
}

// keepBuffer is the most memory the buffer keeps between turns.
const keepBuffer = 1 << 20

// Feed logs an executed write. The caller puts MULTI and EXEC around a
// transaction, with its database, so that SELECT comes before MULTI as in
// redis-server, and has made the command deterministic (PEXPIREAT for EXPIRE). It does nothing when there is no
// append-only file to write to.
func (m *Manager) Feed(db int, argv [][]byte) {
	if m.state == aofOff {
		return
	}
	// While the file is being switched on, only what a running rewrite's snapshot
	// does not have is kept (feedAppendOnlyFile).
	keep := m.state == aofOn || m.childIs(aofChild)
	start := len(m.buf)
	if m.o.Config.AofTimestampEnabled {
		if now := m.unix(); m.annotated < now {
			m.annotated = now
			m.buf = aof.AppendTimestamp(m.buf, now)
		}
	}
	if db != m.db {
		m.buf = aof.AppendSelect(m.buf, db)
		m.db = db
	}
	m.buf = aof.AppendCommand(m.buf, argv)
	if !keep {
		m.buf = m.buf[:start]
		return
	}
	if m.o.Bugs.Has(bugs.SplitTransaction) {
		m.splitTransaction(argv)
	}
}

// splitTransaction plants SplitTransaction: behind the first command of a
// transaction it ends it, writes that half out, and begins another.
func (m *Manager) splitTransaction(argv [][]byte) {
	if len(argv) == 1 && strings.EqualFold(string(argv[0]), "MULTI") {
		m.plant.inMulti = 1
		return
	}
	if len(argv) == 1 && strings.EqualFold(string(argv[0]), "EXEC") || m.plant.inMulti == 0 {
		m.plant.inMulti = 0
		return
	}
	if m.plant.inMulti++; m.plant.inMulti == 2 {
		m.buf = aof.AppendCommand(m.buf, [][]byte{[]byte("EXEC")})
		m.flush(true)
		m.buf = aof.AppendCommand(m.buf, [][]byte{[]byte("MULTI")})
	}
}

// BeforeSleep is to be called in each turn of the event loop after the commands
// and before any reply goes out. clients is how many clients wrote in this turn.
// An error is fatal (*FatalError): exit with status 1, answer nobody.
func (m *Manager) BeforeSleep(clients int) error {
	if m.state != aofOff {
		m.plant.clients = clients
		m.flush(false)
	}
	return m.fatalError()
}

// AfterReplies is to be called once the replies of the turn are out. The
// correct server has nothing to do then.
func (m *Manager) AfterReplies() error {
	if m.plant.owed {
		m.plant.owed = false
		m.syncNow()
	}
	return m.fatalError()
}

// flush is flushAppendOnlyFile: one write of all that was fed, then the sync
// that appendfsync asks for. Under everysec the write itself waits while a
// background fsync is in flight, up to two seconds, unless forced; replies do
// not wait with it.
func (m *Manager) flush(force bool) {
	if m.fatal != nil {
		return
	}
	policy := m.o.Config.AppendFsync
	if len(m.buf) == 0 {
		// Nothing to write, but perhaps to sync: written in the second of the last
		// sync, kept back by no-appendfsync-on-rewrite, or before a change to always.
		if m.incrSynced == m.incrSize || m.o.Bugs.Has(bugs.IdleTailUnsynced) {
			return
		}
		switch {
		case policy == config.Always:
			m.trySync(false)
		case policy == config.Everysec && m.unix() > m.lastFsync && m.syncer.pending == 0:
			m.trySync(false)
		}
		return
	}
	syncing := false
	if policy == config.Everysec {
		syncing = m.syncer.pending > 0
		if syncing && !force {
			now := m.unix()
			if m.postponed == 0 {
				m.postponed = now
				return
			}
			if now-m.postponed < 2 {
				return
			}
			m.delayedFsyncs++
			m.log(Notice, "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for fsync to complete, this may slow down Redis.")
		}
	}
	if m.write() {
		m.trySync(syncing)
	}
}

// SleepBeforeWrites has each write of the buffer take that much longer.
func (m *Manager) SleepBeforeWrites(d time.Duration) { m.flushSleep = d }

// write writes the buffer to the file and reports whether all of it is there.
func (m *Manager) write() bool {
	if m.flushSleep > 0 {
		m.o.Env.Sleep(m.flushSleep)
	}
	n, err := writeFull(m.incr, m.buf)
	m.postponed = 0
	if n < len(m.buf) {
		m.writeFailed(n, err)
		return false
	}
	if m.writeErr != nil {
		m.log(Warning, "AOF write error looks solved, Redis can write again.")
		m.writeErr = nil
	}
	m.currentSize += int64(n)
	m.incrSize += int64(n)
	if cap(m.buf) > keepBuffer {
		m.buf = nil
	}
	m.buf = m.buf[:0]
	return true
}

// writeFull writes p, going on after a short write as aofWrite does; an error
// that the disk had is met again by the next call.
func writeFull(w io.Writer, p []byte) (n int, err error) {
	for n < len(p) {
		var k int
		k, err = w.Write(p[n:])
		n += k
		if k == 0 {
			if err == nil {
				err = io.ErrShortWrite
			}
			return n, err
		}
	}
	return n, nil
}

// writeFailed cuts a partial write off again. What cannot be cut off counts as
// written. Under always the server must exit, because clients of this turn have
// seen the data already; otherwise it refuses writes and tries again.
func (m *Manager) writeFailed(n int, err error) {
	now := m.unix()
	log := now-m.writeErrLogged > 30
	if log {
		m.writeErrLogged = now
	}
	if n == 0 {
		if log {
			m.log(Warning, "Error writing to the AOF file: %s", aof.Reason(err))
		}
		m.writeErr = err
	} else {
		if log {
			m.log(Warning, "Short write while writing to the AOF file: (nwritten=%d, expected=%d)", n, len(m.buf))
		}
		if terr := m.incr.Truncate(m.incrSize); terr != nil {
			if log {
				m.log(Warning, "Could not remove short write from the append-only file.  Redis may refuse to load the AOF the next time it starts.  ftruncate: %s", aof.Reason(terr))
			}
		} else {
			n = 0
		}
		m.writeErr = syscall.ENOSPC
	}
	if m.o.Config.AppendFsync == config.Always {
		m.die("Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...")
		return
	}
	if n > 0 {
		m.currentSize += int64(n)
		m.incrSize += int64(n)
		m.buf = m.buf[:copy(m.buf, m.buf[n:])]
	}
}

// trySync is the part of flushAppendOnlyFile behind try_fsync. syncing says
// that a background fsync was in flight when the write was made.
func (m *Manager) trySync(syncing bool) {
	if m.o.Config.NoAppendfsyncOnRewrite && m.child != nil {
		return
	}
	switch m.o.Config.AppendFsync {
	case config.Always:
		b := m.o.Bugs
		if b.Has(bugs.ReplyBeforeSync) || b.Has(bugs.GroupReplyBeforeSync) && m.plant.clients >= 2 {
			m.plant.owed = true
			return
		}
		m.syncNow()
	case config.Everysec:
		now := m.unix()
		period := int64(1)
		if m.o.Bugs.Has(bugs.EverysecTwoSeconds) {
			period = 2
		}
		// Seconds of the wall clock are compared, not durations: the first write
		// of each new second starts the sync.
		if now-m.lastFsync < period {
			return
		}
		if !syncing {
			if !m.o.Bugs.Has(bugs.EverysecNeverSyncs) {
				m.syncer.submit(m.incr)
			}
			m.incrSynced = m.incrSize
		}
		m.lastFsync = now
	}
}

// syncNow is the fsync of appendfsync always, in the main thread.
func (m *Manager) syncNow() {
	m.plant.syncs++
	if !(m.o.Bugs.Has(bugs.AlwaysSkips50th) && m.plant.syncs%50 == 0) {
		if err := m.incr.SyncData(); err != nil && !m.o.Bugs.Has(bugs.AlwaysGoesOn) {
			m.die("Can't persist AOF for fsync error when the AOF fsync policy is 'always': %s. Exiting...", aof.Reason(err))
			return
		}
	}
	m.incrSynced = m.incrSize
	m.lastFsync = m.unix()
}
