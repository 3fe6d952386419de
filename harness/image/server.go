package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// Server finds out what a real server makes of crash images, one after the
// other, in one of two ways.
//
// Start is what happens after a crash: the server is started on the image, with
// its repair tool if it refuses, and read. Reload has a running server load the
// image, which takes a tenth of the time: DEBUG LOADAOF for an AOF, DEBUG RELOAD
// NOSAVE for a snapshot. These call the functions that a start calls (redis
// 7.0.15: debug.c debugCommand; server.c loadDataFromDisk), on an empty database.
// What they do otherwise shows: where a start would cut a torn tail off, or load
// nothing, or refuse, the running server exits or answers an error, and Reload
// says that it does not know.
type Server struct {
	rig  *machine.Rig
	Mode product.Mode
	read time.Duration // Recovered.At
	dir  string
	env  *osenv.Env
	run  workloads.Run
	rec  workloads.Recorder
	hist history.History

	live *process.Redis // waits for images; nil: there is none now
	conn *workloads.Conn
	has  *CrashImage // what the running server's directory holds; nil: unknown

	// Starts and Reloads are how many images the server was started on and had
	// loaded, and how long that took, the reading of what came back included.
	Starts, Reloads Tally

	cut atomic.Pointer[string] // file whose torn tail the last start said it had cut off
}

// Tally is how often something was done, and how long all of that took.
type Tally struct {
	N    int
	Took time.Duration
}

func (t *Tally) since(began time.Time) {
	t.N++
	t.Took += time.Since(began)
}

// Add adds another.
func (t *Tally) Add(o Tally) { t.N, t.Took = t.N+o.N, t.Took+o.Took }

// Rate is how often in a second of its own time; 0 when never.
func (t *Tally) Rate() float64 {
	if t.N == 0 {
		return 0
	}
	return float64(t.N) / t.Took.Seconds()
}

// NewServer makes one for the images of an experiment's run. What they hold
// will be read at the given time of its clock, or later. dir is for its files,
// and its own.
func NewServer(r *machine.Rig, x *experiment.Experiment, read time.Duration, dir string) (*Server, error) {
	s := &Server{rig: r, Mode: x.Mode, read: read, dir: dir, env: r.Env("c1", 0)}
	for _, d := range []string{s.coldDir(), s.liveDir()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	s.env.Enter()
	defer s.env.Leave()
	s.rec.Reset(&s.hist)
	s.run.Reset(s.env, "", x.Workload, &s.rec)
	s.run.Expect(TokensAhead)
	return s, nil
}

func (s *Server) coldDir() string { return filepath.Join(s.dir, "cold") }
func (s *Server) liveDir() string { return filepath.Join(s.dir, "live") }

// Close ends the running server.
func (s *Server) Close() { s.drop() }

// drop ends the running server; the next Reload starts another.
func (s *Server) drop() {
	if s.live == nil {
		return
	}
	if s.conn != nil {
		s.env.Enter()
		s.conn.Close()
		s.env.Leave()
	}
	machine.End(s.live)
	s.live, s.conn, s.has = nil, nil, nil
}

// onLine notes when the server says that it cuts a torn tail off.
func (s *Server) onLine(l process.Line) {
	if file, ok := product.CutOff(l.Text); ok {
		s.cut.Store(&file)
	}
}

// directory is what a server is brought back on (machine.Startable): a directory with
// the files of an image.
type directory struct {
	s     *Server
	dir   string
	look  func(f func(fsys vfs.FS)) error // at the files
	redis *process.Redis                  // that serves; nil: none
}

func (d *directory) Start(ctx context.Context) (err error) {
	d.redis, err = d.s.rig.Launch(ctx, d.dir, d.s.Mode.Directives, d.s.onLine)
	return err
}

func (d *directory) Repair(ctx context.Context) (fixed bool, err error) {
	return d.s.rig.Repair(ctx, d.dir)
}

func (d *directory) Files(f func(fsys vfs.FS)) error { return d.look(f) }

// bringBack starts the server on a directory, with its repair tool if it refuses, and
// reads it. began: when it was about to read.
func (s *Server) bringBack(ctx context.Context, d *directory, r *experiment.Recovered) (began time.Time, err error) {
	s.cut.Store(nil)
	err = r.Take(machine.Recover(ctx, d, &s.Mode, nil))
	began = time.Now()
	if err != nil || r.How == machine.RefusedToStart {
		return began, err
	}
	err = s.dump(d.redis.Addr, r)
	r.Truncated = s.cut.Load() != nil
	return began, err
}

// Start starts the server on an image. When second is asked for and the server
// came back, it takes a write, is killed, and is started once more.
func (s *Server) Start(ctx context.Context, image *CrashImage, second bool) (experiment.Recovered, SecondLife, error) {
	began := time.Now()
	r := experiment.Recovered{NoData: image.none, At: s.read}
	var then SecondLife
	if err := image.WriteTo(s.coldDir(), nil); err != nil {
		return r, then, err
	}
	cold := osfs.New(s.coldDir())
	d := &directory{s: s, dir: s.coldDir(), look: func(f func(fsys vfs.FS)) error {
		f(cold)
		return nil
	}}
	defer func() { machine.End(d.redis) }()
	_, err := s.bringBack(ctx, d, &r)
	if err != nil || r.How == machine.RefusedToStart {
		s.Starts.since(began)
		return r, then, err
	}
	if r.Truncated {
		then.Cut = *s.cut.Load()
	}
	if r.How == machine.ByItself && image.stray {
		r.NULBytes = !r.Truncated || product.HasStrayBytes(cold)
	}
	if !second {
		machine.End(d.redis)
	}
	s.Starts.since(began)
	if second {
		err = s.second(ctx, d, image, &r, &then)
	}
	return r, then, err
}

// second is the second life of a server that has come back.
func (s *Server) second(ctx context.Context, d *directory, image *CrashImage, r *experiment.Recovered, then *SecondLife) (err error) {
	then.Truncated = then.Cut == "" || s.shorter(image, then.Cut)
	if then.Wrong, err = s.poke(d.redis.Addr); err != nil || then.Wrong != "" {
		return err
	}
	machine.End(d.redis)
	var refusal *machine.Refusal
	switch err := d.Start(ctx); {
	case errors.As(err, &refusal):
		then.Wrong = wouldNotStart + refusal.Words
		return nil
	case err != nil:
		return err
	}
	after := experiment.Recovered{At: s.read}
	if err := s.dump(d.redis.Addr, &after); err != nil {
		return err
	}
	then.compare(&after.State, &r.State)
	return nil
}

// shorter reports whether a file of the image has been cut in the server's directory.
func (s *Server) shorter(image *CrashImage, file string) bool {
	for i := range image.Files {
		if f := &image.Files[i]; path.Base(f.Path) == path.Base(file) {
			info, err := os.Stat(filepath.Join(s.coldDir(), f.Path))
			return err == nil && info.Size() < int64(len(f.Data))
		}
	}
	return false
}

// dump reads what a server has.
func (s *Server) dump(addr string, r *experiment.Recovered) error {
	s.env.Enter()
	defer s.env.Leave()
	conn, err := workloads.Dial(s.env, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	r.State, err = s.run.Dump(conn, product.ReplyLimit)
	return err
}

// poke makes one write; what is wrong with the answer.
func (s *Server) poke(addr string) (wrong string, err error) {
	s.env.Enter()
	defer s.env.Leave()
	conn, err := workloads.Dial(s.env, addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if wrong, err = product.Probe(conn); wrong != "" {
		wrong = "it came back and refuses a write: " + wrong
	}
	return wrong, err
}

// Reload has the running server load an image. known is false when it does not
// say what a start would make of it.
func (s *Server) Reload(ctx context.Context, image *CrashImage) (r experiment.Recovered, known bool, err error) {
	r = experiment.Recovered{NoData: image.none, NULBytes: image.stray, How: machine.ByItself, At: s.read}
	if s.live == nil {
		if err := s.wait(ctx); err != nil {
			return r, false, err
		}
	}
	began := time.Now()
	if err := image.WriteTo(s.liveDir(), s.has); err != nil {
		return r, false, err
	}
	if s.has = image; image.history() {
		s.has = nil // it will remove them
	}
	s.env.Enter()
	var reply redcon.RESP
	if s.Mode.AOF {
		reply, err = s.conn.Do(product.ReplyLimit, "DEBUG", "LOADAOF")
	} else {
		reply, err = s.conn.Do(product.ReplyLimit, "DEBUG", "RELOAD", "NOSAVE")
	}
	if known = err == nil && reply.Type == redcon.String; known {
		r.State, err = s.run.Dump(s.conn, product.ReplyLimit)
	}
	s.env.Leave()
	if known && err != nil {
		return r, false, err
	}
	if known {
		s.Reloads.since(began)
	} else {
		s.drop()
	}
	return r, known, ctx.Err()
}

// wait starts the server that images are loaded into. It has no persistence of
// its own, so that nothing but the image is in its directory.
func (s *Server) wait(ctx context.Context) error {
	nothing := &CrashImage{}
	if err := nothing.WriteTo(s.liveDir(), nil); err != nil {
		return err
	}
	live, err := s.rig.Launch(ctx, s.liveDir(), s.Mode.With([]product.Directive{{Name: "appendonly", Value: "no"}, {Name: "save", Value: ""},
		{Name: "enable-debug-command", Value: "yes"}, {Name: "loglevel", Value: "warning"}}).Directives, s.onLine)
	if err != nil {
		return fmt.Errorf("a server to load crash images into: %w", err)
	}
	s.live, s.has = live, nothing
	s.env.Enter()
	defer s.env.Leave()
	s.conn, err = workloads.Dial(s.env, live.Addr)
	return err
}

// Dir makes a directory for crash images: where TMPDIR says, else in memory
// where the host has that. Syncing is not what is tested there.
func Dir() (dir string, remove func(), err error) {
	base := ""
	if info, err := os.Stat(memory); os.Getenv("TMPDIR") == "" && err == nil && info.IsDir() {
		base = memory
	}
	if dir, err = os.MkdirTemp(base, "torntail-images-"); err != nil && base != "" {
		dir, err = os.MkdirTemp("", "torntail-images-")
	}
	if err != nil {
		return "", nil, err
	}
	watchdog, err := guard.Default()
	if err != nil {
		os.Remove(dir)
		return "", nil, err
	}
	release := watchdog.Dir(dir)
	return dir, func() {
		os.RemoveAll(dir)
		release()
	}, nil
}

// memory is where Linux has a file system in memory.
const memory = "/dev/shm"
