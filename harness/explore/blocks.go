package explore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/image"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// This file explores one recorded run of a real server on a real file system: the
// power is cut at many places of the disk's log, each image mounted, the server
// started on it and read, and what came back judged.

// BlockExploration says how far.
type BlockExploration struct {
	Images   int // distinct images to judge
	Seed     uint64
	Workers  int
	Progress func(done, all int) // nil is silent
	// Save keeps the first image that shows something, and returns its directory;
	// nil keeps none.
	Save func(what string, x *experiment.Experiment, o *experiment.Outcome, image *image.CrashImage) (string, error)
}

// BlockReport is what an exploration of blocks showed.
type BlockReport struct {
	Mode         string         `json:"mode"`
	FS           string         `json:"fs"`
	Acknowledged int            `json:"acknowledged"` // writes of the recorded run
	Writes       int            `json:"writes"`       // of blocks
	Flushes      int            `json:"flushes"`
	Places       int            `json:"places"`       // in the log: before each flush, and the end
	Tried        int            `json:"places_tried"` // of them
	Images       int            `json:"images"`       // distinct ones, each mounted, started on, read and judged
	Verdict      result.Verdict `json:"verdict"`
	Why          string         `json:"why,omitempty"`
	Lost         int            `json:"lost_max"`      // acknowledged writes, in the worst image
	WindowMS     float64        `json:"window_max_ms"` // how far back that reached
	ByItself     int            `json:"by_itself"`     // images on which the server started by itself
	Repaired     int            `json:"repaired"`      // with its own tool
	Refused      int            `json:"refused"`       // not at all
	Unmountable  int            `json:"unmountable"`   // images that the file system did not mount
	Findings     map[string]int `json:"findings"`      // known findings, by name: images
	Anomalies    map[string]int `json:"anomalies"`     // others
	Examples     []BlockExample `json:"examples"`      // one of each
	Steps        BlockTimes     `json:"step_ms"`       // on average
	ElapsedS     float64        `json:"images_elapsed_s"`
}

// BlockExample is one image that shows something.
type BlockExample struct {
	What  string `json:"what"`
	Crash string `json:"crash"`
	Story string `json:"story,omitempty"`
	Dir   string `json:"dir,omitempty"` // what torntail replay takes
}

// BlockTimes are how long the steps of judging an image took, in milliseconds.
type BlockTimes struct {
	Build, Attach, Mount, Start, Read, Unmount float64
}

// perPlace is how many choices are tried at one place of the log: nothing and all
// of what is in play, and others drawn.
const perPlace = 8

// ExploreBlocks records a run on the rig's file system and judges images of it.
func ExploreBlocks(ctx context.Context, r *machine.Rig, x *experiment.Experiment, o BlockExploration) (*BlockReport, error) {
	blocks, ok := r.Disks.(*machine.Blocks)
	if !ok {
		return nil, errors.New("the disks of the rig are no blocks")
	}
	recording, err := experiment.Record(ctx, r, x)
	if err != nil {
		return nil, err
	}
	e := &blockExplorer{rig: r, blocks: blocks, rec: recording, log: recording.Blocks, o: o, sums: map[uint64]bool{},
		out: &BlockReport{Mode: x.Mode.Name, FS: blocks.FS.String(), Findings: map[string]int{}, Anomalies: map[string]int{}, Verdict: result.Holds}}
	places := e.places()
	e.describe(places)
	began := time.Now()
	if err := e.run(ctx, places); err != nil {
		return nil, err
	}
	e.finish(time.Since(began))
	if ctx.Err() != nil && e.out.Verdict == result.Holds {
		e.out.Verdict, e.out.Why = result.Unknown, "interrupted"
	}
	return e.out, nil
}

type blockExplorer struct {
	rig    *machine.Rig
	blocks *machine.Blocks
	rec    *experiment.Recording
	log    *blocklog.Log
	o      BlockExploration

	mu    sync.Mutex
	sums  map[uint64]bool // of images taken
	out   *BlockReport
	times [6]time.Duration
}

// places are where the writes in play are the most, from the first write on that a
// client was told of.
func (e *blockExplorer) places() []int {
	var at []int
	began := e.rec.Ended // the first reply to a write: before it nothing is promised
	for i := range e.rec.Hist.Ops {
		if o := &e.rec.Hist.Ops[i]; o.Acked() && o.Writes() {
			began = min(began, o.Return+1)
		}
	}
	for i := range e.log.Len() {
		if r := e.log.Record(i); r.Kind == blocklog.Flush && r.At > began {
			at = append(at, i)
		}
	}
	return append(at, e.log.Len())
}

func (e *blockExplorer) describe(places []int) {
	e.out.Places = len(places)
	for i := range e.log.Len() {
		switch e.log.Record(i).Kind {
		case blocklog.Write:
			e.out.Writes++
		case blocklog.Flush:
			e.out.Flushes++
		}
	}
	for i := range e.rec.Hist.Ops {
		if o := &e.rec.Hist.Ops[i]; o.Acked() && o.Writes() {
			e.out.Acknowledged++
		}
	}
}

// run judges images until there are enough, from places in random order.
func (e *blockExplorer) run(ctx context.Context, places []int) error {
	rng := rand.New(rand.NewPCG(e.o.Seed, 0))
	rng.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	crashes := make(chan blocklog.Crash)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(crashes)
		for _, at := range places {
			if e.enough() {
				return nil
			}
			e.out.Tried++
			for _, c := range e.choices(at, rng) {
				select {
				case crashes <- c:
				case <-ctx.Done():
					return nil
				}
			}
		}
		return nil
	})
	for range e.o.Workers {
		g.Go(func() error {
			// It has the server's start, its repair and its reading; its own
			// directories are not used.
			s, err := image.NewServer(e.rig, e.rec.X, 0, filepath.Join(e.blocks.Host.Dir(), "unused"))
			if err != nil {
				return err
			}
			defer s.Close()
			for c := range crashes {
				if err := e.crash(ctx, s, c); err != nil {
					if ctx.Err() != nil {
						return nil
					}
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (e *blockExplorer) enough() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.out.Images >= e.o.Images
}

// choices are some of the crashes at a place.
func (e *blockExplorer) choices(at int, rng *rand.Rand) []blocklog.Crash {
	all := slices.Collect(e.log.Crashes(at, perPlace, rng.Uint64()))
	play := e.log.InPlay(at)
	some := []blocklog.Crash{{At: at}, {At: at, Keep: play}}
	for range perPlace - len(some) {
		c := all[rng.IntN(len(all))]
		c.Torn = 0 // pages stay whole; see draw in faults/blocklog
		some = append(some, c)
	}
	return some
}

// crash judges one crash, if its image is new.
func (e *blockExplorer) crash(ctx context.Context, s *image.Server, c blocklog.Crash) error {
	began := time.Now()
	blocks := e.log.Image(c)
	built := time.Since(began)
	e.mu.Lock()
	known := e.sums[blocks.Sum()] || e.out.Images >= e.o.Images
	if !known {
		e.sums[blocks.Sum()] = true
		e.out.Images++
	}
	done := e.out.Images
	e.mu.Unlock()
	if known {
		return nil
	}
	if e.o.Progress != nil {
		e.o.Progress(done, e.o.Images)
	}
	device := blocklog.NewDevice(blocks, blocklog.DeviceOptions{})
	device.PowerCut() // nobody needs the log
	v, err := e.blocks.Host.Mount(device, e.blocks.FS)
	var refused *blocklog.RefusedError
	if errors.As(err, &refused) {
		e.unmountable(c, refused)
		return nil
	}
	if err != nil {
		return err
	}
	is := blockImage{crash: c}
	d, err := machine.FilesOn(v)
	if err == nil {
		is.between = s.Mode.AOF && product.BetweenIncrs(d.FS(nil))
		is.files, err = image.NewCrashImage(d, &s.Mode)
	}
	var got experiment.Recovered
	var start, read time.Duration
	if err == nil {
		got, start, read, err = s.StartOn(ctx, v.Dir(), is.files, d)
	}
	if uerr := v.Unmount(); err == nil {
		err = uerr
	}
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, t := range []time.Duration{built, v.Times.Attach, v.Times.Mount, start, read, v.Times.Unmount} {
		e.times[i] += t
	}
	return e.judge(is, &got)
}

// blockImage is a crash image as files.
type blockImage struct {
	crash   blocklog.Crash
	files   *image.CrashImage
	between bool // the manifest names two incr files
}

// unmountable counts an image that the file system refused.
func (e *blockExplorer) unmountable(c blocklog.Crash, why error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.out.Unmountable++; e.out.Unmountable == 1 {
		e.out.Examples = append(e.out.Examples, BlockExample{What: "unmountable", Crash: e.log.String(c), Story: why.Error()})
	}
	e.out.Verdict = result.Violated
}

// judge judges what came back from a crash. The caller holds mu.
func (e *blockExplorer) judge(is blockImage, got *experiment.Recovered) (err error) {
	c, at := is.crash, e.rec.Ended
	if c.At < e.log.Len() {
		at = e.log.Record(c.At).At - 1 // as late as may be: all replies before the next request count
	}
	o := e.rec.JudgeAt(at, got, is.between)
	switch got.How {
	case machine.ByItself:
		e.out.ByItself++
	case machine.Repaired:
		e.out.Repaired++
	default:
		e.out.Refused++
	}
	if !o.Excused && o.Lost > e.out.Lost {
		e.out.Lost = o.Lost
	}
	if w := campaign.MS(o.Window); !o.Excused && got.How != machine.RefusedToStart {
		e.out.WindowMS = max(e.out.WindowMS, w)
	}
	note := func(into map[string]int, what, story string) {
		if into[what]++; into[what] > 1 {
			return
		}
		example := BlockExample{What: what, Crash: fmt.Sprintf("at %v, %s", at.Round(time.Microsecond), e.log.String(c)), Story: story}
		if e.o.Save != nil && err == nil {
			example.Dir, err = e.o.Save(what, e.rec.X, o, is.files)
		}
		e.out.Examples = append(e.out.Examples, example)
	}
	for _, f := range o.Findings {
		note(e.out.Findings, f, got.Refusal)
	}
	switch o.Verdict {
	case result.Violated:
		e.out.Verdict = result.Violated
		for _, a := range o.Anomalies {
			note(e.out.Anomalies, a.Name, a.Story)
		}
	case result.Unknown:
		if e.out.Verdict == result.Holds {
			e.out.Verdict, e.out.Why = result.Unknown, o.Why
		}
	}
	return err
}

func (e *blockExplorer) finish(took time.Duration) {
	e.out.ElapsedS = took.Seconds()
	n := float64(max(e.out.Images-e.out.Unmountable, 1))
	e.out.Steps = BlockTimes{campaign.MS(e.times[0]) / n, campaign.MS(e.times[1]) / n, campaign.MS(e.times[2]) / n, campaign.MS(e.times[3]) / n, campaign.MS(e.times[4]) / n, campaign.MS(e.times[5]) / n}
	if e.out.Images == 0 && e.out.Verdict == result.Holds {
		e.out.Verdict, e.out.Why = result.Unknown, "no image was judged"
	}
}

// Names are the names in a map of counts, sorted.
func Names(counts map[string]int) []string { return slices.Sorted(maps.Keys(counts)) }

// BlockExperiment is a run to explore: clients, a rewrite or snapshot, an orderly end.
func BlockExperiment(m product.Mode, w workloads.Spec, fs blocklog.FS, commands int, seed uint64) (*experiment.Experiment, error) {
	m = m.InRealTime()
	if m.Rate == 0 {
		m = m.Spanning(max(m.Span, time.Duration(commands)*time.Second/50))
	} else {
		w.Rate = max(m.Rate, float64(commands)/(0.8*m.Span.Seconds()))
	}
	w.Ops, w.LongLife = commands, longLife
	command := "BGREWRITEAOF"
	if !m.AOF {
		command = "BGSAVE"
	}
	p, err := plan.Parse(fmt.Sprintf("plan 1\nat ack#%d: do n1 %s\nat ack#%d: do n1 SHUTDOWN\nat %s: do n1 SHUTDOWN\n",
		max(1, commands/3), command, commands, m.Span))
	if err != nil {
		return nil, fmt.Errorf("plan of the recorded run: %w", err)
	}
	return &experiment.Experiment{Mode: m, Crash: experiment.PowerLoss(), Workload: w, Personality: experiment.RealFS(fs), Profile: "nvme", Seed: seed, Plan: p}, nil
}
