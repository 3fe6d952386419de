package persist

import (
	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/faults/vfs"
)

// EnableAOF is CONFIG SET appendonly yes (startAppendOnly). Writes are logged
// to a temporary file from the start of the first rewrite on, and the
// append-only file is in force when that ends.
func (m *Manager) EnableAOF(inExec bool) error {
	if m.state != aofOff {
		return nil
	}
	m.state = aofWait
	switch {
	case m.childIs(rdbChild):
		m.rewriteScheduled = true
		m.log(Warning, "AOF was enabled but there is already another background operation. An AOF background was scheduled to start when possible.")
	case inExec:
		m.rewriteScheduled = true
		m.log(Warning, "AOF was enabled during a transaction. An AOF background was scheduled to start when possible.")
	default:
		if m.childIs(aofChild) {
			m.log(Warning, "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and starting a rewrite now.")
			m.killRewrite()
		}
		if !m.startRewrite() {
			m.state = aofOff
			m.log(Warning, "Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the above logs for more info about the error.")
			return ErrEnableAOF
		}
	}
	m.lastFsync = m.unix()
	if m.bioErr != nil {
		m.log(Warning, "AOF reopen, just ignore the AOF fsync error in bio job")
		m.bioErr = nil
	}
	if m.writeErr != nil {
		m.log(Warning, "AOF reopen, just ignore the last error.")
		m.writeErr = nil
	}
	return nil
}

// DisableAOF is CONFIG SET appendonly no (stopAppendOnly). What is logged is
// written and synced first; a failure is fatal under always (BeforeSleep).
func (m *Manager) DisableAOF() {
	if m.state == aofOff {
		return
	}
	m.flush(true)
	if m.fatal != nil {
		return
	}
	if m.incr != nil {
		if err := m.incr.SyncData(); err != nil {
			m.log(Warning, "Fail to fsync the AOF file: %s", aof.Reason(err))
		} else {
			m.incrSynced = m.incrSize
			m.lastFsync = m.unix()
		}
		_ = m.incr.Close()
		m.incr = nil
	}
	m.db = -1
	m.state = aofOff
	m.rewriteScheduled = false
	m.incrSize, m.incrSynced = 0, 0
	m.killRewrite()
	m.buf = m.buf[:0]
}

// openOnStart is aofOpenIfNeededOnServerStart: the first start makes the
// directory, an empty base, an incr file and the manifest, in this order.
func (m *Manager) openOnStart() error {
	if m.state != aofOn {
		return nil
	}
	c := m.o.Config
	if !m.makeDir() {
		return &LoadError{File: c.Appenddirname, Offset: -1, Msg: "Can't open or create append-only dir " + c.Appenddirname}
	}
	created := len(m.manifest.Incr) == 0
	if m.manifest.Empty() {
		name := m.manifest.NewBase(c.Appendfilename, c.AofUseRdbPreamble)
		data := m.o.Keyspace.Snapshot()
		j := m.job()
		err := j.rewriteBase(m.aofPath(name), func(out *output) error { return j.encodeBase(out, data, out.pace.key) })
		data.Release()
		if err != nil {
			return &LoadError{File: m.aofPath(name), Offset: -1, Msg: "Can't write the first AOF base file", Err: err}
		}
		m.log(Notice, "Creating AOF base file %s on server start", name)
	}
	var name string
	if created {
		name = m.manifest.NewIncr(c.Appendfilename)
	} else {
		name = m.manifest.Incr[len(m.manifest.Incr)-1].Name
	}
	f, err := m.o.FS.Open(m.aofPath(name), vfs.WriteOnly|vfs.Append|vfs.Create)
	if err != nil {
		return m.refuse(m.aofPath(name), -1, err, "Can't open the append-only file %s: %s", name, aof.Reason(err))
	}
	m.incr = f
	if !m.persistManifest(m.manifest) {
		return &LoadError{File: m.aofPath(m.manifestName()), Offset: -1, Msg: "Can't persist the AOF manifest"}
	}
	m.incrSize = m.fileSize(name)
	m.incrSynced = m.incrSize
	how := "Opening"
	if created {
		how = "Creating"
	}
	m.log(Notice, "%s AOF incr file %s on server start", how, name)
	return nil
}
