package hunt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/harness/shrink"
	"github.com/torntail/torntail/reports/result"
)

// keep saves the run that shows a finding best so far in its dossier, as it is seen: a hunt
// that is killed leaves it.
func (t *tally) keep(f *Finding, o *experiment.Outcome) error {
	kept := *o
	kept.History = nil // the runner's own
	f.o, f.left = &kept, nil
	if seen, ok := f.x.Observer.(*evidence); ok {
		f.left = seen
	}
	if t.h.Dir == "" {
		return nil
	}
	if f.Dir == "" {
		f.Dir = filepath.Join(t.h.Dir, t.nameOf(f))
	}
	return t.save(f, o)
}

// nameOf is the name of a finding's directory: that of the known one, or its anomaly with a
// number.
func (t *tally) nameOf(f *Finding) string {
	if f.Known != "" && f.Known != Listed {
		return f.Known
	}
	t.dirs[f.Anomaly]++
	return fmt.Sprintf("%s-%d", f.Anomaly, t.dirs[f.Anomaly])
}

// save writes the dossier of a finding as far as one run makes it.
func (t *tally) save(f *Finding, o *experiment.Outcome) error {
	if err := saved.Save(f.Dir, t.h.Torntail, t.b, f.x, o); err != nil {
		return err
	}
	if f.left != nil {
		if err := f.left.write(f.Dir); err != nil {
			return err
		}
	}
	return t.readme(f)
}

func (t *tally) readme(f *Finding) error {
	return os.WriteFile(filepath.Join(f.Dir, readmeFile), []byte(f.readme(t.result, t.h.Torntail)), 0o644)
}

// dossiers completes the dossiers: what a simulated run leaves behind, how often a real one
// shows the finding again, and a small failure that shows it, too.
func (t *tally) dossiers(ctx context.Context, pool poolOf) error {
	list := t.ordered()
	if t.b.Rig() == nil {
		for _, f := range list {
			if err := t.again(f); err != nil {
				return err
			}
		}
	} else if err := t.confirm(ctx, pool, list); err != nil {
		return err
	}
	if t.h.Dir == "" {
		return nil
	}
	if err := t.shrinkAll(ctx, list); err != nil {
		return err
	}
	for _, f := range list {
		if err := t.readme(f); err != nil {
			return err
		}
	}
	return nil
}

// again runs a simulated experiment once more, to see what it leaves behind.
func (t *tally) again(f *Finding) error {
	if t.h.Dir == "" {
		return nil
	}
	x, left := *f.x, new(evidence)
	x.Observer = left
	o, err := t.b.RunOnce(context.Background(), &x)
	if err != nil {
		return fmt.Errorf("dossier of %s: %w", f.Fingerprint, err)
	}
	if o.Trace != f.o.Trace {
		return fmt.Errorf("seed %d: torntail itself: trace %x, and when it was run again %x\n%s", x.Seed, f.o.Trace, o.Trace, x.Plan)
	}
	f.left = left
	return t.save(f, o)
}

// poolOf runs experiments side by side: campaign.Pool.
type poolOf interface {
	Run(ctx context.Context, workers, n int, make func(i int) *experiment.Experiment, take func(*experiment.Experiment, *experiment.Outcome) error) error
}

// replays is how often the plan of a new finding of a real server is run again before it is
// called one.
const replays = 3

// confirm runs the plans of new findings again, side by side.
func (t *tally) confirm(ctx context.Context, pool poolOf, list []*Finding) error {
	var again []*Finding
	for range replays {
		for _, f := range list {
			if f.New() {
				again = append(again, f)
			}
		}
	}
	t.tell("confirming")
	i := 0
	return pool.Run(ctx, t.workers, len(again), func(i int) *experiment.Experiment {
		x := *again[i].x
		x.Observer = nil
		return &x
	}, func(_ *experiment.Experiment, o *experiment.Outcome) error {
		f := again[i]
		i++
		if f.Tried++; f.shows(o, false) {
			f.Shown++
		}
		t.tell("confirming")
		return nil
	})
}

// Bounds of shrinking: of each finding in simulation, where they are milliseconds, in
// experiments; on real servers in time as well, for all findings together.
const (
	shrinkTries     = 1500
	shrinkTriesReal = 40
	shrinkTime      = 2 * time.Minute
	shrinkTogether  = 8
)

// shrinkAll shrinks what was found, new findings first.
func (t *tally) shrinkAll(ctx context.Context, list []*Finding) error {
	if ctx.Err() != nil {
		return nil // the reader wants to see what there is
	}
	t.tell("shrinking")
	real := t.b.Rig() != nil
	together := t.workers
	if real {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, shrinkTime)
		defer stop()
		together = min(together, shrinkTogether)
	}
	var all errgroup.Group
	all.SetLimit(together)
	for _, f := range list {
		if f.Confirmed() {
			all.Go(func() error { return t.shrink(ctx, f, real) })
		}
	}
	return all.Wait()
}

// once runs each experiment on a machine of its own, and keeps what it leaves behind.
type once struct {
	t    *tally
	left *evidence // by the last
}

func (r *once) Run(ctx context.Context, x *experiment.Experiment) (*experiment.Outcome, error) {
	its := *x
	r.left = new(evidence)
	its.Observer = r.left
	return r.t.b.RunOnce(ctx, &its)
}

// shrink looks for a smaller experiment that shows a finding, and saves it in its dossier.
func (t *tally) shrink(ctx context.Context, f *Finding, real bool) error {
	options := shrink.Options{Tries: shrinkTries, Seeds: 2, Drawn: true, Shows: func(o *experiment.Outcome) bool { return f.shows(o, !real) }}
	dir := filepath.Join(f.Dir, shrink.DirName)
	runs := &once{t: t}
	var r *shrink.Result
	var err error
	if real {
		options.Tries, options.Real = shrinkTriesReal, true
		options.Better = func(x *experiment.Experiment, o *experiment.Outcome) error { return t.saveShrunk(dir, x, o, runs.left) }
		r, err = shrink.Shrink(ctx, runs, f.x, f.Anomaly, options)
	} else {
		one, oneErr := t.b.NewRunner()
		if oneErr != nil {
			return oneErr
		}
		defer one.Close()
		r, err = shrink.Shrink(ctx, one, f.x, f.Anomaly, options)
	}
	switch {
	case errors.Is(err, shrink.ErrGone), ctx.Err() != nil && r == nil:
		return nil // it stays as it is
	case err != nil:
		return fmt.Errorf("shrink %s: %w", f.Dir, err)
	case r.Experiment == f.x:
		return nil // it is as small as it gets
	}
	if !real {
		o, err := runs.Run(context.Background(), r.Experiment)
		if err == nil {
			err = t.saveShrunk(dir, r.Experiment, o, runs.left)
		}
		if err != nil {
			return fmt.Errorf("shrink %s: %w", f.Dir, err)
		}
	}
	f.Shrunk = &result.Shrunk{Dir: dir, Plan: r.Experiment.Plan.String(), Faults: r.After.Faults, Operations: r.After.Operations}
	return os.WriteFile(filepath.Join(dir, "shrunk.txt"), []byte(r.Describe(strings.TrimSpace(f.Name()))), 0o644)
}

func (t *tally) saveShrunk(dir string, x *experiment.Experiment, o *experiment.Outcome, left *evidence) error {
	if err := saved.Save(dir, t.h.Torntail, t.b, x, o); err != nil {
		return err
	}
	return left.write(dir)
}
