package persist

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/faults/vfs"
)

// Load reads the manifest, then the append-only file (appendonly yes) or the
// snapshot, then opens the append-only file for writing, making the first one
// when there is none (redis 7.0.15 main). A *LoadError means that redis-server
// would not start.
func (m *Manager) Load() error {
	m.loading = true
	defer func() { m.loading = false }()
	if err := m.loadManifest(); err != nil {
		return err
	}
	if m.state == aofOn {
		if _, err := m.loadFiles(); err != nil {
			return err
		}
	} else {
		m.starting = true
		_, err := m.loadSnapshot(m.o.Config.Dbfilename)
		m.starting = false
		if err != nil {
			return err
		}
	}
	if err := m.openOnStart(); err != nil {
		return err
	}
	m.removeHistory()
	return nil
}

// refuse logs redis-server's last words and makes the error that ends the start.
func (m *Manager) refuse(file string, offset int64, err error, format string, a ...any) *LoadError {
	msg := fmt.Sprintf(format, a...)
	m.log(Warning, "%s", msg)
	return &LoadError{File: file, Offset: offset, Msg: msg, Err: err}
}

// loadManifest is aofLoadManifestFromDisk. A missing directory or manifest is
// an empty manifest: redis-server then starts with no data, silently.
func (m *Manager) loadManifest() error {
	m.manifest = &aof.Manifest{}
	dir, err := m.o.FS.Stat(m.o.Config.Appenddirname)
	if err != nil || !dir.Dir {
		return nil
	}
	name := m.aofPath(m.manifestName())
	if info, err := m.o.FS.Stat(name); err != nil || info.Dir { // fileExist
		return nil
	}
	data, err := vfs.ReadFile(m.o.FS, name)
	if err != nil {
		return m.refuse(name, -1, err, "Fatal error: can't open the AOF manifest file %s for reading: %s", name, aof.Reason(err))
	}
	am, err := aof.ParseManifest(name, data)
	if err != nil {
		var bad *aof.ManifestError
		errors.As(err, &bad)
		m.log(Warning, "\n*** FATAL AOF MANIFEST FILE ERROR ***\n")
		if bad.Text != "" {
			m.log(Warning, "Reading the manifest file, at line %d\n", bad.Line)
			m.log(Warning, ">>> '%s'\n", bad.Text)
		}
		return m.refuse(name, bad.Offset, err, "%s", bad.What)
	}
	m.manifest = am
	return nil
}

// outcome is how the reading of one file ended (AOF_OK and so on).
type outcome uint8

const (
	loadOK outcome = iota
	loadEmpty
	loadTruncated // and cut back
)

// loadFiles is loadAppendOnlyFiles: the base, then every incr file. It returns
// how the last one ended.
func (m *Manager) loadFiles() (state outcome, err error) {
	start := m.o.Env.Now()
	m.beginProgress()
	if err := m.upgradeIfNeeded(); err != nil {
		return 0, err
	}
	am := m.manifest
	if am.Empty() {
		return loadEmpty, nil
	}
	names := make([]string, 0, 1+len(am.Incr))
	if am.Base != nil {
		names = append(names, am.Base.Name)
	}
	for _, e := range am.Incr {
		names = append(names, e.Name)
	}
	// Every file must be there before anything is loaded.
	var total, baseSize int64
	for _, name := range names {
		info, err := m.o.FS.Stat(m.aofPath(name))
		if err != nil {
			return 0, m.refuse(m.aofPath(name), -1, err, "Unable to obtain the AOF file %s length. stat: %s", name, aof.Reason(err))
		}
		if am.Base != nil && name == am.Base.Name {
			baseSize = info.Size
		}
		total += info.Size
		if info.Dir {
			total++ // it has a size, and is tried
		}
	}
	m.progress.total = total
	if total > 0 {
		for i, name := range names {
			role := "incr"
			if i == 0 && am.Base != nil {
				role = "base"
			}
			began := m.o.Env.Now()
			if state, err = m.loadFile(name); err != nil {
				return 0, err
			}
			last := i == len(names)-1
			if state == loadTruncated && !last {
				return 0, m.refuse(m.aofPath(name), -1, nil, "Fatal error: the truncated file is not the last file")
			}
			if state != loadEmpty {
				m.log(Notice, "DB loaded from %s file %s: %.3f seconds", role, name, (m.o.Env.Now() - began).Seconds())
			}
		}
		m.currentSize, m.baseSize = total, baseSize
	}
	m.log(Notice, "DB loaded from append only file: %.3f seconds", (m.o.Env.Now() - start).Seconds())
	return state, nil
}

// upgradeIfNeeded takes over the single append-only file of a server before 7.0
// (aofUpgradePrepare).
func (m *Manager) upgradeIfNeeded() error {
	c := m.o.Config
	name, am := c.Appendfilename, m.manifest
	if info, err := m.o.FS.Stat(name); err != nil || info.Dir {
		return nil
	}
	if !am.Empty() {
		if am.Base == nil || len(am.Incr) > 0 || am.Base.Name != name {
			return nil
		}
		if _, err := m.o.FS.Stat(m.aofPath(name)); err == nil {
			return nil
		}
	}
	if !m.makeDir() {
		return &LoadError{File: c.Appenddirname, Offset: -1, Msg: "Can't open or create append-only dir"}
	}
	am.Base = &aof.Entry{Name: name, Seq: 1, Kind: aof.Base}
	am.BaseSeq, am.Dirty = 1, true
	if !m.persistManifest(am) {
		return &LoadError{File: m.aofPath(m.manifestName()), Offset: -1, Msg: "Can't persist the AOF manifest"}
	}
	if err := m.o.FS.Rename(name, m.aofPath(name)); err != nil {
		return m.refuse(name, -1, err, "Error trying to move the old AOF file %s into dir %s: %s", name, c.Appenddirname, aof.Reason(err))
	}
	m.log(Notice, "Successfully migrated an old-style AOF file (%s) into the AOF directory (%s).", name, c.Appenddirname)
	return nil
}

// loadFile is loadSingleAppendOnlyFile.
func (m *Manager) loadFile(name string) (outcome, error) {
	file := m.aofPath(name)
	f, err := m.o.FS.Open(file, vfs.ReadOnly)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return 0, m.refuse(file, -1, err, "The append log file %s doesn't exist: %s", name, aof.Reason(err))
		}
		if errors.Is(err, syscall.EISDIR) { // fopen opens it, and nothing can be read
			return 0, m.refuse(file, 0, err, "Unrecoverable error reading the append only file %s: %s", name, aof.Reason(err))
		}
		return 0, m.refuse(file, -1, err, "Fatal error: can't open the append log file %s for reading: %s", name, aof.Reason(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, m.refuse(file, -1, err, "Unrecoverable error reading the append only file %s: %s", name, aof.Reason(err))
	}
	if info.Size == 0 {
		return loadEmpty, nil
	}
	start, err := m.loadPreamble(name, f, info.Size)
	if err != nil {
		return 0, err
	}
	l := fileLoader{m: m, name: name}
	l.r.Reset(file, f, start, info.Size)
	err = l.run()
	m.progress.before += info.Size
	switch {
	case err == ErrStopped:
		return 0, err
	case err == nil:
		return loadOK, nil
	case errors.Is(err, aof.ErrTruncated):
		return m.forgive(name, l.valid, err)
	case errors.Is(err, aof.ErrFormat):
		return 0, m.refuse(file, offsetOf(err), err, "Bad file format reading the append only file %s: "+
			"make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>", name)
	case l.unknown != "":
		return 0, m.refuse(file, l.r.Offset(), nil, "Unknown command '%s' reading the append only file %s", l.unknown, name)
	}
	cause := err
	var re *aof.ReadError
	if errors.As(err, &re) {
		cause = re.Err
	}
	why := aof.Reason(cause)
	if errors.Is(err, aof.ErrUnreadable) {
		why = "Success"
	}
	return 0, m.refuse(file, offsetOf(err), err, "Unrecoverable error reading the append only file %s: %s", name, why)
}

func offsetOf(err error) int64 {
	var re *aof.ReadError
	if errors.As(err, &re) {
		return re.Offset
	}
	return -1
}

// loadPreamble loads the RDB part at the start of a file, if it has one, and
// returns where it ends.
func (m *Manager) loadPreamble(name string, f vfs.File, size int64) (int64, error) {
	if size < 5 {
		return 0, nil
	}
	var sig [5]byte
	if _, err := f.ReadAt(sig[:], 0); err != nil && err != io.EOF {
		return 0, m.refuse(m.aofPath(name), 0, err, "Unrecoverable error reading the append only file %s: %s", name, aof.Reason(err))
	}
	if string(sig[:]) != "REDIS" && string(sig[:]) != "VALKE" { // Valkey 9 writes VALKEY
		return 0, nil
	}
	old := name == m.o.Config.Appendfilename
	if old {
		m.log(Notice, "Reading RDB preamble from AOF file...")
	} else {
		m.log(Notice, "Reading RDB base file on AOF loading...")
	}
	end, err := m.readRDB(m.aofPath(name), f, size, true)
	if err == nil && old {
		m.log(Notice, "Reading the remaining AOF tail...")
	}
	return end, err
}

// fileLoader executes the commands of one file.
type fileLoader struct {
	m    *Manager
	name string
	r    aof.Reader

	db          int
	valid       int64 // end of the last whole command; 0 before the first (sic: also behind a preamble)
	beforeMulti int64
	inMulti     bool
	queue       []queued // the commands of an open transaction
	unknown     string   // a command that does not exist
}

type queued struct {
	argv [][]byte
}

// errUnknown: see fileLoader.unknown.
var errUnknown = errors.New("unknown command")

func (l *fileLoader) run() error {
	for loops := 0; ; loops++ {
		if loops%commandsPerProgress == 0 && !l.m.servesOthers(l.m.progress.before+l.r.Offset()) {
			return ErrStopped
		}
		l.m.dawdleLoading()
		argv, err := l.r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if l.m.o.Known != nil && !l.m.o.Known(argv[0]) {
			l.unknown = string(argv[0])
			return errUnknown
		}
		l.execute(argv)
		if l.m.o.Stopped != nil && l.m.o.Stopped() {
			return ErrStopped
		}
		if l.m.o.Config.AofLoadTruncated {
			l.valid = l.r.Offset()
		}
	}
	if l.inMulti {
		l.m.log(Warning, "Revert incomplete MULTI/EXEC transaction in AOF file %s", l.name)
		l.valid = l.beforeMulti
		return &aof.ReadError{File: l.m.aofPath(l.name), Offset: l.r.Offset(), Err: aof.ErrTruncated}
	}
	return nil
}

func (l *fileLoader) execute(argv [][]byte) {
	if isWord(argv[0], "MULTI") {
		l.beforeMulti = l.valid
	}
	switch {
	case l.m.o.Bugs.Has(bugs.OpenTransactionLoaded):
		l.apply(argv)
	case l.inMulti && isWord(argv[0], "EXEC"):
		l.inMulti = false
		for _, q := range l.queue {
			l.apply(q.argv)
		}
		l.queue = l.queue[:0]
	case l.inMulti:
		l.queue = append(l.queue, queued{append([][]byte(nil), argv...)})
	case isWord(argv[0], "MULTI"):
		l.inMulti = true
	case isWord(argv[0], "EXEC"): // without MULTI: an error nobody hears
	default:
		l.apply(argv)
	}
}

// apply runs one command outside or at the end of a transaction. Commands that
// make no sense here (a SELECT of no database) are errors nobody hears.
func (l *fileLoader) apply(argv [][]byte) {
	switch {
	case isWord(argv[0], "SELECT"):
		if n, ok := database(argv); ok {
			l.db = n
		}
	case isWord(argv[0], "MULTI"), isWord(argv[0], "EXEC"):
	default:
		l.m.o.Apply(l.db, argv)
	}
}

func database(argv [][]byte) (int, bool) {
	if len(argv) != 2 {
		return 0, false
	}
	n, ok := keyspace.CanonicalInt(argv[1])
	return int(n), ok && n >= 0 && n < keyspace.Databases
}

func isWord(b []byte, word string) bool {
	return len(b) == len(word) && strings.EqualFold(string(b), word)
}

// forgive deals with a file that ends inside a command or a transaction.
func (m *Manager) forgive(name string, valid int64, cause error) (outcome, error) {
	file := m.aofPath(name)
	if m.o.Config.AofLoadTruncated {
		m.log(Warning, "!!! Warning: short read while loading the AOF file %s!!!", name)
		m.log(Warning, "!!! Truncating the AOF %s at offset %d !!!", name, valid)
		err := m.cut(file, valid)
		if err == nil {
			m.log(Warning, "AOF %s loaded anyway because aof-load-truncated is enabled", name)
			return loadTruncated, nil
		}
		m.log(Warning, "Error truncating the AOF file %s: %s", name, aof.Reason(err))
	}
	return 0, m.refuse(file, offsetOf(cause), cause, "Unexpected end of file reading the append only file %s. You can: "+
		"1) Make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>. "+
		"2) Alternatively you can set the 'aof-load-truncated' configuration option to yes and restart the server.", name)
}

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
