// Package fidelity holds the disk model against real file systems.
//
// A small program is run on a real file system on a logged block device
// (faults/blocklog). Every crash image of the log, within a bound, is mounted and
// listed, and the list compared with what the personality of the same name
// (faults/disk) allows at that point of the program. A real image that the model
// does not know is a violation of the model, with the script that shows it. An
// image of the model that was never seen is listed as unconfirmed: the model may
// be too wide there, or the programs too few.
package fidelity

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/disk"
)

// Options say what is compared.
type Options struct {
	FS []blocklog.FS
	// Personality judges instead of the one that the file system names.
	Personality *disk.Personality
	Programs    []Program
	Epilogues   []Epilogue
	Between     bool // something is written between steps, too
	// Random is how many random subsets are tried at a point where there are too
	// many writes in play to try all.
	Random int
	Seed   uint64
	// IgnoreFlush: the device lies about flushes. A negative control.
	IgnoreFlush bool
	Workers     int // 0: one for each CPU
	// For ends the search after a while; 0 does not.
	For time.Duration
	// Progress is told what goes on; nil is silent.
	Progress func(Progress)
}

// Progress is how far a comparison is.
type Progress struct {
	FS                string
	Done, Total       int // runs of a program
	Images, Violation int
}

// Violation is a real image that the model does not allow.
type Violation struct {
	Program  string   `json:"program"`
	Base     []string `json:"base"`
	Steps    []string `json:"steps"`    // with those of the epilogue
	Returned int      `json:"returned"` // steps that had returned when the power was cut
	Image    string   `json:"image"`    // what was found, or why it could not be mounted
	Crash    string   `json:"crash"`    // which writes survived
	Allowed  []string `json:"allowed"`  // what the model allows there
	Times    int      `json:"times"`    // crash images that show the same
	Refused  bool     `json:"refused"`  // the file system did not mount or could not be read
	Torn     bool     `json:"torn"`     // seen with a torn write only
}

// Row is what one program showed on one file system.
type Row struct {
	Program     string   `json:"program"`
	Images      int      `json:"images"`      // crash images mounted
	Seen        []string `json:"seen"`        // after the whole program, each once
	Unconfirmed []string `json:"unconfirmed"` // allowed after the whole program and never seen
}

// Report is what one file system showed.
type Report struct {
	FS          string      `json:"fs"`
	Personality string      `json:"personality"`
	Runs        int         `json:"runs"`     // programs with an epilogue
	Crashes     int         `json:"crashes"`  // cuts with a choice of what survives
	Distinct    int         `json:"distinct"` // of their images, as a whole device
	Mounted     int         `json:"mounted"`  // images that were mounted and listed
	ElapsedS    float64     `json:"elapsed_s"`
	Steps       StepTimes   `json:"step_ms"`
	Rows        []Row       `json:"rows"`
	Violations  []Violation `json:"violations"`
	Cut         bool        `json:"cut"` // not all of it was done
	// TornRefused counts images with a torn write that the file system did not
	// mount, and TornExample is one: it needs some of its pages written whole.
	TornRefused int    `json:"torn_refused"`
	TornExample string `json:"torn_example,omitempty"`
}

// StepTimes is how long each step of looking at an image took, on average, in
// milliseconds.
type StepTimes struct {
	Build   float64 `json:"build"`
	Attach  float64 `json:"attach"`
	Mount   float64 `json:"mount"` // with the replay of the journal
	List    float64 `json:"list"`
	Unmount float64 `json:"unmount"`
}

// Run compares each file system.
func Run(ctx context.Context, h *blocklog.Host, o *Options) ([]*Report, error) {
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	var reports []*Report
	began := time.Now()
	for i, fs := range o.FS {
		limit := time.Time{}
		if o.For > 0 {
			limit = began.Add(o.For * time.Duration(i+1) / time.Duration(len(o.FS)))
		}
		r, err := runOn(ctx, h, fs, o, limit)
		if err != nil {
			return reports, fmt.Errorf("%s: %w", fs, err)
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// comparison is one file system held against one personality.
type comparison struct {
	h     *blocklog.Host
	fs    blocklog.FS
	o     *Options
	model *model
	empty *blocklog.Image

	mu         sync.Mutex
	seen       map[uint64]*view // by the sum of the image
	report     *Report
	times      blocklog.Times
	building   time.Duration
	rows       map[string]*row
	violations map[string]*Violation
	done       int
	total      int // runs; known before the first begins
}

// view is what an image showed, once somebody has looked.
type view struct {
	once sync.Once
	blocklog.View
	err error
}

// row is a Row in the making.
type row struct {
	images     int
	seen       map[string]bool
	unfinished bool
}

func runOn(ctx context.Context, h *blocklog.Host, fs blocklog.FS, o *Options, limit time.Time) (*Report, error) {
	began := time.Now()
	p := o.Personality
	if p == nil {
		var err error
		if p, err = disk.PersonalityByName(fs.Personality()); err != nil {
			return nil, fmt.Errorf("no personality claims to describe it: %w", err)
		}
	}
	c := &comparison{h: h, fs: fs, o: o, model: newModel(p), seen: map[uint64]*view{}, rows: map[string]*row{}, violations: map[string]*Violation{},
		report: &Report{FS: fs.String(), Personality: p.Name}}
	if o.IgnoreFlush {
		c.report.FS += " (flushes ignored)"
	}
	var err error
	if c.empty, err = prepare(h, fs); err != nil {
		return nil, err
	}
	type job struct {
		p       Program
		variant run
	}
	var jobs []job
	for _, p := range o.Programs {
		c.rows[p.Name] = &row{seen: map[string]bool{}}
		for _, variant := range p.runs(o.Epilogues, o.Between) {
			jobs = append(jobs, job{p, variant})
		}
	}
	c.total = len(jobs)
	if o.For > 0 {
		// What time is left for is a sample of all programs.
		rng := rand.New(rand.NewPCG(o.Seed, 0))
		rng.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	}
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(o.Workers)
	for _, j := range jobs {
		g.Go(func() error {
			if inner.Err() != nil || !limit.IsZero() && time.Now().After(limit) {
				c.skip(j.p)
				return nil
			}
			if err := c.program(inner, j.p, j.variant); err != nil {
				return fmt.Errorf("%s: %w", j.p.Name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return nil, err
	}
	c.finish(time.Since(began))
	return c.report, nil
}

func (c *comparison) skip(p Program) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Cut = true
	c.rows[p.Name].unfinished = true
}

// program runs one program and judges its crash images.
func (c *comparison) program(ctx context.Context, p Program, variant run) error {
	r, err := record(c.h, c.fs, c.empty, p, variant.steps, c.o.IgnoreFlush)
	if err != nil {
		return err
	}
	for _, at := range r.positions() {
		returned := r.returned(at)
		for crash := range r.log.Crashes(at, c.o.Random, c.o.Seed) {
			if ctx.Err() != nil {
				c.skip(p)
				return nil
			}
			v, err := c.look(r, crash)
			if err != nil {
				return err
			}
			if err := c.judge(r, p, variant, crash, returned, v); err != nil {
				return err
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done++
	c.report.Runs++
	if c.o.Progress != nil {
		c.o.Progress(Progress{FS: c.fs.String(), Done: c.done, Total: c.total,
			Images: c.report.Mounted, Violation: len(c.violations)})
	}
	return nil
}

// look mounts and lists a crash's image, once for each distinct one.
func (c *comparison) look(r *recording, crash blocklog.Crash) (*view, error) {
	began := time.Now()
	image := r.log.Image(crash)
	built := time.Since(began)
	c.mu.Lock()
	c.report.Crashes++
	c.building += built
	v := c.seen[image.Sum()]
	if v == nil {
		v = &view{}
		c.seen[image.Sum()] = v
	}
	c.mu.Unlock()
	v.once.Do(func() {
		if v.View, v.err = c.h.View(image, c.fs, workDir, junk); v.err != nil {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.report.Mounted++
		c.times.Add(v.Times)
	})
	return v, v.err
}

// judge compares what was found with what the model allows.
func (c *comparison) judge(r *recording, p Program, variant run, crash blocklog.Crash, returned int, v *view) error {
	allowed, err := c.model.allowed(r.base, r.steps, returned)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	line := c.rows[p.Name]
	line.images++
	if v.Refused == "" && returned >= variant.whole {
		line.seen[withoutZ(v.Tree)] = true
	}
	if v.Refused != "" && crash.Torn > 0 {
		// The disk tore a page of the file system's own. That is for the file system
		// to bear or not; the model speaks of disks on which it comes back.
		c.report.TornRefused++
		if c.report.TornExample == "" {
			c.report.TornExample = fmt.Sprintf("%s; %s: %s: %s", strings.Join(r.base, "; "), strings.Join(r.steps, "; "), r.log.String(crash), v.Refused)
		}
		return nil
	}
	if v.Refused == "" && (allowed[v.Tree] || crash.Torn > 0 && torn(v.Tree, allowed)) {
		return nil
	}
	image := v.Tree
	if v.Refused != "" {
		image = v.Refused
	}
	key := fmt.Sprint(p.Name, r.steps, returned, image)
	old := c.violations[key]
	if old == nil {
		old = &Violation{Program: p.Name, Base: r.base, Steps: r.steps, Returned: returned, Image: image, Crash: r.log.String(crash),
			Allowed: slices.Sorted(maps.Keys(allowed)), Refused: v.Refused != "", Torn: true}
		c.violations[key] = old
	}
	old.Times++
	if crash.Torn == 0 && old.Torn {
		old.Torn, old.Crash = false, r.log.String(crash)
	}
	return nil
}

// finish fills in the report.
func (c *comparison) finish(took time.Duration) {
	r := c.report
	r.ElapsedS = took.Seconds()
	r.Distinct = len(c.seen)
	ms := func(d time.Duration, n int) float64 { return float64(d.Microseconds()) / 1000 / float64(max(n, 1)) }
	r.Steps = StepTimes{ms(c.building, r.Crashes), ms(c.times.Attach, r.Mounted), ms(c.times.Mount, r.Mounted),
		ms(c.times.Tree, r.Mounted), ms(c.times.Unmount, r.Mounted)}
	for _, p := range c.o.Programs {
		line := c.rows[p.Name]
		out := Row{Program: p.Name, Images: line.images, Seen: slices.Sorted(maps.Keys(line.seen))}
		if allowed, err := c.model.images(p.Base, p.Run); err == nil && !line.unfinished {
			for _, image := range slices.Sorted(maps.Keys(allowed)) {
				if !line.seen[image] {
					out.Unconfirmed = append(out.Unconfirmed, image)
				}
			}
		}
		r.Rows = append(r.Rows, out)
	}
	for _, key := range slices.Sorted(maps.Keys(c.violations)) {
		r.Violations = append(r.Violations, *c.violations[key])
	}
	slices.SortStableFunc(r.Violations, func(a, b Violation) int { return strings.Compare(a.Program, b.Program) })
}
