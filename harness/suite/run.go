package suite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/shrink"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/reports/result"
)

// Options say how a suite is run; what a file says is in it already.
type Options struct {
	Dir      string // for the record and the failures
	Seed     uint64
	Shard    Shard
	Workers  int
	Torntail string
	Command  string
	Machine  result.Machine
	// Open prepares a backend for a target on a disk (auto, fuse, host), which stays open
	// until the suite ends; it may be called at any time. An error that is a *Lacking makes the cell one that was not
	// run, and nothing more.
	Open func(target, disk string) (campaign.Backend, error)
	// OpenCluster is the same for clusters; nil where none can be made.
	OpenCluster func(target string) (splitbrain.Backend, error)
	// Progress is told how far it is.
	Progress func(p Progress)
}

// Lacking is why a cell cannot be run here.
type Lacking struct{ Why string }

func (l *Lacking) Error() string { return l.Why }

// Progress is how far a suite is.
type Progress struct {
	Cell                         string
	Cells, Of                    int // done, and in all
	Done, Total                  int // of the cell
	Violations, Unknown, Crashes int // violations that were not expected, cells of which nothing was proved, crashes of the whole
}

// Run runs the cells that are not done yet. After ctx is cancelled it returns
// what it has: those after the cell at hand count as not run, and that one has what was
// seen of it so far; a later Run with the same Options goes on with it. An error is
// torntail's own or the environment's: what is known then comes with it; nil when that
// is nothing.
func (f *File) Run(ctx context.Context, o Options) (*Record, error) {
	head := Head{Schema: RecordSchema, Suite: f.Name, Hash: f.Hash, Seed: o.Seed, Shard: o.Shard, Runs: f.Runs, For: f.For, Keep: f.Keep,
		Torntail: o.Torntail, Command: o.Command, Started: time.Now().UTC().Truncate(time.Second), Machine: o.Machine}
	for _, c := range f.Cells {
		blank := c.Runner.Blank()
		blank.say(result.Unknown, "not run")
		head.Cells = append(head.Cells, HeadCell{Name: c.Name, Blank: blank,
			Expect: result.Expected{Text: c.Expect.String(), Issue: c.Expect.Issue, As: result.Unknown}})
	}
	rec, err := open(o.Dir, head)
	if err != nil {
		return nil, err
	}
	r := &running{f: f, o: o, rec: rec, left: rec.Left(), last: time.Now(), under: map[int]int{}}
	if f.For > 0 {
		r.end = time.Now().Add(f.For - time.Duration(rec.ElapsedS*float64(time.Second)))
	}
	r.at.Of = r.left + rec.Resumed
	r.at.Cells = rec.Resumed
	if err := r.cells(ctx); err != nil {
		if len(rec.done)+len(rec.partly) == 0 {
			return nil, err
		}
		return rec, err
	}
	return rec, nil
}

// running is a run of a suite under way.
type running struct {
	f    *File
	o    Options
	rec  *Record
	end  time.Time // of the time budget; zero: none
	left int       // cells to run

	// What follows, and rec, is of all cells that run at the same time.
	mu    sync.Mutex
	at    Progress
	under map[int]int // of a cell that runs: crashes done
	last  time.Time   // when the last cell was done
	// silent is why the first of those cells was given up whose server kept silent.
	silent error
}

// atOnce is how many cells run beside each other at most: enough to fill the slots, although
// of each the last experiments are waited for, and few enough that an interruption
// loses little.
const atOnce = 12

// cells runs those that are to be run: one after the other, then those that may run beside
// each other. A time budget is shared by cells, and so has no two at once.
func (r *running) cells(ctx context.Context) error {
	var together []int
	var slots chan struct{}
	for i := range r.f.Cells {
		if _, done := r.rec.done[r.f.Cells[i].Name]; done || !r.o.Shard.has(i) {
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if b, ok := r.f.Cells[i].Runner.(beside); ok && r.end.IsZero() {
			if n := b.Beside(&r.o); n > 0 {
				together = append(together, i)
				if slots == nil {
					slots = make(chan struct{}, n)
				}
				continue
			}
		}
		if err := r.cell(ctx, i, nil); err != nil {
			return err
		}
	}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(atOnce)
	for _, i := range together {
		all.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			return r.cell(ctx, i, slots)
		})
	}
	return cmp.Or(all.Wait(), r.silent)
}

// tell tells how far the cells are of which one is so far.
func (r *running) tell(i, done, total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.under[i] = done
	if r.o.Progress == nil {
		return
	}
	p := r.at
	p.Cell, p.Done, p.Total = r.f.Cells[i].Name, done, total
	for _, n := range r.under { // any order: a sum
		p.Crashes += n
	}
	r.o.Progress(p)
}

// cell runs one cell and puts it on record, unless it was interrupted.
func (r *running) cell(ctx context.Context, i int, slots chan struct{}) error {
	c := &r.f.Cells[i]
	err := r.run(ctx, i, slots)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("cell %s: %w", c.Name, err)
	// On a busy machine any server may keep silent at its start: the other cells are run all
	// the same, and this one when the suite is taken up again.
	if start := new(process.StartError); errors.As(err, &start) && start.Silent() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.left--
		r.silent = cmp.Or(r.silent, err)
		return nil
	}
	return err
}

func (r *running) run(ctx context.Context, i int, slots chan struct{}) error {
	c := &r.f.Cells[i]
	dir := filepath.Join(r.o.Dir, failuresDir, slug(c.Name))
	if err := os.RemoveAll(dir); err != nil { // of an attempt that was killed
		return err
	}
	j := &Job{Options: &r.o, Runs: r.f.Runs, Keep: r.f.Keep, Failures: dir, Slots: slots, Tell: func(done, total int) { r.tell(i, done, total) }}
	if !r.end.IsZero() {
		j.Until = time.Now().Add(max(0, time.Until(r.end)) / time.Duration(r.left)) // its fair share of what is left
	}
	began := time.Now()
	out, err := c.Runner.Run(ctx, j)
	took := time.Since(began)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.under, i)
	var lacking *Lacking
	switch {
	case ctx.Err() != nil || err != nil && !errors.As(err, &lacking):
		r.partly(c, out, cmp.Or(ctx.Err(), err))
		if ctx.Err() != nil {
			return nil
		}
		return err
	case lacking != nil:
		blank := c.Runner.Blank()
		out = &blank
		out.say(result.Unknown, "not run: "+lacking.Why)
	}
	if x := out.Result; x != nil {
		if r.f.Shrink && x.Backend == campaign.Simulation().Name {
			if err := shrink.Results([]result.Result{*x}, r.o.Torntail, nil); err != nil {
				return err
			}
		}
		x.Cell, x.Expected, x.ElapsedS = c.Name, c.Expect.Judge(x), took.Seconds()
		r.at.Crashes += x.Runs
		switch x.Expected.As {
		case result.Violated:
			r.at.Violations++
		case result.Unknown:
			r.at.Unknown++
		}
	}
	r.left--
	r.at.Cells++
	if lacking != nil {
		// Only in memory: where it can be run, a later attempt does.
		r.rec.done[c.Name] = finished{Cell: c.Name, Outcome: *out}
		return nil
	}
	// Since the last one was done: their sum is how long the suite took.
	now := time.Now()
	since := now.Sub(r.last)
	r.last = now
	return r.rec.put(i, finished{Cell: c.Name, ElapsedS: since.Seconds(), Outcome: *out})
}

// partly puts what was seen of a cell into the report, and not on file: a later attempt runs
// it from its beginning. A cell of which nothing was seen is one that was not run, and why.
func (r *running) partly(c *Cell, out *Outcome, why error) {
	text, _, _ := strings.Cut(why.Error(), "\n")
	if errors.Is(why, context.Canceled) {
		text = "interrupted"
	}
	switch {
	case out == nil || out.Result == nil || out.Result.Runs == 0:
		if errors.Is(why, context.Canceled) || len(r.rec.done) == 0 {
			return // as those after it
		}
		blank := c.Runner.Blank()
		out = &blank
		out.say(result.Unknown, "not run: "+text)
	case out.Result.Verdict != result.Violated:
		out.say(result.Unknown, "not all runs were done: "+text)
	}
	if x := out.Result; x != nil {
		x.Cell, x.Expected = c.Name, c.Expect.Judge(x)
	}
	r.rec.partly[c.Name] = *out
}

// slug is a cell's name as that of a directory.
func slug(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == ':' || r < ' ' {
			return '.'
		}
		return r
	}, strings.TrimLeft(name, "/."))
}
