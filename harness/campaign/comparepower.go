package campaign

import (
	"context"
	"time"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/compare"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// A comparison is believed because it is seen to find changes that are there,
// and to stay silent when there is none. Both are shown on simulated runs.

// PowerLine is how often the comparison flagged one kind of change.
type PowerLine struct {
	What           string
	Flagged, Pairs int
}

// powerCrashes is how many crashes of each pair of mode and crash kind the
// power is shown for: as many as a run in simulation has.
const powerCrashes = 200

// powerModes and powerKinds are the table that is compared: what a run has,
// without the modes that lose nothing or all.
var (
	powerModes = []string{"always", "everysec", "rdb"}
	powerKinds = []string{"kill", "power"}
)

// change is a change between OLD and NEW that is planted.
type change struct {
	what   string
	figure []string // any of these, getting worse, is the change
	plant  func(c *Campaign)
}

var changes = []change{
	{"an fsync every 2 s instead of 1 s (everysec)", []string{"loss window", "worst loss windows", "lost writes"}, func(c *Campaign) {
		c.Plants.Engine |= bugs.EverysecTwoSeconds
	}},
	{"twice the loss (rdb saves every 4 s, not 2 s)", []string{"lost writes"}, func(c *Campaign) {
		for i := range c.Modes {
			if c.Modes[i].RDB {
				// A second save line would add a save point.
				c.Modes[i] = c.Modes[i].With([]product.Directive{{Name: "save", Value: ""}, {Name: "save", Value: "4 1"}})
			}
		}
	}},
	{"throughput -20 % (slower fsync under always)", []string{"throughput"}, func(c *Campaign) {
		c.more = slowerSyncs
	}},
}

// slowerBy takes a fifth of the throughput of an always server with four
// clients on the cloud-ssd profile, whose syncs take 1.6 ms in the mean.
const slowerBy = 430 * time.Microsecond

// slowerSyncs makes every sync of the log take longer.
func slowerSyncs(p *plan.Plan) {
	slow := experiment.At(0, &plan.Slow{Target: plan.Target{Call: plan.CallPattern{Op: "fsync", Glob: "*.incr.aof"}}, By: slowerBy})
	p.Statements = append([]plan.Statement{slow}, p.Statements...)
}

// ComparisonPower compares pairs of runs with each of the planted changes, and
// five times as many pairs without one, in which anything flagged is a false
// alarm. Each run without a change is the NEW of one such pair and the OLD of
// the next; the first ones are also what the planted changes are held against.
func ComparisonPower(ctx context.Context, pairs int, seed uint64, o compare.Options, tell func(what string, done, total int)) ([]PowerLine, error) {
	lines := []PowerLine{{What: "no change", Pairs: 5 * pairs}}
	done, total := 0, 5*pairs+1+pairs*len(changes)
	run := func(what string, n int, plant func(c *Campaign)) (*result.Report, error) {
		r, err := powerRun(ctx, seeding.Derive(seed, hashName(what), uint64(n))>>11, plant)
		done++
		tell(what, done, total)
		return r, err
	}
	var plain []*result.Report
	for n := range 5*pairs + 1 {
		r, err := run("no change", n, nil)
		if err != nil {
			return nil, err
		}
		plain = append(plain, r)
		if n > 0 && len(compare.Reports(plain[n-1], r, o).Changes) > 0 {
			lines[0].Flagged++
		}
	}
	for _, ch := range changes {
		l := PowerLine{What: ch.what, Pairs: pairs}
		for n := range pairs {
			r, err := run(ch.what, n, ch.plant)
			if err != nil {
				return nil, err
			}
			if ch.seenIn(compare.Reports(plain[n], r, o)) {
				l.Flagged++
			}
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// powerRun is one run of the table that is compared.
func powerRun(ctx context.Context, seed uint64, plant func(c *Campaign)) (*result.Report, error) {
	c := &Campaign{Workload: workloads.Default(), Personality: "ext4", Profile: "cloud-ssd", Seed: seed, Runs: powerCrashes}
	for _, n := range powerModes {
		m, err := redis.ModeByName(n)
		if err != nil {
			return nil, err
		}
		c.Modes = append(c.Modes, m)
	}
	for _, n := range powerKinds {
		k, err := experiment.CrashByName(n)
		if err != nil {
			return nil, err
		}
		c.Crashes = append(c.Crashes, k)
	}
	if plant != nil {
		plant(c)
	}
	results, err := c.Run(ctx, Simulation())
	if err == nil {
		err = ctx.Err()
	}
	return &result.Report{Seed: seed, Results: results}, err
}

// seenIn reports whether a comparison flags the change for what it is.
func (ch *change) seenIn(c *compare.Comparison) bool {
	for _, x := range c.With(compare.Worse) {
		for _, f := range ch.figure {
			if x.Figure == f {
				return true
			}
		}
	}
	return false
}
