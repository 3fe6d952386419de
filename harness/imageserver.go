package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/vfs/osfs"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// ImageServer finds out what a real server makes of crash images, one after the
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
type ImageServer struct {
	rig  *Rig
	mode product.Mode
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

// NewImageServer makes one for the images of an experiment's run. What they hold
// will be read at the given time of its clock, or later. dir is for its files,
// and its own.
func (r *Rig) NewImageServer(x *Experiment, read time.Duration, dir string) (*ImageServer, error) {
	s := &ImageServer{rig: r, mode: x.Mode, read: read, dir: dir, env: r.newEnv(0)}
	for _, d := range []string{s.coldDir(), s.liveDir()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	s.env.Enter()
	defer s.env.Leave()
	s.rec.Reset(&s.hist)
	s.run.Reset(s.env, "", x.Workload, &s.rec)
	s.run.Expect(tokensAhead)
	return s, nil
}

func (s *ImageServer) coldDir() string { return filepath.Join(s.dir, "cold") }
func (s *ImageServer) liveDir() string { return filepath.Join(s.dir, "live") }

// Close ends the running server.
func (s *ImageServer) Close() { s.drop() }

// drop ends the running server; the next Reload starts another.
func (s *ImageServer) drop() {
	if s.live == nil {
		return
	}
	if s.conn != nil {
		s.env.Enter()
		s.conn.Close()
		s.env.Leave()
	}
	end(s.live)
	s.live, s.conn, s.has = nil, nil, nil
}

// end kills a server and waits until nothing is left of it.
func end(r *process.Redis) {
	r.KillTree()
	r.WaitTree()
	r.OutputDone()
}

// launch starts the server in a directory.
func (s *ImageServer) launch(ctx context.Context, dir string, more ...product.Directive) (*process.Redis, *process.StartError, error) {
	var list []process.Directive
	for _, d := range append(s.mode.Directives, more...) {
		list = append(list, process.Directive{Name: d.Name, Args: d.Arguments()})
	}
	r, err := process.StartRedis(ctx, s.rig.spec(dir, list, s.onLine))
	var refusal *process.StartError
	if errors.As(err, &refusal) && product.Refused(refusal) {
		return nil, refusal, nil
	}
	return r, nil, err
}

// onLine notes when the server says that it cuts a torn tail off.
func (s *ImageServer) onLine(l process.Line) {
	if _, rest, ok := strings.Cut(l.Text, "!!! Truncating the AOF "); ok {
		file, _, _ := strings.Cut(rest, " ")
		s.cut.Store(&file)
	}
}

// Start starts the server on an image. When second is asked for and the server
// came back, it takes a write, is killed, and is started once more.
func (s *ImageServer) Start(ctx context.Context, image *CrashImage, second bool) (Recovered, SecondLife, error) {
	began := time.Now()
	r := Recovered{NoData: image.none, How: ByItself, At: s.read}
	var then SecondLife
	if err := image.WriteTo(s.coldDir(), nil); err != nil {
		return r, then, err
	}
	s.cut.Store(nil)
	redis, refusal, err := s.launch(ctx, s.coldDir())
	if err == nil && refusal != nil {
		redis, err = s.repaired(ctx, &r, refusal, image)
	}
	if err != nil || redis == nil {
		s.Starts.since(began)
		return r, then, err
	}
	defer func() { end(redis) }()
	if err := s.dump(redis.Addr, &r); err != nil {
		return r, then, err
	}
	if cut := s.cut.Load(); cut != nil {
		r.Truncated, then.Cut = true, *cut
	}
	if r.How == ByItself && image.stray {
		r.NULBytes = !r.Truncated || product.HasStrayBytes(osfs.New(s.coldDir()))
	}
	if !second {
		end(redis)
	}
	s.Starts.since(began)
	if !second {
		return r, then, nil
	}
	then.Truncated = then.Cut == "" || s.shorter(image, then.Cut)
	if then.Wrong, err = s.poke(redis.Addr); err != nil || then.Wrong != "" {
		return r, then, err
	}
	redis.KillTree()
	redis.WaitTree()
	again, refusal, err := s.launch(ctx, s.coldDir())
	switch {
	case err != nil:
		return r, then, err
	case refusal != nil:
		then.Wrong = "it came back, took a write, was killed, and would not start again: " + product.LastWords(refusal)
		return r, then, nil
	}
	redis.OutputDone()
	redis = again
	after := Recovered{At: s.read}
	if err := s.dump(again.Addr, &after); err != nil {
		return r, then, err
	}
	if missing := lacks(&after.State, &r.State); missing != "" {
		then.Wrong = fmt.Sprintf("it came back with key %q, took a write of another key, was killed, and came back without it", missing)
	}
	return r, then, nil
}

// repaired runs the repair tool and starts the server again; nil when it will not.
func (s *ImageServer) repaired(ctx context.Context, r *Recovered, refusal *process.StartError, image *CrashImage) (*process.Redis, error) {
	r.How, r.Refusal = RefusedToStart, product.LastWords(refusal)
	r.NULBytes = image.stray
	if !s.mode.AOF || s.rig.repair == nil {
		return nil, nil
	}
	fixed, err := product.RunRepair(ctx, s.rig.repair, s.coldDir(), s.rig.clock)
	if err != nil || !fixed {
		return nil, err
	}
	redis, refusal, err := s.launch(ctx, s.coldDir())
	if err == nil && refusal == nil {
		r.How = Repaired
	}
	return redis, err
}

// shorter reports whether a file of the image has been cut in the server's directory.
func (s *ImageServer) shorter(image *CrashImage, file string) bool {
	for i := range image.Files {
		if f := &image.Files[i]; path.Base(f.Path) == path.Base(file) {
			info, err := os.Stat(filepath.Join(s.coldDir(), f.Path))
			return err == nil && info.Size() < int64(len(f.Data))
		}
	}
	return false
}

// dump reads what a server has.
func (s *ImageServer) dump(addr string, r *Recovered) error {
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
func (s *ImageServer) poke(addr string) (wrong string, err error) {
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
func (s *ImageServer) Reload(ctx context.Context, image *CrashImage) (r Recovered, known bool, err error) {
	r = Recovered{NoData: image.none, NULBytes: image.stray, How: ByItself, At: s.read}
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
	if s.mode.AOF {
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
func (s *ImageServer) wait(ctx context.Context) error {
	nothing := &CrashImage{}
	if err := nothing.WriteTo(s.liveDir(), nil); err != nil {
		return err
	}
	live, refusal, err := s.launch(ctx, s.liveDir(), product.Directive{Name: "appendonly", Value: "no"}, product.Directive{Name: "save", Value: ""},
		product.Directive{Name: "enable-debug-command", Value: "yes"}, product.Directive{Name: "loglevel", Value: "warning"})
	if err == nil && refusal != nil {
		err = fmt.Errorf("a server to load crash images into: %w", refusal)
	}
	if err != nil {
		return err
	}
	s.live, s.has = live, nothing
	s.env.Enter()
	defer s.env.Leave()
	s.conn, err = workloads.Dial(s.env, live.Addr)
	return err
}

// ImageDir makes a directory for crash images: where TMPDIR says, else in memory
// where the host has that. Syncing is not what is tested there.
func (r *Rig) ImageDir() (dir string, remove func(), err error) {
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
