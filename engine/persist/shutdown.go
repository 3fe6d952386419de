package persist

import (
	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
)

// SaveMode is the argument of SHUTDOWN.
type SaveMode uint8

// SHUTDOWN, SHUTDOWN SAVE, SHUTDOWN NOSAVE.
const (
	SaveDefault SaveMode = iota // save if there are save points
	SaveForce
	SaveNever
)

// Shutdown finishes the files (finishShutdown): it ends a running child, writes
// and syncs the append-only file whatever appendfsync says, and saves a
// snapshot. On error the server goes on, unless force (SHUTDOWN FORCE).
func (m *Manager) Shutdown(mode SaveMode, force bool) error {
	if m.childIs(rdbChild) {
		m.log(Warning, "There is a child saving an .rdb. Killing it!")
		m.killBgsave()
		m.unlinkSnapshotTemp(m.child)
	}
	if m.childIs(aofChild) {
		if m.state == aofWait {
			// The append-only file is not in force before this rewrite has ended.
			if !force {
				m.log(Warning, "Writing initial AOF, can't exit.")
				return ErrShutdown
			}
			m.log(Warning, "Writing initial AOF. Exit anyway.")
		}
		m.log(Warning, "There is a child rewriting the AOF. Killing it!")
		m.killRewrite()
	}
	if m.state != aofOff {
		m.log(Notice, "Calling fsync() on the AOF file.")
		if m.incr != nil { // there is none while it is loaded
			m.flush(true)
		}
		if m.fatal != nil {
			return m.fatal
		}
		if m.incr != nil {
			if err := m.incr.SyncData(); err != nil {
				m.log(Warning, "Fail to fsync the AOF file: %s.", aof.Reason(err))
			}
		}
	}
	if mode == SaveForce || mode == SaveDefault && (len(m.o.Config.Save) > 0 || m.o.Bugs.Has(bugs.ShutdownSavesUnasked)) {
		m.log(Notice, "Saving the final RDB snapshot before exiting.")
		if err := m.saveNow(); err != nil {
			if !force {
				m.log(Warning, "Error trying to save the DB, can't exit.")
				return ErrShutdown
			}
			m.log(Warning, "Error trying to save the DB. Exit anyway.")
		}
	}
	return nil
}
