// Package hunt searches for durability bugs that nobody has named. Space is what
// experiments are drawn from; a guide chooses, of those that reached something new, which
// is changed next (mutate.go); shapes are what is new (shape.go). What breaks a contract is
// a Finding, told apart from others by its fingerprint, with a dossier each (dossier.go).
//
// On simulated machines a hunt is repeated exactly by its seed and its corpus, however many
// workers it has: experiments are drawn in rounds, from what the rounds before have shown.
package hunt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
)

// Hunt is a search of a space. Either Experiments or For ends it.
type Hunt struct {
	Space       *Space
	Seed        uint64
	Experiments int           // 0: as many as fit into For
	For         time.Duration // 0: as long as Experiments take
	Workers     int           // 0: what suits the backend
	Guide       string        // one of Guides
	Corpus      string        // a directory; "": none
	Replay      bool          // only what the corpus has is run
	Known       []string      // fingerprints of findings that are known
	Dir         string        // a dossier of each finding is made in it; "": none
	Torntail    string        // the version that dossiers name
	// Until, when not nil, ends the hunt when it is true of a finding.
	Until func(f *Finding) bool
	// Progress is told how far it is, Found of each finding as it is first seen. Nil is silent.
	Progress func(p Progress)
	Found    func(f *Finding)
}

// Progress is how far a hunt is.
type Progress struct {
	What                            string // "hunting", and what is done with what was found
	Experiments, Shapes, New, Known int
	SinceShape                      time.Duration // since the last new shape
}

// Result is what a hunt has shown.
type Result struct {
	Schema      int        `json:"schema"`
	Torntail    string     `json:"torntail"`
	Command     string     `json:"command"`
	Target      string     `json:"target"`
	Version     string     `json:"version"`
	Backend     string     `json:"backend"`
	Seed        uint64     `json:"seed"`
	Guide       string     `json:"guide"`
	Started     time.Time  `json:"started"`
	ElapsedS    float64    `json:"elapsed_s"`
	Experiments int        `json:"experiments"`
	Struck      int        `json:"struck"`
	Missed      int        `json:"missed"`   // experiments of which a statement struck nothing
	AtStake     int        `json:"at_stake"` // experiments whose crash could have taken something
	Unknown     int        `json:"unknown"`
	Why         []Counted  `json:"why,omitempty"` // what was unknown
	Wasted      int        `json:"wasted"`        // the crash did not strike, a statement missed, or nothing was at stake
	Corpus      int        `json:"corpus"`        // experiments that reached something new
	Shapes      int        `json:"shapes"`
	Findings    []*Finding `json:"findings"`
	Map         []Struck   `json:"map"`                // kinds of faults and commands, and how often each struck
	LeftOut     []string   `json:"left_out,omitempty"` // settings with which the server does not start
	Interrupted bool       `json:"interrupted,omitempty"`
}

// Counted is a text, and how often it was.
type Counted struct {
	Text string `json:"text"`
	Runs int    `json:"runs"`
}

// Struck is a kind of fault or command of the space, in how many experiments it was to
// strike, and in how many it did.
type Struck struct {
	Kind   string `json:"kind"`
	Drawn  int    `json:"drawn"`
	Struck int    `json:"struck"`
}

// round is how many experiments are drawn in simulation before their outcomes are looked at,
// however many workers there are.
const round = 64

// Run hunts until its end, or ctx's. An error is torntail's own or the environment's; what
// was found before comes with it.
func (h *Hunt) Run(ctx context.Context, b campaign.Backend) (*Result, error) {
	g, err := guideByName(h.Guide)
	if err != nil {
		return nil, err
	}
	workers := h.Workers
	if workers == 0 {
		workers = h.Space.workers(b)
	}
	t := &tally{h: h, b: b, workers: workers, began: time.Now(), shaped: time.Now(), dirs: map[string]int{}, kinds: map[string]*Struck{}, why: map[string]int{}, found: map[string]*Finding{},
		corpus: corpus{dir: h.Corpus, reached: map[shape]int{}}}
	t.result = &Result{Schema: Schema, Target: b.Target, Version: b.Version, Backend: b.Name, Seed: h.Seed, Guide: h.Guide, Started: t.began.UTC()}
	first, err := t.corpus.load(h.Space)
	if err != nil {
		return nil, err
	}
	pool, err := campaign.NewPool(b, workers)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	pool.Look = func(x *experiment.Experiment, o *experiment.Outcome) {
		for _, s := range shapesOf(x, o) {
			o.Reached = append(o.Reached, string(s))
		}
	}
	if h.Space.Real {
		if err := t.leaveOut(ctx); err != nil {
			return nil, err
		}
		err = t.always(ctx, g, pool, first)
	} else {
		err = t.rounds(ctx, g, pool, first)
	}
	t.result.ElapsedS = time.Since(t.began).Seconds()
	if err != nil { // what there is is told, and nothing more is tried
		gone, stop := context.WithCancel(ctx)
		stop()
		_ = t.dossiers(gone, pool)
	} else {
		err = t.dossiers(ctx, pool)
	}
	t.finish(ctx)
	return t.result, err
}

// rounds runs one round of simulated experiments after the other.
func (t *tally) rounds(ctx context.Context, g guide, pool *campaign.Pool, first []*experiment.Experiment) (err error) {
	for n := 0; err == nil && !t.over(ctx, n, first); {
		list := t.next(g, n, round, &first)
		n += len(list)
		err = pool.Run(ctx, t.workers, len(list), func(i int) *experiment.Experiment { return list[i] }, t.take)
	}
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// always lets each worker go on to an experiment that follows from what is known by then:
// real ones are seconds each, and not of one length.
func (t *tally) always(ctx context.Context, g guide, pool *campaign.Pool, first []*experiment.Experiment) error {
	var mu sync.Mutex // of all that is drawn from and counted
	err := pool.Run(ctx, t.workers, math.MaxInt, func(i int) *experiment.Experiment {
		mu.Lock()
		defer mu.Unlock()
		if t.over(ctx, i, first) {
			return nil
		}
		return t.next(g, i, 1, &first)[0]
	}, func(x *experiment.Experiment, o *experiment.Outcome) error {
		mu.Lock()
		defer mu.Unlock()
		return t.take(x, o)
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// Schema is the version of a hunt's result on file.
const Schema = 1

// workers is how many experiments run side by side. Real servers wait most of the time.
func (s *Space) workers(b campaign.Backend) int {
	if !s.Real {
		return b.Parallel(nil)
	}
	paced := product.Mode{Rate: operations}
	return max(1, b.Parallel(&paced)/2)
}

// tally is a hunt under way.
type tally struct {
	h      *Hunt
	b      campaign.Backend
	began  time.Time
	corpus corpus
	found  map[string]*Finding
	kinds  map[string]*Struck
	why    map[string]int
	result *Result
	shaped time.Time // when the last new shape was reached
	done   bool      // Until is met

	workers int
	dirs    map[string]int // dossiers by the beginning of their names
}

func (t *tally) over(ctx context.Context, n int, first []*experiment.Experiment) bool {
	switch {
	case ctx.Err() != nil || t.done, t.h.For > 0 && time.Since(t.began) >= t.h.For:
		return true
	case len(first) > 0:
		return false
	}
	return t.h.Replay || t.h.Experiments > 0 && n >= t.h.Experiments
}

// next are the experiments of the next round: first those of the corpus, then drawn ones, of
// which a guide has half be changed ones.
func (t *tally) next(g guide, n, size int, first *[]*experiment.Experiment) (list []*experiment.Experiment) {
	defer func() {
		for _, x := range list {
			t.suit(x)
		}
	}()
	if len(*first) > 0 {
		size = min(size, len(*first))
		list, *first = (*first)[:size], (*first)[size:]
		return list
	}
	if t.h.Experiments > 0 {
		size = min(size, t.h.Experiments-n)
	}
	for i := range size {
		// 53 bits, so that a seed survives a reader of JSON that knows only floats.
		seed := seeding.Derive(t.h.Seed, uint64(n+i)) >> 11
		d := seeding.NewDraws(seeding.Derive(seed, 3))
		if g == nil || len(t.corpus.entries) == 0 || d.Below(2) == 0 {
			list = append(list, t.h.Space.Draw(seed))
			continue
		}
		of, other := t.corpus.entries[g.choose(&t.corpus, d)].x, t.corpus.entries[g.choose(&t.corpus, d)].x
		list = append(list, t.h.Space.Mutate(of, other, seed))
	}
	return list
}

// suit makes an experiment ready to be run: it has what the server knows of its mode, and an
// observer where it cannot be run again exactly.
func (t *tally) suit(x *experiment.Experiment) {
	x.Accounted = true
	if rig := t.b.Rig(); rig != nil {
		x.Mode = rig.Store.On(x.Mode)
		x.Observer = new(evidence)
	}
}

// take counts one outcome.
func (t *tally) take(x *experiment.Experiment, o *experiment.Outcome) error {
	r := t.result
	r.Experiments++
	defer func() { x.Observer = nil }() // the corpus may keep the experiment
	t.mapped(x, o)
	switch {
	case o.Distrust != "": // which says nothing of the server; a hunt goes on, and tells of it
		r.Unknown++
		t.why["torntail itself: "+kindOfWhy(o.Distrust)]++
	case o.Verdict == result.Unknown:
		r.Unknown++
		t.why[kindOfWhy(o.Why)]++
	}
	if o.Struck {
		r.Struck++
	}
	if o.InPlay {
		r.AtStake++
	}
	missed := missed(o)
	if missed {
		r.Missed++
	}
	if !o.Struck || !o.InPlay || missed {
		r.Wasted++
	}
	reached := make([]shape, len(o.Reached))
	for i, s := range o.Reached {
		reached[i] = shape(s)
	}
	fresh, err := t.corpus.take(x, reached)
	if err != nil {
		return fmt.Errorf("corpus: %w", err)
	}
	if fresh {
		t.shaped = time.Now()
	}
	for _, f := range shown(x, o) {
		if err := t.add(f, o); err != nil {
			return fmt.Errorf("dossier: %w", err)
		}
	}
	t.tell("hunting")
	if t.done {
		return errDone
	}
	return nil
}

// tell tells how far it is.
func (t *tally) tell(what string) {
	if t.h.Progress == nil {
		return
	}
	p := Progress{What: what, Experiments: t.result.Experiments, Shapes: len(t.corpus.reached), SinceShape: time.Since(t.shaped)}
	for _, f := range t.found { // any order: counted
		if f.New() {
			p.New++
		} else {
			p.Known++
		}
	}
	t.h.Progress(p)
}

// errDone ends a round when Until is met.
var errDone = errors.New("what the hunt was for is found")

// missed reports whether a statement struck nothing.
func missed(o *experiment.Outcome) bool {
	return slices.ContainsFunc(o.Statements, func(s plan.StatementReport) bool { return !s.Struck })
}

// add counts a finding, and keeps the first and the smallest that shows it.
func (t *tally) add(f Finding, o *experiment.Outcome) (err error) {
	have := t.found[f.Fingerprint]
	if have == nil {
		have = &f
		have.First, have.AfterS = t.result.Experiments, time.Since(t.began).Seconds()
		if have.Known == "" && slices.Contains(t.h.Known, f.Fingerprint) {
			have.Known = Listed
		}
		t.found[f.Fingerprint] = have
		err = t.keep(have, o)
		if t.h.Found != nil {
			t.h.Found(have)
		}
	} else {
		have.Runs++
		if smaller(f.x, have.x) {
			have.x, have.Plan, have.Story, have.Mode, have.Disk, have.Anomaly = f.x, f.Plan, f.Story, f.Mode, f.Disk, f.Anomaly
			err = t.keep(have, o)
		}
	}
	t.done = t.done || t.h.Until != nil && t.h.Until(have)
	return err
}

// Listed is what a finding is known as that only the reader's own list has.
const Listed = "in the list of known findings"

// mapped counts which kinds of statements were drawn, and which struck.
func (t *tally) mapped(x *experiment.Experiment, o *experiment.Outcome) {
	seen := map[string]bool{}
	for i := range x.Plan.Statements {
		s := &x.Plan.Statements[i]
		kind, struck := kindOfFault(s), i < len(o.Statements) && o.Statements[i].Struck
		k := t.kinds[kind]
		if k == nil {
			k = &Struck{Kind: kind}
			t.kinds[kind] = k
		}
		if !seen[kind] {
			k.Drawn++
		}
		if struck && !seen[kind+" struck"] {
			k.Struck++
			seen[kind+" struck"] = true
		}
		seen[kind] = true
	}
}

// kindOfWhy is why something is unknown, without what differs from run to run.
func kindOfWhy(why string) string {
	why, _, _ = strings.Cut(why, "\n")
	kind := firstWords(why, 9)
	if _, _, parts := strings.Cut(why, ": "); parts {
		kind = firstWords(why, 12)
	}
	return kind
}

// finish makes the result of what was counted.
func (t *tally) finish(ctx context.Context) {
	r := t.result
	r.Corpus, r.Shapes, r.Interrupted = len(t.corpus.entries), len(t.corpus.reached), ctx.Err() != nil
	r.Findings = t.ordered()
	for why, n := range t.why { // any order: sorted below
		r.Why = append(r.Why, Counted{why, n})
	}
	slices.SortFunc(r.Why, func(a, b Counted) int {
		if a.Runs != b.Runs {
			return b.Runs - a.Runs
		}
		return strings.Compare(a.Text, b.Text)
	})
	for _, k := range t.kinds { // any order: sorted below
		r.Map = append(r.Map, *k)
	}
	slices.SortFunc(r.Map, func(a, b Struck) int { return strings.Compare(a.Kind, b.Kind) })
}

// ordered are the findings, new ones first, as they were found.
func (t *tally) ordered() []*Finding {
	list := slices.Collect(maps.Values(t.found)) // any order: sorted below
	slices.SortFunc(list, func(a, b *Finding) int {
		if a.New() != b.New() {
			if a.New() {
				return -1
			}
			return 1
		}
		if a.First != b.First {
			return a.First - b.First
		}
		return strings.Compare(a.Fingerprint, b.Fingerprint)
	})
	return list
}
