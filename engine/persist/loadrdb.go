package persist

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
	"github.com/torntail/torntail/faults/vfs"
)

// cut truncates a file that is not open for writing, as truncate(2). Nothing
// syncs it, as in redis-server: a later sync of the same file does.
func (m *Manager) cut(file string, size int64) error {
	if m.o.Bugs.Has(bugs.TruncatedTailKept) {
		return nil
	}
	f, err := m.o.FS.Open(file, vfs.ReadWrite)
	if err != nil {
		return err
	}
	if err := f.Truncate(size); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// loadSnapshot loads a snapshot and reports whether there is one.
func (m *Manager) loadSnapshot(name string) (found bool, err error) {
	start := m.o.Env.Now()
	f, err := m.o.FS.Open(name, vfs.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, m.refuse(name, -1, err, "Fatal error loading the DB: %s. Exiting.", aof.Reason(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return true, m.refuse(name, -1, err, "Fatal error loading the DB: %s. Exiting.", aof.Reason(err))
	}
	if _, err := m.readRDB(name, f, info.Size, false); err != nil {
		return true, err
	}
	m.log(Notice, "Done loading RDB, keys loaded: %d, keys expired: %d.", m.loadedKeys, m.loadedOld)
	m.log(Notice, "DB loaded from disk: %.3f seconds", (m.o.Env.Now() - start).Seconds())
	return true, nil
}

// readRDB puts a snapshot into the keyspace. Keys that have expired are left
// out, except in the base of an append-only file, whose later commands may
// assume them (rdbLoadRioWithLoadingCtx). An error is a *LoadError.
func (m *Manager) readRDB(file string, f vfs.File, size int64, base bool) (end int64, err error) {
	c := m.o.Config
	now := m.o.Env.Wall().UnixMilli()
	m.loadedKeys, m.loadedOld = 0, 0
	var r rdb.Reader
	end, err = r.Read(file, f, size, rdb.ReadOptions{
		Checksum:  c.RdbChecksum,
		Databases: keyspace.Databases,
		Add: func(db int, key []byte, o keyspace.Object, expireAtMs int64) error {
			if !base && expireAtMs != 0 && expireAtMs < now {
				m.loadedOld++
				return nil
			}
			d := m.o.Keyspace.DB(db)
			if !d.Set(key, o) {
				return fmt.Errorf("The RDB file contains duplicated key '%s' in DB %d", key, db)
			}
			if expireAtMs != 0 {
				d.SetExpire(key, max(1, expireAtMs))
			}
			m.loadedKeys++
			return nil
		},
	})
	if err == nil {
		return end, nil
	}
	return 0, m.refuseRDB(file, err, base)
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
		err := j.rewriteBase(m.aofPath(name), data)
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
