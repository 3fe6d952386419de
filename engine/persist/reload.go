package persist

// LoadAOF is DEBUG LOADAOF: write what is buffered, empty the keyspace, load
// the append-only file from the disk. An error is fatal, as in redis-server,
// which exits; so is a truncated file (*LoadError), even though it was cut.
func (m *Manager) LoadAOF() error {
	if m.state == aofOn {
		m.flush(true)
		if m.fatal != nil {
			return m.fatal
		}
	}
	m.loading = true
	defer func() { m.loading = false }()
	m.emptyData()
	if err := m.loadManifest(); err != nil {
		return err
	}
	m.removeHistory()
	switch state, err := m.loadFiles(); {
	case err != nil:
		return err
	case state == loadTruncated:
		return &LoadError{File: m.o.Config.Appenddirname, Offset: -1, Msg: "the append-only file was truncated"}
	}
	m.dirty = 0
	m.log(Warning, "Append Only File loaded by DEBUG LOADAOF")
	return nil
}

// Reload is DEBUG RELOAD: save, empty, load. Its arguments NOSAVE and NOFLUSH
// leave out the first two; a key that is both in memory and in the file is then
// an error, or with MERGE taken from the file. A *LoadError is fatal.
func (m *Manager) Reload(save, flush, merge bool) error {
	if save {
		if err := m.saveNow(); err != nil {
			return err
		}
	}
	m.loading = true
	defer func() { m.loading = false }()
	if flush {
		m.emptyData()
	}
	m.merging, m.badLibrary = merge, false
	found, err := m.loadSnapshot(m.o.Config.Dbfilename)
	m.merging = false
	if m.badLibrary {
		return ErrReload
	}
	if err != nil {
		return err
	}
	if !found {
		return ErrReload
	}
	m.log(Warning, "DB reloaded by DEBUG RELOAD")
	return nil
}
