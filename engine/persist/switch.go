package persist

import (
	"errors"

	"github.com/torntail/torntail/engine/aof"
)

// ErrEnableAOF is what CONFIG SET appendonly yes fails with.
var ErrEnableAOF = errors.New("Unable to turn on AOF. Check server logs.")

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
