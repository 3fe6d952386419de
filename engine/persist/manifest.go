package persist

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/faults/vfs"
)

// aofPath is the path of a file in the append-only directory.
func (m *Manager) aofPath(name string) string {
	return m.o.Config.Appenddirname + "/" + name
}

func (m *Manager) manifestName() string { return m.o.Config.Appendfilename + ".manifest" }

// tempIncrName is where writes go while the append-only file is being switched on.
func (m *Manager) tempIncrName() string { return "temp-" + m.o.Config.Appendfilename + ".incr" }

// makeDir makes the append-only directory if it is missing. Nothing syncs the
// directory above it: finding F1 about Redis.
func (m *Manager) makeDir() bool {
	dir := m.o.Config.Appenddirname
	if info, err := m.o.FS.Stat(dir); err == nil && info.Dir {
		return true
	}
	if err := m.o.FS.Mkdir(dir); err != nil {
		if errors.Is(err, fs.ErrExist) { // dirCreateIfMissing
			err = syscall.ENOTDIR
		}
		m.log(Warning, "Can't open or create append-only dir %s: %s", dir, aof.Reason(err))
		return false
	}
	return true
}

// persistManifest is persistAofManifest: temporary file, fdatasync, rename,
// sync of the directory. A manifest equal to the one on the disk is not written.
func (m *Manager) persistManifest(am *aof.Manifest) bool {
	if !am.Dirty {
		return true
	}
	m.text = am.Append(m.text[:0])
	name, temp := m.manifestName(), "temp-"+m.manifestName()
	if m.o.Bugs.Has(bugs.ManifestInPlace) {
		temp = name
	}
	f, err := m.o.FS.Open(m.aofPath(temp), vfs.WriteOnly|vfs.Create|vfs.Truncate)
	if err != nil {
		m.log(Warning, "Can't open the AOF manifest file %s: %s", temp, aof.Reason(err))
		return false
	}
	defer f.Close()
	if _, err := writeFull(f, m.text); err != nil {
		m.log(Warning, "Error trying to write the temporary AOF manifest file %s: %s", temp, aof.Reason(err))
		return false
	}
	if err := f.SyncData(); err != nil {
		m.log(Warning, "Fail to fsync the temp AOF file %s: %s.", temp, aof.Reason(err))
		return false
	}
	if err := m.o.FS.Rename(m.aofPath(temp), m.aofPath(name)); err != nil {
		m.log(Warning, "Error trying to rename the temporary AOF manifest file %s into %s: %s", temp, name, aof.Reason(err))
		return false
	}
	if !m.o.Bugs.Has(bugs.RenameWithoutDirSync) {
		if err := vfs.SyncDirData(m.o.FS, m.o.Config.Appenddirname); err != nil {
			m.log(Warning, "Fail to fsync AOF directory %s: %s.", m.aofPath(name), aof.Reason(err))
			return false
		}
	}
	am.Dirty = false
	return true
}

// RemoveHistory removes what aof-disable-auto-gc has kept; without a log there is nothing.
func (m *Manager) RemoveHistory() {
	if m.state == aofOn {
		m.removeHistory()
	}
}

// removeHistory unlinks what a rewrite has superseded and writes the manifest
// without it. Its failure harms nothing.
func (m *Manager) removeHistory() {
	if m.o.Config.AofDisableAutoGc || len(m.manifest.History) == 0 {
		return
	}
	for _, e := range m.manifest.History {
		m.log(Notice, "Removing the history file %s in the background", e.Name)
		m.unlink(m.aofPath(e.Name))
	}
	m.manifest.History = nil
	m.manifest.Dirty = true
	m.persistManifest(m.manifest)
}

// unlink is bg_unlink: the name goes at once, and nobody asks whether it did.
func (m *Manager) unlink(name string) { _ = m.o.FS.Remove(name) }

// openNewIncr switches appending to a new incr file (openNewIncrAofForAppend):
// the file, the manifest that names it, and only then the old file goes to a
// background thread to be synced and closed. With the append-only file off it
// does nothing; while that is being switched on the file is a temporary one.
func (m *Manager) openNewIncr() bool {
	if m.state == aofOff {
		return true
	}
	var next *aof.Manifest
	name := m.tempIncrName()
	if m.state == aofOn {
		next = m.manifest.Clone()
		name = next.NewIncr(m.o.Config.Appendfilename)
	}
	// Without O_APPEND, as redis 7.0.15: after a short write that was cut off
	// again, the next write leaves a hole of zeroes behind the cut.
	f, err := m.o.FS.Open(m.aofPath(name), vfs.WriteOnly|vfs.Create|vfs.Truncate)
	if err != nil {
		m.log(Warning, "Can't open the append-only file %s: %s", name, aof.Reason(err))
		return false
	}
	if next != nil && !m.persistManifest(next) {
		_ = f.Close()
		return false
	}
	m.log(Notice, "Creating AOF incr file %s on background rewrite", name)
	if m.incr != nil {
		m.closer.submit(m.incr)
		m.lastFsync = m.unix()
	}
	m.incr = f
	m.incrSize, m.incrSynced = 0, 0
	if next != nil {
		m.manifest = next
	}
	return true
}
