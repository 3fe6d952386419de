package persist

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// snapshotJob is everything a snapshot needs, copied from the Manager so that a
// child shares nothing with its parent.
type snapshotJob struct {
	env     env.Env
	fs      vfs.FS
	cfg     config.Config
	bugs    bugs.Set
	pid     int
	options rdb.WriteOptions
	log     func(level byte, format string, a ...any)
	base    string // the present base of the append-only file
	c       *child // nil: in the main thread, or
	own     bool   // in a process of its own
}

// logger logs what is formatted.
func logger(log func(level byte, msg string)) func(level byte, format string, a ...any) {
	return func(level byte, format string, a ...any) { log(level, fmt.Sprintf(format, a...)) }
}

func (m *Manager) job() snapshotJob {
	j := snapshotJob{env: m.o.Env, fs: m.o.FS, cfg: *m.o.Config, bugs: m.o.Bugs, pid: m.pid, log: m.log}
	j.options = rdb.WriteOptions{Compress: j.cfg.RdbCompression, Checksum: j.cfg.RdbChecksum, Created: m.unix()}
	if m.o.UsedMemory != nil {
		j.options.UsedMem = m.o.UsedMemory()
	}
	if m.o.Hint != nil {
		j.options.Hint, j.options.Clock = m.o.Hint()
	}
	if m.o.Functions != nil {
		j.options.Functions = m.o.Functions()
	}
	if m.o.Place != nil {
		j.options.Place = m.o.Place()
	}
	if m.manifest != nil && m.manifest.Base != nil {
		j.base = m.aofPath(m.manifest.Base.Name)
	}
	return j
}

// in makes the job a child's.
func (j snapshotJob) in(c *child) snapshotJob {
	j.c, j.pid, j.log = c, c.pid, c.log
	return j
}

// encodeRDB writes a snapshot of the data; key is called for each key that was.
func (j *snapshotJob) encodeRDB(w io.Writer, data *keyspace.Snapshot, key func() error) error {
	o := j.options
	o.Written = key
	return data.WriteRDB(w, o)
}

// fill has the data written to a file.
func (j *snapshotJob) fill(data *keyspace.Snapshot) func(*output) error {
	return func(out *output) error { return j.encodeRDB(out, data, out.pace.key) }
}

// saveRDB is rdbSave: temporary file, fsync, rename, sync of the directory.
func (j *snapshotJob) saveRDB(fill func(*output) error) error {
	temp := "temp-" + strconv.Itoa(j.pid) + ".rdb"
	f, err := j.fs.Open(temp, vfs.WriteOnly|vfs.Create|vfs.Truncate)
	if err != nil {
		j.log(Warning, "Failed opening the temp RDB file %s (in server root dir %s) for saving: %s", temp, j.cfg.Dir, aof.Reason(err))
		return err
	}
	failed := func(step string, err error) error {
		if cutOff(err) {
			return err
		}
		j.log(Warning, "Write error saving DB on disk(%s): %s", step, aof.Reason(err))
		_ = j.fs.Remove(temp)
		return err
	}
	out := &output{f: f, c: j.c, auto: j.cfg.RdbSaveIncrementalFsync, pace: j.pacer()}
	if err := fill(out); err != nil {
		_ = f.Close()
		if j.bugs.Has(bugs.OrphanRenamesUnfinished) && errors.Is(err, errUnreported) {
			_ = j.fs.Rename(temp, j.cfg.Dbfilename)
		}
		return failed("rdbSaveRio", err)
	}
	late := j.bugs.Has(bugs.SnapshotRenameBeforeSync)
	if !late {
		if err := out.close(!j.bugs.Has(bugs.SnapshotWithoutSync)); err != nil {
			return failed("fsync", err)
		}
	}
	if err := j.fs.Rename(temp, j.cfg.Dbfilename); err != nil {
		j.log(Warning, "Error moving temp DB file %s on the final destination %s (in server root dir %s): %s", temp, j.cfg.Dbfilename, j.cfg.Dir, aof.Reason(err))
		_ = j.fs.Remove(temp)
		return err
	}
	if late {
		if err := out.close(true); err != nil {
			return failed("fsync", err)
		}
	}
	if !j.bugs.Has(bugs.RenameWithoutDirSync) && !j.bugs.Has(bugs.SnapshotDirUnsynced) {
		if out.dead() {
			return errKilled
		}
		if err := vfs.SyncDirData(j.fs, "."); err != nil {
			j.log(Warning, "Failed to fsync directory while saving DB: %s", aof.Reason(err))
			return failed("fsyncFileDir", err)
		}
	}
	j.log(Notice, "DB saved on disk")
	return nil
}

// saveNow is a save in the main thread.
func (m *Manager) saveNow() error {
	m.saves++
	data := m.o.Keyspace.Snapshot()
	j := m.job()
	err := j.saveRDB(j.fill(data))
	data.Release()
	if err != nil {
		return err
	}
	m.dirty = 0
	m.lastSave = m.unix()
	m.bgsaveOK = true
	return nil
}

// Save is SAVE. It blocks until the snapshot is durable.
func (m *Manager) Save() error {
	if m.childIs(rdbChild) {
		return ErrSaveInProgress
	}
	return m.saveNow()
}

// BGSave is BGSAVE; it returns the status to reply. schedule is its SCHEDULE
// argument, inExec says that a transaction is being executed.
func (m *Manager) BGSave(schedule, inExec bool) (string, error) {
	switch {
	case m.childIs(rdbChild):
		return "", ErrSaveInProgress
	case m.child != nil || inExec:
		if !schedule && !inExec {
			return "", ErrOtherChild
		}
		m.bgsaveScheduled = true
		return "Background saving scheduled", nil
	}
	if !m.startBgsave() {
		return "", ErrFailed
	}
	return "Background saving started", nil
}

// startBgsave is rdbSaveBackground. It reports whether a child could be forked.
func (m *Manager) startBgsave() bool {
	m.saves++
	m.dirtyBeforeBgsave = m.dirty
	m.lastBgsaveTry = m.unix()
	if err := m.fork(rdbChild, "bgsave", m.job(), nil); err != nil {
		m.bgsaveOK = false
		m.log(Warning, "Can't save in background: fork: %s", aof.Reason(err))
		return false
	}
	m.log(Notice, "Background saving started by pid %d", m.child.pid)
	return true
}

// bgsaveDone is backgroundSaveDoneHandlerDisk.
func (m *Manager) bgsaveDone(c *child) {
	if c.forSync {
		defer m.o.SnapshotEnded(c.exited && c.err == nil)
	}
	if c.sink != nil {
		m.socketSaveDone(c)
		return
	}
	now := m.unix()
	m.bgsaveLastSec = now - c.started
	switch {
	case errors.Is(c.err, errKilled): // not an error: somebody asked for it
		m.log(Warning, "Background saving terminated by signal 10")
		m.unlinkSnapshotTemp(c)
	case !c.exited && !m.o.Bugs.Has(bugs.KilledChildCounts):
		m.log(Warning, "Background saving terminated by signal %d", c.signal)
		m.unlinkSnapshotTemp(c)
		m.bgsaveOK = false
	case c.err != nil:
		m.log(Warning, "Background saving error")
		m.bgsaveOK = false
	default:
		m.log(Notice, "Background saving terminated with success")
		m.dirty -= m.dirtyBeforeBgsave
		if m.o.Bugs.Has(bugs.ChangesMeanwhileForgotten) {
			m.dirty = 0
		}
		m.lastSave = now
		m.bgsaveOK = true
	}
}

func (m *Manager) unlinkSnapshotTemp(c *child) {
	m.unlink("temp-" + strconv.Itoa(c.pid) + ".rdb")
}

// killBgsave ends a running snapshot (killRDBChild): the signal only, Cron
// notices the end.
func (m *Manager) killBgsave() {
	if m.childIs(rdbChild) {
		m.child.stop()
	}
}

// FlushAll is to be called by FLUSHALL after the data is gone: it ends a
// running snapshot and, with save points, saves the empty state
// (flushAllDataAndResetRDB).
func (m *Manager) FlushAll() {
	m.killBgsave()
	if len(m.o.Config.Save) > 0 {
		_ = m.saveNow() // its failure is in the log, and FLUSHALL succeeds all the same
	}
}
