package machine

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/torntail/torntail/faults/vfs"
)

// This file is what plans do to the directory of a server as a whole (plan.Directories).

// backup is a copy of a directory's files, by path.
type backup map[string][]byte

// noConf is why more lines missed: a run alone sets all directives itself.
const noConf = "it is no server of a cluster: torntail run's modes and directives configure it"

// noBackup is why a restore missed.
const noBackup = "no backup of its files was made"

// spared is the file that stays when the directory is wiped or another copy is put there; ""
// where all that is kept stands in it, so that it goes too.
func (s *Setup) spared() string {
	if s.Sentinel {
		return ""
	}
	return s.file()
}

// install makes a file that has been on its disk for long: no power cut takes it.
func install(fsys vfs.FS, name, text string) error {
	if err := vfs.WriteFile(fsys, name, []byte(text)); err != nil {
		return err
	}
	f, err := fsys.Open(name, vfs.ReadOnly)
	if err != nil {
		return err
	}
	defer f.Close()
	return cmp.Or(f.Sync(), vfs.SyncDir(fsys, path.Dir(name)))
}

// wipe empties the directory, for good, and reinstalls what the server was configured with
// where nothing else was kept.
func (s *Setup) wipe(fsys vfs.FS) error {
	if err := remove(fsys, ".", s.spared()); err != nil {
		return err
	}
	if s.Conf == "" || s.spared() != "" {
		return nil
	}
	return install(fsys, s.file(), s.Conf)
}

// addLines adds lines to the server's configuration file, where it has one: the last of a
// directive counts.
func (s *Setup) addLines(fsys vfs.FS, lines []string) error {
	text, err := vfs.ReadFile(fsys, s.file())
	if err != nil {
		return err
	}
	return install(fsys, s.file(), strings.TrimRight(string(text), "\n")+"\n"+strings.Join(lines, "\n")+"\n")
}

// remove removes all that is below a directory, but for one file.
func remove(fsys vfs.FS, dir, spared string) error {
	names, err := fsys.List(dir)
	for _, name := range names {
		name = path.Join(dir, name)
		info, failed := fsys.Stat(name)
		switch {
		case name == spared:
			continue
		case failed == nil && info.Dir:
			failed = remove(fsys, name, spared)
		}
		if failed = cmp.Or(failed, fsys.Remove(name)); err == nil {
			err = failed
		}
	}
	return cmp.Or(err, vfs.SyncDir(fsys, dir))
}

// copied reads all that is there.
func copied(fsys vfs.FS) (backup, error) {
	b := backup{}
	return b, vfs.Walk(fsys, ".", func(name string, info vfs.Info) (err error) {
		if !info.Dir {
			b[name], err = vfs.ReadFile(fsys, name)
		}
		return err
	})
}

// restore puts a copy in the place of what is there.
func (s *Setup) restore(fsys vfs.FS, b backup) error {
	spared := s.spared()
	if err := remove(fsys, ".", spared); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if name == spared {
			continue
		}
		if dir := path.Dir(name); dir != "." {
			if err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
		if err := install(fsys, name, string(b[name])); err != nil {
			return err
		}
	}
	return vfs.SyncDir(fsys, ".")
}
