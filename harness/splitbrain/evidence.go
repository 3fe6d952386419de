package splitbrain

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/torntail/torntail/faults/vfs"
)

// This file is what is saved of the servers and Sentinels of a run that does not hold: what
// each has written into its log, and its files.

// NodesDir is the directory, in that of a saved experiment, with one for each node.
const NodesDir = "nodes"

// Limits of what is kept of one run.
const (
	mostLogLines  = 20_000   // of a node, the last
	longestKept   = 4 << 20  // bytes of a file, the first
	mostKeptBytes = 64 << 20 // of all files
)

// Evidence is what is left of a node.
type Evidence struct {
	Node  string
	Log   []byte
	Files []KeptFile
	Why   string // its files could not be read
}

// KeptFile is a file of a node's directory, or the beginning of a long one.
type KeptFile struct {
	Name string
	Data []byte
	Size int64 // of all of it
}

// Logs are what servers write into their logs, by node. It may be told on any goroutine.
type Logs struct {
	mu    sync.Mutex
	lines map[string][]string
}

// Of is who hears a node's log.
func (l *Logs) Of(node string) func(at time.Duration, msg string) {
	return func(at time.Duration, msg string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.lines == nil {
			l.lines = map[string][]string{}
		}
		list := append(l.lines[node], fmt.Sprintf("%9.3fs %s\n", at.Seconds(), msg))
		if len(list) > mostLogLines {
			list = append([]string(nil), list[len(list)-mostLogLines*3/4:]...)
		}
		l.lines[node] = list
	}
}

func (l *Logs) text(node string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return []byte(strings.Join(l.lines[node], ""))
}

// Evidence takes what is left of the nodes, while nobody uses their files.
func (n *Nodes) Evidence(l *Logs) (list []Evidence) {
	left := int64(mostKeptBytes)
	for _, of := range n.All {
		e := Evidence{Node: of.Name, Log: l.text(of.Name)}
		err := of.Files(func(fsys vfs.FS) {
			err := vfs.Walk(fsys, ".", func(name string, info vfs.Info) error {
				if info.Dir || left <= 0 {
					return nil
				}
				data, err := vfs.ReadFile(fsys, name)
				if err != nil {
					return err
				}
				f := KeptFile{Name: name, Size: int64(len(data)), Data: data[:min(int64(len(data)), longestKept, left)]}
				left -= int64(len(f.Data))
				e.Files = append(e.Files, f)
				return nil
			})
			if err != nil {
				e.Why = err.Error()
			}
		})
		if err != nil {
			e.Why = err.Error()
		}
		list = append(list, e)
	}
	return list
}

// save writes what is left of a node below a directory.
func (e *Evidence) save(dir string) error {
	dir = filepath.Join(dir, NodesDir, e.Node)
	files := []KeptFile{{Name: "log.txt", Data: e.Log, Size: int64(len(e.Log))}}
	note := ""
	for _, f := range e.Files {
		files = append(files, KeptFile{Name: filepath.Join("files", filepath.FromSlash(f.Name)), Data: f.Data})
		if int64(len(f.Data)) < f.Size {
			note += fmt.Sprintf("%s: the first %d of %d bytes\n", f.Name, len(f.Data), f.Size)
		}
	}
	if e.Why != "" {
		note += "not all could be read: " + e.Why + "\n"
	}
	if note != "" {
		files = append(files, KeptFile{Name: "note.txt", Data: []byte(note)})
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
