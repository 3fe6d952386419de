package hunt

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/vfs"
)

// The files of a dossier beside those of a saved failure.
const (
	readmeFile = "README.md"
	imageFile  = "crash-image.tar"
	logFile    = "server.log"
	repairFile = "repair.txt"
)

// Bounds of what is kept of a run: a log that goes on for ever, or a huge data directory, is
// no help to a reader.
const (
	mostImage = 64 << 20
	mostLog   = 4 << 20
)

// evidence is what a run leaves behind for its dossier: an experiment.Observer.
type evidence struct {
	image []file // as the last crash left it
	lives int
	log   strings.Builder
	tool  strings.Builder
}

// file is a file of a crash image, or a directory.
type file struct {
	name string
	dir  bool
	data []byte
}

// Left implements experiment.Observer.
func (e *evidence) Left(fsys vfs.FS) {
	e.image = nil
	size := 0
	_ = vfs.Walk(fsys, ".", func(name string, info vfs.Info) error {
		f := file{name: name, dir: info.Dir}
		if !info.Dir {
			if size += int(info.Size); size > mostImage {
				return errors.New("too large")
			}
			data, err := vfs.ReadFile(fsys, name)
			if err != nil {
				return nil // gone meanwhile, or out of reach: the others still help
			}
			f.data = data
		}
		e.image = append(e.image, f)
		return nil
	})
}

// happenings are the harness' own lines in the server's log.
var happenings = map[history.EventKind]string{
	history.ProcessKill: "killed (SIGKILL)", history.PowerCut: "the power was cut", history.Terminated: "asked to end (SIGTERM)",
	history.Exited: "ended by itself", history.Restarted: "started again on what is in its directory", history.Ready: "serves",
	history.Refused: "refused to start", history.Repaired: "repaired with its own tool", history.FaultStruck: "plan",
}

// Event implements experiment.Observer.
func (e *evidence) Event(at time.Duration, kind history.EventKind, text string) {
	what := happenings[kind]
	if what == "" {
		what = string(kind)
	}
	if text != "" {
		what += ": " + text
	}
	if kind == history.Restarted {
		e.lives++
		fmt.Fprintf(&e.log, "\n=== life %d of the server ===\n", e.lives+1)
	}
	e.line(at, "torntail: "+what)
}

// Says implements experiment.Observer.
func (e *evidence) Says(at time.Duration, text string) { e.line(at, text) }

func (e *evidence) line(at time.Duration, text string) {
	if e.log.Len() == 0 {
		e.log.WriteString("=== life 1 of the server ===\n")
	}
	if e.log.Len() < mostLog {
		fmt.Fprintf(&e.log, "%10.6f %s\n", at.Seconds(), text)
	}
}

// Tool implements experiment.Observer.
func (e *evidence) Tool(said string) {
	if e.tool.Len() < mostLog {
		fmt.Fprintf(&e.tool, "%s\n", strings.TrimRight(said, "\n"))
	}
}

// write puts what there is into a dossier, and takes away what another run had left there.
func (e *evidence) write(dir string) error {
	image, err := e.tar()
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{imageFile: image, logFile: []byte(e.log.String()), repairFile: []byte(e.tool.String())} { // any order: they are independent
		path := filepath.Join(dir, name)
		if len(data) == 0 {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tar is the crash image as an archive, which depends on nothing but what is in it; nil when
// there is none.
func (e *evidence) tar() ([]byte, error) {
	if len(e.image) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range e.image {
		h := &tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data)), ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg}
		if f.dir {
			h.Name, h.Mode, h.Typeflag = f.name+"/", 0o755, tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", imageFile, f.name, err)
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", imageFile, f.name, err)
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
