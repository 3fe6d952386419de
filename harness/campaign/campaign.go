// Package campaign runs many experiments: every pair of mode and crash kind, so often on
// one Backend, side by side as far as that bears it. It tallies their outcomes into the
// figures of a report. The self-test, and the power of comparisons, are campaigns too.
package campaign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// ReadPlan reads a plan that a user gives as text, or as the name of a file, which is at path.
func ReadPlan(text, path string) (*plan.Plan, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "plan ") {
		return plan.Parse(text)
	}
	data, err := bounded.Text(path, "a plan")
	if first, _, _ := strings.Cut(strings.TrimSpace(text), " "); first == "at" && errors.Is(err, os.ErrNotExist) {
		return statements(text) // what somebody types: the first line goes without saying
	}
	if err != nil {
		return nil, fmt.Errorf("neither a plan (first line \"plan 1\") nor a file: %w", err)
	}
	p, err := plan.Parse(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	return p, nil
}

// statements reads a plan without its first line.
func statements(text string) (*plan.Plan, error) {
	p, err := plan.Parse("plan 1\n" + text)
	var at *plan.Error
	if errors.As(err, &at) {
		own := *at
		own.Line-- // as the user counts
		err = &own
	}
	return p, err
}

// Progress is how far a campaign is.
type Progress struct {
	What                             string // the pair under way
	Done, Total, Violations, Unknown int
}

// Campaign is a table of experiments: modes by crash kinds, each pair many times.
type Campaign struct {
	Modes       []product.Mode
	Crashes     []*experiment.CrashKind
	Workload    workloads.Spec // Rate and Span 0: the mode's own
	Personality string
	Profile     string
	Seed        uint64
	Runs        int           // crashes that must strike, for each pair; 0: what suits the backend
	For         time.Duration // instead of Runs: run that long, divided fairly
	Workers     int           // 0: one for each CPU
	Plan        *plan.Plan    // nil: a plan is drawn for each experiment
	Plants      experiment.Plants
	Contract    *contract.File // the user's own; nil: the built-in ones
	Keep        int            // failures to keep of each pair
	// Until, when not nil, lets each pair be as soon as it has shown that.
	Until *Until
	// Slots, when not nil, are what this campaign and others beside it share: each experiment
	// takes one, and there are as many as may run at once.
	Slots chan struct{}
	// more, when not nil, changes each plan that is drawn.
	more func(p *plan.Plan)
	// Save keeps a failure and returns its directory; nil keeps none.
	Save func(x *experiment.Experiment, o *experiment.Outcome) (string, error)
	// Progress is told what goes on; nil is silent.
	Progress func(Progress)
}

// wanted is how many crashes must strike in each pair; 0 when time decides.
func (c *Campaign) wanted() int {
	if c.For > 0 {
		return 0
	}
	return c.Runs
}

// attempts is how many experiments a pair may take for each crash that must
// strike, before the pair is unknown.
const attempts = 3

// cell is one pair of mode and crash kind, and what was found of it.
type cell struct {
	mode  *product.Mode
	crash *experiment.CrashKind
	na    string // why it is not run
	tally tally
}

// Run runs the campaign and returns a result for each pair. After ctx is
// cancelled it returns what it has, with verdict unknown for what is not done, and why, if
// that is another cause than somebody's wish. An error is
// torntail's own or the environment's; what was done before it comes with it.
func (c *Campaign) Run(ctx context.Context, b Backend) ([]result.Result, error) {
	suited := *c
	if suited.Runs == 0 {
		suited.Runs = b.Runs()
	}
	suited.Modes = make([]product.Mode, len(c.Modes))
	for i, m := range c.Modes {
		suited.Modes[i] = b.Suit(m)
	}
	return suited.runCells(ctx, b)
}

func (c *Campaign) runCells(ctx context.Context, b Backend) ([]result.Result, error) {
	var cells []*cell
	for i := range c.Modes {
		for j := range c.Crashes {
			cells = append(cells, &cell{mode: &c.Modes[i], crash: c.Crashes[j]})
		}
	}
	results := make([]result.Result, len(cells))
	for i, cell := range cells {
		results[i] = cell.blank(c, b)
		cell.tally.Result, cell.tally.known = &results[i], cell.mode.Store.Findings()
		if cell.na = b.lacks(cell.mode, cell.crash); cell.na != "" {
			results[i].Verdict, results[i].Why = result.NotApplicable, cell.na
		}
	}
	groups, n := c.groups(cells, b)
	pool, err := NewPool(b, n)
	if err != nil {
		c.giveUp(cells, err)
		return results, err
	}
	defer pool.Close()
	pool.slots = c.Slots
	end, left := time.Now().Add(c.For), c.applicable(cells)
	count := counter{tell: c.Progress, at: Progress{Total: c.Runs * left}}
	for _, group := range groups {
		deadline := time.Now().Add(time.Until(end) * time.Duration(len(group)) / time.Duration(left)) // its fair share of For
		left -= len(group)
		all, inGroup := errgroup.WithContext(ctx)
		for _, cell := range group {
			all.Go(func() error {
				began := time.Now()
				defer func() { cell.tally.Result.ElapsedS = time.Since(began).Seconds() }()
				return c.runCell(inGroup, b, pool, cell, deadline, func(x *experiment.Experiment, o *experiment.Outcome) error {
					return count.take(cell, o, func() error { return c.keep(x, o, cell.tally.Result) })
				})
			})
		}
		if err := all.Wait(); err != nil {
			c.giveUp(cells, err)
			return results, err
		}
		for _, cell := range group {
			wanted := c.wanted()
			if c.Until.count(&cell.tally); c.Until.met(&cell.tally) {
				wanted = 0
			}
			cell.tally.finish(wanted, context.Cause(ctx))
		}
	}
	return results, nil
}

// giveUp finishes the pairs that are not done, because of err.
func (c *Campaign) giveUp(cells []*cell, err error) {
	for _, cell := range cells {
		if cell.tally.Result.Verdict == "" {
			c.Until.count(&cell.tally)
			cell.tally.finish(c.wanted(), err)
		}
	}
}

// groups are the pairs that run at the same time, in order, and the number of
// runners that the largest of them takes.
func (c *Campaign) groups(cells []*cell, b Backend) (groups [][]*cell, runners int) {
	together := -1
	for i, cl := range cells {
		if cl.na != "" {
			continue
		}
		runners = max(runners, c.workers(b, cl.mode))
		switch {
		case !b.Together(cl.mode):
			groups = append(groups, cells[i:i+1:i+1])
		case together < 0:
			together = len(groups)
			groups = append(groups, cells[i:i+1:i+1]) // grows into a copy
		default:
			groups[together] = append(groups[together], cl)
		}
	}
	return groups, runners
}

func (c *Campaign) workers(b Backend, m *product.Mode) int {
	if c.Workers > 0 {
		return c.Workers
	}
	return b.Parallel(m)
}

// counter adds outcomes of pairs that may run at the same time to what the
// campaign as a whole knows.
type counter struct {
	mu   sync.Mutex
	at   Progress
	tell func(Progress)
}

func (n *counter) take(c *cell, o *experiment.Outcome, keep func() error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	c.tally.askWitness(o)
	c.tally.add(o)
	n.at.What = c.mode.Name + ", " + c.crash.Name
	n.at.Done++
	n.at.Total = max(n.at.Total, n.at.Done)
	switch o.Verdict {
	case result.Violated:
		n.at.Violations++
	case result.Unknown:
		n.at.Unknown++
	}
	if n.tell != nil {
		n.tell(n.at)
	}
	return keep()
}

// applicable counts the pairs whose crash has something to strike.
func (c *Campaign) applicable(cells []*cell) int {
	n := 0
	for _, cell := range cells {
		if cell.na == "" {
			n++
		}
	}
	return n
}

// runCell runs experiments of one pair until enough crashes have struck, with
// For until the deadline. The outcomes are counted in the order of their
// numbers, so that the result does not depend on which worker was faster.
func (c *Campaign) runCell(ctx context.Context, b Backend, p *Pool, cell *cell, deadline time.Time, take func(*experiment.Experiment, *experiment.Outcome) error) error {
	enough := func() bool {
		if c.For > 0 {
			// However little time there is: a pair that was never tried says nothing.
			return c.Until.met(&cell.tally) || cell.tally.Runs > 0 && !time.Now().Before(deadline)
		}
		return c.Until.met(&cell.tally) || cell.tally.Struck >= c.Runs || cell.tally.Runs >= attempts*c.Runs
	}
	next, workers := 0, c.workers(b, cell.mode)
	for !enough() && ctx.Err() == nil {
		batch := workers
		if c.For == 0 {
			batch = c.Runs - cell.tally.Struck
		}
		first := next
		next += batch
		err := p.Run(ctx, workers, batch, func(i int) *experiment.Experiment {
			return c.on(b, c.Experiment(cell.mode, cell.crash, uint64(first+i)))
		}, func(x *experiment.Experiment, o *experiment.Outcome) error {
			// Counted in order, so that where a pair ends depends on nothing else.
			if err := take(x, o); err != nil || !c.Until.met(&cell.tally) {
				return err
			}
			return errMet
		})
		if err != nil && !errors.Is(err, errMet) {
			return err
		}
	}
	return nil
}

// Experiment is the n-th experiment of a pair: everything about it follows
// from the campaign's seed, the names of the pair, and n.
func (c *Campaign) Experiment(m *product.Mode, crash *experiment.CrashKind, n uint64) *experiment.Experiment {
	// 53 bits, so that a seed survives a reader of JSON that knows only floats.
	seed := seeding.Derive(c.Seed, hashName(m.Name), hashName(crash.Name), n) >> 11
	p := c.Plan
	if p == nil {
		p = experiment.GeneratePlan(m, crash, seed)
		if c.more != nil {
			c.more(p)
		}
	}
	return &experiment.Experiment{
		Mode: *m, Crash: crash, Workload: crash.Clients(c.workload(m), p), Personality: c.Personality, Profile: c.Profile,
		Seed: seed, Plan: p, Asked: c.Plan != nil, Plants: c.Plants, Contract: c.Contract,
		Witness: experiment.DrawnForWitness(seed),
	}
}

// on is an experiment as the backend can run it.
func (c *Campaign) on(b Backend, x *experiment.Experiment) *experiment.Experiment {
	if c.Plan == nil {
		x.Plan = b.Adapt(x.Plan, x.Seed)
	}
	return x
}

func (c *Campaign) workload(m *product.Mode) workloads.Spec {
	w := c.Workload
	if w.Rate == 0 {
		w.Rate = m.Rate
	}
	return w
}

// hashName is FNV-1a.
func hashName(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// keep saves a failure, or the first run that shows a finding.
func (c *Campaign) keep(x *experiment.Experiment, o *experiment.Outcome, res *result.Result) error {
	if o.Verdict != result.Violated && len(o.Findings) == 0 {
		return nil
	}
	f := result.Failure{Seed: x.Seed, Plan: x.Plan.String()}
	if o.Verdict == result.Violated {
		n := 0
		for _, have := range res.Failures {
			if have.Anomaly != "" {
				n++
			}
		}
		if n >= c.Keep {
			return nil
		}
		f.Anomaly, f.Story = o.Anomalies[0].Name, o.Anomalies[0].Story
	} else {
		for _, have := range res.Failures {
			if have.Finding == o.Findings[0] {
				return nil
			}
		}
		f.Finding = o.Findings[0]
	}
	if c.Save != nil {
		dir, err := c.Save(x, o)
		if err != nil {
			return fmt.Errorf("save the failure of seed %d: %w", x.Seed, err)
		}
		f.Dir = dir
	}
	res.Failures = append(res.Failures, f)
	return nil
}

// Pool is the runners of a campaign, which the pairs that run at the same time share, or
// those of experiments that somebody else draws.
type Pool struct {
	// Look, when not nil, is called with each outcome as it comes, on any goroutine, while its
	// history is there for certain.
	Look func(x *experiment.Experiment, o *experiment.Outcome)

	all   []*experiment.Runner
	idle  chan *experiment.Runner
	slots chan struct{} // shared with other pools; nil: there are none
}

// NewPool makes n runners on a backend.
func NewPool(b Backend, n int) (*Pool, error) {
	p := &Pool{idle: make(chan *experiment.Runner, n)}
	for range n {
		r, err := b.NewRunner()
		if err != nil {
			p.Close()
			return nil, err
		}
		p.all = append(p.all, r)
		p.idle <- r
	}
	return p, nil
}

// Close ends what is left of the last experiments.
func (p *Pool) Close() {
	for _, r := range p.all {
		r.Close()
	}
}

// Run runs experiments 0 to n-1, at most so many at a time as there are
// workers, and gives the outcomes to take, in the order of their numbers and on
// one goroutine at a time. A worker goes on to its next experiment without
// waiting for its turn, unless the outcome is one to keep: its history lives in
// the runner's memory.
//
// A worker takes a runner before it begins an experiment, never after: so an
// outcome that waits for its turn with a runner in hand waits only for
// experiments that have runners too.
//
// make may return nil: then that is the end, and so it must be for all later numbers.
func (p *Pool) Run(ctx context.Context, workers, n int, make func(i int) *experiment.Experiment, take func(*experiment.Experiment, *experiment.Outcome) error) error {
	q := queue{n: n, take: take, ready: map[int]ran{}}
	q.turn.L = &q.mu
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for p.one(ctx, &q, make) {
			}
		})
	}
	wg.Wait()
	return q.failed
}

// one runs the next experiment of a queue; false when there is none.
func (p *Pool) one(ctx context.Context, q *queue, make func(i int) *experiment.Experiment) bool {
	r := <-p.idle
	defer func() { p.idle <- r }()
	if p.slots != nil { // as with runners: who has begun an experiment has one
		p.slots <- struct{}{}
		defer func() { <-p.slots }()
	}
	i, ok := q.begin(ctx)
	if !ok {
		return false
	}
	x := make(i)
	if x == nil {
		q.endBefore(i)
		return false
	}
	o, err := r.Run(ctx, x)
	if err != nil && ctx.Err() != nil {
		o, err = nil, nil // given up
	}
	if o != nil && p.Look != nil {
		p.Look(x, o)
	}
	q.end(i, ran{x, o, err})
	return true
}

// queue hands out experiments and takes their outcomes in order.
type queue struct {
	mu     sync.Mutex
	turn   sync.Cond
	n      int
	next   int // experiment to begin
	taken  int // outcomes taken
	ready  map[int]ran
	take   func(*experiment.Experiment, *experiment.Outcome) error
	failed error
}

// ran is an experiment that has been run and whose turn has not come.
type ran struct {
	x   *experiment.Experiment
	o   *experiment.Outcome // nil: given up
	err error
}

func (q *queue) begin(ctx context.Context) (int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next >= q.n || q.failed != nil || ctx.Err() != nil {
		return 0, false
	}
	q.next++
	return q.next - 1, true
}

// endBefore says that there is no experiment of that number, nor a later one.
func (q *queue) endBefore(i int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.n = min(q.n, i)
}

func (q *queue) end(i int, r ran) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ready[i] = r
	if r.o != nil && !r.o.ToKeep() {
		r.o.History = nil
	}
	for r.o != nil && r.o.ToKeep() && q.taken < i && q.failed == nil {
		q.turn.Wait()
	}
	for q.failed == nil {
		r, ok := q.ready[q.taken]
		if !ok {
			break
		}
		if q.failed = r.err; r.o != nil {
			q.failed = q.take(r.x, r.o)
		}
		delete(q.ready, q.taken)
		q.taken++
	}
	q.turn.Broadcast()
}
