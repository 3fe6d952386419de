package image

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
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
// image where the store has a command for that (product.Reload), which takes a tenth
// of the time. What that does otherwise than a start shows: where a start would cut a torn tail off, or load
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

	reload *product.Reload // nil: it cannot be told to load an image
	live   *process.Redis  // waits for images; nil: there is none now
	conn   *workloads.Conn
	has    *CrashImage // what the running server's directory holds; nil: unknown

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
	s := &Server{rig: r, Mode: x.Mode, reload: x.Mode.Store.Reload(&x.Mode), read: read, dir: dir, env: r.Env("c1", 0)}
	for _, d := range []string{s.coldDir(), s.liveDir()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	if err := r.Allow(dir); err != nil {
		return nil, err
	}
	s.env.Enter()
	defer s.env.Leave()
	s.rec.Reset(&s.hist)
	s.run.Reset(s.env, "", x.Mode.Store, x.Workload, &s.rec)
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
	if what, file := s.Mode.Store.Says(l.Text); what == product.TailCut {
		s.cut.Store(&file)
	}
}

// directory is a starter of a real server: on a directory with the files of an image.
type directory struct {
	s       *Server
	dir     string
	image   *CrashImage
	look    vfs.FS         // at the files
	redis   *process.Redis // that serves; nil: none
	reading time.Time      // when it was first read
}

func (s *Server) in(dir string, image *CrashImage, look vfs.FS) *directory {
	s.cut.Store(nil)
	return &directory{s: s, dir: dir, image: image, look: look}
}

func (d *directory) Start(ctx context.Context) (err error) {
	d.redis, err = d.s.rig.LaunchOnHost(ctx, d.dir, d.s.Mode.Directives, d.s.onLine)
	return err
}

func (d *directory) Repair(ctx context.Context) (fixed bool, said string, err error) {
	return d.s.rig.Repair(ctx, d.dir)
}

func (d *directory) Files(f func(fsys vfs.FS)) error {
	f(d.look)
	return nil
}

func (d *directory) cutOff() string {
	if file := d.s.cut.Load(); file != nil {
		return *file
	}
	return ""
}

func (d *directory) dump() (state history.State, err error) {
	if d.reading.IsZero() {
		d.reading = time.Now()
	}
	err = d.s.ask(d.redis.Addr, func(conn *workloads.Conn) error {
		state, err = d.s.run.Dump(conn, product.ReplyLimit)
		return err
	})
	return state, err
}

func (d *directory) probe() (refusal string, err error) {
	err = d.s.ask(d.redis.Addr, func(conn *workloads.Conn) error {
		refusal, err = product.Probe(d.s.Mode.Store, conn)
		return err
	})
	return refusal, err
}

func (d *directory) shortened(file string) bool {
	for i := range d.image.Files {
		if f := &d.image.Files[i]; path.Base(f.Path) == path.Base(file) {
			info, err := os.Stat(filepath.Join(d.dir, f.Path))
			return err == nil && info.Size() < int64(len(f.Data))
		}
	}
	return false
}

func (d *directory) kill() {
	machine.End(d.redis)
	d.redis = nil
}

// ask does something with a connection to a server.
func (s *Server) ask(addr string, f func(conn *workloads.Conn) error) error {
	s.env.Enter()
	defer s.env.Leave()
	conn, err := workloads.Dial(s.env, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	return f(conn)
}

// Start starts the server on an image. When second is asked for and the server
// came back, it takes a write, is killed, and is started once more.
func (s *Server) Start(ctx context.Context, image *CrashImage, second bool) (r experiment.Recovered, then SecondLife, err error) {
	began := time.Now()
	d := s.in(s.coldDir(), image, osfs.New(s.coldDir()))
	defer d.kill()
	if err := image.WriteTo(d.dir, nil); err != nil {
		return r, then, err
	}
	r, err = bringBack(ctx, d, &s.Mode)
	r.At = s.read
	if err == nil && r.How != machine.RefusedToStart && second {
		s.Starts.since(began)
		then, err = liveAgain(ctx, d, &r)
		return r, then, err
	}
	d.kill()
	s.Starts.since(began)
	return r, then, err
}

// StartOn is Start on an image that stands in a directory already, such as a mounted file
// system. files are those of the image, for a look at them that does not go through
// the directory; start and read are how long that took.
func (s *Server) StartOn(ctx context.Context, dir string, image *CrashImage, files *disk.Disk) (r experiment.Recovered, start, read time.Duration, err error) {
	d := s.in(dir, image, files.FS(nil))
	defer d.kill()
	began := time.Now()
	r, err = bringBack(ctx, d, &s.Mode)
	r.At = s.rig.Clock()
	over := time.Now()
	if d.reading.IsZero() {
		d.reading = over
	}
	return r, d.reading.Sub(began), over.Sub(d.reading), err
}

// Reload has the running server load an image. known is false when it does not
// say what a start would make of it.
func (s *Server) Reload(ctx context.Context, image *CrashImage) (r experiment.Recovered, known bool, err error) {
	r = experiment.Recovered{NoData: image.noData, NoDir: image.noDir, Stray: image.stray, How: machine.ByItself, At: s.read}
	if s.reload == nil {
		return r, false, nil
	}
	if s.live == nil {
		if err := s.wait(ctx); err != nil {
			return r, false, err
		}
	}
	began := time.Now()
	if err := image.WriteTo(s.liveDir(), s.has); err != nil {
		return r, false, err
	}
	s.has = image
	for i := range image.Files {
		if f := &image.Files[i]; s.reload.Removes(f.Path, f.Data) {
			s.has = nil
		}
	}
	s.env.Enter()
	s.conn.Deadline(product.ReplyLimit)
	err = s.Mode.Store.Command(s.conn, s.reload.Command)
	if known = err == nil; known {
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
	live, err := s.rig.Launch(ctx, s.liveDir(), s.Mode.With(s.reload.Waiting).Directives, s.onLine)
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
	watchdog, err := guard.Default()
	if err != nil {
		return "", nil, err
	}
	dir, release, err := watchdog.NewDir(base, "torntail-images-")
	if err != nil && base != "" {
		dir, release, err = watchdog.NewDir("", "torntail-images-")
	}
	if err != nil {
		return "", nil, err
	}
	return dir, func() {
		os.RemoveAll(dir)
		release()
	}, nil
}

// memory is where Linux has a file system in memory.
const memory = "/dev/shm"
