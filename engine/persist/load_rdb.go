package persist

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"syscall"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
	"github.com/torntail/torntail/faults/vfs"
)

// loadSnapshot loads a snapshot and reports whether there is one.
func (m *Manager) loadSnapshot(name string) (found bool, err error) {
	start := m.o.Env.Now()
	f, err := m.o.FS.Open(name, vfs.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if errors.Is(err, syscall.EISDIR) { // fopen opens it, and nothing can be read
		return true, m.refuseRDB(name, &rdb.Error{Kind: rdb.Short}, false)
	}
	if err != nil {
		return false, m.refuse(name, -1, err, "Fatal error loading the DB: %s. Exiting.", aof.Reason(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return true, m.refuse(name, -1, err, "Fatal error loading the DB: %s. Exiting.", aof.Reason(err))
	}
	m.beginProgress()
	m.progress.total = info.Size
	if _, err := m.readRDB(name, f, info.Size, false); err != nil {
		return true, err
	}
	m.log(Notice, "Done loading RDB, keys loaded: %d, keys expired: %d.", m.loadedKeys, m.loadedOld)
	m.log(Notice, "DB loaded from disk: %.3f seconds", (m.o.Env.Now() - start).Seconds())
	return true, nil
}

// readRDB puts a snapshot into the keyspace. Keys that have expired are left
// out, except in the base of an append-only file, whose later commands may
// assume them, and on a replica, whose master decides (rdbLoadRioWithLoadingCtx). An error is a *LoadError.
func (m *Manager) readRDB(file string, f io.ReaderAt, size int64, base bool) (end int64, err error) {
	c := m.o.Config
	now := m.o.Env.Wall().UnixMilli()
	m.loadedKeys, m.loadedOld = 0, 0
	m.loadedPlace = rdb.Place{}
	keepOld := base || m.o.Replica != nil && m.o.Replica()
	var r rdb.Reader
	end, err = keyspace.LoadRDB(&r, file, f, size, rdb.ReadOptions{
		Checksum:  c.RdbChecksum,
		Databases: keyspace.Databases,
		Size: func(db int, keys uint64) {
			const least = 24 // bytes that most keys take in the file, which may say anything
			m.o.Keyspace.DB(db).Expect(int(min(keys, uint64(max(size, 0))/least)))
		},
		Aux:      m.loadedPlaceField,
		Progress: m.rdbProgress(),
		Function: m.loadFunction,
	}, &c.Limits, func(e *rdb.Entry, o keyspace.Object) error {
		if !keepOld && e.ExpireAtMs != 0 && e.ExpireAtMs < now {
			m.loadedOld++
			if m.starting && m.o.LeftOut != nil { // RDBFLAGS_FEED_REPL
				m.o.LeftOut(e.DB, e.Key)
			}
			return nil
		}
		if m.o.Access != nil {
			o.Access = m.o.Access(e.Freq, e.Idle)
		}
		d := m.o.Keyspace.DB(e.DB)
		if m.merging {
			d.Delete(e.Key)
		}
		if !d.Set(e.Key, o) {
			return fmt.Errorf("duplicated key '%s' in DB %d", e.Key, e.DB)
		}
		if e.ExpireAtMs != 0 && !m.o.Bugs.Has(bugs.DeadlinesForgotten) {
			d.SetExpire(e.Key, max(1, e.ExpireAtMs))
		}
		m.loadedKeys++
		return nil
	})
	if err == nil {
		return end, nil
	}
	var bad *rdb.Error
	if errors.As(err, &bad) && bad.Kind == rdb.Stopped {
		return 0, ErrStopped
	}
	return 0, m.refuseRDB(file, err, base)
}

// loadFunction takes over a library of a snapshot.
func (m *Manager) loadFunction(code string) (wrong string) {
	if m.o.LoadFunction == nil {
		return ""
	}
	if wrong = m.o.LoadFunction(code, m.merging); wrong != "" {
		m.badLibrary = true
		m.log(Warning, "Failed loading library, %s", wrong)
	}
	return wrong
}

// emptyData forgets keys and functions (emptyData).
func (m *Manager) emptyData() {
	m.o.Keyspace.FlushAll()
	if m.o.FlushFunctions != nil {
		m.o.FlushFunctions()
	}
}

// refuseRDB says what redis-server says of an RDB part it cannot load. Most of
// its refusals end the process at once (rdbReportError).
func (m *Manager) refuseRDB(file string, err error, base bool) *LoadError {
	var bad *rdb.Error
	errors.As(err, &bad)
	what := bad.What
	switch bad.Kind {
	case rdb.Short:
		m.log(Warning, "Short read or OOM loading DB. Unrecoverable error, aborting now.")
		what = "Unexpected EOF reading RDB file"
	case rdb.Checksum:
		m.log(Warning, "%s", bad.What)
		what = "RDB CRC error"
	case rdb.Foreign:
		m.log(Warning, "%s", bad.What)
		if base {
			return m.refuse(file, bad.Offset, err, "Error reading the RDB base file %s, AOF loading aborted", path.Base(file))
		}
		return m.refuse(file, bad.Offset, err, "Fatal error loading the DB: Invalid argument. Exiting.")
	}
	return m.refuse(file, bad.Offset, err, "Internal error in RDB reading offset %d, function at rdb.c -> %s", bad.Offset, what)
}
