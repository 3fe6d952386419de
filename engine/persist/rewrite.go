package persist

import (
	"errors"
	"io"
	"strconv"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
	"github.com/torntail/torntail/faults/vfs"
)

func rewriteTemp(pid int) string   { return "temp-rewriteaof-" + strconv.Itoa(pid) + ".aof" }
func rewriteTempBg(pid int) string { return "temp-rewriteaof-bg-" + strconv.Itoa(pid) + ".aof" }

// rewriteBase writes a base under a temporary name, syncs it, and renames it
// to name (rewriteAppendOnlyFile). The directory is synced by whoever writes
// the manifest next.
func (j *snapshotJob) rewriteBase(name string, fill func(*output) error) error {
	temp := rewriteTemp(j.pid)
	f, err := j.fs.Open(temp, vfs.WriteOnly|vfs.Create|vfs.Truncate)
	if err != nil {
		j.log(Warning, "Opening the temp file for AOF rewrite in rewriteAppendOnlyFile(): %s", aof.Reason(err))
		return err
	}
	failed := func(err error) error {
		if cutOff(err) {
			return err
		}
		j.log(Warning, "Write error writing append only file on disk: %s", aof.Reason(err))
		_ = j.fs.Remove(temp)
		return err
	}
	out := &output{f: f, c: j.c, auto: j.cfg.AofRewriteIncrementalFsync, pace: j.pacer()}
	if err := fill(out); err != nil {
		_ = f.Close()
		return failed(err)
	}
	unsynced := j.bugs.Has(bugs.BaseWithoutSync) || j.bugs.Has(bugs.ManifestBeforeBase)
	if err := out.close(!unsynced); err != nil {
		return failed(err)
	}
	if err := j.fs.Rename(temp, name); err != nil {
		j.log(Warning, "Error moving temp append only file on the final destination: %s", aof.Reason(err))
		_ = j.fs.Remove(temp)
		return err
	}
	return nil
}

// encodeBase writes a base; key is called for each key that was.
func (j *snapshotJob) encodeBase(out io.Writer, data *keyspace.Snapshot, key func() error) error {
	if !j.cfg.AofUseRdbPreamble {
		return j.writeCommands(out, data, key)
	}
	o := j.options
	o.Written = key
	o.Place = rdb.Place{} // a log stands in no history
	o.AOFBase = true
	if j.bugs.Has(bugs.FunctionsNotRewritten) {
		o.Functions = nil
	}
	return data.WriteRDB(out, o)
}

// writeCommands writes a base as commands, through a buffer of the size of stdio's.
func (j *snapshotJob) writeCommands(out io.Writer, data *keyspace.Snapshot, written func() error) error {
	const chunk = 4096
	var buf []byte
	if j.cfg.AofTimestampEnabled {
		buf = aof.AppendTimestamp(buf, j.options.Created)
	}
	if !j.bugs.Has(bugs.FunctionsNotRewritten) {
		for _, code := range j.options.Functions {
			buf = aof.AppendFunction(buf, code)
		}
	}
	current := -1
	drain := func(from []byte, keep int) error {
		n := len(from) - keep
		for at := 0; at < n; at += chunk {
			if _, err := out.Write(from[at:min(at+chunk, n)]); err != nil {
				return err
			}
		}
		buf = from[:copy(from, from[n:])]
		return nil
	}
	err := data.Each(func(db int, key string, o *keyspace.Object, expireAtMs int64) error {
		if db != current {
			current = db
			buf = aof.AppendSelect(buf, db)
		}
		buf = aof.AppendKey(buf, key, o, expireAtMs)
		if err := drain(buf, len(buf)%chunk); err != nil {
			return err
		}
		return written()
	})
	if err != nil {
		return err
	}
	return drain(buf, 0)
}

// startRewrite is rewriteAppendOnlyFileBackground: what is buffered goes to the
// present incr file, a new one is opened and named by the manifest, and a child
// writes the data as of now. No other child may be running.
func (m *Manager) startRewrite() bool {
	if m.child != nil {
		return false
	}
	if !m.makeDir() {
		m.rewriteOK = false
		return false
	}
	m.db = -1 // each incr file begins with a SELECT
	m.flush(true)
	if m.fatal != nil {
		return false
	}
	if !m.o.Bugs.Has(bugs.RewriteLosesWrites) && !m.openNewIncr() {
		m.rewriteOK = false
		return false
	}
	m.rewrites++
	if err := m.fork(aofChild, "rewrite", m.job(), nil); err != nil {
		m.rewriteOK = false
		m.log(Warning, "Can't rewrite append only file in background: fork: %s", aof.Reason(err))
		return false
	}
	m.log(Notice, "Background append only file rewriting started by pid %d", m.child.pid)
	m.rewriteScheduled = false
	m.rewriteStarted = m.unix()
	return true
}

// BGRewriteAOF is BGREWRITEAOF; it returns the status to reply.
func (m *Manager) BGRewriteAOF(inExec bool) (string, error) {
	switch {
	case m.childIs(aofChild):
		return "", ErrRewriteInProgress
	case m.child != nil || inExec:
		m.rewriteScheduled = true
		m.rewriteFails = 0 // asked for by hand: no delay
		return "Background append only file rewriting scheduled", nil
	case m.startRewrite():
		return "Background append only file rewriting started", nil
	}
	return "", ErrRewrite
}

// rewriteDone is backgroundRewriteDoneHandler.
func (m *Manager) rewriteDone(c *child) {
	if m.o.Bugs.Has(bugs.RewriteAborts) && m.incrSize > 0 {
		m.die("=== ASSERTION FAILED ===")
	}
	switch {
	case c.exited && c.err == nil:
		if m.installBase(c) {
			m.rewriteOK, m.rewriteFails = true, 0
			m.log(Notice, "Background AOF rewrite finished successfully")
			if m.state == aofWait {
				m.state = aofOn
			}
		} else {
			m.rewriteOK = false
			m.rewriteFails++
		}
	case errors.Is(c.err, errKilled): // not an error: somebody asked for it
		m.log(Warning, "Background AOF rewrite terminated by signal %d", stopSignal)
	case !c.exited:
		m.rewriteOK = false
		m.rewriteFails++
		m.log(Warning, "Background AOF rewrite terminated by signal %d", c.signal)
	default:
		m.rewriteOK = false
		m.rewriteFails++
		m.log(Warning, "Background AOF rewrite terminated with error")
	}
	m.unlinkRewriteTemps(c)
	if m.state == aofWait {
		m.buf = m.buf[:0]
		m.log(Notice, "Removing the temp incr aof file %s in the background", m.tempIncrName())
		m.unlink(m.aofPath(m.tempIncrName()))
	}
	m.rewriteLastSec = m.unix() - m.rewriteStarted
	m.rewriteStarted = -1
	if m.state == aofWait {
		m.rewriteScheduled = true
	}
}

// installBase renames the finished base into the directory, writes the
// manifest that starts from it, and removes what it supersedes.
func (m *Manager) installBase(c *child) bool {
	m.log(Notice, "Background AOF rewrite terminated with success")
	if m.o.Bugs.Has(bugs.RewriteLosesWrites) {
		m.db = -1
		if !m.openNewIncr() {
			return false
		}
	}
	cfg := m.o.Config
	next := m.manifest.Clone()
	temp, name := rewriteTempBg(c.pid), next.NewBase(cfg.Appendfilename, cfg.AofUseRdbPreamble)
	if err := m.o.FS.Rename(temp, m.aofPath(name)); err != nil {
		m.log(Warning, "Error trying to rename the temporary AOF base file %s into %s: %s", temp, m.aofPath(name), aof.Reason(err))
		return false
	}
	m.log(Notice, "Successfully renamed the temporary AOF base file %s into %s", temp, name)
	incr := ""
	if m.state == aofWait {
		incr = next.NewIncr(cfg.Appendfilename)
		if err := m.o.FS.Rename(m.aofPath(m.tempIncrName()), m.aofPath(incr)); err != nil {
			m.log(Warning, "Error trying to rename the temporary AOF incr file %s into %s: %s", m.aofPath(m.tempIncrName()), m.aofPath(incr), aof.Reason(err))
			m.unlink(m.aofPath(name))
			return false
		}
		m.log(Notice, "Successfully renamed the temporary AOF incr file %s into %s", m.tempIncrName(), incr)
	}
	keep := 0
	if m.incr != nil {
		keep = 1 // the one being written
	}
	next.RetireIncr(keep)
	if m.o.Bugs.Has(bugs.UnlinkBeforeManifest) {
		for _, e := range next.History {
			m.unlink(m.aofPath(e.Name))
		}
	}
	if !m.persistManifest(next) {
		m.unlink(m.aofPath(name))
		if incr != "" {
			m.unlink(m.aofPath(incr))
		}
		return false
	}
	m.manifest = next
	if m.o.Bugs.Has(bugs.ManifestBeforeBase) {
		m.syncFile(m.aofPath(name))
	}
	if m.incr != nil {
		m.currentSize = m.fileSize(name) + m.incrSize
		m.baseSize = m.currentSize
	}
	if m.o.Bugs.Has(bugs.RewriteCountsAsSync) {
		m.incrSynced, m.lastFsync = m.incrSize, m.unix()
	}
	m.removeHistory()
	return true
}

// syncFile is ManifestBeforeBase's late sync.
func (m *Manager) syncFile(name string) {
	if f, err := m.o.FS.Open(name, vfs.ReadOnly); err == nil {
		_ = f.Sync()
		_ = f.Close()
	}
}

// fileSize is the size of a file of the append-only directory; 0, and a line
// in the log, when it cannot be had.
func (m *Manager) fileSize(name string) int64 {
	info, err := m.o.FS.Stat(m.aofPath(name))
	if err != nil {
		m.log(Warning, "Unable to obtain the AOF file %s length. stat: %s", name, aof.Reason(err))
		return 0
	}
	return info.Size
}

func (m *Manager) unlinkRewriteTemps(c *child) {
	m.unlink(rewriteTempBg(c.pid))
	m.unlink(rewriteTemp(c.pid))
}

// killRewrite ends a running rewrite (killAppendOnlyChild).
func (m *Manager) killRewrite() {
	if !m.childIs(aofChild) {
		return
	}
	c := m.child
	m.log(Notice, "Killing running AOF rewrite child: %d", c.pid)
	m.killChild()
	m.unlinkRewriteTemps(c)
	m.rewriteStarted = -1
}

// rewriteLimited reports whether automatic rewrites pause, after three failures
// in a row: for a minute, then two, four, at most sixty (aofRewriteLimited).
func (m *Manager) rewriteLimited() bool {
	if m.rewriteFails < 3 {
		m.retryDelayMinutes, m.retryAt = 0, 0
		return false
	}
	if m.retryAt != 0 {
		if m.unix() < m.retryAt {
			return true
		}
		m.retryAt = 0
		return false
	}
	m.retryDelayMinutes = min(max(1, 2*m.retryDelayMinutes), 60)
	m.retryAt = m.unix() + 60*m.retryDelayMinutes
	m.log(Warning, "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in %d minutes", m.retryDelayMinutes)
	return true
}
