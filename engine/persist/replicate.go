package persist

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
	"github.com/torntail/torntail/faults/vfs"
)

// What replication needs of the disk: snapshots for replicas, and taking over
// the data of a master.

// Busy reports whether a child runs, so that no snapshot can be started.
func (m *Manager) Busy() bool { return m.child != nil }

// SaveForReplicas starts a snapshot that replicas wait for: to the snapshot
// file, or to sink, which may block (rdbSaveBackground, rdbSaveToSlavesSockets).
// Its end is told to Options.SnapshotEnded by Cron. It reports whether a child
// could be forked.
func (m *Manager) SaveForReplicas(sink io.Writer) bool {
	if sink == nil {
		if !m.startBgsave() {
			return false
		}
		m.child.forSync = true
		if m.o.Config.RdbDelSyncFiles { // else it may be wanted for something else
			m.forReplicas = true
		}
		return true
	}
	if err := m.fork(rdbChild, "bgsave", m.job(), sink); err != nil {
		m.log(Warning, "Can't save in background: fork: %s", aof.Reason(err))
		return false
	}
	m.child.forSync = true
	m.log(Notice, "Background RDB transfer started by pid %d", m.child.pid)
	return true
}

// StopReplicaSave ends a snapshot to a sink that nobody reads any more.
func (m *Manager) StopReplicaSave() {
	if m.childIs(rdbChild) && m.child.sink != nil {
		m.log(Notice, "Diskless rdb transfer, last replica dropped, killing fork child.")
		m.killBgsave()
	}
}

// socketSaveDone is backgroundSaveDoneHandlerSocket.
func (m *Manager) socketSaveDone(c *child) {
	switch {
	case c.exited && c.err == nil:
		m.log(Notice, "Background RDB transfer terminated with success")
	case errors.Is(c.err, errKilled):
		m.log(Warning, "Background transfer terminated by signal 10")
	case !c.exited:
		m.log(Warning, "Background transfer terminated by signal %d", c.signal)
	default:
		m.log(Warning, "Background transfer error")
	}
}

// TempSync is the file a snapshot of the master is received in.
func (m *Manager) TempSync() string {
	return "temp-" + strconv.FormatInt(m.unix(), 10) + "." + strconv.Itoa(m.pid) + ".rdb"
}

// LoadFromMaster makes a received snapshot the server's own: it becomes the
// snapshot file, durably, and is loaded into the keyspace, which the caller has
// emptied (readSyncBulkPayload). The append-only file must be off. An error
// leaves the server without data, and is no reason to exit.
func (m *Manager) LoadFromMaster(temp string, f vfs.File) (rdb.Place, error) {
	c := m.o.Config
	m.killBgsave()
	if err := f.Sync(); err != nil {
		m.log(Warning, "Failed trying to sync the temp DB to disk in MASTER <-> REPLICA synchronization: %s", aof.Reason(err))
		return rdb.Place{}, err
	}
	if err := m.o.FS.Rename(temp, c.Dbfilename); err != nil {
		m.log(Warning, "Failed trying to rename the temp DB into %s in MASTER <-> REPLICA synchronization: %s", c.Dbfilename, aof.Reason(err))
		return rdb.Place{}, err
	}
	if err := vfs.SyncDirData(m.o.FS, "."); err != nil {
		m.log(Warning, "Failed trying to sync DB directory %s in MASTER <-> REPLICA synchronization: %s", c.Dir, aof.Reason(err))
		return rdb.Place{}, err
	}
	m.log(Notice, "MASTER <-> REPLICA sync: Loading DB in memory")
	m.loading, m.merging = true, m.o.Bugs.Has(bugs.OldDataKept)
	_, err := m.loadSnapshot(c.Dbfilename)
	m.loading, m.merging = false, false
	if err == ErrStopped {
		return rdb.Place{}, err
	}
	if err != nil {
		m.log(Warning, "Failed trying to load the MASTER synchronization DB from disk, check server logs.")
		m.emptyData()
		m.removeReceived()
		return rdb.Place{}, err
	}
	m.removeReceived()
	return m.loadedPlace, nil
}

// LoadReceived is LoadFromMaster without a file (repl-diskless-load).
func (m *Manager) LoadReceived(data []byte) (rdb.Place, error) {
	m.killBgsave()
	m.log(Notice, "MASTER <-> REPLICA sync: Loading DB in memory")
	m.loading, m.merging = true, m.o.Bugs.Has(bugs.OldDataKept)
	m.beginProgress()
	m.progress.total = int64(len(data))
	_, err := m.readRDB("", bytes.NewReader(data), int64(len(data)), false)
	m.loading, m.merging = false, false
	if err == ErrStopped {
		return rdb.Place{}, err
	}
	if err != nil {
		m.log(Warning, "Failed trying to load the MASTER synchronization DB from socket: %s", err)
		m.emptyData()
		return rdb.Place{}, err
	}
	m.dirty++ // nothing was saved
	return m.loadedPlace, nil
}

// CheckReceived reports whether LoadReceived would succeed, and changes nothing.
func (m *Manager) CheckReceived(data []byte) error {
	var r rdb.Reader
	_, err := keyspace.LoadRDB(&r, "", bytes.NewReader(data), int64(len(data)), rdb.ReadOptions{Checksum: m.o.Config.RdbChecksum, Databases: keyspace.Databases,
		Aux: func(string, string) {}, Function: func(string) string { return "" }}, &m.o.Config.Limits, func(*rdb.Entry, keyspace.Object) error { return nil })
	if err != nil {
		m.log(Warning, "Failed trying to load the MASTER synchronization DB from socket: %s", err)
		m.log(Notice, "MASTER <-> REPLICA sync: Discarding temporary DB in background")
	}
	return err
}

// removeReceived removes a master's snapshot, once it was read, where nothing is to
// be kept (readSyncBulkPayload).
func (m *Manager) removeReceived() {
	if m.o.Config.RdbDelSyncFiles && m.persistsNothing() {
		m.log(Notice, "Removing the RDB file obtained from the master. This replica has persistence disabled")
		m.unlink(m.o.Config.Dbfilename)
	}
}

// RemoveReplicaFile removes the snapshot file of a server that persists nothing if
// it was made for replicas and no replica needs it any more; needed is about that
// (redis 7.0.15 replication.c removeRDBUsedToSyncReplicas).
func (m *Manager) RemoveReplicaFile(needed func() bool) {
	if !m.o.Config.RdbDelSyncFiles {
		m.forReplicas = false
		return
	}
	if !m.forReplicas || !m.persistsNothing() || needed() {
		return
	}
	if _, err := m.o.FS.Stat(m.o.Config.Dbfilename); err != nil {
		return
	}
	m.forReplicas = false
	m.log(Notice, "Removing the RDB file used to feed replicas in a persistence-less instance")
	m.unlink(m.o.Config.Dbfilename)
}

func (m *Manager) persistsNothing() bool { return len(m.o.Config.Save) == 0 && !m.o.Config.AppendOnly }

// LoadedPlace is the place in the history of replication of the snapshot that
// the server loaded at its start; none when it loaded an append-only file.
func (m *Manager) LoadedPlace() rdb.Place {
	if m.state != aofOff {
		return rdb.Place{}
	}
	return m.loadedPlace
}

// loadedPlaceField collects the auxiliary fields of a Place.
func (m *Manager) loadedPlaceField(name, value string) {
	n, err := strconv.ParseInt(value, 10, 63)
	switch {
	case name == "repl-id" && len(value) == 40:
		m.loadedPlace.ID = value
	case name == "repl-offset" && err == nil:
		m.loadedPlace.Offset = n
	case name == "repl-stream-db" && err == nil && n >= 0 && n < 16:
		m.loadedPlace.DB = int(n)
	}
}

// AOFOff reports whether no append-only file is being written, though the
// configuration may ask for one.
func (m *Manager) AOFOff() bool { return m.state == aofOff }
