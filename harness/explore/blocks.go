package explore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/image"
	"github.com/torntail/torntail/harness/machine"
)

// This file has the moments and images of a real server's run on a real file system:
// places of the disk's log at which the power is cut, and what of the blocks in play
// survives. The kernel mounts each image, the server is started on it, and what came
// back is judged as at any other moment.

// Sample is the bound there: as many images as are asked for.
var Sample = Bound{Name: "sample", About: "nothing, all and drawn parts of the blocks in play survive, at places of the disk's log in random order",
	Left: "places that were not reached, and other parts of what was in play"}

// BlockReport is what is known of images of blocks alone.
type BlockReport struct {
	Writes      int       `json:"writes"` // of blocks, in the recorded run
	Flushes     int       `json:"flushes"`
	Places      int       `json:"places"`      // in the log: before each flush, and the end
	Tried       int       `json:"tried"`       // of them
	Lost        int       `json:"lost_max"`    // acknowledged writes, in the worst image
	ByItself    int       `json:"by_itself"`   // images on which the server started by itself
	Repaired    int       `json:"repaired"`    // with its own tool
	Refused     int       `json:"refused"`     // not at all
	Unmountable int       `json:"unmountable"` // images that the file system did not mount
	Steps       StepTimes `json:"step_ms"`     // on average
}

// StepTimes are how long the steps of judging an image took, in milliseconds.
type StepTimes struct {
	Build, Attach, Mount, Start, Read, Unmount float64
}

// write prints it.
func (b *BlockReport) write(p func(format string, a ...any)) {
	p("  images    from %d of %d places in the disk's log; the server started by itself on %d, after its own repair on %d, not at all on %d; %d were not mounted",
		b.Tried, b.Places, b.ByItself, b.Repaired, b.Refused, b.Unmountable)
	s := b.Steps
	p("  took      %.1f ms to make, %.1f to attach, %.1f to mount with its journal, %.1f to start the server, %.1f to read it, %.1f to unmount, on average",
		s.Build, s.Attach, s.Mount, s.Start, s.Read, s.Unmount)
	p("  lost      at most %d acknowledged writes", b.Lost)
}

// perPlace is how many choices are tried at one place of the log: nothing and all
// of what is in play, and others drawn.
const perPlace = 8

// unmountable is what is wrong with an image that the file system refuses.
const unmountable = "unmountable"

// place is a place of the log that was tried.
type place struct {
	number, at int
	when       time.Duration
	Position
}

// cut is a crash at a place, and the image that it leaves.
type cut struct {
	*place
	crash blocklog.Crash
	files *image.CrashImage
}

// sample judges images until there are enough, from places in random order.
func (s *server) sample() error {
	e, b, log := s.e, new(BlockReport), s.run.Blocks
	s.out.Blocks, e.out.Server = b, &s.out
	for i := range log.Len() {
		switch log.Record(i).Kind {
		case blocklog.Write:
			b.Writes++
		case blocklog.Flush:
			b.Flushes++
		}
	}
	rng := rand.New(rand.NewPCG(e.o.Seed, 0))
	places := s.places()
	b.Places = len(places)
	rng.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	var tried []*place
	err := work(e.ctx, s.workers, func(send func(*cut) bool) error {
		for _, at := range places {
			if s.enough() {
				break
			}
			p := &place{number: len(tried), at: at, when: s.run.Ended}
			if at < log.Len() {
				p.when = log.Record(at).At - 1 // as late as may be: all replies before the next request count
			}
			tried = append(tried, p)
			for _, c := range s.choices(at, rng) {
				if !send(&cut{place: p, crash: c}) {
					return nil
				}
			}
		}
		return nil
	}, s.judgeCut)
	slices.SortFunc(tried, func(a, b *place) int { return a.at - b.at })
	for _, p := range tried {
		p.AtMS, p.Kind, p.InPlay = inMS(p.when), experiment.MomentFlush.String(), len(log.InPlay(p.at))
		e.out.Positions = append(e.out.Positions, p.Position)
		e.enum.most = max(e.enum.most, p.InPlay)
	}
	b.Tried = len(tried)
	mean := func(i int) float64 { return inMS(s.steps[i]) / float64(max(e.out.Images-b.Unmountable, 1)) }
	b.Steps = StepTimes{mean(0), mean(1), mean(2), mean(3), mean(4), mean(5)}
	e.describe(s.run.Hist)
	return err
}

// places are where the writes in play are the most, from the first write on that a
// client was told of.
func (s *server) places() (at []int) {
	began := s.run.Ended // the first reply to a write: before it nothing is promised
	for i := range s.run.Hist.Ops {
		if o := &s.run.Hist.Ops[i]; o.Acked() && o.Writes() {
			began = min(began, o.Return+1)
		}
	}
	log := s.run.Blocks
	for i := range log.Len() {
		if r := log.Record(i); r.Kind == blocklog.Flush && r.At > began {
			at = append(at, i)
		}
	}
	return append(at, log.Len())
}

func (s *server) enough() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.e.out.Images >= s.o.Images
}

// choices are some of the crashes at a place.
func (s *server) choices(at int, rng *rand.Rand) []blocklog.Crash {
	log := s.run.Blocks
	all := slices.Collect(log.Crashes(at, perPlace, rng.Uint64()))
	some := []blocklog.Crash{{At: at}, {At: at, Keep: log.InPlay(at)}}
	for range perPlace - len(some) {
		c := all[rng.IntN(len(all))]
		c.Torn = 0 // pages stay whole; see draw in faults/blocklog
		some = append(some, c)
	}
	return some
}

// judgeCut judges one crash, if its image is new.
func (s *server) judgeCut(ctx context.Context, w *image.Server, c *cut) error {
	began := time.Now()
	left := s.run.Blocks.Image(c.crash)
	built := time.Since(began)
	if !s.isNew(left) {
		return nil
	}
	device := blocklog.NewDevice(left, blocklog.DeviceOptions{})
	device.PowerCut() // nobody needs the log
	v, err := s.blocks.Host.Mount(device, s.blocks.FS)
	var refused *blocklog.RefusedError
	if errors.As(err, &refused) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.out.Blocks.Unmountable++
		s.shows(c, experiment.Anomaly{Name: unmountable, Story: refused.Error()})
		s.e.out.States++
		c.States, c.Violated = c.States+1, c.Violated+1
		return nil
	}
	if err != nil {
		return err
	}
	next := false
	var got experiment.Recovered
	var start, read time.Duration
	d, err := machine.FilesOn(v)
	if err == nil {
		next = w.Mode.AOF && w.Mode.Store.BetweenLogs(d.FS(nil))
		if c.files, err = image.NewCrashImage(d, &w.Mode); err == nil {
			got, start, read, err = w.StartOn(ctx, v.Dir(), c.files, d)
		}
	}
	if err = errors.Join(err, v.Unmount()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range []time.Duration{built, v.Times.Attach, v.Times.Mount, start, read, v.Times.Unmount} {
		s.steps[i] += t
	}
	s.cameBack(c, got, next)
	return s.e.err
}

// isNew reports whether an image is to be judged, and counts it.
func (s *server) isNew(left *blocklog.Image) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.e
	if _, known := e.images[left.Sum()]; known || e.out.Images >= s.o.Images {
		return false
	}
	e.images[left.Sum()] = 0
	if e.out.Images++; s.o.Progress != nil {
		s.o.Progress(e.out.Images, s.o.Images)
	}
	return true
}

// cameBack judges what came back from a crash. next: a rewrite was under way in the
// image. The caller holds mu.
func (s *server) cameBack(c *cut, got experiment.Recovered, next bool) {
	m, b, e := s.run.At(c.when, next), s.out.Blocks, s.e
	m.Number = c.number
	e.look(m)
	left := state{result: e.add(got), cut: c}
	e.judge(m, &c.Position, &left)
	switch got.How {
	case machine.ByItself:
		b.ByItself++
	case machine.Repaired:
		b.Repaired++
	default:
		b.Refused++
	}
	v := e.verdict(m, left.result)
	if v.Excused {
		return
	}
	b.Lost = max(b.Lost, v.Lost)
	if got.How != machine.RefusedToStart {
		e.out.Window = max(e.out.Window, v.Window)
	}
}

// violation puts an image to those that show the same anomalies.
func (s *server) violation(m *experiment.Moment, left *state, v *verdict) {
	for _, a := range v.Anomalies {
		if g := s.shows(left.cut, a); g.states == 1 {
			s.e.example(m, g, left)
		}
	}
}

// shows counts an image to the group of those that show an anomaly.
func (s *server) shows(c *cut, a experiment.Anomaly) *group {
	i := slices.IndexFunc(s.e.groups, func(g *group) bool { return g.key == a.Name })
	if i < 0 {
		i = len(s.e.groups)
		s.e.groups = append(s.e.groups, &group{key: a.Name, anomaly: a, at: c.number, cause: Cause{Text: s.where(c)}})
	}
	s.e.groups[i].states++
	return s.e.groups[i]
}

// where says at which place the power was cut, and what survived.
func (s *server) where(c *cut) string {
	return fmt.Sprintf("at %v, %s", c.when.Round(time.Microsecond), s.run.Blocks.String(c.crash))
}
