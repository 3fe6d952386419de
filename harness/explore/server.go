package explore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/image"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/workloads"
)

// Server is a real server to be explored.
type Server struct {
	Rig             *machine.Rig
	Target, Version string
	// Images is how many distinct ones are judged on a real file system; elsewhere it
	// is all that the bound has.
	Images int
	// Until, when not zero, is when no more images are judged on the fault disk: those that
	// were are spread over the run.
	Until time.Time
	// Progress is told how many images have been judged; nil: nobody is.
	Progress func(done, all int)
}

// blocks is the real file system that the server is on; nil: none.
func (s *Server) blocks() *machine.Blocks {
	if s == nil {
		return nil
	}
	b, _ := s.Rig.Disks.(*machine.Blocks)
	return b
}

// server explores a real one. Its run is recorded on the fault disk and played
// as often as it must be looked at. First the distinct images are counted, then
// each is put into a directory of the host and judged there, then the states
// are judged as those of the engine are, by what came back from their images.
//
// The embedded engine, which reads the same files, is asked beforehand what an
// image holds: where it starts on it without cutting anything off, a running
// server can load the image; else a start is needed. Its word decides which way
// is tried first, and nothing else. That the two servers agree is counted.
type server struct {
	e       *explorer
	o       *Server
	run     *experiment.Recording
	blocks  *machine.Blocks // the file system that is real; nil: the fault disk
	oracle  *image.Bare     // nil: the engine does not know these directives
	remove  func()          // the directories of the workers
	workers []*image.Server
	fresh   []fresh
	// counting: images are met for the first time, and judged later.
	counting bool

	mu     sync.Mutex // covers the explorer's results while images are judged
	done   int
	second []later
	out    ServerReport
	// Of the images judged both ways: what each way took.
	bothReload, bothStart time.Duration
	steps                 [6]time.Duration // of images of blocks
}

// fresh is a distinct image, where it was met first.
type fresh struct {
	moment int
	choice disk.Choice
	at     time.Duration
	hash   uint64
	plain  bool                  // a running server may load it
	engine *experiment.Recovered // what the engine makes of it; nil: it was not asked
	result int32
}

// later is a second life that went wrong.
type later struct {
	image int
	life  image.SecondLife
}

// ServerReport is how the images of a real server's run were judged.
type ServerReport struct {
	Target  string `json:"target"`
	Version string `json:"version"`
	// Reloaded images were loaded by a running server, Started ones by one that was
	// started on them, with its repair tool where that was needed. Rates are of
	// one worker, in images a second; those for Ratio of the images judged both ways.
	Reloaded   int     `json:"reloaded"`
	By         string  `json:"by"` // which command
	ReloadRate float64 `json:"reload_rate"`
	Started    int     `json:"started"`
	StartRate  float64 `json:"start_rate"`
	Ratio      float64 `json:"ratio"`
	// Unknown images were tried on a running server first, which did not say what
	// a start would make of them.
	Unknown int `json:"unknown"`
	Both    int `json:"both"`  // judged both ways, of which all must agree
	Lives   int `json:"lives"` // servers that were made to write, killed and started again
	// Engine is how many images the engine was asked about, Differ those of which
	// it makes something else; Example is the first.
	Engine  int    `json:"engine"`
	Differ  int    `json:"differ"`
	Example string `json:"example,omitempty"`
	// Blocks, when not nil, is what is known of a run on a real file system instead.
	Blocks *BlockReport `json:"blocks,omitempty"`
}

// newServer records the run.
func newServer(e *explorer, o *Server) (*server, error) {
	s := &server{e: e, o: o, out: ServerReport{Target: o.Target, Version: o.Version}}
	var err error
	if s.run, err = experiment.Record(e.ctx, o.Rig, e.x); err != nil {
		return nil, err
	}
	if reload := e.o.Mode.Store.Reload(&e.o.Mode); reload != nil {
		s.out.By = strings.Join(reload.Command, " ")
	}
	s.blocks = o.blocks()
	s.oracle, _ = image.NewBare(e.x)
	// What expires in the run must have expired when images are read, whenever that is.
	read := s.run.Deadline(workloads.ShortLife + time.Second)
	if err := o.Rig.WaitUntil(e.ctx, read); err != nil {
		return nil, err
	}
	dir, remove, err := image.Dir()
	if err != nil {
		return nil, err
	}
	s.remove = remove
	if err := o.Rig.Allow(dir); err != nil { // once for all of them
		s.close()
		return nil, err
	}
	if u := &s.o.Until; !u.IsZero() && time.Until(*u) < leastTime {
		*u = time.Now().Add(leastTime)
	}
	n := runtime.GOMAXPROCS(0)
	if s.blocks == nil {
		n *= 2 // they wait for the disk that this process is
	}
	for i := range n {
		w, err := image.NewServer(o.Rig, e.x, read, filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			s.close()
			return nil, err
		}
		s.workers = append(s.workers, w)
	}
	return s, nil
}

func (s *server) close() {
	for _, w := range s.workers {
		w.Close()
	}
	s.remove()
}

// images judges all distinct images of the run.
func (s *server) images() error {
	s.counting = true
	_, _, err := s.e.record(func(m *experiment.Moment) {
		if s.e.flight, _ = m.Disk().InPlay(); s.e.changed(m) {
			s.e.enum.choices(m.Disk(), func(c disk.Choice) { s.e.image(m, c) })
		}
	})
	if s.counting = false; err != nil {
		return err
	}
	if err := s.judgeInTime(); err != nil {
		return err
	}
	for sig, n := range s.e.images { // any order: each is replaced
		s.e.images[sig] = s.fresh[n].result
	}
	for hash, n := range s.e.contents { // any order: each is replaced
		s.e.contents[hash] = s.fresh[n].result
	}
	slices.SortFunc(s.second, func(a, b later) int { return a.image - b.image })
	for _, l := range s.second {
		f := &s.fresh[l.image]
		s.e.secondLife(f.moment, f.choice, l.life)
	}
	s.e.enum = enumerator{bound: s.e.o.Bound, class: s.e.classOf} // what it has counted is counted again
	s.e.out.Compared = s.out.Both
	var reloads, starts image.Tally
	for _, w := range s.workers {
		reloads.Add(w.Reloads)
		starts.Add(w.Starts)
	}
	s.out.ReloadRate, s.out.StartRate = reloads.Rate(), starts.Rate()
	if s.bothReload > 0 {
		s.out.Ratio = s.bothStart.Seconds() / s.bothReload.Seconds()
	}
	s.e.out.Server = &s.out
	return nil
}

// first notes an image that is met first at a moment, as the result of that number.
func (s *server) first(m *experiment.Moment, c disk.Choice, image *disk.Disk, hash uint64) int32 {
	s.fresh = append(s.fresh, s.ask(fresh{moment: m.Number, choice: c, at: m.At, plain: true, hash: hash, result: notJudged}, image))
	return int32(len(s.fresh) - 1)
}

// ask asks the engine about an image, which that changes.
func (s *server) ask(f fresh, image *disk.Disk) fresh {
	if s.oracle == nil {
		return f
	}
	r := s.oracle.Recover(image, f.at, nil)
	r.State.Keys = slices.Clone(r.State.Keys)
	f.engine, f.plain = &r, r.How == machine.ByItself && !r.Truncated && !r.NoData
	return f
}

// leastTime is for how long images are judged at least, however long the recording took.
const leastTime = 5 * time.Second

// notJudged is the result of an image of which nobody knows what it comes back as.
const notJudged = -1

// passes is in how many parts the images are judged where there may be no time for all: each
// part is spread over the run.
const passes = 16

// judgeInTime judges the images as long as there is time and nobody interrupts. What is not
// judged by then is left out.
func (s *server) judgeInTime() error {
	ctx := s.e.ctx
	if until := s.o.Until; !until.IsZero() {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadline(ctx, until)
		defer stop()
	}
	for part := uint64(0); part < passes; part++ {
		if err := s.judgeAll(ctx, part); err != nil {
			if ctx.Err() == nil || s.done == 0 {
				return err
			}
			s.e.out.NotJudged = len(s.fresh) - s.done
			s.e.skip, s.e.err = s.e.out.NotJudged > 0, nil
			if s.e.ctx.Err() != nil {
				s.e.cutShort = context.Cause(s.e.ctx)
			}
			return nil
		}
	}
	return nil
}

// job is an image to be judged.
type job struct {
	n           int
	image       *image.CrashImage
	both, again bool
}

// mostLives is of how many images whose recovery changes a file the server is
// made to write, killed and started again: that takes as long as judging two.
const mostLives = 30

// judgeAll plays the run once more and gives each image of a part, as it comes by, to a worker.
func (s *server) judgeAll(ctx context.Context, part uint64) error {
	next, cut, plain := 0, 0, 0
	return work(ctx, s.workers, func(send func(job) bool) error {
		_, _, err := s.e.record(func(m *experiment.Moment) {
			for ; next < len(s.fresh) && s.fresh[next].moment == m.Number; next++ {
				f := &s.fresh[next]
				if f.hash>>32%passes != part {
					continue
				}
				image, err := s.image(m, f)
				if err != nil {
					s.e.err = err
					return
				}
				if f.plain {
					plain++
				}
				// Of those that a running server may load the first in any case.
				j := job{n: next, image: image, both: f.hash%compareShare == 0 || f.plain && plain == 1}
				if r := f.engine; r != nil && (r.Truncated || r.How == machine.Repaired) {
					cut++
					j.again = cut <= mostLives/passes+1
				}
				j.again = j.again || j.both
				if !send(j) {
					s.e.err = errCalledOff
					return
				}
			}
		})
		return err
	}, s.judge)
}

// errCalledOff ends the playing of a run of which nobody judges the images any more.
var errCalledOff = errors.New("called off")

// work gives each worker one of the jobs after the other. send is false when no more are
// wanted: a worker has failed, or ctx has ended.
func work[Job any](ctx context.Context, workers []*image.Server, give func(send func(Job) bool) error,
	judge func(ctx context.Context, w *image.Server, j Job) error) error {
	g, inner := errgroup.WithContext(ctx)
	jobs := make(chan Job)
	for _, w := range workers {
		g.Go(func() error {
			for j := range jobs {
				if err := judge(inner, w, j); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(jobs)
		return give(func(j Job) bool {
			select {
			case jobs <- j:
				return true
			case <-inner.Done():
				return false
			}
		})
	})
	if err := g.Wait(); ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}

// image makes an image again, now for a directory of the host. A tenth is made
// from nothing, which must give the same.
func (s *server) image(m *experiment.Moment, f *fresh) (*image.CrashImage, error) {
	if f.hash%compareShare == 0 {
		if m.Disk().Image(&s.e.second, f.choice); s.e.second.Hash() != f.hash {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.e.out.doubt("%s, %q: made from its neighbour the image is not what it is when it is made from nothing", m.At, f.choice)
		}
		return image.NewCrashImage(&s.e.second, &s.e.o.Mode)
	}
	s.e.choose(m, f.choice)
	return image.NewCrashImage(s.e.imager.Image(), &s.e.o.Mode)
}

// judge finds out what the server makes of an image.
func (s *server) judge(ctx context.Context, w *image.Server, j job) error {
	f := &s.fresh[j.n]
	reloads, starts := w.Reloads.Took, w.Starts.Took
	var r experiment.Recovered
	known := false
	if f.plain {
		var err error
		if r, known, err = w.Reload(ctx, j.image); err != nil {
			return err
		}
	}
	var life image.SecondLife
	differ := ""
	if !known || j.both {
		started, second, err := w.Start(ctx, j.image, j.again)
		if err != nil {
			return err
		}
		if life = second; known {
			differ = r.Differs(&started)
		} else {
			r = started
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case known:
		s.out.Reloaded++
	default:
		s.out.Started++
		if f.plain {
			s.out.Unknown++
		}
	}
	if known && j.both {
		s.out.Both++
		s.bothReload += w.Reloads.Took - reloads
		s.bothStart += w.Starts.Took - starts
		if differ != "" {
			s.e.out.doubt("at %s, %q: a running server that loads the image and one that is started on it disagree about %s", f.at, f.choice, differ)
		}
	}
	if j.again {
		s.out.Lives++
	}
	if life.Wrong != "" {
		s.second = append(s.second, later{j.n, life})
	}
	if f.engine != nil {
		s.out.Engine++
		if differ := f.engine.Differs(&r); differ != "" {
			if s.out.Differ++; s.out.Example == "" {
				s.out.Example = fmt.Sprintf("at %s, %q: %s", f.at, f.choice, differ)
			}
		}
		f.engine = nil
	}
	f.result = s.e.add(r)
	if s.done++; s.o.Progress != nil {
		s.o.Progress(s.done, len(s.fresh))
	}
	return nil
}

// one judges a single image, as the search for causes needs it.
func (s *server) one(left *disk.Disk) int32 {
	c, err := image.NewCrashImage(left, &s.e.o.Mode)
	if err == nil {
		var r experiment.Recovered
		if r, _, err = s.workers[0].Start(s.e.ctx, c, false); err == nil {
			return s.e.add(r)
		}
	}
	if s.e.err == nil {
		s.e.err = err
	}
	return s.e.add(experiment.Recovered{})
}

// confirm starts the server on each example once more.
func (s *server) confirm() error {
	for _, g := range s.e.groups {
		if g.crash == nil {
			continue
		}
		o, life, err := saved.Again(s.e.ctx, g.crash.Outcome, s.workers[0], g.crash.Experiment, g.crash.Image)
		if err != nil {
			return err
		}
		if g.confirmed = life.Wrong != ""; g.second == "" {
			g.confirmed = g.same(o)
		}
	}
	return nil
}

// write prints it.
func (s *ServerReport) write(p func(format string, a ...any)) {
	how := "none"
	if s.Reloaded > 0 {
		how = fmt.Sprintf("%d by a running server (%s), %.0f a second", s.Reloaded, s.By, s.ReloadRate)
	}
	p("  judged    %s; %d by starting the server, %.0f a second (of one worker's time)", how, s.Started, s.StartRate)
	if s.By != "" {
		p("  choice    a running server where the engine starts without cutting, repairing or finding nothing; of these %d it could not judge, and was started", s.Unknown)
	}
	both := fmt.Sprintf("%d, all the same", s.Both)
	if s.Ratio > 0 {
		both += fmt.Sprintf(", %.1f times as fast by a running server", s.Ratio)
	}
	p("  both ways %s; %d servers took a write after they had come back, were killed and started again", both, s.Lives)
	if s.Engine > 0 {
		p("  engine    makes something else of %d of %d images", s.Differ, s.Engine)
		if s.Differ > 0 {
			p("    %s", s.Example)
		}
	}
}
